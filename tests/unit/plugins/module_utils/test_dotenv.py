# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import dotenv
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

# What Compose 2.26.1 reads, recorded from `docker compose config`. None: Compose puts the value together.
READ_BY_COMPOSE = [
    ("A=x", "x"),
    ("A= # c", "# c"),
    ("A=#c", "#c"),
    ("A=x#c", "x#c"),
    ("A=x\t#c", "x\t#c"),
    ("A=x  # c # d", "x"),
    ("A=x \\# c", "x \\# c"),
    ("A='a' #c", "a"),
    ("A='a'#c", "a"),
    ("A=$5", "$5"),
    ("A=a$", "a$"),
    ("A=$$x", "$x"),
    ('A="a\\$x"', "a$x"),
    ('A="a$$x"', "a$x"),
    ("A: x", "x"),
    ("A : x", "x"),
    ("A =x", "x"),
    ("export A=x", "x"),
    ("export\tA=x", "x"),
    ("A='x\\'y'", "x'y"),
    ("A='x\\ny'", "x\\ny"),
    ("A='x\\\\'", "x\\\\"),
    ('A="x\\ny\\ttab\\x41\\u00e9"', "x\ny\ttab\\x41\\u00e9"),
    ('A="\\\\n\\"\\\\"', '\\n"\\'),
    ("A=\xa0x\xa0", "x"),
    ("A=\u2003x\u2003", "\u2003x"),
    ("\u2003A=x", "x"),
    ("A=x\\", "x\\"),
    ("A=a\"b'c", "a\"b'c"),
    ("A==x=", "=x="),
    ("A='\x1cx'", "\x1cx"),
    ("A=x\r", "x"),
    ("A='x\r\ny'", "x\r\ny"),
    ("A=1\rB=2", "1\rB=2"),
    ("\ufeffA=1", "1"),
    ("  A=1", "1"),
    ("A=", ""),
    ("A=''", ""),
    ("A='$B'", "$B"),
    ('A="${B}"', None),
    ("A=${B:-x y}", None),
    ("A=a$Bc", None),
    ("A=Paper Trading", "Paper Trading"),
]


@pytest.mark.parametrize(("text", "value"), READ_BY_COMPOSE)
def test_reads_a_value_as_compose_does(text, value):
    document = dotenv.parse(f"{text}\nB=1\n")
    assert document.problems == ()
    assert document.entries()["A"].value == value
    assert document.entries()["B"].value == "1"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A=1\n\n# c\nthis is no line\n", 4),
        ("=x\n", 1),
        ("A B=1\n", 1),
        ("1A=x\n", 1),
        ("A=1\nB='never closed\nC=1\n", 2),
        ('A="\n\nB=1', 1),
        ("A='a'b\n", 1),
        ("A='x\ny'\nB=${C\n", 3),
        ('A="a${B"\n', 1),
        ("A=${B:-'x #y'}\n", 1),
        ("A=${1}\n", 1),
        ("A=${B!}\n", 1),
        ("A=1\nB=${n'z}\n", 2),
        ("LONELY", 1),
    ],
)
def test_says_which_line_cannot_be_read(text, number):
    (problem,) = dotenv.parse(text).problems
    assert problem.code == "env-template-unparsable"
    assert f"line {number}" in problem.message


def test_shows_nothing_of_a_line_that_cannot_be_read():
    (problem,) = dotenv.parse("hunter2 is the password\n").problems
    assert "hunter2" not in problem.message
    assert "password" not in problem.message


def test_reports_each_duplicate_with_both_lines():
    (problem,) = dotenv.parse("A=1\nB='\n'\nA=2\n").problems
    assert problem.code == "env-template-duplicate-key"
    assert "line 4 sets A again, after line 1" in problem.message


def test_of_a_duplicate_the_last_counts_as_for_compose():
    assert dotenv.parse("A=1\nA=2\n").entries()["A"].value == "2"


def test_knows_a_name_whose_value_compose_takes_from_outside():
    entry = dotenv.parse("HOME\nB=1\n").entries()["HOME"]
    assert entry.inherited
    assert entry.value is None


