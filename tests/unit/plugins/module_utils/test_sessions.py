# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fence, return, clear and start on an engine in memory, with a run that dies between any two changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import fence, parked, start
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import sessions as sessions_module
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import RETURNED_LABEL
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import Leases, Request, public, read_clock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.sessions import Sessions
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import (
    MANAGED,
    SLOT,
    MemoryEngine,
    inspect_of,
)

RUN = "4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11"
NEXT = "9b2e7d10-0c1f-4a57-8f0b-3a1f2c4d5e6f"
HOST = "production"
LIVE_ENV = ["IB_USERNAME=aflive01", "IB_LOGINTYPE=Live Trading"]
HIDDEN_ENV = ["TWS_USERID_FILE=/run/secrets/user"]
TARGET: dict[str, Any] = {"project": "abstractfinance", "service": "ibgateway", "keep": "ibgateway"}


class RunDiedError(BaseException):
    """The run's process is killed: nothing of it catches this."""


class HostAtHand:
    """One host of a test: its engine, its files, and the run that works on it."""

    def __init__(self, directory: Path, *containers: dict[str, Any]) -> None:
        self.engine = MemoryEngine(*containers)
        self.state = State(str(directory / "af"))
        self.generation = 0
        self.take(RUN)

    def take(self, run_id: str) -> None:
        for record in self.state.leases():
            Leases(self.state).release(self._request(record["run_id"]))
        record = Leases(self.state).take(self._request(run_id)).record
        assert record is not None
        self.lease = public(record, read_clock())
        self.run_id = run_id

    def sessions(self, check_mode: bool = False) -> Sessions:
        return Sessions(self.engine, self.state, check_mode)  # type: ignore[arg-type]

    def demand(self, **what: Any) -> fence.Demand:
        return fence.Demand(
            **{
                "host": HOST,
                "login": "AFpaper01",
                "key": "afpaper01",
                "run_id": self.run_id,
                "mode": "paper",
                "target": HOST,
                **what,
            }
        )

    def fence(self, check_mode: bool = False, **what: Any) -> dict[str, Any]:
        return self.sessions(check_mode).fence_login(self.demand(**what))

    def give_back(self, **what: Any) -> dict[str, Any]:
        return self.sessions().give_back(self.demand(**what))

    def clear(self, answering: tuple[str, ...] = (), **what: Any) -> dict[str, Any]:
        return self.sessions().clear(self.demand(**what), answering)

    def start(self, check_mode: bool = False, **what: Any) -> dict[str, Any]:
        receipts = what.pop("receipts", None)
        if receipts is None:
            receipts = [self.fence(keep="ibgateway", created=True)["receipt"]]
        demand = start.Demand(
            **{
                "host": HOST,
                "container": "ibgateway",
                "login": "afpaper01",
                "key": "afpaper01",
                "run_id": self.run_id,
                "fleet": [HOST],
                "receipts": receipts,
                "leases": [self.lease],
                **what,
            }
        )
        return self.sessions(check_mode).start_gateway(demand)

    def refused(self, code: str, **what: Any) -> GatewayError:
        before = json.dumps(self.engine.held)
        with pytest.raises(GatewayError) as caught:
            self.fence(**what)
        assert caught.value.code == code
        assert json.dumps(self.engine.held) == before
        assert self.engine.log == []
        assert self.state.parked() == []
        return caught.value

    @staticmethod
    def _request(run_id: str) -> Request:
        return Request(HOST, "AFpaper01", "afpaper01", run_id, 900, {"operator": "ops@controller.example"})


def created(**what: Any) -> dict[str, Any]:
    return inspect_of(**{"status": "created", "policy": "no", "labels": {**SLOT, **MANAGED}, **what})


def test_a_host_without_sessions_gets_a_receipt(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(env=["X=1"], image="own/x"))
    result = host.fence()
    assert not result["changed"]
    assert result["receipt"]["generation"] == 1
    assert {name: result["receipt"][name] for name in ("host", "login_key", "run_id", "seen", "done")} == {
        "host": HOST,
        "login_key": "afpaper01",
        "run_id": RUN,
        "seen": [],
        "done": [],
    }
    assert host.engine.log == []


