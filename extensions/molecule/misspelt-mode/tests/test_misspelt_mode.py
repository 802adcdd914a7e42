# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

VAULT = "AF - Trading Infra - Staging"
ITEM = "abstractfinance.staging.env"
EVERYTHING = "docker ps -aq; docker volume ls -q; ls -A /srv /var/lib/abstractfinance 2>/dev/null; true"


def test_paper_is_refused_before_anything_is_touched(play, store, staging, production, ibkr):
    note = store[VAULT][ITEM]["notesPlain"]
    assert "TRADING_MODE=Paper Trading" in note
    store[VAULT][ITEM]["notesPlain"] = note.replace("TRADING_MODE=Paper Trading", "TRADING_MODE=paper")
    before = [host.check_output(EVERYTHING) for host in (staging, production)]
    outcome = play("deploy-staging.yml", store=store)
    assert outcome.rc != 0
    assert "[trading-mode-misspelt]" in outcome.output
    assert "Paper Trading" in outcome.words
    assert "Live Trading" in outcome.words
    assert [host.check_output(EVERYTHING) for host in (staging, production)] == before
    assert ibkr.counts("afpaper01")["attempts"] == 0


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("TRADING_MODE=Paper Trading", "TRADING_MODE=Live Trading"),
        ("IBKR_ACCOUNT_ID=DU1234567", "IBKR_ACCOUNT_ID=U7654321"),
    ],
)
def test_what_disagrees_with_the_inventory_is_refused(play, store, staging, ibkr, was, becomes):
    note = store[VAULT][ITEM]["notesPlain"]
    assert was in note
    store[VAULT][ITEM]["notesPlain"] = note.replace(was, becomes)
    outcome = play("deploy-staging.yml", store=store)
    assert outcome.rc != 0
    assert "[inventory-disagrees]" in outcome.output
    assert staging.check_output("docker ps -aq") == ""
    assert ibkr.counts("afpaper01")["attempts"] == 0


def test_the_inventory_s_word_holds_whatever_the_rules_are(play, store, staging):
    note = store[VAULT][ITEM]["notesPlain"]
    store[VAULT][ITEM]["notesPlain"] = note.replace("IBKR_ACCOUNT_ID=DU1234567", "IBKR_ACCOUNT_ID=DU7654321")
    outcome = play("deploy-staging.yml", "-e", '{"gateway_env_rules": {}}', store=store)
    assert outcome.rc != 0
    assert "[inventory-disagrees]" in outcome.output
    assert staging.check_output("docker ps -aq") == ""
