# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users do and get wrong, with the real ``ansible`` command against lab hosts: ad-hoc text, become, ports, jump hosts, check mode."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import BACKEND, CONFIRM, HOSTS, ROOT, RULE, Controller
from ansible_collections.holdfast.firewall.tests.unit.bad_input import BAD_INPUT


@pytest.fixture(scope="module", name="controller")
def _controller(lab, tmp_path_factory):
    for name, kind in HOSTS.items():
        lab.create(name, kind=kind)
    controller = Controller(lab, tmp_path_factory.mktemp("controller"))
    controller.refresh()
    return controller


@pytest.fixture(name="host", params=list(HOSTS))
def _host(request):
    return request.param


def test_a_rule_is_added_once(controller, host):
    first = controller.adhoc(host, "action=allow port=80 stateful=true")
    assert (first["_word"], first["msg"]) == ("CHANGED", "Firewall rule added (%s)" % BACKEND[host])
    assert first["proof"] == "a new ssh connection"
    listed = controller.listing(host)
    second = controller.adhoc(host, "action=allow port=80 stateful=true")
    assert (second["_word"], second["msg"]) == ("SUCCESS", "Firewall rule already present (%s)" % BACKEND[host])
    assert controller.listing(host) == listed


def test_check_mode_predicts_and_changes_nothing(controller, host):
    before = controller.listing(host)
    arguments = {"action": "deny", "port_range": "7000-7010"}
    predicted = controller.task(host, arguments, "--check", "--diff")
    assert predicted["changed"] is True
    assert predicted["msg"] == "Firewall rule would be added (%s)" % BACKEND[host]
    assert controller.listing(host) == before
    real = controller.task(host, arguments)
    assert real["diff"] == predicted["diff"]
    assert controller.task(host, arguments, "--check")["changed"] is False


def test_the_predicted_text_is_the_real_text(controller, host):
    real = controller.task(host, {"action": "reject", "protocol": "udp", "port": [69, 514], "source": "192.0.2.0/24"})
    live = controller.adhoc(host, "state=check")
    assert live["listing"] == real["diff"]["after"]


def test_absent_without_a_match_is_a_success_that_says_so(controller, host):
    result = controller.adhoc(host, "state=absent action=allow port=4711")
    assert (result["_word"], result["msg"]) == ("SUCCESS", "No matching %s rule found" % BACKEND[host])


def test_absent_removes_what_present_added(controller, host):
    before = controller.listing(host)
    controller.adhoc(host, "action=allow protocol=udp port=5353")
    removed = controller.adhoc(host, "state=absent action=allow protocol=udp port=5353")
    assert removed["msg"] == "%s rule removed" % BACKEND[host]
    after = controller.listing(host)
    assert [line for line in after.splitlines() if "5353" in line] == []
    assert "holdfast" in after or after == before


def test_flush_removes_all_rules_and_a_second_flush_nothing(controller, host):
    controller.adhoc(host, "action=allow port=81")
    flushed = controller.adhoc(host, "state=flush")
    assert (flushed["_word"], flushed["msg"]) == ("CHANGED", "All %s rules flushed" % BACKEND[host])
    assert controller.adhoc(host, "state=flush")["_word"] == "SUCCESS"
    assert controller.adhoc(host, "state=check")["rules"] == []


def test_a_saved_rule_survives_a_reboot(controller, host):
    controller.adhoc(host, "action=allow port=9090 stateful=true comment='after the reboot'")
    before = controller.listing(host)
    controller.lab.reboot(host)
    assert "9090" in controller.listing(host)
    assert controller.listing(host) == before
    assert controller.adhoc(host, "action=allow port=9090 stateful=true")["_word"] == "SUCCESS"


