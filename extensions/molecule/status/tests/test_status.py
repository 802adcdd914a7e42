# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What status tells of a fleet that is well, of one that is not, and of one that does not answer."""

from __future__ import annotations

import datetime
import json
import pathlib
import re
import shlex
import time

import pytest

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
PARK = pathlib.Path(__file__).parents[1] / "park.yml"
BASE = "ibgateway-lab/trading-engine:1"
# The log of a dead gateway is waited for this long, since it may have more to say.
SETTLED = 6
PORT = 4002
ASSUMED = {
    "host": PRODUCTION,
    "login": "afpaper01",
    "login_key": "afpaper01",
    "run_id": "9b2e7d10-0c1f-4a57-8f0b-3a1f2c4d5e6f",
    "operator": "ops@controller.example",
    "assumed_at": "2025-12-12T10:00:00Z",
}
CODES = {
    "java-dead",
    "several-holders",
    "login-unreadable",
    "left-parked",
    "host-assumed-fenced",
}


def sleeping(name, *variables, port=None):
    options = [f"--name={name}", "--entrypoint=", "--restart=always", *(f"--env={item}" for item in variables)]
    options += [] if port is None else [f"--publish=127.0.0.1:{port}:4000"]
    return shlex.join(["docker", "run", "-d", *options, BASE, "sleep", "1000"])


def rows(outcome):
    """The cells of the table's rows by host and container; whatever stands out has its mark as `!`."""
    lines = outcome.output.split("  login ", 1)[1].splitlines()[1:]
    end = next(index for index, line in enumerate(lines) if not line.strip())
    table = [(line.strip()[:1] == "!", re.split(r" {2,}", line.strip().lstrip("! "))) for line in lines[:end]]
    return {(cells[1], cells[2]): (marked, cells) for marked, cells in table}


def codes(outcome):
    return set(re.findall(r"^ +- .*\[([a-z0-9-]+)\]$", outcome.output, re.MULTILINE))


def look(host):
    return host.check_output(
        "docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}'; find /var/lib/abstractfinance -type f -exec md5sum {} + | sort"
    )


@pytest.fixture(scope="module")
def deployed(play):
    assert play("deploy-staging.yml").rc == 0


@pytest.fixture(scope="module")
def well(deployed, play, staging, production):
    before = [look(host) for host in (staging, production)]
    outcome = play("status.yml")
    assert [look(host) for host in (staging, production)] == before
    return outcome


@pytest.fixture(scope="module")
def ill(well, play, staging, production):
    assert well.rc == 0
    staging.check_output("pkill -9 -x java")
    path = "/var/lib/abstractfinance/assumed/afpaper01,production.json"
    staging.check_output(f"printf %s {shlex.quote(json.dumps(ASSUMED))} > {path}")
    production.check_output(sleeping("to-park", "TWS_USERID=afother01", "TRADING_MODE=paper", port=PORT))
    assert play(str(PARK), "--extra-vars", "parked_login=afother01").rc == 0
    production.check_output(sleeping("rogue", "TWS_USERID=AFpaper01"))
    production.check_output(sleeping("dark", "TWS_MAJOR_VRSN=1019"))
    deadline = time.monotonic() + 30
    while age_of_log(staging) < SETTLED:
        assert time.monotonic() < deadline, "the log of the dead gateway did not end"
        time.sleep(0.5)
    return play("status.yml")


def age_of_log(host):
    stamp = host.check_output("docker logs -t --tail 1 ibgateway 2>&1").split()[0]
    return time.time() - datetime.datetime.fromisoformat(re.sub(r"\.\d+Z", "+00:00", stamp)).timestamp()


@pytest.fixture(scope="module")
def silent(ill, play, lab_command):
    assert ill.rc != 0
    lab_command("cut", "production", "--from", "controller")
    lab_command("engine-stop", "staging")
    yield play("status.yml")
    lab_command("join", "production")
    lab_command("engine-start", "staging")


def test_a_fleet_that_is_well(well, staging):
    assert well.rc == 0
    since = staging.check_output("docker inspect -f '{{.State.StartedAt}}' ibgateway")[:16].replace("T", " ")
    row = ["afpaper01", "staging", "ibgateway", "running", "paper", since, "DU1234567", "unless-stopped"]
    assert rows(well) == {("staging", "ibgateway"): (False, row)}
    image = staging.check_output("docker inspect -f '{{.Image}}' ibgateway")
    told = f"ibgateway on staging: IB Gateway 10.48.1e ibgateway-lab/ibga:r20260803 {image} (of no registry)"
    assert told in well.words.replace("\\n", " ")
    assert codes(well) == set()


def test_it_needs_no_secret_and_tells_the_last_change(well):
    assert well.calls == []
    assert re.search(
        r"staging: 20\d\d-\S+ \S+ by \S+@\S+, run [0-9a-f]{8}: prove: ibgateway: proven as DU1234567", well.output
    )


def test_every_host_is_asked_in_one_trip(well):
    assert [counts["ok"] for host, counts in sorted(well.recap.items()) if host != "localhost"] == [1, 1]
    assert {counts["changed"] for counts in well.recap.values()} == {0}


def test_whatever_is_not_as_it_should_be_stands_out(ill):
    assert ill.rc != 0
    assert codes(ill) == CODES
    table = rows(ill)
    assert table["staging", "ibgateway"][0]
    assert table["staging", "ibgateway"][1][6] == "java-dead"
    assert table["production", "rogue"] == (
        True,
        [
            "AFpaper01",
            "production",
            "rogue",
            "running",
            "live?",
            table["production", "rogue"][1][5],
            "not asked",
            "always",
        ],
    )
    assert table["production", "dark"][0]
    assert table["production", "dark"][1][0] == "?"
    assert len(table) == 3
    assert re.search(r"! afother01 on production: to-park as to-park-parked-4f1f6c0e, since ", ill.output)
    assert "! production for afpaper01, by ops@controller.example, 2025-12-12 10:00, recorded on staging" in ill.output


def test_every_problem_says_what_where_and_what_next(ill):
    assert f"rogue on {PRODUCTION}" in ill.words
    assert f'"session_fence_unreadable": ["{PRODUCTION}/dark"]' in ill.words
    assert f"{STAGING}: " in ill.words
    assert re.search(r"production: 20\d\d-\S+ \S+ by \S+, run 4f1f6c0e: fence: to-park: parked as ", ill.output)


@pytest.mark.usefixtures("ill")
def test_what_is_parked_stays_down_over_engine_and_host_restarts(production, lab_command):
    running = "docker ps --format '{{.Names}}' | sort | paste -sd ' '"
    assert f"127.0.0.1:{PORT} " not in production.check_output("ss -ltn")
    assert production.check_output(running) == "dark rogue"
    lab_command("engine-stop", "production")
    lab_command("engine-start", "production")
    assert production.check_output(running) == "dark rogue"
    lab_command("restart", "production")
    assert production.check_output(running) == "dark rogue"
    assert production.check_output("docker ps -a --format '{{.Names}}'").split()[-1] == "to-park-parked-4f1f6c0e"


def test_hosts_that_tell_nothing_have_rows_of_their_own(silent):
    assert silent.rc != 0
    assert codes(silent) >= {"host-not-seen", "engine-down"}
    assert rows(silent) == {
        ("staging", "engine-down"): (True, ["?", "staging", "engine-down"]),
        ("production", "unreachable"): (True, ["?", "production", "unreachable"]),
    }
