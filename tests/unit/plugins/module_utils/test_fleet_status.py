# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.fleet_status import (
    Status,
    fleet_status,
    short_names,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import read_gateway, session_views
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import MANAGED, inspect_of

STAGING = "staging.abstractfinance.example"
PRODUCTION = "production.abstractfinance.example"
FLEET = (STAGING, PRODUCTION)
RUN = "4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11"
LIVE_ENV = ["IB_USERNAME=aflive01", "IB_LOGINTYPE=Live Trading"]


def proof(state: str = "proven", code: str | None = None, connected: bool = True) -> dict[str, Any]:
    return {
        "state": state,
        "account": "DU1234567",
        "accounts": ["DU1234567"] if state == "proven" else [],
        "connected": connected,
        "code": code,
        "message": None if code is None else f"Something is wrong: look there. [{code}]",
    }


def session(told: dict[str, Any] | None = None, **what: Any) -> dict[str, Any]:
    gateway = read_gateway(inspect_of(**{"labels": MANAGED, **what}))
    assert gateway is not None
    [view] = session_views(gateway)
    return {**view, "proof": told}


def answer(*sessions: dict[str, Any], **parts: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"stopped": [], "parked": [], "assumed_fenced": [], "leases": [], "history": []}
    return {"sessions": list(sessions), **empty, **parts}


def parked(**what: Any) -> dict[str, Any]:
    return {
        "container": "old-parked-4f1f6c0e",
        "former_name": "old",
        "login": "afpaper01",
        "for_login_key": "afpaper01",
        "run_id": RUN,
        "parked_at": "2025-12-12T10:00:00Z",
        **what,
    }


def status(staging: Any, production: Any = None) -> Status:
    return fleet_status(FLEET, {STAGING: staging, PRODUCTION: answer() if production is None else production})


def codes(found: Status) -> list[str]:
    return [item.code for item in found.problems]


def rows(found: Status) -> list[list[str]]:
    """The cells of the table's rows, the mark first."""
    begin = next(index for index, line in enumerate(found.lines) if line.startswith("  login"))
    table = found.lines[begin + 1 :]
    end = table.index("") if "" in table else len(table)
    return [[line[:1].strip(), *re.split(r" {2,}", line[2:].strip())] for line in table[:end]]


def test_all_is_well() -> None:
    found = status(answer(session(proof())))
    assert found.problems == []
    assert found.lines == [
        "Hosts without their domain .abstractfinance.example.",
        "",
        "  login      host     container  state    mode   since (UTC)       proven     policy",
        "  afpaper01  staging  ibgateway  running  paper  2025-12-05 09:12  DU1234567  unless-stopped",
    ]


def test_no_gateway_anywhere() -> None:
    assert status(answer()).lines[-1] == "No gateway runs or would return on any host."
    assert status(answer()).problems == []


def test_two_holders_of_one_login_stand_side_by_side() -> None:
    other = session(None, name="rogue", image="gnzsnz/ib-gateway", env=["TWS_USERID=AFPAPER01", "TRADING_MODE=paper"])
    live = session(proof(), env=LIVE_ENV)
    found = status(answer(live, session(proof())), answer(other))
    assert [(row[0], row[1], row[2]) for row in rows(found)] == [
        ("", "aflive01", "staging"),
        ("!", "AFPAPER01", "production"),
        ("!", "afpaper01", "staging"),
    ]
    assert codes(found) == ["several-holders"]
    message = found.problems[0].message
    assert f"rogue on {PRODUCTION}" in message
    assert f"ibgateway on {STAGING}" in message


def test_two_holders_on_one_host() -> None:
    assert codes(status(answer(session(proof()), session(proof(), name="second")))) == ["several-holders"]


@pytest.mark.parametrize(
    ("told", "cell", "code"),
    [
        (proof("failed", "java-dead"), "java-dead", "java-dead"),
        (proof("absent", "gateway-not-running"), "gateway-not-running", "gateway-not-running"),
        (proof("pending"), "logging in", "login-pending"),
        (proof(connected=False), "gateway-not-connected", "gateway-not-connected"),
    ],
)
def test_a_gateway_that_is_not_proven_stands_out(told: dict[str, Any], cell: str, code: str) -> None:
    found = status(answer(session(told)))
    assert (rows(found)[0][0], rows(found)[0][7]) == ("!", cell)
    assert codes(found) == [code]
    assert f"[{code}]" not in found.problems[0].message
    assert STAGING in found.problems[0].message


def test_a_gateway_that_was_not_asked_is_no_problem() -> None:
    found = status(answer(session(None, env=["TWS_USERID=x1", "TRADING_MODE=paper"], image="gnzsnz/ib-gateway")))
    assert (rows(found)[0][7], found.problems) == ("not asked", [])


def test_an_unreadable_one_tells_how_to_go_on() -> None:
    found = status(answer(), answer(session(None, name="dark", env=[], labels={})))
    assert rows(found)[0][:3] == ["!", "?", "production"]
    assert codes(found) == ["login-unreadable"]
    assert f'"session_fence_unreadable": ["{PRODUCTION}/dark"]' in found.problems[0].message


def test_a_mode_that_is_not_stated_is_explained() -> None:
    found = status(answer(session(proof(), env=["IB_USERNAME=afpaper01"])))
    assert rows(found)[0][5] == "live?"
    assert found.lines[-1].startswith("live?: ")


