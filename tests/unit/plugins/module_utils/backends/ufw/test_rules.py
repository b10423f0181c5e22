# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single rules as tuples of ufw, in the very words of ufw, and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.relation import covers
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.backend import Ufw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.block import BEGIN, cut_block, put_block
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.single_lines import read_singles
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.tuple_rules import rules_of, tuples_of
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.tuples import parse_tuple
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.user_file import parse_user_file
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.words import parse_words
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules

BACKEND = Ufw(PaperHost())
#: Tuples and lines that ufw 0.36.2 wrote itself.
WRITTEN = """*filter
:ufw-user-input - [0:0]
### RULES ###

### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=6d7920737368
-A ufw-user-input -p tcp --dport 22 -j ACCEPT

### tuple ### allow tcp 80,443 0.0.0.0/0 any 192.0.2.0/24 in
-A ufw-user-input -p tcp -m multiport --dports 80,443 -s 192.0.2.0/24 -j ACCEPT

### tuple ### reject tcp 113 10.9.9.9 1024:65535 203.0.113.0/24 in_eth0
-A ufw-user-input -i eth0 -p tcp -m multiport --dports 113 -m multiport --sports 1024:65535 -d 10.9.9.9 -s 203.0.113.0/24 \
-j REJECT --reject-with tcp-reset

### tuple ### deny any any 0.0.0.0/0 any 203.0.113.0/24 out_eth1
-A ufw-user-output -o eth1 -s 203.0.113.0/24 -j DROP

### tuple ### route:allow tcp 80 10.0.0.5 any 0.0.0.0/0 in_eth0!out_eth1
-A ufw-user-forward -i eth0 -o eth1 -p tcp -d 10.0.0.5 --dport 80 -j ACCEPT

### tuple ### allow gre any 0.0.0.0/0 any 10.0.0.1 in
-A ufw-user-input -p gre -s 10.0.0.1 -j ACCEPT

### END RULES ###
COMMIT
"""


#: More networks than tuples of one rule.
MANY = ["10.0.%d.%d" % (one // 100, 2 * (one % 100)) for one in range(300)]


def rule(**words):
    return parse_rule({"action": "allow", **words})


def refused(**words):
    return {one.field for one in BACKEND.unsupported(rule(**words))}


def test_our_lines_are_letter_by_letter_those_that_ufw_writes():
    items = parse_user_file(WRITTEN, "user.rules").items
    assert len(items) == 6
    for item in items:
        assert item.tuple.text(4) == item.text


def test_a_file_is_read_and_written_byte_for_byte():
    for text in (
        WRITTEN,
        WRITTEN.replace("\n\n", "\n\n\n"),
        WRITTEN.replace("\n-A ufw", "\n# mine\n-A ufw", 1),
        WRITTEN.replace("### END RULES ###\n", ""),
    ):
        assert parse_user_file(text, "user.rules").text() == text
    with pytest.raises(HoldfastError, match="has no line ### RULES ###"):
        parse_user_file("nonsense", "/etc/ufw/user.rules")


@given(rules())
@settings(max_examples=300, deadline=None)
def test_a_rule_is_read_back_as_it_was_or_refused(one):
    if BACKEND.unsupported(one):
        return
    one = BACKEND.normalise(one)
    chains = BACKEND.parse("\n".join(BACKEND.render(one))).chains
    found = [entry.rule for chain in chains for entry in chain.entries if chain.base]
    wanted = [type(one)(**dict(part.__dict__, family=family)) for part in BACKEND.pieces(one) for family in part.families()]
    assert sorted(map(repr, found)) == sorted(map(repr, wanted))
    for family in one.families():
        parts = [part for part in found if part.family == family]
        whole = type(one)(**dict(one.__dict__, family=family))
        assert all(covers(without_count(whole), part) for part in parts)
        policy, split = (Policy(rules=tuple(mine), defaults=dict.fromkeys(DIRECTIONS, "deny")) for mine in ([whole], parts))
        assert differ(policy, split) is None


def without_count(one):
    return type(one)(**dict(one.__dict__, limit=None))


def test_tuples_without_words_in_the_language_are_not_taken_for_other_rules():
    for line in (
        "### tuple ### limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
        "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in_eth+",
        "### tuple ### allow ah any ::/0 any ::/0 in",
    ):
        assert rules_of(parse_tuple(line), 6 if "::" in line else 4) == ()
    assert len(rules_of(parse_tuple("### tuple ### allow any 53 0.0.0.0/0 any 0.0.0.0/0 in"), 4)) == 2
    assert parse_tuple("### tuple ### allow tcp 22") is None


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"port": 80, "comment": "holdfast 3: web"}, "comment"),
        ({"port": 80, "comment": "holdfast: management"}, "comment"),
        ({"protocol": 44}, "protocol"),
        ({"protocol": 0}, "protocol"),
        ({"protocol": "icmp", "icmp_type": [0, 8], "limit": "6/minute"}, "icmp_type"),
        ({"port": 80, "source": MANY}, "source"),
        ({"port": 80, "source": MANY[:13], "limit": "6/minute"}, "source"),
        ({"port": 80, "source": MANY[:3], "log": True, "log_limit": "6/minute"}, "source"),
        ({"port": 80, "program": "/usr/bin/x"}, "program"),
        ({"port": 80, "limit": "6/minute", "program": "/usr/bin/x"}, "program"),
    ],
)
def test_what_ufw_cannot_carry_is_refused(words, field):
    assert refused(**words) == {field}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"port": 80, "comment": "it's; rm -rf /"}, """-p tcp -m tcp --dport 80 -m comment --comment "it\\'s; rm -rf /" -j ACCEPT"""),
        ({"port": 22, "limit": "6/minute"}, "-p tcp -m tcp --dport 22 -m limit --limit 6/min -j ACCEPT"),
        ({"port": 80, "log": True, "log_prefix": "web "}, '-p tcp -m tcp --dport 80 -j LOG --log-prefix "web "'),
        ({"port": 80, "source": "!192.0.2.1"}, "! -s 192.0.2.1/32 -p tcp -m tcp --dport 80 -j ACCEPT"),
        ({"protocol": "icmp", "icmp_type": [0, 13]}, "-p icmp -m icmp --icmp-type 13 -j ACCEPT"),
        ({"protocol": "sctp", "port": 9}, "-p sctp -m sctp --dport 9 -j ACCEPT"),
        ({"protocol": 89, "family": "ipv4"}, "-p ospf -j ACCEPT"),
        ({"port": 80, "direction": "out", "stateful": True}, "-p tcp -m tcp --dport 80 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT"),
    ],
)
def test_what_a_tuple_cannot_say_is_a_line_of_before_rules(words, line):
    rendered = BACKEND.render(rule(**words))
    chain = "output" if words.get("direction") == "out" else "input"
    assert "-A ufw-after-%s %s" % (chain, line.replace("ospf", "89")) in [one.replace("-p ospf", "-p 89") for one in rendered]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ({"port": 80, "source": ["192.0.2.1", "192.0.2.3"]}, 2),
        ({"port": list(range(1, 62, 2)), "family": "ipv4"}, 3),
        ({"port": 80, "source": ["192.0.2.1", "192.0.2.3"], "destination": ["198.51.100.1", "198.51.100.9", "198.51.100.20"]}, 6),
        ({"protocol": "esp", "family": "ipv4", "source": ["192.0.2.1", "192.0.2.3"]}, 2),
        ({"protocol": 2, "family": "ipv4"}, 1),
    ],
)
def test_lists_become_several_rules_that_ufw_status_shows(words, count):
    rendered = BACKEND.render(rule(**words))
    assert len(rendered) == count
    assert all(parse_words(line) is not None for line in rendered)


