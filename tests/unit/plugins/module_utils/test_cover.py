# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.cover import COLOUR, covered, read_layout
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.masks import Masks
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rfb import Picture
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils import evidence_of as of

MASKS = Masks("k" * 32, (), ["afpaper01"])
WHITE = b"\xff\xff\xff"
SCREEN = Picture(1024, 768, WHITE * (1024 * 768), "none")
ANSWER = (of.TRANSCRIPTS / "05b-badpw-unrecognized-nowelcome.jauto.txt").read_text(encoding="utf-8")
USER_FIELD = (449, 284, 651, 303)
PASSWORD_FIELD = (448, 358, 650, 377)
DIALOG = (280, 300, 764, 457)


def colour_at(picture: Picture, x: int, y: int) -> bytes:
    start = 3 * (y * picture.width + x)
    return picture.pixels[start : start + 3]


def test_the_username_is_covered_and_the_dialog_over_it_stays_readable() -> None:
    layout = read_layout(ANSWER, MASKS.text)
    assert layout is not None
    picture = covered(SCREEN, layout)
    left, top, right, bottom = USER_FIELD
    dialog_top = DIALOG[1]
    for y in range(top, dialog_top):
        assert colour_at(picture, left, y) == colour_at(picture, right - 1, y) == COLOUR
        assert colour_at(picture, left - 1, y) == colour_at(picture, right, y) == WHITE
    for x, y in ((left, dialog_top), (left, bottom - 1), PASSWORD_FIELD[:2], (DIALOG[2] - 1, DIALOG[3] - 1)):
        assert colour_at(picture, x, y) == WHITE


@pytest.mark.parametrize("text", ["User: afpaper01", "Account DU1234567"])
def test_a_label_with_a_name_is_covered_wherever_it_stands(text: str) -> None:
    dialog = "javax.swing.JDialog,x,window:0,x:0,y:0,w:500,h:500,act:1,title:Any"
    label = f"javax.swing.JLabel,,x:10,y:20,w:30,h:5,mx:25,my:22,text:{text}"
    plain = "javax.swing.JLabel,,x:100,y:200,w:30,h:5,mx:25,my:22,text:Passwords are case sensitive"
    layout = read_layout("\n".join((dialog, label, plain)), MASKS.text)
    assert layout is not None
    picture = covered(SCREEN, layout)
    assert colour_at(picture, 10, 20) == colour_at(picture, 39, 24) == COLOUR
    assert colour_at(picture, 100, 200) == WHITE


def test_places_beyond_the_screen_are_cut() -> None:
    layout = read_layout("javax.swing.JTextField,,x:1000,y:760,w:300,h:300,text:x", MASKS.text)
    assert layout is not None
    picture = covered(SCREEN, layout)
    assert len(picture.pixels) == len(SCREEN.pixels)
    assert colour_at(picture, 1023, 767) == COLOUR


def test_without_components_there_is_no_layout() -> None:
    assert read_layout("", MASKS.text) is None
    assert read_layout("nothing of JAuto's", MASKS.text) is None
