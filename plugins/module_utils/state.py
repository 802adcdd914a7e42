# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that a host keeps for sessions: leases, records of what is parked, and the history. Root's alone.

A file is replaced as a whole and is on the disk before the call returns, so that a host that loses power has the old
content or the new one. A file that cannot be read is an error, never an empty answer.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any, Iterator, Mapping
from urllib.parse import quote

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

STATE_DIR = "/var/lib/abstractfinance"

LEASE_FIELDS: Mapping[str, Any] = {
    "host": str,
    "login": str,
    "login_key": str,
    "run_id": str,
    "generation": int,
    "owner": dict,
    "state": str,
    "boot_id": str,
    "taken": (int, float),
    "taken_at": str,
    "expires": (int, float),
}
PARKED_FIELDS: Mapping[str, Any] = {
    "container_id": str,
    "former_name": str,
    "parked_name": str,
    "login": (str, type(None)),
    "login_key": (str, type(None)),
    "for_login_key": str,
    "mode": str,
    "run_id": str,
    "restart_policy": str,
    "restart_retries": int,
    "was_running": bool,
    "slot_labels": (dict, type(None)),
    "state": str,
    "parked_at": str,
}


class State:
    """The directory of one host."""

    def __init__(self, directory: str = STATE_DIR) -> None:
        self.directory = directory
        self.lock_path = os.path.join(directory, "leases", ".lock")
        self.history_path = os.path.join(directory, "history.jsonl")

    def prepare(self) -> None:
        """Create the directories where they are missing."""
        paths = [self.directory] + [os.path.join(self.directory, part) for part in ("leases", "parked")]
        try:
            for path in paths:
                os.makedirs(path, mode=0o700, exist_ok=True)
                os.chmod(path, 0o700)
        except OSError as error:
            raise _refused(self.directory, error) from error

    def lease_path(self, key: str) -> str:
        return os.path.join(self.directory, "leases", quote(key, safe="") + ".json")

    def read_lease(self, key: str) -> dict[str, Any] | None:
        return self._read(self.lease_path(key), LEASE_FIELDS)

    def write_lease(self, key: str, record: Mapping[str, Any]) -> None:
        self._write(self.lease_path(key), record)

    def leases(self) -> list[dict[str, Any]]:
        return list(self._all("leases", LEASE_FIELDS))

    def parked_path(self, container_id: str) -> str:
        return os.path.join(self.directory, "parked", container_id + ".json")

    def write_parked(self, container_id: str, record: Mapping[str, Any]) -> None:
        self._write(self.parked_path(container_id), record)

    def forget_parked(self, container_id: str) -> None:
        path = self.parked_path(container_id)
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(path, error) from error
        _sync_directory(os.path.dirname(path))

    def parked(self) -> list[dict[str, Any]]:
        return list(self._all("parked", PARKED_FIELDS))

    def append_history(self, entry: Mapping[str, Any]) -> None:
        """Add one line to the history. One write, so that two writers never mix their lines."""
        line = json.dumps(dict(entry), sort_keys=True) + "\n"
        try:
            descriptor = os.open(self.history_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line.encode("utf-8"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _refused(self.history_path, error) from error

    def _all(self, part: str, fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        directory = os.path.join(self.directory, part)
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(directory, error) from error
        for name in names:
            if name.endswith(".json"):
                record = self._read(os.path.join(directory, name), fields)
                if record is not None:
                    yield record

    @staticmethod
    def _read(path: str, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            with open(path, encoding="utf-8") as stream:
                content = json.load(stream)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(path, error) from error
        except ValueError:
            content = None
        if not isinstance(content, dict) or not all(isinstance(content.get(k), v) for k, v in fields.items()):
            raise GatewayError(
                f"{path} on this host is damaged: it is not what this collection wrote. It may stand for "
                "a session that another run is changing, so nothing was done. Look at it, make sure that no deploy of "
                "this login runs (status.yml), then move the file away and run the same command again.",
                "state-damaged",
            )
        return content

    @staticmethod
    def _write(path: str, record: Mapping[str, Any]) -> None:
        directory = os.path.dirname(path)
        text = json.dumps(dict(record), indent=1, sort_keys=True) + "\n"
        temporary = ""
        try:
            descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".new-")
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except OSError as error:
            if temporary and os.path.exists(temporary):
                os.unlink(temporary)
            raise _refused(path, error) from error
        _sync_directory(directory)


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(path: str, error: OSError) -> GatewayError:
    if isinstance(error, PermissionError):
        return GatewayError(
            f"{path} on this host is root's alone, and this task does not run as root. Set 'become: true' for the "
            "gateway hosts (the inventory's ansible_become).",
            "not-root",
        )
    return GatewayError(
        f"{path} on this host cannot be read or written: {os.strerror(error.errno or 0)}. Free space or repair the "
        "file system, then run the same command again.",
        "state-unwritable",
    )
