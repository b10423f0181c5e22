# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ipfw backend on stand-in hosts: read, place, apply, restore, persist, reboot."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, assume, given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.backend import Ipfw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.packets import answer_to
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import (
    StandinHost,
    absent,
    present,
    rule,
)
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules

from holdfast_standin.ipfw_verdict import ipfw_verdict, rules_in_force  # isort: skip  # on the path since standin_host

ADMIN = """\
#!/bin/sh
ipfw -q -f flush
ipfw -q add 100 allow ip from any to any via lo0
ipfw -q add 200 allow tcp from any to me 22 in setup keep-state
ipfw -q add 300 deny ip from 203.0.113.0/24 to any // bad
ipfw -q add 65000 deny ip from any to any
"""
WANTED = [
    rule(port=8443, stateful=True, comment="web,  # and more"),
    rule("deny", protocol="any", source=",".join("!2001:db8:%x::/48" % (2 * n) for n in range(9)), log=True),
    rule("reject", port=113),
    rule(protocol="icmp", interface="em0"),
]
IDS = ["allow", "table", "reject", "icmp"]


@pytest.fixture(params=["freebsd-12.1", "freebsd-15.1"])
def fresh(request, tmp_path):
    """A host whose ipfw module is not loaded."""
    return Ipfw(StandinHost(tmp_path / "fresh", request.param))


@pytest.fixture
def backend(tmp_path):
    """A host whose administrator has a firewall script."""
    host = StandinHost(tmp_path / "host", "freebsd")
    host.must("kldload", "ipfw")
    host.write("/etc/admin.rules", ADMIN, 0o755)
    host.write("/etc/rc.conf", 'firewall_enable="YES"\nfirewall_script="%s/etc/admin.rules"\n' % host.root)
    for line in ADMIN.splitlines()[2:]:
        host.must(*line.split())
    return Ipfw(host)


def add(backend, *lines):
    for line in lines:
        backend.host.must("ipfw", "-q", "add", *line.split())


def verdict(backend, packet, earlier=()):
    kernel = json.loads((backend.host.folder / "kernel.json").read_text(encoding="utf-8"))
    return ipfw_verdict(rules_in_force(kernel["ipfw"]), packet, earlier)


FIRST = {"direction": "in", "interface": "em0", "proto": "tcp", "src": "192.0.2.1", "dst": "192.0.2.10", "sport": 40000, "dport": 80,
         "syn": True}  # fmt: skip


@pytest.mark.parametrize("wanted", WANTED, ids=IDS)
def test_a_rule_that_was_put_is_there_and_is_not_put_again(backend, wanted):
    _before, transaction, _snapshot = present(backend, wanted)
    after = backend.read()
    assert after.listing == transaction.after
    assert place_present(backend, after, wanted).edits == []


@pytest.mark.parametrize("wanted", WANTED, ids=IDS)
def test_a_restore_leaves_everything_as_it_was(backend, wanted):
    before, _transaction, snapshot = present(backend, wanted)
    for _again in range(2):
        done = backend.host.restore(snapshot)
        assert done.returncode == 0, done.stderr
        assert backend.read().listing == before.listing
    assert backend.host.must("ipfw", "table", "all", "list") == ""


@pytest.mark.parametrize("wanted", WANTED, ids=IDS)
def test_a_rule_that_is_taken_out_leaves_no_trace_and_can_be_restored(backend, wanted):
    before = backend.read().listing
    with_rule = present(backend, wanted)[1].after
    _ruleset, transaction, snapshot = absent(backend, wanted)
    assert backend.read().listing == transaction.after == before
    assert backend.host.restore(snapshot).returncode == 0
    assert backend.read().listing == with_rule


def test_the_first_rule_loads_the_module_without_locking_anybody_out(fresh):
    before, transaction, snapshot = present(fresh, WANTED[0])
    assert before.listing == ""
    assert [command.argv[0] for command in transaction.commands] == ["kenv", "kldload", "ipfw"]
    assert fresh.read().listing == transaction.after
    assert fresh.read().chains[0].default == "allow"
    for _again in range(2):
        assert fresh.host.restore(snapshot).returncode == 0
        assert fresh.read().listing == ""


