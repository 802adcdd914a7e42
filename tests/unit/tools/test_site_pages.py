# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
import site_pages as site


def made(directory: Path, **pages: str) -> site.Site:
    for name, text in pages.items():
        (directory / f"{name}.html").write_text(text, encoding="utf-8")
    return site.Site(directory)


@pytest.mark.parametrize(
    "link", ["b.html", "b.html#there", "#here", "b.html?x=1#there", "style%20sheet.css", "https://elsewhere.example/x"]
)
def test_link_that_leads_somewhere(tmp_path: Path, link: str) -> None:
    (tmp_path / "style sheet.css").touch()
    found = made(tmp_path, index=f'<p id="here"><a href="{link}">x</a>', b='<p id="there">')
    assert list(found.dead_links()) == []


@pytest.mark.parametrize("link", ["c.html", "b.html#nowhere", "#nowhere", "images/none.png"])
def test_link_that_leads_nowhere(tmp_path: Path, link: str) -> None:
    found = made(tmp_path, a=f'<p id="here"><a href="{link}">x</a>', b='<p id="there">')
    assert list(found.dead_links()) == [f"a.html: {link}"]


def test_pictures_are_links_too(tmp_path: Path) -> None:
    assert list(made(tmp_path, a='<img src="none.svg">').dead_links()) == ["a.html: none.svg"]


def test_a_playbook_that_no_page_names_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "commands.md").write_text("`abstractfinance.ibgateway.deploy`\n", encoding="utf-8")
    (tmp_path / "playbooks").mkdir()
    for name in ("deploy", "deploy-staging", "status"):
        (tmp_path / "playbooks" / f"{name}.yml").touch()
    assert site.unnamed_playbooks(tmp_path) == ["status"]


def test_every_playbook_is_named_in_the_documentation() -> None:
    assert site.unnamed_playbooks() == []


def test_plugins_of_other_collections_lead_to_their_documentation() -> None:
    text = (
        "ansible_collections.ansible.builtin.copy_module ansible_collections.abstractfinance.ibgateway.env_file_module"
    )
    (place,) = site.other_plugins([text, text])
    assert ".. _ansible_collections.ansible.builtin.copy_module:\n" in place
    assert "<https://docs.ansible.com/ansible/latest/collections/ansible/builtin/copy_module.html>" in place


def test_a_page_of_the_reference_has_its_short_name_for_a_title() -> None:
    name = "abstractfinance.ibgateway.session_fence module -- End it"
    text = f"{name}\n{'+' * len(name)}\n\nUse abstractfinance.ibgateway.session_fence for it.\n"
    title, line, *rest = site.fitted(text).splitlines()
    assert title == "session_fence module -- End it"
    assert len(line) >= len(title)
    assert rest[-1] == "Use abstractfinance.ibgateway.session_fence for it."


def test_contents_within_a_page_go() -> None:
    assert site.fitted(".. contents::\n   :local:\n   :depth: 1\n\nText\n") == "\nText\n"
