# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole policies on stand-in hosts: put in force in one moment, seen again, restored, kept over a reboot."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.backend import Ipfw
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import NativeLines, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.packets import answer_to
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import StandinHost, present, rule
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import standard_guard

from holdfast_standin.ipfw_verdict import IpfwConnections, rules_in_force  # isort: skip  # on the path since standin_host

MANY = ",".join("203.0.113.%d" % (2 * n) for n in range(40))
POLICY = Policy(
    rules=(
        rule(port=443, comment="web, public"),
        rule("reject", port=113),
        rule("deny", protocol="any", source=MANY, log=True),
        rule(protocol="any", source="192.0.2.0/24", stateful=True),
    ),
    guard=standard_guard(),
    log_denied=Log(),
)
OTHER = replace(POLICY, rules=POLICY.rules[:1] + (rule(port=8443),))
SSH = {"direction": "in", "interface": "em0", "proto": "tcp", "src": "198.51.100.77", "dst": "192.0.2.10", "sport": 40000, "dport": 22,
       "syn": True}  # fmt: skip
FROM_AFAR = dict(SSH, dport=9)


@pytest.fixture(params=["freebsd-12.1", "freebsd-15.1"])
def fresh(request, tmp_path):
    """A host whose ipfw module is not loaded."""
    return Ipfw(StandinHost(tmp_path / "fresh", request.param))


@pytest.fixture
def backend(tmp_path):
    """A host whose administrator has a firewall script."""
    host = StandinHost(tmp_path / "host", "freebsd")
    host.must("kldload", "ipfw")
    lines = ["100 allow ip from any to any via lo0", "200 allow tcp from any to me 22 in setup keep-state", "65000 deny ip from any to any"]
    script = "#!/bin/sh\nipfw -q -f flush\n" + "".join("ipfw -q add %s\n" % line for line in lines)
    host.write("/etc/admin.rules", script, 0o755)
    host.write("/etc/rc.conf", 'firewall_enable="YES"\nfirewall_script="%s/etc/admin.rules"\n' % host.root)
    for line in lines:
        host.must("ipfw", "-q", "add", *line.split())
    return Ipfw(host)


def put(backend, policy, **words):
    """Apply a policy as a task does; returns (before, transaction, snapshot)."""
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, policy, **words)
    backend.validate(transaction)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    return ruleset, transaction, snapshot


def kernel(backend):
    return json.loads((backend.host.folder / "kernel.json").read_text(encoding="utf-8"))


def in_force(backend):
    state = kernel(backend)
    return rules_in_force(state["ipfw"], keep_states=state["sysctl"].get("net.inet.ip.fw.dyn_keep_states") == "1")


def allowed(backend, packet, connections=None):
    return (connections or IpfwConnections()).verdict(in_force(backend), packet).allowed


def same_policy(one, two):
    return (one.rules, one.guard, dict(one.defaults), one.log_denied, dict(one.native)) == (
        two.rules, two.guard, dict(two.defaults), two.log_denied, dict(two.native)
    )  # fmt: skip


def test_a_policy_is_in_force_as_predicted_and_is_not_put_again(backend):
    _before, transaction, _snapshot = put(backend, POLICY)
    after = backend.read()
    assert after.listing == transaction.after
    assert same_policy(backend.read_policy(after), POLICY)
    assert backend.plan_policy(after, POLICY).commands == ()
    assert backend.persist(json.loads(json.dumps(transaction.persist)))
    assert backend.plan_policy(backend.read(), POLICY).commands == ()
    assert backend.read().listing == transaction.after


def test_a_policy_stands_in_front_of_the_rules_of_the_administrator_which_stay(backend):
    _before, transaction, _snapshot = put(backend, POLICY)
    numbers = [(line[:5], line.split()[2]) for line in transaction.after.splitlines() if line[:5].isdigit()]
    assert max(number for number, one in numbers if one == "30") < min(number for number, one in numbers if one == "0")
    assert [number for number, one in numbers if one == "0"] == ["00100", "00200", "65000"]
    assert not allowed(backend, FROM_AFAR)
    assert allowed(backend, SSH)


def test_the_first_policy_loads_the_module_without_locking_anybody_out(fresh):
    before, transaction, snapshot = put(fresh, POLICY)
    assert [command.argv[0] for command in transaction.commands][:2] == ["kenv", "kldload"]
    assert fresh.read().listing == transaction.after
    assert fresh.host.restore(snapshot).returncode == 0
    assert fresh.read().listing == before.listing == ""


