# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled layouts as text: what is written reads back to rules that decide alike."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.listing import RuleLine, Table
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.policy_layout import lay_out, read_laid
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.policy_text import chain_block, set_block
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.tree_read import ChainReader
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.compile.compiled_lists import (
    crowded_rules,
    met_in_chains,
    met_in_list,
    mixed_rules,
    random_packets,
    small_bounds,
)
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policy_rules

NEW_LINES = ("ip saddr 10.0.0.7 accept", "tcp dport 7 drop", "ip saddr 10.0.0.0/28 drop", 'udp dport 1-20 accept comment "3: x"', "accept")


def table_of(laid):
    blocks = [set_block(one) for one in laid.sets] + [chain_block(one) for one in laid.chains]
    return Table("inet", "holdfast", "table inet holdfast {", blocks=tuple(blocks))


def read_back(direction, laid):
    return read_laid(direction, [line.listed for line in laid.lines], table_of(laid))


@given(
    st.sampled_from(["in", "out", "forward"]).flatmap(lambda one: st.lists(policy_rules(directions=(one,)), min_size=2, max_size=14)),
    st.sampled_from([1, 2, 4]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_compiled_layout_is_read_back_as_the_list_it_was_made_of(rules, cell, tables):
    backend = Nftables(None)
    assume(not any(backend.unsupported(rule) for rule in rules))
    with small_bounds(cell, tables):
        laid = lay_out(rules[0].direction, rules, "compiled")
    assert laid.notes == ()
    assert read_back(rules[0].direction, laid) == rules


@pytest.mark.parametrize("seed", range(12))
def test_crowded_lists_are_read_back_as_they_were(seed):
    rng = random.Random(seed)
    rules = crowded_rules(rng, rng.choice((30, 60, 120)))
    with small_bounds(rng.choice((1, 2, 4, 8)), rng.random() < 0.5):
        laid = lay_out(rules[0].direction, rules, "compiled")
    assert laid.notes == ()
    assert read_back(rules[0].direction, laid) == rules


@pytest.mark.parametrize("action", ["allow", "deny"])
def test_a_rule_that_counts_every_packet_keeps_its_place(action):
    rules = mixed_rules(1, 120)
    rules[60] = Rule(action, "in", protocol=None, limit=Limit(Rate(3, 60)))
    laid = lay_out("in", rules, "compiled")
    assert laid.notes == ()
    assert read_back("in", laid) == rules


@pytest.mark.parametrize("count", [300, 2000])
def test_a_long_list_is_compiled_and_read_back(count):
    rules = mixed_rules(count, count)
    laid = lay_out("in", rules, "auto")
    assert laid.notes == ()
    assert laid.chains
    assert len(laid.lines) == 1
    assert read_back("in", laid) == rules


def test_a_short_list_stays_lines_without_numbers():
    rules = mixed_rules(1, 20)
    laid = lay_out("in", rules, "auto")
    assert (laid.chains, laid.sets) == ((), ())
    assert not any(re.search(r'comment "\d', line.typed) for line in laid.lines)


@pytest.mark.parametrize("seed", range(150))
def test_what_is_edited_by_hand_is_read_as_it_decides_now(seed):
    # Or refused in words for people, where the language has none for it.
    rng = random.Random(seed)
    rules = crowded_rules(rng, rng.choice((15, 30, 60)))
    with small_bounds(rng.choice((1, 2, 4, 8)), rng.random() < 0.5):
        laid = lay_out(rules[0].direction, rules, "compiled")
    edited = _edited(rng, table_of(laid), [line.listed for line in laid.lines])
    if edited is None:
        return
    table, lines = edited
    try:
        found = read_laid(rules[0].direction, lines, table)
    except HoldfastError:
        return
    reader = ChainReader(rules[0].direction, table, lines)
    items = reader.items_of(lines)
    for packet in random_packets(rng, [*rules, *found], 40):
        if reader.interfaces == Interfaces.of([*rules, *found]):
            decided = met_in_list(found, packet, reader.interfaces)
            assert [met_in_chains(items, reader.items, reader.interfaces, packet)] == (decided or [None]), packet


def _edited(rng, table, lines):
    """Change one line or element at random; None when there was nothing to change."""
    blocks = list(table.blocks)
    for _attempt in range(20):
        number = rng.randrange(len(blocks) + 1)
        if number < len(blocks) and blocks[number].kind == "map":
            body = list(blocks[number].body)
            place = rng.randrange(len(body))
            changed = rng.choice((_turned, _renumbered))(rng, body[place])
            if " : " in body[place] and "\t\ttype" not in body[place] and changed != body[place]:
                body[place] = changed
                blocks[number] = replace(blocks[number], body=tuple(body))
                return replace(table, blocks=tuple(blocks)), lines
            continue
        texts = list(lines) if number == len(blocks) else [rule.text for rule in blocks[number].rules]
        if not texts:
            continue
        _edit_lines(rng, texts)
        if number == len(blocks):
            return table, texts
        blocks[number] = replace(blocks[number], rules=tuple(RuleLine(text) for text in texts))
        return replace(table, blocks=tuple(blocks)), lines
    return None


def _edit_lines(rng, texts):
    place, other = rng.randrange(len(texts)), rng.randrange(len(texts))
    kind = rng.choice(("delete", "turn", "number", "swap", "insert"))
    if kind == "delete":
        del texts[place]
    elif kind == "swap":
        texts[place], texts[other] = texts[other], texts[place]
    elif kind == "insert":
        new = (
            "ip saddr 10.0.0.7 accept",
            "tcp dport 7 drop",
            "ip saddr 10.0.0.0/28 drop",
            'udp dport 1-20 accept comment "3: x"',
            "accept",
        )
        texts.insert(place, rng.choice(new))
    else:
        texts[place] = (_turned if kind == "turn" else _renumbered)(rng, texts[place])


def _turned(_rng, text):
    return re.sub(r"\b(accept|drop)\b(?!.*\b(?:accept|drop)\b)", lambda found: {"accept": "drop", "drop": "accept"}[found.group()], text)


def _renumbered(rng, text):
    return re.sub(r'comment "\d+', lambda _found: 'comment "%d' % rng.randint(1, 60), text)
