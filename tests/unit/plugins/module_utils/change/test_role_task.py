# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``role_ports`` against real backends on stand-in hosts of BSD: one transaction, kept, removed, and what it refuses."""

from __future__ import annotations

import json

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Command, Transaction
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.detect import Detection
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.backend import Ipfw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.change.engine import Engine
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.change.role_task import run_roles
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.role_request import parse_role_request
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import StandinHost

PF = "set skip on lo0\npass in quick proto tcp from any to any port 22 no state\nblock in quick from 203.0.113.0/24 to any\nblock in all\n"
ROLES = {
    "web": [{"name": "HTTP", "action": "allow", "port": [80, 443], "stateful": True}],
    "api": [
        {"action": "allow", "port": 443, "stateful": True, "cidr": "192.0.2.0/24", "direction": "inbound", "description": "the API"},
        {"action": "deny", "protocol": "udp", "port": 443},
    ],
    "base": [{"action": "allow", "port": 22}, {"action": "allow", "port": 9100}],
}


class Applying(Engine):
    """An engine that applies at once and confirms at once."""

    def __init__(self, backend, ports=(22,)):
        super().__init__(backend.host)
        self.backend = backend
        self.ports = ports
        self.begun = 0

    def detect(self, wanted):
        return Detection(self.backend, (), "because")

    def find_management(self, agent_ports):
        return Management(tuple(self.ports), None, tuple(agent_ports))

    def settle_leftovers(self):
        pass

    def refuse_beside_pending(self):
        pass

    def begin(self, backend, ruleset, transaction, window, attended):
        self.begun += 1
        backend.validate(transaction)
        self.snapshot = backend.snapshot(ruleset, transaction)
        backend.apply(transaction)
        assert backend.read().listing == transaction.after
        backend.persist(transaction.persist)
        return {"change": "one"}


def pf_host(tmp_path):
    host = StandinHost(tmp_path / "pf", "freebsd")
    host.write("/etc/pf.conf", PF)
    host.must("kldload", "pf")
    host.must("pfctl", "-f", "/etc/pf.conf")
    host.must("pfctl", "-e")
    return Pf(host)


def ipfw_host(tmp_path):
    host = StandinHost(tmp_path / "ipfw", "freebsd")
    host.must("kldload", "ipfw")
    for line in ("allow ip from any to any via lo0", "allow tcp from any to me 22 in", "deny ip from any to any"):
        host.must("ipfw", "-q", "add", *line.split())
    return Ipfw(host)


def with_policy(engine, rules):
    """Put a policy in force on the host of an engine, and return the engine."""
    backend = engine.backend
    policy = with_guard(parse_policy(rules), Management((22,)), backend.untracked_icmp)
    transaction = backend.plan_policy(backend.read(), policy)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    return engine


@pytest.fixture(params=[pf_host, ipfw_host], ids=["pf", "ipfw"], name="engine")
def _engine(request, tmp_path):
    return Applying(request.param(tmp_path))


def task(engine, check=False, **words):
    return run_roles(engine.host, parse_role_request(dict({"roles": ROLES}, **words)), check, engine)


def test_all_rules_of_several_roles_are_one_change_and_a_second_run_changes_nothing(engine):
    result = task(engine, role=["web", "api"])
    assert result["changed"]
    assert engine.begun == 1
    assert [one["label"] for one in result["added"]] == ["roles.web[0] (HTTP)", "roles.api[0]", "roles.api[1]"]
    again = task(engine, role="web,api")
    assert (again["changed"], again["added"], engine.begun) == (False, [], 1)
    assert again["msg"] == "The rules of web, api are present already (%s)" % engine.backend.NAME


def off(tmp_path, text=PF):
    host = StandinHost(tmp_path / "off", "freebsd")
    host.write("/etc/pf.conf", text)
    return Applying(Pf(host))


def test_rules_for_a_firewall_that_is_off_are_written_for_later_and_every_run_says_so(tmp_path):
    engine = off(tmp_path)
    asleep = "; pf is off, so its rules decide nothing until it is switched on: "
    assert task(engine, True, role="web")["msg"].startswith("1 rule of web would be added (pf)" + asleep)
    assert task(engine, role="web")["msg"].startswith("1 rule of web added (pf)" + asleep)
    again = task(engine, role="web")
    assert again["changed"] is False
    assert again["msg"].startswith("The rules of web are present already (pf)" + asleep)
    assert not engine.backend.is_enabled(engine.backend.read())
    assert task(engine, role="web", state="absent")["msg"] == "1 rule of web removed (pf)"


def test_a_role_that_denies_is_refused_on_a_firewall_that_is_off_also_where_its_rules_are_listed(tmp_path):
    engine = off(tmp_path)
    with pytest.raises(HoldfastError, match=r"roles.api\[1\] stops nothing here: pf is off"):
        task(engine, role="api")
    switched = pf_host(tmp_path)
    task(Applying(switched), role="api")
    switched.host.must("pfctl", "-d")
    with pytest.raises(HoldfastError, match=r"roles.api\[1\] stops nothing here: pf is off"):
        task(Applying(switched), role="api")


def test_a_role_switches_a_firewall_on_whose_file_says_nothing_else(tmp_path):
    engine = off(tmp_path, "")
    assert task(engine, role="api")["msg"] == "2 rules of api added (pf)"
    assert engine.backend.is_enabled(engine.backend.read())


