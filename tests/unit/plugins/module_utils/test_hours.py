# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import pathlib
from typing import Any, Dict, List, Optional

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hours import (
    DAYS,
    Hours,
    check,
    ends_at,
    read_hours,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hours import until as words_until

BERLIN = "Europe/Berlin"
ROOT = pathlib.Path(__file__).resolve().parents[4]
NEVER = read_hours([], BERLIN, "market")
MARKET = read_hours([{"days": list(DAYS[:5]), "from": "09:00", "to": "22:00"}], BERLIN, "market")


def windows(*items: Dict[str, Any]) -> Hours:
    return read_hours(items, BERLIN, "gateway_reset_windows")


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text + "+00:00")


def end(hours: Hours, text: str) -> Optional[str]:
    found = ends_at(hours, utc(text))
    return None if found is None else found.isoformat()[:16]


# As the role's defaults have them. 2026-01-02 is a Friday; Berlin is an hour ahead of UTC, two in summer.
RESET = windows(
    {"days": ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri"], "from": "05:45", "to": "07:45"},
    {"days": ["Sat"], "from": "05:00", "to": "09:00"},
)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-01-02T04:44:59", None),
        ("2026-01-02T04:45:00", "2026-01-02T06:45"),
        ("2026-01-02T06:44:59", "2026-01-02T06:45"),
        ("2026-01-02T06:45:00", None),
        ("2026-01-03T03:59:59", None),
        ("2026-01-03T04:00:00", "2026-01-03T08:00"),
        ("2026-01-03T07:59:59", "2026-01-03T08:00"),
        ("2026-01-03T08:00:00", None),
        ("2026-01-04T04:00:00", None),
        ("2026-01-04T04:45:00", "2026-01-04T06:45"),
        ("2026-07-03T03:45:00", "2026-07-03T05:45"),
        ("2026-07-03T05:45:00", None),
        # The clocks go forward on Sunday 2026-03-29 at 01:00 UTC, and back on 2026-10-25 at 01:00 UTC.
        ("2026-03-28T05:00:00", "2026-03-28T08:00"),
        ("2026-03-29T03:44:59", None),
        ("2026-03-29T03:45:00", "2026-03-29T05:45"),
        ("2026-10-24T04:00:00", "2026-10-24T07:00"),
        ("2026-10-25T04:44:59", None),
        ("2026-10-25T04:45:00", "2026-10-25T06:45"),
    ],
)
def test_the_reset_windows_hold_at_their_edges(now: str, until: Optional[str]) -> None:
    assert end(RESET, now) == until


def test_the_end_of_a_window_is_said_in_local_time() -> None:
    assert words_until(RESET, utc("2026-07-03T03:45:00")) == "Fri 2026-07-03 07:45 Europe/Berlin"
    assert words_until(RESET, utc("2026-07-03T05:45:00")) == ""


