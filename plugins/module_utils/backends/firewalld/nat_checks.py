# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be so on a host for translations of firewalld to be exact.

Reads through ``host``; changes nothing.
"""

from __future__ import annotations

import re
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.nat import NatRule
from ...policy.policy import Policy
from .names import NAT_PREFIX
from .probe import python_of
from .translations import families_of

#: The switch of the kernel by family.
SWITCHES = {4: "/proc/sys/net/ipv4/ip_forward", 6: "/proc/sys/net/ipv6/conf/all/forwarding"}
_SETTINGS = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
_TRANSLATION = re.compile(r"\b(?:dnat|redirect) (?:ip6? )?to\b|\bredirect$|xt target \"(?:DNAT|REDIRECT)\"")
_CHAIN = re.compile(r"\s*chain (\S+) \{$")
_OWN_ADDRESS = re.compile(r"\binet6? ([0-9a-f.:]+)")

#: Asks firewalld's own code which interface it compares beside the source in a set of networks and interfaces.
_ASK = """\
from firewall.core.nftables import nftables
class Set: type, options = "hash:net,iface", {}
class Sets: get_ipset = staticmethod(lambda name: Set)
class Daemon: ipset = Sets
backend = nftables.__new__(nftables)
backend._fw = Daemon
print("iifname" if "iifname" in repr(backend._set_match_fragment("x", False)) else "oifname")
"""


def compares_source_with_arrival(host: Host, nat: t.Sequence[NatRule]) -> bool:
    """Return whether a set of addresses and interfaces means the interface of arrival beside the source (firewalld 2.3 and later).

    :raises HoldfastError: where firewalld does not say it.
    """
    if not any(one.kind == "masquerade" for one in nat):
        return False
    answer = host.run([python_of(host), "-E", "-s", "-c", _ASK])
    if not answer.ok or answer.out.strip() not in ("iifname", "oifname"):
        raise HoldfastError(
            "This firewalld does not say what it makes of a set of addresses and interfaces, so a masquerade cannot be written for it: %s"
            % (answer.err or answer.out).strip()[-500:]
        )
    return answer.out.strip() == "iifname"


def refuse_without_routing(host: Host, nat: t.Sequence[NatRule]) -> None:
    """Refuse translations that would make firewalld switch on forwarding, and those to an address of the host itself.

    :raises HoldfastError: with the translation.
    """
    beyond = [one for one in nat if one.kind != "redirect"]
    for family in sorted({family for one in beyond for family in families_of(one)}):
        if (host.read(SWITCHES[family]) or "1").strip() == "0":
            first = next(one for one in beyond if family in families_of(one))
            raise HoldfastError(
                "This host does not forward packets of IPv%d, and firewalld would switch that on for the translation '%s' and leave it on. "
                "Switch it on yourself (sysctl %s=1, and a file in /etc/sysctl.d), or give the translation a family"
                % (family, first.describe(), _SETTINGS[family])
            )
    targets = {str(one.to_address) for one in nat if one.to_address is not None}
    if targets:
        own = targets.intersection(_OWN_ADDRESS.findall(host.run(["ip", "-o", "address", "show"]).out))
        if own:
            raise HoldfastError(
                "A dnat to %s goes to this host itself, and firewalld passes it before it asks the rules for what comes in: use redirect"
                % ", ".join(sorted(own))
            )


def refuse_translations_of_others(host: Host, wanted: Policy, emptied: t.Collection[str]) -> None:
    """Refuse to decide about packets that firewalld passes before it asks any policy.

    :param emptied: the zones whose translations go with this change.
    :raises HoldfastError: where there may be such packets.
    """
    if wanted.defaults["forward"] == wanted.defaults["in"] == "unmanaged":
        return
    lines = foreign_translations(host.run(["nft", "list", "ruleset"], timeout=120.0).out, emptied)
    to_host = [line for line in lines if "redirect" in line.lower()]
    beyond = [line for line in lines if line not in to_host]
    for direction, found in (("forward", beyond), ("in", to_host)):
        if found and wanted.defaults[direction] != "unmanaged":
            raise HoldfastError(
                "firewalld passes whatever a destination translation sends on, before it asks any policy, so packets of direction %s can "
                "not be decided here (%s). Put the translation into the policy and take it out there, or set defaults.%s to unmanaged"
                % (direction, "; ".join(found[:3]), direction)
            )


def foreign_translations(listed: str, emptied: t.Collection[str] = ()) -> t.List[str]:
    """Return the rules in a listing that translate destinations, and are neither ours nor in a zone that is emptied."""
    found = []
    own = False
    going = {"nat_PRE_%s_%s" % (zone, part) for zone in emptied for part in ("pre", "deny", "allow", "post")}
    for line in listed.splitlines():
        head = _CHAIN.match(line)
        if head is not None:
            own = "_policy_" + NAT_PREFIX in head.group(1) or head.group(1) in going
        elif not own and _TRANSLATION.search(line.strip()):
            found.append(line.strip())
    return found
