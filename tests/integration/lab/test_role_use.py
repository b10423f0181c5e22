# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of a host's roles, with the real Ansible commands: opened, opened again, closed, and a management port that stays open."""

from __future__ import annotations

import json

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import Controller

ROLE_PORTS = "holdfast.firewall.role_ports"
HOSTS = {"role-nft": "nftables", "role-iptables": "iptables-nft", "role-bsd": "bsd"}
NAME = {"role-nft": "nftables", "role-iptables": "iptables", "role-bsd": "pf"}
LIVE = {
    "role-nft": "nft list ruleset",
    "role-iptables": "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'",
    "role-bsd": "pfctl -sr",
}
#: A host that lets nobody in but by SSH.
CLOSED = {
    "role-nft": (
        "nft 'add table inet filter; add chain inet filter input { type filter hook input priority 0; }; "
        "add rule inet filter input ct state established,related accept; add rule inet filter input tcp dport 22 accept; "
        "add rule inet filter input meta l4proto { tcp, udp } drop'"
    ),
    "role-iptables": (
        "for i in iptables ip6tables; do $i -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; "
        "$i -A INPUT -p tcp --dport 22 -j ACCEPT; $i -A INPUT -p tcp -j DROP; done"
    ),
    "role-bsd": (
        "printf 'pass in quick proto tcp from any to any port 22 no state\\nblock in quick proto tcp all\\n' > /etc/pf.conf; "
        "kldload pf; pfctl -f /etc/pf.conf; pfctl -e"
    ),
}
ROLES = {
    "web": [{"name": "HTTP", "action": "allow", "port": [80, 443], "stateful": True}],
    "base": [{"action": "allow", "port": 22}, {"action": "allow", "port": 9100, "source_cidr": "192.0.2.0/24", "direction": "inbound"}],
}


@pytest.fixture(scope="module", name="controller")
def _controller(lab, tmp_path_factory):
    for name, kind in HOSTS.items():
        lab.create(name, kind=kind)
        lab.exec(name, ["sh", "-c", CLOSED[name]], check=False)
    controller = Controller(lab, tmp_path_factory.mktemp("controller"))
    controller.refresh()
    yield controller
    lab.destroy(*HOSTS)


@pytest.mark.parametrize("host", list(HOSTS))
def test_the_ports_of_roles_come_and_go(controller, host):
    def roles(words):
        return controller.adhoc(host, "roles='%s' %s" % (json.dumps(ROLES), words), module=ROLE_PORTS)

    def live():
        return controller.lab.exec(host, ["sh", "-c", LIVE[host]]).stdout

    before = live()
    predicted = controller.task(host, {"role": "web", "roles": ROLES}, "--check", module=ROLE_PORTS)
    assert (predicted["changed"], live()) == (True, before)

    added = roles("role=web,base")
    assert (added["_word"], added["proof"]) == ("CHANGED", "a new ssh connection")
    assert [one["label"] for one in added["added"]] == ["roles.web[0] (HTTP)", "roles.base[1]"]
    listed = live()
    again = roles("role=web,base")
    assert (again["_word"], again["msg"]) == ("SUCCESS", "The rules of web, base are present already (%s)" % NAME[host])
    assert live() == listed

    removed = roles("role=base,web state=absent")
    assert (removed["_word"], removed["skipped_preserved_ports"]) == ("CHANGED", ["22/tcp"])
    assert [one["role"] for one in removed["removed"]] == ["base", "web"]
    assert [line for line in before.splitlines() if line not in live().splitlines()] == []
    assert "9100" not in live()
    last = roles("role=base,web state=absent")
    assert (last["_word"], last["skipped_preserved_ports"]) == ("SUCCESS", ["22/tcp"])


def test_roles_may_come_from_a_variable(controller):
    variables = json.dumps({"firewall_roles": ROLES})
    words = "role=web roles='{{ firewall_roles }}'"
    assert controller.adhoc("role-nft", words, "-e", variables, module=ROLE_PORTS)["_word"] == "CHANGED"
    assert controller.adhoc("role-nft", words + " state=absent", "-e", variables, module=ROLE_PORTS)["_word"] == "CHANGED"


def test_a_typo_in_a_role_opens_no_connection(controller):
    result = controller.adhoc("role-nft", 'role=web roles=\'{"web": [{"action": "allow", "prot": 80}]}\'', module=ROLE_PORTS)
    assert (result["_word"], result["place"]) == ("FAILED!", "roles.web[0].prot")
