# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's IBKR: users, one session per login, kicks, lock-outs, and the truth about all of them.

Two listeners: the gateways' line protocol on 18098 and JSON over HTTP on 18099 (README.md beside this file).
"""

from __future__ import annotations

import base64
import binascii
import collections
import dataclasses
import datetime
import hashlib
import hmac
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

GATEWAY_PORT = 18098
HTTP_PORT = 18099
DEFAULT_SPEED = 20.0
FAILURES_BEFORE_LOCKOUT = 5
LOCKOUT_SECONDS = 295
EVENTS_KEPT = 1000
HOST_NAME_PREFIX = re.compile(r"ibgateway-lab-(\d+-)?")

WRONG_PASSWORD = "Invalid username or password."
UNRECOGNIZED = "Unrecognized Username or Password.\nPasswords are case sensitive, check Caps Lock."
MULTIPLE_PAPER_USERS = (
    "<html>Connection to server failed: The specified user has multiple Paper Trading users associated with it. "
    "<br><br>Please log on using one of the Paper Trading users and corresponding password.</html>"
)
PAPER_USER_IN_LIVE_MODE = "You have selected the Live Account Mode, but the specified user is a Paper Trading user."
TOTP_REJECTED = "Second factor authentication failed."
TOKEN_EXPIRED = (
    "The security tokens associated with your login credentials have expired (routinely).\n"
    "Please re-enter your password, and your second factor where one is asked for, to log in again."
)

FAULTS: dict[str, tuple[type, ...]] = {
    "dialog": (str, dict),
    "welcome_before_failure": (bool,),
    "locked_out": (bool,),
    "silent": (bool,),
    "token_expired": (bool,),
    "slot_held": (int, float),
    "slot_silent": (bool,),
    "notices": (list,),
}
DIALOGS = ("login-failed", "unrecognized")


class BadRequest(Exception):
    """What a client of the HTTP side asked for cannot be done."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclasses.dataclass
class User:
    login: str
    password: str
    totp_secret: str
    kind: str
    accounts: list[str]


@dataclasses.dataclass
class Counter:
    attempts: int = 0
    failures: int = 0
    kicks: int = 0
    max_concurrent: int = 0
    logouts: int = 0
    losses: int = 0
    failures_in_a_row: int = 0
    locked_until: float = 0.0

    def shown(self) -> dict[str, int]:
        names = ("attempts", "failures", "kicks", "max_concurrent", "logouts", "losses")
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass
class Session:
    login: str
    host: str
    since: str
    gateway: Gateway | None = None
    fights_after: float | None = None


class Gateway:
    """One gateway that is up: a connection, and what it has got through so far."""

    def __init__(self, host: str, send: Callable[[dict[str, Any]], None]) -> None:
        self.host = host
        self.send = send
        self.up_key: str | None = None
        self.user: User | None = None
        self.stage = ""
        self.wrong_codes = 0
        self.second_factor_passed = ""


