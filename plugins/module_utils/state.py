# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that a host keeps for sessions: leases, records of what is parked, assumed or pending, and the history. They
are root's alone.

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
ASSUMED_FIELDS: Mapping[str, Any] = {
    "host": str,
    "login": str,
    "login_key": str,
    "run_id": str,
    "operator": str,
    "assumed_at": str,
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
    "was_proven": bool,
    "slot_labels": (dict, type(None)),
    "state": str,
    "parked_at": str,
}
PENDING_FIELDS: Mapping[str, Any] = {
    "container_id": str,
    "run_id": str,
    "request": str,
    "asked_at": str,
}

_PARTS = ("leases", "parked", "assumed", "pending")

# The history has one file before the one that it is written to; each holds this many bytes, some 3,000 entries.
HISTORY_BYTES = 1_000_000
_TAIL_BYTES = 65536


class State:
    """The directory of one host."""

    def __init__(self, directory: str = STATE_DIR) -> None:
        self.directory = directory
        self.lock_path = os.path.join(directory, "leases", ".lock")
        self.history_path = os.path.join(directory, "history.jsonl")
        self.older_history_path = self.history_path + ".1"

    def prepare(self) -> None:
        """Create the directories where they are missing."""
        paths = [self.directory] + [os.path.join(self.directory, part) for part in _PARTS]
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
        self._forget(self.parked_path(container_id))

    def parked(self) -> list[dict[str, Any]]:
        return list(self._all("parked", PARKED_FIELDS))

    def assumed_path(self, key: str, host: str) -> str:
        return os.path.join(self.directory, "assumed", quote(key, safe="") + "," + quote(host, safe="") + ".json")

    def write_assumed(self, key: str, host: str, record: Mapping[str, Any]) -> None:
        self._write(self.assumed_path(key, host), record)

    def forget_assumed(self, key: str, host: str) -> None:
        self._forget(self.assumed_path(key, host))

    def assumed(self) -> list[dict[str, Any]]:
        """The hosts that operators stated to be powered off, and that no run has fenced since."""
        return list(self._all("assumed", ASSUMED_FIELDS))

    def pending_path(self, container_id: str) -> str:
        return os.path.join(self.directory, "pending", container_id + ".json")

    def read_pending(self, container_id: str) -> dict[str, Any] | None:
        return self._read(self.pending_path(container_id), PENDING_FIELDS)

    def write_pending(self, container_id: str, record: Mapping[str, Any]) -> None:
        self._write(self.pending_path(container_id), record)

    def forget_pending(self, container_id: str) -> None:
        self._forget(self.pending_path(container_id))

    def pending(self) -> list[dict[str, Any]]:
        """The requests that the engine has not answered."""
        return list(self._all("pending", PENDING_FIELDS))

    def append_history(self, entry: Mapping[str, Any]) -> None:
        """Add one line to the history, under the host's lock. A full file gives way to a new one."""
        line = json.dumps(dict(entry), sort_keys=True) + "\n"
        try:
            if os.path.exists(self.history_path) and os.path.getsize(self.history_path) >= HISTORY_BYTES:
                os.replace(self.history_path, self.older_history_path)
            descriptor = os.open(self.history_path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, b"\n" * torn + line.encode("utf-8"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _refused(self.history_path, error) from error

    def history(self, count: int) -> list[dict[str, Any]]:
        """The last entries of the history, the latest last. What a power cut has torn is left out."""
        entries: list[dict[str, Any]] = []
        for path in (self.history_path, self.older_history_path):
            if len(entries) < count:
                entries = self._last_entries(path, count - len(entries)) + entries
        return entries

    @staticmethod
    def _last_entries(path: str, count: int) -> list[dict[str, Any]]:
        try:
            with open(path, "rb") as stream:
                stream.seek(max(0, os.path.getsize(path) - _TAIL_BYTES))
                lines = stream.read().decode("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _refused(path, error) from error
        entries = []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in ("at", "run_id", "action")):
                entries.append(entry)
        return entries[-count:]

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
    def _forget(path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(path, error) from error
        _sync_directory(os.path.dirname(path))

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
