# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: session_fence
short_description: End a login's session on a host such that it cannot return, and return the receipt for it
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Parks every gateway on the host that holds the login. Its restart policy becomes V(no), it is stopped, and it is put
    aside under another name, until it is removed (O(state=cleared)) or given back (O(state=returned)).
  - Stops it cleanly where that is possible. A logged-in gateway of heshiming/ibga, which ignores the stop signal, is
    closed by its own menu within 8 seconds, and then killed; another gets 10 seconds to answer its stop signal, unless
    its first process ignores that signal. What still runs is killed.
  - Looks again afterwards, and fails unless nothing on the host uses the login or would use it again.
  - Works only while this run holds the lease of the login on this host, and under the host's lock.
  - Refuses, before anything is changed, to stop a live session for a paper run or a session of a protected host, and
    to go on while the login of a gateway on the host cannot be read.
  - A container that was created for the login and never started is removed, but for O(keep).
  - Volumes stay as they are.
options:
  state:
    description:
      - V(fenced) ends the login's sessions here. A host that has none gets its receipt all the same.
      - V(returned) gives what is parked for the login its former name back. It stays stopped, with restart policy
        V(no), until M(abstractfinance.ibgateway.gateway_start) starts it. A failed gateway of this collection that has
        the name is removed. Its receipts come from a fence before; a fence afterwards parks it again.
      - V(cleared) removes what is parked for the login. For when the new login is proven.
    type: str
    choices: [fenced, returned, cleared]
    default: fenced
  target:
    description:
      - With O(state=fenced), the host on which this run is going to start the login, by its inventory name. The receipt
        serves for a start there only, so that one from before a start cannot serve for a start elsewhere after it.
      - Required for O(state=fenced).
    type: str
  receipts:
    description:
      - With O(state=cleared), the receipts of this run. The hosts that gave them have been fenced, so that it is forgotten
        here that they were assumed to be powered off.
    type: list
    elements: dict
    default: []
  mode:
    description: Trading mode of the run. A V(paper) run never stops a live session.
    type: str
    choices: [paper, live]
    required: true
  protected:
    description: Whether no session on this host may be stopped by this run.
    type: bool
    default: false
  compose_project:
    description:
      - Compose project of this product's own stack, on the host that is to hold the login.
      - A container of that project's O(compose_service) is parked as a copy without Compose's labels, since Compose
        would find and replace it under any name. What it keeps outside volumes is lost with that.
      - Whatever session stands in that slot makes room, with another login too.
    type: str
  compose_service:
    description: Compose service of the gateway, on the host that is to hold the login.
    type: str
  keep:
    description:
      - Name of the container that this run is going to start, on the host that is to hold the login. Its name is made
        free, unless O(created=true).
      - What has ended in O(compose_service) of O(compose_project) is removed with that.
    type: str
  created:
    description:
      - Whether O(keep) is a container that this run has created already. Then it stays, as long as it has never been
        started. One that an earlier run created is removed, since it may have other settings.
    type: bool
    default: false
  names:
    description:
      - Names of containers to be fenced although their login cannot be read.
      - Naming one states that it may be stopped, unless its settings say that it is live and O(mode=paper).
    type: list
    elements: str
    default: []
  proven:
    description:
      - Names of containers whose login was proven just before. What is parked remembers it, so that this run or a later
        one knows whether there is something to restore.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.run
  - abstractfinance.ibgateway.engine
attributes:
  check_mode:
    support: full
    details:
      - Says what would be done and what would be refused, without a lease. The receipt it returns allows no start.
  diff_mode:
    support: none
    details:
      - RV(receipt) tells what was seen and done.
seealso:
  - module: abstractfinance.ibgateway.session_lease
  - module: abstractfinance.ibgateway.gateway_start
"""

EXAMPLES = r"""
- name: Fence the login on every host of the fleet
  abstractfinance.ibgateway.session_fence:
    host: "{{ inventory_hostname }}"
    login: afpaper01
    run_id: "{{ session_run_id }}"
    target: staging.abstractfinance.example
    mode: paper
  register: session_fenced

- name: Remove what was parked, now that the new login is proven
  abstractfinance.ibgateway.session_fence:
    host: "{{ inventory_hostname }}"
    login: afpaper01
    run_id: "{{ session_run_id }}"
    mode: paper
    state: cleared
