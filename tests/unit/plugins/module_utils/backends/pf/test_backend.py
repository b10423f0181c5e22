# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pf backend on stand-in hosts: read, place, apply, restore, persist, reboot."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, assume, given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.live import STAGED
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import (
    StandinHost,
    absent,
    present,
    rule,
)
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules

FLAVOURS = ("freebsd-12.1", "freebsd-15.1", "openbsd", "macos")
CONF = """\
# The administrator's own file.
ext = "em0"
table <bad> persist { 203.0.113.0/24 }
set skip on lo0

block in all
pass out all
block in quick from <bad>
pass in on $ext proto tcp to port { ssh, https }   # services
"""


@pytest.fixture(params=FLAVOURS)
def host(request, tmp_path):
    made = StandinHost(tmp_path / "host", request.param)
    made.write("/etc/pf.conf", CONF)
    made.run(["pfctl", "-si"])
    return made


@pytest.fixture
def backend(host):
    """pf, enabled with the administrator's file."""
    if host.flavour.startswith("freebsd"):
        host.must("kldload", "pf")
    host.must("pfctl", "-f", "/etc/pf.conf")
    if not host.run(["pfctl", "-si"]).out.startswith("Status: Enabled"):
        host.must("pfctl", "-e")
    return Pf(host)


@pytest.fixture
def freebsd(tmp_path):
    host = StandinHost(tmp_path / "host", "freebsd")
    host.write("/etc/pf.conf", CONF)
    host.must("kldload", "pf")
    host.must("pfctl", "-ef", "/etc/pf.conf")
    return Pf(host)


WANTED = [
    rule(port=8443, stateful=True, comment="web"),
    rule("deny", protocol="any", source="!198.51.100.0/24,!192.0.2.0/24", log=True),
    rule("reject", port=113),
    rule(protocol="udp", source=",".join("198.51.100.%d" % (2 * n) for n in range(20)), port="53"),
]


@pytest.mark.parametrize("wanted", WANTED, ids=["allow", "negated list", "reject", "many addresses"])
def test_a_rule_that_was_put_is_there_and_is_not_put_again(backend, wanted):
    _before, transaction, _snapshot = present(backend, wanted)
    after = backend.read()
    assert after.listing == transaction.after
    assert place_present(backend, after, wanted).edits == []


@pytest.mark.parametrize("wanted", WANTED, ids=["allow", "negated list", "reject", "many addresses"])
def test_a_restore_leaves_everything_as_it_was(backend, wanted):
    before, _transaction, snapshot = present(backend, wanted)
    live = backend.host.run(["pfctl", "-sr"]).out
    done = backend.host.restore(snapshot)
    assert done.returncode == 0, done.stderr
    backend.host.remove(STAGED)  # the change engine puts files back
    assert backend.read().listing == before.listing
    assert backend.host.run(["pfctl", "-sr"]).out != live
    assert backend.host.restore(snapshot).returncode == 0


@pytest.mark.parametrize("wanted", WANTED, ids=["allow", "negated list", "reject", "many addresses"])
def test_a_rule_that_is_taken_out_leaves_no_trace(backend, wanted):
    before = backend.read().listing
    _ruleset, transaction, _snapshot = present(backend, wanted)
    backend.persist(transaction.persist)
    _ruleset, transaction, _snapshot = absent(backend, wanted)
    assert backend.read().listing == transaction.after == before


def test_nothing_lasts_before_it_is_persisted(backend):
    before = backend.read().listing
    present(backend, WANTED[0])
    assert backend.host.read("/etc/pf.conf") == CONF
    backend.host.remove(STAGED)
    backend.host.reboot()
    backend.host.run(["pfctl", "-f", "/etc/pf.conf"])
    assert backend.read().listing.endswith(before)


def test_what_is_persisted_is_there_after_a_reboot(backend):
    _before, transaction, _snapshot = present(backend, WANTED[1])
    facts = json.loads(json.dumps(transaction.persist))
    assert backend.persist(facts)
    assert backend.persist(facts) == []
    assert not backend.host.exists(STAGED)
    assert backend.read().listing == transaction.after
    backend.host.reboot()
    if not backend.host.flavour.startswith("macos"):  # launchd is not imitated that far
        assert backend.read().listing == transaction.after
        assert backend.status()["enabled"]
    assert backend.status()["at_boot"]


def test_pf_is_loaded_and_enabled_for_a_rule_where_its_file_says_nothing_and_put_back_as_it_was(host):
    host.remove("/etc/pf.conf")
    if host.flavour.startswith("openbsd"):
        host.must("pfctl", "-d")
    backend = Pf(host)
    before, transaction, snapshot = present(backend, WANTED[0])
    assert before.listing.startswith("# pf is disabled")
    assert backend.status()["enabled"]
    assert backend.read().listing == transaction.after
    done = host.restore(snapshot)
    assert done.returncode == 0, done.stderr
    host.remove(STAGED)
    assert not backend.status()["enabled"]
    assert backend.read().listing == before.listing
    assert host.restore(snapshot).returncode == 0


