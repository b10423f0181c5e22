# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``policy`` against a backend that keeps its policy in a variable: what is asked of it, refused, and told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend, Command, Transaction, Unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.detect import Detection
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Chain, Ruleset
from ansible_collections.holdfast.firewall.plugins.module_utils.change import engine, policy_task
from ansible_collections.holdfast.firewall.plugins.module_utils.change import pending as pending_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_record import record_path, write_record
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError, PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import ManagementAccess, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy_request import parse_policy_request
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

DOCKER = Chain("ip docker-bridges fwd", frozenset({"forward"}), frozenset({4}), owner="docker")
ADMIN = Chain("inet filter input", frozenset({"in"}), frozenset({4, 6}), default="deny")
WEB = {"rules": [{"action": "allow", "port": 80, "comment": "web"}]}


class OneVariable(Backend):
    """The live policy is a variable; its listing is its words."""

    NAME = "nftables"
    ACCEPT_IS_FINAL = False
    live = None
    chains = ()
    reads = 0

    def read(self):
        self.reads += 1
        return Ruleset(self.chains, self.own_listing(None))

    def policy_unsupported(self, policy, layout="auto"):
        return tuple(
            Unsupported("rules[%d].limit" % number, str(rule.limit.rate), "it cannot count")
            for number, rule in enumerate(policy.rules)
            if rule.limit is not None
        )

    def render_policy(self, policy, layout="auto"):
        return json.dumps(policy.as_dict())

    def read_policy(self, ruleset):
        if self.live == "torn":
            raise HoldfastError("line 3 says nothing known")
        return self._rules(self.live)  # rules do not say who may manage

    def own_listing(self, ruleset):
        return "" if self.live is None else str(self.live)

    def live_text(self, whole=False):
        return self.own_listing(None)

    @staticmethod
    def _rules(policy):
        return replace(policy, management=ManagementAccess()) if isinstance(policy, Policy) else policy

    def plan_policy(self, ruleset, wanted, layout="auto", alone=False):
        if self._rules(wanted) == self._rules(self.live):
            return Transaction((), ruleset.listing)
        self.wanted, self.alone = wanted, alone
        return Transaction((Command(("load",), "text\n" * 300),), "after", {"facts": 1})


@pytest.fixture(name="backend")
def _backend(monkeypatch, tmp_path):
    host = PaperHost()
    backend = OneVariable(host)
    begun = []
    monkeypatch.setattr(engine, "detect", lambda _host, _wanted: Detection(backend, (), "because"))
    monkeypatch.setattr(engine, "find_management", lambda _host, ports: Management((22,), "198.51.100.1", tuple(ports)))
    monkeypatch.setattr(engine, "settle_leftovers", lambda _host: None)
    monkeypatch.setattr(pending_module, "state_root", lambda: str(tmp_path))

    def begin(_host, _backend, _ruleset, transaction, window, attended):
        begun.append(transaction)
        backend.live = backend.wanted
        return {"change": "c1", "confirm_within": window, "timer": "at"}

    monkeypatch.setattr(engine, "begin", begin)
    backend.begun = begun
    return backend


def run(backend, check_mode=False, diff_mode=False, **words):
    return policy_task.run_policy(backend.host, parse_policy_request(words), check_mode, diff_mode)


def test_a_policy_is_begun_with_its_guard_in_front(backend):
    result = run(backend, policy=WEB)
    assert (result["changed"], result["msg"]) == (True, "The policy is put in force (nftables)")
    assert result["pending"]["change"] == "c1"
    comments = [rule.comment for rule in backend.wanted.guard]
    assert comments[:2] == ["holdfast: loopback", "holdfast: known connections"]
    assert "holdfast: management" in comments
    assert not backend.alone


def test_the_note_for_later_goes_with_the_change(backend):
    run(backend, policy=WEB)
    assert set(backend.begun[0].persist) == {"facts", "policy_record"}
    assert backend.begun[0].persist["policy_record"]["whole"] is False


def test_a_noted_document_is_recognised_without_reading_rules_one_by_one(backend):
    run(backend, policy=WEB)
    write_record(backend.host, backend, backend.begun[0].persist["policy_record"]["document"], False)
    reads = backend.reads
    assert run(backend, policy=WEB)["changed"] is False
    assert backend.reads == reads


