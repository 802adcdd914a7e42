#!/usr/bin/python
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_install
short_description: Fill an empty program volume, before a login has to wait for it
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - IB Gateway is not in the image, which downloads it at its first start. This module has the image do that before anything
    is stopped, so that the download is no part of the blackout.
  - The container that does it has no credentials and no ports, and is ended when it starts IB Gateway's program. It makes no
    session, and so needs no lease.
  - A volume that holds IB Gateway is left alone.
options:
  image:
    description: The gateway's image.
    type: str
    required: true
  container:
    description: Name of the gateway's container. The one that installs is named after it.
    type: str
    default: ibgateway
  project:
    description: The Compose project that the volume belongs to.
    type: str
    default: abstractfinance
  volume:
    description: Name of the program volume in the compose file.
    type: str
    default: ibgateway-program
  timeout:
    description: Seconds that the installation may take.
    type: int
    default: 900
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.engine
attributes:
  check_mode:
    support: full
    details:
      - Tells whether it would install.
  diff_mode:
    support: none
seealso:
  - module: abstractfinance.ibgateway.gateway_start
"""

EXAMPLES = r"""
- name: Install IB Gateway before anything is stopped
  abstractfinance.ibgateway.gateway_install:
    image: heshiming/ibga:latest
"""

RETURN = r"""
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: installation-failed
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.installing import Wanted, install


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "container": {"type": "str", "default": "ibgateway"},
            "project": {"type": "str", "default": "abstractfinance"},
            "volume": {"type": "str", "default": "ibgateway-program"},
            "timeout": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    try:
        result = install(HostEngine(), Wanted(**module.params), module.check_mode)
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
