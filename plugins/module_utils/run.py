# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run must know before it asks a host: which hosts it covers, and which of them answered.

Nothing here knows Ansible; the action plugins hand over what the inventory and the earlier tasks say.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

# What an SSH client says of a server that has answered it. Ansible calls all of these "unreachable" as well.
_SSH_ANSWERS = (
    "Permission denied",
    "Host key verification failed",
    "REMOTE HOST IDENTIFICATION HAS CHANGED",
    "Too many authentication failures",
    "No supported authentication methods available",
    "Unable to negotiate",
    "Invalid/incorrect password",
    "privilege escalation prompt",
)


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
    assumed: Sequence[str] = (),
) -> Run:
    """Check that the inventory can carry a takeover in *environment*, and give the run its id.

    :param environment: group whose single host is the target (``staging``).
    :param fleet: the fleet list, ``session_fleet``.
    :param groups: Ansible's ``groups``.
    :param covered: hosts that the play covers (``ansible_play_hosts_all``); None where the play is not the fleet's.
    :param limit: ``--limit``, which without *covered* cannot be held against the fleet and is refused.
    :param assumed: hosts that the operator states to be powered off, ``gateway_assume_fenced``.
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
    strangers = sorted(set(assumed) - set(known))
    if fleet and strangers:
        problems.append(f"'gateway_assume_fenced' names {', '.join(strangers)}, which 'session_fleet' does not list")
    off = sorted(set(assumed) & set(targets))
    if off:
        problems.append(f"'gateway_assume_fenced' names {', '.join(off)}, which is to run the gateway")
    if problems:
        raise GatewayError(
            "Nothing was asked and nothing was changed: " + "; ".join(problems) + ".",
            "inventory-incomplete",
        )
    return Run(str(uuid.uuid4()), targets[0], sorted(known))


def silent_hosts(
    fleet: Sequence[str], answers: Mapping[str, Optional[Mapping[str, Any]]], assumed: Sequence[str] = ()
) -> List[Silent]:
    """Hosts of *fleet* whose registered result is missing, unreachable, skipped or failed.

    A result that Ansible calls a success may be an unreachable one; only a plain, finished result counts.

    :param assumed: hosts that the operator states to be powered off. They have to be asked too, and to be unreachable:
        one that answers, with success, failure or SSH's refusal of user or key, contradicts that.
    """
    silent: List[Silent] = []
    for host in fleet:
        answer = answers.get(host)
        if host in assumed and answer is not None and not answer.get("skipped"):
            refusal = _ssh_answer(answer)
            if refusal or not answer.get("unreachable"):
                silent.append(Silent(host, "answers", refusal))
        elif answer is None or answer.get("skipped"):
            silent.append(Silent(host, "missing", ""))
        elif answer.get("unreachable"):
            silent.append(Silent(host, "unreachable", ""))
        elif answer.get("failed"):
            silent.append(Silent(host, "failed", str(answer.get("msg", "")).strip()))
    return silent


def _ssh_answer(answer: Mapping[str, Any]) -> str:
    """What an "unreachable" host's SSH server has answered; empty where nothing did."""
    said = str(answer.get("msg", "")) if answer.get("unreachable") else ""
    return next((words for words in _SSH_ANSWERS if words in said), "")


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
    answering = [item.host for item in silent if item.why == "answers"]
    if answering:
        codes.insert(0, "assumed-host-answers")
        sentences.append(
            f"gateway_assume_fenced states that {', '.join(answering)} is powered off, and it answers ({step}). Take it "
            "out of that list: what answers can be fenced."
        )
    refused = [f"{item.host} says '{item.detail}'" for item in silent if item.why == "answers" and item.detail]
    if refused:
        sentences.append(f"By SSH, {', '.join(refused)}: mend the user, the key or the known host key first.")
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
        sentences.append(
            "Bring the host back (power, network, SSH) and run the same command again. Only where you have seen that it is "
            f"powered off, add -e '{assume_fenced(unreachable)}' to that command: should it run after all, and with this "
            "login, there are two sessions, and IBKR ends one of them again and again."
        )
    return GatewayError(" ".join(sentences), codes[0])


def assume_fenced(hosts: Sequence[str]) -> str:
    """What goes on without *hosts*, as an argument of -e."""
    return json.dumps({"gateway_assume_fenced": list(hosts)})


def code_of(message: str) -> str:
    """The cause code that ends *message*, or ``step-failed``."""
    head, bracket, tail = message.rpartition("[")
    code = tail[:-1]
    return code if bracket and tail.endswith("]") and code.replace("-", "").isalnum() else "step-failed"


def answers_of(hostvars: Mapping[str, Mapping[str, Any]], fleet: Sequence[str], name: str) -> Dict[str, Any]:
    """The variable *name* (a registered result) of each fleet host, None where a host has none."""
    return {host: hostvars[host].get(name) if host in hostvars else None for host in fleet}
