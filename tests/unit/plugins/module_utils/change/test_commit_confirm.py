# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commit-confirm with a firewall that is a file: real processes, real shell scripts, a real clock, no kernel rules."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend, Command, Snapshot, Transaction
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Ruleset
from ansible_collections.holdfast.firewall.plugins.module_utils.change import begin as begin_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change import confirm as confirm_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change import pending as pending_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change import timers as timers_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change.pending import Pending
from ansible_collections.holdfast.firewall.plugins.module_utils.change.script import restore_script
from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError


class FileWall(Backend):
    """Live rules are the file ``live``, saved rules the file ``saved``."""

    NAME = "filewall"

    def __init__(self, host, folder):
        super().__init__(host)
        self.live, self.saved = os.path.join(folder, "live"), os.path.join(folder, "saved")
        self.fail_persist = False

    def read(self):
        return Ruleset((), self.host.read(self.live) or "")

    def change_to(self, text, command=None):
        return Transaction((Command(command or ("sh", "-c", "cat > '%s'" % self.live), text),), text, {"text": text})

    def snapshot(self, ruleset, transaction):
        return Snapshot({"before": ruleset.listing}, "cat \"$DIR/before\" > '%s'\n" % self.live, (self.saved,))

    def persist(self, facts):
        self.host.write(self.saved, facts["text"])
        if self.fail_persist:
            raise HoldfastError("the disk is full")
        return [self.saved]


class Sleeper(timers_module.Timer):
    """A timer that is a sleeping shell, as daemon(8) holds it."""

    NAME = "sleeper"
    process = None

    def available(self, host):
        return None

    def arm(self, host, change, script, seconds):
        Sleeper.process = subprocess.Popen(["sh", script, "timer"], start_new_session=True)
        return str(Sleeper.process.pid)

    def waiting(self, host, ref):
        return Sleeper.process.poll() is None

    def disarm(self, host, ref):
        Sleeper.disarmed.append(ref)

    disarmed: list = []


@pytest.fixture(name="wall")
def _wall(tmp_path, monkeypatch):
    root = str(tmp_path / "state")
    monkeypatch.setattr(pending_module, "state_root", lambda: root)
    monkeypatch.setattr(timers_module, "TIMERS", (Sleeper(),))
    wall = FileWall(LocalHost(), str(tmp_path))
    wall.host.is_root = lambda: True
    monkeypatch.setattr(confirm_module, "make_backend", lambda name, host: wall)
    monkeypatch.setattr(begin_module, "PATIENCE", 0.1)  # this process does not end, unlike a task's
    wall.host.write(wall.live, "old rules\n")
    wall.host.write(wall.saved, "old saved\n")
    yield wall
    if Sleeper.process is not None and Sleeper.process.poll() is None:
        os.killpg(Sleeper.process.pid, signal.SIGKILL)
    if Sleeper.process is not None:
        Sleeper.process.wait()


def start(wall, text="new rules\n", window=60, command=None):
    return begin_module.begin(wall.host, wall, wall.read(), wall.change_to(text, command), window)["change"]


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("keeps", [True, False])
def test_an_answer_gets_a_head_start_unless_known_connections_pass_anyway(wall, monkeypatch, keeps):
    monkeypatch.setattr(begin_module, "SETTLE", 2.0)
    change = dataclasses.replace(wall.change_to("new rules\n", None), keeps_connections=keeps)
    facts = begin_module.begin(wall.host, wall, wall.read(), change, 60)
    assert (facts["settles_in"] < 2.0) is keeps
    assert wait_for(lambda: Pending(facts["change"]).holds("applied.json"))
    assert (Pending(facts["change"]).read_json("applied.json")["after"] < 2.0) is keeps
    confirm_module.undo(wall.host, facts["change"])


