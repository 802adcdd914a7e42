# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The screen of real gateways, taken by the module and held to pictures of the real image, and the text on it."""

from __future__ import annotations

import base64
import os
import pathlib
import socket
import struct
import time
import zlib
from typing import Any, Callable, Dict, List, Optional

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import rfb, screen_text

PICTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "transcripts"
PASSWORD = "invented"
FULL = os.environ.get("TEST_COUNT") == "full"
HOST_IMAGE = os.environ.get("LOGIN_TEST_HOST", "ibgateway-lab/host:1")
BOUND_SECONDS = 120
POLL_SECONDS = 0.3
BLOCK = 16
ALIKE = 0.96

Run = Callable[..., Dict[str, Any]]
Start = Callable[..., Any]


def pixels_of(png: bytes) -> List[bytes]:
    """The rows of a PNG with eight bits and three colours, as any reader of PNG makes them."""
    at, data = 8, b""
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        name = png[at + 4 : at + 8]
        if name == b"IHDR":
            width, height = struct.unpack_from(">II", png, at + 8)
            assert png[at + 16 : at + 18] == b"\x08\x02"
        elif name == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    packed = zlib.decompress(data)
    step = 3 * width
    rows, above = [], bytes(step)
    for number in range(height):
        start = number * (step + 1)
        row = bytearray(packed[start + 1 : start + 1 + step])
        kind = packed[start]
        for place in range(step if kind else 0):
            left = row[place - 3] if place >= 3 else 0
            corner = above[place - 3] if place >= 3 else 0
            row[place] = row[place] + predicted(kind, left, above[place], corner) & 255
        above = bytes(row)
        rows.append(above)
    return rows


def predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def blocks(png: bytes) -> List[float]:
    """How bright each block of the screen is: 64 columns of 48 rows."""
    rows = pixels_of(png)
    assert (len(rows[0]), len(rows)) == (3 * 1024, 768)
    found = []
    for top in range(0, 768, BLOCK):
        for left in range(0, 3 * 1024, 3 * BLOCK):
            found.append(
                sum(sum(row[left : left + 3 * BLOCK]) for row in rows[top : top + BLOCK]) / (3 * BLOCK * BLOCK)
            )
    return found


def likeness(png: bytes, name: str) -> float:
    """Which part of the screen's blocks is as bright as on the real image's picture."""
    recorded = blocks((PICTURES / f"{name}.png").read_bytes())
    pairs = list(zip(blocks(png), recorded))
    return sum(abs(one - other) < 40 for one, other in pairs) / len(pairs)


