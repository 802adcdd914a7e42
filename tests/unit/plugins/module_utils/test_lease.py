# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hostlock import HostLock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import (
    LeaseHeldError,
    Leases,
    Now,
    Request,
    is_living,
    owned,
    public,
    read_clock,
    release,
    renew,
    take,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

BOOT = "boot-1"
OWNER = {"operator": "ops@controller.example", "pid": 4711}


def request(run_id: str = "run-a", ttl: float = 900, supersede: str | None = None) -> Request:
    return Request("staging", "AFpaper01", "afpaper01", run_id, ttl, OWNER, supersede)


def at(seconds: float, boot_id: str = BOOT) -> Now:
    return Now(boot_id, seconds, "2025-12-12T10:00:00Z")


def taken(run_id: str = "run-a", seconds: float = 100, ttl: float = 900) -> dict[str, Any]:
    record = take(None, request(run_id, ttl), at(seconds)).record
    assert record is not None
    return record


def test_the_first_taking() -> None:
    change = take(None, request(), at(100))
    assert change.changed
    assert change.record is not None
    assert (change.record["generation"], change.record["run_id"], change.record["expires"]) == (1, "run-a", 1000)


def test_the_run_that_has_it_keeps_it_as_it_is() -> None:
    record = taken()
    assert take(record, request(), at(500)) == (record, False)


def test_a_living_one_of_another_run_is_named() -> None:
    with pytest.raises(LeaseHeldError) as caught:
        take(taken(), request("run-b"), at(160))
    assert caught.value.code == "lease-held"
    for part in ("staging", "ops@controller.example", "run-a", "60 s", "4711", "14 min", "[lease-held]"):
        assert part in str(caught.value)
    assert caught.value.holder["owner"] == OWNER


@pytest.mark.parametrize("now", [at(1000), at(5000), at(1, "boot-2")], ids=["at its end", "after it", "other boot"])
def test_an_expired_one_is_taken_in_the_next_generation(now: Now) -> None:
    record = take(taken(), request("run-b"), now).record
    assert record is not None
    assert (record["generation"], record["run_id"]) == (2, "run-b")


def test_only_the_named_run_is_superseded() -> None:
    with pytest.raises(LeaseHeldError):
        take(taken("run-c"), request("run-b", supersede="run-a"), at(101))
    record = take(taken("run-a"), request("run-b", supersede="run-a"), at(101)).record
    assert record is not None
    assert (record["generation"], record["run_id"]) == (2, "run-b")


def test_release_keeps_the_generation() -> None:
    released = release(taken(), "run-a")
    assert released.changed
    assert not is_living(released.record, at(101))
    again = take(released.record, request("run-b"), at(102)).record
    assert again is not None
    assert again["generation"] == 2


@pytest.mark.parametrize("record", [None, taken("run-b"), release(taken(), "run-a").record])
def test_release_leaves_alone_what_is_not_ours(record: dict[str, Any] | None) -> None:
    assert release(record, "run-a") == (record, False)


def test_renewal_moves_the_end_only() -> None:
    record = taken()
    renewed = renew(record, request(), at(600), generation=1)
    assert renewed.record == {**record, "expires": 1500}
    shorter = renew(renewed.record, request(ttl=1), at(601))
    assert shorter.record == renewed.record


@pytest.mark.parametrize(
    ("record", "now", "why"),
    [
        (None, at(100), "no lease was ever taken"),
        (release(taken(), "run-a").record, at(101), "given back"),
        (taken(), at(1000), "expired"),
        (taken(), at(101, "boot-2"), "restarted"),
        (taken("run-b"), at(101), "run-b"),
    ],
)
def test_a_lost_lease_says_why(record: dict[str, Any] | None, now: Now, why: str) -> None:
    attempts = [lambda: owned(record, "staging", "l", "run-a", now)]
    if why != "expired":
        attempts.append(lambda: renew(record, request(), now))  # type: ignore[arg-type,return-value]
    for attempt in attempts:
        with pytest.raises(GatewayError, match=why) as caught:
            attempt()
        assert caught.value.code == "lease-lost"


