# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's tables of TCP sockets, of the host or of a container, as /proc shows them."""

from __future__ import annotations

import ipaddress
import os
import struct
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Set

LISTEN = "0A"
ESTABLISHED = "01"


class Socket(NamedTuple):
    state: str
    address: str
    port: int
    peer: str
    peer_port: int
    inode: str


def parse(table: str) -> List[Socket]:
    """The sockets of a /proc/net/tcp or tcp6 table; lines that are none are passed over."""
    sockets = []
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 10 or ":" not in fields[1] or ":" not in fields[2]:
            continue
        try:
            address, port = _endpoint(fields[1])
            peer, peer_port = _endpoint(fields[2])
        except ValueError:
            continue
        sockets.append(Socket(fields[3], address, port, peer, peer_port, fields[9]))
    return sockets


def _endpoint(text: str) -> tuple[str, int]:
    host, port = text.split(":")
    words = [int(host[index : index + 8], 16) for index in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)


def sockets(process: str = "self", proc: str = "/proc") -> Optional[List[Socket]]:
    """All TCP sockets in the network of a process; None when they cannot be read."""
    found: List[Socket] = []
    for table in ("tcp", "tcp6"):
        try:
            with open(os.path.join(proc, process, "net", table), encoding="ascii", errors="replace") as stream:
                found += parse(stream.read())
        except FileNotFoundError:
            if table == "tcp":
                return None
        except OSError:
            return None
    return found


def listening_ports(found: List[Socket]) -> FrozenSet[int]:
    return frozenset(item.port for item in found if item.state == LISTEN)


def is_carried(found: List[Socket], client: FrozenSet[str], port: int, inner: int) -> bool:
    """Whether a client's connection to `port` is carried on to `inner` by the relay between them.

    The relay opens one inner connection for each outer one, so as long as fewer are open inside than outside, one of
    the clients hangs, and it cannot be told which.
    """
    outer = [item for item in found if item.state == ESTABLISHED and item.port == port]
    carried = [item for item in found if item.state == ESTABLISHED and item.peer_port == inner]
    return any(item.peer in client for item in outer) and len(carried) >= len(outer)


def owners(inodes: Set[str], proc: str = "/proc") -> Dict[str, str]:
    """The names of the processes that hold these sockets, as far as they can be seen."""
    found: Dict[str, str] = {}
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    for process in os.listdir(proc):
        if not process.isdigit():
            continue
        try:
            for descriptor in os.listdir(os.path.join(proc, process, "fd")):
                inode = wanted.get(os.readlink(os.path.join(proc, process, "fd", descriptor)))
                if inode is not None:
                    with open(os.path.join(proc, process, "comm"), encoding="utf-8", errors="replace") as stream:
                        found.setdefault(inode, f"{stream.read().strip()} (pid {process})")
        except OSError:
            continue
    return found