@pytest.mark.parametrize("alone", [False, True])
def test_a_restore_puts_back_what_was_there(backend, alone):
    first = put(backend, POLICY)[1]
    backend.persist(first.persist)
    backend.host.must("ipfw", "-q", "add", "700", "set", "31", "allow", "tcp", "from", "any", "to", "any", "7")
    before, transaction, snapshot = put(backend, OTHER, alone=alone)
    assert backend.read().listing == transaction.after != before.listing
    for _again in range(2):
        done = backend.host.restore(snapshot)
        assert done.returncode == 0, done.stderr
        assert backend.read().listing == before.listing
    assert same_policy(backend.read_policy(backend.read()), POLICY)


def test_a_restore_after_half_of_the_change_puts_back_what_was_there(backend):
    put(backend, POLICY)
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, OTHER)
    snapshot = backend.snapshot(ruleset, transaction)
    for count in range(len(transaction.commands) + 1):
        backend.apply(replace(transaction, commands=transaction.commands[:count]))
        assert backend.host.restore(snapshot).returncode == 0
        assert backend.read().listing == ruleset.listing
        assert allowed(backend, SSH)


def test_one_call_takes_the_old_policy_out_and_puts_the_new_one_in(backend):
    put(backend, POLICY)
    transaction = backend.plan_policy(backend.read(), OTHER)
    assert [" ".join(command.argv) for command in transaction.commands] == [
        "ipfw -q set disable 29", "ipfw -q /dev/stdin", "ipfw -q set disable 30 enable 29",
    ]  # fmt: skip
    for command in transaction.commands[:-1]:
        backend.host.must(*command.argv, stdin=command.stdin)
        assert same_policy(backend.read_policy(backend.read()), POLICY)
        assert not allowed(backend, dict(SSH, dport=8443))
    backend.host.must(*transaction.commands[-1].argv)
    assert same_policy(backend.read_policy(backend.read()), OTHER)
    assert allowed(backend, dict(SSH, dport=8443))


def test_connections_outlive_a_change_its_confirmation_and_a_restore(backend):
    put(backend, OTHER)
    connections = IpfwConnections()
    first = dict(SSH, dport=8443)
    later = dict(first, syn=False)
    assert allowed(backend, first, connections)
    _before, transaction, snapshot = put(backend, POLICY)
    assert allowed(backend, later, connections)
    assert not allowed(backend, later)
    second = dict(SSH, dport=443)
    assert allowed(backend, second, connections)
    assert backend.host.restore(snapshot).returncode == 0
    assert allowed(backend, later, connections)
    assert allowed(backend, answer_to(second), connections)
    _before, transaction, _snapshot = put(backend, POLICY)
    backend.persist(transaction.persist)
    assert allowed(backend, later, connections)
    assert not allowed(backend, later)
    assert not allowed(backend, dict(first, sport=40001), connections)


def test_confirming_leaves_nothing_of_the_old_policy(backend):
    first = put(backend, POLICY)[1]
    backend.persist(first.persist)
    transaction = put(backend, OTHER)[1]
    assert backend.persist(transaction.persist) != []
    state = kernel(backend)["ipfw"]
    assert state["disabled"] == []
    assert {one["set"] for one in state["rules"]} == {0, 29}
    assert not any(name.startswith("hf_") for name in state["tables"])


def test_a_policy_lasts_and_is_read_after_a_reboot_as_before(backend):
    transaction = put(backend, POLICY)[1]
    backend.persist(json.loads(json.dumps(transaction.persist)))
    assert backend.persist(json.loads(json.dumps(transaction.persist))) == []
    own = backend.live_text()
    backend.host.reboot()
    assert backend.read().listing == transaction.after
    assert backend.live_text() == own
    assert backend.host.read("/etc/admin.rules").startswith("#!/bin/sh")


def test_nothing_lasts_before_it_is_confirmed(backend):
    before, _transaction, _snapshot = put(backend, POLICY)
    backend.host.reboot()
    assert backend.read().listing == before.listing


def test_alone_the_rules_of_others_go_now_and_at_boot(backend):
    backend.host.must("ipfw", "-q", "add", "700", "set", "31", "allow", "tcp", "from", "any", "to", "any", "7")
    _before, transaction, _snapshot = put(backend, POLICY, alone=True)
    assert backend.read().listing == transaction.after
    assert not allowed(backend, dict(SSH, dport=7))
    assert backend.plan_policy(backend.read(), POLICY, alone=True).commands == ()
    backend.persist(transaction.persist)
    assert {line.split()[2] for line in backend.read().listing.splitlines() if line[:5].isdigit()} == {"30", "31"}
    assert "00700" not in backend.read().listing
    listing = backend.read().listing
    backend.host.reboot()
    assert backend.read().listing == listing


