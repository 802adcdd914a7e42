# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the lab."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from ibgateway_lab import engine, settings, state
from ibgateway_lab.lab import SIDES, Lab
from ibgateway_lab.process import LabError, Progress

ON_A_HOST = {
    "pause": ("freeze a host: SSH is silent, its gateways stand still", Lab.pause),
    "unpause": ("let it go on", Lab.unpause),
    "engine-stop": ("end a host's engine as an administrator would", Lab.engine_stop),
    "engine-kill": ("kill -9 a host's dockerd; its containers go on", Lab.engine_kill),
    "engine-start": ("start it again, whatever a killed one left behind", Lab.engine_start),
    "restart": ("reboot a host", Lab.restart),
    "power-off": ("pull a host's plug; `restart` or `up` brings it back", Lab.power_off),
}


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="lab", description="The lab: real hosts on this machine, and nothing else.")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="make what is missing; nothing where all is there")
    up.add_argument("--hosts", type=number_of_hosts, help="2 or more; as many as there are, or 2, where not given")
    down = commands.add_parser("down", help="leave no container, network, volume or process")
    down.add_argument("--images", action="store_true", help="remove the lab's images as well")
    commands.add_parser("status", help="what is there; exit status 1 unless all of it works")
    commands.add_parser("reset", help="a clean start: faults mended, hosts emptied, IBKR as new")
    for name, (text, dummy) in ON_A_HOST.items():
        commands.add_parser(name, help=text).add_argument("host", metavar="HOST")
    for name, text in (("cut", "take a host off the network; its gateways go on"), ("join", "put it back")):
        command = commands.add_parser(name, help=text)
        command.add_argument("host", metavar="HOST")
        command.add_argument("--from" if name == "cut" else "--to", dest="side", choices=["all", *SIDES], default="all")
    commands.add_parser("logs", help="what a host and its engine said").add_argument("host", metavar="HOST")
    for name, text in (("exec", "run a command on a host, without SSH"), ("ssh", "a shell, or a command, by SSH")):
        command = commands.add_parser(name, help=text)
        command.add_argument("host", metavar="HOST")
        command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND")
    return whole


def number_of_hosts(text: str) -> int:
    number = int(text)
    if not 2 <= number <= 99:
        raise argparse.ArgumentTypeError("from 2 to 99")
    return number


def show_status(lab: Lab) -> int:
    reports = lab.status() if engine.version() else []
    if len(reports) < 2:
        sys.stdout.write("There is no lab: `make lab` makes one.\n")
        return 1
    for report in reports:
        about = ", ".join(report["faults"]) or "ok"
        where = f"ssh port {report['ssh_port']}" if "ssh_port" in report else settings.IBKR_STATE_URL
        sys.stdout.write(
            f"{report['name']:<12} {report['state']:<8} {where:<24} {report.get('engine', ''):<16} {about}\n"
        )
    return int(any(report["faults"] for report in reports))


def act(options: argparse.Namespace) -> int:
    lab = Lab(Progress(quiet=options.command not in ("up", "down")))
    if options.command in ON_A_HOST:
        ON_A_HOST[options.command][1](lab, options.host)
        return 0
    return actions(lab, options)[options.command]() or 0


def actions(lab: Lab, options: argparse.Namespace) -> dict[str, Callable[[], int | None]]:
    return {
        "up": lambda: lab.up(options.hosts),
        "down": lambda: lab.down(options.images),
        "reset": lab.reset,
        "status": lambda: show_status(lab),
        "cut": lambda: lab.cut(options.host, options.side),
        "join": lambda: lab.join(options.host, options.side),
        "logs": lambda: print(lab.logs(options.host), end=""),
        "exec": lambda: lab.execute(options.host, options.arguments or ["bash"]),
        "ssh": lambda: ssh(lab, options),
    }


def ssh(lab: Lab, options: argparse.Namespace) -> int:
    command = lab.ssh_command(options.host, *options.arguments)
    if not state.SSH_CONFIG.exists():
        raise LabError("This checkout has no key for the lab: `make lab` makes one.")
    os.execvp(command[0], command)


def main() -> int:
    options = parser().parse_args()
    try:
        return act(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
