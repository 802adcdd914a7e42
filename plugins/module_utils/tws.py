# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import socket
import struct
import time
from dataclasses import dataclass
from typing import Callable, List, Optional, Set, Tuple

# From 201 on the protocol carries raw integers and protobuf; 187 is the newest version of the text protocol.
MIN_VERSION = 100
MAX_VERSION = 187

MAX_FRAME = 1 << 20
MAX_BYTES = 4 << 20
MAX_FRAMES = 20_000
MAX_ACCOUNTS = 1_000
MAX_NOTICES = 50
MAX_NOTICE_TEXT = 200

START_API = b"71"
ERROR_MESSAGE = b"4"
NEXT_VALID_ID = b"9"
MANAGED_ACCOUNTS = b"15"

LINK_LOST = frozenset({1100, 2110})
LINK_RESTORED = frozenset({1101, 1102})
CLIENT_ID_IN_USE = 326
NOT_CONNECTED = frozenset({502, 504})

ANSWERED = "answered"
REFUSED = "refused"
UNREACHABLE = "unreachable"
SILENT = "silent"
INCOMPLETE = "incomplete"
CLOSED = "closed"
TURNED_AWAY = "turned-away"
IN_USE = "client-id-in-use"
OFFLINE = "not-connected"
GARBAGE = "garbage"

_NUMBER = re.compile(rb"-?[0-9]{1,10}\Z")
_ACCOUNT = re.compile(rb"[A-Za-z0-9._-]{1,32}\Z")


class Garbage(ValueError):
    """The peer does not speak the trading API, or not within its bounds."""


@dataclass(frozen=True)
class Notice:
    code: int
    text: str


@dataclass(frozen=True)
class Answer:
    """What one connection to the trading API showed."""

    outcome: str
    accounts: Tuple[str, ...] = ()
    server_version: Optional[int] = None
    notices: Tuple[Notice, ...] = ()
    connected: bool = False
    detail: str = ""

    def proves(self, account: str) -> bool:
        return self.outcome == ANSWERED and account in self.accounts


def frame(*fields: object) -> bytes:
    """One message: its fields, each closed by a zero byte, behind a four-byte length."""
    payload = b"".join(str(field).encode("ascii") + b"\0" for field in fields)
    return struct.pack(">I", len(payload)) + payload


def hello() -> bytes:
    versions = f"v{MIN_VERSION}..{MAX_VERSION}".encode("ascii")
    return b"API\0" + struct.pack(">I", len(versions)) + versions


