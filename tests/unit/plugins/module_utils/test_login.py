# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Callable, FrozenSet, List, Optional, Sequence, Tuple

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import jauto, login, tws
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
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.transcripts import (
    cases,
    dialogs,
    transcript,
)

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
        screen: Callable[[float], Optional[Sequence[jauto.Dialog]]] = lambda _now: (),
        program: Callable[[float], Optional[bool]] = lambda _now: True,
        launcher: Sequence[str] = (),
        has_totp_key: bool = True,
        login_type: Optional[str] = "Paper Trading",
        read_only: bool = False,
    ) -> None:
        self._lines: List[Tuple[float, str]] = [(read_line(line).at or 0.0, line) for line in lines]
        self._ports = ports
        self._answer = answer
        self._ends_at = ends_at
        self._exit_code = exit_code
        self._screen = screen
        self._program = program
        self._launcher = launcher
        self._has_totp_key = has_totp_key
        self._login_type = login_type
        self._read_only = read_only
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
            "exited" if ended else "running",
            self.identity,
            self.started_at,
            4711,
            self._exit_code,
            address="127.0.0.1",
            login_type=self._login_type,
            has_totp_key=self._has_totp_key,
            read_only=self._read_only,
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

    def first_lines(self, container: Container) -> List[str]:
        return self.backlog(container)

    def listening(self, _container: Container) -> Ports:
        return self._ports(self.clock)

    def program_runs(self, _container: Container) -> Optional[bool]:
        return self._program(self.clock)

    def dialogs(self, _container: Container) -> Optional[Sequence[jauto.Dialog]]:
        return self._screen(self.clock)

    def launcher(self, _container: Container) -> Sequence[str]:
        return self._launcher

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


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize(
    ("case", "read_only", "orders"),
    [
        ("01", False, "allowed"),
        ("02a", False, "allowed"),
        ("02a", True, "read-only"),
        ("02b", False, None),
        ("02b", True, None),
        ("12b", False, None),
    ],
)
def test_orders_are_told_by_the_images_own_check_alone(
    case: str, read_only: bool, orders: Optional[str], waits: bool
) -> None:
    """The API is open when the check begins, as on a settings volume that the image knows: the check is waited for."""
    whole = transcript(case)
    lines = whole[max(index for index, line in enumerate(whole) if "• logging in ..." in line) :]
    late = (read_line(lines[-1]).at or 0.0) + 20
    world = Replay(lines, opens(at(lines, MARKER)), start=None if waits else late, read_only=read_only)
    watch = Watch(world, EXPECTED, BOUNDS)
    outcome = watch.wait() if waits else watch.look()
    assert outcome.state == PROVEN
    assert watch.orders() == orders


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


def since(time: float, shown: Sequence[jauto.Dialog]) -> Callable[[float], Sequence[jauto.Dialog]]:
    return lambda now: shown if now >= time else ()


@pytest.mark.parametrize(("case", "code"), [("05b", "wrong-credentials"), ("06", "live-login-in-paper-mode")])
def test_silent_hang_is_decided_by_its_dialog(case: str, code: str) -> None:
    lines = transcript(case)
    shown = at(lines, "entered maintenance cycle") + 7
    world = Replay(lines, screen=since(shown, dialogs(case)))
    outcome = wait(world)
    assert (outcome.state, outcome.code) == (FAILED, code)
    assert shown + login.STANDS <= world.clock <= shown + 2 * login.ASK_AGAIN + login.TICK
    assert ("dialog", pytest.approx(shown, abs=login.ASK_AGAIN + login.TICK)) in outcome.timeline
    assert any(line.startswith("dialog '") for line in outcome.evidence)
    assert look(Replay(lines, start=shown + 3, screen=since(shown, dialogs(case)))).code == code


@pytest.mark.parametrize("case", ["05b", "06"])
def test_silent_hang_whose_screen_cannot_be_read_ends_by_the_bound_since_its_last_line(case: str) -> None:
    lines = transcript(case)
    world = Replay(lines, screen=lambda _now: None)
    outcome = wait(world)
    assert (outcome.state, outcome.code) == (FAILED, "login-undecided")
    last = at(lines, "entered maintenance cycle")
    assert last + BOUNDS.login <= world.clock <= last + BOUNDS.login + 2
    cause = describe(outcome, EXPECTED)
    assert cause is not None
    assert "'• entered maintenance cycle'" in cause["sentence"]
    assert "IBKR's answer to username and password" in cause["sentence"]


