# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a ufw, planned, applied with the real iptables, made to last and undone."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.backend import Ufw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.files import AFTER, CONF, INIT
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import needs_namespace
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import restore, rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.ufw.ufw_host import UfwHost
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import standard_guard

pytestmark = needs_namespace
USER, BEFORE = "/etc/ufw/user.rules", "/etc/ufw/before.rules"


@pytest.fixture(params=["nft", "legacy"])
def host(request):
    """A host with an enabled ufw that lets SSH in."""
    found = UfwHost(request.param)
    yield found
    found.close()


@pytest.fixture
def off():
    """A host with a ufw that is installed and off."""
    found = UfwHost(enabled=False)
    yield found
    found.close()


def document(*rules, **words):
    return parse_policy({"rules": [{"action": "allow", **one} for one in rules], **words}).guarded(standard_guard())


def put(host, wanted, **words):
    """Put a policy in force for good; returns what undoes it, and whether something was to do."""
    backend = Ufw(host)
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, wanted, **words)
    if not transaction.commands:
        return None
    backend.validate(transaction)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    assert Ufw(host).read().listing == transaction.after
    return snapshot


def put_rule(host, one, place=place_present):
    """Put a rule in, or with ``place_absent`` out; returns whether there was something to do."""
    backend = Ufw(host)
    ruleset = backend.read()
    edits = place(backend, ruleset, one).edits
    if not edits:
        return False
    transaction = backend.plan(ruleset, edits)
    backend.validate(transaction)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    assert Ufw(host).read().listing == transaction.after
    return True


def take_rule(host, one):
    return put_rule(host, one, place_absent)


WEB = ({"port": 80, "comment": "web"}, {"action": "deny", "port": 81}, {"protocol": "icmp", "icmp_type": 8, "limit": "6/minute"})


def test_what_is_in_force_is_what_ufw_loads_at_boot(host):
    put(host, document(*WEB))
    before = Ufw(host).read().listing
    host.start()
    assert Ufw(host).read().listing == before


def test_a_second_time_nothing_is_to_do_and_removal_gives_every_byte_back(host):
    files, listing = host.texts(), Ufw(host).read().listing
    assert put(host, document(*WEB)) is not None
    assert put(host, document(*WEB)) is None
    assert [one.comment for one in Ufw(host).read_policy(Ufw(host).read()).rules] == ["web", None, None]
    assert put(host, None) is not None
    assert host.texts() == files
    assert Ufw(host).read().listing == listing
    assert put(host, None) is None


NAT = [
    {"type": "masquerade", "interface": "eth1"},
    {"type": "dnat", "interface": "eth0", "port": 443, "to": ["192.0.2.5", "2001:db8::5"], "to_port": 8443},
    {"type": "redirect", "port": 81, "to_port": 80},
]


def nat_of(host):
    return [line for tool in ("iptables", "ip6tables") for line in host.shell("%s -t nat -S" % tool).splitlines()]


def test_translations_come_once_however_often_ufw_starts_and_go_without_a_trace(host):
    files, mode, kernel = {**host.texts()}, host.mode(INIT), nat_of(host)
    assert put(host, document(*WEB, nat=NAT)) is not None
    ours, listing = nat_of(host), Ufw(host).read().listing
    assert ours.count("-A POSTROUTING -j holdfast-postrouting") == 2
    for _time in range(2):
        host.start()
        assert nat_of(host) == ours
        assert Ufw(host).read().listing == listing
    assert put(host, document(*WEB, nat=NAT)) is None
    assert len(Ufw(host).read_policy(Ufw(host).read()).nat) == len(document(nat=NAT).nat)
    assert put(host, document(*WEB)) is not None
    assert (nat_of(host), host.read(INIT), host.mode(INIT)) == (kernel, files[INIT], mode)
    assert put(host, document(*WEB, nat=NAT)) is not None
    assert put(host, None) is not None
    assert (nat_of(host), host.texts(), host.mode(INIT)) == (kernel, files, mode)


def test_translations_that_are_not_confirmed_are_taken_back_from_kernel_and_files(host):
    backend = Ufw(host)
    files, mode, kernel, ruleset = host.texts(), host.mode(INIT), nat_of(host), backend.read()
    snapshot = put(host, document(*WEB, nat=NAT))
    host.write("/etc/undo", snapshot.script.replace("/etc/ufw", host._moved("/etc/ufw")))
    assert restore(host, replace(snapshot, script=host.read("/etc/undo"))).ok
    assert (nat_of(host), host.texts(), host.mode(INIT)) == (kernel, files, mode)
    assert Ufw(host).read().listing == ruleset.listing


