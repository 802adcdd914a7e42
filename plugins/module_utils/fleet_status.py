# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet at a glance: who holds which login, where, since when, proven or not; and what is not as it should be.

Nothing here knows Ansible or an engine; the hosts' `session_info` results come in, lines and problems go out.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import fence_by_name
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import PENDING, PROVEN
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.problems import Problem
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import Silent, code_of, silent_hosts

COLUMNS = ("login", "host", "container", "state", "mode", "since (UTC)", "proven", "policy")
NOT_CONNECTED = "gateway-not-connected"
_GAP = "  "
_MARK = "! "


class Status(NamedTuple):
    """What to print, and what is wrong; no problem means that all is well."""

    lines: List[str]
    problems: List[Problem]


Answers = Mapping[str, Optional[Mapping[str, Any]]]


def fleet_status(fleet: Sequence[str], answers: Answers) -> Status:
    """The status of the fleet.

    :param fleet: the fleet list.
    :param answers: `session_info`'s result of every host of it, None where a host was not asked.
    """
    silent = silent_hosts(fleet, answers)
    told: Dict[str, Mapping[str, Any]] = {
        host: answer
        for host, answer in answers.items()
        if answer is not None and host not in [item.host for item in silent]
    }
    names = short_names(fleet)
    sessions = [dict(item, host=host) for host in sorted(told) for item in told[host]["sessions"]]
    doubled = _doubled(sessions)
    problems = [_silent_problem(item) for item in silent]
    problems += [_doubled_problem(key, sessions) for key in doubled]
    rows: List[Tuple[bool, Tuple[str, ...]]] = []
    for item in sorted(sessions, key=lambda one: (one["login_key"] or "~", one["host"], one["container"])):
        problem = _session_problem(item)
        problems += [] if problem is None else [problem]
        rows.append((problem is not None or item["login_key"] in doubled, _row(item, names, problem)))
    rows += [(True, ("?", names[item.host], _silent_word(item))) for item in silent]
    lines = _heading(fleet, names) + _table(rows) + _legend(sessions)
    for title, found in (
        ("images and programs", _programs(sessions, names)),
        ("parked", _parked(told, names, problems)),
        ("assumed to be powered off", _assumed(told, names, problems)),
        ("stopped, and staying so", _stopped(told, names)),
        ("being changed now", _leases(told, names)),
        ("last change of each host", _history(told, names)),
    ):
        lines += ["", f"{title}:", *found] if found else []
    return Status([line.rstrip() for line in lines], problems)


def short_names(fleet: Sequence[str]) -> Dict[str, str]:
    """Each host's name without the domain that all of them share, where that leaves every name its own."""
    parts = {host: host.split(".") for host in fleet}
    shared = 0
    while len(fleet) > 1 and all(len(item) > shared + 1 for item in parts.values()):
        if len({item[-shared - 1] for item in parts.values()}) > 1:
            break
        shared += 1
    names = {host: ".".join(item[: len(item) - shared]) for host, item in parts.items()}
    return names if len(set(names.values())) == len(names) else {host: host for host in fleet}


def _heading(fleet: Sequence[str], names: Mapping[str, str]) -> List[str]:
    host = fleet[0]
    domain = host[len(names[host]) :]
    return [f"Hosts without their domain {domain}.", ""] if domain else []


def _table(rows: Sequence[Tuple[bool, Tuple[str, ...]]]) -> List[str]:
    if not rows:
        return ["No gateway runs or would return on any host."]
    full = [COLUMNS] + [row for _marked, row in rows if len(row) == len(COLUMNS)]
    heads = [row[: len(COLUMNS) - 1] for row in full] + [row[:2] for _marked, row in rows]
    widths = [max(len(row[index]) for row in heads if index < len(row)) for index in range(len(COLUMNS) - 1)]
    return [
        (_MARK if marked else " " * len(_MARK))
        + _GAP.join(cell.ljust(widths[index]) if index < len(row) - 1 else cell for index, cell in enumerate(row))
        for marked, row in [(False, COLUMNS), *rows]
    ]


def _legend(sessions: Sequence[Mapping[str, Any]]) -> List[str]:
    if all(item["mode_stated"] for item in sessions):
        return []
    return ["", "live?: the gateway's settings do not state a mode, so it counts as live."]


def _row(item: Mapping[str, Any], names: Mapping[str, str], problem: Optional[Problem]) -> Tuple[str, ...]:
    proof = item["proof"]
    if problem is not None:
        proven = "logging in" if problem.code == "login-pending" else problem.code
    else:
        proven = str(proof["account"]) if proof is not None else "not asked"
    policy = "--rm" if item["auto_remove"] else str(item["restart_policy"])
    return (
        item["login"] or "?",
        names[item["host"]],
        str(item["container"]),
        str(item["state"]),
        item["mode"] + ("" if item["mode_stated"] else "?"),
        _time(item["since"]),
        proven,
        policy,
    )


def _time(text: str) -> str:
    return text[:16].replace("T", " ")


def _short(run_id: str) -> str:
    """As in the names of what a run has parked."""
    return run_id[:8]


