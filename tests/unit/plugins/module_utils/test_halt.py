# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib
from typing import Any, Dict, List, Optional

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import halt as module
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import stopping
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.halt import Demand, halt
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import Leases, Request
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

HOST = "staging.abstractfinance.example"
RUN = "4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11"
DEMAND = Demand(HOST, "ibgateway", "afpaper01", "afpaper01", RUN)


class FakeEngine:
    def __init__(self, running: bool = True, policy: str = "unless-stopped", there: bool = True) -> None:
        self.calls: List[str] = []
        self.container: Optional[Dict[str, Any]] = {
            "Id": "id-1",
            "State": {"Running": running},
            "HostConfig": {"RestartPolicy": {"Name": policy}},
        }
        if not there:
            self.container = None

    def inspect(self, container: str) -> Optional[Dict[str, Any]]:
        return self.container

    def never_restart(self, container: str) -> None:
        self.calls.append("never_restart")


@pytest.fixture(name="state")
def fixture_state(tmp_path: pathlib.Path) -> State:
    state = State(str(tmp_path))
    state.prepare()
    return state


@pytest.fixture(name="leased")
def fixture_leased(state: State) -> State:
    Leases(state).take(Request(HOST, "afpaper01", "afpaper01", RUN, 60, {"operator": "ops"}))
    return state


@pytest.fixture(autouse=True)
def ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(engine: FakeEngine, container_id: str, grace: int) -> str:
        engine.calls.append("end")
        return stopping.CLOSED

    monkeypatch.setattr(module.stopping, "end", end)


def history(state: State) -> List[Dict[str, Any]]:
    try:
        lines = pathlib.Path(state.history_path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def test_it_may_not_return_before_it_is_ended(leased: State) -> None:
    engine = FakeEngine()
    assert halt(engine, leased, DEMAND) == {"changed": True, "state": "stopped", "ended": "closed"}
    assert engine.calls == ["never_restart", "end"]
    (entry,) = [item for item in history(leased) if item["action"] == "stop"]
    assert (entry["done"], entry["outcome"]) == (["ibgateway: closed"], "done")


def test_without_the_lease_nothing_is_touched(state: State) -> None:
    engine = FakeEngine()
    with pytest.raises(GatewayError):
        halt(engine, state, DEMAND)
    assert engine.calls == []


@pytest.mark.parametrize(
    ("engine", "found"),
    [(FakeEngine(running=False, policy="no"), "stopped"), (FakeEngine(there=False), "absent")],
    ids=["stopped", "absent"],
)
def test_what_does_not_run_and_would_not_return_is_left_alone(leased: State, engine: FakeEngine, found: str) -> None:
    assert halt(engine, leased, DEMAND) == {"changed": False, "state": found, "ended": None}
    assert engine.calls == []


def test_a_stopped_one_that_would_return_is_kept_from_it(leased: State) -> None:
    engine = FakeEngine(running=False, policy="always")
    assert halt(engine, leased, DEMAND)["changed"]
    assert engine.calls[0] == "never_restart"


def test_check_mode_needs_no_lease_and_changes_nothing(state: State) -> None:
    engine = FakeEngine()
    assert halt(engine, state, DEMAND, check_mode=True)["changed"]
    assert engine.calls == []
