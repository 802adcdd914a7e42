# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules that look at a host's stack; described in the documentation fragment `stack`."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.preflight import Port, Wanted

# By how many seconds the clocks of host and controller may differ.
CLOCK_SKEW = 10.0
STACK: Dict[str, Dict[str, Any]] = {
    "host": {"type": "str", "required": True},
    "project_dir": {"type": "path", "default": "/srv/abstractfinance"},
    "compose_file": {"type": "str", "default": "docker-compose.yml"},
    "project": {"type": "str", "default": "abstractfinance"},
    "service": {"type": "str", "default": "ibgateway"},
    "container": {"type": "str", "default": "ibgateway"},
    "services": {"type": "list", "elements": "str"},
    "image": {"type": "str"},
    "ports": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "bind": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "required": True},
        },
    },
    "trading_mode": {"type": "str"},
    "account": {"type": "str"},
    "min_free_mb": {"type": "int", "default": 1024},
    "min_compose": {"type": "str", "default": "2.24.0"},
    "max_clock_skew": {"type": "float", "default": CLOCK_SKEW},
}


def wanted(params: Mapping[str, Any], **more: Any) -> Wanted:
    """What a module's parameters ask of a stack; the clock is held on the controller."""
    given = {name: params[name] for name in STACK if name not in ("ports", "max_clock_skew")}
    return Wanted(**given, ports=[Port(item["bind"], item["port"]) for item in params["ports"]], **more)
