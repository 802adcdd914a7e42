# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults put into a healthy fleet by hand, as they happen, and what diagnose.yml says of them.

`TEST_COUNT=full` puts in all of them, and prints the table of faults, codes, evidence and times.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shlex
import stat
import time
from collections.abc import Callable
from typing import Any

import pytest

FULL = os.environ.get("TEST_COUNT") == "full"
STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
FOLDER = "/srv/abstractfinance"
KEPT = "/srv/kept"
LISTENS = "docker exec ibgateway grep -qsE ':2328 [0-9A-F]+:0000 0A ' /proc/net/tcp /proc/net/tcp6"
LOGIN_TIMEOUT = 60
# Some causes show only once the gateway has stood still for a while, so that one look may come too early.
LOOKS = 12
PATIENCE = ("-e", "diagnosis_patience=6")
NAMES = ("afpaper01", "aflive01", "DU1234567", "U7654321")
TABLE: list[tuple[str, str, str, float]] = []


class Stack:
    """Staging's stack, changed by hand."""

    def __init__(self, host: Any, ibkr: Any) -> None:
        self.host = host
        self.ibkr = ibkr

    def run(self, command: str) -> str:
        return str(self.host.check_output(command))

    def keep(self) -> None:
        self.run(f"mkdir -p -m 700 {KEPT}; cp -p {FOLDER}/.env {FOLDER}/docker-compose.yml {KEPT}")

    def restore(self) -> None:
        """As the deploy left it, with a new gateway that is proven."""
        self.ibkr.ask("POST", "/reset")
        self.host.run(
            "docker ps -aq --filter name=rogue | xargs -r docker rm -f; pkill -f 'http[.]server|time[.]sleep'"
        )
        self.run(f"cp -p {KEPT}/.env {KEPT}/docker-compose.yml {FOLDER}")
        self.fresh()
        self.proven()
        self.run(f"cd {FOLDER} && docker compose up -d trading-engine 2>/dev/null")

    def fresh(self, keep_settings: bool = False) -> None:
        """A new container of whatever the files say now."""
        volume = "" if keep_settings else "docker volume rm -f abstractfinance_ibgateway-data >/dev/null;"
        self.run(
            f"docker rm -f ibgateway >/dev/null; {volume} cd {FOLDER} && docker compose up -d ibgateway 2>/dev/null"
        )

    def proven(self) -> None:
        deadline = time.monotonic() + LOGIN_TIMEOUT
        while self.host.run(LISTENS).rc:
            assert time.monotonic() < deadline, f"the gateway did not open its API within {LOGIN_TIMEOUT} s"
            time.sleep(0.3)
        self.run("docker update --restart unless-stopped ibgateway")

    def env(self, key: str, value: str) -> None:
        line = shlex.quote(f"s|^{key}=.*|{key}={value}|")
        self.run(f"sed -i {line} {FOLDER}/.env")

    def compose(self, *edits: str) -> None:
        self.run(f"sed -i {' '.join('-e ' + shlex.quote(edit) for edit in edits)} {FOLDER}/docker-compose.yml")

    def set(self, name: str, value: str) -> None:
        """Another value of a variable in the compose file, or a new one."""
        self.compose(f"/^      {name}:/d", f"/^      TERM: dumb/a\\      {name}: {value}")

    def user(self, **changes: Any) -> None:
        users = json.loads((pathlib.Path(__file__).parents[4] / "tests/lab/users.json").read_text(encoding="utf-8"))
        self.ibkr.ask("PUT", "/users/afpaper01", {**users["afpaper01"], **changes})

    def faults(self, **faults: Any) -> None:
        self.ibkr.ask("PUT", "/faults/afpaper01", faults)

    def refused(self, title: str, text: str) -> None:
        """IBKR answers the login with a dialog."""
        self.faults(dialog={"title": title, "text": text})
        self.fresh()

    def attempted(self) -> None:
        deadline = time.monotonic() + LOGIN_TIMEOUT
        while not self.ibkr.state["logins"].get("afpaper01", {}).get("attempts"):
            assert time.monotonic() < deadline, f"no login was tried within {LOGIN_TIMEOUT} s"
            time.sleep(0.2)

    def stands_still_with(self, text: str) -> None:
        """The gateway's program halted as soon as that dialog is up: log and JAuto are silent, and the screen is not."""
        ask = "echo '/tmp/asked|list_ui_components?window_type=dialog' > /tmp/ibg-jauto.in; sleep 0.2; cat /tmp/asked"
        deadline = time.monotonic() + LOGIN_TIMEOUT
        while text not in self.host.run(f"timeout 5 docker exec -u ibg ibgateway sh -c {shlex.quote(ask)}").stdout:
            assert time.monotonic() < deadline, f"no dialog {text!r} within {LOGIN_TIMEOUT} s"
            time.sleep(0.3)
        self.run("docker exec ibgateway pkill -STOP -x java")


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    outcome: Any
    hosts: dict[str, Any]
    folder: pathlib.Path

    def codes(self, host: str = STAGING) -> list[str]:
        return [cause["code"] for cause in self.hosts[host]["causes"]]


