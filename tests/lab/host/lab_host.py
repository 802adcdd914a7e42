# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs inside a lab host: its start as PID 1, its engine, and its clean-up.

boot            PID 1: prepare, start the engine, keep sshd and the relay to IBKR running, shut down on SIGTERM
engine start    start dockerd and wait until it answers; what a killed one left behind is cleared first
engine stop     end dockerd as an administrator would, containers and all
engine kill     kill -9 dockerd
engine status   say whether it answers
ready REF...    take the authorized key from stdin, wait for engine and sshd, print what is there as JSON
clean           remove every container, volume and network of the engine, and the product's files
"""

from __future__ import annotations

import contextlib
import glob
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import uuid
from typing import Iterator

DOCKERD_LOG = pathlib.Path("/var/log/dockerd.log")
DOCKER_SOCKET = "/run/docker.sock"
DOCKERD_PID = pathlib.Path("/run/docker.pid")
CONTAINERD_PID = pathlib.Path("/run/docker/containerd/containerd.pid")
STOPPED_ON_PURPOSE = pathlib.Path("/var/lib/ibgateway-lab/engine-stopped")
AUTHORIZED_KEYS = pathlib.Path("/root/.ssh/authorized_keys")
HOST_KEY = pathlib.Path("/etc/ssh/ssh_host_ed25519_key")
PRODUCT_FILES = ("/srv/*", "/var/lib/abstractfinance", "/root/.ansible")
BOOTED = pathlib.Path("/run/ibgateway-lab-booted")
BOOT_TIMEOUT = 90
ENGINE_START_TIMEOUT = 60
ENGINE_STOP_TIMEOUT = 30
READY_TIMEOUT = 30
SERVICES = {
    "sshd": ["/usr/sbin/sshd", "-D", "-e"],
    "relay to IBKR": [
        "socat",
        "TCP-LISTEN:18098,fork,reuseaddr,keepalive,keepidle=5,keepintvl=2,keepcnt=3",
        "TCP:ibkr:18098,connect-timeout=5,keepalive,keepidle=5,keepintvl=2,keepcnt=3,setsockopt-int=6:18:10000",
    ],
}


class HostError(Exception):
    """Something on the host did not come up or go down in time."""


def say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", flush=True)


def process_name(pid_file: pathlib.Path) -> tuple[int, str] | None:
    """The process that a pid file names, or None where it is gone."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text().strip())
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        name, state = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2]
        if state != "Z":
            return pid, name
    return None


def engine_process() -> int | None:
    found = process_name(DOCKERD_PID)
    if found and found[1] == "dockerd":
        return found[0]
    for entry in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            stat = pathlib.Path(entry).read_text()
            if "(dockerd)" in stat and stat[stat.rindex(")") + 2] != "Z":
                return int(entry.split("/")[2])
    return None


class EngineConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(DOCKER_SOCKET)


def engine_version() -> str | None:
    try:
        connection = EngineConnection("localhost", timeout=5)
        connection.request("GET", "/version")
        return str(json.load(connection.getresponse())["Version"])
    except (OSError, ValueError, KeyError, http.client.HTTPException):
        return None


def until(timeout: float, interval: float = 0.1) -> Iterator[None]:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        yield
        time.sleep(interval)


def last_lines(path: pathlib.Path, number: int = 5) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-number:])
    except OSError:
        return ""


def start_engine() -> None:
    """Start dockerd and wait until it answers; one that is on its way down is waited for and started again."""
    STOPPED_ON_PURPOSE.unlink(missing_ok=True)
    started: subprocess.Popen[bytes] | None = None
    for dummy in until(ENGINE_START_TIMEOUT):
        if engine_version():
            return
        if engine_process() is None and (started is None or started.poll() is not None):
            started = spawn_engine()
    raise HostError(f"dockerd did not answer within {ENGINE_START_TIMEOUT} s:\n{last_lines(DOCKERD_LOG)}")


