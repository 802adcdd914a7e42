# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenarios share: the user's commands on the lab, the truth at the IBKR stand-in, and the canary."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import testinfra

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab"
sys.path.insert(0, str(LAB))

from ibgateway_lab import play as lab_play  # noqa: E402
from ibgateway_lab import settings as lab_settings  # noqa: E402
from ibgateway_lab import state as lab_state  # noqa: E402

STORE = LAB / "onepassword.json"
PLAY_TIMEOUT = 900
LOGIN_TIMEOUT = 180
HOSTS_OWN = (
    "\\( -path /var/lib/docker -o -path /var/lib/containerd -o -path /run/docker -o -path '/tmp/runc-process*' \\)"
)
ON_HOSTS = "/etc /home /opt /root /run /srv /tmp /var"
COMPOSE = """\
name: {project}
services:
  paper:
    image: ibgateway-lab/ibga:r20260803
    container_name: {container}
    restart: {restart}
    environment:
      IB_USERNAME: ${{IB_USERNAME}}
      IB_PASSWORD: ${{IB_PASSWORD}}
      TOTP_KEY: ${{TOTP_KEY}}
      IB_LOGINTYPE: Paper Trading
      IB_REGION: Europe
      IB_TIMEZONE: Europe/Berlin
      TERM: dumb
    volumes:
      - program:/home/ibg
      - settings:/home/ibg_settings
volumes:
  program: {{}}
  settings: {{}}
"""
Store = dict[str, dict[str, dict[str, str]]]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a playbook run left: its exit status, everything it printed, and what it asked of 1Password."""

    rc: int
    output: str
    calls: list[str]

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        lines = re.findall(r"^(\S+)\s+: (ok=.*)$", self.output, re.MULTILINE)
        return {host: {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", text)} for host, text in lines}

    @property
    def words(self) -> str:
        """The output with its line breaks folded, for sentences that are wrapped."""
        return " ".join(self.output.split())


class Running:
    """A playbook run at work, to be followed task by task, stopped, continued and killed."""

    def __init__(self, command: list[str], environment: Mapping[str, str], output: pathlib.Path) -> None:
        self._output = output
        self._counts = pathlib.Path(environment["LAB_ONEPASSWORD_COUNTS"])
        with output.open("wb") as stream:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks that have begun, in their order."""
        return re.findall(r"^TASK \[(?:\S+ : )?(.*)\] \*+$", self.output, re.MULTILINE)

    def reach(self, task: str) -> None:
        """Wait until the task of that name begins."""
        self.follow(lambda: task in self.tasks, f"the task {task!r}")

    def reach_task_or_end(self, number: int) -> bool:
        """Wait until the task of that number begins, the first one being 1, or the run has ended; whether it began."""
        self.follow(lambda: len(self.tasks) >= number or "PLAY RECAP" in self.output, f"task {number}")
        return len(self.tasks) >= number

    def follow(self, seen: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PLAY_TIMEOUT
        while True:
            ended = self._process.poll() is not None
            if seen():
                return
            assert not ended, f"the run ended before {what}:\n{self.output}"
            assert time.monotonic() < deadline, f"not at {what} within {PLAY_TIMEOUT} s:\n{self.output}"
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the run's processes, its workers and SSH clients included."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self._process.wait(timeout=30)

    def end(self) -> Outcome:
        self._process.wait(timeout=PLAY_TIMEOUT)
        print(self.output)
        calls = [json.loads(line)["call"] for line in self._counts.read_text(encoding="utf-8").splitlines()]
        return Outcome(self._process.returncode, self.output, calls)


class Ibkr:
    """The IBKR stand-in: what really is logged in, and its users."""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", lab_settings.IBKR_STATE_PORT, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text!r}"
            return dict(json.loads(text or b"{}"))

    @property
    def state(self) -> dict[str, Any]:
        return self.ask("GET", "/state")

    @property
    def sessions(self) -> list[dict[str, str]]:
        return list(self.state["sessions"])

    def session(self, login: str) -> dict[str, str]:
        (found,) = [item for item in self.sessions if item["login"] == login]
        return found

    def counts(self, login: str) -> dict[str, int]:
        return dict(self.state["logins"][login])


class Canary:
    """Every secret of a store, in every form in which it could be printed; nothing that a user sees may hold one."""

    def __init__(self) -> None:
        self.forms: set[str] = set()
        self.caught: list[str] = []
        self.processes = 0
        self.since = time.time()

    def learn(self, store: Store) -> None:
        for items in store.values():
            for item in items.values():
                for field, value in item.items():
                    for secret in note_secrets(value) if field == "notesPlain" else [value] * (field != "username"):
                        self.forms |= forms(secret)

    def search(self, where: str, text: str) -> None:
        if any(form in text for form in self.forms):
            self.caught.append(where)

    def search_everywhere(self) -> None:
        """The files of the controller and of the hosts outside of .env and of what is Docker's own."""
        here = {"/tmp", tempfile.gettempdir(), os.path.expanduser("~/.ansible"), str(ROOT / ".ansible")}
        labs_own = f"-path {shlex.quote(str(lab_settings.STATE))} -prune -o"
        self.search_files("controller", run_here, shlex.join(sorted(here)), labs_own)
        for name in ("staging", "production"):
            self.search_files(name, run_on(name), ON_HOSTS, f"{HOSTS_OWN} -prune -o -not -name .env")

    def search_files(self, where: str, host: Any, folders: str, without: str = "") -> None:
        """Grep the files changed since then for all secrets at once; these go in by standard input, not as arguments."""
        found = host(
            f"exec 3<&0; find {folders} {without} -type f -newermt @{int(self.since)} -print0 2>/dev/null"
            " | { mapfile -d '' files; ((${#files[@]} == 0)) || grep -laF -f /dev/fd/3 -- \"${files[@]}\"; } 2>/dev/null; true",
            "\n".join(sorted(self.forms)) + "\n",
        )
        self.caught += [f"{where}: {path}" for path in found.splitlines()]


def forms(secret: str) -> set[str]:
    return {
        secret,
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        shlex.quote(secret),
        urllib.parse.quote(secret),
        secret.replace("\\", "\\\\"),
        secret.replace("'", "''"),
        secret.encode().hex(),
        *encoded(secret.encode()),
    }


def encoded(secret: bytes) -> Iterator[str]:
    """What base64 makes of a secret wherever it stands in a text, without the characters that its neighbours decide."""
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + secret).decode().rstrip("=")
        middle = text[(0, 2, 3)[offset] : -1]
        if len(middle) >= 8:
            yield middle


