# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.abstractfinance.ibgateway.plugins.filter.primary_exchange import primary_exchange
from ansible_collections.abstractfinance.ibgateway.plugins.filter.ucits_alternative import ucits_alternative

VTI = {"VTI": {"symbol": "VWRA", "exchange": "LSE", "currency": "USD"}}


@pytest.mark.parametrize(
    ("given", "arguments", "primary"),
    [
        ("LSE", (), "LSEETF"),
        ("XETRA", (), "IBIS"),
        ("SBF", (), "SBF"),
        ("LSE", ("stock",), "LSE"),
        ("MOON", ("stock", {"MOON": {"stock": "LUNA"}}), "LUNA"),
        ({"symbol": "VOD", "type": "stock", "exchange": "LSE"}, (), "LSE"),
        ({"symbol": "SAP", "exchange": "XETRA"}, (), "IBIS"),
    ],
)
def test_primary_exchange(given, arguments, primary):
    assert primary_exchange(given, *arguments) == primary


@pytest.mark.parametrize(
    ("given", "arguments", "words"),
    [
        ("LON", (), "did you mean LSE"),
        ({"symbol": "VOD", "exchange": "LSE"}, (), "the type is not stated"),
        ({"symbol": "VOD"}, (), "it takes an exchange's name"),
        (None, (), "it takes an exchange's name"),
        ("LSE", ("bond",), "the types stock, etf, STK"),
        ("LSE", ("etf", {"MOON": 1}), "instruments_exchanges: MOON"),
    ],
)
def test_primary_exchange_refuses(given, arguments, words):
    with pytest.raises(AnsibleFilterError, match=words) as caught:
        primary_exchange(given, *arguments)
    assert str(caught.value).endswith("]")


@pytest.mark.parametrize(
    ("given", "arguments", "answer"),
    [
        ("SPY", (), "CSPX"),
        ("QQQ", (), "CNDX"),
        ("LQD", (), "LQDE"),
        ("SPY", ("exchange",), "LSE"),
        ("SPY", ("primary_exchange",), "LSEETF"),
        ("VTI", ("symbol", VTI), "VWRA"),
    ],
)
def test_ucits_alternative(given, arguments, answer):
    assert ucits_alternative(given, *arguments) == answer


@pytest.mark.parametrize(
    ("given", "arguments", "words"),
    [
        ("VTI", (), "no UCITS alternative of VTI is known here"),
        (["SPY"], (), "it takes an ETF's symbol"),
        ("SPY", ("isin",), "one of the fields"),
    ],
)
def test_ucits_alternative_refuses(given, arguments, words):
    with pytest.raises(AnsibleFilterError, match=words) as caught:
        ucits_alternative(given, *arguments)
    assert str(caught.value).endswith("]")
