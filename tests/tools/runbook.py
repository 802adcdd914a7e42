# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/runbook.md out of the catalogue of causes; with --check, say whether it is what the catalogue makes of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = ROOT / "docs" / "runbook.md"
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import (  # noqa: E402
    CAUSES,
    DIAGNOSIS,
    SIGNS,
    UNKNOWN,
)

INTRODUCTION = """\
# Runbook

<!-- Made by `make runbook` out of plugins/module_utils/catalogue.py, which is the place for changes. -->

Every message of this collection ends with a code in brackets. Here is what each code means and what to do. To find out which
causes there are, and with what evidence:

```console
$ ansible-playbook playbooks/diagnose.yml
```

It changes nothing, and writes a report for each host. The first part lists what it finds, the most decisive first, which is
also the order in which to mend several. The second part lists what the other commands say when they stop.

Where *(the product)* stands, a command of this collection mends it. Never try a login again before its cause is gone: each
attempt counts towards a lock-out.
"""


def runbook() -> str:
    rules = {entry["code"]: entry for entry in DIAGNOSIS}
    entries = {entry["code"]: entry for entry in CAUSES}
    parts = [INTRODUCTION, "## By what the guide calls it", "\n".join(guide_rows())]
    parts.append("## What a diagnosis finds")
    parts += [section(entries[code], rules[code]) for code in rules]
    parts.append("## What other commands say when they stop")
    parts += [section(entry, {}) for code, entry in entries.items() if code not in rules]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def guide_rows() -> Iterator[str]:
    yield "| guide | causes |\n|---|---|"
    rows: dict[str, list[str]] = {}
    for entry in CAUSES:
        for row in entry.get("guide", ()):
            rows.setdefault(row, []).append(f"[`{entry['code']}`](#{entry['code']})")
    for row in sorted(rows, key=lambda row: int(row[1:])):
        yield f"| {row} | {', '.join(rows[row])} |"


def section(entry: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    words = [f"**{entry['title']}.**", entry["meaning"]]
    if entry["severity"] == "warning":
        words.append("It works, and should not stay so.")
    if entry.get("guide"):
        words.append(f"Guide: {', '.join(entry['guide'])}.")
    lines = [f"### {entry['code']}", "", " ".join(words), ""]
    said = f"{entry['says']}: {entry['next']}."
    lines += [f"> {named(said[0].upper() + said[1:])} `[{entry['code']}]`", ""]
    shows = [*shown_by(entry), *(f"- {SIGNS[sign]}" for sign in rule.get("signs", ()))]
    if shows:
        lines += ["Shows as:", "", *shows, ""]
    if rule.get("apart"):
        lines += [f"Told apart: {rule['apart']}", ""]
    lines += ["Do:", "", *(f"{number}. {step}" for number, step in enumerate(entry["remedy"], 1))]
    if entry.get("product_remedy"):
        lines += ["", f"*(the product)* {entry['product_remedy']}."]
    return "\n".join(lines)


def named(text: str) -> str:
    """A sentence of the catalogue with its facts as placeholders."""
    names = {name: f"‹{name.replace('_', ' ')}›" for name in UNKNOWN}
    return re.sub(r"\{(\w+)\}", lambda match: names[match.group(1)] if match.group(1) != "wait" else "", text)


def shown_by(entry: Mapping[str, Any]) -> Iterator[str]:
    for rule in entry.get("log", ()):
        times = f", {rule['times']} times" if rule.get("times", 1) > 1 else ""
        within = f" within {rule['within'] // 60} minutes" if "within" in rule else ""
        after = "".join(f", after {count} × {kind}" for kind, count in rule.get("after", {}).items())
        without = f", without {' or '.join(rule['without'])} before" if rule.get("without") else ""
        yield f"- in the log `{rule['line']}`{times}{within}{after}{without}"
    for dialog in entry.get("dialogs", ()):
        words = [f"{name} `{dialog[name]}`" for name in ("title", "text") if dialog[name]]
        yield f"- a dialog with {' and '.join(words)}{', for too long' if dialog.get('handled') else ''}"
    for text in entry.get("screen", ()):
        yield f"- on the screen, where the log and JAuto are silent: *{text}*"
    for rule in entry.get("launcher", ()):
        without = f", without `{rule['without']}`" if "without" in rule else ""
        yield f"- in launcher.log `{rule['line']}`{without}"
    if entry.get("notices"):
        yield f"- the trading API's notice {', '.join(str(code) for code in entry['notices'])}"


def main() -> int:
    text = runbook()
    if "--check" not in sys.argv[1:]:
        RUNBOOK.write_text(text, encoding="utf-8")
    elif not RUNBOOK.exists() or RUNBOOK.read_text(encoding="utf-8") != text:
        print("docs/runbook.md is not what the catalogue makes of it: make runbook", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
