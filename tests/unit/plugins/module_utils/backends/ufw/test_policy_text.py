# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a whole policy for ufw says the policy, partly as tuples and partly as lines of before.rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.backend import Ufw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.policy_split import in_block
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import standard_guard
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies

BACKEND = Ufw(PaperHost())


def document(*rules, **words):
    return parse_policy({"rules": [{"action": "allow", **one} for one in rules], **words}).guarded(standard_guard())


def text_of(policy):
    assert BACKEND.policy_unsupported(policy) == ()
    return BACKEND.render_policy(policy)


def tuples(text, family=4):
    part = text.partition("# /etc/ufw/user%s.rules" % ("" if family == 4 else "6"))[2].partition("# /etc")[0]
    return [line for line in part.splitlines() if line.startswith("### tuple ###")]


def nat_by_family(policy):
    """The translations, each for one family."""
    return [replace(one, family=family) for one in policy.nat for family in one.families()]


def refused(policy):
    return [one.field for one in BACKEND.policy_unsupported(policy)]


@given(policies(guard=True, native=False))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_policy_is_read_back_as_it_was_or_refused(policy):
    if BACKEND.policy_unsupported(policy):
        return
    text = text_of(policy)
    found = BACKEND.parse_policy(text)
    difference = differ(found, policy)
    assert difference is None, (difference.describe(), text)
    for direction in DIRECTIONS:
        mine, theirs = (sorted({one.comment or "" for one in each.list_for(direction)}) for each in (policy, found))
        assert mine == theirs
    assert sorted(map(str, nat_by_family(found))) == sorted(map(str, nat_by_family(policy)))
    assert BACKEND.render_policy(found) == text or differ(BACKEND.parse_policy(BACKEND.render_policy(found)), policy) is None


@given(policies(nat=False, guard=True, native=False, logs=False, limits=False, stateful=False, negated=False))
@settings(max_examples=100, deadline=None)
def test_rules_come_back_in_the_order_of_the_document(policy):
    if BACKEND.policy_unsupported(policy):
        return
    found = BACKEND.parse_policy(text_of(policy))
    for direction in DIRECTIONS:
        mine, theirs = ([one.comment for one in each.rules if one.direction == direction] for each in (policy, found))
        assert [one for one in theirs if one] == [one for one in mine if one] or len(theirs) != len(mine)


def test_translations_are_a_part_of_before_rules_that_can_be_loaded_again_and_again():
    nat = [{"type": "dnat", "to": "192.0.2.5", "port": 443, "to_port": 8443}, {"type": "masquerade", "interface": "eth0", "comment": "out"}]
    policy = document({"port": 80}, nat=nat)
    text = text_of(policy)
    part = text[text.index("*nat") : text.index("COMMIT")].splitlines()
    assert part == [
        "*nat",
        ":holdfast-postrouting - [0:0]",
        ":holdfast-prerouting - [0:0]",
        "-I PREROUTING -j holdfast-prerouting",
        "-I POSTROUTING -j holdfast-postrouting",
        "-A holdfast-postrouting -o eth0 -m comment --comment out -j MASQUERADE",
        "-A holdfast-prerouting -p tcp -m tcp --dport 443 -j DNAT --to-destination 192.0.2.5:8443",
    ]
    assert BACKEND.parse_policy(text).nat == policy.nat
    with pytest.raises(HoldfastError, match="not written by a policy"):
        BACKEND.parse_policy(text.replace("-I PREROUTING -j holdfast-prerouting", "-A PREROUTING -j MASQUERADE", 1))


def test_rules_of_one_family_keep_their_places_among_those_of_the_other():
    """What is read back is written with the same numbers, so nothing changes when an empty document is merged into it."""
    both = ["192.0.2.0/24", "2001:db8:1::/48"]
    policy = document({"port": 80}, {"port": 9100, "source": both, "name": "metrics"}, {"service": "ping"}, {"port": 443, "source": both})
    found = BACKEND.parse_policy(text_of(policy))
    assert [(one.comment, one.family) for one in found.rules] == [(one.comment, one.family) for one in policy.rules]
    assert BACKEND.render_policy(found) == text_of(policy)


