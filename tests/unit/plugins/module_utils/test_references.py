# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import references
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError


def test_reads_the_guides_references():
    note = references.parse("op://AF - Trading Infra - Staging/abstractfinance.staging.env/notesPlain")
    assert (note.vault, note.item, note.section, note.field) == (
        "AF - Trading Infra - Staging",
        "abstractfinance.staging.env",
        "",
        "notesPlain",
    )
    key = references.parse("op://v/ibkr.staging.totp-key/login/one-time password?attribute=otp")
    assert (key.section, key.field, key.one_time_code) == ("login", "one-time password", True)


@pytest.mark.parametrize(
    "text",
    [
        "op://v//f",
        "op:///i/f",
        "op://v/i/",
        "op://v/i/f ",
        "op:// v/i/f",
        "op://v/i /f",
        "op://v/i",
        "op://v/i/s/f/more",
        "OP://v/i/f",
        "op://vä/i/f",
        "op://v/i/f#",
        "op://v/i/f\n",
        "op://v/i/f?attribute=foo",
        "op://v/i/f?foo=otp",
        "op://v/i/f?attribute=otp&x=1",
    ],
)
def test_refuses_a_malformed_reference(text):
    with pytest.raises(GatewayError) as error:
        references.parse(text)
    assert error.value.code == "secret-reference-malformed"


@given(st.text())
def test_never_fails_otherwise(text):
    with contextlib.suppress(GatewayError):
        assert references.parse("op://" + text).text == "op://" + text


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("op://v/i/f", ["op://v/i/f"]),
        ("{{ op://v/i/f }}", ["op://v/i/f"]),
        ("x{{op://v/i/f}}y{{ op://v/i/g }}{{ op://v/i/f }}", ["op://v/i/f", "op://v/i/g"]),
        ("https://example.com", []),
        ("{{ not one }}", []),
    ],
)
def test_finds_references(value, found):
    assert references.find(value) == found
    assert not references.has_unenclosed(value)


@pytest.mark.parametrize("value", ["x op://v/i/f", "{{ op://v/i/f }} op://v/i/g", "shop://v/i/f"])
def test_notices_a_reference_whose_end_cannot_be_known(value):
    assert references.has_unenclosed(value)


def test_fills_in_secrets_as_they_are():
    secrets = {"op://v/i/f": r"a\1{{ op://v/i/g }}", "op://v/i/g": "b"}
    assert references.fill("x{{ op://v/i/f }}y{{op://v/i/g}}", secrets) == r"xa\1{{ op://v/i/g }}yb"
    assert references.fill("op://v/i/g", secrets) == "b"