def test_dialog_that_passes_by_decides_nothing() -> None:
    lines = transcript("01")
    shown = at(lines, "entered maintenance cycle") + 4
    passing = dialogs("05b")
    world = Replay(
        lines, opens(at(lines, MARKER) + 6), screen=lambda now: passing if shown <= now < shown + 1.4 else ()
    )
    assert wait(world).state == PROVEN


def test_dialog_that_the_image_answers_decides_nothing_however_long_it_stands() -> None:
    shown = [dialog for case in ("22", "30") for dialog in dialogs(case) if dialog.title != "Settings"]
    assert {"Existing session detected", "Re-login is required", "Second Factor Authentication"} <= {
        dialog.title for dialog in shown
    }
    lines = transcript("01")
    world = Replay(lines, opens(at(lines, MARKER) + 6), screen=lambda _now: shown)
    assert wait(world).state == PROVEN


def test_dialog_that_nobody_knows_is_told_with_its_text() -> None:
    lines = transcript("05b")
    notice = jauto.Dialog("Bulletin", "Please confirm your tax form in the portal.", ("Close",))
    shown = at(lines, "entered maintenance cycle") + 4
    world = Replay(lines, screen=since(shown, [notice]))
    outcome = wait(world)
    assert outcome.code == "dialog-unanswered"
    assert shown + login.UNKNOWN_STANDS <= world.clock <= shown + login.UNKNOWN_STANDS + 5
    cause = describe(outcome, EXPECTED)
    assert cause is not None
    assert "'Bulletin': Please confirm your tax form in the portal: do what" in cause["sentence"]


def test_dialog_of_the_settings_is_no_failure() -> None:
    lines = transcript("01")
    settings = [dialog for dialog in dialogs("30") if dialog.title == "Settings"]
    assert settings
    marker = at(lines, MARKER)
    world = Replay(lines, opens(marker + 50), screen=since(marker, settings))
    assert wait(world).state == PROVEN


TIMED_OUT = ["2026-11-22 16:20:57.100 [CCP] INFO  - AuthTimeoutMonitor-CCP: Timeout!"]


@pytest.mark.parametrize(
    ("launcher", "code"),
    [
        (TIMED_OUT, "login-dropped"),
        (["x [CCP] INFO  - AUTH_RESULT indicates wrong password"], "wrong-credentials"),
        (["x [CCP] INFO  - Too many failed login attempts. Please wait 4 minutes & 55 seconds before"], "locked-out"),
        (["x [CCP] INFO  - NS_AUTH_START", *TIMED_OUT], "login-undecided"),
    ],
)
def test_silence_without_a_dialog_is_decided_by_launcher_log(launcher: List[str], code: str) -> None:
    lines = transcript("05b")
    world = Replay(lines, launcher=launcher)
    outcome = wait(world)
    assert outcome.code == code
    quiet = login.QUIET if code != "login-undecided" else BOUNDS.login
    last = at(lines, "entered maintenance cycle")
    assert last + quiet <= world.clock <= last + quiet + login.ASK_AGAIN + login.TICK


def test_launcher_log_is_not_asked_while_the_log_goes_on() -> None:
    lines = transcript("01")
    world = Replay(lines, opens(at(lines, MARKER) + 6), launcher=TIMED_OUT)
    assert wait(world).state == PROVEN


def test_missing_totp_key_is_told_from_the_dialog_that_asks_for_a_code() -> None:
    lines = transcript("22")
    due = at(lines, "two-factor")
    world = Replay(lines, screen=since(due, dialogs("22")), has_totp_key=False)
    assert wait(world).code == "totp-key-missing"
    assert due <= world.clock <= due + login.SILENT + 2 * login.TICK


@pytest.mark.parametrize("shown", [None, (), (jauto.Dialog("Second Factor Authentication", "Confirm on your phone"),)])
def test_second_factor_that_a_phone_may_give_is_waited_for(shown: Optional[Sequence[jauto.Dialog]]) -> None:
    lines = transcript("22")
    world = Replay(lines, screen=lambda _now: shown, has_totp_key=False)
    assert wait(world).code == "second-factor-waiting"
    first_due = at(lines, "two-factor")
    assert first_due + BOUNDS.login <= world.clock <= first_due + BOUNDS.login + 2


