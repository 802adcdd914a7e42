# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a template and values to the content of a `.env`: what to ask 1Password for, and what comes of the answers.

Everything that is wrong is collected, so that one run reports all of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence, Union

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import dotenv, references
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.problems import Problem, from_error
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rules import Rule

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Answers = Mapping[str, Union[str, GatewayError]]
"""What each reference resolves to: the secret, or why there is none."""


def literals(values: Mapping[Any, Any]) -> dict[str, str]:
    """The option `values`, held to what a `.env` can carry without a guess."""
    checked = {}
    for key, value in values.items():
        if not KEY.fullmatch(str(key)):
            raise GatewayError(
                f"values: {str(key)!a} is no name of a variable: use letters, digits and '_'", "env-value-invalid"
            )
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise GatewayError(
                f"values: {key} must be a string, so that it is clear what is written: put it in quotes",
                "env-value-invalid",
            )
        checked[str(key)] = str(value)
    return checked


@dataclass
class Plan:
    """The steps in their order: `add_template`, `wanted` and `answer` as often as there are references, `finish`."""

    values: Mapping[str, str]
    rules: Sequence[Rule] = ()
    problems: list[Problem] = field(default_factory=list)
    _template: dotenv.Document | None = None
    _template_name: str = "template"
    _template_failed: bool = False
    _answers: dict[str, str | GatewayError] = field(default_factory=dict)

    def add_template(self, text: str, name: str) -> None:
        self._template = dotenv.parse(text)
        self._template_name = name
        for problem in self._template.problems:
            self.problems.append(Problem(problem.code, f"{name}: {problem.message}", problem.key))

    def fail_template(self, error: GatewayError) -> None:
        self._template_failed = True
        self.problems.append(from_error(error))

    def wanted(self) -> list[str]:
        """The well-formed references without an answer yet, in order, the explicit values' first."""
        found: dict[str, None] = {}
        for value in self._raw_values().values():
            for text in references.find(value):
                if text not in self._answers and _well_formed(text):
                    found[text] = None
        return list(found)

    def answer(self, answers: Answers) -> None:
        self._answers.update(answers)

    def finish(self) -> str:
        """The content, as far as it can be made; it holds only when `problems` is empty."""
        values: dict[str, str | None] = {}
        failed = set()
        for key, raw in self._raw_values().items():
            value = self._resolved(key, raw)
            if value is None:
                failed.add(key)
            else:
                values[key] = value
        for key, entry in self._entries().items():
            if key not in values and key not in failed and not entry.inherited:
                values[key] = entry.value
        for rule in self.rules:
            unknown = self._template_failed and rule.key not in values
            if rule.key not in failed and not unknown and not self._is_one_time_code(rule):
                self.problems.extend(rule.check(values, self._source(rule.key)))
        known = {key: value for key, value in values.items() if value is not None}
        return self._rendered(known)

    def public(self, keys: Sequence[str], content: str) -> dict[str, str]:
        entries = dotenv.parse(content).entries()
        return {key: entries[key].value or "" for key in keys if key in entries}

    def _entries(self) -> dict[str, dotenv.Entry]:
        return self._template.entries() if self._template is not None else {}

    def _raw_values(self) -> dict[str, str]:
        """The values to fill in: those given, and those of the template that hold references."""
        raw = dict(self.values)
        for key, entry in self._entries().items():
            if key not in raw and references.PREFIX in entry.raw:
                raw[key] = entry.raw if entry.value is None else entry.value
        return raw

    def _resolved(self, key: str, raw: str) -> str | None:
        source = self._source(key)
        if references.has_unenclosed(raw):
            what = "has a reference amid other text: write it as {{ op://vault/item/field }}"
            self.problems.append(Problem("secret-reference-malformed", f"{key} ({source}) {what}", key))
            return None
        entry = self._entries().get(key)
        if key not in self.values and entry is not None and entry.value is None:
            what = "mixes a reference with variables of Compose: leave one of them out"
            self.problems.append(Problem("secret-reference-malformed", f"{key} ({source}) {what}", key))
            return None
        secrets: dict[str, str] = {}
        for text in references.find(raw):
            try:
                references.parse(text)
                answer = self._answers.get(text)
            except GatewayError as error:
                answer = error
            if isinstance(answer, str):
                secrets[text] = answer
            elif answer is not None:
                self.problems.append(Problem(answer.code, f"{key}: {answer.message}", key))
        if len(secrets) < len(references.find(raw)):
            return None
        value = references.fill(raw, secrets)
        try:
            dotenv.encode(value)
        except GatewayError as error:
            self.problems.append(Problem(error.code, f"{key} ({source}): {error.message}", key))
            return None
        return value

    def _is_one_time_code(self, rule: Rule) -> bool:
        if not rule.options.get("base32"):
            return False
        codes = [
            text
            for text in references.find(self._raw_values().get(rule.key, ""))
            if references.parse(text).one_time_code
        ]
        for text in codes:
            what = "asks for a six-digit code, which is stale in 30 seconds: leave out what follows the '?'"
            self.problems.append(Problem("totp-key-malformed", f"{rule.key} ({text}) {what}", rule.key))
        return bool(codes)

    def _source(self, key: str) -> str:
        """Where a value comes from, in words that show nothing of it."""
        found = references.find(self._raw_values().get(key, ""))
        if found:
            return ", ".join(found)
        entry = self._entries().get(key)
        if key in self.values or entry is None:
            return "the option values"
        return f"line {entry.number} of the {self._template_name}"

    def _rendered(self, values: Mapping[str, str]) -> str:
        template = self._template if self._template is not None else dotenv.parse("")
        return template.render(values)


def _well_formed(text: str) -> bool:
    try:
        references.parse(text)
    except GatewayError:
        return False
    return True