def test_rules_that_are_listed_and_not_in_force_are_put_into_force(engine):
    task(engine, role="web")
    engine.backend.wake = lambda ruleset: Transaction((Command(("uname", "-s")),), ruleset.listing, {})
    engine.begin = lambda *_words: {"change": "one"}
    assert task(engine, True, role="web")["msg"] == "The rules of web would be put into force (%s)" % engine.backend.NAME
    result = task(engine, role="web")
    assert (result["changed"], result["msg"]) == (True, "The rules of web were put into force (%s)" % engine.backend.NAME)


def test_removing_brings_back_what_was(engine):
    before = engine.backend.read().listing
    task(engine, role=["web", "api"])
    result = task(engine, role=["api", "web"], state="absent")
    assert [one["role"] for one in result["removed"]] == ["api", "api", "web"]
    assert engine.backend.read().listing == before
    assert task(engine, role="web", state="absent")["changed"] is False


def test_a_management_port_is_skipped_and_the_rest_goes(engine):
    task(engine, role="base")
    result = task(engine, role="base", state="absent")
    assert result["skipped_preserved_ports"] == ["22/tcp"]
    assert [one["label"] for one in result["kept"]] == ["roles.base[0]"]
    assert [one["label"] for one in result["removed"]] == ["roles.base[1]"]
    assert "kept, which keeps management port 22/tcp open" in result["msg"]
    again = task(engine, role="base", state="absent")
    assert (again["changed"], again["skipped_preserved_ports"]) == (False, ["22/tcp"])


def test_an_agents_port_is_kept_too(engine):
    task(engine, role="base")
    assert task(engine, role="base", state="absent", agent_ports=[9100])["skipped_preserved_ports"] == ["22/tcp", "9100/tcp"]


def test_a_rule_that_a_kept_role_needs_stays(engine):
    roles = {"web": [{"action": "allow", "port": 80}, {"action": "allow", "port": 443}], "proxy": [{"action": "allow", "port": 443}]}
    task(engine, role=["web", "proxy"], roles=roles)
    result = task(engine, role="web", keep_roles="proxy", state="absent", roles=roles)
    assert [one["rule"]["port"] for one in result["removed"]] == [[80]]
    assert [one["why"] for one in result["kept"]] == ["roles.proxy[0] needs it"]


def test_check_mode_tells_and_changes_nothing(engine):
    before = engine.backend.read().listing
    result = task(engine, True, role="web")
    assert result["msg"] == "1 rule of web would be added (%s)" % engine.backend.NAME
    assert (result["changed"], engine.begun, engine.backend.read().listing) == (True, 0, before)
    assert result["diff"]["after"] != before


def test_rules_that_contradict_each_other_are_refused(engine):
    roles = {"a": [{"action": "allow", "port": 80}], "b": [{"action": "deny", "port": 80}]}
    with pytest.raises(HoldfastError, match=r"^roles\.a\[0\] has no effect beside the other rules of this task"):
        task(engine, role=["a", "b"], roles=roles)
    assert engine.begun == 0


def test_the_same_rule_twice_is_one_rule(engine):
    roles = {"a": [{"action": "allow", "port": 80, "name": "one"}], "b": [{"action": "allow", "port": 80, "description": "two"}]}
    assert len(task(engine, role=["a", "b"], roles=roles)["added"]) == 1
    assert task(engine, role=["a", "b"], roles=roles)["changed"] is False


def test_what_the_firewall_cannot_say_is_refused_with_its_place(tmp_path):
    engine = Applying(pf_host(tmp_path))
    roles = {"a": [{"action": "allow", "port": 80}, {"action": "allow", "port": 81, "limit": "6/minute"}]}
    with pytest.raises(HoldfastError) as caught:
        task(engine, role="a", roles=roles)
    assert [one["field"] for one in caught.value.as_failure()["unsupported"]] == ["roles.a[1].limit"]


def test_a_rule_of_the_hosts_policy_is_not_removed(engine, monkeypatch):
    request = parse_role_request({"role": "base", "roles": ROLES})

    class Whole:
        rules = [one.rule for one in request.rules]
        guard = ()

    monkeypatch.setattr(engine.backend, "read_policy", lambda _ruleset: Whole)
    with pytest.raises(HoldfastError, match=r"part of the policy of this host.*roles\.base\[1\]"):
        task(engine, role="base", state="absent")
    assert engine.begun == 0


def test_rules_that_the_hosts_policy_has_are_not_added_again(engine):
    with_policy(engine, [{"action": "allow", "port": 8080}])
    roles = {"a": [{"action": "allow", "port": 8080, "name": "policy"}, {"action": "allow", "port": 8081, "name": "task"}]}
    assert [one["label"] for one in task(engine, role="a", roles=roles)["added"]] == ["roles.a[1] (task)"]
    assert task(engine, role="a", roles=roles)["changed"] is False
    with pytest.raises(HoldfastError, match=r"part of the policy of this host.*roles\.a\[0\]"):
        task(engine, role="a", roles=roles, state="absent")


def test_a_host_without_roles_is_left_as_it_is(engine):
    result = task(engine, role=[])
    assert (result["changed"], result["msg"]) == (False, "No role is named, so there is nothing to do")
    assert engine.begun == 0


def test_roles_come_as_text_too(engine):
    assert task(engine, role="web", roles=json.dumps(ROLES))["changed"]


def test_a_role_that_closes_an_unproved_port_to_everybody_is_refused(engine, monkeypatch):
    monkeypatch.setattr(engine, "unproved_ports", lambda: (3389,))
    with pytest.raises(HoldfastError, match="would close port 3389/tcp to everybody"):
        task(engine, role="a", roles={"a": [{"action": "deny", "port": 3389}]})
    assert engine.begun == 0
