# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The install step: use what is on the program volume, else the installer that lies there, else download one."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from ibga import log as logs
from ibga import pace
from ibga.log import Log

TRIES = 10
BANNER_WIDTH = 28
_INSTALL_SCRIPT = "/opt/ibga/_install_ibg.sh"


def program() -> str:
    return os.path.join(os.environ["IBG_DIR"], "Jts/ibgateway/ibgateway")


def install(log: Log) -> bool:
    """True once the gateway is there; False after ten failures."""
    directory = os.environ["IBG_DIR"]
    fresh = not os.path.exists(program())
    if fresh:
        for number in range(1, TRIES + 1):
            log.banner(f"IB Gateway Installation {number}", BANNER_WIDTH)
            log.say(f"• will install into {directory}")
            pace.wait(5.0)
            if _try(log, directory):
                break
            log.say(f"• manager will retry installation in 60s ({number + 1} of {TRIES}) ...")
            pace.wait(10.0)
        else:
            log.say("• manager is shutting down due to installation failure.", logs.ERROR)
            return False
    log.say(f"• found IBG at {program()}.", logs.SUCCESS)
    if fresh:
        with open(program() + ".vmoptions", "a", encoding="utf-8") as file:
            file.write("-javaagent:/opt/ibga/jauto.jar=/tmp/ibg-jauto.in\n")
        log.say("• ibgateway.vmoptions patched for jauto")
    return True


def _try(log: Log, directory: str) -> bool:
    installer = os.path.join(directory, "ibgateway.sh")
    if os.path.exists(installer):
        log.say(f"• will use the existing installer: {installer} ...")
    else:
        url = os.environ["IBG_DOWNLOAD_URL"]
        log.say(f"• downloading from {url} ...")
        if not _download(log, url, installer):
            log.noise(f"chmod: cannot access '{installer}': No such file or directory")
    log.say("• installing ...")
    if os.path.exists(installer):
        os.chmod(installer, 0o755)
        subprocess.run(["./ibgateway.sh"], cwd=directory, check=False)
    else:
        log.noise(f"{_INSTALL_SCRIPT}: line 63: ./ibgateway.sh: No such file or directory")
    if os.path.exists(program()):
        return True
    log.say("• installation has failed.", logs.ERROR)
    if os.path.exists(installer):
        os.unlink(installer)
    else:
        log.noise(f"rm: cannot remove '{installer}': No such file or directory")
    return False


def _download(log: Log, url: str, to: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, open(to, "wb") as file:
            shutil.copyfileobj(answer, file)
        return True
    except (urllib.error.URLError, OSError, ValueError):
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        log.noise(f"curl: (7) Failed to connect to {parts.hostname} port {port} after 0 ms: Couldn't connect to server")
        log.noise("")
        return False
