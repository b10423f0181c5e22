# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of firewalld has the traps of the real one (1.3.3, seen)."""

from __future__ import annotations

from ansible_collections.holdfast.firewall.tests.simulators.firewalld.standin_firewalld import Firewalld

POLICY = """<policy target="CONTINUE"><ingress-zone name="ANY"/><egress-zone name="HOST"/>%s</policy>"""
PATH = "/etc/firewalld/policies/mine.xml"


def run(daemon, line):
    return daemon.run(line.split(" "), None)


def test_a_reload_drops_what_is_in_force_only():
    daemon = Firewalld()
    run(daemon, "firewall-cmd --zone=public --add-service=http")
    assert "http" in daemon.live["zones"]["public"]["services"]
    assert run(daemon, "firewall-cmd --reload")[0] == 0
    assert "http" not in daemon.live["zones"]["public"]["services"]


def test_a_rule_that_is_not_valid_is_left_out_in_silence():
    daemon = Firewalld({PATH: POLICY % '<rule><port port="99999" protocol="tcp"/><accept/></rule>'})
    assert daemon.live["policies"]["mine"]["rich_rules"] == []


def test_an_unknown_service_ends_a_reload():
    daemon = Firewalld()
    daemon.files[PATH] = POLICY % '<rule><service name="nonsense"/><accept/></rule>'
    assert run(daemon, "firewall-cmd --reload")[0] == 101


def test_without_its_table_it_still_runs_but_reloads_no_more():
    daemon = Firewalld()
    daemon.kernel = None
    assert run(daemon, "firewall-cmd --state") == (0, "running\n", "")
    assert run(daemon, "firewall-cmd --reload")[0] == 13
    assert run(daemon, "systemctl restart firewalld")[0] == 0
    assert daemon.kernel is not None


def test_stopped_it_answers_with_252():
    daemon = Firewalld()
    run(daemon, "systemctl stop firewalld")
    assert run(daemon, "firewall-cmd --state")[0] == 252
