# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_start
short_description: Start a gateway, given the proof that nothing else in the fleet holds its login
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Starts the container that was created for the login. Nothing else in this collection starts a gateway.
  - Refuses unless there is a receipt of M(abstractfinance.ibgateway.session_fence) for each host of O(fleet), of
    this run, this login, for a start on this host, and of the generation of the lease that this run holds there. So a host
    that did not answer, C(--limit) or C(--start-at-task) cannot lead to a second session.
  - The one exception are hosts of O(assume_fenced).
  - Looks at the host again, under the host's lock. The host's own lease must be this run's and unexpired, the container
    must have the login and the restart policy V(no), and nothing else here may hold the login.
  - A container that runs already, with all of that true, is left running.
options:
  container:
    description: Name of the container to start.
    type: str
    required: true
  fleet:
    description: The fleet list. Inventory names of the gateway hosts of all environments, this one included.
    type: list
    elements: str
    required: true
  receipts:
    description: The receipts of all hosts of O(fleet) but those of O(assume_fenced).
    type: list
    elements: dict
    required: true
  leases:
    description:
      - What M(abstractfinance.ibgateway.session_lease) returned as C(lease) at the last renewal, for all hosts of
        O(fleet) but those of O(assume_fenced).
    type: list
    elements: dict
    required: true
  assume_fenced:
    description:
      - Inventory names of hosts of which the operator states that they are powered off, so that they can be asked neither
        for a receipt nor for a lease.
      - Refused for a host that gave either, for O(host) itself, and for one that is not in O(fleet).
      - Each is recorded on O(host), and M(abstractfinance.ibgateway.session_info) returns the record until a run has fenced
        that host. The record goes with the next start here that has that host's receipt, or with
        O(abstractfinance.ibgateway.session_fence#module:state=cleared).
      - Should such a host run after all, and with this login, there are two sessions.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.run
  - abstractfinance.ibgateway.engine
attributes:
  check_mode:
    support: partial
    details:
      - Checks that each host of O(fleet) has a receipt of this run and login. The lease and the container do not exist
        in check mode, so they are not checked. Starts nothing.
  diff_mode:
    support: none
    details:
      - The container is started or it is not.
seealso:
  - module: abstractfinance.ibgateway.session_fence
  - module: abstractfinance.ibgateway.gateway_login
"""

EXAMPLES = r"""
- name: Start the gateway
  abstractfinance.ibgateway.gateway_start:
    host: "{{ inventory_hostname }}"
    container: ibgateway
    login: afpaper01
    run_id: "{{ session_run_id }}"
    fleet: "{{ session_fleet }}"
    receipts: "{{ session_fleet | map('extract', hostvars, ['session_fenced', 'receipt']) }}"
    leases: "{{ session_fleet | map('extract', hostvars, ['session_renewed', 'lease']) }}"
"""

RETURN = r"""
container:
  description: Name of the container.
  type: str
  returned: success
  sample: ibgateway
container_id:
  description: Id of the container; V(none) in check mode.
  type: str
  returned: success
  sample: 8d1c1f2f4e0b5b1c6f0d3c1d7f6f7f0b0c5a4b3e2d1c0f9e8d7c6b5a49382716
since:
  description: When it was started; V(none) in check mode.
  type: str
  returned: success
  sample: "2025-12-12T10:00:05Z"
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: receipt-missing
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import login_key
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.sessions import Sessions
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.start import Demand
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "container": {"type": "str", "required": True},
            "login": {"type": "str", "required": True},
            "run_id": {"type": "str", "required": True},
            "fleet": {"type": "list", "elements": "str", "required": True},
            "receipts": {"type": "list", "elements": "dict", "required": True},
            "leases": {"type": "list", "elements": "dict", "required": True},
            "assume_fenced": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    demand = Demand(
        host=params["host"],
        container=params["container"],
        login=params["login"],
        key=login_key(params["login"]),
        run_id=params["run_id"],
        fleet=params["fleet"],
        receipts=params["receipts"],
        leases=params["leases"],
        assumed=params["assume_fenced"],
    )
    try:
        result = Sessions(Engine(), State(), module.check_mode).start_gateway(demand)
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
