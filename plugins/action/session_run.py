# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import plan_run
from ansible_collections.abstractfinance.ibgateway.plugins.plugin_utils.controller_action import ControllerAction


class ActionModule(ControllerAction):
    SPEC = {
        "environment": {"type": "str", "required": True},
        "fleet": {"type": "list", "elements": "str"},
        "whole_fleet": {"type": "bool", "default": True},
        "assumed": {"type": "list", "elements": "str", "default": []},
    }

    def result_of(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        run = plan_run(
            args["environment"],
            args["fleet"],
            task_vars.get("groups", {}),
            task_vars.get("ansible_play_hosts_all", []) if args["whole_fleet"] else None,
            task_vars.get("ansible_limit"),
            args["assumed"],
        )
        return {"run_id": run.run_id, "target": run.target, "fleet": run.fleet}
