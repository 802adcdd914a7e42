# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of a small repository, with Git itself; make and antsibull-changelog are replaced, being slow."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import release

CHANGELOG = "#!/bin/sh\necho \"v$(sed -n 's/^version: //p' galaxy.yml)\" > CHANGELOG.md\nrm changelogs/fragments/*\n"
# Like lint, it reads every file that Git lists.
MAKE = "#!/bin/sh\ntest ! -e lint-is-bad && git ls-files | xargs ls > /dev/null\n"
PACKAGE = "print('built')\nprint('.build/dist/x.tar.gz')\n"


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@x.example", *arguments]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    programs, root = tmp_path / "bin", tmp_path / "repository"
    for path in (programs, root / "changelogs" / "fragments", root / "tests" / "tools"):
        path.mkdir(parents=True)
    for name, text in (("antsibull-changelog", CHANGELOG), ("make", MAKE)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.delenv("MAKE", raising=False)
    for variable in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(variable, "x")
    for variable in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(variable, "x@x.example")
    (root / "galaxy.yml").write_text("name: x\nversion: 0.1.0\n", encoding="utf-8")
    (root / "changelogs" / "fragments" / "1.yml").touch()
    (root / "tests" / "tools" / "package.py").write_text(PACKAGE, encoding="utf-8")
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Begin")
    return root


def test_release_is_a_commit_and_a_tag(repository: Path) -> None:
    assert release.Release("0.2.0", repository).make() == Path(".build/dist/x.tar.gz")
    assert git(repository, "describe") == "0.2.0"
    assert git(repository, "log", "-1", "--format=%s") == "Release 0.2.0"
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "show", "HEAD:galaxy.yml") == "name: x\nversion: 0.2.0"
    assert git(repository, "show", "HEAD:CHANGELOG.md") == "v0.2.0"


def test_what_fails_on_the_way_is_taken_back(repository: Path) -> None:
    (repository / "lint-is-bad").touch()
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "Break")
    before = git(repository, "rev-parse", "HEAD")
    with pytest.raises(release.NoReleaseError, match="`make lint` failed"):
        release.Release("0.2.0", repository).make()
    assert git(repository, "rev-parse", "HEAD") == before
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "tag", "--list") == ""


@pytest.mark.parametrize(
    ("version", "prepare", "said"),
    [
        ("1.2", [], "1.2 is no version"),
        ("v1.2.0", [], "v1.2.0 is no version"),
        ("", [], "no version is no version"),
        ("0.2.0", [("checkout", "--quiet", "-b", "other")], "this is the branch other"),
        ("0.2.0", [("tag", "0.2.0")], "there is a tag 0.2.0 already"),
        ("0.9.0", [("tag", "0.10.0")], "0.9.0 is not higher than 0.10.0"),
        ("0.2.0", [("rm", "--quiet", "changelogs/fragments/1.yml"), ("commit", "--quiet", "-m", "x")], "no fragment"),
    ],
)
def test_what_can_be_told_beforehand_changes_nothing(
    repository: Path, version: str, prepare: list[tuple[str, ...]], said: str
) -> None:
    for arguments in prepare:
        git(repository, *arguments)
    with pytest.raises(release.NoReleaseError, match="Nothing was changed") as caught:
        release.Release(version, repository).make()
    assert said in str(caught.value)
    assert git(repository, "status", "--porcelain") == ""


def test_a_tree_that_is_not_clean_stays_as_it_is(repository: Path) -> None:
    (repository / "galaxy.yml").write_text("mine\n", encoding="utf-8")
    with pytest.raises(release.NoReleaseError, match="the tree is not clean"):
        release.Release("0.2.0", repository).make()
    assert (repository / "galaxy.yml").read_text(encoding="utf-8") == "mine\n"
