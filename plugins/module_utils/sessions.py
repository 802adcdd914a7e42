# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries out on a host what `fence`, `start` and `lease` decide: look, act under the host's lock, look again."""

from __future__ import annotations

import time
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import (
    fence,
    history,
    parked,
    pending,
    start,
    stopping,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import lease as leases
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.engine import Engine
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import (
    container_name,
    read_gateway,
    read_gateways,
    session_views,
    since,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hostlock import HostLock
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.receipts import receipt, settled
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

SETTLE_SECONDS = 10.0
HISTORY_SHOWN = 5
_INTERVAL = 0.2
_ENDED = {
    stopping.CLOSED: "closed by its own menu",
    stopping.SIGNALLED: "ended by its stop signal",
    stopping.KILLED: "killed",
}


class Sessions:
    """The sessions of the host at hand."""

    def __init__(self, engine: Engine, state: State, check_mode: bool = False) -> None:
        self._engine = engine
        self._state = state
        self._check_mode = check_mode
        self._endings: dict[str, str | None] = {}

    def look(self) -> fence.Host:
        containers = self._engine.containers()
        return fence.Host(
            read_gateways(containers, self._engine.read_file),
            {container_name(item): str(item["Id"]) for item in containers},
            self._state.parked(),
            frozenset(record["container_id"] for record in self._state.pending()),
        )

    def info(self) -> dict[str, Any]:
        """What there is on the host, and the end of its history."""
        host = self.look()
        running = [item for item in host.gateways if item.is_session]
        idle = [item for item in host.gateways if not item.is_session and item.parked is None]
        parked_ids = {record["container_id"] for record in host.records if record["state"] == parked.PARKED}
        return {
            "sessions": [view for item in running for view in session_views(item)],
            "stopped": [view for item in idle if item.container_id not in parked_ids for view in session_views(item)],
            "parked": parked_views(host),
            "leases": leases.Leases(self._state).living(),
            "assumed_fenced": self._state.assumed(),
            "history": self._state.history(HISTORY_SHOWN),
            "boot_id": leases.read_clock().boot_id,
        }

    def fence_login(self, demand: fence.Demand) -> dict[str, Any]:
        """Fence the login; the receipt, and what is parked for it now."""
        if self._check_mode:
            plan = fence.plan_fence(demand, self.look(), leases.wall_time())
            return self._fenced(demand, plan, None, [])
        with HostLock(self._state):
            generation = self._own_lease(demand.host, demand.login, demand.key, demand.run_id)["generation"]
            plan = fence.plan_fence(demand, self.look(), leases.wall_time())
            host = self._carried_out(demand, "fence", plan)
            deadline = time.monotonic() + SETTLE_SECONDS
            problems = fence.shown(demand, plan, host)
            while problems and time.monotonic() < deadline:
                time.sleep(_INTERVAL)
                host = self.look()
                problems = fence.shown(demand, plan, host)
            if problems:
                raise fence.not_shown(demand, problems)
            return self._fenced(demand, plan, generation, parked_views(host, demand.key))

    def give_back(self, demand: fence.Demand) -> dict[str, Any]:
        """Give what is parked for the login its names back."""
        return self._settle(demand, "return", fence.plan_return)

    def clear(self, demand: fence.Demand, answering: Sequence[str] = ()) -> dict[str, Any]:
        """Remove what is parked for the login, and forget that the hosts *answering* were assumed to be powered off."""
        return self._settle(demand, "clear", fence.plan_clear, answering)

    def start_gateway(self, demand: start.Demand) -> dict[str, Any]:
        """Start the gateway, or say why not. The lock is held until the engine has answered."""
        start.check_receipts(demand, check_mode=self._check_mode)
        if self._check_mode:
            return {"changed": True, "container": demand.container, "container_id": None, "since": None}
        with HostLock(self._state):
            own = self._state.read_lease(demand.key)
            start.check_lease(demand, own, leases.read_clock())
            verdict = start.check_host(demand, self.look())
            self._keep_assumptions(demand, leases.operator(own or {"owner": {}}))
            if not verdict.running:
                self._logged(
                    demand.host,
                    demand.key,
                    demand.run_id,
                    "start",
                    lambda: [
                        f"{demand.container}: started",
                        *(f"{host}: assumed to be powered off" for host in demand.assumed),
                    ],
                    lambda: pending.ask(
                        self._state,
                        verdict.container_id,
                        demand.run_id,
                        "start",
                        lambda: self._engine.start(verdict.container_id),
                    ),
                )
            inspect = self._engine.inspect(verdict.container_id)
            if inspect is None:
                raise GatewayError(
                    f"{demand.container} on {demand.host} was removed by something else right after its start. Run the "
                    "playbook from its start.",
                    "container-missing",
                )
            return {
                "changed": not verdict.running,
                "container": demand.container,
                "container_id": verdict.container_id,
                "since": since(inspect),
            }

    def _keep_assumptions(self, demand: start.Demand, operator: str) -> None:
        for host in settled(demand.key, demand.run_id, demand.receipts):
            self._state.forget_assumed(demand.key, host)
        for record in start.assumptions(demand, operator, leases.wall_time()):
            self._state.write_assumed(demand.key, record["host"], record)

    def _settle(
        self,
        demand: fence.Demand,
        action: str,
        decide: Callable[[fence.Demand, fence.Host], fence.Plan],
        answering: Sequence[str] = (),
    ) -> dict[str, Any]:
        if self._check_mode:
            host = self.look()
            plan = decide(demand, host)
            return self._settled(demand, plan, host)
        with HostLock(self._state):
            self._own_lease(demand.host, demand.login, demand.key, demand.run_id)
            plan = decide(demand, self.look())
            result = self._settled(demand, plan, self._carried_out(demand, action, plan))
            known = [record["host"] for record in self._state.assumed() if record["login_key"] == demand.key]
            forgotten = [host for host in known if host in answering]
            for host in forgotten:
                self._state.forget_assumed(demand.key, host)
            return {**result, "changed": result["changed"] or bool(forgotten)}

    def _own_lease(self, host: str, login: str, key: str, run_id: str) -> leases.Record:
        return leases.owned(self._state.read_lease(key), host, login, run_id, leases.read_clock())

    def _carried_out(self, demand: fence.Demand, action: str, plan: fence.Plan) -> fence.Host:
        if plan.steps:
            self._logged(
                demand.host,
                demand.key,
                demand.run_id,
                action,
                lambda: [item["text"] for item in self._done(plan)],
                lambda: self._carry_out(plan.steps),
            )
        return self.look()

    def _logged(
        self,
        host: str,
        key: str,
        run_id: str,
        action: str,
        done: Callable[[], Sequence[str]],
        function: Callable[[], None],
    ) -> None:
        """Run *function*, and add to the history what was done and how it ended."""
        try:
            function()
        except GatewayError as error:
            history.note(self._state, host, key, run_id, action, done(), error.code)
            raise
        history.note(self._state, host, key, run_id, action, done())

    def _done(self, plan: fence.Plan) -> list[dict[str, Any]]:
        """What a plan has done, with how each container that it stopped has ended."""
        done = []
        for item in plan.done:
            ended = self._endings.get(item["container_id"])
            text = item["text"] if ended is None else f"{item['text']}; {_ENDED[ended]}"
            done.append({**item, "ended": ended, "text": text})
        return done

    def _carry_out(self, steps: Sequence[fence.Step]) -> None:
        """Do the steps in their order; a failure before a gateway is touched takes back what was prepared."""
        prepared: list[tuple[str, str]] = []
        preparing = True
        known = {record["container_id"] for record in self._state.parked()}
        for step in steps:
            preparing = preparing and step.kind in (fence.RECORD, fence.COPY, fence.REMOVE, fence.FORGET)
            try:
                made = self._do(step)
            except GatewayError:
                if preparing:
                    self._take_back(prepared)
                raise
            if step.kind == fence.RECORD and step.container_id not in known:
                prepared.append((fence.RECORD, step.container_id))
            elif step.kind == fence.COPY and made is not None:
                prepared.append((fence.COPY, made))

    def _take_back(self, prepared: Sequence[tuple[str, str]]) -> None:
        for kind, container_id in reversed(prepared):
            if kind == fence.COPY:
                self._engine.remove(container_id)
            else:
                self._state.forget_parked(container_id)

    def _do(self, step: fence.Step) -> str | None:
        if step.kind == fence.RECORD:
            self._state.write_parked(step.container_id, step.detail)
        elif step.kind == fence.COPY:
            return self._copy(step.container_id, step.detail["parked_name"], step.detail, parked.parked_copy)
        elif step.kind == fence.COPY_BACK:
            made = self._copy(step.container_id, step.detail["former_name"], step.detail, parked.returned_copy)
            record = {**step.detail, "container_id": made, "state": parked.RETURNED}
            self._state.write_parked(made, record)
        elif step.kind == fence.POLICY:
            self._engine.never_restart(step.container_id)
        elif step.kind == fence.STOP:
            self._endings[step.container_id] = stopping.end(self._engine, step.container_id, step.detail)
        elif step.kind == fence.RENAME:
            self._engine.rename(step.container_id, step.detail)
        elif step.kind == fence.REMOVE:
            self._engine.remove(step.container_id)
        elif step.kind == fence.FORGET:
            self._state.forget_parked(step.container_id)
        elif step.kind == fence.SETTLE:
            self._state.forget_pending(step.container_id)
        return None

    def _copy(
        self,
        container_id: str,
        name: str,
        record: Mapping[str, Any],
        body_of: Callable[[Mapping[str, Any], Mapping[str, Any], str], parked.Body],
    ) -> str:
        original = self._engine.inspect(container_id)
        if original is None:
            raise GatewayError(
                f"The container {record['former_name']} was removed by something else while it was being parked. Run "
                "the same command again.",
                "container-missing",
            )
        reference = str(original["Config"].get("Image") or "")
        image = reference if self._engine.image_id(reference) == original["Image"] else str(original["Image"])
        body = body_of(original, record, image)
        made = self._engine.create(name, body.config, body.networks)
        inspect = self._engine.inspect(made)
        wrong = ["container"] if inspect is None else parked.differences(original, inspect)
        item = read_gateway(inspect or {})
        if item is None or item.restart_policy != "no" or not item.never_started:
            wrong.append("restart policy or state")
        if wrong:
            self._engine.remove(made)
            raise GatewayError(
                f"The container {record['former_name']} could not be copied as it is, to be kept aside: its "
                f"{', '.join(wrong)} would differ. It was not stopped. Stop and rename it by hand to go on.",
                "park-failed",
            )
        return made

    def _fenced(
        self,
        demand: fence.Demand,
        plan: fence.Plan,
        generation: int | None,
        shelf: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        now = leases.read_clock()
        return {
            "changed": bool(plan.steps),
            "receipt": receipt(
                demand.host,
                demand.key,
                demand.run_id,
                demand.target,
                generation,
                now.boot_id,
                plan.seen,
                self._done(plan),
                now.wall,
            ),
            "parked": [dict(item) for item in shelf],
        }

    def _settled(self, demand: fence.Demand, plan: fence.Plan, host: fence.Host) -> dict[str, Any]:
        return {
            "changed": bool(plan.steps),
            "done": self._done(plan),
            "returned": [dict(item) for item in plan.returned],
            "parked": parked_views(host, demand.key),
        }


def parked_views(host: fence.Host, key: str | None = None) -> list[dict[str, Any]]:
    """What stands parked on the host (for the login *key*, or any), one whose container is gone included."""
    views = []
    for record in host.records:
        if record["state"] != parked.PARKED or key not in (None, record["for_login_key"]):
            continue
        item = parked.find_copy(host.gateways, record["container_id"]) or host.gateway(record["container_id"])
        views.append(parked.view(record, item.container if item else None, item.container_id if item else None))
    return views
