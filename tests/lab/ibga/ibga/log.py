# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's log: colours by tput, so TERM decides what a line looks like, as in the real one."""

from __future__ import annotations

import subprocess
import sys
import time

INFO, SUCCESS, ERROR = "6", "2", "1"
PLAIN = "7"


def now() -> str:
    return time.strftime("%a %b %e %H:%M:%S %Z %Y")


class Log:
    def __init__(self) -> None:
        calls = {
            colour: subprocess.Popen(
                ["tput", "setaf", colour], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for colour in (INFO, SUCCESS, ERROR, PLAIN)
        }
        answers = {colour: call.communicate() for colour, call in calls.items()}
        self._codes = {colour: answer[0] for colour, answer in answers.items()}
        self._complaint = answers[INFO][1]

    def say(self, text: str, colour: str = INFO) -> None:
        self._write([text], colour)

    def banner(self, title: str, width: int) -> None:
        rule = "-" * width
        self._write([rule, f" {title}", rule, ""], INFO)

    def noise(self, text: str) -> None:
        """A line of another program."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def _write(self, lines: list[str], colour: str) -> None:
        if self._complaint:
            sys.stderr.write(self._complaint * 3)
            sys.stderr.flush()
        code, plain = self._codes[colour], self._codes[PLAIN]
        text = "\n".join(code + line for line in lines)
        sys.stdout.write(text + ("" if len(lines) > 1 else "\n") + plain)
        sys.stdout.flush()
