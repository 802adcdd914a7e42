#!/usr/bin/python
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trading_engine
short_description: Restart the trading engine, and see it connected to the gateway
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Sees whether the trading engine's container is connected to the gateway, and waits for it.
  - Without O(connected_pattern) the engine counts as connected when the gateway's container has an established
    connection from the engine's address to the trading API that its relay carries on to the gateway itself. One
    that the relay merely holds open does not count.
  - A host without trading engine is fine.
options:
  container:
    description: Name of the trading engine's container.
    type: str
    default: trading-engine
  gateway_container:
    description: Name of the gateway's container.
    type: str
    default: ibgateway
  restart:
    description:
      - Whether to restart the trading engine first. One that is stopped is started.
      - With V(false) and O(timeout=0) the module looks once and succeeds whatever it finds.
    type: bool
    default: false
  stop_in_project:
    description:
      - Stops the trading engine instead, where it belongs to this compose project. For the host that a login was moved away
        from. Neither a restart of Docker nor a reboot brings it back. One of another project is taken for absent.
    type: str
  connected_pattern:
    description:
      - A regular expression. When given, the trading engine counts as connected once a line of its log since its last
        start matches.
    type: str
  timeout:
    description:
      - Seconds to wait for the connection.
      - The default is V(90) with O(restart=true), and V(0) with O(restart=false), which is one look.
    type: int
  port:
    description: The trading API's port in the gateway's container.
    type: int
    default: 4000
extends_documentation_fragment:
  - abstractfinance.ibgateway.engine
  - abstractfinance.ibgateway.attributes
attributes:
  check_mode:
    support: full
    details:
      - Restarts nothing and does not wait.
  diff_mode:
    support: none
seealso:
  - module: abstractfinance.ibgateway.gateway_login
"""

EXAMPLES = r"""
- name: Restart the trading engine, and see it connected
  abstractfinance.ibgateway.trading_engine:
    restart: true

- name: See whether the trading engine is connected
  abstractfinance.ibgateway.trading_engine:
    connected_pattern: connected to ibgateway:4000, accounts .*DU1234567
  register: trading_engine_look
"""

RETURN = r"""
state:
  description:
    - V(connected), V(not-connected), V(stopped) or V(absent).
  type: str
  returned: always
  sample: connected
since:
  description: When the trading engine was started, ISO 8601 UTC. Empty when there is none.
  type: str
  returned: always
  sample: "2026-11-22T15:18:40Z"
container_id:
  description: Id of the trading engine's container. Empty when there is none.
  type: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.trading import (
    ABSENT,
    Wanted,
    check,
    read_pattern,
    stop,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "default": "trading-engine"},
            "gateway_container": {"type": "str", "default": "ibgateway"},
            "restart": {"type": "bool", "default": False},
            "stop_in_project": {"type": "str"},
            "connected_pattern": {"type": "str"},
            "timeout": {"type": "int"},
            "port": {"type": "int", "default": 4000},
        },
        mutually_exclusive=[("restart", "stop_in_project")],
        supports_check_mode=True,
    )
    params = module.params
    if params["stop_in_project"] is not None:
        try:
            stopped = stop(HostEngine(), params["container"], params["stop_in_project"], module.check_mode)
        except GatewayError as error:
            module.fail_json(msg=str(error), code=error.code)
        module.exit_json(**stopped)
    restart = params["restart"] and not module.check_mode
    timeout = params["timeout"] if params["timeout"] is not None else (90 if params["restart"] else 0)
    try:
        found = check(
            HostEngine(),
            Wanted(
                container=params["container"],
                gateway=params["gateway_container"],
                port=params["port"],
                pattern=read_pattern(params["connected_pattern"]),
                timeout=timeout,
            ),
            restart=restart,
            wait=timeout > 0 and not module.check_mode,
        )
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    if found.error is not None:
        module.fail_json(msg=str(found.error), code=found.error.code, **found.result)
    if module.check_mode and params["restart"] and found.result["state"] != ABSENT:
        found.result["changed"] = True
    module.exit_json(**found.result)


if __name__ == "__main__":
    main()
