# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
from typing import Any

import config_check
import pytest

FLEET = ["stg", "prd"]
STAGING = {
    "session_fleet": FLEET,
    "ansible_host": "192.0.2.1",
    "gateway_trading_mode": "Paper Trading",
    "gateway_account": "DU7777777",
    "gateway_vault": "Vault",
    "gateway_image_tag": "sha256:00",
    "gateway_trading_engine": {"image": "x"},
}
PRODUCTION = {**STAGING, "gateway_trading_mode": "Live Trading", "gateway_account": "U1111111"}
LISTED = {
    "_meta": {"hostvars": {"stg": STAGING, "prd": PRODUCTION}},
    "ibgateway": {"children": ["staging", "production"]},
    "staging": {"hosts": ["stg"]},
    "production": {"hosts": ["prd"]},
}


def findings(change: Any = None, address: str = "192.0.2.9") -> list[str]:
    listed = copy.deepcopy(LISTED)
    if change:
        change(listed)
    return [str(finding) for finding in config_check.check(listed, lambda host: address)]


def test_a_complete_inventory_leaves_nothing() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("gateway_account", "DU1234567", "to set       staging      gateway_account is DU1234567, as delivered"),
        ("gateway_account", None, "gateway_account is not set"),
        ("gateway_account", "U7777777", "gateway_account U7777777 is no account of Paper Trading"),
        ("gateway_trading_mode", "paper", "gateway_trading_mode is 'paper'"),
        ("gateway_vault", "", "gateway_vault is not set"),
        ("gateway_image_tag", "latest", "to consider  staging      gateway_image_tag is latest"),
        ("gateway_trading_engine", {}, "to consider  staging      gateway_trading_engine is empty"),
        ("ansible_host", "staging.abstractfinance.example", "staging.abstractfinance.example is no real host"),
    ],
)
def test_what_is_missing_is_named_once(name: str, value: Any, said: str) -> None:
    (found,) = findings(lambda listed: listed["_meta"]["hostvars"]["stg"].update({name: value}))
    assert said in found


def test_an_address_of_ssh_serves() -> None:
    def without(listed: dict[str, Any]) -> None:
        del listed["_meta"]["hostvars"]["stg"]["ansible_host"]

    assert findings(without) == []
    (found,) = findings(without, address="stg.example")
    assert "stg.example is no real host" in found


def test_fleet_list_and_inventory_have_to_agree() -> None:
    def unlisted(listed: dict[str, Any]) -> None:
        for host in listed["_meta"]["hostvars"].values():
            host["session_fleet"] = ["stg"]

    assert all("does not list prd" in found for found in findings(unlisted))
    assert len(findings(unlisted)) == 2
    differs = findings(lambda listed: listed["_meta"]["hostvars"]["prd"].update(session_fleet=["prd"]))
    assert any("differs from host to host" in found for found in differs)


def test_the_inventories_as_delivered_are_told_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert config_check.main([]) == 1
    out = capsys.readouterr().out
    for host in ("staging", "production"):
        assert f"{host}.abstractfinance.example is no real host" in out
    assert "DU1234567, as delivered" in out
    assert "U7654321, as delivered" in out
    total, *places = out.splitlines()[-3:]
    assert total == "4 to set, 4 to consider. No host and no vault was asked."
    for name in re.findall(r"inventories/\S+\.yml", " ".join(places)):
        assert (config_check.ROOT / name.replace("<environment>", "staging")).exists()
