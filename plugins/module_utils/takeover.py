# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run may do about the sessions that the fleet has shown, decided before any host is changed.

Nothing here knows Ansible or an engine; the hosts' `session_info` results come in, a plan or an error goes out.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import (
    LIVE,
    PAPER,
    fence_by_name,
    login_key,
)

PAPER_TRADING = "Paper Trading"


class Plan(NamedTuple):
    """Who holds the login beside the container that is to hold it, and what is parked.

    `reasons` say why other hosts have to be fenced, `leftovers` what an earlier run has left to be cleared away.
    `unsettled` are hosts that an earlier run assumed to be powered off and that answer again: they have to be fenced.
    """

    holders: List[Dict[str, Any]]
    parked: List[Dict[str, Any]]
    reasons: List[str]
    leftovers: List[str]
    unsettled: List[Dict[str, Any]]

    def touches(self, host: str) -> bool:
        """Whether *host* has something to be fenced, so that a gateway on it that is current cannot just go on."""
        return any(item["host"] == host for item in [*self.holders, *self.unsettled])


def plan_takeover(
    login: str,
    trading_mode: str,
    target: str,
    container: str,
    fleet: Sequence[str],
    seen: Mapping[str, Mapping[str, Any]],
    protected: Sequence[str],
    assumed: Sequence[str] = (),
    named: Mapping[str, Sequence[str]] = MappingProxyType({}),
    environment: str = "",
    move_from: str = "",
) -> Plan:
    """Decide whether *login* may be brought to *container* on *target*, and what stands in its way.

    :param seen: `session_info`'s result of every host of *fleet*.
    :param protected: hosts whose sessions no run of another environment may stop.
    :param assumed: hosts that the operator states to be powered off; they have shown nothing.
    :param named: by host, containers that may be fenced although their login cannot be read.
    :param environment: the run's environment. What this collection has deployed elsewhere for another one stays there.
    :param move_from: the host from which the login may be moved all the same.
    :raises GatewayError: one error that names every refusal; nothing was changed by then.
    """
    key = login_key(login)
    holders: List[Dict[str, Any]] = []
    parked: List[Dict[str, Any]] = []
    refusals: List[GatewayError] = []
    unsettled: List[Dict[str, Any]] = []
    asked = [host for host in fleet if host not in assumed]
    for host in asked:
        for session in seen[host]["sessions"]:
            by_name = session["container"] in named.get(host, ())
            if not session["readable"] and not by_name:
                refusals.append(unreadable(host, session))
            elif session["login_key"] == key or (not session["readable"] and by_name):
                holders.append(dict(session, host=host))
        unsettled.extend(
            dict(item, recorded_on=host)
            for item in seen[host]["assumed_fenced"]
            if item["login_key"] == key and item["host"] in asked
        )
        parked.extend(dict(item, host=host) for item in seen[host]["parked"] if item["for_login_key"] == key)
    for holder in holders:
        counts_as_live = holder["mode"] == LIVE and (holder["readable"] or holder["mode_stated"])
        if counts_as_live and trading_mode == PAPER_TRADING:
            refusals.append(live_holder(login, holder))
        elif holder["host"] in protected and holder["host"] != target:
            refusals.append(protected_holder(login, holder))
        elif holder.get("environment") not in (None, environment) and holder["host"] not in (target, move_from):
            refusals.append(second_home(login, holder, target))
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
    leftovers = [
        f"{item['host']} has the container {item['former_name']} parked since {item['parked_at']}" for item in parked
    ]
    reasons += [
        f"{item['host']} was assumed to be powered off by {item['operator']} at {item['assumed_at']}, and answers again"
        for item in unsettled
    ]
    return Plan(others, parked, reasons, leftovers, unsettled)


def unreadable(host: str, session: Mapping[str, Any]) -> GatewayError:
    return GatewayError(
        f"The container {session['container']} on {host} runs a gateway ({session['image']}) whose login cannot be read, "
        "so it may hold this one. Stop it by hand if it does, make its username readable in its environment, or have it "
        f"fenced: {fence_by_name(host, session['container'])}.",
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


def second_home(login: str, holder: Mapping[str, Any], target: str) -> GatewayError:
    return GatewayError(
        f"{login} was deployed to {holder['host']} for {holder['environment']}, where the container {holder['container']} uses it "
        f"since {holder['since']}, and one login has one home: {target} would end that session, and its next deploy this one. "
        "Most likely 1Password's item of one of the two environments holds the wrong username. To move the login for good, "
        f"add -e gateway_move_from={holder['host']} to the same command; that stops the trading engine there as well.",
        "login-of-two-hosts",
    )
