# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: session_status
short_description: Put what every host of the fleet has shown into one table, and name what is not as it should be
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Makes a table of who holds which login, where, since when, and proven or not, out of what
    M(abstractfinance.ibgateway.session_info) has registered on every host; and lists what is parked, what was assumed to be
    fenced, and the last change of each host.
  - Each of these is a problem, and its line in the table begins with C(!). A login with more than one holder, a gateway
    whose login cannot be read, a host that did not answer, a gateway that is asked and not proven or not connected to IBKR,
    something parked, a host that was assumed to be powered off.
  - It does not fail for a problem; whoever calls it decides by RV(problems).
  - Runs on the controller; no host is contacted.
options:
  fleet:
    description: The fleet list. Inventory names of the gateway hosts of all environments.
    type: list
    elements: str
    required: true
  result:
    description: Name of the variable in which each host registered what M(abstractfinance.ibgateway.session_info) returned.
    type: str
    required: true
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes.controller
"""

EXAMPLES = r"""
- name: See the sessions on this host, and ask each gateway
  abstractfinance.ibgateway.session_info:
    host: "{{ inventory_hostname }}"
    account: "{{ gateway_account | default(omit) }}"
  register: session_seen

- name: Put it into one table
  abstractfinance.ibgateway.session_status:
    fleet: "{{ session_fleet }}"
    result: session_seen
  register: session_status
  run_once: true

- name: Show it
  ansible.builtin.debug:
    msg: "{{ session_status.table }}"
  run_once: true
"""

RETURN = r"""
table:
  description: The table and what follows it, as text of several lines.
  type: str
  returned: success
problems:
  description: What is not as it should be, in sentences.
  type: list
  elements: dict
  returned: success
  contains:
    code:
      description: Code of the cause.
      type: str
      sample: several-holders
    message:
      description: What is wrong, where, and what to do next.
      type: str
codes:
  description: The codes of RV(problems), each once.
  type: list
  elements: str
  returned: success
  sample: [several-holders]
"""
