# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.receipts import (
    Wanted,
    receipt,
    refuse,
    settled,
    verify,
)

FLEET = ["production", "staging"]


def paper(
    host: str, run_id: str = "run-a", key: str = "afpaper01", generation: Any = 3, target: str = "staging"
) -> dict[str, Any]:
    return receipt(host, key, run_id, target, generation, "boot-1", [], [], "2025-12-12T10:00:00Z")


def lease(host: str, run_id: str = "run-a", key: str = "afpaper01", generation: int = 3) -> dict[str, Any]:
    return {"host": host, "run_id": run_id, "login_key": key, "generation": generation}


LEASES = [lease(host) for host in FLEET]


def codes(
    receipts: list[dict[str, Any]],
    leases: list[dict[str, Any]],
    check_mode: bool = False,
    assumed: tuple[str, ...] = (),
) -> list[str]:
    wanted = Wanted(FLEET, "afpaper01", "run-a", "staging", assumed)
    return [item.code for item in verify(wanted, receipts, leases, check_mode)]


def test_a_receipt_of_every_host_allows_the_start() -> None:
    assert codes([paper("staging"), paper("production")], LEASES) == []


@pytest.mark.parametrize(
    ("receipts", "code"),
    [
        ([], "receipt-missing"),
        ([paper("elsewhere")], "receipt-missing"),
        ([paper("production", run_id="run-b")], "receipt-foreign-run"),
        ([paper("production", key="aflive01")], "receipt-foreign-login"),
        ([paper("production", target="production")], "receipt-foreign-target"),
        ([paper("production", generation=2)], "receipt-stale-generation"),
        ([paper("production", generation=4)], "receipt-stale-generation"),
        ([paper("production", generation=None)], "receipt-stale-generation"),
        ([{"host": "production"}], "receipt-foreign-run"),
    ],
)
def test_what_stands_against_a_start(receipts: list[dict[str, Any]], code: str) -> None:
    assert codes([paper("staging"), *receipts], LEASES) == [code]


@pytest.mark.parametrize(
    "leases",
    [[lease("staging")], [lease("staging"), lease("production", run_id="run-b")]],
)
def test_a_host_without_this_runs_lease(leases: list[dict[str, Any]]) -> None:
    assert codes([paper("staging"), paper("production")], leases) == ["lease-missing"]


def test_a_generation_is_compared_with_its_own_hosts_lease() -> None:
    leases = [lease("staging", generation=7), lease("production", generation=3)]
    assert codes([paper("staging", generation=3), paper("production")], leases) == ["receipt-stale-generation"]


@pytest.mark.parametrize(("generation", "of_lease"), [(True, 1), ("3", 3), (None, None)])
def test_a_generation_is_a_number(generation: Any, of_lease: Any) -> None:
    leases = [lease("staging"), lease("production", generation=of_lease)]
    assert codes([paper("staging"), paper("production", generation=generation)], leases) == ["receipt-stale-generation"]


def test_a_valid_receipt_beside_a_stale_one_counts() -> None:
    assert codes([paper("staging"), paper("production", generation=2), paper("production")], LEASES) == []


def test_check_mode_asks_for_hosts_not_generations() -> None:
    assert codes([paper("staging", generation=None), paper("production", generation=None)], [], True) == []
    assert codes([paper("staging", generation=None)], [], True) == ["receipt-missing"]


def test_the_error_names_every_problem() -> None:
    error = refuse(verify(Wanted(FLEET, "afpaper01", "run-a", "staging"), [], []), "ibgateway")
    assert error.code == "receipt-missing"
    assert "production" in str(error)
    assert "staging" in str(error)


def test_a_host_assumed_to_be_off_needs_neither_receipt_nor_lease() -> None:
    assert codes([paper("staging")], [lease("staging")], assumed=("production",)) == []
    assert codes([paper("staging")], [], check_mode=True, assumed=("production",)) == []


@pytest.mark.parametrize(
    ("receipts", "leases", "assumed", "code"),
    [
        ([paper("staging"), paper("production")], LEASES, ("production",), "assumed-host-answers"),
        ([paper("staging")], LEASES, ("production",), "assumed-host-answers"),
        (
            [paper("staging"), paper("production", run_id="run-b")],
            [lease("staging")],
            ("production",),
            "assumed-host-answers",
        ),
        ([paper("production")], [lease("production")], ("staging",), "assumed-host-answers"),
        ([paper("staging"), paper("production")], LEASES, ("prodction",), "assumed-host-unknown"),
        ([], [lease("staging")], ("production",), "receipt-missing"),
    ],
    ids=["receipt", "lease", "old receipt", "the target", "misspelt", "the others"],
)
def test_what_an_assumption_does_not_cover(
    receipts: list[dict[str, Any]], leases: list[dict[str, Any]], assumed: tuple[str, ...], code: str
) -> None:
    assert codes(receipts, leases, assumed=assumed) == [code]


def test_a_host_is_settled_by_this_runs_receipt_for_this_login() -> None:
    receipts = [
        paper("a"),
        paper("b", run_id="run-b"),
        paper("c", key="aflive01"),
        paper("d", generation=None),
        paper("e", target="production"),
    ]
    assert settled("afpaper01", "run-a", receipts) == ["a", "e"]
