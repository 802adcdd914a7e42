# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's windows: components with places and texts, what JAuto says of them, and what a click does.

Nothing here draws: JAuto reads this model, and `screen` draws from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

FRAME = "javax.swing.JFrame"
DIALOG = "javax.swing.JDialog"

PAPER_WARNING = (
    '<html>This is not a brokerage account. <br>This is a "paper" trading account in which you <br>'
    "can engage in simulated trading. <br><br>Please confirm that you understand and wish <br>"
    "to conduct simulated trading before proceeding.</html>"
)
EXISTING_SESSION = "Your user name is already logged in, from another location. Continue Login ends that session."
RELOGIN = (
    "Your session was disconnected because the same username logged in from another location. "
    "Re-login to take the session back."
)
BUTTON_WIDTHS = {
    "OK": 54,
    "Cancel": 81,
    "Continue Login": 141,
    "Re-login": 92,
    "Exit Application": 142,
    "I understand and accept": 207,
}
REGIONS = ["America", "Europe", "Asia", "China"]
TIME_ZONES = ["America/Chicago", "America/New York", "Asia/Tokyo", "Europe/Berlin", "Europe/London", "Etc/UTC"]
LOG_LEVELS = ["System", "Error", "Warning", "Info", "Detail"]


@dataclasses.dataclass
class Part:
    kind: str
    x: int
    y: int
    w: int
    h: int
    text: str = ""
    selected: bool | None = None
    editable: bool | None = None
    rows: list[str] | None = None
    name: str = ""
    on_click: Callable[[], None] | None = None
    on_double_click: Callable[[], None] | None = None

    @property
    def index(self) -> int:
        return (self.rows or []).index(self.text)

    def place(self) -> str:
        middle = f"mx:{self.x + self.w // 2},my:{self.y + self.h // 2}"
        return f"x:{self.x},y:{self.y},w:{self.w},h:{self.h},{middle}"

    def lines(self) -> list[str]:
        fields = [f"javax.swing.{self.kind}", self.name, self.place()]
        if self.kind == "JTree(row)":
            return [",".join(fields)]
        if self.selected is not None:
            fields.append(f"selected:{'y' if self.selected else 'n'}")
        if self.editable is not None:
            fields.append(f"editable:{'y' if self.editable else 'n'}")
        if self.rows is not None:
            fields.append(f"index:{self.index}")
        text = self.text.replace("\n", "\\n")
        if text:
            fields.append(f"text:{text}")
        elif self.editable is not None:
            fields.append("")
        lines = [",".join(fields)]
        if self.rows is not None:
            for number, row in enumerate(self.rows):
                mark = "selected:y," if row == self.text else ""
                lines.append(f"javax.swing.JComboBox(row),{number},{mark}text:{row}")
            arrow = Part("plaf.metal.MetalComboBoxButton", self.x + self.w - 20, self.y, 20, self.h)
            lines.extend(arrow.lines())
        return lines

    def drawn(self, focused: bool) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "place": (self.x, self.y, self.w, self.h),
            "text": "\N{BLACK CIRCLE}" * len(self.text) if self.kind == "JPasswordField" else self.text or self.name,
            "selected": bool(self.selected),
            "focused": focused,
        }


@dataclasses.dataclass
class Window:
    kind: str
    name: str
    x: int
    y: int
    w: int
    h: int
    title: str
    parts: list[Part]
    menu: list[Part] = dataclasses.field(default_factory=list)

    def head(self, number: int, active: bool) -> str:
        return (
            f"{self.kind},{self.name},window:{number},x:{self.x},y:{self.y},w:{self.w},h:{self.h},"
            f"act:{int(active)},title:{self.title}"
        )

    def part(self, kind: str, text: str | None = None) -> Part:
        return next(part for part in self.parts if part.kind == kind and text in (None, part.text))


