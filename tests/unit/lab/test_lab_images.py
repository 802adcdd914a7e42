# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import pathlib
import tarfile

import pytest
from ibgateway_lab import capabilities, images, settings
from ibgateway_lab.process import LabError


@pytest.fixture
def image(tmp_path: pathlib.Path) -> images.Image:
    (tmp_path / "Dockerfile").write_text("FROM ${BASE}\n")
    (tmp_path / "program.py").write_text("print()\n")
    return images.Image("ibgateway-lab/thing:1", tmp_path)


def marks(image: images.Image, base: str = "base.1") -> dict[str, str]:
    return {image.base: base, image.tag: f"{images.digest(image, base)}.123"}


def test_an_image_of_these_sources_on_this_base_is_current(image: images.Image):
    assert images.is_current(image, marks(image))


def test_an_image_that_the_engine_lacks_is_not(image: images.Image):
    assert not images.is_current(image, {image.base: "base.1"})
    assert not images.is_current(image, {**marks(image), image.tag: ""})


@pytest.mark.parametrize("name", ["Dockerfile", "program.py", "sub/new"])
def test_changed_sources_make_it_stale(image: images.Image, name: str):
    before = marks(image)
    (image.directory / name).parent.mkdir(exist_ok=True)
    (image.directory / name).write_text("changed\n")
    assert not images.is_current(image, before)


def test_a_changed_execute_bit_makes_it_stale(image: images.Image):
    before = marks(image)
    (image.directory / "program.py").chmod(0o755)
    assert not images.is_current(image, before)


def test_another_build_of_the_base_makes_it_stale(image: images.Image):
    assert not images.is_current(image, {**marks(image), image.base: "base.2"})


def test_caches_of_python_are_no_sources(image: images.Image):
    before = marks(image)
    (image.directory / "__pycache__").mkdir()
    (image.directory / "__pycache__" / "program.cpython-313.pyc").write_bytes(b"\0")
    assert images.is_current(image, before)


def test_the_build_context_has_the_sources_and_what_was_fetched(image: images.Image, tmp_path_factory):
    fetched = tmp_path_factory.mktemp("fetched")
    (fetched / "module.py").write_text("")
    with tarfile.open(fileobj=io.BytesIO(images.build_context(image, {"packages": fetched}))) as tar:
        names = {entry.name for entry in tar if entry.isfile()}
        owners = {(entry.uid, entry.gid) for entry in tar}
    assert names == {"Dockerfile", "program.py", "packages/module.py"}
    assert owners == {(0, 0)}


def test_a_checkout_without_an_images_sources_is_told_so(tmp_path: pathlib.Path):
    with pytest.raises(LabError, match="Dockerfile is missing"):
        images.digest(images.Image("ibgateway-lab/thing:1", tmp_path), "")


def test_all_images_have_their_sources():
    for image in images.ALL:
        assert ("Dockerfile", image.directory / "Dockerfile") in images.source_files(image.directory)


@pytest.mark.parametrize(
    ("texts", "mirror"),
    [
        ([], None),
        (["deb http://mirror.example/debian bookworm main\n"], "http://mirror.example/debian"),
        (["deb [arch=amd64] https://mirror.example/debian/ trixie main\n"], "https://mirror.example/debian"),
        (["Types: deb\nURIs: http://one.example/debian\nSuites: bookworm\n"], "http://one.example/debian"),
        (["# deb http://no.example/debian x main\ndeb http://security.example/debian-security x main\n"], None),
        (["deb http://archive.ubuntu.example/ubuntu noble main\n"], None),
    ],
)  # fmt: skip
def test_the_mirror_is_the_one_apt_uses(texts: list[str], mirror: str):
    assert images.apt_mirror(texts) == mirror


def status(bits: int) -> str:
    return f"Name:\tx\nCapBnd:\t{bits:016x}\nCapAmb:\t0000000000000000\n"


def test_a_host_gets_only_capabilities_that_the_machine_has():
    everything = (1 << 41) - 1
    assert capabilities.grantable(status(everything)) == list(capabilities.BEYOND_DOCKERS_DEFAULT)
    without_resource = capabilities.grantable(status(everything & ~(1 << 24)))
    assert set(capabilities.BEYOND_DOCKERS_DEFAULT) - set(without_resource) == {"SYS_RESOURCE"}


def test_a_machine_that_cannot_carry_hosts_is_found():
    assert capabilities.missing(status((1 << 41) - 1)) == []
    assert capabilities.missing(status(1 << 12)) == ["SYS_ADMIN"]


def test_the_hosts_get_gateway_and_trading_engine():
    assert {image.tag for image in (images.GATEWAY, images.TRADING_ENGINE)} == set(settings.HOSTS_IMAGES)
