# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import (
    LIVE,
    PAPER,
    Mode,
    image_names,
    login_key,
    read_gateway,
    read_gateways,
    session_views,
)
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import (
    IBGA_ENV,
    MANAGED,
    SLOT,
    inspect_of,
)

PAPER_STATED = Mode(PAPER, True)
LIVE_STATED = Mode(LIVE, True)
LIVE_ASSUMED = Mode(LIVE, False)


def read(**what: Any) -> Any:
    return read_gateway(inspect_of(**what))


@pytest.mark.parametrize("image", ["heshiming/ibga:r20260803", "registry.example:5000/own/renamed", "sha256:abcd"])
@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (["IB_USERNAME=afpaper01", "IB_LOGINTYPE=Paper Trading"], [("afpaper01", PAPER_STATED)]),
        (["IB_USERNAME=aflive01", "IB_LOGINTYPE=Live Trading"], [("aflive01", LIVE_STATED)]),
        (["IB_USERNAME=afpaper01", "IB_LOGINTYPE=paper"], [("afpaper01", LIVE_ASSUMED)]),
        (["IB_USERNAME=afpaper01"], [("afpaper01", LIVE_ASSUMED)]),
        (["TWS_USERID=AFpaper01", "TRADING_MODE=paper"], [("afpaper01", PAPER_STATED)]),
        (["TWS_USERID=aflive01", "TRADING_MODE=live"], [("aflive01", LIVE_STATED)]),
        (["TWS_USERID=aflive01", "TWS_USERID_PAPER=", "TRADING_MODE="], [("aflive01", LIVE_ASSUMED)]),
        (
            ["TWS_USERID=aflive01", "TWS_USERID_PAPER=afpaper01", "TRADING_MODE=both"],
            [("aflive01", LIVE_STATED), ("afpaper01", PAPER_STATED)],
        ),
        (["TWS_USERID=aflive01", "TWS_USERID_PAPER=afpaper01", "TRADING_MODE=live"], [("aflive01", LIVE_STATED)]),
        (
            ["TWS_USERID=aflive01", "TWS_USERID_PAPER=afpaper01", "TRADING_MODE=paper"],
            [("aflive01", PAPER_STATED), ("afpaper01", PAPER_STATED)],
        ),
        (["TWSUSERID=afpaper01", "TRADING_MODE=paper"], [("afpaper01", PAPER_STATED)]),
        (["IBC_IbLoginId=afpaper01", "IBC_TradingMode=paper"], [("afpaper01", PAPER_STATED)]),
        (["USERNAME=afpaper01", "GATEWAY_OR_TWS=gateway", "IBC_TradingMode=paper"], [("afpaper01", PAPER_STATED)]),
        (["IB_ACCOUNT=afpaper01", "IB_PASSWORD=x", "TRADING_MODE=paper"], [("afpaper01", PAPER_STATED)]),
        (["IBEAM_ACCOUNT=afpaper01"], [("afpaper01", LIVE_ASSUMED)]),
        (["ARGS=username=afpaper01 password=x", "TRADING_MODE=p"], [("afpaper01", PAPER_STATED)]),
        (["ARGS=username=aflive01 password=x"], [("aflive01", LIVE_ASSUMED)]),
    ],
)
def test_every_image_of_the_table_under_any_name(env: list[str], expected: list[Any], image: str) -> None:
    gateway = read(name="something-else", env=env, image=image, argv=("/bin/run.sh",))
    assert gateway.readable
    assert [(login.key, login.mode) for login in gateway.logins] == expected


@pytest.mark.parametrize(
    ("env", "image", "expected"),
    [
        (["LOGIN=afpaper01", "MODE=paper"], "okinta/stack-ibgateway", PAPER_STATED),
        (["LOGIN=afpaper01"], "okinta/stack-ibgateway:latest", LIVE_ASSUMED),
        (["USERNAME=afpaper01"], "ghcr.io/extrange/ibkr@sha256:abcd", LIVE_ASSUMED),
        (["IB_ACCOUNT=afpaper01", "TRADING_MODE=paper"], "manhinhang/ib-gateway-docker", PAPER_STATED),
    ],
)
def test_generic_variables_count_beside_their_image(env: list[str], image: str, expected: Mode) -> None:
    gateway = read(env=env, image=image, argv=("/bin/run.sh",))
    assert [(login.key, login.mode) for login in gateway.logins] == [("afpaper01", expected)]


