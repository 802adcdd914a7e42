# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's trading API: handshake, accounts, next valid id, notices, and empty answers to what clients ask."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

SERVER_VERSION = 187
LONGEST_MESSAGE = 0xFFFFFF
CLIENT_ID_IN_USE = 326
NOTICES = {
    1100: "Connectivity between IBKR and Trader Workstation has been lost.",
    1101: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
    2103: "Market data farm connection is broken:usfarm",
    2104: "Market data farm connection is OK:usfarm",
    2105: "HMDS data farm connection is broken:ushmds",
    2106: "HMDS data farm connection is OK:ushmds",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
    2158: "Sec-def data farm connection is OK:secdefnj",
    10197: "No market data during competing live session",
}
READ_ONLY_REFUSAL = "Error validating request.-'bR' : cause - The API interface is currently in Read-Only mode."
NO_ORDERS_HERE = "Order rejected - reason:The lab trades nothing."

PLACE_ORDER, OPEN_ORDERS, ACCOUNT_DATA, EXECUTIONS, IDS = "3", "5", "6", "7", "8"
ALL_OPEN_ORDERS, MANAGED_ACCOUNTS, CURRENT_TIME, POSITIONS = "16", "17", "49", "61"
ACCOUNT_SUMMARY, START_API, ACCOUNT_UPDATES_MULTI, COMPLETED_ORDERS = "62", "71", "76", "99"


def frame(*fields: object) -> bytes:
    payload = "".join(f"{field}\0" for field in fields).encode()
    return struct.pack(">I", len(payload)) + payload


class Client:
    """One API connection."""

    def __init__(self, server: Api, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._writing = threading.Lock()
        self.id: int | None = None
        self.version = 0

    def send(self, *fields: object) -> None:
        with self._writing, contextlib.suppress(OSError):
            self._connection.sendall(frame(*fields))

    def notice(self, code: int, text: str = "", request: object = -1) -> None:
        fields: list[object] = [4, 2, request, code, text or NOTICES.get(code, "")]
        if self.version >= 166:
            fields.append("")
        self.send(*fields)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def run(self) -> None:
        try:
            if self._handshake():
                while (message := self._read_frame()) is not None and self._handle(message):
                    pass
        except OSError:
            pass
        finally:
            self._server.forget(self)
            self.close()

    def _read(self, length: int) -> bytes | None:
        data = b""
        while len(data) < length:
            chunk = self._connection.recv(length - len(data))
            if not chunk:
                return None
            data += chunk
        return data

    def _read_frame(self) -> list[str] | None:
        head = self._read(4)
        if head is None:
            return None
        length = struct.unpack(">I", head)[0]
        if length > LONGEST_MESSAGE:
            return None
        body = self._read(length)
        return None if body is None else body.decode(errors="replace").split("\0")

    def _handshake(self) -> bool:
        if self._read(4) != b"API\0":
            return False
        hello = self._read_frame()
        if hello is None:
            return False
        versions = hello[0].split(" ")[0].removeprefix("v").split("..")
        try:
            lowest, highest = int(versions[0]), int(versions[-1])
        except ValueError:
            return False
        if lowest > SERVER_VERSION:
            return False
        self.version = min(highest, SERVER_VERSION)
        self.send(self.version, time.strftime("%Y%m%d %H:%M:%S %Z"))
        return True

    def _handle(self, message: list[str]) -> bool:
        server = self._server
        kind, fields = message[0], message[1:]
        if kind == START_API:
            try:
                self.id = int(fields[1])
            except (IndexError, ValueError):
                return False
            if not server.admit(self):
                self.notice(
                    CLIENT_ID_IN_USE,
                    "Unable to connect as the client id is already in use. Retry with a unique client id.",
                )
                return False
            self.send(15, 1, ",".join(server.accounts))
            self.send(9, 1, 1)
            for code in (2104, 2106, 2158, *server.notices):
                self.notice(code)
            return True
        if self.id is None:
            return False
        if kind == PLACE_ORDER:
            code, text = (321, READ_ONLY_REFUSAL) if server.read_only() else (201, NO_ORDERS_HERE)
            self.notice(code, text, fields[0])
        elif kind in (OPEN_ORDERS, ALL_OPEN_ORDERS):
            self.send(53, 1)
        elif kind == ACCOUNT_DATA:
            account = fields[2] if len(fields) > 2 and fields[2] else server.accounts[0]
            if fields[1] == "1":
                self.send(6, 2, "NetLiquidation", "1000000.00", "EUR", account)
                self.send(8, 1, time.strftime("%H:%M"))
                self.send(54, 1, account)
        elif kind == EXECUTIONS:
            self.send(55, 1, fields[1])
        elif kind == IDS:
            self.send(9, 1, 1)
        elif kind == MANAGED_ACCOUNTS:
            self.send(15, 1, ",".join(server.accounts))
        elif kind == CURRENT_TIME:
            self.send(49, 1, int(time.time()))
        elif kind == POSITIONS:
            self.send(62, 1)
        elif kind == ACCOUNT_SUMMARY:
            for account in server.accounts:
                self.send(63, 1, fields[1], account, "NetLiquidation", "1000000.00", "EUR")
            self.send(64, 1, fields[1])
        elif kind == ACCOUNT_UPDATES_MULTI:
            self.send(73, 1, fields[1], fields[2], "", "NetLiquidation", "1000000.00", "EUR")
            self.send(74, 1, fields[1])
        elif kind == COMPLETED_ORDERS:
            self.send(102)
        return True


class Api:
    """The API's listener: there while the gateway is logged in, gone otherwise."""

    def __init__(self, read_only: Callable[[], bool]) -> None:
        self.read_only = read_only
        self.accounts: list[str] = []
        self.notices: list[int] = []
        self._lock = threading.Lock()
        self._clients: list[Client] = []
        self._listener: socket.socket | None = None

    def open(self, port: int, accounts: list[str], notices: list[int]) -> None:
        self.close()
        self.accounts, self.notices = accounts, notices
        try:
            listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        except OSError:
            listener = socket.create_server(("0.0.0.0", port), backlog=64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for client in self._all():
            client.close()

    def notify(self, code: int) -> None:
        for client in self._all():
            if client.id is not None:
                client.notice(code)

    def admit(self, client: Client) -> bool:
        with self._lock:
            return all(other is client or other.id != client.id for other in self._clients)

    def forget(self, client: Client) -> None:
        with self._lock:
            if client in self._clients:
                self._clients.remove(client)

    def _all(self) -> list[Client]:
        with self._lock:
            return list(self._clients)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(self, connection)
            with self._lock:
                self._clients.append(client)
            threading.Thread(target=client.run, daemon=True).start()
