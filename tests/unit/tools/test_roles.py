# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("antsibull_docs_parser")

import roles  # noqa: E402

OPTION = {"description": "Which one. See O(door_other), V(true), M(a.b.c) and C(x|y).", "type": "str", "default": "a"}


@pytest.fixture
def door(tmp_path: Path) -> Any:
    """Write the role `door` with these options and defaults, make its README, and give back the repository's path."""

    def write(options: dict[str, Any], defaults: dict[str, Any], readme: bool = True) -> Path:
        role = tmp_path / "roles" / "door"
        (role / "meta").mkdir(parents=True)
        (role / "defaults").mkdir()
        entry = {"short_description": "Open it", "description": ["First.", "Second."], "options": options}
        specification = json.dumps({"argument_specs": {"main": entry}})
        (role / "meta" / "argument_specs.yml").write_text(specification, encoding="utf-8")
        (role / "defaults" / "main.yml").write_text(json.dumps(defaults), encoding="utf-8")
        if readme:
            assert roles.main(["write"], tmp_path) == 0
        return tmp_path

    return write


def test_readme_says_what_the_specification_says(door: Any) -> None:
    readme = (door({"door_one": OPTION}, {"door_one": "a"}) / "roles" / "door" / "README.md").read_text(
        encoding="utf-8"
    )
    assert readme.startswith("# abstractfinance.ibgateway.door\n")
    assert "\n\nOpen it.\n\nFirst.\n\nSecond.\n\n" in readme
    assert "| `door_one` | str | `a` | Which one. See `door_other`, `true`, `a.b.c` and `x\\|y`. |" in readme


def test_a_long_default_follows_the_table(door: Any) -> None:
    rules = {"a": {"b": 1}}
    option = {"description": "Rules.", "type": "dict", "default": rules}
    readme = (door({"door_rules": option}, {"door_rules": rules}) / "roles" / "door" / "README.md").read_text("utf-8")
    assert "| `door_rules` | dict | see below | Rules. |" in readme
    assert "```yaml\ndoor_rules:\n  a:\n    b: 1\n```" in readme


def test_what_agrees_is_clean(door: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made = {"description": "Made.", "type": "str"}
    needed = {"description": "Needed.", "type": "str", "required": True}
    options = {"door_one": OPTION, "door_made": made, "door_needed": needed, "door_unset": made}
    assert roles.main(["check"], door(options, {"door_one": "a", "door_made": "{{ door_one }}"})) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("option", "defaults", "said"),
    [
        (OPTION, {"door_one": "b"}, "door_one is 'b' in defaults/main.yml, and 'a' in the specification"),
        (OPTION, {}, "door_one has a default in the specification, and none in defaults"),
        ({"description": "x"}, {"door_one": "a"}, "door_one has a default in defaults/main.yml, and none in the spec"),
        (OPTION, {"door_one": "a", "door_two": 1}, "door_two is in defaults/main.yml, and not in the specification"),
        (OPTION, {"door_one": "{{ x }}"}, "made by a template"),
        ({**OPTION, "required": True}, {"door_one": "a"}, "required and has a default"),
    ],
)
def test_what_disagrees_is_told(
    door: Any, capsys: pytest.CaptureFixture[str], option: dict[str, Any], defaults: dict[str, Any], said: str
) -> None:
    assert roles.main(["check"], door({"door_one": option}, defaults)) == 1
    assert said in capsys.readouterr().out


def test_a_name_without_the_roles_own_is_told(door: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert roles.main(["check"], door({"window": OPTION}, {"window": "a"})) == 1
    assert "window does not begin with the role's name" in capsys.readouterr().out


@pytest.mark.parametrize("readme", ["missing", "old"])
def test_a_readme_that_is_not_current_is_told(door: Any, capsys: pytest.CaptureFixture[str], readme: str) -> None:
    root = door({"door_one": OPTION}, {"door_one": "a"}, readme=False)
    if readme == "old":
        (root / "roles" / "door" / "README.md").write_text("# door\n", encoding="utf-8")
    assert roles.main(["check"], root) == 1
    assert "make readmes" in capsys.readouterr().out
