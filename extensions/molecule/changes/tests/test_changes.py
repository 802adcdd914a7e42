# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

VAULT = "AF - Trading Infra - Staging"
NEW = "R0tated#Pa$5'word"
STALE = "St4le-Pa55word"
SETTINGS = "abstractfinance_ibgateway-data"
PROGRAM = "abstractfinance_ibgateway-program"
STARTS = "docker inspect -f '{{.Id}} {{.State.StartedAt}}' ibgateway trading-engine"
DATA = "/var/lib/docker/volumes/abstractfinance_ibgateway-data"


def created(host, volume):
    return json.loads(host.check_output(f"docker volume inspect {volume}"))[0]["CreatedAt"]


def settings_of(host):
    """What the gateway has in effect, which is what the image's option check has set in it."""
    return json.loads(host.check_output(f"cat {DATA}/_data/*/settings.json"))


def variable(host, name):
    env = json.loads(host.check_output("docker inspect -f '{{json .Config.Env}}' ibgateway"))
    return dict(item.split("=", 1) for item in env)[name]


@pytest.fixture(scope="module")
def deployed(play):
    assert play("deploy-staging.yml").rc == 0


@pytest.fixture(scope="module")
def rotated(deployed, play, stored, ibkr, staging):
    """The password is another one at IBKR and in the store."""
    stored[VAULT]["ibkr.staging"]["password"] = NEW
    user = {"password": NEW, "totp_secret": stored[VAULT]["ibkr.staging.totp-key"]["password"], "kind": "paper"}
    before = (created(staging, SETTINGS), created(staging, PROGRAM))
    staging.check_output(f"touch {DATA}/_data/of-the-old-login")
    ibkr.ask("PUT", "/users/afpaper01", {**user, "accounts": ["DU1234567"]})
    outcome = play("deploy-staging.yml", "--diff", store=stored)
    return outcome, before


def test_a_changed_password_gets_new_settings_and_keeps_the_program(rotated, staging, ibkr):
    outcome, (settings, program) = rotated
    assert outcome.rc == 0
    assert "IBKR_PASSWORD" in outcome.words
    assert created(staging, SETTINGS) > settings
    assert created(staging, PROGRAM) == program
    assert not staging.file(f"{DATA}/_data/of-the-old-login").exists
    assert variable(staging, "IB_PASSWORD") == NEW
    assert ibkr.session("afpaper01")["host"] == "staging"
    assert ibkr.counts("afpaper01")["failures"] == 0


@pytest.mark.usefixtures("rotated")
def test_what_was_kept_for_the_way_back_is_gone_after_the_proof(staging):
    assert staging.check_output(f"ls {DATA}") == "_data"
    assert staging.check_output("ls -A /var/lib/abstractfinance/kept") == ""


@pytest.mark.usefixtures("rotated")
def test_changed_options_come_into_effect_and_settings_stay(play, stored, staging):
    before = created(staging, SETTINGS)
    assert settings_of(staging)["read_only"] is False
    outcome = play("deploy-staging.yml", "-e", "gateway_read_only=true", store=stored)
    assert outcome.rc == 0
    assert "made from other settings: IB_READONLY" in outcome.words
    assert settings_of(staging)["read_only"] is True
    assert "read-only, connected to IBKR" in outcome.words
    assert created(staging, SETTINGS) == before


@pytest.mark.usefixtures("rotated")
def test_a_container_with_an_old_env_is_found_and_put_right(play, stored, staging, ibkr):
    """The incident's (4): .env is right, and the container was started with what it had been."""
    staging.check_output(
        f"cd /srv/abstractfinance && IBKR_PASSWORD={STALE} docker compose up -d --force-recreate ibgateway"
    )
    env = staging.check_output("stat -c '%Y %i' /srv/abstractfinance/.env")
    assert variable(staging, "IB_PASSWORD") == STALE
    outcome = play("deploy-staging.yml", store=stored)
    assert outcome.rc == 0
    assert "made from other settings: IB_PASSWORD" in outcome.words
    assert variable(staging, "IB_PASSWORD") == NEW
    assert staging.check_output("stat -c '%Y %i' /srv/abstractfinance/.env") == env
    assert ibkr.session("afpaper01")["host"] == "staging"
    assert ibkr.counts("afpaper01")["failures"] <= 1


@pytest.mark.usefixtures("rotated")
def test_nothing_changed_is_nothing_done(play, stored, staging):
    before = staging.check_output(STARTS)
    outcome = play("deploy-staging.yml", store=stored)
    assert outcome.rc == 0
    assert "nothing to change" in outcome.words
    assert staging.check_output(STARTS) == before
