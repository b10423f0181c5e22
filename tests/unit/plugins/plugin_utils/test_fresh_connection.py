# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new connection is new: what is set on the connection plugin, and that it is given back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from ansible_collections.holdfast.firewall.plugins.plugin_utils.fresh_connection import describe_proof, fresh, over_network


class Connection:
    """As much of a connection plugin as is used."""

    def __init__(self, name, **options):
        self._load_name, self.options, self.resets = name, options, 0

    def has_option(self, name):
        return name in self.options

    def get_option(self, name):
        return self.options[name]

    def set_option(self, name, value):
        self.options[name] = value

    def reset(self):
        self.resets += 1


@pytest.fixture(name="tmp_path")
def _tmp_path():
    """A folder with a short path: that of a control socket has an end."""
    with tempfile.TemporaryDirectory(prefix="cp-") as folder:
        yield Path(folder)


def openssh(tmp_path, ssh_args="-C -o ControlMaster=auto -o ControlPersist=60s"):
    return Connection("ssh", ssh_args=ssh_args, timeout=10, reconnection_retries=3, control_path_dir=str(tmp_path / "cp"))


def test_openssh_gets_a_control_path_that_nobody_else_uses(tmp_path):
    connection = openssh(tmp_path)
    seen = []
    for _round in range(2):
        with fresh(connection, 5):
            seen.append(connection.options["ssh_args"])
            assert (connection.options["timeout"], connection.options["reconnection_retries"]) == (5, 0)
    assert seen[0] != seen[1]
    # ssh takes the first value of an option.
    assert all(one.startswith("-o ControlMaster=auto -o ControlPath=%s/cp/hf-" % tmp_path) for one in seen)


def test_the_options_of_the_connection_are_given_back(tmp_path):
    connection = openssh(tmp_path)
    before = dict(connection.options)
    with pytest.raises(RuntimeError), fresh(connection, 5):
        raise RuntimeError
    assert connection.options == before


def test_a_jump_host_in_the_arguments_is_kept(tmp_path):
    connection = openssh(tmp_path, "-J bastion.example -o ControlMaster=auto -o ControlPersist=60s")
    with fresh(connection, 5):
        assert "-J bastion.example" in connection.options["ssh_args"]


def test_a_watched_connection_is_given_up_when_the_host_falls_silent(tmp_path):
    connection = openssh(tmp_path)
    with fresh(connection, 5, watched=True):
        assert " -o ServerAliveInterval=4 -o ServerAliveCountMax=2 " in connection.options["ssh_args"]


@pytest.mark.parametrize("ssh_args", ["-C", None], ids=["no ControlPersist", "no arguments"])
def test_without_multiplexing_every_command_is_a_connection_of_its_own(tmp_path, ssh_args):
    connection = openssh(tmp_path, ssh_args)
    with fresh(connection, 5):
        assert connection.options["ssh_args"].startswith("-o ControlMaster=no -o ControlPath=none")


def test_a_control_path_that_is_too_long_is_not_used(tmp_path):
    connection = openssh(tmp_path)
    connection.options["control_path_dir"] = str(tmp_path / ("x" * 90))
    with fresh(connection, 5):
        assert "ControlPath=none" in connection.options["ssh_args"]


def test_other_network_connections_are_reset():
    connection = Connection("ansible.builtin.paramiko_ssh")
    with fresh(connection, 5):
        pass
    assert connection.resets == 1


def test_a_local_connection_is_left_alone_and_proves_nothing():
    connection = Connection("local")
    with fresh(connection, 5):
        pass
    assert connection.resets == 0
    assert not over_network(connection)
    assert describe_proof(connection).startswith("none: ")
