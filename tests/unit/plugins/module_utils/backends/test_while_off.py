# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single rules on stand-in hosts whose firewall is off: none of them puts anything but itself into force."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.backend import Ipfw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.backend import Macos
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.backend import Npf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.switched_off import note_switch
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.macos.mac_host import APP, OTHER, MacHost
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.npf.test_backend import NetbsdHost
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.policies import guarded
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import (
    StandinHost,
    absent,
    present,
    rule,
)

PF = "set skip on lo0\nblock in all\npass in quick proto tcp from any to any port 9 no state\n"
NPF = "group default {\n\tpass in final proto tcp to any port 9\n\tblock all\n}\n"
APPLE = 'anchor "com.apple/*"\nload anchor "com.apple" from "/etc/pf.anchors/com.apple"\n'
SCRIPT = "#!/bin/sh\nipfw -q -f flush\nipfw -q add 100 allow tcp from any to me 9 in\nipfw -q add 65000 deny ip from any to any\n"


class Off:
    """A host whose firewall is off and holds rules, and rules for it."""

    allow = rule(port=8443, comment="web")
    deny = rule("deny", port=23)
    old = rule(port=9)
    natives = ("pass in quick proto tcp from any to any port 7", "block in quick proto tcp from any to any port 7")

    def __init__(self, backend):
        self.backend = backend
        self.host = backend.host

    def state(self):
        """Return every file, and what is in force."""
        files = {str(path): path.read_bytes() for path in self.host.root.rglob("*") if path.is_file()}
        return files, self.backend.is_enabled(self.backend.read())

    def switch(self, state):
        transaction = self.backend.plan_switch(self.backend.read(), state, ())
        self.backend.apply(transaction)
        self.backend.persist(dict(transaction.persist, switch=state))


def pf(tmp_path, flavour):
    host = StandinHost(tmp_path / "host", flavour)
    host.write("/etc/pf.conf", PF)
    host.write("/etc/pf.anchors/com.apple", "")
    if flavour.startswith("openbsd"):
        host.write("/etc/rc.conf.local", "pf=NO\n")
    host.run(["pfctl", "-si"])  # the stand-in boots
    return Off(Pf(host))


def pf_loaded(tmp_path, flavour):
    off = pf(tmp_path, flavour)
    if flavour.startswith("freebsd"):
        off.host.must("kldload", "pf")
    off.host.must("pfctl", "-f", "/etc/pf.conf")
    off.host.run(["pfctl", "-d"])
    return off


def npf(tmp_path):
    off = Off(Npf(NetbsdHost(tmp_path / "host", NPF)))
    off.natives = ("pass in final proto tcp to any port 7", "block in final proto tcp to any port 7")
    return off


def npf_loaded(tmp_path):
    off = npf(tmp_path)
    off.host.must("npfctl", "reload")
    return off


def ipfw(tmp_path):
    host = StandinHost(tmp_path / "host", "freebsd")
    host.must("kenv", "-q", "net.inet.ip.fw.default_to_accept=1")
    host.must("kldload", "ipfw")
    for line in SCRIPT.splitlines()[2:]:
        host.must(*line.split())
    host.write("/etc/admin.rules", SCRIPT, 0o755)
    host.write("/etc/rc.conf", 'firewall_enable="NO"\nfirewall_script="%s/etc/admin.rules"\n' % host.root)
    host.must("sysctl", "net.inet.ip.fw.enable=0", "net.inet6.ip6.fw.enable=0")
    off = Off(Ipfw(host))
    off.natives = ("allow tcp from any to me 7 in", "deny tcp from any to me 7 in")
    return off


def macos(tmp_path):
    host = MacHost(tmp_path / "host")
    off = Off(Macos(host))
    off.allow, off.deny, off.old = (
        rule(action, program=path, protocol="any") for action, path in (("allow", APP), ("deny", APP), ("deny", OTHER))
    )  # fmt: skip
    host.fw("--add", OTHER)
    host.fw("--blockapp", OTHER)
    off.natives = ("--add '%s'" % APP, "--blockapp '%s'" % APP)
    return off


HOSTS = {
    **{"pf %s" % one: (lambda path, one=one: pf(path, one)) for one in ("freebsd-12.1", "openbsd", "macos")},
    **{"pf %s loaded" % one: (lambda path, one=one: pf_loaded(path, one)) for one in ("freebsd-15.1", "openbsd", "macos")},
    "npf": npf, "npf loaded": npf_loaded, "ipfw": ipfw, "macos": macos,
}  # fmt: skip


