# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Twenty secrets with known values, and every way in which Ansible could let one out."""

from __future__ import annotations

import copy
import json
import pathlib
import shlex
import subprocess
import tempfile
import time
import uuid

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import dotenv

VAULT = "AF - Trading Infra - Staging"
ITEM = "abstractfinance.staging.env"
ONCE = ["sign_in", "resolve_all"]
IN_NOTE = {f"SECRET_{number:02}": f"canary{number:02}-q8{'z7' * 4}" for number in range(12)} | {
    "SECRET_12": "canary12 $HOME ${HOME} #q8",
    "SECRET_13": "canary13'q8\"z7\\q8",
    "SECRET_14": "canary14 %q8 &z7;q8|",
    "SECRET_15": "canary15-été-漢字-q8",
    "ENGINE_TOKEN": "canary16{{z7}}q8",
    "VNC_PASSWORD": "cnry17q8",
}
# Fails with all that the deploy has left in its variables, once they are in the fact cache as well.
DUMP = [
    {"import_playbook": "abstractfinance.ibgateway.deploy_staging"},
    {
        "name": "Keep what there is, and fail with it",
        "hosts": "staging",
        "gather_facts": True,
        "tasks": [
            {
                "name": "Keep what the deploy registered",
                "ansible.builtin.set_fact": {"kept": "{{ gateway_env }}", "cacheable": True},
            },
            {"name": "Show every variable", "ansible.builtin.debug": {"var": "vars"}},
            {"name": "Fail with every variable", "ansible.builtin.fail": {"msg": "{{ hostvars[inventory_hostname] }}"}},
        ],
    },
]


def with_secrets(store, secrets):
    """The store of the lab with these lines in its note, written as Compose reads them."""
    changed = copy.deepcopy(store)
    item = changed[VAULT][ITEM]
    item["notesPlain"] = dotenv.parse(item["notesPlain"]).render(secrets)
    return changed


@pytest.fixture(scope="module")
def twenty(stored, canary):
    """Twenty secrets of staging: those of the items, and those of the note as they are when read."""
    values = {
        "IBKR_PASSWORD": stored[VAULT]["ibkr.staging"]["password"],
        "IBKR_TOTP_KEY": stored[VAULT]["ibkr.staging.totp-key"]["password"],
        **IN_NOTE,
    }
    assert len(set(values.values())) == 20
    canary.learn({"secrets": {"values": values}})
    return values


@pytest.fixture(scope="module")
def cache():
    with tempfile.TemporaryDirectory(prefix="facts-") as place:
        yield pathlib.Path(place)


@pytest.fixture(scope="module")
def runs(twenty, stored, play, cache):
    store = with_secrets(stored, IN_NOTE)
    other = with_secrets(stored, {**IN_NOTE, "SECRET_00": "canary00-another-q8z7"})
    too_long = with_secrets(stored, {**IN_NOTE, "VNC_PASSWORD": "canary17-too-long-q8"})
    dump = cache / "dump.yml"
    dump.write_text(json.dumps(DUMP), encoding="utf-8")
    kept = {
        "ANSIBLE_KEEP_REMOTE_FILES": "1",
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(cache / "facts"),
        "ANSIBLE_LOG_PATH": str(cache / "log"),
        "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1",
    }
    return {
        "check": play("deploy-staging.yml", "-vvvv", "--check", "--diff", store=store),
        "deploy": play("deploy-staging.yml", "-vvvv", "--diff", store=store),
        "keep": play(str(dump), "-vvvv", "--diff", store=other, settings=kept),
        "check again": play("deploy-staging.yml", "-vvvv", "--check", "--diff", store=store),
        "refused": play("deploy-staging.yml", "-vvvv", "--diff", store=too_long),
    }


@pytest.mark.parametrize(
    ("name", "rc", "said"),
    [
        ("check", 0, "would be brought to"),
        ("deploy", 0, "afpaper01 is proven on"),
        ("keep", 2, "Fail with every variable"),
        ("check again", 0, "would be brought to"),
        ("refused", 2, "[value-too-long]"),
    ],
)
def test_every_run_came_to_where_a_secret_could_get_out(runs, name, rc, said):
    assert runs[name].rc == rc
    assert said in runs[name].words


@pytest.mark.parametrize("name", ["check", "deploy", "keep", "check again", "refused"])
def test_each_signed_in_once_and_asked_once(runs, name):
    assert runs[name].calls == ONCE


def test_the_secrets_are_in_the_file_and_masked_in_the_difference(runs, staging, twenty):
    written = dotenv.parse(staging.file("/srv/abstractfinance/.env").content_string).entries()
    assert {key: written[key].value for key in twenty} == {**twenty, "SECRET_00": "canary00-another-q8z7"}
    for name in ("check", "deploy"):
        assert "SECRET_00=********" in runs[name].output


@pytest.mark.usefixtures("runs")
def test_the_cache_and_the_kept_files_are_there_to_be_searched(cache, staging):
    cached = "".join(path.read_text(encoding="utf-8") for path in (cache / "facts").iterdir())
    assert "keys_changed" in cached
    assert "SECRET_00" in cached
    assert (cache / "log").stat().st_size > 10000
    assert "AnsiballZ" in staging.check_output("find /root/.ansible/tmp -type f")


def test_nothing_held_a_secret(runs, canary):
    canary.search_everywhere()
    assert canary.caught == []
    assert canary.processes > 1000
    print(f"{len(runs)} runs, {canary.processes} looks at a process, {len(canary.forms)} forms of a secret: none found")


def test_compose_s_hash_over_the_password_stays_with_docker(runs, cache, staging):
    """It has no salt: who has it could try passwords until one fits."""
    label = '{{ index .Config.Labels "com.docker.compose.config-hash" }}'
    current = staging.check_output(f"docker inspect -f {shlex.quote(label)} ibgateway")
    assert len(current) == 64
    assert [name for name, outcome in runs.items() if current in outcome.output] == []
    assert [path.name for path in (cache / "facts").iterdir() if current in path.read_text(encoding="utf-8")] == []


@pytest.mark.usefixtures("runs")
def test_the_canary_finds_what_is_there(canary, cache, staging, process_watch):
    """The same search, with a secret in each place: it must find it in all of them."""
    planted = type(canary)()
    secret = f"planted-{uuid.uuid4()}"
    planted.learn({"planted": {"item": {"field": secret}}})
    planted.search("output", f'"msg": "{secret}"')
    (cache / "leak").write_text(f"x={secret}", encoding="utf-8")
    staging.check_output("printf %s > /var/tmp/leak", secret)
    with process_watch(planted):
        process = subprocess.Popen(["sh", "-c", "read wait", secret], stdin=subprocess.PIPE, env={"LEAK": secret})
        deadline = time.monotonic() + 20
        while not {caught.split()[0] for caught in planted.caught} >= {"arguments", "environment"}:
            assert time.monotonic() < deadline, f"the secret in a process was not seen within 20 s: {planted.caught}"
            time.sleep(0.05)
        process.communicate()
    planted.search_everywhere()
    (cache / "leak").unlink()
    staging.check_output("rm /var/tmp/leak")
    assert {"output", f"controller: {cache}/leak", "staging: /var/tmp/leak"} <= set(planted.caught)
