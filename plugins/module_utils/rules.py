# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on the values of a `.env`. A rule that is broken is named; the value is shown only of a public key."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.problems import Problem

TRADING_MODES = ("Paper Trading", "Live Trading")
ACCOUNT_PREFIXES = {"Paper Trading": ("DU", "DF"), "Live Trading": ("U", "F")}
BASE32_MIN_LENGTH = 16
PORTAL = "IBKR's portal can set another one"

KINDS: dict[str, type] = {
    "required": bool,
    "not_empty": bool,
    "choices": list,
    "pattern": str,
    "max_length": int,
    "base32": bool,
    "gateway_username": bool,
    "gateway_password": bool,
    "equals": str,
    "account_for": str,
    "hint": str,
}
NAMES_OF_KINDS = {bool: "a boolean", list: "a list of strings", str: "a string", int: "a whole number above 0"}


class Rule:
    """What one key must be. `source` in the checks says where a value comes from."""

    def __init__(self, key: str, options: Mapping[str, Any], public: bool) -> None:
        self.key = key
        self.options = options
        self.public = public

    def check(self, values: Mapping[str, str | None], source: str) -> list[Problem]:
        if self.key not in values:
            if self.options.get("required"):
                return [self._problem("env-key-missing", "is missing: put it into the template or the values")]
            return []
        value = values[self.key]
        if value is None:
            return [
                self._problem(
                    "env-value-interpolated",
                    f"({source}) is put together by Compose, so that it cannot be checked: write the value itself, in"
                    " single quotes",
                )
            ]
        if not value:
            if self.options.get("not_empty"):
                return [self._problem("secret-empty", f"is empty ({source}): store a value there")]
            if not self.options.get("equals"):
                return []
        misspelt = self._choices(value, source)
        if misspelt is not None:
            return [misspelt]
        checks: Sequence[Callable[[str, str], Problem | None]] = (
            self._pattern,
            self._max_length,
            self._base32,
            self._gateway_username,
            self._gateway_password,
            self._equals,
        )
        found = [check(value, source) for check in checks]
        found.append(self._account_for(value, source, values))
        return [problem for problem in found if problem is not None]

    def _problem(self, code: str, what: str) -> Problem:
        hint = self.options.get("hint")
        return Problem(code, f"{self.key} {what}{f' ({hint})' if hint else ''}", self.key)

    def _told(self, value: str, source: str) -> str:
        return f"is {value!r} ({source}), and" if self.public else f"({source})"

    def _choices(self, value: str, source: str) -> Problem | None:
        choices = self.options.get("choices")
        if not choices or value in choices:
            return None
        allowed = " or ".join(f"`{choice}`" for choice in choices)
        meant = [
            choice
            for choice in choices
            if self.public and value.strip() and choice.casefold().startswith(value.strip().casefold())
        ]
        guess = f": did you mean `{meant[0]}`?" if meant else ""
        code = "trading-mode-misspelt" if set(choices) & set(TRADING_MODES) else "value-not-allowed"
        return self._problem(code, f"{self._told(value, source)} must be exactly {allowed}{guess}")

    def _pattern(self, value: str, source: str) -> Problem | None:
        pattern = self.options.get("pattern")
        if pattern is None or re.fullmatch(pattern, value):
            return None
        return self._problem("value-not-allowed", f"{self._told(value, source)} must match the pattern {pattern}")

    def _max_length(self, value: str, source: str) -> Problem | None:
        longest = self.options.get("max_length")
        if longest is None or len(value) <= longest:
            return None
        return self._problem(
            "value-too-long",
            f"({source}) is longer than {longest} characters, and the rest would not count: shorten it",
        )

    def _base32(self, value: str, source: str) -> Problem | None:
        if not self.options.get("base32"):
            return None
        letters = value.rstrip("=")
        if re.fullmatch(r"[A-Za-z2-7]+", letters) and len(letters) >= BASE32_MIN_LENGTH:
            return None
        return self._problem(
            "totp-key-malformed",
            f"({source}) is no TOTP key: that is base32, the letters A to Z and the digits 2 to 7, at least"
            f" {BASE32_MIN_LENGTH} of them and no spaces; store the key itself, not a six-digit code and not the"
            " otpauth:// link",
        )

    def _gateway_username(self, value: str, source: str) -> Problem | None:
        broken = _typed_wrongly(value) if self.options.get("gateway_username") else None
        if broken is None:
            return None
        return self._problem("username-unsafe", f"({source}) {broken}: the gateway cannot be given this user name")

    def _gateway_password(self, value: str, source: str) -> Problem | None:
        broken = _typed_wrongly(value) if self.options.get("gateway_password") else None
        if broken is None:
            return None
        return self._problem("password-unsafe", f"({source}) {broken}: {PORTAL}")

    def _equals(self, value: str, source: str) -> Problem | None:
        wanted = self.options.get("equals")
        if wanted is None or value == wanted:
            return None
        if not self.public:
            return self._problem(
                "inventory-disagrees", f"({source}) is not what the inventory states: correct one of them"
            )
        return self._problem(
            "inventory-disagrees",
            f"is {wanted!r} by the inventory, but {value!r} by {source}: correct one of them",
        )

    def _account_for(self, value: str, source: str, values: Mapping[str, str | None]) -> Problem | None:
        mode = values.get(self.options.get("account_for", ""))
        if mode not in ACCOUNT_PREFIXES or not value:
            return None
        other = TRADING_MODES[1 - TRADING_MODES.index(mode)]
        if value.startswith(ACCOUNT_PREFIXES[mode]):
            return None
        kind = f"an account of `{other}`" if value.startswith(ACCOUNT_PREFIXES[other]) else "no IBKR account"
        wanted = " or ".join(ACCOUNT_PREFIXES[mode])
        return self._problem(
            "account-of-other-mode",
            f"{self._told(value, source)} is {kind}: with `{mode}` an account starts with {wanted}",
        )


