# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real firewalld the way its administrators use it: zones of their own, bans at run time, hand edits, reboots and lockouts."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import CONFIRM, Controller

POLICY = "holdfast.firewall.policy"
HOST = "use-firewalld"
#: Every character that means something to a shell, to JSON, to XML or to firewalld's own parser.
ODD = "web \"q\" 'x' <b> & $(id) `ls` \\ a=b größer"
WEB = {
    "address_sets": {"office": ["192.0.2.0/24", "198.51.100.7", "203.0.113.128/25"]},
    "rules": [
        {"name": "web", "action": "allow", "port": [80, 443], "comment": ODD},
        {"name": "metrics", "action": "allow", "port": 9100, "source": "@office"},
        {"name": "ident", "action": "reject", "port": 113, "log": True, "log_prefix": "hf "},
        {"name": "mail", "action": "deny", "direction": "out", "port": 25, "source": "!192.0.2.9"},
    ],
    "nat": [
        {"type": "redirect", "interface": "host0", "port": 8443, "to_port": 443},
        {"name": "out", "type": "masquerade", "interface": "host0", "family": "ipv4", "source": "10.0.0.0/8"},
    ],
}
FILES = "find /etc/firewalld -type f -exec md5sum {} + | sort"
KERNEL = "nft list table inet firewalld"
ROUTES = "echo net.ipv4.ip_forward=1 >/etc/sysctl.d/router.conf; sysctl -qp /etc/sysctl.d/router.conf"
RICH = "rule family=ipv4 source address=203.0.113.0/24 port port=443 protocol=tcp drop"


@pytest.fixture(scope="module", name="controller")
def _controller(lab, tmp_path_factory):
    lab.create(HOST, kind="firewalld")
    lab.exec(HOST, ["sh", "-c", ROUTES])
    controller = Controller(lab, tmp_path_factory.mktemp("firewalld"))
    controller.refresh()
    return controller


@pytest.fixture(name="shell")
def _shell(controller):
    return lambda line: controller.lab.exec(HOST, ["sh", "-c", line]).stdout


@pytest.fixture(name="apply")
def _apply(controller):
    return lambda policy, *options, **words: controller.task(HOST, {"policy": policy, **words}, *options, module=POLICY)


def test_a_policy_comes_lasts_is_repaired_and_goes_without_a_trace(controller, shell, apply):
    files, kernel = shell(FILES), shell(KERNEL)
    assert apply(WEB)["proof"] == "a new ssh connection"
    assert apply(WEB)["changed"] is False
    gathered = controller.adhoc(HOST, "state=gathered", module=POLICY)["gathered"]
    assert [rule["comment"] for rule in gathered["rules"]] == [ODD, "metrics", "ident", "mail"]
    assert [(one["type"], one.get("comment")) for one in gathered["nat"]] == [("redirect", None), ("masquerade", "out")]

    ours = shell(KERNEL)
    controller.lab.reboot(HOST)
    assert shell(KERNEL) == ours

    shell("firewall-cmd -q --policy=holdfast-in --add-rich-rule='rule port port=4444 protocol=tcp accept'")
    assert apply(WEB)["drift"] is True
    shell("nft flush ruleset")
    assert shell("firewall-cmd --state") == "running\n"
    assert apply(WEB)["drift"] is True
    assert shell(KERNEL) == ours
    assert apply(WEB)["changed"] is False

    assert controller.adhoc(HOST, "state=deleted", module=POLICY)["changed"] is True
    assert (shell(FILES), shell(KERNEL)) == (files, kernel)


def test_single_rules_go_beside_the_zones_and_bans_at_run_time_stay(controller, shell):
    shell("firewall-cmd -q --permanent --add-rich-rule='%s'" % RICH)
    shell("firewall-cmd -q --reload; firewall-cmd -q --add-rich-rule='rule family=ipv4 source address=203.0.113.9 drop'")
    zone, kernel = shell("cat /etc/firewalld/zones/public.xml"), shell(KERNEL)
    assert controller.adhoc(HOST, "action=deny port=443 source=203.0.113.0/24")["msg"] == "Firewall rule already present (firewalld)"
    added = controller.adhoc(HOST, "action=allow port=443 comment=web")
    assert any("203.0.113.0/24" in one for one in added["placement"]["exceptions"])
    assert "203.0.113.9" in shell("firewall-cmd --list-rich-rules")
    assert shell("cat /etc/firewalld/zones/public.xml") == zone

    locked = controller.adhoc(HOST, "action=deny port=22 confirm_within=10")
    assert locked["_word"] == "FAILED!"
    assert locked["rolled_back"] is True
    assert "in force is what was before" in locked["msg"]
    assert "203.0.113.9" in shell("firewall-cmd --list-rich-rules")

    assert controller.adhoc(HOST, "state=absent action=allow port=443")["changed"] is True
    assert shell(KERNEL) == kernel
    shell("firewall-cmd -q --permanent --remove-rich-rule='%s'; firewall-cmd -q --reload" % RICH)


def test_nobody_is_locked_out_by_what_a_reload_brings_in_or_forgets(controller, shell):
    shell("firewall-cmd -q --zone=internal --add-interface=host0; firewall-cmd -q --set-default-zone=drop")
    assert controller.adhoc(HOST, "action=allow port=443")["proof"] == "a new ssh connection"
    locked = controller.adhoc(HOST, "action=deny port=22 confirm_within=10")
    assert locked["rolled_back"] is True
    assert shell("firewall-cmd --get-active-zones") == "internal\n  interfaces: host0\n"
    assert controller.adhoc(HOST, "state=absent action=allow port=443")["changed"] is True

    shell("firewall-cmd -q --set-default-zone=public; sed -i s/^DefaultZone=.*/DefaultZone=drop/ /etc/firewalld/firewalld.conf")
    refused = controller.adhoc(HOST, "action=allow port=443")
    assert "firewalld.conf says drop" in refused["msg"]
    shell("sed -i s/^DefaultZone=.*/DefaultZone=public/ /etc/firewalld/firewalld.conf; firewall-cmd -q --reload")


def test_a_reboot_before_the_confirmation_brings_the_old_rules(controller, shell, apply):
    before = shell(KERNEL)
    waiting = apply(WEB, confirm="manual", confirm_within=600)
    deadline = time.monotonic() + 20
    while "holdfast-in" not in shell(KERNEL) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "holdfast-in" in shell(KERNEL)
    controller.lab.reboot(HOST)
    assert shell(KERNEL) == before
    undone = controller.adhoc(HOST, "state=restored change=%s" % waiting["change"], module=CONFIRM)
    assert undone["_word"] != "FAILED!"
    assert shell(KERNEL) == before


def test_a_raw_rule_that_firewalld_would_leave_out_in_silence_is_refused(controller, shell):
    before = shell(FILES), shell(KERNEL)
    line = "rule family=ipv4 source address=192.0.2.1 port port=99999999 protocol=tcp accept"
    refused = controller.adhoc(HOST, json.dumps({"native": {"firewalld": line}}))
    assert refused["_word"] == "FAILED!"
    assert "INVALID_PORT" in refused["msg"]
    assert (shell(FILES), shell(KERNEL)) == before
