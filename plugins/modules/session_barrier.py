# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: session_barrier
short_description: Stop a takeover unless every host of the fleet got through a step
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Looks at what every host of the fleet registered for a step, and fails, on each host alike, when one of them
    was unreachable, failed, was skipped or never ran.
  - Ansible itself goes on with the hosts that are left when one is unreachable, C(any_errors_fatal) or not.
    A takeover may not, since a gateway on the silent host cannot be ruled out.
  - What a failed host said is repeated once, on the host that the run is about.
  - Runs on the controller; no host is contacted.
options:
  step:
    description: What the hosts were asked, as the message is to say it.
    type: str
    required: true
  result:
    description: Name of the variable in which each host registered its answer.
    type: str
    required: true
  fleet:
    description: The fleet list. Inventory names of the gateway hosts of all environments.
    type: list
    elements: str
    required: true
  state:
    description: One sentence that says what has happened to the gateways so far, for the message.
    type: str
    required: true
  assumed:
    description:
      - Hosts of O(fleet) that the operator states to be powered off (C(gateway_assume_fenced)).
      - They have to be asked like the others, and to be unreachable. One that answers stops the run.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes.controller
"""

EXAMPLES = r"""
- name: See which sessions each host has
  abstractfinance.ibgateway.session_info:
    host: "{{ inventory_hostname }}"
  register: session_seen

- name: Go on only when the whole fleet answered
  abstractfinance.ibgateway.session_barrier:
    step: looking for sessions
    result: session_seen
    fleet: "{{ session_fleet }}"
    state: Nothing was started and nothing was stopped.
"""

RETURN = r"""
hosts:
  description: The hosts that did not get through the step.
  type: list
  elements: str
  returned: always
  sample: [production.abstractfinance.example]
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: host-unreachable
"""