class Conversation:
    """The client's side of a handshake with the trading API, without a socket."""

    def __init__(self, client_id: int) -> None:
        self.client_id = client_id
        self.server_version: Optional[int] = None
        self.accounts: Tuple[str, ...] = ()
        self.next_id: Optional[int] = None
        self.notices: List[Notice] = []
        self.connected = True
        self._codes: Set[int] = set()
        self._pending = b""
        self._bytes = 0
        self._frames = 0

    @property
    def complete(self) -> bool:
        return bool(self.accounts) and self.next_id is not None

    def receive(self, data: bytes) -> bytes:
        """Take in what the peer sent; returns what is to be sent in answer. Raises Garbage."""
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise Garbage("it sends without end")
        reply = b""
        buffer = self._pending + data
        start = 0
        while len(buffer) - start >= 4:
            (length,) = struct.unpack_from(">I", buffer, start)
            if length > MAX_FRAME:
                raise Garbage("it announces a message of impossible length")
            if len(buffer) - start - 4 < length:
                break
            reply += self._message(buffer[start + 4 : start + 4 + length])
            start += 4 + length
            self._frames += 1
            if self._frames > MAX_FRAMES:
                raise Garbage("it sends without end")
        self._pending = buffer[start:]
        return reply

    def _message(self, payload: bytes) -> bytes:
        fields = payload.split(b"\0")
        if self.server_version is None:
            return self._greeting(fields)
        if fields[0] == MANAGED_ACCOUNTS:
            self._managed_accounts(fields)
        elif fields[0] == NEXT_VALID_ID:
            if len(fields) < 3 or not _NUMBER.match(fields[2]):
                raise Garbage("its next order id is no number")
            self.next_id = int(fields[2])
        elif fields[0] == ERROR_MESSAGE and len(fields) >= 5 and _NUMBER.match(fields[3]):
            self._notice(int(fields[3]), fields[4])
        return b""

    def _notice(self, code: int, text: bytes) -> None:
        """Each notice counts; of a flood of them the first are kept to be shown."""
        self._codes.add(code)
        if code in LINK_LOST:
            self.connected = False
        elif code in LINK_RESTORED:
            self.connected = True
        if len(self.notices) < MAX_NOTICES:
            shown = text[:MAX_NOTICE_TEXT].decode("ascii", "replace")
            self.notices.append(Notice(code, "".join(letter if letter.isprintable() else " " for letter in shown)))

    def _greeting(self, fields: List[bytes]) -> bytes:
        if len(fields) < 2 or not _NUMBER.match(fields[0]):
            raise Garbage("its greeting carries no version")
        version = int(fields[0])
        if not MIN_VERSION <= version <= MAX_VERSION:
            raise Garbage("its version is none of those that were offered")
        self.server_version = version
        return frame(START_API.decode("ascii"), 2, self.client_id, "")

    def _managed_accounts(self, fields: List[bytes]) -> None:
        if len(fields) < 3:
            raise Garbage("its list of accounts is cut")
        accounts = [account.strip() for account in fields[2].split(b",") if account.strip()]
        if len(accounts) > MAX_ACCOUNTS or not all(_ACCOUNT.match(account) for account in accounts):
            raise Garbage("its list of accounts is none")
        self.accounts = tuple(account.decode("ascii") for account in accounts)

    def answer(self, ending: str, detail: str = "") -> Answer:
        """The outcome, once the connection ended as `ending` says: CLOSED, SILENT (no more time) or GARBAGE."""
        if ending == GARBAGE:
            outcome = GARBAGE
        elif CLIENT_ID_IN_USE in self._codes and not self.complete:
            outcome = IN_USE
        elif self.complete:
            outcome = ANSWERED
        elif self._codes & NOT_CONNECTED:
            outcome = OFFLINE
        elif ending == CLOSED:
            outcome = CLOSED if self.server_version is None else TURNED_AWAY
        else:
            outcome = SILENT if self.server_version is None else INCOMPLETE
        return Answer(
            outcome=outcome,
            accounts=self.accounts,
            server_version=self.server_version,
            notices=tuple(self.notices),
            connected=outcome == ANSWERED and self.connected and ending != CLOSED,
            detail=detail,
        )


def converse(
    peer: socket.socket,
    client_id: int,
    answer_within: float,
    listen: float,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Speak with a connected peer: at most `answer_within` seconds until it answered, and `listen` seconds more."""
    conversation = Conversation(client_id)
    deadline = clock() + answer_within
    listening = False
    outgoing = hello()
    try:
        while True:
            if conversation.complete and not listening:
                listening = True
                deadline = clock() + listen
            left = deadline - clock()
            if left <= 0:
                return conversation.answer(SILENT)
            peer.settimeout(left)
            if outgoing:
                peer.sendall(outgoing)
                outgoing = b""
                continue
            data = peer.recv(65536)
            if not data:
                return conversation.answer(CLOSED)
            outgoing = conversation.receive(data)
    except Garbage as error:
        return conversation.answer(GARBAGE, str(error))
    except socket.timeout:
        return conversation.answer(SILENT)
    except OSError:
        return conversation.answer(CLOSED)


def probe(
    address: str,
    port: int,
    client_id: int,
    connect_within: float = 3.0,
    answer_within: float = 10.0,
    listen: float = 2.5,
) -> Answer:
    """One connection to a gateway's trading API, closed again."""
    try:
        peer = socket.create_connection((address, port), timeout=connect_within)
    except ConnectionRefusedError:
        return Answer(REFUSED)
    except OSError:
        return Answer(UNREACHABLE)
    with peer:
        return converse(peer, client_id, answer_within, listen)
