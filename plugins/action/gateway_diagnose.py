# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import time
from typing import Any, Dict, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.diagnosis import add_clock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hours import RESET_TIMEZONE, read_hours, until
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.stack_options import CLOCK_SKEW

MODULE = "abstractfinance.ibgateway.gateway_diagnose"


class ActionModule(ActionBase):
    """Runs the module; holds the time against the reset windows, and the host's clock against the controller's."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        try:
            arguments["reset_until"] = until(
                read_hours(
                    arguments.get("reset_windows") or [],
                    arguments.get("reset_timezone") or RESET_TIMEZONE,
                    "gateway_reset_windows",
                ),
                datetime.datetime.now(datetime.timezone.utc),
            )
        except GatewayError as error:
            return {**result, "failed": True, "msg": str(error), "code": error.code}
        before = time.time()
        result.update(self._execute_module(MODULE, module_args=arguments, task_vars=task_vars))
        after = time.time()
        if "clock" in result:
            limit = float(self._task.args.get("max_clock_skew") or CLOCK_SKEW)
            add_clock(result, str(self._task.args["host"]), before, after, limit)
        return result
