# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's windows on the X display, drawn from what JAuto reads; pointer and keys go the way of JAuto's input.

A program of its own, since it needs Tk and must neither hold the gateway up nor outlive it: it reads the windows as a line
of JSON from its standard input whenever they change, and ends with it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from ibga.desk import INPUT_FIFO

SOCKET = "/tmp/.X11-unix/X0"
SIZE = (1024, 768)
WAIT_SECONDS = 30.0
DISPLAY_POLL_SECONDS = 0.05

GREY, WHITE, TEXT, EDGE, MARK, LIGHT = "#eeeeee", "#ffffff", "#333333", "#7a8a99", "#b8cfe5", "#dfe9f4"
SANS = ("DejaVu Sans", -12)
BOLD = ("DejaVu Sans", -12, "bold")
SERIF = ("DejaVu Serif", -24)
MENUS = (("File", 118), ("Configure", 155), ("View", 236), ("Help", 283))

Drawn = dict[str, Any]
NOTHING: Drawn = {"pointer": (0, 0), "windows": []}


def notice(text: str) -> Drawn:
    """A text over the whole screen."""
    place = (0, 0, *SIZE)
    part = {"kind": "notice", "place": place, "text": text, "selected": False, "focused": False}
    return {"pointer": (0, 0), "windows": [{"place": place, "menu": [], "parts": [part]}]}