def test_a_flush_takes_everything_but_settings_and_other_programs_anchors(freebsd):
    freebsd.host.write(
        "/etc/pf.conf",
        'ext = "em0"\nset skip on lo0\nscrub in all\nnat on $ext inet from 192.0.2.0/24 to any -> ($ext)\nrdr-anchor "ftp-proxy/*"\n'
        'anchor "f2b/*"\nanchor "mine"\nblock in all\npass in quick proto tcp to port 22\n',
    )
    freebsd.host.must("pfctl", "-f", "/etc/pf.conf")
    ruleset = freebsd.read()
    transaction = freebsd.plan_flush(ruleset, {})
    freebsd.validate(transaction)
    snapshot = freebsd.snapshot(ruleset, transaction)
    freebsd.apply(transaction)
    assert transaction.after == 'ext = "em0"\nset skip on lo0\nscrub in all\nrdr-anchor "ftp-proxy/*"\nanchor "f2b/*"\n'
    assert freebsd.read().listing == transaction.after
    assert freebsd.plan_flush(freebsd.read(), {}).commands == ()
    assert freebsd.host.restore(snapshot).returncode == 0
    freebsd.host.remove(STAGED)
    assert freebsd.read().listing == ruleset.listing


def test_rules_loaded_from_elsewhere_are_not_overwritten(freebsd):
    freebsd.host.write("/tmp/other.conf", "pass all\n")
    freebsd.host.must("pfctl", "-f", "/tmp/other.conf")
    with pytest.raises(HoldfastError, match="live is 'pass all flags S/SA keep state', the file says 'block drop in all'"):
        freebsd.read()


def test_an_empty_live_ruleset_is_no_difference_to_a_file_without_rules(freebsd):
    freebsd.host.must("pfctl", "-F", "rules")
    freebsd.host.write("/etc/pf.conf", "set skip on lo0\n")
    before, _transaction, snapshot = present(freebsd, WANTED[0])
    assert freebsd.host.restore(snapshot).returncode == 0
    assert freebsd.host.run(["pfctl", "-sr"]).out == ""
    freebsd.host.remove(STAGED)
    assert freebsd.read().listing == before.listing


def test_the_administrators_own_rule_without_quick_is_the_same_rule(freebsd):
    freebsd.host.write("/etc/pf.conf", "block in all\npass in proto tcp to port 22\n")
    freebsd.host.must("pfctl", "-f", "/etc/pf.conf")
    assert place_present(freebsd, freebsd.read(), rule(port=22, stateful=True)).edits == []
    _before, transaction, _snapshot = absent(freebsd, rule(port=22, stateful=True))
    assert transaction.after == "block in all\n"


def test_a_rule_behind_a_quick_block_goes_before_it(freebsd):
    freebsd.host.write("/etc/pf.conf", "pass out all\nblock in quick all\n")
    freebsd.host.must("pfctl", "-f", "/etc/pf.conf")
    _before, transaction, _snapshot = present(freebsd, rule(port=22, stateful=True))
    assert transaction.after == (
        "pass out all\npass in quick proto tcp from any to any port 22 flags S/SA keep state\nblock in quick all\n"
    )


def test_a_rule_that_decided_as_the_last_match_goes_on_to_do_so_with_its_new_comment(freebsd):
    freebsd.host.write("/etc/pf.conf", "block in all\npass in proto tcp to port 22\nblock in from 203.0.113.0/24\n")
    freebsd.host.must("pfctl", "-f", "/etc/pf.conf")
    _before, transaction, _snapshot = present(freebsd, rule(port=22, stateful=True, comment="ssh"))
    assert transaction.after.splitlines()[1] == 'pass in proto tcp from any to any port 22 flags S/SA keep state label "ssh"'
    assert place_present(freebsd, freebsd.read(), rule(port=22, stateful=True, comment="ssh")).edits == []


def test_a_stateful_deny_and_a_stateless_one_are_one_rule(freebsd):
    present(freebsd, rule("deny", port=25, direction="out"))
    assert place_present(freebsd, freebsd.read(), rule("deny", port=25, direction="out", stateful=True)).edits == []
    assert place_absent(freebsd, freebsd.read(), rule("deny", port=25, direction="out", stateful=True)).edits


def test_one_table_serves_two_rules_and_goes_with_the_last(freebsd):
    two = [rule("deny", port=port, source="!198.51.100.0/24,!192.0.2.0/24") for port in (22, 23)]
    for one in two:
        _before, transaction, _snapshot = present(freebsd, one)
        freebsd.persist(transaction.persist)
    assert transaction.after.count("table <hf_") == 1
    _before, transaction, _snapshot = absent(freebsd, two[0])
    assert transaction.after.count("table <hf_") == 1
    _before, transaction, _snapshot = absent(freebsd, two[1])
    assert "hf_" not in transaction.after