def test_translations_rest_while_ufw_is_switched_off(host):
    put(host, document(*WEB, nat=NAT))
    ours = nat_of(host)
    for state, there in (("disabled", False), ("enabled", True)):
        backend = Ufw(host)
        transaction = backend.plan_switch(backend.read(), state, [])
        backend.apply(transaction)
        backend.persist(transaction.persist)
        assert Ufw(host).read().listing == transaction.after
        assert ("holdfast" in "".join(nat_of(host))) is there
    assert nat_of(host) == ours


def test_the_administrators_translations_and_hooks_stay_and_ours_come_first(host):
    mine = "*nat\n-A POSTROUTING -o eth9 -j MASQUERADE\nCOMMIT\n"
    host.write(BEFORE, mine + host.read(BEFORE), 0o640)
    script = "#!/bin/sh\ntouch %s/ran\n" % host.folder
    host.write(INIT, script, 0o755)
    host.shell("iptables -t nat -A POSTROUTING -o eth9 -j MASQUERADE")
    files = host.texts()
    put(host, document(*WEB, nat=NAT))
    chain = [line for line in nat_of(host) if line.startswith("-A POSTROUTING")]
    assert chain[:2] == ["-A POSTROUTING -j holdfast-postrouting", "-A POSTROUTING -o eth9 -j MASQUERADE"]
    host.start()
    assert (host.folder / "ran").exists()
    assert put(host, document(*WEB, nat=NAT)) is None
    put(host, None)
    assert (host.texts(), host.mode(INIT)) == (files, 0o755)
    assert "holdfast" not in "".join(nat_of(host))


def test_what_ufw_did_not_run_before_it_does_not_run_with_our_hook(host):
    host.write(INIT, "#!/bin/sh\ntouch %s/ran\n" % host.folder, 0o640)
    put(host, document(*WEB, nat=NAT))
    host.start()
    assert not (host.folder / "ran").exists()


@pytest.mark.parametrize("text", ["", "#!/usr/bin/perl\nexit 0;\n"])
def test_translations_are_refused_where_there_is_no_place_for_the_hook(host, text):
    host.write(INIT, text)
    with pytest.raises(HoldfastError, match="put the file of the package ufw back"):
        put(host, document(*WEB, nat=NAT))


@pytest.mark.parametrize(
    "hand",
    [
        "iptables -t nat -F holdfast-postrouting",
        "ip6tables -t nat -D PREROUTING -j holdfast-prerouting",
        "iptables -t nat -A POSTROUTING -j holdfast-postrouting",
        "iptables -t nat -I POSTROUTING -o eth7 -j MASQUERADE",
        "chmod 640 %s",
    ],
)
def test_translations_that_were_changed_by_hand_are_seen_and_put_right(host, hand):
    put(host, document(*WEB, nat=NAT))
    text = Ufw(host).live_text()
    host.shell(hand.replace("%s", host._moved(INIT)))
    assert Ufw(host).live_text() != text
    assert put(host, document(*WEB, nat=NAT)) is not None
    assert host.mode(INIT) == 0o750
    assert Ufw(host).live_text() == text


def test_the_kernel_changes_before_the_files_and_is_put_back_exactly(host):
    backend = Ufw(host)
    files, ruleset = host.texts(), backend.read()
    transaction = backend.plan_policy(ruleset, document(*WEB))
    snapshot = backend.snapshot(ruleset, transaction)
    backend.validate(transaction)
    backend.apply(transaction)
    assert host.texts() == files
    assert "holdfast-input" in host.shell("iptables-save")
    assert restore(host, snapshot).ok
    assert Ufw(host).read().listing == ruleset.listing


@pytest.mark.parametrize(
    "hand",
    [
        "iptables -I ufw-before-input -p tcp --dport 99 -j ACCEPT",
        "iptables -I INPUT -p tcp --dport 99 -j ACCEPT",
        "iptables -F",
        "ip6tables -F ufw6-user-input",
        "iptables -D holdfast-input 1",
        "iptables -P INPUT ACCEPT",
    ],
)
def test_an_edit_by_hand_is_seen_and_put_right(host, hand):
    put(host, document(*WEB))
    listing, text = Ufw(host).read().listing, Ufw(host).live_text()
    host.shell(hand)
    assert Ufw(host).live_text() != text
    assert put(host, document(*WEB)) is not None
    if "INPUT -p" in hand:
        host.shell("iptables -D INPUT -p tcp --dport 99 -j ACCEPT")
    assert Ufw(host).read().listing == listing


