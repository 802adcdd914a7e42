# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One picture of a VNC screen: RFB 3.3 to 3.8 (RFC 6143), as a guest that disturbs no other viewer.

The peer is not trusted: what it sends is bounded in size and time, and what is no RFB ends the conversation.
"""

from __future__ import annotations

import re
import socket
import struct
import time
import zlib
from dataclasses import dataclass
from typing import Callable, List, Optional, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, des

MAX_SIDE = 8192
MAX_PIXELS = 8 << 20
MAX_TEXT = 1 << 20
# Three pictures' worth, uncompressed: the screen may change while it is sent.
MAX_PICTURES = 3
OVERHEAD = 4 << 20

NONE = 1
VNC = 2
RAW = 0
HEXTILE = 5
AUTHENTICATIONS = {NONE: "none", VNC: "vnc"}

_VERSION = re.compile(rb"RFB (\d{3})\.(\d{3})\n\Z")
_PIXEL_FORMAT = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_PIXEL = 4
_TILE = 16
_RAW_TILE, _BACKGROUND, _FOREGROUND, _SUBRECTS, _COLOURED = 1, 2, 4, 8, 16


class Garbage(ValueError):
    """The peer does not speak RFB, or not within its bounds."""


class Refused(Exception):
    """The peer speaks RFB and does not let us in; the code says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Picture:
    """A screen: three bytes a pixel, red first, row after row."""

    width: int
    height: int
    pixels: bytes
    authentication: str
    name: str = ""

    @property
    def blank(self) -> bool:
        """Whether it has one colour only: nothing is shown."""
        return self.pixels == self.pixels[:3] * (self.width * self.height)

    def png(self) -> bytes:
        row = 3 * self.width
        rows = b"".join(b"\0" + self.pixels[start : start + row] for start in range(0, row * self.height, row))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


