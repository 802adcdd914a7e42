# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gateway showed at the moment its login failed, kept on the host, since the gateway is stopped right after.

The image's own hands are held still while it is taken, so that nothing is typed meanwhile. The file is root's, and one
of each container's name is kept.
"""

from __future__ import annotations

import base64
import json
import os
import signal
from contextlib import suppress
from typing import Any, Dict, List, Mapping, NamedTuple, Optional
from urllib.parse import quote

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import (
    cover,
    jauto,
    processes,
    screen,
    screen_text,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import environment
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.masks import Masks
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rfb import Picture
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import STATE_DIR

# What shows the screen, and tells what is on it. All else in the container is the image's automation, and its relays.
SHOWING = frozenset({"java", "Xvfb", "x11vnc"})
SCREEN_WITHIN = 4.0
FOLDER = os.path.join(STATE_DIR, "screens")


class Kept(NamedTuple):
    code: str
    facts: Dict[str, str]
    evidence: List[str]
    dialogs: List[jauto.Dialog]
    screen: Optional[bytes]


def keep(
    engine: HostEngine, name: str, process: int, code: str, facts: Mapping[str, object], evidence: List[str]
) -> None:
    """Keep how a login failed, and what was on the screen then. What cannot be had is left out; nothing fails by it."""
    with suppress(OSError):
        hold_still(process)
    with suppress(GatewayError, OSError):
        inspect = engine.inspect(name)
        if inspect is None:
            return
        answer = engine.output_of(str(inspect["Id"]), jauto.ASK_FOR_ALL, jauto.USER) or ""
        picture = _picture(name, inspect)
        phrase = screen_text.read(picture).phrase if picture is not None and code in screen_text.STILL else None
        if phrase is not None:
            code, facts, evidence = phrase.code, {}, [*evidence, phrase.shown]
        record = {
            "container_id": inspect["Id"],
            "started_at": inspect["State"]["StartedAt"],
            "code": code,
            "facts": {key: str(value) for key, value in facts.items()},
            "evidence": list(evidence),
            "dialogs": [item.__dict__ for item in jauto.parse_dialogs(answer)],
            "screen": None if picture is None else _covered(picture, answer, inspect),
        }
        _write(_path(name), json.dumps(record))


def kept(name: str, inspect: Mapping[str, Any]) -> Optional[Kept]:
    """What was kept of this very start of the container; None where nothing was."""
    try:
        with open(_path(name), encoding="utf-8") as file:
            record = json.load(file)
        if (record["container_id"], record["started_at"]) != (inspect["Id"], inspect["State"]["StartedAt"]):
            return None
        dialogs = [
            jauto.Dialog(item["title"], item["text"], tuple(item["buttons"]), bool(item["asks_for_input"]))
            for item in record["dialogs"]
        ]
        png = base64.b64decode(record["screen"]) if record["screen"] else None
        return Kept(str(record["code"]), dict(record["facts"]), list(record["evidence"]), dialogs, png)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def hold_still(process: int) -> None:
    """Stop (SIGSTOP) all processes of a container but those that show its screen."""
    for number in processes.numbers(process):
        if processes.name_of(number) not in SHOWING:
            with suppress(OSError):
                os.kill(number, signal.SIGSTOP)


def _picture(name: str, inspect: Mapping[str, Any]) -> Optional[Picture]:
    """The screen; None where it cannot be had, or shows nothing."""
    try:
        picture = screen.picture(name, inspect, None, screen.VNC_PORT, SCREEN_WITHIN)
    except GatewayError:
        return None
    return None if picture.blank else picture


def _covered(picture: Picture, answer: str, inspect: Mapping[str, Any]) -> Optional[str]:
    """The screen with the names on it covered, as a PNG in base64; None where JAuto does not tell where they are."""
    masks = Masks("", (), [environment(inspect).get("IB_USERNAME") or ""])
    layout = cover.read_layout(answer, masks.text)
    return None if layout is None else base64.b64encode(cover.covered(picture, layout).png()).decode("ascii")


def _path(name: str) -> str:
    return os.path.join(FOLDER, quote(name, safe="") + ".json")


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    hidden = f"{path}.{os.getpid()}"
    with open(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(hidden, path)
