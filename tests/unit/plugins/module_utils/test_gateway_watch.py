# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import pathlib
import queue
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import gateway_watch, jauto
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_watch import (
    Decided,
    HostWorld,
    LeaseKeeper,
    Progress,
    decide,
    keep_up,
    stop,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import LogStream
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import Leases, Request
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import (
    FAILED,
    PROVEN,
    Bounds,
    Expected,
    Outcome,
    Timeline,
    read_container,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

STARTED = "2026-11-22T15:17:40.500000000Z"
EXPECTED = Expected("ibgateway", "afpaper01", "DU1234567", "paper", 31)


def stamp(second: int, text: str) -> str:
    return f"2026-11-22T15:17:{second:02}.700000000Z {text}"


class Source:
    """A followed log as the SDK hands it over: chunks, then its end or an error."""

    def __init__(self, *chunks: bytes, error: Optional[Exception] = None, hangs: bool = False) -> None:
        self.chunks = chunks
        self.error = error
        self.hangs = hangs
        self.closed: queue.Queue[None] = queue.Queue()

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.hangs:
            self.closed.get(timeout=5)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed.put(None)


class FakeEngine:
    def __init__(self, *sources: Source) -> None:
        self.sources = list(sources)
        self.started = STARTED
        self.done: List[str] = []

    def inspect(self, _container: str) -> Dict[str, Any]:
        return {
            "Id": "abc",
            "State": {"Status": "running", "StartedAt": self.started, "Pid": 0},
            "HostConfig": {},
            "NetworkSettings": {},
        }

    def follow(self, _container: str, _since: int) -> LogStream:
        return LogStream(self.sources.pop(0))

    def kill(self, container: str) -> None:
        self.done.append(f"kill {container}")

    def never_restart(self, container: str) -> None:
        self.done.append(f"never restart {container}")

    def wait_stopped(self, container: str, _seconds: int) -> bool:
        self.done.append(f"wait {container}")
        return True

    def restart_policy(self, container: str, name: str) -> None:
        self.done.append(f"{name} {container}")


def drain(world: HostWorld, number: int) -> List[str]:
    found: List[str] = []
    deadline = time.monotonic() + 5
    while len(found) < number and time.monotonic() < deadline:
        found += world.lines(0.05)
    return found + list(world.lines(0.05))


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_lines_of_an_earlier_start_are_passed_over() -> None:
    old = "2026-11-22T15:17:40.100000000Z • logging in ..."
    new = stamp(40, "• logging in ...")
    world = HostWorld(FakeEngine(Source(text(old, new), hangs=True)), "ibgateway", 4000)  # type: ignore[arg-type]
    assert drain(world, 1) == [new]
    world.close()


@pytest.mark.parametrize("error", [None, OSError("broken"), ValueError("closed"), RuntimeError("unknown")])
def test_stream_that_breaks_is_opened_again_without_repeating_lines(error: Optional[Exception]) -> None:
    first = [stamp(41, "one"), stamp(41, "two"), stamp(42, "three")]
    second = [*first, stamp(42, "four"), stamp(43, "five")]
    sources = [Source(text(*first), error=error), Source(text(*second), hangs=True)]
    world = HostWorld(FakeEngine(*sources), "ibgateway", 4000)  # type: ignore[arg-type]
    assert drain(world, 5) == second
    world.close()


def test_same_line_twice_at_one_time_is_kept() -> None:
    lines = [stamp(41, "again"), stamp(41, "again")]
    world = HostWorld(FakeEngine(Source(text(*lines), hangs=True)), "ibgateway", 4000)  # type: ignore[arg-type]
    assert drain(world, 2) == lines
    world.close()


def test_stream_that_hangs_holds_nobody_up() -> None:
    world = HostWorld(FakeEngine(Source(hangs=True)), "ibgateway", 4000)  # type: ignore[arg-type]
    assert world.lines(0.01) == []
    world.close()


def test_last_line_without_end_is_read() -> None:
    stream = LogStream(Source(text("one") + b"two"))
    found = []
    while not stream.ended:
        found += stream.lines(1)
    assert found == ["one", "two"]


def test_failed_gateway_is_killed_before_anything_else() -> None:
    engine = FakeEngine()
    container = read_container(engine.inspect("abc"))
    assert stop(engine, container)  # type: ignore[arg-type]
    assert engine.done == ["kill abc", "never restart abc", "wait abc"]


def test_gateway_that_was_started_anew_is_left_alone() -> None:
    engine = FakeEngine()
    container = read_container(engine.inspect("abc"))
    engine.started = "2026-11-22T16:00:00.000000000Z"
    assert not stop(engine, container)  # type: ignore[arg-type]
    assert engine.done == []


def test_proven_gateway_gets_its_policy_without_a_run() -> None:
    engine = FakeEngine()
    container = read_container(engine.inspect("abc"))
    keep_up(engine, container, "unless-stopped", EXPECTED, "host", None)  # type: ignore[arg-type]
    assert engine.done == ["unless-stopped abc"]


def test_container_without_address_is_unreachable() -> None:
    engine = FakeEngine()
    world = HostWorld(engine, "ibgateway", 4000)  # type: ignore[arg-type]
    container = world.container()
    assert world.listening(container) is None
    assert world.probe(container, 31, 1, 0).outcome == gateway_watch.tws.UNREACHABLE


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> State:
    found = State(str(tmp_path / "state"))
    found.prepare()
    monkeypatch.setattr(gateway_watch, "State", lambda: found)
    return found


def take_lease(state: State, run_id: str = "run-a", ttl: float = 30) -> Dict[str, Any]:
    Leases(state).take(Request("host", "AFpaper01", "afpaper01", run_id, ttl, {"operator": "ops"}))
    return lease_of(state)


def lease_of(state: State) -> Dict[str, Any]:
    record = state.read_lease("afpaper01")
    assert record is not None
    return record


def test_lease_is_renewed_while_a_login_is_waited_for_but_not_each_second(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = take_lease(state)
    clock = [100.0]
    monkeypatch.setattr(gateway_watch.time, "monotonic", lambda: clock[0])
    keeper = LeaseKeeper("host", "AFPAPER01", "run-a", 900)
    keeper.keep()
    first = lease_of(state)
    assert first["expires"] >= before["expires"] + 800
    assert (first["generation"], first["run_id"], first["owner"]) == (
        before["generation"],
        "run-a",
        {"operator": "ops"},
    )
    clock[0] += 900 / gateway_watch.RENEWALS - 1
    keeper.keep()
    assert lease_of(state) == first
    clock[0] += 2
    keeper.keep()
    assert lease_of(state)["expires"] > first["expires"]


def test_lease_that_another_run_has_ends_the_wait(state: State) -> None:
    take_lease(state, run_id="run-b")
    with pytest.raises(GatewayError, match=r"\[lease-lost\]"):
        LeaseKeeper("host", "afpaper01", "run-a", 900).keep()


def test_progress_holds_each_stage_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "progress"
    progress = Progress(str(path))
    for timeline in ([("started", 1.0)], [("started", 1.0)], [("started", 1.0), ("login-form", None)], []):
        progress.tell(timeline)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"stage": "started", "at": 1.0},
        {"stage": "login-form", "at": None},
    ]


@pytest.mark.parametrize("answer", [None, "javax.swing.JDialog,x,window:0,x:1,title:Gateway\n"])
def test_dialogs_are_asked_as_the_images_own_user(answer: Optional[str]) -> None:
    engine = FakeEngine()
    asked = []
    engine.output_of = lambda *what: asked.append(what) or answer  # type: ignore[attr-defined]
    world = HostWorld(engine, "ibgateway", 4000)  # type: ignore[arg-type]
    found = world.dialogs(world.container())
    assert found == (None if answer is None else [jauto.Dialog("Gateway")])
    assert asked == [("abc", jauto.ASK_FOR_DIALOGS, "ibg")]


class Login:
    """A login that ends as a test says, on an engine in memory."""

    def __init__(self, state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
        self.state = state
        self.engine = FakeEngine()
        self.progress = tmp_path / "progress"
        self.kept: List[Any] = []
        self.outcome = self.ends(PROVEN, accounts=("DU1234567",), connected=True)
        login = self

        class WatchOfTest:
            def __init__(self, *_what: Any) -> None:
                pass

            def wait(self, meanwhile: Callable[[Timeline], None]) -> Outcome:
                meanwhile([("started", 1.0)])
                return login.outcome

            def look(self) -> Outcome:
                return login.outcome

            def orders(self) -> str:
                return "allowed"

        monkeypatch.setattr(gateway_watch, "Watch", WatchOfTest)
        monkeypatch.setattr(gateway_watch.keepsake, "keep", lambda *what: self.kept.append(what[1:4]))

    def ends(self, state: str, code: Optional[str] = None, process: int = 4242, **told: Any) -> Outcome:
        seen = dataclasses.replace(read_container(self.engine.inspect("abc")), process=process, restart_policy="no")
        timeline: Timeline = [("started", 1.0), (state, 9.0)]
        return Outcome(state, seen, code, timeline=timeline, evidence=["the deciding line"], **told)

    def decide(self, **changes: Any) -> Decided:
        how: Dict[str, Any] = {
            "wait": True,
            "stop_failed": True,
            "restart_policy": "unless-stopped",
            "host": "host",
            "run_id": "run-a",
            "lease_ttl": 900,
            "progress": str(self.progress),
        }
        bounds = Bounds(900, 300, 60, 0.5)
        return decide(self.engine, EXPECTED, bounds, **{**how, **changes})  # type: ignore[arg-type]


@pytest.fixture
def login(state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Login:
    take_lease(state, ttl=900)
    return Login(state, monkeypatch, tmp_path)


def test_a_proven_login_gets_its_policy_under_the_lease_and_a_line_in_the_history(login: Login) -> None:
    decided = login.decide()
    assert decided.message is None
    assert (decided.result["state"], decided.result["orders"], decided.result["changed"]) == (PROVEN, "allowed", True)
    assert decided.result["restart_policy"] == "unless-stopped"
    assert login.engine.done == ["unless-stopped abc"]
    assert login.state.history(1)[0]["done"] == ["ibgateway: proven as DU1234567, restart policy unless-stopped"]
    stages = [json.loads(line)["stage"] for line in login.progress.read_text().splitlines()]
    assert stages == ["started", PROVEN]


def test_a_policy_that_is_right_already_is_left(login: Login) -> None:
    decided = login.decide(restart_policy="no")
    assert (login.engine.done, decided.result["changed"]) == ([], False)


def test_a_proven_login_whose_lease_is_lost_gets_no_policy(login: Login) -> None:
    take = Request("host", "afpaper01", "afpaper01", "run-a", 900, {})
    Leases(login.state).release(take)
    with pytest.raises(GatewayError, match=r"\[lease-lost\]"):
        login.decide()
    assert login.engine.done == []


def test_a_failed_login_is_kept_ended_and_told(login: Login) -> None:
    login.outcome = login.ends(FAILED, "wrong-credentials")
    decided = login.decide()
    assert decided.message is not None
    assert decided.message.endswith("[wrong-credentials]")
    assert (decided.result["stopped"], decided.result["restart_policy"]) == (True, "no")
    assert decided.result["cause"]["evidence"] == ["the deciding line"]
    assert login.kept == [("ibgateway", 4242, "wrong-credentials")]
    assert login.engine.done == ["kill abc", "never restart abc", "wait abc"]
    noted = login.state.history(1)[0]
    assert (noted["done"], noted["outcome"]) == (["ibgateway: not proven, killed"], "wrong-credentials")


def test_a_failed_login_that_is_to_stay_is_told_only(login: Login) -> None:
    login.outcome = login.ends(FAILED, "wrong-credentials")
    decided = login.decide(stop_failed=False)
    assert decided.message is not None
    assert (decided.result["stopped"], login.engine.done, login.kept) == (False, [], [])


def test_of_one_that_has_ended_nothing_is_kept(login: Login) -> None:
    login.outcome = login.ends(FAILED, "wrong-credentials", process=0)
    login.decide(run_id=None)
    assert login.kept == []
    assert login.engine.done[0] == "kill abc"
    assert [entry["action"] for entry in login.state.history(9)] == ["lease-taken"]


def test_a_look_changes_nothing_whatever_it_sees(login: Login) -> None:
    for outcome in (login.outcome, login.ends(FAILED, "wrong-credentials")):
        login.outcome = outcome
        decided = login.decide(wait=False, run_id=None, progress=None)
        assert (decided.message, decided.result["changed"]) == (None, False)
    assert (login.engine.done, login.kept) == ([], [])
    assert not login.progress.exists()


@pytest.mark.parametrize(("status", "begun"), [("running", True), ("created", False)])
def test_the_log_since_the_start(status: str, begun: bool) -> None:
    engine = FakeEngine()
    old, new = "2026-11-22T15:17:40.100000000Z before", stamp(41, "since")
    asked: List[Any] = []
    engine.log = lambda *what: asked.append(what) or [old, "", new]  # type: ignore[attr-defined]
    world = HostWorld(engine, "ibgateway", 4000)  # type: ignore[arg-type]
    container = dataclasses.replace(world.container(), status=status)
    assert world.backlog(container) == ([new] if begun else [])
    assert world.first_lines(container) == ([new] if begun else [])
    if begun:
        (_identity, since), (_identity, first, until) = asked
        assert since == first < until