def spawn_engine() -> subprocess.Popen[bytes]:
    DOCKERD_PID.unlink(missing_ok=True)
    containerd = process_name(CONTAINERD_PID)
    if containerd is None or containerd[1] != "containerd":
        CONTAINERD_PID.unlink(missing_ok=True)
    with DOCKERD_LOG.open("ab") as log:
        return subprocess.Popen(
            ["/usr/sbin/dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def end_engine(with_signal: signal.Signals) -> None:
    pid = engine_process()
    if pid is None:
        return
    os.kill(pid, with_signal)
    for dummy in until(ENGINE_STOP_TIMEOUT):
        if engine_process() is None:
            return
    raise HostError(f"dockerd did not end within {ENGINE_STOP_TIMEOUT} s of {with_signal.name}")


def prepare_cgroups() -> None:
    """Give the nested engine the part of the cgroup tree that this container has been given, and nothing else."""
    root = pathlib.Path("/sys/fs/cgroup")
    version_2 = (root / "cgroup.controllers").exists()
    for mount in [root] if version_2 else [root, *(path for path in root.iterdir() if path.is_mount())]:
        subprocess.run(["mount", "-o", "remount,bind,rw", str(mount)], check=True)
    if version_2:
        own = root / "lab"
        own.mkdir(exist_ok=True)
        for pid in (root / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (own / "cgroup.procs").write_text(pid)
        for controller in (root / "cgroup.controllers").read_text().split():
            with contextlib.suppress(OSError):
                (root / "cgroup.subtree_control").write_text(f"+{controller}")


def prepare() -> None:
    prepare_cgroups()
    machine_id = pathlib.Path("/etc/machine-id")
    if not machine_id.exists() or not machine_id.read_text().strip():
        machine_id.write_text(f"{uuid.uuid4().hex}\n")
    boot_id = pathlib.Path("/run/boot_id")
    boot_id.write_text(f"{uuid.uuid4()}\n")
    subprocess.run(["mount", "--bind", str(boot_id), "/proc/sys/kernel/random/boot_id"], check=True)
    if not HOST_KEY.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(HOST_KEY)], check=True)
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    STOPPED_ON_PURPOSE.parent.mkdir(exist_ok=True)


class ShutDown(Exception):
    """PID 1 was told to shut the host down."""


def boot() -> None:
    def shut_down(_signal: int, _frame: object) -> None:
        raise ShutDown

    signal.signal(signal.SIGTERM, shut_down)
    try:
        prepare()
        services = {subprocess.Popen(argv, stdin=subprocess.DEVNULL).pid: name for name, argv in SERVICES.items()}
        start_engine()
        BOOTED.touch()
        say(f"up: engine {engine_version()}")
        while True:
            pid, status = os.wait()
            name = services.pop(pid, None)
            if name:
                say(f"{name} ended with {os.waitstatus_to_exitcode(status)}, starting it again")
                time.sleep(0.2)
                services[subprocess.Popen(SERVICES[name], stdin=subprocess.DEVNULL).pid] = name
    except ShutDown:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say("shutting down")
        end_engine(signal.SIGTERM)


def ready(references: list[str]) -> None:
    key = sys.stdin.read()
    if AUTHORIZED_KEYS.read_text() != key:
        AUTHORIZED_KEYS.write_text(key)
        AUTHORIZED_KEYS.chmod(0o600)
    for dummy in until(BOOT_TIMEOUT):
        if BOOTED.exists():
            break
    else:
        raise HostError(f"the host's start did not end within {BOOT_TIMEOUT} s")
    stopped = STOPPED_ON_PURPOSE.exists()
    if not stopped:
        start_engine()
    for dummy in until(READY_TIMEOUT):
        version = engine_version()
        if (version or stopped) and sshd_answers():
            break
    else:
        raise HostError(f"engine and sshd did not both answer within {READY_TIMEOUT} s:\n{last_lines(DOCKERD_LOG)}")
    print(
        json.dumps(
            {
                "host_key": HOST_KEY.with_suffix(".pub").read_text().strip(),
                "engine": version,
                "engine_stopped": stopped,
                "builds": builds(references) if version else {},
            }
        )
    )


def sshd_answers() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def builds(references: list[str]) -> dict[str, str]:
    """The lab's build mark of each image that the engine has."""
    found = {}
    for reference in references:
        connection = EngineConnection("localhost", timeout=10)
        connection.request("GET", f"/images/{reference}/json")
        response = connection.getresponse()
        if response.status == 200:
            found[reference] = (json.load(response)["Config"].get("Labels") or {}).get("ibgateway-lab.build", "")
    return found


def clean() -> None:
    def docker(*arguments: str) -> list[str]:
        done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.split()

    try:
        if containers := docker("ps", "--all", "--quiet"):
            docker("rm", "--force", "--volumes", *containers)
        if volumes := docker("volume", "ls", "--quiet"):
            docker("volume", "rm", *volumes)
        docker("network", "prune", "--force")
    except subprocess.CalledProcessError as error:
        raise HostError(f"{' '.join(error.cmd)}: {error.stderr.strip()}") from error
    for pattern in PRODUCT_FILES:
        for path in glob.glob(pattern):
            subprocess.run(["rm", "-rf", "--", path], check=True)


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["boot"]:
                boot()
            case ["engine", "start"]:
                start_engine()
            case ["engine", "stop"]:
                STOPPED_ON_PURPOSE.touch()
                end_engine(signal.SIGTERM)
            case ["engine", "kill"]:
                STOPPED_ON_PURPOSE.touch()
                end_engine(signal.SIGKILL)
            case ["engine", "status"]:
                print(f"engine {engine_version() or 'does not answer'}")
                return 0 if engine_version() else 3
            case ["ready", *references]:
                ready(references)
            case ["clean"]:
                clean()
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
