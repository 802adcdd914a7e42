# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest

LOOK = "docker inspect -f '{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}' "
RETURNS_WITHIN = 120


def until(what, seconds, truth):
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def rebooted(play, stored, holder, lab_command, ibkr, staging):
    """On the host: a proven gateway of the live login, and one of the paper login that failed. A fenced one is aside."""
    holder("staging", project="trading", container="gateway-paper", restart="always")
    stored["AF - Trading Infra - Staging"]["ibkr.staging"]["password"] = "Wr0ng#horse'battery"
    failed = play("deploy-staging.yml", "-e", "gateway_restore_previous=false", store=stored)
    assert failed.rc != 0
    before = ibkr.counts("afpaper01")
    parked = staging.check_output("docker ps -a --filter name=parked --format '{{.Names}}'").split()
    assert play("deploy-production.yml").rc == 0
    since = ibkr.session("aflive01")["since"]
    for host in ("staging", "production"):
        lab_command("restart", host)
    until(
        "the live gateway's login after the reboot",
        RETURNS_WITHIN,
        lambda: any(item["login"] == "aflive01" and item["since"] != since for item in ibkr.sessions),
    )
    return {"failed": failed, "parked": parked, "counts": before}


def test_a_holder_that_is_not_to_be_restored_stays_parked(rebooted):
    assert (
        "No gateway of afpaper01 is running, and the previous gateway of afpaper01 on staging.abstractfinance.example"
        " stays parked: gateway_restore_previous is off. Mend the cause and deploy again" in rebooted["failed"].words
    )
    assert len(rebooted["parked"]) == 1


def test_a_proven_gateway_returns_by_itself(rebooted, production, ibkr):
    assert production.check_output(LOOK + "ibgateway") == "true unless-stopped"
    assert ibkr.session("aflive01")["host"] == "production"
    assert ibkr.counts("aflive01")["max_concurrent"] == 1


@pytest.mark.usefixtures("rebooted")
def test_its_trading_engine_returns_and_connects(production):
    started = production.check_output("docker inspect -f '{{.State.StartedAt}}' trading-engine")
    until(
        "the trading engine's connection after the reboot",
        RETURNS_WITHIN,
        lambda: "accounts: U7654321" in production.run(f"docker logs --since {started} trading-engine 2>&1").stdout,
    )


def test_a_failed_one_and_a_fenced_one_never_do(rebooted, staging, ibkr):
    assert staging.check_output(LOOK + "ibgateway") == "false no"
    (name,) = rebooted["parked"]
    assert staging.check_output(LOOK + name) == "false no"
    assert [item["login"] for item in ibkr.sessions] == ["aflive01"]
    assert ibkr.counts("afpaper01")["attempts"] == rebooted["counts"]["attempts"]


@pytest.mark.usefixtures("rebooted")
def test_the_next_run_proves_it(play):
    outcome = play("deploy-production.yml")
    assert outcome.rc == 0
    assert "aflive01 is proven on production.abstractfinance.example" in outcome.words
    assert "nothing to change" in outcome.words
