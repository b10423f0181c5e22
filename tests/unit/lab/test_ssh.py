# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client configuration of a lab. Touches nothing."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.holdfast.firewall.tests.lab import ssh
from ansible_collections.holdfast.firewall.tests.lab.host import Host

WEB = Host("web1", "nftables", "", 10, 22, "s", "m", Path("/state/hosts/web1"))
DB = Host("db1", "bsd", "freebsd", 11, 2222, "s", "m", Path("/state/hosts/db1"))


def test_host_keys_are_known_by_name_and_by_both_addresses():
    assert ssh.known_hosts([(WEB, "ssh-ed25519 AAAA web1\n")]) == "web1,198.51.100.10,2001:db8:0:1::10 ssh-ed25519 AAAA\n"


def test_another_port_is_written_as_ssh_looks_it_up():
    line = "[db1]:2222,[198.51.100.11]:2222,[2001:db8:0:1::11]:2222 ssh-ed25519 AAAA\n"
    assert ssh.known_hosts([(DB, "ssh-ed25519 AAAA db1\n")]) == line


def test_each_host_is_reached_on_its_port_by_name_and_by_address():
    text = ssh.config(Path("/state"), [WEB, DB])
    assert "Host db1\n    HostName 198.51.100.11\n" in text
    assert "Host db1 198.51.100.11 2001:db8:0:1::11\n    Port 2222\n" in text
    assert "Host web1 198.51.100.10 2001:db8:0:1::10\n    Port 22\n" in text


def test_unknown_host_keys_are_refused_and_odd_paths_survive():
    text = ssh.config(Path("/my state/100%"), [])
    assert "StrictHostKeyChecking yes" in text
    assert 'IdentityFile "/my state/100%%/id_ed25519"' in text
