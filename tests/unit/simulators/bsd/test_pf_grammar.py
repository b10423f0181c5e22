# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pf parsers of the stand-ins accept and refuse: the observed traps of the real parsers, case by case."""

from __future__ import annotations

import pytest
from holdfast_standin.pf_parser import parse_pf

EVERYWHERE = ("freebsd-15.1", "freebsd-12.1", "openbsd", "macos")
INTERFACES = {"em0": ["192.0.2.10/24", "2001:db8::10/64"], "lo0": ["127.0.0.1/8", "::1/128"]}

ACCEPTED = {
    "port range": "pass in proto tcp to port 8000:8080",
    "several protocols with flags": "pass in proto { tcp udp } to port 53 flags S/SA",
    "codes in a list of types": "pass in inet proto icmp icmp-type { echoreq, unreach code needfrag }",
    "icmp6 types": "pass in inet6 proto icmp6 icmp6-type { neighbrsol, neighbradv, routeradv }",
    "unknown interface after on": "pass in on em99",
    "unknown interface in brackets": "pass in from (em99) to any",
    "undefined table": "pass in from <nobody>",
    "table name of 31": "table <%s> persist" % ("t" * 31),
    "list that mixes families": "pass from { 10.0.0.1 } to { 10.0.0.2 2001:db8::1 }",
    "user with tcp": "pass out proto tcp user root",
    "quick before log": "block in quick log on em0 all",
    "log options": "block in log (all, to pflog3) all",
    "one rule a line in an anchor": "anchor web {\npass in proto tcp to port 80\nblock out\n}",
    "anchor without name": "anchor in on em0 {\npass in proto tcp to port 80\n}",
    "label of 63": 'pass in label "%s"' % ("x" * 63),
    "macro in a list": 'ports = "{ 22 80 }"\npass in proto tcp to port $ports',
    "macro joined to a modifier": 'ext = "em0"\npass in from $ext:network',
    "backslash": "pass in \\\n proto tcp to port 22",
    "newlines in a list": "pass in proto tcp to port {\n22\n80\n}",
    "no trailing options": "pass",
    "range of addresses": "pass from 10.0.0.1 - 10.0.0.9",
    "short network": "pass from 10/8",
    "antispoof": "antispoof log quick for { em0 lo0 }",
    "every state option": (
        "pass in proto tcp keep state (max 10, max-src-conn 5, max-src-conn-rate 6/60, overload <t> flush global, tcp.first 5)"
    ),
    "set options": (
        "set skip on { lo0 em1 }\nset limit states 1000\nset timeout { tcp.first 10 udp.first 20 }\nset block-policy return\nblock"
    ),
    "table with everything": "table <t> const persist { 10.0.0.0/8, !10.1.0.0/16 192.0.2.1 2001:db8::/32 }\nblock from <t>",
}

