# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
from typing import Any, Dict, List

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.changes import differing, read_env, resolve

TEMPLATE = {
    "IB_USERNAME": "${IBKR_USERNAME:?}",
    "IB_PASSWORD": "${IBKR_PASSWORD:?}",
    "IB_LOGINTYPE": "${TRADING_MODE:-Paper Trading}",
    "IB_READONLY": "",
    "IB_REGION": "Europe",
}
ENV = {"IBKR_USERNAME": "afpaper01", "IBKR_PASSWORD": "p$w'd", "TRADING_MODE": "Paper Trading"}
MADE = ["IB_USERNAME=afpaper01", "IB_PASSWORD=p$w'd", "IB_LOGINTYPE=Paper Trading", "IB_REGION=Europe"]


def made(*lines: str) -> Dict[str, Any]:
    return {"Config": {"Env": [*MADE, *lines]}}


def test_what_compose_made_of_the_env_does_not_differ() -> None:
    assert differing(made(), TEMPLATE, ENV) == []
    assert differing(made("IB_READONLY="), TEMPLATE, ENV) == []


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["IB_PASSWORD=old"], ["IB_PASSWORD"]),
        (["IB_READONLY=yes"], ["IB_READONLY"]),
        (["IB_LOGINTYPE=paper", "IB_REGION=europe"], ["IB_LOGINTYPE", "IB_REGION"]),
        (["UNKNOWN=1"], []),
    ],
)
def test_what_differs_is_named(lines: List[str], names: List[str]) -> None:
    assert differing(made(*lines), TEMPLATE, ENV) == names


def test_a_key_that_is_not_there_or_cannot_be_told_differs() -> None:
    assert differing(made(), TEMPLATE, {**ENV, "IBKR_PASSWORD": None}) == ["IB_PASSWORD"]
    assert differing(made(), TEMPLATE, {}) == ["IB_PASSWORD", "IB_USERNAME"]


def test_a_default_stands_in_for_what_is_missing_or_empty() -> None:
    assert resolve(TEMPLATE, {"TRADING_MODE": ""})["IB_LOGINTYPE"] == "Paper Trading"
    assert resolve(TEMPLATE, {"TRADING_MODE": "Live Trading"})["IB_LOGINTYPE"] == "Live Trading"


def test_env_is_read_as_compose_reads_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / ".env"
    assert read_env(str(path)) == {}
    path.write_text("A='p$w' # c\nB=\"x\\$y\"\nC=${A}\n", encoding="utf-8")
    assert read_env(str(path)) == {"A": "p$w", "B": "x$y", "C": None}
    path.write_bytes(b"\xff\xfe")
    assert read_env(str(path)) == {}
