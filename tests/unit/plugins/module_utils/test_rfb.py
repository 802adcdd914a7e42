# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import des, rfb, screen
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

PASSWORD = "vnc-Pa55"
CHALLENGE = bytes(range(16))
RED, GREEN, BLUE = b"\0\0\xff\0", b"\0\xff\0\0", b"\xff\0\0\0"
SECONDS = 300.0


@pytest.mark.parametrize(
    ("key", "plain", "cipher"),
    [
        ("133457799bbcdff1", "0123456789abcdef", "85e813540f0ab405"),
        ("0000000000000000", "0000000000000000", "8ca64de9c1b123a7"),
        ("0123456789abcdef", "4e6f772069732074", "3fa40e8a984d4815"),
        ("ffffffffffffffff", "ffffffffffffffff", "7359b2163e4edc58"),
        ("7ca110454a1a6e57", "01a1d6d039776742", "690f5b0d9a26939b"),
    ],
)
def test_des_answers_as_published(key, plain, cipher):
    assert des.encrypt(bytes.fromhex(key), bytes.fromhex(plain)).hex() == cipher


def test_the_bits_of_each_character_are_turned_round():
    """Against DES itself: "1" is 0x31, whose bits the other way round are 0x8c, and so on."""
    key = bytes.fromhex("8c4ccc2cac6cec1c")
    assert rfb.response("12345678", CHALLENGE) == des.encrypt(key, CHALLENGE[:8]) + des.encrypt(key, CHALLENGE[8:])


def test_eight_characters_of_the_password_count():
    assert rfb.response("12345678", CHALLENGE) == rfb.response("12345678and more", CHALLENGE)
    assert rfb.response("12345678", CHALLENGE) != rfb.response("1234567", CHALLENGE)
    assert len(rfb.response("é", CHALLENGE)) == 16


# A peer that answers by the book


def init(width, height, name=b"the screen"):
    return struct.pack(">HH16sI", width, height, bytes(16), len(name)) + name


def update(*rectangles):
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


def raw(x, y, width, height, pixels):
    return struct.pack(">HHHHi", x, y, width, height, rfb.RAW) + pixels


def hextile(x, y, width, height, tiles):
    return struct.pack(">HHHHi", x, y, width, height, rfb.HEXTILE) + tiles


class Peer:
    """A server that sends its parts one after the other, each once it has read what goes before it."""

    def __init__(self, *exchange):
        self.exchange = exchange
        self.heard = []
        self.left = None

    def serve(self, connection):
        with contextlib.suppress(ConnectionError), connection:
            connection.settimeout(SECONDS)
            for read, send in self.exchange:
                said = b""
                while len(said) < read:
                    part = connection.recv(read - len(said))
                    if not part:
                        return
                    said += part
                self.heard.append(said)
                connection.sendall(send)
            self.left = connection.recv(1)


def exchange(picture, version=b"RFB 003.008\n", offered=b"\1\2", result=bytes(4), size=(2, 2), answers=24):
    """The parts of a whole conversation with a VNC password."""
    asked = 20 + 12 + 10
    return [
        (0, version),
        (12, offered),
        (1, CHALLENGE),
        (16, result),
        (1, init(*size)),
        (asked, picture),
    ]


def converse(peer, password=PASSWORD, seconds=SECONDS):
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=peer.serve, args=(theirs,), daemon=True)
    thread.start()
    try:
        with ours:
            return rfb.Guest(rfb.Wire(ours, time.monotonic() + seconds), password).picture()
    finally:
        thread.join(SECONDS)


FOUR = update(raw(0, 0, 2, 2, RED + GREEN + BLUE + RED))
WHOLE = b"".join(send for _read, send in exchange(FOUR))
COLOURS = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 0, 0])


def test_a_picture_is_taken():
    peer = Peer(*exchange(FOUR))
    picture = converse(peer)
    assert (picture.width, picture.height, picture.pixels) == (2, 2, COLOURS)
    assert (picture.authentication, picture.name, picture.blank) == ("vnc", "the screen", False)
    assert peer.heard[1] == b"RFB 003.008\n"
    assert peer.heard[2] == b"\2"
    assert peer.heard[3] == rfb.response(PASSWORD, CHALLENGE)


def test_it_comes_as_a_shared_viewer_and_only_looks():
    peer = Peer(*exchange(FOUR))
    converse(peer)
    assert peer.heard[4] == b"\1"
    form, encodings, request = peer.heard[5][:20], peer.heard[5][20:32], peer.heard[5][32:]
    assert (form[0], encodings[0], request[0]) == (0, 2, 3)
    assert request == struct.pack(">BBHHHH", 3, 0, 0, 0, 2, 2)
    assert peer.left == b""


