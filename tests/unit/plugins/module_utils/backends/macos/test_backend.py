# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application firewall on a stand-in Mac: read, apply, look again, restore, keep what is not ours."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos import backend as backend_module
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.backend import Macos
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.reading import PROFILE
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.record import PATH
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.host import Result
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.merging import merge
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.macos.mac_host import APP, OTHER, MacHost
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import absent, present

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the application firewall changes for root only")
OPEN = {"in": "allow", "out": "allow", "forward": "unmanaged"}


@pytest.fixture(params=["older", "newer"])
def host(request, tmp_path):
    made = MacHost(tmp_path / "mac", request.param)
    made.fw("--setglobalstate", "on")
    made.calls.clear()
    return made


@pytest.fixture
def backend(host):
    return Macos(host)


def rule(action="deny", program=APP, **words):
    return parse_rule({"action": action, "program": program, "protocol": "any", **words})


def policy(*rules, **words):
    return parse_policy({"defaults": OPEN, "rules": [{"protocol": "any", **one} for one in rules], **words})


def put(backend, wanted, alone=False):
    """Put a policy in force as a task does; returns (transaction, snapshot)."""
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, wanted, alone=alone)
    if transaction.commands:
        snapshot = backend.snapshot(ruleset, transaction)
        backend.apply(transaction)
        assert backend.read().listing == transaction.after
        backend.persist(transaction.persist)
        return transaction, snapshot
    return transaction, None


def test_a_denied_program_is_added_and_blocked_and_the_second_run_changes_nothing(host, backend):
    _before, transaction, _snapshot = present(backend, rule())
    assert [command.argv[1] for command in transaction.commands] == ["--add", "--blockapp"]
    assert host.kept()["apps"] == [[APP, True]]
    assert backend.read().listing == transaction.after
    assert present(backend, rule(comment="again", stateful=True))[1].commands == ()


def test_an_allow_takes_the_place_of_a_deny(host, backend):
    present(backend, rule())
    _before, transaction, _snapshot = present(backend, rule("allow"))
    assert [command.argv[1] for command in transaction.commands] == ["--unblockapp"]
    assert host.kept()["apps"] == [[APP, False]]


def test_a_rule_goes_and_others_stay(host, backend):
    present(backend, rule())
    present(backend, rule("allow", OTHER))
    absent(backend, rule())
    assert host.kept()["apps"] == [[OTHER, False]]
    assert absent(backend, rule())[1].commands == ()


def test_a_rule_for_the_other_action_is_not_the_one_to_remove(host, backend):
    present(backend, rule())
    assert absent(backend, rule("allow"))[1].commands == ()


def test_a_policy_turns_the_firewall_on_last(host, backend):
    host.fw("--setglobalstate", "off")
    transaction, _snapshot = put(backend, policy({"action": "deny", "program": APP}))
    assert transaction.commands[-1].argv[1:] == ("--setglobalstate", "on")
    assert backend.is_enabled(backend.read())


def test_raw_lines_that_turn_the_firewall_on_may_deny(host, backend):
    host.fw("--setglobalstate", "off")
    ruleset = backend.read()
    lines = "--blockapp '%s'\n--setglobalstate on" % APP
    edits = [Edit(chain, native=line) for line, (chain, _entry) in zip(lines.splitlines(), backend.match_native(ruleset, lines))]
    assert backend.plan(ruleset, edits).commands[-1].argv[1:] == ("--setglobalstate", "on")


def test_an_allow_below_a_firewall_that_blocks_everything_is_refused(host, backend):
    present(backend, rule("allow"))
    host.fw("--setblockall", "on")
    with pytest.raises(HoldfastError, match="--setblockall off"):
        present(backend, rule("allow"))
    present(backend, rule(program=OTHER))
    assert [OTHER, True] in host.kept()["apps"]


@pytest.mark.parametrize("first", [("--setglobalstate", "off"), ("--setblockall", "on"), ("--setstealthmode", "on")])
def test_the_snapshot_puts_everything_back_with_a_shell(host, backend, first):
    host.fw("--add", OTHER)
    host.fw("--blockapp", OTHER)
    host.fw(*first)
    before, listing = host.kept(), backend.read().listing
    wanted = policy({"action": "deny", "program": APP}, {"action": "allow", "program": OTHER},
                    native={"macos": {"before": ["--setstealthmode off", "--setallowsigned off"]}})  # fmt: skip
    transaction, snapshot = put(backend, wanted)
    assert transaction.commands
    assert snapshot.after_reboot and PATH in snapshot.paths
    host.reboot()
    done = host.restore(snapshot)
    assert done.returncode == 0, done.stderr
    assert host.kept() == before
    assert backend.read().listing == listing
    assert host.restore(snapshot).returncode == 0


def test_a_restore_that_is_refused_says_so(host, backend):
    _transaction, snapshot = put(backend, policy({"action": "deny", "program": APP}))
    (host.folder / "alf.mode").write_text("managed")
    assert host.restore(snapshot).returncode != 0