@pytest.fixture(params=HOSTS, name="off")
def _off(request, tmp_path):
    if request.param == "macos" and os.geteuid() != 0:
        pytest.skip("the application firewall changes for root only")
    return HOSTS[request.param](tmp_path)


def test_an_allow_leaves_it_off_and_says_so_and_is_in_force_when_it_is_switched_on(off):
    assert "is off" in off.backend.asleep(off.backend.read())
    _before, transaction, snapshot = present(off.backend, off.allow)
    assert off.backend.read().listing == transaction.after
    assert "is off" in off.backend.persist(json.loads(json.dumps(transaction.persist)))[-1]
    ruleset = off.backend.read()
    assert (off.backend.is_enabled(ruleset), off.backend.status()["at_boot"]) == (False, False)
    assert place_present(off.backend, ruleset, off.allow).edits == []
    assert off.backend.wake(ruleset) is None
    off.switch("enabled")
    ruleset = off.backend.read()
    assert off.backend.is_enabled(ruleset)
    assert off.backend.asleep(ruleset) is None
    assert place_present(off.backend, ruleset, off.allow).edits == []
    assert snapshot.script


def test_an_allow_that_was_written_for_later_can_be_undone(off):
    before, _transaction, snapshot = present(off.backend, off.allow)
    done = off.host.restore(snapshot)
    assert done.returncode == 0, done.stderr
    for path in snapshot.paths:
        if path.endswith(".next"):
            off.host.remove(path)  # the change engine puts files back
    assert off.backend.read().listing == before.listing
    assert not off.backend.is_enabled(off.backend.read())


def test_a_rule_that_stops_packets_is_refused_and_nothing_is_changed(off):
    before = off.state()
    with pytest.raises(HoldfastError, match=r"switch it on first \(holdfast.firewall.backend with backend: %s" % off.backend.NAME):
        present(off.backend, off.deny)
    if off.backend.NAME != "macos":
        with pytest.raises(HoldfastError, match="switch it on first"):
            present(off.backend, rule("reject", port=23))
    assert off.state() == before


def test_raw_lines_that_let_packets_pass_are_written_for_later_and_others_are_refused(off):
    passing, stopping = off.natives
    ruleset = off.backend.read()
    ((chain, _entry),) = off.backend.match_native(ruleset, passing)
    assert off.backend.plan(ruleset, [Edit(chain, native=passing)]).persist["notes"]
    with pytest.raises(HoldfastError, match="switch it on first"):
        off.backend.plan(ruleset, [Edit(chain, native=stopping)])


def test_a_rule_is_taken_out_while_it_is_off(off):
    _before, transaction, _snapshot = absent(off.backend, off.old)
    assert transaction.commands
    assert "notes" not in transaction.persist
    off.backend.persist(transaction.persist)
    ruleset = off.backend.read()
    assert not off.backend.is_enabled(ruleset)
    assert absent(off.backend, off.old)[1].commands == ()


def test_what_a_mac_comes_with_is_not_switched_on_by_a_rule(tmp_path):
    off = pf(tmp_path, "macos")
    off.host.write("/etc/pf.conf", APPLE)
    assert "pf is off" in off.backend.asleep(off.backend.read())


@pytest.mark.parametrize(
    ("text", "asleep"),
    [
        ("", False), ("# mine\n", False), ('ext = "em0"\ntable <mine> persist\nset skip on lo0\n', False),
        ("set block-policy return\n", True),
        ("scrub in all\n", True), ('anchor "f2b/*"\n', True), ("pass all\n", True), ('include "/etc/pf.other"\n', True),
    ],
)  # fmt: skip
def test_pf_is_switched_on_where_its_file_says_nothing_else(tmp_path, text, asleep):
    off = pf(tmp_path, "freebsd-15.1")
    off.host.write("/etc/pf.conf", text)
    assert (off.backend.asleep(off.backend.read()) is not None) is asleep


@pytest.mark.parametrize(
    ("text", "asleep"),
    [
        ("", False), ("# mine\n$ext = \"wm0\"\ntable <mine> type lpm\ngroup default {\n}\n", False), ('alg "icmp"\n', True),
        ("group default {\n\tpass all\n}\n", True), ('group default {\n\truleset "blocklistd"\n}\n', True), ("set bpf.jit on\n", True),
    ],
)  # fmt: skip
def test_npf_is_started_where_its_file_says_nothing_else(tmp_path, text, asleep):
    off = npf(tmp_path)
    off.host.write("/etc/npf.conf", text)
    assert (off.backend.asleep(off.backend.read()) is not None) is asleep