def test_a_holder_is_parked(tmp_path: Path) -> None:
    innocent = inspect_of(name="trading-engine", env=["X=1"], image="own/x")
    other = inspect_of(name="other", env=LIVE_ENV)
    host = HostAtHand(tmp_path, inspect_of(name="old", policy="always", identity="ab" * 32), innocent, other)
    result = host.fence()
    assert result["changed"]
    [seen] = result["receipt"]["seen"]
    assert (seen["container"], seen["state"], seen["restart_policy"], seen["mode"]) == (
        "old",
        "running",
        "always",
        "paper",
    )
    item = host.engine.named("old-parked-4f1f6c0e")
    assert item is not None
    assert (item["State"]["Status"], item["HostConfig"]["RestartPolicy"]["Name"]) == ("exited", "no")
    [shelf] = result["parked"]
    assert (shelf["former_name"], shelf["restart_policy"], shelf["was_running"]) == ("old", "always", True)
    path = Path(host.state.parked_path("ab" * 32))
    assert path.stat().st_mode & 0o777 == 0o600
    assert host.engine.held[innocent["Id"]] == innocent
    assert host.engine.held[other["Id"]] == other
    assert [what for what, _container in host.engine.log] == ["policy", "kill", "rename"]


def test_fencing_again_changes_nothing(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(name="old"))
    host.fence()
    host.engine.log.clear()
    again = host.fence()
    assert not again["changed"]
    assert again["receipt"]["seen"] == []
    assert [item["former_name"] for item in again["parked"]] == ["old"]
    assert host.engine.log == []


@pytest.mark.parametrize(
    ("image", "env", "status", "first"),
    [
        ("heshiming/ibga", None, "running", "kill"),
        ("gnzsnz/ib-gateway", ["TWS_USERID=afpaper01", "TRADING_MODE=paper"], "running", "stop"),
        ("gnzsnz/ib-gateway", ["TWS_USERID=afpaper01", "TRADING_MODE=paper"], "paused", "kill"),
        ("gnzsnz/ib-gateway", ["TWS_USERID=afpaper01", "TRADING_MODE=paper"], "restarting", "kill"),
    ],
)
def test_how_it_is_stopped(tmp_path: Path, image: str, env: list[str] | None, status: str, first: str) -> None:
    what = {"env": env} if env else {}
    host = HostAtHand(tmp_path, inspect_of(image=image, status=status, **what))
    host.fence()
    assert next(name for name, _container in host.engine.log if name in ("kill", "stop")) == first


def test_one_that_would_return_is_parked_without_a_stop(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(status="exited", policy="always", exit_code=1))
    assert host.fence()["parked"][0]["was_running"] is False
    assert [what for what, _container in host.engine.log] == ["policy", "rename"]


def test_a_stopped_one_without_policy_is_left_alone(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(status="exited", policy="no"))
    assert not host.fence()["changed"]


def test_never_started_containers_go_but_for_the_one_to_start(tmp_path: Path) -> None:
    keep = created()
    host = HostAtHand(
        tmp_path,
        keep,
        created(name="left-over", labels={}, policy="always"),
        created(name="o", env=LIVE_ENV, labels={}),
    )
    result = host.fence(**TARGET, created=True)
    assert [item["action"] for item in result["receipt"]["done"]] == ["removed"]
    assert sorted(item["Name"] for item in host.engine.held.values()) == ["/ibgateway", "/o"]
    host.fence()
    assert host.engine.named("ibgateway") is None


def test_keep_does_not_spare_one_that_runs(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of())
    assert host.fence(keep="ibgateway", created=True)["receipt"]["done"][0]["action"] == "parked"
    assert host.engine.named("ibgateway") is None


def test_a_rm_holder_cannot_be_restored(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(policy="no", auto_remove=True))
    [done] = host.fence()["receipt"]["done"]
    assert done["restorable"] is False
    assert "cannot be restored" in done["text"]
    assert (host.state.parked(), host.engine.held) == ([], {})


def test_the_slot_is_parked_as_a_copy_without_composes_labels(tmp_path: Path) -> None:
    original = inspect_of(labels={**SLOT, **MANAGED}, policy="always")
    host = HostAtHand(tmp_path, original)
    result = host.fence(**TARGET)
    assert original["Id"] not in host.engine.held
    item = host.engine.named("ibgateway-parked-4f1f6c0e")
    assert item is not None
    assert not [name for name in item["Config"]["Labels"] if name.startswith("com.docker.compose.")]
    assert item["Config"]["Env"] == original["Config"]["Env"]
    assert {mount["Name"] for mount in item["Mounts"]} == {mount["Name"] for mount in original["Mounts"]}
    assert result["parked"][0]["container"] == "ibgateway-parked-4f1f6c0e"
    assert [what for what, _container in host.engine.log] == ["create", "policy", "kill", "remove"]
    assert not host.fence(**TARGET)["changed"]


