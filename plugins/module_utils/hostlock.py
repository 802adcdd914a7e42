# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one lock of a host: lease changes, fence, and check-plus-start never run beside each other.

The kernel drops it when its process ends, however that happens.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from types import TracebackType

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

WAIT = 120.0
_INTERVAL = 0.05


class HostLock:
    """`with HostLock(state):` holds the lock; the state's directories are created where they are missing."""

    def __init__(self, state: State, wait: float = WAIT) -> None:
        self._state = state
        self._wait = wait
        self._descriptor: int | None = None

    def __enter__(self) -> HostLock:
        self._state.prepare()
        descriptor = os.open(self._state.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + self._wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    os.close(descriptor)
                    raise
            else:
                self._descriptor = descriptor
                return self
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise GatewayError(
                    f"Another task of this collection has held the lock of this host ({self._state.lock_path}) for "
                    f"{self._wait:.0f} seconds, as while it fences or starts a gateway. Nothing was done here. Wait "
                    f"for that run to end; 'fuser -v {self._state.lock_path}' on the host shows its process.",
                    "host-busy",
                )
            time.sleep(_INTERVAL)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
