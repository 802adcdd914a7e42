# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""References to secrets in 1Password: `op://vault/item/[section/]field[?attribute=...]`.

Stricter than the SDK, which takes an empty segment and a space at a segment's edge and then finds nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

PREFIX = "op://"
SEGMENT = re.compile(r"[A-Za-z0-9_.-](?:[A-Za-z0-9 _.-]*[A-Za-z0-9_.-])?")
ATTRIBUTES = ("attribute=otp", "attribute=totp", "ssh-format=openssh")
ENCLOSED = re.compile(r"\{\{\s*(op://[^{}]*?)\s*\}\}")
FORM = "op://vault/item/field or op://vault/item/section/field"


@dataclass(frozen=True)
class Reference:
    text: str
    vault: str
    item: str
    section: str
    field: str
    attribute: str

    @property
    def one_time_code(self) -> bool:
        return self.attribute in ("attribute=otp", "attribute=totp")


def parse(text: str) -> Reference:
    path, query, attribute = text[len(PREFIX) :].partition("?")
    segments = path.split("/")
    if not text.startswith(PREFIX) or len(segments) not in (3, 4):
        raise _malformed(text, f"write {FORM}")
    for segment in segments:
        if not segment:
            raise _malformed(text, f"a part between two slashes is empty: write {FORM}")
        if segment.strip() != segment:
            raise _malformed(text, f"{segment!a} has white space at its edge: remove it")
        if not SEGMENT.fullmatch(segment):
            raise _malformed(
                text,
                f"{segment!a} has a character other than letters, digits, space, '_', '.' and '-':"
                " rename it in 1Password or use its ID",
            )
    if query and attribute not in ATTRIBUTES:
        raise _malformed(text, f"after '?' 1Password knows only {', '.join(ATTRIBUTES)}")
    section = segments[2] if len(segments) == 4 else ""
    return Reference(text, segments[0], segments[1], section, segments[-1], attribute)


def _malformed(text: str, what: str) -> GatewayError:
    return GatewayError(f"the reference {text!a} is malformed: {what}", "secret-reference-malformed")


def find(value: str) -> list[str]:
    """The references in a value: the whole of it, or each one in `{{ }}`, as `op inject` writes them."""
    if value.startswith(PREFIX):
        return [value]
    return list(dict.fromkeys(ENCLOSED.findall(value)))


def has_unenclosed(value: str) -> bool:
    """A reference amid other text and without `{{ }}`: where it ends cannot be known."""
    return not value.startswith(PREFIX) and PREFIX in ENCLOSED.sub("", value)


def fill(value: str, secrets: dict[str, str]) -> str:
    if value.startswith(PREFIX):
        return secrets[value]
    return ENCLOSED.sub(lambda match: secrets[match.group(1)], value)
