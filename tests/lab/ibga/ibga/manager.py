# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's scripts: start everything, fill in the form, and answer what the gateway shows, for ever."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import pwd
import signal
import subprocess
import sys
import threading
import time

from ibga import installation, keyboard, link, pace, services
from ibga import log as logs
from ibga.desk import Desk, Seen, SeenWindow
from ibga.gateway import CONNECTION_VARIABLE, EARLY_PINGS_VARIABLE

USER = "ibg"
CONNECT_SECONDS = 1.0
FATAL_LOGIN_FAILURE = "Invalid username or password."
RUN_SCRIPT = "/opt/ibga/_run_ibg.sh"
YES = ("y", "yes", "true")
IDLE_TICK_SECONDS = 0.25


class Manager:
    def __init__(self) -> None:
        self.log = logs.Log()
        self.settings_directory = os.environ["IBG_SETTINGS_DIR"]
        self.paper = os.environ.get("IB_LOGINTYPE") == "Paper Trading"
        self.fatal = ""
        self.warning_accepted = False
        self.desk: Desk

    def run(self) -> int:
        self.log.banner(f"Manager Startup / {logs.now()}", 48)
        services.start_all(self.log)
        if not installation.install(self.log):
            return 0
        self._start_gateway()
        while True:
            self._fill_in_form()
            if not Cycle(self).run():
                self.log.say(f"• cannot continue due to fatal error: {self.fatal}", logs.ERROR)
                self.log.say("• entering infinit sleep ...")
                with services.show_on_screen(self.fatal):
                    while True:
                        signal.pause()
            pace.wait(0.5)

    # -- start ----------------------------------------------------------------

    def _start_gateway(self) -> None:
        self.log.banner(f"IB Gateway Startup / {logs.now()}", 51)
        self.log.say(f"• time: {logs.now()}")
        self.desk = Desk()
        self.log.say("• starting IB Gateway ...")
        inherited = os.environ.get(CONNECTION_VARIABLE)
        keep = (int(inherited),) if inherited else ()
        process = subprocess.Popen([installation.program()], stdin=subprocess.DEVNULL, pass_fds=keep)
        for number in keep:
            os.close(number)
        threading.Thread(target=self._watch, args=(process.pid,), daemon=True).start()
        self.log.say(f"  pid: {process.pid}")
        self.log.say("• waiting for jauto availability ...")
        while self.desk.ask("ping", give_up_after=pace.scaled(6.0, at_least=0.5)) != ["pong"]:
            pace.wait(0.5)
        self.log.say("  jauto is ready")
        self.log.say("• waiting for main window ...")
        while (form := self._form()) is None:
            pace.wait(0.5)
        pace.wait(0.5)
        self.log.say(f"  found: {form.title} at {','.join(form.corner)}")
        pace.wait(0.5)

    def _watch(self, pid: int) -> None:
        """bash says when a process was killed; one that ended in any other way stays a zombie."""
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if end is not None and end.si_status == signal.SIGKILL:
            os.waitpid(pid, 0)
            self.log.noise(
                f'{RUN_SCRIPT}: line 27: {pid:5d} Killed                  "$IBG_DIR/Jts/ibgateway/ibgateway"'
            )

    # -- the form -------------------------------------------------------------

    def _form(self) -> SeenWindow | None:
        windows = self.desk.windows()
        return next((window for window in windows if window.name == "ibgateway.GWClient"), None)

    def _fill_in_form(self) -> None:
        self.log.say("• filling in login form ...")
        form = self._form()
        while form is None:
            pace.wait(0.5)
            form = self._form()
        self._click(form.find("JToggleButton", os.environ.get("IB_LOGINTAB", "IB API")))
        self._click(form.find("JToggleButton", os.environ.get("IB_LOGINTYPE", "")))
        pace.wait(2.5)
        self._type(form.after_label("Username"), os.environ.get("IB_USERNAME", ""))
        pace.wait(0.8)
        self._type(form.after_label("Password"), os.environ.get("IB_PASSWORD", ""))
        pace.wait(2.6)
        self._choose(form, "Region", os.environ.get("IB_REGION", ""))
        self._choose(form, "Time Zone", os.environ.get("IB_TIMEZONE", ""))
        self.log.say("• logging in ...")
        form = self._form()
        label = "Paper Log In" if self.paper else "Log In"
        self._click(form.find("JButton", label) if form else None)
        pace.wait(0.9)
        self.log.say("• entered maintenance cycle")

    def _click(self, part: Seen | None) -> None:
        if part is not None:
            self.desk.click(part.middle)

    def _type(self, field: Seen | None, text: str) -> None:
        result = keyboard.typed(text)
        for line in result.noise:
            self.log.noise(line)
        if result.ends_container:
            sys.exit(2)
        if field is not None:
            self.desk.click(field.middle)
            self.desk.type(result.text)

    def _choose(self, form: SeenWindow, label: str, wanted: str) -> None:
        combo = form.after_label(label)
        if combo is None or wanted not in combo.rows:
            return
        marker = os.path.join(self.settings_directory, f"skip_login_combobox_{label}")
        if os.path.exists(marker) and _read(marker) == wanted:
            self.log.say(
                f"  - skipping combobox {label} since persisted state ({marker}) indicates it already matches {wanted}"
            )
            return
        pace.wait(0.55)
        if combo.text == wanted:
            self.log.say(f"  - {label} already matches {wanted}.")
            _write(marker, wanted)
            return
        self.log.say(f"  - {label} combo target acquired.")
        steps = combo.rows.index(wanted) - combo.rows.index(combo.text)
        key = "Down" if steps > 0 else "Up"
        self.log.say(f"  - navigating {label} to {wanted} by pressing {key} {abs(steps)} times ...")
        self.desk.click(combo.middle)
        self.desk.key(key, abs(steps))
        pace.wait(0.15)


