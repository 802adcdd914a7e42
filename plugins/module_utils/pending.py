# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to the engine that can bring a session back, noted on the host until the engine has answered them.

An engine that gave no answer may carry the request out at any time later, and so may one whose asker was killed. The
request names the container by its id. So the next fence, which finds the note, parks that container as a copy and
removes it: what comes late then finds nothing.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, TypeVar

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import wall_time
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

UNANSWERED = ("engine-silent", "engine-down")

Result = TypeVar("Result")


def ask(state: State, container_id: str, run_id: str, request: str, function: Callable[[], Result]) -> Result:
    """Make the request *function*, and forget it when the engine has answered. To be called under the host's lock.

    A note that is there already stays: of two requests the answer to one says nothing of the other.
    """
    known = state.read_pending(container_id) is not None
    if not known:
        note: Dict[str, Any] = {
            "container_id": container_id,
            "run_id": run_id,
            "request": request,
            "asked_at": wall_time(),
        }
        state.write_pending(container_id, note)
    try:
        result = function()
    except GatewayError as error:
        if not known and error.code not in UNANSWERED:
            state.forget_pending(container_id)
        raise
    if not known:
        state.forget_pending(container_id)
    return result
