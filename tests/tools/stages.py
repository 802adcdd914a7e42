# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run stages of the Makefile one after the other, each under its headline; say which passed and how long each took.

`stages.py lint unit` runs `make run-lint`, then `make run-unit`, and goes on after a stage that failed.
Tests are counted from the JUnit reports that pytest leaves in .build/junit/<stage>.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 78


@dataclass(frozen=True)
class Tests:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Tests) -> Tests:
        return Tests(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        counts = ((self.passed, "passed"), (self.failed, "failed"), (self.skipped, "skipped"))
        return ", ".join(f"{number} {word}" for number, word in counts if number)


def count(reports: Iterable[Path]) -> Tests:
    total = Tests()
    for report in reports:
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            number = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
            failed = number["failures"] + number["errors"]
            total += Tests(number["tests"] - failed - number["skipped"], failed, number["skipped"])
    return total


@dataclass(frozen=True)
class Outcome:
    stage: str
    ok: bool
    seconds: float
    tests: Tests

    def __str__(self) -> str:
        result = "ok" if self.ok else "FAILED"
        return f"{self.stage:<14}{result:<8}{clock(self.seconds):>8}   {self.tests}".rstrip()


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def run(stage: str) -> Outcome:
    print(f"\n── {stage} ".ljust(WIDTH, "─"), flush=True)
    reports = ROOT / ".build" / "junit" / stage
    shutil.rmtree(reports, ignore_errors=True)
    started = time.monotonic()
    done = subprocess.run(
        [os.environ.get("MAKE", "make"), "--no-print-directory", "--keep-going", f"run-{stage}"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    outcome = Outcome(stage, done.returncode == 0, time.monotonic() - started, count(reports.glob("**/*.xml")))
    print(f"── {outcome}", flush=True)
    return outcome


def main(stages: list[str]) -> int:
    outcomes = [run(stage) for stage in stages]
    if len(outcomes) > 1:
        print("\n── all ".ljust(WIDTH, "─"))
        for outcome in outcomes:
            print(f"   {outcome}")
        tests = sum((outcome.tests for outcome in outcomes), Tests())
        print(f"   {Outcome('total', all(o.ok for o in outcomes), sum(o.seconds for o in outcomes), tests)}")
    return 0 if all(outcome.ok for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