class Cycle:
    """One maintenance cycle: from a login's click to the next one."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.log = manager.log
        self.desk = manager.desk
        self.welcome = ""
        self.options_checked = False
        self.last_waiting = 0.0

    def run(self) -> bool:
        """True when a login is needed again, False after a fatal error."""
        pace.wait(0.5)
        while True:
            handled = self._answer(self.desk.windows())
            windows = self.desk.windows()
            shown = [window.name for window in windows]
            if self.welcome and shown == ["ibgateway.GWClient"]:
                self.log.say("• breaking out of maintenance cycle because login is needed again")
                return True
            if self.manager.fatal and (self.welcome or handled):
                self.log.say(
                    f"• breaking out of maintenance cycle due to fatal error: {self.manager.fatal}", logs.ERROR
                )
                return False
            pace.wait(0.5, at_least=IDLE_TICK_SECONDS if self.options_checked else 0.0)

    def _answer(self, windows: list[SeenWindow]) -> bool:
        """Act on what is shown; True where a dialog was answered."""
        by_title = {window.title: window for window in windows if window.kind == "JDialog"}
        self._say_welcome(windows)
        dialogs = [window for window in windows if window.kind == "JDialog"]
        if not dialogs:
            if any(window.name == "ibgateway.GWMain" for window in windows) and not self.options_checked:
                self._check_options()
            return False
        for title, act in (
            ("Second Factor Authentication", self._second_factor),
            ("Login failed", self._login_failed),
            ("Existing session detected", self._existing_session),
            ("Re-login is required", self._relogin),
        ):
            if title in by_title:
                act(by_title[title])
                return True
        for dialog in dialogs:
            if "security tokens" in dialog.message and "expired" in dialog.message:
                self.log.say(f"  - token expired detected: {dialog.message_to_first_comma}")
                self._press(dialog, "OK")
                return True
        warning = by_title.get("Warning")
        if warning is not None and warning.message.startswith("<html>This is not a brokerage account."):
            return self._paper_warning(warning)
        return False

    def _say_welcome(self, windows: list[SeenWindow]) -> None:
        for window in windows:
            if window.name == "twslaunch.jutils.LoginProgressFrame":
                text = " ".join(part.text for part in window.parts)
                if text != self.welcome:
                    self.welcome = text
                    self.log.say(f"  - welcome: {text}")

    def _press(self, window: SeenWindow, button: str) -> None:
        part = window.find("JButton", button)
        if part is not None:
            name = button if button == "OK" else f"[{button}]"
            self.log.say(f"    clicking {name} at {part.middle[0]},{part.middle[1]} ...")
            self.desk.click(part.middle)
            pace.wait(0.5)

    def _login_failed(self, dialog: SeenWindow) -> None:
        text = dialog.message_to_first_comma
        self.log.say(f"  - login failed: {text}")
        self._press(dialog, "OK")
        if text == FATAL_LOGIN_FAILURE:
            self.manager.fatal = text
        pace.wait(0.6)

    def _existing_session(self, dialog: SeenWindow) -> None:
        self.log.say("  - existing session detected, will kick it out")
        pace.wait(0.5)
        self.log.say("  - clicking 'Continue Login' to dismiss existing session dialog")
        self.manager._click(dialog.find("JButton", "Continue Login"))

    def _relogin(self, dialog: SeenWindow) -> None:
        time.sleep(float(os.environ.get("IBGA_RECONNECT_INTERVAL") or 0))
        self.log.say("  - handle relogin warning by allowing ...")
        self.welcome = ""
        self.manager._click(dialog.find("JButton", "Re-login"))
        pace.wait(0.3)

    def _paper_warning(self, dialog: SeenWindow) -> bool:
        if not self.manager.paper:
            return False
        if self.manager.warning_accepted:
            if not self.options_checked:
                self._check_options()
            return False
        button = "I understand and accept"
        self.log.say(f"  - got warning: {dialog.message_to_first_comma} [{button}]")
        self._press(dialog, button)
        self.manager.warning_accepted = True
        pace.wait(1.0)
        return True

    def _second_factor(self, dialog: SeenWindow) -> None:
        secret = os.environ.get("TOTP_KEY", "")
        if not secret:
            if time.monotonic() - self.last_waiting >= pace.scaled(6.1):
                self.last_waiting = time.monotonic()
                self.log.say("!!! IB Gateway is waiting for two-factor authentication !!!")
            return
        self.log.say("  - handling TOTP Mobile Authenticator")
        field = next(part for part in dialog.parts if part.kind == "JTextField")
        self.log.say("    TOTP form identified")
        self.desk.click(field.middle)
        self.desk.type(totp(secret, time.time()))
        pace.wait(0.4)
        self.log.say("    TOTP answer entered")
        self.manager._click(dialog.find("JButton", "OK"))
        pace.wait(0.36)
        self.log.say("    TOTP OK clicked")

    # -- options --------------------------------------------------------------

    def _check_options(self) -> None:
        self.options_checked = True
        marker = os.path.join(self.manager.settings_directory, "skip_option_check2")
        if os.path.exists(marker):
            self.log.say(f"  - option check skipped, to perform again remove {marker}")
            return
        say = self.log.say
        say("  - option check, clicking menu Configure/Settings ...")
        menu = self.desk.menu_place("Configure/Settings")
        if menu is not None:
            self.desk.click(menu)
        pace.wait(3.1)
        say("  - option check, double clicking tree item Configuration/API ...")
        self._click_row("Configuration/API", double=True)
        pace.wait(0.9)
        if self._settings() is not None and self._row("Configuration/API/Settings") is not None:
            say("  - option check, clicking tree item Configuration/API/Settings ...")
            self._click_row("Configuration/API/Settings")
        pace.wait(0.9)
        if self._change_options():
            say("  - option check, confirming settings change ...")
            self._press_quietly("OK")
            pace.wait(1.5)
            self._handle_general_warning()
        else:
            say("  - option check, no settings change necessary.")
            self._press_quietly("Cancel")
            _write(marker, "")
            say(f"  - option check, created {marker} to skip future option check runs.")

    def _settings(self) -> SeenWindow | None:
        return next((window for window in self.desk.windows() if window.title == "Settings"), None)

    def _row(self, name: str) -> Seen | None:
        settings = self._settings()
        parts = settings.parts if settings else []
        return next((part for part in parts if part.kind == "JTree(row)" and part.name == name), None)

    def _click_row(self, name: str, double: bool = False) -> None:
        row = self._row(name)
        if row is not None:
            self.desk.click(row.middle, double)

    def _press_quietly(self, button: str) -> None:
        settings = self._settings()
        self.manager._click(settings.find("JButton", button) if settings else None)

    def _change_options(self) -> bool:
        settings = self._settings()
        if settings is None:
            return False
        changed = False
        read_only = os.environ.get("IB_READONLY", "")
        api_log = os.environ.get("IB_APILOG", "")
        boxes = [("Read-Only API", "IB_READONLY", read_only, read_only in YES)]
        if api_log:
            boxes.append(("Create API message log file", "IB_APILOG", api_log, True))
        if api_log == "data":
            boxes.append(("Include market data in API log file", "IB_APILOG", api_log, True))
        for text, variable, value, wanted in boxes:
            box = settings.find("JCheckBox", text)
            if box is not None and box.selected != wanted:
                verb = "checking" if wanted else "unchecking"
                self.log.say(f"  - option check, {verb} {text} for {variable}: {value} ...")
                self.desk.click(box.middle)
                pace.wait(0.35)
                changed = True
        port = settings.after_label("Socket port")
        wanted_port = os.environ["IBG_PORT_INTERNAL"]
        if port is not None and port.text != wanted_port:
            self.log.say(f"  - option check, changing port from {port.text} to {wanted_port} ...")
            self.desk.click(port.middle)
            self.desk.type(wanted_port)
            pace.wait(0.45)
            changed = True
        level = settings.after_label("Logging Level")
        wanted_level = os.environ.get("IB_LOGLEVEL", "")
        if level is not None and wanted_level in level.rows and level.text != wanted_level:
            self.log.say(f"  - option check, changing log level from {level.text} to {wanted_level} ...")
            steps = level.rows.index(wanted_level) - level.rows.index(level.text)
            self.desk.click(level.middle)
            self.desk.key("Down" if steps > 0 else "Up", abs(steps))
            changed = True
        return self._change_logoff() or changed

    def _change_logoff(self) -> bool:
        wanted = os.environ.get("IB_LOGOFF", "")
        if not wanted:
            return False
        self._click_row("Configuration/Lock and Exit")
        settings = self._settings()
        field = settings.after_label("Auto restart time") if settings else None
        if field is None or field.text == wanted:
            return False
        self.log.say(f"  - option check, changing auto restart time from {field.text} to {wanted} ...")
        self.desk.click(field.middle)
        self.desk.type(wanted)
        return True

    def _handle_general_warning(self) -> None:
        for window in self.desk.windows():
            if window.name == "feature.messages.MessageDialog":
                self.log.say(f"  - handle general warning: {window.message_to_first_comma}")
                self._press(window, "OK")


def totp(secret: str, at: float) -> str:
    """The code that the image types; nothing where the secret is no base32."""
    padded = "".join(secret.split()).upper()
    try:
        key = base64.b32decode(padded + "=" * (-len(padded) % 8))
    except binascii.Error:
        return ""
    digest = hmac.digest(key, (int(at) // 30).to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 1000000:06d}"


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def prepare() -> None:
    """As root: hand the volumes to the image's user, then become that user."""
    directories = [os.environ["IBG_DIR"], os.environ["IBG_SETTINGS_DIR"], os.environ["IBGA_LOG_EXPORT_DIR"]]
    if os.environ.get("IBGA_EXPORT_LOGS") == "true":
        os.makedirs(directories[2], exist_ok=True)
    subprocess.run(["chown", "-R", f"{USER}:{USER}", *directories], check=False)
    user = pwd.getpwnam(USER)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ["HOME"] = user.pw_dir
    if os.environ.get("IB_TIMEZONE"):
        os.environ["TZ"] = os.environ["IB_TIMEZONE"]
        time.tzset()
    password = os.environ.get("IBGA_VNC_PASSWORD", "")
    if password:
        path = os.path.join(os.environ["IBG_DIR"], ".vnc_passwd")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(password[:8])


def report_up() -> None:
    """Tell the lab's IBKR that this gateway is up; the connection goes on to the gateway's process."""
    connection = link.connect(CONNECT_SECONDS)
    if connection is None:
        return
    try:
        settings = link.report_up(connection, os.environ.get("IB_USERNAME", ""))
    except (OSError, ValueError, KeyError):
        return
    os.environ[pace.SPEED_VARIABLE] = str(settings["speed"])
    os.environ[EARLY_PINGS_VARIABLE] = str(settings["early_pings"])
    os.environ[CONNECTION_VARIABLE] = str(connection.detach())


if __name__ == "__main__":
    prepare()
    report_up()
    sys.exit(Manager().run())
