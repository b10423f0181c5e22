# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ufw the way its administrators use it: rules of their own, hand edits, reloads, reboots, lockouts, and ufw switched off."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import CONFIRM, Controller

POLICY = "holdfast.firewall.policy"
HOST = "use-ufw"
#: Every character that means something to a shell, to JSON, to iptables-restore or to ufw.
ODD = "web \"q\" 'x' <b> & $(id) `ls` \\ a=b größer"
WEB = {
    "address_sets": {"office": ["192.0.2.0/24", "198.51.100.7", "203.0.113.128/25"]},
    "rules": [
        {"name": "web", "action": "allow", "port": [80, 443]},
        {"name": "metrics", "action": "allow", "port": 9100, "source": "@office"},
        {"name": "odd", "action": "allow", "port": 8088, "comment": ODD},
        {"name": "ident", "action": "reject", "port": 113},
        {"name": "ping", "action": "allow", "service": "ping", "limit": "10/second"},
    ],
    "nat": [{"type": "masquerade", "interface": "lan0"}, {"type": "dnat", "port": 8443, "to": "10.0.0.5", "to_port": 443}],
}
FILES = "cd /etc/ufw; md5sum *.rules *.init ufw.conf /etc/default/ufw; stat -c %A *.init"
KERNEL = "for tool in iptables ip6tables; do $tool-save -t filter; $tool-save -t nat | grep ^-A; done | sed 's/\\[.*//' | grep -v '^#'"
START = (
    "ufw allow 22/tcp comment 'my ssh'; ufw limit 2222/tcp; ufw deny log from 203.0.113.9; ufw allow OpenSSH; "
    "ufw route allow in on host0 out on lan0 to 10.0.0.5 port 80 proto tcp; ufw --force enable"
)


@pytest.fixture(scope="module", name="controller")
def _controller(lab, tmp_path_factory):
    lab.create(HOST, kind="ufw")
    controller = Controller(lab, tmp_path_factory.mktemp("ufw"))
    controller.refresh()
    lab.exec(HOST, ["sh", "-c", START])
    return controller


@pytest.fixture(name="shell")
def _shell(controller):
    return lambda line: controller.lab.exec(HOST, ["sh", "-c", line]).stdout


@pytest.fixture(name="apply")
def _apply(controller):
    return lambda policy, *options, **words: controller.task(HOST, {"policy": policy, **words}, *options, module=POLICY)


@pytest.fixture(name="remove")
def _remove(controller):
    return lambda: controller.adhoc(HOST, "state=deleted", module=POLICY)


def test_a_policy_comes_lasts_is_repaired_and_goes_without_a_trace(controller, shell, apply):
    files, kernel = shell(FILES), shell(KERNEL)
    first = apply(WEB)
    assert first["proof"] == "a new ssh connection"
    assert apply(WEB)["changed"] is False
    shell("rm /var/lib/holdfast/policy.json")
    assert apply(WEB)["changed"] is False
    gathered = controller.adhoc(HOST, "state=gathered", module=POLICY)["gathered"]
    assert [rule["comment"] for rule in gathered["rules"]] == ["web", "metrics", ODD, "ident", "ping", "ping"]

    status = shell("ufw status numbered")
    for shown in ("80,443/tcp", "# holdfast 1: web", "9100/tcp", "# holdfast 2: metrics", "# holdfast default", "# my ssh", "LIMIT IN"):
        assert shown in status
    assert status.index("holdfast default") < status.index("my ssh")

    ours, texts = shell(KERNEL), shell(FILES)
    shell("ufw reload")
    assert (shell(KERNEL), shell(FILES)) == (ours, texts)
    controller.lab.reboot(HOST)
    assert shell(KERNEL) == ours
    assert apply(WEB)["changed"] is False

    shell("ufw insert 1 allow 4444/tcp; iptables -I ufw-before-input -p tcp --dport 4445 -j ACCEPT; iptables -I INPUT -j ACCEPT")
    repaired = apply(WEB)
    assert (repaired["changed"], repaired["drift"]) == (True, True)
    assert "4445" not in shell(KERNEL)
    assert shell("iptables -S INPUT").splitlines()[-1] == "-A INPUT -j ACCEPT"
    shell("iptables -D INPUT -j ACCEPT; ufw delete allow 4444/tcp")
    assert (shell(KERNEL), shell(FILES)) == (ours, texts)

    assert controller.adhoc(HOST, "state=deleted", module=POLICY)["_word"] == "CHANGED"
    assert (shell(KERNEL), shell(FILES)) == (kernel, files)
    assert controller.adhoc(HOST, "state=deleted", module=POLICY)["_word"] == "SUCCESS"


