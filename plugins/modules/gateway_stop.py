#!/usr/bin/python
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_stop
short_description: Stop a gateway so that nothing brings it back
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Sets the restart policy V(no), closes the gateway by its own menu where it is logged in and has one, so that IBKR frees
    its slot at once, and stops the container. It stays there with its settings, for the next deploy.
  - Works under the run's own lease of O(login) on this host. Other hosts are not asked, since stopping makes no session.
options:
  container:
    description: Name of the gateway's container.
    type: str
    default: ibgateway
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.run
  - abstractfinance.ibgateway.engine
attributes:
  check_mode:
    support: full
    details:
      - Tells whether it would stop something, without a lease.
  diff_mode:
    support: none
seealso:
  - module: abstractfinance.ibgateway.gateway_start
"""

EXAMPLES = r"""
- name: Stop the gateway
  abstractfinance.ibgateway.gateway_stop:
    host: "{{ inventory_hostname }}"
    login: afpaper01
    run_id: "{{ session_run_id }}"
"""

RETURN = r"""
state:
  description: V(stopped), or V(absent) where there is no such container.
  type: str
  returned: success
  sample: stopped
ended:
  description: How it ended; V(closed) by its menu, V(signalled) or V(killed). Null where it did not run.
  type: str
  returned: success
  sample: closed
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: lease-lost
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import login_key
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.halt import Demand, halt
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "login": {"type": "str", "required": True},
            "run_id": {"type": "str", "required": True},
            "container": {"type": "str", "default": "ibgateway"},
        },
        supports_check_mode=True,
    )
    params = module.params
    demand = Demand(params["host"], params["container"], params["login"], login_key(params["login"]), params["run_id"])
    try:
        result = halt(Engine(), State(), demand, module.check_mode)
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
