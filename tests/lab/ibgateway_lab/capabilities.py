# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The capabilities of a lab host, as far as the machine has them to give."""

from __future__ import annotations

import pathlib
import re

BEYOND_DOCKERS_DEFAULT = {
    "DAC_READ_SEARCH": 2,
    "LINUX_IMMUTABLE": 9,
    "NET_BROADCAST": 11,
    "NET_ADMIN": 12,
    "IPC_LOCK": 14,
    "IPC_OWNER": 15,
    "SYS_PTRACE": 19,
    "SYS_ADMIN": 21,
    "SYS_NICE": 23,
    "SYS_RESOURCE": 24,
    "LEASE": 28,
}
REQUIRED = ("NET_ADMIN", "SYS_ADMIN")


def bounding_set(status: str) -> int:
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return int(found.group(1), 16) if found else 0


def grantable(status: str) -> list[str]:
    bounds = bounding_set(status)
    return [name for name, bit in BEYOND_DOCKERS_DEFAULT.items() if bounds >> bit & 1]


def missing(status: str) -> list[str]:
    return [name for name in REQUIRED if name not in grantable(status)]


def own_status() -> str:
    return pathlib.Path("/proc/self/status").read_text()