def test_an_expired_lease_that_nobody_took_since_can_be_renewed() -> None:
    renewed = renew(taken(), request(), at(5000)).record
    assert renewed == {**taken(), "expires": 5900}
    other = take(taken(), request("run-b"), at(5000)).record
    for record in (other, release(other, "run-b").record):
        with pytest.raises(GatewayError) as caught:
            renew(record, request(), at(5001))
        assert caught.value.code == "lease-lost"


def test_renewal_in_another_generation_is_refused() -> None:
    with pytest.raises(GatewayError) as caught:
        renew(taken(), request(), at(101), generation=2)
    assert caught.value.code == "lease-lost"


def test_what_a_result_shows() -> None:
    shown = public(taken(), at(130))
    assert (shown["age"], shown["expires_in"], shown["generation"]) == (30, 870, 1)
    assert public(taken(), at(5000))["expires_in"] == 0
    assert public(taken(), at(1, "boot-2"))["age"] is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["take", "renew", "release", "supersede", "boot"]),
            st.sampled_from(["run-a", "run-b", "run-c"]),
            st.integers(0, 400),
            st.integers(1, 300),
        ),
        max_size=40,
    )
)
def test_at_most_one_run_and_generations_that_only_grow(actions: list[tuple[str, str, int, int]]) -> None:
    record: dict[str, Any] | None = None
    seconds, boot = 0.0, 0
    granted: dict[tuple[int, str], int] = {}
    for action, run_id, passed, ttl in actions:
        seconds += passed
        if action == "boot":
            boot, seconds = boot + 1, 0.0
        now = at(seconds, f"boot-{boot}")
        before = record
        holder = record["run_id"] if record is not None and is_living(record, now) else None
        try:
            if action == "take":
                record = take(record, request(run_id, ttl), now).record
            elif action == "supersede":
                record = take(record, request(run_id, ttl, supersede="run-a"), now).record
            elif action == "renew":
                record = renew(record, request(run_id, ttl), now).record
            elif action == "release":
                record = release(record, run_id).record
        except GatewayError:
            assert record == before
            assert holder != run_id or action == "boot"
            continue
        if record is None or before is None:
            continue
        assert record["generation"] - before["generation"] in (0, 1)
        if holder is not None and record["run_id"] != holder:
            assert (action, holder) == ("supersede", "run-a")
        if record["run_id"] != before["run_id"]:
            assert record["generation"] == before["generation"] + 1
        key = (record["generation"], record["boot_id"])
        assert granted.setdefault(record["generation"], record["run_id"]) == record["run_id"], key


def test_the_clock_is_the_kernels() -> None:
    first, second = read_clock(), read_clock()
    assert first.boot_id == second.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert second.seconds >= first.seconds


def test_leases_on_disk(tmp_path: Path) -> None:
    state = State(str(tmp_path / "af"))
    leases = Leases(state)
    assert leases.take(request()).changed
    path = Path(state.lease_path("afpaper01"))
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not leases.take(request()).changed
    assert leases.renew(request(), 1).changed
    [living] = leases.living()
    assert (living["run_id"], living["owner"]) == ("run-a", OWNER)
    with pytest.raises(LeaseHeldError):
        leases.take(request("run-b"))
    assert leases.release(request()).changed
    assert not leases.release(request()).changed
    assert leases.living() == []
    taken_again = leases.take(request("run-b")).record
    assert taken_again is not None
    assert taken_again["generation"] == 2
    history = Path(state.history_path).read_text().splitlines()
    assert len(history) == 2
    assert "ops@controller.example" in history[0]


def test_check_mode_takes_nothing(tmp_path: Path) -> None:
    state = State(str(tmp_path / "af"))
    leases = Leases(state, check_mode=True)
    change = leases.take(request())
    assert change.changed
    assert leases.renew(request()).record is not None
    assert not leases.release(request()).changed
    assert not (tmp_path / "af").exists()


