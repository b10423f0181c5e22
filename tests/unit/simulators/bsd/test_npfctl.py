# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of npfctl: its grammar and messages, its listing, what it keeps and forgets, and the boot of NetBSD."""

from __future__ import annotations

import re

import pytest

DEFAULT = "group default { pass final on lo0 all; block all }\n"
FILE = """\
$ext = "em0"
alg "icmp"
table <bad> type lpm
procedure "hflog" {
\tlog: npflog0
}
map $ext dynamic 10.0.0.0/8 -> 192.0.2.1
group "external" on $ext {
\tpass stateful out final all
\tblock in final from <bad> apply "hflog"
\tpass stateful in final family inet4 proto tcp from 192.0.2.0/24 to any port 22
\tpass stateful in final proto tcp to any port { 443, 80 }
\tpass in final family inet4 proto icmp icmp-type 8 all
\tpass in final to any port 53
\tblock in final from ! 10.0.0.0/8
\truleset "dyn"
}
group default {
\tpass final on lo0 all
\tblock all
}
"""


@pytest.fixture
def netbsd(posed):
    return posed("netbsd")


def validate(host, text):
    return host.run("npfctl", "validate", "-", stdin=text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group \"x\" { pass all }\n", "default group was not defined"),
        ("bogus\n" + DEFAULT, "stdin:1:1: syntax error near 'bogus'"),
        ("group default { pass final proto tcp to any port nosuch }\n", "invalid port name 'nosuch'"),
        ("group default { pass all apply \"nope\" }\n", "rule procedure 'nope' is not defined"),
        ("group default { pass from <nope> }\n", "table 'nope' is not defined"),
        ("group default { pass proto icmp icmp-type nope all }\n", "unknown icmp-type nope"),
        ("group default { pass proto sctp to any port 80 }\n", "invalid filter options"),
        ("group default { pass in on em0 log all }\n", "syntax error near 'log'"),
        ("group default { pass on { em0, em1 } all }\n", "syntax error near '{'"),
        ("group default { pass in proto tcp to any port 80:90 }\n", "syntax error near '80:90'"),
        ("group default { final pass all }\n", "syntax error near 'final'"),
        ("group default { pass in family inet4 from 2001:db8::1 }\n", "not of the required family"),
        ("group default { pass from { 10.0.0.1, 2001:db8::1 } }\n", "address family mismatch"),
        ("group default { pass from { 10.0.0.1,\n10.0.0.2 } }\n", "syntax error"),
        ("group default { pass from ::/8 }\n", "syntax error near ':'"),
        ("group default { pass on wg-home all }\n", "syntax error near '-'"),
        ("alg \"icmp\"\nalg \"icmp\"\n" + DEFAULT, "already loaded"),
        (DEFAULT + DEFAULT, "multiple default groups"),
        ("table <t> type lpm file \"/etc/nothing\"\n" + DEFAULT, "No such file"),
        ("table <t> type const\n" + DEFAULT, "must be loaded from a file"),
        ("procedure \"p\" { nothing: x }\n" + DEFAULT, "unknown rule procedure 'nothing'"),
        ("group default { pass from { %s } }\n" % ", ".join("10.0.%d.0/24" % n for n in range(100)), "over the limit"),
    ],
)  # fmt: skip
def test_what_the_grammar_refuses(netbsd, text, message):
    answer = validate(netbsd, text)
    assert answer.rc == 1
    assert message in answer.err
    assert answer.out == ""


@pytest.mark.parametrize("rule", ["pass from { <t>, 10.0.0.1 }", "pass from 10.0.0.0/33"])
def test_what_ends_npfctl_with_an_assertion(netbsd, rule):
    assert validate(netbsd, "table <t> type lpm\ngroup default { %s }\n" % rule).rc == 134


@pytest.mark.parametrize(
    "rule",
    [
        "pass in proto tcp to any port 70000", "pass in proto tcp to any port 90-80", "pass in proto tcp to any port { 22, 80-90 }",
        "pass in from { 2001:db8:1::/48, 2001:db8:2::/48 }", "pass in from ! 10.0.0.0/8",
    ],
)  # fmt: skip
def test_only_the_strict_mode_refuses_what_means_something_else(netbsd, rule):
    assert validate(netbsd, "group default { %s }\n" % rule).rc == 0
    netbsd.strict = True
    assert "stand-in" in validate(netbsd, "group default { %s }\n" % rule).err


def test_the_listing_is_in_npfctls_own_words_and_loses_the_negation(netbsd):
    netbsd.write("/etc/npf.conf", FILE)
    lines = netbsd.run("npfctl", "validate").out.splitlines()
    assert 'group "external" on em0 { ' in lines
    assert "\tpass stateful in final family inet4 proto tcp flags S/FSRA from 192.0.2.0/24 to any port 22 " in lines
    assert "\tpass stateful in final proto tcp flags S/FSRA to any port { 443, 80 } " in lines
    assert "\tpass in final proto { tcp, udp } to any port 53 " in lines
    assert "\tblock in final family inet4 from 10.0.0.0/8 " in lines
    assert '\tblock in final from <bad> apply "hflog" ' in lines
    assert "group default { " in lines


def test_an_unknown_interface_is_a_warning_only(netbsd):
    answer = validate(netbsd, "group default { pass on em9 all }\n")
    assert (answer.rc, answer.err) == (0, "npfctl: warning - unknown interface 'em9'\n")


