# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a password that the image types."""

from __future__ import annotations

import string

import pytest
from ibga import keyboard


def test_ascii_punctuation_arrives() -> None:
    text = string.punctuation.replace("`", "").replace("$", "") + "$HOME$5*?[k]$"
    assert keyboard.typed(text) == keyboard.Typed(text, [])


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        ("a b\tc", "abc"),
        ("a$(touch /tmp/x)b", "ab"),
        ("a${HOME}b", "ab"),
        ("a$[1+1]b", "a0b"),
        ("a`id`b", "ab"),
        ("aéb", "a?b"),
    ],
)
def test_what_bash_or_xdotool_makes_of_it(text: str, arrives: str) -> None:
    assert keyboard.typed(text).text == arrives


def test_one_backtick_ends_the_container() -> None:
    assert keyboard.typed("a`b").ends_container


def test_leading_dash_prints_the_password_and_types_nothing() -> None:
    result = keyboard.typed("-abcd1")
    assert result.text == ""
    assert result.noise[0] == "type: unrecognized option '-abcd1'"


def test_a_command_leaks_into_the_log() -> None:
    assert "secretword: command not found" in keyboard.typed("a$(secretword)b").noise[0]
