# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import stopping
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import (
    MemoryEngine,
    inspect_of,
)

TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 00000000:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  2000        0 41 1 0 100 0\n"
)
OTHER = {"env": ["TWS_USERID=afpaper01", "TRADING_MODE=paper"], "image": "gnzsnz/ib-gateway"}
TERM = 1 << (signal.SIGTERM - 1)
PID = 4711


class StubbornEngine(MemoryEngine):
    """An engine on which closing and stopping may fail."""

    def __init__(self, *containers: dict[str, Any], status: int | None = 0, ignores: int = 0) -> None:
        super().__init__(*containers)
        self._status = status
        self._ignores = ignores

    def run(self, container: str, command: Any, user: str) -> int | None:
        self.command = list(command)
        super().run(container, command, user)
        return self._status

    def kill(self, container: str) -> None:
        self._ignores -= 1
        if self._ignores < 0:
            super().kill(container)


def proc(
    directory: Path, port: int = 9000, state: str = "0A", caught: int = 0, blocked: int = 0, spaces: str = "812 1"
) -> str:
    process = directory / str(PID)
    (process / "net").mkdir(parents=True)
    (process / "net" / "tcp").write_text(TCP.format(port=port, state=state))
    (process / "status").write_text(f"Name:\tsh\nNSpid:\t{spaces}\nSigBlk:\t{blocked:016x}\nSigCgt:\t{caught:016x}\n")
    return str(directory)


def running(**what: Any) -> dict[str, Any]:
    inspect = inspect_of(**what)
    inspect["State"]["Pid"] = PID
    return inspect


def ended(engine: MemoryEngine, inspect: dict[str, Any], where: str, grace: int = 10) -> tuple[str | None, list[str]]:
    how = stopping.end(engine, inspect["Id"], grace, where)  # type: ignore[arg-type]
    return how, [name for name, _container in engine.log]


def test_a_logged_in_ibga_gateway_is_closed_by_its_menu_and_then_killed(tmp_path: Path) -> None:
    inspect = running()
    engine = StubbornEngine(inspect)
    assert ended(engine, inspect, proc(tmp_path)) == (stopping.CLOSED, ["run", "kill"])
    assert engine.command[:4] == ["timeout", "-k", "1", "8"]


@pytest.mark.parametrize("status", [1, 124, 127, None])
def test_one_that_does_not_close_is_killed(tmp_path: Path, status: int | None) -> None:
    inspect = running()
    engine = StubbornEngine(inspect, status=status)
    assert ended(engine, inspect, proc(tmp_path), grace=0) == (stopping.KILLED, ["run", "kill"])


@pytest.mark.parametrize("what", [{"port": 4000}, {"state": "01"}])
def test_one_that_is_not_logged_in_has_nothing_to_close(tmp_path: Path, what: dict[str, Any]) -> None:
    inspect = running()
    assert ended(MemoryEngine(inspect), inspect, proc(tmp_path, **what), 0) == (stopping.KILLED, ["kill"])


@pytest.mark.parametrize("status", ["paused", "restarting"])
def test_one_that_cannot_answer_is_killed_at_once(tmp_path: Path, status: str) -> None:
    for what in ({}, OTHER):
        inspect = running(status=status, **what)
        assert ended(MemoryEngine(inspect), inspect, proc(tmp_path / str(len(what)))) == (stopping.KILLED, ["kill"])


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ({"caught": TERM}, ["stop"]),
        ({"blocked": TERM}, ["stop"]),
        ({"spaces": "812"}, ["stop"]),
        ({}, ["kill"]),
        ({"caught": TERM << 1, "blocked": 1}, ["kill"]),
    ],
)
def test_a_stop_signal_is_sent_where_the_first_process_heeds_it(
    tmp_path: Path, signals: dict[str, Any], expected: list[str]
) -> None:
    inspect = running(**OTHER)
    assert ended(MemoryEngine(inspect), inspect, proc(tmp_path, **signals))[1] == expected


def test_the_images_own_stop_signal_counts(tmp_path: Path) -> None:
    inspect = running(**OTHER)
    where = proc(tmp_path, caught=1 << (signal.SIGINT - 1))
    assert not stopping.heeds_stop_signal(inspect, where)
    for name in ("SIGINT", "int", "2"):
        inspect["Config"]["StopSignal"] = name
        assert stopping.heeds_stop_signal(inspect, where)
    inspect["Config"]["StopSignal"] = "SIGKILL"
    assert not stopping.heeds_stop_signal(inspect, where)


def test_a_process_that_cannot_be_seen_is_given_its_grace(tmp_path: Path) -> None:
    inspect = running(**OTHER)
    assert ended(MemoryEngine(inspect), inspect, str(tmp_path)) == (stopping.SIGNALLED, ["stop"])


def test_one_that_the_engine_had_to_kill_after_the_grace_was_killed(tmp_path: Path) -> None:
    inspect = running(**OTHER)
    engine = MemoryEngine(inspect)
    engine.stop = lambda container, grace: engine._end(container, 137)  # type: ignore[method-assign]
    assert ended(engine, inspect, proc(tmp_path, caught=TERM))[0] == stopping.KILLED


def test_kills_are_repeated_and_bounded(tmp_path: Path) -> None:
    inspect = running(status="restarting")
    assert ended(StubbornEngine(inspect, ignores=2), inspect, str(tmp_path))[0] == stopping.KILLED
    with pytest.raises(GatewayError) as caught:
        ended(StubbornEngine(inspect, ignores=3), inspect, str(tmp_path))
    assert caught.value.code == "stop-failed"


@pytest.mark.parametrize("status", ["exited", "created"])
def test_what_does_not_run_is_not_touched(tmp_path: Path, status: str) -> None:
    inspect = inspect_of(status=status)
    assert ended(MemoryEngine(inspect), inspect, str(tmp_path)) == (None, [])
    assert ended(MemoryEngine(), inspect, str(tmp_path)) == (None, [])
