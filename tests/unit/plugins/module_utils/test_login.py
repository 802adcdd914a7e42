# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Callable, FrozenSet, List, Optional, Sequence, Tuple

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import tws
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import read_line
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import (
    ABSENT,
    FAILED,
    GONE,
    PENDING,
    PROVEN,
    Bounds,
    Container,
    Expected,
    Outcome,
    Watch,
    describe,
    read_container,
)
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.transcripts import transcript

EXPECTED = Expected("ibgateway", "afpaper01", "DU1234567", "paper", client_id=31)
BOUNDS = Bounds(install=900, login=180, proof=60, listen=0)
GOOD = tws.Answer(tws.ANSWERED, accounts=("DU1234567",), server_version=178, connected=True)
OPEN = frozenset({4000, 5900, 9000})
SHUT = frozenset({4000, 5900})
MARKER = r"option check(?:, clicking menu Configure/Settings| skipped)"

Ports = Optional[FrozenSet[int]]


class Replay:
    """A transcript, played by its own time stamps on a clock that only waiting moves."""

    def __init__(
        self,
        lines: Sequence[str],
        ports: Callable[[float], Ports] = lambda _now: SHUT,
        answer: Callable[[float], tws.Answer] = lambda _now: GOOD,
        ends_at: Optional[float] = None,
        exit_code: int = 0,
        start: Optional[float] = None,
    ) -> None:
        self._lines: List[Tuple[float, str]] = [(read_line(line).at or 0.0, line) for line in lines]
        self._ports = ports
        self._answer = answer
        self._ends_at = ends_at
        self._exit_code = exit_code
        self._read = 0
        self.begin = self._lines[0][0]
        self.clock = self.begin if start is None else start
        self.identity = "0" * 64
        self.started_at = lines[0].partition(" ")[0]
        self.probes: List[int] = []

    def now(self) -> float:
        return self.clock

    def container(self) -> Container:
        ended = self._ends_at is not None and self.clock >= self._ends_at
        return Container(
            "exited" if ended else "running", self.identity, self.started_at, 4711, self._exit_code, address="127.0.0.1"
        )

    def lines(self, timeout: float) -> List[str]:
        until = self.clock + timeout
        if self._read < len(self._lines) and self._lines[self._read][0] <= until:
            self.clock = max(self.clock, self._lines[self._read][0])
        else:
            self.clock = until
        found = [line for at, line in self._lines[self._read :] if at <= self.clock]
        self._read += len(found)
        return found

    def backlog(self, _container: Container) -> List[str]:
        return [line for at, line in self._lines if at <= self.clock]

    def listening(self, _container: Container) -> Ports:
        return self._ports(self.clock)

    def probe(self, _container: Container, client_id: int, answer_within: float, listen: float) -> tws.Answer:
        self.probes.append(client_id)
        answer = self._answer(self.clock)
        self.clock += answer_within if answer.outcome == tws.SILENT else listen
        return answer


def at(lines: Sequence[str], pattern: str, skip: int = 0) -> float:
    found = [read_line(line).at or 0.0 for line in lines if re.search(pattern, line)]
    return found[skip]


def opens(time: float) -> Callable[[float], Ports]:
    return lambda now: OPEN if now >= time else SHUT


def wait(world: Replay, expected: Expected = EXPECTED, bounds: Bounds = BOUNDS) -> Outcome:
    return Watch(world, expected, bounds).wait()


def look(world: Replay, bounds: Bounds = BOUNDS) -> Outcome:
    return Watch(world, EXPECTED, bounds).look()


@pytest.mark.parametrize("case", ["01", "02a", "03", "08", "12a", "40", "41"])
def test_good_login_is_proven_as_soon_as_its_api_is_open(case: str) -> None:
    lines = transcript(case)
    opened = at(lines, MARKER) + 6
    world = Replay(lines, opens(opened))
    outcome = wait(world)
    assert outcome.state == PROVEN
    assert outcome.connected
    assert opened <= world.clock <= opened + 1
    assert len(world.probes) == 1
    assert outcome.timeline[0][0] == "started"
    assert outcome.timeline[-1] == ("proven", world.clock)


