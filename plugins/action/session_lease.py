# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import time
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.owner import is_dead, read_owner

MODULE = "abstractfinance.ibgateway.session_lease"
LOOK_AGAIN = 5


class ActionModule(ActionBase):
    """Says who takes the lease, and takes over from a run of this controller whose process is dead."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = {**self._task.args, "owner": read_owner()}
        wait = 0 if self._task.check_mode else int(arguments.pop("wait", 0) or 0)
        deadline = time.monotonic() + wait
        patience = 0
        while True:
            answer = self._ask({**arguments, "wait": patience}, task_vars)
            holder = answer.get("holder") or {}
            if answer.get("code") == "lease-held" and is_dead(holder.get("owner") or {}, arguments["owner"]):
                answer = self._ask({**arguments, "supersede": holder["run_id"]}, task_vars)
            patience = min(LOOK_AGAIN, math.ceil(deadline - time.monotonic()))
            if answer.get("code") != "lease-held" or patience <= 0:
                return {**result, **answer}

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(MODULE, module_args=arguments, task_vars=task_vars)
        return answer
