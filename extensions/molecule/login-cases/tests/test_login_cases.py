# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deploy in each case in which the real image fails, hangs, or tries again for ever.

The play ends at what decides the login, not at a time-out, and IBKR has seen as many attempts as
it takes to know. The time from the deciding event to the end of the play is printed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import re
import subprocess
import time
from typing import Any

import pytest
from ibgateway_lab import settings as lab_settings

VAULT = "AF - Trading Infra - Staging"
USERS = "/users/afpaper01"
# How much quicker than the real image. At LIFELIKE the image tries again some seconds after a failure, and no sooner.
QUICK, LIFELIKE, NINETY_SECONDS = 20, 4, 0.45
FULL = os.environ.get("TEST_COUNT") == "full"


@dataclasses.dataclass(frozen=True)
class Case:
    """`decides`: the line of the gateway's log that decides, or nothing where a dialog does."""

    name: str
    code: str | None
    decides: str = ""
    attempts: int = 1
    password: str | None = None
    totp_key: str | None = None
    kind: str | None = None
    faults: dict[str, Any] = dataclasses.field(default_factory=dict)
    session: dict[str, Any] | None = None
    speed: float = QUICK
    kill_java: bool = False
    often: bool = False


WRONG = "Wr0ng#horse'battery"
MARKER = "option check"
CASES = [
    Case("04a", "wrong-credentials", "login failed: Invalid username", password=WRONG),
    Case(
        "04b",
        "wrong-credentials",
        "login failed: Invalid username",
        password=WRONG,
        faults={"welcome_before_failure": True},
        speed=LIFELIKE,
        often=True,
    ),
    Case("05b", "wrong-credentials", password=WRONG, faults={"dialog": "unrecognized"}),
    Case("06", "live-login-in-paper-mode", kind="live", often=True),
    Case("08", None, MARKER, session={"host": "desktop"}),
    Case("10", "totp-rejected", "login failed: Second factor", totp_key="GEZDGNBVGY3TQOJQ", speed=LIFELIKE, often=True),
    Case("12a", None, MARKER, attempts=2, faults={"token_expired": True}),
    Case("13a", "java-dead", "Killed", attempts=0, kill_java=True),
    Case("15b", "locked-out", "login failed: Too many failed", faults={"locked_out": True}, speed=LIFELIKE),
    Case("fight", "competing-session", "handle relogin", attempts=-1, session={"host": "desktop", "fights_after": 1}),
    Case("dropped", "login-dropped", "entered maintenance cycle", faults={"silent": True}),
    Case(
        "passkey",
        "passkey-required",
        faults={"dialog": {"title": "Gateway", "text": "Required PassKey is not supported"}},
    ),
    Case("slow", None, MARKER, speed=NINETY_SECONDS),
]


@pytest.fixture(autouse=True)
def empty(ibkr, lab_command):
    """Each case begins with hosts that have no gateway: one that is proven would be found current."""
    if ibkr.sessions:
        lab_command("reset")
    ibkr.ask("POST", "/reset")


def prepare(case, ibkr, store):
    if case.password is not None:
        store[VAULT]["ibkr.staging"]["password"] = case.password
    if case.totp_key is not None:
        store[VAULT]["ibkr.staging.totp-key"]["password"] = case.totp_key
    if case.kind is not None:
        login = store[VAULT]["ibkr.staging"]
        user = {"password": login["password"], "totp_secret": "", "kind": case.kind, "accounts": ["DU1234567"]}
        ibkr.ask("PUT", USERS, user)
    ibkr.ask("PUT", "/faults/afpaper01", case.faults)
    if case.session is not None:
        ibkr.ask("PUT", "/sessions/afpaper01", case.session)
    ibkr.ask("PUT", "/settings", {"speed": case.speed})


@contextlib.contextmanager
def killing_java():
    """Kill the gateway's program on staging as soon as there is one."""
    loop = "until docker exec ibgateway pkill -KILL -x java; do sleep 0.05; done"
    killer = subprocess.Popen(
        ["docker", "exec", lab_settings.container_name("staging"), "timeout", "240", "sh", "-c", loop],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        killer.wait(timeout=300)


def decided_at(case, staging, output):
    """When it was decided: the time stamp of the log's line, or that of the dialog in the play's own timeline."""
    if not case.decides:
        return max(re.findall(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)['\"]?,?\s+['\"]?stage['\"]?: ['\"]?dialog", output))
    log = staging.check_output("docker logs --timestamps ibgateway 2>&1")
    return next(line.partition(" ")[0] for line in log.splitlines() if case.decides in line)


@pytest.mark.parametrize("case", [case for case in CASES if FULL or case.often], ids=lambda case: case.name)
def test_play_ends_at_what_decides_the_login(case, play, store, ibkr, staging, capsys):
    prepare(case, ibkr, store)
    with killing_java() if case.kill_java else contextlib.nullcontext():
        outcome = play("deploy-staging.yml", store=store)
    ended = time.time()
    if case.code is None:
        assert outcome.rc == 0
        assert "afpaper01 is proven on staging" in outcome.words
    else:
        assert outcome.rc != 0
        assert f"[{case.code}]" in outcome.words
        look = "docker inspect -f '{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}' ibgateway"
        assert staging.check_output(look) == "false no"
    if case.attempts >= 0:
        assert ibkr.counts("afpaper01")["attempts"] == case.attempts
    assert re.search(
        r"^staging\.abstractfinance\.example: afpaper01, \d+ s: waiting for ", outcome.output, re.MULTILINE
    )
    decided = datetime.datetime.fromisoformat(decided_at(case, staging, outcome.output)[:19] + "+00:00")
    after = ended - decided.timestamp()
    with capsys.disabled():
        print(f"\n{case.name:8} {case.code or 'proven':26} {after:4.0f} s from what decided to the end of the play")
