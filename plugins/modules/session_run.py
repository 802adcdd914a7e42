# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: session_run
short_description: Check that a run covers the whole fleet, and give it its run id
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Compares the inventory with the fleet list, and fails before any host is asked when a takeover could not be safe.
    An inventory without the group C(ibgateway), an empty environment, an environment with two hosts,
    a host of the fleet list that the inventory lacks (or the other way round), and a C(--limit) that leaves out a host
    are all named in one message.
  - Runs on the controller; no host is contacted.
options:
  environment:
    description: Name of the inventory group whose single host is to run the gateway, for example V(staging).
    type: str
    required: true
  fleet:
    description: The fleet list. Inventory names of the gateway hosts of all environments.
    type: list
    elements: str
  whole_fleet:
    description:
      - Whether the play at hand must cover every host of O(fleet).
      - V(false) is for a play on localhost that comes before the fleet's own.
    type: bool
    default: true
  assumed:
    description: Hosts that the operator states to be powered off (C(gateway_assume_fenced)), to be checked against O(fleet).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes.controller
"""

EXAMPLES = r"""
- name: Refuse a run that cannot see every gateway of the fleet
  abstractfinance.ibgateway.session_run:
    environment: staging
    fleet: "{{ session_fleet }}"
  register: session_run
  run_once: true
"""

RETURN = r"""
run_id:
  description: UUID4 of this playbook run.
  type: str
  returned: success
  sample: 4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11
target:
  description: Inventory name of the host that is to hold the session.
  type: str
  returned: success
  sample: staging.abstractfinance.example
fleet:
  description: The fleet list, sorted.
  type: list
  elements: str
  returned: success
  sample: [production.abstractfinance.example, staging.abstractfinance.example]
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: inventory-incomplete
"""
