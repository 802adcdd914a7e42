# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who runs: the operator, the controller, and the ansible-playbook process, told apart from one that took its number.

Read on the controller, for a lease's owner. A process counts as dead only when it can be known: same machine, same
hostname, same process namespace.
"""

from __future__ import annotations

import datetime
import getpass
import hashlib
import multiprocessing
import os
import platform
import subprocess
import uuid
from typing import Any, Mapping


def read_owner() -> dict[str, Any]:
    """The owner of a lease that this run takes."""
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent is not None and parent.pid else os.getpid()
    return {
        "operator": f"{_user()}@{platform.node()}",
        "controller": controller_id(),
        "pid": pid,
        "pid_started": process_start(pid),
        "started_at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def controller_id() -> str:
    """A hash that is the same for two processes only when one of them can see whether the other lives."""
    parts = [_machine_id(), platform.node(), _link("/proc/self/ns/pid")]
    return hashlib.sha256("\0".join(["abstractfinance.ibgateway", *parts]).encode()).hexdigest()[:32]


def process_start(pid: int) -> str | None:
    """When the process *pid* started, as the kernel counts it, with its boot; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            boot_id = stream.read().strip()
    except OSError:
        return _start_by_ps(pid)
    return None if fields[0] in ("Z", "X") else f"{boot_id}/{fields[19]}"


def is_dead(holder: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether the lease's owner *holder* was a process of this very controller that does not live any more."""
    if not holder.get("controller") or holder["controller"] != own["controller"]:
        return False
    pid, started = holder.get("pid"), holder.get("pid_started")
    return isinstance(pid, int) and bool(started) and process_start(pid) != started


def _start_by_ps(pid: int) -> str | None:
    if os.path.isdir("/proc/self"):
        return None
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], check=False, capture_output=True, text=True, timeout=10
    )
    return shown.stdout.strip() or None


def _machine_id() -> str:
    try:
        with open("/etc/machine-id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return str(uuid.getnode())


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
