# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import pathlib
import re
import string
from typing import Any, Dict, Iterator

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import (
    AWAITED,
    CAUSES,
    LINES,
    MARKERS,
    UNKNOWN,
)

FIELDS = {"code", "title", "severity", "says", "next", "meaning", "remedy"}
OPTIONAL = {"guide", "in_mode", "product_remedy", "log", "dialogs", "screen", "launcher", "notices"}
RULE_FIELDS = {"line", "times", "within", "after", "without", "ever", "scope", "verdict"}
KINDS = {entry["kind"] for entry in LINES}


@pytest.mark.parametrize("entry", CAUSES, ids=[entry["code"] for entry in CAUSES])
def test_entry_is_whole(entry: Dict[str, Any]) -> None:
    assert FIELDS <= set(entry) <= FIELDS | OPTIONAL
    assert all(entry[name] for name in entry), "what is empty is left out"
    assert all(
        isinstance(entry.get(name, ()), tuple)
        for name in ("guide", "remedy", "log", "dialogs", "screen", "launcher", "notices")
    )
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry["code"])
    assert entry["severity"] in ("error", "warning")
    assert entry["title"]
    assert entry["meaning"].endswith(".")
    assert entry["remedy"]
    assert all(re.fullmatch(r"G([1-9]|1\d|2[0-5])", row) for row in entry.get("guide", ()))
    assert set(entry.get("in_mode", {})) <= {causes.PAPER, causes.LIVE}
    for template in (entry["says"], entry["next"]):
        names = {name for _text, name, _spec, _conversion in string.Formatter().parse(template) if name}
        assert names <= set(UNKNOWN), "a sentence must not fail for a fact that its caller does not know"
        assert not template.endswith((".", " "))
    assert not entry["says"].startswith("{"), "a host's name must not be capitalised"
    for rule in entry.get("log", ()):
        assert re.compile(rule["line"])
        assert set(rule) <= RULE_FIELDS
        assert {*rule.get("after", {}), *rule.get("without", ()), *rule.get("ever", ())} <= KINDS
        assert rule.get("scope", "login") in ("login", "gateway", "start")
        assert rule.get("verdict", "failed") in ("failed", "lost", "doubt", "hint")
    for dialog in entry.get("dialogs", ()):
        assert {"title", "text"} <= set(dialog) <= {"title", "text", "handled"}
        assert re.compile(dialog["title"]).pattern or re.compile(dialog["text"]).pattern
    for rule in entry.get("launcher", ()):
        assert {"line"} <= set(rule) <= {"line", "without"}
        assert all(re.compile(pattern).pattern for pattern in rule.values())


def test_codes_are_unique() -> None:
    codes = [entry["code"] for entry in CAUSES]
    assert len(codes) == len(set(codes))


def test_notices_belong_to_one_entry() -> None:
    notices = [notice for entry in CAUSES for notice in entry.get("notices", ())]
    assert len(notices) == len(set(notices))


def test_stages_say_what_they_wait_for() -> None:
    assert {entry["stage"] for entry in LINES if entry["stage"]} == set(AWAITED)
    assert set(MARKERS) <= KINDS


def test_sentence_says_what_where_and_what_next() -> None:
    sentence = causes.sentence("wrong-account", accounts="U7654321", account="DU1234567", container="ibgateway")
    assert sentence == (
        "The gateway in container ibgateway is logged in, but with U7654321 instead of account DU1234567: correct the "
        "account in the inventory, or the login in 1Password, and deploy again. [wrong-account]"
    )


@pytest.mark.parametrize("code", [entry["code"] for entry in CAUSES])
@pytest.mark.parametrize("mode", [None, causes.PAPER, causes.LIVE])
def test_sentence_stands_without_any_fact(code: str, mode: str) -> None:
    sentence = causes.sentence(code, mode)
    assert sentence.endswith(f". [{code}]")
    assert not re.search(r"[{}]|  ", sentence)


def test_paper_password_is_named_in_paper_mode() -> None:
    assert "its own password" in causes.message("wrong-credentials", causes.PAPER)
    assert "its own password" not in causes.message("wrong-credentials", causes.LIVE)


def test_error_carries_its_code() -> None:
    error = causes.error("disk-full", host="staging.abstractfinance.example")
    assert error.code == "disk-full"
    assert str(error).endswith("[disk-full]")


def test_unknown_code_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        causes.find("no-such-code")


PLUGINS = pathlib.Path(__file__).resolve().parents[4] / "plugins"
RAISING = {"GatewayError", "TransientError", "Problem", "error", "add", "_problem", "_failed", "_decided"}


def codes_in(path: pathlib.Path) -> Iterator[str]:
    """The codes that a file hands to what makes an error."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if getattr(node.func, "id", getattr(node.func, "attr", "")) not in RAISING:
            continue
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            parts = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
            for part in parts:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", part.value):
                        yield part.value


def test_every_code_of_the_plugins_is_in_the_catalogue() -> None:
    known = {entry["code"] for entry in CAUSES}
    used = {(path.name, code) for path in PLUGINS.rglob("*.py") for code in codes_in(path)}
    assert len(used) > 50
    assert not sorted((name, code) for name, code in used if code not in known)


def test_every_code_of_the_roles_is_in_the_catalogue() -> None:
    known = {entry["code"] for entry in CAUSES}
    used = {
        code
        for path in (PLUGINS.parent / "roles").rglob("*.yml")
        for code in re.findall(r"\[([a-z0-9]+(?:-[a-z0-9]+)+)\]", path.read_text(encoding="utf-8"))
    }
    assert {"image-missing", "compose-failed", "port-taken"} <= used
    assert not sorted(used - known)
