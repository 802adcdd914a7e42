# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

STAGING_VAULT = "AF - Trading Infra - Staging"
PRODUCTION_VAULT = "AF - Trading Infra - Production"
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