def test_a_firewall_that_a_task_switched_off_is_not_switched_on_by_a_rule(tmp_path):
    for number, off in enumerate([pf(tmp_path / "pf", "freebsd"), npf(tmp_path / "npf")]):
        off.host.write(("/etc/pf.conf", "/etc/npf.conf")[number], "")
        assert off.backend.asleep(off.backend.read()) is None
        note_switch(off.host, off.backend.NAME, "disabled")
        assert "is off" in off.backend.asleep(off.backend.read())


def test_rules_that_are_not_loaded_are_not_loaded_by_a_rule(tmp_path):
    started = pf_loaded(tmp_path / "pf", "freebsd")
    started.host.must("pfctl", "-F", "rules")
    started.host.must("pfctl", "-e")
    started.host.must("sysrc", "pf_enable=YES")
    bare = npf(tmp_path / "npf")
    bare.host.must("npfctl", "start")
    bare.host.write("/etc/rc.conf", "npf=YES\n")
    for off in (started, bare):
        before = off.state()
        assert "enforces no rules" in off.backend.asleep(off.backend.read())
        for wanted in (off.allow, off.deny):
            with pytest.raises(HoldfastError, match="Load them first"):
                present(off.backend, wanted)
        assert off.state() == before
        off.switch("enabled")
        assert off.backend.asleep(off.backend.read()) is None


@pytest.mark.parametrize("setting", ['firewall_script="/etc/admin.rules"', 'firewall_type="workstation"'])
def test_an_ipfw_whose_script_is_not_run_takes_no_rule(tmp_path, setting):
    host = StandinHost(tmp_path / "host", "freebsd")
    host.write("/etc/rc.conf", setting + "\n")
    for wanted in (rule(port=80), rule("deny", port=23)):
        with pytest.raises(HoldfastError, match=r"come from /etc/(admin.rules|rc.firewall), which is not run. Nothing was changed"):
            present(Ipfw(host), wanted)


def test_an_ipfw_that_was_switched_off_has_its_rules_again_after_a_reboot(tmp_path):
    off = ipfw(tmp_path)
    off.host.must("sysctl", "net.inet.ip.fw.enable=1", "net.inet6.ip6.fw.enable=1")
    off.host.write("/etc/rc.conf", off.host.read("/etc/rc.conf").replace("NO", "YES"))
    _before, transaction, _snapshot = present(off.backend, off.allow)
    off.backend.persist(transaction.persist)
    listing = off.backend.read().listing
    off.switch("disabled")
    off.host.reboot()
    with pytest.raises(HoldfastError, match="which is not run"):
        present(off.backend, rule(port=80))
    off.switch("enabled")
    assert off.backend.read().listing == listing
    assert off.backend.is_enabled(off.backend.read())


def test_a_policy_for_an_ipfw_whose_script_was_not_run_keeps_what_the_script_loads(tmp_path):
    off = ipfw(tmp_path)
    _before, transaction, _snapshot = present(off.backend, off.allow)
    off.backend.persist(transaction.persist)
    kept = off.host.read("/etc/holdfast/ipfw.calls")
    assert "8443" in kept
    off.host.reboot()
    wanted = guarded(parse_policy({"defaults": {"in": "deny", "out": "allow", "forward": "deny"}, "rules": []}))
    transaction = off.backend.plan_policy(off.backend.read(), wanted)
    off.backend.apply(transaction)
    off.backend.persist(transaction.persist)
    assert off.host.read("/etc/holdfast/ipfw.calls") == kept
    off.host.reboot()
    listing = off.backend.read().listing
    assert "8443" in listing
    assert "to me 9 in" in listing
    assert off.backend.read_policy(off.backend.read()) is not None


def test_an_ipfw_that_was_told_of_a_rule_while_it_was_off_runs_the_administrators_script_first(tmp_path):
    off = ipfw(tmp_path)
    _before, transaction, _snapshot = present(off.backend, off.allow)
    off.backend.persist(transaction.persist)
    assert 'firewall_enable="NO"' in off.host.read("/etc/rc.conf")
    assert off.host.read("/etc/holdfast/ipfw.script").strip().endswith("/etc/admin.rules")
