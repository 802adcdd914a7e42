# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import owner as module
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.owner import is_dead, process_start, read_owner


def owner(**what: Any) -> dict[str, Any]:
    return {**read_owner(), **what}


def test_an_owner_says_who_and_which_process() -> None:
    found = read_owner()
    assert "@" in found["operator"]
    assert found["pid"] == os.getpid()
    assert found["pid_started"] == process_start(os.getpid())
    assert not is_dead(found, found)


def test_a_process_that_ended_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = owner(pid=child.pid, pid_started=process_start(child.pid))
    assert not is_dead(holder, read_owner())
    child.kill()
    child.wait()
    assert is_dead(holder, read_owner())


def test_one_that_is_not_reaped_yet_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = owner(pid=child.pid, pid_started=process_start(child.pid))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(holder, read_owner())
    child.wait()


def test_another_process_with_the_same_number_does_not_count() -> None:
    assert is_dead(owner(pid_started="another-boot/1"), read_owner())


@pytest.mark.parametrize(
    "holder",
    [
        {},
        {"controller": "another", "pid": 1, "pid_started": "x"},
        {"controller": module.controller_id(), "pid": None, "pid_started": "x"},
        {"controller": module.controller_id(), "pid": 2**22 + 1, "pid_started": None},
        {"controller": module.controller_id()},
    ],
)
def test_what_cannot_be_known_is_not_dead(holder: dict[str, Any]) -> None:
    assert not is_dead(holder, read_owner())


def test_another_hostname_is_another_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    before = module.controller_id()
    monkeypatch.setattr(module.platform, "node", lambda: "elsewhere")
    assert module.controller_id() != before
