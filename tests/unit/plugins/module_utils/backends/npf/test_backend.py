# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The npf backend on stand-in hosts: read, place, apply, restore, persist, reboot; single rules, policies and the switch."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.backend import Npf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.live import STAGED
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.npf.policies import guarded, kept
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import (
    StandinHost,
    absent,
    present,
    rule,
)
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules

CONF = """\
# The administrator's own file.
$ext = "em0"
alg "icmp"
table <bad> type lpm

procedure "mine" { log: npflog0; normalize: "random-id" }

# Outside.
group "external" on $ext {
\tpass stateful out final all
\tblock in final from <bad>
\tpass stateful in final proto tcp to any port { 22, 443 }   # services
\truleset "blocklistd"
}

group default {
\tpass final on lo0 all
\tblock all
}
"""


class NetbsdHost(StandinHost):
    """A NetBSD host of stand-in commands."""

    def __init__(self, folder, conf=CONF):
        super().__init__(folder, "netbsd")
        if conf is not None:
            self.write("/etc/npf.conf", conf, 0o644)

    def which(self, program):
        return "/sbin/" + program if program in ("npfctl", "sysctl", "service", "uname") else None


def running(folder, conf=CONF):
    """npf, started with the administrator's file."""
    host = NetbsdHost(folder, conf)
    host.write("/etc/rc.conf", "hostname=nb\nnpf=YES\n", 0o644)
    host.must("npfctl", "reload")
    host.run(["npfctl", "start"])  # its boot may have done that
    return Npf(host)


@pytest.fixture
def backend(tmp_path):
    return running(tmp_path / "host")


@pytest.fixture
def fresh(tmp_path):
    """A host as installed: no file, nothing loaded."""
    return Npf(NetbsdHost(tmp_path / "host", None))


def shown(backend):
    return backend.host.must("npfctl", "show")


def policy(**words):
    document = {
        "defaults": {"in": "deny", "out": "allow", "forward": "deny"},
        "rules": [
            {"action": "allow", "port": [80, 443], "comment": "web"},
            {"action": "allow", "port_range": ["8000-8100", "9000-9100"], "comment": 'many; "quoted" $(x)'},
            {"action": "deny", "protocol": "any", "source": "203.0.113.0/24", "log": True},
            {"action": "reject", "source": "!2001:db8::/32", "port": 113},
            {"action": "allow", "protocol": "udp", "port": 53, "source": ["198.51.100.%d" % (2 * number) for number in range(20)]},
        ],
        **words,
    }
    found, _warnings = parse_policy_document(document)
    return guarded(found)


def enforce(backend, wanted, persist=True, **words):
    """Make a policy the one of the host, as a task does; returns (ruleset before, transaction, snapshot)."""
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, wanted, **words)
    backend.validate(transaction)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    if persist:
        backend.persist(json.loads(json.dumps(transaction.persist)))
    return ruleset, transaction, snapshot


WANTED = [
    rule(port=8443, stateful=True, comment="web"),
    rule("deny", protocol="any", source="!198.51.100.0/24,!192.0.2.0/24", log=True),
    rule("reject", port=113),
    rule(protocol="udp", source=",".join("198.51.100.%d" % (2 * n) for n in range(20)), port="53"),
    rule(port_range="8000-8100", source_port=["1-9", "30-40", 50], interface="em0"),
    rule(protocol="icmpv6", icmp_type=["echo-request", "echo-reply"], comment="ping"),
]


@pytest.mark.parametrize("wanted", WANTED, ids=["allow", "negated list", "reject", "many addresses", "ports", "icmp"])
def test_a_rule_that_was_put_is_there_and_is_not_put_again(backend, wanted):
    before, transaction, _snapshot = present(backend, wanted)
    after = backend.read()
    assert after.listing == transaction.after
    assert backend.normalise(wanted) in [entry.rule for entry in after.chains[0].entries]
    assert present(backend, wanted)[1].commands == ()
    backend.persist(json.loads(json.dumps(transaction.persist)))
    assert backend.read().listing == transaction.after
    backend.host.reboot()
    assert backend.read().listing == transaction.after
    _before, gone, _snapshot = absent(backend, wanted)
    backend.persist(json.loads(json.dumps(gone.persist)))
    assert backend.read().listing == before.listing
    assert backend.host.read("/etc/npf.conf") == CONF
    assert backend.host.read("/etc/rc.conf") == "hostname=nb\nnpf=YES\n"


