# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof against ib_async, on the lab's gateway in every state that it can be in: same accounts, same refusals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import tws

ib_async = pytest.importorskip("ib_async")

PORT = 4000
OURS, THEIRS, HELD = 7493, 7494, 7495
PATIENCE = 2.0
WITHIN = 60

Start = Callable[..., Any]


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)


def address(container: Any) -> str:
    container.reload()
    return next(iter(container.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]


def of_theirs(where: str, client_id: int = THEIRS) -> list[str]:
    """What ib_async gets: the accounts, or none where it is refused."""

    async def connect() -> list[str]:
        client = ib_async.IB().client
        try:
            await client.connectAsync(where, PORT, clientId=client_id, timeout=PATIENCE)
            return list(client.getAccounts())
        finally:
            client.disconnect()

    try:
        return asyncio.run(connect())
    except (OSError, TimeoutError):
        return []


def of_ours(where: str, client_id: int = OURS) -> list[str]:
    answer = tws.probe(where, PORT, client_id, connect_within=PATIENCE, answer_within=PATIENCE, listen=0.1)
    return list(answer.accounts) if answer.outcome == tws.ANSWERED else []


def agree_on(where: str, accounts: list[str]) -> None:
    assert of_ours(where) == accounts
    assert of_theirs(where) == accounts


def until_in(container: Any, accounts: list[str]) -> str:
    """Wait for the API's listener behind the relay, as the module does, and only then ask it."""
    where = address(container)
    deadline = time.monotonic() + WITHIN
    while b":2328 " not in container.exec_run(["cat", "/proc/net/tcp", "/proc/net/tcp6"]).output:
        assert time.monotonic() < deadline, f"no login within {WITHIN} s: {container.logs()[-500:]!r}"
        time.sleep(0.1)
    agree_on(where, accounts)
    return where


@contextlib.contextmanager
def client_of_id(where: str, client_id: int) -> Iterator[None]:
    """Somebody else's connection to the API, kept open."""
    loop = asyncio.new_event_loop()
    client = ib_async.IB().client
    try:
        loop.run_until_complete(client.connectAsync(where, PORT, clientId=client_id, timeout=PATIENCE))
        yield
    finally:
        client.disconnect()
        loop.close()


NOTICES = [[1100], [504], [], [2110], [1100, 1102], [502], [10197]]


@pytest.mark.parametrize("notices", NOTICES if os.environ.get("TEST_COUNT") == "full" else NOTICES[:2], ids=str)
def test_they_agree_whatever_notices_come(gateway: Start, ibkr: Any, notices: list[int]) -> None:
    ibkr.ask("PUT", "/faults/afpaper01", {"notices": notices})
    until_in(gateway(), ["DU1234567"])


def test_they_agree_on_several_accounts_and_on_the_order(gateway: Start, ibkr: Any) -> None:
    accounts = ["DU7654321", "DU1234567", "DF1111111"]
    ibkr.ask(
        "PUT",
        "/users/afpaper02",
        {"password": "pass-word-2", "totp_secret": "", "kind": "paper", "accounts": accounts},
    )
    until_in(gateway(IB_USERNAME="afpaper02", IB_PASSWORD="pass-word-2", TOTP_KEY=""), accounts)


def test_they_agree_on_a_live_login_and_on_a_read_only_one(gateway: Start) -> None:
    until_in(gateway("aflive01"), ["U7654321"])
    until_in(gateway(IB_READONLY="yes"), ["DU1234567"])


def test_they_agree_that_nobody_is_in_before_the_login(gateway: Start) -> None:
    container = gateway(TOTP_KEY="")
    deadline = time.monotonic() + WITHIN
    while b"two-factor authentication" not in container.logs():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    agree_on(address(container), [])


def test_they_agree_on_a_client_id_in_use(gateway: Start) -> None:
    where = until_in(gateway(), ["DU1234567"])
    with client_of_id(where, HELD):
        assert of_ours(where, HELD) == of_theirs(where, HELD) == []
        answer = tws.probe(where, PORT, HELD, answer_within=PATIENCE, listen=0.1)
        assert answer.outcome == tws.IN_USE
        agree_on(where, ["DU1234567"])


@pytest.mark.parametrize("lost", ["ended", "token expired", "killed", "stopped"])
def test_they_agree_that_a_session_is_lost(gateway: Start, ibkr: Any, lost: str) -> None:
    container = gateway()
    where = until_in(container, ["DU1234567"])
    if lost == "ended":
        ibkr.ask("DELETE", "/sessions/afpaper01")
    elif lost == "token expired":
        ibkr.ask("PUT", "/faults/afpaper01", {"silent": True})
        ibkr.ask("POST", "/events/afpaper01", {"event": "token-expired"})
    elif lost == "killed":
        container.exec_run(["pkill", "-KILL", "-x", "java"])
    else:
        container.kill()
    deadline = time.monotonic() + WITHIN
    while of_ours(where):
        assert time.monotonic() < deadline
    agree_on(where, [])
