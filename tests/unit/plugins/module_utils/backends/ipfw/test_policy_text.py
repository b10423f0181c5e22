# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of whole policies in ipfw: taken by ipfw as it stands, read back as the policy, refused where it cannot be exact."""

from __future__ import annotations

import ipaddress
import random
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.listing import read_listing
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.policy_compile import compiled
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.policy_parse import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.policy_render import policy_unsupported, render_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.render import normalise
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import NatRule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import NativeLines, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.ipfw.policy_packets import carried
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import rule
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import random_policy, standard_guard
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies

from holdfast_standin.ipfw import Ipfw as Command  # isort: skip  # on the path since standin_host

NATIVE = {"ipfw": {"any": ["deny ip from any to any frag", "allow tcp from any to me 8080 in // mine, and # yours"]}}
SUPPORTED = policies(limits=False, nat=False, native=NATIVE, guard=True, management=False, max_rules=6).map(carried)
PLAIN = Policy(guard=standard_guard())
SHORT = Policy(
    rules=(
        rule(port=443, comment="web, public"),
        rule(protocol="udp", port_range="60000-61000", stateful=True),
        rule(protocol="any", source="192.0.2.0/24", stateful=True, comment="office"),
        rule("reject", port=113),
        rule("deny", protocol="any", source="203.0.113.0/24", log=True),
        rule(protocol="icmp", icmp_type=8),
    ),
    guard=standard_guard(),
    log_denied=Log(),
)
TEXT = """\
add 00100 set 30 deny log ip from any to any out recv * // holdfast: default forward
add 00110 set 30 allow ip from any to any in recv lo0 // holdfast: loopback
add 00120 set 30 allow ip from any to any out xmit lo0 // holdfast: loopback
add 00130 set 30 skipto 150 ip from any to any { icmptypes 0,14,16,18 or icmp6types 129,140 } // holdfast: answers
add 00140 set 30 skipto 170 { icmp or ipv6-icmp } from any to any // holdfast: no answers
add 00150 set 30 check-state :default
add 00160 set 30 check-state :stateful
add 00170 set 30 allow ip6 from any to any proto ipv6-icmp in icmp6types 130,131,132,133,134,135,136,143 // holdfast: neighbour discovery
add 00180 set 30 allow tcp from any to any 22 in record-state :default // holdfast: management
add 00190 set 30 allow ip4 from any to any 68 proto udp in record-state :default // holdfast: DHCP
add 00200 set 30 allow ip6 from any to any 546 proto udp in record-state :default // holdfast: DHCP
add 00210 set 30 allow ip6 from any to any proto ipv6-icmp out icmp6types 130,131,132,133,134,135,136,143 // holdfast: neighbour discovery
add 00220 set 30 allow udp from any to any 53 out record-state :default // holdfast: DNS
add 00230 set 30 allow tcp from any to any 53 out record-state :default // holdfast: DNS
add 00240 set 30 allow ip4 from any to any 67 proto udp out record-state :default // holdfast: DHCP
add 00250 set 30 allow ip6 from any to any 547 proto udp out record-state :default // holdfast: DHCP
add 00260 set 30 allow tcp from any to any 443 in record-state :default // web,\u00a0public
add 00270 set 30 allow udp from any to any 60000-61000 in record-state :stateful
add 00280 set 30 allow tcp from 192.0.2.0/24 to any in setup record-state :default // office
add 00280 set 30 allow not tcp from 192.0.2.0/24 to any in record-state :stateful // office
add 00290 set 30 reset ip4 from any to any 113 proto tcp in
add 00290 set 30 reset6 ip6 from any to any 113 proto tcp in
add 00300 set 30 deny log ip from 203.0.113.0/24 to any in
add 00310 set 30 allow ip4 from any to any proto icmp in icmptypes 8 record-state :default
add 00320 set 30 deny log ip from any to any in // holdfast: default in
add 00330 set 30 allow ip from any to any out record-state :default // holdfast: default out
"""


