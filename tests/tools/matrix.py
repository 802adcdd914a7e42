# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection under each supported ansible-core and each Python that is installed: one table, also in .build/matrix.md.

For each pair, a virtual environment in .build/matrix, in which ansible-test compiles and imports the plugins and runs the
units. `matrix.py 2.21` runs the pairs of that release only. A pair that the release does not support is left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ansible_test

ROOT = ansible_test.ROOT
PLACE = ansible_test.BUILD / "matrix"
TABLE = ansible_test.BUILD / "matrix.md"
# Which Pythons a release runs on as a controller, as its own metadata says.
CONTROLLERS = {"2.21": ("3.13", "3.12"), "2.20": ("3.13", "3.12"), "2.19": ("3.13", "3.12", "3.11")}
NEEDED = ("pytest", "pytest-xdist", "antsibull-docs-parser", "packaging")


@dataclass(frozen=True)
class Row:
    core: str
    python: str
    imports: str
    units: str
    seconds: float

    def __str__(self) -> str:
        return f"| {self.core} | {self.python} | {self.imports} | {self.units} | {self.seconds:.0f} s |"


def pairs(wanted: Sequence[str], installed: Sequence[str]) -> Iterator[tuple[str, str]]:
    for core, pythons in CONTROLLERS.items():
        for python in pythons:
            if python in installed and (not wanted or core in wanted):
                yield core, python


def environment(core: str, python: str) -> Path:
    place = PLACE / f"{core}-{python}"
    interpreter = place / "bin" / "python"
    if not interpreter.exists():
        subprocess.run(
            [str((ansible_test.PYTHONS / f"python{python}").resolve()), "-m", "venv", str(place)], check=True
        )
    requirements = ROOT / "requirements"
    # Our pins hold for all but ansible-core itself, which is what the matrix is about.
    pins = PLACE / "constraints.txt"
    chosen = [
        line
        for name in ("constraints", "controller", "test")
        for line in (requirements / f"{name}.txt").read_text().splitlines()
    ]
    pins.write_text(
        "\n".join(line for line in chosen if "==" in line and not line.startswith("ansible-core")) + "\n",
        encoding="utf-8",
    )
    subprocess.run(
        [
            *(
                str(interpreter),
                "-m",
                "pip",
                "install",
                "-qq",
                "--disable-pip-version-check",
                f"ansible-core=={core}.*",
            ),
            *("--requirement", str(ROOT / "tests" / "unit" / "requirements.txt"), *NEEDED, "--constraint", str(pins)),
        ],
        check=True,
    )
    return interpreter


def version_of(interpreter: Path) -> str:
    asked = [
        str(interpreter),
        "-c",
        "import ansible.release as r, platform as p; print(r.__version__, p.python_version())",
    ]
    return subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def run(interpreter: Path, log: Path, *arguments: str) -> tuple[bool, str]:
    with log.open("w", encoding="utf-8") as output:
        command = [str(interpreter), str(ROOT / "tests" / "tools" / "ansible_test.py"), *arguments]
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    return done.returncode == 0, log.read_text(encoding="utf-8", errors="replace")


def try_pair(core: str, python: str) -> Row:
    started = time.monotonic()
    interpreter = environment(core, python)
    exact = version_of(interpreter)
    log = PLACE / f"{core}-{python}"
    sanity = ("sanity", "--test", "compile", "--test", "import", "--python", python)
    imported, dummy = run(interpreter, log.with_name(f"{log.name}-sanity.log"), *sanity)
    passed, said = run(interpreter, log.with_name(f"{log.name}-units.log"), "units", "--num-workers", "1")
    counted = sum(int(number) for number in re.findall(r"\b(\d+) passed", said))
    return Row(
        *exact.split(),
        imports="ok" if imported else "FAILED",
        units=f"{counted} passed" if passed else "FAILED",
        seconds=time.monotonic() - started,
    )


def main(wanted: Sequence[str]) -> int:
    unknown = [core for core in wanted if core not in CONTROLLERS]
    if unknown:
        print(f"usage: matrix.py [{'|'.join(CONTROLLERS)}]...", file=sys.stderr)
        return 2
    PLACE.mkdir(parents=True, exist_ok=True)
    lines = ["| ansible-core | Python | compile and import | units | took |", "|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    ok = True
    for core, python in pairs(wanted, ansible_test.real_pythons()):
        row = try_pair(core, python)
        lines.append(str(row))
        ok = ok and "FAILED" not in str(row)
        print(row, flush=True)
        TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"Logs: {PLACE.relative_to(ROOT)}/*.log")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
