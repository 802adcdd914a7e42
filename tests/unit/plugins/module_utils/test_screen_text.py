# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import random
import string

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import screen_text
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rfb import Picture
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.screen_text import (
    MISSING,
    PHRASES,
    Phrase,
    Reading,
    enlarged,
    find,
    read,
    stands_in,
)

PICTURE = Picture(2, 2, bytes([1, 10, 1, 2, 20, 2, 3, 30, 3, 4, 40, 4]), "none")
FORM = "IBKR GATEWAY\nIB API   FIX CTCI\nLive Trading  Paper Trading\nUsername\nafpaper0l\n{}\nOK\nRegion Europe\n"
USERNAME_OR_PASSWORD = "Unrecognized Username or Password"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """A tesseract that says what stands beside it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = tmp_path / screen_text.PROGRAM
    path.write_text(f"#!/bin/sh\ncat > {tmp_path}/input\ncat {tmp_path}/output$6\n", encoding="utf-8")
    path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("phrase", PHRASES, ids=[phrase.text for phrase in PHRASES])
def test_phrases_are_long_enough_to_be_known(phrase: Phrase) -> None:
    letters = phrase.text.replace(" ", "")
    assert len(phrase.text.split()) >= 4
    assert len(letters) >= 19
    assert phrase.text.isascii()
    assert letters.isalpha()


@pytest.mark.parametrize("phrase", PHRASES, ids=[phrase.text for phrase in PHRASES])
def test_a_phrase_is_found_on_a_full_screen_and_is_no_other_cause(phrase: Phrase) -> None:
    found = find(FORM.format(phrase.text))
    assert found is not None
    assert found.code == phrase.code


def test_every_cause_whose_silent_dialog_has_a_text_is_known_on_the_screen() -> None:
    by_text = {
        cause["code"]
        for cause in CAUSES
        for dialog in cause.get("dialogs", ())
        if dialog["text"] and not dialog.get("handled")
    }
    assert by_text == {phrase.code for phrase in PHRASES}


@pytest.mark.parametrize(
    "text",
    [
        "Unrecognized Username or Password.\nPasswords are case sensitive, check Caps Lock.",
        "Unrecognized Username\nor Password",
        "UNRECOGNIZED USERNAME OR PASSWORD",
        "Unrecogn1zed Username or Password",
        "Unrecognlzed Usemame or Password",
        "Unrecognized Username orPassword",
        "Unrec ognized Username or Password",
        "Unrecognized Usernarne or Password",
        "| Unrecognized Username, or Passwrd ~",
    ],
)
def test_errors_of_reading_are_borne(text: str) -> None:
    found = find(text)
    assert found is not None
    assert found.code == "wrong-credentials"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Recognized Username or Password",
        "Enter a valid Username or Password",
        "Unrecognized Username",
        "Username or Password",
        "Unrecognized Username of Password",
        "Unrecognized Username and Password",
        "Unrecognised Usernamf or Passwort",
        "Required PassKey is supported",
        "Required PassKey is now supported",
        "This version is longer supported",
        "API support is available",
        "Too many login attempts",
        "Second factor authentication",
        "reUnrecognized Username or Passwords",
        "You have selected the Live Account",
    ],
)
def test_what_says_something_else_is_no_cause(text: str) -> None:
    assert find(FORM.format(text)) is None


def test_two_causes_on_one_screen_are_none() -> None:
    assert find(f"{USERNAME_OR_PASSWORD}\nInvalid username or password") is not None
    assert find(f"{USERNAME_OR_PASSWORD}\nToo many failed login attempts") is None


@pytest.mark.parametrize("phrase", PHRASES, ids=[phrase.text for phrase in PHRASES])
@pytest.mark.parametrize("seed", range(20))
def test_one_wrong_letter_in_a_long_word_is_borne_and_a_lost_word_is_not(phrase: Phrase, seed: int) -> None:
    chance = random.Random(f"{phrase.text} {seed}")
    words = phrase.text.split()
    number = chance.choice([at for at, word in enumerate(words) if len(word) > screen_text.SHORT_WORD])
    word, at = words[number], chance.randrange(len(words[number]))
    wrong = chance.choice(
        [word[:at] + word[at + 1 :], word[:at] + chance.choice(string.ascii_lowercase) + word[at + 1 :]]
    )
    assert stands_in(phrase.text, FORM.format(" ".join([*words[:number], wrong, *words[number + 1 :]])))
    lost = chance.randrange(len(words))
    assert not stands_in(phrase.text, FORM.format(" ".join(words[:lost] + words[lost + 1 :])))


def test_the_picture_is_handed_over_in_grey_and_larger() -> None:
    header, _newline, pixels = enlarged(PICTURE).partition(b"\n")
    assert header == b"P5 6 6 255"
    assert pixels == bytes([10] * 3 + [20] * 3) * 3 + bytes([30] * 3 + [40] * 3) * 3


def test_the_program_is_given_the_picture_and_believed_by_the_catalogue_only(program: pathlib.Path) -> None:
    (program / "output6").write_text(FORM.format("Too many failed login attempts. Please wait"), encoding="utf-8")
    assert read(PICTURE) == Reading(Phrase("locked-out", "Too many failed login attempts"))
    assert (program / "input").read_bytes() == enlarged(PICTURE)


def test_what_one_way_of_reading_misses_another_may_find(program: pathlib.Path) -> None:
    (program / "output6").write_text(FORM.format("Nothing that is known"), encoding="utf-8")
    (program / "output11").write_text(FORM.format(USERNAME_OR_PASSWORD), encoding="utf-8")
    assert read(PICTURE) == Reading(Phrase("wrong-credentials", USERNAME_OR_PASSWORD))
    (program / "output11").write_text("", encoding="utf-8")
    assert read(PICTURE) == Reading()


def test_what_was_read_stays_there(program: pathlib.Path) -> None:
    (program / "output6").write_text(FORM.format(USERNAME_OR_PASSWORD + " h0rse-battery"), encoding="utf-8")
    found = read(PICTURE)
    assert found.phrase is not None
    assert found.phrase.shown == f"read on the screen: '{USERNAME_OR_PASSWORD}'"
    assert "afpaper" not in str(found)
    assert "battery" not in str(found)


def test_a_host_without_the_program_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read(PICTURE) == Reading(unread=MISSING)


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nexec sleep 60\n", "#!/no/such/program\n"])
def test_a_program_that_fails_says_so(program: pathlib.Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(screen_text, "READ_WITHIN", 0.2)
    (program / screen_text.PROGRAM).write_text(script, encoding="utf-8")
    assert read(PICTURE).phrase is None
    assert read(PICTURE).unread
