# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that holds the secrets of one run of ansible-playbook, so that all hosts and tasks share one sign-in.

It is started by the first task that needs a secret, keeps what it resolved in memory only, answers over a Unix socket
in a directory that only its user can enter, and ends with ansible-playbook, leaving nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import multiprocessing
import os
import re
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Sequence, Union

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import onepassword
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

PREFIX = "abstractfinance"
SOCKET_PATH_LIMIT = 103
START_LIMIT = 30.0
ANSWER_LIMIT = 300.0
POLL_INTERVAL = 0.5
MESSAGE_LIMIT = 64 * 1024 * 1024

# The agent's first words: find this directory's files under their real names without any other of Ansible's machinery.
BOOTSTRAP = """
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import types
name = ""
for part in ("ansible_collections", "abstractfinance", "ibgateway", "plugins", "module_utils"):
    name = name + "." + part if name else part
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
sys.modules[name].__path__ = [sys.argv[1]]
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import secret_agent
secret_agent.main(sys.argv[2:])
"""

Answers = Dict[str, Union[str, GatewayError]]


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one with the same number by when it started."""

    pid: int
    started: str

    @classmethod
    def find(cls, pid: int) -> Process | None:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except FileNotFoundError:
            return cls._find_by_ps(pid) if not os.path.isdir("/proc/self") else None
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, fields[19])

    @classmethod
    def _find_by_ps(cls, pid: int) -> Process | None:
        listed = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=START_LIMIT
        )
        started = re.sub(r"\W+", "", listed.stdout)
        return cls(pid, started) if started else None

    def alive(self) -> bool:
        return Process.find(self.pid) == self


class AgentEnded(GatewayError):
    """The agent was there and is gone, killed by something else. Another can be started in its place."""


def run_process() -> Process:
    """The ansible-playbook that this task belongs to: tasks run in forks of it."""
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent is not None and parent.pid == os.getppid() else os.getpid()
    found = Process.find(pid) if pid is not None else None
    if found is None:
        raise GatewayError("the process of ansible-playbook is gone: run it again", "secrets-agent-failed")
    return found


def resolve(token: str, wanted: Sequence[str], process: Process) -> Answers:
    """What each reference resolves to, from the agent of that run, which is started where it is not there yet."""
    address = onepassword.check_token(token)
    directory = _directory(process)
    request = json.dumps({"token": token, "address": address, "references": list(wanted)})
    try:
        reply = _ask(directory, process, request)
    except AgentEnded:
        reply = _ask(directory, process, request)
    if "error" in reply:
        raise GatewayError(reply["error"]["message"], reply["error"]["code"])
    answers: Answers = dict(reply["secrets"])
    for text, error in reply["refused"].items():
        answers[text] = GatewayError(error["message"], error["code"])
    return answers


def _ask(directory: str, process: Process, request: str) -> dict[str, Any]:
    with _connection(directory, process) as connection:
        return _converse(connection, request)


def _converse(connection: socket.socket, request: str) -> dict[str, Any]:
    connection.settimeout(ANSWER_LIMIT)
    received: list[bytes] = []
    try:
        connection.sendall(request.encode() + b"\n")
        while not received or not received[-1].endswith(b"\n"):
            received.append(connection.recv(65536))
            if not received[-1]:
                raise ConnectionResetError
    except socket.timeout:
        raise GatewayError(
            f"1Password gave no answer within {ANSWER_LIMIT:.0f} s: try again", "secrets-unreachable"
        ) from None
    except OSError:
        raise AgentEnded(
            "the process that holds this run's secrets ended before it answered: run the playbook again",
            "secrets-agent-failed",
        ) from None
    reply: dict[str, Any] = json.loads(b"".join(received))
    return reply


def _directory(process: Process) -> str:
    """A directory of this run that only its user can enter."""
    name = f"{PREFIX}-{os.getuid()}-{process.pid}-{process.started}"
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir()]
    usable = [
        place
        for place in places
        if place
        and os.access(place, os.W_OK | os.X_OK)
        and len(os.path.join(place, name, "socket")) <= SOCKET_PATH_LIMIT
    ]
    if not usable:
        raise GatewayError(
            "no directory on the controller for the socket of this run's secrets: set TMPDIR to one that is writable and "
            f"whose path is shorter than {SOCKET_PATH_LIMIT - len(os.path.join(name, 'socket'))} characters; now it is "
            f"{places[1]}",
            "secrets-agent-failed",
        )
    directory = os.path.join(usable[0], name)
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise GatewayError(
            f"{directory} on the controller is not this user's own: remove it, and find out who made it",
            "secrets-agent-failed",
        )
    return directory


@contextlib.contextmanager
def _connection(directory: str, process: Process) -> Iterator[socket.socket]:
    """Connected to the agent. Tasks run side by side: one starts it, the others wait for the lock."""
    with open(os.path.join(directory, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = _connect(directory)
        if connection is None:
            _start(directory, process)
            connection = _connect(directory)
    if connection is None:
        raise GatewayError(
            "the process that holds this run's secrets started and cannot be reached: run the playbook again",
            "secrets-agent-failed",
        )
    with connection:
        yield connection


def _connect(directory: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(os.path.join(directory, "socket"))
    except OSError:
        connection.close()
        return None
    return connection


def _start(directory: str, process: Process) -> None:
    _sweep(os.path.dirname(directory))
    environment = {name: value for name, value in os.environ.items() if name != onepassword.TOKEN_VARIABLE}
    command = [sys.executable, "-c", BOOTSTRAP, os.path.dirname(os.path.abspath(__file__))]
    agent = subprocess.Popen(
        [*command, directory, str(process.pid), process.started],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
        start_new_session=True,
    )
    output = agent.stdout
    if output is None or not select.select([output], [], [], START_LIMIT)[0] or not output.read(1):
        agent.kill()
        agent.wait()
        raise GatewayError(
            f"the process that holds this run's secrets did not start within {START_LIMIT:.0f} s ({sys.executable}):"
            " check that this Python works",
            "secrets-agent-failed",
        )
    output.close()


def _sweep(place: str) -> None:
    """Remove what agents left that were killed: empty sockets of runs that are over."""
    for name in os.listdir(place):
        match = re.fullmatch(rf"{PREFIX}-{os.getuid()}-(\d+)-(\w+)", name)
        if match and not Process(int(match.group(1)), match.group(2)).alive():
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)


class Agent:
    """The other end of the socket."""

    def __init__(self, directory: str, process: Process) -> None:
        self._directory = directory
        self._process = process
        self._sessions: dict[str, onepassword.Session] = {}
        self._over = asyncio.Event()

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._over.set)
        path = os.path.join(self._directory, "socket")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        server = await asyncio.start_unix_server(self._answer, path, limit=MESSAGE_LIMIT)
        try:
            watch = asyncio.create_task(self._watch(loop))
            os.write(1, b"+")
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 1)
            await self._over.wait()
            watch.cancel()
        finally:
            server.close()
            shutil.rmtree(self._directory, ignore_errors=True)

    async def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set `_over` when ansible-playbook ends: told by the kernel where it can, else looked for."""
        if hasattr(os, "pidfd_open"):
            try:
                loop.add_reader(os.pidfd_open(self._process.pid), self._over.set)
            except OSError:
                pass
            else:
                if not self._process.alive():
                    self._over.set()
                return
        while self._process.alive():
            await asyncio.sleep(POLL_INTERVAL)
        self._over.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not _is_own_user(writer.get_extra_info("socket")):
                return
            request = json.loads(await reader.readline())
            writer.write(json.dumps(await self._resolve(request)).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _resolve(self, request: dict[str, Any]) -> dict[str, Any]:
        token, wanted = request["token"], request["references"]
        key = hashlib.sha256(token.encode()).hexdigest()
        session = self._sessions.setdefault(key, onepassword.Session(token, request["address"]))
        try:
            answers = await session.resolve(wanted)
        except GatewayError as error:
            return {"error": _as_json(error)}
        return {
            "secrets": {text: answer for text, answer in answers.items() if isinstance(answer, str)},
            "refused": {text: _as_json(answer) for text, answer in answers.items() if isinstance(answer, GatewayError)},
        }


def _as_json(error: GatewayError) -> dict[str, str]:
    return {"message": error.message, "code": error.code}


def _is_own_user(connection: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


def main(arguments: Sequence[str]) -> None:
    directory, pid, started = arguments
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    async def run() -> None:
        await Agent(directory, Process(int(pid), started)).serve()

    asyncio.run(run())
