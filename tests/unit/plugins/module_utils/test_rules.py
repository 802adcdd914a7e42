# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rules import Rule, rules_from


def problems(options, value, public=False, **others):
    return Rule("KEY", options, public).check({"KEY": value, **others}, "line 3 of the note")


def codes(options, value, **others):
    return [problem.code for problem in problems(options, value, **others)]


def test_says_that_a_required_key_is_missing():
    (problem,) = Rule("KEY", {"required": True, "not_empty": True}, False).check({}, "")
    assert problem.code == "env-key-missing"
    assert Rule("KEY", {"not_empty": True}, False).check({}, "") == []


@pytest.mark.parametrize("rule", [{"base32": True}, {"choices": ["x"]}, {"gateway_password": True}, {"pattern": "x"}])
def test_holds_an_empty_value_to_being_empty_only(rule):
    assert codes(rule, "") == []
    assert codes({**rule, "not_empty": True}, "") == ["secret-empty"]


@pytest.mark.parametrize(("value", "meant"), [("paper", "Paper Trading"), ("LIVE", "Live Trading"), ("demo", None)])
def test_names_both_spellings_of_the_trading_mode(value, meant):
    (problem,) = problems({"choices": ["Paper Trading", "Live Trading"], "equals": "Paper Trading"}, value, public=True)
    assert problem.code == "trading-mode-misspelt"
    assert "`Paper Trading` or `Live Trading`" in problem.message
    assert "line 3 of the note" in problem.message
    assert (f"did you mean `{meant}`" in problem.message) == (meant is not None)


@pytest.mark.parametrize("value", ["Paper Trading", "Live Trading"])
def test_accepts_the_right_spellings(value):
    assert codes({"choices": ["Paper Trading", "Live Trading"]}, value) == []


def test_another_choice_has_another_code():
    assert codes({"choices": ["Europe"]}, "europe") == ["value-not-allowed"]


def test_matches_the_whole_value():
    assert codes({"pattern": "[a-z]+"}, "abc") == []
    assert codes({"pattern": "[a-z]+"}, "abc\n") == ["value-not-allowed"]


def test_counts_characters():
    assert codes({"max_length": 8}, "12345678") == []
    assert codes({"max_length": 8}, "123456789") == ["value-too-long"]


@pytest.mark.parametrize("value", ["JBSWY3DPEHPK3PXP", "jbswy3dpehpk3pxp", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ===="])
def test_accepts_a_totp_key(value):
    assert codes({"base32": True}, value) == []


@pytest.mark.parametrize(
    "value", ["123456", "234567", "JBSW Y3DP EHPK 3PXP", "JBSWY3DPEHPK3PX1", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP"]
)
def test_refuses_what_is_no_totp_key(value):
    assert codes({"base32": True}, value) == ["totp-key-malformed"]


UNSAFE = [
    ("two words", "white space"),
    ("tab\t", "white space"),
    ("a`id`", "backtick"),
    ("a$(id)", "'$('"),
    ("a${HOME}", "'${'"),
    ("a$[1+1]", "'$['"),
    ("-secret", "starts with '-'"),
    ("pässword", "not ASCII"),
    ("bell\x07", "control character"),
]


@pytest.mark.parametrize(("value", "named"), UNSAFE)
@pytest.mark.parametrize(
    ("rule", "code"), [("gateway_password", "password-unsafe"), ("gateway_username", "username-unsafe")]
)
def test_refuses_what_the_image_cannot_type(rule, code, value, named):
    (problem,) = problems({rule: True}, value)
    assert problem.code == code
    assert named in problem.message
    assert value not in problem.message


@given(st.text(string.ascii_letters + string.digits + "!\"#%&'*+,./:;<=>?@[]^_{|}~\\$", min_size=1))
def test_accepts_what_arrives(value):
    unsafe = any(opening in value for opening in ("${", "$["))
    assert bool(codes({"gateway_password": True}, value)) == unsafe


@pytest.mark.parametrize("value", ["$HOME", "$5", "*?[]", "a-b", "$"])
def test_accepts_what_only_looks_dangerous(value):
    assert codes({"gateway_password": True}, value) == []


def test_says_what_the_inventory_says_and_what_1password():
    (problem,) = problems({"equals": "DU1234567"}, "U7654321", public=True)
    assert problem.code == "inventory-disagrees"
    assert "'DU1234567' by the inventory, but 'U7654321' by line 3 of the note" in problem.message
    assert codes({"equals": "DU1234567"}, "") == ["inventory-disagrees"]


def test_shows_no_value_of_a_key_that_is_not_public():
    for options in ({"equals": "a"}, {"choices": ["x"]}, {"pattern": "x"}, {"max_length": 2}, {"base32": True}):
        (problem,) = problems(options, "hunter2")
        assert "hunter2" not in problem.message


@pytest.mark.parametrize(
    ("account", "mode", "fits"),
    [
        ("DU1234567", "Paper Trading", True),
        ("DF1234567", "Paper Trading", True),
        ("U7654321", "Live Trading", True),
        ("F7654321", "Live Trading", True),
        ("U7654321", "Paper Trading", False),
        ("DU1234567", "Live Trading", False),
        ("afpaper01", "Paper Trading", False),
        ("DU1234567", "paper", True),
    ],
)
def test_holds_the_account_to_the_trading_mode(account, mode, fits):
    assert codes({"account_for": "MODE"}, account, MODE=mode) == ([] if fits else ["account-of-other-mode"])


def test_cannot_check_what_compose_puts_together():
    assert codes({"not_empty": True}, None) == ["env-value-interpolated"]


def test_adds_the_hint():
    (problem,) = problems({"max_length": 1, "hint": "VNC takes no more"}, "ab")
    assert "VNC takes no more" in problem.message


@pytest.mark.parametrize(
    "options",
    [
        {"KEY": "required"},
        {"KEY": {"requierd": True}},
        {"KEY": {"required": "yes"}},
        {"KEY": {"max_length": 0}},
        {"KEY": {"max_length": True}},
        {"KEY": {"choices": []}},
        {"KEY": {"choices": [1]}},
        {"KEY": {"pattern": "["}},
    ],
)
def test_refuses_a_rule_that_does_not_exist_or_fit(options):
    with pytest.raises(GatewayError) as error:
        rules_from(options, [])
    assert error.value.code == "env-rule-invalid"
