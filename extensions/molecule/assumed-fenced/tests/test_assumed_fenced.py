# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host is powered off, and the operator says so; later it comes back with its old gateway."""

from __future__ import annotations

import json
import time

import pytest

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
ASSUME = ("-e", json.dumps({"gateway_assume_fenced": [PRODUCTION]}))
RECORDS = "cd /var/lib/abstractfinance/assumed && cat * 2>/dev/null; true"
BACK_WITHIN = 180


@pytest.fixture(scope="module")
def mended(lab_command):
    yield
    lab_command("reset")


@pytest.fixture(scope="module")
def without(mended, play, holder, lab_command, ibkr):
    """A deploy that goes on without the host that has the old gateway."""
    holder("production", project="trading", container="gateway-paper", restart="always")
    refused = play("deploy-staging.yml", *ASSUME)
    before = ibkr.session("afpaper01")
    lab_command("power-off", "production")
    return refused, before, play("deploy-staging.yml", *ASSUME)


def test_a_host_that_answers_cannot_be_assumed_to_be_off(without):
    refused, before, dummy = without
    assert refused.rc != 0
    assert "[assumed-host-answers]" in refused.output
    assert before["host"] == "production"


def test_the_deploy_goes_on_and_the_target_remembers(without, staging, ibkr):
    outcome = without[2]
    assert outcome.rc == 0
    assert f"afpaper01 is proven on {STAGING}" in outcome.words
    assert f"{PRODUCTION} was not asked: it is assumed to be powered off" in outcome.words
    assert ibkr.session("afpaper01")["host"] == "staging"
    assert json.loads(staging.check_output(RECORDS))["host"] == PRODUCTION


@pytest.mark.usefixtures("without")
def test_its_return_is_settled_by_the_next_run(play, staging, production, ibkr, lab_command):
    lab_command("restart", "production")
    deadline = time.monotonic() + BACK_WITHIN
    while {item["host"] for item in ibkr.state["up"] if item["login"] == "afpaper01"} != {"staging", "production"}:
        assert time.monotonic() < deadline, f"the old gateway did not come back within {BACK_WITHIN} s"
        time.sleep(0.2)
    outcome = play("deploy-staging.yml")
    assert outcome.rc == 0
    assert f"{PRODUCTION} was assumed to be powered off" in outcome.words
    assert f"afpaper01 is in use on {PRODUCTION} by the container gateway-paper" in outcome.words
    assert [item["host"] for item in ibkr.state["up"] if item["login"] == "afpaper01"] == ["staging"]
    assert production.check_output("docker ps -aq") == ""
    assert staging.check_output(RECORDS) == ""
    assert play("deploy-staging.yml").rc == 0