def test_a_reload_is_shown_and_a_failed_one_changes_nothing(netbsd):
    assert netbsd.run("npfctl", "show").out == "# filtering:\tinactive\n# config:\tempty\n\n"
    netbsd.write("/etc/npf.conf", FILE)
    assert netbsd.run("npfctl", "reload").rc == 0
    assert netbsd.run("npfctl", "start").rc == 0
    before = netbsd.run("npfctl", "show").out
    assert before.startswith("# filtering:\tactive\n# config:\tloaded\n")
    numbered = before.split("\n\n", 1)[1]
    assert re.sub(r'# id="[0-9a-f]+" ', "", numbered) == netbsd.run("npfctl", "validate").out
    assert all('# id="' in line for line in numbered.splitlines() if line.strip().startswith(("pass", "block", "group", "map", "ruleset")))
    netbsd.write("/etc/npf.conf", "bogus\n")
    assert netbsd.run("npfctl", "reload").rc == 1
    assert netbsd.run("npfctl", "show").out == before
    assert netbsd.run("npfctl", "flush").rc == 0
    assert netbsd.run("npfctl", "show").out == "# filtering:\tactive\n# config:\tempty\n\n"


def test_tables_and_dynamic_rulesets_change_while_it_runs(netbsd):
    netbsd.write("/etc/npf.conf", FILE)
    netbsd.run("npfctl", "reload")
    assert netbsd.run("npfctl", "table", "bad", "add", "203.0.113.0/24").rc == 0
    assert "already exists" in netbsd.run("npfctl", "table", "bad", "add", "203.0.113.0/24").err
    assert netbsd.run("npfctl", "table", "bad", "test", "203.0.113.9").rc == 0
    assert netbsd.run("npfctl", "table", "bad", "test", "203.0.114.9").rc == 1
    assert netbsd.run("npfctl", "rule", "dyn", "add", "block", "from", "10.0.0.9").out == "OK 1\n"
    assert netbsd.run("npfctl", "rule", "dyn", "list").out == 'block family inet4 from 10.0.0.9 # id="1" \n'
    assert "10.0.0.9" not in netbsd.run("npfctl", "show").out
    assert "not found" in netbsd.run("npfctl", "rule", "nope", "list").err
    netbsd.run("npfctl", "reload")
    assert "10.0.0.9" in netbsd.run("npfctl", "rule", "dyn", "list").out
    assert netbsd.run("npfctl", "table", "bad", "list").out == "203.0.113.0/24\n"


def test_the_kernel_takes_no_more_than_128_tables(netbsd):
    for count, code in ((128, 0), (129, 1)):
        netbsd.write("/etc/npf.conf", "".join("table <t%d> type lpm\n" % one for one in range(count)) + "group default { pass all }\n")
        assert netbsd.run("npfctl", "validate").rc == 0
        assert netbsd.run("npfctl", "reload").rc == code


def test_what_is_started_is_not_started_again(netbsd):
    assert netbsd.run("npfctl", "start").rc == 0
    again = netbsd.run("npfctl", "start")
    assert (again.rc, again.err) == (1, "npfctl: ioctl(IOC_NPF_SWITCH): File exists\n")
    assert netbsd.run("npfctl", "stop").rc == netbsd.run("npfctl", "stop").rc == 0


def test_what_is_live_has_other_parameters_and_procedures_in_the_opposite_order(netbsd):
    text = (
        'set state.tcp.timeout.new 30\nset gc.step 512\nset bpf.jit off\nprocedure "a" { log: npflog0 }\nprocedure "b" { log: npflog0 }\n'
    )
    netbsd.write("/etc/npf.conf", text + "group default { pass all }\n")
    netbsd.run("npfctl", "reload")
    checked, live = netbsd.run("npfctl", "validate").out, netbsd.run("npfctl", "show").out
    assert checked.startswith('set state.tcp.timeout.new 30\nset gc.step 512\n\nprocedure "a"\nprocedure "b"\n')
    assert '\n\nset gc.step 512\n\nprocedure "b"\nprocedure "a"\n\ngroup default { # id="1" \n' in live


def test_a_reboot_forgets_everything_but_what_rc_conf_starts(netbsd):
    netbsd.write("/etc/npf.conf", FILE)
    netbsd.run("npfctl", "reload")
    netbsd.run("npfctl", "start")
    before = netbsd.run("npfctl", "show").out
    netbsd.reboot()
    assert "inactive" in netbsd.run("npfctl", "show").out
    netbsd.write("/etc/rc.conf", "npf=YES\n")
    netbsd.reboot()
    assert netbsd.run("npfctl", "show").out == before


def test_a_bad_file_at_boot_leaves_the_rules_of_npf_boot(netbsd):
    netbsd.write("/etc/npf.conf", "bogus\n")
    netbsd.write("/etc/rc.conf", "npf=YES\n")
    netbsd.reboot()
    shown = netbsd.run("npfctl", "show").out
    assert "# filtering:\tactive" in shown
    assert "block in all" in shown


def test_the_service_asks_rc_conf(netbsd):
    netbsd.write("/etc/npf.conf", DEFAULT)
    assert "not enabled" in netbsd.run("service", "npf", "start").err
    assert netbsd.run("service", "npf", "onestart").rc == 0
    assert "# filtering:\tactive" in netbsd.run("npfctl", "show").out
    assert netbsd.run("service", "npf", "onestop").rc == 0
    assert netbsd.run("npfctl", "show").out == "# filtering:\tinactive\n# config:\tempty\n\n"
    assert netbsd.run("uname", "-s").out == "NetBSD\n"
