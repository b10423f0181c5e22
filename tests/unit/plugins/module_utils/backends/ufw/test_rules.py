# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single rules as tuples of ufw, in the very words of ufw, and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.backend import Ufw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.block import BEGIN, cut_block, put_block
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.tuple_rules import rules_of, tuples_of
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.tuples import parse_tuple
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.user_file import parse_user_file
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
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
    for family in one.families():
        (tuple_,) = tuples_of(one, one.comment)
        (found,) = rules_of(parse_tuple(tuple_.line(family)), family)
        assert found.identity() == type(one)(**dict(one.identity().__dict__, family=family))
        assert found.comment == one.comment


@given(rules(limits=False, logs=False))
@settings(max_examples=200, deadline=None)
def test_what_a_person_types_is_read_back(one):
    if BACKEND.unsupported(one):
        return
    one = BACKEND.normalise(one)
    chains = BACKEND.parse("\n".join(BACKEND.render(one))).chains
    found = [entry.rule for chain in chains for entry in chain.entries if chain.base]
    assert {rule.family for rule in found} == set(one.families())
    assert all(rule.identity() == type(one)(**dict(one.identity().__dict__, family=rule.family)) for rule in found)


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
        ({"port": 80, "comment": "it's; rm -rf /"}, "comment"),
        ({"port": 80, "comment": "holdfast 3: web"}, "comment"),
        ({"port": 80, "interface": "eth0:1"}, "interface"),
        ({"port": 80, "limit": "6/minute"}, "limit"),
        ({"port": 80, "log": True}, "log"),
        ({"port": 80, "source": "!192.0.2.1"}, "source"),
        ({"port": 80, "source": ["192.0.2.1", "192.0.2.3"]}, "source"),
        ({"port": list(range(1, 60, 2))}, "port"),
        ({"protocol": "icmp"}, "protocol"),
        ({"protocol": "ah"}, "protocol"),
        ({"port": 80, "direction": "out", "stateful": True}, "stateful"),
        ({"port": 80, "program": "/usr/bin/x"}, "program"),
    ],
)
def test_what_a_tuple_cannot_say_is_refused(words, field):
    assert refused(**words) == {field}


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
