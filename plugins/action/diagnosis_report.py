# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, List, Mapping

from ansible.release import __version__ as ansible_version

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, report
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.diagnosis import (
    UNKNOWN,
    Finding,
    HostResult,
    across,
    merged,
)
from ansible_collections.abstractfinance.ibgateway.plugins.plugin_utils.controller_action import ControllerAction


class ActionModule(ControllerAction):
    SPEC = {
        "hosts": {"type": "list", "elements": "str", "required": True},
        "result": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
        "told": {"type": "list", "elements": "str"},
    }

    def result_of(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        variables = task_vars["hostvars"]
        found = {host: _found(variables, host, args["result"]) for host in args["hosts"]}
        _add_fleet(found)
        names = {tag: name for item in found.values() for tag, name in item.get("names", {}).items()}
        at = time.gmtime()
        run = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", at),
            "ansible": ansible_version,
        }
        folder = os.path.join(os.path.expanduser(args["dest"]), time.strftime("%Y%m%dT%H%M%SZ", at))
        shown: Dict[str, Dict[str, Any]] = {}
        for host, item in found.items():
            path = os.path.join(folder, f"{host}.html")
            if not self._task.check_mode:
                _write(path, report.page(host, item, run))
                _write(os.path.join(folder, f"{host}.json"), json.dumps(report.as_json(host, item, run), indent=2))
            written = None if self._task.check_mode else path
            shown[host] = {
                "words": report.words(host, item, names, written),
                "codes": [cause["code"] for cause in item["causes"]],
                "report": written,
                "causes": item["causes"],
                "state": item["state"],
            }
        told = args["told"] or found
        return {
            "changed": not self._task.check_mode,
            "hosts": shown,
            "closing": report.closing([(host, item) for host, item in found.items() if host in told]),
            "folder": folder,
        }


def _found(variables: Mapping[str, Any], host: str, name: str) -> Dict[str, Any]:
    """A host's result; where there is none, the cause that says so."""
    answer = variables[host].get(name) if host in variables else None
    if answer is not None and "causes" in answer:
        return dict(answer)
    code, text = "host-unreachable", causes.message("host-unreachable", None, host=host)
    if answer is not None and answer.get("failed") and not answer.get("unreachable"):
        code = answer.get("code") or "step-failed"
        text = answer.get("msg") or causes.message(code, None, host=host)
    return {"state": UNKNOWN, "causes": [Finding(code, text).as_result()], "sound": [], "timeline": []}


def _add_fleet(found: Dict[str, Dict[str, Any]]) -> None:
    """Add to each host's causes what only the hosts together show."""
    hosts = [
        HostResult(
            host=host,
            login=item.get("login") or "",
            mode=item.get("mode"),
            container=(item.get("evidence") or {}).get("container", {}).get("name", ""),
            state=item["state"],
            sessions=item.get("sessions") or [],
            fingerprints=item.get("fingerprints") or {},
        )
        for host, item in found.items()
    ]
    added: Dict[str, List[Finding]] = {}
    for finding in across(hosts):
        added.setdefault(finding.host, []).append(finding)
    for host, extra in added.items():
        found[host]["causes"] = merged(found[host]["causes"], extra)


def _write(path: str, text: str) -> None:
    """A file that nobody else can read, complete or not there."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    hidden = f"{path}.{os.getpid()}"
    with open(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(hidden, path)
