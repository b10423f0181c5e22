# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's lines: what can be expressed is read exactly, everything else stays native text."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.owners import chain_owner, rule_owner
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.saved import make_listing, parse_saved, split_listing
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import RETURN
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import paper

BACKEND = paper()


def rule(**words):
    return parse_rule({"action": "allow", **words})


def listing(*lines, family=4, chains=("MINE", "TWO"), policy="ACCEPT"):
    heads = [":INPUT %s [0:0]" % policy, ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", *(":%s - [0:0]" % one for one in chains)]
    return BACKEND.parse("\n".join(["# ipv%d" % family, "*filter", *heads, *lines, "COMMIT", ""]))


def entries(*lines, chain="INPUT", family=4, **words):
    return listing(*lines, family=family, **words).chain("%s (ipv%d)" % (chain, family)).entries


def meaning(line, **words):
    (entry,) = entries(line, **words)
    return entry.rule


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", {"port": 22}),
        ("-A INPUT -p tcp -m tcp --dport 0:1023 -j ACCEPT", {"port_range": "1-1023"}),
        ("-A INPUT -p tcp -m tcp --sport 22 -j ACCEPT", {"source_port": 22}),
        ("-A INPUT -p tcp -m tcp --sport 22 -m multiport --dports 80,443 -j ACCEPT", {"source_port": 22, "port": [80, 443]}),
        ("-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT", {"protocol": "icmp", "icmp_type": 8}),
        ("-A INPUT -p tcp -m tcp ! --dport 53 -j ACCEPT", {"port_range": ["1-52", "54-65535"]}),
        ("-A INPUT -p udp -m multiport --dports 53,5000:5005 -j ACCEPT", {"protocol": "udp", "port_range": ["53-53", "5000-5005"]}),
        ("-A INPUT -s 192.0.2.0/255.255.255.0 -p tcp -j ACCEPT", {"source": "192.0.2.0/24"}),
        ("-A INPUT -m iprange --dst-range 192.0.2.4-192.0.2.7 -j ACCEPT", {"protocol": "any", "destination": "192.0.2.4/30"}),
        ("-A INPUT -p 47 -j ACCEPT", {"protocol": "gre"}),
        ("-A INPUT -j REJECT --reject-with icmp-host-prohibited", {"action": "reject", "protocol": "any"}),
        ("-A INPUT -p tcp -m state --state NEW -j DROP", {"action": "deny", "stateful": True}),
        ("-A INPUT -p tcp -m limit --limit 3/min -j ACCEPT", {"limit": "3/minute"}),
        ("-A INPUT -i eth0 -p tcp -m comment --comment \"it\\'s\" -j ACCEPT", {"interface": "eth0", "comment": "it's"}),
    ],
    ids=str,
)  # fmt: skip
def test_a_line_that_the_language_can_say_is_that_rule(line, expected):
    assert meaning(line) == rule(family="ipv4", **expected)


@pytest.mark.parametrize(
    "line",
    [
        "-A INPUT -p icmp -m icmp --icmp-type any -j ACCEPT",
        "-A INPUT -p icmp -m icmp --icmp-type 255 -j ACCEPT",
        "-A INPUT -p icmp -m icmp --icmp-type 3/4 -j ACCEPT",
        "-A INPUT -p icmp -m icmp ! --icmp-type 8 -j ACCEPT",
        "-A INPUT -p icmp -m icmp -j ACCEPT",
        "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT",
        "-A INPUT -i eth0 -o eth1 -j ACCEPT",
        "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT",
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        "-A INPUT -p tcp -m conntrack --ctstate NEW -j ACCEPT",
        "-A INPUT -p tcp -m conntrack ! --ctstate NEW -j DROP",
        "-A INPUT ! -i eth0 -j DROP",
        "-A INPUT -i eth+ -j ACCEPT",
        "-A INPUT ! -p tcp -j DROP",
        "-A INPUT -s 10.0.0.0/255.0.255.0 -j DROP",
        "-A INPUT -m set --match-set foreign src -j DROP",
        "-A INPUT -m hashlimit --hashlimit-above 6/min --hashlimit-mode srcip --hashlimit-name x -j DROP",
        "-A INPUT -m hashlimit --hashlimit-upto 6/min --hashlimit-burst 5 --hashlimit-mode dstip --hashlimit-name x -j ACCEPT",
        "-A INPUT -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 50 --hashlimit-mode srcip --hashlimit-name x -j ACCEPT",
        "-A INPUT -m limit --limit 1/sec -m limit --limit 3/min -j ACCEPT",
        "-A INPUT -m time --timestart 08:00:00 -j ACCEPT",
        "-A INPUT -m string --string -j --algo bm -j ACCEPT",
        "-A INPUT -p tcp -j NFQUEUE --queue-num 1",
        "-A INPUT -p tcp -j LOG --log-level 7",
        "-A INPUT -p tcp",
        "-A INPUT -f -j DROP",
        '-A INPUT -m comment --comment "open -j ACCEPT',
    ],
    ids=str,
)
def test_a_line_with_a_condition_that_the_language_lacks_is_native(line):
    assert meaning(line) is None


