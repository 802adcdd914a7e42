# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which gateway a container is, and with which login: read from what the engine's inspect says, and from files in it.

An image is known by the variables it reads, by its name and by its arguments, so that a renamed image or container
is found all the same. A file in the container is read only where such a gateway takes its login from one: IBC's
configuration, a variable's `_FILE`, the path that ibeam is given. What cannot be shown to be paper counts as live.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

PAPER = "paper"
LIVE = "live"

MANAGED_LABEL = "abstractfinance.ibgateway.managed"
ENVIRONMENT_LABEL = "abstractfinance.ibgateway.environment"
PARKED_LABEL = "abstractfinance.ibgateway.parked"
INSTALLER_LABEL = "abstractfinance.ibgateway.installer"
RETURNED_LABEL = "abstractfinance.ibgateway.returned"
COMPOSE_LABELS = "com.docker.compose."
PROJECT_LABEL = COMPOSE_LABELS + "project"
SERVICE_LABEL = COMPOSE_LABELS + "service"
VOLUME_LABEL = COMPOSE_LABELS + "volume"
SWARM_LABEL = "com.docker.swarm.service.name"

IBGA = "ibga"

# Text of a file in a container, by the container's id and the path; None where there is none.
ReadFile = Callable[[str, str], Optional[str]]


def login_key(login: str) -> str:
    """The case-folded login. White space and quotes go, since no image types them into the form."""
    return re.sub(r"[\s\"']", "", login).casefold()


def fence_by_name(host: str, container: str) -> str:
    """The argument of a deploy that has a gateway fenced although its login cannot be read."""
    return f'-e \'{{"session_fence_unreadable": ["{host}/{container}"]}}\''


class Mode(NamedTuple):
    """Trading mode, and whether the container's settings state it or it is only assumed."""

    name: str
    stated: bool


class Login(NamedTuple):
    """A login that a container uses."""

    name: str
    key: str
    mode: Mode


class Gateway(NamedTuple):
    """A container that runs a gateway of IBKR."""

    container_id: str
    container: str
    image: str
    image_id: str
    family: str
    state: str
    up: bool
    exit_code: int
    since: str
    restart_policy: str
    restart_retries: int
    auto_remove: bool
    logins: tuple[Login, ...]
    readable: bool
    mode: Mode
    labels: Mapping[str, str]
    holds_ports: tuple[str, ...]

    @property
    def comes_back(self) -> bool:
        """Whether the engine starts it again when the engine itself restarts.

        Whether an exited one with `unless-stopped` was stopped by hand, inspect does not tell: it counts as returning.
        """
        if self.state != "exited":
            return False
        if self.restart_policy in ("always", "unless-stopped"):
            return True
        return self.restart_policy == "on-failure" and self.exit_code != 0

    @property
    def is_session(self) -> bool:
        return self.up or self.comes_back

    @property
    def never_started(self) -> bool:
        return self.state == "created"

    @property
    def managed(self) -> bool:
        return self.labels.get(MANAGED_LABEL) == "true"

    @property
    def compose_project(self) -> str | None:
        return self.labels.get(PROJECT_LABEL)

    @property
    def compose_service(self) -> str | None:
        return self.labels.get(SERVICE_LABEL)

    @property
    def orchestrated(self) -> bool:
        return SWARM_LABEL in self.labels

    @property
    def parked(self) -> dict[str, Any] | None:
        """What the label of a parked copy says, None for any other container."""
        text = self.labels.get(PARKED_LABEL)
        if text is None:
            return None
        try:
            content = json.loads(text)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def worst_mode(self) -> Mode:
        """Live when any of its logins is (or may be) live."""
        modes = [login.mode for login in self.logins] or [self.mode]
        live = [mode for mode in modes if mode.name == LIVE]
        return max(live, key=lambda mode: mode.stated) if live else modes[0]

    def has_login(self, key: str) -> bool:
        return any(login.key == key for login in self.logins)

    def in_slot(self, project: str | None, service: str | None) -> bool:
        return project is not None and (self.compose_project, self.compose_service) == (project, service)


