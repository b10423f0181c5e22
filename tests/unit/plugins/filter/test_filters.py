# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as templates call them: documents in every form, plain results, errors of filters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.holdfast.firewall.plugins.filter import conflicts as conflicts_file
from ansible_collections.holdfast.firewall.plugins.filter import equivalent as equivalent_file
from ansible_collections.holdfast.firewall.plugins.filter import semantic_diff as semantic_diff_file
from ansible_collections.holdfast.firewall.plugins.filter import trace as trace_file

RULES = [
    {"action": "deny", "source": "192.0.2.0/24", "port": 22}, {"action": "allow", "source": "192.0.2.7", "port": 22},
    {"action": "allow", "port": 22},
]  # fmt: skip
FILES = {"conflicts": conflicts_file, "equivalent": equivalent_file, "semantic_diff": semantic_diff_file, "trace": trace_file}
FILTERS = {name: file.FilterModule().filters()[name] for name, file in FILES.items()}


class Text(str):
    """Text as Ansible hands it over."""


@pytest.mark.parametrize(
    "document",
    [RULES, {"rules": RULES}, json.dumps(RULES), Text(yaml.safe_dump({"rules": RULES})), tuple(RULES)],
    ids=["list", "mapping", "json", "yaml", "tuple"],
)
def test_a_document_may_come_in_every_form(document):
    result = FILTERS["conflicts"](document, kinds=["shadowing"])
    assert result["counts"] == {"shadowing": 1}
    assert result["conflicts"][0]["rules"] == ["rules[1]", "rules[0]"]


def test_conflicts_are_limited_but_counted():
    many = [{"action": "deny", "source": "192.0.2.%d" % number} for number in range(9)] + [{"action": "allow"}]
    result = FILTERS["conflicts"](many, ["generalisation"], 2)
    assert (len(result["conflicts"]), result["counts"]) == (2, {"generalisation": 9})


def test_changes_are_told_for_packets_not_for_lines():
    moved = [RULES[0], RULES[2]]
    assert FILTERS["semantic_diff"](RULES, moved)["count"] == 0
    result = FILTERS["semantic_diff"](RULES, RULES[1:])
    assert [one["kind"] for one in result["changes"]] == ["allowed"]


def test_a_packet_is_traced_from_a_mapping_words_or_a_list():
    trace = FILTERS["trace"]
    assert trace(RULES, {"port": 22, "source": "192.0.2.7"})["decided_by"]["place"] == "rules[0]"
    assert trace(RULES, "port=22 source=203.0.113.9")["verdict"] == "allow"
    assert [one["verdict"] for one in trace(RULES, [{"port": 22}, "port=23"])] == ["allow", "deny"]
    assert trace(RULES, "port=22")["text"].startswith("in tcp 203.0.113.10:40000 -> 198.51.100.10:22 (new): allowed by rules[2]")


def test_two_policies_are_equivalent_or_a_packet_shows_the_contrary():
    equivalent = FILTERS["equivalent"]
    assert equivalent(RULES, [RULES[0], RULES[2]]) == {"equivalent": True, "counterexample": None}
    result = equivalent(RULES, RULES[1:])
    assert result["equivalent"] is False
    assert result["counterexample"]["packet"]["port"] == 22
    logged = [dict(RULES[0], log=True), *RULES[1:]]
    assert equivalent(RULES, logged)["equivalent"] is False
    assert equivalent(RULES, logged, logs=False)["equivalent"] is True


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("conflicts", [[{"action": "alow"}]], r"holdfast.firewall.conflicts: policy\[0\].action: .*Did you mean allow"),
        ("conflicts", ["rules: ["], "policy:2: found .the end of the file"),
        ("conflicts", [RULES, ["shadow"]], r"kinds\[0\]"),
        ("conflicts", [RULES, None, "many"], "limit: found 'many'"),
        ("conflicts", [None], "policy: found None"),
        ("semantic_diff", [RULES, [{"port": 1}]], r"semantic_diff: after\[0\].action"),
        ("trace", [RULES, {"port": "ssh"}], "trace: packet.port"),
        ("trace", [RULES, ["port=1", "port"]], r"packet\[1\]: found 'port'"),
        ("trace", [RULES, 22], "packet: found 22"),
        ("equivalent", [RULES, {"rulez": []}], "other.rulez"),
        ("equivalent", [RULES, RULES, "perhaps"], "logs: found 'perhaps'"),
    ],
)
def test_errors_are_those_of_filters_in_words(name, args, said):
    with pytest.raises(AnsibleFilterError, match=said):
        FILTERS[name](*args)


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_argument_is_documented_and_the_samples_are_results(name):
    documented = yaml.safe_load(FILES[name].DOCUMENTATION)
    assert documented["name"] == name == Path(FILES[name].__file__).stem
    function = FILTERS[name].__wrapped__
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    assert set(documented["options"]) == {"_input", *names[1:]}
    assert all(task["name"] for task in yaml.safe_load(FILES[name].EXAMPLES))
    sample = yaml.safe_load(FILES[name].RETURN)["_value"]["sample"]
    result = FILTERS[name](RULES, *{"trace": ["port=22"], "conflicts": []}.get(name, [RULES]))
    assert set(sample) <= set(result)
