# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a whole policy says the policy, and nothing that it does not say is read from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import NatRule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import NativeLines, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS, Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import paper
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.policy_strategies import policies

BACKEND = paper()
LINE = "-A holdfast-input -p tcp -m tcp --dport 80 -j ACCEPT"
DEFAULT = '-A holdfast-input -m comment --comment "holdfast: default" -j DROP'
UNMANAGED = dict.fromkeys(DIRECTIONS, "unmanaged")


def document(*rules, **words):
    return parse_policy({"rules": [{"action": "allow", **one} for one in rules], **words})


def text_of(policy, layout="rules"):
    assert BACKEND.policy_unsupported(policy) == ()
    return BACKEND.render_policy(policy, layout)


def lines(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def refused(policy):
    return [one.field for one in BACKEND.policy_unsupported(policy)]


def by_family(rules, family):
    return [replace(one, family=family) for one in rules if family in one.families()]


@given(policies())
def test_a_policy_is_read_back_rule_for_rule(policy):
    found = BACKEND.parse_policy(text_of(policy))
    assert dict(found.defaults) == dict(policy.defaults)
    for direction in DIRECTIONS:
        for family in (4, 6):
            for part in ("rules", "guard"):
                mine, theirs = ([one for one in getattr(each, part) if one.direction == direction] for each in (policy, found))
                assert by_family(theirs, family) == by_family(mine, family)
    if any(default in ("deny", "reject") for default in policy.defaults.values()):
        assert found.log_denied == policy.log_denied
    for family in (4, 6):
        for kinds in ({"dnat", "redirect"}, {"snat", "masquerade"}):
            mine, theirs = ([one for one in each.nat if one.kind in kinds] for each in (policy, found))
            assert by_family(theirs, family) == by_family(mine, family)
    assert differ(policy, found) is None


@settings(max_examples=40)
@given(policies())
def test_a_policy_that_was_read_is_rendered_and_read_as_the_same(policy):
    text = text_of(policy)
    found = BACKEND.parse_policy(text)
    assert text_of(found) == text
    assert BACKEND.parse_policy(text_of(found)) == found


def test_rules_of_both_families_come_back_as_one_rule():
    policy = document({"port": 80}, {"port": 22, "source": "192.0.2.1"}, {"port": 23, "source": "2001:db8::1"}, {"port": 443})
    assert BACKEND.parse_policy(text_of(policy)).rules == policy.rules


def test_a_direction_that_is_not_managed_has_no_chain():
    text = text_of(document(defaults={"out": "unmanaged", "forward": "unmanaged"}))
    assert "holdfast-input" in text
    assert "holdfast-output" not in text and "holdfast-forward" not in text
    assert BACKEND.parse_policy(text).defaults == {"in": "deny", "out": "unmanaged", "forward": "unmanaged"}


def test_nothing_managed_is_a_text_without_chains():
    text = text_of(Policy(defaults=UNMANAGED))
    assert text == "# iptables-restore --noflush\n# ip6tables-restore --noflush\n"
    assert BACKEND.parse_policy(text) == Policy(defaults=UNMANAGED)


def test_every_chain_ends_with_its_default():
    text = text_of(document(defaults={"in": "reject", "out": "allow", "forward": "deny"}))
    ends = [lines(text, "-A holdfast-%s " % chain)[-1].rpartition(" -j ")[2] for chain in ("input", "output", "forward")]
    assert ends == ["REJECT --reject-with icmp6-port-unreachable", "ACCEPT", "DROP"]


def test_what_a_default_stops_is_logged_and_what_it_allows_is_not():
    text = text_of(document(logging={"denied": True, "prefix": "no ", "limit": "6/minute"}))
    (line,) = set(lines(text, "-A holdfast-input -m limit"))
    assert line == '-A holdfast-input -m limit --limit 6/min -m comment --comment "holdfast: denied" -j LOG --log-prefix "no "'
    assert not lines(text, "-A holdfast-output -m limit")


def test_native_lines_stand_in_chains_of_their_own_before_and_after_the_rules():
    native = {"iptables": {"before": {"in": ["-p tcp --dport 9 -j ACCEPT"]}, "after": {"in": ["-4 -m u32 --u32 0=1 -j DROP"]}}}
    policy = document({"port": 80}, native=native)
    text = text_of(policy)
    four = text.partition("# ip6tables")[0]
    assert [line.rpartition(" ")[2] for line in lines(four, "-A holdfast-input ")] == [
        "holdfast-input-before", "ACCEPT", "holdfast-input-after", "DROP",
    ]  # fmt: skip
    assert BACKEND.parse_policy(text).native == policy.native
    assert BACKEND.parse_policy(text).rules == policy.rules


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("-A INPUT -p tcp -j ACCEPT", "native line"),
        ("-I 1 -p tcp -j ACCEPT", "native line"),
        ("-t nat -j ACCEPT", "native line"),
        ("-p tcp -t nat -j ACCEPT", "filter"),
        ("accept", "native line"),
        ("-p tcp -j holdfast-output", "chains of a policy"),
        ('-m comment --comment "open', "quote"),
        ("-6 -s 192.0.2.1 -j DROP", "family"),
        ("-p tcp\n-A INPUT -j ACCEPT", "native line"),
    ],
)
def test_a_native_line_that_is_no_rule_of_our_chain_is_refused(line, word):
    policy = Policy(native={"iptables": NativeLines(before={"in": (line,)})})
    (found,) = BACKEND.policy_unsupported(policy)
    assert found.field == "native.iptables.before.in[0]"
    assert word in found.reason


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (Policy(rules=(Rule("allow", icmp_types=(255,), protocol=1, family=4),)), "rules[0].icmp_type"),
        (Policy(rules=(Rule("allow", comment="holdfast: mine"),)), "rules[0].comment"),
        (Policy(rules=(Rule("allow"),), defaults=UNMANAGED), "rules[0].direction"),
        (Policy(defaults=UNMANAGED, native={"iptables": NativeLines(after={"in": ("-j DROP",)})}), "native.iptables.after.in"),
        (Policy(native={"iptables": NativeLines(after={"any": ("-j DROP",)})}), "native.iptables"),
        (document(logging={"denied": True, "prefix": "x" * 30}), "logging.log_prefix"),
        (Policy(nat=(NatRule("masquerade", interface="eth0", comment="c" * 256),)), "nat[0].comment"),
        (Policy(nat=(NatRule("redirect", to_port=80),)), "nat[0].to_port"),
        (Policy(nat=(NatRule("snat", family=4),)), "nat[0].to"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_is_named_with_its_place(policy, field):
    assert refused(policy) == [field]


def test_equal_limits_per_source_count_each_for_itself():
    rule = {"action": "deny", "port": 25, "limit": "5/minute", "limit_per": "source"}
    text = text_of(document(rule, rule))
    names = [line.split("--hashlimit-name ")[1].split()[0] for line in lines(text, "-A holdfast-input -p")]
    assert len(names) == 4 and len(set(names)) == 2
    assert BACKEND.parse_policy(text).rules == document(rule, rule).rules


def test_rate_limited_and_long_lists_of_addresses_come_with_their_sets():
    policy = document({"port": 80, "source": ["192.0.2.%d" % number for number in range(0, 60, 2)]})
    text = text_of(policy)
    assert text.startswith("# ipset restore\ncreate hf-")
    assert BACKEND.parse_policy(text).rules == policy.rules


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LINE, LINE.replace(" -j", " -m time --timestart 08:00 -j")),
        (LINE, LINE.replace("ACCEPT", "RETURN")),
        (LINE, LINE.replace("ACCEPT", "MINE")),
        (DEFAULT, "-A holdfast-input -j DROP"),
        (DEFAULT, DEFAULT.replace("-m comment", "-p tcp -m comment")),
        ("-I INPUT 1 -j holdfast-input\n", ""),
        ("-I INPUT 1 -j holdfast-input\n", "-I INPUT 1 -p tcp -j holdfast-input\n"),
        (":holdfast-input - [0:0]", ":holdfast-input - [0:0]\n:holdfast-odd - [0:0]"),
    ],
)  # fmt: skip
def test_an_edit_by_hand_that_has_no_words_is_an_error_and_never_left_out(old, new):
    text = text_of(document({"port": 80}))
    assert old in text
    with pytest.raises(Exception, match=r"not written by a policy|changed by hand"):
        BACKEND.parse_policy(text.replace(old, new, 1))