def test_a_thousand_rules_alone_are_one_call_and_without_them_ssh_stays_open(shell, apply, remove):
    rules = {"rules": [{"action": "allow", "port": 1000 + number, "source": "192.0.2.%d" % (number % 250)} for number in range(1000)]}
    predicted = apply(rules, "--check", "--diff", state="overridden")
    started = time.monotonic()
    real = apply(rules, "--diff", state="overridden")
    assert time.monotonic() - started < 30
    assert real["diff"] == predicted["diff"]
    assert shell("grep -c 'tuple ### allow tcp' /etc/ufw/user.rules").strip() == "1000"
    assert "my ssh" not in shell("ufw status")
    assert apply(rules, state="overridden")["changed"] is False
    assert remove()["_word"] == "CHANGED"
    assert "SSH, kept open by holdfast.firewall" in shell("ufw status")
    shell(START)


def test_single_rules_go_where_they_decide_beside_the_administrators(controller, shell):
    assert controller.adhoc(HOST, "action=deny port=2222 source=192.0.2.0/24 comment=busy")["changed"] is True
    assert controller.adhoc(HOST, "action=deny port=2222 source=192.0.2.0/24 comment=busy")["changed"] is False
    assert controller.adhoc(HOST, "action=allow port=22")["msg"] == "Firewall rule already present (ufw)"
    assert "# busy" in shell("ufw status")
    ping = "action=deny protocol=icmp icmp_type=8 source=192.0.2.0/24"
    first = controller.adhoc(HOST, ping)
    assert "it stands in /etc/ufw/before.rules" in " ".join(first["persisted"])
    rules = shell("iptables -S ufw-before-input; iptables -S holdfast-first-input")
    assert rules.index("-j holdfast-first-input") < rules.index("--icmp-type 8 -j ACCEPT")
    assert "-A holdfast-first-input -s 192.0.2.0/24 -p icmp -m icmp --icmp-type 8 -j DROP" in rules
    shell("ufw reload")
    assert shell("iptables -S ufw-before-input; iptables -S holdfast-first-input") == rules
    assert controller.adhoc(HOST, "state=absent " + ping)["changed"] is True
    assert "holdfast" not in shell(KERNEL) + shell("cat /etc/ufw/before.rules")
    assert controller.adhoc(HOST, "state=absent action=deny port=2222 source=192.0.2.0/24")["changed"] is True
    assert "busy" not in shell("ufw status")


def test_rules_that_ufw_has_no_words_for_last_beside_its_own(controller, shell):
    files, kernel = shell(FILES), shell(KERNEL)
    tasks = [
        {"action": "allow", "port": 8443, "source": ["192.0.2.1", "192.0.2.9", "203.0.113.0/28"], "comment": "three"},
        {"action": "allow", "port": 2200, "limit": "30/minute", "limit_per": "source", "comment": "it's; rm -rf /"},
        {"action": "deny", "protocol": "sctp", "port": 9, "source": "!192.0.2.0/24", "log": True, "log_prefix": "sctp "},
    ]
    said = []
    for words in tasks:
        added = controller.task(HOST, words)
        assert added["changed"] is True, added["msg"]
        said += added["persisted"]
    assert len([line for line in said if "ufw status does not show it" in line]) == 3
    assert controller.task(HOST, tasks[1])["changed"] is False
    status = shell("ufw status")
    assert status.count("# three") == 3
    ours = shell(KERNEL)
    assert ours.count("-m hashlimit") == 2
    shell("ufw reload; ufw reload")
    assert shell(KERNEL) == ours
    for words in tasks:
        assert controller.task(HOST, {**words, "state": "absent"})["changed"] is True
    assert (shell(FILES), shell(KERNEL)) == (files, kernel)


