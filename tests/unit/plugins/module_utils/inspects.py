# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspect answers as the engine gives them, and an engine that holds them in memory."""

from __future__ import annotations

import copy
import itertools
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

IBGA_ENV = ("IB_USERNAME=afpaper01", "IB_LOGINTYPE=Paper Trading", "IB_REGION=Europe", "PATH=/usr/bin")
SLOT = {
    "com.docker.compose.project": "abstractfinance",
    "com.docker.compose.service": "ibgateway",
    "com.docker.compose.config-hash": "aa11",
}
MANAGED = {"abstractfinance.ibgateway.managed": "true"}
NEVER = "0001-01-01T00:00:00Z"
_numbers = itertools.count(1)


def inspect_of(
    name: str = "ibgateway",
    env: Sequence[str] = IBGA_ENV,
    image: str = "heshiming/ibga:r20260803",
    status: str = "running",
    policy: str = "unless-stopped",
    labels: Mapping[str, str] | None = None,
    exit_code: int = 0,
    auto_remove: bool = False,
    argv: Sequence[str] = ("/bin/sh", "-c", "/opt/ibga/manager.sh"),
    identity: str | None = None,
) -> dict[str, Any]:
    """What inspect says of a container in *status*."""
    up = status in ("running", "paused", "restarting")
    return {
        "Id": identity or f"{next(_numbers):064x}",
        "Name": "/" + name,
        "Created": "2025-12-05T09:12:30.123456789Z",
        "Path": argv[0],
        "Args": list(argv[1:]),
        "Image": "sha256:" + "1" * 64,
        "State": {
            "Status": status,
            "Running": up,
            "Paused": status == "paused",
            "Restarting": status == "restarting",
            "ExitCode": exit_code,
            "StartedAt": NEVER if status == "created" else "2025-12-05T09:12:33.987654321Z",
        },
        "Config": {
            "Image": image,
            "Env": list(env),
            "Labels": dict(labels or {}),
            "Cmd": list(argv[1:]),
            "Entrypoint": None,
            "Hostname": "ibgateway",
            "User": "",
            "Volumes": {"/home/ibg": {}},
        },
        "HostConfig": {
            "RestartPolicy": {"Name": policy, "MaximumRetryCount": 0},
            "AutoRemove": auto_remove,
            "NetworkMode": "default",
            "Binds": ["abstractfinance_ibgateway-data:/home/ibg_settings"],
            "PortBindings": {"4000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4000"}]},
        },
        "NetworkSettings": {
            "Ports": {"4000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4000"}]} if up else {},
            "Networks": {"bridge": {"NetworkID": "n1", "Aliases": None, "IPAMConfig": None, "Links": None}},
        },
        "Mounts": [
            {
                "Type": "volume",
                "Name": "abstractfinance_ibgateway-data",
                "Source": "/var/lib/docker/volumes/abstractfinance_ibgateway-data/_data",
                "Destination": "/home/ibg_settings",
                "RW": True,
            },
            {
                "Type": "volume",
                "Name": "f" * 64,
                "Source": "/var/lib/docker/volumes/ffff/_data",
                "Destination": "/home/ibg",
                "RW": True,
            },
        ],
    }


class MemoryEngine:
    """An engine in memory. `before` is called with each change's name before the change is made."""

    def __init__(self, *containers: dict[str, Any]) -> None:
        self.held = {item["Id"]: copy.deepcopy(item) for item in containers}
        self.files: dict[tuple[str, str], str] = {}
        self.before: Callable[[str], None] = lambda name: None
        self.log: list[tuple[str, str]] = []

    def containers(self) -> list[dict[str, Any]]:
        return [copy.deepcopy(item) for item in self.held.values()]

    def inspect(self, container: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.held.get(container))

    def read_file(self, container: str, path: str) -> str | None:
        return self.files.get((container, path))

    def run(self, container: str, command: Sequence[str], user: str) -> int | None:
        self._note("run", container)
        return 0

    def image_id(self, reference: str) -> str | None:
        return "sha256:" + "1" * 64

    def never_restart(self, container: str) -> None:
        self._note("policy", container)
        if container in self.held:
            self.held[container]["HostConfig"]["RestartPolicy"] = {"Name": "no", "MaximumRetryCount": 0}

    def kill(self, container: str) -> None:
        self._note("kill", container)
        self._end(container, 137)

    def stop(self, container: str, grace: int) -> None:
        self._note("stop", container)
        self._end(container, 143)

    def wait_stopped(self, container: str, seconds: int) -> bool:
        return True

    def start(self, container: str) -> None:
        self._note("start", container)
        self.held[container]["State"].update(Status="running", Running=True, StartedAt="2025-12-12T10:00:05.5Z")

    def rename(self, container: str, name: str) -> None:
        self._note("rename", container)
        self._free(name)
        self.held[container]["Name"] = "/" + name

    def remove(self, container: str) -> None:
        self._note("remove", container)
        if container in self.held:
            assert not self.held[container]["State"]["Running"], "the engine refuses to remove a running container"
            del self.held[container]

    def create(self, name: str, body: Mapping[str, Any], networks: Mapping[str, Any]) -> str:
        self._note("create", name)
        self._free(name)
        config = {key: value for key, value in body.items() if key not in ("HostConfig", "NetworkingConfig")}
        made = inspect_of(name=name, status="created")
        made["Config"] = {"Hostname": made["Id"][:12], **copy.deepcopy(config)}
        made["HostConfig"] = copy.deepcopy(body["HostConfig"])
        made["Mounts"] = [
            {"Type": "volume", "Name": bind.split(":")[0], "Destination": bind.split(":")[1], "RW": True}
            for bind in body["HostConfig"]["Binds"]
        ]
        self.held[made["Id"]] = made
        return str(made["Id"])

    def named(self, name: str) -> dict[str, Any] | None:
        return next((item for item in self.held.values() if item["Name"] == "/" + name), None)

    def _end(self, container: str, code: int) -> None:
        item = self.held.get(container)
        if item is not None:
            item["State"].update(Status="exited", Running=False, Paused=False, Restarting=False, ExitCode=code)
            item["NetworkSettings"]["Ports"] = {}
            if item["HostConfig"]["AutoRemove"]:
                del self.held[container]

    def _free(self, name: str) -> None:
        if self.named(name) is not None:
            raise GatewayError(f"{name} is taken", "name-taken")

    def _note(self, what: str, container: str) -> None:
        self.before(what)
        self.log.append((what, container))
