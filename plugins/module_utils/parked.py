# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of what is parked, and the never-started copy that parks the container of a Compose slot.

Compose finds its containers by their labels, under any name, and would recreate one that is only renamed; labels cannot
be changed. So a container in the product's own slot is parked as a copy without Compose's labels. Nothing here touches
the engine or the disk.
"""

from __future__ import annotations

import copy
import json
from typing import Any, Callable, Dict, Mapping, NamedTuple, Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import (
    COMPOSE_LABELS,
    PARKED_LABEL,
    RETURNED_LABEL,
    Gateway,
    environment,
)

PARKED = "parked"
RETURNED = "returned"

Record = Dict[str, Any]


class Body(NamedTuple):
    """What the engine is asked to create: the body for its API, and the networks to join afterwards."""

    config: dict[str, Any]
    networks: dict[str, dict[str, Any]]


def record_for(
    gateway: Gateway, key: str, run_id: str, wall: str, name: str, slot: bool, proven: bool = False
) -> Record:
    """What a later run needs to give *gateway* back as it was found."""
    login = next((item for item in gateway.logins if item.key == key), None) or next(iter(gateway.logins), None)
    return {
        "container_id": gateway.container_id,
        "former_name": gateway.container,
        "parked_name": name,
        "login": login.name if login else None,
        "login_key": login.key if login else None,
        "for_login_key": key,
        "mode": gateway.worst_mode.name,
        "image": gateway.image,
        "run_id": run_id,
        "restart_policy": gateway.restart_policy,
        "restart_retries": gateway.restart_retries,
        "was_running": gateway.up,
        "was_proven": proven,
        "slot_labels": {name: value for name, value in gateway.labels.items() if name.startswith(COMPOSE_LABELS)}
        if slot
        else None,
        "state": PARKED,
        "parked_at": wall,
    }


def free_name(former: str, run_id: str, taken: Mapping[str, str]) -> str:
    """`<former>-parked-<first 8 of the run id>`, numbered where that name is taken."""
    name = f"{former}-parked-{run_id[:8]}"
    number = 2
    while name in taken:
        name = f"{former}-parked-{run_id[:8]}-{number}"
        number += 1
    return name


def view(record: Mapping[str, Any], container: str | None, container_id: str | None) -> Record:
    """What a result shows of something parked; *container* None where it is gone."""
    shown = {
        name: record[name]
        for name in (
            "former_name",
            "login",
            "login_key",
            "for_login_key",
            "mode",
            "run_id",
            "restart_policy",
            "was_running",
            "was_proven",
            "parked_at",
            "state",
        )
    }
    return {"container": container, "container_id": container_id, **shown}


def label_of(record: Mapping[str, Any]) -> str:
    return json.dumps(
        {name: record[name] for name in ("container_id", "former_name", "run_id", "restart_policy", "for_login_key")},
        sort_keys=True,
    )


def find_copies(gateways: Sequence[Gateway], container_id: str) -> list[Gateway]:
    """The parked copies of the container *container_id*: one, or two where a run ended between making and removing."""
    return [item for item in gateways if item.parked and item.parked.get("container_id") == container_id]


def find_copy(gateways: Sequence[Gateway], container_id: str) -> Gateway | None:
    return next(iter(find_copies(gateways, container_id)), None)


def parked_copy(inspect: Mapping[str, Any], record: Mapping[str, Any], image: str) -> Body:
    """The copy that parks a container: no Compose labels, the parked label, restart policy `no`."""
    labels = _labels(inspect)
    kept = {name: value for name, value in labels.items() if not name.startswith(COMPOSE_LABELS)}
    kept.pop(RETURNED_LABEL, None)
    return _body(inspect, {**kept, PARKED_LABEL: label_of(record)}, image)


def returned_copy(inspect: Mapping[str, Any], record: Mapping[str, Any], image: str) -> Body:
    """The way back: Compose's labels again, and restart policy `no` until its login is proven."""
    kept = {name: value for name, value in _labels(inspect).items() if name != PARKED_LABEL}
    return _body(inspect, {**kept, **record["slot_labels"], RETURNED_LABEL: record["container_id"]}, image)