def test_a_confirmed_change_lasts_and_leaves_nothing_behind(wall):
    change = start(wall)
    assert wall.host.read(wall.saved) == "old saved\n"
    outcome = confirm_module.confirm(wall.host, change)
    assert outcome["changed"]
    assert wall.host.read(wall.live) == "new rules\n"
    assert wall.host.read(wall.saved) == "new rules\n"
    assert Pending.all() == []
    assert wait_for(lambda: Sleeper.process.poll() is not None)


def test_nothing_is_saved_before_the_confirmation(wall):
    change = start(wall)
    assert wait_for(lambda: wall.host.read(wall.live) == "new rules\n")
    assert wall.host.read(wall.saved) == "old saved\n"
    confirm_module.undo(wall.host, change)


def test_an_unconfirmed_change_restores_itself_byte_by_byte(wall):
    before = wall.fingerprint()
    change = start(wall, window=4)
    assert wait_for(lambda: wall.host.read(wall.live) == "new rules\n")
    assert wait_for(lambda: confirm_module.inquire(wall.host, change).get("rolled_back"))
    account = confirm_module.inquire(wall.host, change)
    assert (account["restored"], account["identical"]) == (True, True)
    assert wall.fingerprint() == before
    assert Pending.all() == []


def test_a_confirmation_after_the_rollback_fails_and_says_why(wall):
    change = start(wall, window=4)
    assert wait_for(lambda: confirm_module.inquire(wall.host, change).get("rolled_back"))
    with pytest.raises(HoldfastError, match="was rolled back, nobody confirmed it in time"):
        confirm_module.confirm(wall.host, change)


def test_a_connection_older_than_the_change_confirms_nothing(wall):
    change = start(wall)
    assert wait_for(lambda: Pending(change).holds("applied.json"))
    assert confirm_module.confirm(wall.host, change, waited=0.0001)["too_early"]
    assert Pending(change).holds("armed")
    assert confirm_module.confirm(wall.host, change, waited=5.0)["changed"]


def test_a_change_that_the_host_refuses_is_undone_at_once_and_reported(wall):
    change = start(wall, command=("sh", "-c", "echo half > '%s'; echo 'no such chain' >&2; exit 3" % wall.live))
    with pytest.raises(HoldfastError, match="no such chain"):
        confirm_module.confirm(wall.host, change)
    assert wall.host.read(wall.live) == "old rules\n"
    assert Pending.all() == []


def slowly(wall, seconds):
    return ("sh", "-c", "sleep %s; cat > '%s'" % (seconds, wall.live))


def test_a_change_that_takes_long_is_waited_for(wall, monkeypatch):
    monkeypatch.setattr(confirm_module, "APPLY_PATIENCE", 0.5)
    change = start(wall, window=3600, command=slowly(wall, 1.5))
    assert confirm_module.confirm(wall.host, change)["changed"]
    assert wall.host.read(wall.saved) == "new rules\n"


def test_a_change_that_takes_longer_than_its_window_never_comes_into_force(wall):
    change = start(wall, window=1, command=slowly(wall, 3))
    with pytest.raises(HoldfastError, match="the rollback timer was faster"):
        confirm_module.confirm(wall.host, change)
    time.sleep(3)
    assert wall.host.read(wall.live) == "old rules\n"
    assert confirm_module.inquire(wall.host, change)["identical"] is True


def test_a_change_whose_process_died_is_undone_at_once(wall):
    transaction = wall.change_to("new rules\n")
    change = begin_module.begin(wall.host, wall, wall.read(), transaction, 3600, hold=lambda: os._exit(1))["change"]
    with pytest.raises(HoldfastError, match="the process that applies it has died"):
        confirm_module.confirm(wall.host, change)
    assert Pending.all() == []
    assert confirm_module.inquire(wall.host, change)["rolled_back"]


def test_a_change_that_cannot_be_saved_is_undone_with_its_files(wall):
    wall.fail_persist = True
    change = start(wall)
    with pytest.raises(HoldfastError, match="could not be made to last, so it was undone: the disk is full"):
        confirm_module.confirm(wall.host, change)
    assert wall.host.read(wall.live) == "old rules\n"
    assert wall.host.read(wall.saved) == "old saved\n"


