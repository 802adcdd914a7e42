# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other programs, each with a bound and an error that says what was waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from ibgateway_lab import settings

OWN_VARIABLES = ("PYTHONPATH", "DOCKER_CONTEXT")


class LabError(Exception):
    """What went wrong, where, and what to do next. `status` is the exit status of the command line."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    return clean | {"DOCKER_HOST": settings.DOCKER_HOST, "DOCKER_BUILDKIT": "0", "DOCKER_CLI_HINTS": "false"}


def run(
    argv: Sequence[str],
    what: str,
    *,
    timeout: float = 60,
    stdin: bytes | None = None,
    check: bool = True,
    extra_environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; `what` names it in an error, as in: `docker pull` did not end in 60 s."""
    try:
        done = subprocess.run(
            argv,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            timeout=timeout,
            check=False,
            env=environment() | (extra_environment or {}),
        )
    except FileNotFoundError:
        raise LabError(f"{what}: there is no program {argv[0]} on the PATH") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{what}: did not end within {timeout:.0f} s") from None
    result = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and result.returncode:
        raise LabError(f"{what}: {tail(result.stderr or result.stdout) or f'exit status {result.returncode}'}")
    return result


def docker(*arguments: str, what: str = "", timeout: float = 60, stdin: bytes | None = None) -> str:
    return run(["docker", *arguments], what or f"docker {arguments[0]}", timeout=timeout, stdin=stdin).stdout


def tail(text: str, lines: int = 12) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def until(timeout: float, interval: float = 0.05) -> Iterator[None]:
    """Come round until the caller leaves the loop or the time is over."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        yield
        time.sleep(interval)


class Progress:
    """Short lines on standard output, each with the time since the start."""

    def __init__(self, quiet: bool = False) -> None:
        self._start = time.monotonic()
        self._quiet = quiet

    def __call__(self, text: str) -> None:
        if not self._quiet:
            sys.stdout.write(f"lab {self.seconds():5.1f} s  {text}\n")
            sys.stdout.flush()

    def seconds(self) -> float:
        return time.monotonic() - self._start