def test_the_administrators_rules_stay_behind_ours_and_go_when_the_policy_is_to_be_alone(host):
    put(host, document(*WEB))
    text = host.read(USER)
    assert text.index(b"holdfast default".hex()) < text.index(b"my ssh".hex())
    put(host, document(*WEB), alone=True)
    assert b"my ssh".hex() not in host.read(USER)


def test_bans_of_fail2ban_stay_in_front(host):
    ban = "\n### tuple ### reject any any 0.0.0.0/0 any 203.0.113.9 in comment=%s\n-A ufw-user-input -s 203.0.113.9 -j REJECT\n"
    host.write(USER, host.read(USER).replace("### RULES ###\n", "### RULES ###\n" + ban % b"by Fail2Ban after 5 attempts".hex()))
    host.start()
    put(host, document(*WEB), alone=True)
    text = host.read(USER)
    assert text.index("203.0.113.9") < text.index(b"holdfast 1: web".hex())
    assert put(host, document(*WEB), alone=True) is None


def test_a_file_that_somebody_changed_in_the_meantime_is_not_overwritten(host):
    backend = Ufw(host)
    transaction = backend.plan_policy(backend.read(), document(*WEB))
    host.write(USER, host.read(USER) + "# mine\n")
    with pytest.raises(HoldfastError, match="changed by somebody else in the meantime"):
        backend.persist(transaction.persist)


@pytest.mark.parametrize("enabled", ["yes", "no"])
def test_a_ban_made_while_a_change_waits_is_in_force_after_its_rollback_unless_ufw_was_switched_off(host, enabled):
    backend = Ufw(host)
    ruleset = backend.read()
    transaction = backend.plan(ruleset, place_present(backend, ruleset, rule(port=8080)).edits)
    snapshot, _ruleset = carry_out_at_run_time(backend, ruleset, transaction)
    ban = (
        "\n### tuple ### deny any any 0.0.0.0/0 any 192.0.2.9 in comment=%s\n-A ufw-user-input -s 192.0.2.9 -j DROP\n"
        % b"by Fail2Ban".hex()
    )
    host.write(USER, host.read(USER).replace("### RULES ###\n", "### RULES ###\n" + ban))
    host.write(CONF, "ENABLED=%s\n" % enabled)
    assert restore(host, replace(snapshot, script=snapshot.script.replace("/etc/ufw", host._moved("/etc/ufw")))).ok
    assert [line for line in lines_of(host, "ufw-user-input") if "8080" in line] == []
    assert any("192.0.2.9" in line for line in lines_of(host, "ufw-user-input")) is (enabled == "yes")
    assert Ufw(host).read().chains[0].entries[0].native[0].startswith("deny in from 192.0.2.9")


def lines_of(host, chain="ufw-before-input"):
    return [line for line in host.shell("iptables -S %s" % chain).splitlines() if line.startswith("-A")]


def tuples_of(host, family=4):
    return [line for line in host.read("/etc/ufw/user%s.rules" % ("" if family == 4 else "6")).splitlines() if "### tuple" in line]


def test_a_list_of_sources_is_several_rules_that_come_and_go_together(host):
    files = host.texts()
    two = ["192.0.2.1", "192.0.2.9"]
    assert put_rule(host, rule(port=8080, source=two[0]))
    both = rule(port=8080, source=two, comment="both")
    assert put_rule(host, both)
    assert len(tuples_of(host)) == 3
    assert not put_rule(host, both)
    assert not put_rule(host, rule(port=8080, source=two[1]))
    assert put_rule(host, rule(port=8080, source=[*two, "192.0.2.77"]))
    assert take_rule(host, rule(port=8080, source=["192.0.2.77", "192.0.2.88"]))
    assert take_rule(host, both)
    assert not take_rule(host, both)
    assert host.texts() == files


