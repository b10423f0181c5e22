# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rule goes: before what defeats it, behind its exceptions, in every chain that would stop it; and that it stays there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.relation import covers, overlaps
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import RETURN, Chain, Entry, Ruleset
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule

BOTH = frozenset({4, 6})


class Paper(Backend):
    """A backend of chains on paper: the home of every direction is the chain ``home <direction>``."""

    NAME = "paper"
    REPLY_RULES = True

    def home(self, ruleset, direction, family):
        return ruleset.chain("home %s" % direction)


def rule(**words):
    return parse_rule({"action": "allow", **words})


def entry(text="", **words):
    one = rule(**words)
    return Entry((text or one.describe(),), rule=one)


def chain(name, *entries, direction="in", **words):
    return Chain(name, frozenset({direction}), words.pop("families", BOTH), entries=tuple(entries), **words)


def ruleset(*chains):
    homes = [chain("home %s" % d, direction=d) for d in ("in", "out", "forward") if not any(c.name == "home %s" % d for c in chains)]
    return Ruleset((*chains, *homes), "")


def carry_out(rules, placement):
    """Apply edits on paper."""
    chains = {one.name: list(one.entries) for one in rules.chains}
    for edit in placement.edits:
        entries = chains[edit.chain.name]
        new = Entry((edit.rule.describe(),), rule=edit.rule) if edit.rule else None
        if edit.remove is not None:
            at = entries.index(edit.remove)
            entries[at : at + 1] = [new] if new else []
        elif new is not None:
            entries.insert(len(entries) if edit.before is None else entries.index(edit.before), new)
    return Ruleset(tuple(replace(one, entries=tuple(chains[one.name])) for one in rules.chains), "")


def settle(rules, wanted):
    """Make a rule present and see that a second time changes nothing."""
    placement = place_present(Paper(None), rules, wanted)
    after = carry_out(rules, placement)
    assert place_present(Paper(None), after, wanted).edits == []
    return placement, after


def texts(rules, name):
    return [" / ".join(one.native) for one in rules.chain(name).entries]


def test_without_anything_in_the_way_a_rule_goes_to_the_end_of_the_home_chain():
    placement, _after = settle(ruleset(), rule(port=80))
    assert [(e.chain.name, e.before) for e in placement.edits] == [("home in", None)]
    assert placement.where == ["home in, at the end"]


def test_an_allow_goes_before_the_deny_that_covers_it_and_says_so():
    deny = entry("drop all", action="deny", protocol="any")
    placement, after = settle(ruleset(chain("filter in", entry(port=22), deny)), rule(port=80))
    assert texts(after, "filter in")[1].startswith("allow in tcp from any to any port 80")
    assert placement.defeated_by == ["filter in: drop all"]


def test_a_narrower_deny_in_front_stays_an_exception():
    blocked = entry("drop bad", action="deny", source="203.0.113.0/24", protocol="any")
    placement, after = settle(ruleset(chain("filter in", blocked, default="deny")), rule(port=80))
    assert texts(after, "filter in")[0] == "drop bad"
    assert placement.exceptions == ["drop bad"]


def test_two_rules_that_overlap_never_push_each_other():
    narrow, wide = rule(action="deny", port=80, source="203.0.113.0/24"), rule(port=80)
    rules = ruleset()
    for _round in range(3):
        for one in (narrow, wide):
            rules = carry_out(rules, place_present(Paper(None), rules, one))
    assert len(rules.chain("home in").entries) == 2
    for one in (narrow, wide):
        assert place_present(Paper(None), rules, one).edits == []


def test_an_allow_goes_into_every_chain_that_would_stop_it():
    rules = ruleset(chain("one in", default="deny"), chain("two in", entry("reject", action="reject", protocol="any")), chain("three in"))
    _placement, after = settle(rules, rule(port=80))
    assert len(after.chain("one in").entries) == 1
    assert texts(after, "two in")[1] == "reject"
    assert after.chain("three in").entries == ()
    assert after.chain("home in").entries == ()


def test_a_deny_decides_in_one_chain():
    placement, _after = settle(ruleset(chain("one in", default="deny"), chain("two in")), rule(action="deny", port=80))
    assert [e.chain.name for e in placement.edits] == ["home in"]


