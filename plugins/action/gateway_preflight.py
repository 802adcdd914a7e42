# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.preflight import check_clock, clock_skew
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.stack_options import CLOCK_SKEW

MODULE = "abstractfinance.ibgateway.gateway_preflight"


class ActionModule(ActionBase):
    """Runs the module, and holds the host's clock against the controller's."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        asked = time.time()
        result.update(self._execute_module(MODULE, task_vars=task_vars))
        answered = time.time()
        if "time" not in result:
            return result
        result["skew"] = round(clock_skew(asked, result["time"], result["time"], answered), 1)
        arguments = self._task.args
        problem = check_clock(arguments["host"], result["skew"], float(arguments.get("max_clock_skew") or CLOCK_SKEW))
        if problem is not None:
            result["problems"] = [*result["problems"], {"code": problem.code, "message": problem.message}]
        return result
