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
    generation: int | None,
    boot_id: str,
    seen: Sequence[Mapping[str, Any]],
    done: Sequence[Mapping[str, Any]],
    wall: str,
) -> dict[str, Any]:
    """A host's receipt. Without a generation (check mode) it allows no start."""
    return {
        "host": host,
        "login_key": key,
        "run_id": run_id,
        "generation": generation,
        "boot_id": boot_id,
        "seen": [dict(item) for item in seen],
        "done": [dict(item) for item in done],
        "at": wall,
    }


def verify(
    receipts: Sequence[Mapping[str, Any]],
    leases: Sequence[Mapping[str, Any]],
    fleet: Sequence[str],
    key: str,
    run_id: str,
    check_mode: bool = False,
) -> list[Problem]:
    """What stands against a start: for each host of the fleet there must be a receipt of this run, this login and the
    generation in which the run holds that host's lease. In check mode nothing was taken, so no generation is asked for.
    """
    problems: list[Problem] = []
    for host in fleet:
        own = [item for item in receipts if item.get("host") == host]
        lease = next((item for item in leases if item.get("host") == host), None)
        candidates = [_problem(host, item, lease, key, run_id, check_mode) for item in own]
        if not candidates:
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


def refuse(problems: Sequence[Problem], container: str) -> GatewayError:
    """The error for a start that receipts do not allow, with the first problem's code."""
    return GatewayError(
        f"{container} was not started: {'; '.join(item.message for item in problems)}. A second session of the login "
        "cannot be ruled out. Run the whole playbook from its start, without --limit and --start-at-task, on all hosts "
        "of the fleet.",
        problems[0].code,
    )


def _problem(
    host: str,
    item: Mapping[str, Any],
    lease: Mapping[str, Any] | None,
    key: str,
    run_id: str,
    check_mode: bool,
) -> Problem | None:
    if item.get("run_id") != run_id:
        return Problem("receipt-foreign-run", host, f"the receipt of {host} is of another run ({item.get('run_id')})")
    if item.get("login_key") != key:
        return Problem("receipt-foreign-login", host, f"the receipt of {host} is for the login {item.get('login_key')}")
    if check_mode:
        return None
    if lease is None or lease.get("run_id") != run_id or lease.get("login_key") != key:
        return Problem("lease-missing", host, f"this run shows no lease for {host}")
    generation = item.get("generation")
    if not isinstance(generation, int) or isinstance(generation, bool) or generation != lease.get("generation"):
        return Problem(
            "receipt-stale-generation",
            host,
            f"the receipt of {host} is of lease generation {generation}, and the lease has "
            f"{lease.get('generation')}: another run may have been there in between",
        )
    return None
