# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a host tells of its gateway, collected in one go and masked before it is looked at or passed on."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import (
    causes,
    cover,
    dotenv,
    jauto,
    keepsake,
    netstat,
    preflight,
    processes,
    rules,
    screen,
    trading,
    tws,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import read_line
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_watch import HostWorld
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import environment, login_key
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.host_engine import HostEngine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import (
    GONE,
    INNER_PORT,
    Bounds,
    Container,
    Expected,
    read_container,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.masks import Masks
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rfb import Picture
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.screen_text import Reading
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.sessions import Sessions
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

# What the stack's compose file makes of the .env.
MAPPED = {
    "IB_USERNAME": "IBKR_USERNAME",
    "IB_PASSWORD": "IBKR_PASSWORD",
    "TOTP_KEY": "IBKR_TOTP_KEY",
    "IB_LOGINTYPE": "TRADING_MODE",
    "IBGA_VNC_PASSWORD": "VNC_PASSWORD",
}
SECRETS = ("IB_PASSWORD", "TOTP_KEY", "IBGA_VNC_PASSWORD", "IBKR_PASSWORD", "IBKR_TOTP_KEY", "VNC_PASSWORD")
SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN", "KEY")
SHOWN_SETTINGS = (
    "IB_LOGINTYPE",
    "IB_LOGINTAB",
    "IB_REGION",
    "IB_TIMEZONE",
    "IB_LOGOFF",
    "IB_READONLY",
    "IB_APILOG",
    "IB_LOGLEVEL",
    "IBGA_RECONNECT_INTERVAL",
    "TERM",
)
SETTINGS_DIR = "/home/ibg_settings"
MARKER_FILES = ("skip_option_check2", "skip_login_combobox_Region", "skip_login_combobox_Time Zone", "autorestart")
OWN_PORTS = (4000, 5900, 5800)
ANSWER_WITHIN = 6.0
SCREEN_WITHIN = 5.0


@dataclass(frozen=True)
class Wanted:
    """What the inventory says of the gateway, and how long a step of its login may take."""

    preflight: preflight.Wanted
    due: bool
    account: str
    trading_engine: Optional[str]
    trading_pattern: Optional[str]
    env_rules: Mapping[str, Any]
    client_id: int
    bounds: Bounds
    tag_key: str
    reset_until: str = ""


@dataclass
class Evidence:
    """What was found, masked. `None` says that something could not be seen."""

    at: float
    host: str
    name: str = "ibgateway"
    due: bool = True
    bounds: Bounds = field(default_factory=lambda: Bounds(900, 300, 60, 0.5))
    login: str = ""
    account: str = ""
    mode: Optional[str] = None
    reset_until: str = ""
    problems: List[Tuple[str, str]] = field(default_factory=list)
    checked: Dict[str, Any] = field(default_factory=dict)
    container: Container = GONE
    health: str = ""
    out_of_memory: bool = False
    log: List[str] = field(default_factory=list)
    listening: Optional[FrozenSet[int]] = None
    program: Optional[bool] = None
    relay: Optional[bool] = None
    dialogs: Optional[List[jauto.Dialog]] = None
    launcher: List[str] = field(default_factory=list)
    # The whole screen stays on the host; `screen` is what of it may travel, `read` what its text says.
    picture: Optional[Picture] = None
    screen: Optional[bytes] = None
    read: Optional[Reading] = None
    kept: Optional[Tuple[str, Dict[str, str], List[str]]] = None
    stopped_at: str = ""
    answers: List[tws.Answer] = field(default_factory=list)
    published: List[Tuple[str, int, int]] = field(default_factory=list)
    settings: Dict[str, str] = field(default_factory=dict)
    vnc_password: Optional[bool] = None
    env_found: Optional[bool] = None
    env_mode: Optional[str] = None
    env_problems: List[Tuple[str, str]] = field(default_factory=list)
    env_differs: List[str] = field(default_factory=list)
    made_from_other_settings: bool = False
    fingerprints: Dict[str, str] = field(default_factory=dict)
    volume: Dict[str, str] = field(default_factory=dict)
    sessions: List[Dict[str, Any]] = field(default_factory=list)
    parked: List[Dict[str, Any]] = field(default_factory=list)
    trading: Optional[str] = None
    trading_name: str = ""
    versions: Dict[str, str] = field(default_factory=dict)

    @property
    def answer(self) -> Optional[tws.Answer]:
        return self.answers[-1] if self.answers else None

    @property
    def expected(self) -> Expected:
        return Expected(self.name, self.login or "the gateway's user", self.account, self.mode, client_id=0)


def collect(wanted: Wanted) -> Tuple[Evidence, Masks]:
    """Look at everything. What one part cannot see does not keep the others from looking."""
    checks = wanted.preflight
    evidence = Evidence(
        at=time.time(),
        host=checks.host,
        name=checks.container,
        due=wanted.due,
        bounds=wanted.bounds,
        mode=causes.MODES.get(checks.trading_mode or ""),
        reset_until=wanted.reset_until,
    )
    found = preflight.check(checks) if wanted.due else {"problems": []}
    evidence.problems = [(item["code"], item["message"]) for item in found.pop("problems")]
    file, values = _read_env(os.path.join(checks.project_dir, ".env"))
    evidence.env_found = file
    try:
        engine = HostEngine()
    except GatewayError as error:
        if error.code not in [code for code, _message in evidence.problems]:
            evidence.problems.append((error.code, error.message))
        return evidence, Masks(wanted.tag_key)
    try:
        inspect = engine.inspect(checks.container)
        env = environment(inspect) if inspect is not None else {}
        sessions = Sessions(engine, State()).info()
        masks = _masks(wanted.tag_key, env, values, sessions)
        _see_env(evidence, wanted, env, values, masks)
        _see_sessions(evidence, sessions, masks)
        _see_container(evidence, inspect, found)
        if inspect is not None:
            _see_gateway(evidence, wanted, engine, masks)
            _see_screen(evidence, engine, inspect, masks)
            _see_kept(evidence, inspect, masks)
            _see_stop(evidence, sessions["history"])
        _see_trading(evidence, wanted, engine)
    finally:
        engine.close()
    evidence.account = masks.account(wanted.account)
    evidence.problems = [(code, masks.text(text)) for code, text in evidence.problems]
    evidence.checked = masks.all(_shown_checks(found))
    evidence.versions = _versions(found, inspect)
    return evidence, masks


# Parts


def _read_env(path: str) -> Tuple[Optional[bool], Dict[str, Optional[str]]]:
    try:
        with open(path, "rb") as stream:
            document = dotenv.parse(dotenv.decode(stream.read()))
    except FileNotFoundError:
        return False, {}
    except (OSError, GatewayError):
        return None, {}
    return True, {key: entry.value for key, entry in document.entries().items()}


def _masks(key: str, env: Mapping[str, str], values: Mapping[str, Optional[str]], sessions: Mapping[str, Any]) -> Masks:
    logins = [env.get("IB_USERNAME") or "", values.get("IBKR_USERNAME") or ""]
    for part in ("sessions", "stopped", "parked"):
        logins += [str(item.get("login") or "") for item in sessions[part]]
    secrets = [
        value
        for name, value in [*env.items(), *values.items()]
        if value and (name in SECRETS or any(word in name for word in SECRET_WORDS))
    ]
    return Masks(key, secrets, logins)


def _see_env(
    evidence: Evidence,
    wanted: Wanted,
    env: Mapping[str, str],
    values: Mapping[str, Optional[str]],
    masks: Masks,
) -> None:
    evidence.login = masks.login(env.get("IB_USERNAME") or values.get("IBKR_USERNAME") or "")
    evidence.settings = {name: masks.text(env[name]) for name in SHOWN_SETTINGS if env.get(name)}
    if env:
        evidence.vnc_password = bool(env.get("IBGA_VNC_PASSWORD"))
    if not evidence.env_found:
        return
    evidence.env_mode = values.get("TRADING_MODE")
    evidence.fingerprints = {
        name: masks.fingerprint(login_key(value) if name == "IBKR_USERNAME" else value)
        for name in ("IBKR_USERNAME", "IBKR_PASSWORD", "IBKR_TOTP_KEY")
        for value in [values.get(name)]
        if value
    }
    evidence.env_differs = [
        MAPPED[name]
        for name in MAPPED
        if env.get(name) and values.get(MAPPED[name]) is not None and env[name] != values[MAPPED[name]]
    ]
    if wanted.due:
        for rule in rules.rules_from(wanted.env_rules, ("TRADING_MODE",)):
            for problem in rule.check(values, "the .env of " + evidence.host):
                evidence.env_problems.append((problem.code, masks.text(problem.message)))


def _see_sessions(evidence: Evidence, sessions: Mapping[str, Any], masks: Masks) -> None:
    def view(item: Mapping[str, Any]) -> Dict[str, Any]:
        shown = {name: item.get(name) for name in ("container", "state", "mode", "since", "returns", "readable")}
        return {**shown, "login": masks.login(str(item.get("login") or ""))}

    evidence.sessions = [view(item) for item in sessions["sessions"]]
    evidence.parked = [view(item) for item in sessions["parked"]]


def _see_container(
    evidence: Evidence,
    inspect: Optional[Mapping[str, Any]],
    found: Mapping[str, Any],
) -> None:
    evidence.container = read_container(inspect)
    if inspect is None:
        return
    state = inspect.get("State") or {}
    evidence.health = str((state.get("Health") or {}).get("Status") or "")
    evidence.out_of_memory = bool(state.get("OOMKilled"))
    evidence.published = [
        (str(binding.get("HostIp") or preflight.EVERY_ADDRESS), int(binding["HostPort"]), int(inside.partition("/")[0]))
        for inside, bindings in ((inspect.get("HostConfig") or {}).get("PortBindings") or {}).items()
        for binding in bindings or []
        if str(binding.get("HostPort") or "").isdigit()
    ]
    made, expected = (found.get("gateway") or {}).get("config_hash"), found.get("expected_config_hash")
    evidence.made_from_other_settings = bool(made and expected and made != expected)
    evidence.volume = _volume(inspect)


def _volume(inspect: Mapping[str, Any]) -> Dict[str, str]:
    """The settings volume's markers, and when each was written."""
    sources = [
        str(item.get("Source")) for item in inspect.get("Mounts") or [] if item.get("Destination") == SETTINGS_DIR
    ]
    found: Dict[str, str] = {}
    for name in MARKER_FILES:
        for source in sources:
            try:
                written = os.stat(os.path.join(source, name)).st_mtime
            except OSError:
                continue
            found[name] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(written))
    return found


