# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `gateway_diagnose` returns: the causes, and as much of the masked evidence as a report needs."""

from __future__ import annotations

import base64
import time
from typing import Any, Dict, List, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import screen_text
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.diagnosis import (
    Diagnosis,
    decide,
    stands_still,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.evidence import Evidence, Wanted, collect
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import (
    LONGEST_EVIDENCE,
    format_time,
    read_line,
)

LAST_LINES = 40
FIRST_LINES = 6
AROUND = 12


def diagnose(wanted: Wanted) -> Dict[str, Any]:
    """Look at the host, decide, and return what may travel."""
    evidence, masks = collect(wanted)
    if evidence.picture is not None and stands_still(evidence):
        evidence.read = screen_text.read(evidence.picture)
    diagnosis = decide(evidence)
    clock = {"begin": evidence.at, "end": time.time()}
    return {**result(evidence, diagnosis), "names": dict(masks.names), "clock": clock}


def result(evidence: Evidence, diagnosis: Diagnosis) -> Dict[str, Any]:
    return {
        "state": diagnosis.state,
        "stage": diagnosis.stage,
        "causes": [item.as_result() for item in diagnosis.findings],
        "sound": [{"what": item.what, "shown": item.shown} for item in diagnosis.sound],
        "unseen": unseen(evidence),
        "timeline": diagnosis.timeline,
        "login": evidence.login,
        "account": evidence.account,
        "mode": evidence.mode,
        "evidence": shown(evidence, diagnosis),
        "sessions": evidence.sessions,
        "fingerprints": dict(evidence.fingerprints),
        "screen": None if evidence.screen is None else base64.b64encode(evidence.screen).decode("ascii"),
    }


def unseen(evidence: Evidence) -> List[Dict[str, str]]:
    """What would have been looked at, and could not be."""
    reading = evidence.read
    return [{"what": "Text on the screen", "why": reading.unread}] if reading is not None and reading.unread else []


def shown(evidence: Evidence, diagnosis: Diagnosis) -> Dict[str, Any]:
    container = evidence.container
    return {
        "at": format_time(evidence.at),
        "container": {
            "name": evidence.name,
            "status": container.status,
            "started_at": container.started_at,
            "exit_code": container.exit_code,
            "restarts": container.restarts,
            "restart_policy": container.restart_policy,
            "health": evidence.health,
        },
        "program_runs": evidence.program,
        "relay_runs": evidence.relay,
        "listening": None if evidence.listening is None else sorted(evidence.listening),
        "api": [
            {
                "outcome": item.outcome,
                "accounts": list(item.accounts),
                "connected": item.connected,
                "notices": [f"{notice.code} {notice.text}" for notice in item.notices],
            }
            for item in evidence.answers
        ],
        "dialogs": None
        if evidence.dialogs is None
        else [{"title": item.title, "text": item.text, "buttons": list(item.buttons)} for item in evidence.dialogs],
        "launcher_log": evidence.launcher[-LAST_LINES:],
        "log": excerpt(evidence.log, [line for item in diagnosis.findings for line in item.shown]),
        "settings": dict(evidence.settings),
        "volume": dict(evidence.volume),
        "published": [f"{bind}:{port} to {inside}" for bind, port, inside in evidence.published],
        "trading_engine": evidence.trading,
        "parked": [f"{item['container']} ({item['login']})" for item in evidence.parked],
        "versions": dict(evidence.versions),
        "checks": dict(evidence.checked),
    }


def excerpt(log: Sequence[str], telling: Sequence[str]) -> List[Dict[str, Any]]:
    """The log's beginning, its end, and what stands around the lines that decided; each with whether it is one of these."""
    lines = [read_line(raw) for raw in log]
    marked = {
        number
        for number, line in enumerate(lines)
        if line.text.strip() and any(shown.endswith(line.text.strip()[:LONGEST_EVIDENCE]) for shown in telling)
    }
    kept = set(range(min(FIRST_LINES, len(lines)))) | set(range(max(0, len(lines) - LAST_LINES), len(lines)))
    for number in marked:
        kept |= set(range(max(0, number - AROUND), min(len(lines), number + AROUND + 1)))
    return [
        {
            "number": number + 1,
            "at": None if lines[number].at is None else format_time(float(lines[number].at or 0)),
            "text": lines[number].text[:LONGEST_EVIDENCE],
            "telling": number in marked,
        }
        for number in sorted(kept)
    ]
