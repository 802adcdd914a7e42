# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small containers on this machine's engine that carry a gateway's environment and do nothing."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
import uuid
from pathlib import Path
from typing import Any, Iterator

import pytest

docker = pytest.importorskip("docker")

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import fence, start  # noqa: E402
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine  # noqa: E402
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError  # noqa: E402
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import (  # noqa: E402
    Leases,
    Request,
    public,
    read_clock,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.sessions import Sessions  # noqa: E402
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State  # noqa: E402

IMAGE = "session-test/idle:1"
RUN = "4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11"


def idle_image() -> bytes:
    """An image with `sh`, `sleep` and what they link to, from this machine. PID 1 ignores SIGTERM in it, as ibga does."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        paths = {"/bin/sh", "/bin/sleep"}
        for program in sorted(paths):
            linked = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
            paths.update(word for word in linked.split() if word.startswith("/"))
        for path in sorted(paths):
            archive.add(os.path.realpath(path), arcname=path.lstrip("/"))
    return stream.getvalue()


class OwnContainers(Engine):
    """The engine, of which only this test's containers are seen: other gateways may run on this machine."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def containers(self) -> list[dict[str, Any]]:
        return [item for item in super().containers() if item["Name"].startswith("/" + self._prefix)]


class Bench:
    """One test's host: this machine's engine, files of its own, and a run that holds the lease."""

    def __init__(self, client: Any, directory: Path) -> None:
        self.client = client
        self.prefix = f"session-test-{uuid.uuid4().hex[:8]}"
        self.project = self.prefix
        self.network = client.networks.create(self.prefix, driver="bridge", labels={"session-test": self.prefix})
        self.second = client.networks.create(self.prefix + "-2", driver="bridge", labels={"session-test": self.prefix})
        self.state = State(str(directory / "af"))
        self.engine = OwnContainers(self.prefix)
        record = (
            Leases(self.state).take(Request("here", "afpaper01", "afpaper01", RUN, 900, {"operator": "test"})).record
        )
        assert record is not None
        self.lease = public(record, read_clock())
        self.sessions = Sessions(self.engine, self.state)

    def name(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def gateway(
        self, name: str = "gw", started: bool = True, command: Any = ("/bin/sleep", "1000"), **what: Any
    ) -> Any:
        environment = {"IB_USERNAME": "afpaper01", "IB_LOGINTYPE": "Paper Trading", "EXTRA": "a=b $X 'q' \"d\""}
        settings = {
            "environment": environment,
            "network": self.network.name,
            "labels": {"session-test": self.prefix},
            "restart_policy": {"Name": "always"},
            **what,
        }
        made = self.client.containers.create(IMAGE, list(command), name=self.name(name), **settings)
        if started:
            made.start()
        return made

    def slot_labels(self) -> dict[str, str]:
        return {
            "session-test": self.prefix,
            "com.docker.compose.project": self.project,
            "com.docker.compose.service": "ibgateway",
            "com.docker.compose.config-hash": "aa11",
        }

    def demand(self, **what: Any) -> fence.Demand:
        return fence.Demand(
            **{
                "host": "here",
                "login": "afpaper01",
                "key": "afpaper01",
                "run_id": RUN,
                "mode": "paper",
                "target": "here",
                **what,
            }
        )

    def target(self) -> dict[str, Any]:
        return {"project": self.project, "service": "ibgateway", "keep": self.name("gw")}

    def start(self, receipt: dict[str, Any]) -> dict[str, Any]:
        return self.sessions.start_gateway(
            start.Demand("here", self.name("gw"), "afpaper01", "afpaper01", RUN, ["here"], [receipt], [self.lease])
        )

    def inspect(self, name: str) -> dict[str, Any] | None:
        return self.engine.inspect(self.name(name))

    def clean_up(self) -> None:
        volumes = set()
        for item in self.client.containers.list(all=True, filters={"name": self.prefix}):
            volumes.update(mount["Name"] for mount in item.attrs["Mounts"] if mount["Type"] == "volume")
            with contextlib.suppress(docker.errors.APIError):
                item.remove(force=True)
        for volume in volumes:
            with contextlib.suppress(docker.errors.APIError):
                self.client.volumes.get(volume).remove()
        for network in (self.network, self.second):
            network.remove()
        self.engine.close()


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    if os.geteuid() != 0:
        pytest.skip("the modules under test run as root")
    try:
        Engine().close()
    except GatewayError as error:
        pytest.skip(str(error))
    made = docker.from_env()
    made.api.import_image_from_data(idle_image(), *IMAGE.split(":"))
    yield made
    made.images.remove(IMAGE)
    made.close()


@pytest.fixture
def bench(client: Any, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(client, tmp_path)
    yield made
    made.clean_up()