@pytest.mark.parametrize("wanted", WANTED, ids=["allow", "negated list", "reject", "many addresses", "ports", "icmp"])
def test_a_restore_leaves_everything_as_it_was(backend, wanted):
    live = shown(backend)
    before, _transaction, snapshot = present(backend, wanted)
    assert shown(backend) != live
    assert backend.host.restore(snapshot).returncode == 0
    backend.host.remove(STAGED)
    assert shown(backend) == live
    assert backend.read().listing == before.listing
    assert backend.host.read("/etc/npf.conf") == CONF


def test_a_fresh_host_gets_a_file_and_starts_npf_now_and_at_boot_and_is_restored(fresh):
    assert not fresh.sight().active
    assert fresh.read().chains[0].entries == ()
    before, transaction, snapshot = present(fresh, rule("deny", port=23))
    assert fresh.is_enabled(fresh.read())
    assert fresh.host.restore(snapshot).returncode == 0
    fresh.host.remove(STAGED)
    assert shown(fresh).split() == ["#", "filtering:", "inactive", "#", "config:", "empty"]
    assert fresh.read().listing == before.listing
    fresh.apply(transaction)
    fresh.persist(transaction.persist)
    fresh.host.reboot()
    assert rule("deny", port=23) in [entry.rule for entry in fresh.read().chains[0].entries]
    assert fresh.is_enabled(fresh.read())


@pytest.mark.parametrize("conf, override", [
    ("npf=YES\nnpf_rules=/etc/old.conf\n", "npf_rules=/etc/mine.conf\n"),
    ("npf=YES\n", "npf=NO\nnpf_rules=/etc/mine.conf\n"),
    ("hostname=nb\n", "npf=YES\nnpf_rules=/etc/mine.conf\n"),
])  # fmt: skip
def test_the_settings_of_the_script_alone_count_over_those_of_all(tmp_path, conf, override):
    """As rc.subr of NetBSD reads them: /etc/rc.conf.d/npf comes last, for the rules; npf_boot, which starts npf, does not read it."""
    host = NetbsdHost(tmp_path / "host", None)
    host.write("/etc/rc.conf", conf, 0o644)
    host.write("/etc/rc.conf.d/npf", override, 0o644)
    host.write("/etc/mine.conf", CONF, 0o644)
    host.must("npfctl", "reload", "/etc/mine.conf")
    host.run(["npfctl", "start"])
    backend = Npf(host)
    before = host.read("/etc/rc.conf"), host.read("/etc/rc.conf.d/npf")
    _before, transaction, snapshot = present(backend, rule(port=8443))
    assert {"/etc/mine.conf", "/etc/rc.conf.d/npf"} <= set(snapshot.paths)
    backend.persist(transaction.persist)
    assert "8443" in host.read("/etc/mine.conf")
    ruleset = backend.read()
    switched = backend.plan_switch(ruleset, "enabled", ())
    backend.apply(switched)
    backend.persist(switched.persist)
    assert backend.status()["at_boot"] is True
    host.reboot()
    assert backend.status()["enabled"] is True
    assert "port 8443" in shown(backend)
    off = backend.plan_switch(backend.read(), "disabled", ())
    backend.apply(off)
    backend.persist(off.persist)
    host.reboot()
    assert (backend.status()["at_boot"], backend.status()["enabled"]) == (False, False)
    assert before != (host.read("/etc/rc.conf"), host.read("/etc/rc.conf.d/npf"))


def test_an_unconfirmed_change_is_gone_after_a_reboot(backend):
    present(backend, rule(port=8443))
    backend.host.reboot()
    assert "8443" not in shown(backend)


def test_what_a_reboot_forgot_on_a_fresh_host_does_not_count(fresh):
    present(fresh, rule("deny", port=23))
    fresh.host.reboot()
    assert fresh.host.exists(STAGED)
    assert fresh.read().chains[0].entries == ()