"""

RETURN = r"""
receipt:
  description: What M(abstractfinance.ibgateway.gateway_start) asks for.
  type: dict
  returned: success and O(state=fenced)
  contains:
    host:
      description: Inventory name of the host.
      type: str
      sample: production.abstractfinance.example
    login_key:
      description: The login as it is compared.
      type: str
      sample: afpaper01
    run_id:
      description: The run that fenced.
      type: str
      sample: 4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11
    target:
      description: The host for whose start it serves.
      type: str
      sample: staging.abstractfinance.example
    generation:
      description: Generation of the lease under which it fenced; V(none) in check mode.
      type: int
      sample: 3
    boot_id:
      description: The host's boot id.
      type: str
      sample: 0d3b1f7a-6a52-4a1c-8a4e-2b4a6c1d9e0f
    seen:
      description: The holders that were found.
      type: list
      elements: dict
      sample:
        - container: old-gateway
          container_id: 8d1c1f2f4e0b
          image: gnzsnz/ib-gateway:stable
          logins: [afpaper01]
          mode: paper
          restart_policy: always
          since: "2025-12-05T09:12:33Z"
          state: running
    done:
      description:
        - What was done, one entry a container; C(text) says it in words.
        - C(ended) is V(closed) (by the gateway's own menu, so that IBKR frees its slot at once), V(signalled), V(killed),
          or V(none) where nothing ran. C(restorable) is V(false) for a container that its own C(--rm) removes.
      type: list
      elements: dict
      sample:
        - action: parked
          container: old-gateway
          container_id: 8d1c1f2f4e0b
          ended: signalled
          parked_as: old-gateway-parked-4f1f6c0e
          restorable: true
          text: "old-gateway: parked as old-gateway-parked-4f1f6c0e; ended by its stop signal"
    at:
      description: When the host was seen to be fenced.
      type: str
      sample: "2025-12-12T10:00:00Z"
parked:
  description:
    - What is parked for the login on this host, in the form of
      RV(abstractfinance.ibgateway.session_info#module:parked).
  type: list
  elements: dict
  returned: success
done:
  description: What was done, in the form of RV(receipt.done).
  type: list
  elements: dict
  returned: success and O(state=returned) or O(state=cleared)
returned:
  description: What has its name back.
  type: list
  elements: dict
  returned: success and O(state=returned) or O(state=cleared)
  contains:
    container:
      description: The name.
      type: str
      sample: old-gateway
    login:
      description: Its login.
      type: str
      sample: afpaper01
    login_key:
      description: Its login as it is compared.
      type: str
      sample: afpaper01
    mode:
      description: V(paper) or V(live).
      type: str
      sample: paper
    was_running:
      description: Whether it ran before it was parked.
      type: bool
      sample: true
    was_proven:
      description: Whether its login was proven when it was parked.
      type: bool
      sample: true
    restart_policy:
      description: Restart policy before it was parked, to be set after its proof.
      type: str
      sample: always
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: live-session-protected
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.fence import Demand
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import login_key
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.receipts import settled
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.sessions import Sessions
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "login": {"type": "str", "required": True},
            "run_id": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["fenced", "returned", "cleared"], "default": "fenced"},
            "target": {"type": "str"},
            "receipts": {"type": "list", "elements": "dict", "default": []},
            "mode": {"type": "str", "choices": ["paper", "live"], "required": True},
            "protected": {"type": "bool", "default": False},
            "compose_project": {"type": "str"},
            "compose_service": {"type": "str"},
            "keep": {"type": "str"},
            "created": {"type": "bool", "default": False},
            "names": {"type": "list", "elements": "str", "default": []},
            "proven": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("state", "fenced", ["target"])],
        required_together=[("compose_project", "compose_service")],
        supports_check_mode=True,
    )
    params = module.params
    demand = Demand(
        host=params["host"],
        login=params["login"],
        key=login_key(params["login"]),
        run_id=params["run_id"],
        mode=params["mode"],
        target=params["target"] or "",
        protected=params["protected"],
        project=params["compose_project"],
        service=params["compose_service"],
        keep=params["keep"],
        created=params["created"],
        names=frozenset(params["names"]),
        proven=frozenset(params["proven"]),
    )
    try:
        sessions = Sessions(Engine(), State(), module.check_mode)
        if params["state"] == "fenced":
            result = sessions.fence_login(demand)
        elif params["state"] == "returned":
            result = sessions.give_back(demand)
        else:
            result = sessions.clear(demand, settled(demand.key, demand.run_id, params["receipts"]))
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
