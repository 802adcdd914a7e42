# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: session_lease
short_description: Take, renew or release the right to change who holds a login on a host
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - A run stops and starts gateways of a login only while it holds the login's lease on every host of the fleet.
    Take it on the first host by name first, then on the others, and release it in every ending.
  - The lease is a file of the host, for one login and one run. It ends when it is released, after O(ttl) seconds of the
    host's own clock since boot, or with the boot itself. Changes of the wall clock do not matter.
  - A lease of a run on the same controller whose process is dead is taken over at once.
options:
  state:
    description:
      - V(taken) takes the lease. A living one of another run is an error that names its owner, and a lease that this
        run holds already stays as it is. Each taking raises the generation.
      - V(renewed) starts the time to live anew. It fails when the lease is no longer this run's.
      - V(released) gives it back. A lease of another run stays as it is.
    type: str
    choices: [taken, renewed, released]
    default: taken
  ttl:
    description: Seconds after which the lease ends by itself.
    type: int
    default: 900
  wait:
    description: For how many seconds V(state=taken) waits for the lease of another run to end.
    type: int
    default: 0
  generation:
    description: With V(state=renewed), the generation that the lease must still have.
    type: int
  owner:
    description:
      - Who takes the lease, as others are told.
      - Filled in by the action plugin on the controller; not for playbooks.
    type: dict
    default: {}
  supersede:
    description:
      - Run id of a dead run whose lease may be taken over.
      - Filled in by the action plugin on the controller; not for playbooks.
    type: str
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.attributes.action
  - abstractfinance.ibgateway.run
attributes:
  check_mode:
    support: full
    details:
      - Says whether the lease could be taken; takes, renews and releases nothing.
  diff_mode:
    support: none
    details:
      - A lease is of interest while it is held only; RV(lease) shows it.
  action:
    support: full
notes:
  - Must run as root on the managed host, since the leases are root's alone.
seealso:
  - module: abstractfinance.ibgateway.session_fence
  - module: abstractfinance.ibgateway.gateway_start
"""

EXAMPLES = r"""
- name: Take the lease
  abstractfinance.ibgateway.session_lease:
    host: "{{ inventory_hostname }}"
    login: afpaper01
    run_id: "{{ session_run_id }}"
    state: taken
    wait: 60

- name: Renew it before the start
  abstractfinance.ibgateway.session_lease:
    host: "{{ inventory_hostname }}"
    login: afpaper01
    run_id: "{{ session_run_id }}"
    state: renewed
  register: session_renewed

- name: Release it
  abstractfinance.ibgateway.session_lease:
    host: "{{ inventory_hostname }}"
    login: afpaper01
    run_id: "{{ session_run_id }}"
    state: released
"""

RETURN = r"""
lease:
  description: The lease as it is now; V(none) when there never was one.
  type: dict
  returned: success
  contains:
    host:
      description: Inventory name of the host.
      type: str
      sample: staging.abstractfinance.example
    login:
      description: The login that it is for.
      type: str
      sample: afpaper01
    login_key:
      description: The login as it is compared.
      type: str
      sample: afpaper01
    run_id:
      description: The run that holds it, or held it last.
      type: str
      sample: 4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11
    generation:
      description: How many times a lease for this login was taken on the host.
      type: int
      sample: 3
    owner:
      description: Who runs it, from where, and with which process.
      type: dict
    taken_at:
      description: When it was taken.
      type: str
      sample: "2025-12-12T10:00:00Z"
    age:
      description: Seconds since then.
      type: int
      sample: 12
    expires_in:
      description: Seconds until it ends by itself; V(0) when it is not held.
      type: int
      sample: 888
holder:
  description: The lease of the other run, in the form of RV(lease).
  type: dict
  returned: when RV(code) is V(lease-held)
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: lease-held
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import login_key
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import (
    LeaseHeldError,
    Leases,
    Request,
    public,
    read_clock,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "login": {"type": "str", "required": True},
            "run_id": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["taken", "renewed", "released"], "default": "taken"},
            "ttl": {"type": "int", "default": 900},
            "wait": {"type": "int", "default": 0},
            "generation": {"type": "int"},
            "owner": {"type": "dict", "default": {}},
            "supersede": {"type": "str"},
        },
        supports_check_mode=True,
    )
    params = module.params
    leases = Leases(State(), module.check_mode)
    request = Request(
        host=params["host"],
        login=params["login"],
        key=login_key(params["login"]),
        run_id=params["run_id"],
        ttl=params["ttl"],
        owner=params["owner"],
        supersede=params["supersede"],
    )
    try:
        if params["state"] == "taken":
            change = leases.take(request, params["wait"])
        elif params["state"] == "renewed":
            change = leases.renew(request, params["generation"])
        else:
            change = leases.release(request)
    except LeaseHeldError as error:
        module.fail_json(msg=str(error), code=error.code, holder=error.holder)
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(
        changed=change.changed, lease=None if change.record is None else public(change.record, read_clock())
    )


if __name__ == "__main__":
    main()