@pytest.mark.parametrize(
    ("case", "line", "code"),
    [
        ("04a", "login failed", "wrong-credentials"),
        ("04b", "login failed", "wrong-credentials"),
        ("07a", "login failed", "paper-login-in-live-mode"),
        ("10", "login failed", "totp-rejected"),
        ("15b", "login failed", "locked-out"),
        ("21f", "login failed", "wrong-credentials"),
        ("12b", "no settings change necessary", "paper-warning-not-accepted"),
    ],
)
def test_bad_login_ends_at_its_deciding_line(case: str, line: str, code: str) -> None:
    lines = transcript(case)
    world = Replay(lines)
    outcome = wait(world)
    assert (outcome.state, outcome.code) == (FAILED, code)
    assert world.clock == at(lines, line)
    assert not world.probes


def test_second_attempt_of_a_wrong_password_is_not_waited_for() -> None:
    lines = transcript("04b")
    world = Replay(lines)
    wait(world)
    assert world.clock < at(lines, r"logging in \.\.\.", 1)


def test_fight_ends_at_the_second_relogin_when_no_api_answers() -> None:
    lines = transcript("09")
    world = Replay(lines)
    assert wait(world).code == "competing-session"
    assert world.clock == at(lines, "handle relogin", 1)


def test_installation_is_given_up_at_its_third_failure() -> None:
    lines = transcript("14")
    world = Replay(lines)
    assert wait(world).code == "installation-failed"
    assert world.clock == at(lines, "installation has failed", 2)


def test_gateway_that_gave_up_installing_long_ago_is_told_from_its_log() -> None:
    lines = transcript("14")
    end = at(lines, "manager is shutting down")
    world = Replay(lines, ends_at=end, start=end + 3600)
    for outcome in (wait(world), look(world)):
        assert (outcome.state, outcome.code) == (FAILED, "installation-failed")


@pytest.mark.parametrize(("case", "code"), [("05b", "login-undecided"), ("06", "login-undecided")])
def test_silent_hang_ends_by_the_bound_since_its_last_line(case: str, code: str) -> None:
    lines = transcript(case)
    world = Replay(lines)
    outcome = wait(world)
    assert (outcome.state, outcome.code) == (FAILED, code)
    last = at(lines, "entered maintenance cycle")
    assert last + BOUNDS.login <= world.clock <= last + BOUNDS.login + 2
    cause = describe(outcome, EXPECTED)
    assert cause is not None
    assert "'• entered maintenance cycle'" in cause["sentence"]
    assert "IBKR's answer to username and password" in cause["sentence"]


def test_second_factor_that_nobody_gives_has_its_own_cause() -> None:
    lines = transcript("22")
    world = Replay(lines)
    assert wait(world).code == "second-factor-waiting"
    first_due = at(lines, "two-factor")
    assert first_due + BOUNDS.login <= world.clock <= first_due + BOUNDS.login + 2


def test_slow_second_factor_is_not_cut_off() -> None:
    lines = transcript("01")
    cut = next(index for index, line in enumerate(lines) if "handling TOTP" in line)
    late = [line.replace("2026-11-22T15:", "2026-11-22T15:") for line in lines[:cut]]
    for line in lines[cut:]:
        stamp, _space, text = line.partition(" ")
        hour, minute, rest = stamp[11:13], int(stamp[14:16]), stamp[16:]
        late.append(f"2026-11-22T{hour}:{minute + 2:02}{rest} {text}")
    world = Replay(late, opens(at(late, MARKER) + 6))
    assert wait(world).state == PROVEN


def test_dead_java_is_told_after_it_settled() -> None:
    lines = transcript("13a")
    world = Replay(lines)
    assert wait(world).code == "java-dead"
    ended = at(lines, r"jauto is shutdown")
    assert ended + 5 <= world.clock <= ended + 7


@pytest.mark.parametrize("ports", [SHUT, SHUT | {4002}], ids=["nothing", "untouched port"])
def test_new_login_on_old_settings_is_told_from_success(ports: FrozenSet[int]) -> None:
    lines = transcript("19")
    world = Replay(lines, lambda _now: ports)
    assert wait(world).code == "stale-settings"
    assert world.clock <= at(lines, MARKER) + (7 if 4002 in ports else 17)
    assert not world.probes


def test_first_start_may_listen_on_the_untouched_port_before_its_settings_are_changed() -> None:
    lines = transcript("01")
    marker = at(lines, MARKER)
    world = Replay(lines, lambda now: OPEN if now > marker + 30 else SHUT | {4002})
    assert wait(world).state == PROVEN


