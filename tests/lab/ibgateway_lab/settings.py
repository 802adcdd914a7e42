# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names, addresses and bounds of the lab.

A machine has room for several labs, for tests to run side by side: LAB_NUMBER, 1 where it is not set, tells which one is meant.
The engine and the images are common to all.
"""

from __future__ import annotations

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SOURCES = REPOSITORY / "tests" / "lab"
MACHINE_STATE = pathlib.Path("/run/ibgateway-lab")

NUMBER = int(os.environ.get("LAB_NUMBER") or 1)
SUFFIX = "" if NUMBER == 1 else f"-{NUMBER}"
PORTS_OF_A_LAB = 100
PORTS_BEFORE = PORTS_OF_A_LAB * (NUMBER - 1)

STATE = REPOSITORY / f".lab{SUFFIX}"
IMAGES = "ibgateway-lab"
PREFIX = f"{IMAGES}{SUFFIX}"
LABEL = PREFIX
IMAGE_LABEL = IMAGES
BUILD_LABEL = f"{IMAGES}.build"
IBKR_NETWORK = PREFIX
CONTROL_NETWORK = f"{PREFIX}-control"
DOMAIN = "abstractfinance.example"
ENVIRONMENTS = ("staging", "production")

IBKR_CONTAINER = f"{PREFIX}-ibkr"
IBKR_ALIAS = "ibkr"
IBKR_PORT = 18099
IBKR_STATE_PORT = IBKR_PORT + PORTS_BEFORE
IBKR_STATE_URL = f"http://127.0.0.1:{IBKR_STATE_PORT}"
FIRST_SSH_PORT = 22001 + PORTS_BEFORE

DEBIAN_RELEASE = "trixie"
DEBIAN_REFERENCE = f"debian:{DEBIAN_RELEASE}-slim"
DEBIAN_IMAGE = f"{IMAGES}/debian:{DEBIAN_RELEASE}"
BASE_IMAGE = f"{IMAGES}/base:{DEBIAN_RELEASE}"
HOST_IMAGE = f"{IMAGES}/host:1"
IBKR_IMAGE = f"{IMAGES}/ibkr:1"
GATEWAY_IMAGE = f"{IMAGES}/ibga:r20260803"
TRADING_ENGINE_IMAGE = f"{IMAGES}/trading-engine:1"
HOSTS_IMAGES = (GATEWAY_IMAGE, TRADING_ENGINE_IMAGE)

DOCKER_HOST = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def host_names(number: int) -> list[str]:
    return [*ENVIRONMENTS, *(f"host{index:02}" for index in range(3, number + 1))]


def host_index(name: str) -> int:
    return ENVIRONMENTS.index(name) if name in ENVIRONMENTS else int(name.removeprefix("host")) - 1


def container_name(name: str) -> str:
    return f"{PREFIX}-{name}"


def volume_name(name: str) -> str:
    return f"{PREFIX}-{name}-docker"


def inventory_name(name: str) -> str:
    return f"{name}.{DOMAIN}"