def test_misspelt_mode_is_not_waited_for() -> None:
    for look_or_wait in (wait, look):
        world = Replay(transcript("01"), login_type="paper")
        outcome = look_or_wait(world)
        assert (outcome.state, outcome.code, outcome.facts["trading_mode"]) == (
            FAILED,
            "trading-mode-misspelt",
            "'paper'",
        )
        assert world.clock == world.begin


def test_slow_second_factor_is_not_cut_off() -> None:
    lines = transcript("01")
    cut = next(index for index, line in enumerate(lines) if "handling TOTP" in line)
    late = lines[:cut]
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


@pytest.mark.parametrize("agent", [None, ()], ids=["agent silent", "agent answers"])
@pytest.mark.parametrize("seen", [False, True])
def test_program_that_ends_without_a_line_is_missed(agent: Optional[Sequence[jauto.Dialog]], seen: bool) -> None:
    lines = [line for line in transcript("13a") if "jauto" not in line and "Killed" not in line]
    ended = at(lines, "logging in") + 4 if seen else 0.0
    cut = [line for line in lines if (read_line(line).at or 0.0) < at(lines, "logging in") + 4]
    world = Replay(cut, screen=lambda _now: agent, program=lambda now: now < ended)
    code = wait(world).code
    assert code == ("java-dead" if seen or agent is None else "login-undecided")
    if seen:
        assert ended + login.SETTLE <= world.clock <= ended + login.SETTLE + 2 * login.TICK


def test_proven_session_whose_program_ended_without_a_line_is_found_by_a_look() -> None:
    lines = [line for line in transcript("01") if "jauto" not in line]
    world = Replay(lines, start=at(lines, MARKER) + 20, screen=lambda _now: None, program=lambda _now: False)
    outcome = look(world)
    assert (outcome.state, outcome.code) == (FAILED, "java-dead")


def test_session_that_was_kicked_out_and_does_not_come_back_is_found_by_a_look() -> None:
    lines = transcript("09")
    kicked = at(lines, "Continue Login")
    cut = [line for line in lines if (read_line(line).at or 0.0) <= kicked]
    for later, state in ((5.0, PENDING), (login.LOST_GRACE + 1, FAILED)):
        outcome = look(Replay(cut, start=kicked + later))
        assert (outcome.state, outcome.code) == (state, "competing-session" if state == FAILED else None)


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


def test_marker_over_a_paper_warning_that_stands_is_decided_by_the_dialog() -> None:
    lines = [line for line in transcript("12b") if "option check, no settings" not in line and "created" not in line]
    marker = at(lines, MARKER, 1)
    world = Replay(lines, screen=since(marker - 5, dialogs("12b")))
    assert wait(world).code == "paper-warning-not-accepted"
    assert world.clock <= at(lines, "double clicking", 1) + login.SILENT + 2 * login.TICK


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
        ("03", MARKER, 90, FAILED, "marker-without-login"),
        ("03", MARKER, 3600, FAILED, "session-lost"),
        ("02b", MARKER, 60, FAILED, "stale-settings"),
        ("05b", "entered maintenance", 3600, FAILED, "login-undecided"),
        ("10", "TOTP OK clicked", 1, PENDING, None),
        ("09", "welcome: 28%", 1, PENDING, None),
        ("09", "Continue Login", 3600, FAILED, "competing-session"),
        ("12b", "token expired", 1, PENDING, None),
        ("12b", "created /home", 3600, FAILED, "paper-warning-not-accepted"),
        ("13a", "jauto is shutdown", 3600, FAILED, "java-dead"),
        ("19", MARKER, 30, FAILED, "stale-settings"),
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


def test_untouched_port_tells_old_settings_from_a_session_that_was_lost() -> None:
    lines = [line for line in transcript("02b") if "[I]" not in line]
    for ports, code in ((SHUT, "session-lost"), (SHUT | {4002}, "stale-settings")):
        world = Replay(lines, lambda _now, ports=ports: ports, start=at(lines, MARKER) + 3600)  # type: ignore[misc]
        assert look(world).code == code


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


