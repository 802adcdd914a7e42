# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace a file that holds secrets: the old content or the new one, and no leftover, whatever is killed.

The new content has no name until it is complete (`O_TMPFILE`, where the file system knows it). It then needs one for
the instant of the rename. A guardian, a child in a session of its own, takes that name away if the writer dies there.
Where both die at that instant (the machine stops), the next call finds the name and removes it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import signal
import time
from typing import Callable, Iterator

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

LOCK_LIMIT = 10.0
LOCK_INTERVAL = 0.05
NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)


def read(path: str, parent_to_come: bool = False) -> bytes | None:
    """The content, or None where there is no such file. What is no plain file is refused.

    :param parent_to_come: in check mode, the directory may be one that an earlier task would have made.
    """
    parent = os.path.dirname(path) or "."
    if not os.path.isdir(parent):
        if parent_to_come and not os.path.lexists(parent):
            return None
        raise GatewayError(f"the directory {parent} does not exist: make it first", "env-path-unusable")
    if os.path.islink(path):
        raise GatewayError(
            f"{path} is a symbolic link: name the file that it points to, or remove the link", "env-path-unusable"
        )
    if os.path.isdir(path):
        raise GatewayError(f"{path} is a directory: name a file in it", "env-path-unusable")
    if not os.path.exists(path):
        return None
    if not os.path.isfile(path):
        raise GatewayError(f"{path} is no regular file: remove it or name another", "env-path-unusable")
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return file.read()


def replace(path: str, content: bytes, prepare: Callable[[str], object]) -> None:
    """Write the content, have `prepare` give the file at the temporary path its attributes, and put it in place."""
    parent, name = os.path.split(path)
    directory = os.open(parent or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _alone(directory, path):
            sweep(directory, name)
            temporary = f"{_prefix(name)}{secrets.token_hex(8)}"
            with _guarded(directory, temporary):
                _write(directory, temporary, content)
                prepare(os.path.join(parent, temporary))
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
    finally:
        os.close(directory)


def sweep(directory: int, name: str) -> None:
    """Remove what an earlier call left of this file."""
    for entry in os.listdir(directory):
        if re.fullmatch(re.escape(_prefix(name)) + "[0-9a-f]{16}", entry):
            os.unlink(entry, dir_fd=directory)


def _prefix(name: str) -> str:
    return f".{name}.abstractfinance-"


@contextlib.contextmanager
def _alone(directory: int, path: str) -> Iterator[None]:
    """So that sweeping takes nothing from a writer at work."""
    deadline = time.monotonic() + LOCK_LIMIT
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise GatewayError(
                    f"another run has been writing {path} for {LOCK_LIMIT:.0f} s: try again when it is done",
                    "env-file-busy",
                ) from None
            time.sleep(LOCK_INTERVAL)
    try:
        yield
    finally:
        fcntl.flock(directory, fcntl.LOCK_UN)


@contextlib.contextmanager
def _guarded(directory: int, temporary: str) -> Iterator[None]:
    watched, held = os.pipe()
    guardian = os.fork()
    if guardian == 0:
        try:
            os.setsid()
            os.close(held)
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            nowhere = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(nowhere, descriptor)
            os.read(watched, 1)
            _remove(directory, temporary)
        finally:
            os._exit(0)
    os.close(watched)
    try:
        yield
    except BaseException:
        _remove(directory, temporary)
        raise
    finally:
        os.close(held)
        os.waitpid(guardian, 0)


def _remove(directory: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def _write(directory: int, temporary: str, content: bytes) -> None:
    try:
        descriptor = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o600, dir_fd=directory)
        named = False
    except OSError as error:
        if error.errno not in NO_TMPFILE:
            raise
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=directory)
        named = True
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
        if not named:
            os.link(f"/proc/self/fd/{file.fileno()}", temporary, src_dir_fd=directory, dst_dir_fd=directory)
