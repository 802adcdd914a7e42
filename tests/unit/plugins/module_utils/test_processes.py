# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import processes


def test_running_process_is_seen() -> None:
    name = pathlib.Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    assert processes.is_running(os.getpid(), name)
    assert not processes.is_running(os.getpid(), "no-such-program")


def test_space_that_is_not_there_is_unknown() -> None:
    assert processes.is_running(2**22 + 1, "java") is None


@pytest.mark.parametrize(
    ("stat", "space", "runs"),
    [
        ("7 (java) S 1", "pid:[1]", True),
        ("7 (java) Z 1", "pid:[1]", False),
        ("7 (java) S 1", "pid:[2]", False),
        ("7 (javac) S 1", "pid:[1]", False),
        ("7 (my (java) x) S 1", "pid:[1]", False),
    ],
)
def test_process_counts_by_name_state_and_space(tmp_path: pathlib.Path, stat: str, space: str, runs: bool) -> None:
    for number, content, its_space in (("1", "1 (sh) S 0", "pid:[1]"), ("7", stat, space)):
        (tmp_path / number / "ns").mkdir(parents=True)
        (tmp_path / number / "ns" / "pid").symlink_to(its_space)
        (tmp_path / number / "stat").write_text(content)
    assert processes.is_running(1, "java", str(tmp_path)) is runs


def test_zombie_does_not_live() -> None:
    child = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        stat = pathlib.Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8")
        assert stat.rpartition(")")[2].split()[0] == "Z"
        assert not processes.is_running(child.pid, "true")
    finally:
        child.wait(timeout=10)
