# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backend is chosen on which host, and that the result says why."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends import detect as detect_module
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend, Sighting
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

UFW = {"/etc/ufw/ufw.conf": "# comment\nENABLED=yes\n"}


class Seen(Backend):
    """A backend that was seen in some state."""

    def __init__(self, host, name, available, active):
        super().__init__(host)
        self.NAME, self._seen = name, Sighting(name, available, active, "as told")

    def sight(self):
        return self._seen


@pytest.fixture(name="sightings")
def _sightings(monkeypatch):
    states = {}
    monkeypatch.setattr(detect_module, "make_backend", lambda name, host: Seen(host, name, *states.get(name, (False, False))))
    monkeypatch.setattr(PaperHost, "which", _which)
    return states


def _which(host, program):
    """The programs of every backend are there; those of front ends where they were told."""
    told = {line.split()[0] for line in host.answers}
    return "/usr/sbin/" + program if program in told | set(detect_module.PROGRAMS.values()) else None


def test_the_one_that_holds_rules_comes_before_those_that_are_merely_there(sightings):
    sightings.update(nftables=(True, False), iptables=(True, True))
    found = detect_module.detect(PaperHost())
    assert found.backend.NAME == "iptables"
    assert "holds rules" in found.reason
    assert "nftables: as told" in found.saw


def test_what_comes_after_the_chosen_one_is_not_asked(sightings):
    sightings.update(nftables=(True, True), iptables=(True, True))
    found = detect_module.detect(PaperHost())
    assert found.backend.NAME == "nftables"
    assert not any(one.startswith("iptables") for one in found.saw)


def test_without_rules_the_order_decides(sightings):
    sightings.update(ipfw=(True, False), nftables=(True, False), iptables=(True, False))
    found = detect_module.detect(PaperHost())
    assert found.backend.NAME == "ipfw"
    assert "no firewall holds rules yet" in found.reason


def test_no_firewall_is_said_plainly(sightings):
    with pytest.raises(HoldfastError, match="No firewall was found"):
        detect_module.detect(PaperHost())


def test_an_active_ufw_owns_the_rules_beneath_it(sightings):
    sightings.update(nftables=(True, True))
    found = detect_module.detect(PaperHost({"ufw": ""}, UFW))
    assert found.backend.NAME == "ufw"
    assert "ufw is active" in found.reason


def test_a_disabled_ufw_does_not_count(sightings):
    sightings.update(nftables=(True, False))
    host = PaperHost({"ufw": ""}, {"/etc/ufw/ufw.conf": "ENABLED=no\n"})
    assert detect_module.detect(host).backend.NAME == "nftables"


def test_a_running_firewalld_owns_the_rules_beneath_it(sightings):
    sightings.update(nftables=(True, True))
    host = PaperHost({"firewalld": "", "systemctl is-active --quiet firewalld": ""})
    assert detect_module.detect(host).backend.NAME == "firewalld"


@pytest.mark.parametrize(
    ("release", "installed", "chosen"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "ufw", "ufw"),
        ("ID=debian\n", "ufw", "ufw"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "firewall-cmd", "firewalld"),
        ("ID=arch\n", "ufw", "nftables"),
    ],
)
def test_where_nothing_runs_the_platforms_own_front_end_is_chosen(sightings, release, installed, chosen):
    sightings.update(nftables=(True, False))
    found = detect_module.detect(PaperHost({installed: ""}, {"/etc/os-release": release}))
    assert chosen == found.backend.NAME


def test_rules_that_somebody_loaded_come_before_a_front_end_that_is_off(sightings):
    sightings.update(nftables=(True, True))
    assert detect_module.detect(PaperHost({"ufw": ""}, {"/etc/os-release": "ID=debian\n"})).backend.NAME == "nftables"


def test_two_active_front_ends_are_both_named(sightings):
    host = PaperHost({"ufw": "", "firewalld": "", "systemctl is-active --quiet firewalld": ""}, UFW)
    with pytest.raises(HoldfastError, match="ufw and firewalld"):
        detect_module.detect(host)


def test_a_named_backend_overrides_and_the_reason_warns(sightings):
    found = detect_module.detect(PaperHost({"ufw": ""}, UFW), "nftables")
    assert found.backend.NAME == "nftables"
    assert "although ufw is active" in found.reason


def test_a_firewall_that_a_task_switched_off_is_found_again(sightings):
    sightings.update(nftables=(True, False), iptables=(True, False))
    files = {"/etc/os-release": "ID=debian\n", "/etc/holdfast/switched-off": "iptables\n"}
    found = detect_module.detect(PaperHost({"ufw": "", "iptables": ""}, files))
    assert (found.backend.NAME, found.decides) == ("iptables", False)
    assert "switched off" in found.reason
