# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fence a login on a host: what to do, in which order, and whether it is done. Decided here, carried out elsewhere.

A `Host` is what was seen, a `Plan` a list of small steps. Each step leaves the host such that a run which dies after it
can be followed by another: the record of what is parked is written before the first change, and a container is removed
only when its copy stands. `shown` judges a second look.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import parked
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import (
    IBGA,
    LIVE,
    PAPER,
    RETURNED_LABEL,
    Gateway,
    fence_by_name,
)

RECORD = "record"
COPY = "copy"
COPY_BACK = "copy-back"
POLICY = "policy"
STOP = "stop"
RENAME = "rename"
REMOVE = "remove"
FORGET = "forget"
SETTLE = "settle"

GRACE = 10
_UNTOUCHED = "Nothing was stopped and nothing was changed on this host."


class Demand(NamedTuple):
    """What a run asks for on a host. `target` is where it is going to start the login; `project`, `service` and `keep`
    are the product's own slot there, and `created` says that the container `keep` is this run's own already.
    """

    host: str
    login: str
    key: str
    run_id: str
    mode: str
    target: str = ""
    protected: bool = False
    project: str | None = None
    service: str | None = None
    keep: str | None = None
    created: bool = False
    names: frozenset[str] = frozenset()
    proven: frozenset[str] = frozenset()


class Host(NamedTuple):
    """What one look at a host has shown: its gateways, every container's id by name, the records of what is parked.

    `pending` are the ids of containers that a request without an answer may still bring back.
    """

    gateways: Sequence[Gateway]
    names: Mapping[str, str]
    records: Sequence[parked.Record]
    pending: frozenset[str] = frozenset()

    def gateway(self, container_id: str) -> Gateway | None:
        return next((item for item in self.gateways if item.container_id == container_id), None)

    def record(self, container_id: str) -> parked.Record | None:
        return next((item for item in self.records if item["container_id"] == container_id), None)


class Step(NamedTuple):
    """One thing to do. `container_id` is what it is done to, `detail` the record, the new name, or the grace."""

    kind: str
    container_id: str
    detail: Any = None


class Plan(NamedTuple):
    """Steps in their order, the holders seen before, and what a result and the receipt say of it all."""

    steps: tuple[Step, ...]
    seen: tuple[dict[str, Any], ...]
    done: tuple[dict[str, Any], ...]
    touched: frozenset[str]
    returned: tuple[dict[str, Any], ...] = ()


