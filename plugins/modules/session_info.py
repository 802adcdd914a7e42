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
    another name is found as well.
  - A gateway counts as live unless its settings show that it is paper.
  - A gateway outside Docker (desktop TWS, IBKR Mobile, Client Portal) cannot be seen.
options:
  host:
    description: Inventory name of the host at hand.
    type: str
    required: true
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
"""

RETURN = r"""
host:
  description: The inventory name, as given.
  type: str
  returned: success
  sample: production.abstractfinance.example
sessions:
  description:
    - One entry for each login that is in use on the host or will be again.
    - A gateway whose login cannot be read has one entry without login.
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

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.sessions import Sessions
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State


def main() -> None:
    module = AnsibleModule(argument_spec={"host": {"type": "str", "required": True}}, supports_check_mode=True)
    try:
        found = Sessions(Engine(), State()).info()
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(changed=False, host=module.params["host"], **found)


if __name__ == "__main__":
    main()
