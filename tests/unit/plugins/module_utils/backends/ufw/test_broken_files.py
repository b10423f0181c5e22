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


@pytest.mark.parametrize("text", ["", "# note\n", WHOLE, "# a page\x0cends, \u2028 a line, \x85 too\n" + WHOLE])
def test_whole_tables_are_no_trouble(text):
    refuse_broken(BEFORE, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WHOLE.rpartition("COMMIT")[0], r"before\.rules, line 6: the table \*filter is not ended by a line COMMIT"),
        (WHOLE.replace("COMMIT\n\n", "\n"), r"before\.rules, line 2: the table \*nat is not ended"),
        (WHOLE + "-A ufw-before-input -j DROP\n", r"before\.rules, line 9: '-A ufw-before-input -j DROP' stands in no table"),
        (WHOLE.replace("\n", "\r\n").replace("# note\r", "# note"), r"line 2: '\*nat\\r' ends as lines of Windows do"),
        (WHOLE.replace("\n\n", "\n  \n"), r"line 5: '  ' is not empty, but has blanks only"),
        (WHOLE.replace("# note", "  # note"), r"line 1: '  # note' begins with a blank"),
        (WHOLE.replace(":ufw", " :ufw"), r"line 7: ' :ufw-before-input - \[0:0\]' begins with a blank"),
        (WHOLE[:-1] + " \n", r"line 8: 'COMMIT ' has a blank behind COMMIT"),
    ],
    ids=["the last table", "an earlier table", "a line behind", "Windows", "blanks", "a comment", "a chain", "an end"],
)
def test_a_file_that_ufw_cannot_load_is_named_with_its_line(text, said):
    with pytest.raises(HoldfastError, match=said):
        refuse_broken(BEFORE, text)


@pytest.mark.parametrize("text", [" -A INPUT -j ACCEPT \n", "*nat \n:POSTROUTING ACCEPT [0:0] \nCOMMIT\n*filter\n"])
def test_blanks_that_iptables_takes_are_no_trouble(text):
    refuse_broken(BEFORE, WHOLE.replace("*filter\n", "*filter\n" + text, 1) if text.startswith(" ") else text + "COMMIT")


@needs_namespace
def test_a_line_of_another_table_that_ufw_could_not_load_is_named(host):
    part = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.8.0.0/24 %s -j MASQUERADE\nCOMMIT\n"
    text = host.read(BEFORE)
    host.write(BEFORE, part % "" + part % "-o eth0" + text)
    assert Ufw(host).wake(Ufw(host).read()) is None
    host.write(BEFORE, text + part % "--dport 80")
    backend = Ufw(host)
    with pytest.raises(HoldfastError, match=r"before\.rules has '-A POSTROUTING -s 10\.8\.0\.0/24 --dport 80 -j MASQUERADE'"):
        backend.plan_switch(backend.read(), "restarted", [])


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
