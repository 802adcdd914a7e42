# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's process, named java: its windows, its login at IBKR, its API."""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
from typing import Any

from ibga import pace, screen, windows
from ibga.api import Api
from ibga.jauto import JAuto
from ibga.link import Link
from ibga.settings import JtsIni, LauncherLog, UserSettings

CONNECTION_VARIABLE = "LAB_IBKR_CONNECTION"
EARLY_PINGS_VARIABLE = "LAB_EARLY_PINGS"
LONGEST_UNSEEN_SECONDS = 20.0
AUTH_TIMEOUT_SECONDS = 60.0
# However quick the lab is, a loaded machine has to have the time to answer.
LEAST_AUTH_TIMEOUT_SECONDS = 5.0


class Gateway:
    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._screen = screen.Feed()
        self._desktop = windows.Desktop(self._screen.changed.set)
        self._seen = threading.Event()
        self._pressed: queue.Queue[str] = queue.Queue()
        self._jts = JtsIni()
        self._log = LauncherLog()
        self._api = Api(lambda: self._settings is None or bool(self._settings.values["read_only"]))
        self._settings: UserSettings | None = None
        self._credentials = ("", "", "")
        self._accounts: list[str] = []
        self._notices: list[int] = []
        self._logged_in = False
        self._lost = False
        self._missed: dict[str, Any] | None = None
        self._main: windows.Window | None = None
        self._form = self._new_form()
        self._progress = windows.progress()
        self.jauto = JAuto(self._desktop, self._lock, self._seen.set)
        inherited = os.environ.get(CONNECTION_VARIABLE)
        connection = socket.socket(fileno=int(inherited)) if inherited else None
        self._link = Link(os.environ.get("IB_USERNAME", ""), connection, self._event)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self._exit(143))
        self._log.say("Build 10.48.1e, starting IB Gateway")
        self.jauto.start(int(os.environ.get(EARLY_PINGS_VARIABLE, "0")))
        self._desktop.show(self._form)
        self._screen.start(self._lock, self._desktop.drawn)
        self.jauto.run()

    def _exit(self, status: int) -> None:
        self.jauto.stop()
        os._exit(status)

    # -- windows --------------------------------------------------------------

    def _new_form(self) -> windows.LoginForm:
        return windows.LoginForm(
            self._jts.get("tradingMode", "live"),
            self._jts.get("region", "America"),
            self._jts.get("timeZone", "America/New York"),
            self._log_in,
        )

    def _show_form(self) -> None:
        self._desktop.hide(self._progress)
        self._form.password.text = ""
        self._desktop.show(self._form)

    def _show_progress(self, percent: int, text: str, login: str) -> None:
        """Shown until the image has read it, so that its log does not depend on the machine's load.

        It reads twice in each round, and tells the progress of the first reading only: so two readings are waited for.
        """
        with self._lock:
            labels = [f"{percent}%", "Build 10.48.1e", text, f"Logging in {login}"]
            for part, label in zip(self._progress.parts, labels):
                part.text = label
            self._desktop.hide(self._form)
            if self._main is not None:
                self._desktop.hide(self._main)
            self._desktop.show(self._progress)
            self._seen.clear()
        self._seen.wait(LONGEST_UNSEEN_SECONDS)
        self._seen.clear()
        self._seen.wait(LONGEST_UNSEEN_SECONDS)

    def _press(self, dialog: windows.Window, answer: str) -> None:
        self._desktop.hide(dialog)
        self._pressed.put(answer)

    def _ask_person(self, dialog: windows.Window) -> str:
        with self._lock:
            while not self._pressed.empty():
                self._pressed.get()
            self._desktop.show(dialog)
        return self._pressed.get()

    def _fail(self, title: str, text: str) -> None:
        """The form again, with a message over it that returns to the form."""

        def close() -> None:
            self._desktop.hide(dialog)
            self._show_form()

        dialog = windows.notice(title, text, close)
        with self._lock:
            if self._main is not None:
                self._desktop.hide(self._main)
            self._show_form()
            self._desktop.show(dialog)

    # -- login ----------------------------------------------------------------

    def _log_in(self) -> None:
        form = self._form
        mode = form.mode
        self._jts.save(tradingMode=mode, region=form.region.text, timeZone=form.time_zone.text)
        self._credentials = (form.user.text, form.password.text, mode)
        self._main = None
        threading.Thread(target=self._login, args=(False,), daemon=True).start()

    def _login(self, again: bool) -> None:
        login, password, mode = self._credentials
        self._missed = None
        self._log.say("Authenticating at 192.0.2.17:4000, session hash 5f3a91c2", "CCP")
        answer = self._ask({"do": "login", "login": login, "password": password, "mode": mode, "again": again})
        result = answer.get("result")
        if result in ("totp", "ok", "existing") or (result == "dialog" and answer.get("welcome")):
            pace.wait(1.0)
            self._show_progress(0, "Requesting startup parameters..", login)
            pace.wait(7.5 if result != "dialog" else 6.8)
        elif result == "dialog":
            pace.wait(5.2)
        if result == "totp":
            answer = self._second_factor(login)
            result = answer.get("result")
        if result == "existing":
            if not self._continue_over_existing(login):
                return
            answer = self._ask({"do": "continue"})
            pace.wait(6.5)
        elif result == "ok":
            self._show_progress(100, "Done", login)
            pace.wait(7.3)
        if answer.get("result") == "ok":
            self._in(login, answer, again)
        elif answer.get("result") == "dialog":
            self._say_why(answer)
            self._fail(answer["dialog"]["title"], answer["dialog"]["text"])
        else:
            self._log.say("AuthTimeoutMonitor-CCP: Timeout!", "CCP")

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        return self._link.ask(message, pace.scaled(AUTH_TIMEOUT_SECONDS, at_least=LEAST_AUTH_TIMEOUT_SECONDS))

    def _second_factor(self, login: str) -> dict[str, Any]:
        self._log.say("NS_AUTH_START", "CCP")
        self._show_progress(10, "Waiting for second factor..", login)
        pace.wait(1.0)
        while True:
            with self._lock:
                self._desktop.hide(self._progress)
            code = self._ask_for_code()
            answer = self._ask({"do": "code", "code": code})
            if answer.get("result") != "totp":
                pace.wait(5.9)
                return answer
            self._log.say("AUTH_RESULT indicates wrong second factor", "CCP")
            pace.wait(8.0)

    def _ask_for_code(self) -> str:
        dialog = windows.second_factor(
            lambda: self._press(dialog, dialog.part("JTextField").text), lambda: self._press(dialog, "")
        )
        return self._ask_person(dialog)

    def _continue_over_existing(self, login: str) -> bool:
        pace.wait(0.5)
        self._show_progress(28, "Requesting startup parameters..", login)
        pace.wait(0.3)
        dialog = windows.existing_session(
            lambda: self._press(dialog, "continue"), lambda: self._press(dialog, "cancel")
        )
        with self._lock:
            self._desktop.hide(self._progress)
        if self._ask_person(dialog) == "continue":
            return True
        with self._lock:
            self._show_form()
        return False

    def _say_why(self, answer: dict[str, Any]) -> None:
        text = answer["dialog"]["text"].replace("\n", " ")
        if answer.get("reason") == "wrong-password":
            self._log.say("AUTH_RESULT indicates wrong password", "CCP")
        elif answer.get("reason") == "locked-out":
            self._log.say(text, "CCP")
        else:
            self._log.say(f"Authorization failed: {text}", "CCP")

    def _in(self, login: str, answer: dict[str, Any], again: bool) -> None:
        self._log.say("Switching to a new encrypted log")
        with self._lock:
            self._settings = UserSettings(login, answer["kind"])
            self._accounts, self._notices = answer["accounts"], answer["notices"]
            self._logged_in = True
            self._desktop.hide(self._progress)
            self._desktop.hide(self._form)
            self._main = windows.main(login, self._close, self._configure)
            self._desktop.show(self._main)
            if answer["kind"] == "paper" and not again:

                def accept() -> None:
                    self._desktop.hide(dialog)
                    self._open_api()

                dialog = windows.paper_warning(accept)
                self._desktop.show(dialog)
            else:
                self._open_api()
            if self._missed is not None:
                self._event(self._missed)

    def _open_api(self) -> None:
        if self._logged_in and self._settings is not None and not self._form.fix.selected:
            self._api.open(int(self._settings.values["port"]), self._accounts, self._notices)

    # -- what IBKR does later -------------------------------------------------

    def _event(self, message: dict[str, Any]) -> None:
        event = message["event"]
        with self._lock:
            if event == "notice":
                self._api.notify(message["code"])
            elif event == "link-up":
                if self._lost:
                    self._lost = False
                    self._offer_relogin()
            elif not self._logged_in:
                self._missed = message
            else:
                self._api.notify(1100)
                self._api.close()
                self._logged_in = False
                if event == "kicked":
                    self._offer_relogin()
                elif event == "token-expired":
                    self._fail(message["dialog"]["title"], message["dialog"]["text"])
                elif event == "link-down":
                    self._lost = True

    def _offer_relogin(self) -> None:
        def again() -> None:
            self._desktop.hide(dialog)
            threading.Thread(target=self._login, args=(True,), daemon=True).start()

        dialog = windows.relogin(again, self._close)
        self._desktop.show(dialog)

    # -- menu -----------------------------------------------------------------

    def _close(self) -> None:
        def leave() -> None:
            pace.wait(2.0)
            self._api.close()
            self._link.tell({"do": "logout"})
            self._exit(0)

        threading.Thread(target=leave, daemon=True).start()

    def _configure(self) -> None:
        settings = self._settings
        assert settings is not None

        def ok() -> None:
            chosen = dialog.chosen()
            old = dict(settings.values)
            settings.save(chosen)
            self._desktop.hide(dialog)
            if chosen["port"] != old["port"]:
                self._open_api()
            if chosen["read_only"] != old["read_only"]:
                now = "can no longer" if chosen["read_only"] else "can now"
                text = f"The Read-Only API setting has been changed. API clients {now} place orders."
                warning = windows.read_only_changed(text, lambda: self._desktop.hide(warning))
                self._desktop.show(warning)

        dialog = windows.SettingsDialog(dict(settings.values), ok, lambda: self._desktop.hide(dialog))
        self._desktop.show(dialog)


if __name__ == "__main__":
    Gateway().run()
