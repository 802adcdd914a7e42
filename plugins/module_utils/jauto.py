# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gateway shows where its log is silent: its dialogs, as JAuto tells them, and its launcher.log.

JAuto tells password fields in clear. Nothing of a field that a person can type into leaves this module, and nothing of a
line that is not known to be a label, a text or a button.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Pattern, Sequence, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES

# JAuto's FIFO belongs to this user; a kernel with protected FIFOs lets no other open it as a shell does, root included.
USER = "ibg"
LONGEST_TEXT = 400
LONGEST_ANSWER = 65536
MOST_DIALOGS = 20

# Opening the FIFO waits for JAuto to read it, which a dead JVM never does: hence the bound. It is opened for writing
# only, so that no command of the image's own gets lost.
_ASK = f"""\
[ -p /tmp/ibg-jauto.in ] || exit 1
umask 077
rm -f /tmp/ibg-asked.*
answer=/tmp/ibg-asked.$$
printf '%s|list_ui_components?window_type=dialog\\n' "$answer" > /tmp/ibg-jauto.in
until [ -s "$answer" ]; do sleep 0.05; done
sleep 0.05
head -c {LONGEST_ANSWER} "$answer"
rm -f "$answer"
"""
# launcher.log outlives a container: its first line here is the time of this start, written as the gateway writes times.
_READ_LAUNCHER = f"""\
TZ="${{IB_TIMEZONE:-UTC}}" date -d "@$1" '+%F %T' || exit 1
tail -c {LONGEST_ANSWER} "${{IBG_SETTINGS_DIR:-/home/ibg_settings}}/launcher.log"
"""

ASK_FOR_DIALOGS = ("timeout", "-k", "1", "4", "sh", "-c", _ASK)
ASK_FOR_ALL = ("timeout", "-k", "1", "4", "sh", "-c", _ASK.replace("?window_type=dialog", ""))

_COMPONENT = re.compile(r"javax\.swing\.(?P<kind>\w+),")
_TITLE = re.compile(r",title:(?P<title>.*)$")
_TEXT = re.compile(r",text:(?P<text>.*)$")
_TAG = re.compile(r"<[^<>]{1,40}>")
_SHOWN = {"JLabel": "texts", "JTextPane": "texts", "JEditorPane": "texts", "JTextArea": "texts", "JButton": "buttons"}
_OTHER_WINDOWS = frozenset({"JFrame", "JWindow"})
_TYPED = frozenset({"JTextField", "JFormattedTextField", "JPasswordField"})
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Dialog:
    """A dialog on the gateway's screen."""

    title: str
    text: str = ""
    buttons: Tuple[str, ...] = ()
    asks_for_input: bool = False

    def __str__(self) -> str:
        return f"'{self.title}': {self.text}" if self.text else f"'{self.title}'"


class Reading(NamedTuple):
    """What a dialog or a line of launcher.log means."""

    code: str
    facts: Dict[str, str]
    evidence: str
    handled: bool = False


def read_launcher(started: float) -> Tuple[str, ...]:
    """The command that prints this start's part of launcher.log, and the lines before it."""
    return ("timeout", "-k", "1", "4", "sh", "-c", _READ_LAUNCHER, "sh", str(int(started)))


def parse_dialogs(answer: str) -> List[Dialog]:
    """The dialogs in JAuto's answer: one component a line, each window's after the window."""
    found: List[Dict[str, Any]] = []
    window: Optional[Dict[str, Any]] = None
    for line in answer[:LONGEST_ANSWER].splitlines():
        component = _COMPONENT.match(line)
        if component is None:
            continue
        kind = component.group("kind")
        if kind == "JDialog":
            title = _TITLE.search(line)
            window = {
                "title": _plain(title.group("title")) if title else "",
                "texts": [],
                "buttons": [],
                "typed": False,
            }
            found.append(window)
        elif kind in _OTHER_WINDOWS:
            window = None
        elif window is not None and kind in _TYPED:
            window["typed"] = True
        elif window is not None and kind in _SHOWN:
            text = _TEXT.search(line)
            if text is not None and _plain(text.group("text")):
                window[_SHOWN[kind]].append(_plain(text.group("text")))
    return [
        Dialog(item["title"], " ".join(item["texts"])[:LONGEST_TEXT], tuple(item["buttons"]), item["typed"])
        for item in found[:MOST_DIALOGS]
    ]


def _plain(text: str) -> str:
    """A Swing text without its markup, on one line."""
    return " ".join(_TAG.sub(" ", text.replace("\\n", " ")).split())[:LONGEST_TEXT]


def parse_launcher(output: str) -> List[str]:
    """The lines of launcher.log since the time in the output's first line; lines without a time go with the one before."""
    start, _newline, rest = output.partition("\n")
    lines: List[str] = []
    is_new = False
    for line in rest.splitlines():
        stamp = _STAMP.match(line)
        if stamp is not None:
            is_new = stamp.group(0) >= start.strip()
        if is_new:
            lines.append(line)
    return lines


class _DialogRule(NamedTuple):
    code: str
    title: Pattern[str]
    text: Pattern[str]
    handled: bool


class _LauncherRule(NamedTuple):
    code: str
    line: Pattern[str]
    without: Optional[Pattern[str]]


_DIALOGS = [
    _DialogRule(cause["code"], re.compile(rule["title"]), re.compile(rule["text"]), rule.get("handled", False))
    for cause in CAUSES
    for rule in cause.get("dialogs", ())
]
_LAUNCHER = [
    _LauncherRule(cause["code"], re.compile(rule["line"]), re.compile(rule["without"]) if "without" in rule else None)
    for cause in CAUSES
    for rule in cause.get("launcher", ())
]


def read_dialog(dialog: Dialog) -> Optional[Reading]:
    """What the catalogue says of a dialog; None when it does not know it."""
    for rule in _DIALOGS:
        text = rule.text.search(dialog.text)
        if text is not None and rule.title.search(dialog.title):
            return Reading(rule.code, _facts(text.groupdict()), f"dialog {dialog}", rule.handled)
    return None


def read_launcher_lines(lines: Sequence[str]) -> Optional[Reading]:
    """The first cause that the lines show. Only what the catalogue knows of a line is quoted: the rest has addresses."""
    for rule in _LAUNCHER:
        if rule.without is not None and any(rule.without.search(line) for line in lines):
            continue
        for line in lines:
            match = rule.line.search(line)
            if match is not None:
                return Reading(rule.code, _facts(match.groupdict()), f"launcher.log: {match.group(0)}")
    return None


def _facts(groups: Mapping[str, Optional[str]]) -> Dict[str, str]:
    return {name: value for name, value in groups.items() if value}