def test_a_rule_behind_what_defeats_it_is_moved():
    dead = entry("dead", port=80)
    rules = ruleset(chain("filter in", entry("drop", action="deny", protocol="any"), dead))
    placement, after = settle(rules, rule(port=80))
    assert any(e.remove is dead for e in placement.edits)
    assert len(after.chain("filter in").entries) == 2
    assert texts(after, "filter in")[1] == "drop"


def test_a_rule_that_an_administrator_wrote_counts_as_present():
    rules = ruleset(chain("filter in", entry("theirs", port=80), default="deny"))
    assert place_present(Paper(None), rules, rule(port=80)).edits == []


def test_a_jump_to_a_chain_that_drops_defeats_and_its_return_saves():
    everything = rule(protocol="any")
    jump = Entry(("jump drops",), jump="drops", match=everything)
    drops = Chain("drops", frozenset(), BOTH, entries=(entry(action="deny", protocol="any"),), base=False)
    placement, _after = settle(ruleset(chain("filter in", jump), drops), rule(port=80))
    assert placement.defeated_by == ["filter in: jump drops"]
    saved = replace(drops, entries=(Entry(("return",), jump=RETURN, match=everything), *drops.entries))
    assert place_present(Paper(None), ruleset(chain("filter in", jump), saved), rule(port=80)).defeated_by == []


def test_jumps_in_a_circle_end():
    everything = rule(protocol="any")
    one = Chain("one", frozenset(), BOTH, entries=(Entry(("to two",), jump="two", match=everything),), base=False)
    two = Chain("two", frozenset(), BOTH, entries=(Entry(("to one",), jump="one", match=everything),), base=False)
    rules = ruleset(chain("filter in", Entry(("to one",), jump="one", match=everything)), one, two)
    assert place_present(Paper(None), rules, rule(port=80)).defeated_by == []


def test_a_chain_of_another_program_is_never_changed_but_reported():
    rules = ruleset(chain("docker in", default="deny", owner="docker"))
    placement = place_present(Paper(None), rules, rule(port=80))
    assert placement.blocked_by == ["docker in: its default denies"]
    assert all(e.chain.name != "docker in" for e in placement.edits)


def test_chains_of_one_family_each_get_the_rule_of_their_family():
    rules = Ruleset((chain("in4", families=frozenset({4}), default="deny"), chain("in6", families=frozenset({6}), default="deny")), "")

    class PerFamily(Paper):
        def home(self, ruleset, direction, family):
            return ruleset.chain("in%d" % family)

    placement = place_present(PerFamily(None), rules, rule(port=80))
    assert [(e.chain.name, e.rule.family) for e in placement.edits] == [("in4", 4), ("in6", 6)]
    after = carry_out(rules, placement)
    assert place_present(PerFamily(None), after, rule(port=80)).edits == []
    absent = place_absent(PerFamily(None), after, rule(port=80))
    assert [e.chain.name for e in absent.edits] == ["in4", "in6"]


def test_another_comment_or_log_updates_the_rule_where_it_stands():
    rules = ruleset(chain("filter in", entry(port=80, comment="old"), entry(port=81)))
    placement, after = settle(rules, rule(port=80, comment="new", log=True))
    assert placement.edits[0].remove is rules.chain("filter in").entries[0]
    assert after.chain("filter in").entries[0].rule.comment == "new"


def test_no_comment_leaves_the_comment_alone():
    rules = ruleset(chain("filter in", entry(port=80, comment="kept")))
    assert place_present(Paper(None), rules, rule(port=80)).edits == []


def test_replies_are_let_out_where_they_would_be_stopped():
    out = chain("filter out", direction="out", default="deny")
    placement, after = settle(ruleset(chain("filter in", default="deny"), out), rule(port=80, stateful=True))
    assert [e.rule.reply for e in placement.edits] == [False, True]
    absent = place_absent(Paper(None), after, rule(port=80, stateful=True))
    assert {e.chain.name for e in absent.edits} == {"filter in", "filter out"}


def test_replies_need_no_rule_where_established_packets_pass():
    out = chain("filter out", Entry(("established",), established=True), direction="out", default="deny")
    placement, _after = settle(ruleset(out), rule(port=80, stateful=True))
    assert [e.chain.name for e in placement.edits] == ["home in"]


