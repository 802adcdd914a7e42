# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fill an empty program volume by the image's own installer, so that no login has to wait for the download.

The container that does it gets no credentials and is ended as soon as it starts the gateway's program: it can log in
nowhere. It has one name, so that two runs never install into the same volume; the second one watches the first one's.
"""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Mapping, NamedTuple, Optional

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import LogReader
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import (
    INSTALLER_LABEL,
    PROJECT_LABEL,
    VOLUME_LABEL,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import read_container

PROGRAM_FOLDER = "/home/ibg"
PROGRAM = os.path.join("Jts", "ibgateway")
DONE = "starting-gateway"
STOP_WITHIN = 20
TICK = 1.0


class Wanted(NamedTuple):
    """What to install with, into which volume of which project."""

    image: str
    container: str
    project: str
    volume: str
    timeout: float

    @property
    def installer(self) -> str:
        return f"{self.container}-install"

    @property
    def volume_name(self) -> str:
        return f"{self.project}_{self.volume}"


def is_filled(volume: Optional[Mapping[str, Any]]) -> bool:
    """Whether a program volume holds the gateway. One whose folder cannot be seen is left to the gateway's own start."""
    if volume is None:
        return False
    data = str(volume.get("Mountpoint") or "")
    if not os.path.isdir(data):
        return True
    try:
        return bool(os.listdir(os.path.join(data, PROGRAM)))
    except OSError:
        return False


def install(engine: HostEngine, wanted: Wanted, check_mode: bool = False) -> Dict[str, Any]:
    """Fill the volume where it is empty.

    :raises GatewayError: ``installation-failed`` or ``installation-undecided``.
    """
    if is_filled(engine.volume(wanted.volume_name)):
        return {"changed": False}
    if check_mode:
        return {"changed": True}
    identity = _installer(engine, wanted)
    try:
        _watch(engine, wanted, identity)
    finally:
        engine.kill(identity)
        engine.wait_stopped(identity, STOP_WITHIN)
        engine.remove(identity)
    return {"changed": True}


def _installer(engine: HostEngine, wanted: Wanted) -> str:
    """The installing container: another run's that is at it, or a new one in place of what a dead run has left."""
    inspect = engine.inspect(wanted.installer)
    if inspect is not None:
        if read_container(inspect).status == "running":
            return str(inspect["Id"])
        engine.remove(str(inspect["Id"]))
    labels = {PROJECT_LABEL: wanted.project, VOLUME_LABEL: wanted.volume}
    engine.make_volume(wanted.volume_name, labels)
    body = {
        "Image": wanted.image,
        "Env": ["TERM=dumb"],
        "Labels": {INSTALLER_LABEL: "true"},
        "HostConfig": {
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "Binds": [f"{wanted.volume_name}:{PROGRAM_FOLDER}"],
        },
    }
    identity = engine.create(wanted.installer, body, {})
    engine.start(identity)
    return identity


def _watch(engine: HostEngine, wanted: Wanted, identity: str) -> None:
    """Follow the log until the program is there. The image prepares it for its agent before it starts it."""
    reader = LogReader()
    stream = engine.follow(identity, int(read_container(engine.inspect(identity)).started or 0))
    deadline = time.monotonic() + wanted.timeout
    try:
        while time.monotonic() < deadline:
            for line in stream.lines(TICK):
                reader.feed(line)
                if reader.stage == DONE:
                    return
                if reader.code is not None:
                    raise causes.error("installation-failed", container=wanted.installer)
            if stream.ended:
                raise _ended(engine, wanted, identity, reader)
    finally:
        stream.close()
    raise causes.error(
        "installation-undecided", container=wanted.installer, seconds=round(wanted.timeout), line=_last(reader)
    )


def _ended(engine: HostEngine, wanted: Wanted, identity: str, reader: LogReader) -> GatewayError:
    container = read_container(engine.inspect(identity))
    if reader.hint == "installation-failed":
        return causes.error("installation-failed", container=wanted.installer)
    return causes.error("gateway-exited", container=wanted.installer, exit_code=container.exit_code)


def _last(reader: LogReader) -> str:
    return f"'{reader.last.text.strip()[:160]}'" if reader.last is not None else ""
