# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide to questions shows what is really answered."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis import coverage, pairs, triples
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.conflicts import GROUPS, find_conflicts
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.semantic_diff import semantic_diff
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.trace import trace
from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_request import QUESTIONS, packet_words, parse_analyze_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy

GUIDE = (Path(__file__).resolve().parents[5] / "docs" / "docsite" / "rst" / "analysis.rst").read_text(encoding="utf-8")


def blocks(kind):
    """The code blocks of a language, in order."""
    found = re.findall(r"\.\. code-block:: %s\n\n((?:[ ]+\S.*\n|\n)+)" % kind, GUIDE)
    return [textwrap.dedent(one).strip("\n") for one in found]


POLICIES = [yaml.safe_load(one) for one in blocks("yaml") if one.startswith("rules:")]
SHOP, NEW = (parse_policy(one) for one in POLICIES)
TEXTS = blocks("text")


def test_the_conflicts_are_those_of_the_policy():
    report = find_conflicts(SHOP, ["coverage"])
    assert report.describe() in TEXTS
    assert next(one.explanation for one in report.entries if one.severity == "error") in TEXTS


def test_the_difference_is_that_of_the_policies():
    assert semantic_diff(SHOP, NEW).describe() in TEXTS


def test_the_idle_rules_can_go_and_no_others():
    task = next(yaml.safe_load(one) for one in blocks("yaml") if "equivalent" in one)[0]
    left = [one for one in POLICIES[0]["rules"] if one["name"] not in task["vars"]["idle"]]
    assert differ(parse_policy({"rules": left}), SHOP) is None
    difference = differ(parse_policy({"rules": [one for one in left if one["name"] != "web"]}), SHOP)
    assert any(difference.what.partition("): ")[2] in text for text in TEXTS)


def test_the_traces_are_those_of_the_policy():
    said = trace(SHOP, Packet.parse(packet_words("port=443 source=203.0.113.200"))).describe().splitlines()[0]
    assert "policy: " + said in TEXTS
    promises = next(yaml.safe_load(one) for one in blocks("yaml") if "promises" in one)[0]["ansible.builtin.assert"]["that"]
    assert len(promises) == 3
    for promise in promises:
        asked = yaml.safe_load(re.search(r"trace\((.*)\)\)\.", promise).group(1))
        found = trace(SHOP, Packet.parse(packet_words(asked) if isinstance(asked, str) else asked)).as_dict()
        path, value = re.search(r"\)\)\.(\S+) == '(.*)'", promise).groups()
        for key in path.split("."):
            found = found[key]
        assert found == value


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_every_kind_is_in_the_table(group):
    assert "``%s``" % group in GUIDE
    assert all("     - ``%s``\n" % kind in GUIDE for kind in GROUPS[group])


def test_the_groups_are_all_kinds():
    assert [*GROUPS.values()] == [triples.KINDS, pairs.KINDS, coverage.KINDS]


def test_every_question_but_the_reading_is_in_the_guide_and_every_task_is_understood():
    assert all("[%s]" % question in GUIDE for question in QUESTIONS if question != "parse")
    tasks = [task for one in blocks("yaml") for task in tasks_in(yaml.safe_load(one))]
    assert len(tasks) == 3
    for task in tasks:
        task.pop("src", None)
        parse_analyze_request(dict(task, policy=[]))


def tasks_in(found):
    """The options of every task of the module."""
    if isinstance(found, list):
        return [task for one in found for task in tasks_in(one)]
    if not isinstance(found, dict):
        return []
    return [found["holdfast.firewall.analyze"]] if "holdfast.firewall.analyze" in found else tasks_in(list(found.values()))
