# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller is killed between two tasks of a takeover; the same command, given again, completes it at once."""

from __future__ import annotations

import os

import pytest

TELLING = ["Start the gateway", "Remove what was parked for this login"]
FULL = os.environ.get("TEST_COUNT") == "full"


def take_over_again(play, ibkr, settled):
    outcome = play("deploy-staging.yml")
    assert outcome.rc == 0
    assert ibkr.counts("afpaper01")["failures"] == 0
    settled("staging")


@pytest.fixture
def held(lab_command, holder):
    lab_command("reset")
    holder("production", project="trading", container="gateway-paper", restart="always")


@pytest.mark.skipif(FULL, reason="every boundary is tried")
@pytest.mark.parametrize("task", TELLING)
@pytest.mark.usefixtures("held")
def test_killed_at_a_telling_task(task, begin, play, ibkr, settled):
    run = begin("deploy-staging.yml")
    run.reach(task)
    run.kill()
    take_over_again(play, ibkr, settled)


@pytest.mark.skipif(not FULL, reason="some 20 min: full counts only")
def test_killed_at_every_task(begin, play, ibkr, settled, lab_command, holder):
    number = 1
    while True:
        lab_command("reset")
        holder("production", project="trading", container="gateway-paper", restart="always")
        run = begin("deploy-staging.yml")
        if not run.reach_task_or_end(number):
            break
        run.kill()
        take_over_again(play, ibkr, settled)
        number += 1
    assert number > len(TELLING)
