# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flushing takes everything that no other program keeps, leaves what keeps the host reachable, and is undone exactly."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule

SITE = """
table inet filter {
    comment "the site's own"
    counter seen {
    }

    set office {
        type ipv4_addr
        flags interval
        auto-merge
        comment "people"
        elements = { 192.0.2.0/24, 198.51.100.7 }
    }

    map services {
        type inet_service : verdict
        elements = { 22 : accept, 25 : jump mail }
    }

    set banned {
        type ipv4_addr
        elements = { 203.0.113.9 }
    }

    chain mail {
        comment "not a base"
        ip saddr @office counter name "seen" accept
        jump deeper
    }

    chain f2b-sshd {
        ip saddr @banned reject
    }

    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        tcp dport 22 jump f2b-sshd
        tcp dport vmap @services
        tcp dport { 80, 443 } accept
    }

    chain deeper {
        drop
    }

    chain output {
        type filter hook output priority 0; policy accept;
        tcp dport 25 drop
    }
}
table inet f2b-table {
    chain f2b-chain {
        type filter hook input priority -1; policy accept;
        tcp dport 22 ip saddr 203.0.113.9 reject
    }
}
table ip nat {
    chain own {
        accept
    }

    chain prerouting {
        type nat hook prerouting priority -100; policy accept;
        tcp dport 8080 redirect to :80
    }

    chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname "eth0" masquerade
        jump own
    }
}
"""
KEPT = [parse_rule({"action": "allow", "port": 22, "stateful": True, "comment": "management"})]


def flush(backend, keep=None):
    ruleset = backend.read()
    return ruleset, backend.plan_flush(ruleset, keep or {})


def undo(space, snapshot):
    for name, text in snapshot.files.items():
        space.write("/" + name, text)
    return space.run(["sh", "-c", "DIR=%s\n%s" % (space.folder, snapshot.script)])


def test_flushing_leaves_tables_base_chains_and_what_others_keep(space, backend):
    space.nft(SITE)
    _ruleset, transaction = flush(backend, {"inet filter input": KEPT})
    backend.validate(transaction)
    backend.apply(transaction)
    assert space.listed() == transaction.after
    assert [chain.name for chain in backend.read().chains if chain.entries] == [
        "inet f2b-table f2b-chain", "inet filter input", "inet filter f2b-sshd",
    ]  # fmt: skip
    assert [entry.native[0] for entry in backend.read().chain("inet filter input").entries] == [
        "tcp dport 22 jump f2b-sshd",
        'tcp dport 22 ct state established,new accept comment "management"',
    ]
    for gone in ("mail", "deeper", "services", "office", "seen", "masquerade", "chain own"):
        assert gone not in space.listed()
    for stays in ("set banned", "policy drop", "hook postrouting"):
        assert stays in space.listed()


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
def test_a_flush_is_undone_exactly(space, backend, applied):
    space.nft(SITE)
    before = space.listed()
    ruleset, transaction = flush(backend, {"inet filter input": KEPT})
    snapshot = backend.snapshot(ruleset, transaction)
    if applied:
        backend.apply(transaction)
    for _again in range(2):
        result = undo(space, snapshot)
        assert result.ok, result.err
        assert space.listed() == before


def test_a_second_flush_changes_nothing(space, backend):
    space.nft(SITE)
    keep = {"inet filter input": KEPT}
    backend.apply(flush(backend, keep)[1])
    ruleset, transaction = flush(backend, keep)
    assert not transaction.commands
    assert transaction.after == ruleset.listing


def test_an_empty_host_has_nothing_to_flush(backend):
    assert not flush(backend)[1].commands


def test_our_own_table_goes_when_nothing_stays_in_it(space, backend):
    space.nft("table inet holdfast {\nset one { type ipv4_addr; }\nchain input {\ntype filter hook input priority 0;\naccept\n}\n}\n")
    before = space.listed()
    ruleset, transaction = flush(backend)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    assert space.listed() == transaction.after == ""
    assert undo(space, snapshot).ok
    assert space.listed() == before


def test_our_own_table_stays_in_front_of_others_so_that_the_order_can_come_back(space, backend):
    space.nft("table inet holdfast {\nchain input {\ntype filter hook input priority 0;\naccept\n}\n}\n" + SITE)
    before = space.listed()
    ruleset, transaction = flush(backend)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    assert space.listed() == transaction.after
    assert space.listed().startswith("table inet holdfast")
    assert undo(space, snapshot).ok
    assert space.listed() == before


def test_a_limit_per_source_can_be_kept(space, backend):
    space.nft(SITE)
    rule = parse_rule({"action": "allow", "port": 22, "limit": "6/minute", "limit_per": "source"})
    transaction = flush(backend, {"inet filter input": [rule]})[1]
    backend.apply(transaction)
    assert space.listed() == transaction.after
    assert backend.read().chain("inet filter input").entries[1].rule == rule


def test_rules_can_be_kept_in_a_chain_that_does_not_exist_yet(space, backend):
    transaction = flush(backend, {"inet holdfast input": KEPT})[1]
    backend.apply(transaction)
    assert space.listed() == transaction.after
    assert backend.read().chain("inet holdfast input").entries[0].rule == KEPT[0]


@pytest.mark.parametrize("table", ["inet guard", "netdev guard"])
def test_a_chain_that_would_drop_everything_early_is_not_emptied(space, backend, table):
    hook = "prerouting" if table.startswith("inet") else "ingress device lo"
    space.nft("table %s {\nchain early {\ntype filter hook %s priority 0; policy drop;\ntcp dport 22 accept\n}\n}\n" % (table, hook))
    with pytest.raises(HoldfastError, match="drops by default at hook"):
        flush(backend)


def test_tables_of_iptables_are_not_flushed(space, backend):
    space.nft("table ip filter {\nchain INPUT {\ntype filter hook input priority 0; policy drop;\ntcp dport 22 counter accept\n}\n}\n")
    assert not flush(backend)[1].commands
