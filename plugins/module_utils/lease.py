# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases: the right to change who holds a login, kept on each host for one run.

`take`, `renew`, `release` and `owned` decide and touch nothing; `Leases` applies what they decide to a host's files.
A lease ends by the host's own boot id and CLOCK_BOOTTIME, never by wall time, which is for display.
"""

from __future__ import annotations

import datetime
import time
from typing import Any, Dict, Mapping, NamedTuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hostlock import HostLock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

HELD = "held"
RELEASED = "released"
_INTERVAL = 0.5

Record = Dict[str, Any]


class Now(NamedTuple):
    """A host's clock: which boot, seconds since that boot (sleep included), and the wall time for display."""

    boot_id: str
    seconds: float
    wall: str


class Request(NamedTuple):
    """What a run asks of a host's lease."""

    host: str
    login: str
    key: str
    run_id: str
    ttl: float
    owner: Mapping[str, Any]
    supersede: str | None = None


class Change(NamedTuple):
    """The record after a decision, and whether it differs from the one on the disk."""

    record: Record | None
    changed: bool


class LeaseHeldError(GatewayError):
    """Another run has a living lease; `holder` says which."""

    def __init__(self, message: str, holder: Mapping[str, Any]) -> None:
        super().__init__(message, "lease-held")
        self.holder = dict(holder)


def read_clock() -> Now:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot_id = stream.read().strip()
    return Now(boot_id, time.clock_gettime(time.CLOCK_BOOTTIME), wall_time())


def wall_time() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_living(record: Mapping[str, Any] | None, now: Now) -> bool:
    """Whether the lease still binds others: held, of this boot, and not expired."""
    return (
        record is not None
        and record["state"] == HELD
        and record["boot_id"] == now.boot_id
        and now.seconds < record["expires"]
    )


def take(record: Record | None, request: Request, now: Now) -> Change:
    """A lease for the run. Each taking raises the generation; the run that has it already keeps it as it is.

    :raises LeaseHeldError: another run's lease lives, and it is not the one that *request* supersedes.
    """
    if record is not None and is_living(record, now):
        if record["run_id"] == request.run_id:
            return Change(record, False)
        if record["run_id"] != request.supersede:
            raise held_error(record, request, now)
    generation = (record["generation"] if record is not None else 0) + 1
    return Change(
        {
            "host": request.host,
            "login": request.login,
            "login_key": request.key,
            "run_id": request.run_id,
            "generation": generation,
            "owner": dict(request.owner),
            "state": HELD,
            "boot_id": now.boot_id,
            "taken": now.seconds,
            "taken_at": now.wall,
            "expires": now.seconds + request.ttl,
        },
        True,
    )


def renew(record: Record | None, request: Request, now: Now, generation: int | None = None) -> Change:
    """The run's own lease with a new time to live, in the same generation.

    One that has expired is the run's own still, as long as no other run has taken it and the host was not restarted:
    nobody else has changed anything here since.

    :raises GatewayError: ``lease-lost`` when it is not the run's any more.
    """
    untouched = {**record, "expires": now.seconds + request.ttl} if record is not None else None
    own = owned(untouched, request.host, request.login, request.run_id, now)
    if generation is not None and own["generation"] != generation:
        raise lost_error(record, request.host, request.login, now)
    return Change({**own, "expires": max((record or own)["expires"], own["expires"])}, True)


def release(record: Record | None, run_id: str) -> Change:
    """The lease given back. What another run holds, or nobody, stays as it is. The generation survives."""
    if record is None or record["run_id"] != run_id or record["state"] == RELEASED:
        return Change(record, False)
    return Change({**record, "state": RELEASED}, True)


def owned(record: Record | None, host: str, login: str, run_id: str, now: Now) -> Record:
    """The record, given that it is the run's own, unexpired lease.

    :raises GatewayError: ``lease-lost``.
    """
    if record is None or not is_living(record, now) or record["run_id"] != run_id:
        raise lost_error(record, host, login, now)
    return record