def test_a_reply_rule_is_as_narrow_as_the_source_ports_of_its_rule():
    out = chain("filter out", entry("clients", direction="out", source_port="1024-65535"), direction="out", default="deny")
    wanted = rule(port=80, source_port="1024-65535", stateful=True)
    placement, after = settle(ruleset(chain("filter in", default="deny"), out), wanted)
    (reply,) = [e.rule for e in placement.edits if e.rule.reply]
    assert (reply.ports, reply.source_ports) == (wanted.ports, wanted.source_ports)
    assert {e.chain.name for e in place_absent(Paper(None), after, wanted).edits} == {"filter in", "filter out"}


def test_a_reply_rule_that_another_rule_needs_is_kept():
    out = chain("filter out", direction="out", default="deny")
    _placement, after = settle(ruleset(chain("filter in", default="deny"), out), rule(port=80, stateful=True))
    _placement, after = settle(after, rule(port=80, source="192.0.2.1", stateful=True, interface=None))
    absent = place_absent(Paper(None), after, rule(port=80, source="192.0.2.1", stateful=True))
    assert all(not (e.remove.rule.reply and e.remove.rule.destination.any) for e in absent.edits)


def test_absent_removes_the_first_match_only():
    first, second = entry("first", port=80), entry("second", port=80)
    placement = place_absent(Paper(None), ruleset(chain("filter in", first, second)), rule(port=80, comment="any"))
    assert [e.remove for e in placement.edits] == [first]


@pytest.mark.parametrize(
    "words", [{"port": 81}, {"port": 80, "stateful": True}, {"action": "deny", "port": 80}, {"port": 80, "direction": "out"}]
)
def test_absent_needs_the_same_content(words):
    assert place_absent(Paper(None), ruleset(chain("filter in", entry(port=80))), rule(**words)).edits == []


def test_a_weak_entry_neither_defeats_nor_counts():
    weak = replace(entry("block all", action="deny", protocol="any"), weak=True)
    placement, _after = settle(ruleset(chain("home in", weak, default="deny")), rule(port=80))
    assert placement.defeated_by == []


def test_a_deny_of_an_address_goes_before_the_allow_of_a_port():
    ssh = entry("allow ssh", port=22)
    _placement, after = settle(ruleset(chain("home in", ssh, default="deny")), rule(action="deny", protocol="any", source="203.0.113.9"))
    assert texts(after, "home in")[1] == "allow ssh"


def test_an_allow_stays_behind_a_deny_that_overlaps_it_in_part():
    bad = entry("deny bad", action="deny", protocol="any", source="203.0.113.9")
    placement, after = settle(ruleset(chain("home in", bad, default="deny")), rule(port=22))
    assert texts(after, "home in")[0] == "deny bad"
    assert placement.exceptions == ["deny bad"]


def test_a_deny_behind_an_allow_that_overlaps_it_in_part_is_moved():
    rules = ruleset(chain("home in", entry("allow ssh", port=22), entry("deny bad", action="deny", protocol="any", source="203.0.113.9")))
    placement, after = settle(rules, rule(action="deny", protocol="any", source="203.0.113.9"))
    assert placement.defeated_by == ["home in: allow ssh"]
    assert texts(after, "home in")[1] == "allow ssh"


def test_an_exception_is_not_lost_when_a_wider_deny_goes_before_it():
    rules = ruleset(chain("home in", entry("allow web", port=80), entry("allow monitor", port=9100, source="203.0.113.9")))
    _placement, after = settle(rules, rule(action="deny", protocol="any", source="203.0.113.0/24"))
    assert [one.rule.action for one in after.chain("home in").entries] == ["allow", "deny", "allow"]
    assert after.chain("home in").entries[0].rule.ports[0].first == 9100


def test_a_deny_that_was_redundant_keeps_its_effect_when_an_allow_goes_before_what_made_it_so():
    everything = entry("deny all", action="deny", protocol="any")
    bad = entry("deny bad", action="deny", protocol="any", source="203.0.113.0/24")
    _placement, after = settle(ruleset(chain("home in", everything, bad)), rule())
    assert [one.rule.source.any for one in after.chain("home in").entries] == [False, True, True]