def note_secrets(note: str) -> Iterator[str]:
    for line in note.splitlines():
        key, separator, value = line.partition("=")
        value = value.strip("'\" ")
        if separator and re.search("PASSWORD|SECRET|TOKEN|KEY", key) and value:
            yield value


def host_processes() -> list[str]:
    """The first process of each host that is up, asked of this machine's engine: a paused host gives no answer itself."""
    names = [lab_settings.container_name(name) for name in lab_settings.ENVIRONMENTS]
    command = ["docker", "inspect", "--format", "{{.State.Pid}}", *names]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.split()
    return [process for process in found if process != "0"]


@contextlib.contextmanager
def process_watch(canary: Canary) -> Iterator[None]:
    """Read the arguments of every process on this machine, those of the lab's hosts and containers included.

    And the environment of those that are in no container: the controller's, and the hosts' own.
    """
    done = threading.Event()
    spaces = {os.readlink(f"/proc/{process}/ns/pid") for process in ("self", *host_processes())}
    known: set[tuple[str, bytes]] = set()

    def look(process: pathlib.Path) -> None:
        line = (process / "cmdline").read_bytes()
        canary.processes += 1
        if (process.name, line) in known:
            return
        known.add((process.name, line))
        arguments = line.decode(errors="replace").split("\0")
        canary.search(f"arguments of a process {arguments[:2]}", " ".join(arguments))
        if os.readlink(process / "ns" / "pid") in spaces:
            environment = (process / "environ").read_bytes().decode(errors="replace")
            canary.search(f"environment of a process {arguments[:2]}", environment)

    def watch() -> None:
        while not done.wait(0.05):
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    look(process)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def run_here(command: str, text: str) -> str:
    return subprocess.run(
        ["bash", "-c", command], input=text, capture_output=True, text=True, timeout=120, check=True
    ).stdout


