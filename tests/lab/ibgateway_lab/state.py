# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab keeps in the checkout: its key, its known hosts, and where each host is reached."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence

from ibgateway_lab import settings
from ibgateway_lab.process import LabError, run, until

LOCK_TIMEOUT = 900
KEY = settings.STATE / "id_ed25519"
KNOWN_HOSTS = settings.STATE / "known_hosts"
SSH_CONFIG = settings.STATE / "ssh_config"
HOSTS = settings.STATE / "lab.json"


@dataclasses.dataclass(frozen=True)
class HostAddress:
    name: str
    port: int
    host_key: str

    @property
    def inventory_name(self) -> str:
        return settings.inventory_name(self.name)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One change of the lab at a time."""
    for dummy in until(LOCK_TIMEOUT, interval=0.2):
        make_directory()
        with (settings.STATE / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not same_file(lock.fileno(), settings.STATE / "lock"):
                continue
            yield
            return
    raise LabError(f"another `lab` command holds {settings.STATE}/lock, and did not end within {LOCK_TIMEOUT} s")


def same_file(descriptor: int, path: pathlib.Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def make_directory() -> None:
    settings.STATE.mkdir(mode=0o700, exist_ok=True)
    write(settings.STATE / ".gitignore", "*\n")


def write(path: pathlib.Path, text: str) -> None:
    """Replace a file as a whole, and only when it changes."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def public_key() -> str:
    if not KEY.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ibgateway-lab", "-f", str(KEY)], "ssh-keygen")
    return KEY.with_suffix(".pub").read_text(encoding="utf-8")


def save(hosts: Sequence[HostAddress]) -> None:
    write(HOSTS, json.dumps([dataclasses.asdict(host) for host in hosts], indent=2) + "\n")
    write(KNOWN_HOSTS, "".join(f"[127.0.0.1]:{host.port} {host.host_key}\n" for host in hosts))
    write(SSH_CONFIG, "".join(ssh_config_entry(host) for host in hosts))


def load() -> list[HostAddress]:
    try:
        return [HostAddress(**host) for host in json.loads(HOSTS.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def ssh_config_entry(host: HostAddress) -> str:
    return (
        f"Host {host.name} {host.inventory_name}\n"
        f"  HostName 127.0.0.1\n"
        f"  Port {host.port}\n"
        f"  User root\n"
        f'  IdentityFile "{KEY}"\n'
        f"  IdentitiesOnly yes\n"
        f'  UserKnownHostsFile "{KNOWN_HOSTS}"\n'
        f"  GlobalKnownHostsFile /dev/null\n"
        f"  StrictHostKeyChecking yes\n"
        f"  ConnectTimeout 10\n"
    )


def remove() -> None:
    shutil.rmtree(settings.STATE, ignore_errors=True)
