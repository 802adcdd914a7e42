# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib
import stat
import subprocess
import sys
import time
from typing import Any, Dict, Iterator

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import keepsake, processes, screen_text
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rfb import Picture
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils import evidence_of as of
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import inspect_of

JAUTO = (of.TRANSCRIPTS / "05b-badpw-unrecognized-nowelcome.jauto.txt").read_text(encoding="utf-8")


class Engine:
    def __init__(self, inspect: Dict[str, Any]) -> None:
        self.held = inspect

    def inspect(self, dummy: str) -> Dict[str, Any]:
        return self.held

    def output_of(self, *dummy: Any) -> str:
        return JAUTO


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Engine:
    monkeypatch.setattr(keepsake, "FOLDER", str(tmp_path / "screens"))
    monkeypatch.setattr(keepsake, "hold_still", lambda dummy: None)
    monkeypatch.setattr(keepsake.screen, "picture", lambda *dummy: Picture(1024, 768, bytes(range(256)) * 9216, "none"))
    return Engine(inspect_of())


def keep(engine: Engine) -> None:
    keepsake.keep(engine, "ibgateway", 1, "wrong-credentials", {"line": "'x'"}, ["a line"])  # type: ignore[arg-type]


def test_what_was_on_the_screen_is_kept_for_this_start_of_the_container(engine: Engine, tmp_path: pathlib.Path) -> None:
    keep(engine)
    found = keepsake.kept("ibgateway", engine.held)
    assert found is not None
    assert (found.code, found.facts, found.evidence) == ("wrong-credentials", {"line": "'x'"}, ["a line"])
    assert found.dialogs[0].title == "Unrecognized Username or Password"
    assert found.screen is not None
    assert found.screen.startswith(b"\x89PNG")
    (path,) = (tmp_path / "screens").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("code", "kept"),
    [("login-undecided", "locked-out"), ("dialog-unanswered", "locked-out"), ("java-dead", "java-dead")],
)
def test_the_screen_is_read_where_nothing_else_tells_why(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, code: str, kept: str
) -> None:
    phrase = screen_text.Phrase("locked-out", "Too many failed login attempts")
    monkeypatch.setattr(screen_text, "read", lambda dummy: screen_text.Reading(phrase))
    keepsake.keep(engine, "ibgateway", 1, code, {"seconds": 120}, ["a line"])  # type: ignore[arg-type]
    found = keepsake.kept("ibgateway", engine.held)
    assert found is not None
    assert found.code == kept
    assert found.evidence == ["a line", phrase.shown][: 1 + (code != kept)]


def test_another_start_has_nothing_kept(engine: Engine) -> None:
    keep(engine)
    engine.held["State"]["StartedAt"] = "2025-12-12T10:00:05.5Z"
    assert keepsake.kept("ibgateway", engine.held) is None


@pytest.mark.parametrize("content", ["", "{}", "[]", json.dumps({"container_id": 1, "started_at": None})])
def test_a_damaged_file_is_nothing_kept(engine: Engine, tmp_path: pathlib.Path, content: str) -> None:
    keep(engine)
    (path,) = (tmp_path / "screens").iterdir()
    path.write_text(content, encoding="utf-8")
    assert keepsake.kept("ibgateway", engine.held) is None


def test_only_the_covered_picture_is_kept(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepsake.cover, "covered", lambda picture, layout: Picture(1, 1, b"abc", "none"))
    keep(engine)
    found = keepsake.kept("ibgateway", engine.held)
    assert found is not None
    assert found.screen == Picture(1, 1, b"abc", "none").png()


@pytest.fixture
def sleepers() -> Iterator[Any]:
    """Two processes of one process space, of which one shows the screen."""
    made = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) for _number in range(2)]
    yield made
    for process in made:
        process.kill()
        process.wait()


def state_of(number: int) -> str:
    return pathlib.Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def test_all_hands_but_the_screens_are_held_still(sleepers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hand, shower = (process.pid for process in sleepers)
    monkeypatch.setattr(processes, "numbers", lambda dummy: [hand, shower])
    monkeypatch.setattr(processes, "name_of", lambda number: "java" if number == shower else "bash")
    keepsake.hold_still(hand)
    deadline = time.monotonic() + 10
    while state_of(hand) != "T":
        assert time.monotonic() < deadline
    assert state_of(shower) != "T"