class Family(NamedTuple):
    """One row of the table of images: how its username and mode are told.

    `images` are names with or without their owner. `variables` and `markers` tell a gateway wherever they stand;
    `generic` variables count only beside one of `images`, `markers` or `beside`.
    """

    name: str
    images: frozenset[str]
    variables: tuple[str, ...]
    generic: tuple[str, ...]
    markers: frozenset[str]
    beside: frozenset[str]
    mode_variable: str
    paper: frozenset[str]
    live: frozenset[str]
    exact: bool = False


# Where IBC and IBController have their configuration in the known images, for one that names it nowhere.
_CONFIGURATIONS = (
    "/home/ibgateway/ibc/config.ini",
    "/root/ibc/config.ini",
    "/opt/ibc/config.ini",
    "/root/IBController/IBController.ini",
)
_PAPER_WORDS = frozenset({"paper", "p"})
_LIVE_WORDS = frozenset({"live", "l"})

FAMILIES: tuple[Family, ...] = (
    Family(
        IBGA,
        frozenset({"ibga", "ibga-docker"}),
        ("IB_USERNAME",),
        (),
        frozenset({"IBGA_VNC_PASSWORD", "IBG_SETTINGS_DIR", "IB_LOGINTYPE", "IB_LOGINTAB"}),
        frozenset(),
        "IB_LOGINTYPE",
        frozenset({"Paper Trading"}),
        frozenset({"Live Trading"}),
        exact=True,
    ),
    Family(
        "tws",
        frozenset({"ib-gateway", "ib-gateway-docker", "tws-rdesktop", "ibg-controller", "docker-ib-gateway"}),
        ("TWS_USERID", "TWS_USERID_PAPER", "TWSUSERID"),
        (),
        frozenset({"TWS_MAJOR_VRSN", "IBC_INI", "TWOFA_TIMEOUT_ACTION", "TWS_PASSWORD", "TWSPASSWORD"}),
        frozenset(),
        "TRADING_MODE",
        _PAPER_WORDS,
        _LIVE_WORDS,
    ),
    Family(
        "extrange",
        frozenset({"extrange/ibkr", "ibkr-docker"}),
        ("IBC_IbLoginId",),
        ("USERNAME",),
        frozenset({"GATEWAY_OR_TWS", "IBC_TradingMode", "IBC_IbPassword", "IBC_ReadOnlyApi"}),
        frozenset(),
        "IBC_TradingMode",
        _PAPER_WORDS,
        _LIVE_WORDS,
    ),
    Family(
        "manhinhang",
        frozenset({"ib-gateway-docker"}),
        (),
        ("IB_ACCOUNT",),
        frozenset(),
        frozenset({"IB_PASSWORD"}),
        "TRADING_MODE",
        _PAPER_WORDS,
        _LIVE_WORDS,
    ),
    Family(
        "ibeam",
        frozenset({"ibeam"}),
        ("IBEAM_ACCOUNT",),
        (),
        frozenset({"IBEAM_SECRETS_SOURCE", "IBEAM_PASSWORD", "IBEAM_GATEWAY_DIR"}),
        frozenset(),
        "IBEAM_USE_PAPER_ACCOUNT",
        frozenset({"true"}),
        frozenset({"false"}),
    ),
    Family(
        "okinta",
        frozenset({"stack-ibgateway", "ibgateway"}),
        (),
        ("LOGIN",),
        frozenset(),
        frozenset(),
        "MODE",
        _PAPER_WORDS,
        _LIVE_WORDS,
    ),
    Family(
        "ibgateway",
        frozenset({"ibgateway", "docker-ibgateway"}),
        (),
        (),
        frozenset(),
        frozenset(),
        "TRADING_MODE",
        _PAPER_WORDS,
        _LIVE_WORDS,
    ),
)