def plan_fence(demand: Demand, host: Host, wall: str) -> Plan:
    """How to fence the login: every refusal comes first, so that a refused run has changed nothing.

    :raises GatewayError: for what may not or cannot be fenced.
    """
    holders = [item for item in host.gateways if item.is_session and _holds(demand, item)]
    displaced = [
        item for item in host.gateways if item.is_session and item not in holders and _in_the_way(demand, item)
    ]
    _refuse(demand, host, holders, displaced)
    chosen = {item.container_id for item in holders + displaced}
    half_returned, outlived, forgotten = _half_returned(host)
    chosen |= {item.container_id for item in half_returned}
    unfinished = [
        item
        for item in host.gateways
        if item.container_id not in chosen and _unfinished(demand, item, host.record(item.container_id))
    ]
    chosen |= {item.container_id for item in unfinished}
    in_slot = [
        item
        for item in host.gateways
        if item.container_id not in chosen and _parked_in_slot(demand, item, host.record(item.container_id))
    ]
    chosen |= {item.container_id for item in in_slot}
    haunted = [
        item
        for item in host.gateways
        if item.container_id not in chosen and _may_still_start(demand, item, host) and not item.never_started
    ]
    chosen |= {item.container_id for item in haunted}
    stale_name = [
        item
        for item in host.gateways
        if item.container_id not in chosen
        and item.container == demand.keep
        and not item.never_started
        and not item.in_slot(demand.project, demand.service)
        and host.record(item.container_id) is None
    ]
    chosen |= {item.container_id for item in stale_name}
    fresh = [
        item
        for item in host.gateways
        if item.container_id not in chosen
        and item.never_started
        and (item.has_login(demand.key) or (demand.keep is not None and item.in_slot(demand.project, demand.service)))
        and not _to_be_started(demand, item)
        and item.parked is None
        and host.record(item.container_id) is None
    ]
    ended = [
        item
        for item in host.gateways
        if item.container_id not in chosen and _ended_in_slot(demand, item) and host.record(item.container_id) is None
    ]

    names = dict(host.names)
    first: list[Step] = [Step(FORGET, container_id) for container_id in forgotten]
    policies: list[Step] = []
    stops: list[Step] = []
    last: list[Step] = [Step(REMOVE, item.container_id) for item in outlived]
    done: list[dict[str, Any]] = []
    for item in holders + displaced + unfinished + in_slot + haunted + stale_name:
        policies.append(Step(POLICY, item.container_id))
        if item.up:
            stops.append(Step(STOP, item.container_id, _grace(item)))
        if item.auto_remove and item.up:
            policies.pop()
            done.append(_done("stopped", item, "its own --rm removes it: it cannot be restored", restorable=False))
            continue
        before = host.record(item.container_id)
        earlier = parked.find_copies(host.gateways, item.container_id)
        copied = item.in_slot(demand.project, demand.service) or item.container_id in host.pending or bool(earlier)
        if before is not None and item.container == before["parked_name"] and not copied:
            if before["state"] != parked.PARKED:
                first.append(Step(RECORD, item.container_id, {**before, "state": parked.PARKED}))
            done.append(_done("stopped", item, "it was parked, and had been started again by hand"))
            continue
        name = before["parked_name"] if before and item.container != before["parked_name"] else ""
        if not name or names.get(name, item.container_id) != item.container_id:
            name = parked.free_name(before["former_name"] if before else item.container, demand.run_id, names)
        last.extend(Step(REMOVE, made.container_id) for made in earlier)
        names[name] = item.container_id
        proven = item.container in demand.proven
        record = parked.record_for(item, demand.key, demand.run_id, wall, name, copied, proven)
        if before is not None:
            record.update({field: before[field] for field in (*_FIRST_SEEN, "for_login_key")})
        first.append(Step(RECORD, item.container_id, record))
        if copied:
            first.append(Step(COPY, item.container_id, record))
            last.append(Step(REMOVE, item.container_id))
        else:
            last.append(Step(RENAME, item.container_id, name))
        done.append(_done("parked", item, f"parked as {name}", parked_as=name))
    for item in half_returned:
        first.extend((Step(REMOVE, item.container_id), Step(FORGET, item.container_id)))
    for item in fresh:
        last.append(Step(REMOVE, item.container_id))
        done.append(_done("removed", item, "it was created and never started"))
    for item in ended:
        last.append(Step(REMOVE, item.container_id))
        done.append(_done("removed", item, "it had ended, and makes room for the one to be started"))
    gone = {step.container_id for step in first + last if step.kind == REMOVE} | {
        item.container_id for item in holders + displaced if item.auto_remove and item.up
    }
    last.extend(
        Step(SETTLE, container_id)
        for container_id in sorted(host.pending)
        if container_id in gone or container_id not in host.names.values()
    )
    seen = tuple(_seen(item) for item in holders + displaced)
    return Plan(tuple(first + policies + stops + last), seen, tuple(done), frozenset(chosen))


def shown(demand: Demand, plan: Plan, host: Host) -> list[str]:
    """What a second look at *host* still has against the fence; empty when the login cannot return here."""
    problems: list[str] = []
    for item in host.gateways:
        if item.is_session and (item.has_login(demand.key) or item.container_id in plan.touched):
            how = "still runs" if item.up else f"would return by its restart policy {item.restart_policy}"
            problems.append(f"{item.container} {how}")
        elif item.container_id in plan.touched:
            if item.restart_policy != "no":
                problems.append(f"{item.container} still has the restart policy {item.restart_policy}")
            if item.holds_ports:
                problems.append(f"{item.container} still holds {', '.join(item.holds_ports)}")
        if _may_still_start(demand, item, host) and not _to_be_started(demand, item):
            problems.append(f"the engine may still start {item.container}")
        if (
            item.never_started
            and item.has_login(demand.key)
            and not _to_be_started(demand, item)
            and item.parked is None
            and host.record(item.container_id) is None
        ):
            problems.append(f"{item.container} was created while this run fenced")
    if demand.keep is not None and host.names.get(demand.keep) in plan.touched:
        problems.append(f"the name {demand.keep} is still taken")
    problems.extend(
        f"{item['parked_name']} is not there"
        for item in (step.detail for step in plan.steps if step.kind == RECORD)
        if item["parked_name"] not in host.names
    )
    return problems