def test_on_other_hosts_a_container_of_the_same_project_is_renamed(tmp_path: Path) -> None:
    original = inspect_of(labels=SLOT)
    host = HostAtHand(tmp_path, original)
    host.fence()
    assert host.engine.held[original["Id"]]["Name"] == "/ibgateway-parked-4f1f6c0e"


def test_another_login_in_the_slot_makes_room(tmp_path: Path) -> None:
    env = ["IB_USERNAME=afpaper02", "IB_LOGINTYPE=Paper Trading"]
    host = HostAtHand(tmp_path, inspect_of(labels=SLOT, env=env))
    [shelf] = host.fence(**TARGET)["parked"]
    assert (shelf["login"], shelf["for_login_key"]) == ("afpaper02", "afpaper01")
    assert host.engine.named("ibgateway") is None


def test_a_stopped_gateway_that_has_the_name_is_put_aside(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(status="exited", policy="no"))
    host.fence(**TARGET)
    assert host.engine.named("ibgateway") is None
    assert host.engine.named("ibgateway-parked-4f1f6c0e") is not None


def test_a_live_holder_is_never_stopped_by_a_paper_run(tmp_path: Path) -> None:
    holder = inspect_of(name="live", env=["IB_USERNAME=afpaper01", "IB_LOGINTYPE=Live Trading"])
    error = HostAtHand(tmp_path, holder).refused("live-session-protected")
    for part in ("AFpaper01", "production", "live", "1Password"):
        assert part in str(error)


@pytest.mark.parametrize(
    "env",
    [
        ["IB_USERNAME=afpaper01", "IB_LOGINTYPE=paper"],
        ["IB_USERNAME=afpaper01"],
        ["TWS_USERID=aflive01", "TWS_USERID_PAPER=afpaper01", "TRADING_MODE=both"],
    ],
)
def test_what_is_not_provably_paper_counts_as_live(tmp_path: Path, env: list[str]) -> None:
    host = HostAtHand(tmp_path, inspect_of(env=env, image="own/x"))
    host.refused("live-session-protected")
    assert host.fence(mode="live")["changed"]


def test_a_live_session_in_the_slot_is_never_stopped_by_a_paper_run(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(labels=SLOT, env=LIVE_ENV))
    assert "aflive01" in str(host.refused("live-session-protected", **TARGET))


def test_nothing_is_stopped_where_one_of_two_is_refused(tmp_path: Path) -> None:
    live = inspect_of(name="z", env=["IB_USERNAME=afpaper01", "IB_LOGINTYPE=Live Trading"])
    HostAtHand(tmp_path, inspect_of(name="a"), live).refused("live-session-protected")


def test_a_protected_host_is_left_alone(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of())
    host.refused("session-protected", protected=True)
    assert not HostAtHand(tmp_path / "empty").fence(protected=True)["changed"]


def test_an_unreadable_gateway_stops_the_run_unless_it_is_named(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(name="secret", env=HIDDEN_ENV, image="own/x"), inspect_of(name="old"))
    assert "secret" in str(host.refused("login-unreadable"))
    host.refused("login-unreadable", names=frozenset({"old"}))
    result = host.fence(names=frozenset({"secret"}))
    assert sorted(item["former_name"] for item in result["parked"]) == ["old", "secret"]


def test_a_named_one_whose_settings_say_live_stays_protected(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(name="secret", env=[*HIDDEN_ENV, "TRADING_MODE=live"], image="own/x"))
    host.refused("live-session-protected", names=frozenset({"secret"}))


def test_a_stopped_unreadable_gateway_does_not_stop_the_run(tmp_path: Path) -> None:
    stopped = inspect_of(name="secret", env=HIDDEN_ENV, image="own/x", status="exited", policy="no")
    assert not HostAtHand(tmp_path, stopped).fence()["changed"]


def test_a_swarm_service_is_not_fenced(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(labels={"com.docker.swarm.service.name": "gw"}))
    host.refused("session-orchestrated")


def test_a_stranger_with_the_name_is_left_alone(tmp_path: Path) -> None:
    HostAtHand(tmp_path, inspect_of(env=["X=1"], image="own/x")).refused("name-taken", **TARGET)


