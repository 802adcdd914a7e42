# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, ClassVar, Dict, Mapping, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError


class ControllerAction(ActionBase):
    """An action that asks no host: options and variables in, one result out, an error of ours as a failure with its code."""

    _supports_check_mode = True
    _requires_connection = False
    TRANSFERS_FILES = False
    SPEC: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(argument_spec=self.SPEC)
        try:
            result.update({"changed": False, **self.result_of(args, task_vars or {})})
        except GatewayError as error:
            result.update(failed=True, msg=str(error), code=error.code)
        return result

    def result_of(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        raise NotImplementedError
