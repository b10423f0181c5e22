# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verified rules come back after a reboot, at their place, beside the administrator's own file; and go when the last one goes."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.loader import (
    LOAD_SCRIPT,
    UNIT_TEXT,
    Record,
    read_records,
    write_records,
)
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.names import FOLDER, FOREIGN_FILE, OWN_FILE, UNIT_FILE
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.persist import PATHS
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule

#: What the administrator's own file loads at boot.
SITE = """
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        tcp dport 22 accept comment "ssh"
        tcp dport 25 accept
        tcp dport 25 accept
        ip saddr 192.0.2.0/24 reject
        counter
    }
}
"""


@pytest.fixture
def systemd(space):
    """A host whose systemd says yes to everything."""
    os.makedirs(space.folder + "/run/systemd/system")
    which = space.which
    space.which = lambda program: "/bin/true" if program == "systemctl" else which(program)
    run = space.run
    asked = space.systemctl

    def answer(argv, stdin=None, timeout=60.0):
        if argv[0] == "systemctl":
            asked.append(" ".join(argv[1:]))
            return run(["true"])
        return run(argv, stdin, timeout)

    space.run = answer
    return asked


def task(space, backend, state, **words):
    """Do what a confirmed task does."""
    ruleset = backend.read()
    place = place_present if state == "present" else place_absent
    transaction = backend.plan(ruleset, place(backend, ruleset, parse_rule(words)).edits)
    backend.apply(transaction)
    return backend.persist(transaction.persist)


def reload(space):
    """Load our rules again, as the unit does."""
    script = LOAD_SCRIPT.replace("dir=" + FOLDER, "dir=" + space.folder + FOLDER).replace("logger", "true")
    return space.run(["sh", "-c", script])


def reboot(space, site=SITE):
    """Lose everything, load the administrator's file, then ours."""
    space.nft("flush ruleset\n" + site)
    result = reload(space)
    return result


TASKS = {
    "a rule in our own table": [("present", {"action": "deny", "port": 23})],
    "a rule before another": [("present", {"action": "allow", "port": 80})],
    "two rules before another": [("present", {"action": "allow", "port": 80}), ("present", {"action": "allow", "port": 443})],
    "a logged rule": [
        ("present", {"action": "allow", "port": 80, "log": True, "log_prefix": "a %s ", "log_limit": "1/minute", "comment": "$x `id`"})
    ],
    "a limit per source": [("present", {"action": "allow", "port": 80, "limit": "6/minute", "limit_per": "source"})],
    "a rule of the administrator removed": [("absent", {"action": "allow", "port": 22})],
    "one of two equal rules removed": [("absent", {"action": "allow", "port": 25})],
    "a rule of the administrator changed": [("present", {"action": "allow", "port": 22, "comment": "management"})],
    "removed and put back": [("absent", {"action": "allow", "port": 22}), ("present", {"action": "allow", "port": 22})],
    "ours put and removed": [("present", {"action": "allow", "port": 80}), ("absent", {"action": "allow", "port": 80})],
}


@pytest.mark.parametrize("steps", TASKS.values(), ids=TASKS)
def test_after_a_reboot_the_rules_are_the_same(space, backend, systemd, steps):
    space.nft(SITE)
    for state, words in steps:
        task(space, backend, state, **words)
    before = backend.read().chain("inet filter input")
    own = backend.read().chain("inet holdfast input")
    result = reboot(space)
    assert result.ok, result.err
    assert [one.native for one in backend.read().chain("inet filter input").entries] == [one.native for one in before.entries]
    assert [one.native for one in backend.read().chain("inet holdfast input").entries] == [one.native for one in own.entries]


@pytest.mark.parametrize("steps", TASKS.values(), ids=TASKS)
def test_loading_twice_changes_nothing(space, backend, systemd, steps):
    space.nft(SITE)
    for state, words in steps:
        task(space, backend, state, **words)
    before = space.listed()
    for _again in range(2):
        assert reload(space).ok
        assert space.listed() == before


def test_persisting_again_writes_nothing(space, backend, systemd):
    space.nft(SITE)
    assert task(space, backend, "present", action="allow", port=80)
    assert backend.persist({}) == []


def test_only_the_named_files_are_written(space, backend, systemd):
    space.nft(SITE)
    for words in ({"action": "allow", "port": 80}, {"action": "deny", "port": 23}):
        task(space, backend, "present", **words)
    found = {os.path.join(folder, name)[len(space.folder) :] for folder, _folders, names in os.walk(space.folder) for name in names}
    assert found <= set(PATHS)
    assert {OWN_FILE, FOREIGN_FILE, UNIT_FILE} <= found


