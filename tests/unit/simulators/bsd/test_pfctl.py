# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in pfctl as a command: state, messages, exit codes, atomic loads, tables, anchors, what a reboot does."""

from __future__ import annotations

import plistlib

import pytest

RULES = 'table <hf_blk> persist { 203.0.113.0/24 }\nblock in log all label "hf:0"\npass in proto tcp to port 22 label "hf:1"\n'


def test_nothing_works_before_the_module_is_loaded(posed):
    host = posed(pf=False)

    answer = host.run("pfctl", "-sr")
    assert (answer.rc, answer.err) == (1, "pfctl: /dev/pf: No such file or directory\n")
    assert host.run("pfctl", "-nf", "-", stdin="pass\n").rc == 0
    assert not (host.root / "dev/pf").exists()
    host.run("kldload", "pf")
    assert host.run("pfctl", "-sr").rc == 0
    assert (host.root / "dev/pf").exists()


def test_enable_and_disable_report_what_is_so_already(posed):
    host = posed()

    assert host.run("pfctl", "-si").out.startswith("Status: Disabled")
    assert host.run("pfctl", "-s", "Running").rc == 1
    assert host.run("pfctl", "-d").err == "pfctl: pf not enabled\n"
    assert host.run("pfctl", "-e").err == "pf enabled\n"
    answer = host.run("pfctl", "-e")
    assert (answer.rc, answer.err) == (1, "pfctl: pf already enabled\n")
    assert host.run("pfctl", "-si").out.startswith("Status: Enabled for 0 days 00:00:")
    assert host.run("pfctl", "-d").err == "pf disabled\n"


def test_a_file_is_loaded_whole_or_not_at_all(posed):
    host = posed()
    host.write("/etc/pf.conf", RULES)
    assert host.run("pfctl", "-f", "/etc/pf.conf").rc == 0
    before = host.run("pfctl", "-P", "-sr").out

    answer = host.run("pfctl", "-f", "-", stdin="pass out\nbogus\n")

    assert answer.rc == 1
    assert answer.err == "stdin:2: syntax error\npfctl: Syntax error in config file: pf rules not loaded\n"
    assert (
        host.run("pfctl", "-P", "-sr").out
        == before
        == ('block drop in log all label "hf:0"\npass in proto tcp from any to any port = 22 flags S/SA keep state label "hf:1"\n')
    )


def test_a_check_changes_nothing_and_says_only_what_is_wrong(posed):
    host = posed()

    answer = host.run("pfctl", "-nf", "-", stdin="pass in to port 22\n")
    assert answer.rc == 1
    assert "Syntax error in config file" not in answer.err
    answer = host.run("pfctl", "-nvf", "-", stdin='ext = "em0"\n' + RULES)
    assert answer.out.splitlines()[:3] == ['ext = "em0"', "table <hf_blk> persist { 203.0.113.0/24 }", 'block drop in log all label "hf:0"']
    assert host.run("pfctl", "-sr").out == ""


def test_a_missing_file_is_named(posed):
    answer = posed().run("pfctl", "-f", "/nowhere/pf.conf")

    assert answer.rc == 1
    assert answer.err.startswith("pfctl: /nowhere/pf.conf: No such file or directory\n")


def test_an_anchor_is_loaded_and_listed_on_its_own(posed):
    host = posed()
    host.run("pfctl", "-f", "-", stdin='anchor "holdfast"\npass\n')

    assert host.run("pfctl", "-a", "holdfast", "-f", "-", stdin="block in proto tcp to port 25\n").rc == 0
    assert host.run("pfctl", "-a", "holdfast", "-P", "-sr").out == "block drop in proto tcp from any to any port = 25\n"
    assert host.run("pfctl", "-sr").out == 'anchor "holdfast" all\npass all flags S/SA keep state\n'
    assert host.run("pfctl", "-sA").out == "  holdfast\n"
    assert 'anchor "holdfast" all {\n  block drop in proto tcp' in host.run("pfctl", "-a", "*", "-P", "-sr").out
    host.run("pfctl", "-f", "-", stdin='anchor "holdfast"\npass\n')
    assert host.run("pfctl", "-a", "holdfast", "-sr").out != ""


