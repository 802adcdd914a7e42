# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.fleet_status import fleet_status
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import answers_of


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "fleet": {"type": "list", "elements": "str", "required": True},
                "result": {"type": "str", "required": True},
            },
        )
        status = fleet_status(args["fleet"], answers_of((task_vars or {})["hostvars"], args["fleet"], args["result"]))
        result.update(
            changed=False,
            table="\n".join(status.lines),
            problems=[{"code": item.code, "message": item.message} for item in status.problems],
            codes=sorted({item.code for item in status.problems}),
        )
        return result