_PROGRAMS = re.compile(
    r"(?:ibcstart|gatewaystart|twsstart|ibcontrollerstart|ibcontrollergatewaystart)\.sh|ibcalpha\.ibc|(?<!/)/ibgateway(?=['\"\s]|$)",
    re.IGNORECASE,
)
_ARGV_USER = re.compile(r"(?:^|\s)--user=(\S+)")
_ARGV_MODE = re.compile(r"(?:^|\s)--mode=(\S+)")
_ARGS_USER = re.compile(r"(?:^|\s)username=(\S+)")
_ARGV_CONFIGURATION = re.compile(r"--ibc-ini=(\S+)")
_SETTING = re.compile(r"^[ \t]*(IbLoginId|TradingMode)[ \t]*=[ \t]*([^\r\n]*?)[ \t\r]*$", re.MULTILINE)
_USERNAME = re.compile(r"[\w.@+-]{1,64}")


def environment(inspect: Mapping[str, Any]) -> dict[str, str]:
    """The container's environment; of a variable that stands twice, the last counts."""
    pairs = (str(item).partition("=") for item in (inspect.get("Config") or {}).get("Env") or [])
    return {name: value for name, _equals, value in pairs}


def image_names(reference: str) -> frozenset[str]:
    """An image's name without and with its owner; registry, tag and digest do not matter."""
    head, _slash, last = reference.partition("@")[0].lower().rpartition("/")
    name = last.partition(":")[0]
    owner = head.rpartition("/")[2]
    return frozenset({name, f"{owner}/{name}"} if owner else {name})


def read_gateway(inspect: Mapping[str, Any], read_file: ReadFile | None = None) -> Gateway | None:
    """The gateway that a container is, None when it is something else.

    :param inspect: the engine's answer to inspect, as it is.
    :param read_file: how to read a file in a container; without it, a login that stands in one cannot be read.
    """
    config = inspect.get("Config") or {}
    host_config = inspect.get("HostConfig") or {}
    state = inspect.get("State") or {}
    labels = {str(name): str(value) for name, value in (config.get("Labels") or {}).items()}
    env = environment(inspect)
    argv = " ".join([str(inspect.get("Path") or "")] + [str(item) for item in inspect.get("Args") or []])
    image = str(config.get("Image") or "")
    found = _identify(env, argv, image, labels, Files(inspect, read_file))
    if found is None:
        return None
    family, logins, readable, mode = found
    if not logins and labels.get(INSTALLER_LABEL) == "true":
        return None
    status = str(state.get("Status") or "")
    up = bool(state.get("Running") or state.get("Restarting") or state.get("Paused"))
    return Gateway(
        container_id=str(inspect.get("Id") or ""),
        container=container_name(inspect),
        image=image,
        image_id=str(inspect.get("Image") or ""),
        family=family,
        state=status,
        up=up,
        exit_code=int(state.get("ExitCode") or 0),
        since=since(inspect),
        restart_policy=str((host_config.get("RestartPolicy") or {}).get("Name") or "no"),
        restart_retries=int((host_config.get("RestartPolicy") or {}).get("MaximumRetryCount") or 0),
        auto_remove=bool(host_config.get("AutoRemove")),
        logins=logins,
        readable=readable,
        mode=mode,
        labels=labels,
        holds_ports=_held_ports(inspect),
    )


def container_name(inspect: Mapping[str, Any]) -> str:
    return str(inspect.get("Name") or "").lstrip("/")


def since(inspect: Mapping[str, Any]) -> str:
    """When the container was last started (created, for one that never was), ISO 8601 UTC to the second."""
    started = str((inspect.get("State") or {}).get("StartedAt") or "")
    text = started if started and not started.startswith("0001-") else str(inspect.get("Created") or "")
    return re.sub(r"\.\d+", "", text)


def read_gateways(containers: Sequence[Mapping[str, Any]], read_file: ReadFile | None = None) -> list[Gateway]:
    """All gateways among the inspected containers, in the order of their names."""
    found = (read_gateway(inspect, read_file) for inspect in containers)
    return sorted((gateway for gateway in found if gateway is not None), key=lambda gateway: gateway.container)


