# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies as text of pf.conf and back."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.semantic_diff import semantic_diff
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.dialect import dialect_named
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.line import read_line
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.policy_parse import parse_policy, rules_of_line
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.statements import split
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.tables import constant_tables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.unreadable import Unreadable
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.usual_line import UsualLines
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy as document_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf import standin_host
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.policies import FLAVOURS, kept, pf_policies, text_of

from holdfast_standin.pf_parser import parse_pf  # isort: skip  # on the path since standin_host

assert standin_host

INTERFACES = {"lo0": ["127.0.0.1/8", "::1/128"], "eth0": ["192.0.2.10/24"]}
NATIVE = {"pf": {"any": ["antispoof quick for eth0", 'anchor "mine/*"', "pass in quick proto tcp to port 99 keep state"]}}


def some_policy(dialect):
    """A policy with translations and raw lines, or one that asks by which interface packets leave."""
    return st.one_of(pf_policies(dialect, max_nat=3, native=NATIVE), pf_policies(dialect, leaving=True, max_nat=1))


@pytest.mark.parametrize("dialect", ["freebsd", "openbsd", "macos"])
@given(data=st.data())
@settings(max_examples=60)
def test_a_policy_is_read_back_as_it_was(dialect, data):
    policy = data.draw(some_policy(dialect))
    found = parse_policy(text_of(policy, dialect), dialect_named(dialect))
    wanted = kept(policy)
    for direction in DIRECTIONS:
        assert found.list_for(direction) == wanted.list_for(direction)
    assert found.defaults == wanted.defaults
    assert found.log_denied == wanted.log_denied
    assert found.native == wanted.native
    difference = differ(found, wanted)
    assert difference is None, (difference.describe(), text_of(policy, dialect))


WORDS = (
    "pass", "block drop", "in", "out", "log", "quick", "on em0", 'on "log"', "inet", "inet6", "proto tcp", "proto 47", "proto icmp",
    "all", "from any", "from 10.0.0.0/8", "from { 10.0.0.1, 10.0.0.2 }", "from ! 10.0.0.1", "from <t>", "from ! <t>",
    "from ! { 10.0.0.1, 10.0.0.2 }", "to any", "to 2001:db8::/32", "to 10.1.2.3/8", "to (self)", "port 80", "port { 80, 443:445 }",
    "port 9:8", "port ssh", "port 0", "port 70000", "icmp-type 8", "icmp-type 255", "icmp6-type { 135, 136 }", "flags any", "flags S/SA",
    "flags S/S", "keep state", "no state", "allow-opts", 'label "a b"', "tag hf_known", "tag other", "tagged hf_forward",
    "tagged hf_forward_em0", "tagged hf_in", "! tagged hf_forward", "tagged other",
)  # fmt: skip
TABLE = "table <t> const { 10.0.0.0/8, 192.0.2.1 }\n"


def usual_and_grammar(line):
    """The two readings of a line; None where it is refused."""
    table, statement = split(TABLE + line + "\n")
    contents = constant_tables([table])
    try:
        whole = rules_of_line(read_line(statement, contents))
    except Unreadable:
        whole = None
    return UsualLines(contents).read(statement.text), whole


@given(st.lists(st.sampled_from(WORDS), min_size=2, max_size=7, unique=True))
def test_the_quick_reading_is_never_another_one(words):
    in_order = " ".join(word for word in WORDS if word in words)
    for line in (in_order, "pass in quick " + in_order, " ".join(words)):
        usual, whole = usual_and_grammar(line)
        assert usual is None or [usual] == whole, line


@given(st.one_of(pf_policies(), pf_policies(leaving=True)))
@settings(max_examples=30)
def test_our_own_lines_are_read_the_quick_way(policy):
    ours = re.compile("(pass|block) (drop |return |return-rst )?(in|out) (log )?quick")
    for line in text_of(policy).splitlines():
        if ours.match(line) and "<" not in line and not re.search(r"hf_forwarded|tag (hf_forward\S*) tagged \1", line):
            usual, whole = usual_and_grammar(line)
            assert [usual] == whole, line


@pytest.mark.parametrize("flavour", sorted(FLAVOURS))
@given(data=st.data())
@settings(max_examples=40)
def test_every_system_takes_the_text_without_a_word(flavour, data):
    policy = data.draw(some_policy(FLAVOURS[flavour]))
    text = text_of(policy, FLAVOURS[flavour])
    taken = parse_pf(text, flavour, INTERFACES, strict=True)
    assert taken.accepted, (taken.stderr, text)
    assert not taken.stderr


@pytest.mark.parametrize("flavour", ["freebsd-12.1", "openbsd"])  # on macOS only the file has the default of forwarding
@given(data=st.data())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_pfctl_lists_of_a_policy_is_read_back(tmp_path, flavour, data):
    dialect = FLAVOURS[flavour]
    policy = data.draw(st.one_of(pf_policies(dialect, max_nat=2), pf_policies(dialect, leaving=True)))
    host = standin_host.StandinHost(tmp_path / "host", flavour)
    listed = host.must("pfctl", "-nvf", "-", stdin=text_of(policy, dialect))
    difference = differ(parse_policy(listed, dialect_named(dialect)), kept(policy))
    assert difference is None, (difference.describe(), listed)


@pytest.mark.parametrize("flavour", ["freebsd", "openbsd", "macos"])
def test_a_document_and_what_pf_keeps_of_it_differ_in_nothing(flavour, tmp_path):
    rules = [{"action": "allow", "protocol": "udp", "port": 53, "stateful": True}, {"action": "deny", "interface": "lo"}]
    wanted = document_policy({"rules": rules, "defaults": {"forward": "unmanaged"}})
    backend = Pf(standin_host.StandinHost(tmp_path, flavour))
    live = replace(parse_policy(text_of(kept(wanted), flavour), dialect_named(flavour)), guard=())
    assert semantic_diff(live, backend.policy_as_kept(wanted)).empty
    assert not semantic_diff(live, wanted).empty


@pytest.mark.parametrize("layout", ["rules", "compiled"])
@pytest.mark.parametrize("flavour", ["freebsd", "openbsd", "macos"])
def test_comments_with_quotes_dollars_and_letters_of_all_kinds_are_read_back(flavour, layout):
    comments = ["Karin's web; $(reboot) `id` & <b>", "costs $5", "a { # b", "} it's", "B\u00fcro \u65e5\u672c"]
    rules = [
        {"action": "allow", "port": 22, "source": "192.0.2.%d" % number, "comment": comment} for number, comment in enumerate(comments * 2)
    ]
    nat = [{"type": "masquerade", "interface": "em0", "family": "ipv4", "comment": comments[0]}]
    policy = document_policy({"rules": rules, "nat": nat, "defaults": {"forward": "unmanaged"}})
    text = text_of(kept(policy), flavour, layout)
    assert parse_pf(text, flavour, INTERFACES).accepted
    found = parse_policy(text, dialect_named(flavour))
    assert [rule.comment for rule in found.rules] == comments * 2
    assert [one.comment for one in found.nat] == comments[:1]