def test_raw_rules_are_what_a_person_types_after_ufw(controller, shell):
    lines = ["limit 2200/tcp comment 'mine'", "allow in on host0 from 192.0.2.0/24 to any app OpenSSH", "insert 1 deny 25", "rule allow 26"]
    rules = {"native": {"ufw": "\n".join(lines)}}
    assert controller.task(HOST, rules)["changed"] is True
    assert controller.task(HOST, rules)["changed"] is False
    assert "DENY IN" in shell("ufw status numbered").splitlines()[4]
    assert controller.task(HOST, {**rules, "state": "absent"})["changed"] is True
    assert "2200" not in shell("ufw status")
    assert "DENY IN" not in shell("ufw status numbered").splitlines()[4]
    bad = controller.adhoc(HOST, json.dumps({"native": {"ufw": "allow 22/xyz"}}))
    assert "was refused by ufw, nothing was changed" in bad["msg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"port": 80, "interface": "a" * 40}, "interface"),
        ({"port": "{{ range(1, 70001) | list }}"}, "65535"),
        (
            {
                "port": 80,
                "source": ["10.0.%d.0/24" % (2 * one) for one in range(100)],
                "destination": ["192.0.2.1", "192.0.2.9", "192.0.2.20"],
            },
            "300 rules of ufw",
        ),
        ({"port": 80, "limit": "7/second", "source": ["10.0.%d.0/24" % (2 * one) for one in range(20)]}, "source"),
        ({"port": 80, "program": "/usr/sbin/nginx"}, "does not see which program"),
    ],
)
def test_what_ufw_cannot_carry_is_refused_in_words(controller, shell, words, said):
    before = shell(FILES) + shell(KERNEL)
    refused = controller.adhoc(HOST, json.dumps({"action": "allow", **words}))
    assert refused["_word"] == "FAILED!"
    assert said in refused["msg"]
    assert shell(FILES) + shell(KERNEL) == before


def test_a_lockout_is_undone_and_a_reboot_before_the_confirmation_brings_the_old_rules(controller, shell, apply):
    before = shell(FILES) + shell(KERNEL)
    locked = controller.adhoc(HOST, "action=deny port=22 confirm_within=4")
    assert locked["_word"] == "FAILED!"
    assert shell(FILES) + shell(KERNEL) == before

    pending = apply(WEB, confirm="manual", confirm_within=120)
    assert "holdfast" in shell(KERNEL)
    assert pending["pending"]
    controller.lab.reboot(HOST)
    assert shell(FILES) + shell(KERNEL) == before


def test_a_ufw_that_changes_in_the_meantime_is_not_overwritten(controller, shell, apply):
    pending = apply(WEB, confirm="manual", confirm_within=120)
    shell("ufw allow 7777/tcp")
    refused = controller.adhoc(HOST, "change=%s" % pending["change"], module=CONFIRM)
    assert "changed by somebody else in the meantime" in refused["msg"]
    assert "7777" in shell("cat /etc/ufw/user.rules")
    shell("ufw delete allow 7777/tcp")


def test_a_ufw_that_is_off_is_not_switched_on_by_a_rule_and_keeps_ssh_open_when_it_is_switched_on(controller, shell):
    shell("ufw disable; ufw --force delete 1; ufw delete allow OpenSSH; ufw delete allow 22/tcp")
    allowed = controller.adhoc(HOST, "backend=ufw action=allow port=8088")
    assert "ufw is off" in " ".join(allowed["persisted"])
    assert "ufw is off" in controller.adhoc(HOST, "backend=ufw action=allow port=8088")["msg"]
    assert "switch it on first" in controller.adhoc(HOST, "backend=ufw action=deny port=23")["msg"]
    assert "Status: inactive" in shell("ufw status")
    result = controller.adhoc(HOST, "backend=ufw state=enabled", module="holdfast.firewall.backend")
    assert result["proof"] == "a new ssh connection"
    status = shell("ufw status")
    assert "Status: active" in status
    assert "8088/tcp" in status
    kernel, files = shell(KERNEL), shell(FILES)
    shell("ufw reload")
    assert (shell(KERNEL), shell(FILES)) == (kernel, files)
