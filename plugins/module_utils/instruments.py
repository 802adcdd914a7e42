# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the account may trade: the file of instruments, checked with line numbers, and written with IBKR's names.

What the file does not say, and the tables do not know, is listed as undecided and never guessed.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import yaml_lines
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.instruments_data import (
    ALTERNATIVES,
    CURRENCIES,
    EXCHANGES,
    OTHER_NAMES,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.problems import Problem

MAX_BYTES = 1024 * 1024
MAX_SHOWN = 40
MAX_TOLD = 100

STOCK = "stock"
ETF = "etf"
EITHER = "STK"
TYPES = (STOCK, ETF, EITHER)
SYMBOL = r"[A-Z0-9](?:[A-Z0-9. -]{0,14}[A-Z0-9])?"

HEADER = (
    "# Written by abstractfinance.ibgateway with IBKR's exchange names filled in. Edit its source, not this file.\n"
)

# What breaks the rules of the account, though the file itself is sound; all other problems are the file's.
RULE_CODES = ("instruments-no-kid", "instruments-alternative-unknown")

NAMES_CHECKED = "IBKR's exchange names"
EU_CHECKED = "the EU's rules for retail accounts (PRIIPs)"

# Keys of an entry: what they are, in the terms of JSON Schema. Required are those of REQUIRED.
FIELDS: Dict[str, Dict[str, Any]] = {
    "symbol": {
        "type": "string",
        "pattern": f"^{SYMBOL}$",
        "description": "IBKR's symbol, in capitals. One that YAML would read as something else (ON, NO, 700) goes in quotes.",
    },
    "exchange": {
        "type": "string",
        "description": "Where it is listed, by its usual name or by IBKR's; SMART is a route, not a listing.",
    },
    "currency": {
        "type": "string",
        "enum": list(CURRENCIES),
        "description": "The currency in which it trades there.",
    },
    "type": {
        "type": "string",
        "enum": list(TYPES),
        "description": "stock or etf. STK, IBKR's word for both, or no type leaves open which of them it is.",
    },
    "kid": {
        "type": "boolean",
        "description": "Whether there is a Key Information Document (KID) for EU retail clients.",
    },
    "alternative": {
        "type": "string",
        "pattern": f"^{SYMBOL}$",
        "description": "For a US-listed ETF: the symbol of the UCITS ETF that is traded instead.",
    },
    "primary_exchange": {
        "type": "string",
        "description": "IBKR's primaryExchange. Filled in by the deploy; one that stands here is compared.",
    },
    "name": {"type": "string", "description": "For people."},
}
REQUIRED = ("symbol", "exchange", "currency")
LIST = "instruments"
OWN_KEY = "^x-"

Exchanges = Mapping[str, Mapping[str, Any]]
Alternatives = Mapping[str, Mapping[str, str]]


def schema(exchanges: Exchanges = EXCHANGES) -> Dict[str, Any]:
    """The file's form as JSON Schema, for editors."""
    entry = {name: dict(form) for name, form in FIELDS.items()}
    entry["exchange"]["enum"] = sorted(exchanges)
    entry["primary_exchange"]["enum"] = sorted({name for known in exchanges.values() for name in _primaries(known)})
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "config/instruments.yaml of abstractfinance.ibgateway",
        "description": "What the account may trade. Keys that begin with x- are yours, and are passed on as they are.",
        "type": "object",
        "required": [LIST],
        "additionalProperties": False,
        "patternProperties": {OWN_KEY: {}},
        "properties": {
            LIST: {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": list(REQUIRED),
                    "additionalProperties": False,
                    "patternProperties": {OWN_KEY: {}},
                    "properties": entry,
                },
            }
        },
    }


@dataclass(frozen=True)
class Finding(Problem):
    """A problem of the file, at a line of it (0: the whole file). Its key is the instrument's symbol."""

    line: int = 0

    def as_result(self) -> Dict[str, Any]:
        return {**super().as_result(), "line": self.line, "symbol": self.key}


