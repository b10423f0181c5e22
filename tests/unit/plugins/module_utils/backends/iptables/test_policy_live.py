# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole policies against the real iptables of both variants: in force as planned, once, beside other programs, and gone without a trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import (
    VARIANTS,
    NamespaceHost,
    refuse_reason,
)
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.policy_strategies import policies
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import DOCKER, carry_out, restore

NAT = [{"type": "masquerade", "interface": "eth0"}, {"type": "dnat", "interface": "eth0", "port": 8080, "to": "192.0.2.5", "to_port": 80}]


def document(*rules, **words):
    policy = parse_policy({"rules": [{"action": "allow", **one} for one in rules], **words})
    return with_guard(policy, Management(ssh_ports=(22,), agent_ports=()))


def enforce(backend, policy, layout="rules", **words):
    """Put a policy in force as the change engine does; return the snapshot and what was there before."""
    ruleset = backend.read()
    return carry_out(backend, ruleset, backend.plan_policy(ruleset, policy, layout, **words))


def settled(backend, policy, layout="rules", **words):
    """Return whether nothing is left to do."""
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, policy, layout, **words)
    return not transaction.commands and transaction.after == ruleset.listing


def chain(backend, title):
    return [entry.native[0].partition(" ")[2].partition(" ")[2] for entry in backend.read().chain(title).entries]


@pytest.mark.skipif(refuse_reason() is not None, reason=str(refuse_reason()))
@pytest.mark.parametrize("variant", VARIANTS)
def test_random_policies_follow_each_other_and_every_restore_is_exact(variant):
    @settings(max_examples=12, suppress_health_check=list(HealthCheck))
    @given(policies(), policies(), st.booleans(), st.booleans())
    def check(one, other, docker, alone):
        host = NamespaceHost(variant)
        try:
            backend = Iptables(host)
            if docker:
                host.load(DOCKER)
            bare = backend.read().listing
            for policy in (one, other):
                snapshot, before = enforce(backend, policy, alone=alone)
                assert settled(backend, policy, alone=alone)
                live = backend.read_policy(backend.read())
                if live is not None:
                    assert differ(policy, live) is None
                after = backend.read().listing
                for _twice in range(2):
                    assert restore(host, snapshot).ok
                    assert backend.read().listing == before.listing
                enforce(backend, policy, alone=alone)
                assert backend.read().listing == after
            enforce(backend, None)
            assert backend.own_listing(backend.read()) == ""
            assert "holdfast" not in backend.read().listing
            if not alone:
                assert backend.read().listing == bare
        finally:
            host.close()

    check()


def test_a_policy_on_a_bare_host_is_in_force_and_gone_again(backend, host):
    bare = backend.read().listing
    policy = document({"port": 80}, nat=NAT, logging={"denied": True})
    enforce(backend, policy)
    assert backend.read_policy(backend.read()) == replace(policy, nat=tuple(reversed(policy.nat)), nat_labels=(), labels=())
    enforce(backend, None)
    assert backend.read().listing == bare
    assert backend.read_policy(backend.read()) is None


def test_our_jump_stands_behind_other_programs_and_before_the_administrator(backend, host):
    host.load(DOCKER)
    enforce(backend, document(nat=NAT))
    assert chain(backend, "INPUT (ipv4)")[:2] == ["-p tcp -m multiport --dports 22 -j f2b-sshd", "-j holdfast-input"]
    assert chain(backend, "FORWARD (ipv4)")[:3] == ["-j DOCKER-USER", "-i docker0 ! -o docker0 -j ACCEPT", "-j holdfast-forward"]
    assert chain(backend, "nat PREROUTING (ipv4)")[-2:] == ["-m addrtype --dst-type LOCAL -j DOCKER", "-j holdfast-prerouting"]
    assert "-A MINE -p tcp -m tcp --dport 8443 -j ACCEPT" in backend.read().listing


def test_a_program_that_comes_later_stays_in_front(backend, host):
    policy = document({"port": 80})
    enforce(backend, policy)
    host.shell("iptables -N f2b-web; iptables -I INPUT -p tcp --dport 80 -j f2b-web")
    assert settled(backend, policy)
    listed = backend.own_listing(backend.read())
    host.shell("iptables -D INPUT 1; iptables -X f2b-web")
    assert backend.own_listing(backend.read()) == listed


def test_an_entry_that_somebody_puts_in_front_of_our_jump_loses_its_place(backend, host):
    policy = document({"port": 80})
    enforce(backend, policy)
    listed = backend.own_listing(backend.read())
    host.shell("iptables -I INPUT -p tcp --dport 23 -j ACCEPT")
    assert backend.own_listing(backend.read()) != listed
    assert not settled(backend, policy)
    enforce(backend, policy)
    assert chain(backend, "INPUT (ipv4)") == ["-j holdfast-input", "-p tcp -m tcp --dport 23 -j ACCEPT"]
    assert backend.own_listing(backend.read()) == listed


@pytest.mark.parametrize(
    "edit",
    [
        "iptables -I holdfast-input 3 -p tcp --dport 4444 -j ACCEPT",
        "ip6tables -D holdfast-input 1",
        "iptables -D INPUT -j holdfast-input",
        "iptables -I INPUT -j holdfast-input",
        "iptables -I INPUT -p tcp -j holdfast-input",
        "iptables -N holdfast-odd",
        "iptables -F holdfast-forward",
        "iptables -t nat -A holdfast-prerouting -p tcp --dport 1 -j REDIRECT --to-ports 2",
        "iptables -N MINE; iptables -A MINE -j holdfast-input",
    ],
)
def test_an_edit_by_hand_is_seen_and_undone(backend, host, edit):
    policy = document({"port": 80}, nat=NAT)
    enforce(backend, policy)
    listed = backend.own_listing(backend.read())
    host.shell(edit)
    assert not settled(backend, policy)
    enforce(backend, policy)
    assert settled(backend, policy)
    assert backend.own_listing(backend.read()) == listed


