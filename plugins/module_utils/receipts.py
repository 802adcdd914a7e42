# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Receipts: what `session_fence` returns for a host, and `gateway_start` asks for. Nothing here touches a host."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError


class Problem(NamedTuple):
    """Why a host's receipt does not allow a start."""

    code: str
    host: str
    message: str


def receipt(
    host: str,
    key: str,
    run_id: str,
    target: str,
    generation: int | None,
    boot_id: str,
    seen: Sequence[Mapping[str, Any]],
    done: Sequence[Mapping[str, Any]],
    wall: str,
) -> dict[str, Any]:
    """A host's receipt, for a start on *target*. Without a generation (check mode) it allows none."""
    return {
        "host": host,
        "login_key": key,
        "run_id": run_id,
        "target": target,
        "generation": generation,
        "boot_id": boot_id,
        "seen": [dict(item) for item in seen],
        "done": [dict(item) for item in done],
        "at": wall,
    }


class Wanted(NamedTuple):
    """What the receipts have to show: that *target* may start the login *key* for the run.

    `assumed` are hosts of which the operator states that they are powered off.
    """

    fleet: Sequence[str]
    key: str
    run_id: str
    target: str
    assumed: Sequence[str] = ()


def verify(
    wanted: Wanted,
    receipts: Sequence[Mapping[str, Any]],
    leases: Sequence[Mapping[str, Any]],
    check_mode: bool = False,
) -> list[Problem]:
    """What stands against a start: for each host of the fleet there must be a receipt of this run, this login, this
    target and the generation in which the run holds that host's lease. In check mode nothing was taken, so no generation
    is asked for. A host assumed to be powered off must have neither receipt nor lease: one that has them has answered.
    """
    problems = [_not_of_fleet(host) for host in wanted.assumed if host not in wanted.fleet]
    for host in wanted.fleet:
        own = [item for item in receipts if item.get("host") == host]
        lease = next((item for item in leases if item.get("host") == host), None)
        candidates = [_problem(wanted, host, item, lease, check_mode) for item in own]
        if host in wanted.assumed:
            if own or lease is not None or host == wanted.target:
                problems.append(_answers(host))
        elif not candidates:
            problems.append(
                Problem(
                    "receipt-missing",
                    host,
                    f"{host} has no receipt: whether a gateway with this login runs there was not asked",
                )
            )
        elif all(candidates):
            problems.append(next(item for item in candidates if item))
    return problems


def settled(key: str, run_id: str, receipts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The hosts that the run has fenced: what was assumed of them is no longer of interest."""
    return sorted(
        {
            str(item["host"])
            for item in receipts
            if (item.get("run_id"), item.get("login_key")) == (run_id, key) and _is_number(item.get("generation"))
        }
    )


def refuse(problems: Sequence[Problem], container: str) -> GatewayError:
    """The error for a start that receipts do not allow, with the first problem's code."""
    return GatewayError(
        f"{container} was not started: {'; '.join(item.message for item in problems)}. A second session of the login "
        "cannot be ruled out. Run the whole playbook from its start, without --limit and --start-at-task, on all hosts "
        "of the fleet.",
        problems[0].code,
    )


def _not_of_fleet(host: str) -> Problem:
    return Problem(
        "assumed-host-unknown",
        host,
        f"gateway_assume_fenced names {host}, which is not in the fleet list (session_fleet)",
    )


def _answers(host: str) -> Problem:
    return Problem(
        "assumed-host-answers",
        host,
        f"gateway_assume_fenced states that {host} is powered off, and it has answered this run; leave it out of that list",
    )


def _problem(
    wanted: Wanted, host: str, item: Mapping[str, Any], lease: Mapping[str, Any] | None, check_mode: bool
) -> Problem | None:
    if item.get("run_id") != wanted.run_id:
        return Problem("receipt-foreign-run", host, f"the receipt of {host} is of another run ({item.get('run_id')})")
    if item.get("login_key") != wanted.key:
        return Problem("receipt-foreign-login", host, f"the receipt of {host} is for the login {item.get('login_key')}")
    if item.get("target") != wanted.target:
        return Problem(
            "receipt-foreign-target",
            host,
            f"the receipt of {host} is for a start on {item.get('target')}; since then this run may have started the "
            f"login there, so {host} must be fenced again for {wanted.target}",
        )
    if check_mode:
        return None
    if lease is None or lease.get("run_id") != wanted.run_id or lease.get("login_key") != wanted.key:
        return Problem("lease-missing", host, f"this run shows no lease for {host}")
    generation = item.get("generation")
    if not _is_number(generation) or generation != lease.get("generation"):
        return Problem(
            "receipt-stale-generation",
            host,
            f"the receipt of {host} is of lease generation {generation}, and the lease has "
            f"{lease.get('generation')}: another run may have been there in between",
        )
    return None


def _is_number(generation: Any) -> bool:
    return isinstance(generation, int) and not isinstance(generation, bool)