def test_what_ufw_can_say_is_a_tuple_with_its_number_and_comment():
    text = text_of(document({"port": 80, "comment": "web"}, {"port": 22, "source": "192.0.2.0/24"}))
    assert tuples(text)[:3] == [
        "### tuple ### allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in comment=" + b"holdfast 1: web".hex(),
        "### tuple ### allow tcp 22 0.0.0.0/0 any 192.0.2.0/24 in comment=" + b"holdfast 2".hex(),
        "### tuple ### deny any any 0.0.0.0/0 any 0.0.0.0/0 in comment=" + b"holdfast default".hex(),
    ]
    assert len([line for line in tuples(text, 6) if " in " in line and "route:" not in line]) == 2


def test_what_ufw_cannot_say_stands_in_the_block_with_the_earlier_rules_that_decide_otherwise():
    rules = document(
        {"action": "deny", "protocol": "any", "source": "203.0.113.0/24", "comment": "bad"},
        {"port": 80, "comment": "web"},
        {"protocol": "icmp", "icmp_type": 8, "comment": "ping"},
    ).rules
    assert in_block(rules) == [True, False, True]


def test_a_rule_that_no_rule_of_the_block_touches_stays_a_tuple():
    rules = document({"action": "deny", "port": 25}, {"port": 22, "limit": "6/minute"}).rules
    assert in_block(rules) == [False, True]


def test_long_lists_become_several_tuples_and_come_back_as_one_rule():
    policy = document({"port": list(range(1, 61, 2)), "source": ["192.0.2.%d" % one for one in (1, 3, 5)], "comment": "many"})
    text = text_of(policy)
    assert len([line for line in tuples(text) if b"many".hex() in line]) == 6
    assert BACKEND.parse_policy(text).rules == policy.rules


def test_denied_packets_are_logged_in_the_words_of_the_policy():
    policy = document({"port": 80}, logging={"denied": True, "prefix": "no "})
    text = text_of(policy)
    assert not [line for line in tuples(text) if " in " in line]
    assert '-A ufw-before-input -m comment --comment "holdfast: denied" -j LOG --log-prefix "no "' in text
    assert BACKEND.parse_policy(text).log_denied == policy.log_denied


def test_no_chain_of_ours_leads_to_one_that_ufw_deletes():
    text = text_of(document({"port": 80}, {"protocol": "icmp"}))
    assert not [line for line in text.splitlines() if line.startswith("-A holdfast-") and " -j ufw" in line]


@pytest.mark.parametrize(
    ("rules", "words", "field"),
    [
        ([{"port": 80, "program": "/usr/bin/x"}], {}, "rules[0].program"),
        ([], {"native": {"ufw": {"before": {"in": ["allow 22"]}}}}, "native.ufw"),
    ],
)
def test_what_cannot_be_carried_is_refused_with_its_place(rules, words, field):
    assert field in refused(document(*rules, **words))


def test_a_comment_that_ufw_cannot_quote_stands_in_the_block():
    policy = document({"port": 80, "comment": 'it\'s "web"; $(reboot) `x` \\'})
    text = text_of(policy)
    assert b"web".hex() not in text
    assert BACKEND.parse_policy(text).rules == policy.rules


def test_a_tuple_put_among_ours_by_hand_is_told():
    text = text_of(document({"port": 80}))
    mark = "### tuple ### allow tcp 80"
    limit = "### tuple ### limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n"
    with pytest.raises(HoldfastError, match=r"not written by a policy: .*limit tcp 22"):
        BACKEND.parse_policy(text.replace(mark, limit + mark, 1))
    allow = "### tuple ### allow tcp 99 0.0.0.0/0 any 0.0.0.0/0 in\n"
    assert any(rule.ports[0].first == 99 for rule in BACKEND.parse_policy(text.replace(mark, allow + mark, 1)).rules)


def test_a_list_that_lost_its_end_is_told():
    text = text_of(document({"port": 80}))
    lines = [line for line in text.splitlines() if not (b"holdfast default".hex() in line and " in " in line)]
    with pytest.raises(HoldfastError, match="closes the list of direction in"):
        BACKEND.parse_policy("\n".join(lines))
