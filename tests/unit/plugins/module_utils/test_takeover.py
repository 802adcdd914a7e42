# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.takeover import plan_takeover

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
FLEET = [STAGING, PRODUCTION]


def session(**given):
    values = {
        "login": "afpaper01",
        "login_key": "afpaper01",
        "mode": "paper",
        "container": "ibgateway",
        "image": "heshiming/ibga:latest",
        "state": "running",
        "since": "2026-11-22T15:17:40Z",
        "readable": True,
    }
    return dict(values, **given)


def plan(seen, login="afpaper01", trading_mode="Paper Trading", protected=()):
    answers = {host: dict({"sessions": [], "parked": []}, **seen.get(host, {})) for host in FLEET}
    return plan_takeover(login, trading_mode, STAGING, "ibgateway", FLEET, answers, protected)


def test_a_fleet_without_the_login_leaves_nothing_to_fence():
    other = session(login="aflive01", login_key="aflive01", mode="live")
    found = plan({PRODUCTION: {"sessions": [other]}})
    assert (found.holders, found.parked, found.reasons) == ([], [], [])


def test_the_targets_own_container_is_no_other_holder():
    assert plan({STAGING: {"sessions": [session()]}}).holders == []


def test_another_container_on_the_target_is():
    found = plan({STAGING: {"sessions": [session(container="old-gateway")]}})
    assert [(item["host"], item["container"]) for item in found.holders] == [(STAGING, "old-gateway")]


def test_a_holder_elsewhere_is_found_whatever_the_case_of_its_login():
    found = plan({PRODUCTION: {"sessions": [session(container="gateway-paper")]}}, login="AfPaper01")
    assert [(item["host"], item["container"]) for item in found.holders] == [(PRODUCTION, "gateway-paper")]
    assert found.reasons == [
        f"AfPaper01 is in use on {PRODUCTION} by the container gateway-paper (running, paper)",
    ]


def test_what_is_parked_is_a_reason_to_take_over():
    parked = {"for_login_key": "afpaper01", "former_name": "ibgateway", "parked_at": "2026-11-22T15:17:40Z"}
    found = plan({PRODUCTION: {"parked": [parked, dict(parked, for_login_key="other")]}})
    assert [item["host"] for item in found.parked] == [PRODUCTION]
    assert len(found.reasons) == 1


@pytest.mark.parametrize(
    ("seen", "protected", "code"),
    [
        ({PRODUCTION: {"sessions": [session(mode="live")]}}, (), "live-session-protected"),
        ({STAGING: {"sessions": [session(mode="live")]}}, (), "live-session-protected"),
        ({PRODUCTION: {"sessions": [session()]}}, (PRODUCTION,), "session-protected"),
        ({PRODUCTION: {"sessions": [session(login=None, login_key=None, readable=False)]}}, (), "login-unreadable"),
    ],
)
def test_what_a_paper_run_may_not_touch_is_refused(seen, protected, code):
    with pytest.raises(GatewayError) as caught:
        plan(seen, protected=protected)
    assert caught.value.code == code
    assert caught.value.message.startswith("Nothing was started and nothing was stopped.")


def test_a_live_run_may_fence_a_live_holder():
    seen = {STAGING: {"sessions": [session(login="aflive01", login_key="aflive01", mode="live", container="x")]}}
    assert len(plan(seen, login="aflive01", trading_mode="Live Trading").holders) == 1


def test_protection_does_not_bind_the_hosts_own_environment():
    found = plan({STAGING: {"sessions": [session(container="old")]}}, protected=(STAGING,))
    assert len(found.holders) == 1


def test_every_refusal_is_in_the_message():
    with pytest.raises(GatewayError) as caught:
        plan(
            {
                STAGING: {"sessions": [session(container="nameless", login=None, login_key=None, readable=False)]},
                PRODUCTION: {"sessions": [session(mode="live", container="trader")]},
            }
        )
    assert "nameless" in caught.value.message
    assert "trader" in caught.value.message
