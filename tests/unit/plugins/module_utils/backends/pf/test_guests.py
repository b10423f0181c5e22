# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Mac on which Internet Sharing or a VPN calls its anchors from the main rules: they hinder no task, and live on through a load."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.guests import guests_in, with_guests, without_guests
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.live import STAGED
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import (
    StandinHost,
    absent,
    present,
    rule,
)
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.test_policy_host import APPLE, policy

SHARING = [
    'nat-anchor "com.apple.internet-sharing" all',
    'rdr-anchor "com.apple.internet-sharing" all',
    'scrub-anchor "com.apple.internet-sharing" all fragment reassemble',
    'anchor "com.apple.internet-sharing" all',
    'anchor "org.example.vpn" all',
]
GUESTS = [one.partition(" all")[0] for one in SHARING]
WEB = rule(port=80)


@pytest.fixture(name="host")
def _host(tmp_path):
    made = StandinHost(tmp_path / "host", "macos")
    made.write("/etc/pf.conf", APPLE)
    made.write("/etc/pf.anchors/com.apple", 'anchor "200.AirDrop/*"\n')
    made.write("/tmp/live", with_guests(APPLE, GUESTS))
    made.must("pfctl", "-f", "/tmp/live")
    made.must("pfctl", "-E")
    return made


def called(host):
    """The calls of other programs that are in force."""
    return sorted(line for line in (host.must("pfctl", "-sr") + host.must("pfctl", "-sn")).splitlines() if line in SHARING)


def confirmed(backend, done):
    backend.persist(done[1].persist)
    return done


def test_a_rule_is_put_and_goes_beside_them_and_the_file_never_names_them(host):
    backend = Pf(host)
    confirmed(backend, present(backend, WEB))
    assert called(host) == sorted(SHARING)
    assert "internet-sharing" not in host.read("/etc/pf.conf")
    assert "port = http" in host.must("pfctl", "-sr") or "port = 80" in host.must("pfctl", "-sr")
    assert not present(backend, WEB)[1].commands
    confirmed(backend, absent(backend, WEB))
    assert called(host) == sorted(SHARING)
    assert host.read("/etc/pf.conf") == APPLE
    assert not host.exists(STAGED)


def test_a_change_that_waits_is_read_without_them_and_its_restore_has_them(host):
    backend = Pf(host)
    before = backend.read().listing
    _before, transaction, snapshot = present(backend, WEB)
    assert backend.read().listing == transaction.after
    assert "internet-sharing" not in transaction.after
    done = host.restore(snapshot)
    assert done.returncode == 0, done.stderr
    host.remove(STAGED)
    assert backend.read().listing == before
    assert called(host) == sorted(SHARING)


def test_a_service_that_starts_after_a_policy_leaves_the_second_run_nothing_to_do(host):
    backend = Pf(host)
    host.must("pfctl", "-f", "/etc/pf.conf")
    for _run in range(2):
        ruleset = backend.read()
        transaction = backend.plan_policy(ruleset, policy())
        if transaction.commands:
            backend.validate(transaction)
            backend.apply(transaction)
            backend.persist(transaction.persist)
        host.write("/tmp/live", with_guests(host.read("/etc/pf.conf"), GUESTS))
        host.must("pfctl", "-f", "/tmp/live")
    assert not transaction.commands
    transaction = backend.plan_policy(backend.read(), None)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    assert called(host) == sorted(SHARING)
    assert host.read("/etc/pf.conf") == APPLE


def test_they_stay_while_pf_is_off_also_beside_a_file_that_is_not_valid(host):
    host.must("pfctl", "-d")
    backend = Pf(host)
    confirmed(backend, present(backend, WEB))
    assert called(host) == sorted(SHARING)
    host.write("/etc/pf.conf", "nonsense\n")
    assert backend.read().chains[0].ref.guests == ()


@pytest.mark.parametrize("line", ["pass in quick proto tcp to port 23", 'anchor "org.example.vpn" in on em0'])
def test_anything_else_that_the_file_does_not_say_is_refused_as_before(host, line):
    host.write("/tmp/live", with_guests(APPLE, GUESTS) + line + "\n")
    host.must("pfctl", "-f", "/tmp/live")
    with pytest.raises(HoldfastError, match="are not those of"):
        present(Pf(host), WEB)


def test_a_call_of_the_file_that_is_not_in_force_is_no_guest():
    assert guests_in(SHARING, SHARING[:2]) == tuple(GUESTS[2:])
    assert guests_in(SHARING[:2], SHARING) is None
    assert guests_in([SHARING[0], SHARING[0]], [SHARING[0]]) == (GUESTS[0],)


def test_calls_stand_in_their_section_also_where_the_file_has_none():
    text = with_guests("set skip on lo0\nblock in all\n", GUESTS)
    found = [line.split(None, 1)[0] for line in text.splitlines()]
    assert found == ["set", "scrub-anchor", "nat-anchor", "rdr-anchor", "block", "anchor", "anchor"]
    plain, guests = without_guests(text)
    assert (plain, sorted(guests)) == ("set skip on lo0\nblock in all\n", sorted(GUESTS))
