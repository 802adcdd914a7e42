# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import remedy
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES
from ansible_collections.abstractfinance.ibgateway.plugins.plugin_utils.controller_action import ControllerAction

_CODE = re.compile(r"\[([a-z0-9-]+)\]")


class ActionModule(ControllerAction):
    SPEC = {
        "host": {"type": "str", "required": True},
        "causes": {"type": "list", "elements": "dict", "required": True},
        "changed_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "refusal": {"type": "str", "default": ""},
    }

    def result_of(self, args: Mapping[str, Any], _task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        plan = remedy.plan(args["causes"], args["changed_keys"], refused(args["refusal"]))
        return {
            "command": plan.command,
            "mends": plan.mends,
            "left": plan.left,
            "stands_in_the_way": plan.stands_in_the_way,
            "words": remedy.told(plan, args["host"]),
        }


def refused(text: str) -> List[Dict[str, str]]:
    """The causes in a failed task's message: one, or one a line; a failure that names none is one too."""
    known = {entry["code"] for entry in CAUSES}
    found: List[Dict[str, str]] = []
    for line in text.splitlines():
        codes = [code for code in _CODE.findall(line) if code in known]
        if codes:
            message = _CODE.sub("", line).strip(" -.")
            found.append({"code": codes[-1], "message": message + ("" if message.endswith("?") else ".")})
    if text.strip() and not found:
        found.append({"code": "step-failed", "message": text.strip()})
    return found
