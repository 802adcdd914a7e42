# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's IBKR by its own rules, without a network."""

from __future__ import annotations

import datetime
import json
import pathlib
from typing import Any

import ibkr
import pytest

USERS = json.loads((pathlib.Path(ibkr.__file__).parent / "users.json").read_text())
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def counts(**what: int) -> dict[str, int]:
    return {"attempts": 0, "failures": 0, "kicks": 0, "max_concurrent": 1, "logouts": 0, "losses": 0, **what}


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.ibkr = ibkr.Ibkr(USERS, self.clock)

    def gateway(self, host: str = "staging", login: str = "afpaper01") -> Gateway:
        return Gateway(self, host, login)

    def count(self, login: str = "afpaper01") -> dict[str, int]:
        counted: dict[str, int] = self.ibkr.state()["logins"][login]
        return counted

    def holders(self) -> list[tuple[str, str]]:
        return [(session["login"], session["host"]) for session in self.ibkr.state()["sessions"]]


class Gateway:
    def __init__(self, world: World, host: str, login: str) -> None:
        self.world = world
        self.events: list[dict[str, Any]] = []
        self.peer = ibkr.Gateway(host, self.events.append)
        world.ibkr.connected(self.peer)
        self.login_name = login
        self.ask(do="up", login=login)

    def ask(self, **message: Any) -> Any:
        return self.world.ibkr.asked(self.peer, message)

    def try_login(self, mode: str = "paper", password: str | None = None, again: bool = False) -> Any:
        user = USERS.get(self.login_name.casefold(), {"password": ""})
        password = user["password"] if password is None else password
        return self.ask(do="login", login=self.login_name, password=password, mode=mode, again=again)

    def code(self) -> Any:
        secret = USERS[self.login_name.casefold()]["totp_secret"]
        return self.ask(do="code", code=ibkr.totp(secret, self.world.clock.now))

    def log_in(self, mode: str = "paper") -> Any:
        assert self.try_login(mode)["result"] == "totp"
        return self.code()

    def end(self) -> None:
        self.world.ibkr.disconnected(self.peer)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_totp_is_rfc_6238(at: int, code: str) -> None:
    assert ibkr.totp(RFC_SECRET, at) == code


