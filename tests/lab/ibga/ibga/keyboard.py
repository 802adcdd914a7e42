# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a text that the image types: its scripts put it through bash and xdotool.

Nothing is executed here; only the effect on the text and on the log is reproduced.
"""

from __future__ import annotations

import dataclasses
import re

XDOTOOL_USAGE = """\
type: unrecognized option '{text}'
Usage: type [--window windowid] [--delay milliseconds] <things to type>
--window <windowid>    - specify a window to send keys to
--delay <milliseconds> - delay between keystrokes
--clearmodifiers       - reset active modifiers (alt, etc) while typing
--args N  - how many arguments to expect in the exec command. This is
            useful for ending an exec and continuing with more xdotool
            commands
--terminator TERM - similar to --args, specifies a terminator that
                    marks the end of 'exec' arguments. This is useful
                    for continuing with more xdotool commands.
--file <filepath> - specify a file, the contents of which will be
                    be typed as if passed as an argument. The filepath
                    may also be '-' to read from stdin.
-h, --help             - show this help output"""

_SUBSTITUTIONS = re.compile(r"`([^`]*)`|\$\(([^)]*)\)|\$\{([^}]*)\}|\$\[([^\]]*)\]")


@dataclasses.dataclass
class Typed:
    text: str
    noise: list[str]
    ends_container: bool = False


def typed(text: str) -> Typed:
    """The text that arrives in the form's field, and the lines that other programs print about it."""
    noise: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        command = match.group(1) or match.group(2)
        if command:
            noise.append(f"/opt/ibga/_run_ibg.sh: line 214: {command.split()[0]}: command not found")
        return "0" if match.group(4) is not None else ""

    arrived = _SUBSTITUTIONS.sub(replaced, text)
    if "`" in arrived:
        noise.append("/opt/ibga/_run_ibg.sh: line 214: unexpected EOF while looking for matching ``'")
        return Typed("", noise, ends_container=True)
    arrived = "".join(arrived.split())
    if arrived.startswith("-"):
        noise.extend(XDOTOOL_USAGE.format(text=arrived).split("\n"))
        return Typed("", noise)
    return Typed("".join(character if character.isascii() else "?" for character in arrived), noise)
