# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses: reading them as Python's own ipaddress does, and the arithmetic of intervals."""

from __future__ import annotations

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.address_words import AddressSets, parse_by_family
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import (
    collapsed,
    common,
    joined,
    make_addresses,
    networks_of,
    parse_network,
    without,
)
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import networks

PART = st.sampled_from(
    ["0", "1", "9", "10", "255", "256", "01", "00", "", "::", ":", "2001", "db8", "ffff", "FFFF", "fffff", "g", "/", ".", "-", " "]
)
TEXTS = st.one_of(
    st.lists(PART, max_size=9).map(".".join),
    st.lists(PART, max_size=9).map(":".join),
    st.lists(PART, max_size=6).map("".join),
    st.tuples(st.ip_addresses().map(str), st.integers(0, 130)).map(lambda pair: "%s/%d" % pair),
    st.tuples(st.ip_addresses(network="10.0.0.0/8").map(str), st.sampled_from(["", "/32", "/8", "/24", "/031", "/"])).map("".join),
    st.ip_addresses(v=6).map(lambda one: one.exploded.upper()),
)


@given(TEXTS)
def test_a_network_is_read_exactly_as_by_ipaddress(text):
    try:
        wanted = ipaddress.ip_network(text, strict=True)
    except ValueError:
        wanted = None
    try:
        (found,) = parse_network(text, "x")
    except (PolicyError, ValueError):
        found = None
    if wanted is not None and any(len(part) > 1 and part[0] == "0" for part in text.partition("/")[0].rpartition(":")[2].split(".")):
        # Python before 3.9.5 takes leading zeros; and the last group of an IPv6 address may have them.
        assert found in (None, wanted)
    else:
        assert found == wanted
    assert found is None or hash(found) == hash(wanted)


def numbers(intervals):
    return {number for first, last in intervals for number in range(first, last + 1)}


INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=8)


@given(INTERVALS, INTERVALS)
def test_intervals_are_sets_of_numbers(left, right):
    one, two = joined(left), joined(right)
    assert numbers(one) == numbers(left)
    assert all(a[1] + 1 < b[0] for a, b in zip(one, one[1:]))
    assert numbers(common(one, two)) == numbers(left) & numbers(right)
    assert numbers(without(one, two)) == numbers(left) - numbers(right)


@given(st.sampled_from([4, 6]).flatmap(lambda family: st.lists(networks(family), min_size=1, max_size=8)))
def test_networks_collapse_as_ipaddress_collapses_them(found):
    assert list(collapsed(found)) == list(ipaddress.collapse_addresses(found))


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_an_interval_becomes_the_networks_that_ipaddress_names(one, two):
    first, last = ipaddress.IPv6Address(min(one, two)), ipaddress.IPv6Address(max(one, two))
    assert list(networks_of([(int(first), int(last))], 6)) == list(ipaddress.summarize_address_range(first, last))


def by_family(*words, **sets):
    found = parse_by_family(words, "x", AddressSets(sets))
    return None if found is None else {family: addresses.words() for family, addresses in found.items()}


def test_words_of_both_families_are_read_for_each_by_itself():
    assert by_family("2001:db8::/32", "10.0.0.0/8", "10.0.0.0/9") == {4: ["10.0.0.0/8"], 6: ["2001:db8::/32"]}


def test_a_family_in_which_nothing_is_included_does_not_match():
    assert by_family("10.0.0.0/30", "!10.0.0.1", "!2001:db8::1") == {4: ["10.0.0.0", "10.0.0.2/31"]}


def test_only_words_with_a_bang_mean_the_rest_of_their_families():
    assert by_family("!10.0.0.1") == {4: ["!10.0.0.1"]}
    assert by_family("!10.0.0.1", "!2001:db8::1") == {4: ["!10.0.0.1"], 6: ["!2001:db8::1"]}


def test_every_address_of_both_families_is_any():
    assert by_family("0.0.0.0/0", "::/0") is None
    assert by_family("0.0.0.0/1", "128.0.0.0/1", "::/0") is None
    assert by_family("::/0") == {6: ["any"]}


def test_a_set_that_is_doubled_thirty_times_is_worked_out_once():
    sets = {"s%d" % number: ["@s%d" % (number + 1)] * 2 for number in range(30)}
    assert by_family("@s0", s30=["10.0.0.1"], **sets) == {4: ["10.0.0.1"]}


def test_the_same_set_is_the_same_object_in_every_rule():
    sets = AddressSets({"a": ["10.0.0.1", "2001:db8::1"]})
    assert parse_by_family(["@a"], "x", sets)[4] is parse_by_family(["@a"], "y", sets)[4]


@pytest.mark.parametrize("word", ["10.0.0.0/00000000008", "10.0.0.0/8/8", "10.0.0.0/-8", "10.0.0.0/٨", "٨.0.0.1", "10.0.0.1 ", "::1%eth0"])
def test_texts_that_look_like_networks_are_refused(word):
    with pytest.raises(PolicyError):
        parse_network(word, "x")


@given(st.lists(networks(4), max_size=4), st.lists(networks(4), max_size=4), st.booleans())
def test_equal_addresses_have_equal_hashes(one, two, negated):
    left, right = make_addresses(one, negated), make_addresses(two, negated)
    assert hash(left) == hash(make_addresses(reversed(one), negated))
    assert left != right or hash(left) == hash(right)


def test_the_hash_of_a_large_set_takes_no_time():
    large = make_addresses(ipaddress.IPv4Network((number * 2, 32)) for number in range(100000))
    started = time.process_time()
    assert len({large for one in range(10000)}) == 1
    assert time.process_time() - started < 1