REFUSED = {
    "dash in a port range": ("pass in proto tcp to port 8000-8080", "unknown port 8000-8080"),
    "port without protocol": ("pass in to port 22", "port only applies to tcp/udp"),
    "port without protocol in an anchor": ("anchor a {\npass in to port 22\n}", "port only applies to tcp/udp"),
    "icmp-type without family": ("pass in proto icmp icmp-type echoreq", "must indicate address family with icmp-type/code"),
    "icmp6-type without family": ("pass in proto icmp6 icmp6-type echoreq", "must indicate address family with icmp-type/code"),
    "icmp with inet6": ("pass in inet6 proto icmp", "proto icmp doesn't match address family inet6"),
    "list of codes": ("pass in inet proto icmp icmp-type unreach code { 1 2 }", "syntax error"),
    "flags on udp alone": ("pass in proto udp flags S/SA", "flags only apply to tcp"),
    "log behind the interface": ("pass in on em0 log", "syntax error"),
    "family behind the protocol": ("pass in proto tcp inet", "syntax error"),
    "label before the hosts": ('pass in label "x" from any', "syntax error"),
    "tag before the hosts": ("pass in tag x from any", "syntax error"),
    "return-rst behind the direction": ("block in return-rst proto tcp", "syntax error"),
    "return-rst without tcp": ("block return-rst in", "return-rst can only be applied to TCP rules"),
    "unknown interface after from": ("pass in from em99", "could not parse host specification"),
    "host name": ("pass in from www.example.org", "could not parse host specification"),
    "prefix too long": ("pass in from 10.0.0.0/33", None),
    "table name of 32": ("table <%s> persist" % ("t" * 32), "table name too long, max 31 chars"),
    "table name of 32 in a rule": ("pass from <%s>" % ("t" * 32), "too long"),
    "label of 64": ('pass in label "%s"' % ("x" * 64), "rule label too long (max 63 chars)"),
    "port above 65535": ("pass in proto tcp to port 70000", "illegal port value 70000"),
    "unknown macro": ("pass in from $nobody", "macro 'nobody' not defined"),
    "unknown protocol": ("pass in proto nosuch", "unknown protocol nosuch"),
    "impossible families": ("pass from 10.0.0.1 to 2001:db8::1", "rule expands to no valid combination"),
    "two rules on one line": ("pass in ; pass out", "syntax error"),
    "rule on the line of the brace": ("anchor a { pass in\n}", "syntax error"),
    "nat in an anchor body": ("anchor a {\nnat on em0 from any to any -> 10.0.0.1\n}", "syntax error"),
    "trailing comma": ("pass in proto tcp to port { 22, }", "syntax error"),
    "state on a block": ("block in keep state", "keep state is great, but only for pass rules"),
    "state on an anchor": ("anchor a keep state", "cannot specify state handling on anchors"),
    "reserved anchor name": ('anchor "_a"', "anchor names beginning with '_' are reserved for internal use"),
    "overload without a limit": ("pass in keep state (overload <t>)", "'overload' requires 'max-src-conn' or 'max-src-conn-rate'"),
    "fragment with ports": ("pass in proto tcp to port 22 fragment", "fragments can be filtered only on IP header fields"),
    "queue": ("pass in proto tcp to port 22 queue fast", "syntax error"),
    "quoted text without end": ('pass in label "x', "reached end of file while parsing quoted string"),
    "flags always false": ("pass in proto tcp flags SA/S", "flags always false"),
    "table named like a reserved word": ("table <keep> persist", "syntax error"),
    "table in a table": ("table <a> { <b> }", "tables cannot contain tables"),
    "word from nowhere": ("allow in", "syntax error"),
}

# text: the dialects that take it
BY_DIALECT = {
    "pass in": EVERYWHERE,
    "match in all": ("freebsd-15.1", "openbsd"),
    "pass out on em0 from em0:network nat-to 192.0.2.10": ("freebsd-15.1", "openbsd"),
    "match in proto tcp to port 80 rdr-to 10.0.0.5 port 8080": ("freebsd-15.1", "openbsd"),
    "match in scrub (no-df max-mss 1440)": ("freebsd-15.1", "openbsd"),
    "pass in proto tcp to port 22 max-pkt-rate 5/1": ("freebsd-15.1", "openbsd"),
    "pass out received-on em0": ("openbsd",),
    "nat on em0 inet from 10.0.0.0/24 to any -> (em0)": ("freebsd-15.1", "freebsd-12.1", "macos"),
    "rdr pass on em0 inet proto tcp to port 80 -> 10.0.0.5 port 8080": ("freebsd-15.1", "freebsd-12.1", "macos"),
    "scrub in all fragment reassemble": ("freebsd-15.1", "freebsd-12.1", "macos"),
    "set reassemble yes": ("freebsd-15.1", "openbsd"),
    "pass\nset skip on lo0\nset block-policy drop": ("openbsd",),
    "pass in\nscrub in all": (),
    "pass in\nnat on em0 inet from any to any -> (em0)": (),
    "nat on em0 inet from any to any -> (em0)\nscrub in all": (),
    "pass out user root": ("freebsd-15.1", "freebsd-12.1", "macos"),
    "pass in proto tcp to port 9000:8000": ("freebsd-15.1", "freebsd-12.1", "macos"),
    "pass in route-to (em0 192.0.2.1)": ("freebsd-15.1", "freebsd-12.1", "macos"),
    "pass in route-to 192.0.2.1": ("openbsd",),
    'pass in label "a" label "b"': ("freebsd-15.1",),
    "anchor a {\ntable <t> persist\npass\n}": ("openbsd",),
    'scrub-anchor "com.apple/*"': ("macos",),
}


