# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``analyze``: each question gets its answer or its reason, and nothing is ever changed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.detect import Detection
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Chain, Ruleset
from ansible_collections.holdfast.firewall.plugins.module_utils.change import analyze_task, engine
from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_request import parse_analyze_request
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError, PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

WEB = [{"action": "allow", "port": 80}, {"action": "deny", "port": 80, "source": "192.0.2.7"}]
SSH = {"action": "allow", "port": 22}


class Live(Backend):
    """A host that denies all but port 22; every way to change it is missing."""

    NAME = "nftables"
    own = Policy((Rule("allow", ports=(PortRange(22, 22),)),))

    def read(self):
        return Ruleset((Chain("inet filter input", frozenset({"in"}), frozenset({4, 6}), "deny"),), "")

    def read_policy(self, ruleset):
        return self.own

    def normalise(self, rule):
        return rule


@pytest.fixture(name="host")
def _host(monkeypatch):
    host = PaperHost()
    monkeypatch.setattr(engine, "detect", lambda host, _wanted: Detection(Live(host), (), "because"))
    monkeypatch.setattr(engine, "find_management", lambda _host, ports: Management((22,), "198.51.100.1", tuple(ports)))
    return host


def ask(host, **args):
    result = analyze_task.run_analyze(host, parse_analyze_request(args))
    assert result["changed"] is False
    assert host.ran == []
    json.dumps(result)
    return result


def test_a_document_is_looked_at_for_conflicts(host):
    result = ask(host, policy=WEB, kinds=["coverage"])
    assert result["conflicts"]["counts"] == {"fully_shadowed": 1, "partially_shadowed": 0, "redundant": 0}
    assert result["msg"] == "policy: 2 rules, 1 fully shadowed"
    assert result["unanswered"] == []
    assert "backend" not in result


def test_two_documents_are_compared(host):
    result = ask(host, policy=[*WEB, SSH], other=WEB)
    assert result["equivalent"] is False
    assert result["difference"]["packet"]["port"] == 22
    assert [one["kind"] for one in result["semantic_diff"]["changes"]] == ["allowed"]
    assert ask(host, policy=WEB, other=WEB[:1], questions=["equivalent"])["equivalent"] is True


def test_a_document_is_compared_as_the_firewall_of_the_host_keeps_it(host, monkeypatch):
    """Firewalld writes a part of the guard in other words; what was just put in force is no difference."""
    assert ask(host, policy=[SSH], live=True, questions=["equivalent"])["equivalent"] is False
    monkeypatch.setattr(Live, "policy_as_kept", lambda _self, policy: replace(policy, guard=()))
    result = ask(host, policy=[SSH], live=True, questions=["equivalent", "diff"])
    assert (result["equivalent"], result["semantic_diff"]["count"]) == (True, 0)


def test_packets_may_be_json_text(host):
    one = ask(host, policy=WEB, questions="trace", packet='{"port": "80", "source": "192.0.2.7"}')
    two = ask(host, policy=WEB, questions="trace", packet='[{"port": 80}, {"port": 22}]')
    assert [trace["packet"]["port"] for trace in one["traces"] + two["traces"]] == [80, 80, 22]
    with pytest.raises(HoldfastError, match="no JSON"):
        ask(host, policy=WEB, questions="trace", packet='{"port": 80')


def test_packets_are_traced_through_both_policies(host):
    result = ask(host, policy=WEB, other=[SSH], questions="trace", packet=["port=80", {"port": 22, "source": "192.0.2.7"}])
    assert [(one["policy"], one["packet"]["port"], one["verdict"]) for one in result["traces"]] == [
        ("policy", 80, "allow"), ("policy", 22, "deny"), ("other", 80, "deny"), ("other", 22, "allow"),
    ]  # fmt: skip


def test_the_live_rules_are_what_a_document_is_compared_with(host):
    result = ask(host, policy=[SSH], live=True, guard=False, questions=["equivalent"])
    assert result["equivalent"] is True
    assert result["live"] == {"ours": True, "rules": 1, "not_judged": ["inet filter input: 0 entries, default deny"]}
    assert (result["backend"], result["detection"]["reason"]) == ("nftables", "because")
    assert result["notes"] == ["1 entries of the live rules were not judged; live.not_judged names them"]


def test_a_document_is_compared_with_the_guard_that_it_would_get_on_this_host(host, monkeypatch):
    guarded = ask(host, policy=[SSH], live=True, questions=["diff", "parse"])
    assert "guard (holdfast: loopback)" in guarded["semantic_diff"]["text"]
    assert guarded["parsed"]["policy"]["guard"][0]["interface"] == "lo"


def test_the_live_rules_alone_are_asked_about(host):
    result = ask(host, live=True, packet="port=23")
    assert result["msg"].startswith("live: 1 rules, no conflicts; live: in tcp")
    assert result["traces"][0]["policy"] == "live"


