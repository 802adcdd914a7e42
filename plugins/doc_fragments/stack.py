# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  host:
    description: Inventory name of the host, for messages.
    type: str
    required: true
  project_dir:
    description: Directory of the stack, with its C(.env).
    type: path
    default: /srv/abstractfinance
  compose_file:
    description: Name of the compose file in O(project_dir).
    type: str
    default: docker-compose.yml
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
    description:
      - The services that the compose file is to have. Others in the file that is there are a problem.
      - Without it, services are not checked.
    type: list
    elements: str
  image:
    description: The gateway's image.
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
  max_clock_skew:
    description:
      - Seconds by which the clocks of host and controller may differ.
      - Held on the controller, which knows when the question left and when the answer came. What may be delay is not
        taken for a difference.
    type: float
    default: 10
"""