def test_environment_tells_the_mode_and_whether_there_is_a_totp_key_but_not_the_key() -> None:
    inspect = {"Id": "abc", "State": {"Status": "running"}, "Config": {"Env": ["IB_LOGINTYPE=paper", "TOTP_KEY=JBSW="]}}
    container = read_container(inspect)
    assert (container.login_type, container.has_totp_key) == ("paper", True)
    assert "JBSW" not in repr(container)
    for environment in ([], ["TOTP_KEY="], None):
        inspect["Config"] = {"Env": environment}
        assert (read_container(inspect).login_type, read_container(inspect).has_totp_key) == (None, False)


# The line with which a login is in (its API opens some seconds later), the line with which it is lost or refused, and what
# a look finds in the end. None: no such line; PENDING: nothing but the screen could tell.
WHOLE = {
    "01": (MARKER, None, PROVEN),
    "02a": (MARKER, None, PROVEN),
    "02b": (MARKER, "processing disabled", "java-dead"),
    "03": (MARKER, None, PROVEN),
    "04a": (None, "login failed", "wrong-credentials"),
    "04b": (None, "login failed", "wrong-credentials"),
    "05b": (None, None, PENDING),
    "06": (None, None, PENDING),
    "07a": (None, "login failed", "paper-login-in-live-mode"),
    "08": (MARKER, None, PROVEN),
    "09": (MARKER, "handle relogin", "competing-session"),
    "10": (None, "login failed", "totp-rejected"),
    "12a": (MARKER, None, PROVEN),
    "12b": (MARKER, "token expired", "paper-warning-not-accepted"),
    "13a": (MARKER, "processing disabled", "java-dead"),
    "14": (None, "installation has failed", "installation-failed"),
    "15b": (None, "login failed", "locked-out"),
    "17": (MARKER, "processing disabled", "java-dead"),
    "19": (None, MARKER, "stale-settings"),
    "21f": (None, "login failed", "wrong-credentials"),
    "22": (None, None, PENDING),
    "30": (MARKER, "handle relogin", "competing-session"),
    "40": (MARKER, None, PROVEN),
    "41": (MARKER, None, PROVEN),
}


def test_every_transcript_is_read_at_every_prefix() -> None:
    assert set(WHOLE) == set(cases())


@pytest.mark.parametrize("case", cases())
def test_every_prefix_of_a_transcript_is_read_right(case: str) -> None:
    """A look after each line, with the API open exactly as long as the login is in."""
    lines = transcript(case)
    success, failure, end = WHOLE[case]
    opened = float("inf") if success is None else at(lines, success) + 1
    lost = float("inf") if failure is None else at(lines, failure)
    times = [read_line(line).at or 0.0 for line in lines]
    for now in [*times, times[-1] + 40]:
        is_open = opened <= now < lost
        ports = OPEN if is_open else SHUT | {4002} if case == "19" else SHUT
        outcome = look(Replay(lines, lambda _now, ports=ports: ports, start=now))  # type: ignore[misc]
        if is_open:
            assert outcome.state == PROVEN
        elif now < lost:
            assert (outcome.state, outcome.code) == (PENDING, None)
        else:
            assert outcome.state != PROVEN
    assert (outcome.code or outcome.state) == end


@pytest.mark.parametrize(
    ("case", "ports", "code"),
    [
        ("09", SHUT, "competing-session"),
        ("12b", SHUT, "paper-warning-not-accepted"),
        ("13a", SHUT, "java-dead"),
        ("19", SHUT | {4002}, "stale-settings"),
    ],
)
def test_marker_of_a_gateway_that_is_not_logged_in_has_a_cause_of_its_own(case: str, ports: Ports, code: str) -> None:
    outcome = wait(Replay(transcript(case), lambda _now: ports))
    assert (outcome.state, outcome.code) == (FAILED, code)


def test_stages_are_told_while_it_is_waited() -> None:
    lines = transcript("01")
    told: List[List[str]] = []
    world = Replay(lines, opens(at(lines, MARKER) + 6))
    Watch(world, EXPECTED, BOUNDS).wait(lambda timeline: told.append([stage for stage, _at in timeline]))
    assert told[0][0] == "started"
    assert "second-factor" in told[-1]
    assert all(earlier == later[: len(earlier)] for earlier, later in zip(told, told[1:]))
