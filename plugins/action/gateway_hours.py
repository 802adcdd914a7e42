# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from typing import Any, Dict, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hours import check, read_hours


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "reset_windows": {"type": "list", "elements": "dict", "required": True},
                "reset_timezone": {"type": "str", "required": True},
                "market_hours": {"type": "list", "elements": "dict", "default": []},
                "market_timezone": {"type": "str", "required": True},
                "blackout": {"type": "str", "default": ""},
            },
        )
        try:
            check(
                read_hours(args["reset_windows"], args["reset_timezone"], "gateway_reset_windows"),
                read_hours(args["market_hours"], args["market_timezone"], "gateway_market_hours"),
                args["blackout"],
                datetime.datetime.now(datetime.timezone.utc),
            )
        except GatewayError as error:
            result.update(failed=True, msg=str(error), code=error.code)
            return result
        result.update(changed=False)
        return result
