# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
import tempfile
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(
            self._execute_module(
                module_name="abstractfinance.ibgateway.vnc_screenshot",
                module_args=self._task.args,
                task_vars=task_vars,
            )
        )
        dest = self._task.args.get("dest")
        if not dest or result.get("failed") or "png" not in result:
            return result
        picture = base64.b64decode(result.pop("png"))
        result["dest"] = os.path.abspath(os.path.expanduser(str(dest)))
        try:
            result["changed"] = self._write(result["dest"], picture) or result["changed"]
        except OSError as error:
            result.update(
                failed=True,
                code="screenshot-unwritable",
                msg=f"The picture cannot be written to {dest} on the controller ({error.strerror}): name a file in a folder"
                " that is there. [screenshot-unwritable]",
            )
        return result

    def _write(self, path: str, picture: bytes) -> bool:
        """Whether the file was replaced, whole; it is its owner's alone."""
        if os.path.isfile(path):
            with open(path, "rb") as file:
                if file.read() == picture:
                    return False
        if not self._task.check_mode:
            descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".screen-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(picture)
                os.replace(temporary, path)
            except OSError:
                os.unlink(temporary)
                raise
        return True
