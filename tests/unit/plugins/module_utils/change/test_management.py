# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Management ports: where they come from, and which removals would close them."""

from __future__ import annotations

import os

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Chain, Entry, Ruleset
from ansible_collections.holdfast.firewall.plugins.module_utils.change import management as management_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management, closed_by_removal, find_management
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

SS = 'LISTEN 0 128 0.0.0.0:2022 0.0.0.0:* users:(("sshd",pid=7,fd=3))\nLISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=8,fd=6))\n'


def entry(**words):
    rule = parse_rule({"action": "allow", **words})
    return Entry((rule.describe(),), rule=rule)


def chain(*entries, default="deny"):
    return Chain("in", frozenset({"in"}), frozenset({4, 6}), default=default, entries=entries)


def closed(one, *removed, management=None):
    return closed_by_removal(Ruleset((one,), ""), [(one, entry) for entry in removed], management or Management((22,), "192.0.2.9"))


@pytest.fixture(name="no_session")
def _no_session(monkeypatch):
    monkeypatch.setattr(management_module, "_session", lambda: None)


def test_the_port_that_sshd_listens_on_is_kept_not_22(no_session):
    assert find_management(PaperHost({"ss -Htlnp": SS})).ssh_ports == (2022,)


def test_a_socket_that_systemd_holds_for_sshd_counts(no_session):
    host = PaperHost({"ss -Htlnp": "", "systemctl show": "Listen=[::]:2222 (Stream)\n"})
    assert find_management(host).ssh_ports == (2222,)


def test_the_session_is_the_best_witness(monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "::ffff:192.0.2.9 50554 198.51.100.2 2200")
    found = find_management(PaperHost({"ss -Htlnp": SS}))
    assert (found.client, found.server, found.ssh_ports) == ("192.0.2.9", "198.51.100.2", (2022, 2200))


PLIST = """<plist version="1.0"><dict><key>Label</key><string>%s</string><key>Program</key><string>/usr/libexec/sshd-keygen-wrapper</string>
<key>Sockets</key><dict><key>Listeners</key>%s</dict></dict></plist>"""
PORT = "<dict><key>SockServiceName</key><string>%s</string></dict>"
APPLE, MINE = "/System/Library/LaunchDaemons/ssh.plist", "/Library/LaunchDaemons/org.example.ssh.plist"
JOBS = {
    APPLE: PLIST % ("com.openssh.sshd", PORT % "ssh"),
    MINE: PLIST % ("org.example.ssh", "<array>%s%s</array>" % (PORT % "2222", PORT % "2223")),
    "/Library/LaunchDaemons/broken.plist": "sshd, and no property list",
}
LISTED = {"launchctl list com.openssh.sshd": (113, "", "Could not find service"), "launchctl list org.example.ssh": "{ }"}


def mac(answers=None, loaded=None):
    return PaperHost({"sh -c": "\n".join(JOBS) + "\n", **(loaded or LISTED), **(answers or {})}, JOBS)


def test_a_mac_has_the_ports_that_launchd_holds_for_sshd_and_not_those_of_its_configuration(no_session):
    host = mac({"sshd -T": "port 22\n"})
    assert find_management(host).ssh_ports == (2222, 2223)
    host = mac(loaded={"launchctl list": "{ }"})
    assert find_management(host).ssh_ports == (22, 2222, 2223)
    host.files["/etc/services"] = "ssh              22/udp     # SSH\nssh             2022/tcp     # moved\nsshell          614/tcp\n"
    assert find_management(host).ssh_ports == (2022, 2222, 2223)


def lineage(_argv, _stdin):
    """This process below sudo, a shell, the two processes of sshd, and launchd."""
    own = os.getpid()
    return "%5d 9004\n 9004  9003\n 9003 9002\n 9002 9001\n 9001     1\n    1     0\n" % own