def run_on(name: str) -> Callable[[str, str], str]:
    def run(command: str, text: str) -> str:
        return subprocess.run(
            ["ssh", "-F", str(lab_state.SSH_CONFIG), name, command],
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout

    return run


def compose_quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def read_store() -> Store:
    return json.loads(STORE.read_text(encoding="utf-8"))


def lab(*arguments: str) -> None:
    subprocess.run([LAB / "lab", *arguments], check=True, timeout=300, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module", name="canary", autouse=True)
def fixture_canary() -> Iterator[Canary]:
    lab("reset")
    canary = Canary()
    canary.learn(read_store())
    yield canary
    canary.search_everywhere()
    assert canary.caught == []


@pytest.fixture(scope="module")
def begin(canary: Canary) -> Iterator[Callable[..., Running]]:
    """Begin a playbook run on the lab as a user does, and go on beside it: `begin("deploy-staging.yml", store=…)`.

    `settings` are those variables of Ansible's that `tests/lab/play` drops.
    """
    begun: list[Running] = []
    with tempfile.TemporaryDirectory(prefix="runs-", dir=lab_settings.STATE) as folder:

        def run(*arguments: str, store: Store | None = None, settings: Mapping[str, str] | None = None) -> Running:
            place = pathlib.Path(folder) / str(len(begun))
            place.mkdir()
            (place / "counts").write_bytes(b"")
            environment = {**os.environ, "LAB_ONEPASSWORD_COUNTS": str(place / "counts")}
            command = [str(LAB / "play"), *arguments]
            if store is not None:
                canary.learn(store)
                (place / "store.json").write_text(json.dumps(store), encoding="utf-8")
                environment["LAB_ONEPASSWORD"] = str(place / "store.json")
            if settings is not None:
                environment = {**lab_play.environment(environment, lab_play.made_up_token()), **settings}
                inventory = ["-i", str(ROOT / "inventories" / "lab")]
                command = ["ansible-playbook", *inventory, lab_play.playbook_path(arguments[0]), *arguments[1:]]
            begun.append(Running(command, environment, place / "output"))
            return begun[-1]

        try:
            yield run
        finally:
            for running in begun:
                running.kill()
                canary.search("output of a run", running.output)


@pytest.fixture(scope="module")
def play(begin: Callable[..., Running], canary: Canary) -> Callable[..., Outcome]:
    """Run a playbook on the lab to its end, as a user does: `play("deploy-staging.yml", "-vvvv", store=…)`."""

    def run(*arguments: str, **options: Any) -> Outcome:
        with process_watch(canary):
            outcome: Outcome = begin(*arguments, **options).end()
        canary.search(f"output of {' '.join(arguments)}", outcome.output)
        return outcome

    return run


@pytest.fixture
def store() -> Store:
    """The lab's 1Password, to be changed at will and given to `play`."""
    return read_store()


@pytest.fixture(scope="module")
def stored() -> Store:
    """The same, for a module whose tests share one changed store."""
    return read_store()


@pytest.fixture
def one_login(store: Store) -> Store:
    """The lab's 1Password with staging's login in production's items as well."""
    staging, production = (store[f"AF - Trading Infra - {name}"] for name in ("Staging", "Production"))
    for item, values in staging.items():
        production[item.replace("staging", "production")] = dict(values)
    return store


@pytest.fixture(scope="session")
def on_paper() -> list[str]:
    """Arguments with which production is deployed on paper."""
    return ["-e", json.dumps({"gateway_trading_mode": "Paper Trading", "gateway_account": "DU1234567"})]


@pytest.fixture(scope="session")
def ibkr() -> Ibkr:
    return Ibkr()


@pytest.fixture(scope="session", name="process_watch")
def fixture_process_watch() -> Callable[[Canary], contextlib.AbstractContextManager[None]]:
    return process_watch


def host_of(name: str) -> Any:
    return testinfra.get_host(f"ssh://{name}", ssh_config=str(lab_state.SSH_CONFIG))


@pytest.fixture(scope="session")
def staging() -> Any:
    return host_of("staging")


@pytest.fixture(scope="session")
def production() -> Any:
    return host_of("production")


@pytest.fixture
def settled(staging: Any, production: Any, ibkr: Ibkr) -> Callable[..., None]:
    """Check that afpaper01 is held on one host, was never used twice, and that nothing of a run is left anywhere."""

    def check(host: str, kicks: int = 0, concurrent: int = 1) -> None:
        assert ibkr.session("afpaper01")["host"] == host
        counts = ibkr.counts("afpaper01")
        assert (counts["max_concurrent"], counts["kicks"]) == (concurrent, kicks)
        for each in (staging, production):
            leases = each.check_output("cat /var/lib/abstractfinance/leases/afpaper01.json")
            assert json.loads(leases)["state"] == "released"
            assert each.check_output("ls /var/lib/abstractfinance/parked") == ""
            assert "parked" not in each.check_output("docker ps -a --format '{{.Names}}'")

    return check


@pytest.fixture(scope="session")
def lab_command() -> Callable[..., None]:
    return lab


@pytest.fixture(scope="session")
def shell() -> Callable[[str], Callable[[str, str], str]]:
    """What an operator types on a host, with what goes into it: `shell("staging")("cat > /root/file", text)`."""
    return run_on


@pytest.fixture(scope="module")
def holder(ibkr: Ibkr) -> Callable[..., None]:
    """A gateway of afpaper01 that this collection has not made: another compose project, name and restart policy."""

    def run(name: str, project: str, container: str, restart: str) -> None:
        user = json.loads((LAB / "users.json").read_text(encoding="utf-8"))["afpaper01"]
        host = run_on(name)
        settings = {"IB_USERNAME": "afpaper01", "IB_PASSWORD": user["password"], "TOTP_KEY": user["totp_secret"]}
        lines = "".join(f"{key}={compose_quoted(value)}\n" for key, value in settings.items())
        host("mkdir -p -m 700 /srv/rogue; umask 077; cat > /srv/rogue/.env", lines)
        host("cat > /srv/rogue/compose.yaml", COMPOSE.format(project=project, container=container, restart=restart))
        host("cd /srv/rogue && docker compose up -d", "")
        deadline = time.monotonic() + LOGIN_TIMEOUT
        while not any(item["login"] == "afpaper01" for item in ibkr.sessions):
            assert time.monotonic() < deadline, f"{container} on {name} did not log in within {LOGIN_TIMEOUT} s"
            time.sleep(0.2)

    return run
