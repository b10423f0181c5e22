# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pf on macOS is held on by references: ours is taken, noted, given back, and never mixed up with those of others."""

from __future__ import annotations

import plistlib
import re

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf import boot
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.reference import TOKEN, own_reference, references
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import (
    StandinHost,
    present,
    programs,
    rule,
)

CONF = "pass in quick proto tcp from any to any port 22\nblock in all\npass out all\n"
WEB = rule(port=80)
DNS = rule(port=53, protocol="udp")


@pytest.fixture
def host(tmp_path):
    made = StandinHost(tmp_path / "host", "macos")
    made.write("/etc/pf.conf", CONF)
    made.run(["pfctl", "-si"])
    return made


@pytest.fixture
def backend(host):
    return Pf(host)


@pytest.fixture
def bare(host):
    """A Mac whose file says nothing, so that a single rule may switch pf on."""
    host.write("/etc/pf.conf", "")


def somebody(host):
    """Another program needs pf; returns its token."""
    return re.search(r"Token : (\d+)", host.run(["pfctl", "-E"]).err).group(1)


def put(backend, wanted):
    """Make a rule present and confirm it."""
    done = present(backend, wanted)
    backend.persist(done[1].persist)
    return done


def enabled(backend):
    return backend.is_enabled(backend.read())


def switch(backend, state):
    ruleset = backend.read()
    transaction = backend.plan_switch(ruleset, state, ())
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    return snapshot


@pytest.mark.usefixtures("bare")
def test_a_rule_takes_one_reference_and_the_next_rule_none(host, backend):
    put(backend, WEB)
    own = own_reference(host)
    assert references(host) == [own]
    put(backend, DNS)
    assert references(host) == [own]


def test_pf_that_others_hold_on_stays_on_without_them(host, backend):
    other = somebody(host)
    host.must("pfctl", "-f", "/etc/pf.conf")
    put(backend, WEB)
    assert len(references(host)) == 2
    host.must("pfctl", "-X", other)
    assert enabled(backend)


def test_a_restore_gives_back_ours_and_leaves_theirs(host, backend):
    other = somebody(host)
    host.must("pfctl", "-f", "/etc/pf.conf")
    _before, _transaction, snapshot = present(backend, WEB)
    for _twice in range(2):
        done = host.restore(snapshot)
        assert done.returncode == 0, done.stderr
        assert references(host) == [other]
        assert enabled(backend)


@pytest.mark.usefixtures("bare")
def test_a_restore_turns_off_what_was_off_and_leaves_on_what_an_administrator_turned_on(host, backend):
    _before, _transaction, snapshot = present(backend, WEB)
    assert host.restore(snapshot).returncode == 0
    assert (references(host), enabled(backend)) == ([], False)
    host.must("pfctl", "-e")
    host.must("pfctl", "-f", "/etc/pf.conf")
    _before, _transaction, snapshot = present(backend, WEB)
    assert host.restore(snapshot).returncode == 0
    assert (references(host), enabled(backend)) == ([], True)


@pytest.mark.usefixtures("bare")
def test_a_token_from_before_the_boot_counts_for_nothing(host, backend):
    host.write(TOKEN, "17000000000000000042\n")
    assert own_reference(host) == ""
    _before, _transaction, snapshot = present(backend, WEB)
    assert own_reference(host) != ""
    assert host.restore(snapshot).returncode == 0


@pytest.mark.usefixtures("bare")
def test_switching_off_gives_back_the_reference_and_its_restore_takes_a_new_one(host, backend):
    put(backend, WEB)
    snapshot = switch(backend, "disabled")
    assert (references(host), host.exists(TOKEN), enabled(backend)) == ([], False, False)
    for _twice in range(2):
        done = host.restore(snapshot)
        assert done.returncode == 0, done.stderr
        assert references(host) == [own_reference(host)]
        assert enabled(backend)


@pytest.mark.usefixtures("bare")
def test_pf_that_others_need_is_not_switched_off(host, backend):
    put(backend, WEB)
    other = somebody(host)
    with pytest.raises(HoldfastError, match="held on by 1 other"):
        backend.plan_switch(backend.read(), "disabled", ())
    host.must("pfctl", "-X", other)
    switch(backend, "disabled")
    assert not enabled(backend)


@pytest.mark.usefixtures("bare")
def test_the_job_at_boot_takes_a_reference_and_notes_it(host, backend):
    put(backend, WEB)
    job = plistlib.loads(host.read(backend.dialect.boot_files[0]).encode())
    assert boot.starts_at_boot(host, backend.dialect)
    host.reboot()
    assert not host.run(["pfctl", "-si"]).out.startswith("Status: Enabled")
    installed = programs("macos").split("/usr/sbin:")[0]
    done = host.shell(job["ProgramArguments"][2].replace("/sbin/pfctl", installed + "/usr/sbin/pfctl"), host.folder)
    assert done.returncode == 0, done.stderr
    assert references(host) == [own_reference(host)]
    assert not present(backend, WEB)[1].commands
