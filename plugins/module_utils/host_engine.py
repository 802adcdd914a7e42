# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What preflight, login and trading engine ask of the host's engine beyond what sessions need."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import Any, Dict, List, Optional

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine, or_none
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import LineSplitter

_BACKLOG = 4096


class HostEngine(Engine):
    """The engine, with its own description, logs and restarts."""

    def version(self) -> Dict[str, Any]:
        found: Dict[str, Any] = self._call("tell its version", self._client.version)
        return found

    def info(self) -> Dict[str, Any]:
        found: Dict[str, Any] = self._call("describe itself", self._client.info)
        return found

    def listed(self) -> List[Dict[str, Any]]:
        """The running containers, as the engine lists them."""
        found: List[Dict[str, Any]] = self._call("list the containers", self._client.containers)
        return found

    def volume(self, name: str) -> Optional[Dict[str, Any]]:
        found: Optional[Dict[str, Any]] = self._call(
            f"inspect the volume {name}", lambda: or_none(lambda: self._client.inspect_volume(name))
        )
        return found

    def make_volume(self, name: str, labels: Dict[str, str]) -> None:
        """Make a volume; one that is there already stays as it is."""
        self._call(f"make the volume {name}", lambda: self._client.create_volume(name, labels=labels))

    def restart_policy(self, container: str, name: str) -> None:
        self._call(
            f"set the restart policy of {container} to '{name}'",
            lambda: self._client.update_container(container, restart_policy={"Name": name, "MaximumRetryCount": 0}),
        )

    def restart(self, container: str, grace: int) -> None:
        self._call(f"restart the container {container}", lambda: self._client.restart(container, timeout=grace))

    def log(self, container: str, since: int, until: Optional[int] = None) -> List[str]:
        """The log's lines since a time in whole seconds (until another), each with its time stamp."""
        data: bytes = self._call(
            f"hand over the log of {container}",
            lambda: self._client.logs(container, timestamps=True, since=max(1, since), until=until),
        )
        return LineSplitter().feed(data + b"\n")

    def follow(self, container: str, since: int) -> LogStream:
        """The same, and what comes after, line by line."""
        return LogStream(
            self._call(
                f"hand over the log of {container}",
                lambda: self._client.logs(container, timestamps=True, since=max(1, since), stream=True, follow=True),
            )
        )


class LogStream:
    """A followed log, read beside the caller, so that no silence of the engine holds the caller up."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._lines: queue.Queue[Optional[List[str]]] = queue.Queue(_BACKLOG)
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        splitter = LineSplitter()
        # Whatever breaks the stream, the caller looks at the container next and opens the log again.
        with suppress(Exception):
            for chunk in self._stream:
                lines = splitter.feed(chunk)
                if lines:
                    self._lines.put(lines)
        self._lines.put(splitter.feed(b"\n"))
        self._lines.put(None)

    def lines(self, timeout: float) -> List[str]:
        """The next lines; none when none came in time, or no more will (`ended`)."""
        if self.ended:
            return []
        try:
            batch = self._lines.get(timeout=timeout)
        except queue.Empty:
            return []
        if batch is None:
            self.ended = True
            return []
        return [line for line in batch if line]

    def close(self) -> None:
        # The SDK finds no socket in a response that has ended.
        with suppress(AttributeError, NameError, OSError):
            self._stream.close()
