# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw rules are matched as iptables lists them, whatever way they were typed."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.native import parse_native
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import (
    DOCKER,
    carry_out,
    restore,
)

TYPED = [
    "-A INPUT -p tcp --dport ssh -j ACCEPT",
    "-A INPUT --protocol tcp --destination-port 443 --jump ACCEPT",
    "iptables -A INPUT -s 192.0.2.1,192.0.2.2 -p udp --dport 53 -j ACCEPT",
    "ip6tables -A INPUT -p icmpv6 --icmpv6-type router-advertisement -j ACCEPT",
    "-A INPUT -m comment --comment 'two words' -p tcp -j DROP",
    "-t nat -A POSTROUTING -o eth9 -j MASQUERADE",
    "iptables -t mangle -I PREROUTING 1 -p tcp --syn -j MARK --set-mark 16",
    "-A LATER -p tcp --dport 8443 -j REJECT",
    "-A INPUT -p tcp -m hashlimit --hashlimit-above 6/minute --hashlimit-mode srcip --hashlimit-name x -j DROP",
]


def put(backend, text):
    ruleset = backend.read()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    edits = [Edit(chain, native=line) for line, (chain, entry) in zip(lines, backend.match_native(ruleset, text)) if entry is None]
    return carry_out(backend, ruleset, backend.plan(ruleset, edits))


def take(backend, text):
    ruleset = backend.read()
    edits = [Edit(chain, remove=entry) for chain, entry in backend.match_native(ruleset, text, wanted=False) if entry is not None]
    return carry_out(backend, ruleset, backend.plan(ruleset, edits))


def missing(backend, text):
    return [chain.name for chain, entry in backend.match_native(backend.read(), text) if entry is None]


@pytest.mark.parametrize("typed", TYPED)
def test_a_typed_rule_is_found_again_as_the_tool_lists_it(backend, typed):
    snapshot_free = backend.read().listing
    put(backend, typed)
    assert missing(backend, typed) == []
    take(backend, typed)
    assert [line for line in backend.read().listing.splitlines() if line.startswith("-A")] == []
    assert snapshot_free == "# ipv4\n# ipv6\n"


def test_all_at_once_keep_their_order_and_are_undone_to_the_byte(backend, host):
    host.load(DOCKER)
    text = "\n".join(["# a comment", "", *TYPED])
    snapshot, before = put(backend, text)
    assert missing(backend, text) == []
    assert restore(host, snapshot).ok
    assert backend.read().listing == before.listing


def test_an_insertion_goes_where_its_number_says(backend, host):
    host.load(DOCKER)
    put(backend, "iptables -I INPUT 3 -p tcp --dport 99 -j ACCEPT")
    assert backend.read().chain("INPUT (ipv4)").entries[2].native == ("-A INPUT -p tcp -m tcp --dport 99 -j ACCEPT",)


def test_a_rule_that_is_in_one_of_its_families_only_is_completed(backend, host):
    host.load("*filter\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n")
    text = "-A INPUT -p tcp --dport 80 -j ACCEPT"
    assert missing(backend, text) == ["INPUT (ipv4)"]
    put(backend, text)
    assert backend.read().listing.count("--dport 80") == 2


def test_a_rule_that_is_in_one_of_its_families_only_can_be_removed(backend, host):
    host.load("*filter\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n")
    take(backend, "-A INPUT -p tcp --dport 80 -j ACCEPT")
    assert "--dport 80" not in backend.read().listing


def test_a_rule_that_names_an_address_set_is_matched(backend, host):
    host.shell("ipset create foo hash:ip")
    text = "iptables -A INPUT -m set --match-set foo src -p tcp --dport 22 -j DROP"
    put(backend, text)
    assert missing(backend, text) == []


def test_a_rule_of_one_family_only_is_put_into_that_family(backend):
    put(backend, "-A INPUT -m ttl --ttl-eq 1 -j DROP\n-A INPUT -p icmp -j ACCEPT")
    assert [line for line in backend.read().listing.split("# ipv6")[1].splitlines() if line.startswith("-A")] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-A INPUT -p tcp --dport nosuchservice -j ACCEPT", "nosuchservice"),
        ("-A INPUT -j NOWHERE", "NOWHERE"),
        ("-A INPUT -p tcp --nonsense 3", "nonsense"),
        ("-t nat -A INPUT -j MASQUERADE", "refused"),
        ("-A INPUT -m set --match-set nothere src -j DROP", "nothere"),
        ("*nat", "allowed: -A CHAIN"),
        ("-F INPUT", "allowed: -A CHAIN"),
        ("-t oops -A INPUT", "found table oops"),
        ("-A INPUT -s 192.0.2.1 -d 2001:db8::1", "one address family"),
        ("-A INPUT -m comment --comment 'open", "quote is not closed"),
    ],
)
def test_an_invalid_rule_is_refused_with_what_is_wrong(backend, text, said):
    with pytest.raises(HoldfastError, match=said):
        backend.match_native(backend.read(), text)


def test_where_no_namespace_can_be_made_the_words_are_compared(backend, host):
    host.missing.add("unshare")
    text = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
    put(backend, text)
    assert missing(backend, text) == []


@pytest.mark.parametrize(
    ("text", "families"),
    [
        ("-A INPUT -p tcp -j ACCEPT", (4, 6)),
        ("-A INPUT -s 192.0.2.1 -j ACCEPT", (4,)),
        ("-A INPUT -s 2001:db8::/32 -j ACCEPT", (6,)),
        ("-A INPUT -p icmp -j ACCEPT", (4,)),
        ("-A INPUT -p icmpv6 -j ACCEPT", (6,)),
        ("-A INPUT -j REJECT --reject-with icmp-host-prohibited", (4,)),
        ("-A INPUT -m comment --comment 192.0.2.1 -j ACCEPT", (4, 6)),
        ("-t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.0.2.1:80", (4,)),
        ("-t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination [2001:db8::1]:80", (6,)),
        ("-A INPUT -m iprange --src-range 2001:db8::1-2001:db8::9 -j DROP", (6,)),
        ("ip6tables -A INPUT -p tcp -j ACCEPT", (6,)),
    ],
)
def test_a_raw_rule_is_for_the_families_that_its_words_fit(text, families):
    assert parse_native(text).families == families
