# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run of the playbook, as the roles order its tasks, over the code that the modules call.

As with Ansible, a host that did not answer gets no further task, and what it registered before stays as it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import fence, gateway_watch, login, start
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import (
    LIVE,
    read_gateway,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import (
    LeaseHeldError,
    Leases,
    Request,
    public,
    read_clock,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.receipts import settled
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.recheck import check_unchanged, sessions_of
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.run import barrier_error, silent_hosts
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.sessions import Sessions
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.takeover import Plan, plan_takeover
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import (
    MANAGED,
    SLOT,
    MemoryEngine,
    inspect_of,
)
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.takeover_world import (
    KEY,
    LOGIN,
    Host,
    Process,
    World,
)

CONTAINER = "ibgateway"
TTL = 900.0
PROJECT, SERVICE = SLOT["com.docker.compose.project"], SLOT["com.docker.compose.service"]
WORDS = {"paper": "Paper Trading", LIVE: "Live Trading"}

Answer = dict[str, Any]
NOTHING_SEEN: Answer = {"sessions": [], "parked": [], "assumed_fenced": []}


def gateway_env(mode: str, *more: str) -> list[str]:
    return [f"IB_USERNAME={KEY}", f"IB_LOGINTYPE={WORDS[mode]}", *more]


class Manners(NamedTuple):
    """How far a run keeps to what the roles do. What makes a second session impossible must not rest on it."""

    limit: bool = False
    """It leaves out hosts of the fleet, and goes on where one gave no answer: --limit, ignore_unreachable."""

    inherits: bool = False
    """It brings receipts of an earlier run along, and fences on its own target only: --start-at-task."""

    stubborn: bool = False
    """It takes a lease again that it has lost, and goes on."""


class Run:
    """One operator's command, from the look to the release."""

    def __init__(
        self,
        world: World,
        number: int,
        target: str,
        mode: str,
        assumed: Sequence[str] = (),
        machine: str = "here",
        patience: int = 0,
        logs_in: int = 100,
        manners: Manners = Manners(),  # noqa: B008 - it cannot be changed
        before: Run | None = None,
        check: bool = False,
    ) -> None:
        self.world = world
        self.name = f"run {number}"
        self.run_id = str(uuid.UUID(int=(0xA00 + number) << 116))
        self.target = target
        self.mode = mode
        self.assumed = list(assumed)
        self.machine = machine
        self.patience = patience
        self.logs_in = logs_in
        self.check = check
        self.fleet = sorted(world.hosts)
        self.asked = [host for host in self.fleet if host not in self.assumed]
        self.active = set(self.fleet)
        self.answers: dict[str, dict[str, Answer]] = {host: {} for host in self.fleet}
        self.manners = manners
        if manners.limit:
            self.asked = [host for host in self.asked if host == target or world.choices.below(2)]
        if manners.inherits and before is not None:
            for host in self.fleet:
                self.answers[host].update(
                    {name: before.answers[host][name] for name in ("fenced", "renewed") if name in before.answers[host]}
                )
        self.proven = False
        self.outcome = ""
        self.controller = world.spawn(self.name, self.main, self)

    @property
    def dead(self) -> bool:
        return self.controller.done

    def main(self) -> None:
        try:
            self.outcome = self._deploy()
        except GatewayError as error:
            self.outcome = error.code
        self.world.note(f"{self.name}: ends: {self.outcome}")

    def _deploy(self) -> str:
        seen = self._look()
        plan = plan_takeover(LOGIN, WORDS[self.mode], self.target, CONTAINER, self.fleet, seen, (), self.assumed)
        goes_on = self._current(seen[self.target]) and not plan.touches(self.target)
        if not plan.reasons and not plan.leftovers and goes_on:
            return "nothing to do"
        try:
            if goes_on:
                self._settle(plan, sessions_of(LOGIN, self.fleet, seen))
            else:
                self._take_over()
        except GatewayError as error:
            if self.world.current is not None and not self.proven and not self.check:
                self._restore()
            return error.code
        finally:
            if self.world.current is not None and not self.controller.killed:
                self._task("released", self.asked, self._release)
        return "checked" if self.check else "proven"

    def _look(self) -> dict[str, Answer]:
        self._task("seen", self.fleet, lambda host: self._sessions(host).info())
        self._barrier("seen", self.fleet, self.assumed)
        return {
            host: self.answers[host]["seen"] if "sessions" in self.answers[host]["seen"] else NOTHING_SEEN
            for host in self.fleet
        }

    def _settle(self, plan: Plan, planned: Sequence[Answer]) -> None:
        """The gateway on the target goes on; what else has the login is fenced, and what is parked is removed."""
        self._lease()
        check_unchanged(LOGIN, planned, sessions_of(LOGIN, self.fleet, self._look()))
        if plan.reasons:
            self._renew()
            others = [host for host in self.asked if host != self.target]
            self._task("fenced", others, lambda host: self._fence_host(host, self.target, None, False))
            self._barrier("fenced", others)
            if not self.check:
                self._on(self.target, "login", lambda at: self._decide(at, CONTAINER, "unless-stopped", goes_on=True))
        self.proven = True
        self._clear()

    def _take_over(self) -> None:
        self._lease()
        if self.check:
            self._fence(self.target, CONTAINER)
            self._renew()
            self._start(self.target, CONTAINER)
            self._clear()
            return
        created = self._on(self.target, "created", self._create)["made"]
        self._fence(self.target, CONTAINER, created)
        if not created:
            self._on(self.target, "created", self._create)
        self._renew()
        self._start(self.target, CONTAINER)
        self._log_in(self.target, CONTAINER, "unless-stopped")
        self.proven = True
        self._clear()

    def _restore(self) -> None:
        """The takeover in reverse, to the one host whose gateway ran before it was parked."""
        previous = [
            host
            for host in self.fleet
            if len([item for item in self.answers[host].get("fenced", {}).get("parked", ()) if item["was_running"]])
            == 1
        ]
        if len(previous) != 1:
            return
        try:
            self._renew()
            self._fence(previous[0], None)
            [returned] = self._on(previous[0], "returned", self._give_back)["returned"]
            self._start(previous[0], returned["container"])
            self._log_in(previous[0], returned["container"], returned["restart_policy"])
            self._clear()
        except (GatewayError, ValueError):
            return

    def _current(self, seen: Mapping[str, Any]) -> bool:
        return any(
            item["container"] == CONTAINER
            and item["restart_policy"] == "unless-stopped"
            and item["state"] == "running"
            and item["mode"] == self.mode
            for item in seen["sessions"]
        )

    def _lease(self) -> None:
        first, *rest = self.asked
        self._task("leased", [first], self._take)
        self._barrier("leased", [first])
        self._task("leased", rest, self._take)
        self._barrier("leased", rest)
        if "lease" not in self.answers[self.target].get("leased", {}):
            raise GatewayError("no lease, no change of the target's files and containers", "lease-missing")

    def _renew(self) -> None:
        before = {host: self.answers[host].get("renewed", self.answers[host].get("leased")) for host in self.asked}
        self._task(
            "renewed",
            self.asked,
            lambda host: self._lease_of(self._leases(host).renew(self._request(host)).record),
        )
        if self.check:
            return
        if self.manners.stubborn and any("lease" not in self.answers[host].get("renewed", {}) for host in self.asked):
            self._take_again(before)
        self._barrier("renewed", self.asked)

    def _take_again(self, before: Mapping[str, Answer | None]) -> None:
        """Lost leases are taken again; then the old answers are shown, or the new ones with a receipt of the target."""
        self._task("renewed", self.asked, self._take)
        self._task("created", [self.target], self._create)
        if self.world.choices.below(2):
            for host, answer in before.items():
                if answer is not None:
                    self.answers[host]["renewed"] = answer
        else:
            self._task("fenced", [self.target], lambda host: self._fence_host(host, self.target, CONTAINER, True))

    def _fence(self, target: str, keep: str | None, created: bool = False) -> None:
        hosts = [target] if self.manners.inherits else self.asked
        self._task("fenced", hosts, lambda host: self._fence_host(host, target, keep, created))
        self._barrier("fenced", hosts)

    def _fence_host(self, host: Host, target: str, keep: str | None, created: bool) -> Answer:
        slot = {"keep": keep, "created": created} if host.name == target else {}
        demand = self._demand(host, target=target, **slot)
        return self._sessions(host).fence_login(demand)

    def _start(self, host: str, container: str) -> None:
        demand = start.Demand(
            host,
            container,
            LOGIN,
            KEY,
            self.run_id,
            self.fleet,
            self._receipts(),
            [answer["lease"] for answer in self._answers_to("renewed") if "lease" in answer],
            self.assumed,
        )
        self._on(host, "started", lambda at: self._sessions(at).start_gateway(demand))

    def _log_in(self, host: str, container: str, policy: str) -> None:
        self._on(host, "login", lambda at: self._decide(at, container, policy))

    def _clear(self) -> None:
        self._task(
            "cleared",
            self.asked,
            lambda host: self._sessions(host).clear(self._demand(host), settled(KEY, self.run_id, self._receipts())),
        )
        self._barrier("cleared", self.asked)

    # What a module does on a host.

    def _take(self, host: Host) -> Answer:
        request = self._request(host)
        for attempt in range(self.patience + 1):
            try:
                return self._lease_of(self._leases(host).take(request).record)
            except LeaseHeldError as error:
                owner = error.holder["owner"]
                if owner["machine"] == self.machine and owner["run"].dead:
                    supersede = request._replace(supersede=error.holder["run_id"])
                    return self._lease_of(self._leases(host).take(supersede).record)
                if attempt == self.patience:
                    raise
            self.world.pause("wait for the lease")
        raise AssertionError

    def _release(self, host: Host) -> Answer:
        self._leases(host).release(self._request(host))
        return {}

    def _create(self, host: Host) -> Answer:
        """What Compose does for `create` with `--no-recreate`: a container for the service, where there is none.

        It knows neither lease nor lock, so it must not be able to remove anything.
        """
        engine = host.engine
        there = [item for item in (read_gateway(inspect) for inspect in engine.containers()) if item is not None]
        if any(item.in_slot(PROJECT, SERVICE) or item.container == CONTAINER for item in there):
            return {"made": False}
        made = inspect_of(CONTAINER, gateway_env(self.mode), status="created", policy="no", labels={**SLOT, **MANAGED})

        def create() -> None:
            MemoryEngine._free(engine, CONTAINER)
            engine.held[made["Id"]] = made

        engine.change("compose creates", CONTAINER, create)
        return {"made": True}

    def _give_back(self, host: Host) -> Answer:
        return self._sessions(host).give_back(self._demand(host))

    def _decide(self, host: Host, container: str, policy: str, goes_on: bool = False) -> Answer:
        expected = login.Expected(container, LOGIN, "DU1234567", self.mode, 7493)
        watched = login.read_container(host.engine.inspect(container_id(host, container)))
        self.world.pause("the login is decided")
        running = login.read_container(host.engine.inspect(watched.identity))
        if running.is_same_start(watched) and running.status == "running" and self.world.choices.chance(self.logs_in):
            self.world.proofs += 1
            self.world.note(f"{host.name}: {container} is proven")
            gateway_watch.keep_up(host.engine, running, policy, expected, host.name, self.run_id)  # type: ignore[arg-type]
            return {"state": "proven"}
        if not goes_on:
            gateway_watch.stop(host.engine, watched)  # type: ignore[arg-type]
        raise GatewayError("the login failed", "login-failed")

    # What Ansible does.

    def _on(self, host: str, register: str, function: Callable[[Host], Answer]) -> Answer:
        self._task(register, [host], function)
        answer = self.answers[host].get(register, {"unreachable": True})
        if answer.get("failed") or answer.get("unreachable"):
            raise GatewayError(str(answer.get("msg", "")), str(answer.get("code", "host-unreachable")))
        return answer

    def _task(self, register: str, hosts: Sequence[str], function: Callable[[Host], Answer]) -> None:
        asked: dict[str, Process] = {}
        for name in hosts:
            host = self.world.hosts[name]
            if name not in self.active:
                continue
            if host.answers:
                asked[name] = self.world.spawn(
                    f"{self.name}: {register} on {name}", lambda host=host: function(host), self, host, register
                )
            else:
                self._lose(name, register)
        self.world.pause(
            f"waits for {register}",
            lambda: all(process.done or not self.world.hosts[name].answers for name, process in asked.items()),
        )
        for name, process in asked.items():
            if process.done and not process.killed:
                self.answers[name][register] = process.result
            else:
                self._lose(name, register)

    def _lose(self, host: str, register: str) -> None:
        self.active.discard(host)
        self.answers[host][register] = {"unreachable": True}

    def _barrier(self, register: str, hosts: Sequence[str], assumed: Sequence[str] = ()) -> None:
        silent = silent_hosts(hosts, {host: self.answers[host].get(register) for host in hosts}, assumed)
        if self.manners.limit:
            silent = [item for item in silent if item.why == "answers"]
        if silent:
            raise barrier_error(register, silent, "-.")

    def _receipts(self) -> list[Mapping[str, Any]]:
        return [answer["receipt"] for answer in self._answers_to("fenced") if "receipt" in answer]

    def _answers_to(self, register: str) -> list[Answer]:
        return [self.answers[host][register] for host in self.fleet if register in self.answers[host]]

    def _request(self, host: Host) -> Request:
        owner = {"operator": self.name, "machine": self.machine, "run": self}
        return Request(host.name, LOGIN, KEY, self.run_id, TTL, owner)

    def _demand(self, host: Host, **what: Any) -> fence.Demand:
        if host.name == self.target:
            what.update(project=PROJECT, service=SERVICE)
        return fence.Demand(host.name, LOGIN, KEY, self.run_id, self.mode, **what)

    def _sessions(self, host: Host) -> Sessions:
        return Sessions(host.engine, host.state, self.check)  # type: ignore[arg-type]

    def _leases(self, host: Host) -> Leases:
        return Leases(host.state, self.check)

    @staticmethod
    def _lease_of(record: Any) -> Answer:
        return {"lease": public(record, read_clock())}


def container_id(host: Host, name: str) -> str:
    found = host.engine.named(name)
    return "" if found is None else str(found["Id"])
