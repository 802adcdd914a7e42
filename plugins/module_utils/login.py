# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a gateway's login stands: proven, failed with a cause, pending, or absent.

A state machine over evidence: the container's state, its log since this start, the listener behind the relay, the
gateway's program, its dialogs and its launcher.log where the log is silent, and last the trading API. Only the API
proves. `World` is what it sees; nothing here touches an engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Protocol, Sequence, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, jauto, tws
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import AWAITED
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import (
    LogReader,
    format_time,
    parse_time,
)

PROVEN = "proven"
FAILED = "failed"
PENDING = "pending"
ABSENT = "absent"

# The states that end a wait, and what each stage before them waits for.
DECIDED = (PROVEN, FAILED)
WAITS = {
    **AWAITED,
    "started": AWAITED["starting"],
    "dialog": "somebody to answer a dialog on the gateway's screen",
    "api-listening": "the trading API to answer",
}

# Seconds that each part may take, where nothing else is said.
WITHIN = {"install": 900, "login": 300, "proof": 60}

# How many accounts a sentence names.
MOST_ACCOUNTS = 10

# What the image takes for a yes in IB_READONLY, and what is in effect then, or else.
READ_ONLY = ("y", "yes", "true")
ORDERS = {True: "read-only", False: "allowed"}

INNER_PORT = 9000
# Where a gateway listens whose settings the image has not touched.
UNTOUCHED_PORTS = frozenset({4001, 4002})

# Seconds. A dead program has nothing more to say after SETTLE; an API that is to open after a marker that changes no
# setting is open before MARKER_GRACE is over; a log that has said nothing new for QUIET is not in the midst of a login;
# a session that was kicked out and is to come back does so before LOST_GRACE is over; a marker that is LONG_IN old was
# a login once, since a wait ends sooner.
SETTLE = 5.0
MARKER_GRACE = 15.0
QUIET = 10.0
LOST_GRACE = 30.0
LONG_IN = 600.0
# The image's check of the options is through by then; on settings that it knows, the API is open before.
CHECK_WITHIN = 30.0
# The screen is asked once the log has said nothing new for SILENT, and again after ASK_AGAIN. A dialog that decides has
# stood for STANDS, which the image's own answers do not leave it; one that nobody knows, for UNKNOWN_STANDS.
SILENT = 2.0
ASK_AGAIN = 2.0
STANDS = 1.5
UNKNOWN_STANDS = 30.0
TICK = 1.0
SHORT_TICK = 0.25
ANSWER_WITHIN = 10.0
RETRY_AFTER = (1.0, 2.0, 4.0, 8.0)

# Stages in which there is no window that could show anything, and no program that could have ended unnoticed.
_WITHOUT_PROGRAM = ("starting", "installing", "starting-gateway", "ended")

_API_CODES = {
    tws.SILENT: "api-silent",
    tws.INCOMPLETE: "api-silent",
    tws.CLOSED: "api-silent",
    tws.TURNED_AWAY: "api-turned-away",
    tws.IN_USE: "client-id-in-use",
    tws.OFFLINE: "gateway-not-connected",
    tws.GARBAGE: "api-garbage",
    tws.REFUSED: "api-unreachable",
    tws.UNREACHABLE: "api-unreachable",
}


@dataclass(frozen=True)
class Container:
    status: str
    identity: str = ""
    started_at: str = ""
    process: int = 0
    exit_code: int = 0
    restarts: int = 0
    address: str = ""
    restart_policy: str = "no"
    login_type: Optional[str] = None
    has_totp_key: bool = True
    read_only: bool = False

    @property
    def started(self) -> Optional[float]:
        return parse_time(self.started_at)

    def is_same_start(self, other: Container) -> bool:
        return self.identity == other.identity and self.started_at == other.started_at


GONE = Container("absent")


def read_container(inspect: Optional[Mapping[str, Any]]) -> Container:
    """A container as the engine's inspect tells it."""
    if inspect is None:
        return GONE
    state = inspect["State"]
    host = inspect.get("HostConfig") or {}
    networks = (inspect.get("NetworkSettings") or {}).get("Networks") or {}
    addresses = [str(network["IPAddress"]) for network in networks.values() if network and network.get("IPAddress")]
    if host.get("NetworkMode") == "host":
        addresses = ["127.0.0.1"]
    environment = dict(entry.partition("=")[::2] for entry in (inspect.get("Config") or {}).get("Env") or [] if entry)
    return Container(
        status=str(state["Status"]),
        identity=str(inspect["Id"]),
        started_at=str(state.get("StartedAt") or ""),
        process=int(state.get("Pid") or 0),
        exit_code=int(state.get("ExitCode") or 0),
        restarts=int(inspect.get("RestartCount") or 0),
        address=addresses[0] if addresses else "",
        restart_policy=str((host.get("RestartPolicy") or {}).get("Name") or "no"),
        login_type=environment.get("IB_LOGINTYPE"),
        has_totp_key=bool(environment.get("TOTP_KEY")),
        read_only=environment.get("IB_READONLY") in READ_ONLY,
    )


