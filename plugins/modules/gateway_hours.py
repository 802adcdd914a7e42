# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: gateway_hours
short_description: Refuse a login inside IBKR's reset windows, and a live gateway's blackout in market hours
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Fails when it is, right now, one of IBKR's reset windows, in which logins fail by themselves, or when a live gateway
    would be down inside market hours. The message says when that ends.
  - A window has C(days), V(Mon) to V(Sun), and C(from) and C(to), local times of the day such as V(05:45). Without C(days)
    it is every day's. One whose end is not after its begin ends on the next day.
  - Runs on the controller, by its clock; no host is contacted.
options:
  reset_windows:
    description: When IBKR resets its servers.
    type: list
    elements: dict
    required: true
  reset_timezone:
    description: Time zone of O(reset_windows), by its tz name.
    type: str
    required: true
  market_hours:
    description: When a live gateway is not to be down.
    type: list
    elements: dict
    default: []
  market_timezone:
    description: Time zone of O(market_hours), by its tz name.
    type: str
    required: true
  blackout:
    description: The live gateway that would be down, in words. Without it, O(market_hours) do not matter.
    type: str
    default: ""
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes.controller
seealso:
  - module: abstractfinance.ibgateway.gateway_login
"""

EXAMPLES = r"""
- name: Refuse a login while IBKR resets its servers
  abstractfinance.ibgateway.gateway_hours:
    reset_windows:
      - {days: [Sun, Mon, Tue, Wed, Thu, Fri], from: "05:45", to: "07:45"}
      - {days: [Sat], from: "05:00", to: "09:00"}
    reset_timezone: Europe/Berlin
    market_hours:
      - {days: [Mon, Tue, Wed, Thu, Fri], from: "09:00", to: "22:00"}
    market_timezone: Europe/Berlin
    blackout: ibgateway on production.abstractfinance.example
"""

RETURN = r"""
code:
  description: Code of the cause.
  type: str
  returned: failure
  sample: inside-reset-window
"""
