# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway keeps on the settings volume: jts.ini for all users, a directory of its own for each user."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import time
from typing import Any

DIRECTORY = os.environ.get("IBG_SETTINGS_DIR", "/home/ibg_settings")
DEFAULT_PORTS = {"paper": 4002, "live": 4001}


class JtsIni:
    def __init__(self) -> None:
        self._path = os.path.join(DIRECTORY, "jts.ini")
        self._ini = configparser.ConfigParser(interpolation=None)
        self._ini.optionxform = str  # type: ignore[assignment]
        self._ini.read(self._path, encoding="utf-8")
        if not self._ini.has_section("Logon"):
            self._ini.add_section("Logon")

    def get(self, name: str, default: str) -> str:
        return self._ini.get("Logon", name, fallback=default)

    def save(self, **values: str) -> None:
        for name, value in values.items():
            self._ini.set("Logon", name, value)
        with open(self._path, "w", encoding="utf-8") as file:
            self._ini.write(file, space_around_delimiters=False)


class UserSettings:
    def __init__(self, login: str, kind: str) -> None:
        directory = os.path.join(DIRECTORY, hashlib.sha256(login.casefold().encode()).hexdigest()[:16])
        os.makedirs(directory, exist_ok=True)
        self._path = os.path.join(directory, "settings.json")
        self.values: dict[str, Any] = {
            "read_only": True,
            "port": DEFAULT_PORTS[kind],
            "api_log": False,
            "api_log_data": False,
            "log_level": "Error",
            "logoff": "",
        }
        if os.path.exists(self._path):
            with open(self._path, encoding="utf-8") as file:
                self.values.update(json.load(file))

    def save(self, values: dict[str, Any]) -> None:
        self.values = dict(values)
        with open(self._path, "w", encoding="utf-8") as file:
            json.dump(self.values, file, indent=2)


class LauncherLog:
    """launcher.log: plain text until the login succeeds."""

    def __init__(self) -> None:
        self._path = os.path.join(DIRECTORY, "launcher.log")

    def say(self, text: str, thread: str = "JTS-Main") -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(f"{stamp}.{int(time.time() * 1000) % 1000:03d} [{thread}] INFO  - {text}\n")
