# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a login is out of place now: inside IBKR's reset windows, or as a blackout inside market hours.

A window is local wall time on given days of the week, whatever the clocks do between its ends. The time comes in.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes

try:
    import zoneinfo

    HAS_ZONEINFO = True
except ImportError:
    # Python 3.8 of a target; windows are looked at on the controller.
    HAS_ZONEINFO = False

RESET_TIMEZONE = "Europe/Berlin"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = 24 * 60
_TIME = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)")
# So many windows one after the other are one without end.
_LONGEST_CHAIN = 16


class Window(NamedTuple):
    """Days of the week (Monday is 0) and minutes of the day; an end that is not after the begin is the next day's."""

    days: FrozenSet[int]
    begin: int
    end: int


class Hours(NamedTuple):
    """The windows of one kind, and the time zone in which they are meant."""

    windows: Sequence[Window]
    zone: datetime.tzinfo
    zone_name: str


def read_hours(windows: Sequence[Mapping[str, Any]], zone_name: str, option: str) -> Hours:
    """Windows as the inventory has them: `{days: [Mon], from: "05:45", to: "07:45"}`; without days, every day.

    :param option: the inventory's variable, for messages.
    :raises GatewayError: ``hours-invalid``.
    """
    return Hours([_read_window(window, option) for window in windows], _read_zone(zone_name, option), zone_name)


def _read_window(window: Mapping[str, Any], option: str) -> Window:
    unknown = sorted(set(window) - {"days", "from", "to"})
    if unknown or not {"from", "to"} <= set(window):
        raise causes.error(
            "hours-invalid", detail=f"a window of {option} has 'from', 'to' and perhaps 'days', not {window}"
        )
    days = window.get("days") or DAYS
    wrong = [str(day) for day in days if day not in DAYS]
    if wrong:
        raise causes.error("hours-invalid", detail=f"{option}: {', '.join(wrong)} is none of {', '.join(DAYS)}")
    begin, end = _minutes(window["from"], option), _minutes(window["to"], option)
    if begin == end:
        raise causes.error(
            "hours-invalid", detail=f"{option}: a window from {window['from']} to the same time is empty"
        )
    return Window(frozenset(DAYS.index(day) for day in days), begin, end)


def _minutes(value: Any, option: str) -> int:
    """Minutes of the day. YAML reads 22:00 without quotes as the number 1320, which is just that."""
    text = str(value)
    match = _TIME.fullmatch(text)
    if match is not None:
        minutes = int(match["hour"]) * 60 + int(match["minute"])
    elif text.isdigit():
        minutes = int(text)
    else:
        minutes = _DAY + 1
    if minutes > _DAY:
        raise causes.error("hours-invalid", detail=f"{option}: '{text}' is no time of day such as 05:45 or 24:00")
    return minutes


def _read_zone(name: str, option: str) -> datetime.tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise causes.error("hours-invalid", detail=f"{option}: '{name}' is no time zone known here") from error


def ends_at(hours: Hours, now: datetime.datetime) -> Optional[datetime.datetime]:
    """When the window that *now* is in ends, windows that adjoin counted as one; None outside of all.

    :param now: with its time zone.
    """
    end: Optional[datetime.datetime] = None
    moment = now
    for _number in range(_LONGEST_CHAIN):
        ends = [found for found in (_end_of(window, hours.zone, moment) for window in hours.windows) if found]
        if not ends:
            break
        end = moment = max(ends)
    return end


def _end_of(window: Window, zone: datetime.tzinfo, now: datetime.datetime) -> Optional[datetime.datetime]:
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    over_midnight = window.end <= window.begin
    for back in (0, 1) if over_midnight else (0,):
        day = local.date() - datetime.timedelta(days=back)
        if day.weekday() not in window.days:
            continue
        within = minute + back * _DAY
        end = window.end + (_DAY if over_midnight else 0)
        if window.begin <= within < end:
            return _moment(day, end, zone, now)
    return None


def _moment(day: datetime.date, minute: int, zone: datetime.tzinfo, now: datetime.datetime) -> datetime.datetime:
    """A wall time as a moment; of an hour that the clocks repeat, the one that is still to come."""
    wall = datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(minutes=minute)
    first = wall.replace(tzinfo=zone).astimezone(datetime.timezone.utc)
    return first if first > now else wall.replace(tzinfo=zone, fold=1).astimezone(datetime.timezone.utc)


def check(reset: Hours, market: Hours, blackout: str, now: datetime.datetime) -> None:
    """Whether a gateway may be brought down and logged in now.

    :param blackout: the live gateway that would be down in the meantime, in words; empty where there is none.
    :raises GatewayError: ``inside-reset-window`` or ``market-hours``.
    """
    end = ends_at(reset, now)
    if end is not None:
        raise causes.error("inside-reset-window", **_until(reset, end, now))
    end = ends_at(market, now) if blackout else None
    if end is not None:
        raise causes.error("market-hours", holder=blackout, **_until(market, end, now))


def until(hours: Hours, now: datetime.datetime) -> str:
    """When the window that *now* is in ends, in words; empty outside of all."""
    end = ends_at(hours, now)
    return "" if end is None else _until(hours, end, now)["until"]


def _until(hours: Hours, end: datetime.datetime, now: datetime.datetime) -> Dict[str, str]:
    minutes = -(-(end - now).total_seconds() // 60)
    span: List[str] = []
    for unit, size in (("h", 60), ("min", 1)):
        count, minutes = divmod(int(minutes), size)
        if count:
            span.append(f"{count} {unit}")
    return {"until": f"{end.astimezone(hours.zone):%a %Y-%m-%d %H:%M} {hours.zone_name}", "wait": " ".join(span)}
