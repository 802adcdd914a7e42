# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evidence of gateways, healthy and otherwise: what `collect` makes of a host, without the host."""

from __future__ import annotations

import calendar
import dataclasses
import pathlib
import time
from typing import Any, Dict, List, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import tws
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.evidence import Evidence
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.jauto import Dialog
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import Bounds, Container

# A Wednesday, 12:00 UTC, in no reset window.
NOON = float(calendar.timegm((2025, 12, 10, 12, 0, 0)))
TRANSCRIPTS = pathlib.Path(__file__).resolve().parents[3] / "fixtures" / "transcripts"
LOGIN = "login-1a2b3c"
ACCOUNT = "account-4d5e6f"
WITHIN = Bounds(900, 120, 60, 0.3)
FORM = (
    " Manager Startup / Wed Dec 10 11:55:00 UTC 2025",
    " IB Gateway Startup / Wed Dec 10 11:55:02 UTC 2025",
    "• starting IB Gateway ...",
    "• filling in login form ...",
    "• logging in ...",
    "• entered maintenance cycle",
)
MARKER = (
    "  - option check, clicking menu Configure/Settings ...",
    "  - option check, clicking tree item Configuration/API/Settings ...",
    "  - option check, confirming settings change ...",
)
SKIPPED = ("  - option check skipped, to perform again remove /home/ibg_settings/skip_option_check2",)


def stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(at))


def log(*lines: str, ended: float = NOON - 240, began: float = NOON - 300) -> List[str]:
    """The lines as the engine hands them over, spread from `began` to `ended`."""
    step = (ended - began) / max(1, len(lines) - 1)
    return [f"{stamp(began + number * step)} {line}" for number, line in enumerate(lines)]


def transcript(name: str, ended: float = NOON - 240) -> List[str]:
    return log(*(TRANSCRIPTS / f"{name}.log").read_text(encoding="utf-8").splitlines(), ended=ended)


def container(status: str = "running", **changes: Any) -> Container:
    made = Container(
        status=status,
        identity="c" * 64,
        started_at=stamp(NOON - 300),
        process=4242 if status == "running" else 0,
        address="172.18.0.2",
        restart_policy="unless-stopped",
        login_type="Paper Trading",
    )
    return dataclasses.replace(made, **changes)


def answered(*notices: int, connected: bool = True, accounts: Sequence[str] = (ACCOUNT,)) -> tws.Answer:
    return tws.Answer(
        tws.ANSWERED, tuple(accounts), 187, tuple(tws.Notice(code, f"notice {code}") for code in notices), connected
    )


def healthy(**changes: Any) -> Evidence:
    """A proven gateway, with nothing wrong."""
    made = Evidence(
        at=NOON,
        host="staging.abstractfinance.example",
        bounds=WITHIN,
        login=LOGIN,
        account=ACCOUNT,
        mode="paper",
        checked={"free_mb": 20000, "image_present": True, "compose": "2.26.1"},
        container=container(),
        log=log(*FORM, *MARKER),
        listening=frozenset({4000, 5800, 5900, 9000}),
        program=True,
        relay=True,
        dialogs=[],
        answers=[answered(2104, 2106)],
        published=[("127.0.0.1", 4000, 4000), ("127.0.0.1", 5900, 5900), ("127.0.0.1", 5800, 5800)],
        settings={"IB_LOGINTYPE": "Paper Trading", "IB_REGION": "Europe", "IB_TIMEZONE": "Europe/Berlin"},
        vnc_password=True,
        env_found=True,
        env_mode="Paper Trading",
        fingerprints={"IBKR_USERNAME": "00000001", "IBKR_PASSWORD": "00000002"},
        volume={"skip_option_check2": "2025-12-01T10:00:00Z"},
        sessions=[session()],
        trading="connected",
        trading_name="trading-engine",
        versions={"Docker Engine": "26.1.5", "Compose": "2.26.1"},
    )
    return dataclasses.replace(made, **changes)


def hanging(*lines: str, **changes: Any) -> Evidence:
    """A gateway that runs and is not in: nothing listens on 9000, and its log has been silent for minutes."""
    made: Dict[str, Any] = {
        "log": log(*FORM, *lines),
        "listening": frozenset({4000, 5800, 5900}),
        "answers": [],
        "trading": "not-connected",
    }
    return healthy(**{**made, **changes})


def stopped(*lines: str, **changes: Any) -> Evidence:
    """A gateway that was ended after its login failed, as a deploy leaves it."""
    made: Dict[str, Any] = {
        "container": container("exited", exit_code=137, restart_policy="no"),
        "listening": None,
        "program": None,
        "relay": None,
        "dialogs": None,
        "sessions": [],
    }
    return hanging(*lines, **{**made, **changes})


def session(name: str = "ibgateway", login: str = LOGIN, **changes: Any) -> Dict[str, Any]:
    made = {
        "container": name,
        "login": login,
        "state": "running",
        "mode": "paper",
        "since": "2025-12-05T09:12:33Z",
        "returns": True,
        "readable": True,
    }
    return {**made, **changes}


def dialog(title: str, text: str = "", asks_for_input: bool = False) -> List[Dialog]:
    return [Dialog(title, text, ("OK",), asks_for_input)]


def absent(**changes: Any) -> Evidence:
    made: Dict[str, Any] = {
        "container": Container("absent"),
        "log": [],
        "listening": None,
        "program": None,
        "relay": None,
        "dialogs": None,
        "answers": [],
        "published": [],
        "settings": {},
        "vnc_password": None,
        "volume": {},
        "sessions": [],
        "trading": "absent",
    }
    return healthy(**{**made, **changes})