@dataclass(frozen=True)
class Expected:
    container: str
    login: str
    account: str
    mode: Optional[str]
    client_id: int
    port: int = 4000


@dataclass(frozen=True)
class Bounds:
    """Seconds that installing, a login without progress, and the proof may take; and how long the proof listens."""

    install: float
    login: float
    proof: float
    listen: float

    def longest(self) -> float:
        """A wait ends by then, whatever the login shows."""
        return self.install + 4 * self.login + self.proof


Timeline = List[Tuple[str, Optional[float]]]


@dataclass
class Outcome:
    state: str
    container: Container
    code: Optional[str] = None
    facts: Dict[str, object] = field(default_factory=dict)
    evidence: List[str] = field(default_factory=list)
    timeline: Timeline = field(default_factory=list)
    accounts: Tuple[str, ...] = ()
    connected: bool = False


class World(Protocol):
    def now(self) -> float:
        """Wall time of the host, which is also the engine's in the log's time stamps."""

    def container(self) -> Container:
        """The container as it is now."""

    def lines(self, timeout: float) -> Sequence[str]:
        """New lines of the log since the container's start, waiting at most so long for the first one."""

    def backlog(self, container: Container) -> Sequence[str]:
        """All lines of the log since the container's start, without waiting for more."""

    def first_lines(self, container: Container) -> Sequence[str]:
        """Those of them that the first login of this start can have written."""

    def listening(self, container: Container) -> Optional[FrozenSet[int]]:
        """The ports that are listened on inside the container; None when that cannot be seen."""

    def program_runs(self, container: Container) -> Optional[bool]:
        """Whether IB Gateway's program lives in the container; None when that cannot be seen."""

    def dialogs(self, container: Container) -> Optional[Sequence[jauto.Dialog]]:
        """The dialogs on the gateway's screen; None when they cannot be asked for."""

    def launcher(self, container: Container) -> Sequence[str]:
        """The lines of launcher.log of this start, as far as it can be read."""

    def probe(self, container: Container, client_id: int, answer_within: float, listen: float) -> tws.Answer:
        """One connection to the trading API."""


class Screen:
    """What the gateway's dialogs have shown over time, so that one that passes by is told from one that stands."""

    def __init__(self) -> None:
        self.asked_at: Optional[float] = None
        self.stands_since: Dict[jauto.Dialog, float] = {}

    def update(self, dialogs: Sequence[jauto.Dialog], at: float) -> None:
        self.stands_since = {dialog: self.stands_since.get(dialog, at) for dialog in dialogs}


