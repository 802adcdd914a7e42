# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import struct
import threading
import tracemalloc
from contextlib import contextmanager
from typing import Callable, Iterator, List

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import tws

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

CLIENT_ID = 31


def framed(*fields: str) -> bytes:
    payload = "".join(field + "\0" for field in fields).encode()
    return struct.pack(">I", len(payload)) + payload


GREETING = framed("178", "20261122 16:17:40 CET")
ACCOUNTS = framed("15", "1", "DU1234567,DU7654321")
NEXT_ID = framed("9", "1", "1")


def notice(code: int, text: str = "text") -> bytes:
    return framed("4", "2", "-1", str(code), text, "")


def test_first_bytes_are_those_of_the_protocol() -> None:
    assert tws.hello() == bytes.fromhex("4150490000000009763130302e2e313837")
    conversation = tws.Conversation(31)
    assert conversation.receive(GREETING) == bytes.fromhex("00000009373100320033310000")


def test_answer_is_complete_with_accounts_and_next_id_in_any_order() -> None:
    for messages in ([ACCOUNTS, NEXT_ID], [NEXT_ID, notice(2104), ACCOUNTS]):
        conversation = tws.Conversation(CLIENT_ID)
        conversation.receive(GREETING)
        for message in messages[:-1]:
            conversation.receive(message)
            assert not conversation.complete
        conversation.receive(messages[-1])
        assert conversation.complete
        answer = conversation.answer(tws.SILENT)
        assert answer.outcome == tws.ANSWERED
        assert answer.accounts == ("DU1234567", "DU7654321")
        assert answer.server_version == 178
        assert answer.connected


@pytest.mark.parametrize("account", ["DU123456", "DU12345678", "U1234567", "du1234567", "DU1234567,DU7654321", ""])
def test_only_exact_membership_proves(account: str) -> None:
    conversation = tws.Conversation(CLIENT_ID)
    conversation.receive(GREETING + ACCOUNTS + NEXT_ID)
    answer = conversation.answer(tws.SILENT)
    assert answer.proves("DU1234567")
    assert answer.proves("DU7654321")
    assert not answer.proves(account)


@pytest.mark.parametrize(
    ("codes", "connected"),
    [
        ([], True),
        ([2104, 2106, 2158], True),
        ([1100], False),
        ([2110], False),
        ([1100, 1102], True),
        ([1100, 1101, 2110], False),
    ],
)
def test_connected_means_no_lost_link(codes: List[int], connected: bool) -> None:
    conversation = tws.Conversation(CLIENT_ID)
    conversation.receive(GREETING + ACCOUNTS + NEXT_ID + b"".join(notice(code) for code in codes))
    answer = conversation.answer(tws.SILENT)
    assert answer.outcome == tws.ANSWERED
    assert answer.connected is connected


@pytest.mark.parametrize(
    ("received", "ending", "outcome"),
    [
        (b"", tws.SILENT, tws.SILENT),
        (b"", tws.CLOSED, tws.CLOSED),
        (GREETING[:9], tws.CLOSED, tws.CLOSED),
        (GREETING, tws.SILENT, tws.INCOMPLETE),
        (GREETING, tws.CLOSED, tws.TURNED_AWAY),
        (GREETING + ACCOUNTS, tws.SILENT, tws.INCOMPLETE),
        (GREETING + NEXT_ID, tws.CLOSED, tws.TURNED_AWAY),
        (GREETING + notice(326), tws.CLOSED, tws.IN_USE),
        (GREETING + notice(504), tws.SILENT, tws.OFFLINE),
        (GREETING + notice(502), tws.CLOSED, tws.OFFLINE),
        (GREETING + framed("15", "1", "") + NEXT_ID, tws.SILENT, tws.INCOMPLETE),
    ],
)
def test_refusals_are_told_apart(received: bytes, ending: str, outcome: str) -> None:
    conversation = tws.Conversation(CLIENT_ID)
    conversation.receive(received)
    answer = conversation.answer(ending)
    assert answer.outcome == outcome
    assert not answer.connected
    assert not answer.proves("DU1234567")


def test_session_that_ends_while_it_is_listened_to_is_not_connected() -> None:
    conversation = tws.Conversation(CLIENT_ID)
    conversation.receive(GREETING + ACCOUNTS + NEXT_ID)
    assert not conversation.answer(tws.CLOSED).connected


@pytest.mark.parametrize(
    "received",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff\xff\xff\xff",
        struct.pack(">I", tws.MAX_FRAME + 1),
        framed("no number", "20261122"),
        framed("99", "20261122"),
        framed("188", "20261122"),
        framed("201", "20261122"),
        framed("-1", "elsewhere.example"),
        GREETING + framed("9", "1", "one"),
        GREETING + framed("9"),
        GREETING + framed("15"),
        GREETING + framed("15", "1", "DU1234567,<script>"),
        GREETING + framed("15", "1", ",".join(f"DU{number}" for number in range(tws.MAX_ACCOUNTS + 1))),
    ],
)
def test_what_is_no_trading_api_is_garbage(received: bytes) -> None:
    with pytest.raises(tws.Garbage):
        tws.Conversation(CLIENT_ID).receive(received)


