# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import (
    answers_of,
    barrier_error,
    silent_hosts,
)
from ansible_collections.abstractfinance.ibgateway.plugins.plugin_utils.controller_action import ControllerAction


class ActionModule(ControllerAction):
    SPEC = {
        "step": {"type": "str", "required": True},
        "result": {"type": "str", "required": True},
        "fleet": {"type": "list", "elements": "str", "required": True},
        "state": {"type": "str", "required": True},
        "assumed": {"type": "list", "elements": "str", "default": []},
    }

    def result_of(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        answers = answers_of(task_vars["hostvars"], args["fleet"], args["result"])
        silent = silent_hosts(args["fleet"], answers, args["assumed"])
        if silent:
            speaks = self._task.run_once or task_vars["inventory_hostname"] == task_vars.get("session_target")
            error = barrier_error(args["step"], silent, args["state"], details=speaks)
            hosts = [item.host for item in silent]
            return {"failed": True, "msg": str(error), "code": error.code, "hosts": hosts}
        return {"hosts": []}
