# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in ipfw: grammar and normal form, exit codes, sets, tables, files of commands, what a reboot does."""

from __future__ import annotations

import pytest
from holdfast_standin.ipfw_verdict import ipfw_rules

# typed behind add, listed
LISTED = [
    ("allow ip from any to any via lo0", "allow ip from any to any via lo0"),
    ("check-state", "check-state :default"),
    ("check-state :any", "check-state :any"),
    (
        "pass tcp from 192.0.2.77/24 to me ssh in recv em0 setup keep-state // hf:1 ssh mgmt",
        "allow tcp from 192.0.2.0/24 to me 22 in recv em0 setup keep-state :default // hf:1 ssh mgmt",
    ),
    ("allow tcp from 2001:db8:1::/48 to me6 dst-port 22 in", "allow tcp from 2001:db8:1::/48 to me6 22 in"),
    ("allow tcp from any to me 80,443 limit src-addr 6", "allow tcp from any to me 80,443 limit src-addr 6 :default"),
    ("allow udp from any to me 60000-61000 keep-state :web", "allow udp from any to me 60000-61000 keep-state :web"),
    ("allow icmp from any to me icmptypes 8,0", "allow icmp from any to me icmptypes 0,8"),
    ("allow ipv6-icmp from any to any icmp6types 135,1", "allow ipv6-icmp from any to any icmp6types 1,135"),
    ("reset tcp from any to me 113", "reset tcp from any to me 113"),
    ("unreach port udp from any to me", "unreach port udp from any to me"),
    ("drop log logamount 100 all from table(hf_blk) to any in", "deny log logamount 100 ip from table(hf_blk) to any in"),
    ("deny log ip from any to any", "deny log ip from any to any"),
    ("allow { tcp or udp } from any to any 53", "allow { tcp or udp } from any to any 53"),
    ("allow ip from { 10.0.0.1 or 2001:db8::1 } to not 10.0.0.0/8", "allow ip from { 10.0.0.1 or 2001:db8::1 } to not 10.0.0.0/8"),
    ("allow ip from any to any { via em0 or via em1 } out", "allow ip from any to any { via em0 or via em1 } out"),
    ("allow 47 from any to any", "allow gre from any to any"),
    ("allow tcp from any to any tcpflags syn,!ack", "allow tcp from any to any setup"),
    ("allow tcp from any to any uid 0", "allow tcp from any to any uid root"),
    ("allow via lo0", "allow via lo0"),
    ("allow tcp from any to any dst-port 1 dst-port 2", "allow tcp from any to any dst-port 1 dst-port 2"),
    ("allow ip from 10.0.0.0:255.0.0.0 to any", "allow ip from 10.0.0.0/8 to any"),
    ("skipto 500 ip from any to any", "skipto 500 ip from any to any"),
    # accepted in silence, and wrong
    ("allow tcp from any to any 70000", "allow tcp from any to any 4464"),
    ("allow ip from 10.0.0.1 to 2001:db8::1", "allow ip from 10.0.0.1 to 2001:db8::1"),
    ("allow tcp from any to any 2000-1000", "allow tcp from any to any 2000-1000"),
    ("allow udp from any to any setup", "allow udp from any to any setup"),
]

# typed, exit code, message
REFUSED = [
    ("allow tcp from any to any port 22", 64, "unrecognised option [-1] port"),
    ("allow tcp,udp from any to any", 64, "unrecognised option [-1] tcp,udp"),
    ("allow tcp log from any to any", 64, "missing ``from''"),
    ("allow tcp from any to any log", 64, "unrecognised option [-1] log"),
    ("allow ip from any", 64, "missing ``to''"),
    ("allow ip", 64, "missing ``from''"),
    ("allow tcp from any to any keep-state limit src-addr 3", 64, "only one of keep-state"),
    ("allow ip from any to any via em0 or via em1", 64, 'invalid "or" block'),
    ("allow { tcp or udp from any to any", 64, 'missing ")"'),
    ("allow ip from any6 to any", 68, "hostname ``any6'' unknown"),
    ("allow ip from !10.0.0.1 to any", 68, "unknown"),
    ("allow ip from 10.0.0.300 to any", 68, "hostname ``10.0.0.300'' unknown"),
    ("allow ip from 10.0.0.0/33 to any", 65, "bad width ``33''"),
    ("allow ip6 from any to 10.0.0.1", 65, 'bad address "10.0.0.1"'),
    ("allow ip from 2001:db8::/129 to any", 65, "bad width"),
    ("allow icmp from any to any icmptypes echoreq", 65, "invalid ICMP type"),
    ("allow icmp from any to any icmptypes 3-8", 65, "invalid ICMP type"),
    ("allow icmp from any to any icmptypes 99", 65, "ICMP type out of range"),
    ("block ip from any to any", 65, "invalid action block"),
    ("allow tcp from any to any dst-port nosuch", 65, "invalid destination port nosuch"),
    ("allow tcp from any 1000:2000 to any", 64, "missing ``to''"),
    ("set 32 allow ip from any to any", 65, "illegal set 32"),
    ("allow ip from any to any // %s" % ("x" * 84), 65, "comment too long (max 80 chars)"),
    ("65535 allow ip from any to any", 69, "getsockopt(IP_FW_XADD): Invalid argument"),
    ("allow tcp from any to any jail 1", 64, "not implemented"),
]