def test_a_file_is_flushed_while_npf_is_off_and_stays_off(tmp_path):
    backend = Npf(NetbsdHost(tmp_path / "host"))
    transaction = backend.plan_flush(backend.read(), {})
    backend.validate(transaction)
    snapshot = backend.snapshot(backend.read(), transaction)
    backend.apply(transaction)
    assert backend.read().listing == transaction.after
    assert backend.host.restore(snapshot).returncode == 0
    backend.persist(transaction.persist)
    assert backend.read().listing == transaction.after
    assert "block all" not in backend.host.read("/etc/npf.conf")
    assert not backend.is_enabled(backend.read())
    assert backend.host.read("/etc/rc.conf") is None


def test_an_administrators_rule_that_says_the_same_counts_as_present(backend):
    assert present(backend, rule(port=[22, 443], stateful=True, interface="em0"))[1].commands == ()


def test_a_rule_for_all_interfaces_goes_where_the_groups_on_interfaces_leave_it_to_the_default_group(backend):
    present(backend, rule(port=8443, stateful=True))
    text = backend.read().listing
    assert text.index("pass final on lo0") < text.index("port 8443") < text.index("block all")


def test_a_rule_of_an_interface_goes_into_its_group(tmp_path):
    backend = running(tmp_path / "host", CONF.replace('\truleset "blocklistd"\n', "\tblock in all\n"))
    present(backend, rule(port=8443, stateful=True, interface="em0"))
    text = backend.read().listing
    assert text.index("443 }") < text.index("port 8443") < text.index("block in all")


def test_a_deny_for_all_interfaces_goes_in_front_of_a_group_that_lets_some_through_or_is_refused(tmp_path):
    conf = 'group "x" on em0 {\n\tpass in final proto tcp from 10.0.0.0/8\n\tblock in all\n}\ngroup default {\n\tpass all\n}\n'
    backend = running(tmp_path / "host", conf)
    present(backend, rule("deny", port=23))
    text = backend.read().listing
    assert text.index('group "hf_rules"') < text.index("port 23") < text.index('group "x"')
    assert present(backend, rule("deny", port=23))[1].commands == ()
    narrow = "pass in final proto tcp from 192.0.2.7 to any port 23\n\t"
    other = running(tmp_path / "other", conf.replace("pass in", narrow + "pass in", 1))
    with pytest.raises(HoldfastError, match="Name that in the rule"):
        present(other, rule("deny", port=23))
    present(other, rule("deny", port=23, interface="em0"))
    text = other.read().listing
    assert text.index("192.0.2.7") < text.index("block in final on em0 proto tcp") < text.index("10.0.0.0/8")


def test_rules_that_were_loaded_from_elsewhere_are_not_replaced(backend):
    backend.host.write("/etc/other.conf", "group default { pass final proto tcp to any port 1; block all }\n")
    backend.host.must("npfctl", "reload", str(backend.host.root / "etc/other.conf"))
    with pytest.raises(HoldfastError, match=r"not those of /etc/npf\.conf"):
        backend.read()


def test_rules_in_dynamic_rulesets_are_no_drift(backend):
    listing = backend.read().listing
    backend.host.must("npfctl", "rule", "blocklistd", "add", "block", "in", "final", "from", "198.51.100.7")
    assert backend.read().listing == listing


def test_parameters_that_are_not_shown_alike_are_no_drift(tmp_path):
    """npfctl shows of the live parameters those that differ from their default, and of a file all."""
    backend = running(tmp_path / "host", "set state.tcp.timeout.new 30\nset gc.step 512\nset bpf.jit off\n" + CONF)
    present(backend, rule(port=8443))
    assert not present(backend, rule(port=8443))[1].commands
    enforce(backend, policy())
    assert not backend.plan_policy(backend.read(), policy()).commands


def test_a_flush_leaves_groups_tables_and_dynamic_rulesets(backend):
    ruleset = backend.read()
    transaction = backend.plan_flush(ruleset, {})
    backend.validate(transaction)
    backend.apply(transaction)
    assert backend.read().listing == transaction.after
    assert "pass" not in transaction.after and "block " not in transaction.after
    assert 'ruleset "blocklistd"' in transaction.after and "<bad>" in transaction.after


