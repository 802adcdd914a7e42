# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway image's log against the transcripts of the real image, line for line.

Times, pids, positions and how long a refused connection took are set aside. What other programs print beside the
image's own lines (stderr) is compared as a sequence of its own, because the order of two streams is chance.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[2]
TRANSCRIPTS = TESTS / "fixtures" / "transcripts"
LAB = TESTS / "lab"
BASE = os.environ.get("LAB_BASE_IMAGE", "ibgateway-lab/base:trixie")
USERS = json.loads((LAB / "ibkr" / "users.json").read_text())
SPEED = 50
BOUND_SECONDS = 120
SETTLE_SECONDS = 0.4

OTHER_PROGRAMS = re.compile(
    r"(chown|tput|curl|chmod|rm|type): |/opt/ibga/\S+: line |Usage: type |--(window|delay|clearmodifiers|args|terminator|file) "
    r"|-h, --help|\s{12,}\w|\s*$"
)
SET_ASIDE = (
    (re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z "), ""),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[I\]"), "TIME [I]"),
    (re.compile(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d [A-Z]+ \d{4}"), "DATE"),
    (re.compile(r"\bpid: \d+"), "pid: PID"),
    (re.compile(r" at \d+,\d+"), " at X,Y"),
    (re.compile(r" after \d+ ms"), " after N ms"),
)
WAITING = "• waiting for jauto availability ..."
JAUTO = "TIME [I]"


def normal(lines: list[str]) -> list[str]:
    out = []
    for line in lines:
        for pattern, replacement in SET_ASIDE:
            line = pattern.sub(replacement, line)
        out.append(line)
    for number, line in enumerate(out):
        if line.endswith(WAITING):
            # The JVM prints its start beside this line: which of the two comes first is chance.
            while number and out[number - 1].startswith(JAUTO):
                out[number - 1 : number + 1] = out[number], out[number - 1]
                number -= 1
    return out


def transcript(name: str) -> tuple[list[str], list[str]]:
    """The image's own lines, and those of other programs."""
    lines = normal((TRANSCRIPTS / f"{name}.log").read_text().split("\n")[:-1])
    own = [line for line in lines if not OTHER_PROGRAMS.match(line)]
    return own, [line for line in lines if OTHER_PROGRAMS.match(line)]


def docker(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, input=stdin, timeout=BOUND_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


class Lab:
    """IBKR and the image on one network of the local engine."""

    def __init__(self) -> None:
        self.id = f"transcripts-{uuid.uuid4().hex[:8]}"
        self.images: list[str] = []
        self.volumes: list[str] = []
        self.containers: list[str] = []
        self.started: dict[int, list[str]] = {}

    def start(self) -> None:
        if subprocess.run(
            ["docker", "image", "inspect", BASE], capture_output=True, timeout=BOUND_SECONDS, check=False
        ).returncode:
            pytest.fail(
                f"the image {BASE} is missing: `make lab` makes it, or LAB_BASE_IMAGE names another Debian trixie"
            )
        ibkr, self.image = (self._build(name) for name in ("ibkr", "ibga"))
        docker("network", "create", self.id)
        self.ibkr = docker(
            "run", "-d", "--name", f"{self.id}-ibkr", "--network", self.id, "-p", "127.0.0.1::18099", ibkr
        )
        self.address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.ibkr)
        self.url = f"http://{docker('port', self.ibkr, '18099')}"
        deadline = time.monotonic() + BOUND_SECONDS
        while True:
            try:
                self.http("GET", "/state")
                return
            except OSError:
                assert time.monotonic() < deadline, "the IBKR stand-in does not answer"
                time.sleep(0.05)

    def _build(self, name: str) -> str:
        tag = f"{self.id}-{name}"
        docker("build", "-q", "--build-arg", f"BASE={BASE}", "-t", tag, str(LAB / name))
        self.images.append(tag)
        return tag

    def stop(self) -> None:
        self.clear()
        self.volumes = [volume for pair in self.started.values() for volume in pair]
        self.clear()
        steps = [("rm", "-f", f"{self.id}-ibkr"), ("network", "rm", self.id), *(("rmi", tag) for tag in self.images)]
        for step in steps:
            subprocess.run(["docker", *step], capture_output=True, timeout=BOUND_SECONDS, check=False)

    def clear(self) -> None:
        for kind, names in (("rm", self.containers), ("volume", self.volumes)):
            if names:
                command = ["docker", "rm", "-fv"] if kind == "rm" else ["docker", "volume", "rm"]
                subprocess.run([*command, *names], capture_output=True, timeout=BOUND_SECONDS, check=False)
        self.containers, self.volumes = [], []

    def http(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def _create_volumes(self) -> list[str]:
        made = [docker("volume", "create", f"{self.id}-{uuid.uuid4().hex[:6]}") for dummy in range(2)]
        self.volumes += made
        return made

    def copy_volumes(self, original: list[str]) -> None:
        """Two volumes with the content of these two."""
        pairs = list(zip(original, self._create_volumes()))
        mounts = [
            f"--mount=source={volume},target=/{side}/{number}"
            for number, pair in enumerate(pairs)
            for side, volume in zip(("from", "to"), pair)
        ]
        docker("run", "--rm", *mounts, "--entrypoint", "/bin/cp", self.image, "-a", "/from/.", "/to/")

    def keep_volumes(self, starts: int) -> None:
        """As those that this many starts leave."""
        self.started[starts], self.volumes = self.volumes, []

    def new_volumes(self, installer: str) -> None:
        self._create_volumes()
        seed = ["--mount", f"source={self.volumes[0]},target=/home/ibg", "--entrypoint", "/bin/sh", self.image]
        docker("run", "--rm", "-i", *seed, "-c", "cat > /home/ibg/ibgateway.sh", stdin=installer)

    def gateway(self, environment: dict[str, str]) -> str:
        # Not as arguments, which every process of this machine can read.
        variables = "".join(f"{name}={value}\n" for name, value in environment.items())
        program, settings = self.volumes
        container = docker(
            *("run", "-d", "--network", self.id, "--add-host", f"ibkr:{self.address}"),
            *(
                "--mount",
                f"source={program},target=/home/ibg",
                "--mount",
                f"source={settings},target=/home/ibg_settings",
            ),
            *("--env-file", "/dev/stdin", self.image),
            stdin=variables,
        )
        self.containers.append(container)
        return container


def logs(container: str) -> tuple[list[str], list[str]]:
    done = subprocess.run(["docker", "logs", container], capture_output=True, timeout=BOUND_SECONDS, check=False)
    own, others = (normal(stream.decode().split("\n")[:-1]) for stream in (done.stdout, done.stderr))
    return own, others


def wait_for(container: str, enough: Callable[[list[str]], bool]) -> None:
    """Until the log has enough, or the container ends, or the bound is reached: what is missing shows in the diff."""
    deadline = time.monotonic() + BOUND_SECONDS
    while time.monotonic() < deadline:
        running = docker("inspect", "-f", "{{.State.Running}}", container) == "true"
        if enough(logs(container)[0]) or not running:
            return
        time.sleep(0.2)


def holds(text: str, lines: list[str]) -> bool:
    return any(text in line for line in lines)


def expire_token(lab: Lab, container: str) -> None:
    lab.http("POST", "/events/afpaper01", {"event": "token-expired"})


def log_in_elsewhere(lab: Lab, container: str) -> None:
    lab.http("PUT", "/sessions/afpaper01", {"host": "desktop"})


def fight(lab: Lab, container: str) -> None:
    lab.http("PUT", "/sessions/afpaper01", {"host": "desktop", "fights_after": 26})


def end_java(lab: Lab, container: str) -> None:
    docker("exec", container, "pkill", "-TERM", "-x", "java")


def close_by_menu(lab: Lab, container: str) -> None:
    command = 'source /opt/ibga/_run_ibg.sh; _click_menu "File/Close"'
    docker("exec", "--user", "ibg", container, "bash", "-c", command)


@dataclasses.dataclass
class Case:
    name: str
    environment: dict[str, str | None] = dataclasses.field(default_factory=dict)
    starts_before: int = 0
    early_pings: int = 0
    faults: dict[str, Any] = dataclasses.field(default_factory=dict)
    kind: str = "paper"
    session: dict[str, Any] | None = None
    then: Callable[[Lab, str], None] | None = None
    then_after: str = "    clicking OK at"
    endless: bool = False
    installer: str = (LAB / "ibga" / "ibgateway.sh").read_text()
    exit_code: int | None = None


def closed_by_menu(name: str) -> Case:
    marker = "  - option check skipped"
    return Case(name, starts_before=2, early_pings=2, then=close_by_menu, then_after=marker)


CASES = [
    Case("01-paper-totp-first"),
    Case("02a-paper-second-start", starts_before=1, early_pings=1),
    closed_by_menu("02b-paper-third-start-skip"),
    Case("03-live-success", environment={"IB_USERNAME": "aflive01", "IB_LOGINTYPE": "Live Trading"}),
    Case("04a-badpw-loginfailed-nowelcome", environment={"IB_PASSWORD": "wrong"}, early_pings=1),
    Case(
        "04b-badpw-loginfailed-welcome",
        environment={"IB_PASSWORD": "wrong"},
        early_pings=1,
        faults={"welcome_before_failure": True},
    ),
    Case(
        "05b-badpw-unrecognized-nowelcome",
        environment={"IB_PASSWORD": "wrong"},
        early_pings=1,
        faults={"dialog": "unrecognized"},
    ),
    Case("06-multipaper", kind="live", early_pings=1),
    Case("07a-paper-in-live-loginfailed", environment={"IB_LOGINTYPE": "Live Trading"}, endless=True),
    Case("08-existing-once", early_pings=1, session={"host": "desktop"}),
    Case("09-fight", then=fight, endless=True),
    Case("10-totp-rejected", environment={"TOTP_KEY": USERS["aflive01"]["totp_secret"]}, endless=True),
    Case("12a-token-expired-first", faults={"token_expired": True}),
    Case("12b-token-expired-later", then=expire_token),
    Case("13a-java-dies-hang", then=end_java),
    Case(
        "14-installer-fails",
        environment={"IBG_DOWNLOAD_URL": "http://127.0.0.1:9/none"},
        installer="#!/bin/sh\necho 'fake installer: no space left'\nexit 1\n",
        exit_code=0,
    ),
    Case("15b-toomany-loginfailed-pane", faults={"locked_out": True}, endless=True),
    closed_by_menu("17-clean-close-kill"),
    Case("19-username-changed-kept", environment={"IB_USERNAME": "afpaper02"}, starts_before=3, early_pings=2),
    Case("21f-password-dash", environment={"IB_PASSWORD": "-abcd1"}, early_pings=1),
    Case("22-2fa-no-totp-key", environment={"TOTP_KEY": None}, early_pings=1, endless=True),
    Case("30-jauto-dialogs", early_pings=1, then=log_in_elsewhere),
    Case("40-term-xterm", environment={"TERM": "xterm"}, starts_before=3),
    Case("41-term-unset", environment={"TERM": None}, starts_before=3, early_pings=2),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab()
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@pytest.fixture(autouse=True)
def cleared(lab: Lab) -> Iterator[None]:
    lab.http("POST", "/reset")
    lab.http("PUT", "/users/afpaper02", {**USERS["afpaper01"], "accounts": ["DU7654321"]})
    yield
    lab.clear()


def environment(changes: dict[str, str | None]) -> dict[str, str]:
    login = changes.get("IB_USERNAME") or "afpaper01"
    user = USERS.get(login, USERS["afpaper01"])
    values: dict[str, str | None] = {
        "TERM": "dumb",
        "IB_USERNAME": login,
        "IB_PASSWORD": user["password"],
        "IB_LOGINTYPE": "Paper Trading",
        "IB_REGION": "Europe",
        "IB_TIMEZONE": "Europe/Berlin",
        "TOTP_KEY": user["totp_secret"],
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def volumes_after(lab: Lab, starts: int, installer: str) -> None:
    """Volumes on which this many good logins have been. They are made once and copied for each case."""
    if starts == 0:
        lab.new_volumes(installer)
        return
    if starts not in lab.started:
        volumes_after(lab, starts - 1, installer)
        start_once(lab, ("    clicking OK at", "option check, created", "option check skipped")[starts - 1])
        lab.keep_volumes(starts)
    lab.copy_volumes(lab.started[starts])


def start_once(lab: Lab, last: str) -> None:
    lab.http("PUT", "/settings", {"speed": SPEED, "early_pings": 0})
    container = lab.gateway(environment({}))
    wait_for(container, functools.partial(holds, last))
    lines = logs(container)[0]
    assert holds(last, lines), f"a start before the case did not end in {last!r}: {lines[-5:]}"
    docker("rm", "-f", container)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_log_is_that_of_the_real_image(lab: Lab, case: Case) -> None:
    expected, expected_of_others = transcript(case.name)
    volumes_after(lab, case.starts_before, case.installer)
    lab.http("PUT", "/users/afpaper01", {**USERS["afpaper01"], "kind": case.kind})
    lab.http("PUT", "/faults/afpaper01", case.faults)
    lab.http("PUT", "/settings", {"speed": SPEED, "early_pings": case.early_pings})
    if case.session:
        lab.http("PUT", "/sessions/afpaper01", case.session)

    container = lab.gateway(environment(case.environment))
    if case.then:
        wait_for(container, functools.partial(holds, case.then_after))
        case.then(lab, container)
    wait_for(container, lambda lines: len(lines) >= len(expected))
    time.sleep(SETTLE_SECONDS)
    got, got_of_others = logs(container)
    if case.endless:
        assert len(got) >= len(expected)
        got = got[: len(expected)]

    for kind, wanted, found in (("own", expected, got), ("other programs'", expected_of_others, got_of_others)):
        diff = difflib.unified_diff(wanted, found, "real image", "lab's image", lineterm="", n=2)
        assert wanted == found, f"{case.name}: the {kind} lines differ:\n" + "\n".join(diff)
    if case.exit_code is not None:
        wait_for(container, lambda lines: False)
        state = docker("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", container)
        assert state == f"exited {case.exit_code}"