@pytest.mark.parametrize(
    "words",
    [
        {"port": 2222, "limit": "6/minute"},
        {"port": 2222, "limit": "10/hour", "limit_per": "source"},
        {"port": 2222, "source": "!192.0.2.0/24"},
        {"port": 2222, "log": True, "log_prefix": "hf ", "comment": 'it\'s "so" $(id)'},
        {"protocol": "icmp", "icmp_type": [0, 13]},
        {"protocol": "icmpv6", "icmp_type": 139},
        {"protocol": "sctp", "port": 9},
        {"protocol": 89, "action": "deny"},
        {"port": 25, "direction": "out", "action": "deny", "destination": "!192.0.2.0/24"},
        {"port": 80, "direction": "forward", "stateful": True, "interface": "eth0", "out_interface": "eth1"},
    ],
)
def test_a_rule_that_tuples_cannot_say_lasts_comes_once_and_goes_without_a_trace(host, words):
    files, before = host.texts(), Ufw(host).read().listing
    one = rule(**words)
    assert put_rule(host, one)
    assert not put_rule(host, one)
    assert len(tuples_of(host)) == 1
    listing = Ufw(host).read().listing
    host.start()
    assert Ufw(host).read().listing == listing
    assert put_rule(host, rule(port=8080))
    assert take_rule(host, rule(port=8080))
    assert take_rule(host, one)
    assert (host.texts(), Ufw(host).read().listing) == (files, before)


def test_a_rule_that_ufw_status_does_not_show_says_where_it_stands(host):
    backend = Ufw(host)
    ruleset = backend.read()
    transaction = backend.plan(ruleset, place_present(backend, ruleset, rule(port=2222, limit="6/minute")).edits)
    assert [note for note in transaction.persist["notes"] if "ufw status does not show it, it stands in /etc/ufw/after.rules" in note]
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    assert restore(host, snapshot).ok
    assert Ufw(host).read().listing == ruleset.listing


def test_a_deny_that_tuples_cannot_say_goes_before_the_allow_that_it_is_to_beat(host):
    assert put_rule(host, rule(action="deny", port=22, source="!192.0.2.0/24"))
    assert "--dport 22 -j DROP" in lines_of(host)[-2]
    assert lines_of(host)[-1] == "-A ufw-before-input -j ufw-user-input"


def test_an_allow_that_tuples_cannot_say_stays_behind_what_they_deny(host):
    put_rule(host, rule(action="deny", port=80, source="192.0.2.9"))
    assert put_rule(host, rule(port=80, limit="6/minute"))
    assert "--dport 80 -m limit --limit 6/min -j ACCEPT" in lines_of(host, "ufw-after-input")[0]
    assert put_rule(host, rule(action="deny", port=80, source="192.0.2.13"))
    assert len(tuples_of(host)) == 3
    assert put_rule(host, rule(action="deny", port=80, source="!10.0.0.0/8"))
    assert ["DROP" in line for line in lines_of(host, "ufw-after-input")] == [True, False]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_rule_that_belongs_between_two_tuples_is_refused(host, order):
    two = [rule(port=80, source="192.0.2.9"), rule(port=80)]
    for number in order:
        put_rule(host, two[number])
    files, listing = host.texts(), Ufw(host).read().listing
    with pytest.raises(HoldfastError, match=r"has no place on ufw.* has to stand before .* and behind .*192.0.2.9"):
        put_rule(host, rule(action="deny", port=80, source="!10.0.0.0/8"))
    assert (host.texts(), Ufw(host).read().listing) == (files, listing)


def test_a_tuple_that_counts_has_its_place_too(host):
    limit = "\n### tuple ### limit tcp 22 0.0.0.0/0 any 192.0.2.0/24 in\n-A ufw-user-input -s 192.0.2.0/24 -j ufw-user-limit\n"
    host.write(USER, host.read(USER).replace("### RULES ###\n", "### RULES ###\n" + limit))
    host.start()
    with pytest.raises(HoldfastError, match=r"behind limit in proto tcp from 192\.0\.2\.0/24 to any port 22"):
        put_rule(host, rule(action="deny", port=22, source="!10.0.0.0/8"))
    assert put_rule(host, rule(action="deny", port=22, source="!192.0.2.0/24"))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("limit tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in", {"port": 2222}),
        ("limit tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in", {"action": "reject", "port": 2222, "source": "192.0.2.0/24"}),
        ("limit any 2222 0.0.0.0/0 any 0.0.0.0/0 in", {"port": 2222, "protocol": "udp"}),
        ("limit any any 0.0.0.0/0 any 192.0.2.0/24 in", {"port": 2222, "comment": "a part of it"}),
        ("allow tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in_eth+", {"port": 2222, "interface": "eth0"}),
        ("limit tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in", {"port": 2222, "source": "!192.0.2.0/24"}),
    ],
)
def test_a_rule_that_stops_packets_goes_before_what_lets_them_through_by_count_or_on_many_interfaces(host, written, words):
    item = "\n### tuple ### %s\n-A ufw-user-input -p tcp --dport 2222 -j ufw-user-limit-accept\n" % written
    host.write(USER, host.read(USER).replace("### RULES ###\n", "### RULES ###\n" + item))
    host.start()
    one = rule(**{"action": "deny", "family": "ipv4", **words})
    assert put_rule(host, one)
    at = next(number for number, line in enumerate(lines_of(host, "ufw-user-input")) if "limit-accept" in line)
    lines = lines_of(host) + lines_of(host, "ufw-user-input")[:at]
    assert any("2222" in line and line.split()[-1] in ("DROP", "tcp-reset") for line in lines)
    assert not put_rule(host, one)
    assert take_rule(host, one)


