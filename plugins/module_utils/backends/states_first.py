# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for firewalls of BSD that look up the states of connections before they ask any rule (pf, npf).

Known connections pass by their states, so an allow keeps state and a deny only stops new connections. Reads the host (``sysctl``) where it
asks whether it forwards packets; changes nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..host import Host
from ..policy.errors import HoldfastError
from ..policy.policy import Policy
from ..policy.protocols import TCP
from ..policy.rule import DIRECTIONS, Log, Rule
from .base import GUARD_MARK, Unsupported

#: The loopback interface in the language, and its name: it has the number 0 on every BSD.
LOOPBACK, LOOPBACK_NAME = "lo", "lo0"
LOOPBACK_COMMENT = GUARD_MARK + "loopback"
KNOWN_COMMENT = GUARD_MARK + "known connections"
_FORWARDING = ("net.inet.ip.forwarding", "net.inet6.ip6.forwarding")


def normalise(rule: Rule) -> Rule:
    """Return a single rule as it is kept: a deny or reject only stops new connections, since states are looked up before rules."""
    changes: t.Dict[str, t.Any] = {}
    if rule.action != "allow" and rule.stateful:
        changes["stateful"] = False
    if rule.interface == LOOPBACK:
        changes["interface"] = LOOPBACK_NAME
    return Rule(**dict(rule.__dict__, **changes)) if changes else rule


def as_kept(rule: Rule) -> Rule:
    """Return a rule of a policy as it is kept: only TCP has packets that neither open a connection nor belong to one."""
    changes: t.Dict[str, t.Any] = {}
    if rule.stateful and rule.protocol not in (TCP, None):
        changes["stateful"] = False
    if rule.interface == LOOPBACK and rule.comment != LOOPBACK_COMMENT:
        changes["interface"] = LOOPBACK_NAME
    if rule.out_interface == LOOPBACK:
        changes["out_interface"] = LOOPBACK_NAME
    return replace(rule, **changes) if changes else rule


def unsupported_log(log: t.Optional[Log], name: str, device: str) -> t.List[Unsupported]:
    """Return what a firewall that logs whole packets to a device cannot do of a log."""
    found = []
    if log is not None and log.prefix is not None:
        found.append(Unsupported("log_prefix", log.prefix, "%s logs whole packets to %s, without a text" % (name, device)))
    if log is not None and log.rate is not None:
        found.append(Unsupported("log_limit", str(log.rate), "%s cannot limit how often a rule logs" % name))
    return found


def unsupported_guard_mark(rule: Rule) -> t.List[Unsupported]:
    """Return what is wrong with a guard rule whatever the firewall is: it has its mark, and forwarded packets have one guard."""
    if rule.comment is None or not rule.comment.startswith(GUARD_MARK):
        return [Unsupported("comment", str(rule.comment), "a guard rule has a comment that begins with '%s'" % GUARD_MARK)]
    if rule.direction == "forward" and not rule.established:
        return [Unsupported("direction", "forward", "the guard of forwarded packets is the known connections alone")]
    return []


def unsupported_connections(policy: Policy, name: str) -> t.List[Unsupported]:
    """Return what hinders that known connections pass by their states, before any rule."""
    found = []
    for direction in DIRECTIONS:
        if policy.defaults[direction] == "unmanaged":
            continue
        before: t.List[Rule] = []
        for rule in policy.list_for(direction):
            if rule.established and replace(rule, comment=None) == Rule("allow", direction, protocol=None, established=True):
                break
            before.append(rule)
        else:
            before.append(Rule("deny", direction))
        if any(rule.action != "allow" or rule.log is not None for rule in before):
            reason = "%s passes the packets of known connections before it asks any rule, so they have to come first in the policy" % name
            found.append(Unsupported("guard", direction, reason))
    return found


def refuse_router(host: Host, policy: Policy, who: str, path: str) -> None:
    """Refuse a policy on a host that forwards packets, for a firewall that cannot tell them from those of the host.

    :param who: the firewall, for the message.
    :param path: the file in which an administrator would write the rules of such a host.
    :raises HoldfastError: with the setting that makes it a router.
    """
    if all(policy.defaults[direction] == "unmanaged" for direction in DIRECTIONS):
        return
    for name in _FORWARDING:
        answer = host.run(["sysctl", "-n", name])
        if answer.ok and answer.out.strip() not in ("", "0"):
            raise HoldfastError(
                "This host forwards packets (%s is %s), and %s cannot tell them from packets to the host, so this policy cannot be kept "
                "exactly. Set %s to 0, or write the rules of this host in %s" % (name, answer.out.strip(), who, name, path)
            )
