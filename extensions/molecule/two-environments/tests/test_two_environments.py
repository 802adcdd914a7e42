# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import os

import pytest

full = pytest.mark.skipif(os.environ.get("TEST_COUNT") != "full", reason="full counts only")
STAGING_VAULT = "AF - Trading Infra - Staging"
PRODUCTION_VAULT = "AF - Trading Infra - Production"
PRODUCTION = "production.abstractfinance.example"
PLAIN = ("restart.yml", "-e", "gateway_restart=plain", "-e")
ENV = "/srv/abstractfinance/.env"
LEASES = "cat /var/lib/abstractfinance/leases/*.json"
VOLUMES = "docker volume inspect -f '{{.Name}} {{.CreatedAt}}' abstractfinance_ibgateway-data abstractfinance_ibgateway-program"
LOOK = "docker inspect -f '{{.Id}} {{.State.StartedAt}} {{.HostConfig.RestartPolicy.Name}}' ibgateway"


@pytest.fixture(scope="module")
def both(play, production, ibkr):
    outcomes = [play("deploy-staging.yml"), play("deploy-production.yml")]
    return outcomes, production.check_output(LOOK), ibkr.session("aflive01")


def test_production_is_proven_with_its_account(both, ibkr):
    outcomes, container, session = both
    assert [outcome.rc for outcome in outcomes] == [0, 0]
    assert (
        "aflive01 is proven on production.abstractfinance.example: account U7654321, Live Trading" in outcomes[1].words
    )
    assert session["host"] == "production"
    assert container.endswith("unless-stopped")
    assert sorted((item["login"], item["host"]) for item in ibkr.sessions) == [
        ("aflive01", "production"),
        ("afpaper01", "staging"),
    ]


def test_a_staging_deploy_leaves_it_alone(both, play, production, ibkr):
    outcome = play("deploy-staging.yml")
    assert outcome.rc == 0
    assert production.check_output(LOOK) == both[1]
    assert ibkr.session("aflive01")["since"] == both[2]["since"]


def test_so_does_one_whose_item_holds_the_live_login_by_mistake(both, play, stored, production, staging, ibkr):
    before = staging.check_output(LOOK)
    stored[STAGING_VAULT]["ibkr.staging"] = dict(stored[PRODUCTION_VAULT]["ibkr.production"])
    outcome = play("deploy-staging.yml", store=stored)
    assert outcome.rc != 0
    assert "[live-session-protected]" in outcome.output
    assert production.check_output(LOOK) == both[1]
    assert staging.check_output(LOOK) == before
    assert ibkr.session("aflive01")["since"] == both[2]["since"]
    assert ibkr.counts("aflive01")["max_concurrent"] == 1


@pytest.fixture(scope="module")
def window():
    """Three hours of which one has gone by, and when they end, as a message has it."""
    now = datetime.datetime.now(datetime.UTC)
    begin, end = now - datetime.timedelta(hours=1), now + datetime.timedelta(hours=2)
    return [{"from": f"{begin:%H:%M}", "to": f"{end:%H:%M}"}], f"until {end:%a %Y-%m-%d %H:%M} UTC"


@pytest.fixture(scope="module")
def in_market_hours(window):
    return ["-e", json.dumps({"gateway_market_hours": window[0], "gateway_market_timezone": "UTC"})]


@full
@pytest.mark.usefixtures("both")
def test_a_plain_restart_is_refused_until_a_reset_window_ends(play, staging, window):
    before = staging.check_output(LOOK)
    reset = {"gateway_reset_windows": window[0], "gateway_reset_timezone": "UTC"}
    outcome = play(*PLAIN, "gateway_environment=staging", "-e", json.dumps(reset), "-e", "gateway_force=false")
    assert outcome.rc != 0
    assert f"IBKR resets its servers {window[1]}" in outcome.words
    assert "[inside-reset-window]" in outcome.output
    assert staging.check_output(LOOK) == before


@full
@pytest.mark.usefixtures("both")
def test_one_of_paper_has_no_market_hours_and_keeps_all_volumes(play, staging, ibkr, in_market_hours):
    before, volumes = staging.check_output(LOOK), staging.check_output(VOLUMES)
    outcome = play(*PLAIN, "gateway_environment=staging", *in_market_hours)
    assert outcome.rc == 0
    assert "trading engine connected; plain restart by run" in outcome.words
    assert staging.check_output(LOOK) != before
    assert staging.check_output(VOLUMES) == volumes
    assert ibkr.counts("afpaper01")["max_concurrent"] == 1


@full
@pytest.mark.parametrize(
    "command",
    [
        ["deploy-production.yml", "-e", "gateway_api_log=data"],
        ["restart.yml", "-e", "gateway_environment=production"],
        [*PLAIN, "gateway_environment=production"],
    ],
    ids=["deploy", "restart", "plain restart"],
)
def test_a_live_gateway_is_not_brought_down_in_market_hours(
    both, command, play, production, ibkr, window, in_market_hours
):
    leases = production.check_output(LEASES)
    outcome = play(*command, *in_market_hours)
    assert outcome.rc != 0
    assert f"ibgateway on {PRODUCTION} trades live, and {window[1]} are the market hours" in outcome.words
    assert "[market-hours]" in outcome.output
    assert production.check_output(LOOK) == both[1]
    assert production.check_output(LEASES) == leases
    assert ibkr.session("aflive01")["since"] == both[2]["since"]


@full
def test_a_remediation_brings_it_down_in_market_hours_only_when_forced(
    both, play, production, ibkr, in_market_hours, tmp_path
):
    bounds = ["-e", f"diagnosis_folder={tmp_path}", "-e", "gateway_max_clock_skew=120"]
    command = ["remediate.yml", "-e", "gateway_environment=production", *bounds, *in_market_hours]
    production.check_output(f"sed -i 's/^VNC_PASSWORD=.*/VNC_PASSWORD=another1/' {ENV}")
    refused = play(*command)
    assert refused.rc != 0
    assert "One deploy, for stale-environment" in refused.words
    assert "[market-hours]" in refused.output
    assert production.check_output(LOOK) == both[1]
    assert ibkr.session("aflive01")["since"] == both[2]["since"]
    forced = play(*command, "-e", "gateway_force=true")
    assert forced.rc == 0
    assert f"aflive01 is proven on {PRODUCTION}" in forced.words
    assert production.check_output(LOOK) != both[1]
    assert ibkr.counts("aflive01")["max_concurrent"] == 1
