# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login of a gateway on this host's engine: watched, and acted upon once it is decided."""

from __future__ import annotations

import time
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import netstat, tws
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import format_time, parse_time
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import login_key
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine, LogStream
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hostlock import HostLock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import owned, read_clock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import (
    FAILED,
    PROVEN,
    Bounds,
    Container,
    Expected,
    Watch,
    describe,
    read_container,
    timeline_result,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

STOP_WITHIN = 20


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

    def probe(self, container: Container, client_id: int, answer_within: float, listen: float) -> tws.Answer:
        if not container.address:
            return tws.Answer(tws.UNREACHABLE)
        return tws.probe(container.address, self._port, client_id, answer_within=answer_within, listen=listen)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


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
        owned(state.read_lease(login_key(expected.login)), host, expected.login, run_id, read_clock())
        engine.restart_policy(container.identity, policy)


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
) -> Decided:
    """Look at a login, or wait for it and act on what is decided."""
    world = HostWorld(engine, expected.container, expected.port)
    try:
        watch = Watch(world, expected, bounds)
        outcome = watch.wait() if wait else watch.look()
    finally:
        world.close()
    cause = describe(outcome, expected)
    result: Dict[str, Any] = {
        "state": outcome.state,
        "accounts": list(outcome.accounts),
        "connected": outcome.connected,
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
    if stop_failed and outcome.state == FAILED and stop(engine, outcome.container):
        result.update(restart_policy="no", stopped=True, changed=True)
    return Decided(result, cause["sentence"] if cause is not None else None)
