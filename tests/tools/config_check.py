# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is still to be set in the inventories before a first deploy. Reads them, and asks no host and no vault.

`config_check.py [INVENTORY...]`; without names, inventories/staging and inventories/production.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".collections"
if COLLECTIONS.is_dir():
    sys.path.insert(0, str(COLLECTIONS))

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import gateways, preflight  # noqa: E402
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError  # noqa: E402
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import plan_run  # noqa: E402

DELIVERED_ACCOUNTS = ("DU1234567", "U7654321")
MODES = {"Paper Trading": gateways.PAPER, "Live Trading": gateways.LIVE}
TO_SET, TO_CONSIDER = "to set", "to consider"


@dataclass(frozen=True)
class Finding:
    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind:<13}{self.where:<13}{self.text}"


def read_inventory(names: Sequence[str]) -> dict[str, Any]:
    sources = [part for name in names for part in ("-i", name)]
    done = subprocess.run(
        [sys.executable, "-c", "from ansible.cli.inventory import main; main()", *sources, "--list"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr.strip())
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


def address_by_ssh(host: str) -> str:
    """Where ssh would go, by its configuration."""
    asked = subprocess.run(["ssh", "-G", host], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = re.search(r"^hostname (.+)$", asked.stdout, re.MULTILINE)
    return found[1] if found else host


def members(listed: Mapping[str, Any], group: str) -> list[str]:
    content = listed.get(group, {})
    return [
        *content.get("hosts", []),
        *(host for child in content.get("children", []) for host in members(listed, child)),
    ]


def check(listed: Mapping[str, Any], address: Callable[[str], str] = address_by_ssh) -> Iterator[Finding]:
    hostvars = listed.get("_meta", {}).get("hostvars", {})
    groups = {name: members(listed, name) for name in listed if name != "_meta"}
    environments = listed.get("ibgateway", {}).get("children", [])
    fleets = {tuple(found.get("session_fleet") or ()) for found in hostvars.values()}
    if len(fleets) > 1:
        yield Finding(
            TO_SET, "fleet list", "session_fleet differs from host to host: every inventory links to one file"
        )
    for environment in environments or ["staging"]:
        try:
            plan_run(environment, next(iter(sorted(fleets)), ()), groups)
        except GatewayError as error:
            yield Finding(TO_SET, environment, str(error))
    for environment in environments:
        for host in groups[environment]:
            yield from check_host(environment, host, hostvars.get(host, {}), address)


def check_host(
    environment: str, host: str, found: Mapping[str, Any], address: Callable[[str], str]
) -> Iterator[Finding]:
    reached = str(found.get("ansible_host") or address(host))
    if reached.endswith(".example"):
        yield Finding(TO_SET, environment, f"{reached} is no real host: its name, or its address as ansible_host")
    mode, account = found.get("gateway_trading_mode"), str(found.get("gateway_account") or "")
    if mode not in MODES:
        yield Finding(TO_SET, environment, f"gateway_trading_mode is {mode!r}: one of {', '.join(MODES)}")
    if not account or account in DELIVERED_ACCOUNTS:
        delivered = f"{account}, as delivered" if account else "not set"
        yield Finding(TO_SET, environment, f"gateway_account is {delivered}: the account that the login must have")
    elif mode in MODES and not preflight.is_account_of(account, MODES[str(mode)]):
        yield Finding(TO_SET, environment, f"gateway_account {account} is no account of {mode}")
    if not found.get("gateway_vault"):
        yield Finding(
            TO_SET, environment, "gateway_vault is not set: the 1Password vault with this environment's items"
        )
    if found.get("gateway_image_tag", "latest") == "latest":
        yield Finding(
            TO_CONSIDER, environment, "gateway_image_tag is latest, which moves: a digest (sha256:…) does not"
        )
    if not found.get("gateway_trading_engine"):
        yield Finding(TO_CONSIDER, environment, "gateway_trading_engine is empty: no service that trades is deployed")


def main(arguments: Sequence[str]) -> int:
    names = list(arguments) or [str(ROOT / "inventories" / name) for name in ("staging", "production")]
    findings = list(check(read_inventory(names)))
    for finding in findings:
        print(finding)
    to_set = sum(finding.kind == TO_SET for finding in findings)
    print(f"{to_set} to set, {len(findings) - to_set} to consider. No host and no vault was asked.")
    if to_set and not arguments:
        print("Hosts: inventories/<environment>/hosts.yml, and the list of all in inventories/fleet.yml.")
        print("All else: inventories/<environment>/group_vars/<environment>/gateway.yml.")
    return 1 if to_set else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
