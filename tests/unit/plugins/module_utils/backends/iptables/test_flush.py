# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flush leaves what other programs keep, and the rules that hold the host reachable."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import (
    DOCKER,
    carry_out,
    restore,
    rule,
)

SSH = rule(port=22, family="ipv4", stateful=True)


def flush(backend, keep=()):
    ruleset = backend.read()
    return carry_out(backend, ruleset, backend.plan_flush(ruleset, dict(keep)))


def lines(backend, title):
    return [line for entry in backend.read().chain(title).entries for line in entry.native]


def test_rules_that_lead_to_other_programs_stay_in_order(backend, host):
    host.load(DOCKER)
    flush(backend)
    assert lines(backend, "INPUT (ipv4)") == ["-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd"]
    assert lines(backend, "FORWARD (ipv4)") == ["-A FORWARD -j DOCKER-USER", "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT"]
    assert lines(backend, "nat POSTROUTING (ipv4)") == ["-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"]


def test_chains_of_other_programs_keep_their_rules_and_the_administrators_go(backend, host):
    host.load(DOCKER)
    before = lines(backend, "f2b-sshd (ipv4)")
    flush(backend)
    assert lines(backend, "f2b-sshd (ipv4)") == before
    assert backend.read().chain("MINE (ipv4)") is None


def test_policies_stay_and_the_kept_rules_open_the_host(backend, host):
    host.load(DOCKER)
    flush(backend, {"INPUT (ipv4)": [SSH]})
    chain = backend.read().chain("INPUT (ipv4)")
    assert chain.default == "deny"
    assert [entry.rule for entry in chain.entries][1:] == [SSH]


def test_a_second_flush_has_nothing_to_do(backend, host):
    host.load(DOCKER)
    keep = {"INPUT (ipv4)": [SSH, rule(protocol="any", interface="lo", family="ipv4")]}
    flush(backend, keep)
    assert backend.plan_flush(backend.read(), keep).commands == ()


def test_a_host_without_rules_has_nothing_to_flush(backend):
    assert backend.plan_flush(backend.read(), {}).commands == ()


def test_a_flush_is_undone_to_the_byte(backend, host):
    host.load(DOCKER)
    host.load("*filter\n:INPUT DROP [0:0]\n:OWN - [0:0]\n-A INPUT -j OWN\n-A OWN -p tcp -j ACCEPT\nCOMMIT\n", family=6)
    snapshot, before = flush(backend, {"INPUT (ipv4)": [SSH]})
    assert backend.read().listing != before.listing
    for _round in range(2):
        assert restore(host, snapshot).ok
        assert backend.read().listing == before.listing


def test_a_chain_that_another_program_leads_to_stays(backend, host):
    host.load(DOCKER.replace("-A DOCKER-USER -j RETURN", "-A DOCKER-USER -j MINE"))
    flush(backend)
    assert lines(backend, "MINE (ipv4)") == ["-A MINE -p tcp -m tcp --dport 8443 -j ACCEPT"]


@pytest.mark.parametrize("family", [4, 6])
def test_kept_rules_go_into_a_chain_that_does_not_exist_yet(backend, family):
    one = rule(port=22, family="ipv%d" % family)
    flush(backend, {"INPUT (ipv%d)" % family: [one]})
    assert [entry.rule for entry in backend.read().chain("INPUT (ipv%d)" % family).entries] == [one]