@pytest.mark.parametrize("backend", ["pf", "ipfw", "nftables", "iptables"])
def test_a_dry_run_needs_no_root_and_no_firewall(controller, backend):
    environment = {"ANSIBLE_REMOTE_USER": "plain"}
    done = controller.run(
        "ansible", "use-nft", "-e", "ansible_user=plain", "-m", RULE, "-a",
        "port_range=8000-8080 action=deny dry_run=true backend=%s" % backend, **environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[dry-run] would add rule (%s): " % backend in done.stdout


def test_bad_input_opens_no_connection_and_names_the_field(controller, tmp_path):
    before = controller.listing("use-nft")
    cases = [(name, args, place) for name, (args, place, _says) in BAD_INPUT.items() if isinstance(args, dict)]
    tasks = [
        {"name": name, RULE: args, "register": "result", "ignore_errors": True, "vars": {"place": place}} for name, args, place in cases
    ]
    for task in tasks:
        task["failed_when"] = "result is not failed or result.place is not defined or result.place != place"
    play = [{"hosts": "nowhere", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    # Nothing listens there: a task that opened a connection would be unreachable.
    (tmp_path / "hosts").write_text("nowhere ansible_host=198.51.100.250 ansible_timeout=1\n")
    done = controller.run("ansible-playbook", "-i", str(tmp_path / "hosts"), str(tmp_path / "play.yml"))
    assert "unreachable=0" in done.stdout, done.stdout[-3000:]
    assert "failed=0" in done.stdout, done.stdout[-3000:]
    assert "ok=%d " % len(tasks) in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert controller.listing("use-nft") == before


def test_without_sudo_the_error_says_what_to_do(controller):
    done = controller.run("ansible", "use-nft", "-e", "ansible_user=plain", "-m", RULE, "-a", "action=allow port=82")
    assert "needs root; add become: true" in done.stdout
    assert "Traceback" not in done.stdout


def test_become_works(controller):
    result = controller.adhoc("use-nft", "action=allow port=83", "-e", "ansible_user=admin", "-b")
    assert result["_word"] == "CHANGED"


def test_a_port_other_than_22_works_and_is_kept_by_a_flush(controller):
    controller.lab.create("use-port", kind="nftables", ssh_port=2222)
    controller.refresh()
    assert controller.adhoc("use-port", "action=allow port=84")["_word"] == "CHANGED"
    rules = "add table inet filter; add chain inet filter input { type filter hook input priority 0; policy drop; };"
    rules += " add rule inet filter input tcp dport 2222 accept; add rule inet filter input tcp dport 22 accept"
    controller.lab.exec("use-port", ["nft", rules])
    kept = controller.adhoc("use-port", "state=absent action=allow port=2222")
    assert kept["skipped_preserved_ports"] == ["2222/tcp"]
    assert controller.adhoc("use-port", "state=absent action=allow port=22")["msg"] == "nftables rule removed"
    flushed = controller.adhoc("use-port", "state=flush agent_ports=10050")
    assert flushed["skipped_preserved_ports"] == ["2222/tcp", "10050/tcp"]
    controller.lab.destroy("use-port")
    controller.refresh()


def test_a_jump_host_is_no_hindrance(controller):
    controller.refresh(via="use-legacy")
    try:
        assert controller.adhoc("use-nft", "action=allow port=85")["proof"] == "a new ssh connection"
    finally:
        controller.refresh()


def test_ipv6_is_as_good(controller):
    controller.refresh(family=6)
    try:
        assert controller.adhoc("use-nft", "action=allow port=86")["_word"] == "CHANGED"
    finally:
        controller.refresh()


def test_a_local_connection_works_and_says_that_it_proves_nothing(controller):
    """A host that manages itself: ansible-core is put into the lab host and runs there with ``connection: local``."""
    import ansible

    if controller.lab.exec("use-nft", ["python3", "-c", "import sys; print(sys.version_info[:2])"]).stdout.strip() != str(
        sys.version_info[:2]
    ):
        pytest.skip("the lab hosts have another Python than this virtual environment, whose packages they would run")
    site = Path(ansible.__file__).parents[1]
    wanted = ("ansible", "jinja2", "markupsafe", "yaml", "packaging", "resolvelib")
    packages = [one.name for one in site.iterdir() if one.name.lower().startswith(wanted) and "lint" not in one.name]
    archive = subprocess.run(["tar", "-C", str(site), "-cf", "-", *packages], capture_output=True, check=True).stdout
    sources = subprocess.run(["tar", "-C", str(ROOT), "-cf", "-", "plugins", "meta", "galaxy.yml"], capture_output=True, check=True).stdout
    for folder, data in (("/opt/site", archive), ("/opt/collections/ansible_collections/holdfast/firewall", sources)):
        unpack = "mkdir -p %s && base64 -d | tar -C %s -xf -" % (folder, folder)
        controller.lab.exec("use-nft", ["sh", "-c", unpack], input=base64.b64encode(data).decode())
    run = (
        "cd /root && PYTHONPATH=/opt/site ANSIBLE_COLLECTIONS_PATH=/opt/collections ANSIBLE_NOCOLOR=1 LC_ALL=C.UTF-8 "
        "python3 -c 'from ansible.cli.adhoc import main; main()' localhost -c local -m %s -a 'action=allow port=96'" % RULE
    )
    done = controller.lab.exec("use-nft", ["sh", "-c", run], check=False)
    assert "CHANGED" in done.stdout, done.stdout + done.stderr
    assert "none: connection local does not go over the network" in done.stdout
    assert "dport 96" in controller.listing("use-nft")


def test_serial_and_forks_work_side_by_side(controller, tmp_path):
    play = [
        {"hosts": ",".join(HOSTS), "gather_facts": False, "serial": 2, "tasks": [{RULE: {"action": "allow", "port": 87}}]},
        {"hosts": ",".join(HOSTS), "gather_facts": False, "tasks": [{RULE: {"action": "allow", "port": 87}}]},
    ]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    done = controller.run("ansible-playbook", "-f", "5", str(tmp_path / "play.yml"), "--limit", ",".join(HOSTS))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("changed=1 ") == len(HOSTS)


def test_a_manual_change_waits_and_is_confirmed_by_the_second_task(controller, host):
    change = controller.adhoc(host, "action=allow port=88 confirm=manual confirm_within=60")
    assert change["pending"]["confirm_within"] == 60
    refused = controller.adhoc(host, "action=allow port=89")
    assert refused["_word"] == "FAILED!"
    assert "waits for its confirmation" in refused["msg"]
    status = controller.adhoc(host, "state=status", module=CONFIRM)
    assert (status["pending"], status["change"]) == (True, change["change"])
    confirmed = controller.adhoc(host, "change=%s" % change["change"], module=CONFIRM)
    assert (confirmed["_word"], confirmed["proof"]) == ("CHANGED", "a new ssh connection")
    assert controller.adhoc(host, "", module=CONFIRM)["_word"] == "SUCCESS"


def test_a_manual_change_that_nobody_confirms_is_undone(controller, host):
    before = controller.listing(host)
    change = controller.manual(host, "action=allow port=90 confirm_within=10")
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline and controller.adhoc(host, "state=status", module=CONFIRM)["pending"]:
        time.sleep(1)
    assert controller.listing(host) == before
    late = controller.adhoc(host, "change=%s" % change["change"], module=CONFIRM)
    assert late["_word"] == "FAILED!"
    assert "was rolled back, nobody confirmed it in time" in late["msg"]


def test_a_lockout_is_not_confirmed_by_a_task_that_follows_at_once(controller, host, tmp_path):
    before = controller.listing(host)
    lockout = {"action": "deny", "port": 22, "stateful": True, "confirm": "manual", "confirm_within": 10}
    second = {CONFIRM: {"change": "{{ edit.change }}"}}
    play = [{"hosts": host, "gather_facts": False, "tasks": [{RULE: lockout, "register": "edit"}, second]}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    done = controller.run("ansible-playbook", "-T", "3", str(tmp_path / "play.yml"))
    assert done.returncode != 0, done.stdout
    # On a busy machine the rollback may be faster than the second task, which then says that nobody confirmed the change.
    assert " confirmed" not in done.stdout.replace("nobody confirmed it in time", "")
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline and controller.listing(host) != before:
        time.sleep(0.5)
    assert controller.listing(host) == before


def test_undo_takes_a_change_back_at_once(controller, host):
    before = controller.listing(host)
    controller.manual(host, "action=allow port=91")
    assert controller.listing(host) != before
    undone = controller.adhoc(host, "state=restored", module=CONFIRM)
    assert undone["rolled_back"]
    assert controller.listing(host) == before


def test_without_any_timer_nothing_is_changed_and_the_code_is_31(controller):
    hide = "mv /usr/bin/at /usr/bin/at.away; mv /usr/bin/systemd-run /usr/bin/systemd-run.away"
    back = "mv /usr/bin/at.away /usr/bin/at; mv /usr/bin/systemd-run.away /usr/bin/systemd-run"
    before = controller.listing("use-nft")
    controller.lab.exec("use-nft", ["sh", "-c", hide])
    try:
        result = controller.adhoc("use-nft", "action=allow port=92")
    finally:
        controller.lab.exec("use-nft", ["sh", "-c", back])
    assert result["rc"] == 31
    assert controller.listing("use-nft") == before


def test_without_at_systemd_run_holds_the_timer(controller):
    controller.lab.exec("use-nft", ["mv", "/usr/bin/at", "/usr/bin/at.away"])
    try:
        change = controller.manual("use-nft", "action=allow port=93 confirm_within=15")
    finally:
        controller.lab.exec("use-nft", ["mv", "/usr/bin/at.away", "/usr/bin/at"])
    assert change["pending"]["timer"] == "systemd-run"
    assert "dport 93" in controller.listing("use-nft")
    started = time.monotonic()
    while time.monotonic() < started + 25 and "dport 93" in controller.listing("use-nft"):
        time.sleep(0.5)
    assert time.monotonic() - started < 20
    assert "dport 93" not in controller.listing("use-nft")


def test_two_active_front_ends_are_refused_and_both_named(controller):
    programs = ("/usr/sbin/ufw", "/usr/bin/firewall-cmd")
    prepare = "mkdir -p /etc/ufw; echo ENABLED=yes > /etc/ufw/ufw.conf; echo 1 > /run/firewalld.pid; "
    prepare += "; ".join("printf '#!/bin/sh\\n' > %s; chmod +x %s" % (path, path) for path in programs)
    controller.lab.exec("use-nft", ["sh", "-c", prepare])
    try:
        result = controller.adhoc("use-nft", "action=allow port=94")
    finally:
        controller.lab.exec("use-nft", ["rm", "-r", "/etc/ufw", "/run/firewalld.pid", *programs])
    assert result["_word"] == "FAILED!"
    assert "ufw and firewalld" in result["msg"]
    assert "dport 94" not in controller.listing("use-nft")


def test_async_is_refused_in_words(controller, tmp_path):
    play = [{"hosts": "use-nft", "gather_facts": False, "tasks": [{RULE: {"action": "allow", "port": 98}, "async": 30, "poll": 0}]}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    done = controller.run("ansible-playbook", str(tmp_path / "play.yml"))
    assert "async is refused" in done.stdout
    assert "dport 98" not in controller.listing("use-nft")


def test_an_unreachable_host_is_unreachable(controller):
    result = controller.adhoc("use-nft", "action=allow port=95", "-e", "ansible_host=198.51.100.250", "-T", "1")
    assert result["_word"] == "UNREACHABLE!"
