#!/usr/bin/python
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_preflight
short_description: Check that a host is ready for its gateway, all problems in one go
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Checks engine, Compose, the Docker SDK, clock, disk, ports, the stack's file and the inventory's settings.
  - What is wrong is returned, never raised, so that one run names all of it. Each problem says what to do next.
  - Tells as well what is there already, so that a deploy can see that nothing is to be done.
options:
  compose_content:
    description: What the compose file is to hold, for RV(compose_current).
    type: str
  environment:
    description:
      - What Compose is to give the gateway's container, by variable; a literal, C(${KEY:?}) or C(${KEY:-default}) with a
        key of the C(.env) in O(project_dir). For RV(gateway.differs).
    type: dict
    default: {}
  settings_volume:
    description: The volume with the gateway's settings, for RV(settings_volume) and RV(gateway.has_settings).
    type: str
extends_documentation_fragment:
  - abstractfinance.ibgateway.stack
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.attributes.info_module
seealso:
  - module: abstractfinance.ibgateway.session_info
"""

EXAMPLES = r"""
- name: Check that the host is ready
  abstractfinance.ibgateway.gateway_preflight:
    host: "{{ inventory_hostname }}"
    services: [ibgateway, trading-engine]
    ports:
      - port: 4000
      - port: 5900
  register: gateway_checked

- name: Stop at what was found
  ansible.builtin.assert:
    that: gateway_checked.problems | length == 0
    fail_msg: "{{ gateway_checked.problems | map(attribute='message') | join(' ') }}"
"""

RETURN = r"""
problems:
  description: What stands in the way, all of it.
  type: list
  elements: dict
  returned: always
  contains:
    code:
      description: The code of the catalogue's entry.
      type: str
      sample: compose-too-old
    message:
      description: What is wrong, where, and what to do next.
      type: str
engine:
  description: Version of the engine and of its API. Null when it did not answer.
  type: dict
  returned: always
  sample: {version: 26.1.5, api: "1.45"}
compose:
  description: Version of Compose. Null when there is none.
  type: str
  returned: always
  sample: 2.26.1
free_mb:
  description: Megabytes free where least is free, of the file systems of O(project_dir) and of the engine's data.
  type: int
  returned: always
time:
  description: The host's time, in seconds since the epoch.
  type: float
  returned: always
  sample: 1764110400.5
skew:
  description: Seconds by which the host's clock is surely ahead of the controller's. Negative when it is behind.
  type: float
  returned: always
  sample: 0.0
gateway:
  description: The container O(container) as it is now.
  type: dict
  returned: always
  contains:
    exists:
      description: Whether there is such a container.
      type: bool
    id:
      description: Its id.
      type: str
    running:
      description: Whether it runs.
      type: bool
    returns:
      description: Whether it is up, or will be again once the engine restarts.
      type: bool
    status:
      description: The engine's word for its state, or V(absent).
      type: str
    since:
      description: When it was started.
      type: str
    restart_policy:
      description: Its restart policy.
      type: str
    config_hash:
      description:
        - The hash of the configuration that Compose made it from.
        - Keyed anew by each call, so that no secret can be guessed from it. It compares with RV(expected_config_hash) only.
      type: str
    image:
      description: The image it was made from.
      type: str
    image_id:
      description: The id of that image.
      type: str
    project:
      description: Its Compose project.
      type: str
    service:
      description: Its Compose service.
      type: str
    differs:
      description:
        - Names of the variables of O(environment) whose value in the container is not as the C(.env) and the inventory
          have it. Values are never shown.
        - Null when there is no container.
      type: list
      elements: str
      sample: [IB_PASSWORD]
    has_settings:
      description: Whether it keeps its settings in O(settings_volume).
      type: bool
    ports:
      description: Addresses and ports of the host on which it is published.
      type: list
      elements: str
      sample: ["127.0.0.1:4000"]
settings_volume:
  description: Whether there is a volume O(settings_volume).
  type: bool
  returned: always
env:
  description: What the C(.env) in O(project_dir) says. Null where it does not.
  type: dict
  returned: always
  contains:
    login:
      description: The IBKR username.
      type: str
      sample: afpaper01
    account:
      description: The account.
      type: str
      sample: DU1234567
    trading_mode:
      description: The trading mode.
      type: str
      sample: Paper Trading
expected_config_hash:
  description:
    - The hash that Compose gives O(service) in the files as they are. Null when they are not there.
    - Keyed anew by each call, as RV(gateway.config_hash) is.
  type: str
  returned: always
compose_current:
  description: Whether the compose file on the host is O(compose_content). Null without that option.
  type: bool
  returned: always
compose_ours:
  description: Whether the compose file on the host begins as O(compose_content) does, and so was written by it.
  type: bool
  returned: always
image_id:
  description: The id of O(image) on the host. Null when it is not there.
  type: str
  returned: always
image_present:
  description: Whether O(image) is on the host.
  type: bool
  returned: always
gateways_on_ports:
  description:
    - Ports of O(ports) that other gateways' containers hold. They are no problem as such, since a takeover fences the
      holders of its login and so frees their ports.
  type: list
  elements: dict
  returned: always
  sample: [{port: 4000, container: old-gateway}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.preflight import check
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.stack_options import STACK, wanted


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STACK,
            "compose_content": {"type": "str"},
            "environment": {"type": "dict", "default": {}},
            "settings_volume": {"type": "str"},
        },
        supports_check_mode=True,
    )
    more = {name: module.params[name] for name in ("compose_content", "environment", "settings_volume")}
    module.exit_json(changed=False, **check(wanted(module.params, **more)))


if __name__ == "__main__":
    main()
