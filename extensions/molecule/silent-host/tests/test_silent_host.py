# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

PRODUCTION = "production.abstractfinance.example"


@pytest.fixture
def paused(lab_command):
    lab_command("pause", "production")
    yield
    lab_command("unpause", "production")


@pytest.mark.usefixtures("paused")
def test_a_host_that_cannot_be_asked_stops_the_deploy(play, staging, ibkr):
    outcome = play("deploy-staging.yml")
    assert outcome.rc != 0
    assert f"{PRODUCTION} could not be asked" in outcome.words
    assert "[host-unreachable]" in outcome.output
    assert staging.check_output("docker ps -aq") == ""
    assert staging.check_output("ls -A /srv") == ""
    assert ibkr.counts("afpaper01")["attempts"] == 0


def test_the_same_command_works_once_the_host_is_back(play, ibkr):
    assert play("deploy-staging.yml").rc == 0
    assert ibkr.session("afpaper01")["host"] == "staging"
