# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the real image does in each case of a failing login: the cause, the attempts that IBKR saw, and what was evidence."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import time
from typing import Any, Callable, Dict, Optional

import pytest

PAPER = {"login": "afpaper01", "account": "DU1234567", "trading_mode": "Paper Trading"}
FULL = os.environ.get("TEST_COUNT") == "full"
WITHIN = 60
USERS = json.loads((pathlib.Path(__file__).parents[2] / "lab" / "users.json").read_text(encoding="utf-8"))

Run = Callable[..., Dict[str, Any]]
Start = Callable[..., Any]


@dataclasses.dataclass
class Case:
    """How a login is made to fail, and what is to be found: `attempts` as IBKR counts them."""

    name: str
    code: str
    attempts: int = 1
    environment: Dict[str, str] = dataclasses.field(default_factory=dict)
    faults: Dict[str, Any] = dataclasses.field(default_factory=dict)
    kind: Optional[str] = None
    session: Optional[Dict[str, Any]] = None
    evidence: str = ""
    often: bool = True


WRONG = {"IB_PASSWORD": "Not-The-Password-7"}
CASES = [
    Case("04a", "wrong-credentials", environment=WRONG, evidence="login failed: Invalid username"),
    Case(
        "04b",
        "wrong-credentials",
        environment=WRONG,
        faults={"welcome_before_failure": True},
        evidence="login failed: Invalid username",
    ),
    Case(
        "05b",
        "wrong-credentials",
        environment=WRONG,
        faults={"dialog": "unrecognized"},
        evidence="dialog 'Unrecognized Username or Password'",
    ),
    Case("06", "live-login-in-paper-mode", kind="live", evidence="dialog 'Gateway'"),
    Case("07a", "paper-login-in-live-mode", environment={"IB_LOGINTYPE": "Live Trading"}, evidence="login failed"),
    Case("10", "totp-rejected", environment={"TOTP_KEY": "GEZDGNBVGY3TQOJQ"}, evidence="login failed"),
    Case(
        "14",
        "installation-failed",
        attempts=0,
        environment={"IBG_DOWNLOAD_URL": "http://127.0.0.1:9/none"},
        evidence="installation has failed",
    ),
    Case("15b", "locked-out", faults={"locked_out": True}, evidence="Too many failed login attempts"),
    Case("22", "totp-key-missing", environment={"TOTP_KEY": ""}, evidence="dialog 'Second Factor Authentication'"),
    Case("misspelt", "trading-mode-misspelt", attempts=-1, environment={"IB_LOGINTYPE": "paper"}),
    Case(
        "passkey",
        "passkey-required",
        faults={"dialog": {"title": "Gateway", "text": "Required PassKey is not supported, please upgrade"}},
        evidence="dialog 'Gateway'",
        often=False,
    ),
    Case(
        "portal",
        "portal-task-waiting",
        faults={"dialog": {"title": "Login Messages", "text": "An agreement waits to be signed."}},
        evidence="dialog 'Login Messages': An agreement waits to be signed.",
        often=False,
    ),
    Case("silent", "login-dropped", faults={"silent": True}, evidence="launcher.log: AuthTimeoutMonitor", often=False),
    Case(
        "unknown",
        "dialog-unanswered",
        faults={"dialog": {"title": "Bulletin", "text": "Nobody has seen this one before."}},
        evidence="Nobody has seen this one before.",
        often=False,
    ),
    Case("existing", "competing-session", attempts=-1, session={"host": "desktop", "fights_after": 1}, often=False),
]


def stop_and_see(container: Any) -> None:
    container.reload()
    assert container.status == "exited"
    assert container.attrs["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")


@pytest.mark.parametrize("case", [case for case in CASES if FULL or case.often], ids=lambda case: case.name)
def test_failing_login_is_stopped_at_what_decides_it(gateway: Start, run_module: Run, ibkr: Any, case: Case) -> None:
    if case.kind is not None:
        ibkr.ask("PUT", "/users/afpaper01", {**USERS["afpaper01"], "kind": case.kind})
    ibkr.ask("PUT", "/faults/afpaper01", case.faults)
    if case.session is not None:
        ibkr.ask("PUT", "/sessions/afpaper01", case.session)
    container = gateway(**case.environment)
    began = time.monotonic()
    result = run_module("gateway_login", container=container.name, stop_failed=True, **PAPER)
    print(f"{case.name}: {result.get('msg')} after {time.monotonic() - began:.1f} s, {result['timeline'][-3:]}")
    assert result["failed"], result
    assert (result["state"], result["cause"]["code"]) == ("failed", case.code)
    assert result["msg"].endswith(f"[{case.code}]")
    assert result["stopped"]
    stop_and_see(container)
    if case.attempts >= 0:
        assert ibkr.counts("afpaper01")["attempts"] == case.attempts
    assert case.evidence in "\n".join(result["cause"]["evidence"])
    assert "Not-The-Password-7" not in json.dumps(result)


