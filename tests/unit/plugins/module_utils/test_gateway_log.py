# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import List, Optional

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import (
    FAILED,
    LOST,
    MARKED,
    PENDING,
    LineSplitter,
    LogReader,
    parse_time,
    read_line,
)
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.transcripts import cases, transcript

MARKER = r"option check(?:, clicking menu Configure/Settings| skipped)"

# Case, the line at which a marker is first taken for one (None: never), the line that decides a failure and its code.
GOOD = ["01", "02a", "02b", "03", "08", "12a", "17", "19", "30", "40", "41"]
BAD = [
    ("04a", "login failed: Invalid username", "wrong-credentials"),
    ("04b", "login failed: Invalid username", "wrong-credentials"),
    ("21f", "login failed: Invalid username", "wrong-credentials"),
    ("07a", "login failed: You have selected the Live", "paper-login-in-live-mode"),
    ("15b", "login failed: Too many failed", "locked-out"),
    ("10", "login failed: Second factor", "totp-rejected"),
]
SILENT = [("05b", None), ("06", None), ("22", "second-factor-waiting")]


def read(lines: List[str]) -> LogReader:
    reader = LogReader()
    for line in lines:
        reader.feed(line)
    return reader


def first(lines: List[str], pattern: str, skip: int = 0) -> int:
    found = [index for index, line in enumerate(lines) if re.search(pattern, line)]
    return found[skip]


def verdicts(lines: List[str]) -> List[str]:
    """The verdict after each line."""
    reader = LogReader()
    found = []
    for line in lines:
        reader.feed(line)
        found.append(reader.verdict)
    return found


def test_every_transcript_is_covered() -> None:
    covered = {
        *GOOD,
        *(case for case, _line, _code in BAD),
        *(case for case, _code in SILENT),
        "09",
        "12b",
        "13a",
        "14",
    }
    assert covered == set(cases())


@pytest.mark.parametrize("case", GOOD)
def test_good_login_is_pending_until_its_marker_and_never_failed(case: str) -> None:
    lines = transcript(case)
    marker = first(lines, MARKER)
    found = verdicts(lines)
    assert set(found[:marker]) == {PENDING}
    assert found[marker] == MARKED
    assert FAILED not in found


@pytest.mark.parametrize(("case", "line", "code"), BAD)
def test_bad_login_fails_at_its_first_deciding_line_and_no_earlier(case: str, line: str, code: str) -> None:
    lines = transcript(case)
    at = first(lines, line)
    found = verdicts(lines)
    assert set(found[:at]) == {PENDING}
    assert set(found[at:]) == {FAILED}
    reader = read(lines[: at + 1])
    assert reader.code == code
    assert reader.attempts == 1
    assert line in reader.evidence[-1]


@pytest.mark.parametrize(("case", "hint"), SILENT)
def test_silent_hang_stays_pending(case: str, hint: Optional[str]) -> None:
    lines = transcript(case)
    assert set(verdicts(lines)) == {PENDING}
    reader = read(lines)
    assert reader.hint == hint
    assert reader.last is not None


def test_fight_is_lost_at_the_first_kick_and_failed_at_the_second() -> None:
    lines = transcript("09")
    marker, lost, decided = (
        first(lines, MARKER),
        first(lines, "handle relogin"),
        first(lines, "handle relogin", 1),
    )
    found = verdicts(lines)
    assert set(found[:marker]) == {PENDING}
    assert set(found[marker:lost]) == {MARKED}
    assert set(found[lost:decided]) == {LOST}
    assert set(found[decided:]) == {FAILED}
    assert read(lines).code == "competing-session"


def test_token_expired_later_is_told_from_success() -> None:
    lines = transcript("12b")
    expired = first(lines, "token expired")
    again = first(lines, r"logging in \.\.\.", 1)
    second_marker = first(lines, MARKER, 1)
    decided = first(lines, "no settings change necessary")
    found = verdicts(lines)
    assert set(found[expired:again]) == {LOST}
    assert read(lines[: expired + 1]).lost == "token-expired"
    assert set(found[again:decided]) == {PENDING}, "a marker without the paper warning accepted is none"
    assert read(lines[: second_marker + 1]).hint == "paper-warning-not-accepted"
    assert set(found[decided:]) == {FAILED}
    assert read(lines).code == "paper-warning-not-accepted"


def test_dead_java_is_lost_not_marked() -> None:
    lines = transcript("13a")
    found = verdicts(lines)
    assert found[-1] == LOST
    assert FAILED not in found
    assert read(lines).lost == "java-dead"


def test_installation_fails_at_its_third_try() -> None:
    lines = transcript("14")
    decided = first(lines, r"installation has failed\.", 2)
    found = verdicts(lines)
    assert set(found[:decided]) == {PENDING}
    assert set(found[decided:]) == {FAILED}
    assert read(lines).code == "installation-failed"