@pytest.mark.parametrize("how", ["none", "released", "foreign", "expired"])
def test_without_the_lease_nothing_is_done(tmp_path: Path, how: str) -> None:
    host = HostAtHand(tmp_path, inspect_of())
    record = host.state.read_lease("afpaper01")
    assert record is not None
    if how == "none":
        Path(host.state.lease_path("afpaper01")).unlink()
    elif how == "released":
        host.state.write_lease("afpaper01", {**record, "state": "released"})
    elif how == "foreign":
        host.state.write_lease("afpaper01", {**record, "run_id": NEXT})
    else:
        host.state.write_lease("afpaper01", {**record, "expires": read_clock().seconds})
    host.refused("lease-lost")
    for attempt in (host.give_back, host.clear, lambda: host.start(receipts=[])):
        with pytest.raises(GatewayError):
            attempt()
    assert host.engine.log == []


def test_check_mode_tells_and_changes_nothing(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(labels=SLOT))
    Path(host.state.lease_path("afpaper01")).unlink()
    result = host.fence(check_mode=True, **TARGET)
    assert result["changed"]
    assert result["receipt"]["generation"] is None
    assert "parked as ibgateway-parked-4f1f6c0e" in result["receipt"]["done"][0]["text"]
    assert host.engine.log == []
    assert host.state.parked() == []


def test_check_mode_refuses_as_the_run_would(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(env=["IB_USERNAME=afpaper01"]))
    host.refused("live-session-protected", check_mode=True)


def test_a_watchdog_that_revives_the_holder_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "SETTLE_SECONDS", 0.0)
    host = HostAtHand(tmp_path, inspect_of(name="old"))

    def revive(what: str) -> None:
        if what == "rename":
            new = inspect_of(name="revived")
            host.engine.held[new["Id"]] = new

    host.engine.before = revive
    with pytest.raises(GatewayError) as caught:
        host.fence()
    assert caught.value.code == "fence-not-shown"
    assert "revived still runs" in str(caught.value)


def test_a_copy_that_cannot_be_made_leaves_the_holder_running(tmp_path: Path) -> None:
    original = inspect_of(labels=SLOT)
    host = HostAtHand(tmp_path, original)

    def refuse(what: str) -> None:
        if what == "create":
            raise GatewayError("no", "disk-full")

    host.engine.before = refuse
    with pytest.raises(GatewayError):
        host.fence(**TARGET)
    assert host.engine.held == {original["Id"]: original}
    assert host.state.parked() == []


def test_a_copy_that_differs_leaves_the_holder_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = inspect_of(labels=SLOT)
    host = HostAtHand(tmp_path, original)
    monkeypatch.setattr(parked, "differences", lambda *_inspects: ["volumes"])
    with pytest.raises(GatewayError) as caught:
        host.fence(**TARGET)
    assert caught.value.code == "park-failed"
    assert host.engine.held == {original["Id"]: original}
    assert host.state.parked() == []


def test_one_that_does_not_die_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = HostAtHand(tmp_path, inspect_of(name="old"))
    monkeypatch.setattr(host.engine, "_end", lambda *_arguments: None)
    with pytest.raises(GatewayError) as caught:
        host.fence()
    assert caught.value.code == "stop-failed"