def test_existing_session_outside_the_fleet_gives_way(gateway: Start, run_module: Run, ibkr: Any) -> None:
    ibkr.ask("PUT", "/sessions/afpaper01", {"host": "desktop"})
    result = run_module("gateway_login", container=gateway().name, **PAPER)
    assert result["state"] == "proven"
    assert "existing-session" in [entry["stage"] for entry in result["timeline"]]
    assert ibkr.counts("afpaper01")["kicks"] == 1


def test_token_that_expired_before_the_login_is_got_over(gateway: Start, run_module: Run, ibkr: Any) -> None:
    ibkr.ask("PUT", "/faults/afpaper01", {"token_expired": True})
    result = run_module("gateway_login", container=gateway().name, **PAPER)
    assert result["state"] == "proven", result


def test_slow_login_is_not_cut_off(gateway: Start, run_module: Run, ibkr: Any) -> None:
    """Each step takes less than the bound, all together more: 90 s as the real image at its slowest, a tenth otherwise."""
    ibkr.ask("PUT", "/settings", {"speed": 0.45 if FULL else 4.5})
    container = gateway()
    result = run_module("gateway_login", container=container.name, login_timeout=30 if FULL else 5, **PAPER)
    assert result["state"] == "proven", result
    assert "second-factor" in [entry["stage"] for entry in result["timeline"]]
    assert ibkr.counts("afpaper01")["attempts"] == 1


def proven(gateway: Start, run_module: Run, ibkr: Any) -> Any:
    container = gateway()
    assert run_module("gateway_login", container=container.name, **PAPER)["state"] == "proven"
    return container


def look_until(run_module: Run, container: Any, found: Callable[[Dict[str, Any]], bool]) -> Dict[str, Any]:
    """Look again and again, as status does, until it is found; what was found last where it never is."""
    deadline = time.monotonic() + WITHIN
    while True:
        look = run_module("gateway_login", container=container.name, wait=False, **PAPER)
        assert not look.get("failed")
        if found(look) or time.monotonic() >= deadline:
            return look


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_program_that_dies_later_is_found_by_a_look(gateway: Start, run_module: Run, ibkr: Any, signal: str) -> None:
    container = proven(gateway, run_module, ibkr)
    assert container.exec_run(["pkill", f"-{signal}", "-x", "java"]).exit_code == 0
    look = look_until(run_module, container, lambda look: look["state"] == "failed")
    assert (look["state"], look["cause"]["code"]) == ("failed", "java-dead")
    container.reload()
    assert container.status == "running"


def test_false_success_after_the_token_expired_is_found_by_a_look(gateway: Start, run_module: Run, ibkr: Any) -> None:
    container = proven(gateway, run_module, ibkr)
    wait_for_line(container, b"clicking OK")
    ibkr.ask("POST", "/events/afpaper01", {"event": "token-expired"})
    look = look_until(run_module, container, lambda look: look["state"] == "failed")
    assert look["cause"]["code"] == "paper-warning-not-accepted"
    assert container.logs().count(b"option check, clicking menu") == 2


def test_session_that_is_fought_over_is_never_read_as_success_by_its_old_marker(
    gateway: Start, run_module: Run, ibkr: Any
) -> None:
    container = proven(gateway, run_module, ibkr)
    wait_for_line(container, b"clicking OK")
    ibkr.ask("PUT", "/sessions/afpaper01", {"host": "desktop", "fights_after": 0.2})
    look = look_until(run_module, container, lambda look: look["state"] == "failed")
    assert look["cause"]["code"] == "competing-session"


def wait_for_line(container: Any, line: bytes) -> None:
    deadline = time.monotonic() + WITHIN
    while line not in container.logs():
        assert time.monotonic() < deadline, f"the gateway's log has no {line!r}"
        time.sleep(0.1)
