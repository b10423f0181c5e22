# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scheduler holds a rollback, and how its answers are read."""

from __future__ import annotations

import plistlib
import time

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.change import timers
from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

AT_SAYS = (0, "", "warning: commands will be executed using /bin/sh\njob 7 at Sat Nov 21 11:42:00 2026\n")
WITH_ATD = {"/run/atd.pid": "99\n", "/proc/99/comm": "atd\n"}


def queue(*numbers):
    return "".join("%d\tSat Nov 21 11:42:00 2026 a root\n" % number for number in numbers)


def test_at_with_a_running_daemon_comes_first_on_linux():
    host = PaperHost({"uname -s": "Linux\n", "at": AT_SAYS, "systemd-run": ""}, dict(WITH_ATD, **{"/run/systemd/system": ""}))
    assert timers.choose_timer(host).NAME == "at"


def test_at_without_its_daemon_is_not_trusted():
    # at queues the job and returns 0 although nothing will ever run it.
    host = PaperHost(
        {"uname -s": "Linux\n", "at": AT_SAYS, "systemd-run": ""},
        {"/run/systemd/system": "", "/run/atd.pid": "99\n", "/proc/99/comm": "sh\n"},
    )
    assert timers.choose_timer(host).NAME == "systemd-run"


def test_systemd_run_without_a_running_systemd_is_not_used():
    with pytest.raises(HoldfastError) as caught:
        timers.choose_timer(PaperHost({"uname -s": "Linux\n", "systemd-run": ""}))
    assert caught.value.details["rc"] == 31
    assert "systemd is not running" in caught.value.msg


def test_the_bsds_use_daemon_because_their_at_wakes_every_five_minutes():
    host = PaperHost({"uname -s": "FreeBSD\n", "at": AT_SAYS, "daemon": ""}, WITH_ATD)
    assert timers.choose_timer(host).NAME == "daemon"


@pytest.mark.parametrize("seconds", [10, 60, 75, 3600])
def test_at_starts_at_the_full_minute_before_the_deadline(seconds):
    moments = []

    def at(argv, stdin):
        moments.append((argv, stdin))
        return AT_SAYS

    host = PaperHost({"atq": queue(7), "at": at})
    assert timers.At().arm(host, "change", "/x/restore.sh", seconds) == "7"
    argv, stdin = moments[0]
    assert "exec /bin/sh /x/restore.sh timer" in stdin
    deadline = time.time() + seconds
    if argv[1] == "-t":
        planned = time.mktime(time.strptime(argv[2], "%Y%m%d%H%M"))
        assert deadline - 61 <= planned <= deadline
    else:
        assert argv[1:] == ["now"]
        assert int(deadline) // 60 * 60 <= time.time() + 3


def test_a_job_that_at_does_not_list_is_no_timer():
    with pytest.raises(HoldfastError, match="does not list it"):
        timers.At().arm(PaperHost({"atq": queue(6), "at": AT_SAYS}), "change", "/x/restore.sh", 3600)


def test_a_refusal_of_at_is_passed_on():
    host = PaperHost({"at": (1, "", "You do not have permission to use at.\n")})
    with pytest.raises(HoldfastError, match="You do not have permission"):
        timers.At().arm(host, "change", "/x/restore.sh", 60)


def test_a_systemd_timer_is_exact_and_asked_after():
    host = PaperHost({"systemd-run": "", "systemctl is-active": ""})
    assert timers.SystemdRun().arm(host, "c1", "/x/restore.sh", 42) == "holdfast-rollback-c1"
    assert "--on-active=42s" in host.ran[0]
    assert "AccuracySec=100ms" in host.ran[0]
    assert "--collect" in host.ran[0]
    host.answers["systemctl is-active"] = (3, "", "")
    with pytest.raises(HoldfastError, match="systemd-run refused"):
        timers.SystemdRun().arm(host, "c1", "/x/restore.sh", 42)


class Mac(PaperHost):
    """launchd on paper: what it was given, and whether it lists it."""

    def __init__(self, takes=True, **files):
        super().__init__({"uname -s": "Darwin\n", "launchctl": self.launchctl, "at": AT_SAYS}, files)
        self.takes, self.jobs = takes, []

    def launchctl(self, argv, _stdin):
        action, last = argv[1], argv[-1]
        if action == "bootstrap":
            self.jobs += [plistlib.loads(self.files[last].encode())["Label"]] if self.takes else []
            return (0, "", "") if self.takes else (5, "", "Bootstrap failed: 5: Input/output error\n")
        if action == "bootout":
            self.jobs.remove(last.partition("/")[2])
        return (0 if action != "list" or last in self.jobs else 113, "", "")


def test_macos_uses_launchd_because_its_at_is_switched_off():
    assert timers.choose_timer(Mac()).NAME == "launchd"


def test_launchd_gets_a_job_that_starts_at_once_and_again_after_a_reboot():
    host = Mac()
    ref = timers.Launchd().arm(host, "20261121-abc", "/var/lib/hold fast/&c/restore.sh", 60)
    job = plistlib.loads(host.files[ref].encode())
    assert ref == "/Library/LaunchDaemons/com.holdfast.firewall.rollback.20261121-abc.plist"
    assert job["RunAtLoad"] is True
    assert job["ProgramArguments"][2].startswith("/bin/sh '/var/lib/hold fast/&c/restore.sh' timer; [ -e ")
    assert timers.Launchd().waiting(host, ref)


def test_a_disarmed_job_of_launchd_leaves_nothing():
    host = Mac()
    timers.Launchd().disarm(host, timers.Launchd().arm(host, "change", "/x/restore.sh", 60))
    assert (host.jobs, host.files) == ([], {})


def test_a_job_that_launchd_does_not_list_is_no_timer():
    host = Mac(takes=False)
    with pytest.raises(HoldfastError) as caught:
        timers.Launchd().arm(host, "change", "/x/restore.sh", 60)
    assert caught.value.details["rc"] == 31
    assert "Bootstrap failed" in caught.value.msg
    assert not host.files


def test_netbsd_and_openbsd_hold_timers_in_a_process_of_their_own_session():
    for system in ("NetBSD\n", "OpenBSD\n"):
        assert timers.choose_timer(PaperHost({"uname -s": system, "at": AT_SAYS})).NAME == "detached"


def test_a_detached_script_outlives_what_started_it_and_has_its_own_session(tmp_path):
    script = tmp_path / "restore.sh"
    script.write_text('ps -o sid= -p $$ >"%s/sid"\necho $$ >"%s/timer.pid"\nexec sleep 30\n' % (tmp_path, tmp_path))
    timer = timers.Detached()
    ref = timer.arm(LocalHost(), "change", str(script), 30)
    try:
        assert timer.waiting(LocalHost(), ref)
    finally:
        timers.end_sleeper(LocalHost(), str(tmp_path))
    assert (tmp_path / "sid").read_text().strip() == (tmp_path / "timer.pid").read_text().strip()
