# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The translations of a policy as lines of pf.conf, in both of its languages.

Pure: touches nothing. FreeBSD and macOS have lists of their own for ``nat`` and ``rdr`` lines, in which the first match translates.
OpenBSD has ``match`` rules, where each one that matches translates again and the rules behind it see the new addresses: where a translated
packet could match a later line of ours, a tag keeps it from there.

Sources: pf.conf(5), "TRANSLATION" (FreeBSD) and "Translation" (OpenBSD). ``(em0:0)`` is the interface's first address, without aliases,
among which pf would choose in turn. For IPv6 only FreeBSD leaves the link-local address out there; OpenBSD leaves it out when it chooses.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ...policy.addresses import Addresses
from ...policy.nat import DESTINATION_KINDS, NatRule
from .dialect import FREEBSD, Dialect
from .policy_forwarding import FORWARD
from .policy_lines import TableBook
from .render import hosts_text, interface_text, match_text

#: Tags of OpenBSD's lines: a packet that nobody has translated yet, and one that somebody has.
ARRIVED, REDIRECTED = "hf_arrived", "hf_redirected"
LEAVING, TRANSLATED, FORWARD_TRANSLATED = "hf_leaving", "hf_translated", "hf_forward_translated"
#: What a redirection to the host itself goes to.
LOCALHOST = {4: "127.0.0.1", 6: "::1"}


def translation_lines(nat: t.Sequence[NatRule], dialect: Dialect, book: TableBook) -> t.List[str]:
    """Return the lines of all translations."""
    each = [(one, family) for one in nat for family in _families(one)]
    if dialect.old_translation:
        return [_old_line(one, family, dialect, book) for one, family in each]
    arriving = [(one, family) for one, family in each if one.kind in DESTINATION_KINDS]
    leaving = [(one, family) for one, family in each if one.kind not in DESTINATION_KINDS]
    lines: t.List[str] = []
    if _meets_twice(arriving):
        lines.append("match in all tag " + ARRIVED)
        lines += [_new_line(one, family, book, (REDIRECTED, ARRIVED)) for one, family in arriving]
    else:
        lines += [_new_line(one, family, book) for one, family in arriving]
    if _meets_twice(leaving):
        lines.append("match out all tag %s ! tagged %s" % (LEAVING, FORWARD))
        for tags in ((TRANSLATED, LEAVING), (FORWARD_TRANSLATED, FORWARD)):
            lines += [_new_line(one, family, book, tags) for one, family in leaving]
        lines.append("match out all tag %s tagged %s" % (FORWARD, FORWARD_TRANSLATED))
    else:
        lines += [_new_line(one, family, book) for one, family in leaving]
    return lines


def translates_twice(nat: t.Sequence[NatRule]) -> bool:
    """Return whether OpenBSD's lines for sources would need tags, so that only the first of them translates."""
    return _meets_twice([(one, family) for one in nat if one.kind not in DESTINATION_KINDS for family in _families(one)])


def _families(one: NatRule) -> t.Tuple[int, ...]:
    return (one.family,) if one.family is not None else (4, 6)


def _within(one: NatRule, family: int) -> NatRule:
    return one if one.family == family else NatRule(**dict(one.__dict__, family=family))


def _old_line(one: NatRule, family: int, dialect: Dialect, book: TableBook) -> str:
    words = ["rdr" if one.kind in DESTINATION_KINDS else "nat"]
    if one.interface is not None:
        words.append("on " + interface_text(one.interface))
    words += [match_text(family, one.protocol), hosts_text(_within(one, family), book.name), "->", _target(one, family, dialect)]
    line = " ".join(words)
    return line if one.comment is None else "%s # %s" % (line, one.comment)


def _new_line(one: NatRule, family: int, book: TableBook, tags: t.Optional[t.Tuple[str, str]] = None) -> str:
    arriving = one.kind in DESTINATION_KINDS
    words = ["match in" if arriving else "match out"]
    if one.interface is not None:
        words.append("on " + interface_text(one.interface))
    words += [match_text(family, one.protocol), hosts_text(_within(one, family), book.name)]
    if one.comment is not None:
        words.append('label "%s"' % one.comment)
    if tags is not None:
        words.append("tag %s tagged %s" % tags)
    words += ["rdr-to" if arriving else "nat-to", _target(one, family, None)]
    return " ".join(words)


def _target(one: NatRule, family: int, dialect: t.Optional[Dialect]) -> str:
    """Return the words about the new address and port; ``dialect`` is None for OpenBSD's language."""
    if one.kind == "masquerade":
        name = one.interface or ""
        return "(%s:0)" % name if family == 4 or dialect == FREEBSD else "(%s)" % interface_text(name)
    address = str(one.to_address) if one.to_address is not None else LOCALHOST[family]
    return address if one.to_port is None else "%s port %d" % (address, one.to_port)


def _meets_twice(each: t.Sequence[t.Tuple[NatRule, int]]) -> bool:
    """Return whether a packet that one line has translated could match a later one."""
    return any(
        _can_follow(one, other, family)
        for number, (one, family) in enumerate(each)
        for other, later in each[number + 1 :]
        if later == family
    )


def _can_follow(one: NatRule, other: NatRule, family: int) -> bool:
    """Return whether a packet that ``one`` has translated may match ``other``; sources are not looked into."""
    if one.interface is not None and other.interface is not None and one.interface != other.interface:
        return False
    if one.protocol is not None and other.protocol is not None and one.protocol != other.protocol:
        return False
    if one.kind in DESTINATION_KINDS:
        target = str(one.to_address) if one.to_address is not None else LOCALHOST[family]
        return _holds(other.destination, target) and _ports_meet(one, other)
    if one.to_address is not None and not _holds(other.source, str(one.to_address)):
        return False
    return _ports_meet(one, other)


def _holds(addresses: Addresses, text: str) -> bool:
    address = ipaddress.ip_address(text)
    inside = any(address in network for network in addresses.networks)
    return addresses.any or inside != addresses.negated


def _ports_meet(one: NatRule, other: NatRule) -> bool:
    if not other.ports:
        return True
    if one.to_port is not None:
        return any(span.first <= one.to_port <= span.last for span in other.ports)
    mine = one.ports
    return not mine or any(a.first <= b.last and b.first <= a.last for a in mine for b in other.ports)