def test_a_line_that_accepts_tracked_connections_is_marked():
    (entry,) = entries("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    assert entry.established and entry.rule == Rule("allow", family=4, protocol=None, established=True)


def test_tracked_connections_of_one_interface_are_not_all_of_them():
    (entry,) = entries("-A INPUT -i eth0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    assert not entry.established


def test_both_interfaces_of_a_forwarded_packet_are_read():
    (entry,) = entries("-A FORWARD -i eth0 -o eth1 -p tcp -j ACCEPT", chain="FORWARD")
    assert entry.rule == rule(direction="forward", family="ipv4", interface="eth0", out_interface="eth1")
    (entry,) = entries("-A FORWARD -o eth1 -p tcp -j ACCEPT", chain="FORWARD")
    assert entry.rule == rule(direction="forward", family="ipv4", out_interface="eth1")


def test_lines_of_one_type_each_are_one_rule_of_all_types():
    lines = ["-A INPUT -p icmp -m icmp --icmp-type %d -j ACCEPT" % number for number in (0, 3, 8)]
    (entry,) = entries(*lines)
    assert entry.rule == rule(protocol="icmp", icmp_type=[0, 3, 8])
    assert (len(entry.native), entry.ref[0].count) == (3, 3)


def test_lines_of_types_with_limits_are_rules_of_their_own():
    lines = ["-A INPUT -p icmp -m icmp --icmp-type %d -m limit --limit 5/sec -j ACCEPT" % number for number in (0, 8)]
    assert [one.rule.icmp_types for one in entries(*lines)] == [(0,), (8,)]


def test_the_highest_icmpv6_type_is_a_type_like_any_other():
    assert meaning("-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 255 -j ACCEPT", family=6) == rule(protocol="icmpv6", icmp_type=255)


def test_log_and_verdict_with_the_same_conditions_are_one_entry():
    (entry,) = entries("-A INPUT -p tcp -j LOG --log-prefix x", "-A INPUT -p tcp -j DROP")
    assert entry.rule == rule(action="deny", family="ipv4", log=True, log_prefix="x")
    assert len(entry.native) == 2 and entry.ref[0].count == 2


@pytest.mark.parametrize(
    "logged",
    [
        "-A INPUT -p udp -j LOG",
        "-A INPUT -p tcp -m comment --comment other -j LOG",
        "-A INPUT -p tcp -j LOG --log-level 7",
        "-A INPUT -p tcp -m limit --limit 3/min --limit-burst 9 -j LOG",
        "-A INPUT -p tcp -m icmp --icmp-type 8 -j LOG",
    ],
    ids=str,
)
def test_a_log_line_of_another_rule_stays_apart(logged):
    first, second = entries(logged, "-A INPUT -p tcp -j DROP")
    assert first.rule is None and second.rule == rule(action="deny", family="ipv4")


def test_a_jump_has_its_condition_and_the_chain_the_directions_that_reach_it():
    ruleset = listing("-A INPUT -p tcp -j MINE", "-A MINE -g TWO", "-A TWO -p tcp -m tcp --dport 22 -j ACCEPT")
    jump = ruleset.chain("INPUT (ipv4)").entries[0]
    assert (jump.jump, jump.match) == ("MINE (ipv4)", rule(family="ipv4"))
    assert ruleset.chain("TWO (ipv4)").directions == {"in"}
    assert ruleset.chain("TWO (ipv4)").entries[0].rule == rule(family="ipv4", port=22)


def test_a_jump_whose_condition_is_not_understood_is_still_a_jump():
    (jump,) = entries("-A INPUT -m time --timestart 08:00:00 -j MINE")
    assert (jump.jump, jump.match) == ("MINE (ipv4)", None)


def test_a_chain_that_two_directions_reach_has_a_meaning_for_each():
    ruleset = listing("-A INPUT -j MINE", "-A FORWARD -j MINE", "-A MINE -p tcp -j ACCEPT")
    (entry,) = ruleset.chain("MINE (ipv4)").entries
    assert entry.rule is None
    assert set(entry.parts) == {rule(family="ipv4"), rule(family="ipv4", direction="forward")}


def test_chains_that_jump_in_a_circle_are_read():
    ruleset = listing("-A INPUT -j MINE", "-A MINE -j TWO", "-A TWO -j MINE")
    assert ruleset.chain("TWO (ipv4)").directions == {"in"}


def test_a_return_ends_a_chain_and_means_the_policy_in_a_built_in_one():
    ruleset = listing("-A INPUT -p udp -j RETURN", "-A INPUT -j MINE", "-A MINE -p tcp -j RETURN", policy="DROP")
    assert ruleset.chain("MINE (ipv4)").entries[0].jump == RETURN
    assert ruleset.chain("INPUT (ipv4)").entries[0].parts == (rule(action="deny", protocol="udp", family="ipv4"),)


def test_a_protocol_that_ip6tables_never_matches_is_not_a_rule():
    assert meaning("-A INPUT -p ah -j ACCEPT", family=6) is None
    assert meaning("-A INPUT -m ah -j ACCEPT", family=6) == rule(protocol="ah", family="ipv6")


def test_policies_are_defaults():
    assert listing(policy="DROP").chain("INPUT (ipv4)").default == "deny"


def test_a_table_that_does_not_exist_has_chains_that_would_take_a_rule():
    ruleset = BACKEND.parse("# ipv4\n# ipv6\n")
    assert [(one.name, one.missing, one.default) for one in ruleset.chains][:1] == [("INPUT (ipv4)", True, "allow")]
    assert len(ruleset.chains) == 6


def test_other_tables_are_native_and_take_no_rules():
    text = "# ipv4\n*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j ACCEPT\nCOMMIT\n"
    chain = BACKEND.parse(text).chain("nat PREROUTING (ipv4)")
    assert (chain.base, chain.entries[0].rule) == (False, None)


def test_the_listing_does_not_depend_on_counters_and_the_order_of_tables():
    one = "# Generated\n*nat\n:X - [0:0]\n:A - [1:2]\n-A X -j A\nCOMMIT\n*filter\n:INPUT DROP [3:4]\n[5:6] -A INPUT -i lo -j DROP\nCOMMIT\n"
    other = "*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j DROP\nCOMMIT\n*nat\n:A - [0:0]\n:X - [0:0]\n-A X -j A\nCOMMIT\n*raw\nCOMMIT\n"
    texts = [make_listing({4: parse_saved(text).tables}, {}) for text in (one, other)]
    assert texts[0] == texts[1]
    assert make_listing(split_listing(texts[0])[0], {}) == texts[0]


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("*filter\n-A INPUT -j DROP\n", "*filter without COMMIT"),
        ("*filter\n-I INPUT -j DROP\nCOMMIT\n", "-I INPUT -j DROP"),
        ("*filter\nCOMMIT\n*filter\nCOMMIT\n", "*filter"),
        ("hello", "hello"),
    ],
)
def test_text_that_is_not_of_the_saved_form_is_noticed(text, odd):
    assert parse_saved(text).odd == odd


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("DOCKER-USER", "docker"), ("DOCKER", "docker"), ("f2b-sshd", "fail2ban"), ("KUBE-SERVICES", "kubernetes"),
        ("cali-INPUT", "calico"),
        ("CILIUM_INPUT", "cilium"), ("FLANNEL-FWD", "flannel"), ("WEAVE-NPC", "weave"), ("LIBVIRT_INP", "libvirt"),
        ("NETAVARK_FORWARD", "podman"), ("CNI-FORWARD", "podman"), ("ts-input", "tailscale"), ("ufw-user-input", "ufw"),
        ("ufw6-user-input", "ufw"), ("CROWDSEC_CHAIN", "crowdsec"), ("InstanceServices", "oracle-cloud-agent"), ("sshguard", "sshguard"),
        ("INPUT_ZONES", "firewalld"), ("IN_public_allow", "firewalld"), ("RH-Firewall-1-INPUT", None), ("MINE", None), ("LOGGING", None),
        ("DOCKERS", None), ("IN_FROM_OFFICE", None),
    ],
)  # fmt: skip
def test_chains_of_other_programs_are_known_by_name(name, owner):
    assert chain_owner(name) == owner


@pytest.mark.parametrize(
    ("line", "owner"),
    [
        ("-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd", "fail2ban"),
        ("-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "docker"),
        ("-A FORWARD -i br-0123456789ab ! -o br-0123456789ab -j ACCEPT", "docker"),
        ("-A FORWARD -i docker0 -p tcp -m tcp --dport 80 -j ACCEPT", None),
        ('-A INPUT -m comment --comment " -j f2b-sshd" -j ACCEPT', None),
        ("-A INPUT -i virbr0 -p tcp -j ACCEPT", None),
    ],
)
def test_rules_of_other_programs_are_known_by_what_they_do(line, owner):
    assert rule_owner(line) == owner
