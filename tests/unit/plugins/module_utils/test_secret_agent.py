# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import secret_agent
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

LAB = Path(__file__).parents[3] / "lab" / "onepassword"
REFERENCE = "op://Vault/item/field"

pytestmark = pytest.mark.skipif(find_spec("onepassword") is None, reason="onepassword-sdk is not installed")


def wait_until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited 20 s until {what}"
        time.sleep(0.02)


class Run:
    """A process in the place of ansible-playbook, and the lab's 1Password."""

    def __init__(self, place, monkeypatch):
        # The path of a socket is short: pytest's own directory can be too long for it.
        self.place = Path(tempfile.mkdtemp(prefix="af-", dir="/tmp"))
        self.store = place / "store.json"
        self.counts = place / "counts"
        self.counts.touch()
        self.store.write_text(json.dumps({"Vault": {"item": {"field": "hunter2"}}}), encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(LAB))
        monkeypatch.setenv("LAB_ONEPASSWORD", str(self.store))
        monkeypatch.setenv("LAB_ONEPASSWORD_COUNTS", str(self.counts))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(self.place))
        monkeypatch.setenv("OP_SERVICE_ACCOUNT_TOKEN", "not the agent's business")
        self.token = self.made_token("lab@abstractfinance.example")
        self.main = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self.process = secret_agent.Process.find(self.main.pid)

    @staticmethod
    def made_token(email):
        made = subprocess.run(
            [sys.executable, str(LAB / "lab_onepassword.py"), email], capture_output=True, text=True, check=True
        )
        return made.stdout.strip()

    def resolve(self, *wanted, token=None):
        return secret_agent.resolve(token or self.token, wanted or [REFERENCE], self.process)

    def calls(self):
        return [json.loads(line) for line in self.counts.read_text(encoding="utf-8").splitlines()]

    def directories(self):
        return [entry for entry in self.place.iterdir() if entry.name.startswith(secret_agent.PREFIX)]

    def agent(self):
        return self.calls()[0]["pid"]

    def end(self):
        self.main.kill()
        self.main.communicate()


@pytest.fixture
def run(tmp_path, monkeypatch):
    made = Run(tmp_path, monkeypatch)
    yield made
    made.end()
    wait_until(lambda: not made.directories(), "the agent ended")
    made.place.rmdir()


def test_many_tasks_at_once_share_one_sign_in_and_one_bulk_resolve(run):
    with ThreadPoolExecutor(20) as tasks:
        answers = list(tasks.map(lambda _: run.resolve(), range(20)))
    assert answers == [{REFERENCE: "hunter2"}] * 20
    assert [call["call"] for call in run.calls()] == ["sign_in", "resolve_all"]


def test_sixty_keys_cost_no_more_than_one(run):
    wanted = [f"op://Vault/item/field{number}" for number in range(60)]
    run.store.write_text(
        json.dumps({"Vault": {"item": {f"field{number}": f"value {number}" for number in range(60)}}}), encoding="utf-8"
    )
    assert run.resolve(*wanted)["op://Vault/item/field59"] == "value 59"
    assert [(call["call"], call["references"]) for call in run.calls()] == [("sign_in", 0), ("resolve_all", 60)]


def test_a_second_token_signs_in_by_itself(run):
    run.resolve()
    run.resolve(token=run.made_token("production@abstractfinance.example"))
    assert [call["call"] for call in run.calls()] == ["sign_in", "resolve_all"] * 2


def test_what_is_refused_stays_refused_for_the_run(run):
    missing = "op://Vault/item/none"
    for _attempt in range(2):
        answer = run.resolve(missing)[missing]
        assert isinstance(answer, GatewayError)
        assert answer.code == "secret-not-found"
    assert len(run.calls()) == 2


def test_an_error_of_the_sign_in_reaches_the_task(run):
    fault = {"sign_in": {"message": "authentication error: you are not authenticated"}}
    run.store.write_text(json.dumps({"__faults__": fault}), encoding="utf-8")
    for _attempt in range(2):
        with pytest.raises(GatewayError) as error:
            run.resolve("op://Vault/item/one")
            run.resolve("op://Vault/item/other")
        assert error.value.code == "secrets-token-rejected"
    assert [call["call"] for call in run.calls()] == ["sign_in"]


