# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live chains as one policy: what decides, in the order in which it does, and what is left out by name."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.trace import trace
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import RETURN, Chain, Entry, Ruleset
from ansible_collections.holdfast.firewall.plugins.module_utils.change.live_policy import live_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule

BOTH, IN = frozenset({4, 6}), frozenset({"in"})
OFFICE = make_addresses([ipaddress.ip_network("192.0.2.0/24")])


class Quiet(Backend):
    """A backend without a policy of ours."""

    NAME = "nftables"
    own = None

    def __init__(self):
        super().__init__(None)

    def read_policy(self, ruleset):
        if isinstance(self.own, HoldfastError):
            raise self.own
        return self.own


def rule(action, *ports, **words):
    return Rule(action, ports=tuple(PortRange(one, one) for one in ports), **words)


def entry(one, text="", **more):
    return Entry((text or one.describe(),), one, **more)


def jump(target, match, text=""):
    return Entry((text or "jump " + target,), jump=target, match=match)


def chain(name, *entries, default="allow", **more):
    return Chain(name, more.pop("directions", IN), more.pop("families", BOTH), default, entries, **more)


def read(*chains):
    return live_policy(Quiet(), Ruleset(tuple(chains), ""))


def verdict(live, **packet):
    return trace(live.policy, Packet.parse(packet)).verdict


ANYTHING = Rule("allow", protocol=None)


def test_one_chain_is_its_rules_and_its_default():
    live = read(chain("input", entry(rule("allow", 22), "tcp dport 22 accept"), default="deny"))
    assert live.policy.defaults == {"in": "deny", "out": "unmanaged", "forward": "unmanaged"}
    assert live.policy.labels == ("input[0] (tcp dport 22 accept)",)
    assert (live.ours, live.not_judged) == (False, [])
    assert (verdict(live, port=22), verdict(live, port=23), verdict(live, port=23, direction="out")) == ("allow", "deny", "allow")


def test_a_chain_behind_a_jump_decides_only_what_the_jump_matches():
    office = chain("office", entry(rule("allow", 22, 25)), base=False)
    matching = Rule("allow", family=4, protocol=None, source=OFFICE)
    live = read(chain("input", jump("office", matching), entry(rule("deny", 22)), default="allow"), office)
    assert (verdict(live, port=22, source="192.0.2.7"), verdict(live, port=22)) == ("allow", "deny")
    assert live.policy.rules[0].source == OFFICE
    assert live.not_judged == []


def test_a_jump_that_matches_nothing_of_a_rule_leads_nowhere():
    office = chain("office", entry(rule("deny", 80, family=6)), base=False)
    live = read(chain("input", jump("office", Rule("allow", family=4, protocol=6)), default="allow"), office)
    assert live.policy.rules == ()


def test_a_return_for_everything_ends_a_chain_and_another_one_is_left_out():
    office = chain("office", jump(RETURN, ANYTHING, "return"), entry(rule("deny", 80)), base=False)
    live = read(chain("input", jump("office", ANYTHING), entry(rule("deny", 81))), office)
    assert (verdict(live, port=80), verdict(live, port=81)) == ("allow", "deny")
    office = chain("office", jump(RETURN, rule("allow", 25), "tcp dport 25 return"), entry(rule("deny", 80)), base=False)
    live = read(chain("input", jump("office", ANYTHING)), office)
    assert live.not_judged == ["office: tcp dport 25 return"]


@pytest.mark.parametrize(
    "unclear",
    [
        pytest.param(Entry(("meta skuid 0 accept",)), id="no-rule"),
        pytest.param(jump("office", None, "meta skuid 0 jump office"), id="unknown-match"),
        pytest.param(jump("office", replace(ANYTHING, limit=Limit(Rate(6, 60))), "limit rate 6/minute jump office"), id="limited-jump"),
        pytest.param(jump("office", ANYTHING, "tcp dport 9 goto office"), id="goto"),
        pytest.param(jump("elsewhere", ANYTHING, "jump elsewhere"), id="unknown-chain"),
        pytest.param(jump("office", replace(ANYTHING, established=True), "ct state established jump office"), id="states-without-a-word"),
    ],
)
def test_what_a_list_cannot_say_is_named(unclear):
    office = chain("office", entry(rule("allow", 22), "tcp dport 22 accept"), base=False)
    live = read(chain("input", unclear, entry(rule("deny", 23)), default="allow"), office)
    assert len(live.not_judged) == 1
    assert verdict(live, port=23) == "deny"
    assert all(one.action == "deny" for one in live.policy.rules)