def not_shown(demand: Demand, problems: Sequence[str]) -> GatewayError:
    return GatewayError(
        f"{demand.login} is not fenced on {demand.host}: {'; '.join(problems)}. Something else on the host seems to "
        "start or change this container (a systemd unit, a watchdog, another tool). No gateway was started. End that, "
        "then run the same command again.",
        "fence-not-shown",
    )


def plan_return(demand: Demand, host: Host) -> Plan:
    """Give what is parked for the login its former name back. It stays stopped, with restart policy `no`.

    :raises GatewayError: ``name-taken`` where something that is not a failed gateway of ours has the name.
    """
    steps: list[Step] = []
    done: list[dict[str, Any]] = []
    returned: list[dict[str, Any]] = []
    for record in _first_parked(demand, host):
        former = record["former_name"]
        made = parked.find_copy(host.gateways, record["container_id"])
        item = host.gateway(record["container_id"]) or made
        if item is None:
            steps.append(Step(FORGET, record["container_id"]))
            if any(other.labels.get(RETURNED_LABEL) == record["container_id"] for other in host.gateways):
                returned.append(_returned(record))
                continue
            done.append(
                {
                    "action": "lost",
                    "container": former,
                    "container_id": record["container_id"],
                    "text": f"{former}: it cannot be restored, since its container is gone",
                    "restorable": False,
                }
            )
            continue
        if item.container != former and item.is_session:
            raise _started_again(demand, item)
        if made is not None and made is not item:
            steps.append(Step(REMOVE, made.container_id))
        taken = host.names.get(former)
        if taken not in (None, item.container_id):
            steps.extend(_free(demand, host, record, str(taken)))
        if item.parked is not None:
            steps.append(Step(COPY_BACK, item.container_id, record))
            steps.append(Step(REMOVE, item.container_id))
            steps.append(Step(FORGET, record["container_id"]))
        else:
            if item.container != former:
                steps.append(Step(RENAME, item.container_id, former))
            steps.append(Step(RECORD, item.container_id, {**record, "state": parked.RETURNED}))
        done.append(_done("returned", item, f"has its name {former} again"))
        returned.append(_returned(record))
    return Plan(tuple(steps), (), tuple(done), frozenset(), tuple(returned))


def plan_clear(demand: Demand, host: Host) -> Plan:
    """Remove what is parked for the login, and forget what was returned.

    :raises GatewayError: ``session-found`` where something parked has been started again.
    """
    steps: list[Step] = []
    done: list[dict[str, Any]] = []
    for record in host.records:
        if record["for_login_key"] != demand.key:
            continue
        if record["state"] == parked.PARKED:
            original = host.gateway(record["container_id"])
            for item in [
                *([original] if original else []),
                *parked.find_copies(host.gateways, record["container_id"]),
            ]:
                steps.append(_clear(demand, item))
                done.append(_done("removed", item, "it was parked"))
        steps.append(Step(FORGET, record["container_id"]))
    known = {record["container_id"] for record in host.records}
    for item in host.gateways:
        label = item.parked
        if label and label.get("for_login_key") == demand.key and label.get("container_id") not in known:
            steps.append(_clear(demand, item))
            done.append(_done("removed", item, "it was parked"))
    return Plan(tuple(steps), (), tuple(done), frozenset())


_FIRST_SEEN = ("former_name", "restart_policy", "restart_retries", "was_running", "was_proven", "run_id", "parked_at")


def _holds(demand: Demand, item: Gateway) -> bool:
    return item.has_login(demand.key) or (not item.readable and item.container in demand.names)