@pytest.mark.parametrize("version", [b"RFB 003.003\n", b"RFB 003.005\n"])
def test_the_oldest_protocol_is_spoken(version):
    asked = 20 + 12 + 10
    parts = [
        (0, version),
        (12, struct.pack(">I", 2) + CHALLENGE),
        (16, bytes(4)),
        (1, init(2, 2)),
        (asked, FOUR),
    ]
    peer = Peer(*parts)
    assert converse(peer).pixels == COLOURS
    assert peer.heard[1] == b"RFB 003.003\n"


@pytest.mark.parametrize("version", [b"RFB 003.889\n", b"RFB 004.001\n", b"RFB 003.008\n"])
def test_newer_servers_are_spoken_to_by_the_book(version):
    peer = Peer(*exchange(FOUR, version))
    assert converse(peer).pixels == COLOURS
    assert peer.heard[1] == b"RFB 003.008\n"


@pytest.mark.parametrize(("version", "results"), [(b"RFB 003.008\n", bytes(4)), (b"RFB 003.007\n", b"")])
def test_a_screen_without_password_is_taken_and_told(version, results):
    parts = [(0, version), (12, b"\1\1"), (1, results), (1, init(2, 2)), (42, FOUR)]
    assert converse(Peer(*parts)).authentication == "none"


@pytest.mark.parametrize(
    ("parts", "password", "code"),
    [
        (exchange(b"", result=struct.pack(">II", 1, 6) + b"denied")[:4], PASSWORD, "vnc-password-wrong"),
        (exchange(b"", result=struct.pack(">II", 2, 19) + b"Too many auth fails")[:4], PASSWORD, "vnc-locked"),
        (
            [(0, b"RFB 003.007\n"), (12, b"\1\2"), (1, CHALLENGE), (16, struct.pack(">I", 1))],
            PASSWORD,
            "vnc-password-wrong",
        ),
        ([(0, b"RFB 003.003\n"), (12, struct.pack(">II", 0, 2) + b"no")], PASSWORD, "vnc-refused"),
        ([(0, b"RFB 003.008\n"), (12, struct.pack(">BI", 0, 17) + b"Too many failures")], PASSWORD, "vnc-locked"),
        (exchange(b"")[:2], None, "vnc-password-missing"),
        (exchange(b"", offered=b"\1\x13")[:2], PASSWORD, "vnc-authentication-unknown"),
    ],
)
def test_a_refusal_is_told_apart(parts, password, code):
    with pytest.raises(rfb.Refused) as caught:
        converse(Peer(*parts), password)
    assert caught.value.code == code


def test_hextile_is_drawn():
    """Every kind of tile: raw, one colour, subrectangles of one colour and of their own, and what is carried over."""
    tiles = (
        bytes([1]) + RED * 256
        + bytes([2 | 4 | 8]) + BLUE + GREEN + bytes([1, 0x00, 0x10])
        + bytes([0])
        + bytes([8 | 16, 2]) + RED + bytes([0x11, 0x00]) + GREEN + bytes([0x20, 0x01])
    )  # fmt: skip
    peer = Peer(*exchange(update(hextile(0, 0, 32, 20, tiles)), size=(32, 20)))
    picture = converse(peer)

    def at(x, y):
        start = 3 * (y * 32 + x)
        return picture.pixels[start : start + 3]

    red, green, blue = b"\xff\0\0", b"\0\xff\0", b"\0\0\xff"
    assert at(0, 0) == at(15, 15) == red
    assert [at(16, 0), at(17, 0), at(18, 0), at(16, 1)] == [green, green, blue, blue]
    assert at(0, 16) == at(15, 19) == blue
    assert [at(17, 17), at(18, 16), at(18, 17), at(16, 16)] == [red, green, green, blue]


def test_a_screen_in_several_updates_is_waited_for():
    first = b"\2" + struct.pack(">BxHH6x", 1, 0, 1) + struct.pack(">BxxxI", 3, 4) + b"clip"
    parts = exchange(first + update(raw(0, 0, 2, 1, RED + GREEN)))
    parts.append((10, update(raw(0, 1, 2, 1, BLUE + RED))))
    peer = Peer(*parts)
    assert converse(peer).pixels == COLOURS
    assert peer.heard[-1] == struct.pack(">BBHHHH", 3, 1, 0, 0, 2, 2)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([(0, b"SSH-2.0-Open")], "greet"),
        ([(0, b"RFB 002.000\n")], "greet"),
        (exchange(b"", size=(0, 5))[:5], "0 by 5"),
        (exchange(b"", size=(65535, 65535))[:5], "65535 by 65535"),
        (exchange(b"", size=(8000, 8000))[:5], "8000 by 8000"),
        (exchange(b"", result=struct.pack(">I", 77))[:4], "nonsense"),
        (exchange(update(raw(1, 0, 2, 2, RED * 4))), "beside its screen"),
        (exchange(update(struct.pack(">HHHHi", 0, 0, 2, 2, 7))), "encoding 7"),
        (exchange(b"\x2a"), "message of kind 42"),
        (exchange(struct.pack(">BxxxI", 3, 1 << 31)), "without end"),
        (exchange(update(hextile(0, 0, 2, 2, bytes([8, 1, 0x00, 0x77])))), "beside its tile"),
        (exchange(update(*[raw(0, 0, 1, 1, RED)] * 65_535) * 5), "more than a screen"),
    ],
)
def test_a_hostile_peer_is_refused(parts, words):
    with pytest.raises(rfb.Garbage, match=words):
        converse(Peer(*parts))