def test_marker_that_changes_no_setting_is_told() -> None:
    assert read(transcript("19")).settings_skipped
    assert read(transcript("02a")).settings_skipped
    assert not read(transcript("01")).settings_skipped


@pytest.mark.parametrize("case", cases())
def test_verdicts_are_the_same_without_time_stamps(case: str) -> None:
    lines = transcript(case)
    assert verdicts([read_line(line).text for line in lines]) == verdicts(lines)


@pytest.mark.parametrize("case", cases())
def test_noise_between_the_lines_changes_nothing(case: str) -> None:
    noise = [
        "tput: No value for $TERM and no -T specified",
        "2026-11-22 16:17:46 [I] pipe_in: going with input path: [/tmp/ibg-jauto.in]",
        "xdotool: command failed, login failed or not",
        "  % Total    % Received % Xferd",
        "",
        "Please re-enter your password",
    ]
    lines = transcript(case)
    noisy = []
    for index, line in enumerate(lines):
        stamp = line.partition(" ")[0]
        noisy += [f"{stamp} {noise[index % len(noise)]}", line]
    assert verdicts(noisy)[1::2] == verdicts(lines)


def test_colours_are_stripped() -> None:
    assert (
        read_line("2026-11-22T15:28:13.917241825Z \x1b[37m\x1b[36m• logging in ...\x1b(B\x1b[m").text
        == "• logging in ..."
    )


def test_second_attempt_without_a_reason_is_a_failure() -> None:
    reader = read(["IB Gateway Startup / now", "• logging in ..."])
    assert reader.verdict == PENDING
    reader.feed("• logging in ...")
    assert reader.code == "login-failed"


def test_gateway_that_is_restarted_may_log_in_again() -> None:
    start = ["IB Gateway Startup / now", "• logging in ...", "  - option check skipped, to perform again remove /x"]
    ended = ["• IB Gateway is no longer running, will restart ..."]
    reader = read([*start, *ended])
    assert reader.verdict == PENDING
    for line in start:
        reader.feed(line)
    assert reader.verdict == MARKED


def test_new_start_of_the_container_begins_anew() -> None:
    reader = read([*transcript("04a"), *transcript("01")])
    assert reader.verdict == MARKED


def test_kicks_that_lie_far_apart_are_no_fight() -> None:
    lines = [*transcript("02b")[:-2]]
    lines += [f"2026-11-{day}T10:00:00.000000000Z   - handle relogin warning by allowing ..." for day in (23, 24, 25)]
    assert read(lines).verdict == LOST


def test_token_that_expires_again_at_once_is_a_failure() -> None:
    lines = transcript("12a")
    expired = first(lines, "token expired")
    reader = read(lines[: expired + 1])
    assert (reader.verdict, reader.hint) == (PENDING, "token-expired")
    reader.feed(lines[expired])
    assert reader.code == "token-expired"


def test_lock_out_tells_the_time_left() -> None:
    assert read(transcript("15b")).facts["wait"] == "4 minutes & 55 seconds"


def test_evidence_holds_no_line_that_no_rule_knows() -> None:
    reader = read(transcript("21f"))
    assert "-abcd1" not in " ".join(reader.evidence)
    assert reader.last is not None
    assert "-abcd1" not in reader.last.text


def test_timeline_names_the_stages() -> None:
    stages = [stage for stage, _at in read(transcript("01")).timeline]
    assert stages == [
        "starting",
        "installing",
        "starting-gateway",
        "login-form",
        "logging-in",
        "second-factor",
        "paper-warning",
        "option-check",
    ]


def test_line_that_repeats_is_no_progress() -> None:
    lines = transcript("22")
    due = first(lines, "two-factor")
    assert read(lines).progress == read(lines[: due + 1]).progress


def test_times_are_read() -> None:
    assert parse_time("1970-01-01T00:00:01.500000000Z x") == 1.5
    assert parse_time("1970-01-01T01:00:01+01:00") == 1
    assert parse_time("1970-01-01T00:00:01-00:30") == 1801
    assert parse_time("2026-11-32T00:00:01Z") is None
    assert parse_time("no time") is None


def test_splitter_keeps_what_has_no_end() -> None:
    splitter = LineSplitter()
    assert splitter.feed("• logg".encode()[:2]) == []
    assert splitter.feed("• logg".encode()[2:]) == []
    assert splitter.feed(b"ing in ...\nnext\nrest") == ["• logging in ...", "next"]
    assert splitter.feed(b"\n") == ["rest"]


def test_line_without_end_is_cut() -> None:
    splitter = LineSplitter()
    for _piece in range(100):
        splitter.feed(b"x" * 10_000)
    (line,) = splitter.feed(b"\n")
    assert len(read_line(line).text) <= 4096
