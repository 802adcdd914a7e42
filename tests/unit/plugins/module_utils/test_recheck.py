# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.recheck import check_unchanged, sessions_of

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
FLEET = [STAGING, PRODUCTION]


def session(**given):
    values = {
        "login_key": "afpaper01",
        "container": "ibgateway",
        "container_id": "8d1c",
        "state": "running",
        "since": "2026-11-22T15:17:40Z",
        "restart_policy": "unless-stopped",
        "readable": True,
    }
    return dict(values, **given)


def found(*sessions):
    return sessions_of("AfPaper01", FLEET, {PRODUCTION: {"sessions": list(sessions)}})


def test_only_the_login_s_sessions_count_and_those_that_cannot_be_read():
    sessions = found(session(), session(login_key="aflive01"), session(login_key=None, readable=False, container="x"))
    assert [(item["host"], item["container"]) for item in sessions] == [(PRODUCTION, "ibgateway"), (PRODUCTION, "x")]


@pytest.mark.parametrize("sessions", [(), (session(),), (session(), session(container="other"))])
def test_what_is_the_same_goes_on(sessions):
    check_unchanged("afpaper01", found(*sessions), found(*sessions))


def test_a_container_that_keeps_restarting_is_still_the_same():
    later = session(state="restarting", since="2026-11-22T15:20:00Z")
    check_unchanged("afpaper01", found(session()), found(later))


@pytest.mark.parametrize(
    "now",
    [
        (),
        (session(container_id="9e2d"),),
        (session(restart_policy="no"),),
        (session(), session(container="other")),
    ],
)
def test_what_another_run_has_changed_ends_this_one(now):
    with pytest.raises(GatewayError) as caught:
        check_unchanged("afpaper01", found(session()), found(*now))
    assert caught.value.code == "sessions-changed"
    assert f"then ibgateway on {PRODUCTION} since 2026-11-22T15:17:40Z" in caught.value.message
    assert "Run the same command again" in caught.value.message


def test_where_nobody_was_it_says_so():
    with pytest.raises(GatewayError) as caught:
        check_unchanged("afpaper01", found(), found(session()))
    assert "then nobody, now ibgateway on" in caught.value.message
