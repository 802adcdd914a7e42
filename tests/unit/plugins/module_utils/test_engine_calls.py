# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine is asked for, by the real SDK, and what is made of its answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import engine as module
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.stub_engine import (
    Answer,
    Asked,
    StubEngine,
    archive,
    frames,
)

pytestmark = pytest.mark.skipif(not module.HAS_DOCKER, reason="the Docker SDK for Python is not installed")
CONFLICT = Answer(409, {"message": "Container abc is not running"})
FILE = "GET /containers/abc/archive?path=%2Fhome%2Fconfig.ini"


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    # A socket's path is short.
    with tempfile.TemporaryDirectory(prefix="engine-") as directory:
        found = StubEngine(str(Path(directory) / "docker.sock"))
        yield found
        found.close()


@pytest.fixture
def engine(stub: StubEngine) -> Iterator[HostEngine]:
    found = HostEngine(stub.path, timeout=120)
    yield found
    found.close()


def test_a_container_that_goes_while_they_are_listed_is_left_out(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers["GET /containers/json?limit=-1&all=1&size=0&trunc_cmd=0"] = Answer(
        body=[{"Id": "abc"}, {"Id": "gone"}]
    )
    stub.answers["GET /containers/abc/json"] = Answer(body={"Id": "abc"})
    assert engine.containers() == [{"Id": "abc"}]


def test_running_ones_are_told_as_the_engine_lists_them(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers["GET /containers/json?limit=-1&all=0&size=0&trunc_cmd=0"] = Answer(body=[{"Id": "abc"}])
    assert engine.listed() == [{"Id": "abc"}]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (archive(b"IbLoginId=afpaper01\n"), "IbLoginId=afpaper01\n"),
        (archive(b"caf\xe9"), "caf\N{REPLACEMENT CHARACTER}"),
        (archive(b"", mode=0x80000000 | 0o755), None),
        (archive(b"", size=module.FILE_BYTES + 1), None),
        (Answer(200, b"no archive", archive(b"").headers), None),
        (Answer(404, {"message": "Could not find the file"}), None),
        (Answer(500, {"message": "a mount that cannot be entered"}), None),
    ],
    ids=["file", "other encoding", "directory", "large", "no tar", "missing", "unreadable"],
)
def test_a_small_file_is_read_in_the_container(
    stub: StubEngine, engine: HostEngine, answer: Answer, text: str | None
) -> None:
    stub.answers[FILE] = answer
    assert engine.read_file("abc", "/home/config.ini") == text


