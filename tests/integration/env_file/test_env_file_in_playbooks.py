# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`env_file` as a user calls it: ansible-playbook, the real SDK, only the native core replaced."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAB = ROOT / "tests" / "lab" / "onepassword"
VAULT = "AF - Trading Infra - Staging"
NOTE = f"op://{VAULT}/abstractfinance.staging.env/notesPlain"
CANARIES = [f"canary{number:02}-{'z9' * 6}" for number in range(20)]

pytestmark = pytest.mark.skipif(find_spec("onepassword") is None, reason="onepassword-sdk is not installed")


class Controller:
    def __init__(self, place):
        self.place = place
        self.home = place / "home"
        self.home.mkdir()
        (place / "ansible.cfg").touch()
        self.counts = place / "counts"
        self.store = {
            VAULT: {
                "ibkr.staging": {"username": "afpaper01", "password": CANARIES[0]},
                "abstractfinance.staging.env": {
                    "notesPlain": "\n".join(
                        ["# the stack", "IBKR_PASSWORD=", "TRADING_MODE=Paper Trading"]
                        + [f"KEY_{number:02}={canary}" for number, canary in enumerate(CANARIES)]
                        + ["# " + CANARIES[7], ""]
                    )
                },
            }
        }
        made = subprocess.run(
            [sys.executable, str(LAB / "lab_onepassword.py")], capture_output=True, text=True, check=True
        )
        self.token = made.stdout.strip()

    def task(self, **options):
        given = {
            "path": "{{ place }}/{{ inventory_hostname }}.env",
            "template_ref": NOTE,
            "values": {"IBKR_PASSWORD": f"op://{VAULT}/ibkr.staging/password"},
            "public_keys": ["TRADING_MODE"],
            **options,
        }
        return {
            "name": "Render the environment",
            "abstractfinance.ibgateway.env_file": {key: value for key, value in given.items() if value is not None},
        }

    def play(self, tasks, *arguments, hosts=1, expected=0, **environment):
        play = {
            "hosts": "all",
            "gather_facts": False,
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "place": str(self.place),
            },
            "tasks": tasks,
        }
        (self.place / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        (self.place / "store.json").write_text(json.dumps(self.store), encoding="utf-8")
        self.counts.unlink(missing_ok=True)
        inventory = ",".join(f"host{number:02}" for number in range(hosts)) + ","
        command = [sys.executable, "-m", "ansible", "playbook", "-i", inventory, "--forks", "20"]
        finished = subprocess.run(
            [*command, str(self.place / "play.yml"), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "LANG": "C.UTF-8",
                "TMPDIR": str(self.place),
                "PYTHONPATH": str(LAB),
                "LAB_ONEPASSWORD": str(self.place / "store.json"),
                "LAB_ONEPASSWORD_COUNTS": str(self.counts),
                "ANSIBLE_CONFIG": str(self.place / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
                "OP_SERVICE_ACCOUNT_TOKEN": self.token,
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        output = finished.stdout + finished.stderr
        assert finished.returncode == expected, output
        return output

    def calls(self):
        return [json.loads(line)["call"] for line in self.counts.read_text(encoding="utf-8").splitlines()]

    def secrets_in(self, text):
        return [secret for secret in (*CANARIES, self.token) if secret in text]


@pytest.fixture
def controller(tmp_path):
    return Controller(tmp_path)


@pytest.mark.parametrize("hosts", [2, 20])
def test_one_sign_in_and_one_bulk_resolve_for_all_hosts_and_tasks(controller, hosts):
    checked = {**controller.task(), "check_mode": True}
    controller.play([checked, controller.task(), controller.task()], hosts=hosts)
    assert controller.calls() == ["sign_in", "resolve_all"]
    contents = {path.read_text(encoding="utf-8") for path in controller.place.glob("host*.env")}
    assert len(list(controller.place.glob("host*.env"))) == hosts
    assert len(contents) == 1
    assert f"IBKR_PASSWORD={CANARIES[0]}\n" in contents.pop()


class Watch:
    """Looks at the arguments of all processes while a playbook runs."""

    def __init__(self, controller):
        self.controller = controller
        self.found = set()
        self.looked = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    arguments = (process / "cmdline").read_bytes().decode(errors="replace")
                except OSError:
                    continue
                self.looked += 1
                self.found.update(self.controller.secrets_in(arguments))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"ANSIBLE_KEEP_REMOTE_FILES": "1"},
        {"ANSIBLE_DEBUG": "1"},
        {"ANSIBLE_PIPELINING": "0", "ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": "facts"},
        {"ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1", "ANSIBLE_LOG_PATH": "log"},
    ],
    ids=["plain", "keep", "debug", "cache", "log"],
)
def test_no_secret_anywhere_but_in_the_file(controller, environment):
    places = {name: str(controller.place / value) for name, value in environment.items() if value in ("facts", "log")}
    failing = {
        "name": "A task that fails, with the result of the other",
        "ansible.builtin.fail": {"msg": "{{ env }}"},
    }
    tasks = [{**controller.task(), "register": "env"}, failing]
    with Watch(controller) as watch:
        output = controller.play(tasks, "-vvvv", "--diff", "--check", expected=2, **{**environment, **places})
        output += controller.play(tasks, "-vvvv", "--diff", expected=2, **{**environment, **places})
    assert "KEY_00=********" in output
    assert controller.secrets_in(output) == []
    assert watch.looked > 0
    assert watch.found == set()
    for path in controller.place.rglob("*"):
        if path.is_file() and path.name not in ("host00.env", "store.json"):
            assert controller.secrets_in(path.read_bytes().decode(errors="replace")) == [], path
    assert controller.secrets_in((controller.place / "host00.env").read_text(encoding="utf-8")) == CANARIES


def test_ten_faults_in_one_report_and_nothing_written(controller):
    note = "\n".join(
        [
            "TRADING_MODE=paper",
            "IBKR_ACCOUNT_ID=U7654321",
            "VNC_PASSWORD=toolongforvnc",
            "TWICE=1",
            "TWICE=2",
            "what is this",
            f"EMPTY_SEGMENT=op://{VAULT}//field",
            f"NO_ITEM=op://{VAULT}/none/field",
            "NO_VAULT=op://Nowhere/item/field",
            f"NO_FIELD=op://{VAULT}/ibkr.staging/none",
            "",
        ]
    )
    controller.store[VAULT]["abstractfinance.staging.env"]["notesPlain"] = note
    controller.store[VAULT]["ibkr.staging"]["password"] = "-" + CANARIES[0]
    rules = {
        "TRADING_MODE": {"choices": ["Paper Trading", "Live Trading"]},
        "IBKR_ACCOUNT_ID": {"equals": "DU1234567"},
        "VNC_PASSWORD": {"max_length": 8},
        "IBKR_PASSWORD": {"gateway_password": True},
        "IBKR_USERNAME": {"required": True},
    }
    output = controller.play([controller.task(rules=rules)], expected=2)
    assert "11 problems" in output
    assert set(re.findall(r'"code": "([a-z0-9-]+)", "key"', output)) == {
        "env-key-missing",
        "env-template-duplicate-key",
        "env-template-unparsable",
        "inventory-disagrees",
        "password-unsafe",
        "secret-not-found",
        "secret-reference-malformed",
        "secrets-no-vault-access",
        "trading-mode-misspelt",
        "value-too-long",
    }
    assert "`Paper Trading` or `Live Trading`" in output
    assert controller.secrets_in(output) == []
    assert list(controller.place.glob("*.env")) == []


@pytest.mark.parametrize(
    ("token", "code"),
    [("", "secrets-token-missing"), ("x", "secrets-token-malformed"), ("foreign", "secrets-token-foreign-host")],
)
def test_a_token_that_is_wrong(controller, token, code):
    if token == "foreign":
        made = [sys.executable, str(LAB / "lab_onepassword.py"), "x@x.example", "127.0.0.1"]
        token = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
    output = controller.play([controller.task()], expected=2, OP_SERVICE_ACCOUNT_TOKEN=token)
    assert f"[{code}]" in output
    assert not token[1:] or token not in output


def test_needs_no_token_without_references(controller):
    task = controller.task(template_ref=None, template="# inline\nA=1\n", values={"B": 2})
    controller.play([task], OP_SERVICE_ACCOUNT_TOKEN="")
    assert (controller.place / "host00.env").read_text(encoding="utf-8") == "# inline\nA=1\nB=2\n"
    assert not controller.counts.exists()


def test_a_template_beside_the_playbook_does_not_pass_through_jinja(controller):
    (controller.place / "templates").mkdir()
    template = f"URL=postgres://u:{{{{ op://{VAULT}/ibkr.staging/username }}}}@db\r\nRAW={{{{ 1 + 1 }}}}\r\n"
    (controller.place / "templates" / "stack.env").write_bytes(template.encode())
    controller.play([controller.task(template_ref=None, template_src="stack.env", values={})])
    expected = b"URL=postgres://u:afpaper01@db\r\nRAW={{ 1 + 1 }}\r\n"
    assert (controller.place / "host00.env").read_bytes() == expected


def test_a_template_that_is_not_there(controller):
    output = controller.play([controller.task(template_ref=None, template_src="none.env")], expected=2)
    assert "[env-template-missing]" in output


def test_references_in_the_note_cost_one_request_more(controller):
    controller.store[VAULT]["abstractfinance.staging.env"]["notesPlain"] = f"A=op://{VAULT}/ibkr.staging/username\n"
    controller.play([controller.task(), controller.task()], hosts=2)
    assert controller.calls() == ["sign_in", "resolve_all", "resolve_all"]


def test_a_connection_that_needs_a_file_is_refused(controller):
    task = {**controller.task(), "become": True, "become_method": "ansible.builtin.su", "become_user": "nobody"}
    output = controller.play([task], expected=2)
    assert "[secrets-need-pipelining]" in output
    assert controller.secrets_in(output) == []


def test_leaves_no_process_and_no_directory(controller):
    controller.play([controller.task()])
    pids = {json.loads(line)["pid"] for line in controller.counts.read_text(encoding="utf-8").splitlines()}
    for pid in pids:
        for _attempt in range(1000):
            if not os.path.exists(f"/proc/{pid}/exe"):
                break
            threading.Event().wait(0.01)
        else:
            pytest.fail(f"process {pid} outlives its playbook by 10 s")
    assert list(controller.place.glob("abstractfinance-*")) == []
