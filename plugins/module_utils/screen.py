# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The screen of a gateway's container: where its VNC server is, and with which password."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, rfb
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import read_container

VNC_PORT = 5900
PASSWORD_VARIABLE = "IBGA_VNC_PASSWORD"  # noqa: S105


def password_of(inspect: Mapping[str, Any]) -> Optional[str]:
    """The password in a container's environment; an empty one is none."""
    for pair in (inspect.get("Config") or {}).get("Env") or []:
        name, _separator, value = str(pair).partition("=")
        if name == PASSWORD_VARIABLE:
            return value or None
    return None


def picture(
    name: str, inspect: Optional[Mapping[str, Any]], password: Optional[str], port: int, timeout: float
) -> rfb.Picture:
    """The screen, asked for at the container's own address: no published port is needed."""
    container = read_container(inspect)
    if inspect is None:
        raise causes.error("gateway-absent", container=name)
    if container.status != "running":
        raise causes.error("gateway-not-running", container=name, status=container.status)
    if not container.address:
        raise causes.error("vnc-unreachable", container=name, port=port, detail="it has no address")
    return rfb.take(container.address, port, password or password_of(inspect), timeout, name)
