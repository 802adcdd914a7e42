# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collections of requirements/collections.yml in .collections: are they there, and take them out of the wheel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".collections" / "ansible_collections"


def wanted() -> dict[str, str]:
    listed = yaml.safe_load((ROOT / "requirements" / "collections.yml").read_text(encoding="utf-8"))
    return {entry["name"]: str(entry["version"]) for entry in listed["collections"]}


def manifest(name: str) -> dict[str, object]:
    path = INSTALLED.joinpath(*name.split("."), "MANIFEST.json")
    if not path.is_file():
        return {}
    info: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))["collection_info"]
    return info


def missing() -> dict[str, str]:
    """What is wanted and not there, each with its version ("*" for a dependency's dependency)."""
    found: dict[str, str] = {}
    for name, version in wanted().items():
        info = manifest(name)
        if info.get("version") != version:
            found[name] = version
            continue
        needs = info.get("dependencies")
        if isinstance(needs, dict):
            found.update({need: "*" for need in needs if not manifest(need)})
    return found


def unpack() -> None:
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"),
                *("--dest", directory, "--requirement", str(ROOT / "requirements" / "wheel.txt")),
            ],
            check=True,
        )
        (wheel,) = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            while names := missing():
                for name, version in names.items():
                    take_out(archive, name, version)


def take_out(archive: zipfile.ZipFile, name: str, version: str) -> None:
    prefix = "/".join(["ansible_collections", *name.split("."), ""])
    members = [member for member in archive.namelist() if member.startswith(prefix)]
    if not members:
        sys.exit(f"{name} is not in {archive.filename}: name another ansible release in requirements/wheel.txt.")
    shutil.rmtree(INSTALLED.joinpath(*name.split(".")), ignore_errors=True)
    archive.extractall(INSTALLED.parent, members)
    carried = manifest(name).get("version")
    if version not in ("*", carried):
        sys.exit(
            f"requirements/wheel.txt carries {name} {carried}, requirements/collections.yml wants {version}: "
            "make the two agree."
        )


def main() -> None:
    if sys.argv[1:] == ["unpack"]:
        unpack()
    elif sys.argv[1:] != ["check"]:
        sys.exit("Usage: dependencies.py check|unpack")
    sys.exit(1 if missing() else 0)


if __name__ == "__main__":
    main()