@pytest.fixture(scope="module")
def diagnose(play, tmp_path_factory):
    def run(*arguments: str) -> Diagnosis:
        folder = tmp_path_factory.mktemp("diagnosis")
        outcome = play("diagnose.yml", "-e", f"diagnosis_folder={folder}", *PATIENCE, *arguments)
        found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("diagnosis/*/*.json")}
        return Diagnosis(outcome, found, folder)

    return run


@pytest.fixture(scope="module")
def stack(play, staging, ibkr):
    assert play("deploy-staging.yml").rc == 0
    made = Stack(staging, ibkr)
    made.keep()
    return made


@pytest.fixture(scope="module")
def sound(stack, diagnose):
    return diagnose("--limit", STAGING)


def test_a_healthy_gateway_has_no_cause(sound):
    assert sound.outcome.rc == 0
    assert sound.codes() == []
    assert {"Login", "Container's environment", "Screen", "Clock"} <= {
        item["what"] for item in sound.hosts[STAGING]["sound"]
    }
    assert "staging.abstractfinance.example (afpaper01): Proven, nothing is wrong" in sound.outcome.words


def test_reports_are_private_and_ask_nothing_of_a_network(sound):
    pages = list(sound.folder.glob("diagnosis/*/*"))
    assert {page.suffix for page in pages} == {".html", ".json"}
    for page in pages:
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        assert f"Report: {page.parent}" in sound.outcome.output
    for page in sound.folder.glob("diagnosis/*/*.html"):
        text = page.read_text(encoding="utf-8")
        assert "default-src 'none'" in text
        assert not re.search(r"(?:https?:)?//[a-z]|<script|<link|@import|url\(", text.replace("file:///", ""))


@pytest.fixture(scope="module")
def drifted(stack, diagnose):
    """What people do to a gateway that runs, all at once."""
    stack.env("IBKR_PASSWORD", "'another'")
    stack.run("docker stop trading-engine; docker update --restart no ibgateway")
    return diagnose()


def test_all_that_is_wrong_is_told_in_the_order_in_which_to_mend_it(drifted):
    assert drifted.outcome.rc != 0
    assert drifted.codes() == ["stale-environment", "trading-engine-not-running", "would-not-return"]
    assert drifted.outcome.words.index("[stale-environment]") < drifted.outcome.words.rindex("[would-not-return]")
    assert "IBKR_PASSWORD: the container has another value than .env" in drifted.outcome.words


def test_only_looking_is_done(drifted, stack):
    assert stack.run("docker inspect -f '{{.State.Running}}' ibgateway trading-engine").split() == ["true", "false"]
    assert stack.ibkr.counts("afpaper01")["attempts"] == 1


@pytest.fixture(scope="module")
def refused(drifted, stack, holder, diagnose):
    """A password that is wrong, told by a dialog that the image does not know, while another host has the login."""
    stack.run(f"cp -p {KEPT}/.env {FOLDER}; docker rm -f ibgateway; docker start trading-engine")
    holder("production", project="trading", container="rogue-paper", restart="always")
    stack.ibkr.ask("POST", "/reset")
    stack.env("IBKR_PASSWORD", "'Wr0ng#horse'")
    stack.faults(dialog="unrecognized")
    stack.fresh()
    stack.attempted()
    return until(diagnose, stack, "wrong-credentials")