class Watch:
    """One look at a login, or the wait until it is decided."""

    def __init__(self, world: World, expected: Expected, bounds: Bounds) -> None:
        self._world = world
        self._expected = expected
        self._bounds = bounds
        self._log = LogReader()
        self._begin = world.now()
        self._container = world.container()
        self._api_at: Optional[float] = None
        self._proving_at: Optional[float] = None
        self._probes = 0
        self._next_probe = 0.0
        self._answer: Optional[tws.Answer] = None
        self._screen = Screen()
        self._gone_since: Optional[float] = None
        self._program_seen = False
        self._waits = True

    # One look

    def look(self) -> Outcome:
        """Where it stands now, with at most one connection to the API."""
        self._waits = False
        container = self._container
        if container.status != "running":
            return self._not_running()
        ports = self._world.listening(container)
        if ports is not None and INNER_PORT in ports:
            outcome = self._prove()
            if outcome is not None:
                return outcome
        for line in self._world.backlog(container):
            self._log.feed(line)
        outcome = self._judge(ports) or self._judge_settings()
        if outcome is None and self._quiet_for() >= SETTLE and self._program_has_ended():
            outcome = self._failed("java-dead")
        if outcome is None and self._is_silent():
            outcome = self._ask_screen()
        if outcome is None and self._log.lost is not None and self._quiet_for() >= LOST_GRACE:
            outcome = self._failed(self._log.lost)
        if outcome is None and self._answer is not None and self._age() >= self._bounds.login:
            outcome = self._api_failed(self._answer)
        return outcome if outcome is not None else self._outcome(PENDING)

    # The wait

    def wait(self, meanwhile: Callable[[Timeline], None] = lambda _timeline: None) -> Outcome:
        """Wait until it is decided: proven or failed. `meanwhile` is called every second, with the stages so far."""
        if self._container.status != "running":
            return self._not_running()
        outcome = self._judge_settings()
        if outcome is not None:
            return outcome
        ports = self._world.listening(self._container)
        if ports is not None and INNER_PORT in ports:
            outcome = self._prove()
            if outcome is not None:
                return outcome
        looked = self._begin
        while True:
            near = self._log.marker is not None or self._log.lost is not None
            lines = self._world.lines(SHORT_TICK if near else TICK)
            for line in lines:
                self._log.feed(line)
                if self._log.code is not None:
                    return self._log_failed()
            if not lines or near or self._world.now() - looked >= TICK:
                looked = self._world.now()
                meanwhile(self._stages())
                outcome = self._look_again()
                if outcome is not None:
                    return outcome
            if self._world.now() - self._begin >= self._bounds.longest():
                return self._undecided()

    def orders(self) -> Optional[str]:
        """Of a proven gateway: whether orders are allowed or it is read-only; None where this start does not show it.

        The image sets it in the gateway by its check of the options. Once that has run twice on a settings volume it is
        skipped, and then nothing shows what an earlier start has set. A check that is under way is waited for.
        """
        if not self._waits:
            for line in self._world.first_lines(self._container):
                self._log.feed(line)
        until = self._world.now() + CHECK_WITHIN
        while self._waits and self._world.now() < until:
            lines = self._world.lines(SHORT_TICK)
            for line in lines:
                self._log.feed(line)
            if not lines and not self._log.options_under_way:
                break
        return ORDERS[self._container.read_only] if self._log.options_checked else None

    def _look_again(self) -> Optional[Outcome]:
        container = self._world.container()
        if not container.is_same_start(self._container) and container.status in ("running", "created", "paused"):
            again = container.restarts > self._container.restarts
            self._container = container
            return self._failed("restart-loop" if again else "gateway-replaced", status=container.status)
        self._container = container
        if container.status != "running":
            return self._not_running()
        ports = self._world.listening(container)
        if ports is None or INNER_PORT in ports:
            outcome = self._try_to_prove()
            if outcome is not None or ports is not None:
                return outcome
        else:
            self._api_at = None
            self._proving_at = None
        return self._judge(ports) or self._look_inside()

    def _look_inside(self) -> Optional[Outcome]:
        """What the gateway's program and its screen tell, where its log does not."""
        now = self._world.now()
        if not self._program_has_ended():
            self._gone_since = None
        elif self._gone_since is None:
            self._gone_since = now
        elif now - self._gone_since >= SETTLE:
            return self._failed("java-dead")
        if not self._is_silent():
            self._screen.update((), now)
            return None
        if self._screen.asked_at is not None and now - self._screen.asked_at < ASK_AGAIN:
            return None
        return self._ask_screen()

    def _program_has_ended(self) -> bool:
        """Whether the program is gone: it was seen before, or its agent is gone as well."""
        if self._log.stage in _WITHOUT_PROGRAM:
            return False
        runs = self._world.program_runs(self._container)
        if runs is not False:
            self._program_seen = self._program_seen or runs is True
            return False
        return self._program_seen or self._gone_since is not None or self._world.dialogs(self._container) is None

    def _is_silent(self) -> bool:
        return self._log.stage not in _WITHOUT_PROGRAM and self._quiet_for() >= SILENT

    def _ask_screen(self) -> Optional[Outcome]:
        """Ask for the dialogs, and decide by one that stands there and that the image does not answer."""
        dialogs = self._world.dialogs(self._container)
        now = self._world.now()
        self._screen.asked_at = now
        self._screen.update(dialogs or (), now if self._waits else now - self._quiet_for())
        for dialog, since in self._screen.stands_since.items():
            outcome = self._judge_dialog(dialog, now - since)
            if outcome is not None:
                return outcome
        if dialogs or self._log.marker is not None or self._quiet_for() < QUIET:
            return None
        reading = jauto.read_launcher_lines(self._world.launcher(self._container))
        return self._failed_by(reading) if reading is not None else None

    def _judge_dialog(self, dialog: jauto.Dialog, stood: float) -> Optional[Outcome]:
        reading = jauto.read_dialog(dialog)
        if reading is None:
            # Settings and messages come up by the image's own doing once it has printed a marker.
            if self._log.marker is not None or stood < UNKNOWN_STANDS:
                return None
            return self._failed_by(
                jauto.Reading("dialog-unanswered", {"dialog": str(dialog).rstrip(".: ")}, f"dialog {dialog}")
            )
        if reading.code == "second-factor-waiting" and dialog.asks_for_input and not self._container.has_totp_key:
            return self._failed_by(reading._replace(code="totp-key-missing"))
        if reading.code == "paper-warning-not-accepted" and self._log.doubtful:
            return self._failed_by(reading)
        return self._failed_by(reading) if not reading.handled and stood >= STANDS else None

    def _failed_by(self, reading: jauto.Reading) -> Outcome:
        outcome = self._failed(reading.code, line=self._last(), **_with_wait(reading.facts))
        outcome.evidence.append(reading.evidence)
        return outcome

    # The proof

    def _try_to_prove(self) -> Optional[Outcome]:
        now = self._world.now()
        if self._api_at is None:
            self._api_at = now
        quiet = self._quiet_for() >= QUIET
        if not (quiet or (self._log.marker is not None and self._log.lost is None)):
            return None
        if self._proving_at is None:
            self._proving_at = now
        if now >= self._next_probe:
            outcome = self._prove()
            if outcome is not None:
                return outcome
            now = self._world.now()
        if self._answer is not None and now - self._proving_at >= self._bounds.proof:
            return self._api_failed(self._answer)
        return None

    def _prove(self) -> Optional[Outcome]:
        """One connection; None when its answer decides nothing yet."""
        now = self._world.now()
        left = self._bounds.proof - (now - self._proving_at) if self._proving_at is not None else self._bounds.proof
        within = max(1.0, min(ANSWER_WITHIN, left))
        if self._api_at is None:
            self._api_at = now
        client_id = self._expected.client_id
        answer = self._world.probe(self._container, client_id, within, self._bounds.listen)
        if answer.outcome == tws.IN_USE:
            answer = self._world.probe(self._container, client_id + 1, within, self._bounds.listen)
        self._answer = answer
        self._next_probe = self._world.now() + RETRY_AFTER[min(self._probes, len(RETRY_AFTER) - 1)]
        self._probes += 1
        if answer.proves(self._expected.account):
            outcome = self._outcome(PROVEN)
            outcome.accounts = answer.accounts
            outcome.connected = answer.connected
            return outcome
        if answer.outcome == tws.ANSWERED:
            outcome = self._failed("wrong-account", accounts=_listed(answer.accounts))
            outcome.accounts = answer.accounts
            outcome.connected = answer.connected
            return outcome
        if answer.outcome in (tws.IN_USE, tws.GARBAGE):
            return self._api_failed(answer)
        return None

    def _api_failed(self, answer: tws.Answer) -> Outcome:
        outcome = self._failed(_API_CODES[answer.outcome], detail=answer.detail, seconds=round(self._bounds.proof))
        outcome.evidence += [f"trading API: {notice.code} {notice.text}" for notice in answer.notices]
        return outcome

    # What the evidence says without the API

    def _judge(self, ports: Optional[FrozenSet[int]]) -> Optional[Outcome]:
        """What log and listener decide; None when there is more to come."""
        log = self._log
        if log.code is not None:
            return self._log_failed()
        if log.stage == "ended" and "java-dead" in (log.lost, log.hint):
            return self._failed("java-dead") if self._quiet_for() >= SETTLE else None
        if log.marker is not None and log.lost is None:
            return self._judge_marker(ports)
        if log.stage == "installing":
            if self._since(log.stage_at) >= self._bounds.install:
                return self._failed(
                    log.hint or "installation-undecided", seconds=round(self._since(log.stage_at)), line=self._last()
                )
            return None
        return self._undecided() if self._quiet_for() >= self._bounds.login else None

    def _judge_settings(self) -> Optional[Outcome]:
        """A mode that the image does not know makes it click the wrong button, or none, for ever."""
        kind = self._container.login_type
        if kind is None or kind in causes.MODES:
            return None
        return self._failed("trading-mode-misspelt", trading_mode=f"'{kind}'")

    def _judge_marker(self, ports: Optional[FrozenSet[int]]) -> Optional[Outcome]:
        if ports is None or INNER_PORT in ports:
            return None
        log = self._log
        age = self._since(log.marker_at)
        if log.doubtful and age >= MARKER_GRACE:
            return self._failed(log.hint or "marker-without-login", seconds=round(age))
        if log.settings_skipped and not log.doubtful and age >= SETTLE and ports & UNTOUCHED_PORTS:
            return self._failed("stale-settings")
        if age >= LONG_IN:
            return self._failed("session-lost", seconds=round(age))
        if log.settings_skipped and not log.doubtful and age >= MARKER_GRACE:
            return self._failed("stale-settings")
        if age >= self._bounds.proof:
            return self._failed("marker-without-login", seconds=round(age))
        return None

    def _not_running(self) -> Outcome:
        container = self._container
        if container.status == "absent":
            return self._decided(ABSENT, "gateway-absent")
        if container.status == "created":
            return self._decided(ABSENT, "gateway-not-running", status="created and was never started")
        if container.status == "restarting":
            return self._failed("restart-loop")
        if container.status in ("exited", "dead"):
            self._log = LogReader()
            for line in self._world.backlog(container):
                self._log.feed(line)
            if self._log.code is not None:
                return self._log_failed()
            return self._failed("gateway-exited", exit_code=container.exit_code)
        return self._failed("gateway-not-running", status=container.status)

    def _log_failed(self) -> Outcome:
        return self._failed(self._log.code or "login-failed", line=self._last(), **_with_wait(self._log.facts))

    def _undecided(self) -> Outcome:
        log = self._log
        return self._failed(
            log.hint or log.lost or "login-undecided",
            seconds=round(self._quiet_for()),
            awaited=AWAITED[log.stage],
            line=self._last(),
        )

    # Small things

    def _age(self) -> float:
        return self._since(self._container.started)

    def _quiet_for(self) -> float:
        """Seconds since the log last showed something new."""
        return self._since(self._log.progress_at if self._log.progress_at is not None else self._container.started)

    def _since(self, at: Optional[float]) -> float:
        return self._world.now() - (at if at is not None else self._begin)

    def _last(self) -> str:
        return f"'{self._log.last.text.strip()[:160]}'" if self._log.last is not None else ""

    def _failed(self, code: str, **facts: object) -> Outcome:
        return self._decided(FAILED, code, **facts)

    def _decided(self, state: str, code: str, **facts: object) -> Outcome:
        outcome = self._outcome(state)
        outcome.code = code
        outcome.facts = facts
        return outcome

    def _outcome(self, state: str) -> Outcome:
        timeline = self._stages()
        if state in DECIDED:
            timeline.append((state, self._world.now()))
        return Outcome(state, self._container, evidence=list(self._log.evidence), timeline=timeline)

    def _stages(self) -> Timeline:
        timeline: Timeline = []
        if self._container.started is not None and self._container.status != "created":
            timeline.append(("started", self._container.started))
        timeline += [entry for entry in self._log.timeline if entry[0] != "starting"]
        if self._api_at is not None:
            timeline.append(("api-listening", self._api_at))
        if self._screen.stands_since and self._log.marker is None:
            timeline.append(("dialog", min(self._screen.stands_since.values())))
        return timeline


