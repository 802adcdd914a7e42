# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masks what must not be passed on: secrets go, usernames and accounts become tags by which two can be told apart."""

from __future__ import annotations

import hmac
import re
from typing import Any, Dict, Iterable, Mapping, Optional

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import login_key

MASK = "********"
ADDRESS = "[address]"
DIGEST = "[digest]"
# A shorter secret than this would take pieces out of every other word.
SHORTEST_SECRET = 4
TAG_LENGTH = 6

_ACCOUNT = re.compile(r"\b(?:DU|DF|U|F)\d{5,10}\b")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{0,4}\b")
_DIGEST = re.compile(r"\b(?=[0-9a-fA-F]*[a-fA-F])(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{8,}\b")


class Masks:
    """One run's masks. Tags depend on `key`, so that nobody without it can try a name against them."""

    def __init__(self, key: str, secrets: Iterable[str] = (), logins: Iterable[str] = ()) -> None:
        self._key = key.encode()
        self._secrets = sorted({item for item in secrets if len(item) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._logins: Dict[str, str] = {}
        self.names: Dict[str, str] = {}
        for login in logins:
            self.login(login)

    def login(self, name: str) -> str:
        """The tag of a username; one tag however it is capitalised."""
        if not name:
            return ""
        tag = self._tag("login", login_key(name))
        self._logins.setdefault(name.casefold(), tag)
        return tag

    def account(self, name: str) -> str:
        if not name:
            return ""
        return self._tag("account", name)

    def fingerprint(self, secret: str) -> str:
        """By which two secrets can be found to be the same, and from which neither can be found."""
        return self._digest(f"secret {secret}")[:8]

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        for login in sorted(self._logins, key=len, reverse=True):
            tag = self._logins[login]
            text = re.sub(rf"(?<![\w.-]){re.escape(login)}(?![\w-])", tag, text, flags=re.IGNORECASE)
        return _ACCOUNT.sub(lambda match: self.account(match.group(0)), text)

    def launcher(self, text: str) -> str:
        """A line of launcher.log, which has addresses and digests as well."""
        return self.text(_DIGEST.sub(DIGEST, _ADDRESS.sub(ADDRESS, text)))

    def all(self, value: Any) -> Any:
        """The same for every text in lists and dictionaries."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.all(item) for name, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.all(item) for item in value]
        return value

    def _tag(self, kind: str, name: str) -> str:
        tag = f"{kind}-{self._digest(f'{kind} {name}')[:TAG_LENGTH]}"
        self.names.setdefault(tag, name)
        return tag

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogateescape"), "sha256").hexdigest()


def told(text: str, names: Optional[Mapping[str, str]]) -> str:
    """A masked text with the names again, for the operator's own eyes."""
    for tag, name in (names or {}).items():
        text = text.replace(tag, name)
    return text
