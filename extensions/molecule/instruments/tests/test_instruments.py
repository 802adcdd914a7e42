# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
import yaml

STAGING = "staging.abstractfinance.example"
EVERYTHING = "docker ps -aq; docker volume ls -q; ls -A /srv /var/lib/abstractfinance 2>/dev/null; true"
ON_HOST = "/srv/abstractfinance/config/instruments.yaml"
STARTED = "docker inspect -f '{{.Id}} {{.State.StartedAt}}' "
SOUND = """\
instruments:
  - {symbol: CSPX, type: etf, exchange: LSE, currency: USD}
  - {symbol: QQQ, type: etf, exchange: NASDAQ, currency: USD, alternative: CNDX}
  - {symbol: ARCC, type: stock, exchange: NASDAQ, currency: USD}
"""
FAULTY = """\
instruments:
  - {symbol: SPY, type: etf, exchange: ARCA, currency: USD}
  - {symbol: AIR, type: stock, exchange: XPAR, currency: EUR}
  - {symbol: ON, type: stock, exchange: NASDAQ, currency: USD}
"""
AGAINST_THE_RULES = SOUND + "  - {symbol: SPY, type: etf, exchange: ARCA, currency: USD}\n"
ENGINE = {"image": "ibgateway-lab/trading-engine:1", "volumes": ["./config:/config:ro"]}


@pytest.fixture(scope="module")
def deploy(play, tmp_path_factory):
    source = tmp_path_factory.mktemp("stack") / "instruments.yaml"

    def run(text, *arguments, playbook="deploy-staging.yml", **settings):
        source.write_text(text, encoding="utf-8")
        variables = {"instruments_file": str(source), "gateway_trading_engine": ENGINE, **settings}
        return play(playbook, "-e", json.dumps(variables), *arguments)

    return run


@pytest.fixture(scope="module")
def refused(deploy, staging, production):
    before = [host.check_output(EVERYTHING) for host in (staging, production)]
    outcome = deploy(FAULTY)
    assert [host.check_output(EVERYTHING) for host in (staging, production)] == before
    return outcome


@pytest.fixture(scope="module")
def deployed(refused, deploy):
    outcome = deploy(SOUND)
    assert outcome.rc == 0
    return outcome


def test_a_violation_stops_the_deploy_before_anything_is_touched(refused, ibkr):
    assert refused.rc != 0
    assert "line 2: SPY is a US-listed ETF (ARCA) without KID" in refused.words
    assert "its UCITS alternative is CSPX on LSE in USD" in refused.words
    assert "line 3: AIR: XPAR is no exchange that is known here: did you mean SBF?" in refused.words
    assert "line 4: symbol is read by YAML as true or false: put it in quotes: 'ON'" in refused.words.replace("''", "'")
    assert ibkr.counts("afpaper01")["attempts"] == 0


def test_the_summary_says_how_many_were_checked_against_what(deployed):
    assert "3 instruments checked against IBKR's exchange names and the EU's rules for retail accounts" in (
        deployed.words.replace("''", "'")
    )
    assert "1 of them by their UCITS alternative" in deployed.words


@pytest.mark.usefixtures("deployed")
def test_the_trading_engine_reads_the_file_with_ibkrs_names(staging):
    read = yaml.safe_load(staging.check_output("docker exec trading-engine cat /config/instruments.yaml"))
    assert [entry["primary_exchange"] for entry in read["instruments"]] == ["LSEETF", "NASDAQ", "NASDAQ"]
    assert read["instruments"][1]["alternative"]["primary_exchange"] == "LSEETF"
    file = staging.file(ON_HOST)
    assert (file.user, file.mode) == ("root", 0o644)


@pytest.mark.usefixtures("deployed")
def test_an_unchanged_file_restarts_nothing(deploy, staging):
    before = staging.check_output(STARTED + "ibgateway trading-engine")
    file = staging.check_output(f"stat -c '%i %Y' {ON_HOST}")
    again = deploy(SOUND + "# a comment is no change\n")
    assert again.rc == 0
    assert "nothing to change" in again.words
    assert again.recap[STAGING]["changed"] == 0
    assert staging.check_output(STARTED + "ibgateway trading-engine") == before
    assert staging.check_output(f"stat -c '%i %Y' {ON_HOST}") == file


@pytest.mark.usefixtures("deployed")
def test_a_changed_file_restarts_the_trading_engine_alone(deploy, staging, ibkr):
    gateway, engine = (staging.check_output(STARTED + name) for name in ("ibgateway", "trading-engine"))
    session = ibkr.session("afpaper01")
    checked = deploy(AGAINST_THE_RULES, "--check", "--diff", instruments_enforce="warn")
    assert checked.rc == 0
    assert f"{ON_HOST} is not as" in checked.words
    assert "+- symbol: SPY" in checked.output
    assert "SPY" not in staging.check_output(f"cat {ON_HOST}")
    assert staging.check_output(STARTED + "trading-engine") == engine

    changed = deploy(AGAINST_THE_RULES, instruments_enforce="warn")
    assert changed.rc == 0
    assert "[WARNING]" in changed.output
    assert "[instruments-no-kid]" in changed.output
    assert "the trading engine was restarted" in changed.words
    assert "1 against the rules" in changed.words
    assert "SPY" in staging.check_output("docker exec trading-engine cat /config/instruments.yaml")
    assert staging.check_output(STARTED + "ibgateway") == gateway
    assert staging.check_output(STARTED + "trading-engine") != engine
    assert ibkr.session("afpaper01") == session


@pytest.mark.usefixtures("deployed")
def test_a_restart_leaves_the_instruments_alone(deploy, staging):
    file = staging.check_output(f"stat -c '%i %Y' {ON_HOST}")
    gateway = staging.check_output(STARTED + "ibgateway")
    outcome = deploy(FAULTY, "-e", "gateway_environment=staging", playbook="restart.yml")
    assert outcome.rc == 0
    assert "clean restart by run" in outcome.words
    assert "instruments checked" not in outcome.words
    assert staging.check_output(f"stat -c '%i %Y' {ON_HOST}") == file
    assert staging.check_output(STARTED + "ibgateway") != gateway
