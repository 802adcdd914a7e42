# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.env_change import MASK, compare


def test_names_the_keys_and_masks_their_values():
    change = compare(b"A=old\nB=1\nMODE=Paper Trading\n", "A=new\nC=2\nMODE=Live Trading\n", ["MODE"])
    assert (change.added, change.removed, change.changed) == (["C"], ["B"], ["A", "MODE"])
    assert change.before == f"A={MASK}\nB={MASK}\nMODE='Paper Trading'\n"
    assert change.after == f"A={MASK} (changed)\nC={MASK}\nMODE='Live Trading'\n"


def test_other_quoting_is_no_change_of_a_value():
    change = compare(b"A='x'\n", "A=x\n", [])
    assert change.changed == []
    assert change.before != change.after


def test_comments_are_not_shown():
    change = compare(b"# old secret\nA=1\n", "# new secret\nA=1 # secret\n", ["A"])
    assert "secret" not in change.before + change.after
    assert change.before != change.after


def test_compares_the_text_of_what_compose_puts_together():
    assert compare(b"A=${X}\n", "A=${Y}\n", []).changed == ["A"]
    assert compare(b"A=${X}\n", "A=${X}\n", []).changed == []


def test_a_file_that_is_no_env_is_replaced_and_not_shown():
    for old in (b"\xff\xfe", b"what is this secret\n"):
        change = compare(old, "A=1\n", [])
        assert change.added == ["A"]
        assert "secret" not in change.before


def test_without_a_file_everything_is_added():
    change = compare(None, "A=1\n", [])
    assert (change.added, change.before) == (["A"], "")


def test_the_same_is_no_difference():
    change = compare(b"A=1\n", "A=1\n", [])
    assert change.before == change.after
