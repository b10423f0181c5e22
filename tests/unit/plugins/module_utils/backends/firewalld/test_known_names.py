# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw rich rules that name what firewalld does not have: refused before anything is touched, with what there is."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.backend import Firewalld
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.firewalld.standin_host import FirewalldHost, put

SET = '<ipset type="%s"><option name="family" value="%s"/><entry>%s</entry></ipset>'
#: A service of the administrator that says its destination, and three sets.
FILES = {
    "/etc/firewalld/ipsets/office.xml": SET % ("hash:net", "inet", "192.0.2.0/24"),
    "/etc/firewalld/ipsets/office6.xml": SET % ("hash:net", "inet6", "2001:db8::/32"),
    "/etc/firewalld/ipsets/pairs.xml": SET % ("hash:net,net", "inet", "192.0.2.0/24,192.0.2.0/24"),
    "/usr/lib/firewalld/services/dhcpv6-client.xml": '<service><destination ipv6="fe80::/64"/></service>',
}
BAD = {
    "a service": ('rule service name="htp" accept', "no service htp", "did you mean http?"),
    "a service of nobody": ('rule service name="zzz" accept', "no service zzz", "dhcpv6-client, http, ssh; firewall-cmd --permanent"),
    "a service to where it is not": (
        'rule family="ipv6" destination address="fe80::1" service name="dhcpv6-client" accept', "destination of its own", "leave"
    ),
    "an ICMP type": ('rule icmp-type name="echo-reqest" drop', "no ICMP type echo-reqest", "did you mean echo-request?"),
    "a blocked ICMP type": ('rule icmp-block name="zzz"', "no ICMP type zzz", "echo-reply, echo-request"),
    "a set": ('rule source ipset="ofice" drop', "no ipset ofice", "did you mean office?"),
    "a set as destination": ('rule destination NOT ipset="holdfast-v4-gone" drop', "no ipset holdfast-v4-gone", "office, office6"),
    "a set of pairs": ('rule source ipset="pairs" drop', "of type hash:net,net", "hash:net"),
    "a set of the other family": ('rule family="ipv4" source ipset="office6" drop', "addresses of ipv6", "the rule is for ipv4"),
}  # fmt: skip
GOOD = (
    'rule service name="http" accept',
    'rule icmp-type name="echo-request" drop',
    'rule source ipset="office" service name="ssh" accept',
    'rule family="ipv6" source ipset="office6" drop',
)


def policy(*lines):
    document = {"rules": [{"action": "allow", "port": 1}], "native": {"firewalld": {"after": {"in": list(lines)}}}}
    return with_guard(parse_policy(document), Management((22,)))


@pytest.fixture(name="host")
def _host():
    return FirewalldHost(FILES)


@pytest.mark.parametrize(("line", "says", "hint"), BAD.values(), ids=BAD)
def test_a_policy_that_names_what_is_not_there_is_refused_before_anything_is_touched(host, line, says, hint):
    before = dict(host.daemon.files)
    host.ran.clear()
    with pytest.raises(HoldfastError) as caught:
        put(host, policy(GOOD[0], line))
    assert says in caught.value.msg
    assert hint in caught.value.msg
    assert "native.firewalld.after.in[1]" in caught.value.msg
    assert (host.daemon.files, host.daemon.reloads) == (before, 1)
    assert not [one for one in host.ran if one.startswith(("cp", "rm", "firewall-offline-cmd"))]


@pytest.mark.parametrize(("line", "says", "hint"), BAD.values(), ids=BAD)
def test_a_raw_rule_that_names_what_is_not_there_is_refused_and_its_absence_is_not(host, line, says, hint):
    backend = Firewalld(host)
    ruleset = backend.read()
    with pytest.raises(HoldfastError) as caught:
        backend.match_native(ruleset, "in: " + line)
    assert says in caught.value.msg
    assert hint in caught.value.msg
    assert [entry for _chain, entry in backend.match_native(ruleset, line, wanted=False)] == [None]


def test_all_of_a_policy_s_unknown_names_are_told_at_once(host):
    with pytest.raises(HoldfastError) as caught:
        put(host, policy(*(line for line, _says, _hint in BAD.values())))
    assert all(says in caught.value.msg for _line, says, _hint in BAD.values())


def test_names_that_are_there_are_taken(host):
    assert put(host, policy(*GOOD))
    backend = Firewalld(host)
    assert backend.read_policy(backend.read()).native["firewalld"].after["in"] == GOOD
    for line in GOOD:
        backend.match_native(backend.read(), line)