def _in_the_way(demand: Demand, item: Gateway) -> bool:
    return item.in_slot(demand.project, demand.service) or (demand.keep is not None and item.container == demand.keep)


def _unfinished(demand: Demand, item: Gateway, record: parked.Record | None) -> bool:
    """Whether a run left the parking of this container half done, or gave it back and went no further."""
    return (
        record is not None
        and record["for_login_key"] == demand.key
        and (record["state"] == parked.RETURNED or item.container != record["parked_name"])
    )


def _to_be_started(demand: Demand, item: Gateway) -> bool:
    return demand.created and item.container == demand.keep


def _ended_in_slot(demand: Demand, item: Gateway) -> bool:
    """Whether it stands where this run is going to start another, and neither runs nor returns."""
    return (
        demand.keep is not None
        and item.in_slot(demand.project, demand.service)
        and not item.is_session
        and not item.never_started
        and item.parked is None
    )


def _parked_in_slot(demand: Demand, item: Gateway, record: parked.Record | None) -> bool:
    """Whether another host's run has parked it by its name alone, where Compose would still find and replace it."""
    return record is not None and record["state"] == parked.PARKED and item.in_slot(demand.project, demand.service)


def _may_still_start(demand: Demand, item: Gateway, host: Host) -> bool:
    """Whether a request that the engine has not answered may bring the login back by this container's id."""
    record = host.record(item.container_id)
    return item.container_id in host.pending and (
        item.has_login(demand.key) or (record is not None and record["for_login_key"] == demand.key)
    )


def _half_returned(host: Host) -> tuple[list[Gateway], list[Gateway], list[str]]:
    """Where a run ended while it gave back a copy: the new containers without a record, which may not be whole; the parked
    copies of those that have one; and the records of the parked ones that are replaced so.
    """
    remade: list[Gateway] = []
    outlived: list[Gateway] = []
    forgotten: list[str] = []
    for item in host.gateways:
        former = item.labels.get(RETURNED_LABEL)
        if former is None or host.record(former) is None:
            continue
        copies = parked.find_copies(host.gateways, former)
        if not copies or host.record(item.container_id) is not None:
            outlived.extend(copies)
            forgotten.append(former)
        elif item.never_started:
            remade.append(item)
    return remade, outlived, forgotten


def _refuse(demand: Demand, host: Host, holders: Sequence[Gateway], displaced: Sequence[Gateway]) -> None:
    for item in host.gateways:
        if item.is_session and not item.readable and item.container not in demand.names:
            raise unreadable(demand.host, item)
    ending = [*holders, *displaced]
    for item in ending:
        if item.orchestrated:
            raise GatewayError(
                f"{item.container} on {demand.host} holds {demand.login} and belongs to a Docker Swarm service, which "
                f"would start another in its place. {_UNTOUCHED} Scale that service to 0 and run again.",
                "session-orchestrated",
            )
    for item in ending:
        if demand.mode == PAPER and _is_live(item):
            raise _live(demand, item)
    if demand.protected and ending:
        raise GatewayError(
            f"{demand.login} is held on {demand.host} by {ending[0].container}, and session_protected forbids a run of "
            f"another environment to stop a session there. {_UNTOUCHED} Stop it with that environment's own playbook, "
            "or set session_protected to false for that host.",
            "session-protected",
        )
    if demand.keep is not None and demand.keep in host.names and host.gateway(host.names[demand.keep]) is None:
        raise GatewayError(
            f"The name {demand.keep} on {demand.host} belongs to a container that is no gateway. {_UNTOUCHED} Rename "
            "that container, or choose another name for the gateway.",
            "name-taken",
        )


def unreadable(host: str, item: Gateway) -> GatewayError:
    return GatewayError(
        f"{item.container} on {host} is a gateway ({item.image}) whose login cannot be read: it may be this one. "
        f"{_UNTOUCHED} Make its username readable in its environment, stop it by hand, or have it fenced: "
        f"{fence_by_name(host, item.container)}.",
        "login-unreadable",
    )


def _is_live(item: Gateway) -> bool:
    """Live unless provably paper; one that the operator named although unreadable, only when its settings say live."""
    if item.readable:
        return item.worst_mode.name == LIVE
    return item.worst_mode == (LIVE, True) or item.mode == (LIVE, True)


