# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is collected of a gateway, from an engine in memory: what is seen, what is left out, and that names are masked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import evidence as module
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import jauto, keepsake, preflight, rfb, tws
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.evidence import Evidence, Wanted, collect
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_watch import HostWorld
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import Bounds
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import (
    MemoryEngine,
    inspect_of,
)

HOST = "staging.abstractfinance.example"
LOGIN, ACCOUNT = "afpaper01", "DU1234567"
PASSWORD, TOTP_KEY, VNC_PASSWORD = "sesame-open", "JBSWY3DPEHPK3PXP", "screen-1"
ENVIRONMENT = (
    f"IB_USERNAME={LOGIN}",
    f"IB_PASSWORD={PASSWORD}",
    f"TOTP_KEY={TOTP_KEY}",
    f"IBGA_VNC_PASSWORD={VNC_PASSWORD}",
    "IB_LOGINTYPE=Paper Trading",
    "IB_REGION=Europe",
)
FILE = {
    "IBKR_USERNAME": LOGIN,
    "IBKR_PASSWORD": PASSWORD,
    "IBKR_TOTP_KEY": TOTP_KEY,
    "TRADING_MODE": "Paper Trading",
    "VNC_PASSWORD": VNC_PASSWORD,
}
STARTED = "2025-12-05T09:12:33.987654321Z"
LOG = [
    "2025-12-05T09:12:40.0Z • logging in ...",
    f"2025-12-05T09:12:41.0Z the form has {LOGIN}, {PASSWORD} and {ACCOUNT}",
]
DIALOG = "javax.swing.JDialog,x,window:0,x:10,y:10,w:80,h:20,act:1,title:Existing session detected"
LABEL = f"javax.swing.JLabel,,x:20,y:20,w:10,h:5,mx:25,my:22,text:User {LOGIN}"
FIELD = "javax.swing.JTextField,,x:50,y:50,w:20,h:10,mx:60,my:55,text:x"
SCREEN = rfb.Picture(100, 100, b"\xff\0\0" * 5000 + b"\0\0\xff" * 5000, "none")
WINDOW = "javax.swing.JFrame,x,window:1,x:0,y:0,w:100,h:100,act:1,title:IB Gateway"


class Engine(MemoryEngine):
    """An engine whose containers have a log and a JAuto, and keep what they were asked."""

    lines: list[str] = LOG
    shown: str | None = "\n".join((DIALOG, LABEL, WINDOW, FIELD))
    refuses_logs = ""
    closed = False

    def inspect(self, container: str) -> dict[str, Any] | None:
        return super().inspect(container) or self.named(container)

    def log_of(self) -> list[str]:
        if self.refuses_logs:
            raise GatewayError("Docker refused to hand over the log.", self.refuses_logs)
        return self.lines

    def output_of(self, container: str, command: Any, user: str) -> str | None:
        return self.shown if command in (jauto.ASK_FOR_ALL, jauto.ASK_FOR_DIALOGS) else ""

    def close(self) -> None:
        self.closed = True