def test_totp_matches_one_step_either_way() -> None:
    code = ibkr.totp(RFC_SECRET, 900)
    assert [ibkr.totp_matches(RFC_SECRET, code, 900 + offset) for offset in (-60, -30, 0, 30, 60)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_login_makes_one_session_with_its_host_and_utc_time(world: World) -> None:
    answer = world.gateway().log_in()
    assert answer == {"result": "ok", "kind": "paper", "accounts": ["DU1234567"], "notices": []}
    state = world.ibkr.state()
    assert [set(session) for session in state["sessions"]] == [{"login", "host", "since"}]
    assert world.holders() == [("afpaper01", "staging")]
    since = datetime.datetime.fromisoformat(state["sessions"][0]["since"])
    assert since.utcoffset() == datetime.timedelta(0)
    assert since.timestamp() == world.clock.now
    assert world.count() == counts(attempts=1, failures=0)


def test_end_of_the_connection_is_the_end_of_the_session(world: World) -> None:
    gateway = world.gateway()
    gateway.log_in()
    gateway.end()
    assert world.holders() == []
    assert world.ibkr.state()["up"] == []


def test_second_gateway_sees_the_session_and_kicks_it(world: World) -> None:
    old, new = world.gateway("production"), world.gateway("staging", "AFPAPER01")
    old.log_in()
    assert new.log_in() == {"result": "existing"}
    assert world.holders() == [("afpaper01", "production")]
    assert new.ask(do="continue")["result"] == "ok"
    assert old.events == [{"event": "kicked"}]
    assert world.holders() == [("afpaper01", "staging")]
    assert world.count()["kicks"] == 1
    assert world.count()["max_concurrent"] == 2


def test_gateways_count_as_up_before_they_log_in(world: World) -> None:
    first = world.gateway("production")
    first.end()
    world.gateway("staging")
    assert world.count()["max_concurrent"] == 1
    world.gateway("production")
    assert world.count()["max_concurrent"] == 2
    assert world.holders() == []


def test_history_tells_when_one_went_and_the_next_came(world: World) -> None:
    old = world.gateway("production")
    assert old.log_in()["result"] == "ok"
    world.clock.now += 10
    old.end()
    world.clock.now += 3
    world.gateway("staging", "AFPAPER01")
    events = world.ibkr.history("AfPaper01")["events"]
    assert [(event["event"], event["host"], event["at"] - events[0]["at"]) for event in events] == [
        ("up", "production", 0),
        ("logged-in", "production", 0),
        ("logged-out", "production", 10),
        ("down", "production", 10),
        ("up", "staging", 13),
    ]
    assert world.ibkr.history("aflive01")["events"] == []


def test_paper_and_live_are_logged_in_side_by_side(world: World) -> None:
    world.gateway("staging").log_in()
    assert world.gateway("production", "aflive01").log_in("live")["accounts"] == ["U7654321"]
    assert world.holders() == [("aflive01", "production"), ("afpaper01", "staging")]


@pytest.mark.parametrize(
    ("login", "mode", "password", "faults", "title", "welcome"),
    [
        ("afpaper01", "paper", "no", {}, "Login failed", False),
        ("afpaper01", "paper", "no", {"welcome_before_failure": True}, "Login failed", True),
        ("afpaper01", "paper", "no", {"dialog": "unrecognized"}, "Unrecognized Username or Password", False),
        ("nobody", "paper", None, {}, "Login failed", False),
        ("aflive01", "paper", None, {}, "Gateway", False),
        ("afpaper01", "live", None, {}, "Login failed", True),
        ("afpaper01", "paper", None, {"locked_out": True}, "Login failed", True),
        ("afpaper01", "paper", None, {"dialog": {"title": "Password Notice", "text": "x"}}, "Password Notice", False),
    ],
)
def test_failures(
    world: World, login: str, mode: str, password: str | None, faults: dict[str, Any], title: str, welcome: bool
) -> None:
    world.ibkr.put_faults(login, faults)
    answer = world.gateway(login=login).try_login(mode, password)
    assert (answer["dialog"]["title"], answer["welcome"]) == (title, welcome)
    assert world.count(login)["failures"] == 1
    assert world.holders() == []


def test_third_wrong_code_fails_the_login(world: World) -> None:
    gateway = world.gateway()
    gateway.try_login()
    answers = [gateway.ask(do="code", code="000000") for dummy in range(3)]
    assert [answer["result"] for answer in answers] == ["totp", "totp", "dialog"]
    assert answers[2]["dialog"]["text"] == "Second factor authentication failed."
    assert world.count() == counts(attempts=1, failures=1)


def test_lock_out_after_five_failures_that_each_attempt_renews(world: World) -> None:
    gateway = world.gateway()
    for dummy in range(5):
        assert gateway.try_login(password="no")["dialog"]["text"] == ibkr.WRONG_PASSWORD
    world.clock.now += ibkr.LOCKOUT_SECONDS - 1
    locked = gateway.try_login()
    assert locked["dialog"]["text"].startswith("Too many failed login attempts. Please wait 4 minutes & 55 seconds")
    world.clock.now += ibkr.LOCKOUT_SECONDS - 1
    assert gateway.try_login()["reason"] == "locked-out"
    world.clock.now += ibkr.LOCKOUT_SECONDS + 1
    assert gateway.try_login()["result"] == "totp"


def test_success_forgets_failures(world: World) -> None:
    gateway = world.gateway()
    for dummy in range(4):
        gateway.try_login(password="no")
    gateway.log_in()
    assert gateway.try_login(password="no")["reason"] == "wrong-password"
    assert gateway.try_login(again=True)["result"] == "ok"


def test_relogin_needs_no_second_factor_until_the_token_expires(world: World) -> None:
    gateway = world.gateway()
    gateway.log_in()
    world.ibkr.delete_session("afpaper01")
    assert gateway.events == [{"event": "ended"}]
    assert gateway.try_login(again=True)["result"] == "ok"
    world.ibkr.post_event("afpaper01", {"event": "token-expired"})
    assert gateway.events[-1]["event"] == "token-expired"
    assert gateway.try_login(again=True)["result"] == "totp"


def test_token_expired_before_login_is_said_once(world: World) -> None:
    world.ibkr.put_faults("afpaper01", {"token_expired": True})
    gateway = world.gateway()
    assert gateway.try_login()["reason"] == "token-expired"
    assert gateway.try_login()["result"] == "totp"
    assert world.count()["failures"] == 0


def test_slot_is_held_after_the_gateway_is_gone(world: World) -> None:
    world.ibkr.put_faults("afpaper01", {"slot_held": 600})
    first = world.gateway()
    first.log_in()
    first.end()
    assert world.holders() == []
    second = world.gateway()
    assert second.log_in() == {"result": "existing"}
    world.ibkr.put_faults("afpaper01", {"slot_held": 600, "slot_silent": True})
    assert second.try_login() is None
    world.clock.now += 601
    assert second.log_in()["result"] == "ok"


def test_login_from_outside_is_a_session_that_can_be_kicked(world: World) -> None:
    world.ibkr.put_session("afpaper01", {"host": "desktop"})
    gateway = world.gateway()
    assert gateway.log_in() == {"result": "existing"}
    gateway.ask(do="continue")
    assert world.holders() == [("afpaper01", "staging")]
    world.ibkr.put_session("afpaper01", {"host": "desktop"})
    assert gateway.events == [{"event": "kicked"}]
    assert world.count()["kicks"] == 2


def test_a_logout_is_told_from_a_session_that_is_lost(world: World) -> None:
    world.ibkr.put_faults("afpaper01", {"slot_held": 600})
    clean = world.gateway()
    clean.log_in()
    clean.ask(do="logout")
    clean.end()
    assert world.count() == counts(attempts=1, logouts=1)
    killed = world.gateway()
    assert killed.log_in()["result"] == "ok"
    killed.end()
    assert world.count() == counts(attempts=2, logouts=1, losses=1)
    assert world.gateway().log_in()["result"] == "existing"


def test_reset_keeps_what_runs_and_forgets_the_rest(world: World) -> None:
    kept, ended = world.gateway(), world.gateway(login="extra")
    world.ibkr.put_user("extra", {**USERS["afpaper01"], "totp_secret": ""})
    kept.log_in()
    assert ended.try_login(password=USERS["afpaper01"]["password"])["result"] == "ok"
    world.ibkr.put_settings({"speed": 3})
    world.ibkr.put_faults("afpaper01", {"silent": True})
    world.ibkr.reset()
    assert world.holders() == [("afpaper01", "staging")]
    assert ended.events == [{"event": "ended"}]
    assert world.count() == counts(attempts=0, failures=0)
    assert world.ibkr.state()["settings"]["speed"] == ibkr.DEFAULT_SPEED
    assert kept.try_login() is not None


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {**USERS["afpaper01"], "kind": "demo"},
        {**USERS["afpaper01"], "accounts": []},
        {**USERS["afpaper01"], "accounts": [1]},
        {**USERS["afpaper01"], "totp_secret": "not base32!"},
        {**USERS["afpaper01"], "colour": "red"},
        {**USERS["afpaper01"], "faults": {"dialog": "unknown"}},
        {**USERS["afpaper01"], "faults": {"slot_held": True}},
    ],
)
def test_bad_users_are_refused_and_change_nothing(world: World, body: Any) -> None:
    with pytest.raises(ibkr.BadRequest):
        world.ibkr.put_user("afpaper01", body)
    assert world.gateway().log_in()["result"] == "ok"


@pytest.mark.parametrize("body", [{"speed": 0}, {"speed": True}, {"early_pings": 3}, {"other": 1}, 7])
def test_bad_settings_are_refused(world: World, body: Any) -> None:
    with pytest.raises(ibkr.BadRequest):
        world.ibkr.put_settings(body)


def test_what_makes_no_sense_is_an_error_and_no_session(world: World) -> None:
    gateway = world.gateway()
    assert gateway.ask(do="continue")["result"] == "error"
    assert gateway.ask(do="code", code="1")["result"] == "error"
    assert world.holders() == []