@pytest.mark.parametrize("slot", [True, False])
def test_what_is_parked_can_be_given_back(tmp_path: Path, slot: bool) -> None:
    original = inspect_of(labels={**SLOT, "own": "1"}, policy="always")
    what = TARGET if slot else {}
    host = HostAtHand(tmp_path, original)
    host.fence(**what)
    result = host.give_back(**what)
    assert result["changed"]
    assert result["returned"] == [
        {
            "container": "ibgateway",
            "login": "afpaper01",
            "login_key": "afpaper01",
            "mode": "paper",
            "was_running": True,
            "restart_policy": "always",
        }
    ]
    item = host.engine.named("ibgateway")
    assert item is not None
    assert len(host.engine.held) == 1
    labels = {key: value for key, value in item["Config"]["Labels"].items() if key != RETURNED_LABEL}
    assert labels == {**SLOT, "own": "1"}
    assert item["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert item["State"]["Running"] is False
    assert result["parked"] == []
    assert not host.give_back(**what)["changed"]
    host.clear(**what)
    assert host.state.parked() == []
    assert host.engine.named("ibgateway") is not None


def test_the_failed_gateway_in_its_place_goes(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(labels=SLOT))
    host.fence(**TARGET)
    failed = inspect_of(labels={**SLOT, **MANAGED}, status="exited", policy="no")
    host.engine.held[failed["Id"]] = failed
    host.give_back(**TARGET)
    assert failed["Id"] not in host.engine.held
    assert host.engine.named("ibgateway") is not None


@pytest.mark.parametrize("slot", [True, False])
def test_of_two_that_had_the_name_the_first_parked_comes_back(tmp_path: Path, slot: bool) -> None:
    what = TARGET if slot else {}
    host = HostAtHand(tmp_path, inspect_of(labels={**SLOT, "own": "proven"}))
    host.fence(**what)
    failed = inspect_of(labels={**SLOT, "own": "failed"})
    host.engine.held[failed["Id"]] = failed
    assert len(host.fence(**what)["parked"]) == 2
    assert len(host.give_back(**what)["returned"]) == 1
    item = host.engine.named("ibgateway")
    assert item is not None
    assert item["Config"]["Labels"]["own"] == "proven"
    host.clear(**what)
    assert len(host.engine.held) == 1


@pytest.mark.parametrize(
    "there",
    [
        {"env": ["X=1"], "image": "own/x"},
        {"status": "exited", "policy": "no"},
        {"labels": MANAGED, "status": "running"},
    ],
    ids=["stranger", "not ours", "running"],
)
def test_what_else_has_its_place_stays(tmp_path: Path, there: dict[str, Any]) -> None:
    host = HostAtHand(tmp_path, inspect_of())
    host.fence()
    other = inspect_of(**there)
    host.engine.held[other["Id"]] = other
    with pytest.raises(GatewayError) as caught:
        host.give_back()
    assert caught.value.code == "name-taken"
    assert other["Id"] in host.engine.held


def test_what_is_gone_is_said(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of())
    host.fence()
    host.engine.held.clear()
    result = host.give_back()
    assert (result["returned"], result["done"][0]["action"]) == ([], "lost")
    assert host.state.parked() == []


@pytest.mark.parametrize("slot", [True, False])
def test_what_is_parked_can_be_cleared(tmp_path: Path, slot: bool) -> None:
    what = TARGET if slot else {}
    other = inspect_of(name="other", env=LIVE_ENV)
    host = HostAtHand(tmp_path, inspect_of(labels=SLOT), other)
    host.fence(**what)
    assert host.clear(**what)["changed"]
    assert list(host.engine.held) == [other["Id"]]
    assert host.state.parked() == []
    assert not host.clear(**what)["changed"]


def test_a_parked_one_that_was_started_by_hand(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(name="old"))
    host.fence()
    [identity] = host.engine.held
    host.engine.start(identity)
    for attempt in (host.clear, host.give_back):
        with pytest.raises(GatewayError) as caught:
            attempt()
        assert caught.value.code == "session-found"
    result = host.fence()
    assert result["changed"]
    assert host.engine.held[identity]["State"]["Running"] is False
    assert [item["former_name"] for item in result["parked"]] == ["old"]


def test_every_change_is_in_the_history(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(name="old"))
    host.fence()
    host.clear()
    lines = [json.loads(line) for line in Path(host.state.history_path).read_text().splitlines()]
    assert [(line["action"], line.get("outcome")) for line in lines] == [
        ("lease-taken", None),
        ("fence", "done"),
        ("clear", "done"),
    ]
    assert {line["operator"] for line in lines} == {"ops@controller.example"}
    assert lines[1]["done"] == ["old: parked as old-parked-4f1f6c0e; killed"]


def test_the_start(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, created())
    result = host.start()
    assert (result["changed"], result["container"], result["since"]) == (True, "ibgateway", "2025-12-12T10:00:05Z")
    again = host.start(receipts=[host.sessions(True).fence_login(host.demand())["receipt"] | {"generation": 1}])
    assert not again["changed"]
    assert [what for what, _container in host.engine.log].count("start") == 1


@pytest.mark.parametrize(
    ("container", "code"),
    [
        (None, "container-missing"),
        ({"env": LIVE_ENV}, "login-mismatch"),
        ({"env": ["X=1"], "image": "own/x", "labels": {}}, "login-mismatch"),
        ({"env": ["TWS_USERID=aflive01", "TWS_USERID_PAPER=afpaper01", "TRADING_MODE=both"]}, "login-mismatch"),
        ({"policy": "unless-stopped"}, "restart-policy-set"),
    ],
)
def test_what_is_not_started(tmp_path: Path, container: dict[str, Any] | None, code: str) -> None:
    host = HostAtHand(tmp_path)
    receipt = host.fence()["receipt"]
    if container is not None:
        item = created(**container)
        host.engine.held[item["Id"]] = item
    with pytest.raises(GatewayError) as caught:
        host.start(receipts=[receipt])
    assert caught.value.code == code
    assert "start" not in [what for what, _container in host.engine.log]


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"name": "late"}, "session-found"),
        ({"name": "late", "status": "exited", "policy": "always"}, "session-found"),
        ({"name": "late", "env": HIDDEN_ENV, "image": "own/x"}, "login-unreadable"),
    ],
)
def test_a_session_that_came_after_the_fence_stops_the_start(tmp_path: Path, other: dict[str, Any], code: str) -> None:
    host = HostAtHand(tmp_path, created())
    receipt = host.fence(keep="ibgateway", created=True)["receipt"]
    late = inspect_of(**other)
    host.engine.held[late["Id"]] = late
    with pytest.raises(GatewayError) as caught:
        host.start(receipts=[receipt])
    assert caught.value.code == code
    assert host.engine.log == []


