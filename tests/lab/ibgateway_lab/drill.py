# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The incident of the operating guide (G25), put into the lab for people to find and to mend. Takes the lab as it is."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from typing import Any

from ibgateway_lab import settings
from ibgateway_lab.lab import Lab
from ibgateway_lab.process import LabError

Store = dict[str, dict[str, dict[str, str]]]

STAGING_VAULT = "AF - Trading Infra - Staging"
LIVE_VAULT = "AF - Trading Infra - Production"
ENV = "/srv/abstractfinance/.env"
LOGIN = "afpaper01"
LOGIN_TIMEOUT = 120
WORDS = """
The incident is in the lab: a gateway of staging that is not what its .env says, an old gateway on production with the same
login, and 1Password with the wrong login, the wrong password and a misspelt mode. Find it, and mend it:

  tests/lab/play diagnose.yml
  LAB_ONEPASSWORD={store} tests/lab/play remediate.yml -e gateway_environment=staging

Then do in 1Password what it tells you to, which here is to leave LAB_ONEPASSWORD out, and run the second command again.
"""


def confused(store: Store) -> Store:
    """1Password's item of staging with the live login and its password, and the note's mode misspelt."""
    live = store[LIVE_VAULT]["ibkr.production"]
    store[STAGING_VAULT]["ibkr.staging"].update(username=live["username"], password=live["password"])
    note = store[STAGING_VAULT]["abstractfinance.staging.env"]
    note["notesPlain"] = note["notesPlain"].replace("TRADING_MODE=Paper Trading", "TRADING_MODE=paper")
    return store


def prepare(lab: Lab) -> None:
    """Make of a deployed staging what the incident had: call it after a deploy."""
    staging = {"IBKR_USERNAME": "aflive01", "IBKR_PASSWORD": "the-live-password", "TRADING_MODE": "paper"}
    set_env(lab, "staging", staging)
    content = shlex.quote(lab.output("staging", "cat", ENV))
    lab.output("production", "sh", "-c", f"umask 077; mkdir -p /srv/abstractfinance; printf '%s\\n' {content} > {ENV}")
    users = json.loads((settings.SOURCES / "users.json").read_text(encoding="utf-8"))
    production = {"TRADING_MODE": "'Live Trading'", "IBKR_ACCOUNT_ID": "U7654321"}
    set_env(lab, "production", {**production, "IBKR_TOTP_KEY": users["aflive01"]["totp_secret"]})
    user = users[LOGIN]
    variables = {
        "IB_USERNAME": LOGIN,
        "IB_PASSWORD": user["password"],
        "TOTP_KEY": user["totp_secret"],
        "IB_LOGINTYPE": "Paper Trading",
        "IB_REGION": "Europe",
        "TERM": "dumb",
    }
    options = [option for name, value in variables.items() for option in ("-e", f"{name}={value}")]
    image = "ibgateway-lab/ibga:r20260803"
    lab.output("production", "docker", "run", "-d", "--name", "ibgateway-old", "--restart", "always", *options, image)
    deadline = time.monotonic() + LOGIN_TIMEOUT
    while not any(item["host"] == "production" for item in lab.ibkr_state()["sessions"]):
        if time.monotonic() > deadline:
            raise LabError(f"The old gateway on production did not log in within {LOGIN_TIMEOUT} s.")
        time.sleep(0.2)


def set_env(lab: Lab, host: str, values: dict[str, str]) -> None:
    edits = [option for key, value in values.items() for option in ("-e", f"s|^{key}=.*|{key}={value}|")]
    lab.output(host, "sed", "-i", *edits, ENV)


def play(*arguments: Any) -> int:
    return subprocess.run([settings.SOURCES / "play", *arguments], check=False).returncode


def main() -> int:
    lab = Lab()
    try:
        lab.reset()
        if play("deploy-staging.yml"):
            return 1
        prepare(lab)
    except LabError as error:
        print(f"drill: {error}", file=sys.stderr)
        return error.status
    store = settings.STATE / "drill.json"
    text = json.dumps(confused(json.loads((settings.SOURCES / "onepassword.json").read_text(encoding="utf-8"))))
    store.write_text(text, encoding="utf-8")
    print(WORDS.format(store=store.relative_to(settings.REPOSITORY)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
