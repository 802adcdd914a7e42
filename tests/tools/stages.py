# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run stages of the Makefile, each under its headline; say which passed and how long each took.

`stages.py lint unit` runs `make run-lint`, then `make run-unit`, and goes on after a stage that failed.
`stages.py lint unit --beside lab molecule` runs two such tracks side by side. What a stage prints is then kept
together and shown when it ends. The last track is the lab's, and the others keep out of its way: they run at a lower
priority, and with a temporary directory of their own, since the lab's tests search this machine's for secrets.
In a track, `--after lab` waits until that stage of another track has ended.
Tests are counted from the JUnit reports that pytest leaves in .build/junit/<stage>.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 78
BESIDE = "--beside"
AFTER = "--after"
LOW_PRIORITY = ("nice", "-n", "10")
USAGE = "usage: stages.py STAGE... [--beside STAGE... [--after STAGE-OF-ANOTHER-TRACK] STAGE...]"


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

    @property
    def line(self) -> str:
        """In full, for what reads the run's last line."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


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


def now() -> str:
    return time.strftime("%H:%M:%S")


class Stages:
    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._printing = threading.Lock()
        self._after: Mapping[str, str] = {}
        self._ended: dict[str, threading.Event] = {}

    def run(self, stage: str) -> Outcome:
        """Alone: what it prints is seen as it is printed."""
        self._say(headline(stage))
        outcome = self._make(stage, None, os.environ)
        self._say(f"── {outcome}")
        return outcome

    def run_beside(self, stage: str, environment: Mapping[str, str], before: Sequence[str]) -> Outcome:
        self._say(f"{now()} {stage} begins")
        with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace", dir=self._build()) as output:
            outcome = self._make(stage, output, environment, before)
            output.seek(0)
            self._say(headline(stage), output.read().rstrip("\n"), f"── {outcome}", f"{now()} {stage} ends")
        return outcome

    def run_tracks(self, tracks: Sequence[Sequence[str]], after: Mapping[str, str]) -> list[Outcome]:
        """All outcomes, in the order in which the stages are named.

        :param after: for a stage, the one of another track that it waits for.
        """
        self._after = after
        if len(tracks) == 1:
            return [self.run(stage) for stage in tracks[0]]
        # What a stage prints goes to a file here, so a terminal's colours have no place in it.
        environment = {name: value for name, value in os.environ.items() if name != "MAKE_TERMOUT"} | {"NO_COLOR": "1"}
        aside = environment | {"TMPDIR": str(self._build("tmp"))}
        self._ended = {stage: threading.Event() for track in tracks for stage in track}
        with ThreadPoolExecutor(len(tracks)) as pool:
            running = [pool.submit(self._run_track, track, aside, LOW_PRIORITY) for track in tracks[:-1]]
            running.append(pool.submit(self._run_track, tracks[-1], environment))
            return [outcome for track in running for outcome in track.result()]

    def _run_track(
        self, track: Sequence[str], environment: Mapping[str, str], before: Sequence[str] = ()
    ) -> list[Outcome]:
        outcomes = []
        for stage in track:
            self._wait_for(self._after.get(stage))
            try:
                outcomes.append(self.run_beside(stage, environment, before))
            finally:
                self._ended[stage].set()
        return outcomes

    def _wait_for(self, stage: str | None) -> None:
        if stage is not None and not self._ended[stage].is_set():
            self._say(f"{now()} waiting for {stage} to end")
            self._ended[stage].wait()

    def _make(
        self, stage: str, output: IO[str] | None, environment: Mapping[str, str], before: Sequence[str] = ()
    ) -> Outcome:
        reports = self._root / ".build" / "junit" / stage
        shutil.rmtree(reports, ignore_errors=True)
        started = time.monotonic()
        done = subprocess.run(
            [*before, os.environ.get("MAKE", "make"), "--no-print-directory", "--keep-going", f"run-{stage}"],
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            env=dict(environment),
            check=False,
        )
        return Outcome(stage, done.returncode == 0, time.monotonic() - started, count(reports.glob("**/*.xml")))

    def _build(self, name: str = "") -> Path:
        directory = self._root / ".build" / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _say(self, *lines: str) -> None:
        with self._printing:
            print("\n".join(line for line in lines if line), flush=True)


def headline(stage: str) -> str:
    return f"\n── {stage} ".ljust(WIDTH, "─")


class UsageError(Exception):
    pass


def tracks_of(arguments: Sequence[str]) -> tuple[list[list[str]], dict[str, str]]:
    tracks: list[list[str]] = [[]]
    after: dict[str, str] = {}
    waits_for: str | None = None
    words = iter(arguments)
    for word in words:
        if word == AFTER:
            waits_for = next(words, "")
        elif word == BESIDE:
            tracks.append([])
        else:
            tracks[-1].append(word)
            if waits_for is not None:
                after[word], waits_for = waits_for, None
    for stage, earlier in after.items():
        if not any(earlier in track and stage not in track for track in tracks):
            raise UsageError(f"{AFTER} {earlier}: no other track has this stage")
    if not all(tracks) or waits_for is not None:
        raise UsageError("a track or a stage is missing")
    return tracks, after


def main(arguments: Sequence[str], stages: Stages | None = None) -> int:
    try:
        tracks, after = tracks_of(arguments)
    except UsageError as error:
        print(f"{error}\n{USAGE}", file=sys.stderr)
        return 2
    started = time.monotonic()
    outcomes = (stages or Stages()).run_tracks(tracks, after)
    ok = all(outcome.ok for outcome in outcomes)
    tests = sum((outcome.tests for outcome in outcomes), Tests())
    if len(outcomes) > 1:
        print("\n── all ".ljust(WIDTH, "─"))
        for outcome in outcomes:
            print(f"   {outcome}")
        print(f"   {Outcome('total', ok, time.monotonic() - started, tests)}")
    if len(outcomes) > 1 or tests != Tests():
        print(tests.line)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
