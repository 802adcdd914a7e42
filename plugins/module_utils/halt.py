# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stop a gateway for good: nothing brings it back but a run of this collection. It stays where it is."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import lease as leases
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import stopping
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hostlock import HostLock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

ABSENT = "absent"
STOPPED = "stopped"
GRACE = 10


class Demand(NamedTuple):
    """The gateway that is to stop, and the run that may do it."""

    host: str
    container: str
    login: str
    key: str
    run_id: str


def halt(engine: Engine, state: State, demand: Demand, check_mode: bool = False) -> Dict[str, Any]:
    """Restart policy `no`, then the end, by the gateway's own menu where it has one.

    :raises GatewayError: ``lease-lost``, or what the engine refuses.
    """
    if check_mode:
        inspect = engine.inspect(demand.container)
        return _result(inspect is not None and _returns(inspect), inspect is None, None)
    with HostLock(state):
        lease = leases.owned(
            state.read_lease(demand.key), demand.host, demand.login, demand.run_id, leases.read_clock()
        )
        inspect = engine.inspect(demand.container)
        if inspect is None or not _returns(inspect):
            return _result(False, inspect is None, None)
        entry = {
            "at": leases.wall_time(),
            "host": demand.host,
            "login_key": demand.key,
            "run_id": demand.run_id,
            "operator": leases.operator(lease),
            "action": "stop",
        }
        try:
            engine.never_restart(str(inspect["Id"]))
            how = stopping.end(engine, str(inspect["Id"]), GRACE)
        except GatewayError as error:
            state.append_history({**entry, "done": [], "outcome": error.code})
            raise
        state.append_history({**entry, "done": [f"{demand.container}: {how or 'would not return'}"], "outcome": "done"})
        return _result(True, False, how)


def _returns(inspect: Dict[str, Any]) -> bool:
    """Whether it runs, or something but a run of this collection would have it run again."""
    policy = ((inspect.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") or "no"
    return stopping.is_up(inspect) or policy != "no"


def _result(changed: bool, absent: bool, how: Any) -> Dict[str, Any]:
    return {"changed": changed, "state": ABSENT if absent else STOPPED, "ended": how}