def test_the_first_rule_lasts_with_the_default_it_was_made_under(fresh):
    _before, transaction, snapshot = present(fresh, WANTED[0])
    facts = json.loads(json.dumps(transaction.persist))
    notes = fresh.persist(facts)
    assert "set net.inet.ip.fw.default_to_accept=1 in /boot/loader.conf, as it is now" in notes
    assert fresh.persist(facts) == []
    assert {"/etc/rc.conf", "/boot/loader.conf", "/etc/holdfast/ipfw.rules"} <= set(snapshot.paths)
    fresh.host.reboot()
    assert fresh.read().listing == transaction.after
    assert fresh.status()["at_boot"]


def test_the_administrators_script_goes_on_to_be_loaded_first(backend):
    changes = []
    for wanted in WANTED:
        _before, transaction, _snapshot = present(backend, wanted)
        changes.append(backend.persist(transaction.persist))
    assert "%s/etc/admin.rules goes on to be run first at boot" % backend.host.root in changes[0]
    _before, transaction, _snapshot = absent(backend, rule("deny", protocol="any", source="203.0.113.0/24", direction="in"))
    assert backend.host.read("/boot/loader.conf") is None
    backend.host.reboot()
    assert backend.read().listing == transaction.after
    assert backend.host.read("/etc/admin.rules") == ADMIN
    # A rule that the administrator adds to the script comes, too.
    backend.host.write("/etc/admin.rules", ADMIN + "ipfw -q add 400 allow udp from any to any 53 in\n", 0o755)
    backend.host.reboot()
    assert "00400 set 0 allow udp from any to any 53 in\n" in backend.read().listing


def test_a_rule_of_the_script_that_was_taken_out_stays_out(backend):
    add(backend, "310 deny tcp from any to any 25 out")
    backend.host.write("/etc/admin.rules", ADMIN + "ipfw -q add 310 deny tcp from any to any 25 out\n", 0o755)
    _before, transaction, _snapshot = absent(backend, rule("deny", port=25, direction="out"))
    backend.persist(transaction.persist)
    backend.host.reboot()
    assert backend.read().listing == transaction.after
    # Under the same number the administrator writes something else: that is not ours to take out.
    backend.host.write("/etc/admin.rules", ADMIN + "ipfw -q add 310 deny tcp from any to any 26 out\n", 0o755)
    backend.host.reboot()
    assert "00310 set 0 deny tcp from any to any 26 out" in backend.read().listing


def test_nothing_lasts_before_it_is_persisted(backend):
    before, _transaction, _snapshot = present(backend, WANTED[0])
    backend.host.reboot()
    assert backend.read().listing == before.listing


@pytest.mark.parametrize("deny", ["deny ip from any to any out", "deny tcp from any to any out", "deny ip from any to any"])
def test_the_replies_of_a_stateful_allow_pass_although_a_deny_stands_before(fresh, deny):
    present(fresh, rule("deny", protocol="udp", port=9))
    add(fresh, "200 " + deny)
    wanted = rule(port=80, stateful=True)
    _before, transaction, _snapshot = present(fresh, wanted)
    assert fresh.read().listing == transaction.after
    assert place_present(fresh, fresh.read(), wanted).edits == []
    assert verdict(fresh, FIRST).allowed
    assert verdict(fresh, answer_to(FIRST), [FIRST]).allowed
    assert not verdict(fresh, answer_to(FIRST)).allowed


def test_a_deny_that_comes_later_to_stop_replies_is_noticed(fresh):
    wanted = rule(port=80, stateful=True)
    present(fresh, wanted)
    assert "check-state" not in fresh.read().listing
    add(fresh, "50 deny ip from any to any out")
    _before, transaction, _snapshot = present(fresh, wanted)
    assert transaction.after.splitlines()[0] == "00040 set 0 check-state :default"
    assert verdict(fresh, answer_to(FIRST), [FIRST]).allowed
    assert place_present(fresh, fresh.read(), wanted).edits == []


def test_the_rule_that_passed_the_replies_of_another_leaves_them_a_check_state(fresh):
    present(fresh, rule(port=22, stateful=True))
    present(fresh, rule("deny", protocol="any", direction="out"))
    present(fresh, rule(port=80, stateful=True))
    assert verdict(fresh, answer_to(FIRST), [FIRST]).allowed
    _before, transaction, snapshot = absent(fresh, rule(port=22, stateful=True))
    assert "check-state :default" in transaction.after.splitlines()[0]
    assert fresh.read().listing == transaction.after
    assert verdict(fresh, answer_to(FIRST), [FIRST]).allowed
    assert fresh.host.restore(snapshot).returncode == 0
    assert fresh.read().listing == _before.listing


