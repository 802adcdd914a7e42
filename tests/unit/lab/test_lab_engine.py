# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
from ibgateway_lab import engine, packages, settings
from ibgateway_lab.process import LabError, Progress, run


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_pid_file_counts_only_for_the_program_it_should_name(tmp_path: pathlib.Path, sleeper):
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(f"{sleeper.pid}\n")
    assert engine.named_process(pid_file, "sleep") == sleeper.pid
    assert engine.named_process(pid_file, "dockerd") is None


def test_a_pid_file_of_a_dead_process_counts_for_nothing(tmp_path: pathlib.Path):
    pid_file = tmp_path / "docker.pid"
    ended = subprocess.Popen(["true"])
    ended.wait()
    pid_file.write_text(str(ended.pid))
    assert engine.named_process(pid_file, "true") is None
    assert engine.named_process(tmp_path / "none", "true") is None
    pid_file.write_text("")
    assert engine.named_process(pid_file, "true") is None


def test_a_zombie_does_not_count_as_alive():
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not engine.alive(process.pid)
    process.wait()


def test_stale_pid_files_are_cleared_and_living_ones_kept(tmp_path: pathlib.Path, monkeypatch, sleeper):
    for name, pid in (("DOCKERD_PID", sleeper.pid), ("CONTAINERD_PID", 2**22 - 1)):
        monkeypatch.setattr(engine, name, tmp_path / name)
        (tmp_path / name).write_text(str(pid))
    engine.clear_stale_pids()
    assert not (tmp_path / "DOCKERD_PID").exists(), "a sleep is no dockerd"
    assert not (tmp_path / "CONTAINERD_PID").exists()

    (tmp_path / "DOCKERD_PID").write_text(str(sleeper.pid))
    monkeypatch.setattr(engine, "named_process", lambda path, name: sleeper.pid)
    engine.clear_stale_pids()
    assert (tmp_path / "DOCKERD_PID").exists()


def test_only_the_process_that_was_recorded_is_stopped(tmp_path: pathlib.Path, monkeypatch, sleeper):
    monkeypatch.setattr(engine, "CONTAINERD_PID", tmp_path / "containerd.pid")
    engine.stop_process({"pid": sleeper.pid, "start_time": engine.start_time(sleeper.pid) + 1})
    assert sleeper.poll() is None, "another process has the number now"
    engine.stop_process({"pid": sleeper.pid, "start_time": engine.start_time(sleeper.pid)})
    assert sleeper.wait(timeout=10) == -15


def test_without_a_record_nothing_is_stopped(tmp_path: pathlib.Path, monkeypatch):
    monkeypatch.setattr(engine, "RECORD", tmp_path / "engine.json")
    monkeypatch.setattr(engine, "stop_process", lambda record: pytest.fail("stopped an engine that is not the lab's"))
    engine.stop_if_started(Progress(quiet=True))


def test_an_engine_on_another_machine_is_refused(monkeypatch):
    monkeypatch.setattr(settings, "DOCKER_HOST", "ssh://root@elsewhere.example")
    with pytest.raises(LabError, match="this machine's engine only") as caught:
        engine.ensure(Progress(quiet=True))
    assert caught.value.status == 2


def test_elsewhere_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(engine, "version", lambda: None)
    monkeypatch.setattr(packages, "can_install", lambda: False)
    monkeypatch.setattr(packages, "os_release", lambda: {"ID": "fedora", "PRETTY_NAME": "Fedora Linux 44"})
    with pytest.raises(LabError, match="on Fedora Linux 44 .* Install Docker Engine") as caught:
        engine.ensure(Progress(quiet=True))
    assert caught.value.status == 2
    monkeypatch.setattr(packages, "os_release", lambda: {"ID": "debian"})
    with pytest.raises(LabError, match="apt-get install docker.io"):
        engine.ensure(Progress(quiet=True))


@pytest.mark.parametrize(
    ("text", "debian"),
    [
        ("ID=debian\n", True),
        ('ID=ubuntu\nID_LIKE="debian"\n', True),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True),
        ("ID=fedora\n", False),
        ("", False),
    ],
)
def test_debian_and_its_family_are_known(tmp_path: pathlib.Path, text: str, debian: bool):
    path = tmp_path / "os-release"
    path.write_text(text)
    assert packages.is_debian(packages.os_release(path)) is debian


def test_what_takes_too_long_says_what_it_was():
    with pytest.raises(LabError, match="waiting for staging: did not end within 0 s"):
        run(["sleep", "30"], "waiting for staging", timeout=0.1)


def test_what_fails_says_why():
    with pytest.raises(LabError, match="asking the engine: no such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"], "asking the engine")
    with pytest.raises(LabError, match="no program no-such-program"):
        run(["no-such-program"], "asking")


def test_docker_never_goes_by_a_context_of_the_user(monkeypatch):
    monkeypatch.setenv("DOCKER_CONTEXT", "far-away")
    shown = run(["sh", "-c", 'echo "$DOCKER_HOST ${DOCKER_CONTEXT-unset}"'], "echo").stdout
    assert shown.split() == [settings.DOCKER_HOST, "unset"]
