# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab as a whole: what the command line does, for tests to import."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ibgateway_lab import capabilities, engine, images, packages, settings, state
from ibgateway_lab.process import LabError, Progress, docker, run, until

LAB_HOST = ("/usr/bin/python3", "/usr/local/lib/lab_host.py")
READY_TIMEOUT = 150
STAND_IN_TIMEOUT = 30
TRANSFER_TIMEOUT = 300
ENGINE_TIMEOUT = 120
REBOOT_GRACE = 40
PARALLEL = 4
SIDES = {"controller": settings.CONTROL_NETWORK, "ibkr": settings.IBKR_NETWORK}

Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True)
class Container:
    """What the machine's engine says of one of the lab's containers."""

    name: str
    status: str
    image: str
    build: str
    port: int
    networks: tuple[str, ...]

    @classmethod
    def of(cls, inspected: dict[str, Any]) -> Container:
        bindings = [binding for bound in (inspected["HostConfig"]["PortBindings"] or {}).values() for binding in bound]
        return cls(
            name=inspected["Name"].removeprefix("/"),
            status=inspected["State"]["Status"],
            image=inspected["Config"]["Image"],
            build=inspected["Config"]["Labels"].get(settings.BUILD_LABEL, ""),
            port=int(bindings[0]["HostPort"]) if bindings else 0,
            networks=tuple(sorted(inspected["NetworkSettings"]["Networks"])),
        )

    @property
    def host(self) -> str:
        return self.name.removeprefix(f"{settings.PREFIX}-")

    @property
    def cut_from(self) -> list[str]:
        return [side for side, network in SIDES.items() if network not in self.networks]


