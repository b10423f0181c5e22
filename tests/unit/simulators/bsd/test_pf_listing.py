# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The normal form that the stand-in pfctl prints, and that it reads back as the same rules."""

from __future__ import annotations

import pytest
from holdfast_standin.pf_listing import rule_text
from holdfast_standin.pf_parser import parse_pf
from holdfast_standin.pf_rule import rule_from_json, rule_to_json
from hypothesis import given
from hypothesis import strategies as st

INTERFACES = {"em0": ["192.0.2.10/24"], "lo0": ["127.0.0.1/8", "::1/128"]}


def listed(text, flavour="freebsd", numeric=None):
    ruleset = parse_pf(text + "\n", flavour, INTERFACES)
    assert ruleset.accepted, ruleset.stderr
    return [rule_text(rule, ruleset.flavour, numeric) for rule in ruleset.rules[""]]


# typed, listed with numeric ports by FreeBSD
FREEBSD = [
    ('block in log all label "hf:0 default"', ['block drop in log all label "hf:0 default"']),
    ("block return-rst in quick proto tcp to port 113", ["block return-rst in quick proto tcp from any to any port = 113"]),
    ("block return in", ["block return in all"]),
    ("block return-icmp in inet", ["block return-icmp(port-unr) in inet all"]),
    (
        "pass in quick on em0 proto tcp from 192.0.2.77/24 to port 22 label x",
        ['pass in quick on em0 inet proto tcp from 192.0.2.0/24 to any port = 22 flags S/SA keep state label "x"'],
    ),
    (
        "pass in proto tcp to port { 80, 443 }",
        [
            "pass in proto tcp from any to any port = 80 flags S/SA keep state",
            "pass in proto tcp from any to any port = 443 flags S/SA keep state",
        ],
    ),
    (
        "pass in proto { tcp udp } to port 53",
        ["pass in proto tcp from any to any port = 53 flags S/SA keep state", "pass in proto udp from any to any port = 53 keep state"],
    ),
    ("pass in proto udp to port 60000:61000", ["pass in proto udp from any to any port 60000:61000 keep state"]),
    ("pass in inet proto icmp icmp-type 8", ["pass in inet proto icmp all icmp-type echoreq keep state"]),
    ("pass in inet6 proto 58 icmp6-type 135", ["pass in inet6 proto ipv6-icmp all icmp6-type neighbrsol keep state"]),
    ("pass in inet proto icmp icmp-type unreach code 4", ["pass in inet proto icmp all icmp-type unreach code needfrag keep state"]),
    ("pass out", ["pass out all flags S/SA keep state"]),
    ("pass in no state", ["pass in all no state"]),
    ("pass in proto tcp flags any", ["pass in proto tcp all flags any keep state"]),
    ("pass in from ! 10.0.0.0/8", ["pass in inet from ! 10.0.0.0/8 to any flags S/SA keep state"]),
    (
        "pass in proto tcp from port > 1023 to port 1 >< 9",
        ["pass in proto tcp from any port > 1023 to any port 1 >< 9 flags S/SA keep state"],
    ),
    ("pass in from (em0:network) to em0", ["pass in inet from (em0:network) to 192.0.2.10 flags S/SA keep state"]),
    ("pass out proto tcp user root", ["pass out proto tcp all user = 0 flags S/SA keep state"]),
    ("pass in tag A !tagged B", ["pass in all flags S/SA keep state tag A ! tagged B"]),
    (
        "pass in proto tcp to port 22 keep state (max-src-conn-rate 6/60, overload <t> flush global)",
        [
            (
                "pass in proto tcp from any to any port = 22 flags S/SA keep state "
                "(source-track rule, max-src-conn-rate 6/60, overload <t> flush global, src.track 60)"
            )
        ],
    ),
    ("pass in proto udp modulate state", ["pass in proto udp all keep state"]),
    (
        "antispoof quick for em0",
        ["block drop in quick on ! em0 inet from 192.0.2.0/24 to any", "block drop in quick inet from 192.0.2.10 to any"],
    ),
    ("scrub in all", ["scrub in all fragment reassemble"]),
    ("nat on em0 inet from 10.0.0.0/24 to any -> (em0)", ["nat on em0 inet from 10.0.0.0/24 to any -> (em0) round-robin"]),
    (
        "rdr on em0 inet proto tcp to port 80 -> 10.0.0.5 port 8080",
        ["rdr on em0 inet proto tcp from any to any port = 80 -> 10.0.0.5 port 8080"],
    ),
    ('anchor "holdfast"', ['anchor "holdfast" all']),
]


#: What a file has between double quotes and what is listed: as pfctl of FreeBSD and OpenBSD prints it.
LABELS = [
    ("Karin's web", "Karin's web"), ("costs $5", "costs $5"), ("$(reboot) `id` & <b>", "$(reboot) `id` & <b>"), ("a { # b", "a { # b"),
    ("B\u00fcro \u65e5\u672c", "B\u00fcro \u65e5\u672c"), ("$interface", "$interface"), ("$iffy", "anyfy"), ("$$proto", "$tcp"),
    ("a\\b", "a\\b"), ('say \\"hi\\"', 'say "hi"'), ("%s %n", "%s %n"),
]  # fmt: skip