@pytest.mark.parametrize(
    "env",
    [
        ["LOGIN=root", "MODE=paper"],
        ["USERNAME=afpaper01", "PASSWORD=x"],
        ["IB_ACCOUNT=DU1234567"],
        ["IBKR_USERNAME=afpaper01", "TRADING_MODE=Paper Trading"],
        ["ARGS=username=postgres"],
        [],
    ],
)
def test_an_innocent_container_is_none(env: list[str]) -> None:
    assert read(name="trading-engine", env=env, image="own/trading-engine", argv=("python", "engine.py")) is None


@pytest.mark.parametrize(
    "argv",
    [("engine", "--connect", "ibgateway:4000"), ("mysql", "--user=root"), ("exporter", "--target=http://ibgateway")],
)
def test_arguments_of_other_programs_do_not_make_a_gateway(argv: tuple[str, ...]) -> None:
    assert read(name="ibgateway", env=[], image="own/client", argv=argv) is None


@pytest.mark.parametrize(
    ("argv", "mode"),
    [
        (("/opt/ibc/scripts/ibcstart.sh", "1019", "--gateway", "--user=afpaper01", "--mode=paper"), PAPER_STATED),
        (("/bin/sh", "-c", "/opt/ibc/gatewaystart.sh --user=afpaper01 --pw=x"), LIVE_ASSUMED),
        (("/opt/ibgateway/ibgateway", "username=afpaper01", "password=x"), LIVE_ASSUMED),
    ],
)
def test_a_login_in_the_arguments_is_read(argv: tuple[str, ...], mode: Mode) -> None:
    gateway = read(env=[], image="own/thing", argv=argv)
    assert [(login.key, login.mode) for login in gateway.logins] == [("afpaper01", mode)]
    assert gateway.readable


def test_settings_and_arguments_that_disagree_on_the_mode_count_as_live() -> None:
    gateway = read(
        env=["TWS_USERID=afpaper01", "TRADING_MODE=paper"], argv=("ibcstart.sh", "--mode=live"), image="own/thing"
    )
    assert gateway.worst_mode == LIVE_STATED


@pytest.mark.parametrize(
    ("env", "image"),
    [
        ([], "heshiming/ibga"),
        ([], "ghcr.io/gnzsnz/ib-gateway:stable"),
        (["IB_LOGINTYPE=Paper Trading"], "own/renamed"),
        (["TWS_USERID_FILE=/run/secrets/user", "TRADING_MODE=paper"], "own/renamed"),
        (["TWS_USERID=aflive01", "TWS_USERID_PAPER_FILE=/run/secrets/u", "TRADING_MODE=both"], "own/renamed"),
        (["IBEAM_ACCOUNT=/run/secrets/account", "IBEAM_SECRETS_SOURCE=fs"], "voyz/ibeam"),
        (["IB_USERNAME="], "heshiming/ibga"),
    ],
)
def test_a_gateway_whose_login_cannot_be_read(env: list[str], image: str) -> None:
    gateway = read(env=env, image=image, argv=("/bin/run.sh",))
    assert gateway is not None
    assert not gateway.readable


def with_files(inspect: dict[str, Any], files: dict[str, str], mounted: tuple[str, ...] = ()) -> tuple[Any, list[str]]:
    """The gateway that a container is, given its files and its mounts; and which files were asked for."""
    asked: list[str] = []
    inspect["Mounts"] = [{"Type": "bind", "Source": "/srv/x", "Destination": path, "RW": False} for path in mounted]

    def read_file(container: str, path: str) -> str | None:
        assert container == inspect["Id"]
        asked.append(path)
        return files.get(path)

    return read_gateway(inspect, read_file), asked


IBC = "# IBC\nIbLoginId = afpaper01\nIbPassword=x=y\nTradingMode=paper\n"
IBC_INI = "/home/ibgateway/ibc/config.ini"


