# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run must know before it asks a host: which hosts it covers, and which of them answered.

Nothing here knows Ansible; the action plugins hand over what the inventory and the earlier tasks say.
"""

from __future__ import annotations

import uuid
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError


class Run(NamedTuple):
    """One playbook run: its id (UUID4), the host that is to hold the session, and every host of the fleet."""

    run_id: str
    target: str
    fleet: List[str]


class Silent(NamedTuple):
    """A host of the fleet without a usable answer to one step: why, and what its task said."""

    host: str
    why: str
    detail: str


def plan_run(
    environment: str,
    fleet: Optional[Sequence[str]],
    groups: Mapping[str, Sequence[str]],
    covered: Optional[Sequence[str]] = None,
    limit: Optional[str] = None,
) -> Run:
    """Check that the inventory can carry a takeover in *environment*, and give the run its id.

    :param environment: group whose single host is the target (``staging``).
    :param fleet: the fleet list, ``session_fleet``.
    :param groups: Ansible's ``groups``.
    :param covered: hosts that the play covers (``ansible_play_hosts_all``); None where the play is not the fleet's.
    :param limit: ``--limit``, which without *covered* cannot be held against the fleet and is refused.
    :raises GatewayError: ``inventory-incomplete`` with every problem found.
    """
    problems: List[str] = []
    members = list(groups.get("ibgateway", []))
    targets = list(groups.get(environment, []))
    if not members:
        problems.append(
            "the inventory has no host in the group 'ibgateway'; name an inventory with -i, "
            "or run where ansible.cfg names one"
        )
    if not fleet:
        problems.append(
            "'session_fleet' is not set: the fleet list (inventory names of all gateway hosts, every environment) "
            "must be the same in every inventory"
        )
    if members and not targets:
        problems.append(f"the group '{environment}' is empty; add the host that is to run the gateway")
    if len(targets) > 1:
        problems.append(
            f"the group '{environment}' holds {len(targets)} hosts ({', '.join(sorted(targets))}), and an environment's "
            "login can be in use on one only; leave one"
        )
    known = list(fleet or [])
    doubled = sorted({name for name in known if known.count(name) > 1})
    if doubled:
        problems.append(f"'session_fleet' names {', '.join(doubled)} more than once")
    if members:
        missing = sorted(set(known) - set(members))
        if missing:
            problems.append(
                f"the inventory lacks {', '.join(missing)} of the fleet list; name every environment's inventory with -i"
            )
        unlisted = sorted(set(members) - set(known))
        if fleet and unlisted:
            problems.append(f"'session_fleet' does not list {', '.join(unlisted)}, which the group 'ibgateway' has")
    if covered is not None:
        left_out = sorted(set(known) & set(members) - set(covered))
        if left_out:
            problems.append(
                f"this run leaves out {', '.join(left_out)} (--limit?); a takeover must ask the whole fleet"
            )
    elif limit:
        problems.append(f"--limit {limit} leaves out hosts; a takeover must ask the whole fleet")
    if problems:
        raise GatewayError(
            "Nothing was asked and nothing was changed: " + "; ".join(problems) + ".",
            "inventory-incomplete",
        )
    return Run(str(uuid.uuid4()), targets[0], sorted(known))


def silent_hosts(fleet: Sequence[str], answers: Mapping[str, Optional[Mapping[str, Any]]]) -> List[Silent]:
    """Hosts of *fleet* whose registered result is missing, unreachable, skipped or failed.

    A result that Ansible calls a success may be an unreachable one; only a plain, finished result counts.
    """
    silent: List[Silent] = []
    for host in fleet:
        answer = answers.get(host)
        if answer is None or answer.get("skipped"):
            silent.append(Silent(host, "missing", ""))
        elif answer.get("unreachable"):
            silent.append(Silent(host, "unreachable", ""))
        elif answer.get("failed"):
            silent.append(Silent(host, "failed", str(answer.get("msg", "")).strip()))
    return silent


def barrier_error(step: str, silent: Sequence[Silent], state: str, details: bool = True) -> GatewayError:
    """The error for hosts that did not get through *step*.

    :param state: what has happened to the gateways so far.
    :param details: whether to repeat what a failed host said, or only its code.
    """
    sentences: List[str] = []
    codes: List[str] = []
    unreachable = [item.host for item in silent if item.why == "unreachable"]
    if unreachable:
        codes.append("host-unreachable")
        sentences.append(
            f"{', '.join(unreachable)} could not be asked ({step}): no answer by SSH. A session there cannot be ruled out."
        )
    missing = [item.host for item in silent if item.why == "missing"]
    if missing:
        codes.append("step-failed")
        sentences.append(f"{', '.join(missing)} did not get as far as {step}; what stopped it stands above.")
    for item in silent:
        if item.why == "failed":
            codes.insert(0, code_of(item.detail))
            sentences.append(f"{item.host} failed at {step}{': ' + item.detail if details else '.'}")
    sentences.append(state)
    if unreachable:
        sentences.append("Bring the host back (power, network, SSH) and run the same command again.")
    return GatewayError(" ".join(sentences), codes[0])


def code_of(message: str) -> str:
    """The cause code that ends *message*, or ``step-failed``."""
    head, bracket, tail = message.rpartition("[")
    code = tail[:-1]
    return code if bracket and tail.endswith("]") and code.replace("-", "").isalnum() else "step-failed"


def answers_of(hostvars: Mapping[str, Mapping[str, Any]], fleet: Sequence[str], name: str) -> Dict[str, Any]:
    """The variable *name* (a registered result) of each fleet host, None where a host has none."""
    return {host: hostvars[host].get(name) if host in hostvars else None for host in fleet}
