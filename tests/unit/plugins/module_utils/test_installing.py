# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
from typing import Any, Dict, List, Mapping, Optional

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import installing
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import read_gateway
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.installing import Wanted, install, is_filled

VOLUME = "abstractfinance_ibgateway-program"
WANTED = Wanted("heshiming/ibga:latest", "ibgateway", "abstractfinance", "ibgateway-program", 5)
GOOD = (
    "Manager Startup / 2026",
    "IB Gateway Installation 1",
    "• installing ...",
    "• found IBG at /home/ibg/Jts/ibgateway/ibgateway.",
    "• ibgateway.vmoptions patched for jauto",
    "IB Gateway Startup / 2026",
    "• starting IB Gateway ...",
)
FAILING = ("IB Gateway Installation 1", "• installation has failed.")


class FakeStream:
    def __init__(self, lines: List[str]) -> None:
        self._lines = lines
        self.ended = False

    def lines(self, timeout: float) -> List[str]:
        if not self._lines:
            self.ended = True
            return []
        return [f"2026-11-25T23:00:00.{len(self._lines):03d}Z {self._lines.pop(0)}"]

    def close(self) -> None:
        pass


class FakeEngine:
    def __init__(self, log: List[str], data: Optional[pathlib.Path] = None, there: str = "") -> None:
        self.log = log
        self.volumes: Dict[str, Dict[str, Any]] = {} if data is None else {VOLUME: {"Mountpoint": str(data)}}
        self.calls: List[str] = []
        self.body: Mapping[str, Any] = {}
        self.status = there

    def volume(self, name: str) -> Optional[Dict[str, Any]]:
        return self.volumes.get(name)

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        self.calls.append(f"volume {name} {labels['com.docker.compose.volume']}")

    def inspect(self, container: str) -> Optional[Dict[str, Any]]:
        if not self.status:
            return None
        return {"Id": "id-1", "State": {"Status": self.status, "StartedAt": "2026-11-25T22:59:59Z", "ExitCode": 3}}

    def create(self, name: str, body: Mapping[str, Any], networks: Mapping[str, Any]) -> str:
        self.body = body
        self.calls.append(f"create {name}")
        self.status = "running"
        return "id-1"

    def start(self, identity: str) -> None:
        self.calls.append("start")

    def follow(self, identity: str, since: int) -> FakeStream:
        return FakeStream(self.log)

    def kill(self, identity: str) -> None:
        self.calls.append("kill")

    def wait_stopped(self, identity: str, seconds: int) -> bool:
        return True

    def remove(self, identity: str) -> None:
        self.calls.append("remove")


def test_an_empty_volume_is_filled_and_the_installer_ends_before_it_starts_the_program() -> None:
    log = list(GOOD)
    engine = FakeEngine(log)
    assert install(engine, WANTED) == {"changed": True}
    assert engine.calls == [f"volume {VOLUME} ibgateway-program", "create ibgateway-install", "start", "kill", "remove"]
    assert log == ["• starting IB Gateway ..."], "it goes on until the program is prepared, and no further"


def test_the_installer_has_no_login_and_is_no_gateway() -> None:
    engine = FakeEngine(list(GOOD))
    install(engine, WANTED)
    assert engine.body["Env"] == ["TERM=dumb"]
    seen = {
        "Id": "id-1",
        "Name": "/ibgateway-install",
        "State": {"Status": "running", "Running": True},
        "HostConfig": {},
    }
    assert read_gateway({**seen, "Config": engine.body}) is None
    disguised = {**engine.body, "Env": ["IB_USERNAME=afpaper01"]}
    found = read_gateway({**seen, "Config": disguised})
    assert found is not None
    assert found.has_login("afpaper01")


def test_a_filled_volume_is_left_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "Jts" / "ibgateway" / "1037").mkdir(parents=True)
    engine = FakeEngine(list(GOOD), tmp_path)
    assert install(engine, WANTED) == {"changed": False}
    assert engine.calls == []


def test_check_mode_installs_nothing(tmp_path: pathlib.Path) -> None:
    engine = FakeEngine(list(GOOD), tmp_path)
    assert install(engine, WANTED, check_mode=True) == {"changed": True}
    assert engine.calls == []


def test_the_installer_of_another_run_is_watched(tmp_path: pathlib.Path) -> None:
    engine = FakeEngine(list(GOOD), tmp_path, there="running")
    assert install(engine, WANTED)["changed"]
    assert engine.calls == ["kill", "remove"]


def test_what_a_dead_run_has_left_is_replaced(tmp_path: pathlib.Path) -> None:
    engine = FakeEngine(list(GOOD), tmp_path, there="exited")
    assert install(engine, WANTED)["changed"]
    assert engine.calls[0] == "remove"
    assert "start" in engine.calls


@pytest.mark.parametrize(
    ("log", "code"),
    [
        (FAILING * 3, "installation-failed"),
        (FAILING, "installation-failed"),
        (("Manager Startup / 2026",), "gateway-exited"),
    ],
)
def test_an_installation_that_fails_is_told_and_cleared_away(log: List[str], code: str) -> None:
    engine = FakeEngine(list(log))
    with pytest.raises(GatewayError) as caught:
        install(engine, WANTED)
    assert caught.value.code == code
    assert engine.calls[-2:] == ["kill", "remove"]


def test_an_installation_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(FakeStream):
        def lines(self, timeout: float) -> List[str]:
            clock[0] += 1
            return []

    clock = [0.0]
    engine = FakeEngine([])
    monkeypatch.setattr(installing.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(engine, "follow", lambda _identity, _since: Endless([]))
    with pytest.raises(GatewayError) as caught:
        install(engine, WANTED)
    assert caught.value.code == "installation-undecided"


def test_a_volume_whose_folder_cannot_be_seen_is_left_to_the_gateway(tmp_path: pathlib.Path) -> None:
    assert is_filled({"Mountpoint": str(tmp_path / "elsewhere")})
    assert not is_filled(None)
    assert not is_filled({"Mountpoint": str(tmp_path)})
