# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The windows as JAuto prints them, against what the real JAuto printed."""

from __future__ import annotations

import pathlib

import pytest
from ibga import desk, windows

TRANSCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "transcripts"
DIALOG_PART = "### list_ui_components?window_type=dialog\n"
FRAME_PART = "### list_ui_components (JFrame)\n"
MULTIPLE_PAPER_USERS = (
    "<html>Connection to server failed: The specified user has multiple Paper Trading users associated with it. "
    "<br><br>Please log on using one of the Paper Trading users and corresponding password.</html>"
)
LOCKED = "Too many failed login attempts. Please wait 4 minutes & 55 seconds before attempting to re-login again."
UNRECOGNIZED = "Unrecognized Username or Password.\nPasswords are case sensitive, check Caps Lock."
READ_ONLY_OFF = "The Read-Only API setting has been changed. API clients can now place orders."
VALUES: dict[str, object] = {
    "read_only": True,
    "port": 4002,
    "api_log": False,
    "api_log_data": False,
    "log_level": "Error",
    "logoff": "",
}


def recorded(name: str, part: str = "") -> list[str]:
    text = (
        (TRANSCRIPTS / f"{name}.jauto.txt").read_text().replace("(fake, for tests)", "(lab)").replace("(fake)", "(lab)")
    )
    if part:
        text = text.partition(part)[2].partition("###")[0]
    return text.strip().split("\n")


def nothing() -> None:
    pass


def shown(*opened: windows.Window) -> windows.Desktop:
    desktop = windows.Desktop()
    for window in opened:
        desktop.show(window)
    return desktop


def form() -> windows.LoginForm:
    opened = windows.LoginForm("paper", "Europe", "Europe/Berlin", nothing)
    opened.user.text = "afpaper01"
    return opened


def settings(*path: str) -> windows.SettingsDialog:
    dialog = windows.SettingsDialog(dict(VALUES), nothing, nothing)
    desktop = shown(dialog)
    for name in path:
        row = next(part for part in dialog.parts if part.name == name)
        desktop.click(row.x + 2, row.y + 2, double=name == "Configuration/API")
    return dialog


@pytest.mark.parametrize(
    ("name", "dialog"),
    [
        ("04b-badpw-loginfailed-welcome", windows.notice("Login failed", "Invalid username or password.", nothing)),
        (
            "05b-badpw-unrecognized-nowelcome",
            windows.notice("Unrecognized Username or Password", UNRECOGNIZED, nothing),
        ),
        ("06-multipaper", windows.notice("Gateway", MULTIPLE_PAPER_USERS, nothing)),
        ("15b-toomany-loginfailed-pane", windows.notice("Login failed", LOCKED, nothing)),
    ],
)
def test_dialog_over_the_form(name: str, dialog: windows.Window) -> None:
    desktop = shown(form(), dialog)
    assert desktop.listed("dialog") == recorded(name, DIALOG_PART)
    assert desktop.listed(window_class=windows.FRAME) == recorded(name, FRAME_PART)


def test_paper_warning_over_the_main_window() -> None:
    desktop = shown(windows.main("afpaper01", nothing, nothing), windows.paper_warning(nothing))
    assert desktop.listed("dialog") == recorded("12b-token-expired-later", DIALOG_PART)
    assert desktop.listed(window_class=windows.FRAME) == recorded("12b-token-expired-later", FRAME_PART)


@pytest.mark.parametrize(
    ("name", "dialog"),
    [
        ("Existing-session-detected7", windows.existing_session(nothing, nothing)),
        ("Re-login-is-required6", windows.relogin(nothing, nothing)),
        ("Second-Factor-Authentication1", windows.second_factor(nothing, nothing)),
        ("Warning2", windows.paper_warning(nothing)),
        ("Settings3", settings()),
        ("Settings4", settings("Configuration/API", "Configuration/API/Settings")),
    ],
)
def test_single_dialogs(name: str, dialog: windows.Window) -> None:
    assert shown(dialog).listed("dialog") == recorded(f"30-jauto-dialogs.{name}")


def test_warning_over_the_settings() -> None:
    dialog = settings("Configuration/API", "Configuration/API/Settings")
    desktop = shown(dialog)
    box, port = dialog.page["read_only"], dialog.page["port"]
    desktop.click(box.x + 2, box.y + 2)
    desktop.click(port.x + 2, port.y + 2)
    desktop.type("9000")
    desktop.show(windows.read_only_changed(READ_ONLY_OFF, nothing))
    assert desktop.listed("dialog") == recorded("30-jauto-dialogs.Warning5")


def test_modal_dialog_takes_the_clicks() -> None:
    clicked: list[str] = []
    below = windows.LoginForm("paper", "Europe", "Europe/Berlin", lambda: clicked.append("log in"))
    desktop = shown(below, windows.notice("Gateway", "text", lambda: clicked.append("OK")))
    desktop.click(below.button.x + 2, below.button.y + 2)
    assert clicked == []
    desktop.click(522, 427)
    assert clicked == ["OK"]


def test_the_images_eyes_read_what_jauto_prints() -> None:
    read = desk.parse(shown(form(), windows.notice("Login failed", UNRECOGNIZED, nothing)).listed())
    assert [window.title for window in read] == ["Login failed", "IBKR Gateway"]
    assert read[0].message == UNRECOGNIZED
    assert read[0].message_to_first_comma == UNRECOGNIZED.split(",", maxsplit=1)[0]
    button = read[0].find("JButton", "OK")
    assert button is not None
    assert button.middle == (522, 427)
    region = read[1].after_label("Region")
    assert region is not None
    assert (region.text, region.rows) == ("Europe", windows.REGIONS)


def test_password_is_shown_in_clear_as_by_the_real_agent() -> None:
    opened = form()
    opened.password.text = "clear-text"
    fields = [line for line in shown(opened).listed() if line.startswith("javax.swing.JPasswordField")]
    assert fields[0].endswith("editable:y,text:clear-text")


def test_a_screen_learns_of_every_change_and_never_of_a_password():
    changes = []
    desktop = windows.Desktop(lambda: changes.append(desktop.drawn()))
    form = windows.LoginForm("paper", "Europe", "Europe/Berlin", lambda: None)
    desktop.show(form)
    desktop.click(form.password.x + 1, form.password.y + 1)
    desktop.type("Pa55-word")
    desktop.press("!")
    desktop.press("")
    drawn = changes[-1]
    assert form.password.text == "Pa55-word"
    assert "Pa55" not in str(changes)
    (dots,) = [part for part in drawn["windows"][0]["parts"] if part["kind"] == "JPasswordField"]
    assert dots["text"] == "\N{BLACK CIRCLE}" * 9
    assert dots["focused"]
    assert drawn["pointer"] == (form.password.x + 1, form.password.y + 1)
    desktop.hide(form)
    assert changes[-1]["windows"] == []
