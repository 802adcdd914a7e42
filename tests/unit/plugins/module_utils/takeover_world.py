# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet in memory on which the collection's own code runs, one small step at a time.

Every call to an engine, every file that is written and every taking of a lock is a step. What runs is a `Process`: the
controller of a run, or a module on a host. Processes are threads of which exactly one is awake, so that a list of
choices decides everything: the same list gives the same history.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import (
    PAPER,
    Gateway,
    login_key,
    read_gateway,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import Now
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import MemoryEngine

LOGIN = "AFpaper01"
KEY = login_key(LOGIN)
WALL = "2025-12-12T10:00:00Z"
ORIGIN = "MODEL_ORIGIN"
TRACE_LINES = 60
GUARDED = ("fenced", "started", "returned", "cleared")
PROOF = ("policy always of", "policy unless-stopped of", "policy on-failure of")


class KilledError(BaseException):
    """The process is killed: nothing of it catches this."""


class ViolationError(AssertionError):
    """What must never be has happened."""


class Choices:
    """Where all chance comes from: a seed, or a list of earlier choices to be repeated."""

    def __init__(self, seed: int | None = None, replay: Sequence[int] = ()) -> None:
        self._random = random.Random(seed) if seed is not None else None
        self._replay = iter(replay)
        self.made: list[int] = []

    def below(self, bound: int) -> int:
        number = self._random.randrange(bound) if self._random else next(self._replay, 0) % bound
        self.made.append(number)
        return number

    def one(self, of: Sequence[Any]) -> Any:
        return of[self.below(len(of))]

    def chance(self, percent: int) -> bool:
        """Choice 0 is no, so that a shorter list has fewer faults."""
        return self.below(100) >= 100 - percent


class Process:
    """A controller, or a module on a host (`host` is set)."""

    def __init__(
        self, world: World, name: str, function: Callable[[], Any], run: Any, host: Host | None = None, task: str = ""
    ) -> None:
        self.world = world
        self.name = name
        self.task = task
        self.run = run
        self.host = host
        self.result: Any = None
        self.done = False
        self.killed = False
        self.waits_for: Callable[[], bool] | None = None
        self.locked_at = world.time
        self._function = function
        self._wake = threading.Lock()
        self._slept = threading.Lock()
        self._wake.acquire()
        self._slept.acquire()
        self._thread: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        return not self.done and (self.waits_for is None or self.waits_for())

    def advance(self) -> None:
        """Run it up to its next step."""
        previous, self.world.current = self.world.current, self
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._wake.release()
        self._slept.acquire()
        self.world.current = previous
        if self.done:
            self._thread.join()

    def kill(self) -> None:
        if self.done:
            return
        self.killed = True
        if self._thread is None:
            self.done = True
        else:
            self.advance()

    def pause(self, what: str, until: Callable[[], bool] | None = None) -> None:
        """The end of a step: others may run before the next one, which comes when *until* holds."""
        self.waits_for = until
        self._slept.release()
        self._wake.acquire()
        self.waits_for = None
        if self.killed:
            raise KilledError
        self.world.note(f"{self.name}: {what}")

    def _run(self) -> None:
        try:
            self.result = self._function()
        except KilledError:
            self.killed = True
        except GatewayError as error:
            self.result = {"failed": True, "msg": str(error), "code": error.code}
        except BaseException as error:  # noqa: BLE001 - the thread that tells the history raises it
            self.world.broken = error
        finally:
            self.done = True
            self._slept.release()


class ModelState(State):
    """A host's files, in memory; writing one is a step."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__("/state/" + name)
        self._world = world
        self._files: dict[str, dict[str, Any]] = {}

    def prepare(self) -> None:
        return

    def append_history(self, entry: Mapping[str, Any]) -> None:
        return

    def _read(self, path: str, fields: Mapping[str, Any]) -> dict[str, Any] | None:  # type: ignore[override]
        found = self._files.get(path)
        assert found is None or all(isinstance(found.get(name), kind) for name, kind in fields.items()), path
        return found

    def _write(self, path: str, record: Mapping[str, Any]) -> None:  # type: ignore[override]
        self._world.pause(f"write {path}")
        self._world.changing(f"writes {path}")
        self._world.written(self, path, record)
        self._files[path] = dict(record)

    def _forget(self, path: str) -> None:  # type: ignore[override]
        if path in self._files:
            self._world.pause(f"forget {path}")
            self._world.changing(f"forgets {path}")
            self._files.pop(path, None)

    def _all(self, part: str, fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        prefix = f"{self.directory}/{part}/"
        for path in sorted(self._files):
            if path.startswith(prefix):
                record = self._read(path, fields)
                if record is not None:
                    yield record


class ModelLock:
    """The lock of a host, in place of `HostLock`. It ends with its process."""

    world: World

    def __init__(self, state: State, wait: float = 0.0) -> None:
        self._host = next(host for host in self.world.hosts.values() if host.state is state)

    def __enter__(self) -> ModelLock:
        self.world.pause("take the lock", lambda: self._host.locked_by is None)
        self._host.locked_by = self.world.current
        if self.world.current is not None:
            self.world.current.locked_at = self.world.time
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._host.locked_by = None


class ModelEngine(MemoryEngine):
    """A host's engine. It may be down, answer late (the request is carried out later) or die while it is asked."""

    def __init__(self, world: World, host: Host, *containers: dict[str, Any]) -> None:
        super().__init__(*containers)
        self.world = world
        self.host = host
        self.down = False
        self.late: list[tuple[str, Any, Callable[[], Any]]] = []
        self.by_hand: set[str] = set()
        self._carrying_out: Any = None
        self._starts = 0

    def containers(self) -> list[dict[str, Any]]:
        self._answer("list the containers")
        return list(self.held.values())

    def inspect(self, container: str) -> dict[str, Any] | None:
        self._answer(f"inspect {container[-4:]}")
        return self.held.get(container)

    def image_id(self, reference: str) -> str | None:
        return "sha256:" + "1" * 64

    def restart_policy(self, container: str, name: str) -> None:
        def change() -> None:
            if container in self.held:
                self.held[container]["HostConfig"]["RestartPolicy"] = {"Name": name, "MaximumRetryCount": 0}

        self._ask(f"policy {name} of", container, change)

    def never_restart(self, container: str) -> None:
        self.restart_policy(container, "no")

    def kill(self, container: str) -> None:
        self._ask("kill", container, lambda: self._end(container, 137))

    def stop(self, container: str, grace: int) -> None:
        self._ask("stop", container, lambda: self._end(container, 143))

    def start(self, container: str) -> None:
        self._ask("start", container, lambda: self._start(container))

    def rename(self, container: str, name: str) -> None:
        self._ask(f"rename to {name}", container, lambda: self._rename(container, name))

    def remove(self, container: str) -> None:
        self._ask("remove", container, lambda: self._remove(container))

    def create(self, name: str, body: Mapping[str, Any], networks: Mapping[str, Any]) -> str:
        made: str = self._ask("create", name, lambda: MemoryEngine.create(self, name, body, networks))
        return made

    def change(self, what: str, container: str, function: Callable[[], Any]) -> Any:
        """A change that something else than this collection's own code asks for (Compose)."""
        return self._ask(what, container, function)

    def serve(self, number: int) -> None:
        """Carry out a request whose asker has given up."""
        what, run, function = self.late.pop(number)
        self.world.note(f"{self.host.name}: served late: {what}")
        self._carry_out(run, function)

    def die(self) -> None:
        self.down = True
        self.late.clear()

    def come_up(self) -> None:
        """What the engine does with its containers when it starts."""
        self.down = False
        for item in self.held.values():
            state, policy = item["State"], item["HostConfig"]["RestartPolicy"]["Name"]
            ran = state["Running"]
            comes_back = policy == "always" or (policy == "unless-stopped" and item["Id"] not in self.by_hand)
            comes_back = comes_back or (policy == "on-failure" and (ran or state["ExitCode"] != 0))
            if state["Status"] == "created":
                continue
            if comes_back and (ran or state["Status"] == "exited"):
                self._starts += 1
                state.update(Status="running", Running=True, StartedAt=f"2025-12-13T10:{self._starts:04d}")
            elif ran:
                state.update(Status="exited", Running=False, ExitCode=137)
                item["NetworkSettings"]["Ports"] = {}

    def gateways(self) -> list[Gateway]:
        return [item for item in (read_gateway(inspect) for inspect in self.held.values()) if item is not None]

    def _answer(self, what: str) -> None:
        self.world.pause(what)
        if self.down:
            raise GatewayError(f"{self.host.name} {what}", "engine-down")

    def _ask(self, what: str, container: str, function: Callable[[], Any]) -> Any:
        name = f"{what} {container[-4:]}"
        self._answer(name)
        self.world.changing(name)
        self.world.allowed(self.host, what)
        run = self.world.current.run if self.world.current else None
        fate = self.world.fate(self.host, what)
        if fate == "late":
            self.late.append((name, run, function))
            raise GatewayError(f"{self.host.name} {name}", "engine-silent")
        if fate == "dies before":
            self.die()
            raise GatewayError(f"{self.host.name} {name}", "engine-down")
        made = self._carry_out(run, function, raises=True)
        if fate == "dies after":
            self.die()
            raise GatewayError(f"{self.host.name} {name}", "engine-down")
        return made

    def _carry_out(self, run: Any, function: Callable[[], Any], raises: bool = False) -> Any:
        live = {item.container_id for item in self.gateways() if item.up and item.worst_mode.name != PAPER}
        try:
            return function()
        except GatewayError:
            if raises:
                raise
        finally:
            if run is not None and run.mode == PAPER:
                gone = live - {item.container_id for item in self.gateways() if item.up}
                if gone:
                    raise ViolationError(f"the paper run {run.name} ended the live {sorted(gone)} on {self.host.name}")
        return None

    def _start(self, container: str) -> None:
        item = self.held.get(container)
        if item is None:
            raise GatewayError("no such container", "container-missing")
        if not item["State"]["Running"]:
            self._starts += 1
            self.by_hand.discard(container)
            item["State"].update(Status="running", Running=True, StartedAt=f"2025-12-12T10:{self._starts:04d}")

    def _end(self, container: str, code: int) -> None:
        if container in self.held and self.held[container]["State"]["Running"]:
            self.by_hand.add(container)
            super()._end(container, code)

    def _rename(self, container: str, name: str) -> None:
        if container not in self.held:
            raise GatewayError("no such container", "container-missing")
        if self.held[container]["Name"] != "/" + name:
            self._free(name)
            self.held[container]["Name"] = "/" + name
            if self.world.watchdog and self.host.locked_by is not None and self.world.choices.chance(50):
                self.world.note(f"{self.host.name}: a watchdog starts it again")
                self._start(container)

    def _remove(self, container: str) -> None:
        if container in self.held:
            if self.held[container]["State"]["Running"]:
                raise GatewayError("it runs", "engine-refused")
            del self.held[container]

    def _note(self, what: str, container: str) -> None:
        return


class Host:
    """A machine: its engine, its files, its lock and its clock."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.state = ModelState(world, name)
        self.engine = ModelEngine(world, self)
        self.locked_by: Process | None = None
        self.cut_off = False
        self.off = False
        self.boots = 1
        self.booted_at = world.time
        self._world = world

    @property
    def answers(self) -> bool:
        return not self.cut_off and not self.off

    def now(self) -> Now:
        return Now(f"boot-{self.boots}", self._world.time - self.booted_at, WALL)

    def power_off(self) -> None:
        self.off = True
        self.engine.die()
        for process in self._world.processes:
            if process.host is self:
                process.kill()
        self.locked_by = None

    def power_on(self) -> None:
        self.off = False
        self.boots += 1
        self.booted_at = self._world.time
        self.engine.come_up()

    def sessions(self) -> list[Gateway]:
        """The gateways of the login that run."""
        return [] if self.off else [item for item in self.engine.gateways() if item.up and item.has_login(KEY)]


class World:
    """The fleet, the processes, and what must always hold."""

    def __init__(self, choices: Choices, names: Sequence[str]) -> None:
        self.choices = choices
        self.time = 1000.0
        self.current: Process | None = None
        self.processes: list[Process] = []
        self.broken: BaseException | None = None
        self.trace: list[str] = []
        self.steps = 0
        self.faults: dict[str, int] = {}
        self.late_only: tuple[str, ...] = ("",)
        self.watchdog = False
        self.proofs = 0
        self.hosts = {name: Host(self, name) for name in names}
        ModelLock.world = self

    def note(self, what: str) -> None:
        self.trace.append(what)

    def pause(self, what: str, until: Callable[[], bool] | None = None) -> None:
        if self.current is not None:
            self.current.pause(what, until)

    def fate(self, host: Host, what: str) -> str:
        """What becomes of a request to an engine."""
        for name in ("late", "dies before", "dies after"):
            if name == "late" and not what.startswith(self.late_only):
                continue
            if self.faults.get(name) and self.choices.chance(self.faults[name]):
                self.note(f"{host.name}: the engine: {name}")
                return name
        return ""

    def spawn(
        self, name: str, function: Callable[[], Any], run: Any, host: Host | None = None, task: str = ""
    ) -> Process:
        process = Process(self, name, function, run, host, task)
        self.processes.append(process)
        return process

    def advance(self, process: Process) -> None:
        process.advance()
        self.steps += 1
        if process.done:
            self.processes.remove(process)
        self.check()

    def end(self) -> None:
        """No thread outlives its world."""
        for process in list(self.processes):
            process.kill()
        self.processes.clear()

    def changing(self, what: str) -> None:
        """Check mode changes nothing."""
        if self.current is not None and self.current.run is not None and self.current.run.check:
            raise ViolationError(f"{self.current.name} {what} in check mode")

    def allowed(self, host: Host, what: str) -> None:
        """A run fences and starts only while it holds the unexpired lease of that host.

        It may expire while the host's lock is held: nobody else can take it then.
        """
        process = self.current
        if process is None or process.host is None:
            return
        if process.task not in GUARDED and not (process.task == "login" and what in PROOF):
            return
        record = host.state.read_lease(KEY)
        if (
            record is None
            or record["state"] != "held"
            or record["run_id"] != process.run.run_id
            or record["boot_id"] != host.now().boot_id
            or record["expires"] <= process.locked_at - host.booted_at
        ):
            raise ViolationError(f"{process.name}: {what} without the lease of {host.name}")

    def written(self, state: ModelState, path: str, record: Mapping[str, Any]) -> None:
        run = self.current.run if self.current is not None else None
        if "/leases/" in path and run is not None:
            before, host = state.read_lease(KEY), next(item for item in self.hosts.values() if item.state is state)
            if (
                before is not None
                and before["run_id"] != run.run_id
                and not before["owner"]["run"].dead
                and (before["state"], before["boot_id"]) == ("held", host.now().boot_id)
                and before["expires"] > host.now().seconds
            ):
                raise ViolationError(
                    f"{run.name} changes the living lease of {before['owner']['run'].name} on {host.name}"
                )
        if "/assumed/" in path and run is not None and "sessions" in run.answers[record["host"]].get("seen", {}):
            raise ViolationError(f"{run.name} assumes that {record['host']} is powered off, which has answered it")

    def clock(self) -> Now:
        assert self.current is not None
        assert self.current.host is not None
        return self.current.host.now()

    def assumed(self) -> set[str]:
        """The hosts that a start has assumed to be powered off and that no run has fenced since."""
        return {record["host"] for host in self.hosts.values() for record in host.state.assumed()}

    def check(self) -> None:
        if self.broken is not None:
            raise self.broken
        excepted = self.assumed()
        up = [
            f"{item.container} on {name}"
            for name in self.hosts
            if name not in excepted
            for item in self.hosts[name].sessions()
        ]
        if len(up) > 1:
            raise ViolationError(f"sessions of one login: {', '.join(up)}")

    def told(self) -> str:
        return "\n".join(self.trace[-TRACE_LINES:])
