# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holders of afpaper01 in every image that is known, under names of their own, found and fenced by one deploy."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex

import pytest

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
# Any small image will do: what makes a gateway of it here is its name, its variables, its files and its arguments.
BASE = "ibgateway-lab/trading-engine:1"
SLEEP = ("sleep", "1000")
OBEYS = ("sh", "-c", "trap 'exit 42' TERM; while :; do sleep 0.1; done")
IBC = "IbLoginId=afpaper01\nTradingMode=paper\n"
# How the history tells it. One that ends by itself again and again is killed, or is found between two starts.
ENDED = {
    "killed": r"; killed$",
    "signalled": r"; ended by its stop signal$",
    "looping": r"(; killed|parked as \S+)$",
    None: r"parked as \S+$",
}
NAMED = json.dumps({"session_fence_unreadable": [f"{PRODUCTION}/dark-horse"]})


@dataclasses.dataclass(frozen=True)
class Made:
    """A container that is made on production: what it is, and what a fence makes of it."""

    name: str
    image: str
    env: tuple[str, ...] = ()
    command: tuple[str, ...] = SLEEP
    restart: str = "always"
    files: tuple[tuple[str, str], ...] = ()
    mounted: tuple[tuple[str, str], ...] = ()
    state: str = "running"
    ended: str | None = "killed"
    options: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """The commands that make it, for a shell on the host."""
        mounts = [f"--volume=/srv/rogue/{self.name}{path}:{path}:ro" for path, _text in self.mounted]
        variables = [f"--env={item}" for item in self.env]
        policy = [] if "--rm" in self.options else [f"--restart={self.restart}"]
        options = [f"--name={self.name}", "--entrypoint=", "--user=root", *policy, *mounts, *variables, *self.options]
        lines = [f"docker tag {BASE} {self.image}"]
        lines += [place(f"/srv/rogue/{self.name}{path}", text) for path, text in self.mounted]
        lines.append(shlex.join(["docker", "create", *options, self.image, *self.command]))
        for path, text in self.files:
            kept = f"/srv/rogue/{self.name}/copied{path}"
            lines += [place(kept, text), f"tar -C /srv/rogue/{self.name}/copied -c .{path} | docker cp - {self.name}:/"]
        lines += [] if self.state == "created" else [f"docker start {self.name}"]
        lines += [f"docker pause {self.name}"] if self.state == "paused" else []
        lines += [f"docker stop -t 0 {self.name}"] if self.state == "exited" else []
        return "\n".join(lines)


def place(path: str, text: str) -> str:
    return f"mkdir -p $(dirname {path}); printf %s {shlex.quote(text)} > {path}"


PAPER = "TRADING_MODE=paper"
HOLDERS = (
    Made("ant", "heshiming/ibga:r20260803", ("IB_USERNAME=afpaper01", "IB_LOGINTYPE=Paper Trading")),
    Made("bee", "huieric/ibga-docker:1", ("IB_USERNAME=AFpaper01", "IB_LOGINTYPE=Paper Trading"), restart="no"),
    Made("cat", "registry.example:5000/own/renamed:1", ("IB_USERNAME=afpaper01", "IB_LOGINTYPE=Paper Trading")),
    Made("dog", "gnzsnz/ib-gateway:stable", ("TWS_USERID=afpaper01", PAPER), OBEYS, ended="signalled"),
    Made("eel", "unusualalpha/ib-gateway-docker:1", ("IBC_INI=/root/ibc/config.ini",),
         files=(("/root/ibc/config.ini", IBC),)),
    Made("fox", "waytrade/ib-gateway:1", ("TWS_USERID_PAPER=afpaper01", PAPER), state="paused"),
    Made("gnu", "ibg-controller:1", ("TWS_USERID_FILE=/run/own/user", PAPER),
         mounted=(("/run/own/user", "afpaper01\n"),)),
    Made("hen", "mvberg/ib-gateway-docker:1", ("TWSUSERID=afpaper01", PAPER), restart="unless-stopped"),
    Made("ibex", "mgvazquez/ibgateway:1", (PAPER,),
         mounted=(("/root/IBController/IBController.ini", "IbLoginId=afpaper01\r\n"),)),
    Made("jay", "extrange/ibkr:1", ("USERNAME=afpaper01", "IBC_TradingMode=paper"), ("false",), ended="looping"),
    Made("koi", "own/thing:1", (), ("sh", "-c", "sleep 1000", "/opt/ibc/scripts/ibcstart.sh", "1019", "-g",
                                    "--user=afpaper01", "--mode=paper")),
    Made("lynx", "manhinhang/ib-gateway-docker:1", ("IB_ACCOUNT=afpaper01", "IB_PASSWORD=x", PAPER)),
    Made("mole", "voyz/ibeam:1", ("IBEAM_ACCOUNT=/run/own/user", "IBEAM_SECRETS_SOURCE=fs",
                                  "IBEAM_USE_PAPER_ACCOUNT=true"), mounted=(("/run/own/user", "afpaper01"),)),
    Made("newt", "okinta/stack-ibgateway:1", ("LOGIN=afpaper01", "MODE=paper"), state="exited", ended=None),
    Made("owl", "ryanclouser/ibgateway:1", ("ARGS=username=afpaper01 password=x", PAPER), options=("--rm",)),
)  # fmt: skip
NEVER_STARTED = Made("pug", "kic/ibgateway:1", ("ARGS=username=afpaper01 password=x", PAPER), state="created")
UNREADABLE = Made("dark-horse", "gnzsnz/ib-gateway:latest", (PAPER,))
OTHERS = (
    Made("ibgateway-exporter", "own/exporter:1", ("USERNAME=afpaper01", "LOGIN=afpaper01")),
    Made("live", "heshiming/ibga:1", ("IB_USERNAME=aflive01", "IB_LOGINTYPE=Live Trading")),
)
MADE = (*HOLDERS, NEVER_STARTED, UNREADABLE, *OTHERS)
LOOK = "docker ps -a --no-trunc --format '{{.Names}} {{.ID}} {{.State}}' | grep -v '^jay ' | sort"