def totp(secret: str, at: float) -> str:
    """The RFC 6238 code (SHA-1, six digits, 30 s) of a base32 secret."""
    padded = secret.upper().replace(" ", "")
    key = base64.b32decode(padded + "=" * (-len(padded) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1000000:06d}"


def totp_matches(secret: str, code: str, at: float) -> bool:
    return any(hmac.compare_digest(totp(secret, at + step * 30), code) for step in (-1, 0, 1))


def parse_user(login: str, body: Any) -> User:
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object with password, totp_secret, kind and accounts")
    wanted = {"password": str, "totp_secret": str, "kind": str, "accounts": list}
    for name, kind in wanted.items():
        if not isinstance(body.get(name), kind):
            raise BadRequest(f"{name} is missing or no {'list' if kind is list else 'string'}")
    unknown = set(body) - set(wanted) - {"faults"}
    if unknown:
        raise BadRequest(f"unknown keys: {', '.join(sorted(unknown))}")
    if body["kind"] not in ("paper", "live"):
        raise BadRequest("kind must be paper or live")
    if not body["accounts"] or not all(isinstance(account, str) and account for account in body["accounts"]):
        raise BadRequest("accounts must name at least one account")
    try:
        totp(body["totp_secret"], 0)
    except (binascii.Error, ValueError):
        raise BadRequest("totp_secret is no base32") from None
    return User(login, body["password"], body["totp_secret"], body["kind"], list(body["accounts"]))


def parse_faults(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest("faults must be a JSON object")
    for name, value in body.items():
        if name not in FAULTS:
            raise BadRequest(f"unknown fault {name}; known: {', '.join(FAULTS)}")
        if not isinstance(value, FAULTS[name]) or (isinstance(value, bool) and bool not in FAULTS[name]):
            raise BadRequest(f"fault {name} has a value of the wrong type")
    dialog = body.get("dialog")
    if isinstance(dialog, str) and dialog not in DIALOGS:
        raise BadRequest(f"dialog must be one of {', '.join(DIALOGS)}, or an object with title and text")
    if isinstance(dialog, dict) and not all(isinstance(dialog.get(key), str) for key in ("title", "text")):
        raise BadRequest("a dialog needs title and text")
    if not all(isinstance(code, int) for code in body.get("notices", [])):
        raise BadRequest("notices must be a list of numbers")
    return dict(body)


class Ibkr:
    """What IBKR knows; every public method takes the one lock."""

    def __init__(self, users: dict[str, Any], clock: Callable[[], float] = time.time) -> None:
        self._defaults = {login.casefold(): parse_user(login, body) for login, body in users.items()}
        self._clock = clock
        self._lock = threading.RLock()
        self._gateways: list[Gateway] = []
        self._sessions: dict[str, Session] = {}
        self._held: dict[str, tuple[float, Session]] = {}
        self._history: collections.deque[tuple[float, str, str, Gateway | str]] = collections.deque(maxlen=EVENTS_KEPT)
        self._set_defaults()

    def _set_defaults(self) -> None:
        self._history.clear()
        self._users = {key: dataclasses.replace(user) for key, user in self._defaults.items()}
        self._faults: dict[str, dict[str, Any]] = {}
        self._counters: dict[str, Counter] = {key: Counter() for key in self._users}
        self._settings: dict[str, Any] = {"speed": DEFAULT_SPEED, "early_pings": 0}
        self._held.clear()

    # -- HTTP side ------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        with self._lock:
            return {
                "sessions": [
                    {"login": session.login, "host": session.host, "since": session.since}
                    for _key, session in sorted(self._sessions.items())
                ],
                "logins": {key: counter.shown() for key, counter in sorted(self._counters.items())},
                "up": [
                    {"login": gateway.up_key, "host": gateway.host}
                    for gateway in self._gateways
                    if gateway.up_key is not None
                ],
                "settings": dict(self._settings),
            }

    def history(self, login: str) -> dict[str, Any]:
        """What happened to a login, in its order: up, logged-in, logged-out, down."""
        with self._lock:
            return {
                "events": [
                    {"at": at, "event": event, "host": where.host if isinstance(where, Gateway) else where}
                    for at, key, event, where in self._history
                    if key == login.casefold()
                ]
            }

    def put_user(self, login: str, body: Any) -> None:
        user = parse_user(login, body)
        faults = parse_faults(body["faults"]) if "faults" in body else None
        with self._lock:
            key = login.casefold()
            self._users[key] = user
            self._counter(key)
            if faults is not None:
                self._faults[key] = faults

    def put_faults(self, login: str, body: Any) -> None:
        faults = parse_faults(body)
        with self._lock:
            self._faults[login.casefold()] = faults

    def put_settings(self, body: Any) -> None:
        if not isinstance(body, dict):
            raise BadRequest("settings must be a JSON object")
        unknown = set(body) - {"speed", "early_pings"}
        if unknown:
            raise BadRequest(f"unknown settings: {', '.join(sorted(unknown))}")
        speed = body.get("speed", 1)
        if isinstance(speed, bool) or not isinstance(speed, (int, float)) or not 0.01 <= speed <= 1000:
            raise BadRequest("speed must be a number from 0.01 to 1000")
        if body.get("early_pings", 0) not in (0, 1, 2):
            raise BadRequest("early_pings must be 0, 1 or 2")
        with self._lock:
            self._settings.update(body)

    def put_session(self, login: str, body: Any) -> None:
        """Log in from a place outside the fleet: desktop TWS, mobile, portal."""
        if not isinstance(body, dict) or not isinstance(body.get("host"), str) or set(body) - {"host", "fights_after"}:
            raise BadRequest("a session needs host (string), and may have fights_after (seconds)")
        fights_after = body.get("fights_after")
        if isinstance(fights_after, bool) or not isinstance(fights_after, (int, float, type(None))):
            raise BadRequest("fights_after must be a number of seconds")
        with self._lock:
            self._take(login.casefold(), Session(login, body["host"], self._now(), None, fights_after))

    def delete_session(self, login: str) -> None:
        with self._lock:
            session = self._sessions.pop(login.casefold(), None)
            if session is None:
                raise BadRequest(f"no session of {login}", 404)
            self._note(login.casefold(), "logged-out", session.gateway or session.host)
            if session.gateway is not None:
                session.gateway.send({"event": "ended"})

    def post_event(self, login: str, body: Any) -> None:
        """Something IBKR does to a session that is there: its token expires, its farms send a notice."""
        if not isinstance(body, dict):
            raise BadRequest("an event is a JSON object")
        with self._lock:
            session = self._sessions.get(login.casefold())
            if session is None or session.gateway is None:
                raise BadRequest(f"no gateway has a session of {login}", 404)
            if body == {"event": "token-expired"}:
                del self._sessions[login.casefold()]
                session.gateway.second_factor_passed = ""
                session.gateway.send({"event": "token-expired", "dialog": {"title": "Gateway", "text": TOKEN_EXPIRED}})
            elif body.get("event") == "notice" and isinstance(body.get("code"), int):
                session.gateway.send({"event": "notice", "code": body["code"]})
            else:
                raise BadRequest('an event is {"event": "token-expired"} or {"event": "notice", "code": <number>}')

    def reset(self) -> None:
        """Back to the built-in users, faults, settings and zero counters; gateways that run stay as they are."""
        with self._lock:
            self._set_defaults()
            for key, session in list(self._sessions.items()):
                if session.gateway is None:
                    del self._sessions[key]
                elif key not in self._users:
                    del self._sessions[key]
                    session.gateway.send({"event": "ended"})
            for gateway in self._gateways:
                if gateway.up_key is not None:
                    self._count_up(gateway.up_key)

    # -- the gateways' side ---------------------------------------------------

    def connected(self, gateway: Gateway) -> None:
        with self._lock:
            self._gateways.append(gateway)

    def disconnected(self, gateway: Gateway) -> None:
        with self._lock:
            self._gateways.remove(gateway)
            for key, session in list(self._sessions.items()):
                if session.gateway is gateway:
                    del self._sessions[key]
                    self._note(key, "logged-out", gateway)
                    self._counter(key).losses += 1
                    hold = self._faults.get(key, {}).get("slot_held", 0)
                    if hold:
                        self._held[key] = (self._clock() + hold, session)
            if gateway.up_key is not None:
                self._note(gateway.up_key, "down", gateway)

    def named(self, gateway: Gateway, host: str) -> None:
        with self._lock:
            gateway.host = host
            for session in self._sessions.values():
                if session.gateway is gateway:
                    session.host = host

    def asked(self, gateway: Gateway, message: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a gateway's message; None where IBKR stays silent."""
        with self._lock:
            what = message.get("do")
            if what == "up":
                gateway.up_key = str(message.get("login", "")).casefold()
                self._note(gateway.up_key, "up", gateway)
                self._count_up(gateway.up_key)
                return {"result": "up", "settings": dict(self._settings)}
            if what == "login":
                return self._login(gateway, message)
            if what == "code" and gateway.stage == "totp":
                return self._code(gateway, str(message.get("code", "")))
            if what == "continue" and gateway.stage == "existing":
                return self._grant(gateway)
            if what == "logout":
                for key, session in list(self._sessions.items()):
                    if session.gateway is gateway:
                        del self._sessions[key]
                        self._note(key, "logged-out", gateway)
                        self._counter(key).logouts += 1
                return {"result": "logged-out"}
            return {"result": "error", "text": f"{what} makes no sense here"}

    # -- under the lock -------------------------------------------------------

    def _now(self) -> str:
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        return now.isoformat(timespec="milliseconds")

    def _counter(self, key: str) -> Counter:
        return self._counters.setdefault(key, Counter())

    def _note(self, key: str, event: str, where: Gateway | str) -> None:
        self._history.append((self._clock(), key, event, where))

    def _count_up(self, key: str) -> None:
        counter = self._counter(key)
        now_up = sum(1 for gateway in self._gateways if gateway.up_key == key)
        counter.max_concurrent = max(counter.max_concurrent, now_up)

    def _login(self, gateway: Gateway, message: dict[str, Any]) -> dict[str, Any] | None:
        login = str(message.get("login", ""))
        key = login.casefold()
        user = self._users.get(key)
        faults = self._faults.get(key, {})
        counter = self._counter(key)
        counter.attempts += 1
        gateway.stage = ""
        gateway.wrong_codes = 0

        if faults.get("silent") or (faults.get("slot_silent") and self._holding(key)):
            return None
        if faults.get("locked_out") or self._clock() < counter.locked_until:
            counter.locked_until = self._clock() + LOCKOUT_SECONDS
            minutes, seconds = divmod(LOCKOUT_SECONDS, 60)
            text = (
                f"Too many failed login attempts. Please wait {minutes} minutes & {seconds} seconds "
                "before attempting to re-login again."
            )
            return self._fail(key, "locked-out", "Login failed", text, welcome=True)
        if user is None or str(message.get("password", "")) != user.password:
            if faults.get("dialog") == "unrecognized":
                return self._fail(key, "wrong-password", "Unrecognized Username or Password", UNRECOGNIZED)
            return self._fail(key, "wrong-password", "Login failed", WRONG_PASSWORD)
        if isinstance(faults.get("dialog"), dict):
            return self._fail(key, "message", faults["dialog"]["title"], faults["dialog"]["text"])
        if user.kind == "live" and message.get("mode") == "paper":
            return self._fail(key, "multiple-paper-users", "Gateway", MULTIPLE_PAPER_USERS)
        if user.kind == "paper" and message.get("mode") == "live":
            return self._fail(key, "paper-user-in-live-mode", "Login failed", PAPER_USER_IN_LIVE_MODE, welcome=True)
        if faults.pop("token_expired", False):
            return {
                "result": "dialog",
                "reason": "token-expired",
                "welcome": True,
                "dialog": {"title": "Gateway", "text": TOKEN_EXPIRED},
            }
        gateway.user = user
        if user.totp_secret and not (message.get("again") and gateway.second_factor_passed == key):
            gateway.stage = "totp"
            return {"result": "totp"}
        return self._session(gateway)

    def _fail(self, key: str, reason: str, title: str, text: str, welcome: bool = False) -> dict[str, Any]:
        counter = self._counter(key)
        counter.failures += 1
        if reason in ("wrong-password", "totp-rejected"):
            counter.failures_in_a_row += 1
            if counter.failures_in_a_row >= FAILURES_BEFORE_LOCKOUT:
                counter.locked_until = self._clock() + LOCKOUT_SECONDS
        return {
            "result": "dialog",
            "reason": reason,
            "welcome": self._faults.get(key, {}).get("welcome_before_failure", welcome),
            "dialog": {"title": title, "text": text},
        }

    def _code(self, gateway: Gateway, code: str) -> dict[str, Any]:
        assert gateway.user is not None
        key = gateway.user.login.casefold()
        if totp_matches(gateway.user.totp_secret, code, self._clock()):
            gateway.second_factor_passed = key
            return self._session(gateway)
        gateway.wrong_codes += 1
        if gateway.wrong_codes < 3:
            return {"result": "totp"}
        gateway.stage = ""
        return self._fail(key, "totp-rejected", "Login failed", TOTP_REJECTED)

    def _session(self, gateway: Gateway) -> dict[str, Any]:
        assert gateway.user is not None
        key = gateway.user.login.casefold()
        session = self._sessions.get(key) or self._holding(key)
        if session is not None and session.gateway is not gateway:
            gateway.stage = "existing"
            return {"result": "existing"}
        return self._grant(gateway)

    def _holding(self, key: str) -> Session | None:
        until, session = self._held.get(key, (0.0, None))
        return session if self._clock() < until else None

    def _grant(self, gateway: Gateway) -> dict[str, Any]:
        user = gateway.user
        assert user is not None
        key = user.login.casefold()
        gateway.stage = ""
        self._held.pop(key, None)
        self._counter(key).failures_in_a_row = 0
        self._take(key, Session(user.login, gateway.host, self._now(), gateway))
        return {
            "result": "ok",
            "kind": user.kind,
            "accounts": user.accounts,
            "notices": self._faults.get(key, {}).get("notices", []),
        }

    def _take(self, key: str, session: Session) -> None:
        old = self._sessions.get(key)
        self._sessions[key] = session
        self._note(key, "logged-in", session.gateway or session.host)
        if old is None or (old.gateway is not None and old.gateway is session.gateway):
            return
        self._counter(key).kicks += 1
        if old.gateway is not None:
            old.gateway.send({"event": "kicked"})
        elif old.fights_after is not None:
            timer = threading.Timer(old.fights_after / self._settings["speed"], self._fight, (key, old))
            timer.daemon = True
            timer.start()

    def _fight(self, key: str, session: Session) -> None:
        with self._lock:
            if key in self._sessions:
                session.since = self._now()
                self._take(key, session)


# -- the two servers ----------------------------------------------------------


def host_of(address: str) -> str:
    """The lab host's name from reverse DNS; the address itself where there is none."""
    try:
        name = socket.gethostbyaddr(address)[0].split(".")[0]
    except OSError:
        return address
    prefix = HOST_NAME_PREFIX.match(name)
    return name[prefix.end() :] if prefix else name


class GatewayServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], ibkr: Ibkr) -> None:
        self.ibkr = ibkr
        super().__init__(address, GatewayHandler)


class GatewayHandler(socketserver.StreamRequestHandler):
    server: GatewayServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        ibkr = self.server.ibkr
        address = str(self.client_address[0])
        writing = threading.Lock()

        def send(message: dict[str, Any]) -> None:
            with writing:
                try:
                    self.request.sendall(json.dumps(message).encode() + b"\n")
                except OSError:
                    pass  # the reading side sees the end of this connection

        gateway = Gateway(address, send)
        threading.Thread(target=lambda: ibkr.named(gateway, host_of(address)), daemon=True).start()
        ibkr.connected(gateway)
        try:
            for line in self.rfile:
                try:
                    message = json.loads(line)
                except ValueError:
                    break
                if not isinstance(message, dict):
                    break
                answer = ibkr.asked(gateway, message)
                if answer is not None:
                    send(answer)
        except OSError:
            pass
        finally:
            ibkr.disconnected(gateway)


class HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], ibkr: Ibkr) -> None:
        self.ibkr = ibkr
        super().__init__(address, HttpHandler)


