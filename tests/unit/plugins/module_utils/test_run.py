# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import (
    barrier_error,
    code_of,
    plan_run,
    silent_hosts,
)

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
VIA_SSH = "Failed to connect to the host via ssh: "
FLEET = [STAGING, PRODUCTION]
GROUPS = {"ibgateway": [STAGING, PRODUCTION], "staging": [STAGING], "production": [PRODUCTION]}


def test_a_whole_inventory_gives_target_fleet_and_a_new_run_id():
    one = plan_run("staging", FLEET, GROUPS, FLEET)
    other = plan_run("staging", FLEET, GROUPS, FLEET)
    assert one.target == STAGING
    assert one.fleet == [PRODUCTION, STAGING]
    assert uuid.UUID(one.run_id).version == 4
    assert one.run_id != other.run_id


@pytest.mark.parametrize(
    ("environment", "fleet", "groups", "covered", "says"),
    [
        ("staging", None, {"all": [], "ungrouped": []}, None, "no host in the group 'ibgateway'"),
        ("staging", None, GROUPS, FLEET, "'session_fleet' is not set"),
        ("staging", [], GROUPS, FLEET, "'session_fleet' is not set"),
        ("staging", FLEET, dict(GROUPS, staging=[]), FLEET, "the group 'staging' is empty"),
        ("staging", FLEET, dict(GROUPS, staging=FLEET), FLEET, "the group 'staging' holds 2 hosts"),
        ("staging", FLEET, {"ibgateway": [STAGING], "staging": [STAGING]}, [STAGING], f"lacks {PRODUCTION}"),
        ("staging", [STAGING], GROUPS, FLEET, f"does not list {PRODUCTION}"),
        ("staging", FLEET + [STAGING], GROUPS, FLEET, f"names {STAGING} more than once"),
        ("staging", FLEET, GROUPS, [STAGING], f"leaves out {PRODUCTION} (--limit?)"),
    ],
)
def test_an_inventory_that_cannot_carry_a_takeover_is_refused(environment, fleet, groups, covered, says):
    with pytest.raises(GatewayError) as caught:
        plan_run(environment, fleet, groups, covered)
    assert says in caught.value.message
    assert caught.value.message.startswith("Nothing was asked and nothing was changed")
    assert caught.value.code == "inventory-incomplete"


def test_all_problems_of_an_inventory_come_in_one_message():
    with pytest.raises(GatewayError) as caught:
        plan_run("staging", [STAGING, STAGING, PRODUCTION], {"ibgateway": [STAGING], "staging": []})
    for says in ("is empty", "more than once", f"lacks {PRODUCTION}"):
        assert says in caught.value.message


def test_a_play_on_localhost_need_not_cover_the_fleet():
    assert plan_run("production", FLEET, GROUPS, None).target == PRODUCTION


def test_a_limit_that_keeps_only_localhost_is_refused():
    with pytest.raises(GatewayError) as caught:
        plan_run("staging", FLEET, GROUPS, None, "localhost")
    assert "--limit localhost leaves out hosts" in caught.value.message


def test_a_limit_that_covers_the_fleet_is_none():
    assert plan_run("staging", FLEET, GROUPS, FLEET, "ibgateway").target == STAGING


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "missing"),
        ({"unreachable": True, "changed": False}, "unreachable"),
        ({"failed": True, "msg": "No engine answers. [engine-down]"}, "failed"),
        ({"skipped": True}, "missing"),
    ],
)
def test_anything_but_a_finished_result_is_silence(answer, why):
    silent = silent_hosts(FLEET, {STAGING: {"changed": False}, PRODUCTION: answer})
    assert [(item.host, item.why) for item in silent] == [(PRODUCTION, why)]


def test_a_host_without_any_result_is_silent():
    assert [item.host for item in silent_hosts(FLEET, {STAGING: {"changed": True}})] == [PRODUCTION]


def test_the_barrier_names_the_host_the_step_and_what_has_happened():
    silent = silent_hosts(FLEET, {STAGING: {}, PRODUCTION: {"unreachable": True}})
    error = barrier_error("looking for sessions", silent, "Nothing was started.")
    assert PRODUCTION in error.message
    assert STAGING not in error.message
    assert "looking for sessions" in error.message
    assert "Nothing was started." in error.message
    assert error.code == "host-unreachable"