def test_a_run_that_slept_through_its_lease_starts_nothing(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, created())
    receipt, lease = host.fence(keep="ibgateway", created=True)["receipt"], host.lease
    host.take(NEXT)
    with pytest.raises(GatewayError) as caught:
        host.start(receipts=[receipt], leases=[lease], run_id=RUN)
    assert caught.value.code == "lease-lost"
    host.take(RUN)
    with pytest.raises(GatewayError) as caught:
        host.start(receipts=[receipt], leases=[lease])
    assert caught.value.code == "receipt-stale-generation"
    assert host.engine.log == []


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"fleet": [HOST, "staging"]}, "receipt-missing"),
        ({"fleet": ["staging"]}, "host-not-in-fleet"),
        ({"receipts": []}, "receipt-missing"),
    ],
)
def test_a_host_that_was_not_asked_stops_the_start(tmp_path: Path, what: dict[str, Any], code: str) -> None:
    host = HostAtHand(tmp_path, created())
    for check_mode in (True, False):
        with pytest.raises(GatewayError) as caught:
            host.start(check_mode=check_mode, **what)
        assert caught.value.code == code
    assert host.engine.log == []


def test_check_mode_starts_nothing(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, created())
    receipt = host.fence(check_mode=True, keep="ibgateway", created=True)["receipt"]
    assert host.start(check_mode=True, receipts=[receipt])["changed"]
    assert host.engine.log == []


def test_a_host_assumed_to_be_off_is_recorded_until_it_was_fenced(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, created())
    fleet = [HOST, "staging"]
    host.start(fleet=fleet, assumed=["staging"])
    [record] = host.sessions().info()["assumed_fenced"]
    assert {name: record[name] for name in ("host", "login", "login_key", "run_id", "operator")} == {
        "host": "staging",
        "login": "afpaper01",
        "login_key": "afpaper01",
        "run_id": RUN,
        "operator": "ops@controller.example",
    }
    path = Path(host.state.assumed_path("afpaper01", "staging"))
    assert path.stat().st_mode & 0o777 == 0o600
    [_taken, entry] = [json.loads(line) for line in Path(host.state.history_path).read_text().splitlines()]
    assert "staging: assumed to be powered off" in entry["done"]
    assert not host.clear(("production",))["changed"]
    assert host.clear(("staging",))["changed"]
    assert host.sessions().info()["assumed_fenced"] == []
    assert not host.clear(("staging",))["changed"]


def test_a_start_with_the_hosts_receipt_ends_the_assumption(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, created())
    host.start(fleet=[HOST, "staging"], assumed=["staging"])
    host.take(NEXT)
    own = host.fence()["receipt"]
    item = created()
    host.engine.held[item["Id"]] = item
    host.start(
        fleet=[HOST, "staging"],
        receipts=[own, {**own, "host": "staging"}],
        leases=[host.lease, {**host.lease, "host": "staging"}],
    )
    assert host.sessions().info()["assumed_fenced"] == []


