# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.recheck import check_unchanged, sessions_of
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import (
    answers_of,
    barrier_error,
    silent_hosts,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.takeover import plan_takeover
from ansible_collections.abstractfinance.ibgateway.plugins.plugin_utils.controller_action import ControllerAction


class ActionModule(ControllerAction):
    SPEC = {
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
    }

    def result_of(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        seen = answers_of(task_vars["hostvars"], args["fleet"], args["result"])
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
        return {
            "holders": plan.holders,
            "parked": plan.parked,
            "reasons": plan.reasons,
            "leftovers": plan.leftovers,
            "unsettled": plan.unsettled,
            "touches_target": plan.touches(args["target"]),
            "sessions": sessions,
        }