def test_marker_without_api_is_no_login() -> None:
    lines = transcript("03")
    world = Replay(lines)
    assert wait(world).code == "marker-without-login"
    assert at(lines, MARKER) + BOUNDS.proof <= world.clock <= at(lines, MARKER) + BOUNDS.proof + 2


def test_api_is_not_asked_while_the_log_shows_a_login_under_way() -> None:
    lines = transcript("01")
    early = at(lines, "TOTP OK clicked")
    marker = at(lines, MARKER)
    world = Replay(lines, opens(early))
    assert wait(world).state == PROVEN
    assert world.clock >= marker


def test_api_that_is_open_at_the_first_look_answers_without_the_log() -> None:
    world = Replay(transcript("01"), lambda _now: OPEN, start=at(transcript("01"), MARKER) + 1_000_000)
    world.backlog = world.lines = lambda *_args: pytest.fail("the log was read")  # type: ignore[method-assign]
    assert wait(world).state == PROVEN
    assert look(world).state == PROVEN


def test_wrong_account_fails_at_once() -> None:
    lines = transcript("01")
    other = tws.Answer(tws.ANSWERED, accounts=("U7654321",), connected=True)
    world = Replay(lines, opens(at(lines, MARKER)), lambda _now: other)
    outcome = wait(world)
    assert (outcome.state, outcome.code, outcome.accounts) == (FAILED, "wrong-account", ("U7654321",))
    assert len(world.probes) == 1


def test_api_that_is_not_ready_yet_is_asked_again_but_not_for_ever() -> None:
    lines = transcript("01")
    opened = at(lines, MARKER) + 1

    def answers(now: float) -> tws.Answer:
        return GOOD if now >= opened + 12 else tws.Answer(tws.INCOMPLETE, server_version=178)

    world = Replay(lines, opens(opened), answers)
    assert wait(world).state == PROVEN
    assert 1 < len(world.probes) < 8


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (tws.SILENT, "api-silent"),
        (tws.INCOMPLETE, "api-silent"),
        (tws.CLOSED, "api-silent"),
        (tws.TURNED_AWAY, "api-turned-away"),
        (tws.OFFLINE, "gateway-not-connected"),
        (tws.REFUSED, "api-unreachable"),
        (tws.UNREACHABLE, "api-unreachable"),
    ],
)
def test_api_that_never_answers_has_its_cause(outcome: str, code: str) -> None:
    lines = transcript("01")
    opened = at(lines, MARKER)
    world = Replay(lines, opens(opened), lambda _now: tws.Answer(outcome))
    assert wait(world).code == code
    assert opened + BOUNDS.proof <= world.clock <= opened + BOUNDS.proof + 20


@pytest.mark.parametrize(("outcome", "code"), [(tws.IN_USE, "client-id-in-use"), (tws.GARBAGE, "api-garbage")])
def test_answers_that_decide_are_not_repeated(outcome: str, code: str) -> None:
    lines = transcript("01")
    world = Replay(lines, opens(at(lines, MARKER)), lambda _now: tws.Answer(outcome))
    assert wait(world).code == code
    assert world.probes == ([31, 32] if outcome == tws.IN_USE else [31])


def test_client_id_in_use_is_got_round_with_another() -> None:
    lines = transcript("01")
    world = Replay(lines, opens(at(lines, MARKER)))
    world._answer = lambda _now: GOOD if world.probes[-1] == 32 else tws.Answer(tws.IN_USE)
    assert wait(world).state == PROVEN


def test_lost_link_is_proven_but_not_connected() -> None:
    lines = transcript("01")
    cut = tws.Answer(tws.ANSWERED, accounts=("DU1234567",), notices=(tws.Notice(1100, "lost"),))
    outcome = wait(Replay(lines, opens(at(lines, MARKER)), lambda _now: cut))
    assert (outcome.state, outcome.connected) == (PROVEN, False)


def test_ports_that_cannot_be_seen_do_not_stop_the_proof() -> None:
    lines = transcript("01")
    world = Replay(lines, lambda _now: None)
    assert wait(world).state == PROVEN
    assert world.clock >= at(lines, MARKER)


def test_container_that_ends_is_told_with_its_exit_code() -> None:
    lines = transcript("01")
    world = Replay(lines, ends_at=at(lines, "TOTP form"), exit_code=137)
    outcome = wait(world)
    assert (outcome.state, outcome.code, outcome.facts["exit_code"]) == (FAILED, "gateway-exited", 137)


