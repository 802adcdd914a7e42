# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is no whole run over the whole fleet gets no gateway started."""

from __future__ import annotations

import json
import pathlib
import tempfile

import pytest

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
ALL = [
    {
        "name": "Bring the session, and let unreachable hosts pass",
        "hosts": "ibgateway",
        "gather_facts": False,
        "ignore_unreachable": True,
        "vars": {"gateway_environment": "staging", "ansible_timeout": 5},
        "roles": [{"role": "abstractfinance.ibgateway.gateway"}],
    }
]


@pytest.fixture(scope="module", autouse=True)
def nothing_was_started(canary, ibkr):
    yield
    assert canary is not None
    assert ibkr.counts("afpaper01")["attempts"] == 0
    assert ibkr.state["up"] == []


def receipt(run_id, generation, **given):
    values = {"host": STAGING, "login_key": "afpaper01", "run_id": run_id, "target": STAGING, "generation": generation}
    return {**values, **given}


def start_by_hand(receipts, leases):
    """A playbook of an operator's own, which starts the gateway with receipts that it has from somewhere."""
    return [
        {
            "name": "Start the gateway with receipts from elsewhere",
            "hosts": "staging",
            "gather_facts": False,
            "tasks": [
                {
                    "name": "Start",
                    "abstractfinance.ibgateway.gateway_start": {
                        "host": STAGING,
                        "container": "ibgateway",
                        "login": "afpaper01",
                        "run_id": "run-b",
                        "fleet": [STAGING, PRODUCTION],
                        "receipts": receipts,
                        "leases": leases,
                    },
                }
            ],
        }
    ]


@pytest.fixture
def play_text(play):
    def run(content, *arguments):
        with tempfile.TemporaryDirectory(prefix="plays-") as folder:
            path = pathlib.Path(folder) / "play.yml"
            path.write_text(json.dumps(content), encoding="utf-8")
            return play(str(path), *arguments)

    return run


def test_limit(play):
    outcome = play("deploy-staging.yml", "--limit", "staging")
    assert outcome.rc != 0
    assert "[inventory-incomplete]" in outcome.output


def test_a_host_of_the_fleet_list_that_the_inventory_lacks(play):
    fleet = {"session_fleet": [STAGING, PRODUCTION, "third.abstractfinance.example"]}
    outcome = play("deploy-staging.yml", "-e", json.dumps(fleet))
    assert outcome.rc != 0
    assert "the inventory lacks third.abstractfinance.example of the fleet list" in outcome.words


def test_check_mode(play, staging):
    assert play("deploy-staging.yml", "-C").rc == 0
    assert staging.check_output("docker ps -aq") == ""


@pytest.mark.parametrize("task", ["Fence the login on this host", "Start the gateway"])
def test_start_at_task(play, task):
    assert play("deploy-staging.yml", "--start-at-task", task).rc != 0


def test_an_unreachable_host_that_the_play_ignores(play_text, lab_command):
    lab_command("cut", "production", "--from", "controller")
    outcome = play_text(ALL)
    lab_command("join", "production", "--to", "controller")
    assert outcome.rc != 0
    assert "[host-unreachable]" in outcome.output


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"run_id": "run-a"}, "receipt-foreign-run"),
        ({"generation": 1}, "receipt-stale-generation"),
        ({"login_key": "another"}, "receipt-foreign-login"),
        ({"host": "elsewhere"}, "receipt-missing"),
    ],
)
def test_receipts_of_another_time(play_text, given, code):
    hosts = (STAGING, PRODUCTION)
    receipts = [receipt("run-b", 2, host=host) for host in hosts]
    leases = [{"host": host, "login_key": "afpaper01", "run_id": "run-b", "generation": 2} for host in hosts]
    receipts[1] = {**receipts[1], **given}
    outcome = play_text(start_by_hand(receipts, leases))
    assert outcome.rc != 0
    assert f"[{code}]" in outcome.output