def _see_gateway(evidence: Evidence, wanted: Wanted, engine: HostEngine, masks: Masks) -> None:
    container = evidence.container
    world = HostWorld(engine, evidence.name, evidence.expected.port)
    try:
        lines = _log(world, container)
        for line in lines:
            login = _login_in(line)
            if login:
                masks.login(login)
        evidence.log = [masks.text(line) for line in lines]
        if container.status != "running":
            return
        sockets = netstat.sockets(str(container.process)) if container.process else None
        evidence.listening = None if sockets is None else netstat.listening_ports(sockets)
        evidence.program = world.program_runs(container)
        evidence.relay = processes.is_running(container.process, "socat") if container.process else None
        if evidence.listening is not None and INNER_PORT in evidence.listening:
            evidence.answers = [_masked_answer(item, masks) for item in _ask_api(world, container, wanted)]
        dialogs = world.dialogs(container)
        if dialogs is not None:
            evidence.dialogs = [_masked_dialog(item, masks) for item in dialogs]
        evidence.launcher = [masks.launcher(line) for line in world.launcher(container)]
    finally:
        world.close()


def _see_screen(evidence: Evidence, engine: HostEngine, inspect: Mapping[str, Any], masks: Masks) -> None:
    """The screen of a gateway that is not in, and a copy with the names covered where JAuto tells where they are."""
    answered = evidence.answer is not None and evidence.answer.outcome == tws.ANSWERED
    if evidence.container.status != "running" or answered:
        return
    try:
        picture = screen.picture(evidence.name, inspect, None, screen.VNC_PORT, SCREEN_WITHIN)
        if picture.blank:
            return
        evidence.picture = picture
        if evidence.dialogs is None:
            return
        answer = engine.output_of(evidence.container.identity, jauto.ASK_FOR_ALL, jauto.USER)
    except GatewayError:
        return
    layout = cover.read_layout(answer or "", masks.text)
    if layout is not None:
        evidence.screen = cover.covered(picture, layout).png()