def _listed(accounts: Sequence[str]) -> str:
    more = len(accounts) - MOST_ACCOUNTS
    return ", ".join(accounts[:MOST_ACCOUNTS]) + (f" and {more} more" if more > 0 else "")


def _with_wait(facts: Mapping[str, str]) -> Dict[str, object]:
    """The facts of a rule, with the time that IBKR names as part of a sentence."""
    found: Dict[str, object] = dict(facts)
    if "wait" in found:
        found["wait"] = f"; it names a wait of {found['wait']}"
    return found


def describe(outcome: Outcome, expected: Expected, host: str = "") -> Optional[Dict[str, Any]]:
    """The cause of an outcome as a module returns it; None when there is none."""
    if outcome.code is None:
        return None
    facts: Dict[str, object] = {
        "host": host,
        "container": expected.container,
        "login": expected.login,
        "account": expected.account,
        "port": expected.port,
    }
    facts.update(outcome.facts)
    return {
        "code": outcome.code,
        "title": causes.find(outcome.code)["title"],
        "sentence": causes.sentence(outcome.code, expected.mode, **facts),
        "evidence": outcome.evidence,
    }


def timeline_result(outcome: Outcome) -> List[Dict[str, Optional[str]]]:
    return [{"stage": stage, "at": None if at is None else format_time(at)} for stage, at in outcome.timeline]
