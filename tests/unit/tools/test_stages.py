# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of `make test`, with a Makefile of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import stages

REPORT = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'
# Each of the two waits for the other, so that neither ends unless both run at once.
MAKEFILE = f"""\
.RECIPEPREFIX = >
run-meet-%:
> @touch $*.here
> @for try in $$(seq 200); do test -e left.here -a -e right.here && exit 0; sleep 0.05; done; exit 1
run-where-%:
> @echo "$* writes to $${{TMPDIR:-nowhere of its own}}, priority $$(nice), colours $${{NO_COLOR:+off}}"
run-slow:
> @sleep 0.3; touch slow.is-over
run-later:
> @test -e slow.is-over
run-bad:
> @echo this is bad >&2; false
run-good:
> @echo this is good
run-tests:
> @mkdir -p .build/junit/tests/deep
> @echo '{REPORT.format(5, 1, 0, 1)}' > .build/junit/tests/one.xml
> @echo '{REPORT.format(3, 0, 1, 0)}' > .build/junit/tests/deep/two.xml
"""

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("MAKE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", "/of-the-caller")
    (tmp_path / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    return lambda *arguments: stages.main(arguments, stages.Stages(tmp_path))


def test_tracks_run_side_by_side(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("meet-left", "--beside", "meet-right") == 0
    out = capfd.readouterr().out
    assert re.search(r"meet-left +ok", out)
    assert re.search(r"meet-right +ok", out)


def test_what_a_stage_prints_stays_together_under_its_headline(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("bad", "good", "--beside", "where-lab") == 1
    out = capfd.readouterr().out
    for stage, printed in (("bad", "this is bad\n"), ("good", "this is good\n")):
        assert re.search(
            rf"^── {stage} ─+\n{printed}(make.*\n)*── {stage} +\S+ +\d+ s\n\d\d:\d\d:\d\d {stage} ends$",
            out,
            re.MULTILINE,
        ), out
        assert re.search(rf"^\d\d:\d\d:\d\d {stage} begins$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["good"], 0),
        (["bad"], 1),
        (["bad", "good"], 1),
        (["good", "--beside", "bad"], 1),
        (["bad", "--beside", "good"], 1),
        (["good", "--beside", "good"], 0),
        (["good", "--beside"], 2),
        ([], 2),
        (["--after", "slow", "good"], 2),
        (["good", "--after", "good", "tests"], 2),
        (["good", "--after", "bad", "--beside", "bad"], 2),
        (["--after", "nobody", "good", "--beside", "bad"], 2),
    ],
)
def test_exit_status(run: Run, arguments: list[str], status: int) -> None:
    assert run(*arguments) == status


def test_goes_on_after_a_stage_that_failed(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("bad", "good") == 1
    out = capfd.readouterr().out
    assert "this is good" in out
    assert re.search(r"^ {3}bad +FAILED +\d+ s$", out, re.MULTILINE)
    assert re.search(r"^ {3}good +ok +\d+ s$", out, re.MULTILINE)
    assert re.search(r"^ {3}total +FAILED +\d+ s$", out, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["tests"], ["good", "tests"], ["good", "--beside", "tests"]])
def test_last_line_counts_all_tests(run: Run, capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    run(*arguments)
    assert capfd.readouterr().out.splitlines()[-1] == "5 passed, 2 failed, 1 skipped"


def test_reports_of_an_earlier_run_are_not_counted(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / ".build" / "junit" / "good"
    old.mkdir(parents=True)
    (old / "old.xml").write_text(REPORT.format(9, 0, 0, 0), encoding="utf-8")
    run("good", "tests")
    assert capfd.readouterr().out.splitlines()[-1] == "5 passed, 2 failed, 1 skipped"


def test_the_others_keep_out_of_the_last_tracks_way(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = os.nice(0)
    run("where-static", "--beside", "where-lab")
    out = capfd.readouterr().out
    assert f"static writes to {tmp_path}/.build/tmp, priority {min(own + 10, 19)}, colours off" in out
    assert f"lab writes to /of-the-caller, priority {own}, colours off" in out


def test_a_stage_waits_for_one_of_another_track(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("good", "--after", "slow", "later", "--beside", "slow") == 0
    out = capfd.readouterr().out
    assert out.index("slow ends") < out.index("later begins")


def test_a_stage_that_waits_goes_on_after_a_failure(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("--after", "bad", "good", "--beside", "bad") == 1
    assert re.search(r"^ {3}good +ok +\d+ s$", capfd.readouterr().out, re.MULTILINE)


def test_a_sole_track_keeps_the_callers_environment(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    run("where-sole")
    assert f"sole writes to /of-the-caller, priority {os.nice(0)}, colours \n" in capfd.readouterr().out
