# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against the real iptables of both variants: what is planned is what is listed afterwards, and a restore puts back every byte."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import (
    VARIANTS,
    NamespaceHost,
    refuse_reason,
)
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import (
    DOCKER,
    absent,
    change,
    present,
    restore,
    rule,
)
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules


def rules_of(ruleset, title):
    return [entry.rule for entry in ruleset.chain(title).entries]


@pytest.mark.skipif(refuse_reason() is not None, reason=str(refuse_reason()))
@pytest.mark.parametrize("variant", VARIANTS)
def test_random_rules_are_listed_as_predicted_and_read_back(variant):
    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(st.lists(rules(), min_size=1, max_size=12))
    def check(wanted):
        host = NamespaceHost(variant)
        try:
            backend = Iptables(host)
            wanted = [one for one in wanted if not backend.unsupported(one)]

            def edits(ruleset):
                homes = [(one, backend.home(ruleset, one.direction, family)) for one in wanted for family in sorted(one.families())]
                return [Edit(home, rule=replace(one, family=min(home.families))) for one, home in homes]

            change(backend, edits)
            listed = backend.read()
            for direction in ("in", "out", "forward"):
                for family in (4, 6):
                    expected = [replace(one, family=family) for one in wanted if one.direction == direction and family in one.families()]
                    assert [entry.rule for entry in backend.home(listed, direction, family).entries] == expected
        finally:
            host.close()

    check()


@pytest.mark.skipif(refuse_reason() is not None, reason=str(refuse_reason()))
@pytest.mark.parametrize("variant", VARIANTS)
def test_random_edits_are_predicted_and_undone_to_the_byte(variant):
    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(st.lists(rules(), min_size=1, max_size=6), st.data())
    def check(wanted, data):
        host = NamespaceHost(variant)
        try:
            backend = Iptables(host)
            host.load(DOCKER)
            wanted = [one for one in wanted if 4 in one.families() and not backend.unsupported(one)]

            def edits(ruleset):
                made = []
                for one in wanted:
                    home = backend.home(ruleset, one.direction, 4)
                    free = [entry for entry in home.entries if not any(entry in (edit.remove, edit.before) for edit in made)]
                    kind = data.draw(st.sampled_from(["end", "before", "replace", "remove"] if free else ["end"]))
                    entry = data.draw(st.sampled_from(free)) if kind != "end" else None
                    one = replace(one, family=4)
                    made.append(
                        {
                            "end": Edit(home, rule=one),
                            "before": Edit(home, rule=one, before=entry),
                            "replace": Edit(home, rule=one, remove=entry),
                            "remove": Edit(home, remove=entry),
                        }[kind]
                    )
                return made

            snapshot, before = change(backend, edits)
            assert restore(host, snapshot).ok
            assert backend.read().listing == before.listing
            assert restore(host, snapshot).ok
            assert backend.read().listing == before.listing
        finally:
            host.close()

    check()


def test_a_fresh_host_lists_nothing_and_is_left_untouched_by_reading(backend, host):
    assert backend.read().listing == "# ipv4\n# ipv6\n"
    assert not host.read("/proc/net/ip_tables_names")
    assert host.run(["nft", "list", "tables"]).out == ""


def test_a_rule_is_present_once_and_stays_where_it_is(backend):
    one = rule(port=80, comment="web")
    present(backend, one)
    placed = place_present(backend, backend.read(), one)
    assert placed.edits == []
    assert backend.read().listing.count("--dport 80") == 2


def test_a_rule_goes_before_the_entry_that_defeats_it(backend, host):
    host.load(DOCKER)
    present(backend, rule(port=80, family="ipv4"))
    native = [entry.native[0] for entry in backend.read().chain("INPUT (ipv4)").entries]
    assert native[-2:] == ["-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT", "-A INPUT -j REJECT --reject-with icmp-host-prohibited"]


def test_the_administrators_own_rule_is_matched_by_content(backend, host):
    host.load(DOCKER)
    assert place_present(backend, backend.read(), rule(port=22, family="ipv4")).edits == []


def test_a_rule_in_the_administrators_chain_covers_the_packets_that_it_gets(backend, host):
    host.load(DOCKER)
    jump = next(entry for entry in backend.read().chain("INPUT (ipv4)").entries if entry.jump == "MINE (ipv4)")
    assert jump.match == rule(family="ipv4")
    assert rules_of(backend.read(), "MINE (ipv4)") == [rule(port=8443, family="ipv4")]