def test_what_needs_the_live_rules_is_left_open_without_root_and_the_rest_is_answered(host):
    host.root = False
    result = ask(host, policy=WEB, live=True)
    assert set(result["conflicts"]["counts"].values()) != {0}
    assert [one["question"] for one in result["unanswered"]] == ["diff", "equivalent"]
    assert "needs root; add become" in result["unanswered"][0]["reason"]
    with pytest.raises(HoldfastError, match="needs root") as caught:
        ask(host, live=True)
    assert caught.value.details["unanswered"][0]["question"] == "conflicts"


def test_a_lockout_is_proved_with_the_session_and_the_ports_of_the_host(host):
    safe = ask(host, policy=WEB, questions=["lockout"], agent_ports=[9100])
    assert safe["lockout"]["safe"] is True
    assert any("port 9100" in need for need in safe["lockout"]["needs"])
    document = {"rules": [], "management": {"sources": ["192.0.2.0/24"]}}
    result = ask(host, policy=document, questions=["lockout"])
    assert result["lockout"]["safe"] is False
    assert result["lockout"]["refusal"]["packet"]["source"] == "198.51.100.1"
    assert "would lock you out" in result["msg"]


def test_rules_without_words_are_marked_so_that_they_are_no_document(host):
    Live.own, before = Policy((Rule("allow", protocol=None, established=True),)), Live.own
    try:
        parsed = ask(host, live=True, questions=["parse"])["parsed"]["live"]
    finally:
        Live.own = before
    assert parsed["rules"][0]["only"] == "known connections"
    with pytest.raises(PolicyError):
        parse_analyze_request({"policy": parsed["rules"]})


def test_warnings_of_documents_are_passed_on(host):
    result = ask(host, policy={"rules": [], "address_sets": {"office": ["192.0.2.0/24"]}})
    assert any("not used: office" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param({}, "policy: found .nothing.*live: true", id="nothing"),
        pytest.param({"policy": [{"action": "alow"}]}, r"policy\[0\].action.*Did you mean allow", id="policy"),
        pytest.param({"policy": [], "other": [{}]}, r"other\[0\].action", id="other"),
        pytest.param({"other": [], "live": True}, "other: found .a document.; allowed: only together with policy", id="other-alone"),
        pytest.param({"policy": [], "other": [], "live": True}, "live: found True", id="three-policies"),
        pytest.param({"policy": [], "questions": ["diff"]}, "diff needs two policies", id="diff-of-one"),
        pytest.param({"policy": [], "questions": ["equivalent"]}, "equivalent needs two policies", id="equivalent-of-one"),
        pytest.param({"policy": [], "questions": ["trace"]}, "trace needs packet", id="trace-of-nothing"),
        pytest.param({"policy": [], "questions": ["conflict"]}, r"questions\[0\].*did you mean conflicts", id="question"),
        pytest.param({"policy": [], "packet": {"source": "192.0.2.7"}}, "packet.port", id="packet"),
        pytest.param({"policy": [], "packet": "port"}, "words like port=22", id="packet-words"),
        pytest.param({"policy": [], "packet": [{"port": 1}, {"port": 0}]}, r"packet\[1\].port", id="packets"),
        pytest.param({"policy": [], "kinds": ["shadow"]}, r"kinds\[0\]", id="kinds"),
        pytest.param({"policy": [], "limit": 0}, "limit: found 0", id="limit"),
        pytest.param({"policy": "rules: ["}, "this text is no JSON", id="text"),
        pytest.param({"policy": [], "src": "x"}, "src", id="src-without-ansible"),
        pytest.param({"policy": [], "polcy": []}, "did you mean policy", id="key"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_in_words(args, said):
    with pytest.raises(PolicyError, match="(?i)" + said):
        parse_analyze_request(args)


def test_json_text_is_a_document():
    request = parse_analyze_request({"policy": json.dumps(WEB), "limit": "5", "guard": "no"})
    assert (len(request.policy.policy.rules), request.limit, request.guard) == (2, 5, False)


def test_a_document_has_the_guard_of_the_firewall_on_the_host(host, monkeypatch):
    monkeypatch.setattr(Live, "untracked_icmp", lambda _self, _direction: {58: (2,)})
    comments = [rule["comment"] for rule in ask(host, policy=WEB, guard=True, questions=["parse"])["parsed"]["policy"]["guard"]]
    assert "holdfast: ICMP answers" in comments

    def none_there(_host, _wanted):
        raise HoldfastError("no firewall")

    monkeypatch.setattr(engine, "detect", none_there)
    comments = [rule["comment"] for rule in ask(host, policy=WEB, guard=True, questions=["parse"])["parsed"]["policy"]["guard"]]
    assert "holdfast: management" in comments
    assert "holdfast: ICMP answers" not in comments
