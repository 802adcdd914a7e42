# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real gateways and an IBKR stand-in of their own on this machine's engine, from the lab's images."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request
import uuid
from typing import Any, Callable, Dict, Iterator

import pytest

docker = pytest.importorskip("docker")

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODULES = "ansible_collections.abstractfinance.ibgateway.plugins.modules"
USERS = json.loads((ROOT / "tests" / "lab" / "users.json").read_text(encoding="utf-8"))
IBKR_IMAGE = os.environ.get("LOGIN_TEST_IBKR", "ibgateway-lab/ibkr:1")
GATEWAY_IMAGE = os.environ.get("LOGIN_TEST_GATEWAY", "ibgateway-lab/ibga:r20260803")


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    if os.geteuid() != 0:
        pytest.skip("the modules under test run as root")
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("no Docker Engine answers on this machine")
    for image in (IBKR_IMAGE, GATEWAY_IMAGE):
        try:
            client.images.get(image)
        except docker.errors.ImageNotFound:
            pytest.skip(f"the lab's image {image} is not here: make lab builds it")
    yield client
    client.close()


class Ibkr:
    """The stand-in, with the truth about sessions and attempts."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        data = None if content is None else json.dumps(content).encode("utf-8")
        request = urllib.request.Request(f"http://{self.address}:18099{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def counts(self, login: str) -> Dict[str, int]:
        return dict(self.ask("GET", "/state")["logins"].get(login, {}))


@pytest.fixture(scope="session")
def network(engine: Any) -> Iterator[Any]:
    found = engine.networks.create(f"login-test-{uuid.uuid4().hex[:8]}", driver="bridge")
    yield found
    found.remove()


@pytest.fixture(scope="session")
def standin(engine: Any, network: Any) -> Iterator[Ibkr]:
    container = engine.containers.run(IBKR_IMAGE, detach=True, network=network.name)
    try:
        container.reload()
        ibkr = Ibkr(container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"])
        for _attempt in range(100):
            try:
                ibkr.ask("GET", "/state")
                break
            except OSError:
                time.sleep(0.1)
        yield ibkr
    finally:
        container.remove(force=True)


@pytest.fixture
def ibkr(standin: Ibkr) -> Ibkr:
    standin.ask("POST", "/reset")
    return standin


@pytest.fixture
def gateway(engine: Any, network: Any, ibkr: Ibkr) -> Iterator[Callable[..., Any]]:
    """Start a gateway; what is given replaces its environment."""
    made = []

    def start(login: str = "afpaper01", volumes: Any = None, **environment: str) -> Any:
        user = USERS[login]
        settings = {
            "IB_USERNAME": login,
            "IB_PASSWORD": user["password"],
            "TOTP_KEY": user["totp_secret"],
            "IB_LOGINTYPE": "Paper Trading" if user["kind"] == "paper" else "Live Trading",
            "IB_REGION": "Europe",
            "IB_TIMEZONE": "Europe/Berlin",
            "IBGA_VNC_PASSWORD": "invented",
            "TERM": "dumb",
            **environment,
        }
        container = engine.containers.run(
            GATEWAY_IMAGE,
            detach=True,
            network=network.name,
            extra_hosts={"ibkr": ibkr.address},
            environment={name: value for name, value in settings.items() if value},
            volumes=volumes,
            name=f"login-test-{uuid.uuid4().hex[:8]}",
        )
        made.append(container)
        return container

    yield start
    for container in made:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)


@pytest.fixture
def run_module() -> Callable[..., Dict[str, Any]]:
    """Run a module of the collection as Ansible does, in a process of its own."""

    def run(name: str, **options: Any) -> Dict[str, Any]:
        arguments = {**options, "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}
        script = (
            "import json, sys; from ansible.module_utils import basic;"
            "from ansible.module_utils.testing import patch_module_args;"
            f"import {MODULES}.{name} as module;"
            "context = patch_module_args(json.load(sys.stdin)); context.__enter__(); module.main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(arguments),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
        )
        assert done.stdout, done.stderr
        found: Dict[str, Any] = json.loads(done.stdout)
        return found

    return run