def test_container_that_is_started_anew_meanwhile_is_anothers() -> None:
    lines = transcript("01")
    world = Replay(lines)
    first = world.container

    def container() -> Container:
        now = first()
        return now if world.clock < world.begin + 5 else Container("running", now.identity, "2026-11-22T16:00:00Z", 1)

    world.container = container  # type: ignore[method-assign]
    assert wait(world).code == "gateway-replaced"


@pytest.mark.parametrize(
    ("status", "state", "code"),
    [
        ("absent", ABSENT, "gateway-absent"),
        ("created", ABSENT, "gateway-not-running"),
        ("paused", FAILED, "gateway-not-running"),
        ("restarting", FAILED, "restart-loop"),
    ],
)
def test_container_that_does_not_run_is_not_waited_for(status: str, state: str, code: str) -> None:
    world = Replay(transcript("01"))
    world.container = lambda: GONE if status == "absent" else Container(status, "0" * 64)  # type: ignore[method-assign]
    for outcome in (wait(world), look(world)):
        assert (outcome.state, outcome.code) == (state, code)
    assert world.clock == world.begin


@pytest.mark.parametrize(
    ("case", "line", "later", "state", "code"),
    [
        ("01", "TOTP form", 1, PENDING, None),
        ("01", MARKER, 5, PENDING, None),
        ("03", MARKER, 3600, FAILED, "marker-without-login"),
        ("05b", "entered maintenance", 3600, FAILED, "login-undecided"),
        ("09", "welcome: 28%", 1, PENDING, None),
        ("09", "Continue Login", 3600, FAILED, "competing-session"),
        ("12b", "token expired", 1, PENDING, None),
        ("12b", "created /home", 3600, FAILED, "paper-warning-not-accepted"),
        ("13a", "jauto is shutdown", 3600, FAILED, "java-dead"),
        ("19", MARKER, 3600, FAILED, "stale-settings"),
        ("22", "two-factor", 30, PENDING, None),
        ("04a", "infinit sleep", 3600, FAILED, "wrong-credentials"),
    ],
)
def test_one_look_says_where_it_stands(case: str, line: str, later: float, state: str, code: Optional[str]) -> None:
    lines = transcript(case)
    world = Replay(lines, start=at(lines, line) + later)
    outcome = look(world)
    assert (outcome.state, outcome.code) == (state, code)
    assert not world.probes


def test_look_at_an_open_api_that_does_not_answer() -> None:
    lines = transcript("01")
    marker = at(lines, MARKER)
    for later, state in ((1.0, PENDING), (3600.0, FAILED)):
        world = Replay(lines, lambda _now: OPEN, lambda _now: tws.Answer(tws.SILENT), start=marker + later)
        outcome = look(world)
        assert (outcome.state, outcome.code) == (state, None if state == PENDING else "api-silent")
        assert len(world.probes) == 1


def test_paper_password_is_named_in_paper_mode_only() -> None:
    outcome = wait(Replay(transcript("04a")))
    paper = describe(outcome, EXPECTED)
    live = describe(outcome, Expected("ibgateway", "aflive01", "U7654321", "live", 31))
    assert paper is not None
    assert live is not None
    assert "its own password" in paper["sentence"]
    assert "paper" not in live["sentence"]
    assert paper["sentence"].endswith("[wrong-credentials]")
    assert any("login failed: Invalid username" in line for line in paper["evidence"])


def test_container_is_read_from_what_the_engine_says() -> None:
    inspect = {
        "Id": "abc",
        "RestartCount": 2,
        "State": {"Status": "running", "StartedAt": "2026-11-22T15:17:40.1Z", "Pid": 7, "ExitCode": 0},
        "HostConfig": {"RestartPolicy": {"Name": ""}, "NetworkMode": "stack_default"},
        "NetworkSettings": {"Networks": {"none": None, "stack_default": {"IPAddress": "172.18.0.3"}}},
    }
    container = read_container(inspect)
    assert (container.address, container.restart_policy, container.restarts) == ("172.18.0.3", "no", 2)
    assert container.started is not None
    inspect["HostConfig"] = {"NetworkMode": "host"}
    assert read_container(inspect).address == "127.0.0.1"
    assert read_container(None) == GONE
