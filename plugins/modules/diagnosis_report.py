# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: diagnosis_report
short_description: Bring the diagnoses of all hosts together, and write a report for each
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Reads what M(abstractfinance.ibgateway.gateway_diagnose) returned for every host, and adds the causes that only
    the hosts together show - the same login on two hosts, a paper environment with the live one's credentials, a host that
    could not be asked.
  - Writes one HTML page and one JSON file for each host on the controller, mode 0600, with usernames and accounts as tags. The
    page is whole in itself and makes no request.
  - Runs on the controller; no host is contacted.
options:
  hosts:
    description: Inventory names of the hosts that were diagnosed, or that did not answer.
    type: list
    elements: str
    required: true
  result:
    description: Name of the variable in which each host registered its M(abstractfinance.ibgateway.gateway_diagnose).
    type: str
    required: true
  dest:
    description: Directory on the controller. The reports of a run get a directory of their own in it.
    type: path
    required: true
  told:
    description: The hosts that RV(closing) is about. All of O(hosts) by default.
    type: list
    elements: str
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes.controller
attributes:
  check_mode:
    details:
      - Writes no report.
seealso:
  - module: abstractfinance.ibgateway.gateway_diagnose
"""

EXAMPLES = r"""
- name: Write the reports
  abstractfinance.ibgateway.diagnosis_report:
    hosts: "{{ ansible_play_hosts_all }}"
    result: gateway_diagnosis
    dest: ~/.abstractfinance/diagnosis
  register: diagnosis
  run_once: true
"""

RETURN = r"""
hosts:
  description: For each host, what an operator reads, the codes, the causes and the path of the report.
  type: dict
  returned: always
closing:
  description: One sentence with what was found and where, its codes in brackets at its end. Empty when nothing was.
  type: str
  returned: always
folder:
  description: The directory with this run's reports.
  type: str
  returned: always
"""
