# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From evidence to causes: what is wrong on a host, and in the fleet, most decisive first; and what was found sound.

Nothing here looks at anything: evidence in, findings out. A sign is a state that shows a cause, and which signs show
which cause stands in the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, jauto, tws
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.catalogue import CAUSES, DIAGNOSIS
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.evidence import (
    OWN_PORTS,
    SETTINGS_DIR,
    Evidence,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import (
    LogReader,
    format_time,
    parse_time,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import (
    ABSENT,
    FAILED,
    INNER_PORT,
    PENDING,
    PROVEN,
    QUIET,
    Container,
    Outcome,
    Watch,
    timeline_result,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.preflight import (
    WILDCARDS,
    check_clock,
    clock_skew,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.screen_text import STILL

UNKNOWN = "unknown"
ERROR = "error"
REGIONS = ("America", "Europe", "Asia", "China")
ZERO_TIME = "0001-"
RESTARTS = 3
MOST_LINES = 8
MOST_STAGES = 14


@dataclass
class Finding:
    """A cause that was found, with the lines or values that show it. Masked."""

    code: str
    message: str
    shown: List[str] = field(default_factory=list)
    host: str = ""

    def as_result(self) -> Dict[str, Any]:
        entry = causes.find(self.code)
        return {
            "code": self.code,
            "title": entry["title"],
            "severity": entry["severity"],
            "message": self.message,
            "evidence": self.shown[-MOST_LINES:],
            "meaning": entry["meaning"],
            "remedy": list(entry["remedy"]),
            "product_remedy": entry.get("product_remedy"),
            "guide": list(entry.get("guide", ())),
        }


class Sound(NamedTuple):
    """Something that was looked at and is as it should be."""

    what: str
    shown: str


@dataclass
class Diagnosis:
    state: str
    findings: List[Finding]
    sound: List[Sound]
    timeline: List[Dict[str, Optional[str]]]
    stage: str = ""

    @property
    def codes(self) -> List[str]:
        return [item.code for item in self.findings]


class Shown(NamedTuple):
    """What shows a sign: lines or values for people, and facts for the cause's sentence."""

    lines: List[str]
    facts: Dict[str, object]


def shown(*lines: str, **facts: object) -> Shown:
    return Shown(list(lines), facts)


# Replay: the login as `gateway_login` sees it, out of the evidence


class Replay:
    """A world that answers from evidence."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._answers = list(evidence.answers)

    def now(self) -> float:
        return self._evidence.at

    def container(self) -> Container:
        return self._evidence.container

    def lines(self, *dummy: object, **dummy_too: object) -> Sequence[str]:
        return []

    def backlog(self, *dummy: object, **dummy_too: object) -> Sequence[str]:
        return self._evidence.log

    def first_lines(self, *dummy: object, **dummy_too: object) -> Sequence[str]:
        return self._evidence.log

    def listening(self, *dummy: object, **dummy_too: object) -> Optional[FrozenSet[int]]:
        return self._evidence.listening

    def program_runs(self, *dummy: object, **dummy_too: object) -> Optional[bool]:
        return self._evidence.program

    def dialogs(self, *dummy: object, **dummy_too: object) -> Optional[Sequence[jauto.Dialog]]:
        return self._evidence.dialogs

    def launcher(self, *dummy: object, **dummy_too: object) -> Sequence[str]:
        return self._evidence.launcher

    def probe(self, *dummy: object, **dummy_too: object) -> tws.Answer:
        return self._answers.pop(0) if self._answers else tws.Answer(tws.SILENT)


def look(evidence: Evidence) -> Outcome:
    """Where the login stands, by the very rules by which a deploy decides it; that it hangs is said last of all."""
    outcome = _look_within(evidence, evidence.bounds.login)
    phrase = evidence.read.phrase if evidence.read is not None else None
    if phrase is None or not (outcome.state == PENDING or outcome.code in STILL):
        return outcome
    stages = [stage for stage in outcome.timeline if stage[0] != FAILED]
    return replace(
        outcome,
        state=FAILED,
        code=phrase.code,
        facts={},
        evidence=[*outcome.evidence, phrase.shown],
        timeline=[*stages, (FAILED, evidence.at)],
    )


def stands_still(evidence: Evidence) -> bool:
    """Whether neither the log nor JAuto tells why the login does not go on, so that the screen is to be read."""
    return _look_within(evidence, QUIET).code in STILL


def _look_within(evidence: Evidence, seconds: float) -> Outcome:
    patient = Watch(Replay(evidence), evidence.expected, replace(evidence.bounds, login=float("inf"))).look()
    if patient.state != PENDING:
        return patient
    return Watch(Replay(evidence), evidence.expected, replace(evidence.bounds, login=seconds)).look()


# Signs: each tells whether the evidence shows it, and by what

Sign = Callable[[Evidence, Outcome], Optional[Shown]]


def _mode_misspelt(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    said = [
        f"{name}={mode}"
        for name, mode in (
            ("TRADING_MODE in .env", evidence.env_mode),
            ("IB_LOGINTYPE in the container", evidence.settings.get("IB_LOGINTYPE")),
        )
        if mode and mode not in causes.MODES
    ]
    return shown(*said, trading_mode=f"'{said[0].partition('=')[2]}'") if said else None


def _environment_differs(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    if evidence.container.status in ("absent", "created"):
        return None
    if evidence.env_differs:
        keys = ", ".join(evidence.env_differs)
        return shown(f"{keys}: the container has another value than .env", keys=keys)
    if evidence.made_from_other_settings:
        return shown("Compose would make the container anew: its compose file has changed", keys="the compose file")
    return None


def _env_file_missing(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    if evidence.env_found is not False or evidence.container.status == "absent":
        return None
    return shown("there is no .env in the stack's folder")


def _restarts(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    container = evidence.container
    if container.restarts < RESTARTS or container.restart_policy == "no":
        return None
    return shown(f"restarted {container.restarts} times by the engine, restart policy {container.restart_policy}")


def _out_of_memory(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    if not evidence.out_of_memory:
        return None
    return shown(f"the kernel killed it for memory, exit code {evidence.container.exit_code}")


def _unhealthy(evidence: Evidence, outcome: Outcome) -> Optional[Shown]:
    if evidence.health != "unhealthy" or outcome.state != PROVEN:
        return None
    return shown("health check: unhealthy", "trading API: answered with the expected account")


def _ports_open(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    found = [(bind, port) for bind, port, inside in evidence.published if bind in WILDCARDS and inside in OWN_PORTS]
    if not found:
        return None
    return shown(
        *[f"{bind}:{port} is published on every address of the host" for bind, port in found],
        port=", ".join(str(port) for port in sorted({port for _bind, port in found})),
    )


def _vnc_open(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    return shown("IBGA_VNC_PASSWORD is empty in the container") if evidence.vnc_password is False else None


def _region_unknown(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    region = evidence.settings.get("IB_REGION")
    return shown(f"IB_REGION={region}", found=region) if region and region not in REGIONS else None


def _would_not_return(evidence: Evidence, outcome: Outcome) -> Optional[Shown]:
    if outcome.state != PROVEN or evidence.container.restart_policy in ("always", "unless-stopped"):
        return None
    return shown(f"restart policy {evidence.container.restart_policy}")


def _second_session(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    others = [
        item
        for item in evidence.sessions
        if evidence.login and item["login"] == evidence.login and item["container"] != evidence.name
    ]
    if not others or not [item for item in evidence.sessions if item["container"] == evidence.name]:
        return None
    return shown(
        *[f"container {item['container']} ({item['state']}) since {item['since']}" for item in others],
        holder=f"container {others[0]['container']}",
    )


def _in_reset_window(evidence: Evidence, outcome: Outcome) -> Optional[Shown]:
    answer = evidence.answer
    cut_off = (
        answer is not None and not answer.connected and bool({1100, 2110} & {item.code for item in answer.notices})
    )
    waits = outcome.code in ("login-undecided", "login-dropped", "gateway-not-connected", "api-silent")
    if not evidence.reset_until or not (cut_off or waits):
        return None
    window = f"within a reset window of IBKR's, which ends {evidence.reset_until}"
    return shown(f"{format_time(evidence.at)} is {window}", found=window)


def _image_missing(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    if evidence.container.status != "absent" or evidence.checked.get("image_present", True):
        return None
    return shown("the engine has no such image")


def _log_empty(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    """The relay takes connections, nothing is behind it, and the log that would say why is not there."""
    container = evidence.container
    if container.status != "running" or evidence.log or not evidence.relay:
        return None
    if evidence.listening is None or INNER_PORT in evidence.listening:
        return None
    return shown("socat listens on 4000, nothing listens on 9000, and the container's log is empty")


def _program_gone(evidence: Evidence, outcome: Outcome) -> Optional[Shown]:
    """No program and no agent of it, in a container that has started it."""
    if evidence.container.status != "running" or evidence.program is not False or evidence.dialogs is not None:
        return None
    if _stage(outcome) in ("", "started", "installing", "starting-gateway"):
        return None
    return shown("no process java lives in the running container, and JAuto does not answer")


def _relay_gone(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    ports = evidence.listening
    if evidence.relay is not False or ports is None or INNER_PORT not in ports or evidence.expected.port in ports:
        return None
    return shown("something listens on 9000, nothing on 4000, and no process socat runs in the container")


def _link_lost(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    answer = evidence.answer
    if answer is None or answer.connected or answer.outcome != tws.ANSWERED:
        return None
    lost = [item for item in answer.notices if item.code in tws.LINK_LOST]
    return shown(*[f"trading API: {item.code} {item.text}" for item in lost]) if lost else None


def _trading_not_connected(evidence: Evidence, outcome: Outcome) -> Optional[Shown]:
    if evidence.trading != "not-connected" or outcome.state != PROVEN:
        return None
    return shown(
        f"{evidence.trading_name}: runs, and has no connection that the gateway carries",
        container=evidence.trading_name,
        awaited="a connection that reaches the gateway",
        seconds=0,
    )


def _trading_stopped(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    if evidence.trading != "stopped":
        return None
    return shown(f"{evidence.trading_name}: not running", container=evidence.trading_name, status="not running")


def _api_turned_away(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    return _api_ended(evidence, tws.TURNED_AWAY, "closed the connection right after the handshake")


def _api_silent(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    found = [
        _api_ended(evidence, outcome, text)
        for outcome, text in (
            (tws.SILENT, "took the connection and said nothing"),
            (tws.INCOMPLETE, "greeted and named no account"),
            (tws.CLOSED, "closed the connection before it greeted"),
        )
    ]
    return next((item for item in found if item is not None), None)


def _api_unreachable(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    return _api_ended(evidence, tws.REFUSED, "refused the connection") or _api_ended(
        evidence, tws.UNREACHABLE, "cannot be reached from the host"
    )


def _api_offline(evidence: Evidence, dummy: Outcome) -> Optional[Shown]:
    return _api_ended(evidence, tws.OFFLINE, "says that it is not connected")


def _api_ended(evidence: Evidence, outcome: str, text: str) -> Optional[Shown]:
    answer = evidence.answer
    if answer is None or answer.outcome != outcome:
        return None
    lines = [f"trading API on port {evidence.expected.port}: {text}"]
    lines += [f"trading API: {item.code} {item.text}" for item in answer.notices]
    return shown(*lines, port=evidence.expected.port, seconds=round(evidence.bounds.proof), detail=answer.detail)


SIGNS: Dict[str, Sign] = {
    "api-offline": _api_offline,
    "api-silent": _api_silent,
    "api-turned-away": _api_turned_away,
    "api-unreachable": _api_unreachable,
    "env-file-missing": _env_file_missing,
    "environment-differs": _environment_differs,
    "image-missing": _image_missing,
    "in-reset-window": _in_reset_window,
    "link-lost": _link_lost,
    "log-empty": _log_empty,
    "mode-misspelt": _mode_misspelt,
    "out-of-memory": _out_of_memory,
    "ports-open": _ports_open,
    "program-gone": _program_gone,
    "region-unknown": _region_unknown,
    "relay-gone": _relay_gone,
    "restarts": _restarts,
    "second-session": _second_session,
    "trading-not-connected": _trading_not_connected,
    "trading-stopped": _trading_stopped,
    "unhealthy": _unhealthy,
    "vnc-open": _vnc_open,
    "would-not-return": _would_not_return,
}
RANKS = {entry["code"]: number for number, entry in enumerate(DIAGNOSIS)}
_RULES = {entry["code"]: entry for entry in DIAGNOSIS}
_NOTICES = {notice: entry["code"] for entry in CAUSES for notice in entry.get("notices", ())}


# Deciding


def decide(evidence: Evidence) -> Diagnosis:
    """The causes that a host's evidence shows, most decisive first."""
    findings = [Finding(code, text) for code, text in evidence.problems]
    if not evidence.checked and evidence.problems and evidence.container.status == "absent":
        return Diagnosis(UNKNOWN, findings, [], [])
    if not evidence.due:
        return Diagnosis(ABSENT, findings, [Sound("Gateway", "none is to run here by the inventory")], [])
    findings += [Finding(code, _sentence(text)) for code, text in evidence.env_problems]
    outcome = look(evidence)
    findings += _of_login(evidence, outcome)
    for entry in DIAGNOSIS:
        for sign in entry.get("signs", ()):
            seen = SIGNS[sign](evidence, outcome)
            if seen is not None:
                findings.append(_finding(entry["code"], evidence, seen))
    findings += _of_notices(evidence, outcome)
    findings = settle(findings)
    if not findings and outcome.state == FAILED:
        findings = [_unknown(evidence)]
    return Diagnosis(
        outcome.state, findings, sound(evidence, outcome, findings), _timeline(evidence, outcome), _stage(outcome)
    )


def _of_login(evidence: Evidence, outcome: Outcome) -> List[Finding]:
    if outcome.code is None or outcome.state == PROVEN:
        return []
    code = outcome.code
    seen = Shown(list(outcome.evidence), dict(outcome.facts))
    if code == "gateway-exited" and evidence.kept is not None:
        code, facts, lines = evidence.kept
        seen = Shown(list(lines), dict(facts))
    elif code == "gateway-exited" and evidence.stopped_at:
        code, seen = "gateway-stopped", Shown(["the host's history ends with its stop"], {"at": evidence.stopped_at})
    if code == "locked-out":
        seen.facts.update(time_left(evidence, outcome))
    if not seen.lines:
        seen.lines.append(_state_line(evidence))
    return [_finding(code, evidence, seen)]


def _of_notices(evidence: Evidence, outcome: Outcome) -> List[Finding]:
    """Notices of the trading API that name a cause beside its answer."""
    answer = evidence.answer
    if answer is None or outcome.state != PROVEN:
        return []
    return [
        _finding(_NOTICES[item.code], evidence, shown(f"trading API: {item.code} {item.text}"))
        for item in answer.notices
        if item.code in _NOTICES and item.code not in tws.LINK_LOST
    ]


def settle(findings: Sequence[Finding]) -> List[Finding]:
    """One finding for each code, in order; what only follows from another cause is left out."""
    merged: Dict[str, Finding] = {}
    for item in findings:
        known = merged.setdefault(item.code, Finding(item.code, item.message, [], item.host))
        known.shown += [line for line in item.shown if line not in known.shown]
    ordered = sorted(merged.values(), key=lambda item: RANKS.get(item.code, -1))
    codes = {item.code for item in ordered}
    return [item for item in ordered if not codes & set(_RULES.get(item.code, {}).get("yields_to", ())) - {item.code}]


def _finding(code: str, evidence: Evidence, seen: Shown) -> Finding:
    facts: Dict[str, object] = {
        "container": evidence.name,
        "host": evidence.host,
        "login": evidence.login,
        "account": evidence.account,
    }
    facts.update(seen.facts)
    return Finding(code, causes.message(code, evidence.mode, **facts), seen.lines)


def _unknown(evidence: Evidence) -> Finding:
    return _finding(UNKNOWN, evidence, shown(_state_line(evidence), *[line[-200:] for line in evidence.log[-4:]]))


def _state_line(evidence: Evidence) -> str:
    container = evidence.container
    if container.status == "absent":
        return f"the engine knows no container {evidence.name}"
    ended = f", exit code {container.exit_code}" if container.status in ("exited", "dead") else ""
    started = "" if container.started_at.startswith(ZERO_TIME) else f", started {container.started_at[:19]}Z"
    return f"container {evidence.name}: {container.status}{ended}{started}"


def _timeline(evidence: Evidence, outcome: Outcome) -> List[Dict[str, Optional[str]]]:
    """The stages of the login. A proven one is proven by the API without its log, so its steps are read here."""
    if outcome.state != PROVEN:
        decided = next((parse_time(line) for line in reversed(outcome.evidence) if parse_time(line) is not None), None)
        stages = list(outcome.timeline)
        if outcome.state == FAILED and decided is not None:
            stages[-1] = (FAILED, decided)
        return timeline_result(replace(outcome, timeline=stages[-MOST_STAGES:]))
    reader = LogReader()
    for line in evidence.log:
        reader.feed(line)
    stages = [("started", evidence.container.started), *[item for item in reader.timeline if item[0] != "starting"]]
    return timeline_result(replace(outcome, timeline=stages[-MOST_STAGES:]))


def _stage(outcome: Outcome) -> str:
    stages = [stage for stage, _at in outcome.timeline if stage not in (PROVEN, FAILED, "dialog")]
    return stages[-1] if stages else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(("?", ".")) else ".")


_UNITS = {"second": 1, "minute": 60, "hour": 3600}


def time_left(evidence: Evidence, outcome: Outcome) -> Dict[str, object]:
    """How long a lock-out still lasts, from the wait that IBKR named and the time of the line that named it."""
    words = str(outcome.facts.get("wait", "")).split()
    at = next((parse_time(line) for line in reversed(outcome.evidence) if parse_time(line) is not None), None)
    for number, unit in zip(words, words[1:]):
        seconds = _UNITS.get(unit.rstrip("s.,;"))
        if number.isdigit() and seconds is not None and at is not None:
            left = at + int(number) * seconds - evidence.at
            until = f"until {format_time(at + int(number) * seconds)}"
            if left <= 0:
                return {"wait": f", {until}, which is over"}
            return {"wait": f", {until}, {max(1, round(left / 60))} minutes from now"}
    return {}


# What is sound


def sound(evidence: Evidence, outcome: Outcome, findings: Sequence[Finding]) -> List[Sound]:
    """What was looked at and is as it should be."""
    codes = {item.code for item in findings}
    container, answer = evidence.container, evidence.answer
    checks: List[Tuple[bool, str, str]] = [
        (outcome.state == PROVEN, "Login", f"the trading API answered with {evidence.account}"),
        (
            answer is not None and answer.connected,
            "Link to IBKR",
            "no notice 1100 or 2110",
        ),
        (
            container.status == "running" and "restart-loop" not in codes,
            "Container",
            f"running since {container.started_at[:19]}Z, restart policy {container.restart_policy}",
        ),
        (evidence.program is True, "IB Gateway's program", "a process java lives in the container"),
        (
            evidence.listening is not None and INNER_PORT in evidence.listening and evidence.relay is True,
            "Ports inside",
            "the gateway listens on 9000, socat relays 4000",
        ),
        (
            container.status == "running" and evidence.dialogs is not None and not evidence.dialogs,
            "Screen",
            "no dialog is open (JAuto)",
        ),
        (evidence.env_found is True and not evidence.env_problems, ".env", "whole, and every value can be used"),
        (
            evidence.env_found is True
            and not (evidence.env_differs or evidence.made_from_other_settings)
            and container.status not in ("absent", "created"),
            "Container's environment",
            "the same as .env",
        ),
        (
            evidence.container.status != "absent" and "ports-open-to-the-world" not in codes,
            "Published ports",
            ", ".join(f"{bind}:{port}" for bind, port, _inside in evidence.published) or "none",
        ),
        (evidence.vnc_password is True, "VNC", "a password is set"),
        (
            bool(evidence.sessions) and not codes & {"two-sessions", "competing-session", "competing-session-in-fleet"},
            "Sessions on this host",
            ", ".join(f"{item['container']} ({item['login']})" for item in evidence.sessions),
        ),
        (bool(evidence.versions.get("Docker Engine")), "Docker Engine", evidence.versions.get("Docker Engine", "")),
        (
            bool(evidence.versions.get("Compose")) and not codes & {"compose-too-old", "compose-missing"},
            "Compose",
            evidence.versions.get("Compose", ""),
        ),
        (
            "free_mb" in evidence.checked and "disk-full" not in codes,
            "Disk",
            f"{evidence.checked.get('free_mb')} MB free",
        ),
        (evidence.trading == "connected", "Trading engine", f"{evidence.trading_name} is connected"),
        (
            bool(evidence.volume),
            "Settings volume",
            f"{SETTINGS_DIR}: " + ", ".join(f"{name} of {at}" for name, at in sorted(evidence.volume.items())),
        ),
    ]
    return [Sound(what, text) for holds, what, text in checks if holds]


def add_clock(result: Dict[str, Any], host: str, before: float, after: float, limit: float) -> None:
    """Add what the controller's clock says of the host's to a host's result."""
    clock = result.pop("clock")
    skew = clock_skew(before, clock["begin"], clock["end"], after)
    problem = check_clock(host, skew, limit)
    if problem is None:
        result["sound"].append({"what": "Clock", "shown": f"within {limit:.0f} s of the controller's"})
        return
    found = Finding(problem.code, problem.message, [f"{skew:+.0f} s against the controller's clock, at least"])
    result["causes"] = merged(result["causes"], [found])


def merged(known: Sequence[Mapping[str, Any]], more: Sequence[Finding]) -> List[Dict[str, Any]]:
    """A host's causes with more of them, in order again."""
    own = [Finding(item["code"], item["message"], list(item["evidence"])) for item in known]
    return [item.as_result() for item in settle([*own, *more])]


# The fleet


@dataclass
class HostResult:
    """What `gateway_diagnose` returned of one host, as far as deciding over the fleet needs it."""

    host: str
    login: str
    mode: Optional[str]
    container: str
    state: str
    sessions: Sequence[Mapping[str, Any]]
    fingerprints: Mapping[str, str]


def across(hosts: Sequence[HostResult]) -> List[Finding]:
    """What no host can see by itself: the same login, or the same secrets, on two of them."""
    findings: List[Finding] = []
    for host in hosts:
        for other in hosts:
            if other.host == host.host:
                continue
            findings += _held_elsewhere(host, other)
            if host.mode == causes.PAPER and other.mode == causes.LIVE:
                findings += _same_secrets(host, other)
    return findings


def _held_elsewhere(host: HostResult, other: HostResult) -> List[Finding]:
    return [
        Finding(
            "competing-session-in-fleet",
            causes.message(
                "competing-session-in-fleet",
                host.mode,
                login=host.login,
                host=other.host,
                container=session["container"],
                found=session["since"],
            ),
            [
                f"{other.host}: container {session['container']} ({session['state']}, {session['mode']}) since {session['since']}"
            ],
            host.host,
        )
        for session in other.sessions
        if host.login and session["login"] == host.login
    ]


def _same_secrets(host: HostResult, other: HostResult) -> List[Finding]:
    same = sorted(name for name, value in host.fingerprints.items() if other.fingerprints.get(name) == value)
    if not same:
        return []
    return [
        Finding(
            "credentials-of-live-environment",
            causes.message(
                "credentials-of-live-environment", host.mode, host=host.host, found=other.host, keys=", ".join(same)
            ),
            [f".env of {host.host} and of {other.host}: the same {', '.join(same)}"],
            host.host,
        )
    ]
