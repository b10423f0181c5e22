# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld has in force, and the lists of it in our terms.

Pure: touches nothing. A packet that arrives meets, in this order: our first policy, other policies of a negative priority, the rules of its
zone (logs, denials, permissions), our last policy, other policies of a positive priority, and what its zone does with the rest.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ...analysis.relation import overlaps
from ...policy.errors import HoldfastError
from ...policy.protocols import ICMP, ICMPV6
from ...policy.rule import DIRECTIONS, Rule
from ..ruleset import BOTH_FAMILIES, Chain, Entry, Ruleset
from .meaning import Books, block_rules, merged, port_rule, protocol_rule, rules_of_rich, service_rules
from .names import CONTINUE, FIRST, LAST, PREFIX, WAY, nat_place
from .objects import Content, OwnPolicy, files_text, own_files, own_policy, plain_sets, read_set
from .rich import RichRule, parse_rich

Facts = t.Mapping[str, t.Any]

#: Programs whose zones and policies are never changed, by what their names start with.
OWNERS = {"docker": "docker", "libvirt": "libvirt", "podman": "podman", "netavark": "podman", "lxd": "lxd", "incus": "incus"}
_ACTION_OF = {"ACCEPT": "allow", "DROP": "deny", "REJECT": "reject", "%%REJECT%%": "reject"}
#: What firewalld calls the settings of a zone.
KEYS = {
    "rule": "rules_str", "icmp-block": "icmp_blocks", "service": "services", "port": "ports", "source-port": "source_ports",
    "protocol": "protocols",
}  # fmt: skip
#: The state in the facts of a firewalld that does not run.
STOPPED = "STOPPED"
#: The first line of a listing whose rules the kernel does not have.
NOT_IN_FORCE = "# NOT IN FORCE: nftables does not have the rules below as firewalld made them\n"


@dataclass(frozen=True)
class Place:
    """Where an entry is: in one of our policies (``own``), or in a zone (``zone``) as a setting; else in nothing that is changed here.

    :ivar means: what the setting of a zone means for the packets that come into that zone.
    """

    kind: str
    name: str = ""
    number: int = -1
    setting: str = ""
    value: t.Any = None
    means: t.Tuple[Rule, ...] = ()


@dataclass(frozen=True)
class State:
    """Everything that is known of firewalld.

    :ivar facts: what it said of itself.
    :ivar own: our policies as they are in force.
    :ivar sets: every set in force that the language can say.
    :ivar odd: what somebody put into our policies that a policy does not have.
    :ivar files: the texts of our files on disk.
    :ivar beneath: whether nftables has not what firewalld thinks is in force.
    :ivar lost: whether it has not even the base chains, so that a reload would fail.
    """

    facts: Facts
    own: t.Tuple[OwnPolicy, ...]
    sets: t.Mapping[str, t.Optional[Content]]
    odd: t.Tuple[str, ...] = ()
    files: t.Mapping[str, str] = field(default_factory=dict)
    beneath: bool = False
    lost: bool = False

    @property
    def stopped(self) -> bool:
        """Whether firewalld does not run, so that only its files are known."""
        return self.facts.get("state") == STOPPED

    def books(self) -> Books:
        """Return what names stand for."""
        return Books(plain_sets(self.sets), self.facts.get("services", {}))

    def policy(self, name: str) -> t.Optional[OwnPolicy]:
        """Return a policy of ours."""
        return next((one for one in self.own if one.name == name), None)

    def whole(self) -> bool:
        """Return whether our policies are a whole policy."""
        return any(one.target != CONTINUE or nat_place(one.name) is not None for one in self.own)

    def live_files(self) -> t.Dict[str, str]:
        """Return the files that would say what of ours is in force."""
        return own_files(self.own, {name: one for name, one in self.sets.items() if one is not None})

    def own_text(self) -> str:
        """Return what of ours is in force, as text; empty where nothing is."""
        text = files_text(self.live_files()) + "".join("# by hand: %s\n" % one for one in self.odd)
        return (NOT_IN_FORCE if self.beneath else "") + text if text else ""

    def text(self) -> str:
        """Return everything that decides, as text."""
        parts = [self.own_text()]
        for kind in ("zones", "policies"):
            for name, settings in sorted(self.facts.get(kind, {}).items()):
                if name.startswith(PREFIX) or settings.get("disable"):
                    continue
                if kind == "policies" or name in zones_in_use(self.facts):
                    parts.append("# %s %s\n%s" % ({"zones": "zone", "policies": "policy"}[kind], name, _settings_text(settings)))
        parts.append("# default zone %s\n" % self.facts.get("default zone"))
        return "".join(parts)


