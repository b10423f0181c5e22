#!/bin/sh
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
""":"
exec python3 "$0" "$@"

The command line of the lab: real hosts for tests. Touches what manager.Lab touches. To a shell, the lines above say who reads
this file; "#!/usr/bin/env python3" would say the same, but ansible-test allows only "python", which Debian does not have.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

if not __package__:
    # Started as a script: make the folder above importable, so that `lab` is the package and not this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from lab.errors import LabError
from lab.kinds import KINDS
from lab.manager import Lab
from lab.process import require_tools
from lab.settings import Settings
from lab.supervisor import supervise

ABOUT = "Real hosts for tests: systemd-nspawn containers with sshd, in a network of their own. See README.md beside this program."


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="lab.py", description=ABOUT)
    top.add_argument("--lab", metavar="LAB", help="which lab (default: $HOLDFAST_LAB, else holdfast-lab)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    create = commands.add_parser("create", help="make hosts, return when a login works")
    create.add_argument("names", nargs="+", metavar="NAME")
    create.add_argument("--kind", choices=KINDS, required=True)
    create.add_argument("--flavour", help="of a kind that has flavours; bsd: freebsd (default), openbsd, netbsd, macos")
    create.add_argument("--ssh-port", type=int, default=22, metavar="PORT", help="where sshd listens instead of 22")

    commands.add_parser("list", help="show the hosts")

    inventory = commands.add_parser("inventory", help="print an Ansible inventory")
    inventory.add_argument("--family", type=int, choices=(4, 6), default=4, help="IP version of ansible_host")
    inventory.add_argument("--proxied", action="store_true", help="connections enter the lab by themselves, so Ansible can run outside")
    inventory.add_argument("--via", metavar="HOST", help="reach all other hosts over this one (ProxyJump)")

    enter = commands.add_parser("enter", help="run a command as the control node, in the network of the lab")
    enter.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")

    inside = commands.add_parser("exec", help="run a command in a host, out of band: works when the network does not")
    inside.add_argument("name", metavar="NAME")
    inside.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")

    reboot = commands.add_parser("reboot", help="restart a host, out of band")
    reboot.add_argument("name", metavar="NAME")
    reboot.add_argument("--wait", choices=("login", "boot"), default="login", help="until SSH works, or until the system is up")

    destroy = commands.add_parser("destroy", help="end hosts and remove what they left")
    destroy.add_argument("names", nargs="*", metavar="NAME")
    destroy.add_argument("--all", action="store_true", help="the whole lab")

    # What keeps a host running; started by create.
    commands.add_parser("supervise").add_argument("name")
    return top


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        require_tools()
        return run_command(Lab(options.lab), options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run_command(lab: Lab, options: argparse.Namespace) -> int:
    """Do what the command line says and return the exit status."""
    if options.command == "create":
        before = {host.name for host in lab.hosts() if host.running()}
        for host in lab.create_all(options.names, kind=options.kind, flavour=options.flavour, ssh_port=options.ssh_port):
            print(f"{host.name}: {'running already' if host.name in before else 'running'} ({host.kind}, {host.ipv4}, {host.ipv6})")
    elif options.command == "list":
        for host in lab.hosts():
            state = "running" if host.running() else "ended"
            print(f"{host.name}\t{host.kind}{'/' * bool(host.flavour)}{host.flavour}\t{host.ipv4}\t{host.ipv6}\t{host.ssh_port}\t{state}")
    elif options.command == "inventory":
        print(lab.inventory(family=options.family, via=options.via, proxied=options.proxied), end="")
    elif options.command == "enter":
        replace_process(lab.entered(given(options.argv)), lab.settings)
    elif options.command == "exec":
        host = lab.host(options.name)
        replace_process(host.inside(given(options.argv), terminal=os.environ.get("TERM", "dumb")), lab.settings)
    elif options.command == "reboot":
        print(f"{lab.reboot(options.name, wait=options.wait).name}: up again")
    elif options.command == "destroy":
        if options.all == bool(options.names):
            raise LabError("destroy: give the names of hosts, or --all")
        for name in lab.destroy(*options.names):
            print(f"{name}: destroyed")
    elif options.command == "supervise":
        supervise(lab.settings, options.name)
    return 0


def given(argv: list[str]) -> list[str]:
    """The command after ``--``."""
    argv = argv[1:] if argv[:1] == ["--"] else argv
    if not argv:
        raise LabError("which command? For example: enter -- ping -c1 198.51.100.10")
    return argv


def replace_process(argv: list[str], settings: Settings) -> None:
    """Become another command, with this environment and folder, so that signals, terminal and exit status are its own."""
    os.environ["HOLDFAST_LAB"] = settings.lab
    sys.stdout.flush()
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
