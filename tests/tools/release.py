# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a release of this checkout: `release.py 1.2.0`. Version, changelog, checks, commit, tag and archive; pushes nothing.

What can be told beforehand is told before anything is changed; where a later step fails, what was changed is taken back.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
VERSION_LINE = re.compile(r"^version: (\S+)$", re.MULTILINE)
BRANCH = "main"


class NoReleaseError(Exception):
    """What is wrong, and what to do."""


class Release:
    def __init__(self, version: str, root: Path = ROOT) -> None:
        self.version = version
        self._root = root

    def make(self) -> Path:
        self._check()
        try:
            self._write_version()
            self._run("antsibull-changelog", "release")
            # What lint and the archive read is what Git lists, and the fragments are gone by now.
            self._git("add", "--all")
            self._run(os.environ.get("MAKE", "make"), "lint")
            archive = self._build()
            self._git("commit", "--quiet", "--message", f"Release {self.version}")
            self._git("tag", "--annotate", "--message", f"Release {self.version}", self.version)
        except (NoReleaseError, KeyboardInterrupt):
            # The tree was clean, so all that differs is this release's.
            self._git("reset", "--quiet", "--hard", "HEAD")
            self._git("clean", "--quiet", "--force", "--", "changelogs", "CHANGELOG.md")
            raise
        return archive

    def _check(self) -> None:
        problems = []
        new = VERSION.fullmatch(self.version)
        if not new:
            problems.append(f"{self.version or 'no version'} is no version: make release VERSION=1.2.0")
        if self._git("status", "--porcelain"):
            problems.append("the tree is not clean: commit or put aside what `git status` shows")
        branch = self._git("branch", "--show-current")
        if branch != BRANCH:
            problems.append(f"this is the branch {branch or '(none)'}, and releases are made of {BRANCH}")
        tags = self._git("tag", "--list").split()
        if self.version in tags:
            problems.append(f"there is a tag {self.version} already")
        highest = max((numbers(tag) for tag in tags if VERSION.fullmatch(tag)), default=None)
        if new and highest and numbers(self.version) < highest:
            problems.append(f"{self.version} is not higher than {'.'.join(map(str, highest))}")
        if not list((self._root / "changelogs" / "fragments").glob("*.y*ml")):
            problems.append("there is no fragment in changelogs/fragments, so there is nothing to release")
        if problems:
            raise NoReleaseError("Nothing was changed:\n" + "\n".join(f"- {problem}" for problem in problems))

    def _write_version(self) -> None:
        path = self._root / "galaxy.yml"
        text = path.read_text(encoding="utf-8")
        path.write_text(VERSION_LINE.sub(f"version: {self.version}", text), encoding="utf-8")

    def _build(self) -> Path:
        printed = self._run(sys.executable, str(self._root / "tests" / "tools" / "package.py"), "build")
        return Path(printed.splitlines()[-1])

    def _git(self, *arguments: str) -> str:
        return self._run("git", *arguments).strip()

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            said = f"`{' '.join(command)}` failed; what was changed is taken back.\n{done.stdout}"
            raise NoReleaseError(said)
        return done.stdout


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def main(arguments: Sequence[str]) -> int:
    release = Release(arguments[0] if arguments else "")
    try:
        archive = release.make()
    except NoReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{archive.relative_to(ROOT)}  sha256 {hashlib.sha256(archive.read_bytes()).hexdigest()}")
    print("Committed and tagged here; to publish:")
    print(f"  git push origin {BRANCH} {release.version}")
    print(f"  ansible-galaxy collection publish {archive.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
