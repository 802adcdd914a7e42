# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the JSON Schema of config/instruments.yaml, for editors, from what the check itself reads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "roles" / "instruments" / "files" / "instruments.schema.json"
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import instruments  # noqa: E402


def text() -> str:
    return json.dumps(instruments.schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text(), encoding="utf-8")
