# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: remedy_plan
short_description: Decide what a remediation may do about the causes that were found
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Reads the causes that M(abstractfinance.ibgateway.gateway_diagnose) found on a host, and decides which one command of this
    collection mends what can be mended.
  - Decides for none where the evidence says that a login would fail, or that none may be tried now. A cause that a change in
    1Password has answered since stands in the way no more.
  - What is left for people is told as steps.
  - Runs on the controller; no host is contacted.
options:
  host:
    description: Inventory name of the host.
    type: str
    required: true
  causes:
    description: The host's causes, most decisive first.
    type: list
    elements: dict
    required: true
  changed_keys:
    description: Keys of C(.env) for which 1Password has another value by now.
    type: list
    elements: str
    default: []
  refusal:
    description: The message with which the secrets that 1Password holds now were refused. Empty where they were not.
    type: str
    default: ""
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes.controller
seealso:
  - module: abstractfinance.ibgateway.gateway_diagnose
"""

EXAMPLES = r"""
- name: Decide what to do
  abstractfinance.ibgateway.remedy_plan:
    host: "{{ inventory_hostname }}"
    causes: "{{ gateway_diagnosis.causes }}"
    changed_keys: "{{ gateway_env.keys_changed }}"
  register: remedy
"""

RETURN = r"""
command:
  description: V(deploy), V(restart), or V(nothing).
  type: str
  returned: always
mends:
  description: Codes of the causes that the command mends.
  type: list
  elements: str
  returned: always
left:
  description: What is left for people, each with its code, message and steps.
  type: list
  elements: dict
  returned: always
stands_in_the_way:
  description: Codes of the causes for which no login is tried.
  type: list
  elements: str
  returned: always
words:
  description: All of it for an operator to read.
  type: str
  returned: always
"""
