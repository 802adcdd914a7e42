# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of a container, as the host's /proc shows them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import List, Optional


def is_running(process: int, name: str, proc: str = "/proc") -> Optional[bool]:
    """Whether a process of this name lives in the process space of `process`; None when that cannot be seen.

    A zombie does not live.
    """
    try:
        found = numbers(process, proc)
    except OSError:
        return None
    return any(name_of(number, proc) == name for number in found)


def numbers(process: int, proc: str = "/proc") -> List[int]:
    """The processes in the process space of `process`, by the host's numbers.

    :raises OSError: where that cannot be seen.
    """
    space = os.readlink(os.path.join(proc, str(process), "ns", "pid"))
    found = []
    for entry in os.listdir(proc):
        if entry.isdigit():
            with suppress(OSError):
                if os.readlink(os.path.join(proc, entry, "ns", "pid")) == space:
                    found.append(int(entry))
    return found


def name_of(number: int, proc: str = "/proc") -> str:
    """A process's name; empty for a zombie, and for one that is gone."""
    try:
        with open(os.path.join(proc, str(number), "stat"), encoding="utf-8", errors="replace") as stream:
            head, _closing, rest = stream.read().rpartition(")")
    except OSError:
        return ""
    return "" if rest.split()[0] in ("Z", "X") else head.partition("(")[2]
