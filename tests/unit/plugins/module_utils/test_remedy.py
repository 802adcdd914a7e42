# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, remedy
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES, DIAGNOSIS

# Whatever else is found, no login may follow while one of these is: it would fail, or make things worse.
NEVER_TRIED = (
    "locked-out",
    "wrong-credentials",
    "live-login-in-paper-mode",
    "paper-login-in-live-mode",
    "credentials-of-live-environment",
    "trading-mode-misspelt",
    "totp-rejected",
    "totp-key-missing",
    "clock-skew",
    "passkey-required",
    "portal-task-waiting",
    "password-unsafe",
    "competing-session",
    "login-dropped",
    "reset-window",
    "login-failed",
    "dialog-unanswered",
    "wrong-account",
    "disk-full",
    "host-unreachable",
    "unknown",
)


def found(*codes: str) -> List[Dict[str, Any]]:
    return [{"code": code, "message": causes.message(code)} for code in codes]


@pytest.mark.parametrize("code", NEVER_TRIED)
def test_no_login_is_tried_that_the_evidence_says_will_fail(code: str) -> None:
    plan = remedy.plan(found("stale-environment", code, "java-dead"), [], [])
    assert plan.command == remedy.NOTHING
    assert plan.stands_in_the_way == [code]
    assert [item["code"] for item in plan.left] == [code]
    assert plan.left[0]["steps"] == list(causes.find(code)["remedy"])
    assert code in plan.words


@pytest.mark.parametrize(
    ("codes", "command"),
    [
        ((), remedy.NOTHING),
        (("ports-open-to-the-world", "vnc-without-password"), remedy.NOTHING),
        (("stale-environment",), remedy.DEPLOY),
        (("competing-session-in-fleet",), remedy.DEPLOY),
        (("stale-settings",), remedy.RESTART),
        (("java-dead", "would-not-return"), remedy.RESTART),
        (("trading-engine-not-running", "ports-open-to-the-world"), remedy.DEPLOY),
    ],
)
def test_one_command_mends_what_can_be_mended(codes: Any, command: str) -> None:
    plan = remedy.plan(found(*codes), [], [])
    assert plan.command == command
    assert not plan.stands_in_the_way


def test_a_change_in_1password_answers_what_was_refused() -> None:
    assert remedy.plan(found("wrong-credentials"), ["IBKR_PASSWORD"], []).command == remedy.DEPLOY
    assert remedy.plan(found("wrong-credentials"), ["VNC_PASSWORD"], []).command == remedy.NOTHING
    assert remedy.plan(found("totp-rejected"), ["IBKR_PASSWORD"], []).command == remedy.NOTHING


@pytest.mark.parametrize("code", ["locked-out", "reset-window", "clock-skew"])
def test_no_change_in_1password_ends_a_wait(code: str) -> None:
    keys = ["IBKR_USERNAME", "IBKR_PASSWORD", "IBKR_TOTP_KEY", "TRADING_MODE"]
    assert remedy.plan(found("wrong-credentials", code), keys, []).command == remedy.NOTHING


def test_what_1password_holds_now_may_be_refused_itself() -> None:
    refused = [{"code": "inventory-disagrees", "message": "TRADING_MODE is 'paper'."}]
    plan = remedy.plan(found("stale-environment"), ["TRADING_MODE"], refused)
    assert (plan.command, plan.stands_in_the_way) == (remedy.NOTHING, ["inventory-disagrees"])


UNREACHABLE = [{"code": "secrets-unreachable", "message": "1Password cannot be reached."}]


def test_a_restart_needs_no_1password() -> None:
    plan = remedy.plan(found("java-dead"), [], UNREACHABLE)
    assert (plan.command, plan.stands_in_the_way) == (remedy.RESTART, [])
    assert [item["code"] for item in plan.left] == ["secrets-unreachable"]


@pytest.mark.parametrize("codes", [("stale-environment",), ("gateway-absent", "would-not-return")])
def test_a_deploy_does(codes: Any) -> None:
    plan = remedy.plan(found(*codes), [], UNREACHABLE)
    assert (plan.command, plan.stands_in_the_way) == (remedy.NOTHING, ["secrets-unreachable"])


def test_where_nothing_is_to_be_mended_1password_is_in_no_way() -> None:
    assert remedy.plan(found("vnc-without-password"), [], UNREACHABLE).stands_in_the_way == []


def test_a_proven_gateway_is_left_alone_where_its_client_is_not_connected() -> None:
    assert remedy.plan(found("trading-engine-not-connected"), [], []).command == remedy.DEPLOY


def test_a_restart_gives_way_to_a_deploy_where_the_secrets_have_changed() -> None:
    assert remedy.plan(found("stale-settings"), ["IBKR_USERNAME"], []).command == remedy.DEPLOY


def test_steps_are_told() -> None:
    words = remedy.told(remedy.plan(found("wrong-credentials"), [], []), "staging.abstractfinance.example")
    assert "Reset Password" in words
    assert "[wrong-credentials]" in words


def test_remedies_of_the_product_are_commands() -> None:
    remedies = {entry["product_remedy"] for entry in CAUSES if "product_remedy" in entry}
    assert remedies == {remedy.DEPLOY, remedy.RESTART}


def test_only_what_a_person_mends_is_answered_by_a_change() -> None:
    for entry in DIAGNOSIS:
        if "answered_by" in entry:
            assert "product_remedy" not in causes.find(entry["code"])