def test_raw_lines_are_checked_by_npfctl_and_found_by_their_meaning(backend):
    ruleset = backend.read()
    chain, entry = backend.match_native(ruleset, "pass stateful in final proto tcp to any port { 22, 443 }")[0]
    assert chain.name == "npf" and entry is not None
    assert backend.match_native(ruleset, "pass in final proto tcp to any port 99")[0][1] is None
    with pytest.raises(HoldfastError, match="npf refuses"):
        backend.match_native(ruleset, "pass in final proto tcp to any port nosuchport")


def test_a_policy_is_in_force_and_is_not_put_in_force_again(backend):
    wanted = policy()
    _before, transaction, _snapshot = enforce(backend, wanted, persist=False)
    assert backend.read().listing == transaction.after
    assert backend.plan_policy(backend.read(), wanted).commands == ()
    live = backend.live_text()
    backend.persist(json.loads(json.dumps(transaction.persist)))
    assert backend.live_text() == live != ""
    backend.host.reboot()
    assert backend.live_text() == live
    assert backend.read_policy(backend.read()) == kept(wanted)
    assert backend.plan_policy(backend.read(), wanted).commands == ()


def test_the_administrators_file_stays_as_it_is_and_comes_back_whole(backend):
    enforce(backend, policy())
    text = backend.host.read("/etc/npf.conf")
    assert set(CONF.splitlines()) <= set(text.splitlines())
    assert text.count('alg "icmp"') == 1
    assert text.index('group "hfp_policy"') < text.index('group "external"')
    changed = policy(rules=[{"action": "allow", "port": 8443}])
    enforce(backend, changed)
    assert backend.read_policy(backend.read()) == kept(changed)
    assert not list((backend.host.root / "etc/holdfast/npf").iterdir())
    enforce(backend, None)
    assert backend.host.read("/etc/npf.conf") == CONF
    assert backend.read_policy(backend.read()) is None
    assert backend.own_listing(backend.read()) == ""


def test_a_policy_is_restored_to_what_was_before(backend):
    live = shown(backend)
    before, _transaction, snapshot = enforce(backend, policy(), persist=False)
    assert backend.host.restore(snapshot).returncode == 0
    backend.host.remove(STAGED)
    assert shown(backend) == live
    assert backend.read().listing == before.listing


def test_a_policy_alone_takes_the_administrators_rules_out(backend):
    enforce(backend, policy(), alone=True)
    text = backend.host.read("/etc/npf.conf")
    assert "port { 22, 443 }" not in text and "block all" not in text
    assert 'ruleset "blocklistd"' in text
    assert backend.plan_policy(backend.read(), policy(), alone=True).commands == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [("port { 80, 443 }", "port { 80, 444 }"), ("# rule of 2 lines: web", "# my own line"), ("block in final all", "pass in final all")],
)
def test_an_edit_by_hand_is_seen_and_undone(backend, old, new):
    wanted = policy()
    enforce(backend, wanted)
    live = backend.live_text()
    text = backend.host.read("/etc/npf.conf")
    assert old in text
    backend.host.write("/etc/npf.conf", text.replace(old, new), 0o644)
    assert backend.live_text() != live
    backend.host.must("npfctl", "reload")
    assert backend.live_text() != live
    enforce(backend, wanted)
    assert backend.live_text() == live


def test_an_edit_of_a_tables_file_is_seen_and_undone(backend):
    enforce(backend, policy())
    live = backend.live_text()
    path = next((backend.host.root / "etc/holdfast/npf").iterdir())
    path.write_text(path.read_text() + "0.0.0.0/1\n", encoding="ascii")
    assert backend.live_text() != live
    enforce(backend, policy())
    assert backend.live_text() == live


def test_a_policy_that_somebody_unloaded_is_put_in_force_again(backend):
    enforce(backend, policy())
    live = backend.live_text()
    backend.host.must("npfctl", "flush")
    assert backend.live_text() != live
    enforce(backend, policy())
    assert backend.live_text() == live
    backend.host.must("npfctl", "stop")
    assert backend.live_text() != live
    enforce(backend, policy())
    assert backend.live_text() == live


