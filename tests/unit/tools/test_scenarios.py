# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios on several labs, with a Molecule and a lab of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import scenarios

# Passes with a report of one test, but for what a scenario's name says. Each of the two that meet waits for the other.
MOLECULE = """\
#!/bin/sh
name=$5
report=${PYTEST_ADDOPTS##*--junitxml=}
echo "$name on lab $LAB_NUMBER writes to $TMPDIR"
touch "$name.$LAB_NUMBER"
case $name in
  meet-*) for try in $(seq 200); do test "$(ls meet-*.[12] | wc -l)" = 2 && break; sleep 0.05; done ;;
esac
test "$name" = skips && skipped=1
test "$name" = empty || echo "<testsuite tests='1' failures='0' errors='0' skipped='${skipped:-0}'/>" > "$report"
test "$name" != fails
"""
LAB = """\
#!/bin/sh
echo "no engine"
touch "lab.$LAB_NUMBER"
test ! -e broken
"""

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def executable(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    executable("bin/molecule", MOLECULE)
    executable("tests/lab/lab", LAB)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    def run(*names: str, labs: int = 1, arguments: tuple[str, ...] = ()) -> int:
        for name in names:
            executable(f"extensions/molecule/{name}/molecule.yml", "---\n")
        return scenarios.main(["--labs", str(labs), *arguments], tmp_path)

    return run


def test_two_labs_work_side_by_side(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("meet-a", "meet-b", labs=2) == 0
    assert {path.suffix for path in tmp_path.glob("meet-*.*")} == {".1", ".2"}
    assert "meet-a" in capfd.readouterr().out


def test_a_lab_takes_the_next_when_it_has_done_one(run: Run, tmp_path: Path) -> None:
    names = [f"good-{number}" for number in range(5)]
    assert run(*names, labs=2) == 0
    assert sorted(path.stem for path in tmp_path.glob("good-*.*")) == names


def test_only_the_other_labs_are_made_here(run: Run, tmp_path: Path) -> None:
    assert run("good", "better", "best", labs=3) == 0
    assert sorted(path.name for path in tmp_path.glob("lab.*")) == ["lab.2", "lab.3"]


def test_no_lab_is_made_for_nothing(run: Run, tmp_path: Path) -> None:
    assert run("good", "better", labs=2, arguments=("-s", "better")) == 0
    assert not list(tmp_path.glob("lab.*"))
    assert not list(tmp_path.glob("good.*"))


def test_one_that_fails_is_shown_and_the_others_run_on(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("fails", "good") == 1
    printed = capfd.readouterr()
    assert "fails on lab 1 writes to" in printed.out
    assert "good on lab 1 writes to" not in printed.out
    assert "1 of 2 scenarios failed: fails" in printed.err


@pytest.mark.parametrize("name", ["empty", "skips"])
def test_one_that_verifies_nothing_fails(run: Run, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(name, "good") == 1
    assert f"Scenario {name} verified nothing" in capfd.readouterr().out


def test_an_old_report_is_none(run: Run, tmp_path: Path) -> None:
    report = tmp_path / ".build" / "junit" / "molecule" / "empty.xml"
    report.parent.mkdir(parents=True)
    report.write_text("<testsuite tests='1' failures='0' errors='0' skipped='0'/>", encoding="utf-8")
    assert run("empty", "good") == 1


def test_a_lab_that_cannot_be_made_fails_the_run(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken").touch()
    assert run("good", "better", labs=2) == 1
    out = capfd.readouterr().out
    assert "lab 2 was not made:" in out
    assert "no engine" in out
    assert len(list(tmp_path.glob("*.1"))) == 2


def test_each_lab_has_a_temporary_directory_of_its_own(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("good") == 0
    assert ".build/tmp-1" in capfd.readouterr().out
