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
        "mode_stated": True,
    }
    return dict(values, **given)


def plan(seen, login="afpaper01", trading_mode="Paper Trading", protected=(), **what):
    answers = {host: dict({"sessions": [], "parked": [], "assumed_fenced": []}, **seen.get(host, {})) for host in FLEET}
    return plan_takeover(login, trading_mode, STAGING, "ibgateway", FLEET, answers, protected, **what)


def test_a_fleet_without_the_login_leaves_nothing_to_fence():
    other = session(login="aflive01", login_key="aflive01", mode="live")
    found = plan({PRODUCTION: {"sessions": [other]}})
    assert (found.holders, found.parked, found.reasons, found.leftovers) == ([], [], [], [])


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


def test_what_is_parked_is_left_to_be_cleared_and_no_reason_to_take_over():
    parked = {"for_login_key": "afpaper01", "former_name": "ibgateway", "parked_at": "2026-11-22T15:17:40Z"}
    found = plan({PRODUCTION: {"parked": [parked, dict(parked, for_login_key="other")]}})
    assert [item["host"] for item in found.parked] == [PRODUCTION]
    assert found.reasons == []
    assert found.leftovers == [f"{PRODUCTION} has the container ibgateway parked since 2026-11-22T15:17:40Z"]


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


HIDDEN = {"container": "nameless", "login": None, "login_key": None, "readable": False}


def test_an_unreadable_one_that_is_named_is_a_holder():
    hidden = session(mode="live", mode_stated=False, **HIDDEN)
    found = plan({PRODUCTION: {"sessions": [hidden]}}, named={PRODUCTION: ["nameless"]})
    assert [item["container"] for item in found.holders] == ["nameless"]
    for named in ({STAGING: ["nameless"]}, {PRODUCTION: ["other"]}, {}):
        with pytest.raises(GatewayError) as caught:
            plan({PRODUCTION: {"sessions": [hidden]}}, named=named)
        assert caught.value.code == "login-unreadable"


def test_an_unreadable_one_whose_settings_say_live_stays_protected_when_it_is_named():
    hidden = session(mode="live", mode_stated=True, **HIDDEN)
    with pytest.raises(GatewayError) as caught:
        plan({PRODUCTION: {"sessions": [hidden]}}, named={PRODUCTION: ["nameless"]})
    assert caught.value.code == "live-session-protected"


ASSUMED = {
    "host": PRODUCTION,
    "login": "afpaper01",
    "login_key": "afpaper01",
    "run_id": "4f1f6c0e",
    "operator": "ops@controller.example",
    "assumed_at": "2026-11-22T15:17:40Z",
}


def test_a_host_assumed_to_be_off_that_answers_again_has_to_be_fenced():
    found = plan({STAGING: {"assumed_fenced": [ASSUMED]}})
    assert [(item["host"], item["recorded_on"]) for item in found.unsettled] == [(PRODUCTION, STAGING)]
    [reason] = found.reasons
    assert PRODUCTION in reason
    assert "ops@controller.example" in reason


@pytest.mark.parametrize(
    ("seen", "touched"),
    [
        ({STAGING: {"sessions": [session()]}}, False),
        ({STAGING: {"sessions": [session(), session(container="old-gateway")]}}, True),
        ({PRODUCTION: {"sessions": [session()]}}, False),
        ({STAGING: {"assumed_fenced": [ASSUMED]}}, False),
        ({PRODUCTION: {"assumed_fenced": [{**ASSUMED, "host": STAGING}]}}, True),
    ],
)
def test_what_goes_on_here_has_nothing_to_be_fenced_here(seen, touched):
    assert plan(seen).touches(STAGING) is touched


def test_one_that_is_still_off_is_not_asked_for():
    answers = {STAGING: {"sessions": [], "parked": [], "assumed_fenced": [ASSUMED]}, PRODUCTION: {"unreachable": True}}
    found = plan_takeover("afpaper01", "Paper Trading", STAGING, "ibgateway", FLEET, answers, (), assumed=[PRODUCTION])
    assert (found.holders, found.reasons, found.unsettled) == ([], [], [])


def test_what_was_assumed_for_another_login_does_not_matter():
    assert plan({STAGING: {"assumed_fenced": [{**ASSUMED, "login_key": "aflive01"}]}}).unsettled == []


@pytest.mark.parametrize(
    ("environment", "move_from", "refused"),
    [("production", "", True), ("production", PRODUCTION, False), ("staging", "", False), (None, "", False)],
)
def test_what_another_environment_has_deployed_stays_unless_it_is_moved(environment, move_from, refused):
    seen = {STAGING: {"sessions": [], "parked": [], "assumed_fenced": []}}
    held = session(environment=environment)
    seen[PRODUCTION] = {"sessions": [held], "parked": [], "assumed_fenced": []}
    arguments = ("afpaper01", "Paper Trading", STAGING, "ibgateway", FLEET, seen, ())
    if not refused:
        found = plan_takeover(*arguments, environment="staging", move_from=move_from)
        assert [item["host"] for item in found.holders] == [PRODUCTION]
        return
    with pytest.raises(GatewayError) as caught:
        plan_takeover(*arguments, environment="staging", move_from=move_from)
    assert caught.value.code == "login-of-two-hosts"
    assert f"-e gateway_move_from={PRODUCTION}" in caught.value.message