def test_a_note_is_not_believed_when_the_live_rules_are_others(backend):
    run(backend, policy=WEB)
    write_record(backend.host, backend, backend.begun[0].persist["policy_record"]["document"], False)
    backend.live = None
    result = run(backend, policy=WEB)
    assert (result["changed"], result["drift"]) == (True, True)


def test_a_policy_in_force_without_a_note_is_noted(backend):
    run(backend, policy=WEB)
    backend.host.files.clear()
    assert run(backend, policy=WEB)["changed"] is False
    assert record_path() in backend.host.files


def test_rules_that_wait_for_their_confirmation_are_not_called_in_force(backend):
    run(backend, policy=WEB)
    pending_module.Pending.create().write_json("change.json", {"deadline": 0})
    with pytest.raises(HoldfastError, match="waits for its confirmation"):
        run(backend, policy=WEB)
    assert record_path() not in backend.host.files
    for result in (run(backend, check_mode=True, policy=WEB), run(backend, state="gathered")):
        assert "without it these rules are undone" in result["notes"][0]


def test_check_mode_begins_nothing_and_notes_nothing(backend):
    result = run(backend, check_mode=True, policy=WEB)
    assert (result["changed"], result["msg"]) == (True, "The policy would be put in force (nftables)")
    assert "pending" not in result
    assert not backend.begun
    assert not backend.host.files


def test_a_long_input_of_a_command_is_shown_in_part(backend):
    (shown,) = run(backend, policy=WEB)["commands"]
    assert "... and 100 more lines" in shown


def test_a_policy_that_locks_out_is_refused_with_the_packet(backend):
    with pytest.raises(HoldfastError) as caught:
        run(backend, policy={**WEB, "management": {"sources": ["192.0.2.0/24"]}})
    assert "would lock you out" in caught.value.msg
    assert "198.51.100.1" in caught.value.msg
    assert not backend.begun


def test_what_a_backend_cannot_carry_is_refused_with_its_place(backend):
    with pytest.raises(HoldfastError) as caught:
        run(backend, policy={"rules": [{"action": "allow", "port": 80, "limit": "6/minute"}]})
    assert caught.value.details["unsupported"][0]["field"] == "rules[0].limit"


def test_a_bad_document_names_its_place(backend):
    with pytest.raises(PolicyError) as caught:
        run(backend, policy={"rules": [{"action": "allow", "port": 99999}]})
    assert caught.value.place == "policy.rules[0].port"


def test_forwarding_stays_with_a_program_that_decides_about_it(backend):
    backend.chains = (DOCKER,)
    result = run(backend, policy=WEB)
    assert backend.wanted.defaults["forward"] == "unmanaged"
    assert "left to docker" in result["notes"][0]


@pytest.mark.parametrize("more", [{"defaults": {"forward": "deny"}}, {"rules": [{"action": "allow", "direction": "forward", "port": 80}]}])
def test_a_document_that_speaks_of_forwarding_decides_it(backend, more):
    backend.chains = (DOCKER,)
    run(backend, policy={**WEB, **more})
    assert backend.wanted.defaults["forward"] == "deny"


def test_lists_of_the_administrator_that_also_decide_are_named(backend):
    backend.chains = (ADMIN,)
    assert "inet filter input" in run(backend, policy=WEB)["notes"][0]
    backend.live = None
    alone = run(backend, policy=WEB, state="overridden")
    assert (alone["notes"], backend.alone) == ([], True)


def test_merged_puts_the_document_into_what_is_there(backend):
    run(backend, policy=WEB)
    run(backend, state="merged", policy=[{"action": "allow", "port": 443}], agent_ports="9999")
    assert [rule.ports[0].first for rule in backend.live.rules] == [443, 80]
    assert run(backend, state="merged", policy=[{"action": "allow", "port": 443}], agent_ports="9999")["changed"] is False
    ports = {one.first for rule in backend.live.guard if rule.comment == "holdfast: management" for one in rule.ports}
    assert run(backend, state="merged", policy=[{"action": "allow", "port": 444}])["changed"] is True
    assert ports == {22, 9999}
    kept = {one.first for rule in backend.live.guard if rule.comment == "holdfast: management" for one in rule.ports}
    assert kept == ports


def test_nothing_is_merged_into_rules_that_cannot_be_read(backend):
    backend.live = "torn"
    with pytest.raises(HoldfastError, match="nothing can be merged into them"):
        run(backend, state="merged", policy=WEB)


