# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib

import pytest

VAULT = "AF - Trading Infra - Staging"
WRONG = "Wr0ng#horse'battery"
DATA = "/var/lib/docker/volumes/abstractfinance_ibgateway-data"
FILES = "sha256sum /srv/abstractfinance/.env /srv/abstractfinance/docker-compose.yml"
IMAGE = "docker inspect -f '{{.Image}}' ibgateway"
WORKS = "ibgateway-lab/ibga:r20260803"
MOVING = "127.0.0.1:5000/ibga:moving"
REGISTRY = pathlib.Path(__file__).parents[1] / "registry.py"
IMAGE_OF_THE_REGISTRY = ("-e", "gateway_image=127.0.0.1:5000/ibga", "-e", "gateway_image_tag=moving")


@pytest.fixture(scope="module")
def deploy(play):
    def run(*arguments, **options):
        return play("deploy-staging.yml", *IMAGE_OF_THE_REGISTRY, *arguments, **options)

    return run


@pytest.fixture(scope="module")
def worked(deploy, staging):
    staging.check_output(f"docker tag {WORKS} {MOVING}")
    assert deploy().rc == 0
    staging.check_output(f"touch {DATA}/_data/of-what-worked")
    return staging.check_output(FILES)


@pytest.fixture(scope="module")
def upgraded(worked, deploy, staging, shell):
    """The tag has moved, at the registry alone, and nothing else differs."""
    shell("staging")("cat > /root/registry.py", REGISTRY.read_text(encoding="utf-8"))
    process = staging.check_output("python3 /root/registry.py > /dev/null 2>&1 & echo $!")
    answers = "until curl -fs http://127.0.0.1:5000/v2/; do sleep 0.1; done"
    staging.run_expect([0], f"timeout 30 bash -c '{answers}'")
    outcome = deploy("-e", "gateway_pull=always")
    staging.check_output(f"kill {process}")
    return outcome


@pytest.fixture(scope="module")
def rotated(upgraded, deploy, stored):
    stored[VAULT]["ibkr.staging"]["password"] = WRONG
    return deploy("-e", "gateway_api_log=data", store=stored)


def is_what_worked(host, files):
    assert host.check_output(FILES) == files
    assert host.check_output(IMAGE) == host.check_output(f"docker image inspect -f '{{{{.Id}}}}' {WORKS}")
    assert host.file(f"{DATA}/_data/of-what-worked").exists
    assert host.check_output(f"ls {DATA}") == "_data"
    assert host.check_output("ls -A /var/lib/abstractfinance/kept /var/lib/abstractfinance/parked | grep -v :$") == ""
    state = json.loads(host.check_output("docker inspect ibgateway"))[0]
    assert state["State"]["Running"]
    assert state["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def test_an_image_that_does_not_log_in_is_rolled_back(upgraded, worked, staging, ibkr):
    assert upgraded.rc != 0
    assert "the running container was made from another image" in upgraded.words
    assert "is back and proven, with the image, files and settings that it had" in upgraded.words
    assert "[gateway-exited]" in upgraded.words
    is_what_worked(staging, worked)
    counts = ibkr.counts("afpaper01")
    assert (counts["attempts"], counts["failures"]) == (2, 0)


def test_a_rotation_to_a_wrong_password_is_rolled_back(rotated, worked, staging, ibkr):
    assert rotated.rc != 0
    assert "is back and proven, with the image, files and settings that it had" in rotated.words
    assert "[wrong-credentials]" in rotated.words
    is_what_worked(staging, worked)
    counts = ibkr.counts("afpaper01")
    assert (counts["attempts"], counts["failures"], counts["max_concurrent"]) == (4, 1, 1)
    assert ibkr.session("afpaper01")["host"] == "staging"


def test_the_trading_engine_is_connected_to_what_came_back(rotated, staging):
    assert "and the trading engine is connected to it" in rotated.words
    since = staging.check_output("docker inspect -f '{{.State.StartedAt}}' ibgateway")
    assert "accounts: DU1234567" in staging.check_output(f"docker logs --since {since} trading-engine 2>&1")


@pytest.mark.usefixtures("rotated")
def test_what_came_back_needs_no_change(deploy):
    outcome = deploy()
    assert outcome.rc == 0
    assert "nothing to change" in outcome.words


def test_a_password_that_ibkr_no_longer_takes_is_sent_once(rotated, play, ibkr, staging, stored):
    """Nothing of the login changes here, so the gateway that was there would fail in the same way."""
    user = {"password": "An0ther#at-IBKR", "totp_secret": stored[VAULT]["ibkr.staging.totp-key"]["password"]}
    ibkr.ask("PUT", "/users/afpaper01", {**user, "kind": "paper", "accounts": ["DU1234567"]})
    before = ibkr.counts("afpaper01")["failures"]
    outcome = play("restart.yml", "-e", "gateway_environment=staging")
    assert outcome.rc != 0
    assert "[wrong-credentials]" in outcome.words
    assert ibkr.counts("afpaper01")["failures"] == before + 1
    assert staging.check_output("docker inspect -f '{{.State.Running}}' ibgateway") == "false"
