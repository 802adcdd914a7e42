# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A login moves from one host to another for good: one command, and the trading engine that it leaves is stopped."""

from __future__ import annotations

PRODUCTION = "production.abstractfinance.example"
RUNNING = "docker ps --format '{{.Names}}'"


def test_one_command_moves_the_login_and_stops_the_engine_it_leaves(
    play, one_login, on_paper, ibkr, staging, production, settled
):
    assert play("deploy-production.yml", *on_paper, store=one_login).rc == 0
    assert set(production.check_output(RUNNING).split()) == {"ibgateway", "trading-engine"}
    outcome = play("deploy-staging.yml", "-e", f"gateway_move_from={PRODUCTION}", store=one_login)
    assert outcome.rc == 0
    assert f"{PRODUCTION}: fenced ibgateway, and stopped trading-engine." in outcome.words
    assert production.check_output(RUNNING) == ""
    assert set(staging.check_output(RUNNING).split()) == {"ibgateway", "trading-engine"}
    settled("staging")