def test_a_managed_mac_is_told_in_words(host, backend):
    (host.folder / "alf.mode").write_text("managed")
    with pytest.raises(HoldfastError, match="this Mac is managed"):
        present(backend, rule())
    host.write(PROFILE, "")
    with pytest.raises(HoldfastError, match="nothing was changed"):
        present(backend, rule())


def test_a_managed_mac_that_answers_few_questions_is_read_as_far_as_it_tells(host, backend):
    host.fw("--add", APP)
    (host.folder / "alf.mode").write_text("mute newer")
    state = backend.read().chains[0].ref
    assert (state.settings, state.programs) == ({"enabled": True}, {APP: "allow"})
    assert backend.read_policy(backend.read()) is None
    with pytest.raises(HoldfastError, match="this Mac is managed"):
        present(backend, rule())
    with pytest.raises(HoldfastError, match="is managed and does not tell its setting --setblockall"):
        put(backend, policy({"action": "deny", "program": APP}))


def test_blocking_everything_is_seen_where_the_global_state_does_not_tell(host, backend):
    (host.folder / "alf.mode").write_text("split newer")
    host.fw("--setblockall", "on")
    before, listing = host.kept(), backend.read().listing
    assert "--setblockall on" in listing
    _transaction, snapshot = put(backend, policy({"action": "deny", "program": APP}))
    assert host.kept()["state"] == 1
    done = host.restore(snapshot)
    assert done.returncode == 0, done.stderr
    assert (host.kept(), backend.read().listing) == (before, listing)


