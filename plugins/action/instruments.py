# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import instruments
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "src": {"type": "str", "required": True},
                "dest": {"type": "str"},
                "eu_retail": {"type": "bool", "default": True},
                "enforce": {"type": "str", "default": "error", "choices": ["error", "warn"]},
                "ucits_alternatives": {"type": "dict", "default": {}},
                "exchanges": {"type": "dict", "default": {}},
            },
        )
        try:
            report = self._report(args)
        except GatewayError as error:
            result.update(failed=True, changed=False, msg=str(error), code=error.code)
            return result
        result.update(
            changed=False,
            count=report.count,
            alternatives=report.alternatives,
            against=report.against,
            problems=[problem.as_result() for problem in report.problems[: instruments.MAX_TOLD]],
            undecided=[problem.as_result() for problem in report.undecided[: instruments.MAX_TOLD]],
        )
        if report.faults or (report.problems and args["enforce"] == "error"):
            result.update(failed=True, msg=report.told(), code=report.problems[0].code)
            return result
        if report.problems:
            result["warnings"] = [report.told()]
        if args["dest"]:
            result.update(self._written(report.content, args["dest"], task_vars or {}))
            result["current"] = not result["changed"]
        return result

    def _report(self, args: dict[str, Any]) -> instruments.Report:
        rules = instruments.rules_from(args["eu_retail"], args["exchanges"], args["ucits_alternatives"])
        try:
            path = self._find_needle("files", args["src"])
        except AnsibleError:
            raise GatewayError(
                f"{args['src']} is not on the controller, neither beside the playbook nor in its directory files: name the"
                " file of instruments by instruments_file",
                "instruments-file-missing",
            ) from None
        return instruments.check(instruments.read_file(path, args["src"]), args["src"], rules)

    def _written(self, content: str, dest: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        """What copy returns, whose check mode, difference and atomic replacement these are."""
        folder = os.path.dirname(dest)
        if not self._execute_remote_stat(folder, all_vars=task_vars, follow=True)["exists"]:
            if self._task.check_mode:
                return {"changed": True, "dest": dest, "diff": {"before": "", "after": content, "after_header": dest}}
            made = self._execute_module(
                module_name="ansible.legacy.file",
                module_args={"path": folder, "state": "directory", "owner": "root", "group": "root", "mode": "0755"},
                task_vars=task_vars,
            )
            if made.get("failed"):
                return made
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="instruments-", suffix=".yaml") as file:
            file.write(content)
            file.flush()
            task = self._task.copy()
            task.args = {"src": file.name, "dest": dest, "owner": "root", "group": "root", "mode": "0644"}
            copied: dict[str, Any] = self._shared_loader_obj.action_loader.get(
                "ansible.legacy.copy",
                task=task,
                connection=self._connection,
                play_context=self._play_context,
                loader=self._loader,
                templar=self._templar,
                shared_loader_obj=self._shared_loader_obj,
            ).run(task_vars=task_vars)
        kept = ("changed", "failed", "msg", "dest", "checksum", "diff", "exception")
        return {name: copied[name] for name in kept if name in copied}
