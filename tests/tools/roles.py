# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role says about its variables, said once: in meta/argument_specs.yml.

`roles.py write` makes each role's README.md from it. `roles.py check` tells where a README is not what it would be made,
where defaults/main.yml and the specification disagree, and where a variable is in one of them only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from antsibull_docs_parser import dom
from antsibull_docs_parser.parser import Context, parse

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "abstractfinance.ibgateway"
MISSING = object()


class Role:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.entry_points: dict[str, Any] = read(path / "meta" / "argument_specs.yml")["argument_specs"]
        self.defaults: dict[str, Any] = read(path / "defaults" / "main.yml") or {}

    @property
    def readme(self) -> Path:
        return self.path / "README.md"

    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for entry in self.entry_points.values():
            for name, option in entry.get("options", {}).items():
                if found.setdefault(name, option).get("default", MISSING) != option.get("default", MISSING):
                    raise SystemExit(f"{self.name}: the entry points give {name} different defaults.")
        return found

    def problems(self) -> Iterator[str]:
        options = self.options()
        for name, option in options.items():
            specified, given = option.get("default", MISSING), self.defaults.get(name, MISSING)
            if option.get("required"):
                if given is not MISSING or specified is not MISSING:
                    yield f"{name} is required and has a default."
            elif templated(given):
                if specified is not MISSING:
                    yield f"{name}: the default is made by a template, so the specification can only describe it."
            elif specified is not MISSING and given is MISSING:
                yield f"{name} has a default in the specification, and none in defaults/main.yml."
            elif specified is MISSING and given is not MISSING:
                yield f"{name} has a default in defaults/main.yml, and none in the specification."
            elif specified != given:
                yield f"{name} is {given!r} in defaults/main.yml, and {specified!r} in the specification."
        for name in self.defaults.keys() - options.keys():
            yield f"{name} is in defaults/main.yml, and not in the specification."
        for name in options:
            if not name.startswith(f"{self.name}_"):
                yield f"{name} does not begin with the role's name."

    def render(self) -> str:
        main = self.entry_points["main"]
        parts = [
            f"# {COLLECTION}.{self.name}",
            "<!-- Made from meta/argument_specs.yml by `make readmes`. -->",
            sentence(main["short_description"]),
            *paragraphs(main.get("description", [])),
        ]
        for name, entry in self.entry_points.items():
            if name != "main":
                parts += [f"## Entry point `{name}`", *paragraphs(entry.get("description", []))]
            options = entry.get("options", {})
            if options:
                parts += ["## Variables" if name == "main" else "### Variables", *table(options, self.defaults)]
            if "examples" in entry:
                parts += [
                    "## Example" if name == "main" else "### Example",
                    f"```yaml\n{entry['examples'].strip()}\n```",
                ]
        return "\n\n".join(parts) + "\n"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def templated(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def paragraphs(text: str | Sequence[str]) -> list[str]:
    return [markdown(part) for part in ([text] if isinstance(text, str) else text)]


def sentence(text: str) -> str:
    return f"{text}." if text[-1] not in ".!?" else text


def markdown(text: str) -> str:
    (paragraph,) = parse(" ".join(text.split()), Context())
    return "".join(inline(part) for part in paragraph)


def inline(part: dom.AnyPart) -> str:
    if isinstance(part, dom.TextPart):
        return part.text
    if isinstance(part, dom.BoldPart):
        return f"**{part.text}**"
    if isinstance(part, dom.ItalicPart):
        return f"*{part.text}*"
    if isinstance(part, dom.LinkPart):
        return f"[{part.text}]({part.url})"
    if isinstance(part, dom.URLPart):
        return f"<{part.url}>"
    if isinstance(part, dom.ModulePart):
        return code(part.fqcn)
    if isinstance(part, dom.PluginPart):
        return code(part.plugin.fqcn)
    if isinstance(part, (dom.OptionNamePart, dom.ReturnValuePart)):
        return code(part.name if part.value is None else f"{part.name}={part.value}")
    if isinstance(part, dom.CodePart):
        return code(part.text)
    if isinstance(part, dom.OptionValuePart):
        return code(part.value)
    if isinstance(part, dom.EnvVariablePart):
        return code(part.name)
    raise SystemExit(f"The README of a role cannot show {part.source or part}.")


def code(text: str) -> str:
    return f"`{text}`"


def table(options: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    """One table; defaults that do not fit into a cell follow it."""
    rows, below = ["| variable | type | default | meaning |", "|---|---|---|---|"], []
    for name, option in sorted(options.items(), key=lambda item: not item[1].get("required")):
        default = defaults.get(name, option.get("default", MISSING))
        shown = cell(default)
        if option.get("required"):
            shown = "**required**"
        elif shown is None:
            shown = "see below"
            below += [
                f"Default of `{name}`:",
                f"```yaml\n{yaml.safe_dump({name: default}, sort_keys=False).strip()}\n```",
            ]
        meaning = " ".join(paragraphs(option["description"]))
        if "choices" in option:
            meaning += " One of " + ", ".join(code(str(choice)) for choice in option["choices"] if choice != "") + "."
        kind = f"list of {option['elements']}" if "elements" in option else option.get("type", "str")
        rows.append(f"| `{name}` | {kind} | {shown} | {meaning.replace('|', chr(92) + '|')} |")
    return ["\n".join(rows), *below]


def cell(default: Any) -> str | None:
    if default is MISSING or default == "":
        return ""
    if isinstance(default, bool):
        return code(str(default).lower())
    if isinstance(default, (dict, list)) and default:
        return None
    return code(str(default))


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    if list(arguments) not in (["write"], ["check"]):
        print("usage: roles.py write|check", file=sys.stderr)
        return 2
    found = 0
    for path in sorted(path.parent.parent for path in root.glob("roles/*/meta/argument_specs.yml")):
        role = Role(path)
        if arguments == ["write"]:
            role.readme.write_text(role.render(), encoding="utf-8")
            continue
        problems = list(role.problems())
        if not role.readme.exists() or role.readme.read_text(encoding="utf-8") != role.render():
            problems.append("README.md is not what meta/argument_specs.yml says: make readmes.")
        for problem in problems:
            print(f"roles/{role.name}: {problem}")
        found += len(problems)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
