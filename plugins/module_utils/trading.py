# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the trading engine is connected to the gateway, seen from outside of both."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Mapping, NamedTuple, Optional, Pattern

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, netstat
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import (
    format_time,
    parse_time,
    read_line,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import PROJECT_LABEL
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import (
    GONE,
    INNER_PORT,
    Container,
    read_container,
)

ABSENT = "absent"
CONNECTED = "connected"
NOT_CONNECTED = "not-connected"
STOPPED = "stopped"

GRACE = 10
TICK = 0.5


@dataclass(frozen=True)
class Wanted:
    container: str
    gateway: str
    port: int
    pattern: Optional[Pattern[str]]
    timeout: float


class Checked(NamedTuple):
    """The module's result; with an error, it is a failure."""

    result: Dict[str, Any]
    error: Optional[GatewayError]


def read_pattern(text: Optional[str]) -> Optional[Pattern[str]]:
    """:raises GatewayError: ``pattern-invalid``."""
    if not text:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise causes.error("pattern-invalid", detail=f"{error.msg} at position {error.pos}") from error


def check(engine: HostEngine, wanted: Wanted, restart: bool, wait: bool) -> Checked:
    """Restart the trading engine where that is asked for, and see it connected; absent is fine."""
    container = read_container(engine.inspect(wanted.container))
    if container.status == ABSENT:
        return Checked(_result(ABSENT, container, False), None)
    if restart:
        engine.restart(container.identity, GRACE)
    state = _state(engine, wanted)
    deadline = time.monotonic() + wanted.timeout
    while wait and state == NOT_CONNECTED and time.monotonic() < deadline:
        time.sleep(TICK)
        state = _state(engine, wanted)
    container = read_container(engine.inspect(wanted.container))
    result = _result(state, container, restart)
    if not wait or state in (CONNECTED, ABSENT):
        return Checked(result, None)
    if state == STOPPED:
        return Checked(
            result, causes.error("trading-engine-not-running", container=wanted.container, status=container.status)
        )
    awaited = (
        "a line in its log that matches the pattern given"
        if wanted.pattern is not None
        else f"a connection from it to port {wanted.port} of {wanted.gateway} that reaches the gateway"
    )
    return Checked(
        result,
        causes.error(
            "trading-engine-not-connected",
            container=wanted.container,
            seconds=round(wanted.timeout),
            awaited=awaited,
        ),
    )


def stop(engine: HostEngine, name: str, project: str, check_mode: bool) -> Dict[str, Any]:
    """Stop the trading engine of a gateway that was moved away; one of another compose project stays as it is.

    Its restart policy stays too, so that it is complete when the login comes back; only `always` would revive it.
    """
    inspect = engine.inspect(name)
    container = read_container(inspect)
    labels = ((inspect or {}).get("Config") or {}).get("Labels") or {}
    if container.status == ABSENT or labels.get(PROJECT_LABEL) != project:
        return _result(ABSENT, GONE, False)
    stops = container.status in ("running", "restarting", "paused")
    if stops and not check_mode:
        if container.restart_policy == "always":
            engine.restart_policy(container.identity, "unless-stopped")
        engine.stop(container.identity, GRACE)
    return _result(STOPPED, container, stops)


def _result(state: str, container: Container, changed: bool) -> Dict[str, Any]:
    since = "" if container.started is None else format_time(container.started)
    return {"state": state, "since": since, "container_id": container.identity, "changed": changed}


def _state(engine: HostEngine, wanted: Wanted) -> str:
    inspect = engine.inspect(wanted.container)
    container = read_container(inspect)
    if inspect is None:
        return ABSENT
    if container.status == "restarting":
        return NOT_CONNECTED
    if container.status != "running":
        return STOPPED
    seen = (
        _says_so(engine, container, wanted.pattern)
        if wanted.pattern is not None
        else _is_carried(engine, wanted, inspect)
    )
    return CONNECTED if seen else NOT_CONNECTED


def _says_so(engine: HostEngine, container: Container, pattern: Pattern[str]) -> bool:
    started = container.started or 0.0
    for line in engine.log(container.identity, int(started)):
        at = parse_time(line)
        if (at is None or at >= started) and pattern.search(read_line(line).text):
            return True
    return False


def _is_carried(engine: HostEngine, wanted: Wanted, inspect: Mapping[str, Any]) -> bool:
    gateway = read_container(engine.inspect(wanted.gateway))
    if gateway.status != "running" or not gateway.process:
        return False
    found = netstat.sockets(str(gateway.process))
    return found is not None and netstat.is_carried(found, addresses(inspect), wanted.port, INNER_PORT)


def addresses(inspect: Mapping[str, Any]) -> FrozenSet[str]:
    """All addresses of a container."""
    networks = (inspect.get("NetworkSettings") or {}).get("Networks") or {}
    found = (
        str(network.get(name) or "")
        for network in networks.values()
        if network
        for name in ("IPAddress", "GlobalIPv6Address")
    )
    return frozenset(address for address in found if address)
