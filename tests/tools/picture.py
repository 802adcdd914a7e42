# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make docs/images/deploy.svg: what a deploy on an empty lab, and a second one, really print at their end.

Nothing is written by hand: both commands are run, their tasks are left out, and the rest is drawn with its colours.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab"
PICTURE = ROOT / "docs" / "images" / "deploy.svg"
WIDTH = 132
COMMAND = "ansible-playbook playbooks/deploy-staging.yml"
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
LEFT_OUT = "  ⋮"


def deploy() -> str:
    """On a terminal of its own, which is what makes Ansible use colours."""
    printed = bytearray()
    terminal, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    command = [str(LAB / "play"), "deploy-staging.yml"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True
    ) as running:
        os.close(theirs)
        # Reading fails with EIO once nobody has the terminal open any more.
        with contextlib.suppress(OSError):
            while part := os.read(terminal, 65536):
                printed += part
    os.close(terminal)
    output = printed.decode(errors="replace").replace("\r\n", "\n")
    if running.returncode:
        sys.exit(output)
    return output


def shown(output: str) -> list[str]:
    """The end of a run: its summary and its recap."""
    lines = output.splitlines()
    starts = [number for number, line in enumerate(lines) if re.search(r"TASK \[.*: Summary\]", ESCAPES.sub("", line))]
    if not starts:
        sys.exit(f"The run printed no summary:\n{output}")
    return [line for line in lines[starts[-1] :] if ESCAPES.sub("", line).strip()]


def draw(runs: list[list[str]]) -> str:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for lines in runs:
        console.print(Text.assemble(("$ ", "bold green"), (COMMAND, "bold")), Text(LEFT_OUT, "dim"), sep="\n")
        for line in lines:
            console.print(Text.from_ansi(line), soft_wrap=False)
        console.print()
    return console.export_svg(title="abstractfinance.ibgateway", unique_id="deploy")


def main() -> None:
    subprocess.run([str(LAB / "lab"), "reset"], check=True, stdout=subprocess.DEVNULL)
    runs = [shown(deploy()) for dummy in range(2)]
    # The typeface is the reader's own: nothing is fetched to look at the picture.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", draw(runs), flags=re.DOTALL)
    PICTURE.write_text(svg, encoding="utf-8")
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