def _live(demand: Demand, item: Gateway) -> GatewayError:
    stated = (
        "live"
        if item.worst_mode.stated
        else "not provably paper, so it counts as live; if you are sure that it is paper, "
        f"'docker stop {item.container}' there"
    )
    if item.has_login(demand.key):
        what = (
            f"{demand.login} is held by {item.container} on {demand.host} since {item.since} ({stated}), and a paper "
            f"deploy never stops a live session. {_UNTOUCHED} Most likely 1Password's item for this environment holds "
            "the live login: paper trading has a username and a password of its own. Put the paper login there."
        )
    else:
        names = ", ".join(login.name for login in item.logins) or "a login that cannot be read"
        what = (
            f"{item.container} on {demand.host} stands where the gateway of {demand.login} is to run, and holds "
            f"{names} since {item.since} ({stated}); a paper deploy never stops a live session. {_UNTOUCHED} Stop it "
            "with its own playbook first."
        )
    return GatewayError(what, "live-session-protected")


def _grace(item: Gateway) -> int:
    """Seconds between stop signal and kill: none where the signal is ignored or cannot be answered.

    A clean way to close the gateway takes its place before the STOP step.
    """
    return 0 if item.family == IBGA or item.state != "running" else GRACE


def _seen(item: Gateway) -> dict[str, Any]:
    return {
        "container": item.container,
        "container_id": item.container_id,
        "state": item.state,
        "since": item.since,
        "restart_policy": item.restart_policy,
        "image": item.image,
        "mode": item.worst_mode.name,
        "logins": [login.name for login in item.logins],
    }


def _done(
    action: str, item: Gateway, what: str, restorable: bool = True, parked_as: str | None = None
) -> dict[str, Any]:
    return {
        "action": action,
        "container": item.container,
        "container_id": item.container_id,
        "parked_as": parked_as,
        "restorable": restorable and action != "removed",
        "text": f"{item.container}: {what}",
    }


def _first_parked(demand: Demand, host: Host) -> list[parked.Record]:
    """Of what is parked for the login, one for each former name: the proven first, then what ran, then the oldest.

    A proof clears what is parked, so the oldest is what stood there at the last proof, and later ones failed after it.
    """
    chosen: dict[str, parked.Record] = {}
    for record in sorted(
        host.records,
        key=lambda item: (not item["was_proven"], not item["was_running"], item["parked_at"], item["parked_name"]),
    ):
        if record["for_login_key"] == demand.key and record["state"] == parked.PARKED:
            chosen.setdefault(record["former_name"], record)
    return [chosen[name] for name in sorted(chosen)]


def _returned(record: parked.Record) -> dict[str, Any]:
    return {
        "container": record["former_name"],
        "login": record["login"],
        "login_key": record["login_key"],
        "mode": record["mode"],
        "was_running": record["was_running"],
        "restart_policy": record["restart_policy"],
    }


def _free(demand: Demand, host: Host, record: parked.Record, container_id: str) -> list[Step]:
    """Remove what has the former name, where it is a failed gateway of ours or an unfinished way back."""
    item = host.gateway(container_id)
    if item is not None and not item.is_session:
        if item.labels.get(RETURNED_LABEL) == record["container_id"]:
            return [Step(REMOVE, container_id), Step(FORGET, container_id)]
        if item.managed and host.record(container_id) is None:
            return [Step(REMOVE, container_id)]
    raise GatewayError(
        f"{record['parked_name']} on {demand.host} cannot have its name {record['former_name']} back: another "
        f"container has it. {_UNTOUCHED} Remove or rename that one, then run the same command again.",
        "name-taken",
    )


def _clear(demand: Demand, item: Gateway) -> Step:
    if item.is_session:
        raise _started_again(demand, item)
    return Step(REMOVE, item.container_id)


def _started_again(demand: Demand, item: Gateway) -> GatewayError:
    return GatewayError(
        f"{item.container} on {demand.host} was parked for {demand.login} and has been started again by something "
        f"else. {_UNTOUCHED} Run the deploy again: it fences that container too.",
        "session-found",
    )
