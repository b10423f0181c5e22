# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address translations as rich rules in policies of firewalld of their own, and back.

Pure: touches nothing. A redirect needs a policy to the host, the others one to everywhere, so each run of translations that belong in the
same kind is one policy, and their priorities keep the order. They decide about no packet. But firewalld passes every packet whose
destination was translated, before it asks any rule; so a dnat or redirect is carried where the rules allow all of what it sends on.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import replace

from ...analysis.relation import covers, overlaps
from ...policy.addresses import ANY, Addresses, make_addresses, network_text
from ...policy.errors import HoldfastError
from ...policy.nat import DESTINATION_KINDS, NatRule
from ...policy.policy import Policy
from ...policy.ports import MAX_PORT, PortRange, merge_ports
from ...policy.protocols import protocol_name
from ...policy.rule import Rule
from ..base import Unsupported
from .names import CONTINUE, MAX_NAT, NAME, NAT, nat_place, set_name
from .objects import Content, Item, OwnPolicy
from .passages import PLAIN_NAME, Passage, affirmed, make_passage, passage_name
from .render import FAMILIES, MAX_NETWORKS, MAX_PARTS, MAX_RULES, PORT_NAMES
from .rich import Match, RichRule

_NUMBERS = {name: number for number, name in PORT_NAMES.items()}
_VERSIONS = {name: number for number, name in FAMILIES.items() if name is not None}
#: What stands for no port: each forward port needs one, and port 0, which nobody uses, is one of the protocol's too.
_ALL_PORTS = PortRange(0, MAX_PORT)
Sets = t.Dict[str, Content]


def way_of(kind: str) -> str:
    """Return the direction of the policy that has translations of a kind."""
    return "in" if kind == "redirect" else "forward"


def families_of(one: NatRule) -> t.FrozenSet[int]:
    """Return the families of the packets that a translation can match."""
    found = one.families()
    for addresses in (one.source, one.destination):
        found = found if addresses.family is None else found & {addresses.family}
    return found


def nat_as_kept(nat: t.Sequence[NatRule]) -> t.Tuple[NatRule, ...]:
    """Return translations as firewalld keeps them: those of destinations before those of sources."""
    found = []
    for one in nat:
        families = families_of(one)
        if len(families) == 1:
            one = replace(one, family=next(iter(families)))
        # Where the interface is in a set, the addresses of that set are those that are meant, and not all others.
        if one.kind == "masquerade":
            one = replace(one, source=affirmed(one.source), destination=affirmed(one.destination))
        found.append(one)
    return tuple(sorted(found, key=lambda one: one.kind not in DESTINATION_KINDS))


# -- what cannot be carried ------------------------------------------------------------------------------------------------------


def nat_unsupported(policy: Policy) -> t.List[Unsupported]:
    """Return everything in a policy's translations that cannot be carried exactly, with its place."""
    found: t.List[Unsupported] = []
    for number, one in enumerate(policy.nat):
        place = "nat[%d]." % number
        inner = _fields(one)
        if not inner:
            inner = _passed(policy, one) if one.kind in DESTINATION_KINDS else []
        found += [replace(each, field=place + each.field) for each in inner]
    if found:
        return found
    policies = nat_policies(policy.nat)[0]
    if len(policies) > MAX_NAT:
        reason = "dnat and redirect take turns %d times; there are names for %d policies, so put those of a kind together"
        found.append(Unsupported("nat", str(len(policy.nat)), reason % (len(policies), MAX_NAT)))
    for own in policies:
        count = sum(len(item.rules) for item in own.items)
        if count > MAX_RULES:
            reason = "translations that follow each other become %d rich rules; there are priorities for %d"
            found.append(Unsupported("nat", str(len(policy.nat)), reason % (count, MAX_RULES)))
    return found