def until(
    diagnose: Callable[..., Diagnosis], stack: Stack, code: str, *arguments: str, host: str = STAGING
) -> Diagnosis:
    for _look in range(LOOKS):
        found = diagnose(*arguments)
        if code in found.codes(host):
            return found
    return found


def test_the_screen_tells_what_the_log_does_not(refused):
    assert refused.codes() == ["wrong-credentials", "competing-session-in-fleet"]
    first, second = refused.hosts[STAGING]["causes"]
    assert any("Unrecognized Username or Password" in line for line in first["evidence"])
    assert any("Settings, Account Settings, Paper Trading Account, Reset Password" in step for step in first["remedy"])
    assert PRODUCTION in second["message"]
    assert "rogue-paper" in second["message"]


def test_names_are_full_for_the_operator_and_tags_in_what_is_passed_on(refused):
    assert "login afpaper01 in container ibgateway" in refused.outcome.words
    for page in refused.folder.glob("diagnosis/*/*"):
        text = page.read_text(encoding="utf-8")
        assert not [name for name in NAMES if name.casefold() in text.casefold()]
    staging, production = refused.hosts[STAGING], refused.hosts[PRODUCTION]
    assert staging["login"].startswith("login-")
    assert [item["login"] for item in production["sessions"]] == [staging["login"]]


# All faults


@dataclasses.dataclass(frozen=True)
class Fault:
    what: str
    code: str
    inject: Callable[[Stack], None]
    arguments: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    host: str = STAGING


def _password(stack: Stack, **faults: Any) -> None:
    stack.user(password="quite-another")
    stack.faults(**faults)
    stack.fresh()


def _mode(stack: Stack) -> None:
    stack.env("TRADING_MODE", "paper")
    stack.fresh()


def _second_factor(stack: Stack) -> None:
    stack.user(totp_secret="MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK")
    stack.fresh()


def _without(name: str) -> Callable[[Stack], None]:
    def inject(stack: Stack) -> None:
        stack.compose(f"/^      {name}:/d")
        stack.fresh()

    return inject


def _edited(*edits: str) -> Callable[[Stack], None]:
    def inject(stack: Stack) -> None:
        stack.compose(*edits)
        stack.fresh()

    return inject


def _proven_with(*edits: str) -> Callable[[Stack], None]:
    def inject(stack: Stack) -> None:
        stack.compose(*edits)
        stack.fresh()
        stack.proven()

    return inject


def _stale_settings(stack: Stack) -> None:
    stack.run("docker exec ibgateway touch /home/ibg_settings/skip_option_check2")
    user = {"password": "an0ther-paper", "totp_secret": "", "kind": "paper", "accounts": ["DU1234567"]}
    stack.ibkr.ask("PUT", "/users/afpaper02", user)
    stack.env("IBKR_USERNAME", "afpaper02")
    stack.env("IBKR_PASSWORD", "an0ther-paper")
    stack.fresh(keep_settings=True)


def _kicked_from_outside(stack: Stack) -> None:
    stack.ibkr.ask("PUT", "/sessions/afpaper01", {"host": "a desktop", "fights_after": 10})


def _second_container(stack: Stack) -> None:
    stack.run(
        "docker run -d --name rogue-copy -e IB_USERNAME=afpaper01 -e 'IB_LOGINTYPE=Paper Trading' ibgateway-lab/ibga:r20260803"
    )


def _holds_client_ids(stack: Stack) -> None:
    script = (
        "import socket,sys,time\n"
        "s=[]\n"
        "for i in (7493,7494):\n"
        " c=socket.create_connection(('127.0.0.1',4000)); s.append(c)\n"
        " c.sendall(b'API\\0\\0\\0\\0\\x09v100..187'); c.recv(99)\n"
        " p=b'71\\0'+b'2\\0'+str(i).encode()+b'\\0\\0'; c.sendall(len(p).to_bytes(4,'big')+p)\n"
        "time.sleep(600)\n"
    )
    stack.run(f"nohup python3 -c {shlex.quote(script)} >/dev/null 2>&1 </dev/null & sleep 1")


def _shell(command: str) -> Callable[[Stack], None]:
    def inject(stack: Stack) -> None:
        stack.run(command)

    return inject


def _dialog(title: str, text: str) -> Callable[[Stack], None]:
    return lambda stack: stack.refused(title, text)


