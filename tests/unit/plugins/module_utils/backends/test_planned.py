# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several rules planned one after the other become one list of edits that leads to the same chains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import (
    Placement,
    place_absent,
    place_needed,
    place_present,
)
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.planned import PlannedRuleset
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.test_placement import (
    Paper,
    carry_out,
    chain,
    entry,
    rule,
    ruleset,
    texts,
)

RULES = st.builds(
    lambda action, port, source, direction, stateful: rule(
        action=action, port=port, source=source, direction=direction, stateful=stateful
    ),
    st.sampled_from(["allow", "deny", "reject"]),
    st.sampled_from([["80"], ["80", "443"], ["22"]]),
    st.sampled_from([["any"], ["192.0.2.0/24"], ["192.0.2.7"]]),
    st.sampled_from(["in", "out"]),
    st.booleans(),
)  # fmt: skip


def hosts():
    drop = entry("drop all", action="deny", protocol="any")
    return {
        "empty": ruleset(),
        "open": ruleset(chain("filter in", entry(port=22))),
        "closed": ruleset(chain("filter in", entry(port=22), default="deny"), chain("filter out", direction="out", default="deny")),
        "dropping": ruleset(chain("filter in", entry("ssh", port=22), entry("bad", action="deny", source="192.0.2.7"), drop)),
    }


def meaning(rules):
    return [(one.name, [entry.rule for entry in one.entries]) for one in rules.chains]


@given(st.sampled_from(sorted(hosts())), st.lists(RULES, min_size=1, max_size=6), st.lists(RULES, max_size=3))
def test_planned_together_the_rules_stand_where_they_would_one_by_one(name, wanted, unwanted):
    before = hosts()[name]
    planned, one_by_one = PlannedRuleset(before), before
    for place, rules in ((place_present, wanted), (place_absent, unwanted)):
        for one in rules:
            planned.carry_out(place(Paper(None), planned.ruleset, one).edits)
            one_by_one = carry_out(one_by_one, place(Paper(None), one_by_one, one))
    together = carry_out(before, Placement(edits=planned.edits()))
    assert meaning(together) == meaning(one_by_one) == meaning(planned.ruleset)


def test_every_edit_stands_before_an_entry_that_was_read():
    before = hosts()["dropping"]
    planned = PlannedRuleset(before)
    for port in (80, 443):
        planned.carry_out(place_present(Paper(None), planned.ruleset, rule(port=port)).edits)
    known = before.chain("filter in").entries
    assert [one.before for one in planned.edits()] == [known[2], known[2]]


def test_what_is_added_and_removed_again_leaves_no_edit():
    planned = PlannedRuleset(hosts()["open"])
    planned.carry_out(place_present(Paper(None), planned.ruleset, rule(port=80)).edits)
    planned.carry_out(place_absent(Paper(None), planned.ruleset, rule(port=80)).edits)
    assert planned.edits() == []


def test_an_entry_cannot_be_removed_twice():
    before = hosts()["open"]
    planned = PlannedRuleset(before)
    edit = Edit(before.chain("filter in"), remove=before.chain("filter in").entries[0])
    planned.carry_out([edit])
    with pytest.raises(HoldfastError, match="changed twice"):
        planned.carry_out([edit])


def test_what_passes_already_needs_no_rule():
    assert place_needed(Paper(None), hosts()["open"], rule(port=22)).edits == []
    assert place_needed(Paper(None), hosts()["closed"], rule(port=22)).edits == []
    assert place_needed(Paper(None), ruleset(), rule(port=22)).edits == []


def test_what_would_be_stopped_goes_before_what_stops_it():
    before = hosts()["dropping"]
    placement = place_needed(Paper(None), before, rule(port=2222))
    assert texts(carry_out(before, placement), "filter in")[-2:] == [rule(port=2222).describe(), "drop all"]
