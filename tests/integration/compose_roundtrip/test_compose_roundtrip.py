# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes into a `.env` comes out of Docker Compose and into a container: the judge is Compose itself.

`docker compose` of this machine is asked where it is 2.24 or newer, else the one in the image that `COMPOSE_IMAGE` names,
by default that of the lab's hosts. That image also makes the containers.
`TEST_COUNT=full` tries 10,000 values instead of some hundreds.
"""

from __future__ import annotations

import functools
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import uuid
from pathlib import Path

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import dotenv

ROOT = Path(__file__).parents[3]
FULL = os.environ.get("TEST_COUNT") == "full"
VALUES = 10000 if FULL else 400
IMAGE = os.environ.get("COMPOSE_IMAGE", "ibgateway-lab/host:1")
MINIMUM = (2, 24)
CONTAINERS = 4
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
    "{{",
]
UNICODE = ["é", "ß", "€", "漢", "😀", "\u2028", "\xa0", "\ufeff", "\u0301"]
SEPARATOR = "# the next one\n"
NAIVE = {"plain": "{{ key }}={{ value }}", "double quotes": '{{ key }}="{{ value }}"'}

CONFIG = """\
ls -d stack-* | xargs -P 2 -I@ sh -c 'cd @ && {compose} config --format json > answer 2>/dev/null || rm answer'
tar -c -f - -- stack-*
"""
RUN = """\
cd stack-0
for service in {services}; do
  {compose} --project-name {project} run --rm -T "$service" > "$service.environ" < /dev/null || exit 1
