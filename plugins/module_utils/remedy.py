# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a remediation does about the causes that were found: one command of the product, or none, and steps for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import DIAGNOSIS, UNASKED

NOTHING = "nothing"
DEPLOY = "deploy"
RESTART = "restart"
ERROR = "error"

_RULES = {entry["code"]: entry for entry in DIAGNOSIS}


@dataclass(frozen=True)
class Plan:
    """What to do, and why."""

    command: str
    mends: List[str]
    left: List[Dict[str, Any]]
    stands_in_the_way: List[str]
    answered: List[str]

    @property
    def words(self) -> str:
        if self.stands_in_the_way:
            start = "Nothing was started or stopped: a login would fail, or may not be tried, as long as this is so"
            return f"{start}: {', '.join(self.stands_in_the_way)}."
        if self.command == NOTHING:
            return "There is nothing that the product can mend."
        reasons = [*self.mends, *(f"{code} (1Password has been changed since)" for code in self.answered)]
        return f"One {self.command}, for {', '.join(reasons)}."


def plan(found: Sequence[Mapping[str, Any]], changed_keys: Sequence[str], refused: Sequence[Mapping[str, Any]]) -> Plan:
    """Decide what to do about one host's causes.

    :param found: its causes, as `gateway_diagnose` returns them.
    :param changed_keys: keys of `.env` that 1Password has another value for by now. A cause that such a change answers
        stands in the way no more: the evidence is of a login with the old value.
    :param refused: causes for which the secrets that 1Password holds now were refused, as `{code, message}`. Where it could
        not be asked, a restart may go on, since it uses the `.env` that is there; a deploy may not.
    """
    mends: List[str] = []
    answered: List[str] = []
    blocking: List[str] = []
    left: List[Dict[str, Any]] = [_left(item["code"], str(item["message"])) for item in refused]
    blocking += [str(item["code"]) for item in refused if item["code"] not in UNASKED]
    for item in found:
        code = str(item["code"])
        rule = _RULES.get(code, {})
        remedy = causes.find(code).get("product_remedy")
        if set(rule.get("answered_by", ())) & set(changed_keys):
            answered.append(code)
        elif remedy is not None:
            mends.append(code)
        else:
            if code not in blocking:
                left.append(_left(code, str(item["message"])))
            if (causes.find(code)["severity"] == ERROR or rule.get("wait")) and code not in blocking:
                blocking.append(code)
    remedies = {causes.find(code)["product_remedy"] for code in mends}
    command = NOTHING
    if not blocking and (mends or answered):
        command = RESTART if RESTART in remedies and not changed_keys else DEPLOY
    if command == DEPLOY and refused:
        blocking += [str(item["code"]) for item in refused]
        command = NOTHING
    return Plan(command, mends, left, blocking, answered)


def _left(code: str, message: str) -> Dict[str, Any]:
    return {"code": code, "message": message, "steps": list(causes.find(code)["remedy"])}


def told(plan: Plan, host: str) -> str:
    """What an operator reads: what is done, and what is left for people."""
    lines = [f"{host}: {plan.words}"]
    for number, item in enumerate(plan.left, 1):
        lines += ["", f"{number}. {item['message']} [{item['code']}]"]
        lines += [
            f"   {step}. {text}" if len(item["steps"]) > 1 else f"   {text}"
            for step, text in enumerate(item["steps"], 1)
        ]
    return "\n".join(lines)