def differences(original: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """In what a copy differs from its original, of all that matters to a gateway; empty when in nothing."""
    return [name for name, look in _ASPECTS.items() if look(original) != look(made)]


def _labels(inspect: Mapping[str, Any]) -> dict[str, str]:
    return dict((inspect.get("Config") or {}).get("Labels") or {})


def _body(inspect: Mapping[str, Any], labels: Mapping[str, str], image: str) -> Body:
    config: dict[str, Any] = copy.deepcopy(dict(inspect["Config"]))
    host_config: dict[str, Any] = copy.deepcopy(dict(inspect["HostConfig"]))
    short_id = str(inspect["Id"])[:12]
    mode = str(host_config.get("NetworkMode") or "default")
    config["Image"] = image
    config["Labels"] = dict(labels)
    host_config["RestartPolicy"] = {"Name": "no", "MaximumRetryCount": 0}
    if config.get("Hostname") == short_id or mode.startswith("container:") or host_config.get("UTSMode") == "host":
        config.pop("Hostname", None)
        config.pop("Domainname", None)
    if mode.startswith("container:"):
        config.pop("ExposedPorts", None)
    _keep_volumes(inspect, config, host_config)
    first, rest = _networks(inspect, mode, short_id)
    if first:
        config["NetworkingConfig"] = {"EndpointsConfig": first}
    config["HostConfig"] = host_config
    return Body(config, rest)


def _keep_volumes(inspect: Mapping[str, Any], config: dict[str, Any], host_config: dict[str, Any]) -> None:
    """Name what the engine would make anew: anonymous volumes, and what came from another container."""
    mounts = {str(item["Destination"]): item for item in inspect.get("Mounts") or []}
    binds = [bind for bind in host_config.get("Binds") or [] if ":" in bind]
    named = {bind.split(":")[1] for bind in binds}
    for mount in host_config.get("Mounts") or []:
        found = mounts.get(mount.get("Target"))
        if mount.get("Type") == "volume" and not mount.get("Source") and found:
            mount["Source"] = found["Name"]
        named.add(mount.get("Target"))
    for destination, mount in sorted(mounts.items()):
        if destination not in named and mount.get("Type") in ("volume", "bind"):
            source = mount["Name"] if mount["Type"] == "volume" else mount["Source"]
            binds.append(f"{source}:{destination}" + ("" if mount.get("RW", True) else ":ro"))
    host_config["Binds"] = binds or None
    host_config["VolumesFrom"] = None
    config["Volumes"] = None


def _networks(
    inspect: Mapping[str, Any], mode: str, short_id: str
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The network to create the container in, and those to join it to: an old engine takes but one at creation."""
    first: dict[str, dict[str, Any]] = {}
    rest: dict[str, dict[str, Any]] = {}
    if mode in ("host", "none") or mode.startswith("container:"):
        return first, rest
    for name, endpoint in ((inspect.get("NetworkSettings") or {}).get("Networks") or {}).items():
        primary = mode in (name, endpoint.get("NetworkID")) or (mode == "default" and name == "bridge")
        settings = {
            "IPAMConfig": endpoint.get("IPAMConfig"),
            "Links": endpoint.get("Links"),
            "DriverOpts": endpoint.get("DriverOpts"),
            "Aliases": None
            if name == "bridge"
            else [alias for alias in endpoint.get("Aliases") or [] if alias != short_id] or None,
        }
        (first if primary else rest)[name] = settings
    return first, rest


def _mounts(inspect: Mapping[str, Any]) -> list[tuple[str, str, str, bool]]:
    return sorted(
        (
            str(item.get("Type")),
            str(item.get("Name") or item.get("Source")),
            str(item["Destination"]),
            bool(item.get("RW")),
        )
        for item in inspect.get("Mounts") or []
    )


def _network_names(inspect: Mapping[str, Any]) -> list[str]:
    return sorted((inspect.get("NetworkSettings") or {}).get("Networks") or {})


_ASPECTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "environment": environment,
    "image": lambda inspect: inspect.get("Image"),
    "volumes": _mounts,
    "networks": _network_names,
    "ports": lambda inspect: inspect["HostConfig"].get("PortBindings") or {},
    "command": lambda inspect: (inspect.get("Path"), inspect.get("Args")),
    "user": lambda inspect: inspect["Config"].get("User") or "",
}
