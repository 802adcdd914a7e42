# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Covers on a picture of the gateway's screen what must not be passed on: typed fields, and texts with a name in them.

Where they are, JAuto tells. A screen of which it tells nothing is not passed on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Callable, List, NamedTuple, Optional

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rfb import Picture

# What a person types into, and what shows texts that JAuto does not tell.
COVERED = frozenset({"JTextField", "JFormattedTextField", "JPasswordField", "JTextArea", "JTable", "JList"})
WINDOWS = frozenset({"JDialog", "JFrame", "JWindow"})
COLOUR = b"\x60\x68\x72"

_COMPONENT = re.compile(r"javax\.swing\.(?P<kind>\w+)(?:\([^)]*\))?,")
_PLACE = re.compile(r",x:(?P<x>-?\d+),y:(?P<y>-?\d+),w:(?P<w>\d+),h:(?P<h>\d+)(?:,|$)")


class Place(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int


class Layout(NamedTuple):
    """Where the dialogs are, and what is to be covered in them and in the windows behind them."""

    dialogs: List[Place]
    in_dialogs: List[Place]
    behind: List[Place]


def read_layout(answer: str, masked: Callable[[str], str]) -> Optional[Layout]:
    """The places to cover, out of JAuto's list of components; None where it lists none.

    :param masked: masks a text; one that comes out changed has a name in it.
    """
    found: Optional[Layout] = None
    in_dialog = False
    for line in answer.splitlines():
        component, place = _COMPONENT.match(line), _PLACE.search(line)
        if component is None or place is None:
            continue
        found = found or Layout([], [], [])
        left, top, width, height = (int(place.group(name)) for name in ("x", "y", "w", "h"))
        here = Place(left, top, left + width, top + height)
        if component.group("kind") in WINDOWS:
            in_dialog = component.group("kind") == "JDialog"
            if in_dialog:
                found.dialogs.append(here)
        elif component.group("kind") in COVERED or masked(line) != line:
            (found.in_dialogs if in_dialog else found.behind).append(here)
    return found


def covered(picture: Picture, layout: Layout) -> Picture:
    """The picture with these places in one colour; what a dialog covers already is left as it is."""
    pixels = bytearray(picture.pixels)
    for place in layout.in_dialogs:
        _cover(pixels, picture, place, [])
    for place in layout.behind:
        _cover(pixels, picture, place, layout.dialogs)
    return replace(picture, pixels=bytes(pixels))


def _cover(pixels: bytearray, picture: Picture, place: Place, above: List[Place]) -> None:
    for row in range(max(0, place.top), min(picture.height, place.bottom)):
        over = [item for item in above if item.top <= row < item.bottom]
        for column in range(max(0, place.left), min(picture.width, place.right)):
            if not any(item.left <= column < item.right for item in over):
                start = 3 * (row * picture.width + column)
                pixels[start : start + 3] = COLOUR