class Host:
    """A host with one gateway, which a test changes before it is looked at."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.patch = monkeypatch
        self.gateway = inspect_of(env=ENVIRONMENT)
        self.gateway["State"]["Pid"] = 4242
        self.gateway["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] = "172.18.0.2"
        self.engine = Engine()
        self.checked: dict[str, Any] = {"problems": [], "free_mb": 20000}
        self.listening: frozenset[int] | None = frozenset({4000, 9000})
        self.answers = [tws.Answer(tws.ANSWERED, (ACCOUNT,), 187, (), True)]
        self.client_ids: list[int] = []
        self.state = state = State(str(directory / "state"))
        state.prepare()
        monkeypatch.setattr(module, "State", lambda: state)
        monkeypatch.setattr(module, "HostEngine", lambda: self.engine)
        monkeypatch.setattr(module.preflight, "check", lambda _wanted: dict(self.checked))
        monkeypatch.setattr(module.netstat, "sockets", lambda _process: self.listening and [])
        monkeypatch.setattr(module.netstat, "listening_ports", lambda _sockets: self.listening)
        monkeypatch.setattr(module.processes, "is_running", lambda _process, _name: True)
        monkeypatch.setattr(HostWorld, "probe", self._probe)
        monkeypatch.setattr(HostWorld, "backlog", lambda _world, _container: self.engine.log_of())
        monkeypatch.setattr(module.screen, "picture", lambda *_what: SCREEN)
        monkeypatch.setattr(keepsake, "FOLDER", str(directory / "screens"))
        self.write_env()

    def _probe(self, _container: Any, client_id: int, *_bounds: float) -> tws.Answer:
        self.client_ids.append(client_id)
        return self.answers[min(len(self.client_ids), len(self.answers)) - 1]

    def write_env(self, **changes: str) -> None:
        text = "".join(f"{name}={value}\n" for name, value in {**FILE, **changes}.items())
        (self.directory / ".env").write_text(text, encoding="utf-8")

    def look(self, **changes: Any) -> Evidence:
        if self.gateway:
            self.engine.held.setdefault(self.gateway["Id"], self.gateway)
        return collect(wanted(str(self.directory), **changes))[0]


def wanted(directory: str, **changes: Any) -> Wanted:
    checks = preflight.Wanted(
        host=HOST,
        project_dir=directory,
        compose_file="docker-compose.yml",
        compose_content=None,
        project="abstractfinance",
        service="ibgateway",
        container="ibgateway",
        services=None,
        image=None,
        ports=(),
        trading_mode="Paper Trading",
        account=ACCOUNT,
        min_free_mb=2000,
        min_compose="2.24",
    )
    made: dict[str, Any] = {
        "preflight": checks,
        "due": True,
        "account": ACCOUNT,
        "trading_engine": None,
        "trading_pattern": None,
        "env_rules": {},
        "client_id": 31,
        "bounds": Bounds(900, 300, 60, 0.5),
        "tag_key": "k" * 32,
    }
    return Wanted(**{**made, **changes})


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_all_of_a_running_gateway_is_seen(host: Host) -> None:
    found = host.look()
    assert found.env_found is True
    assert (found.env_mode, found.mode) == ("Paper Trading", "paper")
    assert found.container.status == "running"
    assert found.published == [("127.0.0.1", 4000, 4000)]
    assert (found.program, found.relay, found.listening) == (True, True, frozenset({4000, 9000}))
    assert [item.title for item in found.dialogs or []] == ["Existing session detected"]
    assert found.answer is not None
    assert found.answer.connected
    assert [item["container"] for item in found.sessions] == ["ibgateway"]
    assert found.settings == {"IB_LOGINTYPE": "Paper Trading", "IB_REGION": "Europe"}
    assert found.checked == {"free_mb": 20000}
    assert found.versions["image"] == "heshiming/ibga:r20260803"
    assert host.engine.closed


def test_no_secret_and_no_name_is_left(host: Host) -> None:
    found = host.look()
    told = repr(found)
    for word in (PASSWORD, TOTP_KEY, VNC_PASSWORD, LOGIN, ACCOUNT):
        assert word not in told
    assert found.login.startswith("login-")
    assert found.account.startswith("account-")
    assert found.log[1].startswith(f"2025-12-05T09:12:41.0Z the form has {found.login}, ")
    assert found.answer is not None
    assert found.answer.accounts == (found.account,)


def test_a_login_that_only_the_log_tells_is_masked_too(host: Host) -> None:
    host.engine.lines = ["2025-12-05T09:12:40.0Z welcome: Logging in aflive01", "2025-12-05T09:12:41.0Z aflive01 is in"]
    assert "aflive01" not in repr(host.look())


def test_what_the_container_has_otherwise_than_the_file_is_named_and_not_shown(host: Host) -> None:
    host.write_env(IBKR_PASSWORD="sesame-shut", VNC_PASSWORD="screen-2")
    found = host.look()
    assert found.env_differs == ["IBKR_PASSWORD", "VNC_PASSWORD"]
    assert "sesame-shut" not in repr(found)


def test_fingerprints_compare_logins_whatever_their_case(host: Host) -> None:
    before = host.look().fingerprints
    host.write_env(IBKR_USERNAME=LOGIN.upper())
    assert host.look().fingerprints == before
    host.write_env(IBKR_USERNAME="afpaper02")
    assert host.look().fingerprints["IBKR_USERNAME"] != before["IBKR_USERNAME"]


@pytest.mark.parametrize("due", [True, False])
def test_rules_hold_where_a_gateway_is_due(host: Host, due: bool) -> None:
    host.write_env(TRADING_MODE="Paper")
    found = host.look(due=due, env_rules={"TRADING_MODE": {"choices": ["Paper Trading", "Live Trading"]}})
    assert bool(found.env_problems) is due


def test_a_host_without_env_and_one_whose_env_cannot_be_read_are_told_apart(host: Host) -> None:
    (host.directory / ".env").unlink()
    assert host.look().env_found is False
    (host.directory / ".env").mkdir()
    assert host.look().env_found is None


@pytest.mark.parametrize("known", [[], [{"code": "engine-down", "message": "Docker does not answer."}]])
def test_an_engine_that_is_down_is_told_once(host: Host, known: list[dict[str, str]]) -> None:
    def refuse() -> None:
        raise GatewayError("Docker does not answer.", "engine-down")

    host.patch.setattr(module, "HostEngine", refuse)
    host.checked["problems"] = known
    found = host.look()
    assert [code for code, _text in found.problems] == ["engine-down"]
    assert found.container.status == "absent"


def test_a_host_without_gateway_is_asked_no_more(host: Host) -> None:
    host.gateway = {}
    found = host.look()
    assert (found.container.status, found.log, found.answers, found.dialogs) == ("absent", [], [], None)
    assert found.login.startswith("login-")


def test_a_client_id_in_use_is_got_round_once(host: Host) -> None:
    in_use = tws.Answer(tws.IN_USE)
    host.answers = [in_use, in_use, in_use]
    found = host.look()
    assert host.client_ids == [31, 32]
    assert [item.outcome for item in found.answers] == [tws.IN_USE, tws.IN_USE]


@pytest.mark.parametrize("listening", [None, frozenset({4000})])
def test_an_api_that_is_not_open_is_not_asked(host: Host, listening: frozenset[int] | None) -> None:
    host.listening = listening
    found = host.look()
    assert host.client_ids == []
    assert found.listening == listening


def test_a_log_that_cannot_be_read_keeps_nothing_else_from_being_seen(host: Host) -> None:
    host.engine.refuses_logs = "engine-refused"
    found = host.look()
    assert found.log == []
    assert found.program is True


def test_an_engine_that_breaks_meanwhile_is_an_error(host: Host) -> None:
    host.engine.refuses_logs = "engine-silent"
    with pytest.raises(GatewayError, match=r"\[engine-silent\]"):
        host.look()
    assert host.engine.closed


# The screen


def test_a_gateway_that_is_in_keeps_its_screen(host: Host) -> None:
    assert host.look().screen is None


def test_the_screen_of_one_that_is_not_is_taken_with_its_names_covered(host: Host) -> None:
    host.answers = [tws.Answer(tws.UNREACHABLE)]
    png = host.look().screen
    assert png is not None
    assert png.startswith(b"\x89PNG")
    assert png != SCREEN.png()


@pytest.mark.parametrize("why", ["blank", "no layout", "no server", "jauto silent"])
def test_a_screen_whose_names_cannot_be_covered_is_not_taken(host: Host, why: str) -> None:
    host.answers = [tws.Answer(tws.UNREACHABLE)]
    if why == "blank":
        host.patch.setattr(module.screen, "picture", lambda *_what: rfb.Picture(100, 100, bytes(30000), "none"))
    elif why == "no layout":
        host.engine.shown = ""
    elif why == "jauto silent":
        host.engine.shown = None
    else:

        def refuse(*_what: Any) -> rfb.Picture:
            raise GatewayError("The screen cannot be reached.", "vnc-unreachable")

        host.patch.setattr(module.screen, "picture", refuse)
    assert host.look().screen is None


# A gateway that was stopped after its login failed


def stopped(host: Host) -> Mapping[str, Any]:
    host.gateway["State"].update(Status="exited", Running=False, Pid=0, ExitCode=137)
    return {
        "container_id": host.gateway["Id"],
        "started_at": STARTED,
        "code": "login-refused",
        "facts": {"login": LOGIN},
        "evidence": [f"{LOGIN}: unrecognized"],
        "dialogs": [{"title": f"Hello {LOGIN}", "text": "", "buttons": ["OK"], "asks_for_input": False}],
        "screen": None,
    }


def keep(host: Host, record: Mapping[str, Any]) -> None:
    folder = Path(keepsake.FOLDER)
    folder.mkdir()
    (folder / "ibgateway.json").write_text(json.dumps(record), encoding="utf-8")


def test_what_was_kept_of_its_failure_is_used(host: Host) -> None:
    keep(host, stopped(host))
    found = host.look()
    assert found.kept is not None
    assert found.kept[0] == "login-refused"
    assert found.kept[1] == {"login": found.login}
    assert [item.title for item in found.dialogs or []] == [f"Hello {found.login}"]
    assert LOGIN not in repr(found)


@pytest.mark.parametrize(
    ("status", "entries", "at"),
    [
        ("exited", [("stop", "2025-12-06T08:00:00Z", "ibgateway: closed")], "2025-12-06T08:00:00Z"),
        (
            "exited",
            [("stop", "2025-12-06T08:00:00Z", "ibgateway: closed"), ("lease-taken", "2025-12-06T09:00:00Z", "")],
            "2025-12-06T08:00:00Z",
        ),
        ("exited", [("stop", "2025-12-04T08:00:00Z", "ibgateway: closed")], ""),
        ("exited", [("stop", "2025-12-06T08:00:00Z", "another: closed")], ""),
        (
            "exited",
            [
                ("stop", "2025-12-06T08:00:00Z", "ibgateway: closed"),
                ("start", "2025-12-06T09:00:00Z", "ibgateway: started"),
            ],
            "",
        ),
        ("exited", [("fence", "2025-12-06T08:00:00Z", "ibgateway: parked")], ""),
        ("running", [("stop", "2025-12-06T08:00:00Z", "ibgateway: closed")], ""),
    ],
)
def test_a_stop_on_purpose_is_the_last_of_the_history(
    host: Host, status: str, entries: list[tuple[str, str, str]], at: str
) -> None:
    whose = {"host": "staging", "login_key": LOGIN, "operator": "ops@controller", "run_id": "1", "outcome": "done"}
    if status == "exited":
        stopped(host)
    for action, when, done in entries:
        host.state.append_history({**whose, "action": action, "at": when, **({"done": [done]} if done else {})})
    assert host.look().stopped_at == at


def test_what_was_kept_of_another_start_is_not(host: Host) -> None:
    keep(host, {**stopped(host), "started_at": "2025-12-04T00:00:00Z"})
    assert host.look().kept is None


def test_a_stopped_one_is_asked_nothing(host: Host) -> None:
    stopped(host)
    found = host.look()
    assert (found.program, found.relay, found.listening, host.client_ids) == (None, None, None, [])
    assert found.log != []


# The container


def test_markers_in_the_settings_volume(host: Host) -> None:
    volume = host.directory / "volume"
    volume.mkdir()
    marker = volume / "skip_option_check2"
    marker.touch()
    os.utime(marker, (1764925953, 1764925953))
    host.gateway["Mounts"][0]["Source"] = str(volume)
    assert host.look().volume == {"skip_option_check2": "2025-12-05T09:12:33Z"}


@pytest.mark.parametrize(("made", "differs"), [("aa11", False), ("bb22", True), (None, False)])
def test_a_container_made_from_other_settings(host: Host, made: str | None, differs: bool) -> None:
    host.checked.update(gateway={"config_hash": made}, expected_config_hash="aa11")
    assert host.look().made_from_other_settings is differs


def test_health_and_memory(host: Host) -> None:
    host.gateway["State"].update(Health={"Status": "unhealthy"}, OOMKilled=True)
    found = host.look()
    assert (found.health, found.out_of_memory) == ("unhealthy", True)


def test_a_trading_engine_that_is_not_there(host: Host) -> None:
    found = host.look(trading_engine="trading-engine", trading_pattern="connected")
    assert (found.trading_name, found.trading) == ("trading-engine", "absent")