def test_a_host_that_did_not_get_there_is_not_called_unreachable():
    silent = silent_hosts(FLEET, {STAGING: {}})
    error = barrier_error("fencing", silent, "No gateway was started.")
    assert f"{PRODUCTION} did not get as far as fencing" in error.message
    assert error.code == "step-failed"


def test_only_the_host_that_speaks_repeats_what_the_failed_one_said():
    silent = silent_hosts([PRODUCTION], {PRODUCTION: {"failed": True, "msg": "Held by run 4. [lease-held]"}})
    error = barrier_error("taking the lease", silent, "Nothing was started.", details=False)
    assert "Held by" not in error.message
    assert error.code == "lease-held"


def test_the_barrier_passes_on_the_cause_of_a_failed_host():
    silent = silent_hosts(FLEET, {STAGING: {}, PRODUCTION: {"failed": True, "msg": "Held by run 4. [lease-held]"}})
    error = barrier_error("taking the lease", silent, "Nothing was started.")
    assert error.code == "lease-held"
    assert "Held by run 4." in error.message


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Wrong. [wrong-credentials]", "wrong-credentials"),
        ("no code", "step-failed"),
        ("a list [1, 2]", "step-failed"),
        ("", "step-failed"),
    ],
)
def test_the_code_is_read_from_the_end_of_a_message(message, code):
    assert code_of(message) == code


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"unreachable": True}, None),
        ({"unreachable": True, "msg": VIA_SSH + "ssh: connect to host p port 22: Connection timed out"}, None),
        ({"unreachable": True, "msg": VIA_SSH + "ssh: connect to host p port 22: No route to host"}, None),
        ({"unreachable": True, "msg": VIA_SSH + "root@p: Permission denied (publickey,password)."}, "answers"),
        ({"unreachable": True, "msg": VIA_SSH + "Host key verification failed."}, "answers"),
        ({"changed": False}, "answers"),
        ({"failed": True, "msg": "No engine. [engine-down]"}, "answers"),
        ({"skipped": True}, "missing"),
        (None, "missing"),
    ],
)
def test_a_host_assumed_to_be_off_has_to_be_asked_and_unreachable(answer, why):
    silent = silent_hosts(FLEET, {STAGING: {}, PRODUCTION: answer}, assumed=[PRODUCTION])
    assert [(item.host, item.why) for item in silent] == ([(PRODUCTION, why)] if why else [])


def test_an_assumption_holds_for_the_host_that_it_names():
    silent = silent_hosts(FLEET, {STAGING: {"unreachable": True}, PRODUCTION: {"unreachable": True}}, [PRODUCTION])
    assert [item.host for item in silent] == [STAGING]


def test_a_host_assumed_to_be_off_whose_ssh_refuses_the_user_is_told_with_what_to_mend():
    answer = {"unreachable": True, "msg": VIA_SSH + "root@p: Permission denied (publickey)."}
    error = barrier_error("looking for sessions", silent_hosts([PRODUCTION], {PRODUCTION: answer}, [PRODUCTION]), "-.")
    assert error.code == "assumed-host-answers"
    assert f"{PRODUCTION} says 'Permission denied': mend the user, the key" in error.message


def test_a_host_assumed_to_be_off_that_answers_is_told():
    silent = silent_hosts(FLEET, {STAGING: {}, PRODUCTION: {"changed": False}}, [PRODUCTION])
    error = barrier_error("looking for sessions", silent, "Nothing was started.")
    assert error.code == "assumed-host-answers"
    assert PRODUCTION in error.message


def test_the_way_on_without_a_silent_host_can_be_pasted():
    error = barrier_error("looking for sessions", silent_hosts([PRODUCTION], {PRODUCTION: {"unreachable": True}}), "-.")
    assert f"""-e '{{"gateway_assume_fenced": ["{PRODUCTION}"]}}'""" in error.message
    assert "two sessions" in error.message


@pytest.mark.parametrize(("assumed", "says"), [(["elsewhere"], "does not list"), ([STAGING], "is to run the gateway")])
def test_a_host_that_cannot_be_assumed_to_be_off(assumed, says):
    with pytest.raises(GatewayError, match=says) as caught:
        plan_run("staging", FLEET, GROUPS, FLEET, assumed=assumed)
    assert caught.value.code == "inventory-incomplete"
