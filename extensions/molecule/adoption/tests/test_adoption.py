# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time

import pytest

ENVIRONMENT = ("-e", "gateway_environment=staging")
SETTINGS = "abstractfinance_ibgateway-data"
PROGRAM = "abstractfinance_ibgateway-program"
LOGIN_TIMEOUT = 60
# The guide's rows G1 to G4, as an operator has typed them: one volume, ports on all interfaces, and a service beside them.
BY_HAND = """\
services:
  ibgateway:
    image: ibgateway-lab/ibga:r20260803
    container_name: ibgateway
    restart: always
    environment:
      - IB_USERNAME=${IBKR_USERNAME}
      - IB_PASSWORD=${IBKR_PASSWORD}
      - TOTP_KEY=${IBKR_TOTP_KEY}
      - IB_LOGINTYPE=${TRADING_MODE:-Paper Trading}
      - IB_REGION=Europe
      - IB_TIMEZONE=Europe/Berlin
      - IBGA_VNC_PASSWORD=${VNC_PASSWORD}
    ports: ["4000:4000", "5900:5900", "5800:5800"]
    volumes: ["ibgateway-data:/home/ibg_settings"]
  ledger:
    image: ibgateway-lab/trading-engine:1
    entrypoint: ["sleep", "infinity"]
    init: true
    volumes: ["ledger:/ledger"]
volumes:
  ibgateway-data: {}
  ledger: {}
"""
LEDGER = "abstractfinance-ledger-1"
DECLARED = {
    "gateway_extra_services": {
        "ledger": {
            "image": "ibgateway-lab/trading-engine:1",
            "entrypoint": ["sleep", "infinity"],
            "init": True,
            "volumes": ["ledger:/ledger"],
        }
    },
    "gateway_extra_volumes": {"ledger": {}},
}
WITH_LEDGER = ("-e", json.dumps(DECLARED))


OPEN = "port 4000 is open on every address"


def env_of(store):
    items = store["AF - Trading Infra - Staging"]
    values = {
        "IBKR_USERNAME": items["ibkr.staging"]["username"],
        "IBKR_PASSWORD": items["ibkr.staging"]["password"],
        "IBKR_TOTP_KEY": items["ibkr.staging.totp-key"]["password"],
        "IBKR_ACCOUNT_ID": "DU1234567",
        "TRADING_MODE": "Paper Trading",
        "VNC_PASSWORD": "vnc-st4g",
    }
    escaped = {
        key: value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") for key, value in values.items()
    }
    return "".join(f'{key}="{value}"\n' for key, value in escaped.items())


def start_of(host, name):
    return host.check_output(f"docker inspect -f '{{{{.Id}}}} {{{{.State.StartedAt}}}}' {name}")


def created(host, volume):
    return json.loads(host.check_output(f"docker volume inspect {volume}"))[0]["CreatedAt"]


@pytest.fixture(scope="module")
def by_hand(shell, staging, stored, ibkr):
    """The guide's deployment, set up by shell and logged in; when its containers were started."""
    run = shell("staging")
    run("mkdir -p /srv/abstractfinance && umask 077 && cat > /srv/abstractfinance/.env", env_of(stored))
    run("cat > /srv/abstractfinance/docker-compose.yml", BY_HAND)
    run(
        "cd /srv/abstractfinance && docker compose up -d && docker compose exec -T --user root ledger touch /ledger/entry",
        "",
    )
    deadline = time.monotonic() + LOGIN_TIMEOUT
    while not ibkr.sessions:
        assert time.monotonic() < deadline, f"the gateway set up by hand did not log in within {LOGIN_TIMEOUT} s"
        time.sleep(0.2)
    return {name: start_of(staging, name) for name in ("ibgateway", LEDGER)}


@pytest.fixture(scope="module")
def refused(by_hand, play):
    return play("deploy-staging.yml")


@pytest.fixture(scope="module")
def adopted(refused, play):
    return play("deploy-staging.yml", "--diff", *WITH_LEDGER)


def test_a_service_that_the_inventory_does_not_know_is_not_dropped(refused, by_hand, staging):
    assert refused.rc != 0
    assert "services that the deploy would drop: ledger" in refused.words
    assert "[foreign-services]" in refused.output
    assert {name: start_of(staging, name) for name in by_hand} == by_hand


@pytest.mark.usefixtures("refused")
def test_an_address_that_the_inventory_keeps_open_is_not_announced(play):
    outcome = play("deploy-staging.yml", "--check", *WITH_LEDGER, "-e", "gateway_bind_address=0.0.0.0")
    assert outcome.rc == 0
    assert OPEN not in outcome.words


