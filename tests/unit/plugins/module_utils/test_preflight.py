# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import socket
import time
from typing import Any, Dict, List, Optional, Tuple

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, preflight
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.preflight import Port, Wanted, check

HOST = "staging.abstractfinance.example"
HASH = "9f" * 32


class FakeEngine:
    """An engine with the containers that a test needs."""

    def __init__(self) -> None:
        self.containers: Dict[str, Dict[str, Any]] = {}
        self.images = {"heshiming/ibga:latest": "sha256:1"}
        self.root = "/"
        self.volumes = ["abstractfinance_ibgateway-data"]

    def version(self) -> Dict[str, Any]:
        return {"Version": "26.1.5", "ApiVersion": "1.45"}

    def info(self) -> Dict[str, Any]:
        return {"DockerRootDir": self.root}

    def inspect(self, container: str) -> Optional[Dict[str, Any]]:
        return next((item for item in self.containers.values() if container in (item["Name"][1:], item["Id"])), None)

    def listed(self) -> List[Dict[str, Any]]:
        return [
            {"Id": item["Id"], "Names": [item["Name"]], "Labels": item["Config"]["Labels"], "Ports": item["Ports"]}
            for item in self.containers.values()
        ]

    def image_id(self, reference: str) -> Optional[str]:
        return self.images.get(reference)

    def volume(self, name: str) -> Optional[Dict[str, Any]]:
        return {"Name": name} if name in self.volumes else None

    def close(self) -> None:
        pass

    def add(
        self,
        name: str,
        port: int = 0,
        address: str = "127.0.0.1",
        status: str = "running",
        policy: str = "no",
        image: str = "nginx",
        **labels: str,
    ) -> None:
        ports = [{"IP": address, "PrivatePort": port, "PublicPort": port, "Type": "tcp"}] if port else []
        self.containers[name] = {
            "Id": f"id-of-{name}",
            "Name": f"/{name}",
            "Image": "sha256:1",
            "Config": {
                "Labels": {f"com.docker.compose.{key.replace('_', '-')}": value for key, value in labels.items()},
                "Image": image,
                "Env": ["IB_USERNAME=afpaper01"] if "ibga" in image else [],
            },
            "State": {"Status": status, "StartedAt": "2026-11-22T15:17:40.1Z", "Pid": 7, "ExitCode": 0},
            "HostConfig": {"RestartPolicy": {"Name": policy}},
            "NetworkSettings": {"Networks": {}},
            "Ports": ports,
        }


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr(preflight, "HostEngine", lambda: fake)
    return fake


def wanted(directory: pathlib.Path, **changes: Any) -> Wanted:
    options: Dict[str, Any] = {
        "host": HOST,
        "project_dir": str(directory / "stack"),
        "compose_file": "docker-compose.yml",
        "compose_content": None,
        "project": "abstractfinance",
        "service": "ibgateway",
        "container": "ibgateway",
        "services": ["ibgateway", "trading-engine"],
        "image": "heshiming/ibga:latest",
        "ports": [],
        "trading_mode": "Paper Trading",
        "account": "DU1234567",
        "min_free_mb": 0,
        "min_compose": "2.24.0",
        **changes,
    }
    return Wanted(**options)


class Compose:
    """Answers of the docker command."""

    def __init__(self, version: str = "2.26.1-4", services: str = "ibgateway\n", status: int = 0) -> None:
        self.version = version
        self.services = services
        self.status = status

    def __call__(self, arguments: List[str]) -> Optional[Tuple[int, str]]:
        if "version" in arguments:
            return 0, f"{self.version}\n"
        if "--services" in arguments:
            return self.status, self.services
        return self.status, f"ibgateway {HASH}\n"


def codes(result: Dict[str, Any]) -> List[str]:
    return [problem["code"] for problem in result["problems"]]


def stack(directory: pathlib.Path, content: str = "services: {}\n") -> None:
    (directory / "stack").mkdir()
    (directory / "stack" / "docker-compose.yml").write_text(content, encoding="utf-8")


