# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.masks import MASK, Masks, told

KEY = "k" * 32
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=30)


@given(secrets=st.lists(SECRETS, min_size=1, max_size=4), before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_secret_is_left_wherever_it_stands(secrets: list[str], before: str, after: str) -> None:
    masks = Masks(KEY, secrets)
    for secret in secrets:
        assume(not any(secret in MASK or MASK in other for other in secrets))
        text = masks.text(f"{before}{secret}{after}")
        assert secret not in text or secret in before + MASK + after


def test_every_occurrence_goes_and_the_longest_first() -> None:
    assert Masks(KEY, ["s3cret", "s3cret-longer"]).text("s3cret s3cret-longer s3cret") == f"{MASK} {MASK} {MASK}"


@pytest.mark.parametrize(
    "text",
    [
        "Logging in afpaper01",
        "user AFPAPER01, account DU1234567",
        "'afpaper01'",
        "afpaper01@host",
        "login=afpaper01;",
        "U7654321,DU1234567",
    ],
)
def test_usernames_and_accounts_become_tags(text: str) -> None:
    masked = Masks(KEY, (), ["afpaper01"]).text(text)
    assert "afpaper01" not in masked.casefold()
    assert "1234567" not in masked
    assert "7654321" not in masked


def test_a_username_within_a_word_is_none() -> None:
    assert (
        Masks(KEY, (), ["paper"])
        .text("papers, newspaper, paper-trail; paper")
        .startswith("papers, newspaper, paper-trail; login-")
    )


def test_tags_are_stable_and_tell_two_logins_apart() -> None:
    one, other = Masks(KEY), Masks(KEY)
    assert one.login("afpaper01") == other.login("AFpaper01")
    assert one.login("afpaper01") != one.login("aflive01")
    assert Masks("another key").login("afpaper01") != one.login("afpaper01")
    assert one.names == {one.login("afpaper01"): "afpaper01", one.login("aflive01"): "aflive01"}


def test_fingerprints_compare_and_tell_nothing() -> None:
    one, other = Masks(KEY), Masks(KEY)
    assert one.fingerprint("s3cret") == other.fingerprint("s3cret") != one.fingerprint("s3creT")
    assert len(one.fingerprint("s3cret")) == 8
    assert one.names == {}


def test_launcher_log_loses_addresses_and_digests() -> None:
    line = "2026-11-26 00:01:33.307 [CCP] INFO - Authenticating afpaper01 at 192.0.2.17:4000, session hash 5f3a91c2, AUTH_START"
    masked = Masks(KEY, (), ["afpaper01"]).launcher(line)
    assert "192.0.2.17" not in masked
    assert "5f3a91c2" not in masked
    assert masked.startswith("2026-11-26 00:01:33.307 [CCP] INFO - Authenticating login-")
    assert masked.endswith("AUTH_START")


def test_masks_reach_into_lists_and_dictionaries() -> None:
    masks = Masks(KEY, ["s3cret"], ["afpaper01"])
    found = masks.all({"a": ["s3cret", {"afpaper01": 1}], "b": ("DU1234567",), "c": 3})
    assert not [name for name in ("s3cret", "afpaper01", "DU1234567") if name in json.dumps(found)]
    assert found["c"] == 3


def test_the_operator_is_told_the_names() -> None:
    masks = Masks(KEY, (), ["afpaper01"])
    assert told(f"login {masks.login('afpaper01')} failed", masks.names) == "login afpaper01 failed"