def lost_error(record: Mapping[str, Any] | None, host: str, login: str, now: Now) -> GatewayError:
    if record is None:
        why = "no lease was ever taken there"
    elif record["state"] == RELEASED:
        why = "it was given back"
    elif record["boot_id"] != now.boot_id:
        why = "the host was restarted since"
    elif is_living(record, now):
        why = f"the run {record['run_id']} of {operator(record)} has it since {record['taken_at']}"
    else:
        why = f"it expired {_span(now.seconds - record['expires'])} ago: the run paused for longer than its lease lasts"
    return GatewayError(
        f"This run does not hold the lease for {login} on {host}: {why}. Another run may have changed who holds the "
        "login, so nothing was stopped and nothing was started. Run the same command again from its start.",
        "lease-lost",
    )


def held_error(record: Mapping[str, Any], request: Request, now: Now) -> LeaseHeldError:
    holder = public(record, now)
    return LeaseHeldError(
        f"{request.host}: {operator(record)} is changing who holds {request.login} (run {record['run_id']}, begun "
        f"{_span(holder['age'])} ago, process {record['owner'].get('pid', 'unknown')}). This run changed nothing. Wait "
        f"for that run; should it be dead, its lease ends by itself in {_span(holder['expires_in'])}.",
        holder,
    )


def operator(record: Mapping[str, Any]) -> str:
    return str(record["owner"].get("operator") or "an unknown operator")


def public(record: Mapping[str, Any], now: Now) -> Record:
    """What a result shows of a lease: times as spans, since a host's boot time means nothing elsewhere."""
    same_boot = record["boot_id"] == now.boot_id
    return {
        "host": record["host"],
        "login": record["login"],
        "login_key": record["login_key"],
        "run_id": record["run_id"],
        "generation": record["generation"],
        "owner": record["owner"],
        "taken_at": record["taken_at"],
        "age": int(now.seconds - record["taken"]) if same_boot else None,
        "expires_in": max(0, int(record["expires"] - now.seconds)) if is_living(record, now) else 0,
    }


def history(request: Request, now: Now, action: str, **details: Any) -> Record:
    """One line of the host's history."""
    return {
        "at": now.wall,
        "host": request.host,
        "login_key": request.key,
        "run_id": request.run_id,
        "operator": str(request.owner.get("operator") or ""),
        "action": action,
        **details,
    }


class Leases:
    """The leases of this host."""

    def __init__(self, state: State, check_mode: bool = False) -> None:
        self._state = state
        self._check_mode = check_mode

    def take(self, request: Request, wait: float = 0.0) -> Change:
        """Take the lease; for *wait* seconds, wait for another run's to be released or to expire."""
        deadline = time.monotonic() + wait
        while True:
            try:
                return self._take(request)
            except LeaseHeldError:
                if self._check_mode or time.monotonic() >= deadline:
                    raise
            time.sleep(min(_INTERVAL, max(0.0, deadline - time.monotonic())))

    def renew(self, request: Request, generation: int | None = None) -> Change:
        if self._check_mode:
            return self._would_have(request)
        with HostLock(self._state):
            change = renew(self._state.read_lease(request.key), request, read_clock(), generation)
            self._write(request, change)
            return change

    def release(self, request: Request) -> Change:
        if self._check_mode:
            return release(self._state.read_lease(request.key), request.run_id)
        with HostLock(self._state):
            change = release(self._state.read_lease(request.key), request.run_id)
            if change.changed:
                self._write(request, change)
            return change

    def living(self) -> list[Record]:
        now = read_clock()
        return [public(record, now) for record in self._state.leases() if is_living(record, now)]

    def _take(self, request: Request) -> Change:
        if self._check_mode:
            return self._would_have(request)
        with HostLock(self._state):
            now = read_clock()
            change = take(self._state.read_lease(request.key), request, now)
            if change.changed:
                self._write(request, change)
                self._state.append_history(
                    history(request, now, "lease-taken", generation=(change.record or {})["generation"])
                )
            return change

    def _would_have(self, request: Request) -> Change:
        return take(self._state.read_lease(request.key), request, read_clock())

    def _write(self, request: Request, change: Change) -> None:
        if change.record is not None:
            self._state.write_lease(request.key, change.record)


def _span(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h"
