# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model of takeovers: two or three runs in any order of their steps, on hosts and engines that fail as they like.

The modules' own code decides and acts; only engine, files, lock and clock are in memory. What must hold after each step:
one session of the login at most (hosts assumed to be powered off apart), a live session that no paper run has ended, and
the session that was there at first kept until a new one is proven. What must hold in the end, all faults mended: one more
run brings the session to its target, and leaves no lease, nothing parked and no assumption.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import (
    fence,
    gateway_watch,
    lease,
    receipts,
    sessions,
    start,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.takeover import Plan
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils import takeover_runs
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import (
    MANAGED,
    SLOT,
    inspect_of,
)
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.takeover_runs import (
    CONTAINER,
    TTL,
    Manners,
    Run,
    gateway_env,
)
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.takeover_world import (
    ORIGIN,
    Choices,
    Host,
    ModelLock,
    Process,
    ViolationError,
    World,
)

FULL = os.environ.get("TEST_COUNT") == "full"
STEPS = 120_000 if FULL else 6_000
LENGTH = 350
BOUND = 60_000


@pytest.fixture(autouse=True)
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> lease.Now:
        return ModelLock.world.clock()

    for module in (sessions, lease, gateway_watch):
        monkeypatch.setattr(module, "HostLock", ModelLock)
    for module in (lease, gateway_watch):
        monkeypatch.setattr(module, "read_clock", clock)
    monkeypatch.setattr(gateway_watch, "State", lambda: ModelLock.world.current.host.state)  # type: ignore[union-attr]
    monkeypatch.setattr(sessions, "SETTLE_SECONDS", 0.0)


class Story:
    """One history: what there is at first, which faults there may be, and then chance."""

    def __init__(self, choices: Choices, habits: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.choices = choices
        self.world = World(choices, ["production", "staging", "spare"][: 2 + (choices.below(4) == 3)])
        self.runs: list[Run] = []
        self.frozen: dict[Run, int] = {}
        self.origin_live = False
        self.origin_kept = False
        self._people()
        self._habits(habits)

    def tell(self) -> None:
        """The whole history.

        :raises ViolationError: what must never be.
        """
        try:
            favourite: Process | None = None
            faults = 0
            for _number in range(LENGTH):
                if faults < self.most_faults and self.choices.chance(self.fault_rate):
                    faults += 1
                    self._fault()
                if self.punctual and any(host.engine.late for host in self.world.hosts.values()):
                    if self.choices.chance(self.punctual):
                        self._serve_late()
                ready = [item for item in self.world.processes if item.ready and not self._sleeps(item.run)]
                if len(self.runs) < self.most_runs and (not ready or self.choices.chance(4)):
                    self._begin()
                    continue
                if not ready:
                    if not self.world.processes:
                        break
                    if self.frozen:
                        self.frozen.clear()
                    else:
                        self._fault()
                    continue
                if favourite not in ready or not self.choices.chance(self.constancy):
                    favourite = self.choices.one(ready)
                self.world.advance(favourite)
                self._check()
            self._end_well()
        finally:
            self.world.end()

    def _sleeps(self, run: Run) -> bool:
        return self.frozen.get(run, 0) > self.world.steps

    def _people(self) -> None:
        """What is there before the first run: one holder at most, and containers that do not count."""
        one = self.choices.one
        host = self.world.hosts[one(sorted(self.world.hosts))]
        kind = one(["slot", "foreign", "none", "rm"])
        self.origin_live = kind != "none" and self.choices.below(8) == 7
        if kind != "none":
            env = gateway_env("live" if self.origin_live else "paper", f"{ORIGIN}=1")
            item = inspect_of(
                CONTAINER if kind == "slot" else "old",
                env,
                image="heshiming/ibga" if kind == "slot" else "own/x",
                policy="no" if kind == "rm" else one(["unless-stopped", "always", "on-failure"]),
                labels={**SLOT, **MANAGED} if kind == "slot" else {},
                auto_remove=kind == "rm",
            )
            host.engine.held[item["Id"]] = item
            self.origin_kept = kind != "rm"
        for name in self.world.hosts:
            engine = self.world.hosts[name].engine
            if self.choices.below(4) == 3 and engine.named("left-over") is None:
                item = inspect_of("left-over", gateway_env("paper"), status=one(["created", "exited"]), policy="no")
                engine.held[item["Id"]] = item

    def _habits(self, given: Mapping[str, Any]) -> None:
        """Which faults this history knows, so that some of them meet often, and how its runs behave."""
        below, one = self.choices.below, self.choices.one
        kinds: dict[str, Callable[[], None]] = {
            "time": self._time_passes,
            "kill": self._kill,
            "freeze": self._freeze,
            "cut": self._cut,
            "reboot": self._reboot,
            "power": self._power,
            "engine": self._engine,
            "late": self._serve_late,
            "compose": self._compose,
        }
        self.kinds = {
            name: kinds[name] for name in given.get("faults") or [one(list(kinds)) for _number in range(1 + below(4))]
        }
        self.fault_rate = one([1, 3, 6, 12])
        self.constancy = one([50, 80, 95, 98])
        self.logs_in = one([100, 60, 20])
        self.punctual = 0
        self.most_runs = 2 + below(3)
        self.most_faults = one([1, 3, LENGTH])
        self.rude = below(3) == 2
        self.manners: Manners | None = None
        self.world.watchdog = below(8) == 7
        self.may_assume = below(3) > 0
        self.lies = below(3) == 2
        self.may_check = not given and below(3) == 2
        if "late" in self.kinds:
            self.world.faults = {"late": one([5, 30, 60])}
            requests = [("start",), ("start", "policy"), ("policy", "remove", "rename", "create"), ("",)]
            self.world.late_only = given.get("late_only") or one(requests)
            self.punctual = one([0, 2, 10])
        if "engine" in self.kinds:
            self.world.faults.update({"dies before": 1, "dies after": 2})

        vars(self).update({name: value for name, value in given.items() if name in vars(self)})

    def _begin(self) -> None:
        names = sorted(self.world.hosts)
        target = self.choices.one(names)
        off = [
            name
            for name in names
            if name != target
            and (
                self.world.hosts[name].off
                or (self.lies and (self.world.hosts[name].cut_off or self.choices.below(4) == 3))
            )
        ]
        manners = self.manners or Manners(*(self.rude and self.choices.below(3) == 2 for _name in Manners._fields))
        self._deploy(
            target,
            "live" if self.choices.below(6) == 5 else "paper",
            off if self.may_assume and self.choices.below(8) else [],
            manners,
            check=self.may_check and self.choices.below(4) == 3,
        )

    def _deploy(
        self,
        target: str,
        mode: str,
        assumed: Sequence[str] = (),
        manners: Manners = Manners(),  # noqa: B008 - it cannot be changed
        logs_in: int | None = None,
        check: bool = False,
    ) -> Run:
        run = Run(
            self.world,
            len(self.runs) + 1,
            target,
            mode,
            assumed,
            self.choices.one(["here", "there"]),
            3 * self.choices.below(3),
            self.logs_in if logs_in is None else logs_in,
            manners,
            self.runs[-1] if self.runs else None,
            check,
        )
        words = [name for name, given in zip(Manners._fields, manners) if given] + ["check mode"] * check
        self.world.note(f"{run.name}: {mode} to {target}, assuming {assumed}, from {run.machine}, {words}")
        self.runs.append(run)
        return run

    def _fault(self) -> None:
        self.choices.one(list(self.kinds.values()))()
        self.world.check()

    def _host(self, broken: Callable[[Host], bool] = lambda host: False) -> Host:
        """Any host; one that is *broken* first, so that histories go on."""
        names = [name for name in sorted(self.world.hosts) if broken(self.world.hosts[name])]
        if not names or self.choices.below(4) == 0:
            names = sorted(self.world.hosts)
        return self.world.hosts[self.choices.one(names)]

    def _time_passes(self) -> None:
        self.world.time += self.choices.one([10.0, TTL / 2, TTL + 1])

    def _kill(self) -> None:
        alive = [run for run in self.runs if not run.dead]
        if not alive:
            return
        run = self.choices.one(alive)
        self.world.note(f"{run.name}: its controller is killed")
        self._end_process(run.controller)
        for process in [item for item in self.world.processes if item.run is run]:
            if self.choices.below(2):
                self._end_process(process)

    def _end_process(self, process: Process) -> None:
        process.kill()
        if process in self.world.processes:
            self.world.processes.remove(process)

    def _freeze(self) -> None:
        """A run is stopped for a while (SIGSTOP), often for longer than its lease lasts."""
        alive = [run for run in self.runs if not run.dead]
        if alive:
            run = self.choices.one(alive)
            self.frozen[run] = self.world.steps + self.choices.one([40, 160, 320])
            self.world.note(f"{run.name}: sleeps")
            if self.choices.below(4):
                self.world.time += TTL + 1

    def _compose(self) -> None:
        """Somebody has Compose create the gateway's container. It is not started."""
        engine = self._host().engine
        if engine.named(CONTAINER) is None:
            item = inspect_of(
                CONTAINER, gateway_env("paper"), status="created", policy="no", labels={**SLOT, **MANAGED}
            )
            engine.held[item["Id"]] = item

    def _cut(self) -> None:
        host = self._host(lambda item: item.cut_off)
        host.cut_off = not host.cut_off
        self.world.note(f"{host.name}: {'cut off' if host.cut_off else 'back'}")

    def _reboot(self) -> None:
        host = self._host()
        self.world.note(f"{host.name}: reboots")
        host.power_off()
        host.power_on()
        self._bury()

    def _power(self) -> None:
        host = self._host(lambda item: item.off)
        self.world.note(f"{host.name}: {'switched on' if host.off else 'switched off'}")
        if host.off:
            host.power_on()
        else:
            host.power_off()
        self._bury()

    def _engine(self) -> None:
        host = self._host(lambda item: item.engine.down and not item.off)
        if host.off:
            return
        if host.engine.down:
            self.world.note(f"{host.name}: its engine comes up")
            host.engine.come_up()
        else:
            self.world.note(f"{host.name}: its engine dies")
            host.engine.die()

    def _serve_late(self) -> None:
        host = self._host(lambda item: bool(item.engine.late))
        if host.engine.late and not host.engine.down:
            host.engine.serve(self.choices.below(len(host.engine.late)))

    def _bury(self) -> None:
        self.world.processes[:] = [item for item in self.world.processes if not item.done]

    def _check(self) -> None:
        if self.origin_kept and not self.world.proofs:
            held = [item for host in self.world.hosts.values() for item in host.engine.held.values()]
            if not any(f"{ORIGIN}=1" in item["Config"]["Env"] for item in held):
                raise ViolationError("the session that was there at first is lost, and no other was proven")

    def _end_well(self) -> None:
        """All faults mended, and one more run."""
        world = self.world
        world.note("the faults are mended")
        world.faults = {}
        world.watchdog = False
        for run in self.runs:
            if not run.dead:
                self._end_process(run.controller)
        for process in list(world.processes):
            self._end_process(process)
        for host in world.hosts.values():
            host.cut_off = False
            if host.off:
                host.power_on()
            if host.engine.down:
                host.engine.come_up()
            while host.engine.late:
                host.engine.serve(0)
                world.check()
            world.check()
        world.time += TTL + 1
        live = any(item.worst_mode.name == "live" for host in world.hosts.values() for item in host.sessions())
        last = self._deploy(sorted(world.hosts)[-1], "live" if live or self.origin_live else "paper", logs_in=100)
        for _number in range(1000):
            ready = [item for item in world.processes if item.ready]
            if not ready:
                break
            world.advance(ready[0])
            self._check()
        if last.outcome not in ("proven", "nothing to do"):
            raise ViolationError(f"one more run does not converge: {last.outcome or 'it hangs'}")
        up = [name for name in world.hosts for _item in world.hosts[name].sessions()]
        if up != [last.target]:
            raise ViolationError(f"in the end the sessions are on {up} instead of {last.target}")
        for host in world.hosts.values():
            if host.state.parked() and any(item["state"] == "parked" for item in host.state.parked()):
                raise ViolationError(f"in the end something is parked on {host.name}")
            if any(lease.is_living(record, host.now()) for record in host.state.leases()):
                raise ViolationError(f"in the end there is a lease on {host.name}")
        if world.assumed():
            raise ViolationError(f"in the end {world.assumed()} is still assumed to be powered off")


def told(choices: Choices, habits: Mapping[str, Any] = MappingProxyType({})) -> tuple[Story, ViolationError | None]:
    story = Story(choices, habits)
    try:
        story.tell()
    except ViolationError as error:
        return story, error
    return story, None


def shortened(made: list[int], tries: int = 400) -> list[int]:
    """A shorter list of choices that still ends badly."""
    size = max(1, len(made) // 2)
    while size and tries > 0:
        position = 0
        while position < len(made) and tries > 0:
            tries -= 1
            for attempt in (
                made[:position] + made[position + size :],
                made[:position] + [0] * size + made[position + size :],
            ):
                if attempt != made and told(Choices(replay=attempt))[1] is not None:
                    made = attempt
                    break
            else:
                position += size
        size //= 2
    return made


def search(steps: int, first_seed: int = 0, habits: Mapping[str, Any] = MappingProxyType({})) -> tuple[int, int | None]:
    """Tell histories until *steps* steps were made or one ended badly; the steps, and the seed of the bad one."""
    made, seed = 0, first_seed
    while made < steps:
        story, error = told(Choices(seed), habits)
        if error is not None:
            return made + story.world.steps, seed
        made += max(1, story.world.steps)
        seed += 1
    return made, None


def explain(seed: int) -> str:
    first = Choices(seed)
    told(first)
    story, error = told(Choices(replay=shortened(first.made)))
    return f"seed {seed}: {error}\n{story.world.told()}"


def test_no_history_has_two_sessions_and_each_ends_well() -> None:
    steps, bad = search(STEPS)
    assert bad is None, explain(bad)  # type: ignore[arg-type]
    assert steps >= STEPS


Patch = Callable[[pytest.MonkeyPatch], None]


SLOW = (
    "a second look shows the fence",
    "a start needs the run's own lease on the target",
    "each host of the fleet has a receipt",
    "what is parked is out of Compose's reach",
    "a target that was assumed to be powered off is fenced and started anew",
)


class Mutant(NamedTuple):
    """One check taken out of the code, and the faults among which the model is to notice it."""

    check: str
    faults: tuple[str, ...]
    take_out: Patch
    habits: Mapping[str, Any] = MappingProxyType({})

    @property
    def quick(self) -> bool:
        """Whether it is found within a second, and so belongs to the small count."""
        return not self.habits and self.check not in SLOW


def replaced(module: Any, name: str, made: Callable[[Any], Any]) -> Patch:
    """Replace a function by what *made* makes of it."""
    return lambda monkeypatch: monkeypatch.setattr(module, name, made(getattr(module, name)))


def without(kind: str) -> Callable[[Any], Any]:
    """`plan_fence` without its steps of one kind."""

    def made(plan_fence: Any) -> Any:
        def planned(*what: Any) -> Any:
            plan = plan_fence(*what)
            return plan._replace(steps=tuple(step for step in plan.steps if step.kind != kind))

        return planned

    return made


def sparing_never_started(plan_fence: Any) -> Any:
    def planned(demand: Any, host: Any, wall: str) -> Any:
        plan = plan_fence(demand, host, wall)
        spared = {item.container_id for item in host.gateways if item.never_started and item.parked is None}
        return plan._replace(
            steps=tuple(step for step in plan.steps if step.kind != fence.REMOVE or step.container_id not in spared)
        )

    return planned


def record_of(record: Any, *_what: Any) -> Any:
    return record or {"generation": 0, "owner": {}}


def stolen(record: Any, request: Any, now: Any, generation: Any = None) -> Any:
    return lease.Change({**record, "run_id": request.run_id, "state": lease.HELD, "expires": now.seconds + TTL}, True)


A_STUBBORN_SLEEPER = {
    "manners": Manners(stubborn=True),
    "fault_rate": 3,
    "most_faults": 1,
    "logs_in": 100,
    "most_runs": 2,
    "constancy": 95,
}
MUTANTS = [
    Mutant(
        "a living lease of another run binds",
        ("kill",),
        replaced(
            lease,
            "take",
            lambda take: (
                lambda record, request, now: take(record and {**record, "state": lease.RELEASED}, request, now)
            ),
        ),
    ),
    Mutant(
        "a lease ends by itself",
        ("kill", "cut"),
        replaced(
            lease,
            "is_living",
            lambda is_living: lambda record, now: is_living(record and {**record, "expires": now.seconds + 1}, now),
        ),
    ),
    Mutant(
        "a lease ends with the boot",
        ("time", "kill", "reboot"),
        replaced(
            lease,
            "take",
            lambda take: (
                lambda record, request, now: take(
                    record and {**record, "boot_id": now.boot_id, "taken": now.seconds}, request, now
                )
            ),
        ),
    ),
    Mutant(
        "a lease that was given back binds nobody",
        ("time",),
        replaced(
            lease,
            "is_living",
            lambda is_living: lambda record, now: is_living(record and {**record, "state": lease.HELD}, now),
        ),
    ),
    Mutant(
        "only the run's own lease is renewed", ("freeze", "compose"), replaced(lease, "renew", lambda renew: stolen)
    ),
    Mutant(
        "a fence needs the run's own lease",
        ("freeze", "compose"),
        replaced(
            sessions.Sessions,
            "_own_lease",
            lambda own: lambda self, host, login, key, run_id: record_of(self._state.read_lease(key)),
        ),
    ),
    Mutant(
        "a start needs the run's own lease on the target",
        ("freeze", "compose"),
        replaced(start, "check_lease", lambda check_lease: lambda *what: None),
    ),
    Mutant(
        "the target's receipt is of the generation that the lease has now",
        ("freeze",),
        replaced(
            start,
            "check_lease",
            lambda check_lease: (
                lambda demand, record, now: lease.owned(record, demand.host, demand.login, demand.run_id, now)
            ),
        ),
        A_STUBBORN_SLEEPER,
    ),
    Mutant(
        "each receipt is of its lease's generation",
        ("freeze",),
        replaced(
            receipts,
            "_problem",
            lambda problem: (
                lambda wanted, host, item, own, check_mode: problem(
                    wanted, host, {**item, "generation": (own or {}).get("generation")}, own, check_mode
                )
            ),
        ),
        A_STUBBORN_SLEEPER,
    ),
    Mutant(
        "what a receipt says is looked at",
        ("freeze",),
        replaced(receipts, "_problem", lambda problem: lambda *what, **how: None),
        A_STUBBORN_SLEEPER,
    ),
    Mutant(
        "each receipt is for a start on this host",
        ("cut",),
        replaced(
            receipts,
            "_problem",
            lambda problem: (
                lambda wanted, host, item, own, check_mode: problem(
                    wanted, host, {**item, "target": wanted.target}, own, check_mode
                )
            ),
        ),
        {"fault_rate": 6, "most_faults": LENGTH, "logs_in": 20},
    ),
    Mutant(
        "each host of the fleet has a receipt",
        ("cut",),
        replaced(
            receipts,
            "verify",
            lambda verify: (
                lambda *what, **how: [item for item in verify(*what, **how) if item.code != "receipt-missing"]
            ),
        ),
    ),
    Mutant(
        "what is parked does not return", ("reboot", "engine"), replaced(fence, "plan_fence", without(fence.POLICY))
    ),
    Mutant("what is parked is stopped", ("time",), replaced(fence, "plan_fence", without(fence.STOP))),
    Mutant("a second look shows the fence", ("time",), replaced(fence, "shown", lambda shown: lambda *what: [])),
    Mutant(
        "what was never started is removed",
        ("late",),
        replaced(fence, "plan_fence", sparing_never_started),
    ),
    Mutant(
        "a start without an answer is noted",
        ("late", "kill", "late"),
        replaced(sessions.Sessions, "look", lambda look: lambda self: look(self)._replace(pending=frozenset())),
        {"late_only": ("start",), "fault_rate": 1, "punctual": 2, "most_runs": 4},
    ),
    Mutant(
        "what is parked is out of Compose's reach",
        ("kill", "cut"),
        replaced(fence, "_parked_in_slot", lambda parked_in_slot: lambda *what: False),
    ),
    Mutant(
        "a paper run never stops a live session",
        ("freeze", "compose"),
        replaced(fence, "_is_live", lambda is_live: lambda item: False),
    ),
    Mutant(
        "an assumption is recorded",
        ("power",),
        replaced(State, "write_assumed", lambda write: lambda *what: None),
    ),
    Mutant(
        "an assumption stays until the host was fenced",
        ("power",),
        replaced(takeover_runs, "settled", lambda settled: lambda *what: ["production", "spare", "staging"]),
    ),
    Mutant(
        "a host that answers is not assumed to be powered off",
        ("power",),
        replaced(
            takeover_runs,
            "silent_hosts",
            lambda silent: (
                lambda hosts, answers, assumed: silent([host for host in hosts if host not in assumed], answers)
            ),
        ),
    ),
    Mutant(
        "a host that was assumed to be powered off and answers again is fenced",
        ("power",),
        replaced(
            takeover_runs,
            "plan_takeover",
            lambda plan: lambda *what: plan(*what)._replace(reasons=[], leftovers=[], unsettled=[]),
        ),
    ),
    Mutant(
        "a target that was assumed to be powered off is fenced and started anew",
        ("power",),
        replaced(Plan, "touches", lambda touches: lambda plan, host: touches(plan._replace(unsettled=[]), host)),
    ),
    Mutant(
        "check mode takes no lease",
        ("time",),
        replaced(lease.Leases, "__init__", lambda init: lambda self, state, check_mode=False: init(self, state)),
        {"may_check": True},
    ),
    Mutant(
        "check and start are one under the host's lock",
        ("freeze",),
        replaced(ModelLock, "__enter__", lambda enter: lambda self: self),
    ),
]


QUICK = [mutant for mutant in MUTANTS if mutant.quick]


@pytest.mark.parametrize("mutant", MUTANTS if FULL else QUICK, ids=lambda mutant: mutant.check)
def test_a_check_that_is_taken_out_is_missed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.take_out(monkeypatch)
    dummy, bad = search(BOUND, habits={"faults": mutant.faults, **mutant.habits})
    assert bad is not None, f"{mutant.check}: nothing was found in {BOUND} steps"