def test_vrrp_is_read_as_a_rule_of_ufw_and_written_as_a_line_since_an_older_ufw_would_lose_the_rule():
    one = rule(protocol=112, family="ipv4", destination="224.0.0.18")
    assert [line.replace("-p vrrp", "-p 112") for line in BACKEND.render(one)[1:]] == [
        "-A ufw-after-input -d 224.0.0.18/32 -p 112 -j ACCEPT"
    ]
    tuples = BACKEND.parse("# /etc/ufw/user.rules\n### tuple ### allow vrrp any 224.0.0.18 any 0.0.0.0/0 in\n").chains
    assert [entry.rule for chain in tuples for entry in chain.entries] == [BACKEND.normalise(one)]


def test_a_line_that_was_changed_by_hand_is_no_rule_of_ours():
    head, line = BACKEND.render(rule(port=22, limit="6/minute", family="ipv4"))
    assert read_singles([head, line], 4, BACKEND.tools.abilities().names)[0].rule == rule(port=22, limit="6/minute", family="ipv4")
    for lines in ([head, line.replace("6/min", "60/min")], [head], [line], [head.replace("allow", "nonsense"), line], ["# rule {", line]):
        (found,) = read_singles(lines, 4, BACKEND.tools.abilities().names)
        assert found.rule is None


@pytest.mark.parametrize("comment", ['the "web"; $(id) `x` & <b> \\', "größer", "a=b comment=00"])
def test_comments_of_any_letters_come_back(comment):
    (one,) = tuples_of(rule(port=80), comment)
    assert len(one.line(4).split()) == 11
    assert parse_tuple(one.line(4)).comment == comment


def test_the_block_comes_and_goes_byte_for_byte():
    nat = "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n"
    text = nat + "*filter\n:ufw-before-input - [0:0]\n# End\n-A ufw-before-input -i lo -j ACCEPT\nCOMMIT\n"
    put = put_block(text, ["-A x -j y"], "before.rules")
    assert put.index(":ufw-before-input") < put.index(BEGIN) < put.index("-i lo")
    assert cut_block(put, "before.rules") == (text, ("-A x -j y",))
    with pytest.raises(HoldfastError, match="put that line back"):
        cut_block(put.replace("# END holdfast.firewall", ""), "before.rules")
    with pytest.raises(HoldfastError, match=r"no part \*filter"):
        put_block("*nat\nCOMMIT\n", ["x"], "before.rules")
