# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EXAMPLES of each module and filter, and docs/examples: what can run without a host runs; the others are held
against the arguments that the module itself declares."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.template import Templar

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import errors

PREFIX = "abstractfinance.ibgateway."
COLLECTION = Path(errors.__file__).parents[2]
MODULES = sorted(path.stem for path in (COLLECTION / "plugins" / "modules").glob("*.py"))
FILTERS = sorted(path.stem for path in (COLLECTION / "plugins" / "filter").glob("*.py"))

# By import, since ansible-test keeps the programs' metadata from `python -m ansible`.
PLAYBOOK = "from ansible.cli.playbook import main; main()"
FLEET = ["staging.abstractfinance.example", "production.abstractfinance.example"]
SEEN = {
    "sessions": [],
    "stopped": [],
    "parked": [],
    "leases": [],
    "assumed_fenced": [],
    "history": [],
    "boot_id": "0d3b1f7a-6a52-4a1c-8a4e-2b4a6c1d9e0f",
}
# What earlier tasks of a play have registered by the time of an example.
VARIABLES: dict[str, Any] = {
    "session_fleet": FLEET,
    "session_run_id": "4f1f6c0e-6b52-4f36-9a0e-4d5c4f2f0a11",
    "session_seen": SEEN,
    "session_fenced": {"receipt": {"host": FLEET[0]}},
    "session_renewed": {"lease": {"host": FLEET[0]}},
    "gateway_account": "DU1234567",
    "gateway_diagnosis": {"state": "failed", "causes": [], "sound": [], "timeline": []},
    "gateway_env": {"keys_changed": ["IBKR_PASSWORD"]},
}
# Decided on the controller, so that their examples need no host; an hour may be the wrong one.
RUN = {
    **dict.fromkeys(("diagnosis_report", "instruments", "remedy_plan", "session_barrier", "session_plan"), ()),
    **dict.fromkeys(("session_run", "session_status"), ()),
    "gateway_hours": ("inside-reset-window", "market-hours"),
}


class DeclaredError(BaseException):
    """The module has said which arguments it takes."""


def examples(kind: str, name: str, directory: Path) -> list[dict[str, Any]]:
    path = directory / f"{name}.yml"
    path.write_text(text_of(kind, name), encoding="utf-8")
    tasks: list[dict[str, Any]] = DataLoader().load_from_file(str(path), trusted_as_template=True)
    return tasks


def text_of(kind: str, name: str) -> str:
    plugin = importlib.import_module(f"ansible_collections.{PREFIX}plugins.{kind}.{name}")
    text: str = plugin.EXAMPLES
    return text


def spec_of(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the module tells AnsibleModule, or its action plugin Ansible, where there is no more than that."""
    module = importlib.import_module(f"ansible_collections.{PREFIX}plugins.modules.{name}")
    declared: dict[str, Any] = {}

    def declare(*dummy: Any, **told: Any) -> None:
        declared.update(told)
        raise DeclaredError

    if hasattr(module, "main"):
        monkeypatch.setattr(module, "AnsibleModule", declare)
        run: Callable[[], Any] = module.main
    else:
        action = importlib.import_module(f"ansible_collections.{PREFIX}plugins.action.{name}").ActionModule
        monkeypatch.setattr(ActionBase, "__init__", lambda self: None)
        monkeypatch.setattr(ActionBase, "run", lambda *dummy: {})
        monkeypatch.setattr(ActionBase, "validate_argument_spec", declare)
        run = action().run
    with pytest.raises(DeclaredError):
        run()
    declared.pop("supports_check_mode", None)
    return declared


def errors_of(task: Mapping[str, Any], spec: Mapping[str, Any]) -> list[str]:
    templar = Templar(
        loader=DataLoader(),
        variables={
            **VARIABLES,
            "hostvars": dict.fromkeys(FLEET, VARIABLES),
            "inventory_hostname": FLEET[0],
            "ansible_play_hosts_all": FLEET,
        },
    )
    return list(ArgumentSpecValidator(**spec).validate(templar.template(task)).error_messages)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_takes_the_arguments_of_its_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [task[PREFIX + name] for task in examples("modules", name, tmp_path) if PREFIX + name in task]
    assert tasks, "its examples do not use it"
    spec = spec_of(name, monkeypatch)
    assert [error for task in tasks for error in errors_of(without_lookups(task), spec)] == []


def without_lookups(task: Mapping[str, Any]) -> dict[str, Any]:
    """Lookups are Ansible's own, and one that makes a password would write it to this user's home."""
    return {key: "found" if "lookup(" in str(value) else value for key, value in task.items()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as a reader has it: an inventory of two hosts, and the files that examples name."""
    directory = tmp_path_factory.mktemp("examples")
    hosts = {name.partition(".")[0]: {"hosts": {name: {}}} for name in FLEET}
    variables = {**VARIABLES, "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {"ibgateway": {"children": hosts, "vars": variables}}
    (directory / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
    (directory / "config").mkdir()
    (directory / "config" / "instruments.yaml").write_text(commented("instruments"), encoding="utf-8")
    return directory


def commented(name: str) -> str:
    """The file that the examples show as a comment."""
    return "".join(line[2:] for line in text_of("modules", name).splitlines(keepends=True) if line.startswith("#   "))


def play(place: Path, tasks: list[Any], *arguments: str) -> str:
    """Run the tasks on the two hosts; what Ansible printed."""
    book = [{"hosts": "ibgateway", "gather_facts": False, "tasks": tasks}]
    (place / "play.yml").write_text(json.dumps(book), encoding="utf-8")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "HOME": str(place),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        [sys.executable, "-c", PLAYBOOK, "-i", "hosts.yml", "play.yml", *arguments],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def runnable(place: Path) -> Iterator[dict[str, Any]]:
    for name, refusals in RUN.items():
        for task in examples("modules", name, place):
            if PREFIX + name not in task:
                continue
            # What writes to a host only tells what it would write.
            writes = str(task[PREFIX + name].get("dest", "")).startswith("/")
            yield {
                **task,
                "register": "example",
                "check_mode": writes,
                "failed_when": f"example is failed and example.code | default('') not in {list(refusals)}",
            }
    for name in FILTERS:
        for task in examples("filter", name, place):
            yield {**task, "register": "example"}
            yield {"ansible.builtin.assert": {"that": f"example.msg == {task['name']!r}"}}
    shipped = {"src": str(COLLECTION / "docs" / "examples" / "instruments.yaml")}
    yield {f"{PREFIX}instruments": shipped, "register": "example"}


def test_examples_run(place: Path) -> None:
    tasks = list(runnable(place))
    said = play(place, tasks)
    # A task that runs once runs on the first host of the inventory.
    assert max(map(int, re.findall(r"^\S+ +: ok=(\d+)", said, re.MULTILINE))) == len(tasks)
    assert [path.stem for path in sorted(place.glob(".abstractfinance/diagnosis/*/*.html"))] == sorted(FLEET)


def test_examples_are_plays(place: Path) -> None:
    """Those that need a host, as far as Ansible reads a play without one."""
    play(place, [task for name in MODULES for task in examples("modules", name, place)], "--syntax-check")