def _fields(one: NatRule) -> t.List[Unsupported]:
    if one.kind == "snat":
        reason = "firewalld has no word for a fixed source address; use masquerade, which takes the first address of the interface"
        return [Unsupported("type", one.kind, reason)]
    found = []
    for field in ("source", "destination"):
        addresses = getattr(one, field)
        if addresses.negated and not affirmed(addresses).networks:
            found.append(Unsupported(field, "!" + str(addresses.networks[0]), "this matches no packet; leave the translation out"))
        count = max(len(addresses.networks), len(affirmed(addresses).networks))
        if count > MAX_NETWORKS:
            reason = "firewalld takes long for sets of more than %d networks; use the backend nftables for such lists" % MAX_NETWORKS
            found.append(Unsupported(field, "%d networks" % count, reason))
    if not families_of(one):
        found.append(Unsupported("family", one.describe(), "no packet has these addresses; leave the translation out"))
    if one.interface is not None and not PLAIN_NAME.match(one.interface):
        reason = "firewalld takes names of interfaces of up to 15 letters, digits and marks of _.@- in a set"
        found.append(Unsupported("interface", one.interface, reason))
    if one.kind == "masquerade":
        if one.interface is None or one.interface == "lo":
            found.append(Unsupported("interface", str(one.interface), "a masquerade is for packets that leave the host by an interface"))
        if one.protocol is not None:
            reason = "a masquerade of firewalld is for all protocols and ports; leave protocol and port out"
            found.append(Unsupported("protocol", protocol_name(one.protocol), reason))
        return found
    if one.protocol not in PORT_NAMES:
        reason = "firewalld translates destinations of tcp, udp and sctp only; name the protocol"
        found.append(Unsupported("protocol", protocol_name(one.protocol), reason))
    if one.kind == "dnat" and one.to_address is not None and (one.to_address.is_loopback or one.to_address.is_unspecified):
        found.append(Unsupported("to", str(one.to_address), "this is the host itself; use redirect"))
    count = max(1, len(one.ports)) * 4
    if count > MAX_PARTS:
        reason = "it would become %d rich rules; the most for one translation are %d" % (count, MAX_PARTS)
        found.append(Unsupported("port", "%d ports and ranges" % len(one.ports), reason))
    return found


def _passed(policy: Policy, one: NatRule) -> t.List[Unsupported]:
    """Return why the rules do not allow all packets that a translation sends on; firewalld asks no rule about them."""
    direction = way_of(one.kind)
    if policy.defaults[direction] == "unmanaged":
        return []
    for sent in _sent_on(one, direction):
        why = _not_allowed(policy, sent)
        if why:
            reason = (
                "firewalld passes what it translated before it asks any rule, so the rules of direction %s have to allow all of %s without "
                "a log or limit, and %s; add a rule that allows it, or set defaults.%s to unmanaged"
            ) % (direction, sent.describe(), why, direction)
            return [Unsupported("type", one.kind, reason)]
    return []


def _sent_on(one: NatRule, direction: str) -> t.List[Rule]:
    """Return what the rules see of the packets that a translation sends on."""
    found = []
    for family in sorted(families_of(one)):
        destination = ANY
        if one.to_address is not None:
            destination = make_addresses([ipaddress.ip_network(one.to_address)])
        ports = (PortRange(one.to_port, one.to_port),) if one.to_port is not None else one.ports
        base = Rule("allow", direction, family, one.protocol, one.source, destination, interface=one.interface)
        found += [replace(base, ports=(port,)) for port in ports] or [base]
    return found


def _not_allowed(policy: Policy, sent: Rule) -> str:
    """Return what hinders that the rules allow all of these packets, or nothing."""
    native = policy.native.get(NAME)
    if native is not None and native.before.get(sent.direction):
        return "native lines come first"
    for rule in policy.list_for(sent.direction):
        if not overlaps(rule, sent):
            continue
        if rule.action != "allow":
            return "one of them (%s) says %s" % (rule.describe(), rule.action)
        if rule.log is not None or rule.limit is not None or rule.scope is not None:
            return "one of them (%s) logs or has a limit" % rule.describe()
        if covers(rule, sent):
            return ""
    return "" if policy.defaults[sent.direction] == "allow" else "they do not"


# -- writing ---------------------------------------------------------------------------------------------------------------------


