# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw rules are known again after nft has put them into its own words, and one line is never more than one rule."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.native import split_native
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError

SITE = """
table inet filter {
    set office {
        type ipv4_addr
        elements = { 192.0.2.1 }
    }

    chain mail {
    }

    chain input {
        type filter hook input priority 0; policy drop;
        tcp dport 22 accept
    }
}
table inet f2b-table {
    chain f2b-chain {
        type filter hook input priority -1;
    }
}
table ip filter {
    chain input {
        type filter hook input priority 0;
    }
}
"""
LINES = [
    "tcp dport ssh accept",
    "output tcp dport { 25, 24 } drop",
    'add rule inet filter input tcp flags & (fin|syn|rst|ack) == syn tcp dport 8080 counter accept comment "a; b # c  d"',
    "insert rule inet filter input ip saddr @office jump mail",
    "add rule filter input icmp type 8 limit rate 1/second burst 5 packets accept;",
    "meta l4proto tcp tcp dport 80 accept",
    "ip saddr 192.0.2.77/24 accept",
]


def put(backend, text):
    ruleset = backend.read()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    matched = backend.match_native(ruleset, text)
    assert len(matched) == len(lines)
    edits = [Edit(chain, native=line) for line, (chain, entry) in zip(lines, matched) if entry is None]
    transaction = backend.plan(ruleset, edits)
    backend.validate(transaction)
    backend.apply(transaction)
    return transaction


@pytest.mark.parametrize("line", LINES)
def test_a_raw_rule_is_put_once_and_taken_out_again(space, backend, line):
    space.nft(SITE)
    before = space.listed()
    transaction = put(backend, line)
    ruleset = backend.read()
    assert ruleset.listing == transaction.after == space.listed() != before
    ((chain, entry),) = backend.match_native(ruleset, line)
    assert entry is not None
    backend.apply(backend.plan(ruleset, [Edit(chain, remove=entry)]))
    assert backend.read().chain(chain.name).entries == tuple(
        one for one in ruleset.chain(chain.name).entries if one != entry
    )  # fmt: skip


def test_all_raw_rules_together_are_present_afterwards(space, backend):
    space.nft(SITE)
    text = "# the site's own words\n\n" + "\n".join(LINES) + "\n"
    put(backend, text)
    assert all(entry is not None for _chain, entry in backend.match_native(backend.read(), text))


def test_insert_puts_a_rule_at_the_top(space, backend):
    space.nft(SITE)
    put(backend, "insert rule inet filter input tcp dport 1 accept")
    assert backend.read().chain("inet filter input").entries[0].native == ("tcp dport 1 accept",)


def test_the_same_line_twice_is_two_rules(space, backend):
    text = "tcp dport 1 counter\ntcp dport 1 counter"
    put(backend, text)
    assert len(backend.read().chain("inet holdfast input").entries) == 2
    assert all(entry is not None for _chain, entry in backend.match_native(backend.read(), text))


def test_one_line_of_a_logged_rule_is_only_that_line(space, backend):
    space.nft(SITE + "add rule inet filter input tcp dport 23 limit rate 3/minute log\nadd rule inet filter input tcp dport 23 drop\n")
    ruleset = backend.read()
    ((chain, entry),) = backend.match_native(ruleset, "add rule inet filter input tcp dport 23 limit rate 3/minute log")
    backend.apply(backend.plan(ruleset, [Edit(chain, remove=entry)]))
    assert [one.native for one in backend.read().chain(chain.name).entries] == [("tcp dport 22 accept",), ("tcp dport 23 drop",)]


def test_without_a_namespace_the_words_are_compared(space, backend):
    space.nft(SITE)
    which = space.which
    bare = Nftables(space)
    space.which = lambda program: None if program == "unshare" else which(program)
    ((_chain, entry),) = bare.match_native(bare.read(), "add rule inet filter input tcp  dport 22 accept")
    assert entry is not None


@pytest.mark.parametrize(
    "line",
    [
        "tcp dport 22 accept; flush ruleset", "flush ruleset", "delete table inet filter", "add table inet other", "add rule inet filter",
        'include "/etc/passwd"', "tcp dport 22 accept # why", 'tcp dport 22 accept comment "open',
        "add rule inet filter input position 5 accept",
        "table inet x { chain y { accept } }", "list ruleset", "insert rule inet filter input index 0 accept", "reset rules",
    ],
)  # fmt: skip
def test_a_line_that_is_more_or_less_than_one_rule_is_refused(line):
    with pytest.raises(HoldfastError, match="native nftables rule"):
        split_native(line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tcp dport 99999 accept", "nft refuses"),
        ("no such words", "nft refuses"),
        ("} add table inet x {", "nft refuses"),
        ("add rule inet nowhere input accept", "no nftables chain"),
        ("add rule inet f2b-table f2b-chain accept", "belongs to fail2ban"),
    ],
)
def test_what_is_not_valid_is_refused_and_changes_nothing(space, backend, line, said):
    space.nft(SITE)
    before = space.listed()
    with pytest.raises(HoldfastError, match=said):
        backend.match_native(backend.read(), line)
    assert space.listed() == before