def _see_stop(evidence: Evidence, history: Sequence[Mapping[str, Any]]) -> None:
    """When this very start was ended by the stop playbook, where that was the last that was done on the host."""
    done = [entry for entry in history if "done" in entry]
    if not done or evidence.container.status not in ("exited", "dead"):
        return
    last = done[-1]
    stopped = [text.partition(":")[0] for text in last["done"]] if last["action"] == "stop" else []
    if evidence.name in stopped and evidence.container.started_at[:19] <= last["at"]:
        evidence.stopped_at = last["at"]


def _see_kept(evidence: Evidence, inspect: Mapping[str, Any], masks: Masks) -> None:
    """What was kept when the login of this very start failed, for a gateway that was stopped then."""
    found = None if evidence.container.status == "running" else keepsake.kept(evidence.name, inspect)
    if found is not None:
        facts = {name: masks.text(value) for name, value in found.facts.items()}
        evidence.kept = (found.code, facts, [masks.text(line) for line in found.evidence])
        evidence.dialogs = [_masked_dialog(item, masks) for item in found.dialogs]
        evidence.screen = found.screen


def _log(world: HostWorld, container: Container) -> List[str]:
    """The log since the container's start; none where its logging driver cannot be read."""
    try:
        return world.backlog(container)
    except GatewayError as error:
        if error.code != "engine-refused":
            raise
        return []