def test_rules_that_cannot_be_read_are_replaced_and_that_is_told(backend):
    backend.live = "torn"
    result = run(backend, policy=WEB)
    assert result["changed"] is True
    assert "line 3 says nothing known" in result["notes"][0]


def test_deleted_removes_ours_once(backend):
    run(backend, policy=WEB)
    backend.wanted = None
    assert run(backend, state="deleted")["msg"] == "The policy is removed (nftables)"
    assert backend.live is None
    again = run(backend, state="deleted")
    assert (again["changed"], again["msg"]) == (False, "There is no policy of ours (nftables)")


def test_gathered_says_what_is_live(backend):
    assert run(backend, state="gathered")["gathered"] is None
    run(backend, policy=WEB)
    found = run(backend, state="gathered")
    assert [rule["comment"] for rule in found["gathered"]["rules"]] == ["web"]
    assert found["guard"]


def test_rendered_needs_no_root(backend):
    backend.host.root = False
    assert "web" in run(backend, state="rendered", policy=WEB)["rendered"]
    with pytest.raises(HoldfastError, match="needs root"):
        run(backend, policy=WEB)


def test_the_semantic_difference_is_part_of_a_diff(backend):
    run(backend, policy=WEB)
    wider = {"rules": [*WEB["rules"], {"action": "allow", "port": 8443}]}
    result = run(backend, check_mode=True, diff_mode=True, policy=wider)
    assert "8443" in result["semantic_diff"]["text"]
    assert "8443" in result["diff"][1]["prepared"]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"state": "replaced"}, "policy"),
        ({"state": "gathered", "policy": WEB}, "policy"),
        ({"state": "parsed", "running_config": "x"}, "backend"),
        ({"state": "parsed", "backend": "nftables"}, "running_config"),
        ({"policy": "no json"}, "policy"),
        ({"policy": WEB, "layout": "fast"}, "layout"),
        ({"policy": WEB, "confirm_within": 5}, "confirm_within"),
        ({"policy": WEB, "running_config": "x"}, "running_config"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(words, place):
    with pytest.raises(PolicyError) as caught:
        parse_policy_request(words)
    assert caught.value.place == place


def test_the_semantic_difference_says_what_is_not_compared(backend):
    backend.chains = (ADMIN,)
    run(backend, policy=WEB)
    backend.plan_policy = lambda ruleset, wanted, layout="auto", alone=False: Transaction((Command(("load",), "text"),), "after")
    same = run(backend, check_mode=True, policy=WEB)["semantic_diff"]["text"]
    assert "compared is the policy alone" in same
    assert "the lists of the administrator also decide and are not compared" in same
    alone = run(backend, check_mode=True, policy=WEB, state="overridden")["semantic_diff"]["text"]
    assert "which are removed, is not compared" in alone


def test_native_lines_of_other_backends_change_nothing(backend):
    run(backend, policy=WEB)
    other = dict(WEB, rules=[], native={"pf": {"before": ["antispoof quick for egress"]}})
    assert "native" not in run(backend, check_mode=True, policy=other)["semantic_diff"]["text"]


def test_who_is_not_among_the_sources_of_management_is_told(backend):
    with pytest.raises(HoldfastError, match=r"Put 198\.51\.100\.1, from where this session comes, into management\.sources"):
        run(backend, policy=dict(WEB, management={"sources": ["192.0.2.0/24"]}))


ACCESS = {"sources": ["198.51.100.0/24"], "agent_ports": [4505]}


def test_a_merge_does_not_open_the_management_ports_to_others(backend):
    run(backend, policy=dict(WEB, management=ACCESS))
    run(backend, policy=[{"action": "allow", "port": 443}], state="merged")
    management = [rule for rule in backend.live.guard if rule.comment == "holdfast: management"]
    assert [rule.source.words() for rule in management] == [["198.51.100.0/24"]]
    assert [(one.first, one.last) for one in management[0].ports] == [(22, 22), (4505, 4505)]


def test_gathered_and_put_in_force_again_a_policy_is_the_same(backend):
    run(backend, policy=dict(WEB, management=ACCESS))
    gathered = run(backend, state="gathered")["gathered"]
    assert gathered["management"] == ACCESS
    run(backend, policy=gathered)
    assert [rule.source.words() for rule in backend.live.guard if rule.comment == "holdfast: management"] == [["198.51.100.0/24"]]
