# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and chains of other programs are known, and never changed."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

INPUT = "chain %s {\ntype filter hook input priority %s;\n}"


def owner(backend, name):
    return backend.read().chain(name).owner


@pytest.mark.parametrize(
    ("table", "program"),
    [
        ("inet f2b-table", "fail2ban"), ("ip docker-bridges", "docker"), ("ip kube-proxy", "kube-proxy"), ("inet firewalld", "firewalld"),
        ("inet netavark", "podman"), ("ip libvirt_network", "libvirt"), ("ip crowdsec", "crowdsec"), ("inet sshguard", "sshguard"),
        ("inet lxd", "lxd"), ("inet incus", "incus"), ("ip wg-quick-wg0", "wg-quick"), ("ip io.systemd.nat", "systemd"),
        ("inet fw4", "openwrt"), ("inet holdfast", "holdfast"), ("inet filter", None), ("ip filter", None),
    ],
)  # fmt: skip
def test_a_table_is_known_by_its_name(space, backend, table, program):
    space.nft("table %s {\n%s\n}\n" % (table, INPUT % ("input", 0)))
    assert owner(backend, table + " input") == program


def test_tables_of_iptables_are_left_to_iptables(space, backend):
    space.nft("table ip filter {\n%s\nchain DOCKER {\n}\n}\n" % (INPUT % ("INPUT", 0)))
    space.nft("add rule ip filter INPUT tcp dport 22 counter accept\n")
    assert owner(backend, "ip filter INPUT") == "iptables-nft"
    assert owner(backend, "ip filter DOCKER") == "docker"


def test_rules_that_the_real_iptables_made_are_left_to_iptables(space, backend):
    if space.which("iptables-nft") is None:
        pytest.skip("iptables-nft is not installed")
    for rule in ("-A INPUT -p tcp --dport 22 -j ACCEPT", "-A INPUT -m statistic --mode random --probability 0.5 -j DROP"):
        space.checked(["iptables-nft", *rule.split()])
    ruleset = backend.read()
    assert ruleset.chain("ip filter INPUT").owner == "iptables-nft"
    assert [one.rule is None for one in ruleset.chain("ip filter INPUT").entries] == [False, True]
    assert not backend.plan_flush(ruleset, {}).commands
    assert not backend.sight().active


def test_a_table_written_by_hand_with_the_names_of_iptables_is_the_administrators(space, backend):
    space.nft("table ip filter {\n%s\n}\nadd rule ip filter INPUT tcp dport 22 accept\n" % (INPUT % ("INPUT", 0)))
    assert owner(backend, "ip filter INPUT") is None


def test_a_chain_of_another_program_inside_the_administrators_table_is_known(space, backend):
    space.nft("table inet filter {\nchain f2b-sshd {\nip saddr 192.0.2.1 reject\n}\n%s\n}\n" % (INPUT % ("input", 0)))
    assert owner(backend, "inet filter f2b-sshd") == "fail2ban"
    assert owner(backend, "inet filter input") is None


def test_a_table_that_a_running_program_has_reserved_is_known(space, backend):
    argv = ["nsenter", "--net=/proc/%d/ns/net" % space.pid, "--", "nft", "-i"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True) as program:
        program.stdin.write("add table inet reserved { flags owner; }\n")
        program.stdin.write("add chain inet reserved input { type filter hook input priority 0; policy drop; }\n")
        program.stdin.flush()
        try:
            for _try in range(200):
                chain = backend.read().chain("inet reserved input")
                if chain is not None:
                    break
            assert chain.owner == "nft"
            assert not chain.changeable
        finally:
            program.kill()


def test_a_host_with_filter_chains_is_seen_as_active(space, backend):
    assert not backend.sight().active
    space.nft("table inet filter {\n%s\n}\n" % (INPUT % ("input", 0)))
    assert backend.sight().active
    assert "inet filter" in backend.sight().saw


@pytest.mark.parametrize("table", ["inet f2b-table", "inet firewalld", "ip filter"])
def test_tables_of_others_do_not_make_it_active(space, backend, table):
    space.nft("table %s {\n%s\n}\n" % (table, INPUT % ("INPUT", 0)))
    assert backend.sight().available
    assert not backend.sight().active


def test_without_the_program_it_is_not_available():
    assert not Nftables(PaperHost()).sight().available


def test_without_root_it_says_what_it_cannot_see():
    sighting = Nftables(PaperHost({"nft": ""}, root=False)).sight()
    assert (sighting.available, sighting.active) == (True, False)
    assert "root" in sighting.saw