@dataclass
class Report:
    source: str
    against: List[str]
    count: int = 0
    problems: List[Finding] = field(default_factory=list)
    undecided: List[Finding] = field(default_factory=list)
    alternatives: int = 0
    content: str = ""

    def told(self) -> str:
        """All problems in one message, the first MAX_TOLD of them in full."""
        shown = [str(problem) for problem in self.problems[:MAX_TOLD]]
        if len(shown) == 1:
            return f"{self.source}: {shown[0]}"
        further = len(self.problems) - len(shown)
        more = [f"and {further} more [{self.problems[-1].code}]"] if further else []
        return "\n- ".join([f"{len(self.problems)} problems with {self.source}:", *shown, *more])

    @property
    def faults(self) -> List[Finding]:
        """The problems of the file itself; with one of them there is nothing to write."""
        return [problem for problem in self.problems if problem.code not in RULE_CODES]


@dataclass(frozen=True)
class Rules:
    """What a file is held to: the tables, with the inventory's additions, and whether the EU's rules hold."""

    eu_retail: bool = True
    exchanges: Exchanges = field(default_factory=lambda: EXCHANGES)
    alternatives: Alternatives = field(default_factory=lambda: ALTERNATIVES)


@dataclass(frozen=True)
class Entry:
    node: Any
    lines: Mapping[str, int]
    values: Mapping[str, Any]

    @property
    def symbol(self) -> str:
        return str(self.values.get("symbol", ""))

    @property
    def listing(self) -> Tuple[str, str, str]:
        return self.symbol, str(self.values["exchange"]), str(self.values["currency"])

    def line(self, *keys: str) -> int:
        return next((self.lines[key] for key in keys if key in self.lines), yaml_lines.line_of(self.node))


def rules_from(
    eu_retail: bool, exchanges: Optional[Mapping[str, Any]] = None, alternatives: Optional[Mapping[str, Any]] = None
) -> Rules:
    """The rules with the inventory's additions to the tables, which are held to the tables' form."""
    places = known_exchanges(exchanges)
    return Rules(eu_retail, places, known_alternatives(alternatives, places))


def known_exchanges(more: Optional[Mapping[str, Any]] = None) -> Exchanges:
    found: Dict[str, Mapping[str, Any]] = dict(EXCHANGES)
    for name, entry in (more or {}).items():
        if (
            not isinstance(entry, Mapping)
            or set(entry) - {"stock", "etf", "us", "place"}
            or not set(entry) & {STOCK, ETF}
        ):
            raise GatewayError(
                f"instruments_exchanges: {name} must have IBKR's name for stocks (stock), for ETFs (etf) or both, and"
                " may have us and place",
                "instruments-table-invalid",
            )
        found[str(name)] = {**entry, "us": entry.get("us", EXCHANGES.get(str(name), {}).get("us", False))}
    return found


def known_alternatives(more: Optional[Mapping[str, Any]] = None, exchanges: Exchanges = EXCHANGES) -> Alternatives:
    found: Dict[str, Mapping[str, str]] = dict(ALTERNATIVES)
    for symbol, entry in (more or {}).items():
        if not isinstance(entry, Mapping) or set(entry) != {"symbol", "exchange", "currency"}:
            raise GatewayError(
                f"instruments_ucits_alternatives: {symbol} must have symbol, exchange and currency of its UCITS"
                " alternative, and nothing else",
                "instruments-table-invalid",
            )
        found[str(symbol)] = {key: str(value) for key, value in entry.items()}
    for symbol, known in found.items():
        try:
            primary_exchange(known["exchange"], ETF, exchanges)
        except GatewayError as error:
            raise GatewayError(
                f"instruments_ucits_alternatives: {symbol}: {error.message}", "instruments-table-invalid"
            ) from None
    return found


def _primaries(known: Mapping[str, Any]) -> List[str]:
    return [known[kind] for kind in (STOCK, ETF) if kind in known] + list(known.get("also", ()))


