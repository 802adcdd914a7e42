# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.recheck import check_unchanged, sessions_of
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import (
    answers_of,
    barrier_error,
    silent_hosts,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.takeover import plan_takeover


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "login": {"type": "str", "required": True},
                "trading_mode": {"type": "str", "required": True, "choices": ["Paper Trading", "Live Trading"]},
                "target": {"type": "str", "required": True},
                "container": {"type": "str", "required": True},
                "fleet": {"type": "list", "elements": "str", "required": True},
                "result": {"type": "str", "required": True},
                "protected": {"type": "list", "elements": "str", "default": []},
                "planned": {"type": "list", "elements": "dict"},
                "assumed": {"type": "list", "elements": "str", "default": []},
                "named": {"type": "dict", "default": {}},
                "environment": {"type": "str", "default": ""},
                "move_from": {"type": "str", "default": ""},
            },
        )
        seen = answers_of((task_vars or {})["hostvars"], args["fleet"], args["result"])
        try:
            silent = silent_hosts(args["fleet"], seen, args["assumed"])
            if silent:
                raise barrier_error("looking for sessions", silent, "Nothing was started and nothing was stopped.")
            sessions = sessions_of(args["login"], args["fleet"], seen)
            if args["planned"] is not None:
                check_unchanged(args["login"], args["planned"], sessions)
            plan = plan_takeover(
                args["login"],
                args["trading_mode"],
                args["target"],
                args["container"],
                args["fleet"],
                seen,
                args["protected"],
                args["assumed"],
                args["named"],
                args["environment"],
                args["move_from"],
            )
        except GatewayError as error:
            result.update(failed=True, msg=str(error), code=error.code)
            return result
        result.update(
            changed=False,
            holders=plan.holders,
            parked=plan.parked,
            reasons=plan.reasons,
            leftovers=plan.leftovers,
            unsettled=plan.unsettled,
            sessions=sessions,
        )
        return result