def nat_policies(nat: t.Sequence[NatRule], turned: bool = False) -> t.Tuple[t.List[OwnPolicy], Sets]:
    """Return the policies that supported translations are, and their sets.

    :param turned: whether this firewalld compares the source with the interface that a packet arrives on (2.3 and later).
    """
    policies = []
    sets: Sets = {}
    for number, run in enumerate(_runs(nat_as_kept(nat)), 1):
        way = way_of(run[0].kind)
        items = []
        for one in run:
            rules, named = _rich_rules(one, turned)
            items.append(Item(rules, one.comment, "nat"))
            sets.update(named)
        policies.append(OwnPolicy(NAT[way] % number, way, CONTINUE, tuple(items)))
    return policies, sets


def _runs(nat: t.Sequence[NatRule]) -> t.List[t.List[NatRule]]:
    """Return the translations in groups that can be in one policy, in order."""
    runs: t.List[t.List[NatRule]] = []
    for one in nat:
        if runs and way_of(runs[-1][0].kind) == way_of(one.kind):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _rich_rules(one: NatRule, turned: bool) -> t.Tuple[t.Tuple[RichRule, ...], Sets]:
    rules: t.List[RichRule] = []
    sets: Sets = {}
    for family in sorted(families_of(one)):
        passage = {side: _passage(getattr(one, side), one.interface, family, sets) for side in ("source", "destination")}
        plain = {side: _plain(getattr(one, side), sets) for side in ("source", "destination")}
        if one.kind == "masquerade":
            sides = ["destination" if turned else "source"]
        else:
            sides = ["destination", "source"] if one.interface is not None else [""]
        for words in _words(one):
            for side in sides:
                matches = {name: passage[name] if name == side else plain[name] for name in plain}
                element = "masquerade" if one.kind == "masquerade" else "forward-port"
                rules.append(RichRule(0, FAMILIES[family], matches["source"], matches["destination"], element, words))
    return tuple(rules), {name: sets[name] for name in sets if any(name in _named(rule) for rule in rules)}


def _named(rule: RichRule) -> t.List[t.Optional[str]]:
    return [match.ipset for match in (rule.source, rule.destination) if match is not None]


def _words(one: NatRule) -> t.List[t.Tuple[t.Tuple[str, str], ...]]:
    if one.kind == "masquerade":
        return [()]
    ends = [("to-port", str(one.to_port))] if one.to_port is not None else []
    ends += [("to-addr", str(one.to_address))] if one.to_address is not None else []
    protocol = PORT_NAMES[t.cast(int, one.protocol)]
    return [(("port", str(port)), ("protocol", protocol), *ends) for port in one.ports or (_ALL_PORTS,)]


def _passage(addresses: Addresses, interface: t.Optional[str], family: int, sets: Sets) -> t.Optional[Match]:
    if interface is None:
        return None
    passage = make_passage(addresses, interface, family)
    name = passage_name(passage)
    sets[name] = passage
    return Match(ipset=name)


def _plain(addresses: Addresses, sets: Sets) -> t.Optional[Match]:
    if addresses.any:
        return None
    if len(addresses.networks) == 1:
        return Match(address=network_text(addresses.networks[0]), invert=addresses.negated)
    name = set_name(addresses)
    sets[name] = Addresses(addresses.networks)
    return Match(ipset=name, invert=addresses.negated)


# -- reading ---------------------------------------------------------------------------------------------------------------------


def read_translations(policies: t.Iterable[OwnPolicy], sets: t.Mapping[str, t.Optional[Content]]) -> t.Tuple[NatRule, ...]:
    """Return the translations in our policies, in their order.

    :raises HoldfastError: where a rich rule is none that a translation becomes.
    """
    found: t.List[NatRule] = []
    for policy in sorted((one for one in policies if nat_place(one.name) is not None), key=lambda one: nat_place(one.name) or (0, "")):
        for item in _paired(policy.items, sets):
            found += _item(item, sets)
    return tuple(found)


