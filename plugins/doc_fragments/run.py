# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  host:
    description: Inventory name of the host at hand, as it stands in the fleet list.
    type: str
    required: true
  login:
    description:
      - The IBKR username that the run is about.
      - Compared without regard to case, as IBKR does.
    type: str
    required: true
  run_id:
    description: The UUID4 of the playbook run.
    type: str
    required: true
"""
