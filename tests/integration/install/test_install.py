# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive in a clean container: installed, read, and a deploy by FQCN from a directory that knows no checkout.

The container is a Debian with its Python and an SSH client. ansible-core and onepassword-sdk come as wheels, and
community.docker as the directory that `make` has put into .collections. The hosts are the lab's, reached by a user who is
not root and uses `become`.
"""

from __future__ import annotations

import json
import pathlib
import platform
import shlex
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
LAB = ROOT / "tests" / "lab"
sys.path.insert(0, str(LAB))

from ibgateway_lab import inventory, play, settings, state  # noqa: E402
from ibgateway_lab.lab import Lab  # noqa: E402

IMAGE = "ibgateway-lab/host:1"
# What Debian 13 has.
PYTHON = "3.13"
GLIBC = 41
OPERATOR = "trader"
HOSTS = ("staging", "production")
BIN = "/opt/controller/bin"
TRADING = "/home/trading"
PIP_INSTALL = ("install", "-q", "--no-index", "--find-links", "/wheels")
COLLECTIONS = "/root/.ansible/collections/ansible_collections"
SHIPPED = {"meta", "plugins", "roles", "playbooks", "docs", "inventories", "changelogs", "LICENSES"}

pytestmark = pytest.mark.skipif(
    not state.load() or not inventory.lab_runs(), reason="the lab does not run on this machine: make lab"
)


def run(*command: str, timeout: float = 600, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def archive() -> pathlib.Path:
    return pathlib.Path(run(sys.executable, str(ROOT / "tests" / "tools" / "package.py"), "build").strip())


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """What a controller needs, for the container's Python."""
    place = tmp_path_factory.mktemp("wheels")
    platforms = [f"--platform=manylinux_2_{minor}_{platform.machine()}" for minor in range(GLIBC, 16, -1)]
    platforms.append(f"--platform=manylinux2014_{platform.machine()}")
    requirements = ROOT / "requirements"
    run(
        *(sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--only-binary=:all:"),
        *("--python-version", PYTHON, *platforms, "--dest", str(place), "pip"),
        *("--requirement", str(requirements / "controller.txt")),
        *("--constraint", str(requirements / "constraints.txt")),
    )
    return place


class Container:
    """The user's controller."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *command: str, **environment: str) -> str:
        given = [f"--env={key}={value}" for key, value in environment.items()]
        path = f"--env=PATH={BIN}:/usr/local/bin:/usr/bin:/bin"
        return run("docker", "exec", "-i", "--workdir", TRADING, path, *given, self.name, *command)

    def write(self, path: str, content: Any) -> None:
        run("docker", "exec", "-i", self.name, "tee", path, text=json.dumps(content))

    def copy(self, source: pathlib.Path, target: str) -> None:
        run("docker", "cp", str(source), f"{self.name}:{target}")


@pytest.fixture(scope="module")
def container(wheels: pathlib.Path, archive: pathlib.Path) -> Iterator[Container]:
    name = f"install-test-{uuid.uuid4().hex[:8]}"
    run(
        *("docker", "run", "--detach", "--init", "--name", name, "--network", "host", "--entrypoint", "sleep"),
        *("--volume", f"{wheels}:/wheels:ro", "--volume", f"{state.KEY.parent}:{state.KEY.parent}:ro"),
        *("--volume", f"{LAB / 'onepassword'}:/lab/onepassword:ro", "--volume", f"{play.STORE}:/lab/store.json:ro"),
        *("--volume", f"{archive}:/{archive.name}:ro", IMAGE, "infinity"),
    )
    try:
        made = Container(name)
        run("docker", "exec", name, "mkdir", "-p", TRADING, f"{COLLECTIONS}/community")
        made("python3", "-m", "venv", "--without-pip", "/opt/controller")
        (pip,) = wheels.glob("pip-*.whl")
        made("python3", f"/wheels/{pip.name}/pip", *PIP_INSTALL, *controller_packages())
        for needed in sorted((ROOT / ".collections" / "ansible_collections" / "community").iterdir()):
            made.copy(needed, f"{COLLECTIONS}/community/{needed.name}")
        made("ansible-galaxy", "collection", "install", "--no-deps", f"/{archive.name}")
        yield made
    finally:
        run("docker", "rm", "--force", "--volumes", name)


def controller_packages() -> list[str]:
    lines = (ROOT / "requirements" / "controller.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def operators() -> Iterator[None]:
    """On each host a user with sudo; root's key is let in as the user's."""
    lab = Lab()
    lab.reset()
    for host in HOSTS:
        made = (
            f"useradd --create-home --password '*' {OPERATOR}"
            f" && install -o {OPERATOR} -m 700 -d /home/{OPERATOR}/.ssh"
            f" && install -o {OPERATOR} -m 600 /root/.ssh/authorized_keys /home/{OPERATOR}/.ssh/"
            f" && echo '{OPERATOR} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{OPERATOR}"
        )
        lab.output(host, "sh", "-c", made)
    yield
    for host in HOSTS:
        gone = f"rm /etc/sudoers.d/{OPERATOR}; pkill -u {OPERATOR}; userdel --remove --force {OPERATOR} 2>&1; ! id {OPERATOR}"
        lab.output(host, "sh", "-c", gone)


def users_inventory() -> dict[str, Any]:
    """An inventory as a user writes it: one file, both environments, the fleet list."""
    lab = inventory.inventory(state.load())
    reach = {name: value for name, value in lab["ibgateway"]["vars"].items() if name != "ansible_python_interpreter"}
    hostvars = lab["_meta"]["hostvars"]
    # The lab's IBKR never resets, so that the test does not depend on the hour.
    of_the_lab = {
        "gateway_image": "ibgateway-lab/ibga",
        "gateway_image_tag": "r20260803",
        "gateway_min_free_mb": 200,
        "gateway_reset_windows": [],
    }
    environments = {
        "staging": ("Paper Trading", "DU1234567", "AF - Trading Infra - Staging"),
        "production": ("Live Trading", "U7654321", "AF - Trading Infra - Production"),
    }
    children = {
        name: {
            "hosts": {host: hostvars[host] for host in lab[name]["hosts"]},
            "vars": {"gateway_trading_mode": mode, "gateway_account": account, "gateway_vault": vault},
        }
        for name, (mode, account, vault) in environments.items()
    }
    fleet = [settings.inventory_name(name) for name in HOSTS]
    return {
        "all": {
            "vars": {"session_fleet": fleet},
            "children": {
                "ibgateway": {"vars": {**reach, "ansible_user": OPERATOR, **of_the_lab}, "children": children},
            },
        }
    }


def deploy(container: Container, *arguments: str) -> str:
    container.write(f"{TRADING}/hosts.json", users_inventory())
    return " ".join(
        container(
            *("ansible-playbook", "-i", "hosts.json", "abstractfinance.ibgateway.deploy_staging", *arguments),
            PYTHONPATH="/lab/onepassword",
            LAB_ONEPASSWORD="/lab/store.json",
            OP_SERVICE_ACCOUNT_TOKEN=play.made_up_token(),
            HTTPS_PROXY=play.CLOSED_PROXY,
            LC_ALL="C.UTF-8",
        ).split()
    )


def test_archive_holds_what_its_users_need(archive: pathlib.Path) -> None:
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    assert {name.partition("/")[0] for name in names if "/" in name} == SHIPPED
    assert {"MANIFEST.json", "FILES.json", "README.md", "CHANGELOG.md"} <= set(names)
    assert "meta/execution-environment.yml" in names
    assert not [name for name in names if name.startswith(("inventories/lab", "changelogs/fragments"))]


@pytest.mark.parametrize("kind", ["module", "filter", "role"])
def test_everything_that_is_installed_has_its_documentation(container: Container, kind: str) -> None:
    listed = json.loads(container("ansible-doc", "-t", kind, "--list", "--json", "abstractfinance.ibgateway"))
    folder = {"module": "plugins/modules/*.py", "filter": "plugins/filter/*.py", "role": "roles/*"}[kind]
    assert len(listed) >= len(list(ROOT.glob(folder)))
    if listed:
        shown = container("ansible-doc", "-t", kind, *listed)
        for name in listed:
            assert name.upper() in shown.upper()


def test_deploys_by_fqcn_from_elsewhere_as_a_user_who_is_not_root(container: Container, operators: None) -> None:
    said = deploy(container)
    assert "afpaper01 is proven on staging.abstractfinance.example: account DU1234567" in said
    with_session = [(item["login"], item["host"]) for item in Lab().ibkr_state()["sessions"]]
    assert [login for login, host in with_session] == ["afpaper01"]
    again = deploy(container)
    assert "nothing to change" in again


def test_an_execution_environment_gets_what_the_collection_needs(archive: pathlib.Path, tmp_path: pathlib.Path) -> None:
    place = tmp_path / "ansible_collections" / "abstractfinance" / "ibgateway"
    with tarfile.open(archive) as opened:
        opened.extractall(place, filter="data")
    builder = pathlib.Path(sys.executable).with_name("ansible-builder")
    found = run(str(builder), "introspect", str(tmp_path))
    assert "onepassword-sdk>=0.4" in found
    assert "openssh-client [platform:dpkg" in found