def test_numbers_begin_at_100_and_go_on_in_tens(fresh):
    for port in (1, 2, 3):
        present(fresh, rule(port=port))
    assert [entry.native[0][:5] for entry in fresh.read().chains[0].entries] == ["00100", "00110", "00120"]


def test_a_rule_goes_before_the_deny_that_defeats_it_with_a_number_between(backend):
    _before, transaction, _snapshot = present(backend, rule(port=80, stateful=True))
    assert "00310 set 0 allow tcp from any to any 80 in setup keep-state :default\n65000" in transaction.after


def test_no_free_number_is_said_in_plain_words(fresh):
    present(fresh, rule(port=9))
    add(fresh, "101 deny ip from any to any")
    with pytest.raises(HoldfastError, match="no rule number is free between 100 and 101"):
        present(fresh, rule(port=80))


def test_a_rule_with_a_new_comment_takes_the_place_of_the_old(backend):
    _before, transaction, snapshot = present(backend, rule(port=22, stateful=True, comment="ssh"))
    listed = [line for line in transaction.after.splitlines() if " 22 " in line]
    assert listed == ["00110 set 0 allow tcp from any to any 22 in setup keep-state :default // ssh"]
    assert backend.read().listing == transaction.after
    assert backend.host.restore(snapshot).returncode == 0
    assert backend.read().listing == _before.listing


def test_rules_that_share_a_number_with_a_removed_one_stay(fresh):
    present(fresh, rule(port=9))
    add(fresh, "100 allow tcp from any to any 10 in", "100 allow tcp from any to any 11 in")
    _before, transaction, snapshot = absent(fresh, rule(port=10))
    assert [entry.native[0] for entry in fresh.read().chains[0].entries] == [
        "00100 allow tcp from any to any 9 in", "00100 allow tcp from any to any 11 in",
    ]  # fmt: skip
    assert fresh.read().listing == transaction.after
    assert fresh.host.restore(snapshot).returncode == 0
    assert fresh.read().listing == _before.listing


def test_a_disabled_firewall_whose_list_is_empty_is_enabled_for_a_rule_and_put_back(fresh):
    fresh.host.must("kenv", "-q", "net.inet.ip.fw.default_to_accept=1")
    fresh.host.must("kldload", "ipfw")
    fresh.host.must("sysctl", "net.inet.ip.fw.enable=0")
    assert not fresh.sight().active
    _before, _transaction, snapshot = present(fresh, rule(port=80))
    assert fresh.status()["enabled"]
    assert fresh.host.restore(snapshot).returncode == 0
    assert not fresh.status()["enabled"]


@pytest.mark.parametrize("line", ["allow ipv6-icmp from any to me not icmp6types 9 in", "add 7 deny ip6 from any to me not  icmp6type 1"])
def test_a_raw_rule_whose_not_ipfw_would_lose_is_refused(backend, line):
    with pytest.raises(HoldfastError, match="ipfw loses the not before icmp6types"):
        backend.match_native(backend.read(), line)


def test_a_raw_rule_with_another_not_or_one_in_its_comment_is_taken(backend):
    lines = "allow icmp from any to me not icmptypes 8 in\nallow ip6 from any to me in // not icmp6types"
    assert len(backend.match_native(backend.read(), lines)) == 2


GUARD = [
    Rule("allow", "in", protocol=None, interface="lo", comment="holdfast: loopback"),
    Rule("allow", "in", protocol=None, reply=True, comment="holdfast: replies"),
    rule(port=22, stateful=True, comment="holdfast: management"),
    Rule("allow", "out", protocol=None, reply=True, comment="holdfast: replies"),
]


def test_a_flush_keeps_what_it_is_told_to_and_is_done_once(backend):
    ruleset = backend.read()
    add(backend, "500 set 31 allow tcp from any to any 5 in")
    ruleset = backend.read()
    transaction = backend.plan_flush(ruleset, {"ipfw": GUARD})
    backend.validate(transaction)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    assert [entry.native[0].partition(" ")[2] for entry in backend.read().chains[0].entries] == [
        "allow ip from any to any in recv lo0 // holdfast: loopback",
        "check-state :default",
        "allow tcp from any to any 22 in setup keep-state :default // holdfast: management",
        "allow tcp from any to any 5 in",
    ]
    assert backend.read().listing == transaction.after
    assert backend.plan_flush(backend.read(), {"ipfw": GUARD}).commands == ()
    assert backend.host.restore(snapshot).returncode == 0
    assert backend.read().listing == ruleset.listing


