# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import FILE_BYTES
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import PARKED_LABEL, RETURNED_LABEL

LIVE = {"IB_USERNAME": "aflive01", "IB_LOGINTYPE": "Live Trading"}
KEEPS_FAILING = ("/bin/sh", "-c", "sleep 0.3; exit 1")


def test_park_return_and_start_elsewhere(bench: Any) -> None:
    holder = bench.gateway("old", ports={"4000/tcp": ("127.0.0.1", 24871)})
    innocent = bench.gateway("trading-engine", environment={"X": "1"})
    other = bench.gateway("live", environment=LIVE)
    assert sorted(item["login"] for item in bench.sessions.info()["sessions"]) == ["aflive01", "afpaper01"]

    result = bench.sessions.fence_login(bench.demand())
    [seen] = result["receipt"]["seen"]
    assert (seen["container"], seen["state"], seen["restart_policy"]) == (bench.name("old"), "running", "always")
    aside = bench.inspect("old-parked-4f1f6c0e")
    assert aside["Id"] == holder.id
    assert (aside["State"]["Status"], aside["HostConfig"]["RestartPolicy"]["Name"]) == ("exited", "no")
    taker = bench.gateway("taker", environment={"X": "1"}, ports={"4000/tcp": ("127.0.0.1", 24871)})
    assert not bench.sessions.fence_login(bench.demand())["changed"]

    taker.remove(force=True)
    [returned] = bench.sessions.give_back(bench.demand())["returned"]
    assert (returned["container"], returned["was_running"], returned["restart_policy"]) == (
        bench.name("old"),
        True,
        "always",
    )
    for item in (innocent, other):
        started = item.attrs["State"]["StartedAt"] if item.attrs["State"]["Running"] else None
        item.reload()
        assert item.status == "running"
        assert started in (None, item.attrs["State"]["StartedAt"])


