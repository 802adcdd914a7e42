# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dynamic inventory of the lab: `--list`, with the variables of all hosts."""

from __future__ import annotations

import json
import shlex
import socket
import sys
from collections.abc import Sequence
from typing import Any

from ibgateway_lab import settings, state

NO_LAB = "The lab does not run on this machine: `make lab` starts it."


def lab_runs() -> bool:
    try:
        socket.create_connection(("127.0.0.1", settings.IBKR_STATE_PORT), timeout=2).close()
    except OSError:
        return False
    return True


def ssh_arguments() -> str:
    options = (
        f'UserKnownHostsFile="{state.KNOWN_HOSTS}"',
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
    )
    return shlex.join(["-F", "/dev/null", *(argument for option in options for argument in ("-o", option))])


def inventory(hosts: Sequence[state.HostAddress]) -> dict[str, Any]:
    names = [host.inventory_name for host in hosts]
    environments = {name: {"hosts": [settings.inventory_name(name)]} for name in settings.ENVIRONMENTS}
    others = [host.inventory_name for host in hosts if host.name not in settings.ENVIRONMENTS]
    return {
        "_meta": {"hostvars": {host.inventory_name: {"ansible_port": host.port} for host in hosts}},
        "all": {"vars": {"session_fleet": names}},
        "ibgateway": {
            "children": list(settings.ENVIRONMENTS),
            "hosts": others,
            "vars": {
                "ansible_host": "127.0.0.1",
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(state.KEY),
                "ansible_ssh_common_args": ssh_arguments(),
                "ansible_python_interpreter": "/usr/bin/python3",
            },
        },
        **environments,
    }


def main() -> int:
    hosts = state.load()
    if not hosts or not lab_runs():
        print(NO_LAB, file=sys.stderr)
        return 1
    print(json.dumps(inventory(hosts), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