def test_what_is_narrower_and_counts_stays_the_exception_of_a_rule_that_stops_packets(host):
    item = "\n### tuple ### limit tcp 2222 0.0.0.0/0 any 192.0.2.0/24 in\n-A ufw-user-input -p tcp --dport 2222 -j ufw-user-limit\n"
    host.write(USER, host.read(USER).replace("### RULES ###\n", "### RULES ###\n" + item))
    host.start()
    for action in ("deny", "allow"):
        assert put_rule(host, rule(action=action, port=2222))
        assert tuples_of(host)[0].split()[3] == "limit"
        assert take_rule(host, rule(action=action, port=2222))


def test_rules_go_before_those_that_ufw_does_not_show_where_they_have_to(host):
    put_rule(host, rule(port_range="8000-9000", limit="6/minute"))
    put_rule(host, rule(action="deny", port=8500))
    put_rule(host, rule(action="reject", port=8500, source="192.0.2.1", log=True))
    assert "--dport 8500 -j DROP" in "".join(lines_of(host, "ufw-user-input"))
    assert "LOG" in lines_of(host)[-3]
    assert take_rule(host, rule(action="reject", port=8500, source="192.0.2.1"))
    assert not put_rule(host, rule(action="deny", port=8500))
    assert take_rule(host, rule(action="deny", port=8500))
    assert take_rule(host, rule(port_range="8000-9000", limit="6/minute"))
    assert "holdfast" not in host.read(BEFORE) + host.read(AFTER[4])


def test_a_log_that_tuples_cannot_say_takes_the_rule_to_before_rules(host):
    files = host.texts()
    assert put_rule(host, rule(port=22, log=True, log_prefix="ssh ", comment="my ssh"))
    assert not tuples_of(host)
    assert not tuples_of(host, 6)
    assert "ssh " in lines_of(host, "ufw-after-input")[0]
    assert not put_rule(host, rule(port=22, log=True, log_prefix="ssh "))
    assert put_rule(host, rule(port=22, log=False))
    assert "LOG" not in "".join(lines_of(host, "ufw-after-input"))
    assert take_rule(host, rule(port=22))
    assert host.texts()[AFTER[4]] == files[AFTER[4]]


def test_beside_a_policy_such_a_rule_is_for_the_document(host):
    put_rule(host, rule(port=2222, limit="6/minute"))
    put(host, document(*WEB))
    assert "2222" in host.read(AFTER[4])
    with pytest.raises(HoldfastError, match="write it into the document"):
        put_rule(host, rule(action="deny", protocol="sctp", port=9))
    put(host, document(*WEB), alone=True)
    assert "2222" not in host.read(AFTER[4])


def test_lines_that_were_changed_by_hand_are_left_alone(host):
    put_rule(host, rule(port=2222, limit="6/minute"))
    host.write(AFTER[4], host.read(AFTER[4]).replace("--limit 6/min", "--limit 7/min"))
    host.start()
    put_rule(host, rule(port=2222, limit="6/minute"))
    assert [line.count("7/min") for line in lines_of(host, "ufw-after-input")] == [1, 0]
    assert take_rule(host, rule(port=2222, limit="6/minute"))
    assert "7/min" in lines_of(host, "ufw-after-input")[0]


def test_a_rule_goes_before_what_defeats_it_and_comes_once(host):
    assert put_rule(host, rule(action="deny", port=22, source="192.0.2.0/24", comment="not from there"))
    assert not put_rule(host, rule(action="deny", port=22, source="192.0.2.0/24", comment="not from there"))
    text = host.read(USER)
    assert text.index("192.0.2.0/24") < text.index(b"my ssh".hex())
    assert not put_rule(host, rule(port=22))
    before = Ufw(host).read().listing
    host.start()
    assert Ufw(host).read().listing == before