def test_chains_that_only_deny_come_before_the_one_that_decides():
    bans = chain("f2b", entry(Rule("deny", family=4, protocol=None, source=OFFICE)), owner="fail2ban")
    live = read(bans, chain("input", entry(rule("allow", 22)), default="deny"))
    assert (verdict(live, port=22), verdict(live, port=22, source="192.0.2.7")) == ("allow", "deny")
    assert live.not_judged == []


def test_a_second_chain_that_denies_by_default_is_named():
    live = read(chain("one", entry(rule("allow", 22)), default="deny"), chain("two", entry(rule("allow", 80)), default="deny"))
    assert live.not_judged == ["two: packets also have to pass its 1 entries"]
    assert verdict(live, port=22) == "allow"


def test_a_chain_that_stops_nothing_is_no_chain():
    live = read(chain("ours", entry(rule("allow", 9))), chain("input", entry(rule("allow", 22)), default="deny"))
    assert (verdict(live, port=9), live.not_judged) == ("deny", [])


def test_each_family_has_its_own_chain_and_default():
    live = read(
        chain("INPUT (ipv4)", entry(rule("allow", 22, family=4)), default="deny", families=frozenset({4})),
        chain("INPUT (ipv6)", entry(rule("deny", 22, family=6)), default="allow", families=frozenset({6})),
    )
    assert (verdict(live, port=22), verdict(live, port=80)) == ("allow", "deny")
    assert (verdict(live, port=22, family="ipv6"), verdict(live, port=80, family="ipv6")) == ("deny", "allow")


def test_of_entries_without_quick_the_last_decides_after_all_with_it():
    live = read(
        chain(
            "pf", entry(rule("deny", 22), weak=True), entry(rule("allow", 22, 80), weak=True), entry(rule("deny", 80)),
            entry(Rule("allow", "out", protocol=6)), directions=frozenset({"in", "out"}),
        )
    )  # fmt: skip
    assert (verdict(live, port=22), verdict(live, port=80)) == ("allow", "deny")


def test_known_connections_keep_their_meaning():
    live = read(chain("input", Entry(("ct state established accept",), established=True), default="deny"))
    assert live.policy.rules == (Rule("allow", protocol=None, established=True),)
    assert (verdict(live, port=22), verdict(live, port=22, state="established-reply")) == ("deny", "allow")


def test_a_policy_of_ours_is_the_answer_and_others_beside_it_are_named():
    backend = Quiet()
    backend.own = Policy((rule("allow", 22),))
    others = chain("input", entry(rule("deny", 22)), default="allow")
    ours = chain("inet holdfast input", owner="holdfast", default="deny")
    builtin = chain("INPUT (ipv4)", jump("holdfast-input (ipv4)", ANYTHING), default="deny", families=frozenset({4}))
    live = live_policy(backend, Ruleset((others, ours, builtin, chain("empty")), ""))
    assert (live.policy, live.ours) == (backend.own, True)
    assert live.not_judged == ["input: 1 entries, default allow"]


def test_a_policy_of_ours_that_was_changed_by_hand_is_read_like_any_list():
    backend = Quiet()
    backend.own = HoldfastError("line 3 says nothing known")
    live = live_policy(backend, Ruleset((chain("input", entry(rule("allow", 22)), default="deny"),), ""))
    assert (live.ours, len(live.policy.rules)) == (False, 1)
    assert "changed by hand: line 3" in live.not_judged[0]