def test_the_last_rule_takes_files_and_unit_with_it(space, backend, systemd):
    for state in ("present", "absent"):
        notes = task(space, backend, state, action="deny", port=23)
    assert not any(space.exists(path) for path in PATHS)
    assert "disable --quiet holdfast-firewall.service" in systemd
    assert "disabled holdfast-firewall.service" in notes


def test_a_flush_lasts_without_touching_what_the_administrator_writes_later(space, backend, systemd):
    space.nft(SITE)
    ruleset = backend.read()
    transaction = backend.plan_flush(ruleset, {"inet filter input": [parse_rule({"action": "allow", "port": 22})]})
    backend.apply(transaction)
    backend.persist(transaction.persist)
    assert reboot(space, SITE.replace("counter\n", "counter\n\t\ttcp dport 9 accept\n")).ok
    assert [one.native for one in backend.read().chain("inet filter input").entries] == [("tcp dport 9 accept",), ("tcp dport 22 accept",)]


def test_a_rule_that_comes_back_by_hand_is_not_removed_at_the_next_boot(space, backend, systemd):
    space.nft(SITE)
    task(space, backend, "absent", action="allow", port=22)
    space.nft('add rule inet filter input tcp dport 22 accept comment "ssh"\n')
    backend.persist({})
    assert "del" not in (space.read(FOREIGN_FILE) or "")


def test_a_chain_that_is_gone_costs_only_its_own_rules(space, backend, systemd):
    space.nft(SITE)
    task(space, backend, "present", action="allow", port=80)
    task(space, backend, "present", action="deny", port=23)
    result = reboot(space, "table inet other {\n}\n")
    assert "inet filter input is gone" in result.err
    assert "tcp dport 23 drop" in space.listed()


def test_a_line_that_is_refused_costs_only_itself(space, backend, systemd):
    space.nft(SITE)
    task(space, backend, "present", action="allow", port=80)
    ref = ("inet", "filter", "input")
    records = [*read_records(space.read(FOREIGN_FILE)), Record("add", ref, "no such words"), Record("add", ref, "tcp dport 81 accept")]
    space.write(FOREIGN_FILE, write_records(records))
    result = reboot(space)
    assert "no such words" in result.err
    assert "tcp dport 80 accept" in space.listed()
    assert "tcp dport 81 accept" in space.listed()


def test_text_in_the_records_never_reaches_a_shell(space, backend, systemd, tmp_path, monkeypatch):
    space.nft(SITE)
    mark = tmp_path / "ran"
    task(space, backend, "present", action="allow", port=80, comment="$(touch ran) `touch ran` %s ' \\n")
    monkeypatch.chdir(tmp_path)
    assert reboot(space).ok
    assert "%s ' \\n" in space.listed()
    assert not mark.exists()


def test_a_rule_without_its_neighbour_goes_to_the_end(space, backend, systemd):
    space.nft(SITE)
    task(space, backend, "present", action="allow", protocol="any", source="192.0.2.1")
    assert reboot(space, SITE.replace("reject", "drop")).ok
    assert backend.read().chain("inet filter input").entries[-1].native == ("ip saddr 192.0.2.1 accept",)


def test_without_systemd_the_folder_that_the_hosts_file_includes_is_used(space, backend):
    os.makedirs(space.folder + "/etc/nftables.d")
    space.write("/etc/nftables.nft", 'flush ruleset\ninclude "/etc/nftables.d/*.nft"\n')
    notes = task(space, backend, "present", action="deny", port=23)
    assert "wrote /etc/nftables.d/holdfast.nft" in notes
    before = space.listed()
    for _again in range(2):
        space.nft(space.read("/etc/nftables.d/holdfast.nft"))
        assert space.listed() == before


def test_without_any_loader_a_warning_says_so(space, backend):
    notes = task(space, backend, "present", action="deny", port=23)
    assert [note for note in notes if note.startswith("warning:") and "no loader for boot" in note]


def test_a_native_rule_in_the_administrators_chain_lasts_too(space, backend, systemd):
    space.nft(SITE)
    ruleset = backend.read()
    chain = ruleset.chain("inet filter input")
    transaction = backend.plan(ruleset, [Edit(chain, native="insert rule inet filter input tcp dport 7 accept")])
    backend.apply(transaction)
    backend.persist(transaction.persist)
    before = space.listed()
    assert reboot(space).ok
    assert space.listed() == before


def test_the_unit_is_valid(tmp_path):
    unit = tmp_path / "holdfast-firewall.service"
    unit.write_text(UNIT_TEXT.replace(FOLDER + "/load.sh", "/bin/true"))
    try:
        result = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("systemd-analyze is not installed")
    assert "holdfast-firewall" not in result.stderr, result.stderr


def test_the_script_is_valid_shell():
    assert subprocess.run(["sh", "-n"], input=LOAD_SCRIPT, text=True, check=False).returncode == 0
