# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.abstractfinance.ibgateway.plugins.action import gateway_login as module
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import AWAITED

HOST = "staging.abstractfinance.example"
JOB = {"ansible_job_id": "j1", "results_file": "/root/.ansible_async/j1", "started": True, "finished": False}
PROVEN = {"state": "proven", "changed": True, "started": True, "finished": True, "ansible_job_id": "j1"}


def stages(*entries: tuple[str, float]) -> str:
    return "".join(json.dumps({"stage": stage, "at": at}) + "\n" for stage, at in entries)


class Host:
    """The far side: what the progress file holds at each look, and what the job's status is at each question."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, progress: list[str | None], statuses: list[dict[str, Any]]
    ) -> None:
        self.progress, self.statuses = progress, statuses
        self.clock = 0.0
        self.launched: list[dict[str, Any]] = []
        self.commands: list[str] = []
        self.limits: list[int] = []
        self.cut_off: range = range(0)
        self.shown: list[str] = []
        monkeypatch.setattr(module.time, "sleep", self.sleep)
        monkeypatch.setattr(module.time, "monotonic", lambda: self.clock)
        monkeypatch.setattr(module.display, "display", self.shown.append)
        self.monkeypatch = monkeypatch

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def execute(
        self, name: str, module_args: Any = None, task_vars: Any = None, wrap_async: bool = False
    ) -> dict[str, Any]:
        if name == module.STATUS:
            return dict(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])
        self.launched.append({"arguments": module_args, "async": wrap_async})
        self.limits.append(self.task.async_val)
        return dict(JOB) if wrap_async else {"state": "pending"}

    def command(self, command: str) -> dict[str, Any]:
        self.commands.append(command)
        if self.clock in self.cut_off:
            raise AnsibleConnectionFailure("no route to host")
        found = self.progress.pop(0) if len(self.progress) > 1 else self.progress[0]
        return {"rc": 1, "stdout": ""} if found is None else {"rc": 0, "stdout": found}

    def run(self, check_mode: bool = False, **arguments: Any) -> dict[str, Any]:
        arguments = {"login": "afpaper01", "container": "ibgateway", **arguments}
        self.task = MagicMock(async_val=0, check_mode=check_mode, args=arguments)
        connection = MagicMock()
        connection._shell.join_path = lambda *parts: "/".join(parts)
        connection._shell.tmpdir = "/root/.ansible/tmp/x"
        connection._shell.quote = str
        action = module.ActionModule(self.task, connection, MagicMock(), MagicMock(), MagicMock(), MagicMock())
        self.monkeypatch.setattr(action, "_make_tmp_path", lambda: None)
        self.monkeypatch.setattr(action, "_execute_module", self.execute)
        self.monkeypatch.setattr(action, "_low_level_execute_command", self.command)
        return action.run(task_vars={"inventory_hostname": HOST})


def test_stages_are_shown_once_each_as_they_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ("started", 100.0), ("second-factor", 112.4)
    host = Host(
        monkeypatch,
        [None, stages(first), stages(first), stages(first, second), stages(first, second, ("proven", 120.0))],
        [PROVEN],
    )
    result = host.run()
    assert (result["state"], result["changed"]) == ("proven", True)
    assert not set(result) & set(module.JOB_FIELDS)
    assert host.shown == [
        f"{HOST}: afpaper01, 0 s: waiting for {AWAITED['starting']}",
        f"{HOST}: afpaper01, 12 s: waiting for {AWAITED['second-factor']}",
    ]
    assert host.commands[-1] == "rm -f /root/.ansible_async/j1"


@pytest.mark.parametrize(("seconds", "lost"), [(40, False), (90, True)])
def test_host_may_be_out_of_reach_for_a_while(monkeypatch: pytest.MonkeyPatch, seconds: int, lost: bool) -> None:
    host = Host(monkeypatch, [stages(("started", 1.0)), stages(("proven", 2.0))], [PROVEN])
    host.cut_off = range(2, seconds)
    if lost:
        with pytest.raises(AnsibleConnectionFailure):
            host.run()
    else:
        assert host.run()["state"] == "proven"


def test_job_gets_a_limit_of_its_own_beyond_the_bounds_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, [stages(("proven", 1.0))], [PROVEN])
    host.run(install_timeout=10, login_timeout="20", proof_timeout=30)
    assert host.limits == [10 + 4 * 20 + 30 + module.SPARE]
    assert host.task.async_val == 0
    assert host.launched[0]["arguments"]["progress"] == "/root/.ansible/tmp/x/progress"


def test_silence_is_broken_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = {"started": True, "finished": False}
    host = Host(monkeypatch, [stages(("started", 1.0))], [waiting, waiting, waiting, PROVEN])
    host.run()
    assert [line for line in host.shown if "still waiting" in line] == [
        f"{HOST}: afpaper01, {seconds} s: still waiting for {AWAITED['starting']}" for seconds in (31, 61)
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"failed": True, "msg": "could not find job", "started": True, "finished": True},
        {"failed": True, "msg": "Traceback …", "data": "", "finished": True},
        {"started": True, "finished": False},
    ],
    ids=["gone", "broken", "never ends"],
)
def test_job_that_is_lost_is_told(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    host = Host(monkeypatch, [None], [answer])
    result = host.run()
    assert result["failed"]
    assert result["code"] == "login-watch-lost"
    assert HOST in result["msg"]
    assert result["msg"].endswith("[login-watch-lost]")


def test_failure_is_handed_on_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {"failed": True, "msg": "no [wrong-credentials]", "state": "failed", "finished": True}
    host = Host(monkeypatch, [stages(("failed", 1.0))], [failed])
    result = host.run()
    assert (result["failed"], result["msg"], result["state"]) == (True, "no [wrong-credentials]", "failed")


def test_progress_that_is_cut_is_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stages(("started", 1.0), ("installing", 2.0))
    host = Host(monkeypatch, [whole[:-5], whole, whole + stages(("proven", 3.0))], [PROVEN])
    host.run()
    assert len(host.shown) == 2


@pytest.mark.parametrize(("check_mode", "wait"), [(True, True), (False, False), (False, "no")])
def test_one_look_is_no_job(monkeypatch: pytest.MonkeyPatch, check_mode: bool, wait: Any) -> None:
    host = Host(monkeypatch, [None], [PROVEN])
    assert host.run(check_mode=check_mode, wait=wait)["state"] == "pending"
    assert [item["async"] for item in host.launched] == [False]
    assert host.commands == []
