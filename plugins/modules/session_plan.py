# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: session_plan
short_description: Decide what a takeover of a login has to do, or refuse it
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Reads what M(abstractfinance.ibgateway.session_info) returned for every host of the fleet, and tells who holds the login
    beside the container that is to hold it.
  - Refuses, before any host is changed and with every reason in one message, a paper run that would stop a live session,
    a holder on a protected host, and a fleet in which a gateway's login cannot be read.
  - With O(planned), refuses as well when the login's sessions are not those of the first look any more.
  - Runs on the controller; no host is contacted.
options:
  login:
    description: The IBKR username that is to be brought to O(target).
    type: str
    required: true
  trading_mode:
    description: Trading mode of the run's environment.
    type: str
    required: true
    choices: [Paper Trading, Live Trading]
  target:
    description: Inventory name of the host that is to hold the session.
    type: str
    required: true
  container:
    description: Name of the gateway's container on O(target).
    type: str
    required: true
  fleet:
    description: The fleet list. Inventory names of the gateway hosts of all environments.
    type: list
    elements: str
    required: true
  result:
    description: Name of the variable in which each host registered its M(abstractfinance.ibgateway.session_info).
    type: str
    required: true
  protected:
    description: Hosts whose sessions no run of another environment may stop.
    type: list
    elements: str
    default: []
  planned:
    description:
      - RV(sessions) of the look before the lease. For the look under the lease, which another run cannot change any more.
    type: list
    elements: dict
  assumed:
    description:
      - Hosts of O(fleet) that the operator states to be powered off (C(gateway_assume_fenced)).
      - They have to be asked like the others, and to be unreachable. One that answers stops the run.
    type: list
    elements: str
    default: []
  named:
    description: By host, names of containers that may be fenced although their login cannot be read.
    type: dict
    default: {}
  environment:
    description: The run's environment. A session that this collection deployed elsewhere for another one stops the run.
    type: str
    default: ""
  move_from:
    description: Inventory name of the host from which the login may be moved all the same.
    type: str
    default: ""
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes.controller
seealso:
  - module: abstractfinance.ibgateway.session_info
  - module: abstractfinance.ibgateway.session_fence
"""

EXAMPLES = r"""
- name: See which sessions each host has
  abstractfinance.ibgateway.session_info:
    host: "{{ inventory_hostname }}"
  register: session_seen

- name: Decide what has to be fenced
  abstractfinance.ibgateway.session_plan:
    login: afpaper01
    trading_mode: Paper Trading
    target: staging.abstractfinance.example
    container: ibgateway
    fleet: "{{ session_fleet }}"
    result: session_seen
  register: session_plan
  run_once: true
"""

RETURN = r"""
holders:
  description: The sessions of the login, other than O(container) on O(target); entries as of session_info, with their host.
  type: list
  elements: dict
  returned: success
  sample: []
parked:
  description: What earlier runs parked for this login and nobody removed or restored; entries as of session_info, with their host.
  type: list
  elements: dict
  returned: success
  sample: []
sessions:
  description: Every session of the login, and every one that cannot be read; entries as of session_info, with their host.
  type: list
  elements: dict
  returned: success
  sample: []
reasons:
  description: Why a host has to be fenced; one sentence for each entry of RV(holders) and RV(unsettled), for the operator.
  type: list
  elements: str
  returned: success
  sample: [afpaper01 is in use on production.abstractfinance.example by the container gateway-paper (running, paper)]
leftovers:
  description: What earlier runs have left to be cleared away; one sentence for each entry of RV(parked), for the operator.
  type: list
  elements: str
  returned: success
  sample: ["production.abstractfinance.example has the container gateway-paper parked since 2025-12-12T10:00:00Z"]
unsettled:
  description:
    - Hosts that an earlier run assumed to be powered off and that answer again, so that they have to be fenced; entries as
      of session_info's C(assumed_fenced), with the host that has the record as C(recorded_on).
  type: list
  elements: dict
  returned: success
  sample: []
touches_target:
  description: Whether O(target) itself is among what RV(reasons) name, so that a gateway on it that is current cannot just go on.
  type: bool
  returned: success
  sample: false
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: live-session-protected
"""
