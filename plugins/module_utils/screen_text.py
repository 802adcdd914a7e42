# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text on the gateway's screen, read by tesseract where the host has it, and the cause that the catalogue finds in it.

Usernames stand on the screen, and one that is read with an error would pass every mask. So nothing that was read leaves
this module: what it returns are the catalogue's own words.
"""

from __future__ import annotations

import os
import subprocess
import unicodedata
from typing import Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rfb import Picture

PROGRAM = "tesseract"
COMMAND = (PROGRAM, "stdin", "stdout", "-l", "eng", "--psm")
# One block of text, which reads a dialog's lines best; and text wherever it stands.
MODES = ("6", "11")
# The host has better to do.
ONE_THREAD = {"OMP_THREAD_LIMIT": "1"}
READ_WITHIN = 20.0
# The gateway writes in letters of 7 pixels; tesseract was taught with ones of 20 and more.
SCALE = 3

# Causes that say no more than that the login stands still: then the screen is read.
STILL = frozenset({"login-undecided", "dialog-unanswered"})

# A word may be read with one wrong letter, and a phrase with one for each so many; words this short have to be right.
LETTERS_FOR_AN_ERROR = 12
SHORT_WORD = 3

MISSING = f"not read: the program {PROGRAM} is not on the host (Debian, Ubuntu: apt-get install tesseract-ocr)"
FAILED = f"not read: the program {PROGRAM} failed"

_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "!": "l"})


class Phrase(NamedTuple):
    """Words of the catalogue by which a cause is known on the screen."""

    code: str
    text: str

    @property
    def shown(self) -> str:
        return f"read on the screen: '{self.text}'"


class Reading(NamedTuple):
    """What was read: the phrase that stands on the screen, or why nothing was read."""

    phrase: Optional[Phrase] = None
    unread: str = ""


PHRASES = tuple(Phrase(cause["code"], text) for cause in CAUSES for text in cause.get("screen", ()))


def read(picture: Picture) -> Reading:
    """Read a screen, and find the one cause that its text names."""
    large = enlarged(picture)
    for mode in MODES:
        try:
            done = subprocess.run(
                (*COMMAND, mode),
                input=large,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=READ_WITHIN,
                check=False,
                env={**os.environ, **ONE_THREAD},
            )
        except FileNotFoundError:
            return Reading(unread=MISSING)
        except (OSError, subprocess.TimeoutExpired):
            return Reading(unread=FAILED)
        if done.returncode:
            return Reading(unread=FAILED)
        phrase = find(done.stdout.decode("utf-8", "replace"))
        if phrase is not None:
            return Reading(phrase)
    return Reading()


def enlarged(picture: Picture) -> bytes:
    """The picture in grey, each pixel `SCALE` times as wide and as high, as a PGM."""
    grey = picture.pixels[1::3]
    wide = bytearray(len(grey) * SCALE)
    for offset in range(SCALE):
        wide[offset::SCALE] = grey
    row = picture.width * SCALE
    rows = [bytes(wide[start : start + row]) * SCALE for start in range(0, len(wide), row)]
    return b"P5 %d %d 255\n" % (row, picture.height * SCALE) + b"".join(rows)


def find(text: str) -> Optional[Phrase]:
    """The phrase that stands in a text that was read with errors; None where those of two causes do."""
    found = [phrase for phrase in PHRASES if stands_in(phrase.text, text)]
    return found[0] if len({phrase.code for phrase in found}) == 1 else None


def stands_in(phrase: str, text: str) -> bool:
    """Whether a text has all words of a phrase, one after the other, each with one wrong letter at most.

    Where the text's words are divided does not count, but for the phrase's two ends.
    """
    return any(_stand_in(fold(phrase), fold(text)) for fold in (_words, _words_joined))


def _stand_in(words: List[str], read_words: List[str]) -> bool:
    letters = "".join(read_words)
    edges = {0}
    for word in read_words:
        edges.add(max(edges) + len(word))
    most = sum(len(word) for word in words) // LETTERS_FOR_AN_ERROR
    return any(_ends(words, letters, start, most) & edges for start in edges)


def _words(text: str) -> List[str]:
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_ALIKE)
    return "".join(letter if letter.isalnum() else " " for letter in plain).split()


def _words_joined(text: str) -> List[str]:
    """The same with the two letters as one that look like one."""
    return [word.replace("rn", "m") for word in _words(text)]


def _ends(words: Iterable[str], letters: str, start: int, most: int) -> Set[int]:
    """Where the words end that begin at `start`, if they stand there."""
    ends: Dict[int, int] = {start: 0}
    for word in words:
        after: Dict[int, int] = {}
        for at, errors in ends.items():
            for end, more in _readings(word, letters, at):
                if errors + more <= min(most, after.get(end, most)):
                    after[end] = errors + more
        ends = after
    return set(ends)


def _readings(word: str, letters: str, at: int) -> Iterable[Tuple[int, int]]:
    """Where a word that begins at `at` may end, and with how many errors."""
    if letters.startswith(word, at):
        yield at + len(word), 0
    if len(word) <= SHORT_WORD:
        return
    for length in (len(word) - 1, len(word), len(word) + 1):
        if at + length <= len(letters) and _is_one_off(word, letters[at : at + length]):
            yield at + length, 1


def _is_one_off(word: str, other: str) -> bool:
    """Whether one letter more, less or instead makes one word of the other."""
    same = 0
    while same < min(len(word), len(other)) and word[same] == other[same]:
        same += 1
    rest, other_rest = word[same:], other[same:]
    if len(word) == len(other):
        return rest[1:] == other_rest[1:]
    return rest[1:] == other_rest if len(word) > len(other) else rest == other_rest[1:]
