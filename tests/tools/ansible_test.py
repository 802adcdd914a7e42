# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test on this checkout: `ansible_test.py sanity --test pep8`; `ansible_test.py copy` only makes the copy.

ansible-test wants the collection at a real path …/ansible_collections/abstractfinance/ibgateway, so it gets a copy
there: what Git tracks and what it does not ignore. Its virtual environments and its copy of pip stay in .build.
"""

from __future__ import annotations

import filecmp
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
COPY = BUILD / "ansible_collections" / "abstractfinance" / "ibgateway"
PYTHONS = BUILD / "pythons"
# The script that ansible-test looks for to put pip into its virtual environments.
GET_PIP = """\
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "pip-{version}-py3-none-any.whl"))
from pip._internal.cli.main import main

sys.exit(main(["install", "--no-index", "--find-links", os.path.dirname(__file__)] + [
    argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")
]))
"""


def git(*arguments: str, directory: Path = ROOT) -> str:
    return subprocess.run(
        ["git", "-C", str(directory), *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def listed(*options: str) -> set[str]:
    return set(git("ls-files", "-z", *options).split("\0")) - {""}


def copy_checkout() -> None:
    wanted = listed("--cached", "--others", "--exclude-standard") - listed("--deleted")
    COPY.mkdir(parents=True, exist_ok=True)
    git("init", "--quiet", directory=COPY)
    for path in COPY.rglob("*"):
        relative = path.relative_to(COPY)
        if relative.parts[0] != ".git" and (path.is_symlink() or path.is_file()) and str(relative) not in wanted:
            path.unlink()
    for name in wanted:
        source, target = ROOT / name, COPY / name
        if not same(source, target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    others = COPY.parents[1] / "community"
    if not others.is_symlink():
        others.symlink_to(ROOT / ".collections" / "ansible_collections" / "community")


def same(source: Path, target: Path) -> bool:
    if source.is_symlink() or target.is_symlink() or not target.exists():
        return False
    return source.stat().st_mode == target.stat().st_mode and filecmp.cmp(source, target, shallow=False)


def wanted_pip() -> str:
    """The version that this ansible-test wants; each release of ansible-core has its own."""
    core = importlib.metadata.distribution("ansible-core")
    source = Path(str(core.locate_file("ansible_test/_internal/python_requirements.py")))
    found = re.search(r"\bpip='([\d.]+)'", source.read_text(encoding="utf-8"))
    if not found:
        sys.exit(f"{source} names no version of pip any more")
    return found[1]


def provide_pip(home: Path) -> None:
    version = wanted_pip()
    cache = home / ".ansible" / "test" / "cache"
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"),
            *("--only-binary=:all:", "--dest", str(cache), f"pip=={version}"),
        ],
        check=True,
    )
    script.write_text(GET_PIP.replace("{version}", version), encoding="utf-8")


def set_up_home(home: Path) -> None:
    """ansible-test hands HOME on and nearly nothing else, so what pip has to know stands in files there."""
    home.mkdir(parents=True, exist_ok=True)
    for directory, variable in ((".config", "XDG_CONFIG_HOME"), (".cache", "XDG_CACHE_HOME")):
        if not (home / directory).is_symlink():
            (home / directory).symlink_to(os.environ.get(variable) or Path.home() / directory)
    settings = {"quiet": "2"}
    for name, value in os.environ.items():
        if name.startswith("PIP_"):
            settings[name[4:].lower().replace("_", "-")] = value
    pip_conf = home / ".pip" / "pip.conf"
    pip_conf.parent.mkdir(exist_ok=True)
    pip_conf.touch(mode=0o600)
    pip_conf.write_text("\n".join(["[global]", *(f"{name} = {value}" for name, value in settings.items()), ""]))


def real_pythons() -> list[str]:
    """Put each supported Python that works under its own name into one directory; a version manager's shim may not."""
    shutil.rmtree(PYTHONS, ignore_errors=True)
    PYTHONS.mkdir(parents=True)
    found = []
    directories = os.get_exec_path() + [str(path) for path in Path.home().glob(".pyenv/versions/*/bin")]
    for version in (f"3.{minor}" for minor in range(8, 14)):
        for directory in directories:
            executable = real_executable(Path(directory) / f"python{version}")
            if executable:
                (PYTHONS / f"python{version}").symlink_to(executable)
                found.append(version)
                break
    return found


def real_executable(python: Path) -> str | None:
    if not os.access(python, os.X_OK):
        return None
    asked = subprocess.run(
        [str(python), "-c", "import sys, ensurepip; print(getattr(sys, '_base_executable', sys.executable))"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return asked.stdout.strip() if asked.returncode == 0 else None


def main(arguments: list[str]) -> int:
    command, *rest = arguments
    copy_checkout()
    if command == "copy":
        return 0
    home = BUILD / "home"
    set_up_home(home)
    provide_pip(home)
    pythons = real_pythons()
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    print(f"ansible-test with Python {here}; Pythons found for plugins: {', '.join(pythons)}", flush=True)
    environment = dict(os.environ)
    environment["HOME"] = str(home)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), str(PYTHONS), environment["PATH"]])
    # Sanity compiles and imports the plugins with each Python found; units run with this one.
    python = [] if command == "sanity" else ["--python", here]
    test = subprocess.run(
        ["ansible-test", command, "--local", *python, "--color", "no", *rest],
        cwd=COPY,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    reports = COPY / "tests" / "output" / "junit"
    if command == "units" and reports.is_dir():
        shutil.copytree(reports, BUILD / "junit" / "unit", dirs_exist_ok=True)
    return test.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
