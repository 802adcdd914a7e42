# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README, CONTRIBUTING and docs/ name is there: files, targets of make, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = "docs|extensions|inventories|playbooks|plugins|requirements|roles|tests"
# Examples and names that a reader replaces.
PLACEHOLDERS = re.compile(r"[<>*{}…]|first_deploy|tests/output")


def names(page: Path) -> list[str]:
    found = re.findall(rf"`((?:{FOLDERS})/[^`\s]*)`", page.read_text(encoding="utf-8"))
    return [name for name in found if not PLACEHOLDERS.search(name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    assert [name for name in names(page) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if ":" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_of_make_that_a_page_names_are_there(page: Path) -> None:
    targets = set(
        re.findall(r"^([a-z-]+)(?: [a-z-]+)*:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    targets |= set(
        re.findall(r"^(?:[a-z-]+ )+([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = re.findall(r"[`$] ?make ([a-z][a-z-]+)", page.read_text(encoding="utf-8"))
    assert [name for name in named if name not in targets] == []


def test_every_guarantee_names_what_backs_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| guarantee | held by |\n|---|---|\n")[2].partition("\n\n")[0]
    rows = table.splitlines()
    assert len(rows) >= 7
    assert [row for row in rows if not re.search(r"`(tests|extensions)/", row)] == []