def test_a_rule_beside_a_policy_lasts_with_it(backend):
    transaction = put(backend, POLICY)[1]
    backend.persist(transaction.persist)
    transaction = present(backend, rule(port=25, direction="out"))[1]
    backend.persist(transaction.persist)
    listing = backend.read().listing
    backend.host.reboot()
    assert backend.read().listing == listing


def test_a_policy_that_is_taken_out_leaves_the_rules_of_others(backend):
    original = backend.read().listing
    backend.persist(put(backend, POLICY)[1].persist)
    before, transaction, snapshot = put(backend, None)
    assert [" ".join(one.argv) for one in transaction.commands] == ["ipfw -q set disable 30"]
    assert backend.read().listing == transaction.after == original
    assert backend.host.restore(snapshot).returncode == 0
    assert backend.read().listing == before.listing
    transaction = put(backend, None)[1]
    backend.persist(transaction.persist)
    assert kernel(backend)["ipfw"]["tables"] == {}
    assert kernel(backend)["ipfw"]["disabled"] == []
    assert backend.plan_policy(backend.read(), None).commands == ()
    assert backend.read_policy(backend.read()) is None
    assert backend.own_listing(backend.read()) == ""
    backend.host.reboot()
    assert backend.read().listing == original


def test_the_last_rules_are_not_taken_from_a_host_that_denies_by_default(backend):
    put(backend, POLICY, alone=True)
    with pytest.raises(HoldfastError, match="would cut the host off"):
        backend.plan_policy(backend.read(), None)


@pytest.mark.parametrize(
    "edit",
    [
        ("delete", "30"),
        ("add", "31", "set", "30", "allow", "tcp", "from", "any", "to", "any", "9", "in"),
        ("add", "15", "allow", "tcp", "from", "any", "to", "any", "9", "in"),
        ("table", "TABLE", "add", "198.51.100.9", "0"),
        ("table", "TABLE", "delete", "203.0.113.0"),
        ("set", "disable", "30"),
    ],
    ids=lambda edit: " ".join(edit[:2]),
)
def test_an_edit_by_hand_is_seen_and_undone(backend, edit):
    put(backend, POLICY)
    wanted = backend.own_listing(backend.read())
    table = next(iter(kernel(backend)["ipfw"]["tables"]))
    backend.host.must("ipfw", "-q", *(table if word == "TABLE" else word for word in edit))
    if edit[:2] != ("add", "15"):
        assert backend.own_listing(backend.read()) != wanted
    _before, transaction, snapshot = put(backend, POLICY)
    assert transaction.commands
    assert backend.read().listing == transaction.after
    assert same_policy(backend.read_policy(backend.read()), POLICY)
    assert not allowed(backend, FROM_AFAR)
    assert allowed(backend, SSH)
    assert backend.plan_policy(backend.read(), POLICY).commands == ()
    assert backend.host.restore(snapshot).returncode == 0


def test_a_counter_or_a_limit_of_log_lines_is_no_edit(backend):
    backend.host.must("sysctl", "net.inet.ip.fw.verbose_limit=100")
    transaction = put(backend, POLICY)[1]
    assert "deny log logamount 100 ip from any to any in // holdfast: default in" in transaction.after
    assert backend.read().listing == transaction.after
    own = backend.live_text()
    backend.host.must("sysctl", "net.inet.ip.fw.verbose_limit=500")
    assert backend.plan_policy(backend.read(), POLICY).commands == ()
    assert backend.live_text() == own


def test_no_room_in_front_of_the_rules_of_others_is_said_in_plain_words(backend):
    backend.host.must("ipfw", "-q", "add", "1", "count", "ip", "from", "any", "to", "any")
    with pytest.raises(HoldfastError, match="rule 00001 of somebody else leaves no room"):
        backend.plan_policy(backend.read(), POLICY)
    assert put(backend, POLICY, alone=True)[1].commands
    assert allowed(backend, SSH)