def primary_exchange(exchange: str, kind: str = ETF, exchanges: Exchanges = EXCHANGES) -> str:
    """IBKR's primaryExchange of a listing; what is not known is an error."""
    known = exchanges.get(exchange)
    if known is None:
        raise GatewayError(_unknown_exchange(exchange, exchanges), "instruments-exchange-unknown")
    if kind in (STOCK, ETF):
        if kind not in known:
            others = "ETFs" if kind == STOCK else "stocks"
            raise GatewayError(
                f"{exchange} ({known.get('place', 'an exchange')}) lists {others} only: correct the exchange or the type",
                "instruments-exchange-unknown",
            )
        return str(known[kind])
    names = {known[each] for each in (STOCK, ETF) if each in known}
    if len(names) > 1:
        raise GatewayError(
            f"IBKR calls {exchange} {known[STOCK]} for a stock and {known[ETF]} for an ETF, and the type is not stated:"
            " state `type: stock` or `type: etf`",
            "instruments-type-unstated",
        )
    return str(names.pop())


def _unknown_exchange(name: str, exchanges: Exchanges) -> str:
    if name == "SMART":
        return "SMART is IBKR's route, not the exchange of the listing: name that one"
    upper = name.upper()
    meant = upper if upper in exchanges else OTHER_NAMES.get(upper)
    if meant is None:
        meant = next(iter(difflib.get_close_matches(upper, list(exchanges), 1)), None)
    advice = f"did you mean {meant}?" if meant else "use a known name, or add it to instruments_exchanges"
    return f"{_shown(name)} is no exchange that is known here: {advice}"


def ucits_alternative(symbol: str, alternatives: Alternatives = ALTERNATIVES) -> Mapping[str, str]:
    """The UCITS alternative of a US-listed ETF; what is not known is an error."""
    known = alternatives.get(symbol)
    if known is None:
        raise GatewayError(
            f"no UCITS alternative of {_shown(symbol)} is known here (known are {', '.join(sorted(alternatives))}):"
            " add it to instruments_ucits_alternatives",
            "instruments-alternative-unknown",
        )
    return known


def _shown(text: str) -> str:
    short = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
    return short if short.isprintable() and short.strip() == short and short else repr(short)


def read_file(path: str, source: str) -> str:
    """The text of a file, bounded; what is no plain file, or no UTF-8, is an error."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise GatewayError(f"{source} is no plain file: name the file of instruments", "instruments-file-missing")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise GatewayError(
            f"{source} cannot be read on the controller ({error.strerror}): correct instruments_file, or the file's rights",
            "instruments-file-missing",
        ) from None
    if len(data) > MAX_BYTES:
        raise GatewayError(
            f"{source} is larger than {MAX_BYTES // 1024} KiB, and was not read: it is no list of instruments, or has to"
            " be split",
            "instruments-too-large",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise GatewayError(
            f"{source}: line {line} is no UTF-8: save the file as UTF-8", "instruments-malformed"
        ) from None


def check(text: str, source: str, rules: Rules) -> Report:
    """Everything that is wrong with a file, in the order of its lines, and the file with IBKR's names filled in."""
    report = Report(source, [NAMES_CHECKED, *([EU_CHECKED] if rules.eu_retail else [])])
    document = yaml_lines.read(text)
    checker = _Checker(report, rules)
    for fault in document.faults:
        checker.problem(fault.line, fault.code, fault.message)
    if document.root is not None:
        checker.document(document.root)
    elif not document.faults:
        checker.problem(1, "instruments-schema", f"is empty: it must have the key `{LIST}` with a list")
    report.problems.sort(key=lambda problem: problem.line)
    report.undecided.sort(key=lambda problem: problem.line)
    return report


