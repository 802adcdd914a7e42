# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import socket
from typing import Dict

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import netstat

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000  2000        0 {inode} 1 0000000000000000 100 0 0 10 0\n"


def line(local: str, peer: str, state: str, inode: int = 1) -> str:
    return f"   0: {local} {peer} {state} {REST.format(inode=inode)}"


def proc(tmp_path: pathlib.Path, tables: Dict[str, str]) -> str:
    (tmp_path / "7" / "net").mkdir(parents=True)
    for name, content in tables.items():
        (tmp_path / "7" / "net" / name).write_text(HEADER + content, encoding="ascii")
    return str(tmp_path)


LISTENS_V4 = line("00000000:2328", "00000000:0000", "0A")
LISTENS_V6 = line("00000000000000000000000000000000:2328", "00000000000000000000000000000000:0000", "0A")


@pytest.mark.parametrize("tables", [{"tcp": LISTENS_V4}, {"tcp": "", "tcp6": LISTENS_V6}], ids=["tcp", "only tcp6"])
def test_listener_is_found_in_either_table(tmp_path: pathlib.Path, tables: Dict[str, str]) -> None:
    found = netstat.sockets("7", proc(tmp_path, tables))
    assert found is not None
    assert netstat.listening_ports(found) == {9000}


def test_connection_is_no_listener(tmp_path: pathlib.Path) -> None:
    found = netstat.sockets("7", proc(tmp_path, {"tcp": line("0100007F:2328", "0100007F:1234", "01")}))
    assert found is not None
    assert not netstat.listening_ports(found)


def test_process_that_is_gone_cannot_be_seen(tmp_path: pathlib.Path) -> None:
    assert netstat.sockets("8", str(tmp_path)) is None


def test_damaged_lines_are_passed_over() -> None:
    assert netstat.parse("nonsense\n 0: x:y z:w 0A a b c d e f\n" + LISTENS_V4)[0].port == 9000


def test_addresses_are_read() -> None:
    mapped = line("0000000000000000FFFF0000030012AC:0FA0", "0000000000000000FFFF0000040012AC:D431", "01", 77)
    (found,) = netstat.parse(mapped)
    assert (found.address, found.port, found.peer, found.peer_port, found.inode) == (
        "172.18.0.3",
        4000,
        "172.18.0.4",
        54321,
        "77",
    )


OUTER = line("030012AC:0FA0", "040012AC:D431", "01")
OTHER = line("030012AC:0FA0", "010012AC:D432", "01")
INNER = line("0100007F:9C40", "0100007F:2328", "01") + line("0100007F:2328", "0100007F:9C40", "01")


@pytest.mark.parametrize(
    ("table", "carried"),
    [
        (OUTER + INNER, True),
        (OUTER, False),
        (INNER, False),
        (OTHER + INNER, False),
        (OUTER + OTHER + INNER, False),
        (OUTER + OTHER + INNER + INNER.replace("9C40", "9C41"), True),
        (OUTER.replace(" 01 ", " 06 ") + INNER, False),
    ],
    ids=["carried", "held by the relay", "no client", "another client", "one of two hangs", "two", "closing"],
)
def test_connection_counts_when_the_relay_carries_it_on(table: str, carried: bool) -> None:
    assert netstat.is_carried(netstat.parse(table), frozenset({"172.18.0.4"}), 4000, 9000) is carried


def test_holder_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = netstat.sockets()
        assert found is not None
        inodes = {item.inode for item in found if item.port == listener.getsockname()[1]}
        assert [name.rpartition(" (pid ")[2] for name in netstat.owners(inodes).values()] == [f"{os.getpid()})"]