def test_a_rule_that_goes_leaves_the_file_as_it_was(host):
    files = host.texts()
    put_rule(host, rule(port=8080))
    backend = Ufw(host)
    ruleset = backend.read()
    transaction = backend.plan(ruleset, place_absent(backend, ruleset, rule(port=8080)).edits)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    assert host.texts() == files


def test_what_before_rules_lets_through_can_be_denied_but_for_exceptions(host):
    files, listing = host.texts(), Ufw(host).read().listing
    mdns = {"protocol": "udp", "port": 5353, "destination": "224.0.0.251"}
    assert put_rule(host, rule(action="deny", **mdns))
    assert not put_rule(host, rule(action="deny", **mdns))
    assert "holdfast-first-input" in lines_of(host)[0]
    ours = lines_of(host, "holdfast-first-input")
    assert [line.rpartition(" ")[2] for line in ours] == ["RETURN", "RETURN", "DROP"]
    assert put_rule(host, rule(source="192.0.2.1", **mdns))
    assert "-s 192.0.2.1/32" in lines_of(host, "holdfast-first-input")[2]
    before = Ufw(host).read().listing
    host.start()
    assert Ufw(host).read().listing == before
    put(host, document(*WEB))
    assert put(host, document(*WEB)) is None
    put(host, None)
    assert Ufw(host).read().listing == before
    assert take_rule(host, rule(source="192.0.2.1", **mdns))
    assert take_rule(host, rule(action="deny", **mdns))
    assert (host.texts(), Ufw(host).read().listing) == (files, listing)


def test_neighbour_discovery_that_before_rules_passes_can_be_denied_and_several_types_of_it_say_what_is_left(host):
    files, listing = host.texts(), Ufw(host).read().listing
    redirects = rule(action="deny", protocol="icmpv6", icmp_type=135, source="2001:db8::/32")
    assert put_rule(host, redirects)
    chain = host.shell("ip6tables -S holdfast-first-input")
    assert "-s 2001:db8::/32 -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j DROP" in chain
    assert take_rule(host, redirects)
    assert (host.texts(), Ufw(host).read().listing) == (files, listing)
    backend = Ufw(host)
    ruleset = backend.read()
    several = rule(action="deny", protocol="icmpv6", icmp_type=[128, 135, 136])
    notes = " ".join(backend.plan(ruleset, place_present(backend, ruleset, several).edits).persist["notes"])
    assert "decided before by -A ufw6-before-input -p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j ACCEPT" in notes


def test_a_rule_that_ufw_decides_before_its_own_rules_is_refused_where_it_has_no_place_before_them(host):
    mdns = {"protocol": "udp", "port": 5353, "destination": "224.0.0.251"}
    put_rule(host, rule(port=5353, protocol="udp", destination="224.0.0.251", source="192.0.2.1"))
    with pytest.raises(HoldfastError, match=r"would have no effect.*before\.rules.*5353"):
        put_rule(host, rule(action="deny", **mdns))


def test_rules_that_are_listed_and_not_loaded_are_put_in_force(host):
    host.shell("iptables -F ufw-user-input")
    backend = Ufw(host)
    transaction = backend.wake(backend.read())
    backend.apply(transaction)
    assert "--dport 22" in host.shell("iptables -S ufw-user-input")
    assert Ufw(host).wake(Ufw(host).read()) is None


def test_an_allow_on_a_ufw_that_is_off_leaves_it_off_and_says_so(off):
    assert put_rule(off, rule(port=8080))
    backend = Ufw(off)
    ruleset = backend.read()
    assert not backend.is_enabled(ruleset)
    assert "### tuple ### allow tcp 8080" in off.read(USER)
    assert "ufw is off" in backend.asleep(ruleset)
    assert backend.wake(ruleset) is None
    assert not put_rule(off, rule(port=8080))
    assert "-P INPUT ACCEPT" in off.shell("iptables -S INPUT")


@pytest.mark.parametrize("words", [{"action": "deny", "port": 23}, {"action": "reject", "port": 113}])
def test_a_rule_that_stops_packets_is_refused_on_a_ufw_that_is_off(off, words):
    before = off.read(USER)
    with pytest.raises(HoldfastError, match="switch it on first"):
        put_rule(off, rule(**words))
    assert off.read(USER) == before