def make_state(facts: Facts, files: t.Mapping[str, str], beneath: bool = False) -> State:
    """Return the state that firewalld told.

    :raises HoldfastError: where one of our policies has a rule that cannot be read.
    """
    sets: t.Dict[str, t.Optional[Content]] = {}
    for name, settings in facts.get("ipsets", {}).items():
        sets[name] = read_set(settings[3], settings[4], settings[5])
    own = []
    odd: t.List[str] = []
    for name, settings in sorted(facts.get("policies", {}).items()):
        try:
            found = own_policy(name, settings.get("target", CONTINUE), settings.get("description", ""), settings.get("rich_rules", []))
        except HoldfastError as exc:
            found = own_policy(name, settings.get("target", CONTINUE), "", [])
            odd.append("%s: %s" % (name, exc.msg))
        if found is None:
            continue
        own.append(found)
        odd += _odd(found, settings)
    return State(facts, tuple(own), sets, tuple(odd), dict(files), beneath)


def _odd(policy: OwnPolicy, settings: Facts) -> t.List[str]:
    names = ("services", "ports", "protocols", "source_ports", "icmp_blocks", "forward_ports", "masquerade", "disable")
    found = ["%s: %s %s" % (policy.name, name, settings[name]) for name in names if settings.get(name)]
    ways = tuple(settings.get(name, []) for name in ("ingress_zones", "egress_zones"))
    if ways != tuple([one] for one in WAY[policy.direction]):
        found.append("%s: from %s to %s" % (policy.name, *ways))
    return found


def zones_in_use(facts: Facts) -> t.List[str]:
    """Return the zones that packets can come into, the default zone last."""
    default = facts.get("default zone", "")
    return [name for name in sorted(facts.get("active", {})) if name != default] + [default]


def in_force_only(facts: Facts, zone: str, setting: str, value: t.Any) -> bool:
    """Return whether a setting of a zone is in force and not on disk, so that it goes with the next reload or boot."""
    saved = facts.get("saved zones", {}).get(zone)
    if saved is None:
        return False
    wanted = list(value) if isinstance(value, (list, tuple)) else value
    return all((list(one) if isinstance(one, (list, tuple)) else one) != wanted for one in saved.get(KEYS[setting], []))


def make_ruleset(state: State) -> Ruleset:
    """Return the lists of a state."""
    chains: t.List[Chain] = []
    for direction in DIRECTIONS:
        chains += _Builder(state, direction).chains()
    return Ruleset(tuple(chains), state.text())


def lets_some_in(state: State, ruleset: Ruleset, rule: Rule) -> bool:
    """Return whether a zone that packets can come into lets in some of what an allow is for, from wherever; zones of programs aside."""
    zones = state.facts.get("zones", {})
    for name in zones_in_use(state.facts):
        if zones.get(name, {}).get("target") == "ACCEPT" and not name.startswith(tuple(OWNERS)):
            return True
    entries = [entry for chain in ruleset.chains if chain.owner is None for entry in chain.entries if isinstance(entry.ref, Place)]
    return any(one.action == "allow" and overlaps(one, rule) for entry in entries for one in entry.ref.means)