@pytest.mark.parametrize("flavour", EVERYWHERE)
@pytest.mark.parametrize("case", sorted(ACCEPTED))
def test_it_accepts_what_every_real_parser_accepts(flavour, case):
    ruleset = parse_pf(ACCEPTED[case] + "\n", flavour, INTERFACES)

    assert ruleset.stderr == []
    assert ruleset.accepted


@pytest.mark.parametrize("flavour", EVERYWHERE)
@pytest.mark.parametrize("case", sorted(REFUSED))
def test_it_refuses_what_every_real_parser_refuses(flavour, case):
    text, message = REFUSED[case]
    ruleset = parse_pf(text + "\n", flavour, INTERFACES)

    assert not ruleset.accepted
    assert message is None or any(message in line for line in ruleset.stderr), ruleset.stderr


@pytest.mark.parametrize("flavour", EVERYWHERE)
@pytest.mark.parametrize("text", sorted(BY_DIALECT))
def test_it_keeps_the_dialects_apart(flavour, text):
    assert parse_pf(text + "\n", flavour, INTERFACES).accepted == (flavour in BY_DIALECT[text])


@pytest.mark.parametrize(("flavour", "accepted"), [("freebsd-15.1", True), ("freebsd-12.1", False), ("openbsd", True), ("macos", False)])
def test_a_last_line_without_newline_is_an_error_of_old_parsers(flavour, accepted):
    assert parse_pf("pass in", flavour).accepted == accepted


def test_an_error_names_file_and_line_and_reading_goes_on():
    ruleset = parse_pf("pass in\nbogus\npass out\npass to port 1\n", "freebsd", filename="/etc/pf.conf")

    assert ruleset.stderr[0] == "/etc/pf.conf:2: syntax error"
    assert ruleset.stderr[1] == "/etc/pf.conf:4: port only applies to tcp/udp"
    assert ruleset.stderr[-1] == "/etc/pf.conf:4: rule expands to no valid combination"


@pytest.mark.parametrize("text", ["pass from { any, 10.0.0.1 }\n", "pass from { 10.0.0.1 any }\n"])
def test_any_in_a_list_vanishes_in_old_parsers_and_wins_in_new_ones(text):
    """As pfctl prints it: ``pass inet from 10.0.0.1 to any`` up to FreeBSD 14 and on macOS, ``pass all`` since."""
    for flavour in ("freebsd-12.1", "freebsd-14.3", "macos"):
        assert [rule.src.text for rule in parse_pf(text, flavour).rules[""]] == ["10.0.0.1"]
    for flavour in ("freebsd-15.1", "openbsd"):
        assert [rule.src.kind for rule in parse_pf(text, flavour).rules[""]] == ["any"]


@pytest.mark.parametrize("flavour", ["freebsd", "openbsd", "macos"])
def test_a_label_has_room_for_63_bytes(flavour):
    """As pfctl says it: rule label too long (max 63 chars)."""
    assert parse_pf('pass label "%s"\n' % ("\u00fc" * 31), flavour).accepted
    assert parse_pf('pass label "%s"\n' % ("\u00fc" * 32), flavour).stderr[0].endswith("rule label too long (max 63 chars)")


@pytest.mark.parametrize(
    "text", ["pass from { any, 10.0.0.1 }", "pass proto tcp to port 9000:8000", "pass from { 10.0.0.1 2001:db8::1 } to 10.0.0.2"]
)
def test_strict_mode_refuses_what_is_silently_wrong(text):
    assert parse_pf(text + "\n", "freebsd").accepted
    assert not parse_pf(text + "\n", "freebsd", strict=True).accepted
