# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs beside the gateway, started once and not supervised, as in the real image."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import IO

from ibga import pace, screen
from ibga.log import Log

DISPLAY = ":0"
PASSWORD_FILE = ".vnc_passwd"  # noqa: S105
# The screen's programs start at once and wait for the display by themselves: a login does not depend on it.
AFTER_DISPLAY = f"n=0; until [ -S {screen.SOCKET} ] || [ $n -ge 300 ]; do n=$((n + 1)); sleep 0.1; done; exec "


def start_all(log: Log) -> None:
    os.environ["DISPLAY"] = DISPLAY
    for stale in ("/tmp/.X0-lock", screen.SOCKET):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(stale)
    xvfb = f"/usr/bin/Xvfb {DISPLAY} -ac -screen 0 1024x768x16 +extension RANDR"
    _start(log, "xvfb", xvfb, xvfb)
    pace.wait(0.8)
    log.say(f"  display {DISPLAY} is ready")
    x11vnc = f"/usr/bin/x11vnc -forever -shared -rfbport 5900 -o /var/log/x11vnc.log -display {DISPLAY}"
    _start(log, "x11vnc", x11vnc, f"{AFTER_DISPLAY}{x11vnc} {_password()}")
    novnc = "/opt/noVNC-1.3.0/utils/novnc_proxy --listen 5800 --vnc localhost:5900"
    _start(log, "novnc", novnc, "/usr/bin/python3 -S -m ibga.novnc")
    outside, inside = os.environ["IBG_PORT"], os.environ["IBG_PORT_INTERNAL"]
    socat = f"/usr/bin/socat TCP-LISTEN:{outside},fork,reuseaddr TCP:localhost:{inside},forever,shut-down"
    _start(log, "socat", socat, socat)


def show_on_screen(text: str) -> IO[bytes]:
    """What the real image writes over the whole screen after a fatal error; it stays until what is returned is closed."""
    return screen.start_program(screen.notice(text))


def _password() -> str:
    path = os.path.join(os.environ["IBG_DIR"], PASSWORD_FILE)
    return f"-passwdfile {path}" if os.environ.get("IBGA_VNC_PASSWORD") else "-nopw"


def _start(log: Log, name: str, told: str, command: str) -> None:
    """The log tells the real image's command."""
    log.say(f"• starting {name} ({told}) ...")
    process = subprocess.Popen(
        ["/bin/sh", "-c", command if command.startswith("n=") else f"exec {command}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log.say(f"  pid: {process.pid}")