def test_a_link_is_followed_and_a_ring_of_them_is_no_file(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers[FILE] = archive(b"", linkTarget="/home/real.ini")
    stub.answers["GET /containers/abc/archive?path=%2Fhome%2Freal.ini"] = archive(b"found")
    assert engine.read_file("abc", "/home/config.ini") == "found"
    stub.answers["GET /containers/abc/archive?path=%2Fhome%2Freal.ini"] = archive(b"", linkTarget="/home/config.ini")
    assert engine.read_file("abc", "/home/config.ini") is None


@pytest.mark.parametrize(
    ("made", "status", "ran", "printed"),
    [
        (Answer(201, {"Id": "e1"}), 0, 0, "menu\n"),
        (Answer(201, {"Id": "e1"}), 3, 3, None),
        (Answer(201, {"Id": "e1"}), None, None, None),
        (CONFLICT, None, None, None),
    ],
    ids=["ends well", "fails", "has not ended", "container stopped"],
)
def test_a_command_in_a_container(
    stub: StubEngine,
    engine: HostEngine,
    monkeypatch: pytest.MonkeyPatch,
    made: Answer,
    status: int | None,
    ran: int | None,
    printed: str | None,
) -> None:
    stub.answers["POST /containers/abc/exec"] = made
    # The engine takes the connection over for the output, which this one cannot.
    monkeypatch.setattr(engine._client, "exec_start", lambda _identity: b"menu\n")
    stub.answers["GET /exec/e1/json"] = Answer(body={"ExitCode": status})
    assert engine.run("abc", ["jauto"], "ibg") == ran
    assert engine.output_of("abc", ["jauto"], "ibg") == printed
    asked = stub.changes[0].body
    assert (asked["Cmd"], asked["User"], asked["AttachStderr"]) == (["jauto"], "ibg", False)


@pytest.mark.parametrize(
    ("image", "identity", "digest"),
    [
        (Answer(body={"Id": "sha256:1", "RepoDigests": ["heshiming/ibga@sha256:2"]}), "sha256:1", "sha256:2"),
        (Answer(body={"Id": "sha256:1", "RepoDigests": []}), "sha256:1", None),
        (Answer(404, {"message": "No such image"}), None, None),
    ],
    ids=["pulled", "built here", "absent"],
)
def test_an_image_and_its_digest(
    stub: StubEngine, engine: HostEngine, image: Answer, identity: str | None, digest: str | None
) -> None:
    stub.answers["GET /images/ibga/json"] = image
    assert (engine.image_id("ibga"), engine.image_digest("ibga")) == (identity, digest)


DONE = Answer(204)
CALLS: list[tuple[Callable[[HostEngine], Any], str, Any]] = [
    (
        lambda engine: engine.never_restart("abc"),
        "POST /containers/abc/update",
        {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}},
    ),
    (
        lambda engine: engine.restart_policy("abc", "unless-stopped"),
        "POST /containers/abc/update",
        {"RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0}},
    ),
    (lambda engine: engine.kill("abc"), "POST /containers/abc/kill?signal=SIGKILL", None),
    (lambda engine: engine.stop("abc", 5), "POST /containers/abc/stop?t=5", None),
    (lambda engine: engine.start("abc"), "POST /containers/abc/start", None),
    (lambda engine: engine.restart("abc", 5), "POST /containers/abc/restart?t=5", None),
    (lambda engine: engine.rename("abc", "b"), "POST /containers/abc/rename?name=b", None),
    (lambda engine: engine.remove("abc"), "DELETE /containers/abc?v=False&link=False&force=False", None),
]


@pytest.mark.parametrize(("call", "what", "body"), CALLS, ids=[what for _call, what, _body in CALLS])
def test_a_change_is_one_request(
    stub: StubEngine, engine: HostEngine, call: Callable[[HostEngine], Any], what: str, body: Any
) -> None:
    stub.answers[what] = Answer(200, {}) if "update" in what else DONE
    call(engine)
    assert stub.changes == [Asked(what, body)]


@pytest.mark.parametrize("call", [HostEngine.never_restart, HostEngine.kill, HostEngine.remove])
def test_what_is_gone_needs_no_ending(engine: HostEngine, call: Callable[[HostEngine, str], None]) -> None:
    call(engine, "abc")


def test_one_that_does_not_run_is_not_killed(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers["POST /containers/abc/kill?signal=SIGKILL"] = CONFLICT
    engine.kill("abc")


def test_what_is_gone_cannot_be_started(engine: HostEngine) -> None:
    with pytest.raises(GatewayError, match="could not start the container abc") as caught:
        engine.start("abc")
    assert caught.value.code == "container-missing"


WAIT = "POST /containers/abc/wait?condition=not-running"


def test_the_end_of_a_container_is_waited_for(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers[WAIT] = Answer(body={"StatusCode": 137})
    assert engine.wait_stopped("abc", 120)


def test_one_that_is_gone_has_ended(engine: HostEngine) -> None:
    assert engine.wait_stopped("abc", 120)


def test_one_that_goes_on_is_not_waited_for_for_ever(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers[WAIT] = stub.silence
    assert not engine.wait_stopped("abc", 1)


def test_a_container_is_created_and_joined_to_its_networks(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers["POST /containers/create?name=gateway"] = Answer(201, {"Id": "abc"})
    stub.answers["POST /networks/n1/connect"] = Answer(200)
    endpoint = {"IPAMConfig": {"IPv4Address": "172.18.0.9"}, "Aliases": ["ibgateway"], "Links": ["db:db"]}
    assert engine.create("gateway", {"Image": "ibga"}, {"n1": endpoint}) == "abc"
    created, joined = stub.changes
    assert created.body == {"Image": "ibga"}
    assert joined.body["Container"] == "abc"
    assert joined.body["EndpointConfig"]["IPAMConfig"] == {"IPv4Address": "172.18.0.9"}
    assert joined.body["EndpointConfig"]["Aliases"] == ["ibgateway"]
    assert joined.body["EndpointConfig"]["Links"] == ["db:db"]


@pytest.mark.parametrize(
    ("answer", "found"), [(Answer(body={"Name": "data"}), {"Name": "data"}), (Answer(404, {"message": "no"}), None)]
)
def test_a_volume(stub: StubEngine, engine: HostEngine, answer: Answer, found: dict[str, str] | None) -> None:
    stub.answers["GET /volumes/data"] = answer
    assert engine.volume("data") == found


def test_a_volume_is_made_with_its_labels(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers["POST /volumes/create"] = Answer(201, {"Name": "data"})
    engine.make_volume("data", {"made-by": "us"})
    assert stub.changes == [Asked("POST /volumes/create", {"Name": "data", "Labels": {"made-by": "us"}})]


def test_the_engine_describes_itself(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers["GET /info"] = Answer(body={"Name": "staging"})
    assert (engine.version()["Version"], engine.info()["Name"]) == ("26.1.5", "staging")


@pytest.mark.parametrize("until", [None, 1700000060])
def test_the_log_since_a_time(stub: StubEngine, engine: HostEngine, until: int | None) -> None:
    stub.answers["GET /containers/abc/json"] = Answer(body={"Id": "abc", "Config": {"Tty": False}})
    query = "stderr=1&stdout=1&timestamps=1&follow=0&tail=all&since=1700000000"
    what = f"GET /containers/abc/logs?{query}" + ("" if until is None else f"&until={until}")
    stub.answers[what] = Answer(200, frames(b"2026-11-22T15:17:40Z one\n2026-11-22T15:17:41Z tw", b"o\n"))
    lines = [line for line in engine.log("abc", 1700000000, until) if line]
    assert lines == ["2026-11-22T15:17:40Z one", "2026-11-22T15:17:41Z two"]


def test_a_connection_that_breaks_names_what_was_asked(stub: StubEngine, engine: HostEngine) -> None:
    stub.answers["GET /info"] = Answer(200, b"", {"Transfer-Encoding": "chunked"})
    with pytest.raises(GatewayError, match="asked to describe itself") as caught:
        engine.info()
    assert caught.value.code == "engine-down"
