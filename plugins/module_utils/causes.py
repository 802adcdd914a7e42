# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES, UNKNOWN
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

PAPER = "paper"
LIVE = "live"
MODES = {"Paper Trading": PAPER, "Live Trading": LIVE}

_BY_CODE: Dict[str, Mapping[str, Any]] = {entry["code"]: entry for entry in CAUSES}


def find(code: str) -> Mapping[str, Any]:
    """The catalogue's entry of a code."""
    return _BY_CODE[code]


def message(code: str, mode: Optional[str] = None, **facts: object) -> str:
    """What is wrong, where, and what to do next, in one sentence without the code."""
    entry = find(code)
    known = dict(UNKNOWN)
    known.update({name: str(value) for name, value in facts.items() if value is not None and value != ""})
    says = entry["says"].format_map(known) + entry.get("in_mode", {}).get(mode, "")
    return f"{says[0].upper()}{says[1:]}: {entry['next'].format_map(known)}."


def error(code: str, mode: Optional[str] = None, **facts: object) -> GatewayError:
    """The same as an error, whose text ends with the code in brackets."""
    return GatewayError(message(code, mode, **facts), code)


def sentence(code: str, mode: Optional[str] = None, **facts: object) -> str:
    """The same as text, with the code in brackets at its end."""
    return str(error(code, mode, **facts))