def test_only_its_user_can_enter(run):
    run.resolve()
    (directory,) = run.directories()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "socket").stat().st_mode) & 0o077 == 0


def test_no_secret_in_its_files_arguments_or_environment(run):
    run.resolve()
    (directory,) = run.directories()
    assert sorted(entry.name for entry in directory.iterdir()) == ["lock", "socket"]
    assert (directory / "lock").read_bytes() == b""
    process = Path(f"/proc/{run.agent()}")
    for name in ("cmdline", "environ"):
        content = (process / name).read_text(encoding="utf-8")
        assert run.token not in content
        assert "hunter2" not in content
        assert "OP_SERVICE_ACCOUNT_TOKEN" not in content


def test_is_no_part_of_the_terminals_job(run):
    run.resolve()
    assert os.getsid(run.agent()) == run.agent()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_ends_with_ansible_playbook_and_leaves_nothing(run, end):
    run.resolve()
    agent = secret_agent.Process.find(run.agent())
    run.main.send_signal(end)
    run.main.communicate()
    wait_until(lambda: not agent.alive(), "the agent ended")
    wait_until(lambda: not run.directories(), "its directory was gone")


def test_a_killed_agent_is_replaced(run):
    run.resolve()
    agent = secret_agent.Process.find(run.agent())
    os.kill(agent.pid, signal.SIGKILL)
    wait_until(lambda: not agent.alive(), "the agent was gone")
    assert run.resolve() == {REFERENCE: "hunter2"}
    assert [call["call"] for call in run.calls()] == ["sign_in", "resolve_all"] * 2


def test_says_when_the_agent_ends_before_it_answers():
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        with pytest.raises(GatewayError) as error:
            secret_agent._converse(ours, "{}")
    assert error.value.code == "secrets-agent-failed"


def test_clears_away_what_killed_runs_left(run):
    left = run.place / f"{secret_agent.PREFIX}-{os.getuid()}-{run.main.pid}-1"
    left.mkdir(0o700)
    (left / "socket").touch()
    run.resolve()
    assert run.directories() != []
    assert left not in run.directories()


def test_refuses_a_directory_that_others_can_enter(run):
    directory = run.place / f"{secret_agent.PREFIX}-{os.getuid()}-{run.process.pid}-{run.process.started}"
    directory.mkdir()
    directory.chmod(0o755)
    with pytest.raises(GatewayError) as error:
        run.resolve()
    assert error.value.code == "secrets-agent-failed"
    directory.rmdir()


def test_refuses_a_link_in_the_place_of_its_directory(run, tmp_path):
    directory = run.place / f"{secret_agent.PREFIX}-{os.getuid()}-{run.process.pid}-{run.process.started}"
    (tmp_path / "elsewhere").mkdir(0o700)
    directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GatewayError) as error:
        run.resolve()
    assert error.value.code == "secrets-agent-failed"
    directory.unlink()


def test_a_place_with_too_long_a_path_is_passed_over(run, tmp_path, monkeypatch):
    too_long = tmp_path / ("x" * 90)
    too_long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(too_long))
    monkeypatch.setattr(tempfile, "tempdir", str(run.place))
    assert run.resolve() == {REFERENCE: "hunter2"}
    assert list(too_long.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(too_long))
    with pytest.raises(GatewayError) as error:
        run.resolve()
    assert error.value.code == "secrets-agent-failed"


def test_a_wrong_token_starts_nothing(run):
    with pytest.raises(GatewayError) as error:
        run.resolve(token="ops_e30")
    assert error.value.code == "secrets-token-malformed"
    assert run.directories() == []


def test_says_when_the_agent_cannot_start(run, monkeypatch):
    monkeypatch.setattr(secret_agent, "BOOTSTRAP", "raise SystemExit(1)")
    with pytest.raises(GatewayError) as error:
        run.resolve()
    assert error.value.code == "secrets-agent-failed"
    (directory,) = run.directories()
    (directory / "lock").unlink()
    directory.rmdir()


def test_a_number_used_again_is_another_process():
    own = secret_agent.Process.find(os.getpid())
    assert own.alive()
    assert not secret_agent.Process(own.pid, "1").alive()
