# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes into a `.env` comes out of Docker Compose: the judge is Compose itself.

`docker compose` of this machine is asked where it is 2.24 or newer, else the one in the image that `COMPOSE_IMAGE` names,
by default that of the lab's hosts.
`COMPOSE_ROUNDTRIP_VALUES` says how many values are tried.
"""

from __future__ import annotations

import functools
import json
import os
import random
import re
import shutil
import subprocess

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import dotenv

VALUES = int(os.environ.get("COMPOSE_ROUNDTRIP_VALUES", "10000"))
NAIVE_VALUES = 25
LAB_IMAGE = "ibgateway-lab/host:1"
MINIMUM = (2, 24)
ASCII = [chr(code) for code in range(1, 128)]
AWKWARD = [
    "$",
    "${",
    "${X}",
    "$$",
    "$X",
    "#",
    " #",
    '"',
    "'",
    "\\",
    "\\'",
    '\\"',
    "\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "=",
    "`",
]
UNICODE = ["é", "ß", "€", "漢", "😀", "\u2028", "\xa0", "\ufeff", "\u0301"]


def local_compose():
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            asked = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
            version = re.match(r"v?(\d+)\.(\d+)", asked.stdout)
            if asked.returncode == 0 and version and tuple(map(int, version.groups())) >= MINIMUM:
                return command
    return None


@functools.lru_cache(maxsize=1)
def compose_command():
    command = local_compose()
    if command is not None:
        return command, None
    image = os.environ.get("COMPOSE_IMAGE", LAB_IMAGE)
    there = shutil.which("docker") and subprocess.run(
        ["docker", "image", "inspect", image], capture_output=True, check=False
    )
    return (["docker", "compose"], image) if there and there.returncode == 0 else (None, None)


@pytest.fixture
def compose(tmp_path):
    command, image = compose_command()
    if command is None:
        pytest.skip(
            "needs Docker Compose 2.24: here, in the lab's image (make lab), or in an image that COMPOSE_IMAGE names"
        )

    def read(content, keys):
        """The values of the keys as a container would get them, or None where Compose refuses the file."""
        (tmp_path / ".env").write_bytes(content.encode())
        environment = {f"OUT_{key}": f"${{{key}-}}" for key in keys}
        stack = {"services": {"s": {"image": "none", "environment": environment}}}
        (tmp_path / "compose.yaml").write_text(json.dumps(stack), encoding="utf-8")
        wanted = [*command, "config", "--format", "json"]
        if image is not None:
            # The engine may be on another machine: files go in and out by standard input and output.
            packed = subprocess.run(["tar", "-C", str(tmp_path), "-c", "."], capture_output=True, check=True)
            script = f"mkdir /w && cd /w && tar -x && exec {' '.join(wanted)}"
            wanted = ["docker", "run", "--rm", "-i", "--network=none", "--entrypoint=sh", image, "-c", script]
            asked = subprocess.run(wanted, input=packed.stdout, capture_output=True, check=False, timeout=300)
        else:
            asked = subprocess.run(
                wanted,
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
                capture_output=True,
                check=False,
                timeout=300,
            )
        if asked.returncode != 0:
            return None
        read_back = json.loads(asked.stdout)["services"]["s"]["environment"]
        # `config` writes a literal dollar as it would have to stand in a compose file.
        return {key: read_back[f"OUT_{key}"].replace("$$", "$") for key in keys}

    return read


def generated(count, seed):
    chance = random.Random(seed)
    alphabet = [*ASCII, *AWKWARD * 4, *UNICODE]
    for number in range(count):
        value = "".join(chance.choice(alphabet) for dummy in range(chance.randrange(12)))
        yield f"KEY_{number}", value


def wrong(values, read):
    return [key for key, value in values.items() if read is None or read[key] != value]


def test_every_value_arrives(compose):
    values = dict(generated(VALUES, seed=1))
    assert wrong(values, compose(dotenv.parse("").render(values), list(values))) == []


def test_every_value_arrives_in_the_place_of_another(compose):
    values = dict(generated(VALUES, seed=2))
    lines = ["{}=old", "{}='old' # comment", 'export {}: "two\nlines"', "{}=  # comment", "{}"]
    template = "\n".join(lines[number % len(lines)].format(key) for number, key in enumerate(values)) + "\n"
    document = dotenv.parse(template)
    assert document.problems == ()
    assert wrong(values, compose(document.render(values), list(values))) == []


def test_reads_a_template_as_compose_does(compose):
    """Values that are not replaced: ours and Compose's reading agree, also on which file cannot be read."""
    chance = random.Random(3)
    pieces = [
        "a",
        "Paper Trading",
        "\\",
        "\\\\",
        "'",
        '"',
        "\\'",
        '\\"',
        "$$",
        "$5",
        "\\$",
        " #",
        "#",
        " ",
        "\t",
        "\\n",
        "=",
    ]
    ours = {}
    lines = []
    for number in range(VALUES):
        quote = chance.choice(["", "", "'", '"'])
        raw = "".join(chance.choice(pieces) for dummy in range(chance.randrange(6)))
        document = dotenv.parse(f"KEY_{number}={quote}{raw}{quote}\n")
        if not document.problems and document.entries()[f"KEY_{number}"].value is not None:
            lines.append(document.text())
            ours[f"KEY_{number}"] = document.entries()[f"KEY_{number}"].value
    assert len(ours) > VALUES / 3
    assert wrong(ours, compose("".join(lines), list(ours))) == []


def test_the_ways_without_this_module_get_values_wrong(compose, record_property):
    values = dict(generated(NAIVE_VALUES, seed=4))
    for name, pattern in (("plain", "{}={}\n"), ("double quotes", '{}="{}"\n')):
        mistakes = sum(
            bool(wrong({key: value}, compose(pattern.format(key, value), [key]))) for key, value in values.items()
        )
        record_property(f"wrong with {name}", f"{mistakes} of {NAIVE_VALUES}")
        print(f"{name}: {mistakes} of {NAIVE_VALUES} values arrive wrong")
        assert mistakes > 0