def test_a_link_to_a_program_is_refused_and_the_program_named(host, backend):
    (host.root / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    (host.root / "usr/local/bin/link").symlink_to(host.root / APP.lstrip("/"))
    with pytest.raises(HoldfastError, match=r"of /usr/local/bin/link is /Applications/My App \(2\)\.app"):
        present(backend, rule(program="/usr/local/bin/link"))
    assert host.changes() == []


def test_the_entries_of_sshd_stay_when_all_others_go(host, backend):
    wrapper = "/usr/libexec/sshd-keygen-wrapper"
    for path in (wrapper, OTHER):
        host.write(path, "")
        host.fw("--add", path)
    host.fw("--setallowsigned", "off")
    put(backend, policy({"action": "deny", "program": APP}), alone=True)
    assert host.kept()["apps"] == sorted([[APP, True], [wrapper, False]])
    backend.apply(backend.plan_flush(backend.read(), {}))
    assert host.kept()["apps"] == [[wrapper, False]]


def test_a_listing_that_is_a_moment_older_than_the_change_is_asked_for_again(host, backend, monkeypatch):
    older, run = [host.fw("--listapps")], host.run

    def late(argv, stdin=None, timeout=60.0):
        if list(argv[1:]) == ["--listapps"] and older and host.changes():
            return Result(0, older.pop(), "")
        return run(argv, stdin, timeout)

    host.calls.clear()
    monkeypatch.setattr(host, "run", late)
    present(backend, rule())
    assert (older, host.kept()["apps"]) == ([], [[APP, True]])


def test_a_change_that_was_not_made_is_found_although_the_tool_is_content(host, backend, monkeypatch):
    monkeypatch.setattr(backend_module, "_PATIENCE", 1)
    (host.folder / "alf.mode").write_text("deaf")
    with pytest.raises(HoldfastError, match="did not make it"):
        present(backend, rule())


def test_a_program_that_is_not_there_is_refused_before_anything_is_changed(host, backend):
    with pytest.raises(HoldfastError, match="There is no program /nowhere"):
        present(backend, rule(program="/nowhere"))
    assert host.changes() == []


def test_a_policy_is_gathered_with_its_order_and_comments_and_lies_still(host, backend):
    wanted = policy({"action": "allow", "program": OTHER, "comment": "zeta"}, {"action": "deny", "program": APP},
                    native={"macos": {"before": ["--setstealthmode on"]}})  # fmt: skip
    put(backend, wanted)
    assert backend.read_policy(backend.read()) == backend.policy_as_kept(wanted)
    assert put(backend, wanted)[0].commands == ()
    assert backend.parse_policy(backend.own_listing(backend.read())) == backend.policy_as_kept(wanted)


def test_a_policy_that_goes_puts_back_what_it_changed_and_leaves_the_rest(host, backend):
    host.fw("--add", OTHER)
    before = host.kept()
    put(backend, policy({"action": "deny", "program": OTHER}, {"action": "deny", "program": APP},
                        native={"macos": {"before": ["--setstealthmode on", "--setallowsigned off"]}}))  # fmt: skip
    put(backend, policy({"action": "deny", "program": APP}))
    assert host.kept() == dict(before, apps=sorted([[OTHER, False], [APP, True]]))
    put(backend, None)
    assert host.kept() == before
    assert not host.exists(PATH)
    assert put(backend, None)[0].commands == ()


def test_the_rules_of_administrators_stay_beside_a_policy_unless_it_is_to_be_alone(host, backend):
    host.fw("--add", OTHER)
    wanted = policy({"action": "deny", "program": APP})
    put(backend, wanted)
    assert [OTHER, False] in host.kept()["apps"]
    put(backend, wanted, alone=True)
    assert host.kept()["apps"] == [[APP, True]]


def test_somebody_who_may_not_read_the_record_is_told_so_instead_of_that_there_is_no_policy(host, backend, monkeypatch):
    host.superuser = False
    assert backend.read_policy(backend.read()) is None
    host.superuser = True
    put(backend, policy({"action": "deny", "program": APP}))
    host.superuser = False
    monkeypatch.setattr(host, "read", lambda path: None)
    with pytest.raises(HoldfastError, match="needs root"):
        backend.read_policy(backend.read())


def test_a_change_by_hand_is_seen_and_undone(host, backend):
    wanted = policy({"action": "deny", "program": APP})
    put(backend, wanted)
    listing = backend.live_text()
    host.fw("--unblockapp", APP)
    assert backend.live_text() != listing
    assert backend.read_policy(backend.read()).rules[0].action == "allow"
    host.fw("--setglobalstate", "off")
    put(backend, wanted)
    assert backend.live_text() == listing


def test_a_policy_over_what_is_there_already_is_noted_once(host, backend):
    present(backend, rule())
    wanted = policy({"action": "deny", "program": APP})
    assert [command.argv[1:] for command in put(backend, wanted)[0].commands] == [("--setglobalstate", "on")]
    assert put(backend, wanted)[0].commands == ()
    assert backend.read_policy(backend.read()) == backend.policy_as_kept(wanted)


def test_a_setting_that_the_system_does_not_have_is_refused(host, backend):
    wanted = policy(native={"macos": {"before": ["--setloggingmode off"]}})
    if "older" in (host.folder / "alf.mode").read_text():
        put(backend, wanted)
        assert host.kept()["logging"] is False
    else:
        with pytest.raises(HoldfastError, match="does not have the setting --setloggingmode"):
            put(backend, wanted)


def test_native_lines_are_matched_by_what_they_set(host, backend):
    present(backend, rule())
    text = "--setstealthmode on\nsocketfilterfw --blockapp '%s'\n--unblockapp '%s'\n" % (APP, APP)
    matched = [entry is not None for _chain, entry in backend.match_native(backend.read(), text)]
    assert matched == [False, True, False]
    with pytest.raises(HoldfastError, match="no setting"):
        backend.match_native(backend.read(), "--remove " + APP)
    with pytest.raises(HoldfastError, match="cannot be absent"):
        backend.match_native(backend.read(), "--setstealthmode off", wanted=False)


def test_it_is_switched_on_and_off_and_keeps_its_rules(host, backend):
    present(backend, rule())
    for state, number in (("disabled", 0), ("disabled", 0), ("enabled", 1)):
        ruleset = backend.read()
        transaction = backend.plan_switch(ruleset, state, ())
        backend.apply(transaction)
        assert host.kept()["state"] == number
    assert host.kept()["apps"] == [[APP, True]]
    with pytest.raises(HoldfastError, match="no restart"):
        backend.plan_switch(backend.read(), "restarted", ())


def test_switching_it_on_does_not_end_remote_login(host, backend):
    host.fw("--setglobalstate", "off")
    host.fw("--setallowsigned", "off")
    with pytest.raises(HoldfastError, match="Remote Login"):
        backend.plan_switch(backend.read(), "enabled", ())


def test_a_flush_removes_every_program_and_leaves_the_settings(host, backend):
    present(backend, rule())
    host.fw("--setstealthmode", "on")
    ruleset = backend.read()
    backend.apply(backend.plan_flush(ruleset, {}))
    assert host.kept()["apps"] == []
    assert host.kept()["stealth"] is True


def test_a_state_that_is_not_known_is_never_changed(host, backend):
    ruleset = backend.read()
    state = ruleset.chains[0].ref
    odd = replace(state, programs={APP: "Allow incoming connections with restrictions"})
    chain = replace(ruleset.chains[0], ref=odd)
    with pytest.raises(HoldfastError, match="could not be put back"):
        backend.plan_policy(replace(ruleset, chains=(chain,)), policy({"action": "deny", "program": APP}))


def test_it_is_seen_on_a_mac_only(host, backend, tmp_path):
    assert backend.sight().active
    host.fw("--setglobalstate", "off")
    assert (backend.sight().available, backend.sight().active) == (True, False)


def test_the_commands_of_a_result_can_be_typed(host, backend):
    _before, transaction, _snapshot = present(backend, rule())
    assert transaction.commands[0].shown().endswith(" --add '/Applications/My App (2).app'")


def test_a_merged_document_decides_over_the_policy_in_force(host, backend):
    put(backend, policy({"action": "deny", "program": APP}, {"action": "deny", "program": OTHER}))
    document = policy({"action": "allow", "program": APP})
    put(backend, merge(backend.read_policy(backend.read()), document, ()))
    assert host.kept()["apps"] == sorted([[APP, False], [OTHER, True]])
    assert put(backend, merge(backend.read_policy(backend.read()), document, ()))[0].commands == ()
