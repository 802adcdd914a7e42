#!/usr/bin/python
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnc_screenshot
short_description: Take the gateway's screen as a PNG
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Connects to the VNC server in the gateway's container, from its host and at the container's own address, so that no
    published port is needed. It comes as a shared viewer, so that nobody who watches is thrown out, and sends neither
    pointer nor keys.
  - The picture shows user names and accounts. It is written for its owner only.
options:
  container:
    description: Name of the gateway's container.
    type: str
    default: ibgateway
  dest:
    description: Where the controller gets the picture. A relative name is relative to the working directory.
    type: path
  path:
    description: Where the host gets the picture.
    type: path
  password:
    description: >-
      The VNC password. Without it the one in the container's environment (C(IBGA_VNC_PASSWORD)) is used, which is the one
      that its server was started with.
    type: str
  port:
    description: Port of the VNC server in the container.
    type: int
    default: 5900
  timeout:
    description: Seconds that the whole of it may take.
    type: int
    default: 15
extends_documentation_fragment:
  - abstractfinance.ibgateway.engine
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - Takes the picture, which changes nothing, and writes no file.
  diff_mode:
    support: none
    details:
      - A picture has no difference that could be shown.
  action:
    support: full
seealso:
  - module: abstractfinance.ibgateway.gateway_login
"""

EXAMPLES = r"""
- name: See what is on the gateway's screen
  abstractfinance.ibgateway.vnc_screenshot:
    dest: ./{{ inventory_hostname }}.png

- name: Keep it on the host
  abstractfinance.ibgateway.vnc_screenshot:
    path: /var/lib/abstractfinance/screen.png
"""

RETURN = r"""
width:
  description: Width of the screen.
  type: int
  returned: success
  sample: 1024
height:
  description: Height of the screen.
  type: int
  returned: success
  sample: 768
blank:
  description: Whether the whole screen has one colour, so that nothing is shown.
  type: bool
  returned: success
authentication:
  description: How the server let the viewer in. V(none) means that everybody who reaches the port sees and uses the screen.
  type: str
  returned: success
  sample: vnc
png:
  description: The picture, in base64, where neither O(dest) nor O(path) is given.
  type: str
  returned: success and neither O(dest) nor O(path) is set
dest:
  description: The picture on the controller.
  type: str
  returned: success and O(dest) is set
path:
  description: The picture on the host.
  type: str
  returned: success and O(path) is set
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: vnc-unreachable
"""

import base64
import os
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.screen import VNC_PORT, picture


def write(module: AnsibleModule, path: str, content: bytes) -> bool:
    """Whether the file was replaced; it is its owner's alone."""
    if os.path.isfile(path):
        with open(path, "rb") as file:
            if file.read() == content:
                return False
    if not module.check_mode:
        descriptor, temporary = tempfile.mkstemp(dir=module.tmpdir)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        module.atomic_move(temporary, path, keep_dest_attrs=False)
        os.chmod(path, 0o600)
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "default": "ibgateway"},
            "dest": {"type": "path"},
            "path": {"type": "path"},
            "password": {"type": "str", "no_log": True},
            "port": {"type": "int", "default": VNC_PORT},
            "timeout": {"type": "int", "default": 15},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        inspect = HostEngine().inspect(params["container"])
        taken = picture(params["container"], inspect, params["password"], params["port"], params["timeout"])
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    result = {
        "changed": False,
        "width": taken.width,
        "height": taken.height,
        "blank": taken.blank,
        "authentication": taken.authentication,
    }
    if params["path"]:
        result.update(path=params["path"], changed=write(module, params["path"], taken.png()))
    if params["dest"] or not params["path"]:
        result["png"] = base64.b64encode(taken.png()).decode("ascii")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
