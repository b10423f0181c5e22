# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole policies as scripts of netsh: they decide as the ordered list does, and are read back as they were written."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.backend import Windows
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.netsh_line import LONGEST
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.scope import Scope
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.windows.packets import expected, packets
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.windows.windows_host import texts_of, verdict
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies, standard_guard

WEB = {"action": "allow", "port": 443}
PLAIN = (None, None, 6, 6, 6, 17, 17, 1, 58, 50, 47)
SCOPES = (
    Scope(profiles=("private",)), Scope(profiles=("domain", "public")), Scope(program="C:\\Program Files\\app\\app.exe"),
    Scope(program="C:\\other.exe", profiles=("public",)), Scope(service="TermService"),
    Scope(program="%SystemRoot%\\system32\\svchost.exe", service="dnscache"),
)  # fmt: skip


@st.composite
def carried(draw, scopes=True):
    """A policy of which Windows has words for every rule, though perhaps not for their order."""
    log = draw(st.sampled_from((None, None, Log())))
    policy = draw(policies(
        limits=False, logs=False, forward=False, nat=False, guard=True, interfaces=(), out_interfaces=False, protocols=PLAIN,
        defaults=("allow", "deny"), management=False,
    ))  # fmt: skip
    rules = []
    for rule in policy.rules:
        scope = draw(st.sampled_from((None, None, None, *SCOPES))) if scopes else None
        rules.append(replace(rule, action="deny" if rule.action == "reject" else rule.action, scope=scope))
    return replace(policy, rules=tuple(rules), log_denied=log)


def backend():
    return Windows(PaperHost())


def policy(rules, guard=True, **defaults):
    document = {"defaults": {"in": "deny", "out": "unmanaged", "forward": "unmanaged", **defaults}, "rules": rules}
    found, _warnings = parse_policy_document(document)
    made = tuple(rule for rule in standard_guard() if found.defaults[rule.direction] != "unmanaged")
    return found.guarded(made) if guard else found


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(carried(), st.integers(0, 2**32))
def test_a_random_policy_is_refused_or_decides_as_its_list_and_comes_back(wanted, seed):
    one = backend()
    refused = one.policy_unsupported(wanted)
    if refused:
        assert all("order cannot be kept" in reason.reason for reason in refused), refused
        return
    text = one.render_policy(wanted)
    assert all(len(line) <= LONGEST for line in text.splitlines())
    texts, defaults = texts_of(text)
    for packet in packets(wanted, random.Random(seed)):
        if wanted.defaults[packet.direction] == "unmanaged":
            continue
        default = defaults[packet.direction]
        if "unmanaged" in (wanted.defaults["in"], wanted.defaults["out"]):
            default = "allow" if one._compile(wanted)[packet.direction].default == "allow" else "block"
        assert verdict(texts, default, packet) == expected(wanted, packet), (vars(packet), text)
    found = backend().parse_policy(text)
    assert (found.rules, found.guard, dict(found.defaults)) == (wanted.rules, wanted.guard, dict(wanted.defaults))
    assert found.log_denied == wanted.log_denied
    assert differ(found, wanted) is None
    assert backend().render_policy(found) == text


def natives(text, number):
    """The lines of one rule of the document, without their names and descriptions."""
    lines = [line for line in text.splitlines() if 'name="hf:%s' % number in line]
    return [line.partition('" ')[2].partition(" description=")[0] for line in lines]


def test_rules_that_do_not_overlap_are_one_rule_of_windows_each():
    text = backend().render_policy(
        policy([{"action": "allow", "port": [80, 443]}, {"action": "deny", "protocol": "udp", "port": 53, "source": "203.0.113.0/24"}])
    )
    assert natives(text, "0000") == ["dir=in action=allow enable=yes profile=any protocol=tcp localport=80,443"]
    assert natives(text, "0001") == ["dir=in action=block enable=yes profile=any protocol=udp remoteip=203.0.113.0/24 localport=53"]


