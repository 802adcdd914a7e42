# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a stack had at its last proof (files, settings), kept for root alone until the next proof, or put back.

A volume cannot be renamed, and a parked container names the one it had. So the settings are moved aside within the
volume's own folder, one rename each way, and the volume gets a new, empty folder for its data. What is kept is never
overwritten: a run that follows one that failed or died finds there what worked.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, secret_file
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import container_name
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hostlock import HostLock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import owned, read_clock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

OPTION_MARKER = "skip_option_check2"

KEEP = "keep"
NEW = "new"
OPTIONS = "options"

_ATTRIBUTES = "attributes.json"
_ASIDE = "abstractfinance-kept"
_DROPPED = "abstractfinance-dropped"


class Files:
    """The stack's files, kept in a folder of root's."""

    def __init__(self, project_dir: str, names: Sequence[str], folder: str) -> None:
        self._project_dir = project_dir
        self._names = names
        self._folder = folder

    @property
    def kept(self) -> bool:
        return os.path.isdir(self._folder)

    def keep(self) -> bool:
        """Copy the files that are there; whether there was anything to do."""
        found = [name for name in self._names if os.path.isfile(os.path.join(self._project_dir, name))]
        if self.kept or not found:
            return False
        making = self._folder + ".new"
        shutil.rmtree(making, ignore_errors=True)
        os.makedirs(making, mode=0o700)
        attributes = {}
        for name in found:
            status = os.stat(os.path.join(self._project_dir, name))
            attributes[name] = {"mode": status.st_mode & 0o7777, "uid": status.st_uid, "gid": status.st_gid}
            with open(os.path.join(self._project_dir, name), "rb") as stream:
                _write(os.path.join(making, name), stream.read())
        _write(os.path.join(making, _ATTRIBUTES), json.dumps(attributes, sort_keys=True).encode())
        os.rename(making, self._folder)
        return True

    def put_back(self) -> List[str]:
        """Give the files back what they held; the names of those that change."""
        if not self.kept:
            return []
        with open(os.path.join(self._folder, _ATTRIBUTES), encoding="utf-8") as stream:
            attributes: Dict[str, Dict[str, int]] = json.load(stream)
        changed = []
        for name, had in attributes.items():
            path = os.path.join(self._project_dir, name)
            with open(os.path.join(self._folder, name), "rb") as stream:
                content = stream.read()
            if secret_file.read(path) != content:
                secret_file.replace(path, content, lambda temporary, had=had: _apply(temporary, had))  # type: ignore[misc]
                changed.append(name)
        shutil.rmtree(self._folder)
        return changed

    def clear(self) -> bool:
        if not self.kept:
            return False
        shutil.rmtree(self._folder)
        return True