@given(st.text())
@example("A='\n")
@example("\ufeffA=1")
@example("A=x # c\r\nB")
@example("export\n")
def test_keeps_any_text(text):
    assert dotenv.parse(text).text() == text


lines = st.sampled_from(
    ["A=1", "# comment", "", "  ", "B='x\ny' # c", "C=", "D= # c", "export E=x  # c", "F: y", "G=$X", "H", "I='a'#b"]
)
documents = st.builds(
    lambda chosen, newline, last: newline.join(chosen) + last,
    st.lists(lines, unique=True).map(sorted),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["\n", ""]),
).filter(lambda text: not dotenv.parse(text).problems)
values = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))


@given(documents, st.dictionaries(st.sampled_from("ABCDEFGHIJK"), values))
@example("D= # c", {"D": ""})
@example("I='a'#b", {"I": "plain"})
@example("A=1", {"K": "x"})
def test_gives_back_what_was_put_in(text, replaced):
    rendered = dotenv.parse(dotenv.parse(text).render(replaced))
    assert rendered.problems == ()
    entries = rendered.entries()
    assert {key: entries[key].value for key in replaced} == replaced
    assert rendered.render(replaced) == rendered.text()


@given(documents, st.dictionaries(st.sampled_from("ABCDEFGHIJK"), values))
@example("\r\n# comment", {"A": ""})
def test_touches_no_other_line(text, replaced):
    before = dotenv.parse(text)
    rendered = dotenv.parse(before.render(replaced))
    untouched = [piece for piece in before.pieces if isinstance(piece, dotenv.Entry) and piece.key not in replaced]
    for entry in untouched:
        assert rendered.entries()[entry.key].text().rstrip("\r") == entry.text().rstrip("\r")
    assert [comment.rstrip("\r") for comment in comments(rendered)] == [
        comment.rstrip("\r") for comment in comments(before)
    ]


def comments(document):
    return [piece for piece in document.pieces if isinstance(piece, str) and piece.strip()]


@pytest.mark.parametrize(
    ("template", "replaced", "expected"),
    [
        ("A=1\r\nB=2\r\n", {"A": "x y"}, "A='x y'\r\nB=2\r\n"),
        ("A=1\r\nB=2", {"C": "3"}, "A=1\r\nB=2\r\nC=3\r\n"),
        ("A=1", {"A": "2"}, "A=2"),
        ("A=1  # why\n", {"A": "2"}, "A='2'  # why\n"),
        ("A= # why\n", {"A": "2"}, "A='2' # why\n"),
        ("A='x y'\n", {"A": "x y"}, "A='x y'\n"),
        ('A="x"\n', {"A": "x"}, 'A="x"\n'),
        ("export A: 1\n", {"A": "$x"}, "export A: '$x'\n"),
        ("A\nB=1\n", {"A": "x"}, "A=x\nB=1\n"),
        ("\ufeffA=1\n", {"A": "2"}, "\ufeffA=2\n"),
        ("", {"A": "1", "B": ""}, "A=1\nB=\n"),
    ],
)
def test_renders(template, replaced, expected):
    assert dotenv.parse(template).render(replaced) == expected


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("", ""),
        ("JBSWY3DPEHPK3PXP", "JBSWY3DPEHPK3PXP"),
        ("Paper Trading", "'Paper Trading'"),
        ('a"$b#', "'a\"$b#'"),
        ("it's", '"it\'s"'),
        ("a\\", '"a\\\\"'),
        ("'$x\n\r\"", '"\'\\$x\\n\\r\\""'),
        ("two\nlines", "'two\nlines'"),
    ],
)
def test_encodes(value, encoded):
    assert dotenv.encode(value) == encoded


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_refuses_what_no_environment_can_carry(value):
    with pytest.raises(GatewayError) as error:
        dotenv.encode(value)
    assert error.value.code == "env-value-impossible"


def test_names_the_line_that_is_not_utf8():
    with pytest.raises(GatewayError, match="line 2 is not UTF-8"):
        dotenv.decode(b"A=1\nB=\xff\n")
