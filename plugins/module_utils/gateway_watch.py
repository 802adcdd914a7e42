# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login of a gateway on this host's engine: watched, and acted upon once it is decided."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import (
    history,
    jauto,
    keepsake,
    netstat,
    pending,
    processes,
    tws,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import format_time, parse_time
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import login_key
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine, LogStream
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hostlock import HostLock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import Leases, Request, owned, read_clock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import (
    FAILED,
    PROVEN,
    WITHIN,
    Bounds,
    Container,
    Expected,
    Timeline,
    Watch,
    describe,
    read_container,
    timeline_result,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

STOP_WITHIN = 20
RENEWALS = 10
FIRST_LOGIN = WITHIN["install"] + WITHIN["login"]
PROGRAM = "java"


class HostWorld:
    """What a watch sees, from the engine and the host's /proc."""

    def __init__(self, engine: HostEngine, name: str, port: int) -> None:
        self._engine = engine
        self._name = name
        self._port = port
        self._stream: Optional[LogStream] = None
        self._started: Optional[float] = None
        self._last_at = 0.0
        self._last_lines: Set[str] = set()
        self._catching_up = False
        self._reopen_at = 0.0

    def now(self) -> float:
        return time.time()

    def container(self) -> Container:
        return read_container(self._engine.inspect(self._name))

    def backlog(self, container: Container) -> List[str]:
        started = container.started
        if started is None or container.status == "created":
            return []
        lines = self._engine.log(container.identity, int(started))
        return [line for line in lines if line and not _is_before(line, started)]

    def first_lines(self, container: Container) -> List[str]:
        return first_lines(self._engine, container)

    def lines(self, timeout: float) -> Sequence[str]:
        if self._stream is None or self._stream.ended:
            self._open(timeout)
        if self._stream is None:
            return []
        return [line for line in self._stream.lines(timeout) if self._is_new(line)]

    def _open(self, timeout: float) -> None:
        """Follow the log from the container's start; what was read already is passed over by its time stamp."""
        if time.monotonic() < self._reopen_at:
            time.sleep(timeout)
            return
        self._reopen_at = time.monotonic() + 1.0
        container = self.container()
        self._started = container.started
        if self._started is not None and container.status != "absent":
            self._catching_up = self._last_at > 0
            self._stream = self._engine.follow(container.identity, int(self._started))

    def _is_new(self, line: str) -> bool:
        """Whether a line is of this start and was not handed over before the log was opened again."""
        at = parse_time(line)
        if at is None:
            return True
        if self._started is not None and at < self._started:
            return False
        if at < self._last_at:
            return not self._catching_up
        if at > self._last_at:
            self._last_at, self._last_lines = at, set()
            self._catching_up = False
        elif line in self._last_lines:
            return not self._catching_up
        self._last_lines.add(line)
        return True

    def listening(self, container: Container) -> Optional[FrozenSet[int]]:
        if not container.process:
            return None
        sockets = netstat.sockets(str(container.process))
        return None if sockets is None else netstat.listening_ports(sockets)

    def program_runs(self, container: Container) -> Optional[bool]:
        return processes.is_running(container.process, PROGRAM) if container.process else None

    def dialogs(self, container: Container) -> Optional[Sequence[jauto.Dialog]]:
        answer = self._engine.output_of(container.identity, jauto.ASK_FOR_DIALOGS, jauto.USER)
        return None if answer is None else jauto.parse_dialogs(answer)

    def launcher(self, container: Container) -> Sequence[str]:
        command = jauto.read_launcher(container.started or self.now())
        return jauto.parse_launcher(self._engine.output_of(container.identity, command, jauto.USER) or "")

    def probe(self, container: Container, client_id: int, answer_within: float, listen: float) -> tws.Answer:
        if not container.address:
            return tws.Answer(tws.UNREACHABLE)
        return tws.probe(container.address, self._port, client_id, answer_within=answer_within, listen=listen)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def first_lines(engine: HostEngine, container: Container) -> List[str]:
    """The log's lines from the container's start to where its first login is decided; what came later is not read."""
    started = container.started
    if started is None or container.status == "created":
        return []
    lines = engine.log(container.identity, int(started), int(started + FIRST_LOGIN))
    return [line for line in lines if line and not _is_before(line, started)]


def _is_before(line: str, started: float) -> bool:
    at = parse_time(line)
    return at is not None and at < started


def stop(engine: HostEngine, container: Container) -> bool:
    """End a gateway whose login failed, at once and so that nothing brings it back; whether it has ended.

    It needs no lease: ending a gateway makes no second session. A start that came after the one that was watched is
    another's, and is left alone.
    """
    if not read_container(engine.inspect(container.identity)).is_same_start(container):
        return False
    engine.kill(container.identity)
    engine.never_restart(container.identity)
    return engine.wait_stopped(container.identity, STOP_WITHIN)


def keep_up(
    engine: HostEngine, container: Container, policy: str, expected: Expected, host: str, run_id: Optional[str]
) -> None:
    """Give a proven gateway its restart policy, under the run's own lease where it has one.

    :raises GatewayError: ``lease-lost``.
    """
    if run_id is None:
        engine.restart_policy(container.identity, policy)
        return
    state = State()
    with HostLock(state):
        key = login_key(expected.login)
        owned(state.read_lease(key), host, expected.login, run_id, read_clock())
        pending.ask(
            state,
            container.identity,
            run_id,
            "restart policy",
            lambda: engine.restart_policy(container.identity, policy),
        )
        done = f"{expected.container}: proven as {expected.account}, restart policy {policy}"
        history.note(state, host, key, run_id, "prove", [done])


def note_failure(expected: Expected, host: str, run_id: str, code: str) -> None:
    """Keep on the host that a login failed there, and that its gateway was ended."""
    state = State()
    with HostLock(state):
        done = f"{expected.container}: not proven, killed"
        history.note(state, host, login_key(expected.login), run_id, "prove", [done], code)


class LeaseKeeper:
    """Renews the run's own lease on this host while the login is waited for, so that it does not end in the midst."""

    def __init__(self, host: str, login: str, run_id: str, ttl: float) -> None:
        self._request = Request(host, login, login_key(login), run_id, ttl, {})
        self._leases = Leases(State())
        self._renewed: Optional[float] = None

    def keep(self) -> None:
        """Renew it if the last time was a while ago.

        :raises GatewayError: ``lease-lost``.
        """
        now = time.monotonic()
        if self._renewed is None or now - self._renewed >= self._request.ttl / RENEWALS:
            self._leases.renew(self._request)
            self._renewed = now


class Progress:
    """The stages of a login that is under way, one JSON object a line, for whoever reads the file meanwhile."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._told = 0

    def tell(self, timeline: Timeline) -> None:
        lines = [json.dumps({"stage": stage, "at": at}) + "\n" for stage, at in timeline[self._told :]]
        self._told = max(self._told, len(timeline))
        if lines:
            with open(self._path, "a", encoding="ascii") as stream:
                stream.writelines(lines)


class Decided(NamedTuple):
    """A module's result; with a message, it is a failure."""

    result: Dict[str, Any]
    message: Optional[str]


def decide(
    engine: HostEngine,
    expected: Expected,
    bounds: Bounds,
    wait: bool,
    stop_failed: bool,
    restart_policy: Optional[str],
    host: str,
    run_id: Optional[str],
    lease_ttl: float,
    progress: Optional[str] = None,
) -> Decided:
    """Look at a login, or wait for it and act on what is decided."""
    lease = LeaseKeeper(host, expected.login, run_id, lease_ttl) if run_id is not None else None
    told = Progress(progress) if progress is not None else None

    def meanwhile(timeline: Timeline) -> None:
        if lease is not None:
            lease.keep()
        if told is not None:
            told.tell(timeline)

    world = HostWorld(engine, expected.container, expected.port)
    try:
        watch = Watch(world, expected, bounds)
        outcome = watch.wait(meanwhile) if wait else watch.look()
        orders = watch.orders() if outcome.state == PROVEN else None
    finally:
        world.close()
    if told is not None:
        told.tell(outcome.timeline)
    cause = describe(outcome, expected, host)
    result: Dict[str, Any] = {
        "state": outcome.state,
        "accounts": list(outcome.accounts),
        "connected": outcome.connected,
        "orders": orders,
        "since": "" if outcome.container.started is None else format_time(outcome.container.started),
        "container_id": outcome.container.identity,
        "cause": cause,
        "timeline": timeline_result(outcome),
        "restart_policy": outcome.container.restart_policy,
        "stopped": False,
        "changed": False,
    }
    if not wait:
        return Decided(result, None)
    if outcome.state == PROVEN:
        if restart_policy is not None and restart_policy != outcome.container.restart_policy:
            keep_up(engine, outcome.container, restart_policy, expected, host, run_id)
            result.update(restart_policy=restart_policy, changed=True)
        return Decided(result, None)
    if stop_failed and outcome.state == FAILED:
        if outcome.container.process and outcome.code is not None:
            evidence = cause["evidence"] if cause is not None else []
            keepsake.keep(engine, expected.container, outcome.container.process, outcome.code, outcome.facts, evidence)
        if stop(engine, outcome.container):
            result.update(restart_policy="no", stopped=True, changed=True)
            if run_id is not None:
                note_failure(expected, host, run_id, outcome.code or "login-failed")
    return Decided(result, cause["sentence"] if cause is not None else None)
