# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import List

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.action.remedy_plan import refused


def test_a_question_stays_one() -> None:
    assert (
        refused("- did you mean `Paper Trading`? [trading-mode-misspelt]")[0]["message"]
        == "did you mean `Paper Trading`?"
    )
    assert refused("The disk is full. [disk-full]")[0]["message"] == "The disk is full."


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", []),
        ("1Password cannot be reached: no answer. [secrets-unreachable]", ["secrets-unreachable"]),
        (
            "Two problems:\n- TRADING_MODE is 'paper'. [value-not-allowed]\n- no account. [env-key-missing]",
            ["value-not-allowed", "env-key-missing"],
        ),
        ("The task includes an option with an undefined variable", ["step-failed"]),
        ("A list: [no-such-code]", ["step-failed"]),
    ],
)
def test_whatever_failed_is_a_cause(text: str, codes: List[str]) -> None:
    found = refused(text)
    assert [item["code"] for item in found] == codes
    assert all(item["message"] and "[" not in item["message"].replace("[no-such-code]", "") for item in found)
