# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's images: made once, and again when their sources change."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import pathlib
import shutil
import sys
import tarfile
import time
from collections.abc import Callable, Sequence

from ibgateway_lab import packages, settings
from ibgateway_lab.process import LabError, Progress, docker, run

BUILD_TIMEOUT = 900
PULL_TIMEOUT = 120
BOOTSTRAP_TIMEOUT = 600
PROXY_ARGUMENTS = ("http_proxy", "https_proxy", "no_proxy")
IGNORED = ("__pycache__", ".pyc")


@dataclasses.dataclass(frozen=True)
class Image:
    tag: str
    directory: pathlib.Path
    extra: Callable[[Progress], dict[str, pathlib.Path]] = lambda progress: {}
    base: str = settings.BASE_IMAGE
    base_argument: str = "BASE"

    @property
    def name(self) -> str:
        return self.tag.removeprefix(f"{settings.IMAGES}/")


def trading_engine_packages(progress: Progress) -> dict[str, pathlib.Path]:
    """ib_async and what it stands on, fetched here: the build has no way to PyPI where that takes this machine's settings."""
    target = settings.STATE / "trading-engine-packages"
    shutil.rmtree(target, ignore_errors=True)
    requirements = settings.SOURCES / "trading_engine" / "requirements.txt"
    run(
        [*pip(progress), "install", "--quiet", "--no-deps", "--no-compile", "--only-binary=:all:",
         "--python-version", "3.13", "--target", str(target), "--requirement", str(requirements)],
        "pip install for the trading engine",
        timeout=300,
    )  # fmt: skip
    return {"packages": target}


def pip(progress: Progress) -> list[str]:
    venv = settings.REPOSITORY / ".venv" / "bin" / "python3"
    for python in (str(venv), sys.executable, "python3", "/usr/bin/python3"):
        if shutil.which(python):
            command = [python, "-m", "pip"]
            if run([*command, "--version"], "pip --version", check=False).returncode == 0:
                return command
    if not packages.can_install():
        raise LabError("The lab needs pip (Debian and Ubuntu: apt-get install python3-pip; or `make`, for .venv).", 2)
    packages.install(["python3-pip"], progress)
    return ["/usr/bin/python3", "-m", "pip"]


BASE = Image(settings.BASE_IMAGE, settings.SOURCES / "base", base=settings.DEBIAN_IMAGE, base_argument="DEBIAN")
HOST = Image(settings.HOST_IMAGE, settings.SOURCES / "host")
IBKR = Image(settings.IBKR_IMAGE, settings.SOURCES / "ibkr")
GATEWAY = Image(settings.GATEWAY_IMAGE, settings.SOURCES / "ibga")
TRADING_ENGINE = Image(
    settings.TRADING_ENGINE_IMAGE, settings.SOURCES / "trading_engine", extra=trading_engine_packages
)
ALL = (BASE, HOST, IBKR, GATEWAY, TRADING_ENGINE)


def build_marks() -> dict[str, str]:
    """The build mark of each image the engine has: `<digest of the sources>.<time of the build>`."""
    tags = [image.tag for image in ALL]
    listed = run(["docker", "image", "inspect", *tags], "docker image inspect", check=False).stdout
    marks = {}
    for found in json.loads(listed or "[]"):
        mark = (found["Config"].get("Labels") or {}).get(settings.BUILD_LABEL, "")
        marks.update({tag: mark for tag in found["RepoTags"] if tag in tags})
    return marks


def is_current(image: Image, marks: dict[str, str]) -> bool:
    base = marks.get(image.base, "")
    return image.tag in marks and marks[image.tag].partition(".")[0] == digest(image, base)


def digest(image: Image, base_mark: str) -> str:
    """Of everything that goes into a build: the sources, the base and how it is marked."""
    sum_ = hashlib.sha256(f"{image.tag} {base_mark}".encode())
    for name, path in source_files(image.directory):
        sum_.update(f"\0{name}\0{path.stat().st_mode & 0o111:o}\0".encode())
        sum_.update(path.read_bytes())
    return sum_.hexdigest()[:16]


def source_files(directory: pathlib.Path) -> list[tuple[str, pathlib.Path]]:
    if not (directory / "Dockerfile").is_file():
        raise LabError(f"{directory}/Dockerfile is missing: the checkout is not whole")
    paths = (path for path in directory.rglob("*") if path.is_file())
    return sorted((path.relative_to(directory).as_posix(), path) for path in paths if not ignored(path))


def ignored(path: pathlib.Path) -> bool:
    return any(part in IGNORED or part.endswith(IGNORED) for part in path.parts)


