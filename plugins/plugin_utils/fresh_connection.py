# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new connection to the managed node, one that shares nothing with those that are open.

Touches options of the task's connection plugin, and gives them back. An established connection proves nothing about new ones: states keep
it alive, and ControlPersist makes every later task ride on it.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
import uuid

from ansible import constants as C

#: Connection plugins that do not go over the network: there is no new connection to open.
WITHOUT_NETWORK = frozenset({"local", "chroot", "jail", "docker", "podman", "nsenter", "lxc", "lxd", "zone", "machinectl", "kubectl", "oc"})

#: Seconds of silence after which a watched connection is asked for a sign of life; twice without an answer, and it is given up.
SILENCE = 4


def describe_proof(connection: t.Any) -> str:
    """Return how a confirmation over ``fresh`` proves reachability, for the task's result."""
    if over_network(connection):
        return "a new %s connection" % _name(connection)
    return "none: connection %s does not go over the network" % _name(connection)


def over_network(connection: t.Any) -> bool:
    """Return whether the managed node is reached over the network."""
    return _name(connection) not in WITHOUT_NETWORK


@contextlib.contextmanager
def fresh(connection: t.Any, connect_timeout: int, watched: bool = False) -> t.Iterator[None]:
    """Let everything that runs over ``connection`` inside the block use a new connection.

    OpenSSH gets a control path of its own, so that the first command opens a new TCP connection and the following ones share that; the
    master ends with the block. Other plugins are reset. ``connect_timeout`` is in seconds. With
    ``watched`` OpenSSH gives a connection up on which the host answers no more.
    """
    if not over_network(connection):
        yield
        return
    if not _is_openssh(connection):
        connection.reset()
        yield
        return
    options = {name: connection.get_option(name) for name in ("ssh_args", "timeout", "reconnection_retries") if connection.has_option(name)}
    control_path = _control_path(connection, options.get("ssh_args") or "")
    arguments = "-o ControlMaster=%s -o ControlPath=%s" % (("auto", control_path) if control_path else ("no", "none"))
    if watched:
        arguments += " -o ServerAliveInterval=%d -o ServerAliveCountMax=2" % SILENCE
    connection.set_option("ssh_args", "%s %s" % (arguments, options.get("ssh_args") or ""))
    if "timeout" in options:
        connection.set_option("timeout", connect_timeout)
    if "reconnection_retries" in options:
        connection.set_option("reconnection_retries", 0)
    try:
        yield
    finally:
        if control_path and os.path.exists(control_path):
            with contextlib.suppress(Exception):
                connection.reset()
        for name, value in options.items():
            connection.set_option(name, value)


def _control_path(connection: t.Any, ssh_args: str) -> t.Optional[str]:
    """Return a control path that no other connection uses, or None where the user's settings do not multiplex."""
    if "controlpersist" not in ssh_args.lower():
        return None
    folder = os.path.expanduser(str(connection.get_option("control_path_dir")))
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, "hf-%s" % uuid.uuid4().hex[:10])
    # A Unix socket's path has at most 108 bytes, and ssh needs 17 more for its temporary name; blanks would need quoting.
    return path if len(path) < 88 and not any(c.isspace() or c in "%\"'" for c in path) else None


def _name(connection: t.Any) -> str:
    name = getattr(connection, "_load_name", None) or getattr(connection, "transport", "")
    return str(name).rpartition(".")[2]


def _is_openssh(connection: t.Any) -> bool:
    return _name(connection) == "ssh" and hasattr(connection, "has_option") and connection.has_option("ssh_args")


def default_connect_timeout() -> int:
    """Return Ansible's own connection timeout in seconds."""
    return int(C.DEFAULT_TIMEOUT)
