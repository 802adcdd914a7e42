# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test` runs the unit tests beside the scenarios, whose canary looks for the lab's secrets on the whole machine."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator

TESTS = pathlib.Path(__file__).resolve().parents[2]
STORE = TESTS / "lab" / "onepassword.json"


def secrets() -> Iterator[str]:
    vaults = json.loads(STORE.read_text(encoding="utf-8"))
    for item in (item for vault in vaults.values() for item in vault.values()):
        note = item.get("notesPlain", "")
        yield from re.findall(r"^\w*(?:PASSWORD|TOKEN|KEY|SECRET)\w*=['\"]?([^'\"\n]+)", note, re.MULTILINE)
        yield from (value for field, value in item.items() if field not in ("username", "notesPlain"))


def test_unit_tests_have_values_of_their_own() -> None:
    wanted = {form for secret in secrets() for form in (secret, json.dumps(secret)[1:-1])}
    assert len(wanted) >= 8
    for path in (TESTS / "unit").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert [secret for secret in wanted if secret in text] == [], path