def test_load_anchor_reads_the_other_file_too(posed):
    host = posed()
    host.write("/etc/web.conf", "pass in proto tcp to port 80\n")
    text = 'anchor "web"\nload anchor "web" from "/etc/web.conf"\n'

    assert host.run("pfctl", "-f", "-", stdin=text).rc == 0
    assert host.run("pfctl", "-a", "web", "-P", "-sr").out == "pass in proto tcp from any to any port = 80 flags S/SA keep state\n"
    host.write("/etc/web.conf", "bogus\n")
    assert host.run("pfctl", "-f", "-", stdin=text).rc == 1
    assert "Loading anchor web from /etc/web.conf" not in host.run("pfctl", "-nf", "-", stdin=text).err


def test_the_rules_of_a_loaded_file_follow_the_others_and_only_stderr_says_so(posed):
    """As pfctl prints it."""
    host = posed()
    host.write("/etc/web.conf", "pass in proto tcp to port 80\n")
    shown = host.run("pfctl", "-P", "-nvf", "-", stdin='anchor "web"\nload anchor "web" from "/etc/web.conf"\n')

    assert shown.out == 'anchor "web" all\npass in proto tcp from any to any port = 80 flags S/SA keep state\n'
    assert shown.err == "\nLoading anchor web from /etc/web.conf\n"


@pytest.mark.parametrize("flavour", ["macos", "freebsd-12.1"])
def test_the_last_part_of_an_anchors_name_is_all_that_old_parsers_show_of_it_until_it_is_loaded(posed, flavour):
    """As pfctl of macOS and of FreeBSD 12 prints it."""
    host = posed(flavour)
    text = 'anchor "com.apple/*"\nanchor "web"\nanchor "a/b"\n'
    listed = 'anchor "com.apple/*" all\nanchor "web" all\nanchor "a/b" all\n'

    assert host.run("pfctl", "-nvf", "-", stdin=text).out == 'anchor "/*" all\nanchor "web" all\nanchor "/b" all\n'
    host.run("pfctl", "-f", "-", stdin=text)
    assert host.run("pfctl", "-sr").out == listed


def test_a_rule_without_name_shows_its_body(posed):
    host = posed()
    host.run("pfctl", "-f", "-", stdin="anchor in on em0 {\nblock\n}\n")

    assert host.run("pfctl", "-sr").out == "anchor in on em0 all {\n  block drop all\n}\n"


def test_translation_is_listed_apart(posed):
    host = posed()
    host.run("pfctl", "-f", "-", stdin="nat on em0 inet from 10.0.0.0/24 to any -> (em0)\npass\n")

    assert host.run("pfctl", "-sn").out == "nat on em0 inet from 10.0.0.0/24 to any -> (em0) round-robin\n"
    assert "nat" not in host.run("pfctl", "-sr").out
    assert host.run("pfctl", "-F", "rules").err == "rules cleared\n"
    assert host.run("pfctl", "-sn").out
    assert host.run("pfctl", "-F", "nat").err == "nat cleared\n"
    assert not host.run("pfctl", "-sn").out


def test_tables_change_from_the_command_line(posed):
    host = posed()
    host.run("pfctl", "-f", "-", stdin=RULES + "block from <hf_blk>\n")
    table = ("pfctl", "-t", "hf_blk", "-T")

    assert host.run("pfctl", "-sT").out == "hf_blk\n"
    assert host.run(*table, "show").out == "   203.0.113.0/24\n"
    assert host.run(*table, "add", "192.0.2.1", "203.0.113.0/24").err == "1/2 addresses added.\n"
    assert host.run(*table, "test", "203.0.113.9", "192.0.2.1").err == "2/2 addresses match.\n"
    answer = host.run(*table, "test", "198.51.100.1")
    assert (answer.rc, answer.err) == (1, "0/1 addresses match.\n")
    assert host.run(*table, "delete", "192.0.2.1").err == "1/1 addresses deleted.\n"
    assert host.run(*table, "replace", "2001:db8::/32").err == "1 addresses added.\n1 addresses deleted.\n"
    assert host.run(*table, "replace", "2001:db8::/32").err == "no changes.\n"
    assert host.run(*table, "flush").err == "1 addresses deleted.\n"
    assert host.run("pfctl", "-t", "other", "-T", "show").err == "pfctl: Table does not exist.\n"
    assert host.run("pfctl", "-t", "other", "-T", "add", "10.0.0.1").err == "1 table created.\n1/1 addresses added.\n"
    answer = host.run(*table, "add", "nonsense")
    assert (answer.rc, answer.err) == (1, "no IP address found for nonsense\npfctl: cannot decode nonsense\n")