def test_an_edit_by_hand_is_in_the_text_of_what_is_ours(backend, host):
    enforce(backend, document({"port": 80}))
    listed = backend.live_text()
    assert listed == backend.own_listing(backend.read())
    host.shell("ip6tables -D holdfast-output 2")
    assert backend.live_text() != listed
    assert backend.live_text(whole=True) == backend.read().listing


def test_alone_empties_the_administrators_entries_and_keeps_those_of_programs(backend, host):
    host.load(DOCKER + "*raw\n-A PREROUTING -p udp -j DROP\n-A PREROUTING -p tcp -j CT --notrack\nCOMMIT\n")
    policy = document({"port": 80}, defaults={"forward": "unmanaged"})
    enforce(backend, policy, alone=True)
    assert settled(backend, policy, alone=True)
    assert chain(backend, "INPUT (ipv4)") == ["-p tcp -m multiport --dports 22 -j f2b-sshd", "-j holdfast-input"]
    assert "-p tcp -m tcp --dport 8080 -j DROP" in chain(backend, "FORWARD (ipv4)")  # nobody else decides there
    assert chain(backend, "raw PREROUTING (ipv4)") == ["-p tcp -j CT --notrack"]
    assert ":MINE" not in backend.read().listing and ":DOCKER-USER" in backend.read().listing
    assert ":INPUT DROP" in backend.read().listing


def test_a_chain_of_the_administrator_that_a_native_line_leads_to_stays(backend, host):
    host.load(DOCKER)
    policy = document(native={"iptables": {"before": {"in": ["-p tcp -j MINE"]}}})
    enforce(backend, policy, alone=True)
    assert "-A MINE -p tcp -m tcp --dport 8443 -j ACCEPT" in backend.read().listing


def test_native_lines_are_in_force_once_however_they_were_typed(backend, host):
    lines = ["-4 --protocol icmp --icmp-type echo-request -j ACCEPT", "-p tcp --syn --dport 25 -j REJECT"]
    policy = document({"port": 80}, native={"iptables": {"before": {"in": lines}, "after": {"out": lines[1:]}}})
    enforce(backend, policy)
    assert settled(backend, policy)
    live = backend.read_policy(backend.read())
    assert live.native["iptables"].before["in"][0] == "-4 -p icmp -m icmp --icmp-type 8 -j ACCEPT"
    assert settled(backend, replace(policy, native=live.native))


def test_a_native_line_that_the_tool_refuses_changes_nothing(backend, host):
    policy = document(native={"iptables": {"before": {"in": ["-p tcp --dport none -j ACCEPT"]}}})
    with pytest.raises(Exception, match="refused, nothing was changed"):
        backend.plan_policy(backend.read(), policy)


def test_few_changes_leave_the_counters_of_all_other_lines(backend, host):
    rules = [{"port": port} for port in range(1000, 1100)]
    enforce(backend, document(*rules))
    host.shell("ip link set lo up")
    host.shell("python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(bytes(9), (\"127.0.0.1\", 9))'")
    counted = "iptables-save -c | grep -- '-A holdfast-input -i lo'"
    before = host.shell(counted)
    assert not before.startswith("[0:0]")
    enforce(backend, document(*rules[:50], {"port": 7}, *rules[51:]))
    assert host.shell(counted) == before


def test_a_wholly_other_policy_is_written_anew_in_one_transaction_a_table(backend, host):
    enforce(backend, document(*({"port": port} for port in range(1000, 1100)), nat=NAT))
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, document(*({"port": port} for port in range(2000, 2100)), nat=NAT), "rules")
    assert [command.argv[0] for command in transaction.commands] == ["iptables-restore", "ip6tables-restore"]
    for command in transaction.commands:
        assert command.stdin.count("COMMIT") == 1
        assert "INPUT" not in command.stdin  # no base chain is touched
    carry_out(backend, ruleset, transaction)


def test_without_ipv6_a_policy_is_one_for_ipv4(host):
    host.missing.add("/proc/net/if_inet6")
    backend = Iptables(host)
    policy = document({"port": 80}, {"port": 81, "source": "2001:db8::1"})
    assert backend.policy_unsupported(policy) == ()
    enforce(backend, policy)
    assert settled(backend, policy)
    assert [one.ports[0].first for one in backend.read_policy(backend.read()).rules] == [80]


def test_a_host_whose_ipv6_would_stay_open_is_refused(host):
    host.missing.add("ip6tables-save")
    backend = Iptables(host)
    assert [one.field for one in backend.policy_unsupported(document())] == ["family"]


def test_a_rule_that_was_put_into_our_chain_with_nft_is_not_overwritten(backend, host):
    if "nf_tables" not in host.run(["iptables", "--version"]).out:
        pytest.skip("the legacy variant has tables of its own")
    enforce(backend, document({"port": 80}))
    host.checked(["nft", "add", "rule", "ip", "filter", "holdfast-input", "ip", "saddr", "{ 192.0.2.1, 192.0.2.2 }", "drop"])
    with pytest.raises(Exception, match="nothing was changed"):
        enforce(backend, document({"port": 81}))
