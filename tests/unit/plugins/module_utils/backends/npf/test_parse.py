# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an administrator's npf.conf: the order in which lines decide, and what is not taken for a rule."""

from __future__ import annotations

import random

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.conf import Conf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.edit import Document, place_part, without_rules
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.parse import has_default_group, has_groups, parse
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.policy_parse import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.policy_supported import is_rule_line
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.npf.policies import machine_of
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.packets import matches

FILE = """\
# Mine; with a semicolon, and a \\
$ext = "wm0"
$ports = { 80, 443 }
alg "icmp"; set bpf.jit on
table <dyn> type ipset
procedure "mixed" { log: npflog0; normalize: "random-id" }
procedure "quiet" {
\tlog: npflog0
}
map $ext dynamic 10.0.0.0/8 -> 192.0.2.1
group "ext" in on $ext {
\tblock all
\tpass final proto tcp to any port $ports   # web
\tpass proto udp to any port 53; pass proto udp to any port 123
\truleset "dyn"
\tblock final from <dyn> apply "quiet"
}
group default { pass final on lo0 all; block return all apply "quiet" }
"""


def entries(text):
    return parse(text).chains[0].entries


def described(text):
    return [entry.rule.describe() if entry.rule else [one.describe() for one in entry.parts] or None for entry in entries(text)]


def test_the_entries_are_in_the_order_in_which_they_decide():
    natives = [" ".join(entry.native) for entry in entries(FILE)]
    assert natives == [
        "pass final proto tcp to any port $ports",
        "pass proto udp to any port 123",
        "pass proto udp to any port 53",
        "block all",
        'ruleset "dyn"',
        'block final from <dyn> apply "quiet"',
        "pass final on lo0 all",
        'block return all apply "quiet"',
    ]


def test_a_line_is_about_the_direction_and_the_interface_of_its_group():
    found = described(FILE)
    assert found[0] == "allow in tcp from any to any port 80,443 on wm0"
    assert found[3] == "deny in any from any to any on wm0"
    assert found[4] is None
    assert found[7] == ["reject %s any from any to any" % direction for direction in ("in", "out", "forward")]
    assert entries(FILE)[7].parts[0].log is not None


@pytest.mark.parametrize(
    "line",
    [
        "pass in final proto tcp to any port { 22, 8000-8100 }",
        "pass in final from { 2001:db8:1::/48, 2001:db8:2::/48 }",
        "pass in final from ! 2001:db8:1::/48",
        "pass in final from <unknown>",
        "pass in final from inet4(wm0)",
        'pass in final pcap-filter "tcp"',
        'block in final all apply "mixed"',
        "pass in final proto tcp flags S/SA all",
        "pass in final proto icmp icmp-type 3 code 4 all",
        "pass in final proto tcp to any port 70000",
        "pass in final proto tcp to any port 90-80",
        "block return-rst in final all",
        "pass in final $nothing",
        "pass in final from 0.0.0.0/0",
    ],
)
def test_what_means_something_else_than_it_says_or_has_no_words_is_listed_and_not_guessed_at(line):
    text = 'procedure "mixed" { log: npflog0; normalize: "x" }\ngroup default {\n\t%s\n}\n' % line
    (entry,) = entries(text)
    assert entry.native == (line,)
    assert entry.meanings() == ()


LINES = (
    "block all", "pass final proto tcp to any port 22", "pass proto udp to any port 53", "block final proto tcp from 10.0.0.0/8",
    "block in proto tcp all", "pass in final family inet4 from 192.0.2.0/24", "block return out final all", "pass out all",
    "pass final on em0 proto tcp all", "block on em1 all", "pass final to 198.51.100.1 port 80", "block final proto icmp icmp-type 8 all",
)  # fmt: skip


def test_the_order_of_entries_is_npfs_for_random_files():
    generator = random.Random(7)
    for _number in range(150):
        heads = ['group "a" on em0', 'group "b" in', 'group "c"', "group default"]
        text = "".join(
            "%s {\n%s\n}\n" % (head, "\n".join(generator.sample(LINES, generator.randint(0, 4)))) for head in generator.sample(heads[:3], 2)
        )  # fmt: skip
        text += "group default {\n%s\n}\n" % "\n".join(generator.sample(LINES, generator.randint(0, 4)))
        machine = machine_of(text, strict=False)
        for _packet in range(6):
            packet = {
                "direction": generator.choice(["in", "out"]), "interface": generator.choice(["em0", "em1", "em2"]), "family": 4,
                "proto": generator.choice([6, 17, 1]), "src": generator.choice(["10.0.0.1", "192.0.2.5"]), "icmp_type": 8,
                "dst": generator.choice(["198.51.100.1", "10.0.0.1"]), "sport": 1000, "dport": generator.choice([22, 53, 80]),
            }  # fmt: skip
            decided = next((one for entry in entries(text) for one in entry.meanings() if matches(one, packet)), None)
            expected = decided is None or decided.action == "allow"
            assert machine.send(packet).allowed == expected, (text, packet)


def test_a_flush_and_a_policys_place_leave_the_rest_byte_for_byte():
    flushed = without_rules(FILE)
    assert "pass" not in flushed and "block" not in flushed and "map" not in flushed
    assert 'ruleset "dyn"' in flushed and 'procedure "mixed"' in flushed
    machine_of(flushed, strict=False)
    assert place_part(FILE, "# holdfast policy: begin x\n").replace("# holdfast policy: begin x\n", "") == FILE


def test_nothing_is_lost_of_a_file_that_is_not_edited():
    assert Document(FILE).text() == FILE
    assert [one.kind for one in Conf(FILE).statements][:4] == ["variable", "variable", "alg", "set"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pass in final proto tcp to any port { 1, 2 }", True), ('block in final pcap-filter "tcp"', True), ("pass all }", False),
        ("pass all } group default { pass all", False), ("pass all; block all", False), ("pass all # x", False), ("map wm0 x", False),
        ("pass in\nblock in", False), (" pass all", False), ('pass in pcap-filter "x', False), ("", False),
    ],
)  # fmt: skip
def test_only_single_rule_lines_can_be_raw_lines_of_a_policy(line, expected):
    assert is_rule_line(line) is expected


@pytest.mark.parametrize(
    "line",
    ["pass in all", "pass in final from <unknown>", 'ruleset "x"', "pass in final proto tcp flags S/SA all"],
)
def test_a_line_in_our_group_that_no_policy_writes_is_named(line):
    text = '# holdfast policy: begin\ngroup "hfp_policy" {\n\t%s\n}\n# holdfast policy: end\n' % line
    with pytest.raises(HoldfastError, match="not one that a policy has written"):
        parse_policy(text)


@pytest.mark.parametrize(
    ("text", "any_group", "default"),
    [
        ("group default {\n}\n", True, True),
        ('group "x" { pass all }\n', True, False),
        ('group "x" { pass all } group  default { block all }\n', True, True),
        ("# rule: { } group default { pass final all }\npass in final all\n", False, False),
        ('pass in final all # } group default {\n# ; group "x" {\n', False, False),
        ('group "; group default" {\n}\n', True, False),
        ("$group = 1\n", False, False),
    ],
)
def test_a_group_in_a_comment_or_in_quotes_is_none(text, any_group, default):
    assert (has_groups(text), has_default_group(text)) == (any_group, default)


def test_a_stranger_in_our_part_is_named():
    with pytest.raises(HoldfastError, match="not what a policy has written"):
        parse_policy("# holdfast policy: begin\nmap wm0 dynamic any -> 192.0.2.1\n# holdfast policy: end\n")
