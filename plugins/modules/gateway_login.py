#!/usr/bin/python
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_login
short_description: Wait until a gateway's login is proven, or has failed with a cause
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Waits until the login of a running gateway is decided, and says how.
  - A login counts as proven when the trading API on the gateway answered with the expected account, and by nothing
    else. Neither a line of the log nor an open port 4000 is taken for success.
  - A login counts as failed by the evidence that decides it, not at a time-out. That is a line of the gateway's log; where
    the log is silent, a dialog on the gateway's screen or its launcher.log; or the end of the gateway's program. The cause
    is an entry of the catalogue of causes, and the module's message ends with its code.
  - Shows on the controller what the login waits for, as it goes on.
  - Starts no gateway and never repeats a login.
options:
  container:
    description: Name of the gateway's container.
    type: str
    required: true
  login:
    description: The IBKR username that the gateway logs in with. Compared without regard to case.
    type: str
    required: true
  account:
    description: The account that must be among those that the trading API names, for example V(DU1234567).
    type: str
    required: true
  trading_mode:
    description: The gateway's trading mode. The words of a cause depend on it.
    type: str
    choices: [Paper Trading, Live Trading]
    required: true
  host:
    description: Inventory name of the host, for messages.
    type: str
    default: this host
  run_id:
    description:
      - The UUID4 of the playbook run.
      - When given, O(restart_policy) is set only while this run holds the unexpired lease of O(login) on this host, and
        that lease is renewed while the login is waited for.
    type: str
  lease_ttl:
    description: Seconds for which the lease of O(run_id) is renewed.
    type: int
    default: 900
  wait:
    description:
      - Whether to wait until the login is decided, and to fail when it is not proven.
      - With V(false) the module looks once, changes nothing, and succeeds whatever it finds.
    type: bool
    default: true
  install_timeout:
    description: Seconds that the installation of IB Gateway may take. The first start downloads it.
    type: int
    default: 900
  login_timeout:
    description:
      - Seconds that a login may take from one step to the next. A login that makes progress is never cut off.
      - This is the bound for a login that stands still without showing why.
    type: int
    default: 300
  proof_timeout:
    description: Seconds that the trading API may take to open and to answer, once the gateway reports success.
    type: int
    default: 60
  listen:
    description:
      - Seconds for which the proof goes on listening for the notices 1100 and 2110, which tell that the gateway has
        lost its connection to IBKR.
      - The default is V(2.5) with O(wait=true) and V(0.3) with O(wait=false).
    type: float
  stop_failed:
    description:
      - Whether to end a gateway whose login failed, at once and with restart policy V(no), so that the image does not
        send the same password again.
    type: bool
    default: false
  restart_policy:
    description: The restart policy that a proven gateway gets. V(none) leaves it as it is.
    type: str
    choices: ['none', 'no', always, unless-stopped, on-failure]
    default: unless-stopped
  client_id:
    description:
      - The API client id of the proof. An unusual one, since each client of the API needs an id of its own.
      - The next higher one is tried when it is in use.
    type: int
    default: 7493
  port:
    description: The trading API's port in the container.
    type: int
    default: 4000
  progress:
    description:
      - File to which each stage of the login is appended while it is waited for, one JSON object a line.
      - Set by this module's own action, which shows the stages on the controller. Of no use in a playbook.
    type: path
extends_documentation_fragment:
  - abstractfinance.ibgateway.engine
  - abstractfinance.ibgateway.attributes
attributes:
  check_mode:
    support: full
    details:
      - Looks once, as with O(wait=false), and neither stops a gateway nor sets a restart policy.
  diff_mode:
    support: none
seealso:
  - module: abstractfinance.ibgateway.gateway_start
  - module: abstractfinance.ibgateway.session_info
"""

EXAMPLES = r"""
- name: Wait until the login is decided, and prove it
  abstractfinance.ibgateway.gateway_login:
    container: ibgateway
    login: afpaper01
    account: DU1234567
    trading_mode: Paper Trading
    run_id: "{{ session_run_id }}"
    host: "{{ inventory_hostname }}"
    stop_failed: true

