# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

PRODUCTION = "production.abstractfinance.example"


@pytest.fixture(scope="module")
def taken_over(holder, play):
    holder("production", project="trading", container="gateway-paper", restart="always")
    return play("deploy-staging.yml")


def test_the_old_holder_is_fenced_before_the_new_one_starts(taken_over, ibkr):
    assert taken_over.rc == 0
    assert f"{PRODUCTION}: fenced gateway-paper" in taken_over.words
    assert ibkr.session("afpaper01")["host"] == "staging"
    counts = ibkr.counts("afpaper01")
    assert (counts["max_concurrent"], counts["kicks"]) == (1, 0)


@pytest.mark.usefixtures("taken_over")
def test_nothing_is_left_parked_once_the_login_is_proven(production):
    assert production.check_output("docker ps -a --format '{{.Names}}'") == ""
    assert production.check_output("ls /var/lib/abstractfinance/parked") == ""


@pytest.mark.usefixtures("taken_over")
def test_the_volumes_of_others_are_left_alone(production):
    assert "trading_" in production.check_output("docker volume ls -q")


@pytest.mark.usefixtures("taken_over")
def test_nothing_brings_it_back(lab_command, production, ibkr):
    lab_command("engine-stop", "production")
    lab_command("engine-start", "production")
    assert production.check_output("docker ps -q") == ""
    assert [item["host"] for item in ibkr.sessions] == ["staging"]
    assert ibkr.counts("afpaper01")["max_concurrent"] == 1