def start_program(drawn: Drawn) -> IO[bytes]:
    """The program with its first windows; it ends when the pipe that is returned is closed."""
    process = subprocess.Popen(
        ["/usr/bin/python3", "-m", "ibga.screen"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    send(process.stdin, drawn)
    return process.stdin


def send(pipe: IO[bytes], drawn: Drawn) -> bool:
    try:
        pipe.write(json.dumps(drawn).encode() + b"\n")
        pipe.flush()
    except OSError:
        return False
    return True


class Feed:
    """The gateway's side: sends the windows whenever they changed, and never waits for the screen."""

    def __init__(self) -> None:
        self.changed = threading.Event()

    def start(self, lock: threading.RLock, drawn: Callable[[], Drawn]) -> None:
        threading.Thread(target=self._run, args=(lock, drawn), daemon=True).start()

    def _run(self, lock: threading.RLock, drawn: Callable[[], Drawn]) -> None:
        pipe = start_program(NOTHING)
        working = True
        while working:
            self.changed.wait()
            self.changed.clear()
            with lock:
                now = drawn()
            working = send(pipe, now)


class Screen:
    def __init__(self) -> None:
        import tkinter

        self._tk = tkinter
        self._root = tkinter.Tk()
        self._root.withdraw()
        self._canvases: list[Any] = []
        self._rest = b""
        self._pointer: list[int] = []
        self._root.createfilehandler(sys.stdin, tkinter.READABLE, self._read)

    def run(self) -> None:
        self._root.mainloop()

    def _read(self, *_event: object) -> None:
        data = os.read(sys.stdin.fileno(), 1 << 16)
        if not data:
            self._root.destroy()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self._draw(json.loads(lines[-1]))

    def _draw(self, drawn: Drawn) -> None:
        windows = drawn["windows"]
        while len(self._canvases) > len(windows):
            self._canvases.pop().master.destroy()
        while len(self._canvases) < len(windows):
            self._canvases.append(self._new_window())
        for canvas, window in zip(self._canvases, windows):
            x, y, width, height = window["place"]
            canvas.master.geometry(f"{width}x{height}+{x}+{y}")
            canvas.master.deiconify()
            canvas.master.lift()
            Drawing(canvas, x, y).window(window)
            canvas.menu = window["menu"]
        if self._canvases:
            self._canvases[-1].focus_force()
            self._move_pointer(drawn["pointer"], windows[-1]["place"])

    def _move_pointer(self, pointer: list[int], place: list[int]) -> None:
        """The pointer is where the image clicked last, as xdotool leaves it."""
        if pointer != self._pointer:
            self._pointer = pointer
            self._root.update_idletasks()
            x, y = pointer[0] - place[0], pointer[1] - place[1]
            self._canvases[-1].event_generate("<Motion>", warp=True, x=x, y=y)

    def _new_window(self) -> Any:
        top = self._tk.Toplevel(self._root, background=GREY)
        top.overrideredirect(True)
        canvas = self._tk.Canvas(top, background=GREY, highlightthickness=0, takefocus=True)
        canvas.pack(fill="both", expand=True)
        canvas.bind("<Button-1>", self._click)
        canvas.bind("<Double-Button-1>", lambda event: tell(f"dblclick {event.x_root} {event.y_root}"))
        canvas.bind("<Key>", self._key)
        return canvas

    def _click(self, event: Any) -> None:
        for name, x, y in event.widget.menu:
            left = dict(MENUS)[name.partition("/")[0]]
            if left <= event.x_root < left + 70 and event.y < 21:
                tell(f"click {x} {y}")
                return
        tell(f"click {event.x_root} {event.y_root}")

    def _key(self, event: Any) -> None:
        if event.keysym in ("Up", "Down"):
            tell(f"key {event.keysym} 1")
        elif event.keysym == "BackSpace":
            tell('press ""')
        elif event.char and event.char.isprintable():
            tell(f"press {json.dumps(event.char)}")


class Drawing:
    """One window on a canvas, in the look of Swing's Metal."""

    def __init__(self, canvas: Any, left: int, top: int) -> None:
        self._canvas = canvas
        self._left, self._top = left, top

    def window(self, window: dict[str, Any]) -> None:
        self._canvas.delete("all")
        for part in window["parts"]:
            x, y, width, height = part["place"]
            draw = getattr(self, "_draw_" + re.sub(r"\W", "", part["kind"]).lower(), None)
            if draw is not None:
                draw(part, x - self._left, y - self._top, width, height)
        if window["menu"]:
            self._box(0, 0, window["place"][2], 20, WHITE, LIGHT)
            for name, x in MENUS:
                self._text(x - self._left, 10, name, BOLD)

    def _text(self, x: int, y: int, text: str, font: tuple[Any, ...], anchor: str = "w", **options: Any) -> None:
        self._canvas.create_text(x, y, text=text, font=font, fill=options.pop("fill", TEXT), anchor=anchor, **options)

    def _box(self, x: int, y: int, width: int, height: int, fill: str, outline: str) -> None:
        self._canvas.create_rectangle(x, y, x + width - 1, y + height - 1, fill=fill, outline=outline)

    def _draw_notice(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        self._box(x, y, width, height, "black", "black")
        self._text(x + width // 2, y + height // 2, part["text"], SERIF, "center", fill=WHITE)

    def _draw_jlabel(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        percent = re.fullmatch(r"(\d+)%", part["text"])
        if percent:
            self._box(x, y, width, height, GREY, EDGE)
            self._box(x, y, width * int(percent[1]) // 100, height, MARK, EDGE)
            self._text(x + width // 2, y + height // 2, part["text"], BOLD, "center")
            return
        lines = re.sub(r"</?html>", "", part["text"]).split("<br>")
        middle = y + height // 2 - 15 * (len(lines) - 1) // 2
        for number, line in enumerate(lines):
            self._text(x, middle + 15 * number, line.strip(), BOLD)

    def _draw_jtextpane(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        self._box(x, y, width, height, WHITE, WHITE)
        self._text(x + 3, y + 3, part["text"], SANS, "nw", width=width - 6)

    def _draw_jbutton(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        self._box(x, y, width, height, LIGHT, EDGE)
        self._canvas.create_rectangle(x + 1, y + 1, x + width - 2, y + height // 2 - 1, fill=WHITE, outline="")
        self._text(x + width // 2, y + height // 2, part["text"], BOLD, "center")

    def _draw_jtogglebutton(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        if not part["selected"]:
            self._draw_jbutton(part, x, y, width, height)
            return
        self._box(x, y, width, height, MARK, EDGE)
        self._text(x + width // 2, y + height // 2, part["text"], BOLD, "center")

    def _draw_jtextfield(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        self._box(x, y, width, height, WHITE, EDGE)
        caret = "|" if part["focused"] else ""
        self._text(x + 3, y + height // 2, part["text"] + caret, SANS)

    _draw_jpasswordfield = _draw_jtextfield

    def _draw_jcombobox(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        self._box(x, y, width, height, GREY, EDGE)
        self._text(x + 3, y + height // 2, part["text"], BOLD)
        right, middle = x + width, y + height // 2
        self._box(right - 20, y, 20, height, LIGHT, EDGE)
        self._canvas.create_polygon(right - 15, middle - 2, right - 6, middle - 2, right - 10, middle + 3, fill=TEXT)

    def _draw_jcheckbox(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        middle = y + height // 2
        self._box(x + 4, middle - 6, 13, 13, LIGHT, EDGE)
        if part["selected"]:
            self._canvas.create_line(x + 7, middle, x + 10, middle + 3, x + 14, middle - 4, fill=TEXT, width=2)
        self._text(x + 21, middle, part["text"], BOLD)

    def _draw_jscrollpane(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        self._box(x, y, width, height, GREY, EDGE)

    def _draw_jtree(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        self._box(x, y, width, height, WHITE, WHITE)

    def _draw_jtreerow(self, part: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        if part["focused"]:
            self._box(x + 18, y, width - 16, height, MARK, MARK)
        self._box(x + 2, y + height // 2 - 6, 12, 12, WHITE, EDGE)
        self._text(x + 20, y + height // 2, part["text"].rpartition("/")[2], SANS)


def tell(line: str) -> None:
    """A line for JAuto's input; lost where nobody reads it, as a click on a dead program is."""
    try:
        fifo = os.open(INPUT_FIFO, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    with os.fdopen(fifo, "w", encoding="utf-8") as file:
        file.write(line + "\n")


def main() -> None:
    began = time.monotonic()
    while not os.path.exists(SOCKET):
        if time.monotonic() - began > WAIT_SECONDS:
            return
        time.sleep(DISPLAY_POLL_SECONDS)
    Screen().run()


if __name__ == "__main__":
    main()
