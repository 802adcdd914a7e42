# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import read_gateways, session_views
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.session_proof import looked_at
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import inspect_of

OTHER = {"env": ["TWS_USERID=afpaper01", "TRADING_MODE=paper"], "image": "gnzsnz/ib-gateway"}
DIGEST = "sha256:" + "2" * 64
STAMP = "2025-12-05T09:12:40.000000000Z"
LOG = [
    f"{STAMP} • logging in ...",
    f"{STAMP}   - welcome: 0% Build 10.48.1e Requesting startup parameters.. Logging in afpaper01",
    f"{STAMP}   - welcome: 0% Build 10.49.2a Requesting startup parameters.. Logging in afpaper01",
]


class OneContainer:
    """An engine with one container, which counts how often that is asked about."""

    def __init__(self, **what: Any) -> None:
        self.inspected = {**inspect_of(**what)}
        self.asked = 0

    def inspect(self, container: str) -> dict[str, Any]:
        assert container == "ibgateway"
        self.asked += 1
        return self.inspected

    def log(self, container: str, since: int, until: int | None = None) -> list[str]:
        return LOG if until is not None else []

    def image_digest(self, reference: str) -> str | None:
        assert reference == self.inspected["Image"]
        return DIGEST


def look(engine: OneContainer, account: str | None = "DU1234567") -> Any:
    views = [view for item in read_gateways([engine.inspected]) for view in session_views(item)]
    [session] = looked_at(engine, views, account)  # type: ignore[arg-type]
    assert session["container"] == "ibgateway"
    return session


def proof(engine: OneContainer, account: str | None = "DU1234567") -> Any:
    return look(engine, account)["proof"]


@pytest.mark.parametrize(
    ("status", "state", "code"),
    [
        ("exited", "failed", "gateway-exited"),
        ("restarting", "failed", "restart-loop"),
        ("paused", "failed", "gateway-not-running"),
        ("created", "absent", "gateway-not-running"),
    ],
)
def test_one_that_does_not_run_has_its_cause(status: str, state: str, code: str) -> None:
    found = proof(OneContainer(status=status, exit_code=1))
    assert (found["state"], found["code"], found["account"], found["accounts"]) == (state, code, "DU1234567", [])
    assert found["message"].endswith(f"[{code}]")


@pytest.mark.parametrize("what", [OTHER, {"env": []}])
def test_what_cannot_be_asked_is_not_asked(what: dict[str, Any]) -> None:
    assert proof(OneContainer(**what)) is None


def test_nothing_is_asked_where_no_account_is_expected() -> None:
    engine = OneContainer()
    assert (proof(engine, None), engine.asked) == (None, 0)


def test_image_and_program_are_named() -> None:
    found = look(OneContainer(status="exited"))
    assert (found["image_id"], found["image_digest"], found["version"]) == ("sha256:" + "1" * 64, DIGEST, "10.48.1e")


def test_one_that_was_never_started_has_named_no_program() -> None:
    assert look(OneContainer(status="created"))["version"] is None