class _Builder:
    """Makes the list of one direction, and a list for each zone or policy of another program."""

    def __init__(self, state: State, direction: str) -> None:
        self._state = state
        self._facts = state.facts
        self._direction = direction
        self._books = state.books()
        self._entries: t.List[Entry] = []
        self._others: t.List[Chain] = []
        self._base = Rule("allow", direction, protocol=None)

    def chains(self) -> t.List[Chain]:
        first = self._state.policy(FIRST[self._direction])
        whole = first is not None and first.target != CONTINUE
        self._own(first)
        if whole and first is not None:
            default = _ACTION_OF.get(first.target, "deny")
        else:
            self._policies(True)
            default = self._zones()
        if self._state.lost or self._state.stopped:
            default = "allow"
        chain = Chain(
            "firewalld %s" % self._direction, frozenset({self._direction}), BOTH_FAMILIES, "allow" if default == "allow" else "deny",
            tuple(self._entries), True, "holdfast" if whole else None, False, self._state,
        )  # fmt: skip
        return [chain, *self._others]

    def _own(self, policy: t.Optional[OwnPolicy]) -> None:
        for number, item in enumerate(policy.items if policy is not None else ()):
            native = tuple(one.text() for one in item.rules)
            place = Place("own", policy.name if policy is not None else "", number, item.kind)
            whole = merged(item.rules, self._direction, self._books) if item.kind != "denied" else None
            if whole is not None:
                self._entries.append(Entry(native, replace(whole, comment=item.comment), ref=place))
            else:
                parts = [rules_of_rich(one, self._direction, self._books) for one in item.rules] if item.kind != "denied" else [None]
                known = tuple(rule for found in parts for rule in found or ()) if all(found is not None for found in parts) else ()
                self._entries.append(Entry(native, parts=known, ref=place))

    def _policies(self, early: bool) -> None:
        found = sorted(self._facts.get("policies", {}).items(), key=lambda one: (one[1].get("priority", -1), one[0]))
        for name, settings in found:
            if name.startswith(PREFIX) or settings.get("disable"):  # such are packaged from firewalld 2.4 on
                continue
            if (settings.get("priority", -1) < 0) != early or not self._passes_here(settings):
                continue
            everywhere = (settings.get("ingress_zones"), settings.get("egress_zones")) == tuple([one] for one in WAY[self._direction])
            inner = self._settings("policy " + name, settings, everywhere, None, ())
            action = _ACTION_OF.get(settings.get("target", CONTINUE))
            if action is not None:
                line = ("policy %s: target %s" % (name, settings["target"]),)
                inner.append(Entry(line, replace(self._base, action=action) if everywhere else None, ref=Place("other")))
            self._add("policy " + name, name, inner, everywhere)

    def _passes_here(self, settings: Facts) -> bool:
        ways = {"in": (False, True), "out": (True, False), "forward": (False, False)}[self._direction]
        return ("HOST" in settings.get("ingress_zones", []), "HOST" in settings.get("egress_zones", [])) == ways

    def _add(self, title: str, name: str, inner: t.List[Entry], everywhere: bool) -> None:
        owner = next((program for start, program in OWNERS.items() if name.startswith(start)), None)
        if owner is None:
            self._entries += inner
            return
        chain = "%s (%s)" % (title, self._direction)
        self._others.append(Chain(chain, frozenset({self._direction}), BOTH_FAMILIES, "allow", tuple(inner), False, owner))
        self._entries.append(Entry((chain,), jump=chain, match=self._base if everywhere else None, ref=Place("other")))

    def _zones(self) -> str:
        """Add what zones decide, our last policy, and what zones do with the rest; return that of the default zone."""
        if self._direction == "out":
            self._own(self._state.policy(LAST["out"]))
            self._policies(False)
            return "allow"
        names = zones_in_use(self._facts)
        ends: t.List[Entry] = []
        default = "deny"
        for name in names:
            settings = self._facts.get("zones", {}).get(name, {})
            bound = self._facts.get("active", {}).get(name, {})
            alone = len(names) == 1
            interfaces = tuple(bound.get("interfaces", ())) if name != names[-1] else ()
            clear = (alone or bool(interfaces)) and not (bound.get("sources") if not alone else None) and self._direction == "in"
            inner = self._settings("zone " + name, settings, clear, name, interfaces) if self._direction == "in" else []
            self._add("zone " + name, name, inner, alone)
            action = _ACTION_OF.get(settings.get("target", "default"), "reject")
            if name == names[-1]:
                default = action
            ends += self._end(name, settings, action, clear, interfaces, name == names[-1])
        self._own(self._state.policy(LAST[self._direction]))
        self._policies(False)
        self._entries += ends
        return default

    def _end(
        self, name: str, settings: Facts, action: str, clear: bool, interfaces: t.Sequence[str], last: bool
    ) -> t.List[Entry]:  # fmt: skip
        found: t.List[Entry] = []
        line = "zone %s: target %s" % (name, settings.get("target", "default"))
        rules: t.List[Rule] = []
        if self._direction == "in" and settings.get("target", "default") == "default":
            rules += [replace(self._base, family=4, protocol=ICMP), replace(self._base, family=6, protocol=ICMPV6)]
        if not last:
            rules.append(replace(self._base, action=action))
        for rule in rules:
            for one in [replace(rule, interface=word) for word in interfaces] or [rule]:
                found.append(Entry((line,), one if clear else None, ref=Place("other")))
        return found

    def _settings(self, title: str, settings: Facts, clear: bool, zone: t.Optional[str], interfaces: t.Sequence[str]) -> t.List[Entry]:
        """Return the entries of a zone or policy in the order in which they decide."""
        found: t.List[t.Tuple[t.Tuple[int, int], Entry]] = []

        def add(order: t.Tuple[int, int], setting: str, value: t.Any, text: str, rules: t.Optional[t.Sequence[Rule]]) -> None:
            place = Place("zone", zone, -1, setting, value, tuple(rules or ())) if zone is not None else Place("other")
            known = tuple(replace(rule, interface=word) for rule in rules or () for word in interfaces or (None,)) if clear else ()
            passing = zone is not None and in_force_only(self._facts, zone, setting, value)
            whole = len(known) == 1 and not passing
            parts = () if whole else known
            entry = Entry(("%s: %s" % (title, text),), known[0] if whole else None, parts, place, passing=passing)
            found.append((order, entry))

        for text in [*settings.get("rules_str", []), *settings.get("rich_rules", [])]:
            rich = _rich(text)
            rules = rules_of_rich(rich, self._direction, self._books) if rich is not None else None
            add(_order(rich), "rule", text, text, rules)
        for name in settings.get("icmp_blocks", []):
            rules = None if settings.get("icmp_block_inversion") else block_rules(replace(self._base, action="reject"), name)
            add((0, 1), "icmp-block", name, "icmp-block %s" % name, rules)
        for name in settings.get("services", []):
            add((0, 2), "service", name, "service %s" % name, service_rules(self._base, self._books.services.get(name)))
        for setting, source in (("ports", False), ("source_ports", True)):
            for port, protocol in settings.get(setting, []):
                rule = port_rule(self._base, port, protocol, source)
                word = "source-port" if source else "port"
                add((0, 2), word, (port, protocol), "%s %s/%s" % (word, port, protocol), [rule] if rule is not None else None)
        for name in settings.get("protocols", []):
            rule = protocol_rule(self._base, name)
            add((0, 2), "protocol", name, "protocol %s" % name, [rule] if rule is not None else None)
        return [entry for _place, entry in sorted(found, key=lambda one: one[0])]


def _rich(text: str) -> t.Optional[RichRule]:
    try:
        return parse_rich(text)
    except HoldfastError:
        return None


def _order(rich: t.Optional[RichRule]) -> t.Tuple[int, int]:
    if rich is None:
        return (0, 1)
    if rich.priority:
        return (rich.priority, 0)
    return (0, 0 if rich.action is None and rich.element is None else 2 if rich.action == "accept" else 1)


def _settings_text(settings: Facts) -> str:
    lines = []
    for key in sorted(settings):
        value = settings[key]
        if key in ("short", "description", "version", "interfaces") or value in ([], False, ""):
            continue
        if isinstance(value, list):
            lines += ["  %s %s" % (key, "/".join(map(str, one)) if isinstance(one, list) else one) for one in sorted(value, key=str)]
        else:
            lines.append("  %s %s" % (key, value))
    return "".join(line + "\n" for line in lines)
