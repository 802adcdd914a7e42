# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
requirements:
  - Docker Engine 20.10 or newer on the managed host, reached at C(/var/run/docker.sock)
  - L(Docker SDK for Python,https://docker-py.readthedocs.io/en/stable/) 5.0.0 or newer on the managed host
    (C(apt-get install python3-docker) on Debian and Ubuntu)
notes:
  - Must run as root on the managed host, since the leases and the records of what is parked are root's alone.
"""
