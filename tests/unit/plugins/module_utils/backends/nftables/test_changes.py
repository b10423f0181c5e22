# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting rules in, changing them and taking them out on a live host: placed, predicted, present afterwards, and undone exactly."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule

SITE = """
table inet filter {
    set office {
        type ipv4_addr
        elements = { 192.0.2.1 }
    }

    chain mail {
        ip saddr @office accept
    }

    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        iif lo accept
        tcp dport 22 accept comment "ssh"
        tcp dport 25 counter jump mail
        reject with icmpx admin-prohibited
    }

    chain output {
        type filter hook output priority 0; policy accept;
    }
}
table ip nat {
    chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname "eth0" masquerade
    }
}
"""
FAIL2BAN = """
table inet f2b-table {
    chain f2b-chain {
        type filter hook input priority -1; policy accept;
        tcp dport 22 ip saddr 203.0.113.9 reject
    }
}
"""


def restore(space, snapshot):
    """Run the restore script as the rollback does."""
    for name, text in snapshot.files.items():
        space.write("/" + name, text)
    return space.run(["sh", "-c", "DIR=%s\n%s" % (space.folder, snapshot.script)])


def carry_out(space, backend, ruleset, transaction):
    """Apply, check the prediction, undo, check that nothing is left, undo once more, and apply for good."""
    snapshot = backend.snapshot(ruleset, transaction)
    backend.validate(transaction)
    before = space.listed()
    backend.apply(transaction)
    after = backend.read()
    assert after.listing == transaction.after
    for _again in range(2):
        result = restore(space, snapshot)
        assert result.ok, result.err
        assert space.listed() == before
    return after


def make(space, backend, state, **words):
    """Do what a task does; returns the placement."""
    ruleset = backend.read()
    rule = parse_rule(words)
    place = place_present if state == "present" else place_absent
    placement = place(backend, ruleset, rule)
    transaction = backend.plan(ruleset, placement.edits)
    carry_out(space, backend, ruleset, transaction)
    # The handles are new after a restore: plan again.
    ruleset = backend.read()
    backend.apply(backend.plan(ruleset, place(backend, ruleset, rule).edits))
    after = backend.read()
    assert after.listing == space.listed()
    assert not place(backend, after, rule).edits
    return placement


RULES = [
    {"action": "allow", "port": 80},
    {"action": "allow", "port": [80, 443, 8080], "source": ["192.0.2.0/24", "198.51.100.1"], "comment": "web"},
    {"action": "deny", "port": 23, "log": True, "log_prefix": "telnet ", "log_limit": "3/minute"},
    {"action": "reject", "protocol": "udp", "port": 53, "family": "ipv6"},
    {"action": "allow", "port": 22, "stateful": True, "limit": "6/minute", "limit_per": "source"},
    {"action": "allow", "port": 22, "limit": "6/minute", "limit_per": "source", "source": "192.0.2.0/24"},
    {"action": "allow", "protocol": "any", "direction": "out"},
    {"action": "deny", "protocol": "any", "direction": "forward", "interface": "eth0"},
    {"action": "allow", "protocol": "icmpv6"},
]


@pytest.mark.parametrize("host", ["", SITE, FAIL2BAN, SITE + FAIL2BAN], ids=["empty", "site", "fail2ban", "both"])
@pytest.mark.parametrize("words", RULES, ids=lambda words: parse_rule(words).describe())
def test_a_rule_comes_and_goes_and_is_undone_exactly(space, backend, host, words):
    space.nft(host or "flush ruleset")
    make(space, backend, "present", **words)
    make(space, backend, "absent", **words)


def test_an_allow_goes_before_what_would_stop_it(space, backend):
    space.nft(SITE)
    make(space, backend, "present", action="allow", port=80)
    texts = [entry.native for entry in backend.read().chain("inet filter input").entries]
    assert texts.index(("tcp dport 80 accept",)) == texts.index(("reject with icmpx admin-prohibited",)) - 1


def test_a_rule_that_the_administrator_wrote_is_present(space, backend):
    space.nft(SITE)
    ruleset = backend.read()
    placement = place_present(backend, ruleset, parse_rule({"action": "allow", "port": 22}))
    assert not placement.edits
    assert not backend.plan(ruleset, placement.edits).commands


def test_another_comment_replaces_the_rule_where_it_stands(space, backend):
    space.nft(SITE)
    make(space, backend, "present", action="allow", port=22, comment="management")
    assert backend.read().chain("inet filter input").entries[2].native == ('tcp dport 22 accept comment "management"',)


