# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad policy documents: each is refused at its place, in words for people, in bounded time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import KEYS, parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat_reader import KEYS as NAT_KEYS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule_reader import KEYS as RULE_KEYS
from ansible_collections.holdfast.firewall.tests.unit.bad_policies import BAD_POLICIES


@pytest.mark.parametrize(("document", "place", "says"), list(BAD_POLICIES.values()), ids=list(BAD_POLICIES))
def test_a_bad_document_is_refused_at_its_place(document, place, says):
    started = time.process_time()
    with pytest.raises(PolicyError) as caught:
        parse_policy(document)
    assert caught.value.place == place
    assert caught.value.msg.startswith(place + ": found ")
    assert says.lower() in caught.value.msg.lower()
    assert len(caught.value.msg) < 1500
    assert caught.value.msg.isprintable()
    assert time.process_time() - started < 10


def test_there_are_at_least_a_hundred_kinds_of_bad_documents():
    assert len(BAD_POLICIES) >= 100


WORDS = st.sampled_from(
    "allow deny in forward tcp any both icmp @a @b !10.0.0.1 10.0.0.0/8 2001:db8::/32 10.0.0.1-10.0.0.9 eth0 lan ssh ping 80 80-90 "
    "6/minute dnat masquerade 192.0.2.1 é ipv4 yes - @ !".split(" ")
    + ["", " ", "\0"]
)
VALUES = st.recursive(
    st.one_of(WORDS, st.none(), st.booleans(), st.integers(-5, 70000), st.floats(), st.binary(max_size=3), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, st.integers(), st.none()), inner, max_size=3)),
    max_leaves=6,
)
ENTRIES = st.dictionaries(st.sampled_from((*RULE_KEYS, *NAT_KEYS, "bogus")), VALUES, max_size=6)
DOCUMENTS = st.dictionaries(
    st.sampled_from((*KEYS, "bogus")),
    st.one_of(
        VALUES,
        st.lists(ENTRIES.map(lambda entry: {"action": "allow", "type": "dnat", **entry}), max_size=2),
        st.lists(ENTRIES, max_size=2),
        st.dictionaries(st.sampled_from(["a", "b", "lan", "ssh", "in", "before", "denied", "sources", "pf"]), VALUES, max_size=3),
    ),
    max_size=4,
)


@given(st.one_of(DOCUMENTS, VALUES, st.lists(ENTRIES, max_size=2)))
def test_whatever_stands_in_a_document_the_only_error_is_one_for_people(document):
    try:
        parse_policy(document)
    except PolicyError as error:
        assert error.msg.startswith(error.place)
        assert error.place.startswith("policy")
