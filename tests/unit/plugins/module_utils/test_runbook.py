# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import importlib.util
import pathlib
import re
from typing import Any, Set

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES, DIAGNOSIS, SIGNS

ROOT = pathlib.Path(__file__).resolve().parents[4]
PLUGINS = ROOT / "plugins"


def constants(path: pathlib.Path) -> Set[str]:
    """The texts that stand in a file's code."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("runbook", ROOT / "tests" / "tools" / "runbook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_catalogue_makes_of_it(tool: Any) -> None:
    assert tool.RUNBOOK.read_text(encoding="utf-8") == tool.runbook()


def test_every_entry_appears_once_with_all_that_a_person_needs(tool: Any) -> None:
    text = tool.runbook()
    for entry in CAUSES:
        parts = text.split(f"\n### {entry['code']}\n")
        assert len(parts) == 2, entry["code"]
        section = parts[1].split("\n## ")[0].split("\n### ")[0]
        assert all(step in section for step in (*entry["remedy"], entry["title"], entry["meaning"]))
        assert all(rule["line"] in section for rule in (*entry.get("log", ()), *entry.get("launcher", ())))


def test_no_fact_is_left_open(tool: Any) -> None:
    shown = [line for line in tool.runbook().splitlines() if line.startswith("> ")]
    assert len(shown) == len(CAUSES)
    assert not [line for line in shown if re.search("[{}]", line)]


def test_the_diagnosis_comes_first_in_its_own_order(tool: Any) -> None:
    text = tool.runbook()
    places = [text.index(f"\n### {entry['code']}\n") for entry in DIAGNOSIS]
    assert places == sorted(places)
    assert all(words in text for words in SIGNS.values())


def test_every_entry_is_shown_by_evidence_or_raised_by_code() -> None:
    known = {entry["code"] for entry in CAUSES}
    raised = {code for path in PLUGINS.rglob("*.py") if path.name != "catalogue.py" for code in known & constants(path)}
    for path in (ROOT / "roles").rglob("*.yml"):
        raised |= set(re.findall(r"\[([a-z0-9]+(?:-[a-z0-9]+)+)\]", path.read_text(encoding="utf-8")))
    ranked = {entry["code"] for entry in DIAGNOSIS}
    assert not known - raised - ranked