def normal(policy):
    """The policy as ipfw keeps it."""
    used = {"ipfw": policy.native["ipfw"]} if "ipfw" in policy.native else {}
    return replace(policy, rules=tuple(normalise(one) for one in policy.rules), native=used, labels=())


def kernel_with(text):
    """A kernel that took the file, and its listing."""
    kernel = {"modules": ["ipfw"], "sysctl": {}, "kenv": {}, "ipfw": {}}
    outcome = Command(kernel, strict=True).run_file(["-q", "/file"], text)
    assert outcome.rc == 0 and not outcome.stderr, outcome.stderr
    listed = Command(kernel, strict=True).run(["-S", "list"]).stdout + Command(kernel, strict=True).run(["table", "all", "list"]).stdout
    return "".join(line + "\n" for line in listed)


@given(SUPPORTED, st.sampled_from(["rules", "compiled", "auto"]))
@settings(max_examples=100)
def test_a_policy_is_read_back_from_its_file_and_from_the_listing_of_the_kernel(policy, layout):
    assume(not policy_unsupported(policy, layout))
    text = render_policy(policy, layout)
    wanted = normal(policy)
    for shown in (text, kernel_with(text)):
        found = parse_policy(read_listing(shown))
        assert differ(found, wanted) is None, text
        if layout == "rules":
            host = [one for one in wanted.rules if one.direction != "forward"]
            assert found.rules == tuple(host + [one for one in wanted.rules if one.direction == "forward"]), text
            assert found.guard == policy.guard
            assert dict(found.defaults) == dict(policy.defaults)


@pytest.mark.parametrize(
    "one, lines",
    [
        (rule(port=22, log=True), ["count log tcp from any to any 22 in", "allow tcp from any to any 22 in record-state :default"]),
        (
            rule(port=22, log=True, stateful=True, comment="ssh"),
            ["count log tcp from any to any 22 in setup // ssh", "allow tcp from any to any 22 in setup record-state :default // ssh"],
        ),
        (rule(protocol="any", interface="lo", log=True), ["allow log ip from any to any in recv lo0"]),
        (rule("deny", port=22, log=True), ["deny log tcp from any to any 22 in"]),
        (
            rule(protocol="any", stateful=True, log=True),
            [
                "count log tcp from any to any in setup", "allow tcp from any to any in setup record-state :default",
                "count log not tcp from any to any in", "allow not tcp from any to any in record-state :stateful",
            ],
        ),
    ],
)  # fmt: skip
def test_an_allow_logs_connections_and_not_each_of_their_packets(one, lines):
    policy = replace(PLAIN, rules=(one,))
    text = render_policy(policy)
    shown = [line.split(" ", 4)[4] for line in text.splitlines()]
    assert shown[-2 - len(lines) : -2] == lines
    assert parse_policy(read_listing(text)).rules == (normalise(one),)


def test_a_short_policy_reads_as_an_administrator_would_write_it():
    assert render_policy(SHORT) == TEXT
    assert [line.partition(" ")[2] for line in TEXT.splitlines()] == kernel_with(TEXT).splitlines()[:-1]


@pytest.mark.parametrize("shape", ["exact", "blocklist", "services", "ranges", "mixed"])
def test_many_rules_become_few_that_match_the_same(shape):
    policy = random_policy(random.Random(7), 600, shape, guard=True)
    policy = carried(replace(policy, rules=tuple(replace(one, limit=None) for one in policy.rules)))
    text = render_policy(policy, "compiled")
    assert differ(parse_policy(read_listing(text)), normal(policy)) is None
    assert max(len(line.encode()) for line in text.splitlines()) < 4096
    most = {"exact": 60, "blocklist": 40, "services": 40, "ranges": 700, "mixed": 600}[shape]
    assert text.count("add 0") < most
    assert kernel_with(text)