def _paired(items: t.Sequence[Item], sets: t.Mapping[str, t.Optional[Content]]) -> t.List[Item]:
    """Return the items, where the two rules for one translation are two items (the note is lost) as one."""
    found: t.List[Item] = []
    for item in items:
        before = found[-1] if found else None
        if before is not None and len(item.rules) == len(before.rules) == 1:
            both = (*before.rules, *item.rules)
            parts = [_translation(rule, sets) for rule in both]
            if parts[0].interface is not None and parts[0].family == parts[1].family and _becomes(_merged(parts), both):
                found[-1] = replace(before, rules=both)
                continue
        found.append(item)
    return found


def _item(item: Item, sets: t.Mapping[str, t.Optional[Content]]) -> t.List[NatRule]:
    parts = [_translation(rule, sets) for rule in item.rules]
    whole = _merged(parts)
    if _becomes(whole, item.rules):
        return [replace(whole, comment=item.comment)]
    for one, rule in zip(parts, item.rules):
        if not _becomes(one, (rule,)):
            raise HoldfastError("This rich rule is no translation as a policy has it: %s" % rule.text())
    return [replace(one, comment=item.comment) for one in parts]


def _becomes(one: NatRule, rules: t.Sequence[RichRule]) -> bool:
    if _fields(one):
        return False
    plain = [replace(rule, priority=0) for rule in rules]
    return any(list(_rich_rules(one, turned)[0]) == plain for turned in (False, True))


def _merged(parts: t.Sequence[NatRule]) -> NatRule:
    first = parts[0]
    families = {one.family for one in parts}
    ports = merge_ports(span for one in parts for span in one.ports) if all(one.ports for one in parts) else ()
    # Of two rules for the same the first has its destination in a set with the interface, and the other one its source.
    negated = [one.destination for one in parts if one.destination.negated]
    return replace(
        first,
        family=None if families == {4, 6} else first.family,
        ports=ports,
        destination=negated[0] if negated else first.destination,
    )


def _translation(rule: RichRule, sets: t.Mapping[str, t.Optional[Content]]) -> NatRule:
    """Return what one rich rule does; whether it is one that a translation becomes is not asked here.

    :raises HoldfastError: where it has parts that no translation has.
    """
    if rule.family is None or rule.element not in ("masquerade", "forward-port") or rule.log is not None or rule.action is not None:
        raise HoldfastError("This rich rule is no translation as a policy has it: %s" % rule.text())
    family = _VERSIONS[rule.family]
    sides = []
    interface = None
    for match in (rule.source, rule.destination):
        addresses, name = _addresses(match, sets, rule)
        sides.append(addresses)
        interface = interface or name
    if rule.element == "masquerade":
        return NatRule("masquerade", family, None, sides[0], sides[1], interface=interface)
    first, _dash, last = rule.word("port").partition("-")
    to_port, to_address = rule.word("to-port"), rule.word("to-addr")
    try:
        span = PortRange(int(first), int(last or first))
        return NatRule(
            "dnat" if to_address else "redirect", family, _NUMBERS.get(rule.word("protocol")), sides[0], sides[1],
            () if span == _ALL_PORTS else (span,), interface, ipaddress.ip_address(to_address) if to_address else None,
            int(to_port) if to_port else None,
        )  # fmt: skip
    except ValueError:
        raise HoldfastError("This rich rule is no translation as a policy has it: %s" % rule.text()) from None


def _addresses(
    match: t.Optional[Match], sets: t.Mapping[str, t.Optional[Content]], rule: RichRule
) -> t.Tuple[Addresses, t.Optional[str]]:  # fmt: skip
    if match is None:
        return ANY, None
    try:
        if match.address is not None:
            return make_addresses([ipaddress.ip_network(match.address, strict=False)], match.invert), None
    except ValueError:
        pass
    content = sets.get(match.ipset or "")
    if isinstance(content, Passage) and not match.invert:
        return content.addresses, content.interface
    if isinstance(content, Addresses):
        return replace(content, negated=match.invert), None
    raise HoldfastError("This rich rule names a set that no translation has: %s" % rule.text())
