# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's archive: `package.py build` makes it in .build/dist and prints its path, `package.py check` imports it.

The archive is made of what Git tracks and does not ignore, less galaxy.yml's build_ignore. The check is galaxy-importer,
what Galaxy itself runs on an upload; here its warnings fail as well. Its ansible-lint is left to `make lint-ansible`, which
holds to the same profile and finds the collections that ours depends on; the importer hides them from it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import ansible_test

BUILD = ansible_test.BUILD
DIST = BUILD / "dist"
WARNING = re.compile(r"^(WARNING|ERROR|CRITICAL)\b.*", re.MULTILINE)


def build() -> Path:
    ansible_test.copy_checkout()
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir(parents=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "galaxy", "collection", "build"),
            *("--force", "--output-path", str(DIST), str(ansible_test.COPY)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    archives = list(DIST.glob("*.tar.gz"))
    if done.returncode or len(archives) != 1:
        sys.exit(done.stdout)
    return archives[0]


def import_as_galaxy(archive: Path) -> list[str]:
    """What galaxy-importer has against the archive."""
    with tempfile.TemporaryDirectory(dir=BUILD) as directory:
        done = subprocess.run(
            [sys.executable, "-m", "galaxy_importer.main", str(archive)],
            cwd=directory,
            env={
                **os.environ,
                "TMPDIR": directory,
                "GALAXY_IMPORTER_ANSIBLE_LOCAL_TMP": directory,
                "GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "false",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    found = [match[0] for match in WARNING.finditer(done.stdout)]
    if done.returncode and not found:
        found = [done.stdout]
    return found


def main(arguments: Sequence[str]) -> int:
    if list(arguments) == ["build"]:
        print(build())
        return 0
    if list(arguments) == ["check"]:
        found = import_as_galaxy(build())
        print("\n".join(found), end="\n" if found else "")
        return 1 if found else 0
    print("usage: package.py build|check", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