def _typed_wrongly(value: str) -> str | None:
    """Why the image would drop, mistype, print or execute it: its scripts put the text through a shell."""
    if any(character.isspace() for character in value):
        return "has white space, which the image drops"
    if not value.isascii():
        return "has a character that is not ASCII, which the image mistypes"
    if not value.isprintable():
        return "has a control character, which the image mistypes"
    if "`" in value:
        return "has a backtick, which the image's shell executes"
    for opening in ("$(", "${", "$["):
        if opening in value:
            return f"has '{opening}', which the image's shell evaluates"
    if value.startswith("-"):
        return "starts with '-', which makes the image print it in the container's log"
    return None


def rules_from(options: Mapping[str, Any], public_keys: Sequence[str]) -> list[Rule]:
    """The rules of an option `{key: {rule: value}}`; a rule that does not exist is an error, not ignored."""
    rules = []
    for key, wanted in options.items():
        if not isinstance(wanted, Mapping):
            raise GatewayError(f"rules: the rules of {key} must be a dictionary", "env-rule-invalid")
        for name, value in wanted.items():
            _check_option(key, name, value)
        rules.append(Rule(str(key), dict(wanted), key in public_keys))
    return rules


def _check_option(key: str, name: str, value: Any) -> None:
    if name not in KINDS:
        raise GatewayError(
            f"rules: {key} has the unknown rule {name}: known are {', '.join(KINDS)}", "env-rule-invalid"
        )
    kind = KINDS[name]
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if kind is list:
        fits = fits and bool(value) and all(isinstance(choice, str) for choice in value)
    if kind is int:
        fits = fits and value > 0
    if not fits:
        raise GatewayError(f"rules: {name} of {key} must be {NAMES_OF_KINDS[kind]}", "env-rule-invalid")
    if name == "pattern":
        try:
            re.compile(value)
        except re.error:
            raise GatewayError(f"rules: pattern of {key} is no regular expression", "env-rule-invalid") from None
