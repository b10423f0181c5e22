# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``backend`` against a backend of switches: which one it chooses, what it refuses, installs, switches and tells."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend, Command, Transaction
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.detect import Detection
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Chain, Entry, Ruleset
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.switched_off import PATH, note_switch, switched_off
from ansible_collections.holdfast.firewall.plugins.module_utils.change import backend_task
from ansible_collections.holdfast.firewall.plugins.module_utils.change.backend_task import run_backend
from ansible_collections.holdfast.firewall.plugins.module_utils.change.engine import Engine
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.backend_request import parse_backend_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

SSH = parse_rule({"action": "allow", "port": 22})
OURS = Chain("input", frozenset({"in"}), frozenset({4, 6}), entries=(Entry(("ssh",), rule=SSH),), owner="holdfast")
THEIRS = Chain("DOCKER", frozenset({"in"}), frozenset({4}), entries=(Entry(("x",)), Entry(("y",))), base=False, owner="docker")
DEBIAN = "ID=debian\n"


class Switch(Backend):
    """A firewall that is a word in a file."""

    NAME = "nftables"

    def state(self):
        return self.host.read("state") or "disabled"

    def read(self):
        return Ruleset((OURS, THEIRS), self.state())

    def status(self):
        return {"version": "1", "at_boot": self.state() == "enabled"}

    def is_enabled(self, ruleset):
        return ruleset.listing == "enabled"

    def read_policy(self, ruleset):
        return None

    def plan_switch(self, ruleset, state, keep):
        self.host.keep = keep
        if state == ruleset.listing:
            return Transaction((), ruleset.listing)
        return Transaction((Command(("switch", state)),), state, {"one": 1})

    def install_commands(self):
        return (Command(("apt-get", "install", self.NAME)),)


class Ufw(Switch):
    NAME = "ufw"


class Writing(Engine):
    """An engine whose changes are a word in a file."""

    def __init__(self, host, detected="nftables", decides=True):
        super().__init__(host)
        self.detected, self.decides = detected, decides
        self.begun = []

    def detect(self, wanted):
        if self.detected == "none":
            raise HoldfastError("No firewall was found", detection={"saw": []})
        if self.detected == "two":
            raise HoldfastError("Two firewall front ends are active", detection={"active": ["ufw", "firewalld"]})
        name = self.detected if wanted == "auto" else wanted
        return Detection(make(name, self.host), (), "because", self.decides)

    def find_management(self, agent_ports):
        return Management((2222,), None, tuple(agent_ports))

    def settle_leftovers(self):
        pass

    def refuse_beside_pending(self):
        pass

    def waiting(self):
        return []

    def begin(self, backend, ruleset, transaction, window, attended):
        self.begun.append((transaction.persist, window, attended))
        self.host.write("state", transaction.after)
        return {"change": "one"}


def make(name, host):
    return {"nftables": Switch, "ufw": Ufw}[name](host)


@pytest.fixture(name="host")
def _host(monkeypatch):
    monkeypatch.setattr(backend_task, "make_backend", make)
    return PaperHost({"nft": "", "ufw": ""}, {"/etc/os-release": DEBIAN})


def task(engine, check=False, **words):
    return run_backend(engine.host, parse_backend_request(words), check, engine)


def test_a_firewall_is_switched_once(host):
    engine = Writing(host)
    result = task(engine, state="enabled", agent_ports=[10050])
    assert (result["changed"], result["msg"], result["kept_open"]) == (True, "nftables is enabled", ["2222/tcp", "10050/tcp"])
    assert result["diff"]["after"] == "enabled"
    assert engine.begun == [({"one": 1, "switch": "enabled"}, 60, True)]
    assert [rule.describe() for rule in host.keep] == ["allow in tcp from any to any port 2222,10050 stateful"]
    again = task(engine, state="enabled")
    assert (again["changed"], again["msg"], len(engine.begun)) == (False, "nftables is enabled already", 1)
    assert task(engine, state="disabled")["msg"] == "nftables is disabled"


def test_check_mode_says_what_would_be(host):
    engine = Writing(host)
    result = task(engine, True, state="enabled")
    assert (result["changed"], result["msg"], engine.begun) == (True, "nftables would be enabled", [])


def test_nothing_to_load_is_said(host):
    class Empty(Switch):
        def plan_switch(self, ruleset, state, keep):
            return Transaction((), ruleset.listing)

    engine = Writing(host)
    engine.detect = lambda _wanted: Detection(Empty(host), (), "because")
    assert "has no saved rules" in task(engine, state="enabled")["msg"]


