# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and policies for programs as text, and everything else refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.backend import Macos
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.changes import commands
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.reading import parse_programs, read_state
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.state import TOOL, State
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.scope import Scope
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.macos.mac_host import APP, OTHER, app_policies
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import standard_guard
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies, policy_rules

MAC = Macos(PaperHost())
OPEN = {"in": "allow", "out": "allow", "forward": "unmanaged"}


def rule(**words):
    return parse_rule({"action": "deny", "program": APP, "protocol": "any", **words})


def refused(**words):
    return {one.field: one.reason for one in MAC.unsupported(rule(**words))}


@pytest.mark.parametrize("path", [APP, OTHER])
@pytest.mark.parametrize("action", ["allow", "deny"])
def test_a_program_and_an_action_are_carried(path, action):
    wanted = rule(program=path, action=action)
    assert MAC.unsupported(wanted) == ()
    entry = MAC.parse("\n".join(["--setglobalstate on", *MAC.render(wanted)])).chains[0].entries[0]
    assert (entry.rule, entry.weak) == (wanted, False)


def test_a_line_is_what_a_shell_takes():
    assert MAC.render(rule(program=OTHER)) == (
        """--add '/usr/local/bin/it'"'"'s $HOME'""",
        """--blockapp '/usr/local/bin/it'"'"'s $HOME'""",
    )


@pytest.mark.parametrize(
    "words",
    [
        {"protocol": "tcp"}, {"protocol": "tcp", "port": 22}, {"protocol": "udp", "source_port": 53}, {"direction": "out"},
        {"source": "192.0.2.0/24"}, {"destination": "2001:db8::1"}, {"family": "ipv4"}, {"interface": "en0"}, {"limit": "6/minute"},
        {"log": True}, {"action": "reject"}, {"protocol": "icmp", "icmp_type": 8}, {"profile": "public"}, {"system_service": "TermService"},
        {"direction": "forward", "out_interface": "en1"},
    ],
)  # fmt: skip
def test_every_other_condition_is_refused_by_its_name(words):
    names = refused(**words)
    assert names
    assert set(words) - set(names) <= {"protocol"}


def test_a_rule_for_a_port_alone_is_sent_to_pf():
    reasons = {one.field: one.reason for one in MAC.unsupported(parse_rule({"action": "allow", "port": 22}))}
    assert set(reasons) == {"program", "protocol", "port"}
    assert "backend: pf" in reasons["port"]


@pytest.mark.parametrize("path", ["C:\\app.exe", "/a/../b", "/a//b", "/./a", "/", "system", "%ProgramFiles%\\x"])
def test_a_path_that_is_none_of_a_program_is_refused(path):
    assert "program" in refused(program=path)


def test_the_slash_behind_a_folder_makes_no_difference():
    assert MAC.normalise(rule(program=APP + "/")) == MAC.normalise(rule())


@settings(max_examples=300)
@given(policy_rules(), st.one_of(st.none(), st.just(APP)))
def test_no_random_rule_is_widened(wanted, path):
    wanted = replace(wanted, scope=Scope(program=path) if path else None)
    if not MAC.unsupported(wanted):
        parsed = MAC.parse("\n".join(MAC.render(wanted))).chains[0].entries
        assert [one.rule for one in parsed] == [MAC.normalise(wanted)]


@settings(max_examples=300)
@given(app_policies())
def test_random_policies_come_back_as_they_were(wanted):
    assert MAC.policy_unsupported(wanted) == ()
    text = MAC.render_policy(wanted)
    assert MAC.parse_policy(text) == MAC.policy_as_kept(wanted)
    assert MAC.render_policy(MAC.parse_policy(text)) == text


@settings(max_examples=60)
@given(policies())
def test_random_policies_about_packets_are_refused(wanted):
    packets = [one for one in wanted.rules if one.scope is None]
    if packets or wanted.nat or wanted.log_denied or "deny" in wanted.defaults.values():
        assert MAC.policy_unsupported(wanted)


def policy(*rules, **words):
    return parse_policy({"defaults": OPEN, "rules": list(rules), **words})


DENY = {"action": "deny", "program": APP, "protocol": "any"}


def about(wanted):
    return {one.field: one.reason for one in MAC.policy_unsupported(wanted)}


def test_the_guard_needs_no_rules():
    assert about(policy(DENY).guarded(standard_guard())) == {}


@pytest.mark.parametrize("direction", ["in", "out", "forward"])
def test_a_default_that_denies_is_refused_with_what_to_say_instead(direction):
    found = about(parse_policy({"defaults": dict(OPEN, **{direction: "deny"}), "rules": [DENY]}))
    assert list(found) == ["defaults.%s" % direction]
    assert "backend: pf" in found["defaults.%s" % direction]


@pytest.mark.parametrize("program", ["/usr/libexec/sshd-keygen-wrapper", "/usr/sbin/sshd", "/opt/homebrew/sbin/sshd", "/sbin/launchd"])
def test_the_programs_of_remote_login_are_never_denied(program):
    assert list(about(policy(dict(DENY, program=program)))) == ["rules[0].program"]
    assert about(policy(dict(DENY, program=program, action="allow"))) == {}