@pytest.mark.parametrize("flavour", ["freebsd", "openbsd"])
@pytest.mark.parametrize(("typed", "label"), LABELS)
def test_a_label_is_listed_as_it_stands_but_for_the_macros_of_labels(flavour, typed, label):
    assert listed('block in proto tcp label "%s"' % typed, flavour) == ['block drop in proto tcp all label "%s"' % label]


OLD_ORDER, NEW_ORDER = ["1 2", "1 3", "4 2", "4 3"], ["1 2", "4 2", "1 3", "4 3"]


@pytest.mark.parametrize(
    ("flavour", "order"),
    [
        ("freebsd-12.1", OLD_ORDER),
        ("freebsd-14.3", OLD_ORDER),
        ("macos", OLD_ORDER),
        ("freebsd-15.1", NEW_ORDER),
        ("openbsd", NEW_ORDER),
    ],
)
def test_lists_of_source_ports_are_gone_through_before_destinations_in_old_parsers(flavour, order):
    """As pfctl prints it."""
    lines = listed("block in quick proto tcp from any port { 1, 4 } to { 10.0.0.2, 10.0.0.3 }", flavour, numeric=True)
    assert lines == ["block drop in quick inet proto tcp from any port = %s to 10.0.0.%s" % tuple(pair.split()) for pair in order]


def test_an_empty_label_is_none():
    assert listed('block in label ""') == ["block drop in all"]


def test_scrubbing_by_a_rule_is_listed_with_the_blank_inside_on_freebsd():
    """As pfctl prints it."""
    assert listed("match in scrub (no-df max-mss 1440)", "freebsd-14.3") == ["match in all scrub( no-df max-mss 1440)"]
    assert listed("match in scrub (no-df max-mss 1440)", "openbsd") == ["match in all scrub (no-df max-mss 1440)"]


def test_an_address_inside_of_another_family_keeps_its_dots():
    """As pfctl prints it."""
    assert listed("block in from ::ffff:10.0.0.1") == ["block drop in inet6 from ::ffff:10.0.0.1 to any"]


@pytest.mark.parametrize(("typed", "lines"), FREEBSD)
def test_freebsd_lists_the_normal_form(typed, lines):
    assert listed(typed, "freebsd", numeric=True) == lines


def test_ports_are_names_on_freebsd_and_numbers_on_openbsd():
    assert listed("pass in proto tcp to port 22") == ["pass in proto tcp from any to any port = ssh flags S/SA keep state"]
    assert listed("pass in proto tcp to port 22", "openbsd") == ["pass in proto tcp from any to any port = 22 flags S/SA"]


def test_openbsd_hides_the_default_state_but_shows_its_options():
    assert listed("pass in keep state (sloppy)", "openbsd") == ["pass in all flags S/SA keep state (sloppy)"]
    assert listed("match out on em0 nat-to 192.0.2.10", "openbsd") == ["match out on em0 inet all nat-to 192.0.2.10"]


def test_a_label_repeats_on_each_rule_of_a_list_and_expands_its_macros():
    assert listed('pass in on em0 proto tcp to port { 1 2 } label "$if:$dstport"', numeric=True) == [
        'pass in on em0 proto tcp from any to any port = 1 flags S/SA keep state label "em0:1"',
        'pass in on em0 proto tcp from any to any port = 2 flags S/SA keep state label "em0:2"',
    ]


addresses = st.sampled_from(["any", "10.0.0.0/8", "! 192.0.2.1", "2001:db8::/32", "<t>", "(em0)", "! <t>", "10.0.0.1 - 10.0.0.9"])
ports = st.sampled_from(["", "port 22", "port 1:9", "port > 1023", "port != 80", "port 5 <> 9"])


@st.composite
def rules(draw):
    action = draw(st.sampled_from(["pass", "block", "block return", "block return-icmp"]))
    head = [
        action,
        draw(st.sampled_from(["", "in", "out"])),
        draw(st.sampled_from(["", "log", "log (all)"])),
        draw(st.sampled_from(["", "quick"])),
        draw(st.sampled_from(["", "on em0", "on ! em1"])),
        "proto tcp",
        "from",
        draw(addresses),
        draw(ports),
        "to",
        draw(addresses),
        draw(ports),
    ]
    tail = [draw(st.sampled_from(["", "flags any", "flags S/SA"])), draw(st.sampled_from(["", 'label "a b"', "tag T", "! tagged T"]))]
    if action == "pass":
        tail.append(draw(st.sampled_from(["", "no state", "keep state (max 10)", "modulate state"])))
    return " ".join(word for word in head + tail if word)


@given(rules(), st.sampled_from(["freebsd-12.1", "freebsd", "openbsd", "macos"]))
def test_a_listing_reads_back_as_itself(text, flavour):
    ruleset = parse_pf(text + "\n", flavour, INTERFACES)
    for rule in ruleset.rules[""]:
        line = rule_text(rule, ruleset.flavour)
        again = parse_pf(line + "\n", flavour, INTERFACES)
        assert again.accepted, (line, again.stderr)
        assert [rule_text(other, again.flavour) for other in again.rules[""]] == [line]
        assert rule_text(rule_from_json(rule_to_json(rule)), ruleset.flavour) == line
