# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Management ports: where they come from, and which removals would close them."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Chain, Entry, Ruleset
from ansible_collections.holdfast.firewall.plugins.module_utils.change import management as management_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management, closed_by_removal, find_management
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

SS = 'LISTEN 0 128 0.0.0.0:2022 0.0.0.0:* users:(("sshd",pid=7,fd=3))\nLISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=8,fd=6))\n'


def entry(**words):
    rule = parse_rule({"action": "allow", **words})
    return Entry((rule.describe(),), rule=rule)


def chain(*entries, default="deny"):
    return Chain("in", frozenset({"in"}), frozenset({4, 6}), default=default, entries=entries)


def closed(one, *removed, management=None):
    return closed_by_removal(Ruleset((one,), ""), [(one, entry) for entry in removed], management or Management((22,), "192.0.2.9"))


@pytest.fixture(name="no_session")
def _no_session(monkeypatch):
    monkeypatch.setattr(management_module, "_session", lambda: None)


def test_the_port_that_sshd_listens_on_is_kept_not_22(no_session):
    assert find_management(PaperHost({"ss -Htlnp": SS})).ssh_ports == (2022,)


def test_a_socket_that_systemd_holds_for_sshd_counts(no_session):
    host = PaperHost({"ss -Htlnp": "", "systemctl show": "Listen=[::]:2222 (Stream)\n"})
    assert find_management(host).ssh_ports == (2222,)


def test_the_session_is_the_best_witness(monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "::ffff:192.0.2.9 50554 198.51.100.2 2200")
    found = find_management(PaperHost({"ss -Htlnp": SS}))
    assert (found.client, found.server, found.ssh_ports) == ("192.0.2.9", "198.51.100.2", (2022, 2200))


def test_removing_the_last_way_in_is_skipped():
    ssh = entry(port=22)
    assert closed(chain(ssh), ssh) == ["22/tcp"]


def test_removing_one_of_two_ways_in_is_fine():
    ssh, everything = entry(port=22), entry(protocol="any")
    assert closed(chain(ssh, everything), ssh) == []


def test_removing_the_network_of_the_session_is_skipped():
    office = entry(port=22, source="192.0.2.0/24")
    assert closed(chain(office), office) == ["22/tcp"]


def test_removing_another_network_is_fine():
    elsewhere = entry(port=22, source="203.0.113.0/24")
    assert closed(chain(elsewhere), elsewhere) == []


def test_where_the_default_allows_nothing_is_closed():
    ssh = entry(port=22)
    assert closed(chain(ssh, default="allow"), ssh) == []


def test_a_deny_behind_it_counts_like_a_default():
    ssh = entry(port=22)
    assert closed(chain(ssh, entry(action="deny", protocol="any"), default="allow"), ssh) == ["22/tcp"]


def test_ports_of_agents_are_kept_too():
    agent = entry(port=10050)
    assert closed(chain(agent), agent, management=Management((22,), None, (10050,))) == ["10050/tcp"]


def test_a_weak_deny_behind_the_removed_rule_closes_the_port():
    passes = Entry(("pass quick",), rule=parse_rule({"action": "allow", "port": 22}))
    blocks = Entry(("block",), rule=parse_rule({"action": "deny", "protocol": "any"}), weak=True)
    chain = Chain("pf", frozenset({"in", "out"}), frozenset({4, 6}), entries=(passes, blocks))
    assert closed_by_removal(Ruleset((chain,), ""), [(chain, passes)], Management((22,))) == ["22/tcp"]