def test_rules_share_numbers_where_there_are_too_few(backend):
    backend.host.must("ipfw", "-q", "add", "9", "count", "ip", "from", "any", "to", "any")
    transaction = put(backend, POLICY)[1]
    assert backend.read().listing == transaction.after
    assert same_policy(backend.read_policy(backend.read()), POLICY)
    assert backend.plan_policy(backend.read(), POLICY).commands == ()
    assert allowed(backend, SSH)
    assert not allowed(backend, FROM_AFAR)


def test_a_native_line_whose_not_ipfw_would_lose_is_unsupported(backend):
    line = "allow ipv6-icmp from any to me not icmp6types 128 in"
    found = backend.policy_unsupported(replace(POLICY, native={"ipfw": NativeLines({"any": (line,)}, {})}))
    assert [(one.field, one.value) for one in found] == [("native.ipfw.before.any", line)]
    assert "loses the not" in found[0].reason


def test_native_lines_are_put_as_ipfw_lists_them(backend):
    native = NativeLines({"any": ("deny ip from any to any frag",)}, {"any": ("pass all from 192.0.2.77/24 to any in // mine, yes",)})
    transaction = put(backend, replace(POLICY, native={"ipfw": native}))[1]
    assert "allow ip from 192.0.2.0/24 to any in // holdfast: native after: mine,\u00a0yes" in transaction.after
    assert backend.read().listing == transaction.after
    assert backend.plan_policy(backend.read(), replace(POLICY, native={"ipfw": native})).commands == ()
    with pytest.raises(HoldfastError, match="ipfw refuses the rule"):
        backend.plan_policy(backend.read(), replace(POLICY, native={"ipfw": NativeLines({"any": ("allow tcp from nowhere",)})}))


def test_forwarding_is_not_left_alone_on_a_host_that_forwards(backend):
    policy = replace(
        POLICY, defaults=dict(POLICY.defaults, forward="unmanaged"), guard=tuple(one for one in POLICY.guard if one.direction != "forward")
    )
    assert same_policy(backend.parse_policy(backend.render_policy(policy)), policy)
    put(backend, policy)
    backend.host.must("sysctl", "net.inet6.ip6.forwarding=1")
    with pytest.raises(HoldfastError, match="This host forwards packets"):
        backend.plan_policy(backend.read(), policy)


def test_a_switched_off_firewall_is_switched_on_for_a_policy_and_put_back(backend):
    backend.host.must("sysctl", "net.inet.ip.fw.enable=0")
    _before, _transaction, snapshot = put(backend, POLICY)
    assert backend.status()["enabled"]
    assert backend.host.restore(snapshot).returncode == 0
    assert not backend.status()["enabled"]
    put(backend, POLICY)
    backend.host.must("sysctl", "net.inet.ip.fw.enable=0")
    assert [" ".join(one.argv) for one in backend.plan_policy(backend.read(), POLICY).commands] == ["sysctl net.inet.ip.fw.enable=1"]


def test_a_kernel_with_room_for_few_tables_is_given_more(backend):
    rules = tuple(
        rule(port=port, source=",".join("203.%d.113.%d" % (port, 2 * n) for n in range(25)), stateful=bool(port % 2))
        for port in range(1, 80)
    )
    policy = replace(POLICY, rules=rules)
    backend.host.must("sysctl", "net.inet.ip.fw.tables_max=64")
    transaction = put(backend, policy, layout="rules")[1]
    assert backend.read().listing == transaction.after
    backend.persist(transaction.persist)
    backend.host.reboot()
    assert backend.read().listing == transaction.after


def test_a_policy_that_loads_only_in_part_at_boot_does_not_leave_the_host_open(fresh):
    transaction = put(fresh, POLICY)[1]
    fresh.persist(transaction.persist)
    text = fresh.host.read("/etc/holdfast/ipfw.policy").splitlines()
    fresh.host.write("/etc/holdfast/ipfw.policy", "\n".join([*text[:-8], "add 5000 set 30 frobnicate", *text[-8:]]) + "\n")
    fresh.host.reboot()
    fresh.read()
    assert allowed(fresh, SSH)
    assert not allowed(fresh, FROM_AFAR)


def test_a_policy_needs_two_sets_of_its_own(backend):
    for number in (27, 28, 29):
        backend.host.must("ipfw", "-q", "add", "50%d" % number, "set", str(number), "count", "ip", "from", "any", "to", "any")
    put(backend, POLICY)
    with pytest.raises(HoldfastError, match="rule sets 30, 29, 28, 27 are all in use"):
        backend.plan_policy(backend.read(), OTHER)
