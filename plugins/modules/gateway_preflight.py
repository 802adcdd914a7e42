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
  host:
    description: Inventory name of the host, for messages.
    type: str
    required: true
  project_dir:
    description: Directory of the stack.
    type: path
    default: /srv/abstractfinance
  compose_file:
    description: Name of the compose file in O(project_dir).
    type: str
    default: docker-compose.yml
  compose_content:
    description: What the compose file is to hold, for RV(compose_current).
    type: str
  project:
    description: The Compose project.
    type: str
    default: abstractfinance
  service:
    description: The gateway's service.
    type: str
    default: ibgateway
  container:
    description: The gateway's container.
    type: str
    default: ibgateway
  services:
    description: The services that the compose file is to have. Others in the file that is there are a problem.
    type: list
    elements: str
    required: true
  image:
    description: The gateway's image, for RV(image_present) and RV(image_id).
    type: str
  ports:
    description: Where the gateway is to be published.
    type: list
    elements: dict
    default: []
    suboptions:
      bind:
        description: Address on the host.
        type: str
        default: 127.0.0.1
      port:
        description: Port on the host.
        type: int
        required: true
  trading_mode:
    description: The environment's trading mode, as the inventory has it. Anything but the two spellings is a problem.
    type: str
  account:
    description: The environment's account, as the inventory has it. None, or one of the other mode, is a problem.
    type: str
  min_free_mb:
    description: Megabytes that must be free for O(project_dir) and for the engine's data.
    type: int
    default: 1024
  min_compose:
    description: The oldest Compose that serves.
    type: str
    default: 2.24.0
  controller_time:
    description: The controller's time, in seconds since the epoch. Without it the clock is not checked.
    type: float
  max_clock_skew:
    description: Seconds by which the clocks of host and controller may differ.
    type: float
    default: 10
extends_documentation_fragment:
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
    controller_time: "{{ now().timestamp() }}"
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
skew:
  description: Seconds by which the host's clock is ahead of the controller's.
  type: float
  returned: always
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

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.preflight import Port, Wanted, check


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "project_dir": {"type": "path", "default": "/srv/abstractfinance"},
            "compose_file": {"type": "str", "default": "docker-compose.yml"},
            "compose_content": {"type": "str"},
            "project": {"type": "str", "default": "abstractfinance"},
            "service": {"type": "str", "default": "ibgateway"},
            "container": {"type": "str", "default": "ibgateway"},
            "services": {"type": "list", "elements": "str", "required": True},
            "image": {"type": "str"},
            "ports": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "bind": {"type": "str", "default": "127.0.0.1"},
                    "port": {"type": "int", "required": True},
                },
            },
            "trading_mode": {"type": "str"},
            "account": {"type": "str"},
            "min_free_mb": {"type": "int", "default": 1024},
            "min_compose": {"type": "str", "default": "2.24.0"},
            "controller_time": {"type": "float"},
            "max_clock_skew": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    options = {**module.params, "ports": [Port(item["bind"], item["port"]) for item in module.params["ports"]]}
    module.exit_json(changed=False, **check(Wanted(**options)))


if __name__ == "__main__":
    main()
