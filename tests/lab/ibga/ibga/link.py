# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a gateway to the lab's IBKR: its host where /etc/hosts names one, else the default route's address."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

PORT = 18098
NAME = "ibkr"
RETRY_SECONDS = 1.0


def address() -> str | None:
    with open("/etc/hosts", encoding="utf-8") as file:
        for line in file:
            fields = line.split("#")[0].split()
            if NAME in fields[1:]:
                return fields[0]
    with open("/proc/net/route", encoding="utf-8") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            if fields[1] == "00000000":
                return socket.inet_ntoa(struct.pack("<I", int(fields[2], 16)))
    return None


def connect(timeout: float) -> socket.socket | None:
    to = address()
    if to is None:
        return None
    try:
        connection = socket.create_connection((to, PORT), timeout)
    except OSError:
        return None
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def report_up(connection: socket.socket, login: str) -> dict[str, Any]:
    """Say that a gateway of this login is up; IBKR's settings come back."""
    connection.sendall(json.dumps({"do": "up", "login": login}).encode() + b"\n")
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError("the IBKR stand-in closed the connection")
        line += byte
    settings: dict[str, Any] = json.loads(line)["settings"]
    return settings


class Link:
    """The gateway's connection to IBKR, made again when it breaks; its events go to one callback."""

    def __init__(
        self, login: str, connection: socket.socket | None, on_event: Callable[[dict[str, Any]], None]
    ) -> None:
        self._login = login
        self._on_event = on_event
        self._connection = connection
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._up = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def ask(self, message: dict[str, Any], within: float) -> dict[str, Any]:
        """The answer; {} where IBKR stays silent for so long, or the connection broke meanwhile."""
        self._up.wait()
        while not self._answers.empty():
            self._answers.get()
        try:
            return self._answers.get(timeout=within) if self._send(message) else {}
        except queue.Empty:
            return {}

    def tell(self, message: dict[str, Any]) -> None:
        self._send(message)

    def _send(self, message: dict[str, Any]) -> bool:
        connection = self._connection
        if connection is None:
            return False
        try:
            connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return False
        return True

    def _run(self) -> None:
        while True:
            connection = self._connection
            if connection is None:
                connection = connect(RETRY_SECONDS)
                if connection is not None:
                    try:
                        report_up(connection, self._login)
                    except OSError:
                        connection = None
            if connection is None:
                time.sleep(RETRY_SECONDS)
                continue
            self._connection = connection
            self._up.set()
            self._on_event({"event": "link-up"})
            with contextlib.suppress(OSError), connection.makefile("rb") as lines:
                for line in lines:
                    message = json.loads(line)
                    if "event" in message:
                        self._on_event(message)
                    else:
                        self._answers.put(message)
            self._up.clear()
            self._connection = None
            self._answers.put({})
            self._on_event({"event": "link-down"})
