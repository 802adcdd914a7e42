# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order in which a run takes its leases, as Ansible makes it of the role's variables."""

from __future__ import annotations

from pathlib import Path

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

VARIABLES = Path(__file__).resolve().parents[4] / "roles" / "session" / "vars" / "main.yml"


def test_every_run_begins_with_the_same_host() -> None:
    loader = DataLoader()
    variables = loader.load_from_file(str(VARIABLES), trusted_as_template=True)
    fleet = [f"host{number:02}.abstractfinance.example" for number in range(20)]
    variables |= {"session_fleet": fleet[::-1], "session_assume_fenced": [fleet[3]]}
    asked = Templar(loader, variables=variables).template(variables["session_asked_hosts"])
    assert asked == [host for host in fleet if host != fleet[3]]
