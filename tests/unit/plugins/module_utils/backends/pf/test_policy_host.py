# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole policies on stand-in hosts: put in force beside an administrator's file, taken out, restored, persisted, edited by hand."""

from __future__ import annotations

import json
import re

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.live import STAGED
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.policies import guarded, kept
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import StandinHost, rule

FLAVOURS = ("freebsd-12.1", "freebsd-15.1", "openbsd", "macos")
CONF = """\
# The administrator's own file.
ext = "em0"
table <bad> persist { 203.0.113.0/24 }
set skip on lo0

# Services.
block in all
pass out all
block in quick from <bad>
pass in on $ext proto tcp to port { ssh, https }   # services
"""
SECTIONS = """\
ext = "em0"
set limit states 20000
scrub in on $ext all max-mss 1440
nat on $ext inet from 192.168.0.0/16 to any -> ($ext)
rdr-anchor "ftp-proxy/*"
anchor "f2b/*"
# My rules.
pass in quick on $ext proto tcp to port 2200
anchor "miniupnpd" in on $ext
block all
"""


def policy(**words):
    document = {
        "defaults": {"in": "deny", "out": "allow", "forward": "deny"},
        "rules": [
            {"action": "allow", "port": [80, 443], "comment": "web"},
            {"action": "deny", "protocol": "any", "source": "203.0.113.0/24", "log": True},
            {"action": "allow", "protocol": "udp", "port": 53, "source": ["198.51.100.%d" % (2 * number) for number in range(20)]},
        ],
        **words,
    }
    found, _warnings = parse_policy_document(document)
    return guarded(found)


def made(tmp_path, flavour, conf=CONF):
    """A host with pf enabled with the administrator's file."""
    host = StandinHost(tmp_path / "host", flavour)
    host.write("/etc/pf.conf", conf)
    host.run(["pfctl", "-si"])
    if flavour.startswith("freebsd"):
        host.must("kldload", "pf")
    host.must("pfctl", "-f", "/etc/pf.conf")
    if not host.run(["pfctl", "-si"]).out.startswith("Status: Enabled"):
        host.must("pfctl", "-e")
    return Pf(host)


@pytest.fixture(params=FLAVOURS)
def backend(request, tmp_path):
    return made(tmp_path, request.param)


@pytest.fixture
def freebsd(tmp_path):
    return made(tmp_path, "freebsd")


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


def quiet(backend, wanted, **words):
    """Whether nothing is left to be done."""
    return backend.plan_policy(backend.read(), wanted, **words).commands == ()


def test_a_policy_is_in_force_and_is_not_put_in_force_again(backend):
    wanted = policy()
    _before, transaction, _snapshot = enforce(backend, wanted, persist=False)
    assert backend.read().listing == transaction.after
    assert quiet(backend, wanted)
    backend.persist(transaction.persist)
    assert backend.read().listing == transaction.after
    assert quiet(backend, wanted)
    assert backend.read_policy(backend.read()) == kept(wanted)
    assert backend.own_listing(backend.read()) == backend.live_text() != ""


def test_the_administrators_file_stays_as_it_is_and_comes_back_whole(backend):
    enforce(backend, policy())
    assert set(CONF.splitlines()) <= set(backend.host.read("/etc/pf.conf").splitlines())
    changed = policy(rules=[{"action": "allow", "port": 8443}])
    enforce(backend, changed)
    assert backend.read_policy(backend.read()) == kept(changed)
    enforce(backend, None)
    assert backend.host.read("/etc/pf.conf") == CONF
    assert backend.read().listing == CONF
    assert quiet(backend, None)
    assert backend.read_policy(backend.read()) is None
    assert backend.own_listing(backend.read()) == ""


def test_a_restore_leaves_everything_as_it_was(backend):
    live = backend.host.run(["pfctl", "-sr"]).out
    before, _transaction, snapshot = enforce(backend, policy(), persist=False)
    assert backend.host.run(["pfctl", "-sr"]).out != live
    assert backend.host.restore(snapshot).returncode == 0
    backend.host.remove(STAGED)
    assert backend.host.run(["pfctl", "-sr"]).out == live
    assert backend.read().listing == before.listing
    assert backend.host.read("/etc/pf.conf") == CONF


def test_nothing_lasts_before_it_is_persisted_and_everything_after(backend):
    _before, transaction, _snapshot = enforce(backend, policy(), persist=False)
    assert backend.host.read("/etc/pf.conf") == CONF
    assert backend.persist(transaction.persist)
    assert backend.persist(transaction.persist) == []
    backend.host.reboot()
    if not backend.host.flavour.startswith("macos"):  # launchd is not imitated that far
        assert backend.read().listing == transaction.after
        assert quiet(backend, policy())


