# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ufw whose files somebody broke, and one that a reload left switched off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.backend import Ufw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.files import CONF
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.loading import refuse_broken
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import needs_namespace
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import restore
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.ufw.ufw_host import UfwHost

BEFORE = "/etc/ufw/before.rules"
WHOLE = "# note\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n\n*filter\n:ufw-before-input - [0:0]\nCOMMIT\n"


@pytest.fixture
def host():
    """A host with an enabled ufw."""
    found = UfwHost("nft")
    yield found
    found.close()


@pytest.mark.parametrize("text", ["", "# note\n", WHOLE])
def test_whole_tables_are_no_trouble(text):
    refuse_broken(BEFORE, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WHOLE.rpartition("COMMIT")[0], r"before\.rules, line 6: the table \*filter is not ended by a line COMMIT"),
        (WHOLE.replace("COMMIT\n\n", "\n"), r"before\.rules, line 2: the table \*nat is not ended"),
        (WHOLE + "-A ufw-before-input -j DROP\n", r"before\.rules, line 9: '-A ufw-before-input -j DROP' stands in no table"),
    ],
    ids=["the last table", "an earlier table", "a line behind"],
)
def test_a_file_that_ufw_cannot_load_is_named_with_its_line(text, said):
    with pytest.raises(HoldfastError, match=said):
        refuse_broken(BEFORE, text)


@needs_namespace
@pytest.mark.parametrize("state", ["enabled", "restarted"])
def test_a_firewall_with_a_broken_file_is_not_touched(host, state):
    host.write(BEFORE, host.read(BEFORE).replace("COMMIT", ""))
    backend = Ufw(host)
    with pytest.raises(HoldfastError, match="not ended by a line COMMIT"):
        backend.plan_switch(backend.read(), state, [])


@needs_namespace
def test_a_reload_that_failed_and_switched_ufw_off_is_undone_in_its_file_too(host):
    backend = Ufw(host)
    ruleset = backend.read()
    before = host.read(CONF)
    snapshot = backend.snapshot(ruleset, backend.plan_switch(ruleset, "restarted", []))
    host.write(CONF, before.replace("ENABLED=yes", "ENABLED=no"))
    host.write("/etc/undo", snapshot.script.replace("/etc/ufw", host._moved("/etc/ufw")))
    assert restore(host, replace(snapshot, script=host.read("/etc/undo"))).ok
    assert host.read(CONF) == before