def build(image: Image, progress: Progress) -> str:
    """Build an image and return its build mark."""
    start = time.monotonic()
    base_mark = build_marks().get(image.base, "")
    mark = f"{digest(image, base_mark)}.{time.time_ns()}"
    command = ["docker", "build", "--force-rm", "--label", f"{settings.IMAGE_LABEL}=image", "--label"]
    command += [f"{settings.BUILD_LABEL}={mark}", "--build-arg", f"{image.base_argument}={image.base}"]
    for variable in (name for name in PROXY_ARGUMENTS if os.environ.get(name)):
        command += ["--build-arg", variable]
    context = build_context(image, image.extra(progress))
    built = run(
        [*command, "--tag", image.tag, "-"], f"building {image.tag}", timeout=BUILD_TIMEOUT, stdin=context, check=False
    )
    if built.returncode:
        log = settings.STATE / f"build-{image.name.partition(':')[0]}.log"
        log.write_text(built.stdout + built.stderr, encoding="utf-8")
        last = "\n".join((built.stdout + built.stderr).strip().splitlines()[-15:])
        raise LabError(f"building {image.tag} failed (all of it: {log}):\n{last}")
    progress(f"image {image.name} built in {time.monotonic() - start:.0f} s")
    return mark


def build_context(image: Image, extra: dict[str, pathlib.Path]) -> bytes:
    buffer = io.BytesIO()

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return None if entry.name.endswith(IGNORED) else entry

    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, path in source_files(image.directory):
            tar.add(path, name, filter=plain)
        for name, path in extra.items():
            tar.add(path, name, filter=plain)
    return buffer.getvalue()


class Debian:
    """The image that all others stand on: pulled where a registry answers, else made from Debian packages."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def ensure(self) -> None:
        if present(settings.DEBIAN_IMAGE) or self._pull():
            return
        tar = self._make_tar()
        try:
            docker(
                "import",
                "--change",
                'CMD ["bash"]',
                str(tar),
                settings.DEBIAN_IMAGE,
                what="docker import",
                timeout=300,
            )
        finally:
            tar.unlink(missing_ok=True)

    def _pull(self) -> bool:
        reference = settings.DEBIAN_REFERENCE
        pulled = None
        try:
            pulled = run(
                ["docker", "pull", "--quiet", reference], f"docker pull {reference}", timeout=PULL_TIMEOUT, check=False
            )
        except LabError as error:
            self._progress(str(error))
        if pulled is None or pulled.returncode:
            return False
        docker("tag", reference, settings.DEBIAN_IMAGE)
        self._progress(f"{reference} pulled")
        return True

    def _make_tar(self) -> pathlib.Path:
        start = time.monotonic()
        try:
            tar = make_debian_tar(self._progress)
        except LabError as error:
            raise LabError(
                f"There is no base image: no registry serves {settings.DEBIAN_REFERENCE}, and building one"
                f" from Debian packages failed: {error}",
                error.status,
            ) from None
        self._progress(f"Debian {settings.DEBIAN_RELEASE} made from packages in {time.monotonic() - start:.0f} s")
        return tar


def present(tag: str) -> bool:
    return (
        run(["docker", "image", "inspect", "--format", "{{.Id}}", tag], "docker image inspect", check=False).returncode
        == 0
    )


def make_debian_tar(progress: Progress) -> pathlib.Path:
    packages.need("mmdebstrap", "mmdebstrap", progress)
    tar = settings.STATE / "debian.tar"
    mirror = apt_mirror(apt_source_texts())
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            "--include=ca-certificates",
            settings.DEBIAN_RELEASE,
            str(tar),
            *([mirror] if mirror else []),
        ],
        f"mmdebstrap {settings.DEBIAN_RELEASE} from {mirror or 'its own mirror'}",
        timeout=BOOTSTRAP_TIMEOUT,
    )
    return tar


def apt_source_texts() -> list[str]:
    directory = pathlib.Path("/etc/apt")
    paths = [directory / "sources.list", *sorted((directory / "sources.list.d").glob("*"))]
    return [
        path.read_text(errors="replace") for path in paths if path.suffix in (".list", ".sources") and path.is_file()
    ]


def apt_mirror(texts: Sequence[str]) -> str | None:
    """The mirror of Debian's main archive that apt is set up with, if it is with one."""
    for text in texts:
        for line in (line.strip() for line in text.splitlines()):
            key, dummy, rest = line.partition(":")
            words = rest.split() if key.lower() == "uris" else line.split()[1:] if line.startswith("deb ") else []
            for word in words:
                if word.startswith(("http://", "https://")) and word.rstrip("/").endswith("/debian"):
                    return word.rstrip("/")
    return None
