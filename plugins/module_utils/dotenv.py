# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and write a `.env` by the rules of Compose (compose-go's `dotenv`), not those of a shell.

A document is kept losslessly: what is not replaced comes out byte for byte as it went in. Values are replaced by
value, never by text, and encoded so that Compose gives back exactly what was put in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.problems import Problem

BOM = "\ufeff"
# What Go's unicode.IsSpace takes for white space, which is not what Python's str.isspace does.
WHITE_SPACE = (
    "\t\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

NAME = re.compile(r"(?:export[\t\v\f\r \x85\xa0]+)?(?P<key>[^\W\d][\w.\-\[\]]*)")
SEPARATOR = re.compile(r"[\t\v\f\r \x85\xa0]*[=:][\t\v\f\r \x85\xa0]*")
PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\", "$": "$$"}
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
DOLLAR = re.compile(r"\$(?:(?P<escaped>\$)|(?P<named>[A-Za-z_])|(?P<braced>\{))")
BRACED = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*(?::?[-+?][^}\n]*)?\}")


@dataclass(frozen=True)
class Entry:
    """A line (or, quoted, several) that names a variable. `prefix + raw + suffix` is its text."""

    key: str
    number: int
    prefix: str
    raw: str
    suffix: str
    value: str | None
    """As Compose reads it; None where Compose puts it together (`$OTHER`, `${OTHER}`) or takes it from outside."""
    inherited: bool = False
    """Only the name stands there: Compose takes the value from its own environment."""

    def text(self) -> str:
        return self.prefix + self.raw + self.suffix

    def with_value(self, value: str) -> str:
        separator = "=" if self.inherited else ""
        return self.prefix + separator + encode(value, quoted=bool(self.suffix.strip(WHITE_SPACE))) + self.suffix


@dataclass(frozen=True)
class Document:
    pieces: tuple[str | Entry, ...]
    problems: tuple[Problem, ...]

    def entries(self) -> dict[str, Entry]:
        """By key; of a key that occurs twice the last, as Compose does."""
        return {piece.key: piece for piece in self.pieces if isinstance(piece, Entry)}

    def text(self) -> str:
        return "".join(piece if isinstance(piece, str) else piece.text() for piece in self.pieces)

    def render(self, values: Mapping[str, str]) -> str:
        """The document with these values; lines whose value stays are not touched, unknown keys are appended."""
        known = self.entries()
        lines: list[str] = []
        for piece in self.pieces:
            if isinstance(piece, str) or values.get(piece.key, piece.value) == piece.value:
                lines.append(piece if isinstance(piece, str) else piece.text())
            else:
                lines.append(piece.with_value(values[piece.key]))
        text = "".join(lines)
        newline = "\r\n" if "\r\n" in text else "\n"
        for key in values:
            if key not in known:
                text += newline if text.strip(BOM) and not text.endswith("\n") else ""
                text += f"{key}={encode(values[key])}{newline}"
        return text


def encode(value: str, quoted: bool = False) -> str:
    """The value as Compose (2.24 or newer) reads it back, byte for byte."""
    if "\0" in value:
        raise GatewayError("a NUL character cannot stand in an environment variable: remove it", "env-value-impossible")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise GatewayError("the value is no valid Unicode text: store it again", "env-value-impossible")
    if not quoted and PLAIN.fullmatch(value):
        return value
    if not any(character in value for character in "'\\\r"):
        return f"'{value}'"
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("$", "\\$"), ("\n", "\\n"), ("\r", "\\r")):
        value = value.replace(character, escaped)
    return f'"{value}"'


