# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re

import pytest

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"


LOOK = "docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.CreatedAt}}'; ls -AR /srv /var/lib/abstractfinance"


def history(host):
    return [json.loads(line) for line in host.check_output("cat /var/lib/abstractfinance/history.jsonl").splitlines()]


@pytest.fixture(scope="module")
def held(holder, ibkr):
    holder("production", project="trading", container="gateway-paper", restart="always")
    # A session that ends without logging out would keep its slot for as long as the test lasts.
    ibkr.ask("PUT", "/faults/afpaper01", {"slot_held": 600})
    return ibkr.session("afpaper01")


@pytest.fixture(scope="module")
def checked(held, play, staging, production, ibkr):
    before = [host.run(LOOK).stdout for host in (staging, production)]
    outcome = play("deploy-staging.yml", "--check")
    assert [host.run(LOOK).stdout for host in (staging, production)] == before
    assert ibkr.session("afpaper01") == held
    return outcome


@pytest.fixture(scope="module")
def taken_over(checked, play):
    assert checked.rc == 0
    return play("deploy-staging.yml")


def test_check_mode_tells_holder_and_target_and_changes_nothing(checked):
    assert checked.rc == 0
    assert f"would be brought to {STAGING}" in checked.words
    assert f"afpaper01 is in use on {PRODUCTION} by the container gateway-paper" in checked.words
    assert f"{PRODUCTION}: would fence gateway-paper" in checked.words


@pytest.mark.usefixtures("taken_over")
def test_the_old_holder_logged_out_and_left_its_slot_at_once(ibkr, staging, production):
    counts = ibkr.counts("afpaper01")
    assert (counts["logouts"], counts["losses"]) == (1, 0)
    assert "existing session" not in staging.check_output("docker logs ibgateway 2>&1")
    [[done]] = [entry["done"] for entry in history(production) if entry["action"] == "fence"]
    assert re.fullmatch(r"gateway-paper: parked as gateway-paper-parked-[0-9a-f]{8}; closed by its own menu", done)


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