def test_pf_is_loaded_and_enabled_for_a_policy(tmp_path):
    host = StandinHost(tmp_path / "host", "freebsd")
    backend = Pf(host)
    before, transaction, snapshot = enforce(backend, policy(), persist=False)
    assert backend.status()["enabled"]
    assert backend.read().listing == transaction.after
    assert host.restore(snapshot).returncode == 0
    host.remove(STAGED)
    assert not backend.status()["enabled"]
    assert backend.read().listing == before.listing


def test_each_part_stands_in_its_section(tmp_path):
    backend = made(tmp_path, "freebsd-12.1", SECTIONS)
    wanted = policy(nat=[{"type": "masquerade", "interface": "em1"}])
    enforce(backend, wanted)
    lines = [line for line in backend.host.read("/etc/pf.conf").splitlines() if "table" not in line]
    order = [
        "scrub in on $ext all max-mss 1440", "scrub in all fragment reassemble", "nat on em1 inet from any to any -> (em1:0)",
        "nat on $ext inet from 192.168.0.0/16 to any -> ($ext)", 'rdr-anchor "ftp-proxy/*"', 'anchor "f2b/*"',
        'anchor "miniupnpd" in on em0', "block drop in quick all tagged hf_forward", "pass out quick all flags any keep state allow-opts",
        "# My rules.", "pass in quick on $ext proto tcp to port 2200", 'anchor "miniupnpd" in on $ext',
    ]  # fmt: skip
    assert [line for line in lines if line in order] == order
    assert backend.read_policy(backend.read()) == kept(wanted)


def test_others_anchors_that_a_section_begins_with_stay_in_front(tmp_path):
    backend = made(tmp_path, "freebsd", 'nat-anchor "f2b/*"\nanchor "f2b/*"\nblock in all\n')
    enforce(backend, policy())
    text = backend.host.read("/etc/pf.conf")
    assert text.index('\nanchor "f2b/*"') < text.index("begin filter")
    assert "policy: anchors" not in text


def test_match_rules_of_openbsd_that_decide_nothing_stay_in_front(tmp_path):
    conf = "set skip on lo\nmatch out on egress inet nat-to (egress:0)\nblock return\npass\n"
    backend = made(tmp_path, "openbsd", conf)
    enforce(backend, policy())
    text = backend.host.read("/etc/pf.conf")
    assert text.index("nat-to (egress") < text.index("begin filter") < text.index("\nblock return\n")
    enforce(backend, None)
    assert backend.host.read("/etc/pf.conf") == conf


APPLE = """\
scrub-anchor "com.apple/*"
nat-anchor "com.apple/*"
rdr-anchor "com.apple/*"
dummynet-anchor "com.apple/*"
anchor "com.apple/*"
load anchor "com.apple" from "/etc/pf.anchors/com.apple"
"""


def test_what_macos_has_in_its_file_stays_in_front(tmp_path):
    host = StandinHost(tmp_path / "host", "macos")
    host.write("/etc/pf.conf", APPLE)
    host.write("/etc/pf.anchors/com.apple", 'anchor "200.AirDrop/*"\n')
    backend = Pf(host)
    wanted = policy(nat=[{"type": "masquerade", "interface": "en0"}])
    enforce(backend, wanted)
    text = host.read("/etc/pf.conf")
    marks = ["scrub-anchor", "scrub in all", "rdr-anchor", "nat on en0", "dummynet-anchor", "load anchor", "begin filter"]
    found = [text.index(mark) for mark in marks]
    assert found == sorted(found)
    assert quiet(backend, wanted)
    enforce(backend, None)
    assert host.read("/etc/pf.conf") == APPLE


def test_alone_takes_out_what_the_administrator_decides_and_translates(tmp_path):
    backend = made(tmp_path, "freebsd", SECTIONS)
    enforce(backend, policy(), alone=True)
    text = backend.host.read("/etc/pf.conf")
    for line in ("pass in quick on $ext proto tcp to port 2200", "block all", "-> ($ext)"):
        assert line not in text
    for line in (
        'ext = "em0"',
        "set limit states 20000",
        "scrub in on $ext all max-mss 1440",
        'anchor "f2b/*"',
        'anchor "miniupnpd" in on $ext',
    ):
        assert line in text
    assert text.index('anchor "miniupnpd"') < text.index("begin filter")
    assert quiet(backend, policy(), alone=True)
    assert quiet(backend, policy())