def decode(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise GatewayError(f"line {number} is not UTF-8: save the file as UTF-8", "env-template-unparsable") from None


def parse(text: str) -> Document:
    """Never raises: what cannot be read is in `problems`, each with its line number."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._number = 1
        self._pieces: list[str | Entry] = []
        self._problems: list[Problem] = []

    def parse(self) -> Document:
        if self._text.startswith(BOM):
            self._take(1)
        while self._at < len(self._text):
            line = self._rest_of_line(self._at)
            stripped = line.strip(WHITE_SPACE)
            if not stripped or stripped.startswith("#"):
                self._take(len(line))
                self._end_line()
            else:
                self._statement(line)
        self._find_duplicates()
        return Document(tuple(self._pieces), tuple(self._problems))

    def _statement(self, line: str) -> None:
        indent = len(line) - len(line.lstrip(WHITE_SPACE))
        name = NAME.match(line, indent)
        if name is None:
            self._unparsable(line, "it does not start with the name of a variable")
            return
        separator = SEPARATOR.match(line, name.end())
        if separator is None:
            if line[name.end() :].strip(WHITE_SPACE):
                self._unparsable(line, "there is no '=' after the first word")
                return
            if self._at + len(line) == len(self._text):
                self._unparsable(line, "a word stands alone, without '=', at the end of the file")
                return
            self._entry(name.group("key"), line[: name.end()], "", line[name.end() :], None, inherited=True)
            return
        quote = line[separator.end() : separator.end() + 1]
        if quote in ("'", '"'):
            self._quoted(name.group("key"), line, separator.end(), quote)
        else:
            self._bare(name.group("key"), line, separator.end())

    def _bare(self, key: str, line: str, start: int) -> None:
        before_comment = line[start:].split(" #", 1)[0]
        raw = before_comment.rstrip(WHITE_SPACE)
        value = self._interpolated(key, raw)
        prefix, suffix = line[:start], line[start + len(raw) :]
        if raw.startswith("#") and prefix.endswith((" ", "\t")):
            # Meant as a comment, and kept as one beside a new value; until then Compose takes it for the value.
            prefix, raw, suffix = prefix[:-1], "", prefix[-1] + raw + suffix
        self._entry(key, prefix, raw, suffix, value)

    def _quoted(self, key: str, line: str, start: int, quote: str) -> None:
        content: list[str] = []
        position = self._at + start + 1
        while position < len(self._text) and self._text[position] != quote:
            step = 2 if self._text[position] == "\\" and position + 1 < len(self._text) else 1
            content.append(self._text[position : position + step])
            position += step
        if position >= len(self._text):
            self._problem(f"line {self._number}: the quote that opens the value of {key} is never closed")
            self._take(len(self._text) - self._at)
            return
        suffix = self._rest_of_line(position + 1)
        if suffix.strip(WHITE_SPACE) and not suffix.strip(WHITE_SPACE).startswith("#"):
            self._problem(
                f"line {self._number}: text follows the closing quote of {key}: put '#' before it, or quote the value anew"
            )
        text = "".join(content)
        if quote == "'":
            value: str | None = ESCAPE.sub(lambda match: "'" if match.group(1) == "'" else match.group(0), text)
        else:
            value = self._unescaped(key, text)
        raw = self._text[self._at + start : position + 1]
        self._entry(key, line[:start], raw, suffix, value)

    def _unescaped(self, key: str, text: str) -> str | None:
        if re.search(r"(?<!\\)(?:\\\\)*\\0", text):
            return None
        return self._interpolated(key, ESCAPE.sub(lambda match: ESCAPES.get(match.group(1), match.group(0)), text))

    def _interpolated(self, key: str, text: str) -> str | None:
        by_compose = False
        for dollar in DOLLAR.finditer(text):
            if dollar.group("braced") and not BRACED.match(text, dollar.start() + 1):
                self._problem(
                    f"line {self._number}: the value of {key} has a '${{' that names no variable or is not closed, and"
                    " with it Compose refuses the whole file: put the value in single quotes"
                )
                return None
            by_compose = by_compose or not dollar.group("escaped")
        return None if by_compose else text.replace("$$", "$")

    def _entry(self, key: str, prefix: str, raw: str, suffix: str, value: str | None, inherited: bool = False) -> None:
        self._pieces.append(Entry(key, self._number, prefix, raw, suffix, value, inherited))
        length = len(prefix) + len(raw) + len(suffix)
        self._number += self._text.count("\n", self._at, self._at + length)
        self._at += length
        self._end_line()

    def _unparsable(self, line: str, why: str) -> None:
        self._problem(f"line {self._number} is neither a comment nor KEY=value ({why}): mend it, or put '#' before it")
        self._take(len(line))
        self._end_line()

    def _problem(self, message: str) -> None:
        self._problems.append(Problem("env-template-unparsable", message))

    def _rest_of_line(self, start: int) -> str:
        end = self._text.find("\n", start)
        return self._text[start:] if end < 0 else self._text[start:end]

    def _take(self, length: int) -> None:
        self._pieces.append(self._text[self._at : self._at + length])
        self._at += length

    def _end_line(self) -> None:
        if self._at < len(self._text):
            self._take(1)
            self._number += 1

    def _find_duplicates(self) -> None:
        first: dict[str, int] = {}
        for piece in self._pieces:
            if isinstance(piece, Entry) and first.setdefault(piece.key, piece.number) != piece.number:
                self._problems.append(
                    Problem(
                        "env-template-duplicate-key",
                        f"line {piece.number} sets {piece.key} again, after line {first[piece.key]}: keep one of them",
                        piece.key,
                    )
                )
