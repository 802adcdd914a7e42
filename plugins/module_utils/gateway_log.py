# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import calendar
import re
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, FrozenSet, List, Mapping, Optional, Pattern, Set, Tuple
from typing import Counter as CounterType

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES, LINES, MARKERS

PENDING = "pending"
MARKED = "marked"
LOST = "lost"
FAILED = "failed"
DOUBT = "doubt"

LONGEST_LINE = 4096
LONGEST_EVIDENCE = 240
MOST_EVIDENCE = 10

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(?:Z|([+-])(\d\d):(\d\d)) ?")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\-~])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Line:
    """One line of a container's log, cleaned; `at` in seconds since the epoch where Docker's time stamp led it."""

    text: str
    at: Optional[float] = None


def parse_time(stamp: str) -> Optional[float]:
    """An RFC 3339 time, as Docker writes it, in seconds since the epoch."""
    match = _STAMP.match(stamp)
    if match is None:
        return None
    try:
        seconds = calendar.timegm(time.strptime(match.group(1), "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None
    fraction = float(match.group(2)) if match.group(2) else 0.0
    offset = 0
    if match.group(3):
        offset = (int(match.group(4)) * 60 + int(match.group(5))) * 60
        if match.group(3) == "-":
            offset = -offset
    return seconds + fraction - offset


def format_time(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def read_line(raw: str) -> Line:
    """A line as the engine hands it over, with or without its time stamp, without escape sequences."""
    raw = raw[:LONGEST_LINE]
    match = _STAMP.match(raw)
    at = None
    if match is not None:
        at = parse_time(match.group(0))
        raw = raw[match.end() :]
    return Line(_CONTROL.sub("", _ESCAPE.sub("", raw)).rstrip(), at)


class LineSplitter:
    """Cuts a stream of bytes into lines; what has no end yet is kept."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> List[str]:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: LONGEST_LINE * 4]
        return [line.decode("utf-8", "replace") for line in lines]


@dataclass(frozen=True)
class _Kind:
    name: str
    stage: Optional[str]
    pattern: Pattern[str]


@dataclass(frozen=True)
class _Rule:
    code: str
    pattern: Pattern[str]
    times: int
    within: Optional[float]
    after: Mapping[str, int]
    without: Tuple[str, ...]
    ever: Tuple[str, ...]
    scope: str
    verdict: str
    seen: Deque[Optional[float]]


def _kinds() -> List[_Kind]:
    return [_Kind(entry["kind"], entry["stage"], re.compile(entry["line"])) for entry in LINES]


def _rules() -> List[_Rule]:
    return [
        _Rule(
            code=cause["code"],
            pattern=re.compile(rule["line"]),
            times=rule.get("times", 1),
            within=rule.get("within"),
            after=rule.get("after", {}),
            without=rule.get("without", ()),
            ever=rule.get("ever", ()),
            scope=rule.get("scope", "login"),
            verdict=rule.get("verdict", FAILED),
            seen=deque(maxlen=rule.get("times", 1)),
        )
        for cause in CAUSES
        for rule in cause.get("log", ())
    ]


class LogReader:
    """Where a gateway stands, as far as its log tells; fed line by line from the container's start on.

    A marker is no proof: `verdict` is at best MARKED, and the trading API has the last word.
    """

    def __init__(self) -> None:
        self._kinds = _kinds()
        self._rules = _rules()
        self._counts: Dict[str, CounterType[str]] = {}
        self._reset()

    def _reset(self) -> None:
        self._counts = {"login": Counter(), "gateway": Counter(), "start": Counter()}
        for rule in self._rules:
            rule.seen.clear()
        self.stage: str = "starting"
        self.stage_at: Optional[float] = None
        self.login: Optional[str] = None
        self.percent: Optional[int] = None
        self.attempts: int = 0
        self.code: Optional[str] = None
        self.hint: Optional[str] = None
        self.lost: Optional[str] = None
        self.marker: Optional[str] = None
        self.marker_at: Optional[float] = None
        self.doubtful = False
        self.facts: Dict[str, str] = {}
        self.evidence: List[str] = []
        self.timeline: List[Tuple[str, Optional[float]]] = []
        self.progress = 0
        self.progress_at: Optional[float] = None
        self.last: Optional[Line] = None
        self._hint_stage = self.stage
        self._steps: Set[Tuple[str, ...]] = set()

    @property
    def verdict(self) -> str:
        if self.code is not None:
            return FAILED
        if self.lost is not None:
            return LOST
        if self.marker is not None and not self.doubtful:
            return MARKED
        return PENDING

    @property
    def settings_skipped(self) -> bool:
        """The marker is one that leaves the API's port as the settings volume has it."""
        return self.marker == "marker-skipped" or bool(self._counts["login"]["settings-kept"])

    @property
    def options_checked(self) -> bool:
        """The image has gone through the gateway's settings in this login, and they are as its own options want them."""
        counts = self._counts["login"]
        return bool(counts["api-settings"] and (counts["settings-kept"] or counts["settings-confirmed"]))

    @property
    def options_under_way(self) -> bool:
        """It has begun to, and is not done."""
        counts = self._counts["login"]
        return self.marker == "marker" and not (counts["settings-kept"] or counts["settings-confirmed"])

    def seen(self, kind: str) -> int:
        """How many lines of a kind there were in this login."""
        return self._counts["login"][kind]

    def feed(self, raw: str) -> None:
        self.take(read_line(raw))

    def take(self, line: Line) -> None:
        kinds = [(kind, match) for kind in self._kinds for match in [kind.pattern.search(line.text)] if match]
        names = frozenset(kind.name for kind, _match in kinds)
        if "manager" in names:
            self._reset()
        if "gateway" in names:
            self._forget("gateway")
            self._begin_login()
        hinted = self.code is None and self._judge(line)
        if "attempt" in names:
            self._begin_login()
            self.attempts += 1
        for kind, match in kinds:
            for counts in self._counts.values():
                counts[kind.name] += 1
            self._move(kind, match.groupdict(), line)
        if hinted:
            self._hint_stage = self.stage
        elif self.stage != self._hint_stage:
            self.hint = None
        if names:
            self.last = line
            self._advance(names, line)

    def _forget(self, scope: str) -> None:
        self._counts[scope].clear()
        for rule in self._rules:
            if rule.scope == scope:
                rule.seen.clear()

    def _begin_login(self) -> None:
        self._forget("login")
        self._steps.clear()
        self.marker = None
        self.marker_at = None
        self.doubtful = False
        self.lost = None
        self.hint = None
        self.percent = None

    def _judge(self, line: Line) -> bool:
        """Apply the first rule that fits; whether one did."""
        for rule in self._rules:
            match = rule.pattern.search(line.text)
            if match is None or not self._holds(rule, line.at):
                continue
            self._note(line)
            self.facts.update({name: value for name, value in match.groupdict().items() if value})
            if rule.verdict == FAILED:
                self.code = rule.code
            else:
                self.hint = rule.code
                self.doubtful = self.doubtful or rule.verdict == DOUBT
                if rule.verdict == LOST and self.marker is not None:
                    self.lost = rule.code
            return True
        return False

    def _holds(self, rule: _Rule, at: Optional[float]) -> bool:
        rule.seen.append(at)
        first = rule.seen[0]
        recent = rule.within is None or at is None or first is None or first >= at - rule.within
        counts = self._counts[rule.scope]
        return (
            len(rule.seen) == rule.times
            and recent
            and all(counts[kind] >= count for kind, count in rule.after.items())
            and not any(counts[kind] for kind in rule.without)
            and all(self._counts["start"][kind] for kind in rule.ever)
        )

    def _note(self, line: Line) -> None:
        text = line.text.strip()[:LONGEST_EVIDENCE]
        self.evidence.append(text if line.at is None else f"{format_time(line.at)} {text}")
        del self.evidence[:-MOST_EVIDENCE]

    def _move(self, kind: _Kind, facts: Mapping[str, Any], line: Line) -> None:
        if kind.stage is not None and (kind.stage != self.stage or not self.timeline):
            self.stage = kind.stage
            self.stage_at = line.at
            self.timeline.append((kind.stage, line.at))
        if kind.name in MARKERS:
            self.marker = kind.name
            self.marker_at = line.at
        elif kind.name == "welcome":
            self.login = facts["login"]
            self.percent = int(facts["percent"])
        elif kind.name == "gateway-ended":
            self._begin_login()

    def _advance(self, names: FrozenSet[str], line: Line) -> None:
        """A kind of line that this login had not shown yet is progress; the same one again is none."""
        step = tuple(sorted(names))
        if "welcome" in names:
            step += (str(self.percent),)
        if step not in self._steps:
            self._steps.add(step)
            self.progress += 1
            self.progress_at = line.at