def test_undoing_what_cannot_be_saved_needs_no_room_for_another_file(wall, monkeypatch):
    wall.fail_persist = True
    change = start(wall)
    assert wait_for(lambda: wall.host.read(wall.live) == "new rules\n")

    def full(*_arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(Pending, "write", full)
    with pytest.raises(HoldfastError, match="so it was undone: the disk is full"):
        confirm_module.confirm(wall.host, change)
    assert wall.host.read(wall.live) == "old rules\n"


def test_a_file_system_that_became_read_only_does_not_hinder_the_rollback(wall):
    change = start(wall)
    assert wait_for(lambda: Pending(change).holds("applied.json"))
    folder = Pending(change).folder
    mounted = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99; sh "$1/restore.sh"'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", mounted, "sh", folder], check=False, capture_output=True)
    if done.returncode in (1, 99, 127) and wall.host.read(wall.live) == "new rules\n":
        pytest.skip("nothing can be mounted here: %s" % done.stderr)
    assert wall.host.read(wall.live) == "old rules\n"


def test_a_note_that_cannot_be_written_does_not_undo_what_is_confirmed(wall, monkeypatch):
    def damaged(*_arguments):
        raise ValueError("a note of another kind")

    monkeypatch.setattr(confirm_module, "write_record", damaged)
    transaction = wall.change_to("new rules\n")
    transaction = dataclasses.replace(transaction, persist={**transaction.persist, "policy_record": {"document": "d", "whole": False}})
    change = begin_module.begin(wall.host, wall, wall.read(), transaction, 60)["change"]
    assert confirm_module.confirm(wall.host, change)["changed"]
    assert Pending.all() == []
    assert wait_for(lambda: Sleeper.process.poll() is not None)
    assert wall.host.read(wall.live) == "new rules\n"


def test_a_policy_that_switches_its_firewall_on_ends_the_note_that_it_was_switched_off(wall, monkeypatch):
    noted = []
    monkeypatch.setattr(confirm_module, "switched_off", lambda _host: wall.NAME)
    monkeypatch.setattr(confirm_module, "note_switch", lambda _host, name, state: noted.append((name, state)))
    monkeypatch.setattr(confirm_module, "write_record", lambda *_arguments: None)
    for facts in ({}, {"policy_record": {}}, {"policy_record": {"document": "d", "whole": False}}):
        transaction = wall.change_to("rules with %d facts\n" % len(str(facts)))
        transaction = dataclasses.replace(transaction, persist={**transaction.persist, **facts})
        change = begin_module.begin(wall.host, wall, wall.read(), transaction, 60)["change"]
        assert confirm_module.confirm(wall.host, change)["changed"]
        assert wait_for(lambda: Sleeper.process.poll() is not None)
    assert noted == [(wall.NAME, "enabled")]


def test_a_file_that_was_not_there_is_removed_again(wall):
    wall.host.remove(wall.saved)
    wall.fail_persist = True
    change = start(wall)
    with pytest.raises(HoldfastError):
        confirm_module.confirm(wall.host, change)
    assert not wall.host.exists(wall.saved)


def test_a_second_change_is_refused_while_one_waits(wall):
    change = start(wall)
    with pytest.raises(HoldfastError, match="waits for its confirmation for another"):
        start(wall, "third rules\n")
    confirm_module.confirm(wall.host, change)
    start(wall, "third rules\n")


def test_the_status_says_since_when_a_change_is_in_force(wall):
    change = start(wall, window=3600)
    assert wait_for(lambda: confirm_module.inquire(wall.host, change)["applied"])
    first = confirm_module.inquire(wall.host, change)["applied_ago"]
    time.sleep(0.2)
    assert confirm_module.inquire(wall.host, change)["applied_ago"] >= first + 0.2
    confirm_module.undo(wall.host, change)


def test_without_root_nobody_is_told_that_nothing_is_pending(wall):
    change = start(wall)
    wall.host.is_root = lambda: False
    with pytest.raises(HoldfastError, match="needs root; add become"):
        confirm_module.inquire(wall.host, change)


def test_undo_restores_at_once(wall):
    change = start(wall, window=3600)
    assert confirm_module.undo(wall.host, None)["rolled_back"]
    assert wall.host.read(wall.live) == "old rules\n"
    assert confirm_module.inquire(wall.host, change)["rolled_back"]


def test_every_way_to_end_a_change_disarms_its_timer(wall):
    ends = [confirm_module.confirm, confirm_module.undo]
    for end in ends:
        change = start(wall, window=3600)
        ref = Pending(change).read_json("timer.json")["ref"]
        end(wall.host, change)
        assert Sleeper.disarmed[-1] == ref


def test_confirm_without_a_pending_change_is_no_change(wall):
    assert confirm_module.confirm(wall.host, None) == {"msg": "No change is pending on this host", "changed": False, "pending": False}


def test_a_killed_confirmation_does_not_stop_the_timer_for_good(wall):
    change = start(wall, window=4)
    assert wait_for(lambda: Pending(change).holds("applied.json"))
    assert Pending(change).claim("confirming")  # and then it dies
    assert wait_for(lambda: confirm_module.inquire(wall.host, change).get("rolled_back"), 45)
    assert wall.host.read(wall.live) == "old rules\n"


def test_after_a_reboot_only_files_are_restored(wall):
    change = start(wall, window=3600)
    assert wait_for(lambda: Pending(change).holds("applied.json"))
    script = Pending(change).read("restore.sh")
    armed = next(line for line in script.splitlines() if line.startswith("ARMED_BOOT="))
    Pending(change).write("restore.sh", script.replace(armed, "ARMED_BOOT=another"), 0o700)
    wall.host.write(wall.live, "rules of the new boot\n")
    assert wall.host.run(["sh", Pending(change).path("restore.sh"), "timer"]).ok
    assert wall.host.read(wall.live) == "rules of the new boot\n"
    assert Pending.all() == []


def test_a_clock_that_is_set_in_the_window_does_not_hinder_the_rollback(tmp_path):
    """The time of the boot, by which the BSDs know a boot, moves with the clock; the script sleeps through one boot only."""
    folder, last, boot = tmp_path / "change", tmp_path / "last", tmp_path / "boot"
    folder.mkdir()
    for name, text in (("armed", ""), ("rules.sh", "echo restored > %s/live\n" % tmp_path), ("files.sh", "true\n")):
        (folder / name).write_text(text)
    boot.write_text("1000\n")
    text = restore_script("one", str(folder), str(last), int(time.time()) + 2, 2, "1000", False)
    known = next(line for line in text.splitlines() if line.startswith("boot_id()"))
    (folder / "restore.sh").write_text(text.replace(known, "boot_id() { cat %s; }" % boot))
    with subprocess.Popen(["sh", str(folder / "restore.sh"), "timer"]) as timer:
        assert wait_for((folder / "timer.pid").exists)
        boot.write_text("1007\n")
        assert timer.wait(20) == 0
    assert (tmp_path / "live").read_text() == "restored\n"


def test_an_overdue_change_is_settled_by_the_next_task(wall):
    change = start(wall)
    assert wait_for(lambda: Pending(change).holds("applied.json"))
    os.killpg(Sleeper.process.pid, signal.SIGKILL)
    facts = Pending(change).read_json("change.json")
    Pending(change).write_json("change.json", dict(facts, deadline=time.time() - 60))
    begin_module.settle_leftovers(wall.host)
    assert wall.host.read(wall.live) == "old rules\n"
    second = start(wall, "third rules\n")
    assert wait_for(lambda: wall.host.read(wall.live) == "third rules\n")
    confirm_module.undo(wall.host, second)
    assert wall.host.read(wall.live) == "old rules\n"


def test_the_record_is_readable_by_its_owner_only(wall):
    change = start(wall)
    folder = Pending(change).folder
    assert os.stat(folder).st_mode & 0o077 == 0
    assert wait_for(lambda: os.path.exists(os.path.join(folder, "timer.pid")))
    assert [name for name in os.listdir(folder) if os.stat(os.path.join(folder, name)).st_mode & 0o077 and name != "file0"] == []


def test_without_root_nothing_is_begun(wall):
    wall.host.is_root = lambda: False
    with pytest.raises(HoldfastError, match="needs root; add become: true"):
        start(wall)
    assert Pending.all() == []


def test_without_a_timer_nothing_is_begun_and_the_code_is_31(wall, monkeypatch):
    class Broken(Sleeper):
        def available(self, host):
            return "it is broken"

    monkeypatch.setattr(timers_module, "TIMERS", (Broken(),))
    with pytest.raises(HoldfastError, match="sleeper: it is broken") as caught:
        start(wall)
    assert caught.value.details["rc"] == 31
    assert Pending.all() == []
    assert wall.host.read(wall.live) == "old rules\n"


def test_a_timer_that_refuses_leaves_nothing_behind(wall, monkeypatch):
    class Refusing(Sleeper):
        def arm(self, host, change, script, seconds):
            raise HoldfastError("at refused", rc=31)

    monkeypatch.setattr(timers_module, "TIMERS", (Refusing(),))
    with pytest.raises(HoldfastError, match="at refused"):
        start(wall)
    assert Pending.all() == []
    assert wall.host.read(wall.live) == "old rules\n"


def ask(change, waited="60.0"):
    script = Pending(change).path("ask.sh")
    done = subprocess.run(["/bin/sh", script, waited], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def start_attended(wall, window=60, **options):
    facts = begin_module.begin(wall.host, wall, wall.read(), wall.change_to("new rules\n", **options), window, attended=True)
    assert wait_for(lambda: Pending(facts["change"]).holds("applier"))
    return facts


def test_the_process_that_applied_a_change_confirms_it_when_asked(wall):
    change = start_attended(wall)["change"]
    script = Pending(change).path("ask.sh")
    code, answer = ask(change)
    assert (code, answer["changed"], answer["change"]) == (0, True, change)
    assert wall.host.read(wall.saved) == "new rules\n"
    assert Pending.all() == []
    assert not os.path.exists(script)


def test_a_question_over_a_connection_that_is_older_than_the_change_confirms_nothing(wall):
    change = start_attended(wall)["change"]
    assert wait_for(lambda: Pending(change).holds("applied.json"))
    code, answer = ask(change, "0.0")
    after = answer.pop("in_force_after")
    assert (code, answer) == (0, {"change": change, "changed": False, "too_early": True})
    assert after == Pending(change).read_json("applied.json")["after"]
    assert wall.host.read(wall.saved) == "old saved\n"
    assert ask(change)[1]["changed"]


def test_a_question_is_answered_with_the_reason_of_an_undoing(wall):
    wall.fail_persist = True
    change = start_attended(wall)["change"]
    code, answer = ask(change)
    assert (code, answer["failed"], answer["rolled_back"]) == (0, True, True)
    assert "the disk is full" in answer["msg"]
    assert wall.host.read(wall.live) == "old rules\n"


def test_who_attends_a_change_undoes_it_where_its_timer_has_gone(wall, monkeypatch):
    monkeypatch.setattr(begin_module, "OVERDUE", 0)
    start_attended(wall, window=1)
    os.killpg(Sleeper.process.pid, signal.SIGKILL)
    assert wait_for(lambda: Pending.all() == [])
    assert wall.host.read(wall.live) == "old rules\n"


def test_where_nobody_attends_the_question_says_so(wall):
    change = start_attended(wall)["change"]
    assert wait_for(lambda: Pending(change).holds("applied.json"))
    os.killpg(int(Pending(change).read("applier")), signal.SIGKILL)
    assert ask(change) == (75, None)
    assert confirm_module.confirm(wall.host, change)["changed"]