def _write(path: str, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _apply(path: str, had: Mapping[str, int]) -> None:
    os.chown(path, had["uid"], had["gid"])
    os.chmod(path, had["mode"])


class Settings:
    """The settings volume, by the folder that the engine's local driver has for its data."""

    def __init__(self, volume: Mapping[str, Any], containers: Sequence[Mapping[str, Any]], host: str) -> None:
        self._name = str(volume["Name"])
        self._host = host
        self._ordinary = volume.get("Driver") == "local" and not volume.get("Options")
        self._users = [container_name(inspect) for inspect in containers if _uses(inspect, self._name)]
        self._data = str(volume.get("Mountpoint") or "")
        self._aside = os.path.join(os.path.dirname(self._data), _ASIDE)
        self._dropped = os.path.join(os.path.dirname(self._data), _DROPPED)

    @property
    def kept(self) -> bool:
        return os.path.isdir(self._aside)

    def renew(self) -> None:
        """Move the settings aside, where none are kept yet, and make the volume an empty one.

        :raises GatewayError: ``settings-unreachable`` or ``settings-in-use``.
        """
        self._check()
        if self.kept:
            if os.path.isdir(self._data):
                self._drop()
        else:
            os.rename(self._data, self._aside)
        self._make_empty()

    def _check(self) -> None:
        if not self._ordinary or not os.path.isdir(os.path.dirname(self._data)):
            detail = "is not a plain one of the engine's local driver"
            raise causes.error("settings-unreachable", path=self._name, host=self._host, detail=detail)
        if self._users:
            raise causes.error("settings-in-use", path=self._name, host=self._host, container=", ".join(self._users))

    def _make_empty(self) -> None:
        os.mkdir(self._data, 0o700)
        status = os.stat(self._aside)
        os.chown(self._data, status.st_uid, status.st_gid)
        shutil.copystat(self._aside, self._data)

    def _drop(self) -> None:
        shutil.rmtree(self._dropped, ignore_errors=True)
        os.rename(self._data, self._dropped)
        shutil.rmtree(self._dropped)

    def forget_options(self) -> bool:
        """Remove the marker with which the image passes over options that it has set once."""
        self._check()
        try:
            os.unlink(os.path.join(self._data, OPTION_MARKER))
        except FileNotFoundError:
            return False
        return True

    def put_back(self) -> bool:
        """:raises GatewayError: ``settings-in-use``."""
        if not self.kept:
            return False
        self._check()
        if os.path.isdir(self._data):
            self._drop()
        os.rename(self._aside, self._data)
        return True

    def clear(self) -> bool:
        if not self.kept:
            return False
        shutil.rmtree(self._aside)
        return True


def _uses(inspect: Mapping[str, Any], volume: str) -> bool:
    """Whether a container runs with the volume."""
    mounted = any(mount.get("Name") == volume for mount in inspect.get("Mounts") or [])
    return mounted and bool((inspect.get("State") or {}).get("Running"))


class Demand(NamedTuple):
    """What a run wants of the host: what the stack consists of, and under whose lease."""

    host: str
    login: str
    key: str
    run_id: str
    project: str
    project_dir: str
    files: Sequence[str]
    volume: str


class Keeper:
    """Does it on the host, under the run's own lease. In check mode it only tells what it would do."""

    def __init__(self, engine: HostEngine, state: State, demand: Demand, check_mode: bool = False) -> None:
        self._engine = engine
        self._state = state
        self._demand = demand
        self._check_mode = check_mode
        folder = os.path.join(state.directory, "kept", demand.project)
        self._files = Files(demand.project_dir, demand.files, folder)

    def keep(self, proven: bool) -> List[str]:
        """Keep the files. What is kept already is of the last proof, unless the gateway is proven as it is now."""

        def act(settings: Optional[Settings]) -> List[str]:
            if proven:
                self._files.clear()
                if settings is not None:
                    settings.clear()
            return ["files"] if self._files.keep() else []

        return self._act(act, ["files"])

    def renew(self, what: str) -> List[str]:
        """Make the settings new, or have the image set its options again."""

        def act(settings: Optional[Settings]) -> List[str]:
            if settings is None:
                return []
            if what == NEW:
                settings.renew()
                return ["settings"]
            return ["options"] if settings.forget_options() else []

        return [] if what == KEEP else self._act(act, ["settings" if what == NEW else "options"])

    def put_back(self) -> List[str]:
        """Give files and settings back what they were when they were kept."""

        def act(settings: Optional[Settings]) -> List[str]:
            done = self._files.put_back()
            return done + (["settings"] if settings is not None and settings.put_back() else [])

        return self._act(act, ["files", "settings"])

    def clear(self) -> List[str]:
        """Let go of what is kept."""

        def act(settings: Optional[Settings]) -> List[str]:
            done = ["files"] if self._files.clear() else []
            return done + (["settings"] if settings is not None and settings.clear() else [])

        return self._act(act, [])

    def _act(self, act: Callable[[Optional[Settings]], List[str]], foreseen: List[str]) -> List[str]:
        demand = self._demand
        if self._check_mode:
            return foreseen
        with HostLock(self._state):
            owned(self._state.read_lease(demand.key), demand.host, demand.login, demand.run_id, read_clock())
            volume = self._engine.volume(demand.volume)
            containers = self._engine.containers() if volume is not None else []
            return act(None if volume is None else Settings(volume, containers, demand.host))
