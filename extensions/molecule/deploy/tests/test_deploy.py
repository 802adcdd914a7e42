# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json

import pytest

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
OTHER = "Another#Pass-w0rd"
FILES = "stat -c '%n %Y %i' /srv/abstractfinance/.env /srv/abstractfinance/docker-compose.yml"


@pytest.fixture(scope="module")
def first(play):
    return play("deploy-staging.yml", "-vvvv", "--diff")


@pytest.fixture(scope="module")
def session(first, ibkr):
    assert first.rc == 0
    return ibkr.session("afpaper01")


def test_it_ends_well_and_sums_up_in_a_line_for_each_host(first):
    assert first.rc == 0
    assert f"afpaper01 is proven on {STAGING}: account DU1234567, Paper Trading" in first.words
    assert "orders allowed, connected to IBKR, trading engine connected" in first.words
    assert f"{PRODUCTION}: no session of afpaper01, nothing changed" in first.words


def test_ibkr_sees_one_session_and_it_is_stagings(session, ibkr):
    assert session["host"] == "staging"
    assert datetime.datetime.fromisoformat(session["since"]).utcoffset() == datetime.timedelta(0)
    counts = ibkr.counts("afpaper01")
    assert (counts["max_concurrent"], counts["kicks"], counts["failures"]) == (1, 0, 0)


@pytest.mark.usefixtures("first")
def test_env_is_roots_alone(staging):
    env = staging.file("/srv/abstractfinance/.env")
    assert (env.user, env.group, env.mode) == ("root", "root", 0o600)


@pytest.mark.usefixtures("first")
def test_the_stack_is_the_guides(staging):
    gateway = json.loads(staging.check_output("docker inspect ibgateway"))[0]
    labels = gateway["Config"]["Labels"]
    assert (labels["com.docker.compose.project"], labels["com.docker.compose.service"]) == (
        "abstractfinance",
        "ibgateway",
    )
    mounts = {mount["Destination"]: mount["Name"] for mount in gateway["Mounts"]}
    assert mounts == {
        "/home/ibg": "abstractfinance_ibgateway-program",
        "/home/ibg_settings": "abstractfinance_ibgateway-data",
    }
    published = {port: bound[0]["HostIp"] for port, bound in gateway["HostConfig"]["PortBindings"].items()}
    assert published == {"4000/tcp": "127.0.0.1", "5900/tcp": "127.0.0.1", "5800/tcp": "127.0.0.1"}
    assert "TERM=dumb" in gateway["Config"]["Env"]


@pytest.mark.usefixtures("first")
def test_a_proven_gateway_survives_a_reboot(staging):
    policy = staging.check_output("docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' ibgateway")
    assert policy == "unless-stopped"


@pytest.mark.usefixtures("first")
def test_the_trading_engine_saw_the_account(staging):
    assert "accounts: DU1234567" in staging.check_output("docker logs trading-engine 2>&1")


@pytest.mark.usefixtures("first")
def test_no_lease_is_left(staging, production):
    for host in (staging, production):
        lease = json.loads(host.check_output("cat /var/lib/abstractfinance/leases/afpaper01.json"))
        assert lease["state"] == "released"


def test_a_second_run_changes_nothing(session, play, ibkr, staging):
    before = staging.check_output("docker inspect -f '{{.Id}} {{.State.StartedAt}}' ibgateway trading-engine")
    files = staging.check_output(FILES)
    again = play("deploy-staging.yml")
    assert again.rc == 0
    assert {host: counts["changed"] for host, counts in again.recap.items() if host != "localhost"} == {
        STAGING: 0,
        PRODUCTION: 0,
    }
    assert "nothing to change" in again.words
    assert ibkr.session("afpaper01")["since"] == session["since"]
    assert staging.check_output("docker inspect -f '{{.Id}} {{.State.StartedAt}}' ibgateway trading-engine") == before
    assert staging.check_output(FILES) == files


def test_check_mode_of_a_change_changes_nothing(session, play, store, ibkr, staging):
    store["AF - Trading Infra - Staging"]["ibkr.staging"]["password"] = OTHER
    before = staging.check_output("cat /srv/abstractfinance/.env | sha256sum; docker ps -a --no-trunc -q")
    outcome = play("deploy-staging.yml", "--check", "--diff", store=store)
    assert outcome.rc == 0
    assert "would be brought to" in outcome.words
    assert staging.check_output("cat /srv/abstractfinance/.env | sha256sum; docker ps -a --no-trunc -q") == before
    assert ibkr.session("afpaper01")["since"] == session["since"]


def test_a_run_without_the_whole_fleet_is_refused(session, play, ibkr):
    for arguments in (("--limit", "staging"), ("--limit", "localhost"), ("-i", "localhost,", "--limit", "localhost")):
        outcome = play("deploy-staging.yml", *arguments)
        assert outcome.rc != 0, arguments
    assert ibkr.session("afpaper01")["since"] == session["since"]
