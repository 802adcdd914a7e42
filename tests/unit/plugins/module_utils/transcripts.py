# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
from typing import List

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.jauto import Dialog, parse_dialogs

TRANSCRIPTS = pathlib.Path(__file__).resolve().parents[3] / "fixtures" / "transcripts"


def transcript(case: str) -> List[str]:
    """The lines of a transcript of the real image, each with Docker's time stamp."""
    (path,) = TRANSCRIPTS.glob(f"{case}-*.log")
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def cases() -> List[str]:
    return sorted(path.name.partition("-")[0] for path in TRANSCRIPTS.glob("*.log"))


def dialogs(case: str) -> List[Dialog]:
    """The dialogs that JAuto told of while a case was on the screen."""
    paths = sorted(TRANSCRIPTS.glob(f"{case}-*.jauto.txt"))
    assert paths
    return [dialog for path in paths for dialog in parse_dialogs(path.read_text(encoding="utf-8"))]
