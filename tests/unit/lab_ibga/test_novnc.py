# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import struct
import threading

import pytest
from ibga import novnc

SECONDS = 30
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture
def ask(tmp_path):
    """Ask the proxy, before pages of its own and a VNC server that echoes."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "vnc.html").write_text("<title>noVNC</title>")
    (tmp_path / "secret").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as vnc:

        def echo():
            connection, _peer = vnc.accept()
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data[::-1])

        def start(text):
            ours, theirs = socket.socketpair()
            ours.settimeout(SECONDS)
            arguments = (theirs, str(tmp_path / "pages"), vnc.getsockname())
            threading.Thread(target=novnc.answer, args=arguments, daemon=True).start()
            ours.sendall(text)
            return ours

        threading.Thread(target=echo, daemon=True).start()
        yield start


def everything(connection):
    with connection:
        text = b""
        while part := connection.recv(4096):
            text += part
        return text


@pytest.mark.parametrize("path", ["/", "/vnc.html", "/vnc.html?autoconnect=1"])
def test_the_page_is_served(ask, path):
    answer = everything(ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"text/html" in answer
    assert answer.endswith(b"<title>noVNC</title>")


@pytest.mark.parametrize("path", ["/../secret", "/nothing", "//etc/passwd", "/."])
def test_nothing_else_is(ask, path):
    assert everything(ask(f"GET {path} HTTP/1.1\r\n\r\n".encode())).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("text", [b"POST / HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"x" * (novnc.LONGEST_REQUEST + 1)])
def test_what_is_no_request_ends(ask, text):
    assert everything(ask(text)) == b""


def masked(data, kind=novnc.BINARY):
    mask = b"\1\2\3\4"
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return bytes([0x80 | kind]) + size + mask + bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))


def test_a_websocket_carries_vnc_both_ways(ask):
    connection = ask(f"GET /websockify HTTP/1.1\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert b"101 Switching Protocols" in head
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    connection.sendall(masked(b"are you there", novnc.PING) + masked(b"RFB 003.008\n"))
    assert connection.recv(2 + 13, socket.MSG_WAITALL) == novnc.frame(b"are you there", novnc.PONG)
    assert connection.recv(2 + 12, socket.MSG_WAITALL) == novnc.frame(b"\n800.300 BFR")
    connection.sendall(masked(b"a" * 300))
    text = b""
    while text.count(b"a") < 300:
        text += connection.recv(4096)
    connection.sendall(masked(b"\x03\xe8", novnc.CLOSE))
    with connection:
        while connection.recv(4096):
            pass


def test_an_unmasked_or_endless_frame_ends_it():
    for text in (b"\x82\x01a", b"\x82\xff" + b"\xff" * 8):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(text)
            with pytest.raises(EOFError):
                novnc.Frames(theirs).next()
