# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the sessions under the lease are still those that the run was planned for. Nothing here knows Ansible.

A run looks before it takes the lease, since a run that has nothing to do takes none. Until it has the lease, another run
may have brought the login elsewhere.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import login_key

# Not its state and its start: a container that keeps restarting changes both by itself.
TELLING = ("host", "container", "container_id", "restart_policy")


def sessions_of(login: str, fleet: Sequence[str], seen: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """The sessions of *login*; a host without an answer has none."""
    key = login_key(login)
    return [
        dict(session, host=host)
        for host in fleet
        for session in (seen.get(host) or {}).get("sessions", [])
        if session["login_key"] == key or not session["readable"]
    ]


def check_unchanged(login: str, before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> None:
    """:raises GatewayError: ``sessions-changed``."""
    if _telling(before) == _telling(now):
        return
    raise GatewayError(
        f"Nothing was started and nothing was stopped. Who holds {login} changed after this run had looked and before it "
        f"had the lease: then {_words(before)}, now {_words(now)}. Another run was at work. Run the same command again: "
        "it starts from what is there now.",
        "sessions-changed",
    )


def _telling(sessions: Sequence[Mapping[str, Any]]) -> List[List[Any]]:
    return sorted([item.get(field) for field in TELLING] for item in sessions)


def _words(sessions: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{item['container']} on {item['host']} since {item['since']}" for item in sessions) or "nobody"