def session_views(gateway: Gateway) -> list[dict[str, Any]]:
    """One dictionary for each login of the gateway (one without login when it cannot be read)."""
    common = {
        "container": gateway.container,
        "container_id": gateway.container_id,
        "image": gateway.image,
        "family": gateway.family,
        "state": gateway.state,
        "since": gateway.since,
        "restart_policy": gateway.restart_policy,
        "returns": gateway.is_session,
        "compose_project": gateway.compose_project,
        "compose_service": gateway.compose_service,
        "managed": gateway.managed,
        "environment": gateway.labels.get(ENVIRONMENT_LABEL) if gateway.managed else None,
        "auto_remove": gateway.auto_remove,
        "readable": gateway.readable,
    }
    views = [
        {"login": login.name, "login_key": login.key, **_mode_view(login.mode), **common} for login in gateway.logins
    ]
    return views or [{"login": None, "login_key": None, **_mode_view(gateway.mode), **common}]


def _mode_view(mode: Mode) -> dict[str, Any]:
    return {"mode": mode.name, "mode_stated": mode.stated}


def _held_ports(inspect: Mapping[str, Any]) -> tuple[str, ...]:
    ports = (inspect.get("NetworkSettings") or {}).get("Ports") or {}
    return tuple(
        sorted(
            "{}:{}".format(binding.get("HostIp") or "*", binding.get("HostPort"))
            for bindings in ports.values()
            for binding in bindings or []
        )
    )


class Files:
    """The files of one container, each read once."""

    def __init__(self, inspect: Mapping[str, Any], read_file: ReadFile | None) -> None:
        self._container = str(inspect.get("Id") or "")
        self._mounted = [str(item.get("Destination") or "") for item in inspect.get("Mounts") or []]
        self._read_file = read_file
        self._texts: dict[str, str | None] = {}

    def text(self, path: str) -> str | None:
        if path not in self._texts:
            readable = self._read_file is not None and path.startswith("/")
            self._texts[path] = self._read_file(self._container, path) if self._read_file and readable else None
        return self._texts[path]

    def is_mounted(self, path: str) -> bool:
        return any(path == item or path.startswith(item.rstrip("/") + "/") for item in self._mounted if item)

    def username(self, path: str) -> str | None:
        """The username that a file holds and nothing else."""
        words = (self.text(path) or "").split()
        return words[0] if len(words) == 1 and _USERNAME.fullmatch(words[0]) else None


class Reading:
    """What is found out about one container's logins."""

    def __init__(self) -> None:
        self.logins: dict[str, Login] = {}
        self.hidden = False

    def add(self, login: str, mode: Mode) -> None:
        """A login; of one that is found twice, the worse mode stays."""
        key = login_key(login)
        before = self.logins.get(key)
        if key and (before is None or (before.mode.name == PAPER and mode.name == LIVE)):
            self.logins[key] = Login(login, key, mode)

    def add_from(self, login: str | None, mode: Mode) -> None:
        """A login out of a file that must hold one."""
        if login is None:
            self.hidden = True
        else:
            self.add(login, mode)


def _identify(
    env: Mapping[str, str], argv: str, image: str, labels: Mapping[str, str], files: Files
) -> tuple[str, tuple[Login, ...], bool, Mode] | None:
    names = image_names(image)
    families: list[str] = [IBGA] if labels.get(MANAGED_LABEL) == "true" else []
    reading = Reading()
    for family in FAMILIES:
        known = bool(names & family.images or family.markers & set(env))
        counts = family.generic if known or family.beside & set(env) else ()
        present = [item for item in family.variables + counts if item in env or item + "_FILE" in env]
        if known or present:
            families.append(family.name)
        for variable in present:
            _read_variable(reading, family, variable, env, argv, files)

    overall = _overall_mode(env, argv)
    arguments = env.get("ARGS", "")
    if families or "password=" in arguments:
        for login in _ARGS_USER.findall(arguments):
            families.append("ibgateway")
            reading.add(login.strip("'\""), overall)
    if families or _PROGRAMS.search(argv):
        families.append("other")
        for login in _ARGV_USER.findall(argv) + _ARGS_USER.findall(argv):
            reading.add(login.strip("'\""), overall)
    if not families:
        return None
    if families[0] != IBGA:
        _read_configuration(reading, env, argv, files)
    return families[0], tuple(reading.logins.values()), bool(reading.logins) and not reading.hidden, overall


