# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import Any
from unittest.mock import MagicMock

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.action import gateway_preflight as module

HOST = "staging.abstractfinance.example"


def run(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    task = MagicMock(async_val=0, check_mode=False, args={"host": HOST, **arguments})
    action = module.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    monkeypatch.setattr(action, "_execute_module", lambda _name, task_vars: answer)
    return action.run(task_vars={})


def test_a_clock_that_agrees_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, {"time": time.time(), "problems": []})
    assert result["problems"] == []


@pytest.mark.parametrize(
    ("allowed", "codes"), [({}, ["disk-full", "clock-skew"]), ({"max_clock_skew": "7200"}, ["disk-full"])]
)
def test_one_that_is_off_joins_the_other_problems(
    monkeypatch: pytest.MonkeyPatch, allowed: dict[str, Any], codes: list[str]
) -> None:
    found = {"code": "disk-full", "message": "The disk is full."}
    result = run(monkeypatch, {"time": time.time() - 3600, "problems": [found]}, **allowed)
    assert [item["code"] for item in result["problems"]] == codes
    assert result["skew"] <= -3600


def test_a_host_that_did_not_answer_has_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, {"unreachable": True, "msg": "no route"}) == {"unreachable": True, "msg": "no route"}