class Desktop:
    """The windows that are shown, the active one last."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.shown: list[Window] = []
        self.focus: Part | None = None
        self.pointer = (0, 0)
        self._on_change = on_change

    def show(self, window: Window) -> None:
        self.hide(window)
        self.shown.append(window)
        self._on_change()

    def hide(self, window: Window) -> None:
        self.shown = [other for other in self.shown if other is not window]
        self._on_change()

    def listed(self, window_type: str = "", title: str = "", window_class: str = "", active: bool = False) -> list[str]:
        lines = []
        wanted = {"": (FRAME, DIALOG), "dialog": (DIALOG,), "window": (FRAME,)}.get(window_type, ())
        for number, window in enumerate(self._chosen(wanted, title, window_class)):
            is_top = window is self.shown[-1]
            if active and not is_top:
                continue
            lines.append(window.head(number, is_top))
            for part in window.parts:
                lines.extend(part.lines())
        return lines or ["none"]

    def heads(self) -> list[str]:
        return [line for line in self.listed() if line.startswith((FRAME, DIALOG))] or ["none"]

    def menu(self) -> list[str]:
        return [line for window in self.shown for item in window.menu for line in item.lines()] or ["none"]

    def _chosen(self, kinds: tuple[str, ...], title: str, window_class: str) -> list[Window]:
        return [
            window
            for window in reversed(self.shown)
            if window.kind in kinds and title in ("", window.title) and window_class in ("", window.name, window.kind)
        ]

    def click(self, x: int, y: int, double: bool = False) -> None:
        self.pointer = (x, y)
        self._on_change()
        if not self.shown:
            return
        window = self.shown[-1]
        for part in reversed(window.menu + window.parts):
            if part.x <= x < part.x + part.w and part.y <= y < part.y + part.h:
                self.focus = part
                action = part.on_double_click if double else part.on_click
                if action is not None:
                    action()
                self._on_change()
                if action is not None or part.kind != "JPanel":
                    return

    def type(self, text: str) -> None:
        if self.focus is not None and self.focus.editable:
            self.focus.text = text
            self._on_change()

    def press(self, character: str) -> None:
        """A key that a person presses on the screen; an empty one takes the last character back."""
        if self.focus is not None:
            self.type(self.focus.text + character if character else self.focus.text[:-1])

    def key(self, name: str, times: int) -> None:
        part = self.focus
        if part is not None and part.rows is not None and name in ("Down", "Up"):
            index = part.index + (times if name == "Down" else -times)
            part.text = part.rows[max(0, min(index, len(part.rows) - 1))]
            self._on_change()

    def drawn(self) -> dict[str, Any]:
        """What a screen is drawn from: the windows from the lowest to the active one. A password is as many dots."""
        windows = [
            {
                "place": (window.x, window.y, window.w, window.h),
                "menu": [(item.name, item.x + item.w // 2, item.y + item.h // 2) for item in window.menu],
                "parts": [part.drawn(part is self.focus) for part in window.parts],
            }
            for window in self.shown
        ]
        return {"pointer": self.pointer, "windows": windows}


# -- the windows there are ----------------------------------------------------


def message(
    name: str, title: str, text: str, buttons: dict[str, Callable[[], None]], label: tuple[int, int] | None = None
) -> Window:
    """A message with buttons; label gives the size of a text that is a label and no pane."""
    width, height = label or (460, 90)
    kind = "JLabel" if label else "JTextPane"
    pane = Part(kind, 292, 312, width, height, text, editable=None if label else False)
    row = 312 + height + 8
    parts = [pane, Part("JPanel", 292, row, width, 35)]
    total = sum(BUTTON_WIDTHS[button] for button in buttons) + 5 * (len(buttons) - 1)
    left = (2 * 292 + width - total) // 2
    for button, action in buttons.items():
        parts.append(Part("JButton", left, row + 5, BUTTON_WIDTHS[button], 25, button, False, on_click=action))
        left += BUTTON_WIDTHS[button] + 5
    return Window(DIALOG, name, 280, 300, width + 24, height + 67, title, parts)


def paper_warning(accept: Callable[[], None]) -> Window:
    name = "twslaunch.jutils.GwMessageDialog"
    return message(name, "Warning", PAPER_WARNING, {"I understand and accept": accept}, label=(345, 90))


def notice(title: str, text: str, close: Callable[[], None]) -> Window:
    label = (706, 45) if text.startswith("<html>") else None
    return message("twslaunch.jutils.GwMessageDialog", title, text, {"OK": close}, label)


def second_factor(ok: Callable[[], None], cancel: Callable[[], None]) -> Window:
    parts = [
        Part("JLabel", 411, 292, 260, 15, "Enter Mobile Authenticator app code"),
        Part("JTextField", 332, 307, 356, 125, editable=True),
        Part("JPanel", 332, 432, 356, 35),
        Part("JButton", 440, 437, 54, 25, "OK", False, on_click=ok),
        Part("JButton", 499, 437, 81, 25, "Cancel", False, on_click=cancel),
    ]
    name = "twslaunch.jauthentication.TwoFactorDialog"
    return Window(DIALOG, name, 320, 280, 380, 200, "Second Factor Authentication", parts)


def existing_session(go_on: Callable[[], None], cancel: Callable[[], None]) -> Window:
    buttons = {"Continue Login": go_on, "Cancel": cancel}
    name = "twslaunch.jconnection.ExistingSessionDialog"
    return message(name, "Existing session detected", EXISTING_SESSION, buttons)


def relogin(again: Callable[[], None], leave: Callable[[], None]) -> Window:
    buttons = {"Re-login": again, "Exit Application": leave}
    return message("twslaunch.jconnection.ReloginDialog", "Re-login is required", RELOGIN, buttons)


def read_only_changed(text: str, close: Callable[[], None]) -> Window:
    return message("feature.messages.MessageDialog", "Warning", text, {"OK": close})


def progress() -> Window:
    parts = [
        Part("JLabel", 302, 420, 420, 15, "0%"),
        Part("JLabel", 302, 436, 420, 15, "Build 10.48.1e"),
        Part("JLabel", 302, 452, 420, 15, ""),
        Part("JLabel", 302, 468, 420, 15, ""),
    ]
    return Window(FRAME, "twslaunch.jutils.LoginProgressFrame", 292, 280, 440, 220, "Starting application", parts)


def main(user: str, close: Callable[[], None], configure: Callable[[], None]) -> Window:
    parts = [
        Part("JLabel", 132, 121, 760, 166, "Interactive Brokers API Server (lab): connected"),
        Part("JLabel", 132, 287, 760, 166, f"User: {user}"),
        Part("JLabel", 132, 453, 760, 166, "API Server: listening"),
    ]
    menu = [
        Part("JMenuItem", 116, 100, 80, 20, name="File/Close", on_click=close),
        Part("JMenuItem", 200, 100, 120, 20, name="Configure/Settings", on_click=configure),
    ]
    return Window(FRAME, "ibgateway.GWMain", 112, 80, 800, 560, "IBKR Gateway", parts, menu)


class LoginForm(Window):
    def __init__(self, mode: str, region: str, time_zone: str, log_in: Callable[[], None]) -> None:
        self.api = Part("JToggleButton", 428, 124, 73, 25, "IB API", True)
        self.fix = Part("JToggleButton", 506, 124, 89, 25, "FIX CTCI", False)
        self.live = Part("JToggleButton", 382, 204, 120, 25, "Live Trading", mode == "live")
        self.paper = Part("JToggleButton", 507, 204, 134, 25, "Paper Trading", mode == "paper")
        self.user = Part("JTextField", 449, 284, 202, 19, editable=True)
        self.password = Part("JPasswordField", 448, 358, 202, 19, editable=True)
        self.button = Part("JButton", 379, 432, 123, 25, "", False, on_click=log_in)
        self.region = Part("JComboBox", 496, 513, 84, 24, region, rows=REGIONS)
        self.time_zone = Part("JComboBox", 474, 569, 154, 24, time_zone, rows=TIME_ZONES)
        for pair in ((self.api, self.fix), (self.live, self.paper)):
            for chosen, other in (pair, pair[::-1]):
                chosen.on_click = self._toggle(chosen, other)
        parts = [
            Part("JLabel", 451, 104, 216, 15, "IBKR GATEWAY (lab)"),
            Part("JPanel", 237, 119, 550, 80),
            self.api,
            self.fix,
            Part("JPanel", 237, 199, 550, 80),
            self.live,
            self.paper,
            Part("JPanel", 237, 279, 550, 74),
            Part("JLabel", 372, 286, 72, 15, "Username"),
            self.user,
            Part("JPanel", 237, 353, 550, 74),
            Part("JLabel", 373, 360, 70, 15, "Password"),
            self.password,
            Part("JPanel", 237, 427, 550, 80),
            self.button,
            Part("JButton", 507, 432, 138, 25, "Fewer Options", False),
            Part("JScrollPane", 237, 507, 550, 116),
            Part("JViewport", 238, 508, 547, 113),
            Part("JPanel", 238, 508, 547, 113),
            Part("JPanel", 238, 508, 547, 56),
            Part("JLabel", 442, 517, 49, 15, "Region"),
            self.region,
            Part("JPanel", 238, 564, 547, 56),
            Part("JLabel", 395, 573, 74, 15, "Time Zone"),
            self.time_zone,
        ]
        super().__init__(FRAME, "ibgateway.GWClient", 117, 84, 790, 560, "IBKR Gateway", parts)
        self._label()

    def _toggle(self, chosen: Part, other: Part) -> Callable[[], None]:
        def act() -> None:
            chosen.selected, other.selected = True, False
            self._label()

        return act

    def _label(self) -> None:
        self.button.text = "Paper Log In" if self.mode == "paper" else "Log In"

    @property
    def mode(self) -> str:
        return "paper" if self.paper.selected else "live"


class SettingsDialog(Window):
    """Configure/Settings: the tree opens by double click, the page of the API by one click."""

    def __init__(self, values: dict[str, object], ok: Callable[[], None], cancel: Callable[[], None]) -> None:
        self._values = values
        self.page: dict[str, Part] = {}
        self._expanded = False
        self._ok, self._cancel = ok, cancel
        super().__init__(DIALOG, "", 180, 120, 650, 450, "Settings", [])
        self._lay_out()

    def _lay_out(self) -> None:
        tree = [
            Part("JScrollPane", 185, 125, 200, 360),
            Part("JViewport", 186, 126, 197, 357),
            Part("JTree", 186, 126, 197, 357),
            Part("JTree(row)", 186, 126, 107, 18, name="Configuration"),
            Part("JTree(row)", 206, 144, 42, 18, name="Configuration/API", on_double_click=self._expand),
        ]
        top = 162
        if self._expanded:
            tree += [
                Part("JTree(row)", 226, 162, 75, 20, name="Configuration/API/Settings", on_click=self._open_page),
                Part("JTree(row)", 226, 182, 98, 20, name="Configuration/API/Precautions"),
            ]
            top = 202
        tree += [
            Part("JTree(row)", 206, top, 67, 20, name="Configuration/Display"),
            Part(
                "JTree(row)", 206, top + 20, 105, 20, name="Configuration/Lock and Exit", on_click=self._open_lock_page
            ),
            Part("JScrollPane", 390, 125, 420, 360),
            Part("JViewport", 391, 126, 417, 357),
            Part("JPanel", 391, 126, 417, 357),
            Part("JPanel", 391, 126, 417, 357),
        ]
        if self.page:
            tree.append(Part("JPanel", 391, 126, 417, 168))
        self.parts = [
            *tree,
            *self.page.values(),
            Part("JButton", 400, 495, 90, 28, "OK", False, on_click=self._ok),
            Part("JButton", 500, 495, 90, 28, "Apply", False),
            Part("JButton", 600, 495, 90, 28, "Cancel", False, on_click=self._cancel),
        ]

    def _expand(self) -> None:
        self._expanded = True
        self._lay_out()

    def _open_page(self) -> None:
        values = self._values
        page = {
            "read_only": self._box(126, "Read-Only API", bool(values["read_only"])),
            "port label": Part("JLabel", 391, 150, 417, 24, "Socket port"),
            "port": Part("JTextField", 391, 174, 417, 24, str(values["port"]), editable=True),
            "api_log": self._box(198, "Create API message log file", bool(values["api_log"])),
            "api_log_data": self._box(222, "Include market data in API log file", bool(values["api_log_data"])),
            "level label": Part("JLabel", 391, 246, 417, 24, "Logging Level"),
            "log_level": Part("JComboBox", 391, 270, 417, 24, str(values["log_level"]), rows=LOG_LEVELS),
        }
        self._show(page)

    def _open_lock_page(self) -> None:
        page = {
            "logoff label": Part("JLabel", 391, 126, 417, 24, "Auto restart time"),
            "logoff": Part("JTextField", 391, 150, 417, 24, str(self._values["logoff"]), editable=True),
        }
        self._show(page)

    def _show(self, page: dict[str, Part]) -> None:
        self._values = self.chosen()
        self.page = page
        self._lay_out()

    def _box(self, y: int, text: str, selected: bool) -> Part:
        box = Part("JCheckBox", 391, y, 417, 24, text, selected)

        def flip() -> None:
            box.selected = not box.selected

        box.on_click = flip
        return box

    def chosen(self) -> dict[str, object]:
        """The values with what the open page shows now."""
        values = dict(self._values)
        for name, part in self.page.items():
            if part.kind == "JCheckBox":
                values[name] = part.selected
            elif part.kind != "JLabel":
                values[name] = int(part.text) if name == "port" else part.text
        return values
