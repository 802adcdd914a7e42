# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JAuto, the agent inside the gateway's JVM: reads commands from its FIFO, answers into files, acts on input."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable

from ibga.desk import INPUT_FIFO, JAUTO_ANSWER, JAUTO_FIFO
from ibga.windows import Desktop


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} [I] {text}\n")
    sys.stdout.flush()


class JAuto:
    def __init__(self, desktop: Desktop, lock: threading.RLock, on_seen: Callable[[], None]) -> None:
        self._desktop = desktop
        self._lock = lock
        self._on_seen = on_seen
        self._commands = os.open(JAUTO_FIFO, os.O_RDWR)
        self._input = os.open(INPUT_FIFO, os.O_RDWR)
        self._rest = {self._commands: b"", self._input: b""}

    def start(self, early_pings: int) -> None:
        for text in ("----------------", " jauto started. ", "----------------"):
            say(text)
        say(f"pipe_in: going with input path: [{JAUTO_FIFO}]")
        if early_pings:
            command = self._read(self._commands)[0].rpartition("|")[2]
            say(f"received command {command}, but processing is disabled, ignored")
            if early_pings == 2:
                say(f"file_out: discarded command {command} due to no output or output_path")
        say("jauto command processing enabled")

    def stop(self) -> None:
        say("jauto command processing disabled")
        say("jauto is shutdown.")

    def run(self) -> None:
        while True:
            ready = select.select([self._input, self._commands], [], [])[0]
            if self._input in ready:
                for line in self._read(self._input):
                    with self._lock:
                        self._act(line)
            else:
                for line in self._read(self._commands):
                    with self._lock:
                        self._command(line)

    def _read(self, fifo: int) -> list[str]:
        while True:
            self._rest[fifo] += os.read(fifo, 65536)
            *lines, self._rest[fifo] = self._rest[fifo].split(b"\n")
            if lines:
                return [line.decode(errors="replace") for line in lines]

    def _act(self, line: str) -> None:
        what, dummy, rest = line.partition(" ")
        if what in ("click", "dblclick"):
            x, y = rest.split()
            self._desktop.click(int(x), int(y), double=what == "dblclick")
        elif what == "type":
            self._desktop.type(json.loads(rest))
        elif what == "press":
            self._desktop.press(json.loads(rest))
        elif what == "key":
            name, times = rest.split()
            self._desktop.key(name, int(times))

    def _command(self, line: str) -> None:
        output, separator, command = line.partition("|")
        if not separator or not output:
            say(f"file_out: discarded command {line} due to no output or output_path")
            return
        name, dummy, query = command.partition("?")
        arguments = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        answer = self._answer(name, arguments)
        hidden = f"{output}.{os.getpid()}"
        try:
            with open(hidden, "w", encoding="utf-8") as file:
                file.write("\n".join(answer) + "\n")
            os.replace(hidden, output)
        except OSError as error:
            say(f"file_out: {error.strerror}")
        if name == "list_ui_components" and output.startswith(JAUTO_ANSWER):
            self._on_seen()

    def _answer(self, name: str, arguments: dict[str, str]) -> list[str]:
        if name == "ping":
            return ["pong"]
        if name == "get_windows":
            return self._desktop.heads()
        if name == "list_menu":
            return self._desktop.menu()
        if name == "list_ui_components":
            return self._desktop.listed(
                arguments.get("window_type", ""),
                arguments.get("window_title", ""),
                arguments.get("window_class", ""),
                arguments.get("is_active") == "1",
            )
        return [f"unknown command {name}"]