def test_a_removed_rule_is_gone_and_its_reply_rule_with_it(backend, host):
    host.load("*filter\n:INPUT DROP [0:0]\n:OUTPUT DROP [0:0]\nCOMMIT\n")
    before = backend.read().listing
    one = rule(port=80, stateful=True, family="ipv4")
    present(backend, one)
    assert "-A OUTPUT -p tcp -m tcp --sport 80 -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT" in backend.read().listing
    absent(backend, one)
    assert backend.read().listing == before


def test_a_changed_comment_updates_log_and_verdict_in_place(backend):
    one = rule(action="deny", port=23, log=True, log_prefix="hf ", comment="old")
    present(backend, one)
    present(backend, rule(port=80))
    present(backend, replace(one, comment="new"))
    assert rules_of(backend.read(), "INPUT (ipv4)")[0] == replace(one, comment="new", family=4)
    assert "old" not in backend.read().listing


def test_long_lists_become_sets_that_are_read_back(backend):
    one = rule(source=["192.0.2.%d" % number for number in range(0, 60, 2)], port=80)
    present(backend, one)
    assert rules_of(backend.read(), "INPUT (ipv4)") == [one]
    assert "# ipset\ncreate hf-" in backend.read().listing
    assert place_present(backend, backend.read(), one).edits == []


def test_two_rules_share_a_set_and_one_can_go(backend):
    sources = ["!192.0.2.%d" % number for number in range(0, 60, 2)]
    one, other = rule(action="deny", source=sources, port=80), rule(action="deny", source=sources, port=81)
    present(backend, one)
    present(backend, other)
    absent(backend, one)
    assert rules_of(backend.read(), "INPUT (ipv4)") == [other]


def test_a_change_with_a_set_is_undone_to_the_byte(backend, host):
    snapshot, before = present(backend, rule(action="deny", source=["192.0.2.%d" % number for number in range(0, 60, 2)]))
    assert restore(host, snapshot).ok
    assert backend.read().listing == before.listing


def test_text_with_everything_that_a_shell_reads_is_carried_as_text(backend, host):
    evil = "$(touch %s) `id` ; -j ACCEPT \"x\" 'y' \\ # COMMIT é" % (host.folder / "owned")
    one = rule(action="deny", port=23, family="ipv4", log=True, log_prefix="$(id) ; #", comment=evil)
    snapshot, before = present(backend, one)
    assert rules_of(backend.read(), "INPUT (ipv4)") == [one]
    assert restore(host, snapshot).ok
    assert backend.read().listing == before.listing
    assert not (host.folder / "owned").exists()


def test_other_tables_keep_their_bytes(backend, host):
    host.load(DOCKER)
    before = backend.read().listing.split("*nat")[1].splitlines()
    present(backend, rule(port=80))
    assert backend.read().listing.split("*nat")[1].splitlines()[: len(before) - 1] == before[:-1]


def test_a_rule_that_the_tool_refuses_changes_nothing(backend):
    ruleset = backend.read()
    transaction = backend.plan(ruleset, [Edit(backend.home(ruleset, "in", 4), rule=rule(family="ipv4", port=80))])
    broken = replace(transaction, checks=tuple(replace(one, stdin=one.stdin.replace("80", "80000")) for one in transaction.checks))
    with pytest.raises(Exception, match="nothing was changed"):
        backend.validate(broken)


def test_a_chain_with_rules_that_iptables_cannot_show_is_not_touched(backend, host):
    if "nf_tables" not in host.run(["iptables", "--version"]).out:
        pytest.skip("the legacy variant has tables of its own")
    host.load("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n")
    host.checked(["nft", "add", "rule", "ip", "filter", "INPUT", "ip", "saddr", "{ 192.0.2.1, 192.0.2.2 }", "tcp", "dport", "22", "accept"])
    with pytest.raises(Exception, match="nothing was changed"):
        present(backend, rule(port=80, family="ipv4"))


def test_without_ipv6_a_rule_for_both_families_is_one_for_ipv4(host):
    host.missing.add("/proc/net/if_inet6")
    backend = Iptables(host)
    present(backend, rule(port=80))
    assert backend.read().listing.splitlines()[0] == "# ipv4"
    assert "# ipv6" not in backend.read().listing
    assert place_present(backend, backend.read(), rule(port=80)).edits == []
    assert any("IPv4 only" in one for one in backend.status()["warnings"])


def test_without_ipv6_a_rule_for_ipv6_is_refused(host):
    host.missing.add("/proc/net/if_inet6")
    backend = Iptables(host)
    assert [one.field for one in backend.unsupported(rule(port=80, family="ipv6"))] == ["family"]
    with pytest.raises(Exception, match="no IPv6"):
        place_present(backend, backend.read(), rule(port=80, family="ipv6"))
