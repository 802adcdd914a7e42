# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of the plugins the tests run, by branch: `coverage_report.py [unit] [integration] [molecule]`, all by default.

What runs on the controller is measured in every process there. What runs on the lab's hosts is measured on them: for the
length of a Molecule run, they get the coverage package and its settings, and Ansible's own switch has each module load it.
SCENARIOS="-s deploy" in the environment has Molecule run that one only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from ibgateway_lab.lab import Lab  # noqa: E402

MAKE = os.environ.get("MAKE", "make")
PLACE = ROOT / ".build" / "coverage"
SETTINGS = PLACE / "settings"
SUITES = ("unit", "integration", "molecule")
# The same on the hosts and here, since tasks of localhost are told the same.
ON_HOSTS = Path("/var/tmp/ibgateway-coverage")
HOSTS_PYTHON = "3.13"
HOSTS_PACKAGES = f"/usr/local/lib/python{HOSTS_PYTHON}/dist-packages"
# Kind of code: what belongs to it, and how much has to be run.
KINDS = {
    "plain code": ("plugins/module_utils/*", 95),
    "modules": ("plugins/modules/*", 90),
    "actions and filters": ("plugins/action/*,plugins/filter/*,plugins/plugin_utils/*", 90),
}
CONTROLLER_SETTINGS = f"""\
[run]
branch = true
parallel = true
data_file = {PLACE}/data
source = {ROOT}/plugins
patch =
    subprocess
    fork
    _exit
[paths]
plugins =
    {ROOT}/plugins
    */ansible_collections/abstractfinance/ibgateway/plugins
[report]
include_namespace_packages = true
omit = */__init__.py
exclude_also =
    if __name__ == .__main__.:
    if TYPE_CHECKING:
"""
HOSTS_SETTINGS = """\
[run]
branch = true
parallel = true
include = */ansible_collections/abstractfinance/ibgateway/plugins/*
"""


def run(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    print(f"\n── {' '.join(command[-3:])}", flush=True)
    return (
        subprocess.run(command, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL, check=False).returncode == 0
    )


def python(*arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def suite(name: str) -> bool:
    environment = {**os.environ, "COVERAGE_PROCESS_START": str(SETTINGS)}
    if name != "unit" and not run([MAKE, "lab"], os.environ):
        return False
    if name != "molecule":
        return run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/{name}"], environment)
    switch = {"config": str(ON_HOSTS / "settings"), "output": str(ON_HOSTS / "data")}
    environment["_ANSIBLE_ANSIBALLZ_COVERAGE_CONFIG"] = json.dumps(switch)
    lab = Lab()
    hosts = lab.hosts()
    try:
        prepare_hosts(lab, hosts)
        return run([MAKE, "run-molecule", "LABS=1", f"ARGS={os.environ.get('SCENARIOS', '')}"], environment)
    finally:
        collect(lab, hosts)


def prepare_hosts(lab: Lab, hosts: Sequence[str]) -> None:
    version = python("pip", "show", "coverage").partition("Version: ")[2].partition("\n")[0]
    with tempfile.TemporaryDirectory() as directory:
        python(
            *("pip", "download", "-qq", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"),
            *("--python-version", HOSTS_PYTHON, "--dest", directory, f"coverage=={version}"),
        )
        (wheel,) = Path(directory).glob("*.whl")
        unpacked = Path(directory) / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        (unpacked / "settings").write_text(HOSTS_SETTINGS, encoding="utf-8")
        for host in hosts:
            lab.output(host, "mkdir", "-p", str(ON_HOSTS))
            docker("cp", str(unpacked / "coverage"), f"{lab.host(host).name}:{HOSTS_PACKAGES}/coverage")
            docker("cp", str(unpacked / "settings"), f"{lab.host(host).name}:{ON_HOSTS}/settings")
        ON_HOSTS.mkdir(parents=True, exist_ok=True)
        shutil.copy2(unpacked / "settings", ON_HOSTS / "settings")


def collect(lab: Lab, hosts: Sequence[str]) -> None:
    """Bring home what was measured, under names of this machine's, and leave nothing there."""
    for host in hosts:
        target = PLACE / "hosts" / host
        target.parent.mkdir(parents=True, exist_ok=True)
        docker("cp", f"{lab.host(host).name}:{ON_HOSTS}", str(target))
        lab.output(host, "rm", "-rf", str(ON_HOSTS), f"{HOSTS_PACKAGES}/coverage")
    shutil.copytree(ON_HOSTS, PLACE / "hosts" / "localhost", dirs_exist_ok=True)
    shutil.rmtree(ON_HOSTS, ignore_errors=True)
    for number, path in enumerate(sorted((PLACE / "hosts").glob("*/data=*"))):
        path.rename(PLACE / f"data.host.{number}")


def docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, stdout=subprocess.DEVNULL)


def report() -> bool:
    options = [f"--rcfile={SETTINGS}"]
    python("coverage", "combine", *options)
    # What combine has left is of processes that were killed while they wrote, and report would stumble over it.
    for path in PLACE.glob("data.*"):
        path.unlink()
    print(python("coverage", "report", *options, "--skip-covered", "--show-missing"))
    enough = True
    for kind, (what, bound) in KINDS.items():
        asked = subprocess.run(
            [
                sys.executable,
                "-m",
                "coverage",
                "report",
                *options,
                f"--include={what}",
                "--format=total",
                "--precision=1",
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        found = re.search(r"[\d.]+", asked.stdout)
        share = float(found[0]) if found else 0.0
        enough = enough and share >= bound
        print(f"{kind:<20}{share:5.1f} %   {'ok' if share >= bound else f'less than {bound} %'}")
    return enough


def main(arguments: Sequence[str]) -> int:
    wanted = list(arguments) or list(SUITES)
    if not set(wanted) <= set(SUITES):
        print(f"usage: coverage_report.py [{'|'.join(SUITES)}]...", file=sys.stderr)
        return 2
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    SETTINGS.write_text(CONTROLLER_SETTINGS, encoding="utf-8")
    passed = [suite(name) for name in wanted]
    enough = report()
    return 0 if all(passed) and enough else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