def test_status_tells_and_changes_nothing(host):
    result = task(Writing(host), state="status")
    assert result["msg"] == "nftables: not enabled, not started at boot, 1 rule, beside it rules of docker"
    facts = result["status"]
    assert (facts["rules"], facts["rules_of_others"], facts["other_programs"]) == (1, 2, ["docker"])
    assert (facts["owner"], facts["version"], facts["policy"], facts["defaults"]) == ("nftables", "1", False, {"input": "allow"})
    assert result["changed"] is False


def test_a_missing_firewall_is_installed_only_when_told_to(host):
    engine = Writing(host)
    del host.answers["nft"]
    with pytest.raises(HoldfastError, match="add install: true"):
        task(engine, backend="nftables")
    assert task(engine, True, backend="nftables", install=True)["msg"] == "nftables would be installed, then enabled"
    assert task(engine, backend="nftables", state="status")["status"] == {"enabled": False, "installed": False}

    def install(_argv, _stdin):
        host.answers["nft"] = ""
        return ""

    host.answers["apt-get"] = install
    result = task(engine, backend="nftables", install=True)
    assert (result["installed"], result["changed"], result["msg"]) == (True, True, "nftables was installed; it is enabled")
    assert result["commands"][0] == "apt-get install nftables"


def test_a_firewall_that_is_not_there_is_disabled_already(host):
    engine = Writing(host)
    del host.answers["nft"]
    for install in (False, True):
        result = task(engine, backend="nftables", state="disabled", install=install)
        assert (result["changed"], result["msg"]) == (False, "nftables is not installed, so there is nothing to disable")
    assert engine.begun == []


def test_a_package_that_cannot_be_had_is_told_in_the_words_of_the_package_manager(host):
    del host.answers["nft"]

    def fails(_argv, _stdin):
        return 100, "", "E: Package 'nftables' has no installation candidate\n" * 2

    host.answers["apt-get"] = fails
    with pytest.raises(HoldfastError) as caught:
        task(Writing(host), backend="nftables", install=True)
    assert str(caught.value) == (
        "nftables could not be installed, so nothing was switched. The package manager ended with code 100 and said: E: Package 'nftables' "
        "has no installation candidate"
    )


def test_a_package_without_the_program_switches_nothing(host):
    engine = Writing(host)
    del host.answers["nft"]
    host.answers["apt-get"] = ""
    with pytest.raises(HoldfastError, match="still not on this host"):
        task(engine, backend="nftables", install=True)
    assert engine.begun == []


@pytest.mark.parametrize(
    ("detected", "decides", "release", "chosen"),
    [
        ("nftables", True, DEBIAN, "nftables"), ("nftables", False, DEBIAN, "ufw"), ("none", False, DEBIAN, "ufw"),
        ("none", False, "ID=alpine\n", "nftables"),
    ],
)  # fmt: skip
def test_what_is_installed_is_the_usual_firewall_where_none_decides(host, detected, decides, release, chosen):
    host.files["/etc/os-release"] = release
    assert task(Writing(host, detected, decides), install=True)["backend"] == chosen


def test_a_firewall_that_was_switched_off_is_not_replaced_by_the_usual_one(host):
    note_switch(host, "nftables", "disabled")
    assert task(Writing(host, "nftables", False), install=True)["backend"] == "nftables"


def test_two_front_ends_are_refused_also_with_install(host):
    with pytest.raises(HoldfastError, match="Two firewall front ends"):
        task(Writing(host, "two"), install=True)


def test_nothing_is_enabled_beside_an_active_front_end(host):
    host.files["/etc/ufw/ufw.conf"] = "ENABLED=yes\n"
    engine = Writing(host)
    for state in ("enabled", "disabled", "restarted"):
        with pytest.raises(HoldfastError, match=r"ufw \(ENABLED=yes.*backend: ufw and state: disabled"):
            task(engine, backend="nftables", state=state)
    assert task(engine, backend="ufw", state="enabled")["changed"]
    host.answers["firewall-cmd"] = host.answers["systemctl"] = ""
    with pytest.raises(HoldfastError, match="firewalld"):
        task(engine, backend="ufw", state="restarted")
    assert task(engine, backend="ufw", state="disabled")["changed"]


def test_switching_needs_root(host):
    host.root = False
    with pytest.raises(HoldfastError, match="become"):
        task(Writing(host), state="enabled")


def test_the_note_of_a_switched_off_firewall_comes_and_goes(host):
    note_switch(host, "pf", "disabled")
    assert (switched_off(host), host.files[PATH]) == ("pf", "pf\n")
    note_switch(host, "pf", "enabled")
    assert switched_off(host) is None
