# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gateway that was made by `docker run`, without a compose file and a stack, is adopted like one that has them."""

from __future__ import annotations

import json
import os
import time

import pytest

pytestmark = pytest.mark.skipif(os.environ.get("TEST_COUNT") != "full", reason="full counts only")
LOGIN_TIMEOUT = 60
SETTINGS = "abstractfinance_ibgateway-data"
NAMES = "docker ps -a --format '{{.Names}}' | sort | paste -sd ' '"
LOOK = "docker inspect -f '{{.Id}} {{.State.StartedAt}}' "
BY_HAND = f"""\
mkdir -p -m 700 /root/by-hand && umask 077 && cat > /root/by-hand/.env
docker run -d --name ibgateway --restart always --env-file /root/by-hand/.env \
  -p 4000:4000 -p 5900:5900 -p 5800:5800 -v {SETTINGS}:/home/ibg_settings ibgateway-lab/ibga:r20260803
docker run -d --init --name ledger --entrypoint sleep -v ledger:/ledger ibgateway-lab/trading-engine:1 infinity
docker exec --user root ledger touch /ledger/entry
"""


@pytest.fixture(scope="module")
def by_hand(shell, staging, stored, ibkr):
    items = stored["AF - Trading Infra - Staging"]
    values = {
        "IB_USERNAME": items["ibkr.staging"]["username"],
        "IB_PASSWORD": items["ibkr.staging"]["password"],
        "TOTP_KEY": items["ibkr.staging.totp-key"]["password"],
        "IB_LOGINTYPE": "Paper Trading",
        "IB_REGION": "Europe",
        "IB_TIMEZONE": "Europe/Berlin",
        "IBGA_VNC_PASSWORD": "vnc-st4g",
    }
    shell("staging")(BY_HAND, "".join(f"{key}={value}\n" for key, value in values.items()))
    deadline = time.monotonic() + LOGIN_TIMEOUT
    while not ibkr.sessions:
        assert time.monotonic() < deadline, f"the gateway made by hand did not log in within {LOGIN_TIMEOUT} s"
        time.sleep(0.2)
    return staging.check_output(LOOK + "ledger")


@pytest.fixture(scope="module")
def adopted(by_hand, play):
    return play("deploy-staging.yml", "--diff")


@pytest.mark.usefixtures("by_hand")
def test_a_restart_asks_for_a_deploy_first(play, staging):
    before = staging.check_output(LOOK + "ibgateway")
    outcome = play("restart.yml", "-e", "gateway_environment=staging")
    assert outcome.rc != 0
    assert "there is no /srv/abstractfinance/.env with an IBKR_USERNAME" in outcome.words
    assert "[env-not-the-inventorys]" in outcome.output
    assert staging.check_output(LOOK + "ibgateway") == before


def test_the_first_deploy_takes_it_over(adopted, staging, ibkr):
    assert adopted.rc == 0
    assert staging.check_output(NAMES) == "ibgateway ledger trading-engine"
    counts = ibkr.counts("afpaper01")
    assert (counts["max_concurrent"], counts["kicks"], counts["failures"]) == (1, 0, 0)
    assert ibkr.session("afpaper01")["host"] == "staging"
    assert staging.check_output("ls /var/lib/abstractfinance/parked") == ""


@pytest.mark.parametrize("port", [4000, 5900, 5800])
def test_a_port_that_was_open_to_the_world_is_announced_and_closed(port, adopted, staging):
    assert f"port {port} is open on every address (0.0.0.0), to whoever finds it, and will be on 127.0.0.1 only" in (
        adopted.words
    )
    bound = json.loads(staging.check_output("docker inspect -f '{{json .HostConfig.PortBindings}}' ibgateway"))
    assert bound[f"{port}/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]


@pytest.mark.usefixtures("adopted")
def test_no_volume_is_lost_and_the_settings_volume_goes_on(by_hand, staging):
    assert staging.check_output(LOOK + "ledger") == by_hand
    assert staging.run("docker exec ledger ls /ledger/entry").rc == 0
    assert {"ledger", SETTINGS} <= set(staging.check_output("docker volume ls -q").split())
    mounts = json.loads(staging.check_output("docker inspect -f '{{json .Mounts}}' ibgateway"))
    assert {item["Destination"]: item["Name"] for item in mounts}["/home/ibg_settings"] == SETTINGS


@pytest.mark.usefixtures("adopted")
def test_a_second_deploy_has_nothing_to_do(play):
    outcome = play("deploy-staging.yml")
    assert outcome.rc == 0
    assert "nothing to change" in outcome.words
