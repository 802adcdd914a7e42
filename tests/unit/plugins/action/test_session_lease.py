# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.action import session_lease as module
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.owner import read_owner

DEAD = {**read_owner(), "pid_started": "another-boot/1"}
ALIVE = read_owner()
FREE = {"changed": True, "lease": {"generation": 2}}


def held(owner: dict[str, Any], run_id: str = "run-b") -> dict[str, Any]:
    return {"failed": True, "code": "lease-held", "msg": "held", "holder": {"run_id": run_id, "owner": owner}}


def run(
    monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]], check_mode: bool = False, **arguments: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    asked: list[dict[str, Any]] = []

    def answer(_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        asked.append(module_args)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    task = MagicMock(async_val=0, check_mode=check_mode, args={"login": "afpaper01", "run_id": "run-a", **arguments})
    action = module.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    monkeypatch.setattr(action, "_execute_module", answer)
    return action.run(task_vars={}), asked


def test_the_owner_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    result, asked = run(monkeypatch, [FREE], state="taken")
    assert result["lease"] == {"generation": 2}
    assert not result.get("failed")
    [arguments] = asked
    assert arguments["owner"]["operator"] == ALIVE["operator"]
    assert (arguments["state"], arguments["wait"]) == ("taken", 0)
    assert "supersede" not in arguments


def test_a_dead_run_of_this_controller_is_superseded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    result, asked = run(monkeypatch, [held(DEAD), FREE])
    assert not result.get("failed")
    assert [item.get("supersede") for item in asked] == [None, "run-b"]


@pytest.mark.parametrize("owner", [ALIVE, {**DEAD, "controller": "another"}, {}])
def test_a_living_or_unknown_one_is_not(monkeypatch: pytest.MonkeyPatch, owner: dict[str, Any]) -> None:
    result, asked = run(monkeypatch, [held(owner)])
    assert (result["failed"], result["code"]) == (True, "lease-held")
    assert len(asked) == 1


def test_a_lease_that_changed_hands_meanwhile_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    result, asked = run(monkeypatch, [held(DEAD), held(ALIVE, "run-c")])
    assert result["failed"]
    assert len(asked) == 2


def test_waiting_is_handed_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    result, asked = run(monkeypatch, [held(ALIVE), held(ALIVE), FREE], wait=60)
    assert not result.get("failed")
    assert [item["wait"] for item in asked] == [0, module.LOOK_AGAIN, module.LOOK_AGAIN]


def test_a_run_that_dies_while_another_waits_is_superseded(monkeypatch: pytest.MonkeyPatch) -> None:
    result, asked = run(monkeypatch, [held(ALIVE), held(DEAD), FREE], wait=60)
    assert not result.get("failed")
    assert [item.get("supersede") for item in asked] == [None, None, "run-b"]


def test_check_mode_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    result, asked = run(monkeypatch, [held(ALIVE)], check_mode=True, wait=60)
    assert result["failed"]
    assert [item["wait"] for item in asked] == [0]


def test_another_failure_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    result, asked = run(monkeypatch, [{"failed": True, "code": "not-root", "msg": "x"}], wait=60)
    assert result["code"] == "not-root"
    assert len(asked) == 1