@pytest.mark.parametrize(("typed", "listed"), LISTED)
def test_it_lists_the_normal_form_which_reads_back_as_itself(typed, listed):
    _rules, outcome = ipfw_rules("add 100 %s\n" % typed)
    assert outcome.rc == 0, outcome.stderr
    assert outcome.stdout == ["00100 " + listed]

    assert ipfw_rules("add %s\n" % outcome.stdout[0])[1].stdout == outcome.stdout


@pytest.mark.parametrize(("typed", "rc", "message"), REFUSED)
def test_it_refuses_with_the_real_exit_code(typed, rc, message):
    outcome = ipfw_rules("add %s\n" % typed)[1]

    assert outcome.rc == rc
    assert message in outcome.stderr[-1]
    assert outcome.stderr[-1].startswith("Line 1: ")


@pytest.mark.parametrize(
    "typed",
    [
        "allow tcp from any to any 70000",
        "allow ip from 10.0.0.1 to 2001:db8::1",
        "allow tcp from any to any 2000-1000",
        "allow udp from any to any setup",
        "allow icmp from 2001:db8::1 to any",
        "allow ip6 from any to any icmptypes 8",
        "70000 allow ip from any to any",
        "allow ip from 10.0.0.0/x to any",
        "allow esp from any to any 22",
    ],
)
def test_strict_mode_refuses_what_is_silently_wrong(typed):
    assert ipfw_rules("add %s\n" % typed)[1].rc == 0
    outcome = ipfw_rules("add %s\n" % typed, strict=True)[1]
    assert outcome.rc == 65
    assert "strict:" in outcome.stderr[-1]


@pytest.fixture
def host(posed):
    made = posed(pf=False)
    assert made.run("kldload", "ipfw").rc == 0
    return made


def test_without_the_module_every_command_fails_in_its_own_way(posed):
    host = posed(pf=False)

    answer = host.run("ipfw", "list")
    assert (answer.rc, answer.err) == (71, "ipfw: retrieving config failed: Protocol not available\n")
    answer = host.run("ipfw", "add", "allow", "ip", "from", "any", "to", "any")
    assert (answer.rc, answer.err) == (69, "ipfw: getsockopt(IP_FW_XADD): Protocol not available\n")
    assert host.run("ipfw", "-n", "add", "allow", "ip", "from", "any", "to", "any").rc == 0
    assert host.run("sysctl", "net.inet.ip.fw.enable").err == "sysctl: unknown oid 'net.inet.ip.fw.enable'\n"
    assert host.run("ipfw", "-f", "flush").rc == 69


def test_loading_the_module_denies_unless_told_to_accept(posed):
    denying, accepting = posed(pf=False), posed(pf=False)
    accepting.run("kenv", "net.inet.ip.fw.default_to_accept=1")
    for host in (denying, accepting):
        host.run("kldload", "ipfw")

    assert denying.run("ipfw", "list").out == "65535 deny ip from any to any\n"
    assert accepting.run("ipfw", "list").out == "65535 allow ip from any to any\n"
    assert accepting.run("sysctl", "-n", "net.inet.ip.fw.default_to_accept").out == "1\n"


def test_numbers_follow_the_last_rule_in_steps(host):
    host.run("ipfw", "add", "250", "allow", "ip", "from", "any", "to", "any")
    assert host.run("ipfw", "add", "deny", "tcp", "from", "any", "to", "any").out == "00350 deny tcp from any to any\n"
    host.run("sysctl", "net.inet.ip.fw.autoinc_step=10")
    assert host.run("ipfw", "add deny udp from any to any").out == "00360 deny udp from any to any\n"


def test_delete_takes_all_rules_of_a_number_and_reports_a_missing_one(host):
    for _again in range(2):
        host.run("ipfw", "-q", "add", "100", "allow", "ip", "from", "any", "to", "any")
    assert host.run("ipfw", "delete", "100").rc == 0
    assert host.run("ipfw", "list").out == "65535 deny ip from any to any\n"
    assert host.run("ipfw", "delete", "100").err == "ipfw: rule 100 not found\n"
    answer = host.run("ipfw", "list", "100")
    assert (answer.rc, answer.err) == (69, "ipfw: rule 100 does not exist\n")