def test_the_first_of_two_rules_for_one_program_decides():
    wanted = policy(DENY, dict(DENY, program=APP + "/", action="allow"))
    assert about(wanted) == {}
    assert MAC.render_policy(wanted) == MAC.render_policy(policy(DENY))
    assert MAC.policy_as_kept(wanted).rules == policy(DENY).rules


def test_two_programs_are_two_sets_of_packets_and_none_is_an_exception_of_the_other():
    ruleset = MAC.parse("--setglobalstate on\n--add /usr/local/bin/agent\n--unblockapp /usr/local/bin/agent\n")
    placement = place_present(MAC, ruleset, rule())
    assert (placement.exceptions, placement.defeated_by, len(placement.edits)) == ([], [], 1)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("--setblockall on", "Remote Login"), ("--setglobalstate off", "meant to be in force"), ("--setfoo on", "no setting"),
        ("--setstealthmode maybe", "no setting"), ("--blockapp /a", "write a rule"), ("--setstealthmode on; rm -rf /", "no setting"),
        ("--setstealthmode 'on", "no setting"),
    ],
)  # fmt: skip
def test_native_lines_that_are_no_harmless_setting_are_refused(line, word):
    assert word in about(policy(native={"macos": {"before": [line]}}))["native.macos.before"]


def test_settings_that_contradict_each_other_or_stand_behind_are_refused():
    twice = policy(native={"macos": {"before": ["--setstealthmode on", "socketfilterfw --setstealthmode off"]}})
    assert "other way" in about(twice)["native.macos.before"]
    assert "no order" in about(policy(native={"macos": {"after": ["--setstealthmode on"]}}))["native.macos.after"]


def test_a_policy_reads_as_an_administrator_would_type_it():
    wanted = policy(dict(DENY, comment="no: sharing"), native={"macos": {"before": ["--setstealthmode on"]}})
    assert MAC.render_policy(wanted) == (
        "# holdfast: in allow, out allow, forward unmanaged\n--setglobalstate on\n--setblockall off\n--setstealthmode on\n# no: sharing\n"
        "--add '/Applications/My App (2).app'\n--blockapp '/Applications/My App (2).app'\n"
    )


def test_text_that_takes_the_rules_out_of_force_is_no_policy():
    with pytest.raises(HoldfastError, match="out of force"):
        MAC.parse_policy("--setglobalstate off\n")


def test_a_listing_that_cannot_be_read_whole_is_refused():
    assert parse_programs("ALF: total number of apps = 1 \n\n1 :  /a (b) : c \n \t ( Block incoming connections ) \n") == {
        "/a (b) : c": "deny"
    }
    with pytest.raises(HoldfastError, match="not known"):
        parse_programs("Total number of apps = 2\n1 : /a\n  (Block incoming connections)\n")


def test_entries_that_are_there_twice_or_have_no_path_hinder_nobody():
    listed = [("/a", "Allow"), ("com.example.helper", "Block"), ("/a", "Allow"), ("/b", "Allow"), ("(null)", "Allow"), ("/b", "Block")]
    entries = "".join("%d : %s \n             (%s incoming connections)\n" % (at, *one) for at, one in enumerate(listed, 1))
    found = parse_programs("Total number of apps = 6 \n" + entries)
    assert {name: action for name, action in found.items() if action in ("allow", "deny")} == {"/a": "allow"}
    assert found["/b"] == "listed twice, allow and deny"
    assert sorted(found) == ["(null)", "/a", "/b", "com.example.helper"]
    state = State({"enabled": True}, found)
    assert MAC.parse(state.text()).chains[0].ref.programs == {"/a": "allow"}
    with pytest.raises(HoldfastError, match="could not be put back"):
        commands(state, State(state.settings, {**found, "/b": "deny"}))


@pytest.mark.parametrize("stealth, blocks, found", [
    ("Firewall stealth mode is on", "Firewall has block all state set to disabled.", (True, False)),
    ("Firewall is enabled. (State = 1)\nFirewall stealth mode is off", "Firewall has block all state set to enabled.", (False, True)),
    ("Stealth mode enabled ", "Block all DISABLED! ", (True, False)),
    ("Stealth mode disabled ", "Firewall is set to block all non-essential incoming connections", (False, True)),
])  # fmt: skip
def test_answers_of_all_releases_are_understood(stealth, blocks, found):
    signed = "Automatically allow built-in signed software ENABLED. \nAutomatically allow downloaded signed software DISABLED. \n"
    host = PaperHost({
        TOOL + " --getglobalstate": "Firewall is enabled. (State = 1)\n", TOOL + " --getblockall": blocks + "\n",
        TOOL + " --getstealthmode": stealth + "\n", TOOL + " --getallowsigned": signed, TOOL + " --getloggingmode": "usage: ...\n",
        TOOL + " --listapps": "Total number of apps = 0 \n",
    })  # fmt: skip
    settings_read = read_state(host).settings
    assert (settings_read["stealth"], settings_read["block_all"]) == found
    assert (settings_read["signed"], settings_read["downloaded"], "logging" in settings_read) == (True, False, False)
