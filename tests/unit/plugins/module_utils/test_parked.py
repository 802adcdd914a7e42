# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import parked
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import (
    PARKED_LABEL,
    RETURNED_LABEL,
    read_gateway,
)
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.inspects import (
    MANAGED,
    SLOT,
    inspect_of,
)

RUN = "4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11"


def record_of(inspect: dict[str, Any]) -> parked.Record:
    gateway = read_gateway(inspect)
    assert gateway is not None
    return parked.record_for(gateway, "afpaper01", RUN, "2025-12-12T10:00:00Z", "ibgateway-parked-4f1f6c0e", slot=True)


def body_of(inspect: dict[str, Any]) -> parked.Body:
    return parked.parked_copy(inspect, record_of(inspect), "heshiming/ibga:r20260803")


def test_a_parked_copy_is_unseen_by_compose_and_never_restarts() -> None:
    body = body_of(inspect_of(labels={**SLOT, **MANAGED}, policy="always"))
    labels = body.config["Labels"]
    assert not [name for name in labels if name.startswith("com.docker.compose.")]
    assert labels["abstractfinance.ibgateway.managed"] == "true"
    assert json.loads(labels[PARKED_LABEL])["former_name"] == "ibgateway"
    assert body.config["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_the_way_back_restores_the_labels_of_compose() -> None:
    original = inspect_of(labels={**SLOT, **MANAGED, "own": "1"})
    record = record_of(original)
    copied = {**inspect_of(status="created"), "Config": body_of(original).config}
    labels = parked.returned_copy(copied, record, "x").config["Labels"]
    assert {name: labels[name] for name in labels if name != RETURNED_LABEL} == {**SLOT, **MANAGED, "own": "1"}
    assert labels[RETURNED_LABEL] == original["Id"]


def test_anonymous_volumes_are_named() -> None:
    inspect = inspect_of()
    inspect["Mounts"].append(
        {"Type": "bind", "Source": "/srv/from-another", "Destination": "/shared", "RW": False, "Name": ""}
    )
    inspect["HostConfig"]["VolumesFrom"] = ["other"]
    inspect["HostConfig"]["Binds"].append("/home/ibg")
    config = body_of(inspect).config
    assert config["HostConfig"]["Binds"] == [
        "abstractfinance_ibgateway-data:/home/ibg_settings",
        "f" * 64 + ":/home/ibg",
        "/srv/from-another:/shared:ro",
    ]
    assert config["HostConfig"]["VolumesFrom"] is None
    assert config["Volumes"] is None


def test_an_anonymous_volume_of_the_mounts_list_is_named() -> None:
    inspect = inspect_of()
    inspect["HostConfig"]["Mounts"] = [{"Type": "volume", "Target": "/home/ibg"}]
    host_config = body_of(inspect).config["HostConfig"]
    assert host_config["Mounts"] == [{"Type": "volume", "Target": "/home/ibg", "Source": "f" * 64}]
    assert not [bind for bind in host_config["Binds"] if bind.endswith(":/home/ibg")]


def test_the_original_is_not_changed() -> None:
    inspect = inspect_of(labels=SLOT)
    inspect["HostConfig"]["Mounts"] = [{"Type": "volume", "Target": "/home/ibg"}]
    before = json.dumps(inspect)
    body_of(inspect)
    assert json.dumps(inspect) == before


@pytest.mark.parametrize(("mode", "kept"), [("default", False), ("container:other", False)])
def test_a_hostname_that_the_engine_made_up_goes(mode: str, kept: bool) -> None:
    inspect = inspect_of()
    inspect["HostConfig"]["NetworkMode"] = mode
    inspect["Config"]["Hostname"] = inspect["Id"][:12]
    assert ("Hostname" in body_of(inspect).config) is kept


def test_a_chosen_hostname_stays() -> None:
    assert body_of(inspect_of()).config["Hostname"] == "ibgateway"


def test_networks_beyond_the_first_are_joined_afterwards() -> None:
    inspect = inspect_of()
    inspect["HostConfig"]["NetworkMode"] = "abstractfinance_default"
    address = {"IPv4Address": "172.30.0.9"}
    inspect["NetworkSettings"]["Networks"] = {
        "abstractfinance_default": {"NetworkID": "n2", "Aliases": ["ibgateway", inspect["Id"][:12]]},
        "monitoring": {"NetworkID": "n3", "Aliases": [inspect["Id"][:12]], "IPAMConfig": address},
    }
    body = body_of(inspect)
    [(name, endpoint)] = body.config["NetworkingConfig"]["EndpointsConfig"].items()
    assert (name, endpoint["Aliases"]) == ("abstractfinance_default", ["ibgateway"])
    assert list(body.networks) == ["monitoring"]
    assert (body.networks["monitoring"]["Aliases"], body.networks["monitoring"]["IPAMConfig"]) == (None, address)


@pytest.mark.parametrize("mode", ["host", "none", "container:abc"])
def test_modes_without_a_network_of_their_own(mode: str) -> None:
    inspect = inspect_of()
    inspect["HostConfig"]["NetworkMode"] = mode
    body = body_of(inspect)
    assert "NetworkingConfig" not in body.config
    assert body.networks == {}


def test_a_copy_that_differs_is_told() -> None:
    original, made = inspect_of(), inspect_of()
    assert parked.differences(original, made) == []
    made["Config"]["Env"] = ["IB_USERNAME=other"]
    made["Mounts"] = made["Mounts"][:1]
    made["HostConfig"]["PortBindings"] = None
    assert parked.differences(original, made) == ["environment", "volumes", "ports"]


def test_names_aside_are_free_ones() -> None:
    assert parked.free_name("gw", RUN, {}) == "gw-parked-4f1f6c0e"
    assert parked.free_name("gw", RUN, {"gw-parked-4f1f6c0e": "x"}) == "gw-parked-4f1f6c0e-2"


def test_the_record_holds_no_variable_of_the_environment() -> None:
    inspect = inspect_of(env=["IB_USERNAME=afpaper01", "IB_PASSWORD=sesame-open"], labels=SLOT)
    assert "sesame-open" not in json.dumps(record_of(inspect))