@pytest.mark.parametrize(
    ("env", "image", "argv", "path", "text", "expected"),
    [
        (["IBC_INI=/etc/own.ini"], "own/x", "/run.sh", "/etc/own.ini", IBC, PAPER_STATED),
        ([], "ghcr.io/gnzsnz/ib-gateway:stable", "/run.sh", IBC_INI, IBC, PAPER_STATED),
        ([], "unusualalpha/ib-gateway-docker", "/run.sh", "/root/ibc/config.ini", IBC, PAPER_STATED),
        ([], "ghcr.io/extrange/ibkr", "/start.sh", "/root/ibc/config.ini", "IbLoginId=afpaper01", LIVE_ASSUMED),
        (["TRADING_MODE=paper"], "mvberg/ib-gateway-docker", "/run.sh", "/root/IBController/IBController.ini",
         "IbLoginId=afpaper01\r\n", PAPER_STATED),
        ([], "own/x", "/opt/ibc/scripts/ibcstart.sh 1019 -g --ibc-ini=/x/c.ini", "/x/c.ini", IBC, PAPER_STATED),
        (["TRADING_MODE=live"], "gnzsnz/ib-gateway", "/run.sh", IBC_INI, IBC, LIVE_STATED),
        (["IBEAM_ACCOUNT=/run/secrets/a", "IBEAM_SECRETS_SOURCE=fs"], "voyz/ibeam", "/run.sh", "/run/secrets/a",
         "afpaper01\n", LIVE_ASSUMED),
        (["TWS_USERID_FILE=/run/secrets/a", "TRADING_MODE=paper"], "own/x", "/run.sh", "/run/secrets/a",
         "afpaper01", PAPER_STATED),
    ],
)  # fmt: skip
def test_a_login_in_a_file_of_the_container_is_read(
    env: list[str], image: str, argv: str, path: str, text: str, expected: Mode
) -> None:
    inspect = inspect_of(env=env, image=image, argv=argv.split())
    gateway, _asked = with_files(inspect, {path: text})
    assert gateway.readable
    assert [(login.key, login.mode) for login in gateway.logins] == [("afpaper01", expected)]
    unread, _asked = with_files(inspect, {})
    assert not unread.readable


def test_a_mounted_configuration_counts_beside_the_variables() -> None:
    env = ["TWS_USERID=other01", "TRADING_MODE=paper", f"IBC_INI={IBC_INI}"]
    mounted, _asked = with_files(inspect_of(env=env, image="own/x"), {IBC_INI: IBC}, ("/home/ibgateway/ibc",))
    assert [login.key for login in mounted.logins] == ["other01", "afpaper01"]
    plain, asked = with_files(inspect_of(env=env, image="own/x"), {IBC_INI: IBC})
    assert ([login.key for login in plain.logins], asked) == (["other01"], [])


def test_an_own_configuration_that_cannot_be_read_hides_the_login() -> None:
    env = ["TWS_USERID=other01", "CUSTOM_CONFIG=yes", f"IBC_INI={IBC_INI}"]
    found, _asked = with_files(inspect_of(env=env, image="own/x"), {IBC_INI: IBC})
    assert [login.key for login in found.logins] == ["other01", "afpaper01"]
    hidden, _asked = with_files(inspect_of(env=env, image="own/x"), {})
    assert not hidden.readable


def test_both_gateways_of_one_container_have_a_configuration_each() -> None:
    env = ["TRADING_MODE=both", "IBC_INI=/ibc.ini", "CUSTOM_CONFIG=yes"]
    files = {"/ibc.ini_live": "IbLoginId=aflive01\nTradingMode=live", "/ibc.ini_paper": IBC}
    found, _asked = with_files(inspect_of(env=env, image="own/x"), files)
    assert [(login.key, login.mode.name) for login in found.logins] == [("aflive01", LIVE), ("afpaper01", PAPER)]


@pytest.mark.parametrize("text", ["root:x:0:0:root:/root:/bin/bash\n", "two words", "${TWS_USERID}", ""])
def test_a_file_that_holds_no_username_is_not_taken_for_one(text: str) -> None:
    env = ["IBEAM_ACCOUNT=/etc/passwd", "IBEAM_SECRETS_SOURCE=fs"]
    found, _asked = with_files(inspect_of(env=env, image="voyz/ibeam"), {"/etc/passwd": text})
    assert (found.readable, found.logins) == (False, ())
    ibc, _asked = with_files(inspect_of(env=[f"IBC_INI={IBC_INI}"], image="own/x"), {IBC_INI: f"IbLoginId={text}"})
    assert not ibc.readable


