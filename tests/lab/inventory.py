# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of a lab, as text. Touches nothing."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from . import ssh
from .errors import LabError
from .host import CONTROL_SOCKETS, Host
from .kinds import KINDS


def render(state: Path, hosts: list[Host], *, family: int = 4, via: str | None = None, namespace: str | None = None) -> str:
    """YAML inventory: a group per kind, and ``linux`` above the kinds that are Linux.

    :param family: 4 or 6, the addresses that ansible_host gets.
    :param via: name of the host that all others are reached over, as an SSH jump host.
    :param namespace: name of the lab's network namespace; then every connection enters it by itself (ProxyCommand), so that Ansible need
        not run inside. Not together with ``via``.
    """
    if via is not None and namespace is not None:
        raise LabError("a jump host and connections that enter the namespace by themselves do not go together")
    if via is not None and via not in [host.name for host in hosts]:
        raise LabError(f"no host {via} to jump over; there are: {', '.join(host.name for host in hosts) or 'none'}")
    members: dict[str, Any] = {}
    for name, kind in KINDS.items():
        variables = {host.name: _variables(state, host, family, via, namespace) for host in hosts if host.kind == name}
        members[kind.group] = {"hosts": variables}
    linux: dict[str, Any] = {kind.group: {} for kind in KINDS.values() if kind.linux}
    return "---\n" + _yaml({"all": {"children": {**members, "linux": {"children": linux}}}})


def _variables(state: Path, host: Host, family: int, via: str | None, namespace: str | None) -> dict[str, Any]:
    arguments = ["-F", str(state / ssh.CONFIG), "-o", f"UserKnownHostsFile={state / ssh.KNOWN_HOSTS}"]
    if via is not None and via != host.name:
        arguments += ["-o", f"ProxyJump={via}"]
    if namespace is not None:
        relay = shlex.join(["nsenter", f"--net=/run/netns/{namespace}", sys.executable, str(Path(__file__).with_name("relay.py"))])
        arguments += ["-o", f"ProxyCommand={relay} %h %p"]
    own = dict(KINDS[host.kind].variables)
    usual: dict[str, Any] = {
        "ansible_host": host.ipv6 if family == 6 else host.ipv4,
        "ansible_port": host.ssh_port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(state / ssh.KEY),
        "ansible_ssh_common_args": shlex.join(arguments),
        # Labs share their addresses, and hosts inherit them: a control socket of one must never answer for another.
        "ansible_control_path_dir": str(host.folder / CONTROL_SOCKETS),
        "ansible_python_interpreter": "/usr/bin/python3",
        "lab_kind": host.kind,
        "lab_flavour": host.flavour,
        "lab_ipv4": host.ipv4,
        "lab_ipv6": host.ipv6,
    }
    return {name: value for name, value in {**usual, **own}.items() if own.get(name) != ""}


def _yaml(tree: dict[str, Any], indent: int = 0) -> str:
    # Scalars in JSON's notation are YAML as well.
    lines = []
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            lines.append(f"{' ' * indent}{key}:\n{_yaml(value, indent + 2)}")
        else:
            lines.append(f"{' ' * indent}{key}: {json.dumps(value)}\n")
    return "".join(lines)
