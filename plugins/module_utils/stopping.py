# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a gateway is ended: cleanly where that is possible, so that IBKR frees its slot at once, and always within a bound.

heshiming/ibga ignores SIGTERM, but closes by its own menu. Others get their stop signal, unless the container's first
process ignores that one: then there is nothing to wait for. What is left is killed.
"""

from __future__ import annotations

import os
import signal
from typing import Any, Mapping

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import netstat
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import IBGA, read_gateway

CLOSED = "closed"
SIGNALLED = "signalled"
KILLED = "killed"

# Seconds. The menu of the real image takes 2.6.
CLOSE_WITHIN = 8
STOP_WITHIN = 20
KILLS = 3

# The trading API, on the image's port or on one that its settings have not touched, is open only while logged in.
API_PORTS = frozenset({9000, 4001, 4002})

IBGA_USER = "ibg"
# A closed gateway may stay as a zombie (Z), since the image's first process waits for none but its own child.
_IBGA_CLOSE = r"""
lives() {
    local file line
    for file in /proc/[0-9]*/stat; do
        line=''
        { read -r line < "$file"; } 2> /dev/null
        case $line in *' (java) '[!ZX]*) return 0 ;; esac
    done
    return 1
}
source /opt/ibga/_run_ibg.sh
_click_menu File/Close
while lives; do sleep 0.05; done
"""


def end(engine: Engine, container_id: str, grace: int, proc: str = "/proc") -> str | None:
    """End a container and wait for the engine to say so; how it ended, None when it did not run.

    :param grace: seconds between the stop signal and the kill, for a container that can answer the signal.
    :raises GatewayError: ``stop-failed``.
    """
    how = None
    inspect = engine.inspect(container_id) or {}
    if is_up(inspect):
        how = KILLED
        if _close(engine, inspect, proc):
            how = CLOSED
        elif grace > 0 and heeds_stop_signal(inspect, proc):
            engine.stop(container_id, grace)
            how = SIGNALLED
            inspect = engine.inspect(container_id) or {}
            if is_up(inspect) or (inspect.get("State") or {}).get("ExitCode") == 128 + signal.SIGKILL:
                how = KILLED
    for _kill in range(KILLS):
        if not is_up(inspect):
            return how
        engine.kill(container_id)
        engine.wait_stopped(container_id, STOP_WITHIN)
        inspect = engine.inspect(container_id) or {}
    if not is_up(inspect):
        return how
    raise GatewayError(
        f"The container {container_id[:12]} still runs after {KILLS} kills, {STOP_WITHIN} seconds each: Docker or the "
        "kernel holds it. No gateway was started. 'docker inspect' and 'dmesg' on the host may tell; as a last resort "
        "restart the host.",
        "stop-failed",
    )


def is_up(inspect: Mapping[str, Any]) -> bool:
    state = inspect.get("State") or {}
    return bool(state.get("Running") or state.get("Restarting") or state.get("Paused"))


def closes_by_menu(inspect: Mapping[str, Any], proc: str = "/proc") -> bool:
    """Whether a container is a gateway of heshiming/ibga that is logged in: before that it has no menu, nor a slot."""
    state = inspect.get("State") or {}
    gateway = read_gateway(inspect)
    if gateway is None or gateway.family != IBGA or state.get("Status") != "running":
        return False
    found = netstat.sockets(str(state.get("Pid") or 0), proc)
    return found is not None and bool(netstat.listening_ports(found) & API_PORTS)


def heeds_stop_signal(inspect: Mapping[str, Any], proc: str = "/proc") -> bool:
    """Whether waiting for an answer to the stop signal makes sense.

    The first process of a container gets only signals that it has asked for: by a handler, or (as small inits do) by
    blocking it and waiting for it. Where that cannot be seen, it is assumed to answer.
    """
    state = inspect.get("State") or {}
    if state.get("Status") != "running":
        return False
    number = _stop_signal(str((inspect.get("Config") or {}).get("StopSignal") or "SIGTERM"))
    if number == signal.SIGKILL:
        return False
    try:
        with open(os.path.join(proc, str(state.get("Pid") or 0), "status"), encoding="ascii", errors="replace") as file:
            lines = dict(line.rstrip("\n").split(":", 1) for line in file if ":" in line)
    except OSError:
        return True
    if len(lines.get("NSpid", "").split()) == 1:
        return True
    masks = [int(lines[name].strip() or "0", 16) for name in ("SigCgt", "SigBlk") if name in lines]
    return not masks or any(mask >> (number - 1) & 1 for mask in masks)


def _stop_signal(name: str) -> int:
    if name.isdigit():
        return int(name)
    full = name.upper() if name.upper().startswith("SIG") else "SIG" + name.upper()
    return int(getattr(signal, full.partition("+")[0], signal.SIGTERM))


def _close(engine: Engine, inspect: Mapping[str, Any], proc: str) -> bool:
    """Close a gateway by its own menu; whether its Java process has ended within the bound."""
    if not closes_by_menu(inspect, proc):
        return False
    command = ["timeout", "-k", "1", str(CLOSE_WITHIN), "bash", "-c", _IBGA_CLOSE]
    return engine.run(str(inspect["Id"]), command, IBGA_USER) == 0
