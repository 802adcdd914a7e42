# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a host is ready for its gateway: all problems found in one go, and nothing changed."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, changes, netstat
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import SOCKET
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import read_gateway
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import read_container

COMMAND_WITHIN = 30
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104
WILDCARDS = frozenset({EVERY_ADDRESS, "::"})
ENV_FILE = ".env"
SETTINGS_FOLDER = "/home/ibg_settings"
_MEGABYTE = 1024 * 1024
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_PREFIXES = {causes.PAPER: ("DU", "DF"), causes.LIVE: ("U", "F")}

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
HASH_LABEL = "com.docker.compose.config-hash"


class Port(NamedTuple):
    bind: str
    port: int


@dataclass(frozen=True)
class Wanted:
    host: str
    project_dir: str
    compose_file: str
    compose_content: Optional[str]
    project: str
    service: str
    container: str
    services: Optional[Sequence[str]]
    image: Optional[str]
    ports: Sequence[Port]
    trading_mode: Optional[str]
    account: Optional[str]
    min_free_mb: int
    min_compose: str
    environment: Mapping[str, str] = field(default_factory=dict)
    settings_volume: Optional[str] = None

    @property
    def path(self) -> str:
        return os.path.join(self.project_dir, self.compose_file)


@dataclass
class Found:
    problems: List[GatewayError] = field(default_factory=list)
    facts: Dict[str, Any] = field(default_factory=dict)

    def add(self, code: str, **facts: object) -> None:
        self.problems.append(causes.error(code, None, **facts))


Answered = Tuple[int, str]
Command = Callable[[List[str]], Optional[Answered]]


def run_command(arguments: List[str]) -> Optional[Answered]:
    """Exit status and output of a command; None when there is no such command, or it does not end."""
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_WITHIN,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (FileNotFoundError, PermissionError, subprocess.TimeoutExpired):
        return None
    return done.returncode, done.stdout.decode("utf-8", "replace")


def check(wanted: Wanted, command: Command = run_command) -> Dict[str, Any]:
    """Look at everything; the result of the module."""
    distribution = read_distribution()
    with ThreadPoolExecutor(max_workers=2) as pool:
        compose = pool.submit(_compose, wanted, command, distribution)
        engine = _engine(wanted, distribution)
        composed = compose.result()
    settings = _settings(wanted)
    found = [settings, engine, composed, read_stack(wanted)]
    facts: Dict[str, Any] = {"time": time.time()}
    for part in found:
        facts.update(part.facts)
    _key_hashes(facts)
    root = facts.pop("docker_root")
    disk = check_disk(wanted, root)
    facts.update(disk.facts)
    problems = [problem for part in [*found, disk] for problem in part.problems]
    return {**facts, "problems": [{"code": item.code, "message": item.message} for item in problems]}


def _key_hashes(facts: Dict[str, Any]) -> None:
    """Compose hashes the password with the rest, without salt: as it is, a hash would let the password be guessed.

    With a key that is made here and forgotten, the two can be compared, and nothing else can be done with them.
    """
    key = secrets.token_bytes(32)

    def keyed(text: Optional[str]) -> Optional[str]:
        return None if text is None else hmac.new(key, text.encode(), "sha256").hexdigest()

    facts["expected_config_hash"] = keyed(facts["expected_config_hash"])
    facts["gateway"]["config_hash"] = keyed(facts["gateway"]["config_hash"])


# The inventory's settings


def _settings(wanted: Wanted) -> Found:
    found = Found()
    if wanted.trading_mode is None and wanted.account is None:
        return found
    mode = causes.MODES.get(wanted.trading_mode or "")
    if mode is None:
        said = f"'{wanted.trading_mode}'" if wanted.trading_mode else "not set"
        found.add("trading-mode-misspelt", host=wanted.host, trading_mode=said)
    if not wanted.account:
        found.add("account-missing", host=wanted.host)
    elif mode is not None and not is_account_of(wanted.account, mode):
        found.add(
            "account-of-other-mode", host=wanted.host, account=wanted.account, trading_mode=f"'{wanted.trading_mode}'"
        )
    return found


def is_account_of(account: str, mode: str) -> bool:
    """Whether an account's prefix is one of the mode: DU and DF are paper, U and F live."""
    return re.match(f"(?:{'|'.join(_PREFIXES[mode])})[0-9]", account) is not None


# The engine, and what runs on it


def _engine(wanted: Wanted, distribution: Mapping[str, str]) -> Found:
    found = Found(
        facts={
            "engine": None,
            "gateway": no_gateway(),
            "image_id": None,
            "image_present": False,
            "gateways_on_ports": [],
            "docker_root": None,
            "settings_volume": False,
        }
    )
    try:
        engine = HostEngine()
    except GatewayError as error:
        found.problems.append(error)
        if error.code == "python-docker-missing":
            found.problems += _socket_problem(wanted.host, distribution)
        return found
    try:
        version = engine.version()
        found.facts["engine"] = {"version": version.get("Version"), "api": version.get("ApiVersion")}
        found.facts["docker_root"] = engine.info().get("DockerRootDir")
        inspect = engine.inspect(wanted.container)
        found.facts["gateway"] = {**describe_gateway(inspect), **_made_from(wanted, inspect)}
        if wanted.settings_volume is not None:
            found.facts["settings_volume"] = engine.volume(wanted.settings_volume) is not None
        if wanted.image is not None:
            found.facts["image_id"] = engine.image_id(wanted.image)
            found.facts["image_present"] = found.facts["image_id"] is not None
        _check_ports(wanted, engine, found)
    except GatewayError as error:
        found.problems.append(error)
    finally:
        engine.close()
    return found