def test_a_reload_keeps_what_a_table_without_a_list_holds(posed):
    host = posed()
    text = "table <kept> persist\ntable <empty> persist { }\ntable <gone> { 10.0.0.1 }\npass\n"
    assert host.run("pfctl", "-f", "-", stdin=text).rc == 0
    host.run("pfctl", "-t", "kept", "-T", "add", "10.0.0.1")
    host.run("pfctl", "-t", "empty", "-T", "add", "10.0.0.1")

    host.run("pfctl", "-f", "-", stdin=text)

    assert host.run("pfctl", "-t", "kept", "-T", "show").out == "   10.0.0.1\n"
    assert host.run("pfctl", "-t", "empty", "-T", "show").out == ""
    assert host.run("pfctl", "-t", "gone", "-T", "show").rc == 1


def test_a_constant_table_stays_as_it_is(posed):
    host = posed()
    host.run("pfctl", "-f", "-", stdin="table <c> const persist { 10.0.0.1 }\npass from <c>\n")

    assert host.run("pfctl", "-t", "c", "-T", "add", "10.0.0.2").err == "pfctl: Operation not permitted.\n"


def test_unknown_options_and_words_end_with_usage(posed):
    host = posed()
    for argv in (["-W"], ["-s", "nonsense"], ["-F", "nonsense"], ["rules"], ["-T", "show"], ["-f"]):
        answer = host.run("pfctl", *argv)
        assert answer.rc == 1, argv
        assert "usage: pfctl" in answer.err


def test_rules_are_gone_after_a_reboot_and_come_back_from_rc_conf(posed):
    host = posed()
    host.write("/etc/pf.conf", RULES)
    host.run("pfctl", "-f", "/etc/pf.conf", "-e")

    host.reboot()
    assert host.run("pfctl", "-sr").rc == 1
    assert not (host.root / "dev/pf").exists()
    assert host.run("sysrc", "pf_enable=YES").out == "pf_enable: NO -> YES\n"
    host.reboot()

    assert host.run("pfctl", "-si").out.startswith("Status: Enabled")
    assert len(host.run("pfctl", "-sr").out.splitlines()) == 2


def test_a_broken_file_at_boot_leaves_freebsd_open_and_openbsd_with_its_minimal_rules(posed):
    freebsd = posed()
    freebsd.write("/etc/pf.conf", "bogus\n")
    freebsd.run("sysrc", "pf_enable=YES")
    freebsd.reboot()
    openbsd = posed("openbsd")
    openbsd.write("/etc/pf.conf", "bogus\n")
    openbsd.reboot()

    assert freebsd.run("pfctl", "-si").out.startswith("Status: Enabled")
    assert freebsd.run("pfctl", "-sr").out == ""
    assert "pass in proto tcp from any to any port = 22 flags S/SA\n" in openbsd.run("pfctl", "-sr").out
    assert openbsd.run("rcctl", "disable", "pf").rc == 0
    openbsd.reboot()
    assert openbsd.run("pfctl", "-si").out.startswith("Status: Disabled")


def test_macos_counts_references_and_is_off_after_a_reboot(posed):
    host = posed("macos")
    token = host.run("pfctl", "-E").err.split("Token : ")[1].strip()

    assert token in host.run("pfctl", "-s", "References").out
    host.run("pfctl", "-X", token)
    assert host.run("pfctl", "-si").out.startswith("Status: Disabled")
    host.write("/etc/pf.conf", "pass\n")
    host.run("pfctl", "-E")
    host.reboot()
    assert host.run("pfctl", "-si").out.startswith("Status: Disabled")
    assert host.run("pfctl", "-sr").out == "pass all flags S/SA keep state\n"


def test_launchctl_keeps_the_books(posed):
    host = posed("macos")
    host.run("pfctl", "-si")
    host.write("/Library/LaunchDaemons/x.plist", plistlib.dumps({"Label": "org.example.x", "ProgramArguments": ["/usr/bin/true"]}).decode())

    assert host.run("launchctl", "list", "org.example.x").rc == 113
    assert host.run("launchctl", "bootstrap", "system", "/Library/LaunchDaemons/x.plist").rc == 0
    assert host.run("launchctl", "list", "org.example.x").rc == 0
    assert host.run("launchctl", "bootout", "system/org.example.x").rc == 0
    assert host.run("launchctl", "list", "org.example.x").rc == 113