@pytest.mark.parametrize("env", [[], ["LOGIN=root"], ["IBKR_USERNAME=afpaper01"]])
def test_no_file_of_an_innocent_container_is_read(env: list[str]) -> None:
    found, asked = with_files(inspect_of(env=env, image="own/engine", argv=("python", "x.py")), {IBC_INI: IBC})
    assert (found, asked) == (None, [])


def test_no_file_is_read_where_the_environment_tells_the_login() -> None:
    assert with_files(inspect_of(), {})[1] == []


def test_one_of_ours_without_variables_is_an_unreadable_gateway() -> None:
    gateway = read(env=[], image="own/renamed", labels=MANAGED, argv=("/bin/run.sh",))
    assert gateway.managed
    assert not gateway.readable
    [view] = session_views(gateway)
    assert (view["login"], view["mode"], view["readable"]) == (None, LIVE, False)


@pytest.mark.parametrize(
    ("status", "policy", "exit_code", "session"),
    [
        ("running", "no", 0, True),
        ("restarting", "always", 1, True),
        ("paused", "no", 0, True),
        ("exited", "always", 0, True),
        ("exited", "unless-stopped", 137, True),
        ("exited", "on-failure", 1, True),
        ("exited", "on-failure", 0, False),
        ("exited", "no", 1, False),
        ("exited", "", 1, False),
        ("created", "always", 0, False),
        ("created", "no", 0, False),
        ("dead", "always", 1, False),
    ],
)
def test_what_runs_or_returns_is_a_session(status: str, policy: str, exit_code: int, session: bool) -> None:
    gateway = read(status=status, policy=policy, exit_code=exit_code)
    assert gateway.is_session is session
    assert all(view["returns"] is session for view in session_views(gateway))


def test_the_view_of_a_session() -> None:
    [view] = session_views(read(labels={**SLOT, **MANAGED}, identity="ab" * 32))
    assert view == {
        "login": "afpaper01",
        "login_key": "afpaper01",
        "mode": "paper",
        "mode_stated": True,
        "container": "ibgateway",
        "container_id": "ab" * 32,
        "image": "heshiming/ibga:r20260803",
        "family": "ibga",
        "state": "running",
        "since": "2025-12-05T09:12:33Z",
        "restart_policy": "unless-stopped",
        "returns": True,
        "compose_project": "abstractfinance",
        "compose_service": "ibgateway",
        "managed": True,
        "environment": None,
        "auto_remove": False,
        "readable": True,
    }


def test_one_that_was_never_started_counts_since_its_creation() -> None:
    [view] = session_views(read(status="created"))
    assert view["since"] == "2025-12-05T09:12:30Z"


def test_both_modes_make_two_sessions_of_one_container() -> None:
    env = ["TWS_USERID=aflive01", "TWS_USERID_PAPER=afpaper01", "TRADING_MODE=both"]
    gateway = read(env=env, image="own/x")
    assert [view["login"] for view in session_views(gateway)] == ["aflive01", "afpaper01"]
    assert gateway.worst_mode == LIVE_STATED


def test_the_last_of_two_equal_variables_counts() -> None:
    assert read(env=["IB_USERNAME=aflive01", *IBGA_ENV]).logins[0].key == "afpaper01"


@pytest.mark.parametrize("text", ["AFPaper01", " afpaper01", '"afpaper01"', "'afpaper01'", "afpaper01\t"])
def test_spellings_of_one_login_have_one_key(text: str) -> None:
    assert login_key(text) == "afpaper01"


@pytest.mark.parametrize(
    ("reference", "names"),
    [
        ("ibga", {"ibga"}),
        ("heshiming/ibga:r1", {"ibga", "heshiming/ibga"}),
        ("registry.example:5000/heshiming/ibga@sha256:ab", {"ibga", "heshiming/ibga"}),
        ("localhost:5000/IBGA", {"ibga", "localhost:5000/ibga"}),
    ],
)
def test_image_names(reference: str, names: set[str]) -> None:
    assert image_names(reference) == names


@pytest.mark.parametrize("part", ["Env", "Labels"])
def test_parts_that_are_null(part: str) -> None:
    inspect = inspect_of()
    inspect["Config"][part] = None
    read_gateways([inspect])


def test_gateways_come_in_the_order_of_their_names() -> None:
    found = read_gateways([inspect_of(name="b"), inspect_of(name="x", env=[], image="own/x"), inspect_of(name="a")])
    assert [item.container for item in found] == ["a", "b"]
