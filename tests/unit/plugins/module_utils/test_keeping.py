# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
from typing import Any, Callable, Dict, List, Optional

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.keeping import (
    KEEP,
    NEW,
    OPTION_MARKER,
    OPTIONS,
    Demand,
    Files,
    Keeper,
    Settings,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.lease import Leases, Request
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.state import State

NAMES = (".env", "docker-compose.yml")


@pytest.fixture(name="files")
def fixture_files(tmp_path: pathlib.Path) -> Files:
    (tmp_path / "stack").mkdir()
    (tmp_path / "kept").mkdir()
    return Files(str(tmp_path / "stack"), NAMES, str(tmp_path / "kept" / "abstractfinance"))


@pytest.fixture(name="stack")
def fixture_stack(files: Files, tmp_path: pathlib.Path) -> pathlib.Path:
    stack = tmp_path / "stack"
    (stack / ".env").write_text("A=1\n", encoding="utf-8")
    (stack / ".env").chmod(0o600)
    (stack / "docker-compose.yml").write_text("services: {}\n", encoding="utf-8")
    (stack / "docker-compose.yml").chmod(0o640)
    return stack


def mode(path: pathlib.Path) -> int:
    return path.stat().st_mode & 0o7777


def test_files_come_back_as_they_were(files: Files, stack: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert files.keep()
    kept = tmp_path / "kept" / "abstractfinance"
    assert mode(kept) == 0o700
    assert {mode(path) for path in kept.iterdir()} == {0o600}
    (stack / ".env").write_text("A=2\n", encoding="utf-8")
    assert files.put_back() == [".env"]
    assert (stack / ".env").read_text(encoding="utf-8") == "A=1\n"
    assert (mode(stack / ".env"), mode(stack / "docker-compose.yml")) == (0o600, 0o640)
    assert not files.kept
    assert files.put_back() == []


def test_what_is_kept_is_not_overwritten(files: Files, stack: pathlib.Path) -> None:
    assert files.keep()
    (stack / ".env").write_text("A=wrong\n", encoding="utf-8")
    assert not files.keep()
    files.put_back()
    assert (stack / ".env").read_text(encoding="utf-8") == "A=1\n"


def test_no_files_are_nothing_to_keep(files: Files) -> None:
    assert not files.keep()
    assert not files.kept
    assert not files.clear()


def test_a_run_that_died_while_it_kept_is_followed_by_another(
    files: Files, stack: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "kept" / "abstractfinance.new").mkdir()
    (tmp_path / "kept" / "abstractfinance.new" / ".env").write_text("half", encoding="utf-8")
    assert files.keep()
    assert files.put_back() == []
    assert (stack / ".env").read_text(encoding="utf-8") == "A=1\n"


@pytest.fixture(name="data")
def fixture_data(tmp_path: pathlib.Path) -> pathlib.Path:
    data = tmp_path / "volumes" / "settings" / "_data"
    data.mkdir(parents=True)
    data.chmod(0o750)
    (data / "jts.ini").write_text("proven", encoding="utf-8")
    (data / OPTION_MARKER).touch()
    return data


@pytest.fixture(name="settings")
def fixture_settings(data: pathlib.Path) -> Callable[..., Settings]:
    def make(*containers: Dict[str, Any], **volume: Any) -> Settings:
        found = {"Name": "settings", "Driver": "local", "Options": None, "Mountpoint": str(data), **volume}
        return Settings(found, containers, "staging")

    return make


def container(running: bool, volume: str = "settings") -> Dict[str, Any]:
    return {"Name": "/ibgateway", "State": {"Running": running}, "Mounts": [{"Name": volume}]}


def test_new_settings_are_empty_and_of_the_same_owner(settings: Callable[..., Settings], data: pathlib.Path) -> None:
    settings(container(False), container(True, "another")).renew()
    assert os.listdir(data) == []
    assert mode(data) == 0o750


def test_settings_come_back_whatever_came_in_between(settings: Callable[..., Settings], data: pathlib.Path) -> None:
    settings().renew()
    (data / "jts.ini").write_text("failed", encoding="utf-8")
    settings().renew()
    (data / "jts.ini").write_text("failed again", encoding="utf-8")
    assert settings().put_back()
    assert (data / "jts.ini").read_text(encoding="utf-8") == "proven"
    assert os.listdir(data.parent) == ["_data"]
    assert not settings().put_back()


def test_settings_that_are_let_go_are_gone(settings: Callable[..., Settings], data: pathlib.Path) -> None:
    settings().renew()
    assert settings().clear()
    assert os.listdir(data.parent) == ["_data"]
    assert not settings().clear()


@pytest.mark.parametrize("died_after", ["aside", "emptied"])
def test_a_run_that_died_in_between_loses_nothing(
    settings: Callable[..., Settings], data: pathlib.Path, died_after: str
) -> None:
    data.rename(data.parent / "abstractfinance-kept")
    if died_after == "emptied":
        data.mkdir()
    settings().renew()
    assert os.listdir(data) == []
    assert settings().put_back()
    assert (data / "jts.ini").read_text(encoding="utf-8") == "proven"


def test_options_are_set_again_and_the_rest_stays(settings: Callable[..., Settings], data: pathlib.Path) -> None:
    assert settings().forget_options()
    assert os.listdir(data) == ["jts.ini"]
    assert not settings().forget_options()


@pytest.mark.parametrize("step", [Settings.renew, Settings.forget_options])
def test_settings_in_use_are_left_alone(
    settings: Callable[..., Settings], data: pathlib.Path, step: Callable[[Settings], Any]
) -> None:
    with pytest.raises(GatewayError, match="ibgateway, which runs") as caught:
        step(settings(container(True)))
    assert caught.value.code == "settings-in-use"
    assert (data / OPTION_MARKER).exists()


@pytest.mark.parametrize(
    "volume", [{"Driver": "nfs"}, {"Options": {"type": "nfs"}}, {"Mountpoint": "/nowhere/at/all/_data"}]
)
def test_other_drivers_are_refused(settings: Callable[..., Settings], volume: Dict[str, Any]) -> None:
    with pytest.raises(GatewayError) as caught:
        settings(**volume).renew()
    assert caught.value.code == "settings-unreachable"


def test_kept_settings_that_a_container_uses_in_their_place_are_not_put_back(
    settings: Callable[..., Settings], data: pathlib.Path
) -> None:
    settings().renew()
    with pytest.raises(GatewayError):
        settings(container(True)).put_back()
    names: List[str] = sorted(os.listdir(data.parent))
    assert names == ["_data", "abstractfinance-kept"]


class Engine:
    def __init__(self, data: pathlib.Path) -> None:
        self.found: Optional[Dict[str, Any]] = {"Name": "settings", "Driver": "local", "Mountpoint": str(data)}

    def volume(self, _name: str) -> Optional[Dict[str, Any]]:
        return self.found

    def containers(self) -> List[Dict[str, Any]]:
        return [container(running=False)]


class Run:
    """A run on its host, with its lease."""

    def __init__(self, directory: pathlib.Path, data: pathlib.Path) -> None:
        self.engine = Engine(data)
        self.state = State(str(directory / "state"))
        self.state.prepare()
        self.stack = directory / "stack"
        self.stack.mkdir()
        self.write("A=1")
        Leases(self.state).take(Request("staging", "AFpaper01", "afpaper01", "run-a", 900, {}))

    def keeper(self, run_id: str = "run-a", check_mode: bool = False) -> Keeper:
        demand = Demand(
            host="staging",
            login="AFpaper01",
            key="afpaper01",
            run_id=run_id,
            project="abstractfinance",
            project_dir=str(self.stack),
            files=NAMES,
            volume="settings",
        )
        return Keeper(self.engine, self.state, demand, check_mode)  # type: ignore[arg-type]

    def write(self, text: str) -> None:
        (self.stack / ".env").write_text(text, encoding="utf-8")

    @property
    def text(self) -> str:
        return (self.stack / ".env").read_text(encoding="utf-8")


@pytest.fixture(name="run")
def fixture_run(tmp_path: pathlib.Path, data: pathlib.Path) -> Run:
    return Run(tmp_path, data)


def test_a_run_gives_back_what_it_has_kept(run: Run, data: pathlib.Path) -> None:
    assert run.keeper().keep(proven=False) == ["files"]
    assert run.keeper().renew(NEW) == ["settings"]
    run.write("A=2")
    assert list(data.iterdir()) == []
    assert run.keeper().put_back() == [".env", "settings"]
    assert run.text == "A=1"
    assert (data / "jts.ini").read_text(encoding="utf-8") == "proven"
    assert run.keeper().put_back() == []


def test_a_run_that_is_proven_lets_go(run: Run, data: pathlib.Path) -> None:
    run.keeper().keep(proven=False)
    run.keeper().renew(NEW)
    assert run.keeper().clear() == ["files", "settings"]
    assert run.keeper().put_back() == []
    assert list(data.iterdir()) == []


@pytest.mark.parametrize(("proven", "comes_back"), [(False, "A=1"), (True, "A=2")])
def test_what_is_kept_is_the_last_that_was_proven(run: Run, proven: bool, comes_back: str) -> None:
    run.keeper().keep(proven=False)
    run.write("A=2")
    run.keeper().keep(proven)
    run.write("A=3")
    run.keeper().put_back()
    assert run.text == comes_back


@pytest.mark.parametrize(("what", "done"), [(KEEP, []), (OPTIONS, ["options"])])
def test_settings_that_stay(run: Run, data: pathlib.Path, what: str, done: List[str]) -> None:
    assert run.keeper().renew(what) == done
    assert (data / OPTION_MARKER).exists() is (what == KEEP)
    assert (data / "jts.ini").exists()


def test_a_first_deploy_has_no_settings_to_keep(run: Run) -> None:
    run.engine.found = None
    assert run.keeper().renew(NEW) == []
    assert run.keeper().keep(proven=True) == ["files"]
    run.write("A=2")
    assert run.keeper().put_back() == [".env"]


def test_check_mode_tells_and_changes_nothing(run: Run, data: pathlib.Path) -> None:
    keeper = run.keeper(check_mode=True)
    assert keeper.keep(proven=True) == ["files"]
    assert keeper.renew(NEW) == ["settings"]
    assert keeper.renew(OPTIONS) == ["options"]
    assert keeper.put_back() == ["files", "settings"]
    assert keeper.clear() == []
    assert (data / OPTION_MARKER).exists()
    assert not run.keeper().clear()


def test_nothing_is_kept_or_given_back_without_the_runs_own_lease(run: Run, data: pathlib.Path) -> None:
    run.keeper().keep(proven=False)
    other = run.keeper("run-b")
    for act in (lambda: other.keep(proven=True), lambda: other.renew(NEW), other.put_back, other.clear):
        with pytest.raises(GatewayError, match=r"\[lease-lost\]"):
            act()
    assert (data / "jts.ini").exists()