def test_endless_streams_are_cut_off() -> None:
    conversation = tws.Conversation(CLIENT_ID)
    conversation.receive(GREETING)
    with pytest.raises(tws.Garbage):
        for _frame in range(tws.MAX_FRAMES + 1):
            conversation.receive(framed("2"))
    conversation = tws.Conversation(CLIENT_ID)
    conversation.receive(GREETING)
    filler = framed("2", "x" * (tws.MAX_FRAME - 8))
    with pytest.raises(tws.Garbage):
        for _frame in range(tws.MAX_BYTES // len(filler) + 1):
            conversation.receive(filler)


@hypothesis.given(st.lists(st.binary(max_size=200), max_size=20), st.booleans())
def test_no_bytes_break_the_conversation(pieces: List[bytes], greeted: bool) -> None:
    conversation = tws.Conversation(CLIENT_ID)
    if greeted:
        conversation.receive(GREETING)
    try:
        for piece in pieces:
            conversation.receive(piece)
    except tws.Garbage:
        assert conversation.answer(tws.GARBAGE).outcome == tws.GARBAGE
    else:
        assert conversation.answer(tws.SILENT).outcome != tws.GARBAGE


FIELD = st.one_of(
    st.sampled_from(["4", "9", "15", "1", "2", "-1", "326", "1100", "DU1234567", "", "178"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
)


@hypothesis.given(st.lists(st.lists(FIELD, max_size=7), max_size=12), st.data())
def test_answer_does_not_depend_on_how_the_bytes_are_cut(messages: List[List[str]], data: st.DataObject) -> None:
    stream = GREETING + b"".join(framed(*fields) for fields in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))

    def read(pieces: List[bytes]) -> tws.Answer:
        conversation = tws.Conversation(CLIENT_ID)
        try:
            for piece in pieces:
                conversation.receive(piece)
        except tws.Garbage:
            return conversation.answer(tws.GARBAGE)
        return conversation.answer(tws.SILENT)

    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)])]
    assert read(pieces) == read([stream])