- name: See where a login stands, without waiting and without changing anything
  abstractfinance.ibgateway.gateway_login:
    container: ibgateway
    login: aflive01
    account: U7654321
    trading_mode: Live Trading
    wait: false
  register: gateway_look
"""

RETURN = r"""
state:
  description:
    - V(proven) when the trading API answered with the expected account.
    - V(failed) when it is decided that it will not.
    - V(pending) when O(wait=false) and the login is still in progress.
    - V(absent) when there is no such container, or it was never started.
  type: str
  returned: always
  sample: proven
accounts:
  description: The accounts that the trading API named.
  type: list
  elements: str
  returned: always
  sample: [DU1234567]
connected:
  description: Whether the proof saw the gateway connected to IBKR, which is to say neither 1100 nor 2110.
  type: bool
  returned: always
orders:
  description:
    - Of a proven gateway, whether orders are V(allowed) or the API is V(read-only), as the image's check of the options
      has set it in this start. A check that is under way is waited for, 30 seconds at most.
    - V(none) where the check was skipped, as it is from the third start with the same settings on. Nothing that can be
      read without touching the gateway shows then what is in effect.
  type: str
  returned: always
  sample: allowed
since:
  description: When the container was started, ISO 8601 UTC.
  type: str
  returned: always
  sample: "2026-11-22T15:17:40Z"
container_id:
  description: Id of the container.
  type: str
  returned: always
cause:
  description: Why the login is not proven. Null when it is, or when nothing is decided yet.
  type: dict
  returned: always
  contains:
    code:
      description: The code of the catalogue's entry.
      type: str
      sample: wrong-credentials
    title:
      description: The entry's title.
      type: str
    sentence:
      description: What is wrong, where, and what to do next, with the code in brackets.
      type: str
    evidence:
      description: The lines of the log and the notices of the API that show it.
      type: list
      elements: str
timeline:
  description: The stages of this login with the time at which each began.
  type: list
  elements: dict
  returned: always
  contains:
    stage:
      description: Name of the stage.
      type: str
      sample: second-factor
    at:
      description: ISO 8601 UTC.
      type: str
restart_policy:
  description: The container's restart policy, as it is now.
  type: str
  returned: always
stopped:
  description: Whether this module ended the gateway.
  type: bool
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.causes import MODES
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_watch import Decided, decide
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import WITHIN, Bounds, Expected


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "login": {"type": "str", "required": True},
            "account": {"type": "str", "required": True},
            "trading_mode": {"type": "str", "required": True, "choices": list(MODES)},
            "host": {"type": "str", "default": "this host"},
            "run_id": {"type": "str"},
            "lease_ttl": {"type": "int", "default": 900},
            "wait": {"type": "bool", "default": True},
            "install_timeout": {"type": "int", "default": WITHIN["install"]},
            "login_timeout": {"type": "int", "default": WITHIN["login"]},
            "proof_timeout": {"type": "int", "default": WITHIN["proof"]},
            "listen": {"type": "float"},
            "stop_failed": {"type": "bool", "default": False},
            "restart_policy": {
                "type": "str",
                "default": "unless-stopped",
                "choices": ["none", "no", "always", "unless-stopped", "on-failure"],
            },
            "client_id": {"type": "int", "default": 7493},
            "port": {"type": "int", "default": 4000},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    wait = params["wait"] and not module.check_mode
    listen = params["listen"] if params["listen"] is not None else (2.5 if wait else 0.3)
    try:
        found: Decided = decide(
            HostEngine(),
            Expected(
                container=params["container"],
                login=params["login"],
                account=params["account"],
                mode=MODES[params["trading_mode"]],
                client_id=params["client_id"],
                port=params["port"],
            ),
            Bounds(params["install_timeout"], params["login_timeout"], params["proof_timeout"], listen),
            wait=wait,
            stop_failed=params["stop_failed"],
            restart_policy=None if params["restart_policy"] == "none" else params["restart_policy"],
            host=params["host"],
            run_id=params["run_id"],
            lease_ttl=params["lease_ttl"],
            progress=params["progress"],
        )
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    if found.message is not None:
        module.fail_json(msg=found.message, **found.result)
    module.exit_json(**found.result)


if __name__ == "__main__":
    main()