def _kill(name: str) -> Callable[[Stack], None]:
    return _shell(f"docker exec ibgateway sh -c 'pkill -9 -x {name}'")


def _env(key: str, value: str) -> Callable[[Stack], None]:
    return lambda stack: stack.env(key, value)


def _notices(*codes: int) -> Callable[[Stack], None]:
    def inject(stack: Stack) -> None:
        stack.faults(notices=list(codes))
        stack.fresh()
        stack.proven()

    return inject


def _accounts(stack: Stack) -> None:
    stack.user(accounts=["DU9999999"])
    stack.fresh()
    stack.proven()


def _faults(**faults: Any) -> Callable[[Stack], None]:
    def inject(stack: Stack) -> None:
        stack.faults(**faults)
        stack.fresh()

    return inject


def _silent(title: str, text: str) -> Callable[[Stack], None]:
    def inject(stack: Stack) -> None:
        stack.refused(title, text)
        stack.stands_still_with(text[:40])

    return inject


PAPER_USERS = "Connection to server failed: The specified user has multiple Paper Trading users associated with it."
LIVE_MODE = "You have selected the Live Account Mode, but the specified user is a Paper Trading user."
ALL_DAY = {"gateway_reset_windows": [{"from": "00:00", "to": "24:00"}]}
PASSKEY = "Required PassKey is not supported, please upgrade"
FAULTS = [
    Fault("wrong password, told by the log", "wrong-credentials", _password),
    Fault(
        "wrong password, told by a silent dialog",
        "wrong-credentials",
        lambda stack: _password(stack, dialog="unrecognized"),
    ),
    Fault(
        "wrong password after progress",
        "wrong-credentials",
        lambda stack: _password(stack, welcome_before_failure=True),
    ),
    Fault("several paper users", "live-login-in-paper-mode", _dialog("Gateway", PAPER_USERS)),
    Fault("paper login in live mode", "paper-login-in-live-mode", _dialog("Login failed", LIVE_MODE)),
    Fault("trading mode 'paper'", "trading-mode-misspelt", _mode),
    Fault("locked out", "locked-out", _faults(locked_out=True)),
    Fault("another TOTP key", "totp-rejected", _second_factor),
    Fault("no TOTP key in the container", "totp-key-missing", _without("TOTP_KEY")),
    Fault("passkey", "passkey-required", _dialog("Gateway", PASSKEY)),
    Fault("task in the portal", "portal-task-waiting", _dialog("Login Messages", "You have 1 message to read.")),
    Fault("version retired", "gateway-outdated", _dialog("Login failed", "This version is no longer supported")),
    Fault(
        "free trading", "api-not-for-account", _dialog("Gateway", "API support is not available for accounts that ...")
    ),
    Fault("refused for an unknown reason", "login-failed", _dialog("Login failed", "A reason that nobody knows")),
    Fault("several paper users, told by the screen alone", "live-login-in-paper-mode", _silent("Gateway", PAPER_USERS)),
    Fault(
        "paper login in live mode, told by the screen alone", "paper-login-in-live-mode", _silent("Gateway", LIVE_MODE)
    ),
    Fault("passkey, told by the screen alone", "passkey-required", _silent("Gateway", PASSKEY)),
    Fault("a dialog that nobody knows", "dialog-unanswered", _dialog("Agreement", "Please read and sign")),
    Fault("no answer from IBKR", "login-dropped", _faults(silent=True)),
    Fault("a session from outside that fights", "competing-session", _kicked_from_outside),
    Fault(
        "a second gateway on the host", "two-sessions", _second_container, beside=("competing-session", "login-dropped")
    ),
    Fault(
        "token expired, paper warning overlooked",
        "paper-warning-not-accepted",
        lambda stack: stack.ibkr.ask("POST", "/events/afpaper01", {"event": "token-expired"}),
    ),
    Fault("another login on old settings", "stale-settings", _stale_settings),
    Fault(
        ".env changed, container not", "stale-environment", _env("IBKR_TOTP_KEY", "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK")
    ),
    Fault("compose file changed, container not", "stale-environment", lambda stack: stack.set("IB_READONLY", '"yes"')),
    Fault("no .env", "env-file-missing", _shell(f"rm {FOLDER}/.env")),
    Fault("no account in .env", "env-key-missing", _shell(f"sed -i /IBKR_ACCOUNT_ID/d {FOLDER}/.env")),
    Fault("empty TOTP key in .env", "secret-empty", _env("IBKR_TOTP_KEY", ""), beside=("stale-environment",)),
    Fault("password with a dash", "password-unsafe", _env("IBKR_PASSWORD", "-secret"), beside=("stale-environment",)),
    Fault(
        "a code for a TOTP key", "totp-key-malformed", _env("IBKR_TOTP_KEY", "123456"), beside=("stale-environment",)
    ),
    Fault("another account in .env", "inventory-disagrees", _env("IBKR_ACCOUNT_ID", "DU7777777")),
    Fault("IBKR names another account", "wrong-account", _accounts),
    Fault(
        "installation fails",
        "installation-failed",
        lambda stack: (
            stack.set("IBG_DOWNLOAD_URL", "file:///nowhere"),
            stack.run("docker rm -f ibgateway"),
            stack.run("docker volume rm abstractfinance_ibgateway-program"),
            stack.fresh(),
        ),
    ),
    Fault("Java killed", "java-dead", _kill("java")),
    Fault("socat killed", "api-unreachable", _kill("socat")),
    Fault(
        "restart loop", "restart-loop", _edited('s/^    restart: "no"/    restart: always\\n    entrypoint: ["false"]/')
    ),
    Fault(
        "ended at once",
        "gateway-exited",
        _edited('s/^    restart: "no"/    restart: "no"\\n    entrypoint: ["false"]/'),
    ),
    Fault(
        "no log and a program that stands still",
        "socat-alone",
        lambda stack: (
            stack.compose("s/driver: json-file/driver: none/", "/max-size/d", "/max-file/d", "/^      options:/d"),
            stack.ibkr.ask("POST", "/reset"),
            stack.faults(silent=True),
            stack.fresh(),
            stack.attempted(),
            stack.run("docker exec ibgateway pkill -STOP java"),
        ),
    ),
    Fault(
        "health check too strict",
        "unhealthy-though-proven",
        _proven_with(
            's/test: .*/test: ["CMD", "false"]/',
            "s/interval: 15s/interval: 1s/",
            "s/retries: 4/retries: 1/",
            "s/start_period: 10m/start_period: 0s/",
        ),
    ),
    Fault("link to IBKR lost", "gateway-not-connected", _notices(1100)),
    Fault("link to IBKR lost while IBKR resets", "reset-window", _notices(1100), ("-e", json.dumps(ALL_DAY))),
    Fault("link to IBKR broken", "gateway-not-connected", _notices(2110)),
    Fault(
        "a program that stands still after its login", "api-silent", _shell("docker exec ibgateway pkill -STOP -x java")
    ),
    Fault("client ids in use", "client-id-in-use", _holds_client_ids),
    Fault("ports on every address", "ports-open-to-the-world", _proven_with("s/127.0.0.1:4000/0.0.0.0:4000/")),
    Fault("no VNC password", "vnc-without-password", _proven_with("/IBGA_VNC_PASSWORD/d")),
    Fault("region 'europe'", "region-misspelt", _proven_with("s/IB_REGION: Europe/IB_REGION: europe/")),
    Fault("restart policy taken away", "would-not-return", _shell("docker update --restart no ibgateway")),
    Fault("trading engine stopped", "trading-engine-not-running", _shell("docker stop trading-engine")),
    Fault(
        "trading engine at another port",
        "trading-engine-not-connected",
        lambda stack: stack.run(
            f"sed -i 's|image: ibgateway-lab/trading-engine:1|&\\n    environment: [IBKR_PORT=4999]|' "
            f"{FOLDER}/docker-compose.yml && cd {FOLDER} && docker compose up -d trading-engine"
        ),
    ),
    Fault("container removed", "gateway-absent", _shell("docker rm -f ibgateway")),
    Fault("container paused", "gateway-not-running", _shell("docker pause ibgateway")),
    Fault("image not there", "image-missing", _shell("docker rm -f ibgateway"), ("-e", "gateway_image_tag=none")),
    Fault(
        "port taken",
        "port-taken",
        _shell("docker rm -f ibgateway; nohup python3 -m http.server 4000 >/dev/null 2>&1 </dev/null & sleep 1"),
    ),
    Fault("too little disk", "disk-full", _shell("true"), ("-e", "gateway_min_free_mb=99999999")),
    Fault("Compose too old", "compose-too-old", _shell("true"), ("-e", "gateway_min_compose=99.0.0")),
]


