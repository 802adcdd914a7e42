# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Optional

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, screen_text, tws
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES, DIAGNOSIS
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import SIGNS as SIGN_WORDS
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.diagnosis import (
    RANKS,
    SIGNS,
    Finding,
    HostResult,
    across,
    add_clock,
    decide,
    settle,
    stands_still,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.evidence import Evidence
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils import evidence_of as of
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.test_catalogue import (
    PLUGINS,
    codes_in,
)

WELCOME = "  - welcome: 10% Build 10.48.1e Requesting startup parameters.. Logging in " + of.LOGIN
RESET_UNTIL = "Wed 2025-12-10 07:45 Europe/Berlin"
TOTP = ("  - handling TOTP Mobile Authenticator", "    TOTP form identified", "    TOTP OK clicked")


def _misspelt(mode: str) -> Evidence:
    evidence = of.hanging(container=of.container(login_type=mode))
    return dataclasses.replace(evidence, env_mode=mode, settings={**evidence.settings, "IB_LOGINTYPE": mode})


def _api(outcome: str, *notices: int) -> Evidence:
    answer = tws.Answer(outcome, notices=tuple(tws.Notice(code, f"notice {code}") for code in notices))
    return of.healthy(answers=[answer, answer], trading="not-connected")


def _read(code: str) -> screen_text.Reading:
    return screen_text.Reading(next(phrase for phrase in screen_text.PHRASES if phrase.code == code))


def _with_problem(code: str) -> Evidence:
    return of.healthy(problems=[(code, causes.message(code, None, host="staging.abstractfinance.example"))])


def _with_env(code: str) -> Evidence:
    return of.healthy(env_problems=[(code, f"IBKR_PASSWORD (the .env of the host) is {code}")])


# For each entry that a host's evidence can show: evidence that shows it, by each kind of evidence that can.
SHOWN: Dict[str, List[Callable[[], Evidence]]] = {
    "env-file-missing": [lambda: of.healthy(env_found=False)],
    "env-key-missing": [lambda: _with_env("env-key-missing")],
    "secret-empty": [lambda: _with_env("secret-empty")],
    "inventory-disagrees": [lambda: _with_env("inventory-disagrees")],
    "account-of-other-mode": [lambda: _with_env("account-of-other-mode")],
    "value-not-allowed": [lambda: _with_env("value-not-allowed")],
    "username-unsafe": [lambda: _with_env("username-unsafe")],
    "password-unsafe": [lambda: _with_env("password-unsafe")],
    "totp-key-malformed": [lambda: _with_env("totp-key-malformed")],
    "clock-skew": [lambda: _with_problem("clock-skew")],
    "trading-mode-misspelt": [
        lambda: _misspelt("paper"),
        lambda: _misspelt("Live trading"),
        lambda: dataclasses.replace(_misspelt("paper"), log=of.transcript("07a-paper-in-live-loginfailed")),
    ],
    "locked-out": [
        lambda: of.stopped("  - login failed: Too many failed login attempts. Please wait 20 minutes before trying"),
        lambda: of.hanging(
            dialogs=of.dialog("Login failed", "Too many failed login attempts. Please wait 5 minutes before")
        ),
        lambda: of.hanging(launcher=["Too many failed login attempts. Please wait 20 minutes before trying again"]),
        lambda: of.hanging(log=of.transcript("15b-toomany-loginfailed-pane")),
    ],
    "live-login-in-paper-mode": [
        lambda: of.hanging(dialogs=None, read=_read("live-login-in-paper-mode")),
        lambda: of.hanging(
            dialogs=of.dialog("Gateway", "The specified user has multiple Paper Trading users associated with it.")
        ),
    ],
    "paper-login-in-live-mode": [
        lambda: of.stopped("  - login failed: You have selected the Live Account Mode", mode="live"),
        lambda: of.hanging(log=of.transcript("07a-paper-in-live-loginfailed"), mode="live"),
        lambda: of.hanging(
            dialogs=of.dialog("Login failed", "The specified user is a Paper Trading user"), mode="live"
        ),
    ],
    "wrong-credentials": [
        lambda: of.hanging(dialogs=None, read=_read("wrong-credentials")),
        lambda: of.hanging(dialogs=of.dialog("A title that nobody knows"), read=_read("wrong-credentials")),
        lambda: of.hanging(log=[], dialogs=None, read=_read("wrong-credentials")),
        lambda: of.stopped("  - login failed: Invalid username or password"),
        lambda: of.stopped(log=of.transcript("04a-badpw-loginfailed-nowelcome")),
        lambda: of.stopped(log=of.transcript("04b-badpw-loginfailed-welcome")),
        lambda: of.hanging(dialogs=of.dialog("Unrecognized Username or Password", "Passwords are case sensitive.")),
        lambda: of.hanging(launcher=["[CCP] INFO - AUTH_RESULT indicates wrong password"]),
    ],
    "totp-key-missing": [
        lambda: of.hanging(
            WELCOME,
            container=of.container(has_totp_key=False),
            dialogs=of.dialog(
                "Second Factor Authentication", "Enter Mobile Authenticator app code", asks_for_input=True
            ),
        ),
    ],
    "totp-rejected": [
        lambda: of.stopped(*TOTP, *TOTP, *TOTP, *TOTP),
        lambda: of.hanging(log=of.transcript("10-totp-rejected")),
    ],
    "passkey-required": [
        lambda: of.hanging(dialogs=of.dialog("Gateway", "Required PassKey is not supported, please upgrade")),
        lambda: of.stopped("Required PassKey is not supported, please upgrade"),
    ],
    "portal-task-waiting": [lambda: of.hanging(dialogs=of.dialog("Login Messages", "You have a message."))],
    "two-sessions": [lambda: of.healthy(sessions=[of.session(), of.session("gateway-old")])],
    "competing-session": [
        lambda: of.hanging(log=of.transcript("09-fight")),
        lambda: of.healthy(answers=[of.answered(10197)]),
    ],
    "reset-window": [
        lambda: of.healthy(reset_until=RESET_UNTIL, answers=[of.answered(1100, connected=False)]),
        lambda: of.hanging(reset_until=RESET_UNTIL, launcher=["AuthTimeoutMonitor-CCP: Timeout!"]),
    ],
    "login-dropped": [lambda: of.hanging(launcher=["AuthTimeoutMonitor-CCP: Timeout!"])],
    "gateway-outdated": [lambda: of.stopped("  - login failed: This version is no longer supported")],
    "api-not-for-account": [
        lambda: of.hanging(
            dialogs=of.dialog("Gateway", "API support is not available for accounts that support free trading")
        )
    ],
    "stale-environment": [
        lambda: of.healthy(env_differs=["IBKR_PASSWORD"]),
        lambda: of.healthy(made_from_other_settings=True),
    ],
    "stale-settings": [
        lambda: of.hanging(*of.SKIPPED),
        lambda: of.hanging(log=of.transcript("19-username-changed-kept")),
    ],
    "paper-warning-not-accepted": [lambda: of.hanging(log=of.transcript("12b-token-expired-later"))],
    "token-expired": [
        lambda: of.hanging(*["  - token expired detected: Your security tokens have expired"] * 2),
    ],
    "second-factor-waiting": [lambda: of.hanging("!!! IB Gateway is waiting for two-factor authentication !!!")],
    "dialog-unanswered": [lambda: of.hanging(dialogs=of.dialog("Important", "Please read this agreement"))],
    "installation-failed": [
        lambda: of.stopped(log=of.transcript("14-installer-fails"), container=of.container("exited")),
    ],
    "installation-undecided": [
        lambda: of.hanging(
            log=of.log(
                " IB Gateway Installation 1", "• downloading from x ...", began=of.NOON - 1000, ended=of.NOON - 990
            ),
            container=of.container(started_at=of.stamp(of.NOON - 1000)),
        ),
    ],
    "out-of-memory": [
        lambda: of.stopped(log=of.log(*of.FORM, *of.MARKER), out_of_memory=True),
        lambda: of.hanging(program=False, dialogs=None, out_of_memory=True),
    ],
    "java-dead": [
        lambda: of.hanging(*of.MARKER, program=False, dialogs=None),
        lambda: of.hanging(log=of.transcript("13a-java-dies-hang"), program=False, dialogs=None),
    ],
    "restart-loop": [
        lambda: of.hanging(container=of.container("restarting", restarts=7), dialogs=None),
        lambda: of.hanging(container=of.container(restarts=5)),
    ],
    "wrong-account": [lambda: of.healthy(answers=[of.answered(accounts=("account-ffffff",))])],
    "api-turned-away": [lambda: _api(tws.TURNED_AWAY)],
    "client-id-in-use": [lambda: _api(tws.IN_USE, 326)],
    "api-garbage": [lambda: _api(tws.GARBAGE)],
    "api-unreachable": [
        lambda: _api(tws.REFUSED),
        lambda: _api(tws.UNREACHABLE),
        lambda: of.healthy(listening=frozenset({9000}), relay=False, answers=[tws.Answer(tws.REFUSED)]),
    ],
    "api-silent": [lambda: _api(tws.SILENT), lambda: _api(tws.INCOMPLETE), lambda: _api(tws.CLOSED)],
    "gateway-not-connected": [
        lambda: _api(tws.OFFLINE, 504),
        lambda: of.healthy(answers=[of.answered(1100, connected=False)]),
        lambda: of.healthy(answers=[of.answered(2110, connected=False)]),
    ],
    "image-missing": [lambda: of.absent(checked={"image_present": False})],
    "login-failed": [lambda: of.stopped("  - login failed: A reason that nobody has seen before")],
    "marker-without-login": [lambda: of.hanging(*of.MARKER)],
    "session-lost": [
        lambda: of.hanging(
            log=of.log(*of.FORM, *of.MARKER, began=of.NOON - 90000, ended=of.NOON - 86400),
            container=of.container(started_at=of.stamp(of.NOON - 90000)),
        ),
    ],
    "login-undecided": [lambda: of.hanging(WELCOME, dialogs=None)],
    "socat-alone": [
        lambda: of.hanging(log=[], dialogs=None, container=of.container(started_at=of.stamp(of.NOON - 60))),
    ],
    "gateway-exited": [lambda: of.stopped(container=of.container("exited", exit_code=1))],
    "gateway-stopped": [lambda: of.stopped(stopped_at="2026-12-12T12:00:00Z")],
    "gateway-not-running": [
        lambda: of.absent(container=of.container("created")),
        lambda: of.absent(container=of.container("paused")),
    ],
    "gateway-absent": [of.absent],
    "trading-engine-not-running": [lambda: of.healthy(trading="stopped")],
    "trading-engine-not-connected": [lambda: of.healthy(trading="not-connected")],
    "unhealthy-though-proven": [lambda: of.healthy(health="unhealthy")],
    "ports-open-to-the-world": [
        lambda: of.healthy(published=[("0.0.0.0", 4000, 4000)]),
        lambda: of.healthy(published=[("::", 14000, 4000)]),
    ],
    "vnc-without-password": [lambda: of.healthy(vnc_password=False)],
    "region-misspelt": [lambda: of.healthy(settings={"IB_REGION": "europe"})],
    "would-not-return": [lambda: of.healthy(container=of.container(restart_policy="no"))],
    "unknown": [],
}
ALL = [(code, number) for code, makers in SHOWN.items() for number in range(len(makers))]


@pytest.mark.parametrize(("code", "number"), ALL, ids=[f"{code}-{number}" for code, number in ALL])
def test_the_cause_is_found_first_and_alone(code: str, number: int) -> None:
    evidence = SHOWN[code][number]()
    diagnosis = decide(evidence)
    assert diagnosis.codes == [code]
    (finding,) = diagnosis.findings
    assert finding.message
    assert finding.shown or code in [given for given, _text in (*evidence.problems, *evidence.env_problems)]


HEALTHY: Dict[str, Callable[[], Evidence]] = {
    "first start": of.healthy,
    "second start": lambda: of.healthy(log=of.log(*of.FORM, *of.SKIPPED)),
    "live": lambda: of.healthy(mode="live", container=of.container(login_type="Live Trading"), env_mode="Live Trading"),
    "existing session kicked once": lambda: of.healthy(log=of.transcript("08-existing-once")),
    "a failed attempt before the one that is in": lambda: of.healthy(
        log=of.log(*of.FORM, "  - login failed: Invalid username or password", *of.FORM, *of.MARKER)
    ),
    "log rotated away": lambda: of.healthy(log=[]),
    "no trading engine": lambda: of.healthy(trading=None),
    "trading engine absent": lambda: of.healthy(trading="absent"),
    "another login's gateway beside it": lambda: of.healthy(
        sessions=[of.session(), of.session("other", "login-ffffff")]
    ),
    "JAuto does not answer": lambda: of.healthy(dialogs=None, program=None),
    "farm notices": lambda: of.healthy(answers=[of.answered(2104, 2106, 2158, 2103)]),
    "link lost and restored": lambda: of.healthy(answers=[of.answered(1100, 1102)]),
    "in the reset window, and connected": lambda: of.healthy(reset_until=RESET_UNTIL),
    "policy always": lambda: of.healthy(container=of.container(restart_policy="always")),
    "restarted by an engine once": lambda: of.healthy(container=of.container(restarts=1)),
    "health check still starting": lambda: of.healthy(health="starting"),
    "ports of other services open": lambda: of.healthy(published=[("0.0.0.0", 8080, 8080)]),
    "no gateway is due, none is there": lambda: of.absent(due=False),
    "client id in use once": lambda: of.healthy(answers=[tws.Answer(tws.IN_USE), of.answered()]),
}


@pytest.mark.parametrize("make", HEALTHY.values(), ids=HEALTHY)
def test_a_healthy_gateway_has_no_cause(make: Callable[[], Evidence]) -> None:
    assert decide(make()).codes == []


def test_a_healthy_gateway_says_what_was_looked_at() -> None:
    sound = {item.what for item in decide(of.healthy()).sound}
    assert {"Login", "Link to IBKR", "Container", ".env", "Disk", "VNC", "Trading engine"} <= sound


@pytest.mark.parametrize("seconds", [0, 5, 20])
def test_a_login_under_way_has_no_cause(seconds: int) -> None:
    """A second factor that is asked for, or a form that was just sent, is no cause while the image is at it."""
    began = of.NOON - seconds - 20
    lines = of.log(*of.FORM, WELCOME, *TOTP[:2], began=began, ended=of.NOON - seconds)
    evidence = of.hanging(
        log=lines,
        container=of.container(started_at=of.stamp(began - 2)),
        dialogs=of.dialog("Second Factor Authentication", "Enter Mobile Authenticator app code", asks_for_input=True),
    )
    diagnosis = decide(evidence)
    assert (diagnosis.state, diagnosis.codes, diagnosis.stage) == ("pending", [], "second-factor")


def test_what_is_not_sound_is_not_called_sound() -> None:
    diagnosis = decide(of.stopped("  - login failed: Invalid username or password", vnc_password=False, env_found=None))
    assert not {"Login", "Link to IBKR", "Container", ".env", "VNC"} & {item.what for item in diagnosis.sound}


def test_several_causes_stand_in_the_order_in_which_to_mend_them() -> None:
    evidence = of.stopped(
        "  - login failed: Invalid username or password",
        env_differs=["IBKR_PASSWORD"],
        env_mode="paper",
        published=[("0.0.0.0", 4000, 4000)],
        problems=[("disk-full", "The disk is full.")],
    )
    assert decide(evidence).codes == [
        "disk-full",
        "trading-mode-misspelt",
        "wrong-credentials",
        "stale-environment",
        "ports-open-to-the-world",
    ]


def test_what_was_kept_tells_why_a_silent_login_was_stopped() -> None:
    kept = ("wrong-credentials", {"login": of.LOGIN}, ["dialog 'Unrecognized Username or Password'"])
    diagnosis = decide(of.stopped(WELCOME, kept=kept))
    assert diagnosis.codes == ["wrong-credentials"]
    assert diagnosis.findings[0].shown == kept[2]
    assert decide(of.stopped(WELCOME)).codes == ["gateway-exited"]
    told = of.stopped("  - login failed: Too many failed login attempts. Please wait 20 minutes before", kept=kept)
    assert decide(told).codes == ["locked-out"]


@pytest.mark.parametrize(
    ("evidence", "still"),
    [
        (of.hanging(dialogs=None), True),
        (of.hanging(dialogs=of.dialog("A title that nobody knows")), True),
        (of.hanging(log=[], dialogs=None), True),
        (of.hanging(log=of.log(*of.FORM, ended=of.NOON - 15), dialogs=None), True),
        (of.hanging(log=of.log(*of.FORM, ended=of.NOON - 5), dialogs=None), False),
        (of.hanging(dialogs=of.dialog("Unrecognized Username or Password")), False),
        (of.hanging(launcher=["AUTH_RESULT indicates wrong password"]), False),
        (of.hanging(log=of.transcript("10-totp-rejected"), dialogs=None), False),
        (of.healthy(), False),
    ],
)
def test_the_screen_is_read_where_log_and_agent_are_silent(evidence: Evidence, still: bool) -> None:
    assert stands_still(evidence) is still


def test_a_login_that_the_screen_decides_has_failed_and_shows_the_words() -> None:
    evidence = of.hanging(log=of.log(*of.FORM, ended=of.NOON - 15), dialogs=None, read=_read("locked-out"))
    found = decide(evidence)
    assert (found.state, found.codes, found.stage) == ("failed", ["locked-out"], "logging-in")
    assert found.timeline[-1] == {"stage": "failed", "at": "2025-12-10T12:00:00Z"}
    assert found.findings[0].shown[-1] == "read on the screen: 'Too many failed login attempts'"


@pytest.mark.parametrize("reading", [screen_text.Reading(), screen_text.Reading(unread="not read")])
def test_a_screen_that_names_no_cause_changes_nothing(reading: screen_text.Reading) -> None:
    assert decide(of.hanging(dialogs=None, read=reading)).codes == ["login-undecided"]


def test_log_and_api_are_believed_before_the_screen() -> None:
    rejected = of.hanging(log=of.transcript("10-totp-rejected"), read=_read("wrong-credentials"))
    assert decide(rejected).codes == ["totp-rejected"]
    assert decide(of.healthy(read=_read("wrong-credentials"))).codes == []


def test_a_host_without_an_engine_is_not_diagnosed_further() -> None:
    evidence = Evidence(at=of.NOON, host="staging", problems=[("engine-down", "The engine is down.")])
    diagnosis = decide(evidence)
    assert (diagnosis.state, diagnosis.codes) == ("unknown", ["engine-down"])


def test_the_wait_of_a_lockout_is_told_from_its_line() -> None:
    line = "  - login failed: Too many failed login attempts. Please wait 20 minutes before trying again"
    (finding,) = decide(of.stopped(line)).findings
    assert "until 2025-12-10T12:16:00Z, 16 minutes from now" in finding.message
    (finding,) = decide(of.stopped(log=of.log(*of.FORM, line, ended=of.NOON - 1500, began=of.NOON - 1600))).findings
    assert "which is over" in finding.message


# The clock


@pytest.mark.parametrize(
    ("begin", "end", "off"),
    [
        (1000.5, 1001.5, None),
        (1019.0, 1019.5, None),
        (1031.0, 1031.5, "12 s ahead of"),
        (985.0, 985.5, "15 s behind"),
        (991.0, 991.5, None),
    ],
)
def test_a_clock_is_off_only_where_the_way_cannot_explain_it(begin: float, end: float, off: Optional[str]) -> None:
    """The controller asked at 1000 and had its answer at 1020."""
    result: Dict[str, Any] = {"causes": [], "sound": [], "clock": {"begin": begin, "end": end}}
    add_clock(result, "staging", 1000.0, 1020.0, limit=10)
    assert [item["code"] for item in result["causes"]] == ([] if off is None else ["clock-skew"])
    assert bool(result["sound"]) is (off is None)
    assert off is None or off in result["causes"][0]["message"]


# The fleet


def _host(name: str, login: str, mode: str = "paper", **changes: Any) -> HostResult:
    made = HostResult(name, login, mode, "ibgateway", "failed", [], {"IBKR_PASSWORD": name})
    return dataclasses.replace(made, **changes)


def test_a_session_on_another_host_is_named_with_host_and_age() -> None:
    found = across(
        [_host("staging", of.LOGIN), _host("production", "login-live", "live", sessions=[of.session("old")])]
    )
    assert [(item.host, item.code) for item in found] == [("staging", "competing-session-in-fleet")]
    assert "production" in found[0].message
    assert "2025-12-05T09:12:33Z" in found[0].message


def test_a_fight_with_a_session_of_the_fleet_is_not_called_an_outside_one() -> None:
    ours = decide(of.hanging(log=of.transcript("09-fight"))).findings
    found = across(
        [_host("staging", of.LOGIN), _host("production", "login-live", "live", sessions=[of.session("old")])]
    )
    assert [item.code for item in settle([*ours, *found])] == ["competing-session-in-fleet"]


def test_live_credentials_in_a_paper_environment_are_seen_without_an_attempt() -> None:
    same = {"IBKR_USERNAME": "1", "IBKR_PASSWORD": "2"}
    hosts = [_host("staging", of.LOGIN, fingerprints=same), _host("production", of.LOGIN, "live", fingerprints=same)]
    found = across(hosts)
    assert [(item.host, item.code) for item in found] == [("staging", "credentials-of-live-environment")]
    assert "IBKR_PASSWORD, IBKR_USERNAME" in found[0].message


def test_hosts_with_their_own_logins_have_no_cause() -> None:
    hosts = [
        _host("staging", of.LOGIN, sessions=[of.session()]),
        _host("production", "login-live", "live", sessions=[of.session(login="login-live")]),
    ]
    assert across(hosts) == []


# The catalogue


def test_every_sign_shows_a_cause_and_every_cause_has_its_sign() -> None:
    used = {sign for entry in DIAGNOSIS for sign in entry.get("signs", ())}
    assert used == set(SIGNS) == set(SIGN_WORDS)


def test_every_entry_that_evidence_can_show_is_ranked() -> None:
    by_evidence = {item["code"] for item in CAUSES if {"log", "dialogs", "launcher", "notices"} & set(item)}
    assert by_evidence <= set(RANKS)
    assert len(RANKS) == len(DIAGNOSIS)
    known = {item["code"] for item in CAUSES}
    assert {code for entry in DIAGNOSIS for code in (entry["code"], *entry.get("yields_to", ()))} <= known


def test_every_code_by_which_a_login_is_decided_is_ranked() -> None:
    decided = set(codes_in(PLUGINS / "module_utils" / "login.py"))
    assert {"java-dead", "wrong-account"} <= decided
    # Told only by one who waits: another start came between.
    assert decided - {"gateway-replaced"} <= set(RANKS)


def test_every_ranked_entry_has_evidence_that_shows_it() -> None:
    over_the_fleet = {"competing-session-in-fleet", "credentials-of-live-environment"}
    assert set(RANKS) == set(SHOWN) | over_the_fleet


def test_unknown_is_said_where_nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import diagnosis

    monkeypatch.setattr(diagnosis, "_of_login", lambda *dummy: [])
    found = decide(of.stopped("something that nobody has seen"))
    assert found.codes == ["unknown"]
    assert any("something that nobody has seen" in line for line in found.findings[0].shown)


def test_settle_keeps_the_lines_of_all_that_say_the_same() -> None:
    found = settle([Finding("disk-full", "Full.", ["one"]), Finding("disk-full", "Full.", ["two", "one"])])
    assert [(item.code, item.shown) for item in found] == [("disk-full", ["one", "two"])]


def test_a_stop_on_purpose_is_no_failure() -> None:
    assert decide(of.stopped(WELCOME, stopped_at="2026-12-12T12:00:00Z")).codes == ["gateway-stopped"]
    assert decide(of.stopped(WELCOME)).codes == ["gateway-exited"]