@pytest.mark.parametrize(
    "before, between, after, joined",
    [
        (rule(source="10.1.0.0/16", port=80), rule("deny", source="10.1.2.0/24", port=80), rule(source="10.3.0.0/16", port=80), True),
        (rule(source="10.1.0.0/16", port=80), rule("deny", source="10.3.2.0/24", port=80), rule(source="10.3.0.0/16", port=80), False),
        (rule(source="10.1.0.0/16", port=80), rule("deny", source="10.3.2.0/24", port=81), rule(source="10.3.0.0/16", port=80), True),
        (rule(source="10.1.0.0/16", port=80), rule(source="10.3.2.0/24", port=81), rule(source="10.3.0.0/16", port=80), True),
        (rule("deny", port=80), rule(source="10.3.0.0/16", port=81), rule("deny", port=81), False),
    ],
)
def test_a_rule_joins_another_only_past_rules_that_do_not_matter(before, between, after, joined):
    found = compiled([before, between, after])
    assert len(found) == (2 if joined else 3)


@pytest.mark.parametrize(
    "policy, field",
    [
        (replace(PLAIN, rules=(rule(limit="6/minute"),)), "rules[0].limit"),
        (replace(PLAIN, rules=(rule(log=True, log_prefix="x "),)), "rules[0].log_prefix"),
        (replace(PLAIN, rules=(rule(log=True, log_limit="1/second"),)), "rules[0].log_limit"),
        (replace(PLAIN, rules=(rule(protocol="0"),)), "rules[0].protocol"),
        (replace(PLAIN, rules=(rule(comment="x" * 81),)), "rules[0].comment"),
        (replace(PLAIN, rules=(rule(comment="a#" * 30),)), "rules[0].comment"),
        (replace(PLAIN, rules=(rule(comment="holdfast: mine"),)), "rules[0].comment"),
        (replace(PLAIN, rules=(rule(protocol="icmp", icmp_type=40),)), "rules[0].icmp_type"),
        (replace(PLAIN, rules=(rule(direction="forward", protocol="udp", port=53),)), "rules[0].direction"),
        (replace(PLAIN, rules=(rule("reject", direction="forward", protocol="any"),)), "rules[0].direction"),
        (replace(PLAIN, rules=(rule(direction="forward", protocol="any", out_interface="0ext"),)), "rules[0].out_interface"),
        (replace(PLAIN, rules=(Rule("allow", reply=True),)), "rules[0]"),
        (replace(PLAIN, rules=(rule(),), labels=("rules[3] (web)",), log_denied=Log("x ")), "logging.prefix"),
        (replace(PLAIN, log_denied=Log(None, Rate(1, 1))), "logging.limit"),
        (replace(PLAIN, defaults=dict(PLAIN.defaults, forward="allow")), "defaults.forward"),
        (replace(PLAIN, defaults=dict(PLAIN.defaults, forward="reject")), "defaults.forward"),
        (replace(PLAIN, nat=(NatRule("masquerade", 4, interface="em0"),)), "nat[0]"),
        (replace(PLAIN, native={"ipfw": NativeLines({"in": ("deny ip from any to any",)})}), "native.ipfw.before.in"),
        (replace(PLAIN, native={"ipfw": NativeLines({}, {"any": ("add 100 deny ip from any to any",)})}), "native.ipfw.after.any"),
        (replace(PLAIN, native={"ipfw": NativeLines({"any": ("table 1 add 192.0.2.1",)})}), "native.ipfw.before.any"),
        (replace(PLAIN, native={"ipfw": NativeLines({"any": ("skipto 100 ip from any to any",)})}), "native.ipfw.before.any"),
        (replace(PLAIN, native={"ipfw": NativeLines({"any": ("allow ip from any to any // " + "x" * 60,)})}), "native.ipfw.before.any"),
        (replace(PLAIN, guard=tuple(one for one in PLAIN.guard if not (one.established and one.direction == "out"))), "guard"),
    ],
)  # fmt: skip
def test_what_cannot_be_exact_is_named_and_refused(policy, field):
    assert field in [one.field for one in policy_unsupported(policy)]
    with pytest.raises(HoldfastError, match="ipfw cannot carry this policy"):
        render_policy(policy)