def test_rm_is_told_as_a_policy() -> None:
    assert rows(status(answer(session(proof(), auto_remove=True, policy="no"))))[0][8] == "--rm"


@pytest.mark.parametrize(
    ("result", "word", "code"),
    [
        ({"unreachable": True}, "unreachable", "host-not-seen"),
        (None, "not asked", "host-not-seen"),
        ({"failed": True, "msg": "Docker does not answer. [engine-down]"}, "engine-down", "engine-down"),
        ({"failed": True, "msg": "Oops"}, "step-failed", "step-failed"),
    ],
)
def test_a_host_that_tells_nothing_has_a_row_of_its_own(result: Any, word: str, code: str) -> None:
    found = fleet_status(FLEET, {STAGING: answer(session(proof())), PRODUCTION: result})
    assert rows(found)[-1] == ["!", "?", "production", word]
    assert codes(found) == [code]
    assert PRODUCTION in found.problems[0].message
    assert f"[{code}]" not in found.problems[0].message


def test_nobody_answers() -> None:
    found = fleet_status(FLEET, dict.fromkeys(FLEET))
    assert [row[1:] for row in rows(found)] == [["?", "staging", "not asked"], ["?", "production", "not asked"]]


def test_what_is_parked_stands_out() -> None:
    found = status(answer(parked=[parked(), parked(container=None, former_name="other", login=None)]))
    begin = found.lines.index("parked:")
    assert found.lines[begin + 1 : begin + 3] == [
        "! afpaper01 on staging: old as old-parked-4f1f6c0e, since 2025-12-12 10:00, by run 4f1f6c0e",
        "! ? on staging: other as its container is gone, since 2025-12-12 10:00, by run 4f1f6c0e",
    ]
    assert codes(found) == ["left-parked", "left-parked"]


def test_a_host_that_was_assumed_to_be_off_stands_out() -> None:
    record = {
        "host": PRODUCTION,
        "login": "afpaper01",
        "login_key": "afpaper01",
        "operator": "ops@controller.example",
        "assumed_at": "2025-12-12T10:00:00Z",
        "run_id": RUN,
    }
    found = status(answer(assumed_fenced=[record]))
    line = "! production for afpaper01, by ops@controller.example, 2025-12-12 10:00, recorded on staging"
    assert line in found.lines
    assert codes(found) == ["host-assumed-fenced"]


def test_the_last_change_of_each_host_and_runs_at_work() -> None:
    entry = {"at": "2025-12-12T10:00:00Z", "operator": "ops@controller.example", "run_id": RUN}
    lease = {"login": "afpaper01", "owner": {"operator": "ann@desk.example"}, "run_id": RUN, "age": 12}
    found = status(
        answer(
            history=[
                {**entry, "action": "lease-taken"},
                {**entry, "action": "fence", "done": ["old: parked as x; killed"], "outcome": "stop-failed"},
            ],
            leases=[lease],
        ),
        answer(history=[{**entry, "action": "lease-taken"}]),
    )
    head = "2025-12-12 10:00 by ops@controller.example, run 4f1f6c0e"
    assert f"  staging: {head}: fence: old: parked as x; killed, ended in stop-failed" in found.lines
    assert f"  production: {head}: lease-taken" in found.lines
    assert "  afpaper01 on staging: by ann@desk.example, run 4f1f6c0e, for 12 s" in found.lines
    assert found.problems == []


def test_stopped_ones_are_told_and_no_problem() -> None:
    found = status(answer(stopped=[session(status="exited", policy="no")]))
    assert "  afpaper01 on staging: ibgateway (exited)" in found.lines
    assert found.problems == []


@pytest.mark.parametrize(
    ("fleet", "names"),
    [
        (["a.x.example", "b.x.example"], ["a", "b"]),
        (["a.b.example", "a.c.example"], ["a.b", "a.c"]),
        (["a.example", "b"], ["a.example", "b"]),
        (["one.example"], ["one.example"]),
        (["example", "a.example"], ["example", "a.example"]),
    ],
)
def test_hosts_lose_the_domain_that_they_share(fleet: list[str], names: list[str]) -> None:
    assert list(short_names(fleet).values()) == names


@pytest.mark.parametrize(
    ("digest", "version", "lines"),
    [
        (
            "sha256:2",
            "10.48.1e",
            ["  ibgateway on staging: IB Gateway 10.48.1e", "    heshiming/ibga:latest", "    sha256:2"],
        ),
        (
            None,
            None,
            [
                "  ibgateway on staging: IB Gateway, version not in its log",
                "    heshiming/ibga:latest",
                "    sha256:1 (of no registry)",
            ],
        ),
    ],
)
def test_image_and_program_are_told(digest: str | None, version: str | None, lines: list[str]) -> None:
    seen = session(proof(), image="heshiming/ibga:latest")
    found = status(answer({**seen, "image_id": "sha256:1", "image_digest": digest, "version": version}))
    begin = found.lines.index("images and programs:")
    assert found.lines[begin + 1 :] == lines


def test_every_line_fits_a_screen() -> None:
    found = status(answer(session(proof("failed", "marker-without-login"), name="abstractfinance-paper-01")))
    table = [line for line in found.lines if "abstractfinance-paper-01" in line]
    assert table
    assert all(len(line) <= 120 for line in table)