def test_a_start_that_is_refused_records_no_assumption(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path)
    with pytest.raises(GatewayError) as caught:
        host.start(fleet=[HOST, "staging"], assumed=["staging"])
    assert caught.value.code == "container-missing"
    assert host.sessions().info()["assumed_fenced"] == []


@pytest.mark.parametrize("code", ["engine-silent", "engine-down"])
@pytest.mark.parametrize("slot", [True, False])
def test_a_start_without_an_answer_finds_nothing_after_the_next_fence(tmp_path: Path, slot: bool, code: str) -> None:
    what = TARGET if slot else {}
    host = HostAtHand(tmp_path, inspect_of(labels={**SLOT, "own": "1"}))
    receipt = host.fence(**what)["receipt"]
    host.give_back(**what)
    asked = host.engine.named("ibgateway")
    assert asked is not None

    def no_answer(change: str) -> None:
        if change == "start":
            raise GatewayError("no answer", code)

    host.engine.before = no_answer
    with pytest.raises(GatewayError):
        host.start(receipts=[receipt])
    host.engine.before = lambda change: None
    assert [record["container_id"] for record in host.state.pending()] == [asked["Id"]]
    host.take(NEXT)
    [shelf] = host.fence(**what)["parked"]
    assert asked["Id"] not in host.engine.held
    assert host.state.pending() == []
    assert (shelf["former_name"], shelf["was_running"]) == ("ibgateway", True)
    host.give_back(**what)
    back = host.engine.named("ibgateway")
    assert back is not None
    assert {name: value for name, value in back["Config"]["Labels"].items() if name != RETURNED_LABEL} == {
        **SLOT,
        "own": "1",
    }


def test_a_start_that_was_answered_leaves_no_note(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, created())
    host.start()
    assert host.state.pending() == []


def test_a_start_that_was_refused_leaves_no_note(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, created())

    def refuse(change: str) -> None:
        if change == "start":
            raise GatewayError("no", "port-taken")

    host.engine.before = refuse
    with pytest.raises(GatewayError):
        host.start()
    assert host.state.pending() == []


def test_what_another_target_parked_by_name_is_taken_out_of_composes_reach(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(labels={**SLOT, "own": "1"}))
    host.fence()
    host.take(NEXT)
    [shelf] = host.fence(**TARGET)["parked"]
    [item] = host.engine.held.values()
    assert item["Name"] == "/" + shelf["container"]
    assert not [name for name in item["Config"]["Labels"] if name.startswith("com.docker.compose.")]
    assert (shelf["former_name"], shelf["was_running"], shelf["run_id"]) == ("ibgateway", True, RUN)


def test_what_has_ended_makes_room_for_the_one_to_be_started(tmp_path: Path) -> None:
    ended = inspect_of(status="exited", policy="no", labels=SLOT)
    host = HostAtHand(tmp_path, ended)
    assert not host.fence(project="abstractfinance", service="ibgateway")["changed"]
    [done] = host.fence(**TARGET)["receipt"]["done"]
    assert (done["action"], host.engine.held) == ("removed", {})


@pytest.mark.parametrize("what", [{}, {"env": LIVE_ENV}])
def test_what_an_earlier_run_created_is_not_kept(tmp_path: Path, what: dict[str, Any]) -> None:
    host = HostAtHand(tmp_path, created(**what))
    host.fence(**TARGET)
    assert host.engine.held == {}


def test_a_parked_container_is_not_started(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(name="old"))
    receipt = host.fence()["receipt"]
    with pytest.raises(GatewayError) as caught:
        host.start(receipts=[receipt], container="old-parked-4f1f6c0e")
    assert caught.value.code == "container-parked"


@pytest.mark.parametrize("slot", [True, False])
def test_a_returned_one_is_started_with_the_receipts_from_before(tmp_path: Path, slot: bool) -> None:
    host = HostAtHand(tmp_path, inspect_of(labels=SLOT))
    receipt = host.fence(**(TARGET if slot else {}))["receipt"]
    host.give_back()
    assert host.start(receipts=[receipt])["changed"]
    again = host.fence(**(TARGET if slot else {}))
    assert [item["was_running"] for item in again["parked"]] == [True]


def test_a_run_without_its_lease_hears_of_that_even_where_its_container_is_gone(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path)
    receipt = host.fence()["receipt"]
    lease = host.lease
    host.take("11111111-2222-4333-8444-555555555555")
    with pytest.raises(GatewayError) as caught:
        host.start(run_id=RUN, receipts=[receipt], leases=[lease])
    assert caught.value.code == "lease-lost"