def test_a_deployment_by_hand_is_taken_over(adopted, staging, ibkr):
    assert adopted.rc == 0
    assert f"{OPEN} (0.0.0.0), to whoever finds it, and will be on 127.0.0.1 only" in adopted.words
    assert "docker-compose.yml is not as the inventory has it" in adopted.words
    assert "-IBKR_USERNAME" not in adopted.output
    assert staging.check_output("docker ps -a --format '{{.Names}}'").split() == ["trading-engine", "ibgateway", LEDGER]
    counts = ibkr.counts("afpaper01")
    assert (counts["max_concurrent"], counts["kicks"], counts["failures"]) == (1, 0, 0)
    bound = json.loads(staging.check_output("docker inspect -f '{{json .HostConfig.PortBindings}}' ibgateway"))
    assert {item["HostIp"] for items in bound.values() for item in items} == {"127.0.0.1"}


@pytest.mark.usefixtures("adopted")
def test_other_services_and_their_volumes_are_left_alone(by_hand, staging):
    assert start_of(staging, LEDGER) == by_hand[LEDGER]
    assert staging.run(f"docker exec {LEDGER} ls /ledger/entry").rc == 0


def test_a_command_for_one_environment_asks_for_it(play):
    for playbook in ("restart.yml", "stop.yml"):
        outcome = play(playbook)
        assert outcome.rc != 0
        assert "-e gateway_environment=staging. [environment-missing]" in outcome.words


@pytest.mark.usefixtures("adopted")
def test_a_restart_inside_a_reset_window_is_refused_with_its_end(play, staging):
    before = start_of(staging, "ibgateway")
    windows = json.dumps(
        {"gateway_reset_windows": [{"from": "00:00", "to": "12:00"}, {"from": "12:00", "to": "24:00"}]}
    )
    outcome = play("restart.yml", *ENVIRONMENT, "-e", windows)
    assert outcome.rc != 0
    assert "[inside-reset-window]" in outcome.output
    assert "IBKR resets its servers until" in outcome.words
    assert start_of(staging, "ibgateway") == before


@pytest.fixture(scope="module")
def restarted(adopted, play, staging):
    before = {name: start_of(staging, name) for name in ("ibgateway", "trading-engine")}
    volumes = {name: created(staging, name) for name in (SETTINGS, PROGRAM)}
    return play("restart.yml", *ENVIRONMENT), before, volumes


def test_a_clean_restart_has_new_settings_and_the_same_program(restarted, staging, ibkr):
    outcome, before, volumes = restarted
    assert outcome.rc == 0
    assert outcome.calls == []
    assert "connected to IBKR, trading engine connected; clean restart by run" in outcome.words
    assert created(staging, SETTINGS) > volumes[SETTINGS]
    assert created(staging, PROGRAM) == volumes[PROGRAM]
    assert all(start_of(staging, name) != start for name, start in before.items())
    assert ibkr.session("afpaper01")["host"] == "staging"


@pytest.fixture(scope="module")
def stopped(restarted, play):
    return play("stop.yml", *ENVIRONMENT)


def test_a_stopped_gateway_has_given_its_slot_back(stopped, staging, ibkr):
    assert stopped.rc == 0
    assert stopped.calls == []
    assert "it was closed by its own menu, so its slot at IBKR is free" in stopped.words
    assert ibkr.sessions == []
    lease = json.loads(staging.check_output("cat /var/lib/abstractfinance/leases/afpaper01.json"))
    assert lease["state"] == "released"


@pytest.mark.usefixtures("stopped")
def test_nothing_brings_it_back(lab_command, staging, ibkr):
    lab_command("engine-stop", "staging")
    lab_command("engine-start", "staging")
    look = "docker inspect -f '{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}' ibgateway"
    assert staging.check_output(look) == "false no"
    assert ibkr.sessions == []


@pytest.mark.usefixtures("stopped")
def test_a_second_stop_has_nothing_to_do(play):
    outcome = play("stop.yml", *ENVIRONMENT)
    assert outcome.rc == 0
    assert "nothing was to be done" in outcome.words


@pytest.mark.usefixtures("stopped")
def test_a_diagnosis_takes_it_for_stopped_and_not_for_failed(play, tmp_path):
    outcome = play("diagnose.yml", "-e", f"diagnosis_folder={tmp_path}")
    assert outcome.rc != 0
    assert "[gateway-stopped]" in outcome.words
    assert "[gateway-exited]" not in outcome.words


@pytest.mark.usefixtures("stopped")
def test_a_deploy_brings_it_back_with_its_settings(play, staging, ibkr):
    before = created(staging, SETTINGS)
    outcome = play("deploy-staging.yml", *WITH_LEDGER)
    assert outcome.rc == 0
    assert created(staging, SETTINGS) == before
    assert ibkr.session("afpaper01")["host"] == "staging"