def test_an_allow_before_a_deny_is_cut_out_of_the_block():
    text = backend().render_policy(
        policy([{"action": "allow", "port": 8080, "source": "10.0.0.0/8"}, {"action": "deny", "port": 8080, "family": "ipv4"}])
    )
    assert natives(text, "0001") == [
        "dir=in action=block enable=yes profile=any protocol=tcp remoteip=0.0.0.0-9.255.255.255,11.0.0.0-255.255.255.255 localport=8080"
    ]


def test_a_deny_of_everything_needs_no_block_where_nothing_behind_it_allows():
    text = backend().render_policy(policy([{"action": "allow", "port": 443}, {"action": "deny", "protocol": "any"}]))
    assert natives(text, "0001") == ["dir=in action=block enable=no profile=any protocol=any"]


def test_a_default_of_allow_with_denies_of_everything_becomes_a_default_of_block():
    text = backend().render_policy(
        policy([{"action": "deny", "direction": "out", "protocol": "any", "destination": "10.0.0.0/8"}], out="allow", **{"in": "unmanaged"})
    )
    assert natives(text, "default-out") == [
        "dir=out action=allow enable=yes profile=any protocol=any remoteip=0.0.0.0-9.255.255.255,11.0.0.0-255.255.255.255,%s"
        % "::/1,8000::/1"
    ]


def test_an_allow_of_a_program_behind_a_deny_of_another_program_is_carried():
    rules = [
        {"action": "deny", "protocol": "tcp", "program": "C:\\one.exe"}, {"action": "allow", "port": 443, "program": "C:\\two.exe"},
    ]  # fmt: skip
    text = backend().render_policy(policy(rules))
    assert natives(text, "0001") == ['dir=in action=allow enable=yes profile=any protocol=tcp localport=443 program="C:\\two.exe"']


def test_what_cannot_keep_its_order_is_refused_with_its_place():
    rules = [
        {"name": "app", "action": "allow", "direction": "out", "port": 443, "program": "C:\\one.exe"},
        {"name": "rest", "action": "deny", "direction": "out", "port": 443, "program": "%ProgramFiles%\\two.exe"},
        {"name": "web", "action": "allow", "direction": "out", "port": 443},
    ]
    (refused,) = backend().policy_unsupported(policy(rules, out="deny"))
    assert refused.field == "rules[1] (rest)"
    assert "Put it before the allows" in refused.reason


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"action": "reject", "port": 80}, "action"), ({"action": "allow", "port": 80, "interface": "eth0"}, "interface"),
        ({"action": "allow", "port": 80, "limit": "6/minute"}, "limit"), ({"action": "allow", "port": 80, "log": True}, "log"),
        ({"action": "allow", "protocol": "sctp", "port": 80}, "port"),
        ({"action": "allow", "port": 80, "program": "/Applications/App.app"}, "program"),
        ({"action": "allow", "port": 80, "program": "C:\\caf\u00e9.exe"}, "program"),
        ({"action": "allow", "port": 80, "direction": "forward"}, "direction"),
    ],
)  # fmt: skip
def test_what_windows_has_no_words_for_is_refused_with_the_reason(words, field):
    wanted = policy([words], forward="deny" if words.get("direction") else "unmanaged")
    (refused,) = backend().policy_unsupported(wanted)
    assert refused.field == "rules[0].%s" % field
    with pytest.raises(HoldfastError, match="Windows cannot carry"):
        backend().render_policy(wanted)


def test_more_rules_than_windows_can_bear_are_refused_at_once():
    wanted = policy([{"action": "allow", "port": 1 + number % 65000} for number in range(6001)])
    assert "too many rules" in backend().policy_unsupported(wanted)[0].reason


def test_a_deny_of_everything_behind_many_allows_is_carried_where_the_default_allows():
    rules = [
        {"action": "allow", "direction": "out", "port": 1 + 2 * number, "destination": "10.%d.0.0/16" % number} for number in range(200)
    ]
    text = backend().render_policy(policy([*rules, {"action": "deny", "direction": "out", "protocol": "any"}], out="allow"))
    assert natives(text, "default-out") == []
    assert text.count("action=block enable=yes") == 0