def test_host_that_is_ready_has_no_problem(engine: FakeEngine, tmp_path: pathlib.Path) -> None:
    stack(tmp_path)
    engine.add("ibgateway", policy="unless-stopped", project="abstractfinance", service="ibgateway", config_hash=HASH)
    result = check(wanted(tmp_path, compose_content="services: {}\n"), Compose())
    assert result["problems"] == []
    assert result["engine"] == {"version": "26.1.5", "api": "1.45"}
    assert result["compose"] == "2.26.1-4"
    assert (result["image_present"], result["image_id"]) == (True, "sha256:1")
    assert result["compose_current"] is True
    assert result["expected_config_hash"] is not None
    assert result["expected_config_hash"] == result["gateway"]["config_hash"]
    assert result["gateway"]["running"]
    assert result["gateway"]["returns"]
    assert abs(result["time"] - time.time()) < 300


def test_the_hash_over_the_password_stays_on_the_host(engine: FakeEngine, tmp_path: pathlib.Path) -> None:
    stack(tmp_path)
    engine.add("ibgateway", project="abstractfinance", service="ibgateway", config_hash=HASH)
    results = [check(wanted(tmp_path), Compose()) for dummy in range(2)]
    assert HASH not in str(results)
    assert results[0]["expected_config_hash"] != results[1]["expected_config_hash"]


def test_a_container_of_other_settings_has_another_hash(engine: FakeEngine, tmp_path: pathlib.Path) -> None:
    stack(tmp_path)
    engine.add("ibgateway", project="abstractfinance", service="ibgateway", config_hash="aa11")
    result = check(wanted(tmp_path), Compose())
    assert result["expected_config_hash"] != result["gateway"]["config_hash"]


def test_virgin_host_has_no_problem_either(engine: FakeEngine, tmp_path: pathlib.Path) -> None:
    engine.images = {}
    result = check(wanted(tmp_path, compose_content="services: {}\n"), Compose())
    assert result["problems"] == []
    assert result["gateway"]["exists"] is False
    assert (result["compose_current"], result["expected_config_hash"]) == (False, None)
    assert (result["image_present"], result["image_id"]) == (False, None)


def test_all_problems_are_found_in_one_go(engine: FakeEngine, tmp_path: pathlib.Path) -> None:
    stack(tmp_path)
    engine.add("web", port=4000)
    result = check(
        wanted(
            tmp_path,
            trading_mode="paper",
            account="",
            ports=[Port("127.0.0.1", 4000)],
            min_free_mb=10**12,
        ),
        Compose(services="ibgateway\nother\n"),
    )
    assert sorted(set(codes(result))) == [
        "account-missing",
        "disk-full",
        "foreign-services",
        "port-taken",
        "trading-mode-misspelt",
    ]
    text = " ".join(problem["message"] for problem in result["problems"])
    assert "'paper'" in text
    assert "'Paper Trading' or 'Live Trading'" in text
    assert "container web" in text
    assert "other" in text