def test_a_host_that_forwards_gets_no_policy(backend):
    backend.host.must("sysctl", "-w", "net.inet.ip.forwarding=1")
    with pytest.raises(HoldfastError, match=r"net\.inet\.ip\.forwarding"):
        enforce(backend, policy())


def test_more_tables_than_the_kernel_takes_are_refused_before_anything_is_changed(backend):
    lists = [["10.%d.%d.1" % (number, each) for each in range(0, 20, 2)] for number in range(130)]
    before = shown(backend)
    many = policy(rules=[{"action": "deny", "protocol": "any", "source": one} for one in lists])
    with pytest.raises(HoldfastError, match="131 tables, and the kernel takes 128"):
        backend.plan_policy(backend.read(), many)
    enforce(backend, policy(rules=[{"action": "deny", "protocol": "any", "source": one} for one in lists[:100]]))
    assert shown(backend) != before


def test_broken_marks_are_refused(backend):
    enforce(backend, policy())
    text = backend.host.read("/etc/npf.conf").replace("# holdfast policy: end\n", "")
    with pytest.raises(HoldfastError, match="marks"):
        backend.read_policy(backend.parse(text))


def test_a_single_rule_beside_a_policy_stands_before_its_default(backend):
    enforce(backend, policy())
    transaction = present(backend, rule(port=9999, source=",".join("198.51.100.%d" % (2 * n) for n in range(20))))[1]
    backend.persist(transaction.persist)
    found = backend.read_policy(backend.read())
    assert [one.ports[0].first for one in found.rules if one.ports][-1] == 9999
    enforce(backend, policy())
    assert "9999" not in shown(backend)


def test_npf_is_switched_off_and_on_and_restarted(backend):
    text = backend.host.read("/etc/npf.conf")

    def switch(state, keep=()):
        ruleset = backend.read()
        transaction = backend.plan_switch(ruleset, state, keep)
        if transaction.commands:
            backend.validate(transaction)
            snapshot = backend.snapshot(ruleset, transaction)
            backend.apply(transaction)
            assert backend.read().listing == transaction.after
            backend.persist(dict(transaction.persist, switch=state))
            return snapshot
        return None

    ssh = rule(port=22, stateful=True, comment="holdfast: management")
    assert switch("enabled", [ssh]) is not None  # port 22 is open on em0 alone
    text = backend.host.read("/etc/npf.conf")
    assert switch("enabled", [ssh]) is None
    snapshot = switch("disabled")
    assert not backend.is_enabled(backend.read())
    assert "npf=NO" in backend.host.read("/etc/rc.conf")
    assert switch("disabled") is None
    assert backend.host.restore(snapshot).returncode == 0
    assert backend.is_enabled(backend.read())
    switch("disabled")
    switch("enabled", [ssh])
    assert backend.is_enabled(backend.read())
    assert backend.host.read("/etc/npf.conf") == text
    assert switch("restarted") is not None
    assert backend.is_enabled(backend.read())


def test_somebody_who_is_not_root_is_told_so(tmp_path):
    class Denied(NetbsdHost):
        def run(self, argv, stdin=None, timeout=60.0):
            found = super().run(argv, stdin, timeout)
            return type(found)(1, "", "npfctl: open: /dev/npf: Permission denied\n") if argv[0] == "npfctl" else found

    backend = Npf(Denied(tmp_path / "host"))
    with pytest.raises(HoldfastError, match="needs root"):
        backend.read()
    assert backend.sight().available


@given(rules())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_any_rule_can_be_put_and_taken_out(tmp_path_factory, wanted):
    backend = running(tmp_path_factory.mktemp("npf") / "host", "group default {\n\tpass all\n}\n")
    wanted = replace(wanted, interface={"wg-home": "wg0", "br0.12": "br12"}.get(wanted.interface, wanted.interface))
    assume(not backend.unsupported(wanted))
    present(backend, wanted)
    assert present(backend, wanted)[1].commands == ()
    kept_rule = backend.normalise(wanted)
    assert kept_rule in [entry.rule for entry in backend.read().chains[0].entries]
    absent(backend, wanted)
    assert backend.read().listing == "group default {\n\tpass all\n}\n"
