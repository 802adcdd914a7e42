# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs beside the gateway, started once and not supervised, as in the real image.

The screen's three are not started here: the log says of them what the real image says.
"""

from __future__ import annotations

import os
import subprocess

from ibga import pace
from ibga.log import Log


def start_all(log: Log) -> None:
    _say(log, "xvfb", "/usr/bin/Xvfb :0 -ac -screen 0 1024x768x16 +extension RANDR")
    pace.wait(0.8)
    log.say("  display :0 is ready")
    _say(log, "x11vnc", "/usr/bin/x11vnc -forever -shared -rfbport 5900 -o /var/log/x11vnc.log -display :0")
    _say(log, "novnc", "/opt/noVNC-1.3.0/utils/novnc_proxy --listen 5800 --vnc localhost:5900")
    outside, inside = os.environ["IBG_PORT"], os.environ["IBG_PORT_INTERNAL"]
    socat = f"/usr/bin/socat TCP-LISTEN:{outside},fork,reuseaddr TCP:localhost:{inside},forever,shut-down"
    log.say(f"• starting socat ({socat}) ...")
    process = subprocess.Popen(
        socat.split(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log.say(f"  pid: {process.pid}")


def _say(log: Log, name: str, command: str) -> None:
    log.say(f"• starting {name} ({command}) ...")
    with subprocess.Popen(["/bin/true"]) as process:
        log.say(f"  pid: {process.pid}")