class Wire:
    """A connection with a deadline, and with an end to what it takes in."""

    def __init__(self, connection: socket.socket, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._deadline = deadline
        self._clock = clock
        self.budget = OVERHEAD

    def send(self, data: bytes) -> None:
        self._connection.settimeout(self._left())
        self._connection.sendall(data)

    def read(self, length: int) -> bytes:
        if length > self.budget:
            raise Garbage("it sends more than a screen")
        self.budget -= length
        parts: List[bytes] = []
        while length:
            self._connection.settimeout(self._left())
            part = self._connection.recv(min(length, 1 << 18))
            if not part:
                raise Garbage("it hung up in the middle")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _left(self) -> float:
        left = self._deadline - self._clock()
        if left <= 0:
            raise socket.timeout("the deadline is over")
        return left

    def number(self, form: str) -> int:
        (value,) = struct.unpack(">" + form, self.read(struct.calcsize(">" + form)))
        return int(value)

    def text(self) -> bytes:
        length = self.number("I")
        if length > MAX_TEXT:
            raise Garbage("it sends a text without end")
        return self.read(length)


def response(password: str, challenge: bytes) -> bytes:
    """The answer of VNC authentication: the first eight characters count, and each byte's bits are turned round."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode("latin-1", "replace")[:8].ljust(8, b"\0"))
    return des.encrypt(key, challenge[:8]) + des.encrypt(key, challenge[8:])


class Guest:
    """The client's side of a conversation."""

    def __init__(self, wire: Wire, password: Optional[str]) -> None:
        self._wire = wire
        self._password = password
        self._minor = 3
        self._size = (0, 0)
        self._screen = bytearray()
        self._drawn = bytearray()

    def picture(self) -> Picture:
        authentication = self._greet()
        name = self._enter()
        self._take()
        screen = self._screen
        pixels = bytearray(len(screen) // _PIXEL * 3)
        pixels[0::3], pixels[1::3], pixels[2::3] = screen[2::4], screen[1::4], screen[0::4]
        return Picture(*self._size, bytes(pixels), AUTHENTICATIONS[authentication], name)

    # -- getting in -----------------------------------------------------------

    def _greet(self) -> int:
        found = _VERSION.match(self._wire.read(12))
        if found is None or int(found[1]) < 3:
            raise Garbage("it does not greet as a VNC server")
        newest = int(found[2]) if int(found[1]) == 3 else 8
        self._minor = 8 if newest >= 8 else 7 if newest == 7 else 3
        self._wire.send(b"RFB 003.%03d\n" % self._minor)
        chosen = self._choose(self._offered())
        if self._minor >= 7:
            self._wire.send(bytes([chosen]))
        if chosen == VNC:
            self._wire.send(response(self._password or "", self._wire.read(16)))
        if chosen == VNC or self._minor >= 8:
            self._see_result()
        return chosen

    def _offered(self) -> Tuple[int, ...]:
        if self._minor >= 7:
            offered = tuple(self._wire.read(self._wire.number("B")))
        else:
            offered = tuple(kind for kind in [self._wire.number("I")] if kind)
        if not offered:
            self._turned_away(b"")
        return offered

    def _choose(self, offered: Tuple[int, ...]) -> int:
        if VNC in offered and self._password:
            return VNC
        if NONE in offered:
            return NONE
        raise Refused("vnc-password-missing" if VNC in offered else "vnc-authentication-unknown")

    def _see_result(self) -> None:
        result = self._wire.number("I")
        if result == 0:
            return
        if result > 2:
            raise Garbage("it answers the password with nonsense")
        if self._minor >= 8:
            self._turned_away(b"password")
        raise Refused("vnc-password-wrong")

    def _turned_away(self, about: bytes) -> None:
        """The peer says why; its words are read for the kind of refusal, and not passed on."""
        words = self._wire.text().lower()
        many = b"too many" in words
        raise Refused("vnc-locked" if many else "vnc-password-wrong" if about else "vnc-refused")

    def _enter(self) -> str:
        self._wire.send(b"\1")  # shared: other viewers stay
        width, height = self._wire.number("H"), self._wire.number("H")
        self._wire.read(16)
        if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE or width * height > MAX_PIXELS:
            raise Garbage(f"its screen is {width} by {height}")
        name = self._wire.text()
        self._size = width, height
        self._screen = bytearray(width * height * _PIXEL)
        self._drawn = bytearray(width * height)
        self._wire.budget = MAX_PICTURES * len(self._screen) + OVERHEAD
        return "".join(character for character in name[:80].decode("utf-8", "replace") if character.isprintable())

    # -- the picture ----------------------------------------------------------

    def _take(self) -> None:
        self._wire.send(struct.pack(">Bxxx", 0) + _PIXEL_FORMAT)
        self._wire.send(struct.pack(">BxHii", 2, 2, HEXTILE, RAW))
        self._ask(incremental=False)
        while 0 in self._drawn:
            kind = self._wire.number("B")
            if kind == 0:
                self._update()
                if 0 in self._drawn:
                    self._ask(incremental=True)
            elif kind == 1:
                self._wire.read(3)
                self._wire.read(6 * self._wire.number("H"))
            elif kind == 3:
                self._wire.read(3)
                self._wire.text()
            elif kind != 2:
                raise Garbage(f"it sends a message of kind {kind}")

    def _ask(self, incremental: bool) -> None:
        self._wire.send(struct.pack(">BBHHHH", 3, incremental, 0, 0, *self._size))

    def _update(self) -> None:
        self._wire.read(1)
        for _rectangle in range(self._wire.number("H")):
            x, y, width, height, encoding = struct.unpack(">HHHHi", self._wire.read(12))
            if x + width > self._size[0] or y + height > self._size[1]:
                raise Garbage("it draws beside its screen")
            if encoding == RAW:
                self._put(x, y, width, height, self._wire.read(width * height * _PIXEL))
            elif encoding == HEXTILE:
                self._hextile(x, y, width, height)
            else:
                raise Garbage(f"it sends the encoding {encoding}, which was not asked for")
            for row in range(y, y + height):
                start = row * self._size[0] + x
                self._drawn[start : start + width] = b"\1" * width

    def _put(self, x: int, y: int, width: int, height: int, pixels: bytes) -> None:
        row = width * _PIXEL
        for number in range(height):
            start = ((y + number) * self._size[0] + x) * _PIXEL
            self._screen[start : start + row] = pixels[number * row : (number + 1) * row]

    def _hextile(self, left: int, top: int, width: int, height: int) -> None:
        background = foreground = bytes(_PIXEL)
        for y in range(top, top + height, _TILE):
            for x in range(left, left + width, _TILE):
                w, h = min(_TILE, left + width - x), min(_TILE, top + height - y)
                how = self._wire.number("B")
                if how & _RAW_TILE:
                    self._put(x, y, w, h, self._wire.read(w * h * _PIXEL))
                    continue
                if how & _BACKGROUND:
                    background = self._wire.read(_PIXEL)
                if how & _FOREGROUND:
                    foreground = self._wire.read(_PIXEL)
                self._put(x, y, w, h, background * (w * h))
                if how & _SUBRECTS:
                    for _subrectangle in range(self._wire.number("B")):
                        colour = self._wire.read(_PIXEL) if how & _COLOURED else foreground
                        place, size = self._wire.read(2)
                        dx, dy, dw, dh = place >> 4, place & 15, (size >> 4) + 1, (size & 15) + 1
                        if dx + dw > w or dy + dh > h:
                            raise Garbage("it draws beside its tile")
                        self._put(x + dx, y + dy, dw, dh, colour * (dw * dh))


def take(address: str, port: int, password: Optional[str], timeout: float, container: str) -> Picture:
    """The screen of a container at its address; what is in the way is an error of the catalogue."""
    deadline = time.monotonic() + timeout
    try:
        with socket.create_connection((address, port), timeout) as connection:
            return Guest(Wire(connection, deadline), password).picture()
    except Garbage as error:
        raise causes.error("vnc-garbage", detail=str(error), port=port, container=container) from None
    except Refused as error:
        raise causes.error(error.code, port=port, container=container) from None
    except socket.timeout:
        raise causes.error("vnc-silent", port=port, seconds=f"{timeout:g}", container=container) from None
    except OSError as error:
        detail = error.strerror or "no answer"
        raise causes.error("vnc-unreachable", port=port, detail=detail, container=container) from None