def test_sets_are_swapped_at_once(host):
    host.run("ipfw", "-q", "add", "100", "allow", "ip", "from", "any", "to", "any")
    assert host.run("ipfw", "set", "disable", "30").rc == 0
    host.run("ipfw", "-q", "add", "100", "set", "30", "deny", "ip", "from", "any", "to", "any")

    assert "deny" not in host.run("ipfw", "list", "100").out
    assert "# DISABLED 00100 set 30 deny" in host.run("ipfw", "-S", "list").out
    assert host.run("ipfw", "set", "swap", "0", "30").rc == 0
    assert host.run("ipfw", "list", "100").out == "00100 deny ip from any to any\n"
    assert host.run("ipfw", "set", "show").out.startswith("disable 30 enable 0 1 2")
    host.run("ipfw", "delete", "set", "30")
    assert "allow" not in host.run("ipfw", "-S", "list").out


def test_the_reserved_set_survives_a_flush(host):
    host.run("ipfw", "add", "10", "set", "31", "allow", "tcp", "from", "any", "to", "me", "22")
    host.run("ipfw", "add", "20", "deny", "ip", "from", "any", "to", "any")

    assert host.run("ipfw", "-f", "flush").out == "Flushed all rules.\n"
    assert host.run("ipfw", "list").out == "00010 allow tcp from any to me 22\n65535 deny ip from any to any\n"
    assert host.run("ipfw", "-a", "list").out.splitlines()[0] == "00010 0 0 allow tcp from any to me 22"


def test_a_file_stops_at_the_first_bad_line_with_the_rest_in_force(host):
    host.write("/etc/rules", "# comment\n\nadd 100 allow ip from any to any\nadd 200 bogus\nadd 300 deny ip from any to any\n")

    answer = host.run("ipfw", "-q", "/etc/rules")

    assert answer.rc == 65
    assert answer.err.startswith("Line 4: invalid action bogus")
    assert host.run("ipfw", "list").out == "00100 allow ip from any to any\n65535 deny ip from any to any\n"
    assert host.run("ipfw", "-n", "/etc/rules").rc == 65
    assert host.run("ipfw", "/nowhere").rc == 64


def test_tables_have_their_own_commands(host):
    table = ("ipfw", "table", "hf_blk")
    assert host.run(*table, "create", "type", "addr").rc == 0
    assert host.run(*table, "create").rc == 71
    assert host.run(*table, "create", "or-flush").rc == 0
    assert host.run(*table, "add", "203.0.113.9/24", "5").out == "added: 203.0.113.0/24 5\n"
    answer = host.run(*table, "add", "203.0.113.0/24")
    assert (answer.rc, answer.err) == (71, "ipfw: Adding record failed: record already exists\n")
    assert host.run("ipfw", "-q", "table", "hf_blk", "add", "203.0.113.0/24", "7").rc == 0
    assert host.run(*table, "list").out == "203.0.113.0/24 7\n"
    assert host.run(*table, "lookup", "203.0.113.77").rc == 0
    answer = host.run(*table, "delete", "10.0.0.1")
    assert (answer.rc, answer.err) == (71, "ipfw: Deleting record failed: record not found\n")
    host.run("ipfw", "table", "hf_new", "create")
    host.run("ipfw", "table", "hf_new", "add", "2001:db8::/32")
    assert host.run(*table, "swap", "hf_new").rc == 0
    assert host.run("ipfw", "table", "all", "list").out == (
        "--- table(hf_blk), set(0) ---\n2001:db8::/32 0\n--- table(hf_new), set(0) ---\n203.0.113.0/24 7\n"
    )
    host.run("ipfw", "add", "deny", "ip", "from", "table(hf_blk)", "to", "any")
    answer = host.run(*table, "destroy")
    assert (answer.rc, answer.err) == (71, "ipfw: failed to destroy table hf_blk: Device busy\n")
    assert host.run("ipfw", "table", "hf_new", "destroy").rc == 0
    assert host.run("ipfw", "table", "hf_new", "list").rc == 71


def test_an_atomic_add_is_all_or_nothing(host):
    host.run("ipfw", "table", "t", "create")
    host.run("ipfw", "table", "t", "add", "10.0.0.1")

    assert host.run("ipfw", "table", "t", "atomic", "add", "10.0.0.2", "0", "10.0.0.1", "0").rc == 71
    assert host.run("ipfw", "table", "t", "list").out == "10.0.0.1/32 0\n"


