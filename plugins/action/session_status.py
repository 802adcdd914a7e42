# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.fleet_status import fleet_status
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import answers_of
from ansible_collections.abstractfinance.ibgateway.plugins.plugin_utils.controller_action import ControllerAction


class ActionModule(ControllerAction):
    SPEC = {
        "fleet": {"type": "list", "elements": "str", "required": True},
        "result": {"type": "str", "required": True},
    }

    def result_of(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        status = fleet_status(args["fleet"], answers_of(task_vars["hostvars"], args["fleet"], args["result"]))
        return {
            "table": "\n".join(status.lines),
            "problems": [{"code": item.code, "message": item.message} for item in status.problems],
            "codes": sorted({item.code for item in status.problems}),
        }
