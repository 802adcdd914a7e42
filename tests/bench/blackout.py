# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The blackout of a takeover from production to staging, as the lab's IBKR sees it.

Three ways, one after the other in each round: the deploy, the shell procedure that it replaces (stop and remove on the one
host; down, volume removed and up on the other), and the floor: kill and start, and nothing else. The lab has to be up.
"""

from __future__ import annotations

import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab"
LOGIN = "afpaper01"
IMAGE = "ibgateway-lab/ibga:r20260803"
STACK = "cd /srv/abstractfinance"
WITHIN = 180


def ssh(host: str, command: str, text: str = "") -> None:
    subprocess.run(
        ["ssh", "-F", str(ROOT / ".lab" / "ssh_config"), host, command],
        input=text,
        text=True,
        check=True,
        timeout=WITHIN,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def events() -> list[dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", 18099, timeout=10)
    connection.request("GET", f"/history/{LOGIN}")
    return list(json.loads(connection.getresponse().read())["events"])


def wait_for(event: str, host: str, after: float) -> float:
    """When *event* happened on *host*, the first time after *after*; waits for it."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        for item in events():
            at = float(str(item["at"]))
            if at > after and (item["event"], item["host"]) == (event, host):
                return at
        time.sleep(0.2)
    raise SystemExit(f"{LOGIN} was not {event} on {host} within {WITHIN} s")


def holder_on_production() -> None:
    """Staging's gateway away, and one made by hand on production, logged in."""
    user = json.loads((LAB / "users.json").read_text(encoding="utf-8"))[LOGIN]
    settings = {"IB_USERNAME": LOGIN, "IB_PASSWORD": user["password"], "TOTP_KEY": user["totp_secret"]}
    settings |= {"IB_LOGINTYPE": "Paper Trading", "IB_REGION": "Europe", "IB_TIMEZONE": "Europe/Berlin", "TERM": "dumb"}
    ssh("staging", "docker rm --force ibgateway trading-engine")
    before = time.time()
    ssh("production", "docker rm --force ibgateway; docker volume create program; docker volume create settings")
    ssh(
        "production",
        "docker run --detach --name ibgateway --restart always --env-file /dev/stdin"
        f" --volume program:/home/ibg --volume settings:/home/ibg_settings {IMAGE}",
        "".join(f"{key}={value}\n" for key, value in settings.items()),
    )
    wait_for("logged-in", "production", before)


def deploy() -> None:
    subprocess.run(
        [LAB / "play", "deploy-staging.yml"],
        check=True,
        timeout=900,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )


def by_hand() -> None:
    ssh("production", "docker stop ibgateway && docker rm ibgateway")
    ssh(
        "staging",
        f"{STACK} && docker compose down ibgateway && docker volume rm abstractfinance_ibgateway-data"
        " && docker compose up -d ibgateway",
    )


def floor() -> None:
    ssh("staging", f"{STACK} && docker compose create ibgateway")
    ssh("production", "docker kill ibgateway")
    ssh("staging", "docker start ibgateway")


def measure(way: Callable[[], None]) -> tuple[float, float, float]:
    """Seconds from the end of the old gateway to the start of the new, from the last session to the next, and from the
    old one's logout to its end.
    """
    holder_on_production()
    before = time.time()
    way()
    new = wait_for("up", "staging", before)
    session = wait_for("logged-in", "staging", before)
    out, down = (wait_for(event, "production", before) for event in ("logged-out", "down"))
    return new - down, session - out, down - out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ways = {"deploy": deploy, "by hand": by_hand, "floor": floor}
    measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    subprocess.run([LAB / "lab", "reset"], check=True, timeout=WITHIN, stdout=subprocess.DEVNULL)
    deploy()
    for number in range(rounds):
        for name, way in ways.items():
            measured[name].append(measure(way))
            print(f"round {number + 1}  {row(name, measured[name][-1])}", flush=True)
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in measured.items()}
    print(f"median of {rounds}  gateway to gateway  session to session  logout to end")
    for name, values in medians.items():
        print(f"         {row(name, values)}")
    for other in ("by hand", "floor"):
        print(f"deploy / {other}: {medians['deploy'][0] / medians[other][0]:.2f}")
    return 0


def row(name: str, seconds: Sequence[float]) -> str:
    return f"{name:8}" + "".join(f"  {value:8.2f} s" for value in seconds)


if __name__ == "__main__":
    sys.exit(main())
