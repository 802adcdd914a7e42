# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import (
    answers_of,
    barrier_error,
    silent_hosts,
)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "step": {"type": "str", "required": True},
                "result": {"type": "str", "required": True},
                "fleet": {"type": "list", "elements": "str", "required": True},
                "state": {"type": "str", "required": True},
                "assumed": {"type": "list", "elements": "str", "default": []},
            },
        )
        task_vars = task_vars or {}
        answers = answers_of(task_vars["hostvars"], args["fleet"], args["result"])
        silent = silent_hosts(args["fleet"], answers, args["assumed"])
        if silent:
            speaks = self._task.run_once or task_vars["inventory_hostname"] == task_vars.get("session_target")
            error = barrier_error(args["step"], silent, args["state"], details=speaks)
            result.update(failed=True, msg=str(error), code=error.code, hosts=[item.host for item in silent])
            return result
        result.update(changed=False, hosts=[])
        return result