def test_a_deny_that_an_allow_has_to_go_before_because_of_rules_in_between_is_told():
    outer = entry("deny outer", action="deny", protocol="any", interface="eth0")
    friend = entry("allow friend", protocol="udp", source="203.0.113.9")
    datagrams = entry("deny udp", action="deny", protocol="udp")
    placement, after = settle(ruleset(chain("home in", outer, friend, datagrams)), rule(protocol="any", interface="eth0"))
    assert texts(after, "home in")[1:] == ["deny outer", "allow friend", "deny udp"]
    assert placement.defeated_by == ["home in: deny outer", "home in: deny udp"]


def test_a_jump_into_a_chain_that_lets_some_through_defeats_a_deny():
    jump = Entry(("jump services",), jump="services", match=rule(protocol="tcp"))
    services = Chain("services", frozenset(), BOTH, entries=(entry(port=22),), base=False)
    placement, _after = settle(ruleset(chain("home in", jump), services), rule(action="deny", protocol="any", source="203.0.113.9"))
    assert placement.defeated_by == ["home in: jump services"]


WORDS = st.fixed_dictionaries(
    {"action": st.sampled_from(["allow", "deny", "reject"]), "protocol": st.sampled_from(["any", "tcp", "udp"])},
    optional={"source": st.sampled_from(["203.0.113.0/24", "203.0.113.9", "203.0.113.0/28", "198.51.100.7"]), "stateful": st.booleans()},
)


def test_a_deny_goes_into_the_chain_that_holds_its_exceptions():
    theirs = chain("filter in", entry("allow ssh", port=22), default="deny")
    placement, after = settle(ruleset(theirs), rule(action="deny"))
    assert [e.chain.name for e in placement.edits] == ["filter in"]
    assert texts(after, "filter in")[0] == "allow ssh"


def test_a_deny_without_exceptions_goes_home_past_a_chain_of_the_administrator():
    theirs = chain("filter in", entry("allow ssh", port=22), default="deny")
    placement, _after = settle(ruleset(theirs), rule(action="deny", port=25))
    assert [e.chain.name for e in placement.edits] == ["home in"]


def test_a_deny_that_names_no_interface_stays_behind_what_passes_loopback():
    loopback = entry("loopback", protocol="any", interface="lo")
    _placement, after = settle(ruleset(chain("home in", loopback, entry("web", port=80))), rule(action="deny", source="203.0.113.9"))
    assert [one[:8] for one in texts(after, "home in")] == ["loopback", "deny in ", "web"]


def test_a_deny_of_a_direction_keeps_the_replies_of_stateful_rules_that_are_there():
    rules = ruleset()
    playbook = [rule(port=80, stateful=True), rule(action="deny", direction="out")]
    for one in playbook:
        rules = carry_out(rules, place_present(Paper(None), rules, one))
    assert [one.rule.reply for one in rules.chain("home out").entries] == [True, False]
    for one in playbook:
        assert place_present(Paper(None), rules, one).edits == []


def goes_first(first, second):
    """Whether two rules have an order: the narrower one, or of two that overlap in part the one that stops."""
    if first.action == second.action or not overlaps(first, second) or covers(first, second):
        return False
    return covers(second, first) or (first.action != "allow" and second.action == "allow")


def has_an_order(wanted):
    """Whether some order satisfies every pair."""
    left = list(wanted)
    while left:
        free = [one for one in left if not any(goes_first(before, one) for before in left)]
        if not free:
            return False
        left = [one for one in left if one not in free]
    return True


@given(st.lists(WORDS, min_size=1, max_size=6), st.sampled_from(["allow", "deny"]))
def test_a_second_run_of_any_playbook_changes_nothing_unless_it_contradicts_itself(tasks, default):
    wanted = []
    for words in tasks:
        one = rule(**words)
        # The same packets with two actions, or as stateful and not, have no order that satisfies both.
        if not any(replace(one, stateful=False, action="allow") == replace(other, stateful=False, action="allow") for other in wanted):
            wanted.append(one)
    assume(has_an_order(wanted))
    rules = ruleset(chain("home in", default=default))
    for one in wanted:
        rules = carry_out(rules, place_present(Paper(None), rules, one))
    for one in wanted:
        assert place_present(Paper(None), rules, one).edits == []
