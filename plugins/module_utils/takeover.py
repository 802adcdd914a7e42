# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run may do about the sessions that the fleet has shown, decided before any host is changed.

Nothing here knows Ansible or an engine; the hosts' `session_info` results come in, a plan or an error goes out.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import LIVE, PAPER, login_key

PAPER_TRADING = "Paper Trading"


class Plan(NamedTuple):
    """Who holds the login beside the container that is to hold it, what is parked, and why a takeover is needed."""

    holders: List[Dict[str, Any]]
    parked: List[Dict[str, Any]]
    reasons: List[str]


def plan_takeover(
    login: str,
    trading_mode: str,
    target: str,
    container: str,
    fleet: Sequence[str],
    seen: Mapping[str, Mapping[str, Any]],
    protected: Sequence[str],
) -> Plan:
    """Decide whether *login* may be brought to *container* on *target*, and what stands in its way.

    :param seen: `session_info`'s result of every host of *fleet*.
    :param protected: hosts whose sessions no run of another environment may stop.
    :raises GatewayError: one error that names every refusal; nothing was changed by then.
    """
    key = login_key(login)
    holders: List[Dict[str, Any]] = []
    parked: List[Dict[str, Any]] = []
    refusals: List[GatewayError] = []
    for host in fleet:
        for session in seen[host]["sessions"]:
            if not session["readable"]:
                refusals.append(unreadable(host, session))
            elif session["login_key"] == key:
                holders.append(dict(session, host=host))
        parked.extend(dict(item, host=host) for item in seen[host]["parked"] if item["for_login_key"] == key)
    for holder in holders:
        if holder["mode"] == LIVE and trading_mode == PAPER_TRADING:
            refusals.append(live_holder(login, holder))
        elif holder["host"] in protected and holder["host"] != target:
            refusals.append(protected_holder(login, holder))
    if refusals:
        raise GatewayError(
            "Nothing was started and nothing was stopped. " + " ".join(refusal.message for refusal in refusals),
            refusals[0].code,
        )
    others = [item for item in holders if (item["host"], item["container"]) != (target, container)]
    reasons = [
        f"{login} is in use on {item['host']} by the container {item['container']} ({item['state']}, {item['mode']})"
        for item in others
    ]
    reasons += [
        f"{item['host']} has the container {item['former_name']} parked since {item['parked_at']}" for item in parked
    ]
    return Plan(others, parked, reasons)


def unreadable(host: str, session: Mapping[str, Any]) -> GatewayError:
    return GatewayError(
        f"The container {session['container']} on {host} runs a gateway ({session['image']}) whose login cannot be read, "
        "so it may hold this one. Stop it by hand if it does, or make its username readable in its environment.",
        "login-unreadable",
    )


def live_holder(login: str, holder: Mapping[str, Any]) -> GatewayError:
    return GatewayError(
        f"{login} is in use LIVE on {holder['host']} by the container {holder['container']} since {holder['since']}, and a "
        f"{PAPER} deploy never stops a live session. Most likely 1Password's item for this environment holds the live "
        "login: paper trading has a username and a password of its own. Put the paper login into the item and run again.",
        "live-session-protected",
    )


def protected_holder(login: str, holder: Mapping[str, Any]) -> GatewayError:
    return GatewayError(
        f"{login} is in use on {holder['host']} by the container {holder['container']}, and session_protected forbids a run "
        "of another environment to stop it. Stop it there with that environment's own playbook, or set session_protected "
        "to false for that host.",
        "session-protected",
    )
