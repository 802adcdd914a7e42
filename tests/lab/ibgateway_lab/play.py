# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a playbook on the lab with all that it needs, and with nothing of the caller's Ansible or 1Password settings."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys
from collections.abc import Mapping

from ibgateway_lab import inventory, settings, state
from ibgateway_lab.process import LabError, run

ONEPASSWORD = settings.SOURCES / "onepassword"
STORE = settings.SOURCES / "onepassword.json"
DROPPED = ("ANSIBLE_", "OP_")
CLOSED_PROXY = "http://127.0.0.1:9"
USAGE = "usage: play PLAYBOOK [ANSIBLE-PLAYBOOK ARGUMENT...]"


def made_up_token() -> str:
    path = ONEPASSWORD / "lab_onepassword.py"
    done = run([sys.executable, str(path)], "the made-up token")
    return done.stdout.strip()


def environment(outer: Mapping[str, str], token: str) -> dict[str, str]:
    """The caller's environment without Ansible's and 1Password's variables; 1Password is out of reach by a closed proxy."""
    kept = {name: value for name, value in outer.items() if not name.startswith(DROPPED)}
    venv = settings.REPOSITORY / ".venv" / "bin"
    path = f"{venv}{os.pathsep}{kept.get('PATH', os.defpath)}" if venv.is_dir() else kept.get("PATH", os.defpath)
    return kept | {
        "PATH": path,
        "PYTHONPATH": str(ONEPASSWORD),
        "ANSIBLE_CONFIG": str(settings.REPOSITORY / "ansible.cfg"),
        "LAB_ONEPASSWORD": str(pathlib.Path(kept.get("LAB_ONEPASSWORD") or STORE).resolve()),
        "OP_SERVICE_ACCOUNT_TOKEN": token,
        "HTTPS_PROXY": CLOSED_PROXY,
        "https_proxy": CLOSED_PROXY,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def playbook_path(name: str) -> str:
    """A path, the name of one of the collection's playbooks with or without `.yml`, or an FQCN."""
    playbooks = settings.REPOSITORY / "playbooks"
    for path in (pathlib.Path(name), playbooks / name, playbooks / f"{name}.yml"):
        if path.is_file():
            return str(path.resolve())
    if name.count(".") == 2 and not name.endswith((".yml", ".yaml")):
        return name
    known = ", ".join(sorted(path.name for path in playbooks.glob("*.yml"))) or "none"
    raise LabError(f"There is no playbook {name}, neither here nor in {playbooks} (there: {known})", status=2)


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        playbook = playbook_path(sys.argv[1])
        if not state.load() or not inventory.lab_runs():
            raise LabError(inventory.NO_LAB)
        variables = environment(os.environ, made_up_token())
        program = shutil.which("ansible-playbook", path=variables["PATH"])
        if program is None:
            raise LabError("There is no ansible-playbook in .venv/bin or on the PATH: `make` installs it.")
    except LabError as error:
        print(f"play: {error}", file=sys.stderr)
        return error.status
    arguments = [program, "-i", str(settings.REPOSITORY / "inventories" / "lab"), playbook, *sys.argv[2:]]
    os.execve(program, arguments, variables)


if __name__ == "__main__":
    sys.exit(main())
