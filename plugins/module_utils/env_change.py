# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changes between two contents of a `.env`, told by the names of the keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import dotenv
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

MASK = "********"


@dataclass(frozen=True)
class Change:
    added: list[str]
    removed: list[str]
    changed: list[str]
    before: str
    after: str


def compare(old: bytes | None, new: str, public_keys: Sequence[str]) -> Change:
    old_document, unread = _read(old)
    old_entries, new_entries = old_document.entries(), dotenv.parse(new).entries()
    changed = [
        key for key in new_entries if key in old_entries and _content(new_entries[key]) != _content(old_entries[key])
    ]
    before = [_shown(entry, public_keys) for entry in old_entries.values()]
    after = [
        _shown(entry, public_keys) + (" (changed)" if key in changed and key not in public_keys else "")
        for key, entry in new_entries.items()
    ]
    if unread:
        before.append("(lines that are no .env)")
    if before == after and old != new.encode():
        after.append("(comments, blank lines, order or quoting differ)")
    return Change(
        added=[key for key in new_entries if key not in old_entries],
        removed=[key for key in old_entries if key not in new_entries],
        changed=changed,
        before="".join(f"{line}\n" for line in before),
        after="".join(f"{line}\n" for line in after),
    )


def _read(content: bytes | None) -> tuple[dotenv.Document, bool]:
    try:
        document = dotenv.parse(dotenv.decode(content or b""))
    except GatewayError:
        return dotenv.parse(""), True
    return document, any(problem.code == "env-template-unparsable" for problem in document.problems)


def _content(entry: dotenv.Entry) -> tuple[str | None, str]:
    """What Compose reads; where it puts the value together, the text that it does that from."""
    return entry.value, entry.raw if entry.value is None else ""


def _shown(entry: dotenv.Entry, public_keys: Sequence[str]) -> str:
    shown = repr(entry.value) if entry.key in public_keys and entry.value is not None else MASK
    return f"{entry.key}={shown}"


def as_result(change: Change) -> dict[str, list[str]]:
    return {"keys_added": change.added, "keys_removed": change.removed, "keys_changed": change.changed}