done
tar -c -f - -- *.environ
"""


def local_compose():
    for command in ("docker compose", "docker-compose"):
        if shutil.which(command.split()[0]):
            asked = subprocess.run(
                [*command.split(), "version", "--short"], capture_output=True, text=True, check=False
            )
            version = re.match(r"v?(\d+)\.(\d+)", asked.stdout)
            if asked.returncode == 0 and version and tuple(map(int, version.groups())) >= MINIMUM:
                return command
    return None


@functools.lru_cache(maxsize=1)
def has_image():
    looked = shutil.which("docker") and subprocess.run(
        ["docker", "image", "inspect", IMAGE], capture_output=True, check=False
    )
    return bool(looked) and looked.returncode == 0


class Compose:
    """Compose, here or in a container; the engine may be on another machine, so files go in and out as archives."""

    def __init__(self, place):
        self.place = place
        self.local = local_compose()

    def _sh(self, stacks, script):
        for number, files in enumerate(stacks):
            directory = self.place / f"stack-{number}"
            directory.mkdir()
            for name, content in files.items():
                (directory / name).write_bytes(content)
        script = script.replace("{compose}", self.local or "docker compose")
        try:
            if self.local:
                command, given = ["sh", "-c", script], None
            else:
                command = ["docker", "run", "--rm", "-i", "--network=none", "--entrypoint=sh"]
                command += ["-v", "/var/run/docker.sock:/var/run/docker.sock"]
                command += [IMAGE, "-c", f"mkdir /w && cd /w && tar -x -f - && {script}"]
                given = subprocess.run(
                    ["tar", "-C", str(self.place), "-c", "-f", "-", "."], capture_output=True, check=True
                ).stdout
            done = subprocess.run(command, cwd=self.place, input=given, capture_output=True, check=False, timeout=3000)
        finally:
            for directory in self.place.glob("stack-*"):
                shutil.rmtree(directory)
        assert done.returncode == 0, done.stderr[-2000:]
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            return {
                member.name: archive.extractfile(member).read() for member in archive.getmembers() if member.isfile()
            }

    def configs(self, stacks):
        """`docker compose config` of each stack, None where Compose refuses it."""
        answers = self._sh([{**files, "compose.yaml": json.dumps(stack).encode()} for stack, files in stacks], CONFIG)
        found = [answers.get(f"stack-{number}/answer") for number in range(len(stacks))]
        return [None if answer is None else json.loads(answer)["services"] for answer in found]

    def read(self, content, keys):
        """The values of the keys by `docker compose config`, or None where Compose refuses the file."""
        stack = {"services": {"s": {"image": "none", "environment": out(keys)}}}
        (services,) = self.configs([(stack, {".env": content.encode()})])
        return None if services is None else {key: shown(services["s"], f"OUT_{key}") for key in keys}

    def read_each(self, files):
        """The one value of each file, or None where Compose refuses it.

        A file that it refuses takes the others of its stack with it: those that look so get a stack of their own, and a
        stack that is refused nevertheless is halved.
        """
        doubtful = {key for key, content in files.items() if dotenv.parse(content).problems}
        groups = [sorted(files.keys() - doubtful), *([key] for key in sorted(doubtful))]
        values = {}
        while groups:
            services = self.configs([self._stack_of({key: files[key] for key in group}) for group in groups])
            refused = [group for group, found in zip(groups, services) if found is None]
            for group, found in zip(groups, services):
                if found is not None:
                    values.update({key: shown(found[key.lower()], key) for key in group})
            values.update({group[0]: None for group in refused if len(group) == 1})
            halves = [(group[: len(group) // 2], group[len(group) // 2 :]) for group in refused if len(group) > 1]
            groups = [half for pair in halves for half in pair]
        return values

    def _stack_of(self, files):
        stack = {key.lower(): {"image": "none", "env_file": [f"{key}.env"]} for key in files}
        return {"services": stack}, {f"{key}.env": content.encode() for key, content in files.items()}

    def run(self, content, services):
        """The environment of a container of each service, as its process has it."""
        common = {"image": IMAGE, "network_mode": "none", "entrypoint": ["cat", "/proc/self/environ"]}
        stack = {"services": {name: {**common, **service} for name, service in services.items()}}
        script = RUN.replace("{services}", " ".join(services)).replace("{project}", f"roundtrip-{uuid.uuid4().hex[:8]}")
        answers = self._sh([{"compose.yaml": json.dumps(stack).encode(), ".env": content.encode()}], script)
        return {name: dict(environment(answers[f"{name}.environ"])) for name in services}


def out(keys):
    return {f"OUT_{key}": f"${{{key}-}}" for key in keys}


def shown(service, key):
    """`config` writes a literal dollar as it would have to stand in a compose file."""
    value = (service.get("environment") or {}).get(key)
    return None if value is None else value.replace("$$", "$")


def environment(content):
    for entry in content.split(b"\0"):
        name, dummy, value = entry.partition(b"=")
        yield name.decode(), value.decode()


@pytest.fixture
def compose(tmp_path):
    if local_compose() is None and not has_image():
        pytest.skip(
            "needs Docker Compose 2.24: here, in the lab's image (make lab), or in an image that COMPOSE_IMAGE names"
        )
    place = tmp_path / "stacks"
    place.mkdir()
    return Compose(place)


def generated(count, seed):
    chance = random.Random(seed)
    alphabet = [*ASCII, *AWKWARD * 4, *UNICODE]
    for number in range(count):
        value = "".join(chance.choice(alphabet) for dummy in range(chance.randrange(12)))
        yield f"KEY_{number}", value


def wrong(values, read):
    return [key for key, value in values.items() if read is None or read[key] != value]


@pytest.fixture(scope="module")
def values():
    return dict(generated(VALUES, seed=1))


@pytest.fixture(scope="module")
def rendered(values, tmp_path_factory):
    """The same values by `env_file` and, in two ways, by `ansible.builtin.template`: one run of ansible-playbook."""
    place = tmp_path_factory.mktemp("rendered")
    (place / "values.json").write_text(json.dumps(values), encoding="ascii")
    given = "{{ lookup('ansible.builtin.file', place ~ '/values.json') | from_json }}"
    tasks = [{"abstractfinance.ibgateway.env_file": {"path": "{{ place }}/exact", "values": given}}]
    for name, line in NAIVE.items():
        template = f"{{% for key, value in given.items() %}}\n{line}\n{SEPARATOR}{{% endfor %}}\n"
        (place / f"{name}.j2").write_text(template, encoding="utf-8")
        task = {"src": f"{{{{ place }}}}/{name}.j2", "dest": f"{{{{ place }}}}/{name}", "mode": "0600"}
        tasks.append({"ansible.builtin.template": task, "vars": {"given": given}})
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    play["vars"] = {"place": str(place), "ansible_python_interpreter": sys.executable}
    (place / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    (place / "ansible.cfg").touch()
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", str(place / "play.yml")],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "LANG": "C.UTF-8",
            "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {name: (place / name).read_bytes().decode() for name in ("exact", *NAIVE)}


def test_every_value_arrives_in_compose(compose, rendered, values):
    mistakes = wrong(values, compose.read(rendered["exact"], list(values)))
    print(f"env_file: {len(mistakes)} of {len(values)} values arrive wrong in docker compose config")
    assert mistakes == []


@pytest.mark.skipif(not has_image(), reason=f"needs the image {IMAGE} (make lab) to make containers of")
def test_every_value_arrives_in_a_container(compose, rendered, values):
    """By `environment:`, as the gateway gets them, and by `env_file:`, as other services may."""
    keys = list(values)
    services = {f"s{number}": {"environment": out(keys[number::CONTAINERS])} for number in range(CONTAINERS)}
    services["all"] = {"env_file": [".env"]}
    got = compose.run(rendered["exact"], services)
    arrived = {key: got[f"s{number % CONTAINERS}"].get(f"OUT_{key}") for number, key in enumerate(keys)}
    for name, read in (("environment", arrived), ("env_file", {key: got["all"].get(key) for key in keys})):
        mistakes = wrong(values, read)
        print(f"env_file: {len(mistakes)} of {len(values)} values arrive wrong in a container, by its {name}")
        assert mistakes == []


@pytest.mark.parametrize("way", NAIVE)
def test_ansibles_template_gets_values_wrong(compose, rendered, values, way, record_property):
    """Each value in a file of its own, so that a value that breaks its file breaks no other."""
    files = dict(zip(values, rendered[way].split(SEPARATOR)))
    mistakes = wrong(values, compose.read_each(files))
    told = f"ansible.builtin.template, {way}: {len(mistakes)} of {len(values)} values arrive wrong"
    record_property(f"wrong with {way}", told)
    print(told)
    assert len(mistakes) > len(values) / 10


def test_every_value_arrives_in_the_place_of_another(compose):
    values = dict(generated(VALUES, seed=2))
    lines = ["{}=old", "{}='old' # comment", 'export {}: "two\nlines"', "{}=  # comment", "{}"]
    template = "\n".join(lines[number % len(lines)].format(key) for number, key in enumerate(values)) + "\n"
    document = dotenv.parse(template)
    assert document.problems == ()
    assert wrong(values, compose.read(document.render(values), list(values))) == []


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
    assert wrong(ours, compose.read("".join(lines), list(ours))) == []