@pytest.mark.parametrize(
    "one",
    [
        rule(direction="forward", port=443, interface="em0", out_interface="em1"),
        rule(direction="forward", protocol="any", family="ipv6"),
        rule("deny", direction="forward", protocol="any", source="203.0.113.0/24"),
    ],
)
def test_forwarding_is_carried_where_ipfw_can_tell_its_packets(one):
    assert policy_unsupported(replace(PLAIN, rules=(one,))) == ()


@pytest.mark.parametrize(
    "comment",
    ["web, mail", "a  b", "ticket #7", "ends with,", "Büro", "// x", "/etc/hosts", "a ,  b", "table(hf_p1)", "log logamount 5", "x" * 80],
)
def test_a_comment_is_kept_to_the_letter(comment):
    policy = replace(PLAIN, rules=(rule(port=80, comment=comment),))
    text = render_policy(policy)
    for shown in (text, kernel_with(text)):
        assert parse_policy(read_listing(shown)).rules == policy.rules


@pytest.mark.parametrize(
    "old, new",
    [
        ("allow tcp from any to any 443 in record-state :default", "allow tcp from any to any 443 in"),
        ("allow tcp from any to any 443 in record-state :default", "allow tcp from any to any 443 in keep-state :default"),
        ("allow tcp from any to any 443 in record-state :default", "allow tcp from any to any 443 in uid root"),
        ("00150 set 30 check-state :default\nadd ", ""),
        ("skipto 170 ", "skipto 180 "),
        ("add 00320 set 30 deny log ip from any to any in // holdfast: default in\n", ""),
        ("in icmptypes 8 record-state", "in icmptypes 8,3 record-state :x // "),
        ("00300 set 30 deny log ip from 203.0.113.0/24 to any in", "00300 set 30 count ip from any to any"),
        ("add 00140 set 30 skipto", "add 00140 set 30 allow"),
        ("deny log ip from any to any out recv * //", "allow ip from any to any out recv * //"),
        ("allow not tcp from 192.0.2.0/24", "allow not tcp from 192.0.2.0/23"),
        ("to any in recv lo0 //", "to any in recv em0 //"),
    ],
)
def test_what_was_changed_by_hand_beyond_the_language_is_told(old, new):
    assert old in TEXT
    with pytest.raises(HoldfastError, match="changed by hand"):
        parse_policy(read_listing(TEXT.replace(old, new)))


def test_what_was_changed_by_hand_within_the_language_is_read():
    text = TEXT.replace("443 in record-state :default", "444 in record-state :default")
    assert parse_policy(read_listing(text)).rules[0] == rule(port=444, comment="web, public")
    half = TEXT.replace("add 00290 set 30 reset6 ip6 from any to any 113 proto tcp in\n", "")
    assert rule("reject", port=113, family="ipv4") in parse_policy(read_listing(half)).rules
    more = TEXT.replace("add 00320", "add 00315 set 30 deny tcp from any to any 9 in\nadd 00320")
    assert rule("deny", port=9) in parse_policy(read_listing(more)).rules


def test_a_text_without_a_policy_is_told():
    with pytest.raises(HoldfastError, match="there is no policy of ours"):
        parse_policy(read_listing("00100 set 30 allow ip from any to any\n65535 set 31 deny ip from any to any\n"))


def test_a_policy_without_known_connections_is_read_back():
    policy = Policy(rules=(rule(port=80), rule("deny", protocol="any", source="192.0.2.0/24")))
    assert "check-state" not in render_policy(policy)
    assert parse_policy(read_listing(render_policy(policy))).rules == policy.rules
    assert parse_policy(read_listing(render_policy(policy))).guard == ()


def test_thousands_of_exact_rules_are_one_table_of_flows():
    hosts = [ipaddress.ip_address("10.0.0.0") + number for number in range(500)]
    rules = tuple(rule(source=str(host), port=1000 + number) for number, host in enumerate(hosts))
    text = render_policy(replace(PLAIN, rules=rules))
    assert text.count(" flow table(") == 1
    assert sorted(parse_policy(read_listing(text)).rules, key=str) == sorted(rules, key=str)