def inspected(host):
    names = host.check_output("docker ps -aq --no-trunc").split()
    return {
        item["Name"].lstrip("/"): item for item in json.loads(host.check_output(f"docker inspect {' '.join(names)}"))
    }


@pytest.fixture(scope="module")
def made(production):
    production.check_output("\n".join(["set -e", *(item.script for item in MADE)]))
    yield production.check_output(LOOK)
    production.run(f"docker image rm {' '.join(sorted({item.image for item in MADE}))}")


@pytest.fixture(scope="module")
def refused(made, play, production, staging):
    outcome = play("deploy-staging.yml")
    assert production.check_output(LOOK) == made
    assert staging.check_output("docker ps -aq") == ""
    return outcome


@pytest.fixture(scope="module")
def fenced(refused, play, production):
    assert refused.rc != 0
    before = inspected(production)
    outcome = play("deploy-staging.yml", "--extra-vars", NAMED)
    assert outcome.rc == 0
    return outcome, before, inspected(production)


@pytest.fixture(scope="module")
def history(fenced, production):
    lines = production.check_output("cat /var/lib/abstractfinance/history.jsonl").splitlines()
    [entry] = [item for item in map(json.loads, lines) if item["action"] == "fence"]
    return {text.partition(":")[0]: text for text in entry["done"]}


def test_an_unreadable_one_stops_the_deploy_first(refused):
    assert refused.rc != 0
    assert "[login-unreadable]" in refused.output
    assert f"dark-horse on {PRODUCTION}" in refused.words
    assert NAMED in refused.words


def test_status_has_found_every_one(made, play):
    outcome = play("status.yml")
    assert outcome.rc != 0
    table = {line.split()[3]: line for line in outcome.output.splitlines() if "production  " in line}
    for holder in HOLDERS:
        assert "afpaper01" in table[holder.name].lower()
        assert " paper " in table[holder.name]
    assert table["dark-horse"].split()[:3] == ["!", "?", "production"]
    assert " live " in table[" live ".strip()]
    assert "ibgateway-exporter" not in table
    assert "[several-holders]" in outcome.output
    assert "[login-unreadable]" in outcome.output


@pytest.mark.parametrize("holder", HOLDERS, ids=[item.name for item in HOLDERS])
def test_every_holder_was_fenced(holder, fenced, history):
    _outcome, before, after = fenced
    assert holder.name in before
    assert holder.name not in after
    assert re.search(ENDED[holder.ended], history[holder.name])
    assert ("cannot be restored" in history[holder.name]) == ("--rm" in holder.options)


def test_one_that_was_never_started_was_removed(fenced, history):
    assert "never started" in history[NEVER_STARTED.name]


def test_the_unreadable_one_was_fenced_once_it_was_named(fenced, history):
    assert history[UNREADABLE.name].startswith("dark-horse: parked as ")


def test_the_others_run_on_untouched(fenced):
    _outcome, before, after = fenced
    assert sorted(after) == sorted(item.name for item in OTHERS)
    for item in OTHERS:
        assert after[item.name]["State"]["StartedAt"] == before[item.name]["State"]["StartedAt"]
        assert after[item.name]["State"]["Running"]
        assert after[item.name]["HostConfig"]["RestartPolicy"]["Name"] == "always"


def test_staging_has_the_one_session(fenced, ibkr):
    assert ibkr.session("afpaper01")["host"] == "staging"
    assert ibkr.counts("afpaper01")["max_concurrent"] == 1