@contextmanager
def serving(peer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener on loopback whose first client is handed to `peer`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        with connection:
            try:
                peer(connection)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def ask(peer: Callable[[socket.socket], None]) -> tws.Answer:
    with serving(peer) as port:
        return tws.probe("127.0.0.1", port, CLIENT_ID, answer_within=1.0, listen=0.2)


def read_hello(connection: socket.socket) -> None:
    assert connection.recv(len(tws.hello()), socket.MSG_WAITALL) == tws.hello()


def test_probe_of_a_logged_in_gateway() -> None:
    def peer(connection: socket.socket) -> None:
        read_hello(connection)
        connection.sendall(GREETING)
        connection.recv(13, socket.MSG_WAITALL)
        connection.sendall(NEXT_ID + ACCOUNTS + notice(2104))
        connection.recv(1)

    answer = ask(peer)
    assert answer.proves("DU1234567")
    assert answer.connected
    assert [item.code for item in answer.notices] == [2104]


def test_notice_that_comes_later_is_heard() -> None:
    def peer(connection: socket.socket) -> None:
        read_hello(connection)
        connection.sendall(GREETING + NEXT_ID + ACCOUNTS)
        connection.recv(13, socket.MSG_WAITALL)
        connection.sendall(notice(1100))
        connection.recv(1)

    answer = ask(peer)
    assert answer.proves("DU1234567")
    assert not answer.connected


def test_relay_alone_is_silent() -> None:
    def peer(connection: socket.socket) -> None:
        read_hello(connection)
        connection.recv(1)

    assert ask(peer).outcome == tws.SILENT


def test_close_after_the_handshake_is_told_from_one_before_it() -> None:
    def after(connection: socket.socket) -> None:
        read_hello(connection)
        connection.sendall(GREETING)
        connection.recv(13, socket.MSG_WAITALL)

    assert ask(after).outcome == tws.TURNED_AWAY
    assert ask(read_hello).outcome == tws.CLOSED


def test_nobody_there_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert tws.probe("127.0.0.1", port, CLIENT_ID).outcome == tws.REFUSED


def test_peer_that_drips_for_ever_is_left() -> None:
    def peer(connection: socket.socket) -> None:
        connection.sendall(struct.pack(">I", 1000))
        while True:
            connection.sendall(b"1")
            if connection.recv(64, socket.MSG_DONTWAIT) == b"":
                return

    assert ask(peer).outcome in (tws.SILENT, tws.CLOSED)


def test_peer_that_floods_is_left() -> None:
    def peer(connection: socket.socket) -> None:
        connection.sendall(GREETING)
        while True:
            connection.sendall(framed("2", "x" * 60_000))

    answer = ask(peer)
    assert answer.outcome in (tws.GARBAGE, tws.INCOMPLETE)
    assert not answer.proves("DU1234567")


def forever(*pieces: bytes) -> Iterator[bytes]:
    while True:
        yield from pieces


HOSTILE = {
    "silent after its greeting": lambda: iter([GREETING]),
    "giant length": lambda: iter([GREETING, b"\xff\xff\xff\xff"]),
    "longest length that is allowed, never filled": lambda: iter([GREETING, struct.pack(">I", tws.MAX_FRAME)]),
    "frame that fills without end": lambda: itertools.chain(
        [GREETING, struct.pack(">I", tws.MAX_FRAME)], forever(b"x" * 999)
    ),
    "one byte at a time": lambda: (bytes([byte]) for byte in GREETING + ACCOUNTS),
    "endless drip": lambda: itertools.chain([GREETING, struct.pack(">I", tws.MAX_FRAME)], forever(b"x")),
    "endless empty frames": lambda: itertools.chain([GREETING], forever(bytes(40_000))),
    "endless notices": lambda: itertools.chain([GREETING], forever(notice(1100, "x" * 5_000))),
    "endless notices after its answer": lambda: itertools.chain([GREETING, NEXT_ID, ACCOUNTS], forever(notice(2104))),
    "endless greetings": lambda: forever(GREETING),
    "endless accounts": lambda: itertools.chain([GREETING], forever(ACCOUNTS)),
    "no protocol": lambda: forever(b"HTTP/1.1 200 OK\r\n\r\n"),
    "escape sequences": lambda: iter([GREETING, notice(1100, "\x1b[2J\n\r"), ACCOUNTS, NEXT_ID]),
}
MOST_MEMORY = 24 << 20


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_peer_neither_hangs_nor_fills_the_memory(sent: Callable[[], Iterator[bytes]]) -> None:
    def peer(connection: socket.socket) -> None:
        for piece in sent():
            connection.sendall(piece)
        while connection.recv(4096):
            pass

    answers: List[tws.Answer] = []
    tracemalloc.start()
    try:
        asking = threading.Thread(target=lambda: answers.append(ask(peer)), daemon=True)
        asking.start()
        asking.join(timeout=30)
        assert answers, "the probe hangs"
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    answer = answers[0]
    assert len(answer.notices) <= tws.MAX_NOTICES
    assert all(item.text.isprintable() and len(item.text) <= tws.MAX_NOTICE_TEXT for item in answer.notices)
    assert len(answer.accounts) <= tws.MAX_ACCOUNTS


def test_flood_of_notices_hides_no_lost_link() -> None:
    conversation = tws.Conversation(CLIENT_ID)
    conversation.receive(GREETING + ACCOUNTS + NEXT_ID + notice(2104) * tws.MAX_NOTICES + notice(1100))
    assert not conversation.answer(tws.SILENT).connected
    assert conversation.answer(tws.SILENT).outcome == tws.ANSWERED


class Stream:
    """What a gateway answers, kept for both clients."""

    def __init__(self, messages: List[bytes], close: bool) -> None:
        self.messages = messages
        self.close = close
        self.started: List[bytes] = []

    def __call__(self, connection: socket.socket) -> None:
        connection.settimeout(2)
        first = connection.recv(4, socket.MSG_WAITALL)
        assert first == b"API\0"
        (length,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
        versions = connection.recv(length, socket.MSG_WAITALL)
        assert versions.startswith(b"v")
        connection.sendall(GREETING)
        (length,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
        self.started.append(connection.recv(length, socket.MSG_WAITALL))
        connection.sendall(b"".join(self.messages))
        if not self.close:
            connection.recv(1)


@pytest.mark.parametrize(
    ("messages", "close"),
    [
        ([NEXT_ID, ACCOUNTS, notice(2104)], False),
        ([ACCOUNTS, notice(1100), NEXT_ID], False),
        ([NEXT_ID], False),
        ([ACCOUNTS], False),
        ([], True),
        ([notice(326)], True),
    ],
)
def test_ib_async_agrees(messages: List[bytes], close: bool) -> None:
    ib_async = pytest.importorskip("ib_async")
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)

    theirs = Stream(messages, close)

    async def connect(port: int) -> List[str]:
        client = ib_async.IB()
        try:
            await client.client.connectAsync("127.0.0.1", port, clientId=CLIENT_ID, timeout=1)
            return list(client.client.getAccounts())
        finally:
            client.disconnect()

    with serving(theirs) as port:
        try:
            accounts = asyncio.run(connect(port))
        except (ConnectionError, TimeoutError):
            accounts = []
    ours = Stream(messages, close)
    with serving(ours) as port:
        answer = tws.probe("127.0.0.1", port, CLIENT_ID, answer_within=1.0, listen=0.1)
    assert ours.started == theirs.started
    assert (answer.outcome == tws.ANSWERED) == bool(accounts)
    assert list(answer.accounts if answer.outcome == tws.ANSWERED else ()) == accounts
