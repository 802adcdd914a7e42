# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one look at each session of a host tells beyond its container: its proof, and what program it is."""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping, Optional, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_watch import HostWorld, first_lines
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import IBGA
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import (
    Bounds,
    Expected,
    Watch,
    describe,
    read_container,
)

CLIENT_ID = 7493
# Seconds, as those of gateway_login by default. One look waits for no more than the API's answer.
BOUNDS = Bounds(install=900, login=300, proof=60, listen=0.3)
_BUILD = re.compile(r"- welcome: \d{1,3}% Build (\S+) ")
_NOTHING = {"proof": None, "image_id": None, "image_digest": None, "version": None}


def looked_at(
    engine: HostEngine, sessions: Sequence[Mapping[str, Any]], account: Optional[str]
) -> list[Dict[str, Any]]:
    """The sessions, each with its `proof` (None where the gateway is of another image), its image and its program's version.

    All of it is None where no account is expected here: then nothing is asked.
    """
    if not account:
        return [{**item, **_NOTHING} for item in sessions]
    return [{**item, "proof": _proof(engine, item, account), **_program(engine, item)} for item in sessions]


def _program(engine: HostEngine, session: Mapping[str, Any]) -> Dict[str, Optional[str]]:
    inspect = engine.inspect(session["container"])
    if inspect is None:
        return {name: None for name in _NOTHING if name != "proof"}
    container = read_container(inspect)
    named = (_BUILD.search(line) for line in first_lines(engine, container))
    return {
        "image_id": inspect["Image"],
        "image_digest": engine.image_digest(inspect["Image"]),
        "version": next((found.group(1) for found in named if found is not None), None),
    }


def _proof(engine: HostEngine, session: Mapping[str, Any], account: str) -> Optional[Dict[str, Any]]:
    if session["family"] != IBGA or not session["readable"]:
        return None
    expected = Expected(
        container=session["container"],
        login=session["login"],
        account=account,
        mode=session["mode"],
        client_id=CLIENT_ID,
    )
    world = HostWorld(engine, expected.container, expected.port)
    try:
        outcome = Watch(world, expected, BOUNDS).look()
    finally:
        world.close()
    cause = describe(outcome, expected)
    return {
        "state": outcome.state,
        "account": account,
        "accounts": list(outcome.accounts),
        "connected": outcome.connected,
        "code": None if cause is None else cause["code"],
        "message": None if cause is None else cause["sentence"],
    }