def test_check_mode_names_the_holder(tmp_path: Path) -> None:
    state = State(str(tmp_path / "af"))
    Leases(state).take(request())
    before = Path(state.lease_path("afpaper01")).read_bytes()
    with pytest.raises(LeaseHeldError):
        Leases(state, check_mode=True).take(request("run-b"), wait=60)
    assert Path(state.lease_path("afpaper01")).read_bytes() == before


def test_waiting_ends_with_the_release(tmp_path: Path) -> None:
    state = State(str(tmp_path / "af"))
    Leases(state).take(request())
    timer = threading.Timer(0.2, lambda: Leases(state).release(request()))
    timer.start()
    change = Leases(state).take(request("run-b"), wait=30)
    timer.join()
    assert change.record is not None
    assert change.record["run_id"] == "run-b"


def test_waiting_ends_with_the_expiry(tmp_path: Path) -> None:
    state = State(str(tmp_path / "af"))
    Leases(state).take(request(ttl=0.3))
    change = Leases(state).take(request("run-b"), wait=30)
    assert change.record is not None
    assert change.record["generation"] == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"run_id": "run-a"}', '{"generation": "1"}'])
def test_a_damaged_lease_is_an_error_and_stays(tmp_path: Path, content: str) -> None:
    state = State(str(tmp_path / "af"))
    state.prepare()
    path = Path(state.lease_path("afpaper01"))
    path.write_text(content)
    for attempt in (lambda: Leases(state).take(request()), lambda: Leases(state).living()):
        with pytest.raises(GatewayError) as caught:
            attempt()
        assert caught.value.code == "state-damaged"
        assert str(path) in str(caught.value)
    assert path.read_text() == content


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b", ".", "..", "ü", "a b"])
def test_a_login_never_leaves_the_directory(tmp_path: Path, key: str) -> None:
    state = State(str(tmp_path / "af"))
    state.prepare()
    state.write_lease(key, taken())
    assert Path(state.lease_path(key)).resolve().parent == (tmp_path / "af" / "leases").resolve()
    assert state.read_lease(key) == taken()


def test_a_write_that_fails_leaves_the_old_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(str(tmp_path / "af"))
    Leases(state).take(request())

    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(GatewayError) as caught:
        Leases(state).renew(request())
    assert caught.value.code == "state-unwritable"
    monkeypatch.undo()
    [living] = Leases(state).living()
    assert living["generation"] == 1
    assert [item.name for item in (tmp_path / "af" / "leases").iterdir() if item.name.startswith(".new-")] == []


def _race(directory: str, run_id: str, gate: Any, answers: Any) -> None:
    gate.wait()
    try:
        Leases(State(directory)).take(request(run_id))
        answers.put(run_id)
    except LeaseHeldError:
        answers.put(None)


def test_of_many_runs_at_once_exactly_one_gets_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    gate, answers = context.Barrier(6), context.Queue()
    runs = [
        context.Process(target=_race, args=(str(tmp_path / "af"), f"run-{number}", gate, answers))
        for number in range(6)
    ]
    for run in runs:
        run.start()
    winners = [winner for winner in (answers.get(timeout=60) for _run in runs) if winner]
    for run in runs:
        run.join()
    [living] = Leases(State(str(tmp_path / "af"))).living()
    assert winners == [living["run_id"]]
    assert living["generation"] == 1


def test_the_lock_is_one_and_its_wait_is_bounded(tmp_path: Path) -> None:
    state = State(str(tmp_path / "af"))
    with HostLock(state):
        with pytest.raises(GatewayError) as caught, HostLock(state, wait=0.1):
            raise AssertionError("two hold the lock")
        assert caught.value.code == "host-busy"
    with HostLock(state, wait=0.1):
        assert Path(state.lock_path).exists()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    state = State(str(tmp_path / "af"))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        HostLock(state).__enter__()
        os.write(writer, b"x")
        os.kill(os.getpid(), 9)
    os.read(reader, 1)
    os.waitpid(child, 0)
    with HostLock(state, wait=5):
        assert Path(state.lock_path).exists()