@pytest.mark.parametrize("server, client, found", [
    ("198.51.100.2:2200", "192.0.2.9:50554", ("192.0.2.9", "198.51.100.2", 2200)),
    ("[2001:db8::2]:22", "[2001:db8::9]:50554", ("2001:db8::9", "2001:db8::2", 22)),
    ("[fe80:4::2]:22", "[fe80:4::9]:50554", ("fe80::9", "fe80::2", 22)),
])  # fmt: skip
def test_a_mac_knows_its_session_although_sudo_dropped_the_variable(no_session, server, client, found):
    forwarded = "f9\nn198.51.100.2:50001->198.51.100.7:5432\n"
    said = "p9001\ncsshd-session\nf4\nn%s->%s\n%sp9004\ncsudo\n" % (server, client, forwarded)
    host = mac({"ps -axo": lineage, "lsof -nP -a -p 9004,9003,9002,9001": said}, {"launchctl list": (113, "", "")})
    management = find_management(host)
    assert (management.client, management.server, management.ssh_ports) == (*found[:2], (found[2],))


def test_a_mac_without_a_session_has_the_configured_port(no_session):
    host = mac({"ps -axo": "1 0\n", "sshd -T": "port 22\nlistenaddress [::]:22\n"}, {"launchctl list": (113, "", "")})
    assert find_management(host).ssh_ports == (22,)


def test_an_address_with_a_port_of_its_own_counts_before_the_port_of_the_others(no_session):
    host = PaperHost({"sshd -T": "port 22\nlistenaddress 192.0.2.1:2222\nlistenaddress [2001:db8::1]:2223\n"})
    assert find_management(host).ssh_ports == (2222, 2223)


def test_sockstat_of_netbsd_has_other_options_and_writes_a_dot_before_the_port(no_session):
    listed = "USER COMMAND PID FD PROTO LOCAL ADDRESS FOREIGN ADDRESS\nroot sshd 384 3 tcp6 *.2022 *.*\nroot sshd 384 4 tcp *.2022 *.*\n"
    host = PaperHost({"sockstat -46lP": (1, "", "sockstat: unknown option -- P"), "sockstat -46ln": listed, "sshd -T": "port 22\n"})
    assert find_management(host).ssh_ports == (2022,)


def test_removing_the_last_way_in_is_skipped():
    ssh = entry(port=22)
    assert closed(chain(ssh), ssh) == ["22/tcp"]


def test_removing_one_of_two_ways_in_is_fine():
    ssh, everything = entry(port=22), entry(protocol="any")
    assert closed(chain(ssh, everything), ssh) == []


def test_removing_the_network_of_the_session_is_skipped():
    office = entry(port=22, source="192.0.2.0/24")
    assert closed(chain(office), office) == ["22/tcp"]


def test_removing_another_network_is_fine():
    elsewhere = entry(port=22, source="203.0.113.0/24")
    assert closed(chain(elsewhere), elsewhere) == []


def test_where_the_default_allows_nothing_is_closed():
    ssh = entry(port=22)
    assert closed(chain(ssh, default="allow"), ssh) == []


def test_a_deny_behind_it_counts_like_a_default():
    ssh = entry(port=22)
    assert closed(chain(ssh, entry(action="deny", protocol="any"), default="allow"), ssh) == ["22/tcp"]


def test_ports_of_agents_are_kept_too():
    agent = entry(port=10050)
    assert closed(chain(agent), agent, management=Management((22,), None, (10050,))) == ["10050/tcp"]


def test_a_weak_deny_behind_the_removed_rule_closes_the_port():
    passes = Entry(("pass quick",), rule=parse_rule({"action": "allow", "port": 22}))
    blocks = Entry(("block",), rule=parse_rule({"action": "deny", "protocol": "any"}), weak=True)
    chain = Chain("pf", frozenset({"in", "out"}), frozenset({4, 6}), entries=(passes, blocks))
    assert closed_by_removal(Ruleset((chain,), ""), [(chain, passes)], Management((22,))) == ["22/tcp"]
