# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same tests against the lab's 1Password and, where a token is given, against 1Password itself, which they only read.

    OP_SERVICE_ACCOUNT_TOKEN=ops_... .venv/bin/pytest tests/integration/onepassword

`ONEPASSWORD_VAULT`, `ONEPASSWORD_LOGIN_ITEM`, `ONEPASSWORD_TOTP_ITEM` and `ONEPASSWORD_ENV_ITEM` name the items where they
are not those of staging. What is read there is compared by keyed digests, and is removed when a test ends.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import dotenv

ROOT = Path(__file__).parents[3]
LAB = ROOT / "tests" / "lab"
TOKEN = "OP_SERVICE_ACCOUNT_TOKEN"
STAGING = {
    "ONEPASSWORD_VAULT": "AF - Trading Infra - Staging",
    "ONEPASSWORD_LOGIN_ITEM": "ibkr.staging",
    "ONEPASSWORD_TOTP_ITEM": "ibkr.staging.totp-key",
    "ONEPASSWORD_ENV_ITEM": "abstractfinance.staging.env",
}
PASSED_ON = ("PATH", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")

pytestmark = pytest.mark.skipif(find_spec("onepassword") is None, reason="onepassword-sdk is not installed")

# Asks the SDK itself, and tells nothing but digests and the names of the note's variables.
TRUTH = """
import asyncio, hashlib, hmac, json, os, sys
from onepassword.client import Client
asked = json.load(sys.stdin)

async def run():
    client = await Client.authenticate(os.environ["OP_SERVICE_ACCOUNT_TOKEN"], "abstractfinance.ibgateway tests", "0.1.0")
    found = (await client.secrets.resolve_all(list(asked["references"].values()))).individual_responses
    return {key: found[reference].content.secret for key, reference in asked["references"].items()}

found = asyncio.run(run())
print(json.dumps({key: hmac.new(asked["key"].encode(), text.encode(), "sha256").hexdigest() for key, text in found.items()}))
"""


class Service:
    def __init__(self, place, token, names, environment):
        self.place = place
        self._environment = {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "HOME": str(place),
            "TMPDIR": str(place),
            "LANG": "C.UTF-8",
            "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            TOKEN: token,
            **environment,
        }
        self._key = secrets.token_hex(16)
        self._names = names
        self.vault = names["ONEPASSWORD_VAULT"]
        (place / "ansible.cfg").touch()

    def reference(self, item, field):
        return f"op://{self.vault}/{self._names[f'ONEPASSWORD_{item}_ITEM']}/{field}"

    @property
    def items(self):
        return {
            "IBKR_USERNAME": self.reference("LOGIN", "username"),
            "IBKR_PASSWORD": self.reference("LOGIN", "password"),
            "IBKR_TOTP_KEY": self.reference("TOTP", "password"),
        }

    def truth(self, references):
        done = subprocess.run(
            [sys.executable, "-c", TRUTH],
            input=json.dumps({"key": self._key, "references": references}),
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode != 0:
            pytest.fail("1Password does not give the items that the tests read: see the environment variables above")
        return json.loads(done.stdout)

    def digest(self, text):
        return hmac.new(self._key.encode(), text.encode(), hashlib.sha256).hexdigest()

    def render(self, *arguments, expected=0, **options):
        """The output, in which no secret of the file and not the token may stand."""
        task = {"path": "{{ place }}/.env", **options}
        tasks = [{"abstractfinance.ibgateway.env_file": task, "register": "env"}]
        play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
        play["vars"] = {"place": str(self.place), "ansible_python_interpreter": sys.executable}
        (self.place / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", *arguments]
        done = subprocess.run(
            [*command, str(self.place / "play.yml")],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        output = done.stdout + done.stderr
        shown = [key for key in ("IBKR_PASSWORD", "IBKR_TOTP_KEY") if self.rendered().get(key, "\0") in output]
        shown += [TOKEN] * (self._environment[TOKEN] in output)
        assert shown == []
        assert done.returncode == expected, output
        return output

    def rendered(self):
        path = self.place / ".env"
        entries = dotenv.parse(path.read_text(encoding="utf-8")).entries() if path.exists() else {}
        return {key: entry.value for key, entry in entries.items()}


@pytest.fixture(params=["lab", "1password"])
def service(request):
    with tempfile.TemporaryDirectory(prefix="onepassword-") as name:
        if request.param == "lab":
            made = [sys.executable, str(LAB / "onepassword" / "lab_onepassword.py")]
            token = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
            lab = {"PYTHONPATH": str(LAB / "onepassword"), "LAB_ONEPASSWORD": str(LAB / "onepassword.json")}
            yield Service(Path(name), token, STAGING, lab)
            return
        token = os.environ.get(TOKEN)
        if not token:
            pytest.skip(f"{TOKEN} is not set, so nothing was asked of 1Password itself (CONTRIBUTING.md, Test)")
        yield Service(Path(name), token, {key: os.environ.get(key, name) for key, name in STAGING.items()}, {})


def test_the_items_arrive_as_1password_holds_them(service):
    service.render("-vvvv", "--diff", values=service.items)
    assert {key: service.digest(value) for key, value in service.rendered().items()} == service.truth(service.items)


def test_a_second_run_leaves_the_file_alone(service):
    service.render(values=service.items)
    before = (service.place / ".env").stat()
    assert "changed=0" in service.render("-vvvv", "--diff", values=service.items)
    after = (service.place / ".env").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_note_is_the_template(service):
    note = service.reference("ENV", "notesPlain")
    service.render("-vvvv", "--diff", template_ref=note, values=service.items)
    rendered = service.rendered()
    wanted = service.truth(service.items)
    assert {key: service.digest(rendered[key]) for key in wanted} == wanted
    alone = service.place / "alone"
    service.render(path=str(alone), template_ref=note)
    if "op://" not in alone.read_text(encoding="utf-8"):
        text = alone.read_bytes().decode()
        assert service.digest(text) == service.truth({"note": note})["note"]


def test_what_is_not_there_is_named(service):
    item = service.reference("LOGIN", "username").rpartition("/")[0]
    values = {
        "NO_VAULT": "op://there is no such vault/item/field",
        "NO_ITEM": f"op://{service.vault}/there is no such item/field",
        "NO_FIELD": f"{item}/there is no such field",
        "NO_SECTION": f"{item}/there is no such section/field",
    }
    output = service.render(values=values, expected=2)
    (result,) = re.findall(r"fatal: \[localhost\]: FAILED! => ({.*})", output)
    assert {problem["key"]: problem["code"] for problem in json.loads(result)["problems"]} == {
        "NO_VAULT": "secrets-no-vault-access",
        "NO_ITEM": "secret-not-found",
        "NO_FIELD": "secret-not-found",
        "NO_SECTION": "secret-not-found",
    }
    assert not (service.place / ".env").exists()


def test_check_mode_reads_and_writes_nothing(service):
    assert "changed=1" in service.render("--check", "--diff", values=service.items)
    assert not (service.place / ".env").exists()
