# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from typing import Any
from unittest.mock import MagicMock

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.action import vnc_screenshot as module

PICTURE = b"\x89PNG\r\n\x1a\n and so on"


def run(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], check_mode: bool = False, **arguments: Any) -> Any:
    task = MagicMock(async_val=0, check_mode=check_mode, args=arguments)
    action = module.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    monkeypatch.setattr(action, "_execute_module", lambda **dummy: dict(answer))
    return action.run(task_vars={})


def taken(**more: Any) -> dict[str, Any]:
    return {"changed": False, "width": 1024, "png": base64.b64encode(PICTURE).decode(), **more}


def test_the_controller_gets_the_picture_for_its_owner_alone(monkeypatch, tmp_path):
    dest = tmp_path / "screen.png"
    result = run(monkeypatch, taken(), dest=str(dest))
    assert (result["changed"], result["dest"], result["width"]) == (True, str(dest), 1024)
    assert "png" not in result
    assert dest.read_bytes() == PICTURE
    assert dest.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["screen.png"]
    assert not run(monkeypatch, taken(), dest=str(dest))["changed"]


def test_check_mode_writes_nothing(monkeypatch, tmp_path):
    assert run(monkeypatch, taken(), True, dest=str(tmp_path / "screen.png"))["changed"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_on_the_host_that_changed_is_told_beside_one_that_did_not(monkeypatch, tmp_path):
    dest = tmp_path / "screen.png"
    dest.write_bytes(PICTURE)
    assert run(monkeypatch, taken(changed=True), dest=str(dest), path="/tmp/screen.png")["changed"]


def test_what_cannot_be_written_is_told(monkeypatch, tmp_path):
    result = run(monkeypatch, taken(), dest=str(tmp_path / "nowhere" / "screen.png"))
    assert (result["failed"], result["code"]) == (True, "screenshot-unwritable")
    assert result["msg"].endswith("[screenshot-unwritable]")


def test_without_dest_the_answer_is_passed_on(monkeypatch):
    assert run(monkeypatch, taken())["png"]
    failed = {"failed": True, "msg": "no [vnc-unreachable]", "code": "vnc-unreachable"}
    assert run(monkeypatch, failed, dest="/nowhere/screen.png")["code"] == "vnc-unreachable"
