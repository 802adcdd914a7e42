# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker's API on a socket, as far as a test says what it answers; the SDK that asks is the real one."""

from __future__ import annotations

import base64
import io
import json
import re
import socketserver
import tarfile
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any, Callable, Mapping, NamedTuple

Body = Any


class Answer(NamedTuple):
    status: int = 200
    body: Body = None
    headers: Mapping[str, str] = {}


class Asked(NamedTuple):
    """A request as the engine got it: `POST /containers/abc/kill?signal=SIGKILL`, and its body."""

    what: str
    body: Body


class StubEngine:
    """Serves one answer for each request that a test expects; what it does not expect is a 404."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.answers: dict[str, Answer | Callable[[], Answer]] = {
            "GET /version": Answer(body={"ApiVersion": "1.43", "Version": "26.1.5"})
        }
        self.asked: list[Asked] = []
        self.released = threading.Event()
        self._server = _Server(path, _Handler)
        self._server.stub = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def changes(self) -> list[Asked]:
        """What was asked but to look."""
        return [item for item in self.asked if not item.what.startswith("GET ")]

    def answer(self, what: str, body: Body) -> Answer:
        self.asked.append(Asked(what, body))
        found = self.answers.get(what, Answer(404, {"message": "No such container"}))
        return found() if callable(found) else found

    def silence(self) -> Answer:
        """Keeps the caller waiting until the test has ended."""
        self.released.wait()
        return Answer(500)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    stub: StubEngine

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that has hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    def _serve(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = f"{self.command} {re.sub(r'^/v[0-9.]+', '', self.path)}"
        answer = server.stub.answer(what, json.loads(sent) if sent else None)
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        if answer.body is None:
            body = b""
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *dummy: Any) -> None:
        pass


def archive(content: bytes, **stat: Any) -> Answer:
    """A file as `GET /containers/x/archive` hands it over."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    told = {"name": "file", "size": len(content), "mode": 0o600, "linkTarget": "", **stat}
    header = base64.b64encode(json.dumps(told).encode()).decode()
    return Answer(200, packed.getvalue(), {"Content-Type": "application/x-tar", "X-Docker-Container-Path-Stat": header})


def frames(*lines: bytes) -> bytes:
    """Lines of standard output, as the engine sends the log of a container without a terminal."""
    return b"".join(b"\x01\0\0\0" + len(line).to_bytes(4, "big") + line for line in lines)