def test_missing_sdk_and_engine_are_found_together(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    def missing() -> None:
        raise GatewayError("no package", "python-docker-missing")

    monkeypatch.setattr(preflight, "HostEngine", missing)
    monkeypatch.setattr(preflight, "SOCKET", str(tmp_path / "no.sock"))
    result = check(wanted(tmp_path), lambda _arguments: None)
    assert codes(result) == ["python-docker-missing", "engine-missing", "compose-missing"]
    assert all("apt-get install" in item["message"] for item in result["problems"][1:]) or "Debian" not in str(result)
    assert result["engine"] is None
    assert result["gateway"]["exists"] is False


def test_missing_docker_command_is_no_traceback(tmp_path: pathlib.Path) -> None:
    assert preflight.run_command([str(tmp_path / "no-such-command")]) is None
    (tmp_path / "no-command").write_text("", encoding="utf-8")
    assert preflight.run_command([str(tmp_path / "no-command")]) is None


@pytest.mark.parametrize("version", ["1.29.2", "2.23.3", "2.2"])
def test_old_compose_is_named_with_both_versions(engine: FakeEngine, tmp_path: pathlib.Path, version: str) -> None:
    result = check(wanted(tmp_path), Compose(version))
    assert codes(result) == ["compose-too-old"]
    assert version in result["problems"][0]["message"]
    assert "2.24.0" in result["problems"][0]["message"]


@pytest.mark.parametrize("version", ["2.24.0", "v2.24", "2.26.1-4", "2.40.3-desktop.1", "5.0.0"])
def test_newer_compose_serves(engine: FakeEngine, tmp_path: pathlib.Path, version: str) -> None:
    assert codes(check(wanted(tmp_path), Compose(version))) == []


def test_file_that_compose_cannot_read_is_named(engine: FakeEngine, tmp_path: pathlib.Path) -> None:
    stack(tmp_path)
    result = check(wanted(tmp_path), Compose(status=15))
    assert codes(result) == ["compose-file-invalid"]
    assert str(tmp_path / "stack" / "docker-compose.yml") in result["problems"][0]["message"]


@pytest.mark.parametrize(
    ("mode", "account", "expected"),
    [
        ("Paper Trading", "DU1234567", []),
        ("Paper Trading", "DF1234567", []),
        ("Live Trading", "U7654321", []),
        ("Live Trading", "F7654321", []),
        ("Paper Trading", "U7654321", ["account-of-other-mode"]),
        ("Live Trading", "DU1234567", ["account-of-other-mode"]),
        ("Live Trading", "aflive01", ["account-of-other-mode"]),
        ("live", "U7654321", ["trading-mode-misspelt"]),
        ("", "", ["trading-mode-misspelt", "account-missing"]),
        ("live trading", "U7654321", ["trading-mode-misspelt"]),
    ],
)
def test_settings(engine: FakeEngine, tmp_path: pathlib.Path, mode: str, account: str, expected: List[str]) -> None:
    assert codes(check(wanted(tmp_path, trading_mode=mode, account=account), Compose())) == expected


@pytest.mark.parametrize(
    ("bind", "address", "meet"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("127.0.0.1", "::", True),
        ("0.0.0.0", "192.0.2.1", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("127.0.0.1", "::1", False),
    ],
)
def test_listeners_meet_on_one_address(bind: str, address: str, meet: bool) -> None:
    assert preflight.meets(bind, address) is meet


def test_port_of_the_own_gateway_is_not_taken(engine: FakeEngine, tmp_path: pathlib.Path) -> None:
    ports = [Port("127.0.0.1", 4000), Port("127.0.0.1", 4001)]
    engine.add("ibgateway", port=4000)
    engine.add("by-compose", port=4001, project="abstractfinance", service="ibgateway")
    assert codes(check(wanted(tmp_path, ports=ports), Compose())) == []


def test_port_of_another_gateway_is_told_but_no_problem(engine: FakeEngine, tmp_path: pathlib.Path) -> None:
    engine.add("old", port=4000, address="0.0.0.0", image="heshiming/ibga:latest")
    result = check(wanted(tmp_path, ports=[Port("127.0.0.1", 4000)]), Compose())
    assert codes(result) == []
    assert result["gateways_on_ports"] == [{"port": 4000, "container": "old"}]


def test_port_of_a_process_is_named_with_it(engine: FakeEngine, tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = check(wanted(tmp_path, ports=[Port("127.0.0.1", port)]), Compose())
        elsewhere = check(wanted(tmp_path, ports=[Port("127.0.0.2", port)]), Compose())
    assert codes(result) == ["port-taken"]
    assert f"127.0.0.1:{port}" in result["problems"][0]["message"]
    assert "process " in result["problems"][0]["message"]
    assert codes(elsewhere) == []


@pytest.mark.parametrize(
    ("status", "policy", "running", "returns"),
    [
        ("running", "no", True, True),
        ("restarting", "always", False, True),
        ("exited", "no", False, False),
        ("exited", "always", False, True),
        ("created", "always", False, False),
    ],
)
def test_gateway_is_described(
    engine: FakeEngine, tmp_path: pathlib.Path, status: str, policy: str, running: bool, returns: bool
) -> None:
    engine.add("ibgateway", status=status, policy=policy, image="heshiming/ibga:latest")
    gateway = check(wanted(tmp_path), Compose())["gateway"]
    assert (gateway["running"], gateway["returns"], gateway["restart_policy"]) == (running, returns, policy)


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ('ID=debian\nVERSION_ID="13"\n', "apt-get install docker.io docker-cli docker-compose python3-docker"),
        ('ID=debian\nVERSION_ID="12"\n', "docker-compose-plugin"),
        ("ID=debian\n", "apt-get install docker.io docker-cli docker-compose python3-docker"),
        ("ID=raspbian\nID_LIKE=debian\n", "apt-get install docker.io docker-cli docker-compose python3-docker"),
        ("ID=ubuntu\nID_LIKE=debian\n", "apt-get install docker.io docker-compose-v2 python3-docker"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "docker-compose-v2"),
        ("ID=fedora\n", "install Docker Engine, its Compose plugin"),
        ("", "install Docker Engine, its Compose plugin"),
    ],
)
def test_packages_are_named_by_distribution(tmp_path: pathlib.Path, release: str, line: str) -> None:
    path = tmp_path / "os-release"
    path.write_text(release, encoding="utf-8")
    assert line in preflight.install_line(preflight.read_distribution(str(path)))


@pytest.mark.parametrize(
    ("host_time", "skew"),
    [(100.0, 0.0), (130.0, 0.0), (131.5, 1.5), (98.0, -2.0)],
    ids=["at once", "just answered", "ahead", "behind"],
)
def test_delay_between_question_and_answer_is_no_skew(host_time: float, skew: float) -> None:
    assert preflight.clock_skew(100.0, host_time, host_time, 130.0) == skew


def test_a_clock_that_is_off_is_named_with_its_direction() -> None:
    assert preflight.check_clock(HOST, 10.0, 10.0) is None
    for skew, words in ((60.4, f"{HOST} is 60 s ahead of the controller's"), (-60.4, f"{HOST} is 60 s behind")):
        problem = preflight.check_clock(HOST, skew, 10.0)
        assert problem is not None
        assert problem.code == "clock-skew"
        assert words in problem.message


def test_accounts_are_told_by_their_prefix() -> None:
    assert preflight.is_account_of("DU1234567", causes.PAPER)
    assert not preflight.is_account_of("DU1234567", causes.LIVE)
    assert not preflight.is_account_of("U", causes.LIVE)


ENVIRONMENT = {"IB_USERNAME": "${IBKR_USERNAME:?}", "IB_PASSWORD": "${IBKR_PASSWORD:?}"}
VOLUME = "abstractfinance_ibgateway-data"


def test_what_a_container_was_made_from_is_told_by_names(tmp_path: pathlib.Path, engine: FakeEngine) -> None:
    stack(tmp_path)
    env = "IBKR_USERNAME=afpaper01\nIBKR_PASSWORD=n3w-Passw0rd\nIBKR_ACCOUNT_ID=DU1234567\nTRADING_MODE=Paper Trading\n"
    (tmp_path / "stack" / ".env").write_text(env, encoding="utf-8")
    engine.add("ibgateway", image="heshiming/ibga:latest")
    made = engine.containers["ibgateway"]
    made["Config"]["Env"].append("IB_PASSWORD=old-Passw0rd")
    made["Mounts"] = [{"Destination": "/home/ibg_settings", "Name": VOLUME}]
    made["HostConfig"]["PortBindings"] = {"4000/tcp": [{"HostIp": "", "HostPort": "4000"}], "5900/tcp": None}
    result = check(wanted(tmp_path, environment=ENVIRONMENT, settings_volume=VOLUME), Compose())
    assert result["gateway"]["differs"] == ["IB_PASSWORD"]
    assert result["gateway"]["has_settings"]
    assert result["gateway"]["ports"] == ["0.0.0.0:4000"]
    assert result["settings_volume"]
    assert result["env"] == {"login": "afpaper01", "account": "DU1234567", "trading_mode": "Paper Trading"}
    assert "Passw0rd" not in str(result)


def test_without_container_and_env_nothing_is_told(tmp_path: pathlib.Path, engine: FakeEngine) -> None:
    engine.volumes = []
    result = check(wanted(tmp_path, environment=ENVIRONMENT, settings_volume=VOLUME), Compose())
    assert (result["gateway"]["differs"], result["gateway"]["has_settings"], result["settings_volume"]) == (
        None,
        False,
        False,
    )
    assert result["env"] == {"login": None, "account": None, "trading_mode": None}


def test_a_compose_file_is_ours_by_its_first_line(tmp_path: pathlib.Path, engine: FakeEngine) -> None:
    stack(tmp_path, "# ours\nservices: {}\n")
    assert check(wanted(tmp_path, compose_content="# ours\nservices: {a: {}}\n"), Compose())["compose_ours"]
    assert not check(wanted(tmp_path, compose_content="# theirs\nservices: {}\n"), Compose())["compose_ours"]