class HttpHandler(http.server.BaseHTTPRequestHandler):
    server: HttpServer
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        try:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            status, body = 200, self._route(raw)
        except BadRequest as error:
            status, body = error.status, {"error": str(error)}
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = _answer

    def _route(self, raw: bytes) -> dict[str, Any]:
        ibkr = self.server.ibkr
        parts = [urllib.parse.unquote(part) for part in urllib.parse.urlsplit(self.path).path.split("/")[1:]]
        what = (self.command, *parts[:1])

        def body() -> Any:
            try:
                return json.loads(raw)
            except ValueError:
                raise BadRequest("the body is no JSON") from None

        if len(parts) == 1:
            if what == ("GET", "state"):
                return ibkr.state()
            if what == ("POST", "reset"):
                ibkr.reset()
                return {}
            if what == ("PUT", "settings"):
                ibkr.put_settings(body())
                return {}
        if len(parts) == 2 and parts[1]:
            if what == ("GET", "history"):
                return ibkr.history(parts[1])
            if what == ("DELETE", "sessions"):
                ibkr.delete_session(parts[1])
                return {}
            takes_body = {
                ("PUT", "users"): ibkr.put_user,
                ("PUT", "faults"): ibkr.put_faults,
                ("PUT", "sessions"): ibkr.put_session,
                ("POST", "events"): ibkr.post_event,
            }
            if what in takes_body:
                takes_body[what](parts[1], body())
                return {}
        raise BadRequest(f"nothing at {self.command} {self.path}", 404)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        print(f'{self.address_string()} "{self.requestline}" {int(code)}', flush=True)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "users.json"), encoding="utf-8") as file:
        ibkr = Ibkr(json.load(file))
    gateways = GatewayServer(("0.0.0.0", GATEWAY_PORT), ibkr)
    web = HttpServer(("0.0.0.0", HTTP_PORT), ibkr)
    threading.Thread(target=gateways.serve_forever, daemon=True).start()
    print(f"IBKR stand-in: gateways on {GATEWAY_PORT}, HTTP on {HTTP_PORT}", flush=True)
    web.serve_forever()


if __name__ == "__main__":
    main()
