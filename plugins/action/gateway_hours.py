# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from typing import Any, Dict, Mapping

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hours import check, read_hours
from ansible_collections.abstractfinance.ibgateway.plugins.plugin_utils.controller_action import ControllerAction


class ActionModule(ControllerAction):
    SPEC = {
        "reset_windows": {"type": "list", "elements": "dict", "required": True},
        "reset_timezone": {"type": "str", "required": True},
        "market_hours": {"type": "list", "elements": "dict", "default": []},
        "market_timezone": {"type": "str", "required": True},
        "blackout": {"type": "str", "default": ""},
    }

    def result_of(self, args: Mapping[str, Any], _task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        check(
            read_hours(args["reset_windows"], args["reset_timezone"], "gateway_reset_windows"),
            read_hours(args["market_hours"], args["market_timezone"], "gateway_market_hours"),
            args["blackout"],
            datetime.datetime.now(datetime.timezone.utc),
        )
        return {}