def test_switched_on_a_ufw_that_was_off_lets_ssh_in(off):
    backend = Ufw(off)
    transaction = backend.plan_switch(backend.read(), "enabled", [rule(port=22)])
    backend.apply(transaction)
    backend.persist(transaction.persist)
    assert Ufw(off).is_enabled(Ufw(off).read())
    assert "ENABLED=yes" in off.read("/etc/ufw/ufw.conf")
    assert "-A ufw-user-input -p tcp --dport 22 -j ACCEPT" in off.read(USER)
    assert "-P INPUT DROP" in off.shell("iptables -S INPUT")


def test_enabling_adds_no_rule_for_what_the_policy_lets_through(host):
    put(host, document({"port": 80}))
    backend = Ufw(host)
    ruleset = backend.read()
    assert backend.plan_switch(ruleset, "enabled", [rule(port=22)]).commands == ()
    added = backend.plan_switch(ruleset, "enabled", [rule(port=[22, 10050])])
    assert "allow tcp 10050 0.0.0.0/0" in added.after
    assert added.after.count("allow tcp 22") == ruleset.listing.count("allow tcp 22")


def test_switching_on_is_undone_exactly(off):
    backend = Ufw(off)
    ruleset = backend.read()
    transaction = backend.plan_switch(ruleset, "enabled", [rule(port=22)])
    snapshot, _ruleset = carry_out_at_run_time(backend, ruleset, transaction)
    assert restore(off, snapshot).ok
    assert Ufw(off).read().listing == ruleset.listing


def carry_out_at_run_time(backend, ruleset, transaction):
    snapshot = backend.snapshot(ruleset, transaction)
    backend.validate(transaction)
    backend.apply(transaction)
    return snapshot, ruleset


def test_switched_off_lets_everything_pass_and_on_again_gives_the_rules_back(host):
    before = Ufw(host).read().listing
    for state, enabled in (("disabled", False), ("enabled", True)):
        backend = Ufw(host)
        transaction = backend.plan_switch(backend.read(), state, [])
        backend.apply(transaction)
        backend.persist(transaction.persist)
        assert Ufw(host).is_enabled(Ufw(host).read()) is enabled
        if not enabled:
            assert "-P INPUT ACCEPT" in host.shell("iptables -S INPUT")
    assert Ufw(host).read().listing == before


def test_a_flush_keeps_what_is_asked_for(host):
    put(host, document(*WEB))
    backend = Ufw(host)
    ruleset = backend.read()
    keep = {"ufw-user-input (ipv4)": [rule(port=2200, stateful=True, family="ipv4", comment="mine")]}
    transaction = backend.plan_flush(ruleset, keep)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    assert "--dport 2200" in host.shell("iptables -S ufw-user-input")
    assert "holdfast" not in host.shell("iptables-save") + host.read(BEFORE) + host.read(USER)


def test_a_rule_of_a_policy_is_no_rule_for_itself(host):
    put(host, document({"port": 80, "comment": "web"}))
    backend = Ufw(host)
    assert not place_absent(backend, backend.read(), rule(port=80)).edits
    text = host.read(USER)
    put_rule(host, rule(port=80))
    assert not put_rule(host, rule(port=80))
    assert text.partition(b"my ssh".hex())[0] == host.read(USER).partition(b"my ssh".hex())[0]
    backend = Ufw(host)
    assert len({edit.chain.name for edit in place_absent(backend, backend.read(), rule(port=80)).edits}) == 2


def test_sets_that_the_administrators_lines_name_are_known(host):
    if host.which("ipset") is None:
        pytest.skip("ipset is not installed")
    host.shell("ipset create mine hash:ip")
    line = "-A ufw-before-input -m set --match-set mine src -j DROP\nCOMMIT"
    host.write(BEFORE, host.read(BEFORE).replace("COMMIT", line))
    host.shell("iptables -I ufw-before-input 5 -m set --match-set mine src -j DROP")
    put(host, document(*WEB))
    assert "--match-set mine src" in host.shell("iptables -S ufw-before-input")
    assert put(host, document(*WEB)) is None


def test_a_restart_that_went_wrong_is_undone(host):
    put(host, document(*WEB))
    backend = Ufw(host)
    ruleset = backend.read()
    snapshot = backend.snapshot(ruleset, backend.plan_switch(ruleset, "restarted", []))
    host.shell("iptables -F; iptables -F ufw-user-input; iptables -X ufw-user-limit; ip6tables -P INPUT ACCEPT")
    assert restore(host, snapshot).ok
    assert Ufw(host).read().listing == ruleset.listing


