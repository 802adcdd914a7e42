# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
import os
import stat
from contextlib import redirect_stdout

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.abstractfinance.ibgateway.plugins.modules import env_file

SECRET = "hunter2-and-more"
CONTENT = f"# comment\nMODE=Paper Trading\nPASSWORD={SECRET}\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".env"


def call(path, content=CONTENT, check=False, **options):
    arguments = {
        "path": str(path),
        "template": content,
        "public_keys": ["MODE"],
        "_ansible_check_mode": check,
        "_ansible_diff": True,
        **options,
    }
    mask = os.umask(0o022)
    output = io.StringIO()
    try:
        with patch_module_args(arguments), redirect_stdout(output), pytest.raises(SystemExit):
            env_file.main()
    finally:
        os.umask(mask)
    result = json.loads(output.getvalue())
    assert SECRET not in output.getvalue()
    return result


def test_check_do_check_again_do_again(path):
    checked = call(path, check=True)
    assert checked["changed"]
    assert not checked["current"]
    assert checked["keys_added"] == ["MODE", "PASSWORD"]
    assert not path.exists()
    assert call(path)["changed"]
    assert path.read_text(encoding="utf-8") == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.stat()
    assert not call(path, check=True)["changed"]
    again = call(path)
    assert not again["changed"]
    assert again["current"]
    assert (again["keys_added"], again["keys_removed"], again["keys_changed"]) == ([], [], [])
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_shows_names_and_masks(path):
    path.write_text("MODE=Live Trading\nPASSWORD=old-secret\nGONE=x\n", encoding="utf-8")
    result = call(path)
    assert result["keys_changed"] == ["MODE", "PASSWORD"]
    assert result["keys_removed"] == ["GONE"]
    assert "old-secret" not in json.dumps(result)
    assert "MODE='Live Trading'" in result["diff"]["before"]
    assert "PASSWORD=******** (changed)" in result["diff"]["after"]


def test_a_mode_alone_is_a_change_and_leaves_the_content(path):
    path.write_text(CONTENT, encoding="utf-8")
    path.chmod(0o644)
    inode = path.stat().st_ino
    assert call(path, check=True)["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert call(path)["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_ino == inode


@pytest.mark.parametrize("mode", ["0640", "u=rw,g=r,o="])
def test_takes_another_mode(path, mode):
    assert call(path, mode=mode)["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not call(path, mode=mode)["changed"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_is_the_task_s_user_unless_named(path):
    path.write_text(CONTENT, encoding="utf-8")
    os.chown(path, 1234, 1234)
    assert call(path)["changed"]
    assert (path.stat().st_uid, path.stat().st_gid) == (0, os.getegid())
    assert call(path, owner="1234", group="1235")["changed"]
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


def test_keeps_the_old_file_for_its_owner_only(path):
    path.write_text("OLD=1\n", encoding="utf-8")
    path.chmod(0o644)
    result = call(path, backup=True)
    with open(result["backup_file"], encoding="utf-8") as backup:
        assert backup.read() == "OLD=1\n"
    assert stat.S_IMODE(os.stat(result["backup_file"]).st_mode) == 0o600
    assert "backup_file" not in call(path, backup=True)


def test_refuses_what_is_no_plain_file(path, tmp_path):
    path.symlink_to(tmp_path / "target")
    for place in (path, tmp_path, tmp_path / "missing" / ".env"):
        result = call(place)
        assert result["failed"]
        assert result["code"] == "env-path-unusable"


def test_check_mode_expects_the_directory_to_come(tmp_path):
    (tmp_path / "file").touch()
    assert call(tmp_path / "missing" / ".env", check=True)["changed"]
    assert call(tmp_path / "file" / ".env", check=True)["failed"]
    assert not (tmp_path / "missing").exists()


def test_says_why_it_cannot_write(path, monkeypatch):
    def full(*_):
        raise OSError(28, "detail")

    monkeypatch.setattr(env_file.secret_file, "replace", full)
    result = call(path)
    assert result["failed"]
    assert "No space left on device" in result["msg"]


def test_does_nothing_without_its_action_plugin(path):
    assert call(path, content=None)["failed"]
    assert not path.exists()
