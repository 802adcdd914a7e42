# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""noVNC: its pages over HTTP, and the VNC server through a WebSocket, as its own proxy does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import struct
import sys
import threading

PAGES = "/usr/share/novnc"
LISTEN = ("", 5800)
VNC = ("127.0.0.1", 5900)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LONGEST_REQUEST = 1 << 14
LONGEST_FRAME = 1 << 20
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10


def request(connection: socket.socket) -> tuple[str, dict[str, str]] | None:
    """The path and the headers that were asked with."""
    text = b""
    while b"\r\n\r\n" not in text:
        part = connection.recv(4096)
        text += part
        if not part or len(text) > LONGEST_REQUEST:
            return None
    first, *lines = text.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    words = first.split()
    if len(words) != 3 or words[0] != "GET":
        return None
    headers = {name.strip().lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
    return words[1].partition("?")[0], headers


def send_page(connection: socket.socket, path: str, pages: str) -> None:
    root = os.path.realpath(pages)
    file = os.path.realpath(os.path.join(root, path.lstrip("/") or "vnc.html"))
    if not file.startswith(root + os.sep) or not os.path.isfile(file):
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return
    with open(file, "rb") as page:
        content = page.read()
    kind = TYPES.get(os.path.splitext(file)[1], "application/octet-stream")
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + content)


def accept_key(key: str) -> str:
    return base64.b64encode(hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()).decode()


def frame(data: bytes, kind: int = BINARY) -> bytes:
    size = len(data)
    if size < 126:
        head = struct.pack(">BB", 0x80 | kind, size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", 0x80 | kind, 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | kind, 127, size)
    return head + data


class Frames:
    """What a browser sends, frame by frame."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._connection.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def next(self) -> tuple[int, bytes]:
        kind, size = self._read(2)
        masked, size = size & 0x80, size & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self._read(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self._read(8))
        if size > LONGEST_FRAME or not masked:
            raise EOFError
        mask = self._read(4)
        data = self._read(size)
        return kind & 15, bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))


def relay(connection: socket.socket, headers: dict[str, str], vnc: tuple[str, int]) -> None:
    protocol = "Sec-WebSocket-Protocol: binary\r\n" if "binary" in headers.get("sec-websocket-protocol", "") else ""
    connection.sendall(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(headers['sec-websocket-key'])}\r\n{protocol}\r\n".encode()
    )
    with socket.create_connection(vnc, 10) as server:
        server.settimeout(None)
        threading.Thread(target=_to_browser, args=(server, connection), daemon=True).start()
        frames = Frames(connection)
        kind = BINARY
        while kind != CLOSE:
            kind, data = frames.next()
            if kind == PING:
                connection.sendall(frame(data, PONG))
            elif kind not in (PONG, CLOSE):
                server.sendall(data)


def _to_browser(server: socket.socket, connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(1 << 16):
            connection.sendall(frame(data))
        connection.sendall(frame(struct.pack(">H", 1000), CLOSE))
        connection.shutdown(socket.SHUT_RDWR)


def answer(connection: socket.socket, pages: str = PAGES, vnc: tuple[str, int] = VNC) -> None:
    with connection, contextlib.suppress(OSError, EOFError):
        asked = request(connection)
        if asked is None:
            return
        path, headers = asked
        if headers.get("upgrade", "").lower() == "websocket" and "sec-websocket-key" in headers:
            relay(connection, headers, vnc)
        else:
            send_page(connection, path, pages)


def main() -> None:
    with socket.create_server(LISTEN, family=socket.AF_INET) as server:
        while True:
            connection, _peer = server.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
