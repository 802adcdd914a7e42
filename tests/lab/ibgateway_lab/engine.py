# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine's own Docker engine: found, or installed and started, and stopped again if the lab started it."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess

from ibgateway_lab import packages, settings
from ibgateway_lab.process import LabError, Progress, docker, environment, run, tail, until

ANSWER_TIMEOUT = 10
START_TIMEOUT = 60
STOP_TIMEOUT = 45
RECORD = settings.MACHINE_STATE / "engine.json"
LOG = settings.MACHINE_STATE / "dockerd.log"
DOCKERD_PID = pathlib.Path("/var/run/docker.pid")
CONTAINERD_PID = pathlib.Path("/var/run/docker/containerd/containerd.pid")
SYSTEMD = pathlib.Path("/run/systemd/system")
SYSTEMD_UNITS = ("docker.socket", "docker.service", "containerd.service")
DEFAULT_SOCKET = "unix:///var/run/docker.sock"


def ensure(progress: Progress) -> None:
    """Leave with an engine that answers; one that the lab had to start is recorded."""
    if not settings.DOCKER_HOST.startswith("unix://"):
        raise LabError(
            f"DOCKER_HOST is {settings.DOCKER_HOST}: the lab uses this machine's engine only. Unset it, and run again.",
            status=2,
        )
    if version():
        return
    if settings.DOCKER_HOST != DEFAULT_SOCKET or not packages.can_install():
        raise LabError(how_to_install(), status=2)
    missing = engine_packages()
    if missing:
        packages.install(missing, progress)
    settings.MACHINE_STATE.mkdir(mode=0o700, exist_ok=True)
    if SYSTEMD.exists():
        start_by_systemd(progress)
    else:
        start(progress)
    progress(f"engine {version()} started; `lab down` stops it again")


def version() -> str | None:
    """The version of the engine that answers; the client alone proves nothing."""
    if not shutil.which("docker"):
        return None
    with contextlib.suppress(LabError):
        asked = run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            "docker version",
            timeout=ANSWER_TIMEOUT,
            check=False,
        )
        if asked.returncode == 0 and asked.stdout.strip():
            return asked.stdout.strip()
    return None


def how_to_install() -> str:
    problem = f"No Docker engine answers at {settings.DOCKER_HOST}"
    release = packages.os_release()
    if packages.is_debian(release):
        return (
            f"{problem}, and installing one takes root. Either run this as root, or have root run"
            f" `apt-get install docker.io` and add you to the group docker; then run this again."
        )
    return (
        f"{problem}, and on {release.get('PRETTY_NAME', 'this system')} the lab does not install one by itself."
        f" Install Docker Engine 20.10 or newer (https://docs.docker.com/engine/install/), start it, make sure that"
        f" `docker version` shows a server, and run this again."
    )


def engine_packages() -> list[str]:
    missing = [] if shutil.which("dockerd") and shutil.which("containerd") else ["docker.io"]
    if not shutil.which("docker"):
        missing = ["docker.io", "docker-cli"]
    apparmor = pathlib.Path("/sys/module/apparmor/parameters/enabled")
    if apparmor.exists() and apparmor.read_text().strip() == "Y" and not shutil.which("apparmor_parser"):
        missing.append("apparmor")
    if not os.path.ismount("/sys/fs/cgroup"):
        missing.append("cgroupfs-mount")
    return missing


def start_by_systemd(progress: Progress) -> None:
    progress("starting the engine (systemd)")
    run(["systemctl", "start", "docker.service"], "systemctl start docker.service", timeout=START_TIMEOUT)
    for dummy in until(START_TIMEOUT):
        if version():
            RECORD.write_text(json.dumps({"systemd": True}), encoding="utf-8")
            return
    raise LabError(f"docker.service did not answer within {START_TIMEOUT} s: see `journalctl -u docker`")


def start(progress: Progress) -> None:
    if named_process(DOCKERD_PID, "dockerd") is None:
        progress("starting the engine")
        clear_stale_pids()
        with LOG.open("ab") as log:
            started = subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=environment(),
            )
    else:
        started = None
    for dummy in until(START_TIMEOUT):
        if version():
            break
        if started and started.poll() is not None:
            raise LabError(f"dockerd ended with {started.returncode}:\n{last_of_log()}")
    else:
        raise LabError(f"dockerd did not answer within {START_TIMEOUT} s:\n{last_of_log()}")
    pid = named_process(DOCKERD_PID, "dockerd")
    if pid is not None:
        RECORD.write_text(json.dumps({"pid": pid, "start_time": start_time(pid)}), encoding="utf-8")


def last_of_log() -> str:
    return tail(LOG.read_text(errors="replace")) if LOG.exists() else ""


def clear_stale_pids() -> None:
    """What a killed engine leaves behind keeps the next one from starting once the number belongs to another process."""
    for path, name in ((DOCKERD_PID, "dockerd"), (CONTAINERD_PID, "containerd")):
        if named_process(path, name) is None:
            path.unlink(missing_ok=True)


def named_process(pid_file: pathlib.Path, name: str) -> int | None:
    """The process that a pid file names, if it lives and is what it should be."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        if f"({name})" in stat and process_state(stat) != "Z":
            return pid
    return None


def process_state(stat: str) -> str:
    return stat[stat.rindex(")") + 2]


def start_time(pid: int) -> int:
    """Clock ticks since boot at which a process started: with the pid, its identity."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[19])


def alive(pid: int) -> bool:
    try:
        return process_state(pathlib.Path(f"/proc/{pid}/stat").read_text()) != "Z"
    except OSError:
        return False


def stop_if_started(progress: Progress) -> None:
    """Stop the engine that the lab started, unless somebody else has containers on it."""
    if not RECORD.exists():
        return
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    if version() and docker("ps", "--quiet"):
        progress("the engine stays: containers that are not this lab's run on it")
        return
    if record.get("systemd"):
        run(["systemctl", "stop", *SYSTEMD_UNITS], "systemctl stop docker", timeout=STOP_TIMEOUT)
    else:
        stop_process(record)
    if shutil.which("ip") and not version():
        run(["ip", "link", "delete", "docker0"], "ip link delete docker0", check=False)
    shutil.rmtree(settings.MACHINE_STATE, ignore_errors=True)
    progress("engine stopped")


def stop_process(record: dict[str, int]) -> None:
    pid = record["pid"]
    if not alive(pid) or start_time(pid) != record["start_time"]:
        return
    containerd = named_process(CONTAINERD_PID, "containerd")
    os.kill(pid, signal.SIGTERM)
    for dummy in until(STOP_TIMEOUT):
        if not alive(pid) and not (containerd and alive(containerd)):
            return
    raise LabError(f"dockerd (pid {pid}) did not end within {STOP_TIMEOUT} s of SIGTERM:\n{last_of_log()}")
