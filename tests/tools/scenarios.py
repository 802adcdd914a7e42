# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Molecule scenarios, on several labs side by side: `scenarios.py --labs 2 [-s NAME]...`, all of them by default.

Each lab takes the next scenario when it has done one. What a scenario prints is kept in .build/molecule, and shown when it fails;
where one scenario alone is asked for, it is seen as it is printed. One that fails does not keep the others from running.
Molecule passes a scenario without tests; here each one has to leave a report of tests that were run.
"""

from __future__ import annotations

import argparse
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages import ROOT, Tests, clock, count


@dataclass(frozen=True)
class Outcome:
    scenario: str
    lab: int
    ok: bool
    seconds: float
    tests: Tests

    def __str__(self) -> str:
        result = "ok" if self.ok else "FAILED"
        line = f"{self.scenario:<18}{result:<8}lab {self.lab}{clock(self.seconds):>12}   {self.tests}"
        return line.rstrip()


class Scenarios:
    def __init__(self, names: Sequence[str], root: Path) -> None:
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for name in names:
            self._waiting.put(name)
        self._watched = len(names) == 1
        self._root = root
        self._reports = directory(root, "junit", "molecule")
        self._logs = directory(root, "molecule")
        self._printing = threading.Lock()
        self.outcomes: list[Outcome] = []
        self.without_lab: list[int] = []

    def run_on(self, lab: int) -> None:
        if not self._has_lab(lab):
            self.without_lab.append(lab)
            return
        while True:
            try:
                name = self._waiting.get_nowait()
            except queue.Empty:
                return
            self.outcomes.append(self._run(name, lab))

    def _has_lab(self, lab: int) -> bool:
        """The first one is made by make, the others here."""
        if lab == 1:
            return True
        log = self._logs / f"lab-{lab}.log"
        made = self._call([str(self._root / "tests" / "lab" / "lab"), "up"], self._environment(lab), log)
        if not made:
            self._say(f"lab {lab} was not made:", log.read_text(encoding="utf-8", errors="replace"))
        return made

    def _run(self, name: str, lab: int) -> Outcome:
        report = self._reports / f"{name}.xml"
        report.unlink(missing_ok=True)
        log = self._logs / f"{name}.log"
        variables = self._environment(lab) | {"PYTEST_ADDOPTS": f"--durations=10 --junitxml={report}"}
        started = time.monotonic()
        passed = self._call(
            ["molecule", "test", "--report", "--no-command-borders", "-s", name],
            variables,
            None if self._watched else log,
        )
        tests = count([report]) if report.exists() else Tests()
        ok = passed and tests.passed > 0
        outcome = Outcome(name, lab, ok, time.monotonic() - started, tests)
        if not ok and not self._watched:
            self._say(log.read_text(encoding="utf-8", errors="replace").rstrip("\n"))
        if passed and not tests.passed:
            self._say(f"Scenario {name} verified nothing: there is no report of a test that passed.")
        self._say(str(outcome))
        return outcome

    def _call(self, command: Sequence[str], variables: dict[str, str], log: Path | None) -> bool:
        if log is None:
            return (
                subprocess.run(command, cwd=self._root, env=variables, stdin=subprocess.DEVNULL, check=False).returncode
                == 0
            )
        with log.open("wb") as stream:
            done = subprocess.run(
                command,
                cwd=self._root,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        return done.returncode == 0

    def _environment(self, lab: int) -> dict[str, str]:
        """With a temporary directory of its own for each lab, since a scenario searches it for secrets."""
        return {**os.environ, "LAB_NUMBER": str(lab), "TMPDIR": str(directory(self._root, f"tmp-{lab}"))}

    def _say(self, *lines: str) -> None:
        with self._printing:
            print("\n".join(lines), flush=True)


def directory(root: Path, *names: str) -> Path:
    path = root.joinpath(".build", *names)
    path.mkdir(parents=True, exist_ok=True)
    return path


def all_scenarios(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("extensions/molecule/*/molecule.yml"))


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Run Molecule scenarios on the lab.")
    parser.add_argument("--labs", type=int, default=1, help="how many labs work side by side")
    parser.add_argument("-s", dest="names", action="append", choices=all_scenarios(root), help="a scenario")
    options = parser.parse_args(arguments)
    names = options.names or all_scenarios(root)
    scenarios = Scenarios(names, root)
    labs = range(1, min(options.labs, len(names)) + 1)
    threads = [threading.Thread(target=scenarios.run_on, args=(lab,)) for lab in labs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = sorted(outcome.scenario for outcome in scenarios.outcomes if not outcome.ok)
    if failed:
        print(f"{len(failed)} of {len(names)} scenarios failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or scenarios.without_lab else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