def test_an_edit_by_hand_of_our_part_of_the_file_is_seen_and_undone(backend):
    wanted = policy()
    enforce(backend, wanted)
    noted = backend.live_text()
    text = backend.host.read("/etc/pf.conf")
    backend.host.write("/etc/pf.conf", text.replace("port { 80, 443 }", "port { 80, 443, 8080 }"))
    backend.host.must("pfctl", "-f", "/etc/pf.conf")
    assert backend.live_text() != noted
    assert backend.read_policy(backend.read()) != kept(wanted)
    enforce(backend, wanted)
    assert backend.live_text() == noted
    assert backend.host.read("/etc/pf.conf") == text


def test_an_edit_by_hand_outside_of_our_part_is_none_of_ours(freebsd):
    enforce(freebsd, policy())
    noted = freebsd.live_text()
    freebsd.host.write("/etc/pf.conf", freebsd.host.read("/etc/pf.conf") + "pass in quick proto tcp to port 99\n")
    freebsd.host.must("pfctl", "-f", "/etc/pf.conf")
    assert freebsd.live_text() == noted
    assert quiet(freebsd, policy())
    assert not quiet(freebsd, policy(), alone=True)


def loads_other_rules(host):
    host.write("/tmp/other.conf", "pass all\n")
    host.must("pfctl", "-f", "/tmp/other.conf")


@pytest.mark.parametrize(
    "edit",
    [
        loads_other_rules,
        lambda host: host.must("pfctl", "-F", "rules"),
        lambda host: host.must("pfctl", "-F", "Tables"),
        lambda host: host.must("pfctl", "-d"),
    ],
    ids=["other rules", "no rules", "no tables", "disabled"],
)
def test_live_rules_that_somebody_changed_are_seen_and_put_right(backend, edit):
    wanted = policy()
    enforce(backend, wanted)
    noted = backend.live_text()
    edit(backend.host)
    assert backend.live_text() != noted
    assert not quiet(backend, wanted)
    _before, _transaction, _snapshot = enforce(backend, wanted)
    assert backend.live_text() == noted
    assert quiet(backend, wanted)


def test_single_rules_are_not_put_beside_live_rules_that_are_not_those_of_the_file(freebsd):
    enforce(freebsd, policy())
    loads_other_rules(freebsd.host)
    ruleset = freebsd.read()
    for edits in (
        place_present(freebsd, ruleset, rule(port=8080)).edits,
        place_absent(freebsd, ruleset, rule("deny", protocol="any", source="203.0.113.0/24")).edits,
        place_present(freebsd, ruleset, rule("deny", protocol="any", source="203.0.113.0/24", log=True)).edits,
    ):
        assert edits
        with pytest.raises(HoldfastError, match=r"not those of /etc/pf\.conf"):
            freebsd.plan(ruleset, edits)


def test_a_line_that_no_policy_has_is_named(freebsd):
    enforce(freebsd, policy())
    text = freebsd.host.read("/etc/pf.conf")
    for line in (
        "pass in quick on ! em0",
        "pass in all",
        "pass in quick proto tcp to port 22 keep state (max 3)",
        'anchor "x"',
        "antispoof for em0",
    ):
        edited = text.replace("block drop in quick all\n", line + "\nblock drop in quick all\n")
        with pytest.raises(HoldfastError, match=re.escape(line)):
            freebsd.parse_policy(edited)


@pytest.mark.parametrize(
    "line, why",
    [
        ("(self), (self:broadcast), 0.0.0.0", "(self), 10.0.0.0/8, 0.0.0.0"),
        ("pass in all no state allow-opts tag hf_forward\n", ""),
        ("block drop in quick all tagged hf_forward\n", ""),
        ("block drop in quick all\npass out quick all", "pass out quick all"),
    ],
)
def test_a_changed_frame_of_a_policy_is_no_policy_any_more(freebsd, line, why):
    enforce(freebsd, policy())
    text = freebsd.host.read("/etc/pf.conf")
    assert line in text
    with pytest.raises(HoldfastError):
        freebsd.parse_policy(text.replace(line, why))


def test_marks_that_were_removed_by_hand_are_refused_and_nothing_is_lost(freebsd):
    enforce(freebsd, policy())
    text = freebsd.host.read("/etc/pf.conf")
    for broken in (
        text.replace("# holdfast policy: end filter\n", ""), re.sub("# holdfast policy: begin filter[^\n]*\n", "", text),
        text + text[text.index("# holdfast policy: begin filter") :], text.replace("end scrub", "end filter"),
    ):  # fmt: skip
        freebsd.host.write("/etc/pf.conf", broken)
        freebsd.host.run(["pfctl", "-f", "/etc/pf.conf"])
        with pytest.raises(HoldfastError, match="holdfast policy"):
            freebsd.plan_policy(freebsd.read(), policy())


