# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian packages that the machine itself needs for the lab."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import threading
from collections.abc import Mapping

from ibgateway_lab.process import LabError, Progress, run

APT_TIMEOUT = 600
APT_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
_apt_lock = threading.Lock()


def os_release(path: pathlib.Path = pathlib.Path("/etc/os-release")) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {key: value.strip("\"'") for key, dummy, value in (line.partition("=") for line in lines) if value}


def is_debian(release: Mapping[str, str]) -> bool:
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    return bool(family & {"debian", "ubuntu"})


def can_install() -> bool:
    return os.geteuid() == 0 and is_debian(os_release()) and shutil.which("apt-get") is not None


def known(package: str) -> bool:
    shown = run(["apt-cache", "policy", package], "apt-cache policy", check=False).stdout
    return bool(re.search(r"Candidate: (?!\(none\))", shown))


def install(packages: list[str], progress: Progress) -> None:
    with _apt_lock:
        if not any(pathlib.Path("/var/lib/apt/lists").glob("*_Packages*")):
            update()
        packages = [package for package in packages if package != "docker-cli" or known(package)]
        progress(f"installing {' '.join(packages)}")
        command = ["apt-get", "install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", *packages]
        what = f"apt-get install {' '.join(packages)}"
        first = run(command, what, timeout=APT_TIMEOUT, check=False, extra_environment=APT_ENVIRONMENT)
        if first.returncode:
            update()
            run(command, what, timeout=APT_TIMEOUT, extra_environment=APT_ENVIRONMENT)


def update() -> None:
    run(["apt-get", "update"], "apt-get update", timeout=APT_TIMEOUT, extra_environment=APT_ENVIRONMENT)


def need(program: str, package: str, progress: Progress) -> None:
    """Have a program on the PATH, from a Debian package where that can be."""
    if shutil.which(program):
        return
    if not can_install():
        raise LabError(f"The lab needs the program {program} (Debian and Ubuntu: apt-get install {package}).", status=2)
    install([package], progress)
