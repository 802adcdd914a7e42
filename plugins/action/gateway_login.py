# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.causes import error
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import DECIDED, WAITS, WITHIN, Bounds

MODULE = "abstractfinance.ibgateway.gateway_login"
STATUS = "ansible.legacy.async_status"
JOB_FIELDS = ("ansible_job_id", "results_file", "started", "finished")

# Seconds: between two looks at the progress; between two questions whether the job still lives when its progress does not
# tell; for which the host may be out of reach, since the job goes on meanwhile; between two lines when there is nothing new;
# and what the job may take beyond the module's own bounds.
LOOK_AGAIN = 1.0
ASK_AFTER = 20.0
UNHEARD = 60.0
SAY_AGAIN = 30.0
SPARE = 60

display = Display()


class ActionModule(ActionBase):
    """Runs the module as a job of the host's own, and shows its progress.

    The job goes on when the controller dies or its connection hangs: a login that fails is then still stopped before it is
    tried again.
    """

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._task.check_mode or not boolean(self._task.args.get("wait", True), strict=False):
            return {**result, **self._execute_module(MODULE, task_vars=task_vars)}
        self._make_tmp_path()
        progress = self._connection._shell.join_path(self._connection._shell.tmpdir, "progress")
        job = self._launch(progress, task_vars)
        if "results_file" not in job:
            return {**result, **job}
        return {**result, **self._follow(job, progress, task_vars)}

    def _launch(self, progress: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        limit = self._task.async_val
        # The job's own limit, which is not the task's: that is not asynchronous.
        self._task.async_val = self._longest()
        try:
            job: dict[str, Any] = self._execute_module(
                MODULE, module_args={**self._task.args, "progress": progress}, task_vars=task_vars, wrap_async=True
            )
        finally:
            self._task.async_val = limit
        return job

    def _longest(self) -> int:
        """Beyond the bounds of the module, which ends by itself."""
        seconds = (int(self._task.args.get(f"{name}_timeout") or within) for name, within in WITHIN.items())
        return round(Bounds(*seconds, listen=0).longest() + SPARE)

    def _follow(self, job: dict[str, Any], progress: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        host = str((task_vars or {}).get("inventory_hostname", ""))
        told = Told(f"{host}: {self._task.args.get('login', '')}")
        deadline = time.monotonic() + self._longest()
        asked = heard = time.monotonic()
        while time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN)
            try:
                seen = self._low_level_execute_command(f"cat {self._connection._shell.quote(progress)}")
            except AnsibleConnectionFailure:
                if time.monotonic() - heard >= UNHEARD:
                    raise
                continue
            heard = time.monotonic()
            is_gone = seen["rc"] != 0 and told.stages > 0
            if seen["rc"] == 0:
                told.show(seen["stdout"])
            if told.is_decided or is_gone or time.monotonic() - asked >= ASK_AFTER:
                asked = time.monotonic()
                answer = self._ask(job, task_vars)
                if answer.get("finished"):
                    self._low_level_execute_command(f"rm -f {self._connection._shell.quote(job['results_file'])}")
                    return self._result(answer, host)
        return self._lost(host)

    def _result(self, answer: dict[str, Any], host: str) -> dict[str, Any]:
        if answer.get("failed") and ("data" in answer or "could not find job" in str(answer.get("msg"))):
            return self._lost(host)
        return {name: value for name, value in answer.items() if name not in JOB_FIELDS}

    def _lost(self, host: str) -> dict[str, Any]:
        lost = error(
            "login-watch-lost",
            host=host,
            login=self._task.args.get("login"),
            container=self._task.args.get("container"),
        )
        return {"failed": True, "msg": str(lost), "code": lost.code}

    def _ask(self, job: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        arguments = {
            "jid": job["ansible_job_id"],
            "_async_dir": os.path.dirname(str(job["results_file"])),
        }
        answer: dict[str, Any] = self._execute_module(STATUS, module_args=arguments, task_vars=task_vars)
        return answer


class Told:
    """What was shown of a login's progress: a line for each stage as it begins, and one now and then when none does."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._waits = ""
        self._first: float | None = None
        self._begun = time.monotonic()
        self._said = time.monotonic()
        self.stages = 0
        self.is_decided = False

    def show(self, progress: str) -> None:
        for line in progress.splitlines()[self.stages :]:
            try:
                entry = json.loads(line)
                stage, at = str(entry["stage"]), entry["at"]
            except (ValueError, KeyError, TypeError):
                return
            self.stages += 1
            if self._first is None:
                self._first = at
            self.is_decided = stage in DECIDED
            if stage in WAITS:
                self._waits = WAITS[stage]
                self._say(f"waiting for {self._waits}", 0.0 if at is None or self._first is None else at - self._first)
        if self._waits and not self.is_decided and time.monotonic() - self._said >= SAY_AGAIN:
            self._say(f"still waiting for {self._waits}", time.monotonic() - self._begun)

    def _say(self, text: str, after: float) -> None:
        self._said = time.monotonic()
        display.display(f"{self._subject}, {max(0, round(after))} s: {text}")