def test_the_slot_keeps_everything_and_comes_back_whole(bench: Any) -> None:
    original = bench.gateway(
        labels={**bench.slot_labels(), "own": "1"},
        ports={"4000/tcp": ("127.0.0.1", 24872)},
        volumes={
            bench.name("data"): {"bind": "/home/ibg_settings", "mode": "rw"},
            "/home/ibg": {"bind": "/x", "mode": "ro"},
        },
        mounts=[],
        hostname="ibgateway",
        mem_limit="64m",
        cap_drop=["NET_RAW"],
        healthcheck={"test": ["CMD", "true"], "interval": 5_000_000_000},
    )
    bench.second.connect(original, aliases=["gate"])
    before = bench.inspect("gw")

    bench.sessions.fence_login(bench.demand(**bench.target()))
    assert bench.inspect("gw") is None
    aside = bench.inspect("gw-parked-4f1f6c0e")
    assert aside["State"]["Status"] == "created"
    assert not [label for label in aside["Config"]["Labels"] if label.startswith("com.docker.compose.")]
    assert json.loads(aside["Config"]["Labels"][PARKED_LABEL])["former_name"] == bench.name("gw")

    bench.sessions.give_back(bench.demand(**bench.target()))
    after = bench.inspect("gw")
    assert bench.inspect("gw-parked-4f1f6c0e") is None
    for part in ("Env", "Cmd", "Entrypoint", "Hostname", "Healthcheck", "Image", "WorkingDir", "ExposedPorts"):
        assert after["Config"].get(part) == before["Config"].get(part), part
    labels = {name: value for name, value in after["Config"]["Labels"].items() if name != RETURNED_LABEL}
    assert labels == before["Config"]["Labels"]
    changed = {"RestartPolicy", "Binds"}
    for part in set(before["HostConfig"]) - changed:
        assert after["HostConfig"][part] == before["HostConfig"][part], part
    assert sorted(after["HostConfig"]["Binds"]) == sorted(before["HostConfig"]["Binds"])
    assert after["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert sorted(after["NetworkSettings"]["Networks"]) == sorted(before["NetworkSettings"]["Networks"])
    assert "gate" in after["NetworkSettings"]["Networks"][bench.second.name]["Aliases"]


def test_an_anonymous_volume_is_the_same_one_afterwards(bench: Any) -> None:
    made = bench.gateway(
        started=False,
        labels=bench.slot_labels(),
        command=("/bin/sh", "-c", "[ -e /home/ibg/mark ] || echo first > /home/ibg/mark; sleep 1000"),
        volumes=["/home/ibg"],
    )
    made.start()
    [volume] = [mount["Name"] for mount in bench.inspect("gw")["Mounts"]]
    bench.sessions.fence_login(bench.demand(**bench.target()))
    bench.sessions.give_back(bench.demand(**bench.target()))
    assert [mount["Name"] for mount in bench.inspect("gw")["Mounts"]] == [volume]
    bench.sessions.clear(bench.demand(**bench.target()))
    assert bench.client.volumes.get(volume).name == volume


def test_clearing_removes_what_was_parked_and_no_volume(bench: Any) -> None:
    bench.gateway(
        labels=bench.slot_labels(), volumes={bench.name("data"): {"bind": "/home/ibg_settings", "mode": "rw"}}
    )
    bench.gateway("old", labels={"session-test": bench.prefix})
    bench.sessions.fence_login(bench.demand(**bench.target()))
    assert len(bench.sessions.info()["parked"]) == 2
    bench.sessions.clear(bench.demand(**bench.target()))
    assert bench.engine.containers() == []
    assert bench.state.parked() == []
    bench.client.volumes.get(bench.name("data")).remove()


def test_a_paused_holder(bench: Any) -> None:
    bench.gateway("old").pause()
    assert bench.sessions.info()["sessions"][0]["state"] == "paused"
    bench.sessions.fence_login(bench.demand())
    assert bench.inspect("old-parked-4f1f6c0e")["State"]["Status"] == "exited"


def test_a_holder_that_restarts_all_the_time(bench: Any) -> None:
    bench.gateway("old", command=KEEPS_FAILING)
    bench.sessions.fence_login(bench.demand())
    aside = bench.inspect("old-parked-4f1f6c0e")
    assert (aside["State"]["Status"], aside["State"]["Restarting"]) == ("exited", False)


def test_another_image_gets_its_stop_signal_first(bench: Any) -> None:
    bench.gateway(
        "old",
        command=("/bin/sh", "-c", "trap 'exit 42' TERM; while :; do sleep 0.1; done"),
        environment={"TWS_USERID": "afpaper01", "TRADING_MODE": "paper"},
    )
    bench.sessions.fence_login(bench.demand())
    assert bench.inspect("old-parked-4f1f6c0e")["State"]["ExitCode"] == 42


def put_files(container: Any, files: dict[str, str], links: dict[str, str]) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    assert container.put_archive("/", stream.getvalue())


def test_one_that_ignores_its_stop_signal_is_not_waited_for(bench: Any) -> None:
    bench.gateway("old", environment={"TWS_USERID": "afpaper01", "TRADING_MODE": "paper"})
    [done] = bench.sessions.fence_login(bench.demand())["receipt"]["done"]
    assert done["ended"] == "killed"
    assert bench.inspect("old-parked-4f1f6c0e")["State"]["ExitCode"] == 137


def test_files_are_read_in_the_container_and_nowhere_else(bench: Any, tmp_path: Any) -> None:
    (tmp_path / "account").write_text("afpaper01\n")
    made = bench.gateway("files", volumes={str(tmp_path): {"bind": "/run/own", "mode": "ro"}}, environment={"X": "1"})
    put_files(
        made,
        {"etc/own.ini": "IbLoginId=afpaper01\n", "long": "x" * (FILE_BYTES + 1)},
        {"link": "/etc/own.ini", "out": "/../../../../etc/hostname", "loop": "/loop"},
    )
    for started in (True, False):
        read = {
            path: bench.engine.read_file(made.id, path)
            for path in (
                "/etc/own.ini",
                "/link",
                "/run/own/account",
                "/out",
                "/loop",
                "/long",
                "/etc",
                "/no",
                "relative",
            )
        }
        assert (read.pop("/etc/own.ini"), read.pop("/link")) == ("IbLoginId=afpaper01\n", "IbLoginId=afpaper01\n")
        assert read.pop("/run/own/account") == "afpaper01\n"
        assert read.pop("/out") in (None, bench.engine.read_file(made.id, "/etc/hostname"))
        assert set(read.values()) == {None}
        if started:
            made.kill()
            made.wait()
    assert bench.engine.read_file("0" * 64, "/etc/own.ini") is None


def test_a_command_in_a_container_ends_with_its_status(bench: Any) -> None:
    made = bench.gateway("run", environment={"X": "1"})
    assert bench.engine.run(made.id, ["/bin/sh", "-c", "exit 3"], "") == 3
    assert bench.engine.run(made.id, ["/no/such/program"], "") in (None, 126, 127)
    made.kill()
    made.wait()
    assert bench.engine.run(made.id, ["/bin/sh", "-c", "exit 0"], "") is None


def test_a_rm_holder_is_gone(bench: Any) -> None:
    bench.gateway("old", auto_remove=True, restart_policy=None)
    [done] = bench.sessions.fence_login(bench.demand())["receipt"]["done"]
    assert not done["restorable"]
    assert [item for item in bench.engine.containers() if item["State"]["Running"]] == []
    assert bench.state.parked() == []


def test_a_refused_run_changes_nothing(bench: Any) -> None:
    bench.gateway("a")
    bench.gateway("b", environment={**LIVE, "IB_USERNAME": "AFPAPER01"})
    before = [(item["Id"], item["State"], item["HostConfig"]["RestartPolicy"]) for item in bench.engine.containers()]
    with pytest.raises(GatewayError) as caught:
        bench.sessions.fence_login(bench.demand())
    assert caught.value.code == "live-session-protected"
    after = [(item["Id"], item["State"], item["HostConfig"]["RestartPolicy"]) for item in bench.engine.containers()]
    assert after == before


def test_fence_and_start(bench: Any) -> None:
    bench.gateway("old")
    bench.gateway("left-over", started=False)
    made = bench.gateway(started=False, labels=bench.slot_labels(), restart_policy=None)
    receipt = bench.sessions.fence_login(bench.demand(**bench.target(), created=True))["receipt"]
    assert bench.inspect("left-over") is None
    result = bench.start(receipt)
    assert (result["changed"], result["container_id"]) == (True, made.id)
    again = bench.start(receipt)
    assert (again["changed"], again["since"]) == (False, result["since"])
    bench.sessions.clear(bench.demand())
    [session] = bench.sessions.info()["sessions"]
    assert (session["container"], session["since"]) == (bench.name("gw"), result["since"])


def test_a_port_that_is_taken_is_named(bench: Any) -> None:
    bench.gateway("taker", environment={"X": "1"}, ports={"4000/tcp": ("127.0.0.1", 24873)})
    bench.gateway(started=False, restart_policy=None, ports={"4000/tcp": ("127.0.0.1", 24873)})
    receipt = bench.sessions.fence_login(bench.demand(**bench.target(), created=True))["receipt"]
    with pytest.raises(GatewayError) as caught:
        bench.start(receipt)
    assert caught.value.code == "port-taken"
    assert bench.inspect("gw")["State"]["Running"] is False
