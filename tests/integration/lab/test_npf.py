# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of stand-in commands that poses as NetBSD, and the real Ansible commands: rules, a policy, a hand edit, a lockout, a reboot."""

from __future__ import annotations

import json

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import Controller

POLICY = "holdfast.firewall.policy"
NET = "use-netbsd"
CONF = """\
# Mine.
$ext = "host0"
table <bad> type lpm
group "external" on $ext {
\tpass stateful out final all
\tblock in final from <bad>
\tpass stateful in final proto tcp to any port 22
}
group default {
\tpass final on lo0 all
\tblock all
}
"""
DOCUMENT = {
    "defaults": {"in": "deny", "out": "allow", "forward": "deny"},
    "rules": [
        {"action": "allow", "port_range": ["8000-8100", "9000-9100"], "comment": "apps"},
        {"action": "deny", "protocol": "any", "source": "203.0.113.0/24", "log": True},
        {"action": "allow", "protocol": "udp", "port": 514, "source": "!2001:db8:5::/48"},
    ],
}
#: The stand-in filters nothing: whoever loads this rule is cut off from new connections.
BLOCKING = r"""
pid=$(pgrep -o -f 'sshd.*listener')
while sleep 0.05; do
    if grep -q 'block in final pcap-filter' /var/db/holdfast-standin/kernel.json; then kill -STOP $pid; else kill -CONT $pid; fi
done
"""


@pytest.fixture(scope="module", name="netbsd")
def _netbsd(lab, tmp_path_factory):
    lab.create(NET, kind="bsd", flavour="netbsd")
    lab.exec(NET, ["sh", "-c", "cat >/etc/npf.conf; echo npf=YES >>/etc/rc.conf; service npf start"], input=CONF)
    controller = Controller(lab, tmp_path_factory.mktemp("controller"))
    controller.refresh()
    return controller


def shown(netbsd):
    """What npf enforces."""
    return netbsd.lab.exec(NET, ["npfctl", "show"]).stdout


def policy(netbsd, document, **words):
    """Put a document in force."""
    return netbsd.adhoc(NET, json.dumps({"policy": document, **words}), module=POLICY)


def test_a_rule_is_put_once_proved_by_a_new_connection_and_taken_out(netbsd):
    before = shown(netbsd)
    first = netbsd.adhoc(NET, "action=allow port=8443 comment=web")
    assert (first["_word"], first["backend"], first["proof"]) == ("CHANGED", "npf", "a new ssh connection")
    assert "to any port 8443" in shown(netbsd)
    assert netbsd.adhoc(NET, "action=allow port=8443 comment=web")["changed"] is False
    assert netbsd.adhoc(NET, "action=allow port=8443 state=absent")["changed"] is True
    assert shown(netbsd) == before
    assert netbsd.lab.exec(NET, ["cat", "/etc/npf.conf"]).stdout == CONF


def test_an_npf_that_is_off_is_not_switched_on_by_a_rule(netbsd):
    netbsd.lab.exec(NET, ["npfctl", "stop"])
    allowed = netbsd.adhoc(NET, "action=allow port=8088")
    assert "npf is off" in " ".join(allowed["persisted"])
    assert "npf is off" in allowed["msg"]
    assert netbsd.adhoc(NET, "action=allow port=8088")["changed"] is False
    assert "npf is off on this host" in netbsd.adhoc(NET, "action=deny port=23")["msg"]
    assert "inactive" in shown(netbsd)
    done = netbsd.adhoc(NET, "state=enabled", module="holdfast.firewall.backend")
    assert (done["_word"], done["proof"]) == ("CHANGED", "a new ssh connection"), done
    assert "to any port 8088" in shown(netbsd)
    assert netbsd.adhoc(NET, "action=allow port=8088 state=absent")["changed"] is True
    assert "8088" not in shown(netbsd)


def test_a_policy_is_put_once_and_a_hand_edit_is_seen_and_undone(netbsd):
    first = policy(netbsd, DOCUMENT)
    assert (first["_word"], first["backend"]) == ("CHANGED", "npf")
    assert policy(netbsd, DOCUMENT)["changed"] is False
    found = netbsd.adhoc(NET, "state=gathered", module=POLICY)["gathered"]
    assert [one["action"] for one in found["rules"]] == ["allow", "deny", "allow"]
    assert found["rules"][0]["comment"] == "apps"
    wanted = shown(netbsd)
    netbsd.lab.exec(NET, ["sh", "-c", "sed -i 's/8000-8100/8000-8999/' /etc/npf.conf && npfctl reload"])
    again = policy(netbsd, DOCUMENT)
    assert again["changed"] is True
    assert shown(netbsd) == wanted
    assert policy(netbsd, DOCUMENT)["changed"] is False


def test_a_lockout_that_no_proof_can_see_is_undone(netbsd):
    before = shown(netbsd), netbsd.lab.exec(NET, ["cat", "/etc/npf.conf"]).stdout
    netbsd.lab.exec(NET, ["sh", "-c", 'setsid sh -c "$0" >/dev/null 2>&1 </dev/null &', BLOCKING])
    shut = {**DOCUMENT, "native": {"npf": {"before": {"any": ['block in final pcap-filter "tcp dst port 22"']}}}}
    done = policy(netbsd, shut, confirm_within=10)
    assert (done["_word"], done["rolled_back"], done["identical"]) == ("FAILED!", True, True), done
    assert (shown(netbsd), netbsd.lab.exec(NET, ["cat", "/etc/npf.conf"]).stdout) == before


def test_a_reboot_keeps_what_was_confirmed_and_forgets_what_was_not(netbsd):
    before = shown(netbsd)
    netbsd.manual(NET, "action=allow port=9999 confirm_within=600")
    assert shown(netbsd) != before
    netbsd.lab.reboot(NET)
    assert shown(netbsd) == before
    netbsd.refresh()
    assert policy(netbsd, DOCUMENT)["changed"] is False