def test_an_edit_by_hand_that_has_words_is_read():
    text = text_of(document({"port": 80}))
    edited = text.replace("-A holdfast-input -p tcp", "-A holdfast-input -p udp -j ACCEPT\n-A holdfast-input -p tcp", 1)
    assert BACKEND.parse_policy(edited).rules == document({"protocol": "udp", "family": "ipv4"}, {"port": 80}).rules


def test_other_defaults_for_the_families_are_an_error():
    text = text_of(document()).replace("-j DROP", "-j ACCEPT", 1)
    with pytest.raises(Exception, match="same default"):
        BACKEND.parse_policy(text)


def test_a_text_without_a_policy_is_an_error():
    with pytest.raises(Exception, match="no chain holdfast"):
        BACKEND.parse_policy("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")


def test_a_text_of_one_family_is_a_policy_of_that_family():
    text = text_of(document({"port": 80})).partition("# ip6tables")[0]
    assert BACKEND.parse_policy(text).rules == document({"port": 80, "family": "ipv4"}).rules


@pytest.mark.parametrize(
    "words", [{"limit": "5/second"}, {"log": True, "log_limit": "5/minute"}, {"limit": "5/second", "limit_per": "source"}]
)
def test_packets_of_several_icmp_types_are_counted_together(words):
    rule = {"protocol": "icmp", "icmp_type": [0, 8], "comment": "ping", **words}
    policy = document(rule, {"port": 80}, rule)
    text = text_of(policy)
    assert lines(text, "-A holdfast-input -p icmp")[:2] == [
        "-A holdfast-input -p icmp -m icmp --icmp-type %d -m comment --comment ping -j holdfast-input-count-1" % number for number in (0, 8)
    ]
    assert BACKEND.parse_policy(text).rules == policy.rules
    assert all("--icmp-type" not in line for line in lines(text, "-A holdfast-input-count-1 "))


def test_a_line_that_somebody_put_between_lines_that_are_counted_together_is_read():
    policy = document({"protocol": "icmp", "icmp_type": [0, 8], "limit": "5/second"})
    text = text_of(policy)
    second = lines(text, "-A holdfast-input -p icmp")[1]
    found = BACKEND.parse_policy(text.replace(second, "-A holdfast-input -p udp -j ACCEPT\n" + second, 1))
    assert [(one.protocol, one.icmp_types) for one in found.rules] == [(1, (0,)), (17, ()), (1, (8,))]