def test_the_windows_here_are_the_roles_defaults() -> None:
    defaults = yaml.safe_load((ROOT / "roles" / "gateway" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert read_hours(defaults["gateway_reset_windows"], defaults["gateway_reset_timezone"], "") == RESET


def test_a_window_over_midnight_is_of_the_day_it_begins_on() -> None:
    night = windows({"days": ["Sat"], "from": "23:00", "to": "03:00"})
    assert end(night, "2026-01-03T21:59:59") is None
    assert end(night, "2026-01-03T22:00:00") == "2026-01-04T02:00"
    assert end(night, "2026-01-04T01:59:00") == "2026-01-04T02:00"
    assert end(night, "2026-01-04T02:00:00") is None
    assert end(night, "2026-01-03T01:00:00") is None


def test_a_repeated_hour_is_inside_twice_and_ends_once() -> None:
    repeated = windows({"from": "02:15", "to": "02:45"})
    assert end(repeated, "2026-10-25T00:30:00") == "2026-10-25T00:45"
    assert end(repeated, "2026-10-25T00:50:00") is None
    assert end(repeated, "2026-10-25T01:30:00") == "2026-10-25T01:45"


def test_an_end_that_the_clocks_leap_over_comes_with_the_leap() -> None:
    leap = windows({"from": "01:00", "to": "02:30"})
    assert end(leap, "2026-03-29T00:30:00") == "2026-03-29T01:30"
    assert end(leap, "2026-03-29T01:00:00") is None


def test_windows_that_adjoin_end_as_one() -> None:
    chain = windows(
        {"from": "20:00", "to": "24:00"}, {"from": "00:00", "to": "01:00"}, {"from": "00:30", "to": "02:00"}
    )
    assert end(chain, "2026-01-02T19:30:00") == "2026-01-03T01:00"


def test_windows_without_end_are_told_an_end() -> None:
    assert ends_at(windows({"from": "00:00", "to": "24:00"}), utc("2026-01-02T12:00:00")) is not None


def test_yaml_without_quotes_means_the_same() -> None:
    assert windows(yaml.safe_load("{from: 09:00, to: 22:00}")) == windows({"from": "09:00", "to": "22:00"})


@given(
    st.integers(0, 2 * 365 * 24 * 3600).map(
        lambda seconds: utc("2026-01-01T00:00:00") + datetime.timedelta(seconds=seconds)
    ),
    st.lists(
        st.tuples(st.sets(st.sampled_from(DAYS), min_size=1), st.integers(0, 1439), st.integers(1, 1440)).filter(
            lambda item: item[1] != item[2]
        ),
        max_size=4,
    ),
)
def test_an_end_is_to_come_and_is_outside(now: datetime.datetime, items: List[Any]) -> None:
    hours = windows(*({"days": sorted(days), "from": begin, "to": until} for days, begin, until in items))
    found = ends_at(hours, now)
    if found is not None:
        assert found > now
        assert found - now <= datetime.timedelta(days=17)


@pytest.mark.parametrize(
    ("window", "zone"),
    [
        ({"from": "05:45"}, BERLIN),
        ({"from": "05:45", "to": "25:00"}, BERLIN),
        ({"from": "5h", "to": "6h"}, BERLIN),
        ({"from": "05:45", "to": "05:45"}, BERLIN),
        ({"from": "05:45", "to": "06:45", "days": ["Sunday"]}, BERLIN),
        ({"from": "05:45", "to": "06:45", "day": ["Sun"]}, BERLIN),
        ({"from": "05:45", "to": "06:45"}, "Berlin"),
        ({"from": "05:45", "to": "06:45"}, "../etc/passwd"),
    ],
)
def test_what_cannot_be_read_is_refused(window: Dict[str, Any], zone: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_hours([window], zone, "gateway_reset_windows")
    assert caught.value.code == "hours-invalid"
    assert "gateway_reset_windows" in str(caught.value)


def test_a_login_inside_a_reset_window_is_refused_with_its_end() -> None:
    with pytest.raises(GatewayError) as caught:
        check(RESET, NEVER, "", utc("2026-01-02T05:30:30"))
    assert caught.value.code == "inside-reset-window"
    assert "until Fri 2026-01-02 07:45 Europe/Berlin" in str(caught.value)
    assert "in 1 h 15 min" in str(caught.value)


def test_market_hours_hold_only_where_a_live_gateway_would_be_down() -> None:
    check(NEVER, MARKET, "", utc("2026-01-02T12:00:00"))
    check(NEVER, MARKET, "ibgateway", utc("2026-01-03T12:00:00"))
    check(NEVER, MARKET, "ibgateway", utc("2026-01-02T21:00:00"))
    with pytest.raises(GatewayError) as caught:
        check(NEVER, MARKET, "ibgateway on production", utc("2026-01-02T20:59:59"))
    assert caught.value.code == "market-hours"
    assert "ibgateway on production trades live, and until Fri 2026-01-02 22:00" in str(caught.value)