def _login_in(line: str) -> str:
    text = read_line(line).text
    return text.rpartition(" Logging in ")[2].strip() if " Logging in " in text and "welcome:" in text else ""


def _ask_api(world: HostWorld, container: Container, wanted: Wanted) -> List[tws.Answer]:
    """One connection; a second one only where the client id is in use."""
    answers: List[tws.Answer] = []
    for client_id in (wanted.client_id, wanted.client_id + 1):
        answers.append(world.probe(container, client_id, ANSWER_WITHIN, wanted.bounds.listen))
        if answers[-1].outcome != tws.IN_USE:
            break
    return answers


def _masked_answer(answer: tws.Answer, masks: Masks) -> tws.Answer:
    return tws.Answer(
        answer.outcome,
        tuple(masks.account(item) for item in answer.accounts),
        answer.server_version,
        tuple(tws.Notice(item.code, masks.text(item.text)) for item in answer.notices),
        answer.connected,
        masks.text(answer.detail),
    )


def _masked_dialog(dialog: jauto.Dialog, masks: Masks) -> jauto.Dialog:
    return jauto.Dialog(
        masks.text(dialog.title),
        masks.text(dialog.text),
        tuple(masks.text(item) for item in dialog.buttons),
        dialog.asks_for_input,
    )


def _see_trading(evidence: Evidence, wanted: Wanted, engine: HostEngine) -> None:
    if wanted.trading_engine is None:
        return
    evidence.trading_name = wanted.trading_engine
    pattern = trading.read_pattern(wanted.trading_pattern)
    found = trading.check(
        engine,
        trading.Wanted(wanted.trading_engine, evidence.name, evidence.expected.port, pattern, timeout=0),
        restart=False,
        wait=False,
    )
    evidence.trading = str(found.result["state"])


def _shown_checks(found: Mapping[str, Any]) -> Dict[str, Any]:
    names = ("compose", "free_mb", "image_present", "gateways_on_ports")
    return {name: found[name] for name in names if name in found}


def _versions(found: Mapping[str, Any], inspect: Optional[Mapping[str, Any]]) -> Dict[str, str]:
    versions = {
        "Docker Engine": (found.get("engine") or {}).get("version"),
        "Compose": found.get("compose"),
        "image": ((inspect or {}).get("Config") or {}).get("Image"),
        "image id": str((inspect or {}).get("Image") or "").rpartition(":")[2][:12],
    }
    return {name: str(value) for name, value in versions.items() if value}