def _socket_problem(host: str, distribution: Mapping[str, str]) -> List[GatewayError]:
    """Without the SDK, whether there is an engine at all."""
    if os.path.exists(SOCKET):
        return []
    return [causes.error("engine-missing", host=host, install=install_line(distribution))]


def no_gateway() -> Dict[str, Any]:
    return {
        "exists": False,
        "id": None,
        "running": False,
        "returns": False,
        "status": "absent",
        "since": None,
        "restart_policy": None,
        "config_hash": None,
        "image": None,
        "image_id": None,
        "project": None,
        "service": None,
        "differs": None,
        "has_settings": False,
        "ports": [],
    }


def describe_gateway(inspect: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    if inspect is None:
        return no_gateway()
    container = read_container(inspect)
    labels = inspect["Config"].get("Labels") or {}
    gateway = read_gateway(inspect)
    up = container.status in ("running", "restarting", "paused")
    again = gateway.comes_back if gateway is not None else container.restart_policy not in ("no", "")
    return {
        "exists": True,
        "id": container.identity,
        "running": container.status == "running",
        "returns": up or (container.status == "exited" and again),
        "status": container.status,
        "since": container.started_at or None,
        "restart_policy": container.restart_policy,
        "config_hash": labels.get(HASH_LABEL),
        "image": inspect["Config"].get("Image"),
        "image_id": inspect.get("Image"),
        "project": labels.get(PROJECT_LABEL),
        "service": labels.get(SERVICE_LABEL),
    }


def _made_from(wanted: Wanted, inspect: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """What a container was made from, by names: variables that are not as .env has them, its settings, its open ports."""
    if inspect is None:
        return {"differs": None, "has_settings": False, "ports": []}
    env = changes.read_env(os.path.join(wanted.project_dir, ENV_FILE))
    mounts = {mount.get("Destination"): mount.get("Name") for mount in inspect.get("Mounts") or []}
    bindings = (inspect.get("HostConfig") or {}).get("PortBindings") or {}
    return {
        "differs": changes.differing(inspect, wanted.environment, env),
        "has_settings": mounts.get(SETTINGS_FOLDER) == wanted.settings_volume,
        "ports": sorted(
            "{}:{}".format(binding.get("HostIp") or EVERY_ADDRESS, binding.get("HostPort"))
            for bound in bindings.values()
            for binding in bound or []
        ),
    }


def read_stack(wanted: Wanted) -> Found:
    """What the .env on the host says of login, account and mode."""
    env = changes.read_env(os.path.join(wanted.project_dir, ENV_FILE))
    return Found(
        facts={
            "env": {
                "login": env.get("IBKR_USERNAME"),
                "account": env.get("IBKR_ACCOUNT_ID"),
                "trading_mode": env.get("TRADING_MODE"),
            }
        }
    )


def _check_ports(wanted: Wanted, engine: HostEngine, found: Found) -> None:
    published: List[Tuple[str, str, int]] = []
    gateways: List[str] = []
    for item in engine.listed():
        name = str((item.get("Names") or ["/?"])[0]).lstrip("/")
        labels = item.get("Labels") or {}
        own = name == wanted.container or (
            (labels.get(PROJECT_LABEL), labels.get(SERVICE_LABEL)) == (wanted.project, wanted.service)
        )
        ports = [
            (str(port.get("IP") or EVERY_ADDRESS), int(port["PublicPort"]))
            for port in item.get("Ports") or []
            if port.get("PublicPort") and port.get("Type") == "tcp"
        ]
        if not ports:
            continue
        inspect = None if own else engine.inspect(str(item["Id"]))
        if inspect is not None and read_gateway(inspect) is not None:
            gateways.append(name)
        published += [("" if own else name, address, number) for address, number in ports]
    listening = [item for item in netstat.sockets() or [] if item.state == netstat.LISTEN]
    for port in wanted.ports:
        holders = [name for name, address, number in published if number == port.port and meets(port.bind, address)]
        taken = [item for item in listening if item.port == port.port and meets(port.bind, item.address)]
        if "" in holders or not (holders or taken):
            continue
        if holders and holders[0] in gateways:
            found.facts["gateways_on_ports"].append({"port": port.port, "container": holders[0]})
            continue
        holder = f"container {holders[0]}" if holders else _process_of(taken)
        found.add("port-taken", host=wanted.host, port=f"{port.bind}:{port.port}", holder=holder)


def _process_of(taken: Sequence[netstat.Socket]) -> str:
    names = netstat.owners({item.inode for item in taken})
    return f"process {next(iter(names.values()))}" if names else "another process"


def meets(bind: str, address: str) -> bool:
    """Whether two listeners on one port, on these addresses, would be in each other's way."""
    return bind == address or bool({bind, address} & WILDCARDS)


# Compose, and the stack's file


def _compose(wanted: Wanted, command: Command, distribution: Mapping[str, str]) -> Found:
    found = Found(facts={"compose": None, "compose_current": None, "compose_ours": False, "expected_config_hash": None})
    content = _read(wanted.path)
    if wanted.compose_content is not None:
        found.facts["compose_current"] = content == wanted.compose_content
        # The first line, which says what has written it.
        found.facts["compose_ours"] = (content or "").partition("\n")[0] == wanted.compose_content.partition("\n")[0]
    answer = command(["docker", "compose", "version", "--short"])
    version = parse_version(answer[1]) if answer is not None and answer[0] == 0 else None
    if answer is None or version is None:
        found.add("compose-missing", host=wanted.host, install=install_line(distribution))
        return found
    found.facts["compose"] = answer[1].strip()
    oldest = parse_version(wanted.min_compose)
    if oldest is not None and version < oldest:
        found.add(
            "compose-too-old",
            host=wanted.host,
            found=answer[1].strip(),
            wanted=wanted.min_compose,
            install=install_line(distribution),
        )
        return found
    if content is None:
        return found
    config = ["docker", "compose", "--project-directory", wanted.project_dir, "--project-name", wanted.project]
    config += ["--file", wanted.path, "config"]
    with ThreadPoolExecutor(max_workers=2) as pool:
        listing = pool.submit(command, [*config, "--no-interpolate", "--services"])
        hashing = pool.submit(command, [*config, "--hash", wanted.service])
        services, hashed = listing.result(), hashing.result()
    if services is None or services[0] != 0:
        found.add("compose-file-invalid", host=wanted.host, path=wanted.path)
        return found
    foreign = [] if wanted.services is None else sorted(set(services[1].split()) - set(wanted.services))
    if foreign:
        found.add("foreign-services", host=wanted.host, path=wanted.path, services=", ".join(foreign))
    if hashed is not None and hashed[0] == 0:
        found.facts["expected_config_hash"] = parse_hash(hashed[1], wanted.service)
    return found


def parse_version(text: str) -> Optional[Tuple[int, int, int]]:
    match = _VERSION.match(text.strip())
    if match is None:
        return None
    return int(match.group(1)), int(match.group(2)), int(match.group(3) or 0)


def parse_hash(text: str, service: str) -> Optional[str]:
    """The hash of a service in the output of `docker compose config --hash`."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == service:
            return words[1]
    return None


def _read(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, ValueError):
        return None


# The host itself


def clock_skew(asked: float, first: float, last: float, answered: float) -> float:
    """Seconds by which the host's clock is surely ahead of the controller's (behind: negative).

    The host read its clock, for the first and for the last time, at some moments between the question and the answer: what
    lies in between is delay, not skew.
    """
    return max(last - answered, 0.0) + min(first - asked, 0.0)


def check_clock(host: str, skew: float, allowed: float) -> Optional[GatewayError]:
    if abs(skew) <= allowed:
        return None
    direction = "ahead of" if skew > 0 else "behind"
    return causes.error("clock-skew", None, host=host, seconds=round(abs(skew)), direction=direction)


def check_disk(wanted: Wanted, docker_root: Optional[str]) -> Found:
    free: Dict[int, Tuple[str, int]] = {}
    for path in (wanted.project_dir, docker_root):
        if path is None:
            continue
        while not os.path.exists(path):
            path = os.path.dirname(path)
        free.setdefault(os.stat(path).st_dev, (path, shutil.disk_usage(path).free // _MEGABYTE))
    found = Found(facts={"free_mb": min(number for _path, number in free.values())})
    for path, number in free.values():
        if number < wanted.min_free_mb:
            found.add("disk-full", host=wanted.host, path=path, free=number, wanted=wanted.min_free_mb)
    return found


def read_distribution(path: str = "/etc/os-release") -> Dict[str, str]:
    """What /etc/os-release says of the host."""
    pairs = (line.partition("=") for line in (_read(path) or "").splitlines())
    return {name: value.strip().strip("\"'") for name, equals, value in pairs if equals}


def install_line(distribution: Mapping[str, str]) -> str:
    """How to get engine, Compose and the SDK on this host."""
    name = distribution.get("ID", "")
    family = {name, *distribution.get("ID_LIKE", "").split()}
    if "ubuntu" in family:
        return "apt-get install docker.io docker-compose-v2 python3-docker"
    if name == "debian" and distribution.get("VERSION_ID", "").isdigit() and int(distribution["VERSION_ID"]) < 13:
        return (
            f"Debian {distribution['VERSION_ID']} has Compose 1 only, so take docker-ce and docker-compose-plugin from "
            "Docker's own repository (docs.docker.com/engine/install/debian), and apt-get install python3-docker"
        )
    if "debian" in family:
        return "apt-get install docker.io docker-cli docker-compose python3-docker"
    return f"install Docker Engine, its Compose plugin and the Python package docker for {sys.executable}"