def test_an_interface_that_pf_skips_is_refused(tmp_path):
    backend = made(tmp_path, "freebsd", "set skip on { lo0, em1 }\nblock in all\n")
    with pytest.raises(HoldfastError, match="pf asks no rule about packets on em1"):
        backend.plan_policy(backend.read(), policy())
    alone = made(tmp_path / "other", "openbsd", "set skip on lo\nblock in all\n")
    assert alone.plan_policy(alone.read(), policy()).commands


def test_a_router_whose_pf_cannot_tell_forwarded_packets_is_refused(tmp_path):
    backend = made(tmp_path, "macos")
    assert backend.plan_policy(backend.read(), policy()).commands
    backend.host.must("sysctl", "-w", "net.inet.ip.forwarding=1")
    with pytest.raises(HoldfastError, match=r"net\.inet\.ip\.forwarding is 1"):
        backend.plan_policy(backend.read(), policy())


FROM_INSIDE = {"action": "allow", "direction": "forward", "interface": "em1", "out_interface": "em0"}
SPOOFED = {"action": "deny", "direction": "out", "protocol": "any", "source": "!192.0.2.0/24"}


@pytest.mark.parametrize(
    "flavour, line, rule_, why",
    [
        ("freebsd", "nat on em0 inet from any to any -> (em0)", dict(FROM_INSIDE, source="10.0.0.0/8"), "would not see its source"),
        ("freebsd", "nat on em0 inet from any to any -> (em0)", SPOOFED, "would not see its source"),
        ("openbsd", "match out on em0 inet nat-to (em0)", SPOOFED, "would not see its source"),
        ("freebsd", "rdr on em0 inet proto tcp to port 80 -> 10.0.0.5", FROM_INSIDE, "Name the destination"),
        ("openbsd", "match in on em0 inet proto tcp to port 80 rdr-to 10.0.0.5", FROM_INSIDE, "Name the destination"),
    ],
)
def test_a_translation_of_the_file_that_a_rule_cannot_live_with_is_refused(tmp_path, flavour, line, rule_, why):
    backend = made(tmp_path, flavour, line + "\nblock in all\n")
    with pytest.raises(HoldfastError, match=why):
        backend.plan_policy(backend.read(), policy(rules=[rule_]))
    assert backend.plan_policy(backend.read(), policy(rules=[rule_]), alone=True).commands
    assert backend.plan_policy(backend.read(), policy()).commands


def test_a_policy_that_pf_refuses_is_refused_with_what_it_said(freebsd):
    wanted = policy(native={"pf": {"before": ["pass in quick on $nowhere"]}})
    with pytest.raises(HoldfastError, match="nowhere"):
        enforce(freebsd, wanted)
    assert freebsd.host.read("/etc/pf.conf") == CONF


def test_raw_lines_stand_between_guard_and_rules_and_before_the_defaults(backend):
    native = {"pf": {"before": ["antispoof quick for em0"], "after": ["pass in quick proto tcp to port 99 keep state"]}}
    enforce(backend, policy(native=native))
    text = backend.host.read("/etc/pf.conf")
    marks = ["holdfast: management", "antispoof quick for em0", 'label "web"', "port 99 keep state", "block drop in quick all"]
    found = [text.index(mark) for mark in marks]
    assert found == sorted(found)
    assert backend.read_policy(backend.read()).native == policy(native=native).native
    assert quiet(backend, policy(native=native))


def test_an_include_before_the_options_is_refused(tmp_path):
    host = StandinHost(tmp_path / "host", "freebsd")
    backend = Pf(host)
    host.write("/etc/pf.conf", 'include "/etc/pf.local"\nset skip on lo0\n')
    with pytest.raises(HoldfastError, match="a policy cannot come first there"):
        backend.plan_policy(backend.read(), policy())


def test_scrubbing_is_left_to_a_file_that_says_how(tmp_path):
    backend = made(tmp_path, "freebsd-15.1", "set reassemble yes no-df\nblock in all\n")
    enforce(backend, policy())
    assert "scrub" not in backend.host.read("/etc/pf.conf")
    assert quiet(backend, policy())


def test_a_policy_is_rendered_without_a_host_and_only_where_pf_carries_it():
    backend = Pf(StandinHost.__new__(StandinHost), "freebsd")
    text = backend.render_policy(policy())
    assert backend.parse_policy(text) == kept(policy())
    with pytest.raises(HoldfastError, match="limit"):
        backend.render_policy(policy(rules=[{"action": "allow", "port": 22, "limit": "3/minute"}]))