@pytest.mark.skipif(not FULL, reason="TEST_COUNT=full puts in all faults")
@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault.code}: {fault.what}" for fault in FAULTS])
def test_each_fault_is_named_first_and_nothing_wrong_beside_it(fault, stack, diagnose, production):
    production.run("docker ps -aq --filter name=rogue | xargs -r docker rm -f")
    stack.restore()
    fault.inject(stack)
    begin = time.monotonic()
    found = until(diagnose, stack, fault.code, "--limit", fault.host, *fault.arguments, host=fault.host)
    took = time.monotonic() - begin
    codes = found.codes(fault.host)
    assert codes[0] == fault.code
    assert set(codes[1:]) <= set(fault.beside)
    shown = found.hosts[fault.host]["causes"][0]["evidence"]
    TABLE.append(
        (fault.what, fault.code, shown[-1] if shown else found.hosts[fault.host]["causes"][0]["message"], took)
    )


@pytest.mark.skipif(not FULL, reason="TEST_COUNT=full mends by a clean restart")
def test_a_clean_restart_mends_a_dead_program_and_needs_no_1password(stack, play, production, tmp_path):
    production.run("docker ps -aq --filter name=rogue | xargs -r docker rm -f")
    stack.restore()
    before = stack.run("docker inspect -f '{{.Id}}' ibgateway")
    stack.run("docker exec ibgateway touch /home/ibg_settings/of-before")
    stack.run("docker exec ibgateway pkill -9 -x java")
    outcome = play(
        "remediate.yml",
        "-e",
        "gateway_environment=staging",
        "-e",
        f"diagnosis_folder={tmp_path}",
        settings={"OP_SERVICE_ACCOUNT_TOKEN": ""},
    )
    assert outcome.rc == 0
    assert "One restart, for java-dead." in outcome.words
    assert "[secrets-token-missing]" in outcome.words
    assert outcome.calls == []
    assert "clean restart by run" in outcome.words
    assert stack.run("docker inspect -f '{{.Id}}' ibgateway") != before
    assert stack.host.run("docker exec ibgateway test -e /home/ibg_settings/of-before").rc == 1
    assert stack.ibkr.counts("afpaper01")["failures"] == 0


