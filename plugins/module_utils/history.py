# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run has changed on a host, for the host's history."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import lease as leases
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

DONE = "done"


def note(state: State, host: str, key: str, run_id: str, action: str, done: Sequence[str], outcome: str = DONE) -> None:
    """Add an entry to the history, under the host's lock. The operator is the one whose lease the login has here."""
    state.append_history(
        {
            "at": leases.wall_time(),
            "host": host,
            "login_key": key,
            "run_id": run_id,
            "operator": leases.operator(state.read_lease(key) or {"owner": {}}),
            "action": action,
            "done": list(done),
            "outcome": outcome,
        }
    )
