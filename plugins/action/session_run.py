# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import plan_run


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "environment": {"type": "str", "required": True},
                "fleet": {"type": "list", "elements": "str"},
                "whole_fleet": {"type": "bool", "default": True},
                "assumed": {"type": "list", "elements": "str", "default": []},
            },
        )
        task_vars = task_vars or {}
        try:
            run = plan_run(
                args["environment"],
                args["fleet"],
                task_vars.get("groups", {}),
                task_vars.get("ansible_play_hosts_all", []) if args["whole_fleet"] else None,
                task_vars.get("ansible_limit"),
                args["assumed"],
            )
        except GatewayError as error:
            result.update(failed=True, msg=str(error), code=error.code)
            return result
        result.update(changed=False, run_id=run.run_id, target=run.target, fleet=run.fleet)
        return result
