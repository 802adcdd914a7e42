# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.env_plan import Plan, literals
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rules import rules_from

SECRETS = {"op://v/i/user": "afpaper01", "op://v/i/pass": "a'b\"c$d\n", "op://v/i/code": "123456"}


def finished(template, values=None, rules=None, answers=None):
    plan = Plan(values or {}, rules_from(rules or {}, []))
    plan.add_template(template, "template")
    plan.answer({text: (answers or SECRETS)[text] for text in plan.wanted() if text in (answers or SECRETS)})
    return plan, plan.finish()


def codes(plan):
    return [problem.code for problem in plan.problems]


def test_asks_once_for_each_reference_of_values_and_template():
    plan = Plan({"A": "op://v/i/user", "B": "op://v/i/user"})
    plan.add_template("A=op://v/i/replaced\nC=op://v/i/pass\nD='{{ op://v/i/user }}@{{ op://v/i/pass }}'\n", "template")
    assert plan.wanted() == ["op://v/i/user", "op://v/i/pass"]
    plan.answer(SECRETS)
    assert plan.wanted() == []


def test_fills_values_and_template():
    plan, content = finished(
        "# c\nA=\nC=op://v/i/pass # keep\nD=u:{{ op://v/i/user }}@db\n", {"A": "op://v/i/user", "E": "literal"}
    )
    assert plan.problems == []
    assert content == '# c\nA=afpaper01\nC="a\'b\\"c\\$d\\n" # keep\nD=u:afpaper01@db\nE=literal\n'
    assert plan.public(["A", "E", "NONE"], content) == {"A": "afpaper01", "E": "literal"}


def test_a_secret_that_looks_like_a_reference_is_not_followed():
    plan, content = finished("A=op://v/i/f\n", answers={"op://v/i/f": "op://v/i/g"})
    assert plan.problems == []
    assert content == "A=op://v/i/g\n"


def test_collects_everything_that_is_wrong():
    missing = GatewayError("there is no item", "secret-not-found")
    plan, _content = finished(
        "A=1\nA=2\nno line\nB=op://v//f\nC=op://v/i/none\nD=x op://v/i/f\nE=${X}{{ op://v/i/user }}\nF=toolong\nG=op://v/i/nul\n",
        {"H": "op://v/i/code"},
        {
            "C": {"not_empty": True},
            "F": {"max_length": 3},
            "I": {"required": True},
            "H": {"base32": True},
        },
        {**SECRETS, "op://v/i/none": missing, "op://v/i/nul": "\0"},
    )
    assert sorted(codes(plan)) == sorted(
        [
            "env-template-duplicate-key",
            "env-template-unparsable",
            "secret-reference-malformed",
            "secret-not-found",
            "secret-reference-malformed",
            "secret-reference-malformed",
            "value-too-long",
            "env-value-impossible",
            "env-key-missing",
            "totp-key-malformed",
        ]
    )
    assert "123456" not in str(plan.problems)


def test_names_the_otp_attribute_where_the_key_is_wanted():
    plan, _content = finished(
        "A=op://v/i/f?attribute=otp\n", rules={"A": {"base32": True}}, answers={"op://v/i/f?attribute=otp": "234567"}
    )
    (problem,) = plan.problems
    assert problem.code == "totp-key-malformed"
    assert "stale in 30 seconds" in problem.message


def test_without_a_template_does_not_call_its_keys_missing():
    plan = Plan({"A": "1"}, rules_from({"B": {"required": True}, "A": {"pattern": "2"}}, []))
    plan.fail_template(GatewayError("no such note", "secret-not-found"))
    plan.finish()
    assert codes(plan) == ["secret-not-found", "value-not-allowed"]


@pytest.mark.parametrize(("value", "written"), [("x", "x"), (4000, "4000")])
def test_takes_strings_and_whole_numbers(value, written):
    assert literals({"A": value}) == {"A": written}


@pytest.mark.parametrize("values", [{"A": True}, {"A": 1.10}, {"A": None}, {"A": ["x"]}, {"A-B": "x"}, {"1A": "x"}])
def test_refuses_what_would_have_to_be_guessed(values):
    with pytest.raises(GatewayError) as error:
        literals(values)
    assert error.value.code == "env-value-invalid"
