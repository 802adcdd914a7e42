# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two operators deploy one login onto two hosts at the same moment."""

from __future__ import annotations

import os

import pytest

ROUNDS = 20 if os.environ.get("TEST_COUNT") == "full" else 2
REFUSED = ("[lease-held]", "[sessions-changed]", "[login-of-two-hosts]")
LOOK = "docker ps -aq; ls -A /srv"


@pytest.mark.parametrize("number", range(ROUNDS))
def test_exactly_one_wins_and_the_other_has_changed_nothing(
    number, begin, one_login, on_paper, ibkr, staging, production, settled, lab_command
):
    if number:
        lab_command("reset")
    hosts = {"staging": staging, "production": production}
    runs = {
        "staging": begin("deploy-staging.yml", store=one_login),
        "production": begin("deploy-production.yml", *on_paper, store=one_login),
    }
    outcomes = {name: run.end() for name, run in runs.items()}
    [winner] = [name for name, outcome in outcomes.items() if outcome.rc == 0]
    [loser] = [name for name, outcome in outcomes.items() if outcome.rc != 0]
    assert any(code in outcomes[loser].output for code in REFUSED)
    assert hosts[loser].check_output(LOOK) == ""
    assert ibkr.counts("afpaper01")["attempts"] == 1
    settled(winner)


def test_the_loser_is_refused_once_the_winner_is_done(play, one_login, on_paper, ibkr):
    winner = ibkr.session("afpaper01")
    arguments = ("deploy-staging.yml",) if winner["host"] == "production" else ("deploy-production.yml", *on_paper)
    outcome = play(*arguments, store=one_login)
    assert outcome.rc != 0
    assert "[login-of-two-hosts]" in outcome.output
    assert f"-e gateway_move_from={winner['host']}.abstractfinance.example" in outcome.words
    assert ibkr.session("afpaper01") == winner