HEALTHY = {
    "a second start": lambda stack: (stack.fresh(keep_settings=True), stack.proven()),
    "restarted by hand": lambda stack: (stack.run("docker restart -t 0 ibgateway"), stack.proven()),
    "policy always": lambda stack: stack.run("docker update --restart always ibgateway"),
    "farm notices": _notices(2104, 2106, 2158),
    "link lost and restored": _notices(1100, 1102),
    "an existing session kicked once": lambda stack: (
        stack.ibkr.ask("PUT", "/sessions/afpaper01", {"host": "a desktop"}),
        stack.fresh(),
        stack.proven(),
    ),
    "another container with open ports": lambda stack: stack.run(
        "docker run -d --name rogue-web -p 8080:80 --entrypoint sleep ibgateway-lab/ibga:r20260803 600"
    ),
    "the live login's gateway stopped beside it": lambda stack: stack.run(
        "docker create --name rogue-live -e IB_USERNAME=aflive01 ibgateway-lab/ibga:r20260803"
    ),
    "a log that began long ago": lambda stack: stack.run("docker exec ibgateway sh -c 'echo old > /proc/1/fd/1'"),
    "a client of the API more": lambda stack: stack.run("docker restart -t 0 trading-engine"),
}


@pytest.mark.skipif(not FULL, reason="TEST_COUNT=full tries all variations")
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_variation_has_no_cause(name, stack, diagnose, production):
    production.run("docker ps -aq --filter name=rogue | xargs -r docker rm -f")
    stack.restore()
    HEALTHY[name](stack)
    found = diagnose("--limit", STAGING)
    assert (found.outcome.rc, found.codes()) == (0, [])


def test_table():
    for what, code, shown, took in TABLE:
        print(f"{what:<45}{code:<30}{took:6.1f} s  {shown[:110]}")
    assert not FULL or len({code for _what, code, _shown, _took in TABLE}) >= 30
