# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's firewall as a whole, with the real Ansible commands: looked at, off, on, anew, over a reboot, and a lockout undone."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import Controller

BACKEND_MODULE = "holdfast.firewall.backend"
HOSTS = {"switch-nft": "nftables", "switch-iptables": "iptables-nft", "switch-bsd": "bsd"}
NAME = {"switch-nft": "nftables", "switch-iptables": "iptables", "switch-bsd": "pf"}
LIVE = {
    "switch-nft": "nft list ruleset",
    "switch-iptables": "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'",
    "switch-bsd": "pfctl -si | grep -q '^Status: Enabled' && pfctl -sr",
}
#: Puts a rule into what is kept on disk that cuts the control node off, and nobody else.
TRAP = "sed -i '/policy accept;/a ip saddr 198.51.100.1 tcp dport 22 drop' /etc/holdfast/nftables/holdfast.nft"


@pytest.fixture(scope="module", name="controller")
def _controller(lab, tmp_path_factory):
    for name, kind in HOSTS.items():
        lab.create(name, kind=kind)
    controller = Controller(lab, tmp_path_factory.mktemp("controller"))
    controller.refresh()
    for name in HOSTS:
        controller.adhoc(name, "action=allow port=8123 stateful=true")
    yield controller
    lab.destroy(*HOSTS)


@pytest.fixture(name="host", params=list(HOSTS))
def _host(request):
    return request.param


def live(controller, host):
    """What the host enforces, read without the network."""
    return controller.lab.exec(host, ["sh", "-c", LIVE[host]], check=False).stdout


def switch(controller, host, words):
    return controller.adhoc(host, words, module=BACKEND_MODULE)


def test_off_and_on_again(controller, host):
    before = live(controller, host)
    assert "8123" in before
    status = switch(controller, host, "state=status")
    assert (status["_word"], status["status"]["enabled"], status["status"]["at_boot"]) == ("SUCCESS", True, True)

    off = switch(controller, host, "state=disabled")
    assert (off["_word"], off["msg"]) == ("CHANGED", "%s is disabled" % NAME[host])
    assert off["proof"] == "a new ssh connection"
    assert "8123" not in live(controller, host)
    assert switch(controller, host, "state=disabled")["_word"] == "SUCCESS"

    on = switch(controller, host, "state=enabled")
    assert (on["_word"], on["kept_open"]) == ("CHANGED", ["22/tcp"])
    assert live(controller, host) == before
    assert switch(controller, host, "state=enabled")["_word"] == "SUCCESS"
    assert switch(controller, host, "state=restarted")["_word"] == "CHANGED"
    assert live(controller, host) == before


def test_check_mode_predicts_and_switches_nothing(controller):
    host = "switch-iptables"
    before = live(controller, host)
    result = controller.task(host, {"state": "disabled"}, "--check", "--diff", module=BACKEND_MODULE)
    assert (result["changed"], result["msg"]) == (True, "%s would be disabled" % NAME[host])
    assert live(controller, host) == before


def test_off_stays_off_over_a_reboot_and_its_rules_are_left_alone(controller):
    before = live(controller, "switch-nft")
    switch(controller, "switch-nft", "state=disabled")
    controller.lab.reboot("switch-nft")
    assert "8123" not in live(controller, "switch-nft")
    assert "Switch it on first" in controller.adhoc("switch-nft", "action=allow port=81")["msg"]
    assert switch(controller, "switch-nft", "state=enabled")["_word"] == "CHANGED"
    assert live(controller, "switch-nft") == before


def test_a_lockout_by_enabling_is_undone(controller):
    host = "switch-nft"
    switch(controller, host, "state=disabled")
    off = live(controller, host)
    controller.lab.exec(host, ["sh", "-c", TRAP])
    result = switch(controller, host, "state=enabled confirm_within=10")
    assert (result["_word"], result.get("rolled_back"), result.get("identical")) == ("FAILED!", True, True), result
    assert live(controller, host) == off
    assert switch(controller, host, "state=status")["status"]["enabled"] is False


def test_a_missing_firewall_is_named(controller):
    result = switch(controller, "switch-iptables", "state=enabled backend=ufw")
    assert result["_word"] == "FAILED!"
    assert "install: true" in result["msg"] or "ufw" in result["msg"]
