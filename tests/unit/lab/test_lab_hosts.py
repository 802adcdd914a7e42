# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import socket

import pytest
from ibgateway_lab import cli, inventory, lab, play, settings, state
from ibgateway_lab.process import LabError

ADDRESSES = [
    state.HostAddress("staging", 22001, "ssh-ed25519 AAAA1"),
    state.HostAddress("production", 22007, "ssh-ed25519 AAAA2"),
    state.HostAddress("host03", 22003, "ssh-ed25519 AAAA3"),
]
NAMES = [f"{host.name}.abstractfinance.example" for host in ADDRESSES]


@pytest.fixture
def state_directory(tmp_path: pathlib.Path, monkeypatch) -> pathlib.Path:
    directory = tmp_path / "a checkout" / ".lab"
    directory.mkdir(parents=True)
    monkeypatch.setattr(settings, "STATE", directory)
    for name in ("KEY", "KNOWN_HOSTS", "SSH_CONFIG", "HOSTS"):
        monkeypatch.setattr(state, name, directory / getattr(state, name).name)
    return directory


def test_two_hosts_are_the_environments_and_more_are_numbered():
    assert settings.host_names(2) == ["staging", "production"]
    assert settings.host_names(4) == ["staging", "production", "host03", "host04"]
    assert [settings.host_index(name) for name in settings.host_names(12)] == list(range(12))


def test_the_inventory_has_the_groups_of_the_product():
    found = inventory.inventory(ADDRESSES)
    assert found["ibgateway"]["children"] == ["staging", "production"]
    assert found["ibgateway"]["hosts"] == ["host03.abstractfinance.example"]
    assert found["staging"] == {"hosts": ["staging.abstractfinance.example"]}
    assert found["production"] == {"hosts": ["production.abstractfinance.example"]}
    assert found["all"]["vars"] == {"session_fleet": NAMES}
    assert [found["_meta"]["hostvars"][name]["ansible_port"] for name in NAMES] == [22001, 22007, 22003]


def test_no_host_is_named_like_a_group():
    found = inventory.inventory(ADDRESSES)
    assert not set(found) & set(NAMES)


def test_ssh_is_pinned_to_the_labs_own_key_and_host_keys(state_directory: pathlib.Path):
    arguments = shlex.split(inventory.ssh_arguments())
    assert f'UserKnownHostsFile="{state_directory}/known_hosts"' in arguments
    assert "StrictHostKeyChecking=yes" in arguments
    assert "no" not in [argument.partition("=")[2] for argument in arguments]


def test_the_state_comes_back_as_it_was_saved(state_directory: pathlib.Path):
    state.save(ADDRESSES)
    assert state.load() == ADDRESSES
    assert "[127.0.0.1]:22007 ssh-ed25519 AAAA2\n" in state.KNOWN_HOSTS.read_text()
    entry = state.SSH_CONFIG.read_text().partition("Host production ")[2]
    assert "  Port 22007\n" in entry
    assert f'  IdentityFile "{state_directory}/id_ed25519"\n' in entry


def test_without_a_lab_the_inventory_says_how_to_start_one(state_directory: pathlib.Path, capsys):
    assert inventory.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "make lab" in said.err


def test_a_lab_that_does_not_answer_counts_as_none(state_directory: pathlib.Path, monkeypatch, capsys):
    state.save(ADDRESSES)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setattr(settings, "IBKR_STATE_PORT", listener.getsockname()[1])
        assert inventory.main() == 1
        listener.listen()
        assert inventory.main() == 0
    assert json.loads(capsys.readouterr().out)["all"]["vars"]["session_fleet"] == NAMES


def test_the_lock_is_held_by_one_at_a_time(state_directory: pathlib.Path, monkeypatch):
    monkeypatch.setattr(state, "LOCK_TIMEOUT", 0.3)
    with state.locked(), pytest.raises(LabError, match=re.escape("another `lab` command holds")), state.locked():
        pytest.fail("two have the lock")
    with state.locked():
        assert (state_directory / ".gitignore").read_text() == "*\n"


def test_a_port_that_is_taken_is_passed_over():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        port = lab.first_free_port(taken, {taken + 1})
    assert port > taken + 1


def inspected(**changes) -> dict:
    return {
        "Name": "/ibgateway-lab-production",
        "State": {"Status": "running"},
        "Config": {
            "Image": "ibgateway-lab/host:1",
            "Labels": {"ibgateway-lab": "host", "ibgateway-lab.build": "abc.1"},
        },
        "HostConfig": {"PortBindings": {"22/tcp": [{"HostIp": "127.0.0.1", "HostPort": "22002"}]}},
        "NetworkSettings": {"Networks": {"ibgateway-lab": {}, "ibgateway-lab-control": {}}},
        **changes,
    }


def test_a_container_is_read_from_what_the_engine_says():
    container = lab.Container.of(inspected())
    assert (container.host, container.port, container.build, container.cut_from) == ("production", 22002, "abc.1", [])


