# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What is known of exchanges and of UCITS alternatives: data only, the one place that has it. Inventories extend both
# tables by instruments_exchanges and instruments_ucits_alternatives.
#
# EXCHANGES, by the name that a file of instruments uses:
#   place  what it is
#   stock  IBKR's primaryExchange of a stock listed there (left out: no stocks are)
#   etf    IBKR's primaryExchange of an ETF listed there (left out: no ETFs are)
#   also   further primaryExchange names that a file may state for this listing
#   us     listed in the US, where ETFs have no KID
#   currencies  all that trade there (left out: several, not held to)
#
# IBKR's names are those of its list of exchanges (interactivebrokers.com/en/index.php?f=2222&exch=<name>) and those
# that its trading API returns as primaryExchange; LSE, XETRA and SBF are the operating guide's (G23). IBKR publishes
# no table of usual name and own name, so what is not here is refused, not guessed.

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, Mapping

EXCHANGES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "LSE": {"place": "London Stock Exchange", "stock": "LSE", "etf": "LSEETF"},
        "LSEETF": {"place": "London Stock Exchange, ETFs", "etf": "LSEETF"},
        "XETRA": {"place": "Xetra", "stock": "IBIS", "etf": "IBIS", "also": ("IBIS2",)},
        "IBIS": {"place": "Xetra", "stock": "IBIS", "etf": "IBIS", "also": ("IBIS2",)},
        "IBIS2": {"place": "Xetra, ETFs", "etf": "IBIS2"},
        "FWB": {"place": "Frankfurt", "stock": "FWB", "etf": "FWB", "also": ("FWB2",)},
        "SWB": {"place": "Stuttgart", "stock": "SWB", "etf": "SWB", "also": ("SWB2",)},
        "GETTEX": {"place": "Munich, gettex", "stock": "GETTEX", "etf": "GETTEX", "also": ("GETTEX2",)},
        "SBF": {"place": "Euronext Paris", "stock": "SBF", "etf": "SBF"},
        "AEB": {"place": "Euronext Amsterdam", "stock": "AEB", "etf": "AEB"},
        "ENEXT.BE": {"place": "Euronext Brussels", "stock": "ENEXT.BE", "etf": "ENEXT.BE"},
        "BVL": {"place": "Euronext Lisbon", "stock": "BVL", "etf": "BVL"},
        "ISED": {"place": "Euronext Dublin", "stock": "ISED", "etf": "ISED"},
        "BVME": {"place": "Borsa Italiana", "stock": "BVME", "etf": "BVME.ETF"},
        "BVME.ETF": {"place": "Borsa Italiana, ETFs", "etf": "BVME.ETF"},
        "BM": {"place": "Madrid", "stock": "BM", "etf": "BM"},
        "EBS": {"place": "SIX Swiss Exchange", "stock": "EBS", "etf": "EBS"},
        "VSE": {"place": "Vienna", "stock": "VSE", "etf": "VSE"},
        "SFB": {"place": "Nasdaq Stockholm", "stock": "SFB", "etf": "SFB"},
        "CPH": {"place": "Nasdaq Copenhagen", "stock": "CPH", "etf": "CPH"},
        "HEX": {"place": "Nasdaq Helsinki", "stock": "HEX", "etf": "HEX"},
        "WSE": {"place": "Warsaw", "stock": "WSE", "etf": "WSE"},
        "PRA": {"place": "Prague", "stock": "PRA", "etf": "PRA"},
        "BUX": {"place": "Budapest", "stock": "BUX", "etf": "BUX"},
        "NYSE": {"place": "New York", "stock": "NYSE", "etf": "NYSE", "us": True, "currencies": ("USD",)},
        "NASDAQ": {"place": "Nasdaq", "stock": "NASDAQ", "etf": "NASDAQ", "us": True, "currencies": ("USD",)},
        "ARCA": {"place": "NYSE Arca", "stock": "ARCA", "etf": "ARCA", "us": True, "currencies": ("USD",)},
        "AMEX": {"place": "NYSE American", "stock": "AMEX", "etf": "AMEX", "us": True, "currencies": ("USD",)},
        "BATS": {"place": "Cboe BZX", "stock": "BATS", "etf": "BATS", "us": True, "currencies": ("USD",)},
        "PINK": {"place": "OTC, US", "stock": "PINK", "us": True, "currencies": ("USD",)},
        "TSE": {"place": "Toronto", "stock": "TSE", "etf": "TSE"},
        "VENTURE": {"place": "TSX Venture", "stock": "VENTURE"},
        "TSEJ": {"place": "Tokyo", "stock": "TSEJ", "etf": "TSEJ"},
        "SEHK": {"place": "Hong Kong", "stock": "SEHK", "etf": "SEHK"},
        "SGX": {"place": "Singapore", "stock": "SGX", "etf": "SGX"},
        "ASX": {"place": "Sydney", "stock": "ASX", "etf": "ASX"},
    }
)

# Other names of exchanges, for the advice in an error; none of them is taken for the exchange itself.
OTHER_NAMES: Dict[str, str] = {
    "AMS": "AEB",
    "AMSTERDAM": "AEB",
    "BIT": "BVME",
    "BME": "BM",
    "BRU": "ENEXT.BE",
    "EPA": "SBF",
    "ETR": "XETRA",
    "FRA": "FWB",
    "GER": "XETRA",
    "HKEX": "SEHK",
    "ISLAND": "NASDAQ",
    "LON": "LSE",
    "LONDON": "LSE",
    "MIL": "BVME",
    "NMS": "NASDAQ",
    "NYSEARCA": "ARCA",
    "NYSEMKT": "AMEX",
    "PAR": "SBF",
    "PARIS": "SBF",
    "SIX": "EBS",
    "SWX": "EBS",
    "TSX": "TSE",
    "TYO": "TSEJ",
    "VIE": "VSE",
    "XAMS": "AEB",
    "XBRU": "ENEXT.BE",
    "XETR": "XETRA",
    "XETR.DE": "XETRA",
    "XLON": "LSE",
    "XMIL": "BVME",
    "XNAS": "NASDAQ",
    "XNYS": "NYSE",
    "XPAR": "SBF",
    "XSWX": "EBS",
    "XWBO": "VSE",
}

# UCITS alternatives of US-listed ETFs, by the ETF's symbol: the operating guide's (G22).
ALTERNATIVES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "SPY": {"symbol": "CSPX", "exchange": "LSE", "currency": "USD"},
        "QQQ": {"symbol": "CNDX", "exchange": "LSE", "currency": "USD"},
        "LQD": {"symbol": "LQDE", "exchange": "LSE", "currency": "USD"},
    }
)

CURRENCIES = (
    "AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "JPY", "NOK", "PLN", "SEK", "SGD", "USD",
)  # fmt: skip
