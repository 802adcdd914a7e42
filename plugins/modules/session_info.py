# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: session_info
short_description: See the sessions on a host, whatever image, name or project they have
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Lists the gateways of IBKR that a host's Docker Engine runs, or will run again, with the login that each uses,
    whether it trades live or paper, since when it runs, and whether this collection made it.
  - Gateways are known by the variables that their images read, by image name and by arguments, so that one under
    another name is found as well. Where such a gateway takes its login from a file (IBC's configuration, a variable's
    C(_FILE), ibeam's C(IBEAM_SECRETS_SOURCE=fs)), that file is read in the container.
  - A gateway counts as live unless its settings show that it is paper.
  - A gateway outside Docker (desktop TWS, IBKR Mobile, Client Portal) cannot be seen.
options:
  host:
    description: Inventory name of the host at hand.
    type: str
    required: true
  account:
    description:
      - Account that this host's gateways are expected to have.
      - With it, each gateway of heshiming/ibga here is looked at once, and its trading API asked where it is open. That
        takes about half a second, and up to 10 seconds where the API is silent.
    type: str
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.attributes.info_module
  - abstractfinance.ibgateway.engine
seealso:
  - module: abstractfinance.ibgateway.session_fence
"""

EXAMPLES = r"""
- name: See the sessions of the whole fleet
  abstractfinance.ibgateway.session_info:
    host: "{{ inventory_hostname }}"
  register: session_seen

- name: See them, and whether each is proven
  abstractfinance.ibgateway.session_info:
    host: "{{ inventory_hostname }}"
    account: "{{ gateway_account | default(omit) }}"
  register: session_seen
"""

RETURN = r"""
host:
  description: The inventory name, as given.
  type: str
  returned: success
  sample: production.abstractfinance.example
sessions:
  description:
    - One entry for each login that is in use on the host or will be again, with C(proof) beside what RV(stopped) has.
    - A gateway whose login cannot be read has one entry without login.
    - C(proof) is V(none) where nothing was asked. Otherwise it has C(state) (V(proven), V(failed), V(pending) or
      V(absent)), the expected C(account), the C(accounts) that the API named, whether the gateway is C(connected) to IBKR,
      and C(code) and C(message) of what is wrong.
    - With O(account), C(image_id), C(image_digest) (V(none) for an image that came from no registry) and C(version) of
      IB Gateway, which the log of its first login in this start names; V(none) where there is no such line (any more).
  type: list
  elements: dict
  returned: success
  contains: &session
    login:
      description: The IBKR username; V(none) when it cannot be read.
      type: str
      sample: afpaper01
    login_key:
      description: The login as it is compared.
      type: str
      sample: afpaper01
    mode:
      description: V(paper) or V(live).
      type: str
      sample: paper
    mode_stated:
      description: Whether the gateway's settings state the mode; a mode that they do not state counts as V(live).
      type: bool
      sample: true
    container:
      description: Name of the container.
      type: str
      sample: ibgateway
    container_id:
      description: Id of the container.
      type: str
      sample: 8d1c1f2f4e0b5b1c6f0d3c1d7f6f7f0b0c5a4b3e2d1c0f9e8d7c6b5a49382716
    image:
      description: Reference of the image.
      type: str
      sample: heshiming/ibga:r20260803
    family:
      description: Which of the known images it is, by its variables, name and arguments.
      type: str
      sample: ibga
    state:
      description: State as the engine calls it.
      type: str
      sample: running
    since:
      description: When it was last started, or created where it never was.
      type: str
      sample: "2025-12-05T09:12:33Z"
    restart_policy:
      description: Restart policy.
      type: str
      sample: unless-stopped
    returns:
      description: Whether it runs now or will run again by itself.
      type: bool
      sample: true
    compose_project:
      description: Compose project, if it has one.
      type: str
      sample: abstractfinance
    compose_service:
      description: Compose service, if it has one.
      type: str
      sample: ibgateway
    managed:
      description: Whether this collection made the container.
      type: bool
      sample: true
    environment:
      description: The environment for which this collection made the container; V(none) for a container of others.
      type: str
      sample: staging
    auto_remove:
      description: Whether the engine removes the container once it stops (C(--rm)), so that it could not be restored.
      type: bool
      sample: false
    readable:
      description: Whether every login of the gateway could be read.
      type: bool
      sample: true
stopped:
  description: Gateways that neither run nor return by themselves, in the form of RV(sessions).
  type: list
  elements: dict
  returned: success
  contains: *session
parked:
  description: What runs of this collection have parked and not yet removed.
  type: list
  elements: dict
  returned: success
  contains:
    container:
      description: The container's name now; V(none) when it is gone.
      type: str
      sample: ibgateway-parked-4f1f6c0e
    container_id:
      description: The container's id now; V(none) when it is gone.
      type: str
    former_name:
      description: Name before it was parked.
      type: str
      sample: ibgateway
    login:
      description: Its login.
      type: str
      sample: afpaper01
    login_key:
      description: Its login as it is compared.
      type: str
      sample: afpaper01
    for_login_key:
      description: The login for which it had to make room.
      type: str
      sample: afpaper01
    mode:
      description: V(paper) or V(live).
      type: str
      sample: paper
    run_id:
      description: The run that parked it.
      type: str
      sample: 4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11
    restart_policy:
      description: Restart policy before it was parked.
      type: str
      sample: unless-stopped
    was_running:
      description: Whether it ran before it was parked.
      type: bool
      sample: true
    was_proven:
      description: Whether its login was proven when it was parked.
      type: bool
      sample: true
    parked_at:
      description: When it was parked.
      type: str
      sample: "2025-12-12T10:00:00Z"
    state:
      description: Always V(parked).
      type: str
      sample: parked
leases:
  description: The living leases on the host.
  type: list
  elements: dict
  returned: success
  contains:
    host:
      description: Inventory name under which it was taken.
      type: str
    login:
      description: The login that it is for.
      type: str
      sample: afpaper01
    login_key:
      description: The login as it is compared.
      type: str
      sample: afpaper01
    run_id:
      description: The run that holds it.
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
      description: Seconds until it ends by itself.
      type: int
      sample: 888
assumed_fenced:
  description:
    - Hosts that an operator stated to be powered off when a gateway was started here (O(abstractfinance.ibgateway.gateway_start#module:assume_fenced)),
      and that no run has fenced since. A second session of the login is possible there.
  type: list
  elements: dict
  returned: success
  contains:
    host:
      description: Inventory name of that host.
      type: str
      sample: production.abstractfinance.example
    login:
      description: The login that was started here.
      type: str
      sample: afpaper01
    login_key:
      description: The login as it is compared.
      type: str
      sample: afpaper01
    run_id:
      description: The run that started it.
      type: str
      sample: 4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11
    operator:
      description: Who stated it.
      type: str
      sample: ops@controller.example
    assumed_at:
      description: When.
      type: str
      sample: "2025-12-12T10:00:00Z"
history:
  description: The last changes that runs of this collection made on the host, the latest last.
  type: list
  elements: dict
  returned: success
  sample:
    - action: fence
      at: "2025-12-12T10:00:00Z"
      done: ["old-gateway: parked as old-gateway-parked-4f1f6c0e; killed"]
      host: production.abstractfinance.example
      login_key: afpaper01
      operator: ops@controller.example
      outcome: done
      run_id: 4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11
boot_id:
  description: The host's boot id.
  type: str
  returned: success
  sample: 0d3b1f7a-6a52-4a1c-8a4e-2b4a6c1d9e0f
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: engine-down
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.session_proof import looked_at
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.sessions import Sessions
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State


def main() -> None:
    module = AnsibleModule(
        argument_spec={"host": {"type": "str", "required": True}, "account": {"type": "str"}},
        supports_check_mode=True,
    )
    try:
        engine = HostEngine()
        found = Sessions(engine, State()).info()
        found["sessions"] = looked_at(engine, found["sessions"], module.params["account"])
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(changed=False, host=module.params["host"], **found)


if __name__ == "__main__":
    main()
