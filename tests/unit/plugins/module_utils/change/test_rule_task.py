# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``rule`` on a stand-in host whose firewall is off: what it says, and what it refuses."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.change.rule_task import run_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import parse_request
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.change.test_role_task import (
    Applying,
    ipfw_host,
    off,
    pf_host,
    with_policy,
)


class Rules(Applying):
    """An engine for tasks of ``rule``."""

    def detect(self, wanted, asked=None):
        return super().detect(wanted)


def rules(engine):
    """Return the engine for the same backend."""
    return Rules(engine.backend)


def task(engine, check=False, **words):
    return run_rule(engine.host, parse_request(words), check, engine)


ASLEEP = "; pf is off, so its rules decide nothing until it is switched on: holdfast.firewall.backend with backend: pf and state: enabled"


def test_an_allow_for_a_firewall_that_is_off_is_written_for_later_and_every_run_says_so(tmp_path):
    engine = rules(off(tmp_path))
    words = {"action": "allow", "port": 8443}
    assert task(engine, True, **words)["msg"] == "Firewall rule would be added (pf)" + ASLEEP
    assert task(engine, **words)["msg"] == "Firewall rule added (pf)" + ASLEEP
    again = task(engine, **words)
    assert (again["changed"], again["msg"]) == (False, "Firewall rule already present (pf)" + ASLEEP)
    assert not engine.backend.is_enabled(engine.backend.read())
    assert task(engine, state="absent", **words)["msg"] == "pf rule removed"


def test_a_deny_for_a_firewall_that_is_off_is_refused_also_where_it_is_listed(tmp_path):
    with pytest.raises(HoldfastError, match="pf is off on this host, so a rule that stops packets would not"):
        task(rules(off(tmp_path)), action="deny", port=23)
    engine = Rules(pf_host(tmp_path))
    assert task(engine, action="deny", port=23)["msg"] == "Firewall rule added (pf)"
    engine.host.must("pfctl", "-d")
    with pytest.raises(HoldfastError, match="The rule stops nothing here: pf is off"):
        task(engine, action="deny", port=23)


def test_a_raw_rule_that_is_listed_while_the_firewall_is_off_is_not_called_in_force(tmp_path):
    engine = rules(off(tmp_path))
    assert task(engine, native={"pf": "block in all"})["msg"] == "Firewall rule already present (pf)" + ASLEEP


def test_a_rule_switches_a_firewall_on_whose_file_says_nothing_else(tmp_path):
    engine = rules(off(tmp_path, ""))
    assert task(engine, action="deny", port=23)["msg"] == "Firewall rule added (pf)"
    assert engine.backend.is_enabled(engine.backend.read())


# -- beside a policy ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[pf_host, ipfw_host], ids=["pf", "ipfw"], name="ruled")
def _ruled(request, tmp_path):
    rules = [{"action": "allow", "port": 80, "comment": "web"}, {"action": "deny", "port": 81, "source": "192.0.2.0/24"}]
    return with_policy(Rules(request.param(tmp_path)), rules)


@pytest.mark.parametrize(
    "words",
    [{"port": 80}, {"port": 80, "comment": "mine"}, {"port": 22}, {"action": "deny", "port": 81, "source": "192.0.2.0/24"}],
    ids=["allow", "with another comment", "management", "deny"],
)
def test_a_rule_that_the_policy_has_is_present(ruled, words):
    result = task(ruled, **{"action": "allow", **words})
    assert (result["changed"], result["msg"][:28]) == (False, "Firewall rule already presen")
    assert ruled.begun == 0


def test_a_rule_that_only_looks_like_one_of_the_policy_is_added(ruled):
    assert task(ruled, True, action="allow", port=[80, 443])["changed"]
    assert task(ruled, True, action="deny", port=80)["changed"]


def test_a_rule_of_the_policy_is_added_where_another_task_stopped_it(tmp_path):
    ruled = with_policy(Rules(pf_host(tmp_path)), [{"action": "allow", "port": 80}])
    task(ruled, action="deny", port=80)
    assert "as a part of the policy" not in task(ruled, True, action="allow", port=80)["msg"]
    task(ruled, action="allow", port=80)
    assert task(ruled, action="allow", port=80)["changed"] is False
    assert ruled.begun == 2


def test_a_rule_of_the_policy_is_not_removed(ruled):
    with pytest.raises(HoldfastError, match="part of the policy of this host, so it was not removed"):
        task(ruled, state="absent", action="allow", port=80)
