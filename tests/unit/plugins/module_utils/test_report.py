# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import html.parser
import json
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import diagnose, diagnosis, report, screen_text
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.evidence import Evidence
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils import evidence_of as of

HOST = "staging.abstractfinance.example"
RUN = {"at": "2025-12-10T12:00:00Z", "ansible": "2.19.14"}
VOID = {"meta", "img", "br", "wbr", "rect"}


class Page(html.parser.HTMLParser):
    """Reads a page: its elements, all of which have to be closed, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: List[Tuple[str, Dict[str, Any]]] = []
        self.open: List[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data


def found_of(evidence: Evidence) -> Dict[str, Any]:
    return diagnose.result(evidence, diagnosis.decide(evidence))


def page_of(evidence: Evidence) -> Page:
    return Page(report.page(HOST, found_of(evidence), RUN))


FAILED = "  - login failed: Invalid username or password"


def test_a_page_holds_causes_remedies_and_the_telling_line() -> None:
    page = page_of(of.stopped(FAILED))
    for text in ("1 cause", "Wrong username or password", "wrong-credentials", "Reset Password", FAILED.strip(), "G10"):
        assert text in page.text
    telling = [attributes for tag, attributes in page.elements if tag == "li" and attributes.get("class") == "telling"]
    assert len(telling) == 1


def test_a_healthy_page_says_so() -> None:
    page = page_of(of.healthy())
    assert "Nothing is wrong" in page.text
    assert "Link to IBKR" in page.text


def test_what_could_not_be_looked_at_is_told_with_why() -> None:
    evidence = of.hanging(dialogs=None, read=screen_text.Reading(unread=screen_text.MISSING))
    assert "Not looked at" in page_of(evidence).text
    assert screen_text.MISSING in page_of(evidence).text
    found = found_of(evidence)
    assert f"Text on the screen: {screen_text.MISSING}." in report.words(HOST, found, {})
    assert report.as_json(HOST, found, RUN)["unseen"] == [{"what": "Text on the screen", "why": screen_text.MISSING}]
    assert "Not looked at" not in page_of(of.hanging(dialogs=None, read=screen_text.Reading())).text


def test_a_page_asks_nothing_of_a_network() -> None:
    page = page_of(of.stopped(FAILED, screen=b"\x89PNG"))
    asking = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"}
    links = [
        (tag, name, value) for tag, attributes in page.elements for name, value in attributes.items() if name in asking
    ]
    assert [(tag, value.partition(",")[0]) for tag, _name, value in links] == [("img", "data:image/png;base64")]
    assert not {"script", "link", "iframe", "object", "base", "form"} & {tag for tag, _attributes in page.elements}
    assert "default-src 'none'" in str(page.elements)
    assert "url(" not in report.STYLE
    assert "@import" not in report.STYLE


@given(st.text(max_size=60))
def test_no_text_from_a_host_becomes_markup(text: str) -> None:
    hostile = f'{text}</pre><script>alert(1)</script><img src=x onerror=alert(1)>" onload="{text}'
    evidence = of.stopped(
        FAILED + hostile.replace("\n", " "),
        settings={hostile: hostile},
        dialogs=of.dialog(hostile, hostile),
        launcher=[hostile],
        versions={"image": hostile},
    )
    plain = page_of(
        of.stopped(FAILED, settings={"a": "b"}, dialogs=of.dialog("c", "d"), launcher=["e"], versions={"f": "g"})
    )
    page = page_of(evidence)
    assert [tag for tag, _attributes in page.elements] == [tag for tag, _attributes in plain.elements]
    assert not [name for _tag, attributes in page.elements for name in attributes if name.startswith("on")]


def test_stages_are_drawn_on_one_scale_of_time() -> None:
    page = page_of(of.stopped(FAILED))
    drawn = [attributes for tag, attributes in page.elements if tag == "rect" and attributes["class"] != "track"]
    assert len(drawn) >= 4
    for stage in drawn:
        left, width = float(stage["x"].rstrip("%")), float(stage["width"].rstrip("%"))
        assert 0 <= left <= left + width <= 100.1


def test_the_log_is_cut_to_its_ends_and_what_stands_around_the_telling_line() -> None:
    noise = [f"line {number}" for number in range(300)]
    shown = diagnose.excerpt(
        of.log(*noise, FAILED, *noise), ["2025-12-10T11:56:00Z - login failed: Invalid username or password"]
    )
    numbers = [line["number"] for line in shown]
    assert [line["number"] for line in shown if line["telling"]] == [301]
    assert set(range(289, 314)) <= set(numbers)
    assert {1, 601} <= set(numbers)
    assert len(numbers) < 100


def test_left_out_lines_are_counted() -> None:
    noise = [f"line {number}" for number in range(300)]
    page = page_of(of.stopped(log=of.log(*of.FORM, FAILED, *noise)))
    assert "lines left out" in page.text


def test_json_is_the_page_in_another_form_and_without_fingerprints() -> None:
    found = {**found_of(of.stopped(FAILED)), "names": {of.LOGIN: "afpaper01"}}
    text = json.dumps(report.as_json(HOST, found, RUN))
    assert "wrong-credentials" in text
    assert "afpaper01" not in text
    assert "fingerprints" not in text
    assert "00000002" not in text


def test_words_for_the_operator_have_the_names_in_full() -> None:
    words = report.words(HOST, found_of(of.stopped(FAILED)), {of.LOGIN: "afpaper01"}, "/reports/x.html")
    assert words.startswith(
        f"{HOST} (afpaper01): Login failed, 1 cause\n\n1. Wrong username or password [wrong-credentials]"
    )
    assert words.endswith("Report: /reports/x.html")
    assert of.LOGIN not in words


def test_the_closing_sentence_ends_with_each_code_once() -> None:
    cause = {"code": "disk-full", "title": "Too little disk"}
    other = {"code": "clock-skew", "title": "The clock is off"}
    closing = report.closing([("a", {"causes": [cause, other]}), ("b", {"causes": [cause]}), ("c", {"causes": []})])
    assert closing == "a: Too little disk, The clock is off; b: Too little disk. [disk-full] [clock-skew]"
    assert report.closing([("a", {"causes": []})]) == ""


@pytest.mark.parametrize("state", ["pending", "unknown", "absent"])
def test_every_state_has_a_page(state: str) -> None:
    assert Page(report.page(HOST, {"state": state, "causes": []}, RUN)).text