def _read_variable(
    reading: Reading, family: Family, variable: str, env: Mapping[str, str], argv: str, files: Files
) -> None:
    """A variable that carries the username, or names the file that does."""
    mode = _mode(family, env, argv)
    login_mode = _tws_mode(variable, env, mode) if family.name == "tws" else mode
    if login_mode is None:
        return
    value = env.get(variable, "")
    if family.name == "ibeam" and "IBEAM_SECRETS_SOURCE" in env:
        source = env["IBEAM_SECRETS_SOURCE"].strip().lower()
        if source != "env":
            reading.add_from(files.username(value) if source == "fs" else None, login_mode)
            return
    if variable + "_FILE" in env and not login_key(value):
        reading.add_from(files.username(env[variable + "_FILE"]), login_mode)
    else:
        reading.add(value, login_mode)


def _read_configuration(reading: Reading, env: Mapping[str, str], argv: str, files: Files) -> None:
    """IBC's configuration: where nothing else tells the login, where it is the operator's own, and where it is mounted."""
    own = env.get("CUSTOM_CONFIG", "").strip().lower() == "yes"
    named = [path.strip("'\"") for path in _ARGV_CONFIGURATION.findall(argv)] + [env.get("IBC_INI", "")]
    named = [path for path in named if path]
    if env.get("TRADING_MODE", "").strip().lower() == "both":
        named += [f"{path}_{mode}" for path in named for mode in (LIVE, PAPER)]
    before = len(reading.logins)
    for path in named or _CONFIGURATIONS:
        if before and not own and not files.is_mounted(path):
            continue
        settings = dict(_SETTING.findall(files.text(path) or ""))
        login = settings.get("IbLoginId", "")
        if _USERNAME.fullmatch(login):
            said = settings.get("TradingMode", "")
            reading.add(login, _overall_mode(env, argv, (said,) if said else ()))
    if own and len(reading.logins) == before and not any(files.text(path) for path in named or _CONFIGURATIONS):
        reading.hidden = True


def _mode(family: Family, env: Mapping[str, str], argv: str) -> Mode:
    """What the family's variable and the arguments say; where they disagree or say nothing, live."""
    said = []
    value = env.get(family.mode_variable)
    if value is not None:
        word = value if family.exact else value.strip().lower()
        said.append(PAPER if word in family.paper else LIVE if word in family.live else None)
    said.extend(_said(_ARGV_MODE.findall(argv)))
    return _agreed(said)


def _said(words: Sequence[str]) -> list[str | None]:
    lowered = [word.strip().lower() for word in words]
    return [PAPER if word in _PAPER_WORDS else LIVE if word in _LIVE_WORDS else None for word in lowered]


def _agreed(said: Sequence[str | None]) -> Mode:
    if said and all(item == PAPER for item in said):
        return Mode(PAPER, True)
    return Mode(LIVE, LIVE in said)


def _tws_mode(variable: str, env: Mapping[str, str], mode: Mode) -> Mode | None:
    """TWS_USERID and TWS_USERID_PAPER: `both` runs one gateway for each, `live` leaves the paper one alone."""
    if env.get("TRADING_MODE", "").strip().lower() == "both":
        return Mode(PAPER, True) if variable == "TWS_USERID_PAPER" else Mode(LIVE, True)
    if variable == "TWS_USERID_PAPER" and mode == Mode(LIVE, True):
        return None
    return mode


def _overall_mode(env: Mapping[str, str], argv: str, words: Sequence[str] = ()) -> Mode:
    """For a login that no family's variable carries: paper only when something says paper and nothing says live.

    :param words: what a configuration file says beside environment and arguments.
    """
    stated = [mode for mode in (_mode(family, env, argv) for family in FAMILIES) if mode.stated]
    if words:
        stated.append(_agreed(_said(words)))
    if stated and all(mode.name == PAPER for mode in stated):
        return Mode(PAPER, True)
    return Mode(LIVE, any(mode.stated for mode in stated))
