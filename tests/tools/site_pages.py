# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation as a site, in .build/docs/html: the pages of docs/, and a page for each module, filter and role.

A warning of Sphinx or of antsibull-docs fails, and so does a link within the site that leads nowhere, or a playbook that
docs/commands.md does not name. Links to elsewhere are counted and not followed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import ansible_test

ROOT = ansible_test.ROOT
COLLECTION = "abstractfinance.ibgateway"
SOURCE = ansible_test.BUILD / "docs" / "source"
HTML = ansible_test.BUILD / "docs" / "html"
REFERENCE = "Modules, filters and roles"
# Pages of the repository that lie outside of docs/, and where they go.
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "tests/lab/README.md": "lab.md"}


def run(*command: str) -> None:
    variables = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ansible_test.BUILD)}
    done = subprocess.run(
        command,
        cwd=ansible_test.BUILD,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout)


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def gather() -> None:
    shutil.rmtree(SOURCE.parent, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE, ignore=shutil.ignore_patterns("site"))
    shutil.copytree(ROOT / "docs" / "site", SOURCE, dirs_exist_ok=True)
    for name, page in PAGES.items():
        shutil.copy2(ROOT / name, SOURCE / page)
    originals = {SOURCE / page: ROOT / name for name, page in PAGES.items()}
    for page in sorted(SOURCE.rglob("*.md")):
        original = originals.get(page, ROOT / "docs" / page.relative_to(SOURCE))
        page.write_text(with_links_into_the_site(original, page), encoding="utf-8")
    reference = SOURCE / "reference"
    reference.mkdir()
    ansible_test.copy_checkout()
    command = [program("antsibull-docs"), "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"]
    run(*command, "--no-add-antsibull-docs-version", "--dest-dir", str(reference), COLLECTION)
    for path in reference.glob("*.rst"):
        path.write_text(fitted(path.read_text(encoding="utf-8")), encoding="utf-8")
    with (SOURCE / "ansible.rst").open("a", encoding="utf-8") as page:
        page.writelines(other_plugins(path.read_text(encoding="utf-8") for path in reference.glob("*.rst")))


def fitted(text: str) -> str:
    """A page of the reference as this site shows it: under its short name, and without contents of its own.

    The theme shows each page's contents beside it, and an error where they are in it too.
    """
    text = re.sub(r"^\.\. contents::\n(?: +:.*\n)*", "", text, flags=re.MULTILINE)
    text = re.sub(rf"^{COLLECTION.title()}\n=+$", f"{REFERENCE}\n{'=' * len(REFERENCE)}", text, flags=re.MULTILINE)
    return re.sub(rf"^{COLLECTION}\.(?=\w+ (?:module|filter|role) .*\n\++$)", "", text, flags=re.MULTILINE)


def with_links_into_the_site(original: Path, page: Path) -> str:
    """The page's text. What it links to outside of docs/ comes along as a file to load, unless it is a page itself."""

    def place(match: re.Match[str]) -> str:
        link = match[1]
        if ":" in link or not link:
            return match[0]
        target = (original.parent / link).resolve()
        if not target.is_file() or not target.is_relative_to(ROOT):
            sys.exit(f"{original.relative_to(ROOT)}: the link {link} leads to no file of this repository")
        name = str(target.relative_to(ROOT))
        if name in PAGES:
            there = SOURCE / PAGES[name]
        elif role := re.fullmatch(r"roles/(\w+)/README\.md", name):
            there = SOURCE / "reference" / f"{role[1]}_role.rst"
        elif target.is_relative_to(ROOT / "docs"):
            there = SOURCE / target.relative_to(ROOT / "docs")
        else:
            there = SOURCE / "files" / name
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(target, there)
        return f"]({os.path.relpath(there, page.parent)}{match[2]})"

    return re.sub(r"\]\(([^)#\s]*)([^)\s]*)\)", place, original.read_text(encoding="utf-8"))


def other_plugins(pages: Iterable[str]) -> Iterator[str]:
    """For each plugin of another collection that the reference speaks of, a place that leads to its documentation."""
    found = {match for text in pages for match in re.findall(r"ansible_collections\.(\w+)\.(\w+)\.(\w+_[a-z]+)", text)}
    for namespace, name, plugin in sorted(found):
        fqcn = f"{namespace}.{name}.{plugin.rpartition('_')[0]}"
        if not fqcn.startswith(f"{COLLECTION}."):
            address = f"https://docs.ansible.com/ansible/latest/collections/{namespace}/{name}/{plugin}.html"
            yield f"\n.. _ansible_collections.{namespace}.{name}.{plugin}:\n\n{fqcn}\n{'-' * len(fqcn)}\n\n`{fqcn} <{address}>`_\n"


def build() -> None:
    options = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet", "--builder", "html"]
    run(program("sphinx-build"), *options, "--doctree-dir", str(SOURCE.parent / "doctrees"), str(SOURCE), str(HTML))


class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name == "id" and value:
                self.places.add(value)


class Site:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pages = {
            path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(directory.rglob("*.html"))
        }
        self.followed = 0
        self.elsewhere: set[str] = set()

    def __len__(self) -> int:
        return len(self._pages)

    def dead_links(self) -> Iterator[str]:
        for path, page in self._pages.items():
            for link in sorted(page.links):
                if link.startswith(("http://", "https://", "mailto:", "data:")):
                    self.elsewhere.add(link)
                    continue
                self.followed += 1
                if not self._leads_somewhere(path, link):
                    yield f"{path.relative_to(self._directory.resolve())}: {link}"

    def _leads_somewhere(self, path: Path, link: str) -> bool:
        address, place = urldefrag(link)
        target = (path.parent / unquote(address.partition("?")[0])).resolve() if address else path
        if not target.is_file():
            return False
        return not place or target not in self._pages or unquote(place) in self._pages[target].places


def unnamed_playbooks(root: Path = ROOT) -> list[str]:
    """A name with a dash is an alias of the one that can be in an FQCN."""
    text = (root / "docs" / "commands.md").read_text(encoding="utf-8")
    names = [path.stem for path in sorted(root.glob("playbooks/*.yml")) if "-" not in path.stem]
    return [name for name in names if f"`{COLLECTION}.{name}`" not in text]


def main() -> int:
    gather()
    build()
    site = Site(HTML)
    problems = [f"dead link: {link}" for link in site.dead_links()]
    problems += [f"docs/commands.md does not name {COLLECTION}.{name}" for name in unnamed_playbooks()]
    for problem in problems:
        print(problem)
    print(
        f"{len(site)} pages, {site.followed} links followed, {len(site.elsewhere)} addresses elsewhere not followed:"
        f" {(HTML / 'index.html').relative_to(ROOT)}"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