def _doubled(sessions: Sequence[Mapping[str, Any]]) -> List[str]:
    keys = [item["login_key"] for item in sessions if item["login_key"] is not None]
    return sorted({key for key in keys if keys.count(key) > 1})


def _problem(code: str, mode: Optional[str] = None, **facts: object) -> Problem:
    return Problem(code, causes.message(code, mode, **facts))


def _silent_problem(item: Silent) -> Problem:
    if item.why == "failed":
        code = code_of(item.detail)
        return Problem(code, f"{item.host}: {item.detail[: -len(code) - 3] if code != 'step-failed' else item.detail}")
    if item.why == "unreachable":
        return _problem("host-not-seen", host=item.host, detail="no answer by SSH")
    return _problem("host-not-seen", host=item.host, detail="this run leaves it out, or the inventory lacks it")


def _silent_word(item: Silent) -> str:
    return {"unreachable": "unreachable", "missing": "not asked"}.get(item.why, code_of(item.detail))


def _doubled_problem(key: str, sessions: Sequence[Mapping[str, Any]]) -> Problem:
    holders = [item for item in sessions if item["login_key"] == key]
    where = " and ".join(f"{item['container']} on {item['host']} since {item['since']}" for item in holders)
    return _problem("several-holders", login=holders[0]["login"], holder=where)


def _session_problem(item: Mapping[str, Any]) -> Optional[Problem]:
    proof = item["proof"]
    facts = {"container": item["container"], "host": item["host"], "login": item["login"]}
    if not item["readable"]:
        return Problem(
            "login-unreadable",
            f"The login of the gateway {item['container']} on {item['host']} ({item['image']}) cannot be read, so it may be "
            "any, and stops every deploy: make its username readable in its environment, stop it by hand, or have it "
            f"fenced by a deploy: {fence_by_name(item['host'], item['container'])}.",
        )
    if proof is None:
        return None
    if proof["state"] == PENDING:
        return _problem("login-pending", **facts)
    if proof["state"] != PROVEN:
        return Problem(proof["code"], f"{item['host']}: {_without_code(proof['message'], proof['code'])}")
    if not proof["connected"]:
        found = _problem(NOT_CONNECTED, **facts)
        return Problem(found.code, f"{item['host']}: {found.message}")
    return None


def _without_code(text: str, code: str) -> str:
    ending = f" [{code}]"
    return text[: -len(ending)] if text.endswith(ending) else text


def _programs(sessions: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> List[str]:
    lines = []
    for item in sessions:
        if item.get("image_id") is None:
            continue
        digest = item["image_digest"] or f"{item['image_id']} (of no registry)"
        program = f"IB Gateway {item['version']}" if item["version"] else "IB Gateway, version not in its log"
        lines += [f"  {item['container']} on {names[item['host']]}: {program}", f"    {item['image']}", f"    {digest}"]
    return lines


def _parked(told: Mapping[str, Mapping[str, Any]], names: Mapping[str, str], problems: List[Problem]) -> List[str]:
    lines = []
    for host, item in _each(told, "parked"):
        where = item["container"] or "its container is gone"
        lines.append(
            f"{_MARK}{item['login'] or '?'} on {names[host]}: {item['former_name']} as {where}, "
            f"since {_time(item['parked_at'])}, by run {_short(item['run_id'])}"
        )
        problems.append(_problem("left-parked", host=host, container=item["former_name"], login=item["for_login_key"]))
    return lines


def _assumed(told: Mapping[str, Mapping[str, Any]], names: Mapping[str, str], problems: List[Problem]) -> List[str]:
    lines = []
    for host, item in _each(told, "assumed_fenced"):
        lines.append(
            f"{_MARK}{names.get(item['host'], item['host'])} for {item['login']}, by {item['operator']}, "
            f"{_time(item['assumed_at'])}, recorded on {names[host]}"
        )
        problems.append(_problem("host-assumed-fenced", host=item["host"], login=item["login"]))
    return lines


def _stopped(told: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> List[str]:
    return [
        f"  {item['login'] or '?'} on {names[host]}: {item['container']} ({item['state']})"
        for host, item in _each(told, "stopped")
    ]


def _leases(told: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> List[str]:
    return [
        f"  {item['login']} on {names[host]}: by {item['owner'].get('operator') or 'an unknown operator'}, "
        f"run {_short(item['run_id'])}, for {item['age']} s"
        for host, item in _each(told, "leases")
    ]


def _history(told: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> List[str]:
    lines = []
    for host in sorted(told):
        for entry in told[host]["history"][-1:]:
            done = "; ".join(entry.get("done") or [])
            what = f"{entry['action']}{': ' + done if done else ''}"
            outcome = entry.get("outcome", "done")
            ending = "" if outcome == "done" else f", ended in {outcome}"
            lines.append(
                f"  {names[host]}: {_time(entry['at'])} by {entry.get('operator') or 'an unknown operator'}, "
                f"run {_short(entry['run_id'])}: {what}{ending}"
            )
    return lines


def _each(told: Mapping[str, Mapping[str, Any]], part: str) -> List[Tuple[str, Mapping[str, Any]]]:
    return [(host, item) for host in sorted(told) for item in told[host][part]]
