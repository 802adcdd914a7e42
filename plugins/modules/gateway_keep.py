#!/usr/bin/python
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_keep
short_description: Keep a gateway's files and settings until its new login is proven
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Keeps what a stack had at its last proof, so that a rotation or an upgrade that fails can be undone.
  - Files are copied to C(/var/lib/abstractfinance/kept), root's alone. Settings stay in the folder of their volume,
    beside the new, empty one; the program volume is never touched.
  - What is kept is not overwritten by a run that follows one that failed.
  - Works under the run's own lease of O(login) on this host.
options:
  state:
    description:
      - V(kept) copies O(files), where none are kept yet.
      - V(renewed) makes the settings as O(settings) says, while no container that runs has O(volume).
      - V(returned) gives files and settings back what was kept. Nothing kept is nothing to do.
      - V(cleared) lets go of what is kept. For when the new login is proven.
    type: str
    choices: [kept, renewed, returned, cleared]
    required: true
  project:
    description: The Compose project.
    type: str
    default: abstractfinance
  project_dir:
    description: Directory of the stack.
    type: path
    default: /srv/abstractfinance
  files:
    description: Names of the files in O(project_dir) that are kept.
    type: list
    elements: str
    default: [.env, docker-compose.yml]
  volume:
    description: The settings volume.
    type: str
    default: abstractfinance_ibgateway-data
  settings:
    description:
      - V(new) moves the settings aside and makes the volume an empty one, as a changed login needs.
      - V(options) removes the marker with which the image passes over options that it has set once.
      - V(keep) leaves them as they are.
    type: str
    choices: [keep, new, options]
    default: keep
  proven:
    description: Whether the gateway is proven as it is now, so that what an earlier run kept is out of date.
    type: bool
    default: false
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.run
  - abstractfinance.ibgateway.engine
attributes:
  check_mode:
    support: full
    details:
      - Tells what would be done, without a lease.
  diff_mode:
    support: none
    details:
      - RV(done) tells what was done. What the files hold is never shown.
seealso:
  - module: abstractfinance.ibgateway.session_lease
  - module: abstractfinance.ibgateway.gateway_login
"""

EXAMPLES = r"""
- name: Keep the stack's files before they are written
  abstractfinance.ibgateway.gateway_keep:
    host: "{{ inventory_hostname }}"
    login: afpaper01
    run_id: "{{ session_run_id }}"
    state: kept

- name: Make the settings new for the changed login
  abstractfinance.ibgateway.gateway_keep:
    host: "{{ inventory_hostname }}"
    login: afpaper01
    run_id: "{{ session_run_id }}"
    state: renewed
    settings: new
"""

RETURN = r"""
done:
  description: What was done to which part; C(files) or their names, C(settings), C(options).
  type: list
  elements: str
  returned: success
  sample: [settings]
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: settings-in-use
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import login_key
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.keeping import Demand, Keeper
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "login": {"type": "str", "required": True},
            "run_id": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["kept", "renewed", "returned", "cleared"], "required": True},
            "project": {"type": "str", "default": "abstractfinance"},
            "project_dir": {"type": "path", "default": "/srv/abstractfinance"},
            "files": {"type": "list", "elements": "str", "default": [".env", "docker-compose.yml"]},
            "volume": {"type": "str", "default": "abstractfinance_ibgateway-data"},
            "settings": {"type": "str", "choices": ["keep", "new", "options"], "default": "keep"},
            "proven": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    demand = Demand(
        host=params["host"],
        login=params["login"],
        key=login_key(params["login"]),
        run_id=params["run_id"],
        project=params["project"],
        project_dir=params["project_dir"],
        files=params["files"],
        volume=params["volume"],
    )
    try:
        keeper = Keeper(HostEngine(), State(), demand, module.check_mode)
        if params["state"] == "kept":
            done = keeper.keep(params["proven"])
        elif params["state"] == "renewed":
            done = keeper.renew(params["settings"])
        elif params["state"] == "returned":
            done = keeper.put_back()
        else:
            done = keeper.clear()
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    except OSError as error:
        module.fail_json(msg=f"{error.filename} on {demand.host} cannot be used: {error.strerror} [state-unwritable]")
    module.exit_json(changed=bool(done), done=done)


if __name__ == "__main__":
    main()
