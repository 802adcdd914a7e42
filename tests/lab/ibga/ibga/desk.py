# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's eyes and hands: JAuto for reading the gateway's windows, pointer and keys for acting on them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import time

JAUTO_FIFO = "/tmp/ibg-jauto.in"
JAUTO_ANSWER = "/tmp/ibg-jauto.out"
INPUT_FIFO = "/tmp/.ibg-input"
POLL_SECONDS = 0.003

_PLACE = re.compile(r"mx:(\d+),my:(\d+)")


@dataclasses.dataclass
class Seen:
    """One component as JAuto shows it."""

    kind: str
    name: str
    text: str
    selected: bool
    middle: tuple[int, int]
    rows: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class SeenWindow:
    kind: str
    name: str
    title: str
    corner: tuple[str, str]
    parts: list[Seen] = dataclasses.field(default_factory=list)

    def find(self, kind: str, text: str) -> Seen | None:
        return next((part for part in self.parts if part.kind == kind and part.text == text), None)

    def after_label(self, label: str) -> Seen | None:
        """The field that follows a label."""
        texts = [part.text if part.kind == "JLabel" else None for part in self.parts]
        if label not in texts:
            return None
        return next((part for part in self.parts[texts.index(label) + 1 :] if part.kind != "JPanel"), None)

    @property
    def message(self) -> str:
        text = next((part.text for part in self.parts if part.kind in ("JTextPane", "JLabel")), "")
        return text.replace("\\n", "\n")

    @property
    def message_to_first_comma(self) -> str:
        return self.message.split(",")[0]


def parse(lines: list[str]) -> list[SeenWindow]:
    found: list[SeenWindow] = []
    for line in lines:
        kind, dummy, rest = line.removeprefix("javax.swing.").partition(",")
        name, dummy, rest = rest.partition(",")
        text = rest.partition("text:")[2]
        if kind in ("JFrame", "JDialog"):
            corner = re.search(r",x:(-?\d+),y:(-?\d+),", line)
            assert corner is not None
            found.append(SeenWindow(kind, name, rest.partition("title:")[2], (corner[1], corner[2])))
        elif kind == "JComboBox(row)":
            found[-1].parts[-1].rows.append(text)
        elif found and (place := _PLACE.search(line)):
            middle = (int(place[1]), int(place[2]))
            found[-1].parts.append(Seen(kind, name, text, ",selected:y" in line, middle))
    return found


class Desk:
    def __init__(self) -> None:
        self._numbers = itertools.count()
        for path in (JAUTO_FIFO, INPUT_FIFO):
            if os.path.exists(path):
                os.unlink(path)
            os.mkfifo(path, 0o666)

    def ask(self, command: str, give_up_after: float | None = None) -> list[str] | None:
        """JAuto's answer. Without a reader at the other end this waits for ever, as the real image does."""
        answer = f"{JAUTO_ANSWER}.{next(self._numbers)}"
        self._write(JAUTO_FIFO, f"{answer}|{command}")
        began = time.monotonic()
        while not os.path.exists(answer):
            if give_up_after is not None and time.monotonic() - began > give_up_after:
                return None
            time.sleep(POLL_SECONDS)
        with open(answer, encoding="utf-8") as file:
            lines = file.read().splitlines()
        os.unlink(answer)
        return lines

    def windows(self) -> list[SeenWindow]:
        return parse(self.ask("list_ui_components") or [])

    def menu_place(self, path: str) -> tuple[int, int] | None:
        for line in self.ask("list_menu") or []:
            if line.split(",")[1:2] == [path] and (place := _PLACE.search(line)):
                return int(place[1]), int(place[2])
        return None

    def click(self, place: tuple[int, int], double: bool = False) -> None:
        self._write(INPUT_FIFO, f"{'dblclick' if double else 'click'} {place[0]} {place[1]}")

    def type(self, text: str) -> None:
        self._write(INPUT_FIFO, f"type {json.dumps(text)}")

    def key(self, name: str, times: int) -> None:
        self._write(INPUT_FIFO, f"key {name} {times}")

    @staticmethod
    def _write(path: str, line: str) -> None:
        with open(path, "w", encoding="utf-8") as fifo:
            fifo.write(line + "\n")
