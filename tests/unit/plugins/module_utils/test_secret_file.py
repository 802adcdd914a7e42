# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import secret_file
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

STEPS = ["os.pipe", "os.fork", "os.open", "os.fchmod", "os.fsync", "os.link", "prepare", "os.rename", "after"]

# Writes the file and is killed on reaching a step, before or after the system call is made.
KILLED = """
import os, signal, sys
path, step, moment, named = sys.argv[1:]
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import secret_file

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def prepare(temporary):
    if step == "prepare":
        die()

if named == "named":
    secret_file.os.O_TMPFILE = os.O_DIRECTORY | os.O_CREAT
if step.startswith("os."):
    name = step[3:]
    real = getattr(os, name)
    own = os.getpid()
    def deadly(*arguments, **options):
        if moment == "before" and os.getpid() == own:
            die()
        result = real(*arguments, **options)
        if moment == "after" and os.getpid() == own:
            die()
        return result
    setattr(os, name, deadly)
secret_file.replace(path, b"new" * 10000, prepare)
die()
"""


def wait_until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited 20 s until {what}"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("step", "moment", "named"),
    [
        (step, moment, named)
        for step in STEPS
        for moment in ("before", "after")
        for named in ("unnamed", "named")
        if (step, named) != ("os.link", "named")
    ],
)
def test_killed_at_any_step_leaves_the_old_or_the_new_and_nothing_else(tmp_path, step, moment, named):
    path = tmp_path / ".env"
    path.write_bytes(b"old")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), step, moment, named],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    wait_until(lambda: os.listdir(tmp_path) == [".env"], "the guardian had removed what was left")
    expected = b"new" * 10000 if step == "after" or (step, moment) == ("os.rename", "after") else b"old"
    assert path.read_bytes() == expected


# Writes the file and is killed on reaching the Nth line of the module's own code; says how many there are.
KILLED_AT_LINE = """
import os, signal, sys
path, line, named = sys.argv[1], int(sys.argv[2]), sys.argv[3]
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import secret_file

if named == "named":
    secret_file.os.O_TMPFILE = os.O_DIRECTORY | os.O_CREAT
own, seen = os.getpid(), 0

def trace(frame, event, _argument):
    global seen
    if frame.f_code.co_filename != secret_file.__file__ or os.getpid() != own:
        return None
    if event == "line":
        seen += 1
        if seen == line:
            os.kill(own, signal.SIGKILL)
    return trace

sys.settrace(trace)
secret_file.replace(path, b"new" * 10000, lambda temporary: os.chmod(temporary, 0o600))
sys.settrace(None)
print(seen)
"""


@pytest.mark.parametrize("named", ["unnamed", "named"])
def test_killed_at_any_line_leaves_the_old_or_the_new_and_nothing_else(tmp_path, named):
    def killed_at(line):
        place = tmp_path / str(line)
        place.mkdir()
        (place / ".env").write_bytes(b"old")
        done = subprocess.run(
            [sys.executable, "-c", KILLED_AT_LINE, str(place / ".env"), str(line), named],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == (-signal.SIGKILL if line else 0), done.stderr
        wait_until(lambda: os.listdir(place) == [".env"], f"nothing was left of the kill at line {line}")
        return (place / ".env").read_bytes(), done.stdout

    content, lines = killed_at(0)
    assert content == b"new" * 10000
    contents = [killed_at(line)[0] for line in range(1, int(lines) + 1)]
    assert set(contents) == {b"old", b"new" * 10000}
    assert contents == sorted(contents, key=lambda content: content != b"old")
    print(f"killed at each of {lines.strip()} lines: {contents.count(b'old')} times the old file, else the new one")


def test_replaces_the_content_and_keeps_no_wider_mode(tmp_path):
    path = tmp_path / ".env"
    path.write_bytes(b"old")
    path.chmod(0o644)
    modes = []
    secret_file.replace(str(path), b"new", lambda temporary: modes.append(stat.S_IMODE(os.stat(temporary).st_mode)))
    assert path.read_bytes() == b"new"
    assert modes == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [".env"]


def test_a_failure_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / ".env"
    path.write_bytes(b"old")

    def fail(_temporary):
        raise OSError(1, "no")

    with pytest.raises(OSError, match="no"):
        secret_file.replace(str(path), b"new", fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [".env"]


def test_sweeps_its_own_leftovers_and_no_other_file(tmp_path):
    left = tmp_path / f"..env.abstractfinance-{'0a' * 8}"
    others = [tmp_path / "..env.abstractfinance-notes", tmp_path / f"..env2.abstractfinance-{'0a' * 8}"]
    for file in (left, *others):
        file.write_bytes(b"x")
    secret_file.replace(str(tmp_path / ".env"), b"new", lambda _: None)
    assert not left.exists()
    assert all(file.exists() for file in others)


def test_waits_for_another_writer_and_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(secret_file, "LOCK_LIMIT", 0.2)

    def meanwhile(_temporary):
        with pytest.raises(GatewayError) as error:
            secret_file.replace(str(tmp_path / ".env"), b"other", lambda _: None)
        assert error.value.code == "env-file-busy"

    secret_file.replace(str(tmp_path / ".env"), b"new", meanwhile)
    assert (tmp_path / ".env").read_bytes() == b"new"


def test_reads_what_is_there(tmp_path):
    assert secret_file.read(str(tmp_path / ".env")) is None
    (tmp_path / ".env").write_bytes(b"x")
    assert secret_file.read(str(tmp_path / ".env")) == b"x"


def test_refuses_what_is_no_plain_file(tmp_path):
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("target")
    os.mkfifo(tmp_path / "fifo")
    for name in ("directory", "link", "fifo", "missing/.env"):
        with pytest.raises(GatewayError) as error:
            secret_file.read(str(tmp_path / name))
        assert error.value.code == "env-path-unusable"