def test_a_logging_rule_takes_its_amount_from_the_kernel(host):
    host.run("sysctl", "net.inet.ip.fw.verbose_limit=50")

    assert (
        host.run("ipfw", "add", "deny", "log", "ip", "from", "any", "to", "any").out == "00100 deny log logamount 50 ip from any to any\n"
    )


def test_nat_needs_its_module(host):
    assert host.run("ipfw", "nat", "1", "config", "if", "em0").rc == 69
    host.run("kldload", "ipfw_nat")
    assert host.run("ipfw", "nat", "1", "config", "if", "em0", "same_ports").out == "ipfw nat 1 config if em0 same_ports\n"
    assert host.run("ipfw", "nat", "1", "show", "config").out == "ipfw nat 1 config if em0 same_ports\n"


def test_status_follows_the_switch_of_the_kernel(host):
    assert host.run("service", "ipfw", "status").out == "ipfw is enabled\n"
    assert host.run("ipfw", "disable", "firewall").rc == 0
    answer = host.run("service", "ipfw", "status")
    assert (answer.rc, answer.out) == (1, "ipfw is not enabled\n")


def test_a_reboot_runs_the_script_that_rc_conf_names(posed):
    host = posed(pf=False)
    host.write("/etc/ipfw.rules", "add 100 allow tcp from any to me 22\n")
    host.run("sysrc", "firewall_enable=YES")
    host.run("sysrc", "firewall_type=%s/etc/ipfw.rules" % host.root)

    host.reboot()

    assert "00100" in host.run("ipfw", "list").out
    assert "00100 allow tcp from any to me 22\n" in host.run("ipfw", "list").out
    assert host.run("kldstat", "-q", "-m", "ipfw").rc == 0
    host.run("sysrc", "firewall_enable=NO")
    host.reboot()
    assert host.run("kldstat", "-q", "-m", "ipfw").rc == 1


def test_a_file_may_come_from_standard_input(host):
    answer = host.run("ipfw", "-q", "/dev/stdin", stdin="add 100 allow tcp from any to any 22 in // ssh, a  b # and more\n\n")
    assert (answer.rc, answer.out, answer.err) == (0, "", "")
    assert host.run("ipfw", "list", "100").out == "00100 allow tcp from any to any 22 in // ssh,a b\n"


def test_a_line_longer_than_the_buffer_is_read_as_several(host):
    long = "table long add " + " ".join("10.%d.%d.0/24 0" % (n // 250, n % 250) for n in range(400)) + "\n"
    host.run("ipfw", "table", "long", "create", "type", "addr")
    answer = host.run("ipfw", "-q", "/dev/stdin", stdin=long)
    assert (answer.rc, answer.err) == (68, "Line 1: hostname ``10.1.'' unknown\n")


def test_flow_tables_have_exact_keys_in_a_fixed_order(host):
    assert host.run("ipfw", "table", "f", "create", "type", "flow:dst-port,src-ip,proto").rc == 0
    assert host.run("ipfw", "-q", "table", "f", "add", "192.0.2.1,tcp,22", "0", "2001:db8::1,17,53", "0").rc == 0
    assert host.run("ipfw", "table", "f", "list").out == "192.0.2.1,6,22 0\n2001:db8::1,17,53 0\n"
    assert "type: flow:src-ip,proto,dst-port" in host.run("ipfw", "table", "f", "info").out
    assert host.run("ipfw", "table", "f", "add", "192.0.2.0/24,tcp,22").rc == 71
    assert host.run("ipfw", "table", "f", "add", "192.0.2.1,tcp").rc == 65
    # Without the kernel the type of a table is guessed from the key.
    assert host.run("ipfw", "-n", "table", "f", "add", "192.0.2.1,tcp,22").rc == 64
    assert host.run("ipfw", "add", "100", "allow", "ip", "from", "any", "to", "any", "flow", "table(f)", "in").out == (
        "00100 allow ip from any to any flow table(f) in\n"
    )


def test_the_kernel_has_room_for_so_many_tables(host):
    host.run("sysctl", "net.inet.ip.fw.tables_max=1")
    assert host.run("ipfw", "table", "a", "create").rc == 0
    answer = host.run("ipfw", "table", "b", "create")
    assert (answer.rc, answer.err) == (71, "ipfw: Table creation failed: Device busy\n")


def test_a_sign_before_icmp6types_is_lost_as_in_the_real_tool(host):
    line = ["add", "100", "allow", "ipv6-icmp", "from", "any", "to", "any", "not", "icmp6types", "128"]
    assert host.run("ipfw", *line).out == "00100 allow ipv6-icmp from any to any icmp6types 128\n"
