# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a lab. Touches nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from ansible_collections.holdfast.firewall.tests.lab import inventory
from ansible_collections.holdfast.firewall.tests.lab.errors import LabError
from ansible_collections.holdfast.firewall.tests.lab.host import Host

STATE = Path("/state")


def make(name, kind, index, port=22):
    return Host(name, kind, "", index, port, "s", "m", STATE / "hosts" / name)


HOSTS = [make("db1", "iptables-legacy", 11, 2222), make("jump", "nftables", 12), make("web1", "nftables", 10)]


def hosts_of(group, **options):
    tree = yaml.safe_load(inventory.render(STATE, HOSTS, **options))
    return tree["all"]["children"][group]["hosts"]


def test_each_kind_is_a_group():
    assert set(hosts_of("nftables")) == {"jump", "web1"}
    assert set(hosts_of("iptables_legacy")) == {"db1"}
    assert hosts_of("bsd") == {}


def test_linux_holds_the_groups_of_linux_kinds():
    tree = yaml.safe_load(inventory.render(STATE, HOSTS))
    assert set(tree["all"]["children"]["linux"]["children"]) >= {"nftables", "iptables_nft", "iptables_legacy"}
    assert not {"windows", "bsd"} & set(tree["all"]["children"]["linux"]["children"])


def test_a_host_is_reached_as_root_with_the_labs_key():
    db1 = hosts_of("iptables_legacy")["db1"]
    assert (db1["ansible_host"], db1["ansible_port"], db1["ansible_user"]) == ("198.51.100.11", 2222, "root")
    assert db1["ansible_ssh_private_key_file"] == "/state/id_ed25519"
    assert "UserKnownHostsFile=/state/known_hosts" in shlex.split(db1["ansible_ssh_common_args"])


def test_hosts_share_no_folder_of_control_sockets():
    folders = [variables["ansible_control_path_dir"] for variables in hosts_of("nftables").values()]
    assert len(set(folders)) == len(folders)


def test_the_family_chooses_the_address():
    assert hosts_of("nftables", family=6)["web1"]["ansible_host"] == "2001:db8:0:1::10"


def test_all_others_are_reached_over_the_jump_host():
    hosts = hosts_of("nftables", via="jump")
    assert "ProxyJump=jump" in shlex.split(hosts["web1"]["ansible_ssh_common_args"])
    assert "ProxyJump" not in hosts["jump"]["ansible_ssh_common_args"]


def test_an_unknown_jump_host_is_refused():
    with pytest.raises(LabError, match="there are: db1, jump, web1"):
        inventory.render(STATE, HOSTS, via="nobody")
