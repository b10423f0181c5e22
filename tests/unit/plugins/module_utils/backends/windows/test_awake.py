# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said where rules are in the registry and decide nothing: a service that does not run, profiles, and group policies."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.backend import Windows
from ansible_collections.holdfast.firewall.plugins.module_utils.change.asleep import asleep_words, refuse_asleep
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.windows.test_host import WEB, present, put
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.windows.test_policy_text import policy
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.windows.windows_host import WindowsHost

DENY = {"action": "deny", "port": 445}


@pytest.fixture(name="backend", params=["en", "de"])
def _backend(request, tmp_path):
    return Windows(WindowsHost(tmp_path, request.param))


def stop(backend):
    """Let the service be found disabled."""
    store = backend.host.store
    store.state["service"] = 1
    store.save()


def policies(backend, **profiles):
    store = backend.host.store
    store.state["policies"]["profiles"] = profiles
    store.save()


def test_rules_that_are_there_are_not_called_in_force_where_the_service_does_not_run(backend):
    wanted = policy([WEB])
    put(backend, wanted)
    present(backend, **DENY)
    own, whole = backend.live_text(), backend.live_text(whole=True)
    stop(backend)
    assert backend.live_text() != own
    assert backend.live_text(whole=True) != whole
    with pytest.raises(HoldfastError, match=r"mpssvc\) does not run"):
        put(backend, wanted)
    with pytest.raises(HoldfastError, match=r"The rule stops nothing here: .*mpssvc\) does not run"):
        refuse_asleep(backend, backend.read(), parse_rule(DENY), "The rule")
    assert "mpssvc) does not run" in asleep_words(backend, backend.read())


def test_a_service_that_does_not_run_is_no_firewall_that_is_enabled(backend):
    assert backend.is_enabled(backend.read())
    stop(backend)
    assert not backend.is_enabled(backend.read())
    assert backend.status()["service_running"] is False
    with pytest.raises(HoldfastError, match="set that to 2 and restart the host"):
        backend.plan_switch(backend.read(), "enabled", ())


def test_nothing_is_added_where_the_service_does_not_run(backend):
    stop(backend)
    before = backend.read().listing
    for change in (lambda: present(backend, action="allow", port=99), lambda: put(backend, policy([WEB]))):
        with pytest.raises(HoldfastError, match=r"nothing was changed\. Start that service"):
            change()
    assert backend.read().listing == before


def test_the_service_is_asked_for_once_in_what_a_task_reads(backend):
    ruleset = backend.read()
    asleep_words(backend, ruleset)
    backend.plan(ruleset, place_present(backend, ruleset, parse_rule(DENY)).edits)
    assert backend.host.ran.count(("sc", "query", "mpssvc")) == 1


def test_profiles_in_which_a_rule_decides_nothing_are_named(backend):
    assert asleep_words(backend, backend.read()) == ""
    backend.host.must("netsh", "advfirewall", "set", "domainprofile", "state", "off")
    policies(backend, public={"AllowLocalPolicyMerge": 0})
    said = asleep_words(backend, backend.read())
    assert "switched off in networks of the profile domain, so there it decides nothing" in said
    assert "has the rules of the host itself ignored in networks of the profile public, so there it decides nothing" in said
    present(backend, action="allow", port=99)
    assert backend.status()["profiles"]["public"]["rules_of_the_host_count"] is False


@pytest.mark.parametrize(("profile", "refused"), [("domain", "switched off"), ("public", "AllowLocalPolicyMerge"), ("private", None)])
def test_a_rule_for_a_profile_in_which_none_decides_is_refused(backend, profile, refused):
    backend.host.must("netsh", "advfirewall", "set", "domainprofile", "state", "off")
    policies(backend, public={"AllowLocalPolicyMerge": 0})
    if refused is None:
        present(backend, **DENY, profile=profile)
        return
    with pytest.raises(HoldfastError, match="This rule would decide nothing: .*%s" % refused):
        present(backend, **DENY, profile=profile)


def test_a_policy_tells_where_a_group_policy_has_it_ignored(backend):
    policies(backend, domain={"AllowLocalPolicyMerge": 0}, public={"AllowLocalPolicyMerge": 0})
    told = backend.beside(backend.read(), alone=False)
    assert told[0].endswith("has the rules of the host itself ignored in networks of the profile domain and public")
