# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import uuid
from typing import Any, Callable, Dict

import pytest

PAPER = {"login": "afpaper01", "account": "DU1234567", "trading_mode": "Paper Trading"}
LIVE = {"login": "aflive01", "account": "U7654321", "trading_mode": "Live Trading"}

Run = Callable[..., Dict[str, Any]]
Start = Callable[..., Any]


def stages(result: Dict[str, Any]) -> list[str]:
    return [entry["stage"] for entry in result["timeline"]]


@pytest.mark.parametrize("expected", [PAPER, LIVE], ids=["paper", "live"])
def test_good_login_is_proven_and_gets_its_restart_policy(
    gateway: Start, run_module: Run, ibkr: Any, expected: Dict[str, str]
) -> None:
    container = gateway(expected["login"])
    result = run_module("gateway_login", container=container.name, **expected)
    assert not result.get("failed"), result
    assert (result["state"], result["accounts"], result["connected"]) == ("proven", [expected["account"]], True)
    assert result["changed"]
    assert result["restart_policy"] == "unless-stopped"
    assert stages(result)[0] == "started"
    assert stages(result)[-2:] == ["api-listening", "proven"]
    assert "second-factor" in stages(result)
    container.reload()
    assert container.attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert ibkr.counts(expected["login"])["attempts"] == 1

    again = run_module("gateway_login", container=container.name, **expected)
    assert (again["state"], again["changed"]) == ("proven", False)

    look = run_module("gateway_login", container=container.name, wait=False, **expected)
    assert (look["state"], look["since"], look["cause"]) == ("proven", result["since"], None)


def test_wrong_account_is_no_proof(gateway: Start, run_module: Run) -> None:
    container = gateway()
    result = run_module("gateway_login", container=container.name, **{**PAPER, "account": "DU7654321"})
    assert (result["state"], result["cause"]["code"]) == ("failed", "wrong-account")
    assert "DU1234567 instead of account DU7654321" in result["msg"]
    container.reload()
    assert container.attrs["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")


def test_account_must_match_exactly(gateway: Start, run_module: Run, ibkr: Any) -> None:
    user = {"password": "pass-word-1", "totp_secret": "JBSWY3DPEHPK3PXP", "kind": "paper", "accounts": ["DU12345678"]}
    ibkr.ask("PUT", "/users/afpaper01", user)
    container = gateway(IB_PASSWORD="pass-word-1", TOTP_KEY="JBSWY3DPEHPK3PXP")
    result = run_module("gateway_login", container=container.name, **PAPER)
    assert result["cause"]["code"] == "wrong-account"


def test_look_at_a_login_in_progress_changes_nothing(gateway: Start, run_module: Run, ibkr: Any) -> None:
    ibkr.ask("PUT", "/settings", {"speed": 1})
    container = gateway()
    time.sleep(1)
    result = run_module("gateway_login", container=container.name, wait=False, stop_failed=True, **PAPER)
    assert not result.get("failed"), result
    assert (result["state"], result["changed"], result["cause"]) == ("pending", False, None)
    container.reload()
    assert container.status == "running"


@pytest.mark.usefixtures("engine")
def test_container_that_is_not_there(run_module: Run) -> None:
    name = f"login-test-{uuid.uuid4().hex[:8]}"
    look = run_module("gateway_login", container=name, wait=False, **PAPER)
    assert (look["state"], look["cause"]["code"], look["changed"]) == ("absent", "gateway-absent", False)
    assert run_module("gateway_login", container=name, **PAPER)["failed"]


def test_gateway_that_was_killed_is_told(gateway: Start, run_module: Run) -> None:
    container = gateway()
    container.kill()
    result = run_module("gateway_login", container=container.name, **PAPER)
    assert (result["state"], result["cause"]["code"]) == ("failed", "gateway-exited")
    assert "exit code 137" in result["msg"]


def test_policy_is_set_only_under_the_runs_own_lease(gateway: Start, run_module: Run) -> None:
    container = gateway()
    result = run_module("gateway_login", container=container.name, run_id=str(uuid.uuid4()), **PAPER)
    assert result["failed"]
    assert result["msg"].endswith("[lease-lost]")
    container.reload()
    assert container.attrs["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")


@pytest.mark.parametrize("code", [1100, 2110])
def test_gateway_that_lost_ibkr_is_proven_but_not_connected(
    gateway: Start, run_module: Run, ibkr: Any, code: int
) -> None:
    ibkr.ask("PUT", "/faults/afpaper01", {"notices": [code]})
    container = gateway()
    result = run_module("gateway_login", container=container.name, **PAPER)
    assert (result["state"], result["connected"]) == ("proven", False)


def test_session_that_was_lost_later_is_not_proven_any_more(gateway: Start, run_module: Run, ibkr: Any) -> None:
    container = gateway()
    assert run_module("gateway_login", container=container.name, **PAPER)["state"] == "proven"
    ibkr.ask("DELETE", "/sessions/afpaper01")
    look = run_module("gateway_login", container=container.name, wait=False, **PAPER)
    assert look["state"] != "proven"
    assert not look["changed"]


def test_new_login_on_the_old_settings_volume(gateway: Start, run_module: Run, ibkr: Any, engine: Any) -> None:
    volume = engine.volumes.create()
    try:
        mounted = {volume.name: {"bind": "/home/ibg_settings", "mode": "rw"}}
        for _start in range(2):
            first = gateway(volumes=mounted)
            assert run_module("gateway_login", container=first.name, **PAPER)["state"] == "proven"
            for _attempt in range(50):
                if b"option check, c" in first.logs() and b"skip_option_check2 to skip" in first.logs():
                    break
                time.sleep(0.1)
            first.kill()
        ibkr.ask(
            "PUT",
            "/users/afpaper02",
            {"password": "pass-word-2", "totp_secret": "JBSWY3DPEHPK3PXP", "kind": "paper", "accounts": ["DU1234567"]},
        )
        second = gateway(
            volumes=mounted, IB_USERNAME="afpaper02", IB_PASSWORD="pass-word-2", TOTP_KEY="JBSWY3DPEHPK3PXP"
        )
        result = run_module("gateway_login", container=second.name, stop_failed=True, **{**PAPER, "login": "afpaper02"})
        assert result["cause"]["code"] == "stale-settings", result
    finally:
        for container in engine.containers.list(all=True, filters={"volume": volume.name}):
            container.remove(force=True)
        volume.remove(force=True)