def test_a_flush_of_nothing_does_nothing(fresh):
    assert fresh.plan_flush(fresh.read(), {}).commands == ()
    present(fresh, rule(port=80))
    fresh.apply(fresh.plan_flush(fresh.read(), {}))
    assert fresh.read().listing == "65535 set 31 allow ip from any to any\n"
    assert fresh.plan_flush(fresh.read(), {}).commands == ()


@pytest.mark.parametrize(
    "line",
    [
        "add 250 allow tcp from any to me 8080 in // of  mine",
        "allow udp from any 67 to any 68 in",
        "ipfw add count ip from any to any",
        "pass all from 192.0.2.77/24 to any in",
    ],
)
def test_a_raw_rule_goes_in_once_whatever_words_it_uses(backend, line):
    ((chain, entry),) = backend.match_native(backend.read(), "# mine\n" + line + "\n")
    assert entry is None
    transaction = backend.plan(backend.read(), [Edit(chain, native=line)])
    backend.validate(transaction)
    backend.apply(transaction)
    assert backend.read().listing == transaction.after
    ((_chain, entry),) = backend.match_native(backend.read(), line)
    assert entry is not None
    assert backend.plan(backend.read(), [Edit(chain, remove=entry)]).after.count("\n") == 5


@pytest.mark.parametrize(
    "line", ["allow tcp from any to any 80 banana", "frobnicate ip from any to any", "allow udp from any to any setup"]
)
def test_a_raw_rule_that_ipfw_refuses_is_refused_with_what_it_said(backend, line):
    with pytest.raises(HoldfastError, match="ipfw refuses the rule"):
        backend.match_native(backend.read(), line)


def test_a_raw_line_that_is_no_rule_is_refused(backend):
    with pytest.raises(HoldfastError, match="native takes rules only"):
        backend.match_native(backend.read(), "table 1 add 192.0.2.1")


def test_no_word_of_a_comment_reaches_a_shell(backend):
    wanted = rule(port=80, comment="$(touch /tmp/x); `id` 'q' \"d\" | rm -rf / # no")
    before, transaction, snapshot = present(backend, wanted)
    backend.persist(transaction.persist)
    backend.host.reboot()
    assert backend.read().listing == transaction.after
    assert "touch" not in snapshot.script
    _ruleset, _transaction, snapshot = absent(backend, wanted)
    assert "touch" not in snapshot.script
    assert backend.host.restore(snapshot).returncode == 0
    assert backend.read().listing == transaction.after != before.listing


def test_only_root_may_read(backend):
    backend.host.superuser = False
    with pytest.raises(HoldfastError, match="become: true"):
        backend.read()
    assert backend.sight().active


def test_sight_tells_what_decides(backend, fresh):
    assert backend.sight().active
    sighting = fresh.sight()
    assert (sighting.available, sighting.active) == (True, False)
    assert not Ipfw(LocalHost()).sight().available


def test_an_unchanged_run_asks_two_questions(backend):
    backend.host.calls.clear()
    backend.read()
    assert len(backend.host.calls) == 2


@given(wanted=rules(limits=False))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rule_comes_and_goes_without_a_trace(backend, wanted):
    assume(not backend.unsupported(wanted))
    before = backend.read()
    transaction = backend.plan(before, place_present(backend, before, wanted).edits)
    backend.validate(transaction)
    snapshot = backend.snapshot(before, transaction)
    backend.apply(transaction)
    assert backend.read().listing == transaction.after
    assert place_present(backend, backend.read(), wanted).edits == []
    backend.apply(backend.plan(backend.read(), place_absent(backend, backend.read(), wanted).edits))
    left = backend.read().listing
    assert left == before.listing or "check-state" in left
    backend.host.restore(snapshot)
    assert backend.read().listing == before.listing


def test_a_deny_before_a_stateful_rule_lets_the_replies_of_its_connections_pass(tmp_path):
    host = StandinHost(tmp_path / "replies", "freebsd")
    host.must("kldload", "ipfw")
    host.must("ipfw", "-q", "add", "300", "allow", "tcp", "from", "any", "to", "any", "out")
    backend = Ipfw(host)
    present(backend, rule(port=8443, stateful=True))
    present(backend, rule("deny", direction="out"))
    bodies = [line.split(" ", 1)[1] for line in host.must("ipfw", "list").splitlines()]
    stop = next(number for number, body in enumerate(bodies) if body.startswith("deny tcp") and " out" in body)
    assert any(body.startswith("check-state") or "keep-state" in body for body in bodies[:stop]), bodies