def test_a_policy_that_does_not_begin_with_known_connections_is_refused():
    assert {one.field for one in backend().policy_unsupported(policy([], guard=False))} == {"guard"}


def test_two_thousand_addresses_become_lines_that_netsh_can_read():
    listed = ["198.%d.%d.%d" % (18 + number // 65536, number // 256 % 256, number % 256) for number in range(0, 4000, 2)]
    wanted = policy([{"action": "allow", "port": 443, "source": listed}])
    text = backend().render_policy(wanted)
    assert max(len(line) for line in text.splitlines()) <= LONGEST
    assert backend().parse_policy(text).rules == wanted.rules


def test_loopback_is_not_named_since_it_passes_by_itself():
    text = backend().render_policy(policy([{"action": "allow", "port": 80, "source": ["127.0.0.1", "::1"]}, dict(WEB, destination="::1")]))
    assert natives(text, "0000") == ["dir=in action=allow enable=yes profile=any protocol=tcp remoteip=127.0.0.1 localport=80"]
    assert natives(text, "0001") == ["dir=in action=block enable=no profile=any protocol=any"], "and by no means any address"
    assert natives(text, "0002") == natives(text, "0001")
    assert len(backend().parse_policy(text).rules) == 3, "one for each family of the first, and the second"


def test_no_range_of_ipv6_begins_with_an_address_that_windows_refuses():
    rules = [
        {"action": "allow", "port": 80, "source": "!2001:db8::/32"}, {"action": "allow", "port": 81, "source": "!::1"},
        {"action": "allow", "port": 82, "source": "!::"}, {"action": "allow", "port": 83, "family": "ipv6"},
    ]  # fmt: skip
    wanted = policy(rules)
    text = backend().render_policy(wanted)
    top = "ffff:" * 7 + "ffff"
    assert [natives(text, "000%d" % number)[0].split("remoteip=")[1].split()[0] for number in range(4)] == [
        "::/3,2000::-2001:db7:%s,2001:db9::-%s" % ("ffff:" * 5 + "ffff", top), "::,::2-%s" % top, "::2-%s" % top, "::/1,8000::/1",
    ]  # fmt: skip
    assert texts_of(text)[0], "the stand-in takes it"
    assert backend().parse_policy(text).rules == wanted.rules


@pytest.mark.parametrize("scope", [
    {"program": "C:\\" + "long name\\" * 24 + "app.exe"}, {"program": "C:\\" + "p" * 250 + ".exe", "system_service": "s" * 40},
    {"system_service": "s" * 256},
])  # fmt: skip
def test_a_long_program_or_service_leaves_room_in_a_line_for_many_addresses_and_ports(scope):
    networks = ["2001:db8:%x:%x:aaaa:bbbb:%x:0/112" % (number, number * 7, number) for number in range(1, 31)]
    rules = [
        {
            "action": "allow", "port": ["%d" % port for port in range(1001, 1040, 2)], "source": networks, "profile": ["domain", "private"],
            "source_port": ["%d" % port for port in range(20001, 20040, 2)], "destination": "2001:db8::1-2001:db8::ffff:1",
            "comment": "x" * 60, **scope,
        }
    ]  # fmt: skip
    wanted = policy(rules)
    text = backend().render_policy(wanted)
    assert max(len(line) for line in text.splitlines()) <= LONGEST
    assert backend().parse_policy(text).rules == wanted.rules


def test_a_program_and_a_service_that_no_line_has_room_for_are_refused():
    rules = [{"action": "allow", "port": 80, "program": "C:\\" + "p" * 250, "system_service": "s" * 200}]
    assert [one.field for one in backend().policy_unsupported(policy(rules))] == ["rules[0].system_service"]


LOGGED = "advfirewall set allprofiles logging droppedconnections enable"


def logging(words, rules=(WEB,), **defaults):
    return replace(policy(list(rules), **defaults), log_denied=words)


def test_a_log_of_what_is_denied_is_a_setting_of_the_profiles():
    wanted = logging(Log())
    text = backend().render_policy(wanted)
    assert LOGGED in text.splitlines()
    assert backend().parse_policy(text).log_denied == Log()
    assert "logging" not in backend().render_policy(policy([WEB]))


def test_where_no_default_denies_there_is_nothing_to_log():
    wanted = logging(Log(), out="allow", **{"in": "allow"})
    assert LOGGED not in backend().render_policy(wanted)
    assert backend().parse_policy(backend().render_policy(wanted)).log_denied == Log()
    assert not backend().remarks(wanted)


@pytest.mark.parametrize(("log", "field"), [(Log("denied "), "logging.log_prefix"), (Log(None, Rate(6, 60)), "logging.log_limit")])
def test_a_text_or_a_limit_of_a_log_is_refused(log, field):
    assert [one.field for one in backend().policy_unsupported(logging(log))] == [field]


def test_that_windows_logs_more_than_was_asked_for_is_told():
    assert "every packet that it drops" in backend().remarks(logging(Log()))[0]
    assert "pfirewall.log" in backend().remarks(logging(Log()))[0]
    assert not backend().remarks(policy([WEB]))


def test_a_log_that_was_switched_off_by_hand_is_seen():
    text = backend().render_policy(logging(Log()))
    with pytest.raises(HoldfastError, match=r"log of dropped packets .* by hand"):
        backend().parse_policy(text.replace(LOGGED, LOGGED.replace("enable", "disable")))


def test_comments_come_back_and_bring_nothing_into_the_script():
    nasty = 'a "quoted" %PATH% & echo ^ | x > y < z `$(id)` \u00e9\u4e2d = , ; ~41 @x'
    text = backend().render_policy(policy([{"action": "allow", "port": 80, "comment": nasty}]))
    assert backend().parse_policy(text).rules[0].comment == nasty
    assert text.isascii()
    assert not set("%&^|<>`$") & set(text)
    assert all(line.count('"') % 2 == 0 for line in text.splitlines())


@pytest.mark.parametrize(
    ("old", "new"),
    [("localport=443", "localport=444"), ("enable=yes", "enable=no"), ("action=allow", "action=block"), ("blockinbound", "allowinbound"),
     ("from 192.0.2.0/24", "from 192.0.0.0/16"), ("state on", "state off")],
)  # fmt: skip
def test_an_edit_by_hand_is_seen(old, new):
    text = backend().render_policy(policy([{"action": "allow", "port": 443, "source": "192.0.2.0/24"}], out="allow"))
    assert old in text
    with pytest.raises(HoldfastError, match="by hand"):
        backend().parse_policy(text.replace(old, new))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(carried(), st.data())
def test_text_that_was_changed_anywhere_is_refused_or_says_the_same(wanted, data):
    if backend().policy_unsupported(wanted):
        return
    text = backend().render_policy(wanted)
    place = data.draw(st.integers(0, len(text) - 1))
    word = data.draw(st.sampled_from(["", " ", "0", "9", "x", '"', "\n", ",", "-", "~41"]))
    long = data.draw(st.sampled_from([1, 1, 10, 200]))
    try:
        found = backend().parse_policy(text[:place] + word + text[place + long :])
    except HoldfastError:
        return
    assert (found.rules, found.guard, dict(found.defaults)) == (wanted.rules, wanted.guard, dict(wanted.defaults))


@pytest.mark.parametrize("name", ["hf:policy", "hf:0000", "hf:0001", "hf:g03", "hf:g05"])
def test_a_rule_that_was_removed_by_hand_is_missed(name):
    text = backend().render_policy(policy([{"action": "allow", "port": 443}, {"action": "allow", "port": 80}]))
    left = "".join(line for line in text.splitlines(keepends=True) if '"%s ' % name not in line)
    with pytest.raises(HoldfastError, match=r"gone|by hand"):
        backend().parse_policy(left)
