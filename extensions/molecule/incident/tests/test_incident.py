# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The incident of the guide (G25), all of it at once: found by one command, mended by another and by what people must do."""

from __future__ import annotations

import json

import pytest
from ibgateway_lab import drill
from ibgateway_lab.lab import Lab

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"


# The machine may be a loaded one: what is awaited here is no clock.
WITHIN = ("-e", "diagnosis_patience=6", "-e", "gateway_max_clock_skew=120")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("diagnosis")


@pytest.fixture(scope="module")
def run(play, folder):
    def run(playbook, *arguments, **options):
        return play(playbook, "-e", f"diagnosis_folder={folder}", *WITHIN, *arguments, **options)

    return run


@pytest.fixture(scope="module")
def incident(play, ibkr):
    """Staging's container is older than its .env; production runs an old gateway with staging's login."""
    assert play("deploy-staging.yml", *WITHIN).rc == 0
    drill.prepare(Lab())
    return ibkr.state


@pytest.fixture(scope="module")
def diagnosed(incident, run, folder):
    outcome = run("diagnose.yml")
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("diagnosis/*/*.json")}
    return outcome, {host: [item["code"] for item in found[host]["causes"]] for host in found}


def test_one_command_names_all_that_evidence_can_show(diagnosed):
    outcome, codes = diagnosed
    assert outcome.rc != 0
    assert codes[STAGING] == [
        "trading-mode-misspelt",
        "credentials-of-live-environment",
        "competing-session-in-fleet",
        "stale-environment",
    ]
    assert f"Login afpaper01 is in use on {PRODUCTION} as well, by the container ibgateway-old since" in outcome.words


@pytest.fixture(scope="module")
def refused(diagnosed, run, stored):
    return run("remediate.yml", "-e", "gateway_environment=staging", store=drill.confused(stored))


def test_nothing_is_tried_while_the_evidence_says_that_it_will_fail(refused, incident, ibkr):
    assert refused.rc != 0
    assert "Nothing was started and nothing was stopped on staging.abstractfinance.example" in refused.words
    for login in ("afpaper01", "aflive01"):
        before, now = (state["logins"].get(login, {}) for state in (incident, ibkr.state))
        assert now.get("failures", 0) == before.get("failures", 0) == 0
    assert not ibkr.state["logins"].get("aflive01", {}).get("attempts")


def test_what_a_person_must_do_is_said_as_steps(refused):
    for words in (
        "Write 'Paper Trading' or 'Live Trading' in the template's note",
        "Reset its password there",
        "[trading-mode-misspelt]",
    ):
        assert words in refused.words


@pytest.fixture(scope="module")
def mended(refused, run):
    """After a person has put the paper login, its password and the mode into 1Password."""
    return run("remediate.yml", "-e", "gateway_environment=staging")


def test_after_that_it_ends_proven_with_at_most_one_failed_attempt(mended, ibkr, production):
    assert mended.rc == 0
    assert "afpaper01 is proven on staging.abstractfinance.example" in mended.words
    assert ibkr.session("afpaper01")["host"] == "staging"
    assert sum(item["failures"] for item in ibkr.state["logins"].values()) <= 1
    assert "ibgateway-old" not in production.check_output("docker ps --format '{{.Names}}'")


def test_nothing_is_left_to_find(mended, run):
    assert run("diagnose.yml", "--limit", STAGING).rc == 0