def test_a_file_without_a_newline_at_its_end_is_completed(tmp_path):
    host = StandinHost(tmp_path, "freebsd-12.1")
    host.write("/etc/pf.conf", "set skip on lo0")
    backend = Pf(host)
    _before, transaction, _snapshot = present(backend, WANTED[0])
    assert transaction.after.startswith("set skip on lo0\npass in quick")


def test_the_file_that_rc_conf_names_is_the_one_that_is_edited(freebsd):
    freebsd.host.write("/etc/rc.conf", 'pf_enable="YES"\npf_rules="/usr/local/etc/pf.conf"\n')
    freebsd.host.write("/usr/local/etc/pf.conf", CONF)
    _before, transaction, snapshot = present(freebsd, WANTED[0])
    assert freebsd.persist(transaction.persist) == ["wrote /usr/local/etc/pf.conf"]
    assert "/usr/local/etc/pf.conf" in snapshot.paths
    assert freebsd.host.read("/etc/pf.conf") == CONF


NATIVE = [
    "pass in quick proto tcp from any to any port 8080 flags S/SA keep state",
    "scrub in all",
    "antispoof quick for em0",
    "nat on em0 inet from 198.51.100.0/24 to any -> (em0)",
    'extra = "em1"',
    "block in quick on $ext from 203.0.113.9",
]


@pytest.mark.parametrize("line", NATIVE)
def test_a_raw_line_goes_into_its_section_once(freebsd, line):
    matched = freebsd.match_native(freebsd.read(), line + "\n# a comment\n\n")
    assert [entry for _chain, entry in matched] == [None]
    transaction = freebsd.plan(freebsd.read(), [Edit(matched[0][0], native=line)])
    freebsd.validate(transaction)
    freebsd.apply(transaction)
    assert freebsd.read().listing == transaction.after
    freebsd.persist(transaction.persist)
    ((chain, entry),) = freebsd.match_native(freebsd.read(), line)
    assert entry is not None
    removed = freebsd.plan(freebsd.read(), [Edit(chain, remove=entry)])
    assert removed.after == CONF


def test_a_raw_line_in_other_words_is_the_same_rule(freebsd):
    ((_chain, entry),) = freebsd.match_native(freebsd.read(), "pass  out  quick  all")
    assert entry is None
    ((_chain, entry),) = freebsd.match_native(freebsd.read(), "pass out from any to any keep state")
    assert entry is not None and entry.native == ("pass out all",)


@pytest.mark.parametrize("line", ["pass in quick proto tcp to port 8000-8080", "pass in quick port 80", "}", "pass in on $nothing"])
def test_a_raw_line_that_pf_refuses_is_refused_with_what_it_said(freebsd, line):
    with pytest.raises(HoldfastError, match="pf refuses the rule"):
        freebsd.match_native(freebsd.read(), line)


def test_only_root_may_read(tmp_path):
    backend = Pf(StandinHost(tmp_path, "freebsd", root=False))
    with pytest.raises(HoldfastError, match="become: true"):
        backend.read()
    assert backend.sight().available


def test_sight_tells_what_decides(freebsd, tmp_path):
    assert freebsd.sight().active
    freebsd.host.must("pfctl", "-d")
    assert not freebsd.sight().active
    fresh = Pf(StandinHost(tmp_path / "fresh", "freebsd")).sight()
    assert (fresh.available, fresh.active) == (True, False)


def test_an_unchanged_run_asks_few_questions(freebsd):
    freebsd.host.calls.clear()
    freebsd.read()
    assert [call[1] for call in freebsd.host.calls if call[0] == "pfctl"] == ["-si", "-sn", "-sr", "-nvf"]


def test_rules_are_shown_without_a_pf_in_the_dialect_of_freebsd():
    backend = Pf(LocalHost())
    assert backend.render(rule(port=80)) == ("pass in quick proto tcp from any to any port 80 no state",)
    assert not backend.sight().available
    assert backend.dialect.name == "freebsd"


@given(wanted=rules(limits=False))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rule_comes_and_goes_without_a_trace(freebsd, wanted):
    assume(not freebsd.unsupported(wanted))
    before = freebsd.read()
    edits = place_present(freebsd, before, wanted).edits
    transaction = freebsd.plan(before, edits)
    freebsd.validate(transaction)
    freebsd.apply(transaction)
    assert freebsd.read().listing == transaction.after
    assert place_present(freebsd, freebsd.read(), wanted).edits == []
    removal = freebsd.plan(freebsd.read(), place_absent(freebsd, freebsd.read(), wanted).edits)
    assert removal.after == CONF
    freebsd.host.must("pfctl", "-f", "/etc/pf.conf")
    freebsd.host.remove(STAGED)
