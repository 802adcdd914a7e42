# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab gateway's API: the frames of the handshake, refusals, and what is not an API client."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from ibga.api import Api, frame

HELLO = bytes.fromhex("41504900000000097631 30302e2e313837".replace(" ", ""))


def start_api(client: int) -> bytes:
    return frame(71, 2, client, "")


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api(lambda: True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    api.open(port, ["DU1234567", "DU7654321"], [1100])
    api.port = port  # type: ignore[attr-defined]
    yield api
    api.close()


class Peer:
    def __init__(self, api: Api) -> None:
        self.socket = socket.create_connection(("127.0.0.1", api.port), timeout=5)  # type: ignore[attr-defined]

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            chunk = self.socket.recv(length - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data

    def frame(self) -> list[str]:
        return self.read(struct.unpack(">I", self.read(4))[0]).decode().split("\0")[:-1]

    def connected(self, client: int) -> Peer:
        self.send(HELLO)
        assert self.frame()[0] == "187"
        self.send(start_api(client))
        return self


def test_handshake_accounts_next_id_and_notices(api: Api) -> None:
    peer = Peer(api).connected(31)
    frames = [peer.frame() for dummy in range(6)]
    assert frames[0] == ["15", "1", "DU1234567,DU7654321"]
    assert frames[1] == ["9", "1", "1"]
    assert [notice[3] for notice in frames[2:]] == ["2104", "2106", "2158", "1100"]
    assert all(notice[:3] == ["4", "2", "-1"] for notice in frames[2:])


def test_start_api_is_the_known_frame() -> None:
    assert start_api(31) == bytes.fromhex("00000009 37310032 00333100 00".replace(" ", ""))


def test_client_id_in_use_is_said_and_closed(api: Api) -> None:
    first = Peer(api).connected(31)
    first.frame()
    second = Peer(api).connected(31)
    assert second.frame()[3] == "326"
    with pytest.raises(EOFError):
        second.frame()
    third = Peer(api).connected(32)
    assert third.frame()[0] == "15"


def test_order_in_read_only_mode_is_refused(api: Api) -> None:
    peer = Peer(api).connected(31)
    for dummy in range(6):
        peer.frame()
    peer.send(frame(3, 77, "", ""))
    assert peer.frame()[2:4] == ["77", "321"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"API\0" + b"\xff\xff\xff\xff",
        HELLO + frame(71, 2, "x"),
        b"API\0" + frame("v300..400"),
    ],
)
def test_what_is_no_client_is_closed(api: Api, data: bytes) -> None:
    peer = Peer(api)
    peer.send(data)
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            peer.frame()


def test_closing_ends_the_clients_and_the_listener(api: Api) -> None:
    peer = Peer(api).connected(31)
    for dummy in range(6):
        peer.frame()
    api.notify(1100)
    api.close()
    assert peer.frame()[3] == "1100"
    with pytest.raises((EOFError, ConnectionError)):
        peer.frame()
    with pytest.raises(ConnectionRefusedError):
        Peer(api)