def test_a_log_with_a_rate_makes_two_lines_of_one(space, backend):
    space.nft(SITE)
    make(space, backend, "present", action="allow", port=22, comment="ssh", log=True, log_limit="3/minute")
    assert backend.read().chain("inet filter input").entries[2].native == (
        'tcp dport 22 limit rate 3/minute log comment "ssh"',
        'tcp dport 22 accept comment "ssh"',
    )


def test_the_set_of_a_limit_goes_with_its_rule(space, backend):
    space.nft(SITE)
    words = {"action": "allow", "port": 2222, "limit": "6/minute", "limit_per": "source"}
    make(space, backend, "present", **words)
    assert "set hf_limit_" in space.listed()
    make(space, backend, "absent", **words)
    assert "set hf_limit_" not in space.listed()


def test_taking_out_the_first_of_two_limits_is_undone_in_the_old_order(space, backend):
    words = {"action": "allow", "limit": "6/minute", "limit_per": "source", "family": "ipv4"}
    for port in (22, 80):
        make(space, backend, "present", port=port, **words)
    make(space, backend, "absent", port=22, **words)


def test_replies_get_a_rule_where_they_would_be_stopped(space, backend):
    space.nft("table inet out {\nchain output {\ntype filter hook output priority 0; policy drop;\n}\n}\n")
    make(space, backend, "present", action="allow", port=22, stateful=True)
    assert "tcp sport 22 ct direction reply ct state established,related accept" in space.listed()


def test_edits_before_a_removed_entry_still_find_their_place(space, backend):
    space.nft(SITE)
    ruleset = backend.read()
    chain = ruleset.chain("inet filter input")
    edits = [
        Edit(chain, remove=chain.entries[2]),
        Edit(chain, rule=parse_rule({"action": "allow", "port": 1}), before=chain.entries[2]),
        Edit(chain, rule=parse_rule({"action": "allow", "port": 2}), before=chain.entries[2]),
        Edit(chain, rule=parse_rule({"action": "allow", "port": 3})),
    ]
    carry_out(space, backend, ruleset, backend.plan(ruleset, edits))


def test_the_same_removal_twice_is_one_removal(space, backend):
    space.nft(SITE)
    ruleset = backend.read()
    chain = ruleset.chain("inet filter input")
    carry_out(space, backend, ruleset, backend.plan(ruleset, [Edit(chain, remove=chain.entries[2])] * 2))


def test_a_refused_transaction_leaves_everything_as_it_was(space, backend):
    space.nft(SITE)
    ruleset = backend.read()
    chain = ruleset.chain("inet filter input")
    transaction = backend.plan(ruleset, [Edit(chain, native="tcp dport 1 accept"), Edit(chain, native="no such words")])
    before = space.listed()
    with pytest.raises(HoldfastError):
        backend.validate(transaction)
    with pytest.raises(HoldfastError):
        backend.apply(transaction)
    assert space.listed() == before


def test_a_restore_brings_back_the_other_tables_when_one_has_gone(space, backend):
    space.nft(SITE + "table inet more {\nchain input {\ntype filter hook input priority 5; policy drop;\n}\n}\n")
    ruleset = backend.read()
    rule = parse_rule({"action": "allow", "port": 80})
    edits = [Edit(ruleset.chain(name), rule=rule) for name in ("inet filter input", "inet more input")]
    transaction = backend.plan(ruleset, edits)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    space.nft("delete table inet more\n")
    assert restore(space, snapshot).ok
    assert "tcp dport 80" not in space.listed()


def test_a_snapshot_leaves_chains_alone_that_the_change_does_not_touch(space, backend):
    space.nft(SITE + FAIL2BAN)
    ruleset = backend.read()
    placement = place_present(backend, ruleset, parse_rule({"action": "allow", "port": 80}))
    files = backend.snapshot(ruleset, backend.plan(ruleset, placement.edits)).files
    assert "inet filter" in files["restore.nft"]
    for other in ("f2b", "chain mail", "nat", "chain output"):
        assert other not in files["restore.nft"]


def test_dynamic_counts_survive_a_restore(space, backend):
    words = {"action": "allow", "port": 22, "limit": "6/minute", "limit_per": "source", "family": "ipv4"}
    make(space, backend, "present", **words)
    name = next(line.split()[1] for line in space.listed().splitlines() if "set hf_limit_" in line)
    space.nft("add element inet holdfast %s { 192.0.2.9 limit rate 6/minute }\n" % name)
    ruleset = backend.read()
    transaction = backend.plan(ruleset, place_present(backend, ruleset, parse_rule({"action": "deny", "port": 23})).edits)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    assert restore(space, snapshot).ok
    assert "192.0.2.9" in space.listed()


def test_a_ruleset_of_another_backend_is_refused(backend):
    with pytest.raises(HoldfastError):
        backend.plan(backend.parse("").__class__.__mro__[1]((), ""), [])
