# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import engine as module
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine, api_error
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

HAS_ROOT = os.geteuid() == 0


@pytest.mark.parametrize(
    ("status", "explanation", "code"),
    [
        (
            500,
            "driver failed programming external connectivity: Bind for 127.0.0.1:4000 failed: port is already allocated",
            "port-taken",
        ),
        (500, "listen tcp 127.0.0.1:4000: bind: address already in use", "port-taken"),
        (500, "write /var/lib/docker/x: no space left on device", "disk-full"),
        (404, "No such image: heshiming/ibga:latest", "image-missing"),
        (409, 'Conflict. The container name "/ibgateway" is already in use by container "abc"', "name-taken"),
        (404, "No such container: abc", "container-missing"),
        (500, "sesame-open is what the library said", "engine-refused"),
    ],
)
def test_the_engines_refusals_in_our_words(status: int, explanation: str, code: str) -> None:
    error = api_error("start the container ibgateway", status, explanation)
    assert error.code == code
    assert "start the container ibgateway" in str(error)
    assert "sesame-open" not in str(error)


def test_without_the_sdk_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HAS_DOCKER", False)
    with pytest.raises(GatewayError, match="apt-get install python3-docker") as caught:
        Engine()
    assert caught.value.code == "python-docker-missing"


@pytest.mark.parametrize(("installed", "code"), [(True, "engine-down"), (False, "engine-missing")])
def test_without_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool, code: str) -> None:
    monkeypatch.setattr(module, "HAS_DOCKER", True)
    monkeypatch.setattr(os.path, "exists", lambda _path: installed)
    with pytest.raises(GatewayError) as caught:
        Engine(str(tmp_path / "docker.sock"))
    assert caught.value.code == code


def test_a_socket_that_nobody_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HAS_DOCKER", True)
    path = str(tmp_path / "docker.sock")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with pytest.raises(GatewayError) as caught:
        Engine(path)
    assert caught.value.code == "engine-down"


@pytest.mark.skipif(not module.HAS_DOCKER, reason="the Docker SDK for Python is not installed")
@pytest.mark.parametrize("answers", [False, True], ids=["silent", "closes"])
def test_an_engine_that_takes_the_call_and_does_not_answer(tmp_path: Path, answers: bool) -> None:
    path = str(tmp_path / "docker.sock")
    ended = threading.Event()
    kept: list[Any] = []

    def serve(server: socket.socket) -> None:
        while not ended.is_set():
            try:
                connection, _address = server.accept()
            except OSError:
                return
            if answers:
                connection.recv(65536)
                connection.close()
            else:
                kept.append(connection)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(8)
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        with pytest.raises(GatewayError) as caught:
            Engine(path, timeout=1)
        ended.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert caught.value.code == ("engine-down" if answers else "engine-silent")
    for connection in kept:
        connection.close()