def test_a_refused_start_is_in_the_history(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, created())

    def refuse(what: str) -> None:
        if what == "start":
            raise GatewayError("no", "port-taken")

    host.engine.before = refuse
    with pytest.raises(GatewayError):
        host.start()
    last = json.loads(Path(host.state.history_path).read_text().splitlines()[-1])
    assert (last["action"], last["outcome"]) == ("start", "port-taken")


def test_info_shows_what_is_where(tmp_path: Path) -> None:
    host = HostAtHand(
        tmp_path,
        inspect_of(name="old"),
        inspect_of(name="live", env=LIVE_ENV),
        inspect_of(name="ended", env=LIVE_ENV, status="exited", policy="no"),
    )
    host.fence()
    info = host.sessions().info()
    assert [item["container"] for item in info["sessions"]] == ["live"]
    assert [item["container"] for item in info["stopped"]] == ["ended"]
    assert [item["container"] for item in info["parked"]] == ["old-parked-4f1f6c0e"]
    assert [item["run_id"] for item in info["leases"]] == [RUN]


def test_info_shows_what_was_given_back_and_not_started(tmp_path: Path) -> None:
    host = HostAtHand(tmp_path, inspect_of(labels=SLOT))
    host.fence(**TARGET)
    host.give_back()
    info = host.sessions().info()
    assert [item["container"] for item in info["stopped"]] == ["ibgateway"]
    assert (info["sessions"], info["parked"]) == ([], [])


CASES = {
    "renamed": ({"policy": "always"}, {}),
    "slot": ({"policy": "always", "labels": {**SLOT, "own": "1"}}, TARGET),
    "restarting": ({"status": "restarting", "policy": "always"}, {}),
    "returning": ({"status": "exited", "policy": "always"}, {}),
}


def dies_at(host: HostAtHand, monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Make the run die right before its change *number*, engine and files counted together; the changes so far."""
    changes: list[str] = []

    def count(what: str) -> None:
        changes.append(what)
        if len(changes) - 1 == number:
            raise RunDiedError

    host.engine.before = count
    for name in ("write_parked", "forget_parked"):
        method = getattr(State, name)

        def counted(self: State, *arguments: Any, _method: Any = method, _name: str = name) -> None:
            count(_name)
            _method(self, *arguments)

        monkeypatch.setattr(State, name, counted)
    return changes


@pytest.mark.parametrize("ending", ["return", "clear"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("operation", ["fence", "give_back", "clear"])
def test_a_run_may_die_between_any_two_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, case: str, ending: str
) -> None:
    what, demand = CASES[case]
    number = 0
    while True:
        original = inspect_of(**what)
        innocent = inspect_of(name="trading-engine", env=["X=1"], image="own/x")
        host = HostAtHand(tmp_path / f"{operation}-{number}", original, innocent)
        if operation != "fence":
            host.fence(**demand)
        with monkeypatch.context() as patch:
            changes = dies_at(host, patch, number)
            try:
                getattr(host, operation)(**demand)
                died = False
            except RunDiedError:
                died = True
        host.engine.before = lambda what: None
        host.take(NEXT)
        fenced = host.fence(**demand)
        assert fenced["receipt"]["generation"] == 2
        if operation != "clear":
            assert [host.engine.named(item["container"]) is not None for item in fenced["parked"]] == [True]
        assert host.sessions().info()["sessions"] == []
        if ending == "return":
            returned = host.give_back(**demand)["returned"]
            item = host.engine.named("ibgateway")
            if operation == "clear" and item is None:
                assert number > 0
            else:
                assert item is not None
                assert [entry["was_running"] for entry in returned] == [original["State"]["Running"]]
                assert [entry["restart_policy"] for entry in returned] == ["always"]
                labels = {k: v for k, v in item["Config"]["Labels"].items() if k != RETURNED_LABEL}
                assert labels == original["Config"]["Labels"]
                assert item["Config"]["Env"] == original["Config"]["Env"]
                assert item["HostConfig"]["RestartPolicy"]["Name"] == "no"
            assert len(host.engine.held) == (1 if item is None else 2)
        else:
            host.clear(**demand)
            assert list(host.engine.held) == [innocent["Id"]]
            assert host.state.parked() == []
        assert host.engine.held[innocent["Id"]] == innocent
        if not died:
            assert number == len(changes)
            return
        number += 1