@pytest.mark.parametrize(
    ("networks", "cut_from"),
    [(["ibgateway-lab"], ["controller"]), (["ibgateway-lab-control"], ["ibkr"]), ([], ["controller", "ibkr"])],
)
def test_a_cut_shows(networks: list[str], cut_from: list[str]):
    container = lab.Container.of(inspected(NetworkSettings={"Networks": dict.fromkeys(networks, {})}))
    assert container.cut_from == cut_from


@pytest.mark.parametrize(
    "name", ["production", "production.abstractfinance.example", "ibgateway-lab-production"]
)  # fmt: skip
def test_a_host_is_found_by_any_of_its_names(monkeypatch, name: str):
    container = lab.Container.of(inspected())
    monkeypatch.setattr(lab.Lab, "containers", lambda self: {"production": container})
    assert lab.Lab().host(name) is container


def test_an_unknown_host_is_refused_with_the_known_ones(monkeypatch):
    monkeypatch.setattr(lab.Lab, "containers", lambda self: {"production": lab.Container.of(inspected())})
    with pytest.raises(LabError, match="no host elsewhere .*production"):
        lab.Lab().host("elsewhere")


@pytest.mark.parametrize("arguments", [["up", "--hosts", "1"], ["up", "--hosts", "100"], ["cut"], ["explode"]])
def test_a_wrong_command_line_is_refused(arguments: list[str]):
    with pytest.raises(SystemExit) as caught:
        cli.parser().parse_args(arguments)
    assert caught.value.code == 2


def test_a_command_for_a_host_keeps_its_options():
    options = cli.parser().parse_args(["exec", "staging", "docker", "ps", "--all"])
    assert options.arguments == ["docker", "ps", "--all"]


def test_a_playbook_runs_without_the_callers_ansible_and_1password():
    outer = {
        "PATH": "/usr/bin",
        "HOME": "/home/operator",
        "ANSIBLE_INVENTORY": "/elsewhere",
        "ANSIBLE_CONFIG": "/elsewhere/ansible.cfg",
        "OP_SERVICE_ACCOUNT_TOKEN": "ops_real",
        "OP_CONNECT_HOST": "https://connect.example",
        "PYTHONPATH": "/elsewhere",
    }
    found = play.environment(outer, "ops_made_up")
    assert found["OP_SERVICE_ACCOUNT_TOKEN"] == "ops_made_up"
    assert found["ANSIBLE_CONFIG"] == str(settings.REPOSITORY / "ansible.cfg")
    assert found["PYTHONPATH"] == str(settings.SOURCES / "onepassword")
    assert found["LAB_ONEPASSWORD"] == str(settings.SOURCES / "onepassword.json")
    assert found["HOME"] == "/home/operator"
    assert {name for name in found if name.startswith(("ANSIBLE_", "OP_"))} == {
        "ANSIBLE_CONFIG",
        "OP_SERVICE_ACCOUNT_TOKEN",
    }


def test_another_store_of_1password_is_respected(tmp_path: pathlib.Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = play.environment({"PATH": "", "LAB_ONEPASSWORD": "store.json"}, "ops_")
    assert found["LAB_ONEPASSWORD"] == str(tmp_path / "store.json")


def test_1password_itself_is_out_of_reach():
    found = play.environment({"PATH": "", "HTTPS_PROXY": "http://proxy.example:3128"}, "ops_")
    with socket.socket() as probe:
        host, port = re.fullmatch(r"http://(.*):(\d+)", found["HTTPS_PROXY"]).groups()
        assert probe.connect_ex((host, int(port))) != 0
    assert found["https_proxy"] == found["HTTPS_PROXY"]


def test_the_token_is_made_up_and_well_formed():
    assert re.fullmatch(r"ops_[A-Za-z0-9_-]{100,}", play.made_up_token())
    assert play.made_up_token() == play.made_up_token()


def test_a_playbook_is_found_by_path_by_name_and_by_fqcn(tmp_path: pathlib.Path, monkeypatch):
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "deploy-staging.yml").write_text("[]")
    (tmp_path / "mine.yml").write_text("[]")
    monkeypatch.setattr(settings, "REPOSITORY", tmp_path)
    monkeypatch.chdir(tmp_path)
    expected = str(tmp_path / "playbooks" / "deploy-staging.yml")
    assert play.playbook_path("deploy-staging.yml") == expected
    assert play.playbook_path("deploy-staging") == expected
    assert play.playbook_path("playbooks/deploy-staging.yml") == expected
    assert play.playbook_path("mine.yml") == os.fspath(tmp_path / "mine.yml")
    assert play.playbook_path("abstractfinance.ibgateway.deploy_staging") == "abstractfinance.ibgateway.deploy_staging"
    with pytest.raises(LabError, match=re.escape("There is no playbook nope.yml")):
        play.playbook_path("nope.yml")
