# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README, CONTRIBUTING and docs/ name is there: files, targets of make, playbooks, variables, links, tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

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
def test_playbooks_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {f"playbooks/{name}" for name in re.findall(r"(?:tests/lab/play|…) (?:playbooks/)?([\w-]+\.yml)", text)}
    named |= set(re.findall(r"\bplaybooks/[\w-]+\.yml", text))
    named |= {
        f"playbooks/{name}.yml" for name in re.findall(r"ansible-playbook .*abstractfinance\.ibgateway\.(\w+)", text)
    }
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def role_variables() -> dict[str, dict[str, object]]:
    specs = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    entries = [entry for spec in specs for entry in spec["argument_specs"].values()]
    return {name: option for entry in entries for name, option in (entry.get("options") or {}).items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_that_a_page_sets_are_those_of_a_role(page: Path) -> None:
    named = re.findall(r"-e '?[{\"]*(\w+)", page.read_text(encoding="utf-8"))
    assert [name for name in named if name not in role_variables()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_that_a_page_shows_are_valid(page: Path) -> None:
    blocks = re.findall(r"^```yaml\n((?!---).+?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for block in blocks:
        settings = yaml.safe_load(block)
        spec = {name: {**option, "required": False} for name, option in role_variables().items()}
        assert ArgumentSpecValidator(spec).validate(settings).error_messages == []


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


def guarantees() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition("| guarantee | held by |\n|---|---|\n")[2].partition("\n\n")[0].splitlines()


@pytest.mark.parametrize("row", guarantees(), ids=lambda row: row[2:40])
def test_a_guarantee_names_tests_that_are_there(row: str) -> None:
    held_by = re.findall(r"\[`([\w-]+)::(test_\w+)`\]\(([^)]+)\)", row.rpartition(" | ")[2])
    assert len(held_by) == row.count("::") >= 1
    for where, name, link in held_by:
        path = ROOT / link
        assert where == (path.stem if link.startswith("tests/") else path.parents[1].name)
        assert re.search(rf"^(async )?def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE), name