def test_files_that_ufw_could_not_load_are_told_before_a_restart(host):
    host.write(USER, host.read(USER).replace("--dport 22", "--dport nonsense"))
    backend = Ufw(host)
    with pytest.raises(HoldfastError, match="iptables refuses a line of ufw's files"):
        backend.plan_switch(backend.read(), "restarted", [])


def test_a_new_comment_changes_the_file_alone(host):
    kernel = host.shell("iptables-save -t filter | grep ^-A")
    assert put_rule(host, rule(port=22, comment="the way in"))
    assert not put_rule(host, rule(port=22, comment="the way in"))
    assert b"the way in".hex() in host.read(USER)
    assert b"my ssh".hex() not in host.read(USER)
    assert host.shell("iptables-save -t filter | grep ^-A") == kernel


def test_a_rule_that_goes_from_a_ufw_that_is_off_leaves_it_off(off):
    put_rule(off, rule(port=8080))
    backend = Ufw(off)
    transaction = backend.plan_switch(backend.read(), "disabled", [])
    backend.apply(transaction)
    backend.persist(transaction.persist)
    backend = Ufw(off)
    ruleset = backend.read()
    transaction = backend.plan(ruleset, place_absent(backend, ruleset, rule(port=8080)).edits)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    assert "8080" not in off.read(USER)
    assert not Ufw(off).is_enabled(Ufw(off).read())


def test_a_direction_is_refused_whose_tuples_decide_for_docker_too(host):
    docker = ":DOCKER-USER - [0:0]\n-A DOCKER-USER -j ufw-user-forward\n-A DOCKER-USER -j RETURN -s 10.0.0.0/8\nCOMMIT"
    host.write(AFTER[4], host.read(AFTER[4]).replace("COMMIT", docker))
    host.start()
    with pytest.raises(HoldfastError, match=r"after.rules has '-A DOCKER-USER -j ufw-user-forward'.*defaults.forward: unmanaged"):
        put(host, document(*WEB))
    assert put(host, document(*WEB, defaults={"forward": "unmanaged"}))
    assert not put(host, document(*WEB, defaults={"forward": "unmanaged"}))
    assert put_rule(host, rule(port=80, direction="forward", destination="172.17.0.2"))


def test_files_keep_their_permissions_and_their_owner(host):
    os.chown(host._moved(BEFORE), 7, 4)
    for path, mode in ((BEFORE, 0o600), (USER, 0o644)):
        os.chmod(host._moved(path), mode)
    for wanted in (document(*WEB), None):
        put(host, wanted)
        assert (host.mode(BEFORE), host.mode(USER)) == (0o600, 0o644)
        assert (os.stat(host._moved(BEFORE)).st_uid, os.stat(host._moved(BEFORE)).st_gid) == (7, 4)


@pytest.mark.parametrize("how", ["policy", "flush"])
def test_what_is_taken_away_goes_from_the_files_of_ipv6_too_where_ufw_leaves_ipv6_alone_by_now(host, how):
    files = host.texts()
    put(host, document(*WEB))
    put_rule(host, rule(port=8080, source="2001:db8::/32"))
    assert take_rule(host, rule(port=8080, source="2001:db8::/32"))
    host.write("/etc/default/ufw", "IPV6=no\n")
    host.start()
    backend = Ufw(host)
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, None) if how == "policy" else backend.plan_flush(ruleset, {})
    backend.apply(transaction)
    backend.persist(transaction.persist)
    host.write("/etc/default/ufw", "IPV6=yes\n")
    assert "holdfast" not in "".join(host.texts().values())
    assert how == "flush" or host.texts() == files
    backend = Ufw(host)
    assert not backend.plan_policy(backend.read(), None).commands


def test_a_rule_for_ipv6_is_refused_where_ufw_drops_all_of_it(host):
    host.write("/etc/default/ufw", "IPV6=no\n")
    backend = Ufw(host)
    assert [one.field for one in backend.unsupported(rule(port=80, family="ipv6"))] == ["family"]
    assert backend.normalise(rule(port=80)).family == 4
    assert "family" in [one.field for one in backend.policy_unsupported(document({"port": 80}))]
    assert {chain.families for chain in backend.read().chains if chain.base} == {frozenset({4})}
