# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import state as module
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State


def entry(number: int) -> dict[str, Any]:
    return {"at": "2025-12-12T10:00:00Z", "run_id": f"run-{number}", "action": "fence"}


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(str(tmp_path / "af"))
    made.prepare()
    return made


def test_the_last_entries_come_the_latest_last(state: State) -> None:
    assert state.history(3) == []
    for number in range(5):
        state.append_history(entry(number))
    assert state.history(3) == [entry(2), entry(3), entry(4)]
    assert len(state.history(9)) == 5
    assert os.stat(state.history_path).st_mode & 0o777 == 0o600


def test_the_history_does_not_grow_without_bound(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HISTORY_BYTES", 1000)
    for number in range(200):
        state.append_history(entry(number))
        assert state.history(4) == [entry(item) for item in range(max(0, number - 3), number + 1)]
    sizes = [os.path.getsize(path) for path in (state.history_path, state.older_history_path)]
    assert all(size < 1200 for size in sizes)
    assert [name for name in sorted(os.listdir(state.directory)) if name.startswith("history")] == [
        "history.jsonl",
        "history.jsonl.1",
    ]


def test_what_a_power_cut_has_torn_is_left_out(state: State) -> None:
    state.append_history(entry(1))
    with open(state.history_path, "ab") as stream:
        stream.write(b'\x00\x00\xff\n[1]\n{"at": 1}\n{"at": "2025-')
    state.append_history(entry(2))
    assert state.history(5) == [entry(1), entry(2)]


def test_only_the_end_of_a_long_history_is_read(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TAIL_BYTES", 200)
    for number in range(50):
        state.append_history(entry(number))
    assert state.history(2) == [entry(48), entry(49)]