def wait_for(what: str, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + BOUND_SECONDS
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not come within {BOUND_SECONDS} s"
        time.sleep(POLL_SECONDS)


def log_has(container: Any, text: str) -> Callable[[], bool]:
    return lambda: text in container.logs().decode()


def address_of(container: Any) -> str:
    container.reload()
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def is_shown(container: Any, run_module: Run, name: str) -> Callable[[], bool]:
    def look() -> bool:
        taken = run_module("vnc_screenshot", container=container.name)
        return "png" in taken and likeness(base64.b64decode(taken["png"]), name) >= ALIKE

    return look


def test_the_screen_is_taken_beside_a_viewer_that_stays(
    gateway: Start, run_module: Run, tmp_path: pathlib.Path
) -> None:
    container = gateway()
    wait_for("the API", log_has(container, "option check"))
    wait_for("the main window", is_shown(container, run_module, "01-paper-totp-first"))
    with socket.create_connection((address_of(container), 5900), 10) as viewer:
        guest = rfb.Guest(rfb.Wire(viewer, time.monotonic() + BOUND_SECONDS), PASSWORD)
        before = guest.picture()
        path = tmp_path / "screen.png"
        taken = run_module("vnc_screenshot", container=container.name, path=str(path))
        assert not taken.get("failed"), taken
        guest._ask(incremental=False)
        assert guest._wire.number("B") == 0, "the viewer that was there first goes on"
    assert (taken["width"], taken["height"], taken["blank"], taken["authentication"]) == (1024, 768, False, "vnc")
    assert taken["changed"]
    assert "png" not in taken
    assert PASSWORD not in str(taken)
    assert path.stat().st_mode & 0o777 == 0o600
    assert likeness(path.read_bytes(), "01-paper-totp-first") >= ALIKE
    assert likeness(path.read_bytes(), "06-multipaper") < ALIKE
    assert (before.width, before.height) == (1024, 768)

    again = run_module("vnc_screenshot", container=container.name, path=str(path))
    assert not again["changed"], "the same screen is the same file"
    unwritten = run_module(
        "vnc_screenshot", container=container.name, path=str(tmp_path / "other.png"), _ansible_check_mode=True
    )
    assert unwritten["changed"]
    assert not (tmp_path / "other.png").exists()

    wrong = run_module("vnc_screenshot", container=container.name, password="wrongone")
    assert (wrong["failed"], wrong["code"]) == (True, "vnc-password-wrong")

    container.exec_run("pkill -9 x11vnc", user="root")
    gone = run_module("vnc_screenshot", container=container.name, timeout=5)
    assert (gone["failed"], gone["code"]) == (True, "vnc-unreachable")
    assert gone["msg"].endswith("[vnc-unreachable]")


def test_a_silent_hang_shows_its_dialog_and_its_message(gateway: Start, run_module: Run) -> None:
    container = gateway("aflive01", IB_LOGINTYPE="Paper Trading")
    wait_for("the dialog about several paper users", is_shown(container, run_module, "06-multipaper"))
    container.kill()
    stopped = run_module("vnc_screenshot", container=container.name)
    assert (stopped["failed"], stopped["code"]) == (True, "gateway-not-running")


def test_a_fatal_error_is_written_over_the_whole_screen(gateway: Start, run_module: Run, ibkr: Any) -> None:
    ibkr.ask("PUT", "/faults/afpaper01", {"welcome_before_failure": True})
    container = gateway(IB_PASSWORD="Not-The-Password-7")
    wait_for("the fatal error", is_shown(container, run_module, "04b-badpw-loginfailed-welcome"))


def test_novnc_serves_the_screen_to_a_browser(gateway: Start) -> None:
    container = gateway()

    def page() -> bytes:
        try:
            with socket.create_connection((address_of(container), 5800), 10) as browser:
                browser.sendall(b"GET /vnc.html HTTP/1.1\r\nHost: gateway\r\n\r\n")
                text = b""
                while part := browser.recv(1 << 16):
                    text += part
                return text
        except ConnectionRefusedError:
            return b""

    assert b"noVNC" in wait_for("noVNC", page)
    key = base64.b64encode(b"sixteen bytes ok").decode()

    def greeting() -> bytes:
        with socket.create_connection((address_of(container), 5800), 10) as browser:
            asked = f"GET /websockify HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\n\r\n"
            browser.sendall(asked.encode())
            text = b""
            while b"RFB 003.008\n" not in text:
                part = browser.recv(1 << 16)
                text += part
                if not part:
                    return b""
            return text

    assert wait_for("the VNC server behind noVNC", greeting).startswith(b"HTTP/1.1 101 ")


@pytest.fixture
def tesseract(engine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """The lab's hosts' own tesseract, in a container of their image: this machine needs none."""
    engine.images.get(HOST_IMAGE)
    path = tmp_path / screen_text.PROGRAM
    path.write_text(
        f'#!/bin/sh\nexec docker run --rm -i --network none --entrypoint {screen_text.PROGRAM} {HOST_IMAGE} "$@"\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return path


SCREENS = [
    ("05b-badpw-unrecognized-nowelcome", "wrong-credentials"),
    ("01-paper-totp-first", None),
    ("04b-badpw-loginfailed-welcome", "wrong-credentials"),
    ("06-multipaper", "live-login-in-paper-mode"),
    ("15b-toomany-loginfailed-pane", "locked-out"),
]


def picture_of(name: str) -> rfb.Picture:
    rows = pixels_of((PICTURES / f"{name}.png").read_bytes())
    return rfb.Picture(len(rows[0]) // 3, len(rows), b"".join(rows), "vnc")


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize(("name", "code"), SCREENS if FULL else SCREENS[:2])
def test_the_text_of_a_real_screen_names_the_cause(name: str, code: Optional[str]) -> None:
    reading = screen_text.read(picture_of(name))
    assert reading.unread == ""
    assert (reading.phrase.code if reading.phrase is not None else None) == code


def test_a_gateway_that_stands_still_is_told_by_its_screen_alone(
    gateway: Start, run_module: Run, tesseract: pathlib.Path
) -> None:
    def diagnose() -> Dict[str, Any]:
        found = run_module(
            "gateway_diagnose",
            host="staging.abstractfinance.example",
            container=container.name,
            trading_mode="Paper Trading",
            account="DU1234567",
            tag_key="invented" * 4,
        )
        assert not found.get("failed"), found
        return found

    def cause() -> Optional[Dict[str, Any]]:
        return next((item for item in diagnose()["causes"] if item["code"] == "live-login-in-paper-mode"), None)

    container = gateway("aflive01", IB_LOGINTYPE="Paper Trading")
    wait_for("the dialog about several paper users", is_shown(container, run_module, "06-multipaper"))
    container.exec_run("pkill -STOP -x java", user="root")
    named = wait_for("the cause", cause)
    assert named["evidence"][-1] == ("read on the screen: 'user has multiple Paper Trading users'")
    found = diagnose()
    assert found["evidence"]["dialogs"] is None
    assert found["screen"] is None, "JAuto does not tell where names are, so no picture leaves the host"
    assert found["unseen"] == []

    tesseract.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    found = diagnose()
    assert found["unseen"] == [{"what": "Text on the screen", "why": screen_text.FAILED}]
    assert "live-login-in-paper-mode" not in [item["code"] for item in found["causes"]]
