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
import tempfile
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
def controller():
    # The path of a socket is short: pytest's own directory can be too long for it.
    with tempfile.TemporaryDirectory(prefix="env-", dir="/tmp") as place:
        yield Controller(Path(place))


@pytest.mark.parametrize("keys", [5, 60])
@pytest.mark.parametrize("hosts", [2, 20])
def test_one_sign_in_and_one_bulk_resolve_for_all_hosts_keys_and_tasks(controller, hosts, keys):
    fields = {f"field{number}": f"value {number}" for number in range(keys)}
    controller.store[VAULT]["many"] = fields
    task = controller.task(values={name.upper(): f"op://{VAULT}/many/{name}" for name in fields})
    controller.play([{**task, "check_mode": True}, task, task], hosts=hosts)
    assert controller.calls() == ["sign_in", "resolve_all"]
    print(f"{hosts} hosts, {keys} keys, 3 tasks: {controller.calls()}")
    contents = [path.read_text(encoding="utf-8") for path in controller.place.glob("host*.env")]
    assert len(contents) == hosts
    assert len(set(contents)) == 1
    assert f"FIELD{keys - 1}='value {keys - 1}'\n" in contents[0]


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


TEN_FAULTS = {
    "TRADING_MODE": ("trading-mode-misspelt", f"line 1 of the note {NOTE}", "must be exactly `Paper Trading` or"),
    "IBKR_ACCOUNT_ID": ("inventory-disagrees", f"line 2 of the note {NOTE}", "correct one of them"),
    "VNC_PASSWORD": ("value-too-long", f"line 3 of the note {NOTE}", "shorten it"),
    "TWICE": ("env-template-duplicate-key", f"note {NOTE}: line 5 sets TWICE again", "keep one of them"),
    "": ("env-template-unparsable", f"note {NOTE}: line 6", "mend it, or put '#' before it"),
    "EMPTY_SEGMENT": ("secret-reference-malformed", f"op://{VAULT}//field", "write op://vault/item/field"),
    "NO_ITEM": ("secret-not-found", f"op://{VAULT}/none/field", "there is no item `none`"),
    "NO_VAULT": ("secrets-no-vault-access", "op://Nowhere/item/field", "use the token of a service account that can"),
    "NO_FIELD": ("secret-not-found", f"op://{VAULT}/ibkr.staging/none", "has no field `none`"),
    "TWO_ITEMS": ("secret-ambiguous", f"op://{VAULT}/twins/field", "rename one of them"),
    "IBKR_PASSWORD": ("password-unsafe", f"op://{VAULT}/ibkr.staging/password", "IBKR's portal can set another one"),
    "IBKR_USERNAME": ("env-key-missing", "", "put it into the template or the values"),
    "EMPTY": ("secret-empty", f"op://{VAULT}/ibkr.staging/empty", "store a value there"),
}


def test_ten_faults_and_more_in_one_report_and_nothing_written(controller):
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
            f"TWO_ITEMS=op://{VAULT}/twins/field",
            f"EMPTY=op://{VAULT}/ibkr.staging/empty",
            "",
        ]
    )
    controller.store[VAULT]["abstractfinance.staging.env"]["notesPlain"] = note
    controller.store[VAULT]["ibkr.staging"].update(password="-" + CANARIES[0], empty="")
    controller.store["__errors__"] = {f"op://{VAULT}/twins/field": "tooManyItems"}
    rules = {
        "TRADING_MODE": {"choices": ["Paper Trading", "Live Trading"]},
        "IBKR_ACCOUNT_ID": {"equals": "DU1234567"},
        "VNC_PASSWORD": {"max_length": 8},
        "IBKR_PASSWORD": {"gateway_password": True},
        "IBKR_USERNAME": {"required": True},
        "EMPTY": {"not_empty": True},
    }
    output = controller.play([controller.task(rules=rules)], expected=2)
    (result,) = re.findall(r"fatal: \[host00\]: FAILED! => ({.*})", output)
    problems = {problem["key"]: problem for problem in json.loads(result)["problems"]}
    assert f"{len(TEN_FAULTS)} problems with" in output
    assert problems.keys() == TEN_FAULTS.keys()
    for key, (code, where, remedy) in TEN_FAULTS.items():
        assert problems[key]["code"] == code
        assert [part for part in (key, where, remedy) if part not in problems[key]["message"]] == [], problems[key]
        assert f"{problems[key]['message']} [{code}]" in json.loads(result)["msg"]
    print(output)
    assert controller.secrets_in(output) == []
    assert "toolongforvnc" not in output
    assert list(controller.place.glob("*.env")) == []


def test_a_later_attempt_gets_through_what_passes_and_not_what_stays(controller):
    controller.store["__faults__"] = {"sign_in": {"message": "authentication error: internal server error", "times": 1}}
    again = {"register": "env", "until": "env is success", "retries": 2, "delay": 0}
    controller.play([{**controller.task(), **again}])
    assert controller.calls() == ["sign_in", "sign_in", "resolve_all"]
    controller.store["__faults__"] = {}
    missing = controller.task(template_ref=None, values={"A": f"op://{VAULT}/none/field"})
    assert "[secret-not-found]" in controller.play([{**missing, **again}], expected=2)
    assert controller.calls() == ["sign_in", "resolve_all"]


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
