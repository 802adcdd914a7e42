# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time in the lab: the real image's waits, divided by the speed that the IBKR stand-in sets."""

from __future__ import annotations

import os
import time

DEFAULT_SPEED = 20.0
SPEED_VARIABLE = "LAB_SPEED"


def speed() -> float:
    return float(os.environ.get(SPEED_VARIABLE, DEFAULT_SPEED))


def scaled(seconds: float, at_least: float = 0.0) -> float:
    return max(seconds / speed(), at_least)


def wait(seconds: float, at_least: float = 0.0) -> None:
    time.sleep(scaled(seconds, at_least))
