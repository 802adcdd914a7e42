# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that holds the login is cut off, or loses its engine, while it is being taken over."""

from __future__ import annotations

import os

import pytest

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
FULL = os.environ.get("TEST_COUNT") == "full"
HELD = ("production", "trading", "gateway-paper", "always")


@pytest.fixture
def held(lab_command, holder, ibkr):
    lab_command("reset")
    holder(*HELD)
    return ibkr.session("afpaper01")


def goes_on(play, settled):
    assert play("deploy-staging.yml").rc == 0
    settled("staging")


def test_cut_off_before(held, play, lab_command, staging, ibkr):
    lab_command("cut", "production", "--from", "controller")
    outcome = play("deploy-staging.yml")
    assert outcome.rc != 0
    assert f"{PRODUCTION} could not be asked" in outcome.words
    assert f"""-e '{{"gateway_assume_fenced": ["{PRODUCTION}"]}}'""" in outcome.words
    assert "there are two sessions" in outcome.words
    assert "[host-unreachable]" in outcome.output
    assert staging.check_output("docker ps -aq; ls -A /srv") == ""
    assert ibkr.session("afpaper01") == held


@pytest.mark.usefixtures("held")
def test_cut_off_at_the_fence(begin, play, lab_command, staging, settled):
    run = begin("deploy-staging.yml")
    run.reach("Renew the lease")
    lab_command("cut", "production", "--from", "controller")
    outcome = run.end()
    assert outcome.rc != 0
    assert "[host-unreachable]" in outcome.output
    assert "No gateway was started" in outcome.words
    assert staging.check_output("docker ps -q") == ""
    lab_command("join", "production", "--to", "controller")
    goes_on(play, settled)


@pytest.mark.usefixtures("held")
def test_its_engine_is_killed_at_the_fence(begin, play, lab_command, staging, settled):
    run = begin("deploy-staging.yml")
    run.reach("Renew the lease")
    lab_command("engine-kill", "production")
    outcome = run.end()
    assert outcome.rc != 0
    assert "[engine-down]" in outcome.output
    assert (
        "Whether the gateway of afpaper01 on production.abstractfinance.example still runs is not known"
        in outcome.words
    )
    assert staging.check_output("docker ps -q") == ""
    lab_command("engine-start", "production")
    goes_on(play, settled)


@pytest.mark.skipif(not FULL, reason="full counts only")
@pytest.mark.usefixtures("held")
def test_cut_off_after_the_fence(begin, play, lab_command, production, settled):
    run = begin("deploy-staging.yml")
    run.reach("Wait until the login is decided, and prove it")
    lab_command("cut", "production", "--from", "controller")
    outcome = run.end()
    assert outcome.rc != 0
    assert f"afpaper01 is proven on {STAGING}" in outcome.words
    lab_command("join", "production", "--to", "controller")
    lab_command("engine-stop", "production")
    lab_command("engine-start", "production")
    assert production.check_output("docker ps -q") == ""
    outcome = play("deploy-staging.yml")
    assert outcome.rc == 0
    assert f"{PRODUCTION} has the container gateway-paper parked since" in outcome.words
    settled("staging")


@pytest.mark.skipif(not FULL, reason="full counts only")
@pytest.mark.usefixtures("held")
def test_the_target_is_lost_before_the_proof(begin, play, lab_command, production, settled):
    run = begin("deploy-staging.yml")
    run.reach("Wait until the login is decided, and prove it")
    lab_command("cut", "staging", "--from", "controller")
    outcome = run.end()
    assert outcome.rc != 0
    assert f"{STAGING} cannot be asked any more" in outcome.words
    assert "nothing was restored" in outcome.words
    assert production.check_output("docker ps -q") == ""
    lab_command("join", "staging", "--to", "controller")
    goes_on(play, settled)
