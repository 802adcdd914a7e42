# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the gateway may be started: the last look before the only start there is. Nothing here touches a host."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import lease as leases
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import receipts as proofs
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.fence import Host, unreadable
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import Gateway
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.parked import PARKED


class Demand(NamedTuple):
    """What a run hands over to have a gateway started."""

    host: str
    container: str
    login: str
    key: str
    run_id: str
    fleet: Sequence[str]
    receipts: Sequence[Mapping[str, Any]]
    leases: Sequence[Mapping[str, Any]]
    assumed: Sequence[str] = ()

    @property
    def wanted(self) -> proofs.Wanted:
        return proofs.Wanted(self.fleet, self.key, self.run_id, self.host, self.assumed)


class Verdict(NamedTuple):
    """The container to start, or the one that this run has started already."""

    container_id: str
    running: bool
    since: str


def check_receipts(demand: Demand, check_mode: bool = False) -> None:
    """:raises GatewayError: a host of the fleet without a valid receipt, or a fleet without the host at hand."""
    if demand.host not in demand.fleet:
        raise GatewayError(
            f"{demand.container} was not started: {demand.host} is not in the fleet list ({', '.join(demand.fleet)}), "
            "so no other host's run would have asked it. Add it to session_fleet.",
            "host-not-in-fleet",
        )
    problems = proofs.verify(demand.wanted, demand.receipts, demand.leases, check_mode=check_mode)
    if problems:
        raise proofs.refuse(problems, demand.container)


def check_lease(demand: Demand, record: leases.Record | None, now: leases.Now) -> None:
    """:raises GatewayError: the host's own lease is not this run's, has expired, or is of another generation."""
    own = leases.owned(record, demand.host, demand.login, demand.run_id, now)
    valid = [
        item
        for item in demand.receipts
        if (item.get("host"), item.get("run_id"), item.get("generation"))
        == (demand.host, demand.run_id, own["generation"])
    ]
    if not valid:
        problem = proofs.Problem(
            "receipt-stale-generation",
            demand.host,
            f"the lease of {demand.host} has the generation {own['generation']}, and its receipt has not",
        )
        raise proofs.refuse([problem], demand.container)


def assumptions(demand: Demand, operator: str, wall: str) -> list[dict[str, Any]]:
    """What the target keeps of the hosts that the operator states to be powered off, until a run has fenced them."""
    return [
        {
            "host": host,
            "login": demand.login,
            "login_key": demand.key,
            "run_id": demand.run_id,
            "operator": operator,
            "assumed_at": wall,
        }
        for host in demand.assumed
    ]


def check_host(demand: Demand, host: Host) -> Verdict:
    """:raises GatewayError: the container is not the one to start, or another on the host has the login."""
    item = _target(demand, host)
    others: list[Gateway] = [
        other for other in host.gateways if other.is_session and other.container_id != item.container_id
    ]
    for other in others:
        if other.has_login(demand.key):
            raise GatewayError(
                f"{demand.container} was not started: {other.container} on {demand.host} holds {demand.login} "
                f"({other.state}, restart policy {other.restart_policy}), though it was fenced. Something else on the "
                "host starts it (a systemd unit, a watchdog). End that, then run the same command again.",
                "session-found",
            )
        if not other.readable:
            raise unreadable(demand.host, other)
    if item.up:
        return Verdict(item.container_id, True, item.since)
    if item.restart_policy != "no":
        raise GatewayError(
            f"{demand.container} on {demand.host} was not started: its restart policy is {item.restart_policy}, with "
            "which the engine would repeat a failed login. It must be created with 'no'; the proof comes first.",
            "restart-policy-set",
        )
    return Verdict(item.container_id, False, "")


def _target(demand: Demand, host: Host) -> Gateway:
    container_id = host.names.get(demand.container)
    if container_id is None:
        raise GatewayError(
            f"There is no container {demand.container} on {demand.host} to start. Run the playbook from its start: it "
            "creates it.",
            "container-missing",
        )
    item = host.gateway(container_id)
    if item is None or not item.has_login(demand.key) or len(item.logins) != 1:
        has = ", ".join(login.name for login in item.logins) if item is not None else ""
        raise GatewayError(
            f"{demand.container} on {demand.host} was not started: it would log in with {has or 'an unknown login'}, "
            f"and this run may start {demand.login} only. Run the playbook from its start: it makes a new container.",
            "login-mismatch",
        )
    record = host.record(container_id)
    if item.parked is not None or (record is not None and record["state"] == PARKED):
        raise GatewayError(
            f"{demand.container} on {demand.host} was not started: it is parked. Give it back first "
            "(session_fence with state returned).",
            "container-parked",
        )
    return item
