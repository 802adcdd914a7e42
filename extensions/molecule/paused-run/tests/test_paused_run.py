# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run sleeps past its lease while another one takes over; when it goes on, it starts nothing and says why."""

from __future__ import annotations

import json
import os
import signal

import pytest

# A short life for the lease, with no more for the wait for a login, which this run never gets to, than its installation needs.
SHORT = {
    "session_lease_ttl": 40,
    "gateway_install_timeout": 30,
    "gateway_login_timeout": 1,
    "gateway_proof_timeout": 1,
}
# Between fence and start, beside a run to another host; and before the container is created, beside one to the same slot.
# What a task has sent to a host goes on there while the controller sleeps, so the start itself would be too late.
AT = [("Fence the login on this host", "production"), ("Write the compose file", "staging")]


@pytest.mark.parametrize(("task", "taken_by"), AT if os.environ.get("TEST_COUNT") == "full" else AT[:1])
def test_a_run_that_slept_starts_nothing_and_ends_nothing(
    task, taken_by, begin, play, one_login, on_paper, ibkr, staging, settled, lab_command
):
    lab_command("reset")
    sleeper = begin("deploy-staging.yml", "-e", json.dumps(SHORT), store=one_login)
    sleeper.reach(task)
    sleeper.send(signal.SIGSTOP)
    deploy = ("deploy-production.yml", *on_paper) if taken_by == "production" else ("deploy-staging.yml",)
    other = play(*deploy, "-e", "gateway_lease_wait=300", store=one_login)
    assert other.rc == 0
    session = ibkr.session("afpaper01")
    running = staging.check_output("docker ps -q --no-trunc")
    sleeper.send(signal.SIGCONT)
    outcome = sleeper.end()
    assert outcome.rc != 0
    assert "[lease-lost]" in outcome.output
    assert "was not started" in outcome.words or "nothing was started" in outcome.words
    assert staging.check_output("docker ps -q --no-trunc") == running
    assert ibkr.session("afpaper01") == session
    settled(taken_by)