class Lab:
    def __init__(self, progress: Progress | None = None) -> None:
        self.progress = progress or Progress(quiet=True)

    # The whole lab

    def up(self, hosts: int | None = None) -> None:
        """Make what is missing, and leave alone what is as it should be and what was broken on purpose."""
        with state.locked():
            self._need_programs()
            debian = images.Debian(self.progress)
            engine.ensure(self.progress)
            existing = self.containers()
            number = hosts or max([len(settings.ENVIRONMENTS), *(settings.host_index(name) + 1 for name in existing)])
            names = settings.host_names(number)
            surplus = sorted(set(existing) - set(names))
            if surplus:
                in_parallel(self._remove_host, surplus)
                self.progress(f"removed: {', '.join(surplus)}")
            self._ensure_networks()
            self._build_up(names, debian)
        hosts_said = ", ".join(f"{host.name} (ssh port {host.port})" for host in state.load())
        self.progress(f"up: {hosts_said}; IBKR stand-in {settings.IBKR_STATE_URL}")

    def down(self, with_images: bool = False) -> None:
        """Leave no container, network, volume or process; the images stay for the next time unless told otherwise."""
        with state.locked():
            if engine.version():
                self._remove_everything(with_images)
            engine.stop_if_started(self.progress)
            state.remove()
        self.progress("down")

    def reset(self) -> None:
        """A clean start for a test: faults mended, hosts without containers or files of the product, IBKR as new."""
        with state.locked():
            self.mend()
            in_parallel(lambda name: self._in_host(name, "clean"), self.hosts())
            request = urllib.request.Request(f"{settings.IBKR_STATE_URL}/reset", data=b"", method="POST")
            try:
                urllib.request.urlopen(request, timeout=10).close()
            except OSError as error:
                raise LabError(f"the IBKR stand-in did not reset: POST {request.full_url}: {error}") from None

    def mend(self) -> None:
        """Take back every pause, cut and stopped engine."""
        in_parallel(self._mend_host, self.containers().values())

    def status(self) -> list[dict[str, Any]]:
        found = self.containers()
        reports = [self._host_status(container) for container in found.values()]
        stand_in = self._inspect([settings.IBKR_CONTAINER])
        state_of_ibkr = stand_in[0].status if stand_in else "missing"
        faults = [] if state_of_ibkr == "running" else [state_of_ibkr]
        return [*reports, {"name": "ibkr", "state": state_of_ibkr, "faults": faults}]

    # One host

    def hosts(self) -> list[str]:
        return list(self.containers())

    def host(self, name: str) -> Container:
        """A host by its short name, its inventory name or its container's name."""
        short = name.removesuffix(f".{settings.DOMAIN}").removeprefix(f"{settings.PREFIX}-")
        found = self.containers()
        if short not in found:
            known = ", ".join(found) or "none: `make lab` makes two"
            raise LabError(f"The lab has no host {name} (its hosts: {known})", status=2)
        return found[short]

    def cut(self, name: str, side: str = "all") -> None:
        """Take a host off the network of one side, or both; its gateways go on running."""
        if side != "ibkr":
            self._refuse_ssh(self.host(name), True)
        for network in networks_of(side):
            if network in self.host(name).networks:
                docker("network", "disconnect", network, self.host(name).name)

    def join(self, name: str, side: str = "all") -> None:
        if side != "ibkr":
            self._refuse_ssh(self.host(name), False)
        for network in networks_of(side):
            if network not in self.host(name).networks:
                docker("network", "connect", network, self.host(name).name)
        self._wait_for_ssh(self.host(name))

    def pause(self, name: str) -> None:
        """Freeze a host with everything on it: it keeps its connections and answers nothing."""
        container = self.host(name)
        if container.status != "paused":
            docker("pause", container.name)

    def unpause(self, name: str) -> None:
        container = self.host(name)
        if container.status == "paused":
            docker("unpause", container.name)

    def engine_start(self, name: str) -> None:
        self._in_host(name, "engine", "start")

    def engine_stop(self, name: str) -> None:
        self._in_host(name, "engine", "stop")

    def engine_kill(self, name: str) -> None:
        self._in_host(name, "engine", "kill")

    def restart(self, name: str) -> None:
        """Reboot a host: its engine ends its containers, and starts those that their restart policy brings back."""
        container = self.host(name)
        docker("restart", "--time", str(REBOOT_GRACE), container.name, timeout=REBOOT_GRACE + 60)
        self._ready(container)

    def power_off(self, name: str) -> None:
        """Pull the plug: everything on the host is gone at once."""
        docker("kill", self.host(name).name)

    def execute(self, name: str, command: list[str]) -> int:
        """Run a command on a host without SSH, with this process's terminal."""
        interactive = ["--interactive", *(["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else [])]
        argv = ["docker", "exec", *interactive, self.host(name).name, *command]
        return subprocess.run(argv, check=False, env=os.environ | {"DOCKER_HOST": settings.DOCKER_HOST}).returncode

    def output(self, name: str, *command: str, timeout: float = 60, check: bool = True) -> str:
        """What a command on a host prints."""
        argv = ["docker", "exec", self.host(name).name, *command]
        return run(argv, f"{' '.join(command)} on {name}", timeout=timeout, check=check).stdout

    def ssh_command(self, name: str, *command: str) -> list[str]:
        return ["ssh", "-F", str(state.SSH_CONFIG), self.host(name).host, *command]

    def logs(self, name: str) -> str:
        """What a host's PID 1 and its engine have said."""
        container = self.host(name)
        said = run(["docker", "logs", container.name], "docker logs")
        with tempfile.TemporaryDirectory() as directory:
            copy = pathlib.Path(directory) / "dockerd.log"
            run(["docker", "cp", f"{container.name}:/var/log/dockerd.log", str(copy)], "docker cp", check=False)
            engine_said = copy.read_text(errors="replace") if copy.exists() else ""
        return f"== host ==\n{said.stdout}{said.stderr}== dockerd ==\n{engine_said}"

    def ibkr_state(self) -> dict[str, Any]:
        """The truth about sessions, as the IBKR stand-in has it."""
        with urllib.request.urlopen(f"{settings.IBKR_STATE_URL}/state", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    # How

    def containers(self) -> dict[str, Container]:
        """The lab's hosts by short name, in their order."""
        mine = ["--filter", f"label={settings.LABEL}=host", "--format", "{{.Names}}"]
        names = docker("ps", "--all", *mine).split()
        return {found.host: found for found in sorted(self._inspect(names), key=lambda c: settings.host_index(c.host))}

    def _inspect(self, names: list[str]) -> list[Container]:
        if not names:
            return []
        inspected = run(["docker", "container", "inspect", *names], "docker container inspect", check=False).stdout
        return [Container.of(each) for each in json.loads(inspected or "[]")]

    def _need_programs(self) -> None:
        for program in ("ssh", "ssh-keygen"):
            packages.need(program, "openssh-client", self.progress)
        lacking = capabilities.missing(capabilities.own_status())
        if os.geteuid() == 0 and lacking:
            raise LabError(
                f"This machine cannot grant {', '.join(lacking)}, which a host with its own engine needs:"
                f" run the lab on a virtual or real machine.",
                status=2,
            )

    def _ensure_networks(self) -> None:
        mine = ["--filter", f"label={settings.LABEL}", "--format", "{{.Name}}"]
        there = docker("network", "ls", *mine).split()
        options = {settings.IBKR_NETWORK: ["--internal"], settings.CONTROL_NETWORK: []}
        for network in (network for network in options if network not in there):
            docker(
                "network", "create", "--label", f"{settings.LABEL}=network",
                "--opt", "com.docker.network.bridge.enable_ip_masquerade=false", *options[network], network,
            )  # fmt: skip

    def _build_up(self, names: list[str], debian: images.Debian) -> None:
        """Builds, hosts and transfers, each as soon as what it stands on is there."""
        key = state.public_key()
        marks = images.build_marks()
        if not images.is_current(images.BASE, marks):
            debian.ensure()
            marks[images.BASE.tag] = images.build(images.BASE, self.progress)
        with concurrent.futures.ThreadPoolExecutor(max_workers=PARALLEL + 4) as pool:
            built = {
                image: pool.submit(self._ensure_image, image, marks)
                for image in (images.HOST, images.IBKR, images.GATEWAY, images.TRADING_ENGINE)
            }
            stand_in = pool.submit(lambda: self._ensure_stand_in(built[images.IBKR].result()))
            host_mark = built[images.HOST].result()
            ports = self._ports(names)
            with concurrent.futures.ThreadPoolExecutor(max_workers=PARALLEL) as host_pool:
                ready = list(host_pool.map(lambda name: self._ensure_host(name, ports[name], host_mark, key), names))
            wanted = {image.tag: built[image].result() for image in (images.GATEWAY, images.TRADING_ENGINE)}
            self._ensure_hosts_images(dict(zip(names, ready)), wanted)
            stand_in.result()
        state.save(
            [state.HostAddress(name, ports[name], report["host_key"]) for name, report in self._reported(names, ready)]
        )

    def _reported(self, names: list[str], ready: list[dict[str, Any] | None]) -> list[tuple[str, dict[str, Any]]]:
        """Each host with what it said of itself; a frozen one with what it said before."""
        before = {host.name: {"host_key": host.host_key} for host in state.load()}
        pairs = [(name, report or before.get(name)) for name, report in zip(names, ready)]
        unknown = [name for name, report in pairs if report is None]
        if unknown:
            raise LabError(
                f"{', '.join(unknown)} is paused, and this checkout does not know its host key:"
                f" `tests/lab/lab unpause {unknown[0]}`, then again"
            )
        return [(name, report) for name, report in pairs if report is not None]

    def _ensure_image(self, image: images.Image, marks: dict[str, str]) -> str:
        return marks[image.tag] if images.is_current(image, marks) else images.build(image, self.progress)

    def _ensure_stand_in(self, mark: str) -> None:
        found = self._inspect([settings.IBKR_CONTAINER])
        if found and found[0].build != mark:
            docker("rm", "--force", "--volumes", settings.IBKR_CONTAINER)
            found = []
        if not found:
            docker(
                "create", "--name", settings.IBKR_CONTAINER, "--label", f"{settings.LABEL}=ibkr",
                "--network", settings.CONTROL_NETWORK,
                "--publish", f"127.0.0.1:{settings.IBKR_STATE_PORT}:{settings.IBKR_PORT}", settings.IBKR_IMAGE,
            )  # fmt: skip
            found = self._inspect([settings.IBKR_CONTAINER])
        if settings.IBKR_NETWORK not in found[0].networks:
            alias = ["--alias", settings.IBKR_ALIAS]
            docker("network", "connect", *alias, settings.IBKR_NETWORK, settings.IBKR_CONTAINER)
        if found[0].status != "running":
            docker("start", settings.IBKR_CONTAINER, what="starting the IBKR stand-in")
            self.progress("IBKR stand-in started")
        for dummy in until(STAND_IN_TIMEOUT):
            with contextlib.suppress(OSError, ValueError):
                self.ibkr_state()
                return
        said = run(["docker", "logs", "--tail", "10", settings.IBKR_CONTAINER], "docker logs")
        raise LabError(
            f"the IBKR stand-in did not answer {settings.IBKR_STATE_URL}/state within {STAND_IN_TIMEOUT} s:\n"
            f"{said.stdout}{said.stderr}"
        )

    def _ports(self, names: list[str]) -> dict[str, int]:
        """A loopback port for each host: the one it has, or else the next free one."""
        ports = {name: found.port for name, found in self.containers().items() if name in names}
        for name in (name for name in names if name not in ports):
            wanted = settings.FIRST_SSH_PORT + settings.host_index(name)
            ports[name] = first_free_port(wanted, set(ports.values()))
        return ports

    def _ensure_host(self, name: str, port: int, mark: str, key: str) -> dict[str, Any] | None:
        """Make or start a host; what it says of itself, or None where it is paused."""
        found = self._inspect([settings.container_name(name)])
        if found and found[0].build != mark:
            self._remove_host(name)
            found = []
        if not found:
            self._create_host(name, port)
            found = self._inspect([settings.container_name(name)])
        container = found[0]
        if container.status == "paused":
            self.progress(f"{name} is paused, and stays so: `tests/lab/lab unpause {name}`")
            return None
        if container.status != "running":
            for network in (network for network in SIDES.values() if network not in container.networks):
                docker("network", "connect", network, container.name)
            docker("start", container.name, what=f"starting {name}")
        elif container.cut_from:
            self.progress(f"{name} is cut from {' and '.join(container.cut_from)}: `tests/lab/lab join {name}`")
        report = self._ready(container, key)
        if container.status != "running":
            self.progress(f"{name} is up: engine {report['engine']}, ssh port {port}")
        elif report["engine_stopped"]:
            self.progress(f"{name}'s engine was stopped, and stays so: `tests/lab/lab engine-start {name}`")
        return report

    def _create_host(self, name: str, port: int) -> None:
        granted = capabilities.grantable(capabilities.own_status())
        docker("volume", "create", "--label", f"{settings.LABEL}=volume", settings.volume_name(name))
        docker(
            "create", "--name", settings.container_name(name), "--hostname", name,
            "--label", f"{settings.LABEL}=host", "--network", settings.CONTROL_NETWORK,
            "--publish", f"127.0.0.1:{port}:22", "--cgroupns", "private",
            *(f"--cap-add={capability}" for capability in granted),
            "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
            "--security-opt", "systempaths=unconfined", "--device-cgroup-rule", "a *:* rwm",
            "--tmpfs", "/run:exec", "--volume", f"{settings.volume_name(name)}:/var/lib/docker",
            "--dns", "127.0.0.1", "--dns-opt", "timeout:1", "--dns-opt", "attempts:1",
            settings.HOST_IMAGE, what=f"creating {name}",
        )  # fmt: skip
        docker("network", "connect", settings.IBKR_NETWORK, settings.container_name(name))

    def _ready(self, container: Container, key: str | None = None) -> dict[str, Any]:
        stdin = (key or state.public_key()).encode()
        argv = ["docker", "exec", "--interactive", container.name, *LAB_HOST, "ready", *settings.HOSTS_IMAGES]
        try:
            asked = run(argv, f"waiting for {container.host}", timeout=READY_TIMEOUT, stdin=stdin)
        except LabError as error:
            logs = run(["docker", "logs", "--tail", "10", container.name], "docker logs", check=False)
            raise LabError(f"{error}\n{logs.stdout}{logs.stderr}".rstrip()) from None
        found: dict[str, Any] = json.loads(asked.stdout)
        return found

    def _ensure_hosts_images(self, reports: dict[str, dict[str, Any] | None], wanted: dict[str, str]) -> None:
        lacking = [
            name
            for name, report in reports.items()
            if report and report["engine"] and any(report["builds"].get(tag) != mark for tag, mark in wanted.items())
        ]
        if not lacking:
            return
        archive = settings.STATE / "images.tar"
        try:
            docker("save", "--output", str(archive), *wanted, timeout=TRANSFER_TIMEOUT)
            in_parallel(lambda name: self._load(name, archive), lacking)
        finally:
            archive.unlink(missing_ok=True)
        self.progress(f"images loaded on {', '.join(lacking)}")

    def _load(self, name: str, archive: pathlib.Path) -> None:
        argv = ["docker", "exec", "--interactive", settings.container_name(name), "docker", "load", "--quiet"]
        with archive.open("rb") as stream:
            try:
                done = subprocess.run(
                    argv, stdin=stream, capture_output=True, text=True, check=False, timeout=TRANSFER_TIMEOUT,
                    env=os.environ | {"DOCKER_HOST": settings.DOCKER_HOST},
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise LabError(f"docker load on {name} did not end within {TRANSFER_TIMEOUT} s") from None
        if done.returncode:
            raise LabError(f"docker load on {name}: {done.stderr.strip()}")

    def _in_host(self, name: str, *command: str) -> None:
        container = self.host(name)
        argv = ["docker", "exec", container.name, *LAB_HOST, *command]
        run(argv, f"{' '.join(command)} on {container.host}", timeout=ENGINE_TIMEOUT)

    def _mend_host(self, container: Container) -> None:
        if container.status == "paused":
            docker("unpause", container.name)
        for side in container.cut_from:
            docker("network", "connect", SIDES[side], container.name)
        self._refuse_ssh(container, False)
        if container.status not in ("running", "paused"):
            docker("start", container.name, what=f"starting {container.host}")
        self._in_host(container.host, "engine", "start")
        self._ready(container)

    def _refuse_ssh(self, container: Container, refuse: bool) -> None:
        """Let a host refuse SSH, kept connections too: some engines publish its port on the network that is left."""
        rule = ["INPUT", "-p", "tcp", "--dport", "22", "-j", "REJECT", "--reject-with", "tcp-reset"]
        command = ["docker", "exec", container.name, "iptables"]
        there = run([*command, "-C", *rule], "iptables", check=False).returncode == 0
        if container.status == "running" and there != refuse:
            run([*command, "-I" if refuse else "-D", *rule], f"changing the SSH of {container.host}")

    def _wait_for_ssh(self, container: Container) -> None:
        if container.cut_from or container.status == "paused":
            return
        for dummy in until(READY_TIMEOUT):
            if ssh_answers(container.port):
                return
        raise LabError(
            f"sshd of {container.host} did not answer at 127.0.0.1:{container.port} within {READY_TIMEOUT} s"
        )

    def _host_status(self, container: Container) -> dict[str, Any]:
        faults = [f"cut from {side}" for side in container.cut_from]
        version = ""
        if container.status == "running":
            asked = ["docker", "exec", container.name, "docker", "version", "--format", "{{.Server.Version}}"]
            version = run(asked, "docker version", check=False).stdout.strip()
            faults += [] if version else ["no engine"]
            faults += [] if "controller" in container.cut_from or ssh_answers(container.port) else ["no ssh"]
        else:
            faults.append(container.status)
        return {
            "name": container.host,
            "inventory_name": settings.inventory_name(container.host),
            "state": container.status,
            "ssh_port": container.port,
            "engine": version,
            "faults": faults,
        }

    def _remove_host(self, name: str) -> None:
        container = settings.container_name(name)
        run(["docker", "unpause", container], "docker unpause", check=False)
        docker("rm", "--force", "--volumes", container, timeout=120)
        run(["docker", "volume", "rm", settings.volume_name(name)], "docker volume rm", check=False)

    def _remove_everything(self, with_images: bool) -> None:
        in_parallel(self._remove_host, self.containers())
        if self._inspect([settings.IBKR_CONTAINER]):
            docker("rm", "--force", "--volumes", settings.IBKR_CONTAINER)
        for kind in ("network", "volume"):
            found = docker(kind, "ls", "--quiet", "--filter", f"label={settings.LABEL}={kind}").split()
            if found:
                docker(kind, "rm", *found)
        docker("image", "prune", "--force", "--filter", f"label={settings.IMAGE_LABEL}=image", timeout=300)
        if with_images:
            for tag in (*(image.tag for image in reversed(images.ALL)), settings.DEBIAN_IMAGE):
                removed = run(["docker", "image", "rm", tag], "docker image rm", timeout=300, check=False)
                if removed.returncode and images.present(tag):
                    self.progress(f"{tag} stays: {removed.stderr.strip()}")


def in_parallel(act: Callable[[Item], Any], items: Iterable[Item]) -> None:
    with concurrent.futures.ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        for done in [pool.submit(act, item) for item in items]:
            done.result()


def networks_of(side: str) -> list[str]:
    return list(SIDES.values()) if side == "all" else [SIDES[side]]


def first_free_port(wanted: int, taken: set[int]) -> int:
    for port in range(wanted, 65536):
        if port not in taken and can_bind(port):
            return port
    raise LabError(f"there is no free loopback port from {wanted} on")


def can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def ssh_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
