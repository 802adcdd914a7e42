# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from typing import Any, Dict, List, Optional

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import netstat, trading
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.trading import Wanted, check, read_pattern, stop

ADDRESS = "172.18.0.4"
CARRIED = [
    netstat.Socket(netstat.ESTABLISHED, "172.18.0.3", 4000, ADDRESS, 54321, "1"),
    netstat.Socket(netstat.ESTABLISHED, "127.0.0.1", 40000, "127.0.0.1", 9000, "2"),
]


class FakeEngine:
    def __init__(self, status: str = "running", log: Optional[List[List[str]]] = None) -> None:
        self.status = status
        self.logs = itertools.chain(log or [[]], itertools.repeat((log or [[]])[-1]))
        self.restarted: List[str] = []
        self.stopped: List[str] = []

    def inspect(self, container: str) -> Optional[Dict[str, Any]]:
        if container == "trading-engine" and self.status == "absent":
            return None
        return {
            "Id": f"id-of-{container}",
            "State": {
                "Status": self.status if container == "trading-engine" else "running",
                "StartedAt": "2026-11-22T15:18:40.5Z",
                "Pid": 7,
            },
            "Config": {"Labels": {"com.docker.compose.project": "abstractfinance"}},
            "HostConfig": {"RestartPolicy": {"Name": "always"}},
            "NetworkSettings": {"Networks": {"stack": {"IPAddress": ADDRESS}, "other": None}},
        }

    def log(self, _container: str, _since: int) -> List[str]:
        return next(self.logs)

    def restart(self, container: str, _grace: int) -> None:
        self.restarted.append(container)
        self.status = "running"

    def restart_policy(self, container: str, policy: str) -> None:
        self.stopped.append(f"{container}: {policy}")

    def stop(self, container: str, _grace: int) -> None:
        self.stopped.append(container)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trading, "TICK", 0)


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> List[netstat.Socket]:
    found: List[netstat.Socket] = []
    monkeypatch.setattr(netstat, "sockets", lambda _process: found)
    return found


def wanted(pattern: Optional[str] = None, timeout: float = 0.2) -> Wanted:
    return Wanted("trading-engine", "ibgateway", 4000, read_pattern(pattern), timeout)


def test_no_engine_is_fine() -> None:
    result, error = check(FakeEngine("absent"), wanted(), restart=True, wait=True)  # type: ignore[arg-type]
    assert (result["state"], result["changed"], error) == ("absent", False, None)


def test_restart_is_followed_by_the_connection(sockets: List[netstat.Socket]) -> None:
    sockets += CARRIED
    engine = FakeEngine("exited")
    result, error = check(engine, wanted(), restart=True, wait=True)  # type: ignore[arg-type]
    assert (result["state"], result["changed"], error) == ("connected", True, None)
    assert result["since"] == "2026-11-22T15:18:40Z"
    assert engine.restarted == ["id-of-trading-engine"]


def test_connection_that_the_relay_holds_is_none(sockets: List[netstat.Socket]) -> None:
    sockets += CARRIED[:1]
    result, error = check(FakeEngine(), wanted(), restart=False, wait=True)  # type: ignore[arg-type]
    assert result["state"] == "not-connected"
    assert error is not None
    assert error.code == "trading-engine-not-connected"


def test_look_fails_for_nothing(sockets: List[netstat.Socket]) -> None:
    for status, state in (("running", "not-connected"), ("exited", "stopped"), ("restarting", "not-connected")):
        engine = FakeEngine(status)
        result, error = check(engine, wanted(), restart=False, wait=False)  # type: ignore[arg-type]
        assert (result["state"], error) == (state, None)
    assert not sockets


def test_stopped_engine_is_not_waited_for() -> None:
    _result, error = check(FakeEngine("exited"), wanted(timeout=60), restart=False, wait=True)  # type: ignore[arg-type]
    assert error is not None
    assert error.code == "trading-engine-not-running"


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("2026-11-22T15:18:41.0Z connected to ibgateway:4000", "connected"),
        ("2026-11-22T15:18:41.0Z \x1b[32mconnected to ibgateway:4000", "connected"),
        ("2026-11-22T15:18:40.1Z connected to ibgateway:4000", "not-connected"),
        ("2026-11-22T15:18:41.0Z connecting to ibgateway:4000", "not-connected"),
    ],
    ids=["since", "coloured", "before the start", "another line"],
)
def test_log_since_the_start_counts(line: str, state: str) -> None:
    engine = FakeEngine(log=[[line]])
    result, _error = check(engine, wanted("^connected"), restart=False, wait=False)  # type: ignore[arg-type]
    assert result["state"] == state


def test_log_is_waited_for() -> None:
    engine = FakeEngine(log=[[], [], ["2026-11-22T15:18:45.0Z connected"]])
    result, error = check(engine, wanted("connected", 60), restart=False, wait=True)  # type: ignore[arg-type]
    assert (result["state"], error) == ("connected", None)


def test_pattern_that_is_none_is_named() -> None:
    with pytest.raises(GatewayError, match=r"connected_pattern is no regular expression.*\[pattern-invalid\]"):
        read_pattern("(")
    assert read_pattern("") is None


def test_addresses_of_all_networks_count() -> None:
    inspect = {"NetworkSettings": {"Networks": {"a": {"IPAddress": "172.18.0.4", "GlobalIPv6Address": "fd00::4"}}}}
    assert trading.addresses(inspect) == {"172.18.0.4", "fd00::4"}


@pytest.mark.parametrize(
    ("status", "project", "check_mode", "state", "changed", "stopped"),
    [
        ("running", "abstractfinance", False, "stopped", True, True),
        ("running", "abstractfinance", True, "stopped", True, False),
        ("exited", "abstractfinance", False, "stopped", False, False),
        ("running", "another", False, "absent", False, False),
        ("absent", "abstractfinance", False, "absent", False, False),
    ],
)
def test_the_engine_of_a_gateway_that_was_moved_away_is_stopped(
    status: str, project: str, check_mode: bool, state: str, changed: bool, stopped: bool
) -> None:
    engine = FakeEngine(status)
    result = stop(engine, "trading-engine", project, check_mode)  # type: ignore[arg-type]
    assert (result["state"], result["changed"]) == (state, changed)
    assert engine.stopped == (["id-of-trading-engine: unless-stopped", "id-of-trading-engine"] if stopped else [])