class _Checker:
    def __init__(self, report: Report, rules: Rules) -> None:
        self.report = report
        self.rules = rules
        self.entries: List[Entry] = []

    def problem(self, line: int, code: str, message: str, symbol: str = "") -> None:
        self.report.problems.append(Finding(code, f"line {line}: {message}", symbol, line))

    def document(self, root: Any) -> None:
        if yaml_lines.is_refused(root):
            return
        if not yaml_lines.is_mapping(root):
            self.problem(
                yaml_lines.line_of(root),
                "instruments-schema",
                f"the file is {yaml_lines.kind(root)}: it must be a mapping with the key `{LIST}`",
            )
            return
        before = len(self.report.problems)
        found = self._pairs(root, [LIST], "the file")
        if LIST not in found:
            if len(self.report.problems) == before:
                self.problem(yaml_lines.line_of(root), "instruments-schema", f"the file has no key `{LIST}`: add it")
            return
        instruments = found[LIST][1]
        if not yaml_lines.is_sequence(instruments) or not instruments.value:
            if not yaml_lines.is_refused(instruments):
                what = "is empty" if yaml_lines.is_sequence(instruments) else f"is {yaml_lines.kind(instruments)}"
                self.problem(
                    yaml_lines.line_of(found[LIST][0]),
                    "instruments-schema",
                    f"`{LIST}` {what}: it must be a list of instruments",
                )
            return
        self.entries = [entry for entry in map(self._entry, instruments.value) if entry is not None]
        self.report.count = len(instruments.value)
        self._duplicates()
        primaries = {id(entry.node): self._held_to_rules(entry) for entry in self.entries}
        if not self.report.faults:
            self.report.content = HEADER + yaml_lines.write(self._rendered(root, found[LIST], primaries))

    def _pairs(self, node: Any, known: Sequence[str], where: str) -> Dict[str, Tuple[Any, Any]]:
        """The pairs of a mapping by key; unknown keys and those that come twice are problems."""
        found: Dict[str, Tuple[Any, Any]] = {}
        for key, value in node.value:
            if yaml_lines.is_refused(key):
                continue
            line = yaml_lines.line_of(key)
            if key.tag != yaml_lines.STRING:
                self.problem(line, "instruments-schema", f"a key of {where} is {yaml_lines.kind(key)}: use a name")
                continue
            name = str(key.value)
            if name in found:
                first = yaml_lines.line_of(found[name][0])
                self.problem(
                    line,
                    "instruments-duplicate",
                    f"{where} has the key {_shown(name)} twice (first in line {first}): remove one",
                )
            elif name in known:
                found[name] = (key, value)
            elif not re.match(OWN_KEY, name):
                close = difflib.get_close_matches(name.lower(), known, 1)
                advice = (
                    f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}; your own begin with x-"
                )
                self.problem(line, "instruments-schema", f"{where} has the unknown key {_shown(name)}: {advice}")
            else:
                found[name] = (key, value)
        return found

    def _entry(self, node: Any) -> Optional[Entry]:
        if yaml_lines.is_refused(node):
            return None
        line = yaml_lines.line_of(node)
        if not yaml_lines.is_mapping(node):
            self.problem(
                line,
                "instruments-schema",
                f"an instrument is {yaml_lines.kind(node)}: it must be a mapping with its symbol",
            )
            return None
        pairs = self._pairs(node, list(FIELDS), "an instrument")
        before = len(self.report.problems)
        values = {}
        for name, (key, value) in pairs.items():
            if name in FIELDS and not yaml_lines.is_refused(value):
                values[name] = self._value(name, yaml_lines.line_of(key), value)
        lines = {name: yaml_lines.line_of(key) for name, (key, _value) in pairs.items()}
        for name in REQUIRED:
            if name not in pairs:
                self.problem(
                    line, "instruments-schema", f"an instrument has no {name}: add it", str(values.get("symbol") or "")
                )
        if len(self.report.problems) > before or any(name not in values for name in REQUIRED):
            return None
        return Entry(node, lines, values)

    def _value(self, name: str, line: int, node: Any) -> Any:
        """The value of a key, or none after a problem."""
        form = FIELDS[name]
        if form["type"] == "boolean":
            if str(node.tag).endswith(":bool"):
                return node.value.lower() in ("true", "yes", "on")
            self._wrong(line, name, f"is {yaml_lines.kind(node)}: it must be true or false")
            return None
        if node.tag != yaml_lines.STRING:
            plain = (
                not yaml_lines.is_mapping(node) and not yaml_lines.is_sequence(node) and not yaml_lines.is_empty(node)
            )
            advice = f"put it in quotes: '{node.value[:MAX_SHOWN]}'" if plain else "give it a name in letters"
            said = f"is read by YAML as {yaml_lines.kind(node)}" if plain else f"is {yaml_lines.kind(node)}"
            self._wrong(line, name, f"{said}: {advice}")
            return None
        value = str(node.value)
        if "pattern" in form and not re.match(form["pattern"][:-1] + r"\Z", value):
            capitals = value.strip().upper()
            meant = f"write {capitals}" if re.match(form["pattern"][:-1] + r"\Z", capitals) else "use IBKR's symbol"
            self._wrong(line, name, f"is {_shown(value)}, which no symbol of IBKR looks like: {meant}")
            return None
        if "enum" in form and value not in form["enum"]:
            self._wrong(line, name, f"is {_shown(value)}: {self._choice(value, form['enum'])}")
            return None
        return value

    def _wrong(self, line: int, name: str, what: str) -> None:
        self.problem(line, "instruments-schema", f"{name} {what}")

    @staticmethod
    def _choice(value: str, choices: Sequence[str]) -> str:
        if value in ("GBX", "GBp", "GBPX"):
            return "pence are no currency of IBKR, use GBP"
        by_case = {choice.lower(): choice for choice in choices}
        close = difflib.get_close_matches(value.lower(), list(by_case), 1)
        return f"did you mean {by_case[close[0]]}?" if close else f"it must be one of {', '.join(choices)}"

    def _duplicates(self) -> None:
        first: Dict[Tuple[str, str, str], Entry] = {}
        for entry in self.entries:
            other = first.setdefault(entry.listing, entry)
            if other is not entry:
                symbol, exchange, currency = entry.listing
                self.problem(
                    entry.line("symbol"),
                    "instruments-duplicate",
                    f"{symbol} on {_shown(exchange)} in {currency} stands here again (first in line {other.line('symbol')}): remove one",
                    symbol,
                )

    def _held_to_rules(self, entry: Entry) -> str:
        """IBKR's exchange of the entry, after it was held to all rules."""
        kind = self._kind(entry)
        exchange = str(entry.values["exchange"])
        primary = ""
        try:
            primary = primary_exchange(exchange, kind, self.rules.exchanges)
        except GatewayError as error:
            self.problem(entry.line("exchange"), error.code, f"{entry.symbol}: {error.message}", entry.symbol)
        known = self.rules.exchanges.get(exchange)
        if known is None:
            return ""
        primary = self._stated(entry, known, primary)
        self._currency(entry, known)
        alternative = entry.values.get("alternative")
        if alternative is not None:
            self._alternative(entry, known, kind)
        if self.rules.eu_retail:
            self._kid(entry, known, kind)
        return primary

    def _kind(self, entry: Entry) -> str:
        """stock, etf or neither: as stated, or as the exchange or the table of alternatives tells."""
        stated = str(entry.values.get("type", EITHER))
        known = self.rules.exchanges.get(str(entry.values["exchange"]), {})
        if stated != EITHER:
            return stated
        if ETF in known and STOCK not in known:
            return ETF
        if known.get("us") and (entry.symbol in self.rules.alternatives or "alternative" in entry.values):
            return ETF
        return EITHER

    def _stated(self, entry: Entry, known: Mapping[str, Any], primary: str) -> str:
        stated = entry.values.get("primary_exchange")
        if stated is None or not primary:
            return primary
        if stated == primary or stated in known.get("also", ()):
            return str(stated)
        self.problem(
            entry.line("primary_exchange"),
            "instruments-exchange-unknown",
            f"{entry.symbol}: primary_exchange is {_shown(str(stated))}, and IBKR has {primary} for it: correct or remove it",
            entry.symbol,
        )
        return primary

    def _currency(self, entry: Entry, known: Mapping[str, Any]) -> None:
        trades_in = known.get("currencies", ())
        if trades_in and entry.values["currency"] not in trades_in:
            self.problem(
                entry.line("currency"),
                "instruments-currency",
                f"{entry.symbol} is in {entry.values['currency']}, and {entry.values['exchange']} trades in"
                f" {', '.join(trades_in)} only: correct the currency or the exchange",
                entry.symbol,
            )

    def _alternative(self, entry: Entry, known: Mapping[str, Any], kind: str) -> None:
        if kind == STOCK or not known.get("us"):
            self.problem(
                entry.line("alternative"),
                "instruments-schema",
                f"{entry.symbol} has an alternative, which only a US-listed ETF has: remove it, or correct type or exchange",
                entry.symbol,
            )
        elif self._resolved(entry) is None:
            self.problem(
                entry.line("alternative"),
                "instruments-alternative-unknown",
                f"{entry.symbol} names the alternative {entry.values['alternative']}, which is neither a UCITS ETF that is"
                f" known here nor one of this file listed outside the US: {self._advice(entry.symbol)}",
                entry.symbol,
            )
        else:
            self.report.alternatives += 1

    def _resolved(self, entry: Entry) -> Optional[Mapping[str, str]]:
        """The listing of the alternative that an entry names: the table's, or another entry of the file."""
        name = entry.values["alternative"]
        own = self.rules.alternatives.get(entry.symbol, {})
        for known in (own, *self.rules.alternatives.values()):
            if known.get("symbol") == name:
                return known
        for other in self.entries:
            where = self.rules.exchanges.get(str(other.values["exchange"]), {})
            if other.symbol == name and where and not where.get("us") and self._kind(other) == ETF:
                return dict(zip(("symbol", "exchange", "currency"), other.listing))
        return None

    def _advice(self, symbol: str) -> str:
        known = self.rules.alternatives.get(symbol)
        if known is None:
            return (
                f"no UCITS alternative of {symbol} is known here; name one that the file lists, or add it to"
                " instruments_ucits_alternatives"
            )
        return (
            f"its UCITS alternative is {known['symbol']} on {known['exchange']} in {known['currency']}; write"
            f" `alternative: {known['symbol']}`"
        )

    def _kid(self, entry: Entry, known: Mapping[str, Any], kind: str) -> None:
        us = bool(known.get("us"))
        kid = entry.values.get("kid")
        if kind == STOCK:
            if us and entry.symbol in self.rules.alternatives:
                self._breach(entry, f"{entry.symbol} is called a stock, and is known here as a US-listed ETF")
            return
        if kind == EITHER:
            if kid is None:
                self._undecided(entry, f"whether {entry.symbol} is a stock or an ETF is not stated: state `type`")
            elif not kid:
                self._breach(entry, f"{entry.symbol} has no KID, as the file states, and is not stated to be a stock")
            return
        if kid or "alternative" in entry.values:
            return
        if us:
            self._breach(
                entry,
                f"{entry.symbol} is a US-listed ETF ({entry.values['exchange']}) without KID, which an EU retail account cannot buy",
            )
        elif kid is False:
            self._breach(
                entry, f"{entry.symbol} has no KID, as the file states, so that an EU retail account cannot buy it"
            )
        elif not any(entry.symbol == known_["symbol"] for known_ in self.rules.alternatives.values()):
            self._undecided(
                entry, f"whether {entry.symbol} on {entry.values['exchange']} has a KID is not stated: state `kid`"
            )

    def _breach(self, entry: Entry, what: str) -> None:
        self.problem(
            entry.line("symbol"),
            "instruments-no-kid",
            f"{what}: {self._advice(entry.symbol)}; where it has one, state `kid: true`",
            entry.symbol,
        )

    def _undecided(self, entry: Entry, what: str) -> None:
        line = entry.line("symbol")
        self.report.undecided.append(Finding("instruments-undecided", f"line {line}: {what}", entry.symbol, line))

    def _rendered(self, root: Any, instruments: Tuple[Any, Any], primaries: Mapping[int, str]) -> Any:
        key, listed = instruments
        by_node = {id(entry.node): entry for entry in self.entries}
        items = [self._rendered_entry(by_node[id(node)], primaries[id(node)]) for node in listed.value]
        pairs = [(name, yaml_lines.with_items(value, items) if name is key else value) for name, value in root.value]
        return yaml_lines.with_pairs(root, pairs)

    def _rendered_entry(self, entry: Entry, primary: str) -> Any:
        pairs = []
        for key, value in entry.node.value:
            if key.value == "primary_exchange":
                continue
            resolved = self._resolved(entry) if key.value == "alternative" else None
            if resolved is not None:
                listing = [(name, resolved[name]) for name in ("symbol", "exchange", "currency")]
                listing.append(("primary_exchange", primary_exchange(resolved["exchange"], ETF, self.rules.exchanges)))
                value = yaml_lines.mapping(listing)
            pairs.append((key, value))
            if key.value == "exchange":
                pairs.append((yaml_lines.string("primary_exchange"), yaml_lines.string(primary)))
        return yaml_lines.with_pairs(entry.node, pairs)