@pytest.mark.parametrize("length", [0, 5, 13, 30, 40, len(WHOLE) - 1])
def test_a_peer_that_hangs_up_is_told(length):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(WHOLE[:length])
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(rfb.Garbage, match="hung up"):
            rfb.Guest(rfb.Wire(ours, time.monotonic() + SECONDS), PASSWORD).picture()


def test_a_peer_that_goes_on_for_ever_ends_at_the_deadline():
    """It answers each request with a part of the screen that is drawn already, and never with the rest."""
    now = iter(range(10_000))
    ours, theirs = socket.socketpair()
    parts = exchange(update(raw(0, 0, 1, 1, RED))) + [(10, update(raw(0, 0, 1, 1, RED)))] * 10_000
    thread = threading.Thread(target=Peer(*parts).serve, args=(theirs,), daemon=True)
    thread.start()
    with ours, pytest.raises(socket.timeout):
        rfb.Guest(rfb.Wire(ours, 1_000.0, lambda: float(next(now))), PASSWORD).picture()
    thread.join(SECONDS)


def test_a_silent_peer_ends_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(GatewayError) as caught:
        rfb.take("127.0.0.1", server.getsockname()[1], PASSWORD, 0.2, "ibgateway")
    assert caught.value.code == "vnc-silent"
    assert "ibgateway" in caught.value.message


def test_nobody_there_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(GatewayError) as caught:
        rfb.take("127.0.0.1", port, PASSWORD, 5, "ibgateway")
    assert caught.value.code == "vnc-unreachable"
    assert str(port) in caught.value.message


@settings(max_examples=300)
@given(st.data())
def test_nothing_that_a_peer_sends_is_more_than_a_refusal(data):
    """All of a conversation at once, with bytes changed, left out and added."""
    said = bytearray(WHOLE)
    for _change in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(said)))
        end = data.draw(st.integers(start, min(len(said), start + 8)))
        said[start:end] = data.draw(st.binary(max_size=8))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(bytes(said))
        theirs.shutdown(socket.SHUT_WR)
        try:
            picture = rfb.Guest(rfb.Wire(ours, time.monotonic() + SECONDS), PASSWORD).picture()
        except (rfb.Garbage, rfb.Refused):
            return
        assert len(picture.pixels) == 3 * picture.width * picture.height


# The PNG


def unfiltered(png):
    """What a reader of PNG makes of it: size and pixels."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(name + data)
        chunks[name] = data
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour, rest) == (8, 2, [0, 0, 0])
    rows = zlib.decompress(chunks[b"IDAT"])
    step = 1 + 3 * width
    assert len(rows) == step * height
    assert {rows[start] for start in range(0, len(rows), step)} == {0}
    return width, height, b"".join(rows[start + 1 : start + step] for start in range(0, len(rows), step))


@settings(max_examples=50)
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_a_png_holds_the_picture(width, height, data):
    pixels = data.draw(st.binary(min_size=3 * width * height, max_size=3 * width * height))
    assert unfiltered(rfb.Picture(width, height, pixels, "vnc").png()) == (width, height, pixels)


def test_a_screen_of_one_colour_is_blank():
    assert rfb.Picture(2, 1, b"\1\2\3" * 2, "vnc").blank
    assert not rfb.Picture(2, 1, b"\1\2\3\1\2\4", "vnc").blank


# The container


def container(status="running", address="192.0.2.7", env=()):
    return {
        "Id": "1f",
        "State": {"Status": status},
        "Config": {"Env": list(env)},
        "NetworkSettings": {"Networks": {"one": {"IPAddress": address}}},
    }


@pytest.mark.parametrize(
    ("inspect", "code"),
    [
        (None, "gateway-absent"),
        (container("exited"), "gateway-not-running"),
        (container(address=""), "vnc-unreachable"),
    ],
)
def test_a_container_without_screen_is_told(inspect, code):
    with pytest.raises(GatewayError) as caught:
        screen.picture("ibgateway", inspect, None, 5900, 1)
    assert caught.value.code == code


def test_the_password_is_the_containers_own():
    assert screen.password_of(container(env=["A=1", f"IBGA_VNC_PASSWORD={PASSWORD}=="])) == f"{PASSWORD}=="
    assert screen.password_of(container(env=["IBGA_VNC_PASSWORD="])) is None
    assert screen.password_of(container()) is None
