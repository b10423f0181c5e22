# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewalld backend: policies of firewalld with rich rules of ours, beside the zones of the administrator.

Touches the host through ``host`` only; ``apply`` loads, ``persist`` writes the files for good.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import replace

from ...policy.addresses import make_addresses, network_text
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import DIRECTIONS, Rule
from ..base import MANAGEMENT, Backend, Command, Sighting, Snapshot, Transaction, Unsupported
from ..ruleset import BOTH_FAMILIES, Chain, Edit, Entry, Ruleset
from . import kernel, loading
from .names import CHAINS, CONFIG, FIRST, LAST, NAME, PREFIX, ipset_path, nat_paths, nat_place, policy_path
from .render import normalise, rich_rules, sets_of, unsupported
from .rich import parse_rich
from .state import NOT_IN_FORCE, STOPPED, State, make_ruleset, make_state
from .switch import is_running, persist_switch, starts_at_boot

_ENTRIES = re.compile(r"firewall-cmd --permanent --ipset=(?P<name>\S+)(?: --add-entry=[0-9a-f.:/]+)+\Z")
_COMMAND = re.compile(r"firewall-cmd (?:--permanent )?--policy=(?P<policy>\S+) --add-rich-rule='(?P<rule>[^']*)'\s*\Z")
_DIRECTED = re.compile(r"(?:(?P<direction>in|out|forward)\s*:?\s+)?(?P<rule>rule\b.*)\Z")


class Firewalld(Backend):
    """firewalld with its nftables backend.

    Rules are rich rules in policies of firewalld of our own: ``holdfast-in``, ``holdfast-out`` and ``holdfast-fwd`` decide before all zones
    and other policies, ``holdfast-in-end`` and its like behind the rules of zones and before what a zone does with the rest. A whole
    policy has its defaults as the targets of the first three.

    What firewalld does before any rule, whatever is asked of it:

    * Packets of known connections pass, so a deny or reject stops new connections only, stateful or not (``normalise``). What arrives and
      belongs to no connection is dropped, so of ``in`` and ``forward`` a stateful allow and one that is not are the same too; in ``out``,
      where that is not so, a stateful allow is refused.
    * The host's talk with itself passes. What somebody's destination translation sends on passes too; a policy that decides forwarding is
      refused where such a translation is in force.
    * IPv6 packets from addresses that do not lie behind their interface, and to addresses that embed IPv4 ones (RFC 3964), are stopped.

    Translations are policies of their own, ``holdfast-nat1-fwd`` and its like, with forward ports and masquerades. Since what they send on
    passes before all rules too, a dnat or redirect is carried where the rules allow all of it.

    Comments, and which rich rules are one rule, are in the description of our policies. Interfaces, limits for each source, source and
    destination ports together and ICMP types without a name are refused (``unsupported``). The guard says multicast listener discovery
    by its addresses (``policy_as_kept``).

    A reload drops what is in force but not on disk; it is put back in the same change. What somebody added with ``--timeout`` cannot be
    told from the rest, and stays until the next reload.
    """

    NAME = NAME
    #: The files are those from before again once a change is in force, and change for good when it is confirmed.
    PERSISTS_AT_ONCE = False
    #: How many seconds a reload takes, once that is known. It drops new connections, so who comes too early comes a second too late.
    _reload: t.Optional[float] = None
    #: What nftables listed when a change was confirmed, for the note of it that follows at once.
    _confirmed: t.Optional[str] = None

    # -- pure ------------------------------------------------------------------------------------------------------------------

    def unsupported(self, rule: Rule) -> t.Tuple[Unsupported, ...]:
        return unsupported(normalise(rule))

    def normalise(self, rule: Rule) -> Rule:
        return normalise(rule)

    def render(self, rule: Rule) -> t.Tuple[str, ...]:
        """Return the commands that an administrator would type; a rule itself is put in force by files."""
        rule = normalise(rule)
        lines = []
        for name, addresses in sets_of(rule).items():
            family = " --option=family=inet6" if addresses.family == 6 else ""
            entries = "".join(" --add-entry=%s" % network_text(one) for one in addresses.networks)
            lines.append("firewall-cmd --permanent --new-ipset=%s --type=hash:net%s" % (name, family))
            lines.append("firewall-cmd --permanent --ipset=%s%s" % (name, entries))
        for rich in rich_rules(rule):
            lines.append("firewall-cmd --permanent --policy=%s --add-rich-rule='%s'" % (FIRST[rule.direction], rich.text()))
        return tuple(lines)

    def parse(self, text: str) -> Ruleset:
        """Read the files of ours in a listing, or commands as ``render`` writes them."""
        from .meaning import Books, rules_of_rich
        from .objects import plain_sets, read_files, split_files

        policies, sets = read_files({path: one for path, one in split_files(text).items() if path.startswith(CONFIG)})
        if policies:
            return make_ruleset(State({}, tuple(policies), sets, (), {}, text.startswith(NOT_IN_FORCE)))
        chains = {direction: [] for direction in DIRECTIONS}  # type: t.Dict[str, t.List[Entry]]
        for line in filter(None, map(str.strip, text.splitlines())):
            entries = _ENTRIES.match(line)
            if entries is not None:
                networks = [ipaddress.ip_network(one) for one in re.findall(r"--add-entry=(\S+)", line)]
                sets[entries.group("name")] = make_addresses(networks)
            if entries is not None or line.startswith("firewall-cmd --permanent --new-ipset="):
                continue
            found = _COMMAND.match(line)
            direction = "in" if found is None else _direction_of(found.group("policy"))
            rich = parse_rich(line if found is None else found.group("rule"))
            rules = rules_of_rich(rich, direction, Books(plain_sets(sets))) or ()
            chains[direction].append(Entry((line,), rules[0] if len(rules) == 1 else None, rules if len(rules) > 1 else ()))
        return Ruleset(
            tuple(
                Chain("firewalld %s" % direction, frozenset({direction}), BOTH_FAMILIES, "allow", tuple(entries))
                for direction, entries in chains.items()
            ),
            text,
        )

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def sight(self) -> Sighting:
        if self.host.which("firewall-cmd") is None:
            return Sighting(NAME, False, False, "firewall-cmd is not installed")
        state = self.host.run(["firewall-cmd", "--state"])
        said = (state.out or state.err).strip()
        return Sighting(NAME, True, state.ok, "firewalld is %s" % (said or "in an unknown state"))

    def read(self) -> Ruleset:
        return make_ruleset(self._state())

    def _state(self) -> State:
        from .objects import read_files
        from .probe import NotRunning, ask_daemon

        try:
            facts = ask_daemon(self.host)
        except NotRunning:
            files = self._own_files({})
            policies, sets = read_files(files)
            return State({"state": STOPPED}, tuple(policies), sets, (), files)
        if facts.get("panic"):
            raise HoldfastError("firewalld is in panic mode and drops every packet: end it (firewall-cmd --panic-off) and try again")
        state = make_state(facts, self._own_files(facts))
        listed = kernel.table_text(self.host)
        chains = [CHAINS[one.direction] % one.name for one in state.own]
        seen = (self.host.read(loading.SEEN) or "").strip()
        changed = not kernel.has_chains(listed, chains) or kernel.masquerades_what_arrives(listed)
        changed = changed or (bool(seen) and bool(state.own) and seen != kernel.digest(listed))
        return replace(state, beneath=changed, lost=not kernel.has_chains(listed, ()))

    def _own_files(self, facts: t.Mapping[str, t.Any]) -> t.Dict[str, str]:
        """Return the texts of our files on disk, as we write them."""
        from .objects import as_we_write

        paths = [policy_path(one) for names in (FIRST, LAST) for one in names.values()]
        noted = {policy_path(one) for kind in ("policies", "saved policies") for one in facts.get(kind, ()) if nat_place(one) is not None}
        paths += sorted({*noted, *nat_paths(self.host.exists)})
        names = {*facts.get("ipsets", {}), *facts.get("saved ipsets", {})}
        paths += [ipset_path(one) for one in sorted(names) if one.startswith(PREFIX)]
        texts = {path: self.host.read(path) for path in paths}
        return {path: as_we_write(path, text) for path, text in texts.items() if text is not None}

    def status(self) -> t.Dict[str, t.Any]:
        from .probe import NotRunning, ask_daemon

        boots = starts_at_boot(self.host)
        try:
            facts = ask_daemon(self.host)
        except NotRunning:
            return {"enabled": False, "at_boot": boots, "version": self.host.run(["firewall-offline-cmd", "--version"]).out.strip()}
        return {
            "version": facts["version"], "variant": facts["backend"], "enabled": True, "at_boot": boots, "panic": facts["panic"],
            "default_zone": facts["default zone"], "active_zones": sorted(facts["active"]),
            "in_force": kernel.has_chains(kernel.table_text(self.host), ()),
        }  # fmt: skip

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        return next(one for one in ruleset.chains if one.base and direction in one.directions)

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        from .known_names import unknown_name
        from .policy_text import bad_native

        facts = _state_of(ruleset).facts if wanted else {}
        found: t.List[t.Tuple[Chain, t.Optional[Entry]]] = []
        for line in text.splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            direction, rule = split_native(line)
            reason = bad_native(rule) or unknown_name(self.host, facts, parse_rich(rule))
            if reason:
                raise HoldfastError("firewalld refuses the rule '%s': %s" % (line, reason))
            chain = self.home(ruleset, direction, 4)
            canonical = parse_rich(rule).text()
            found.append((chain, next((one for one in chain.entries if one.native[-1].endswith(canonical) and len(one.native) == 1), None)))
        return found

    # -- changing --------------------------------------------------------------------------------------------------------------

    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        from .edits import Draft
        from .planning import make_plan

        state = _running(ruleset)
        draft = Draft(state)
        for edit in edits:
            if edit.native is not None:
                edit = replace(edit, native=split_native(edit.native)[1])
            draft.edit(edit)
        return make_plan(self.host, state, draft.policies(), draft.sets, draft.cut)

    def wake(self, ruleset: Ruleset) -> t.Optional[Transaction]:
        from .planning import make_plan

        state = _running(ruleset)
        if not state.beneath and state.live_files() == dict(state.files):
            return None
        return make_plan(self.host, state, state.own, {name: one for name, one in state.sets.items() if one is not None}, ())

    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        from .edits import emptied
        from .planning import emptied_zones, make_plan

        state = _running(ruleset)
        zones = emptied_zones(self.host, state)
        denies = any(one.base and one.default == "deny" for one in make_ruleset(replace(state, own=(), beneath=False)).chains)
        draft = emptied(state, keep if denies else {})
        if not zones and not state.own:
            return Transaction((), ruleset.listing)
        return make_plan(self.host, state, draft.policies(), draft.sets, (), zones)

    # -- whole policies --------------------------------------------------------------------------------------------------------

    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        from .policy_text import policy_unsupported

        return policy_unsupported(policy)

    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        from .objects import files_text, own_files
        from .policy_text import policies_of

        return files_text(own_files(*policies_of(policy)))

    def parse_policy(self, text: str) -> Policy:
        from .objects import read_files, split_files
        from .policy_text import read_policies

        policies, sets = read_files({path: one for path, one in split_files(text).items() if path.startswith(CONFIG)})
        if not policies:
            raise HoldfastError("There is no policy of firewalld with a name of ours (%s) in this text" % ", ".join(FIRST.values()))
        return read_policies(policies, sets)

    def policy_as_kept(self, policy: Policy) -> Policy:
        from .policy_text import as_kept

        return as_kept(policy)

    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        from .policy_text import read_policies

        state = _running(ruleset)
        if not state.whole():
            return None
        if state.odd:
            raise HoldfastError("Our policies of firewalld have what a policy does not have: %s" % "; ".join(state.odd))
        return read_policies(state.own, state.sets)

    def own_listing(self, ruleset: Ruleset) -> str:
        return _state_of(ruleset).own_text()

    def live_text(self, whole: bool = False) -> str:
        listed, self._confirmed = self._confirmed, None
        if listed is None:
            listed = kernel.table_text(self.host) or ""
        files = [policy_path(one) for names in (FIRST, LAST) for one in names.values()] + nat_paths(self.host.exists)
        texts = ["%s\n%s" % (path, self.host.read(path)) for path in files if self.host.exists(path)]
        return "".join(texts) + (listed if whole else kernel.own_part(listed))

    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        from .known_names import refuse_unknown_names
        from .nat_checks import compares_source_with_arrival, refuse_translations_of_others, refuse_without_routing
        from .planning import emptied_zones, make_plan, wanted_files
        from .policy_text import policies_of
        from .zone_files import zone_of

        state = _running(ruleset)
        zones = emptied_zones(self.host, state) if alone and wanted is not None else {}
        if wanted is None:
            return self._plan_deleted(ruleset, state) if state.own or state.files else Transaction((), ruleset.listing)
        refuse_translations_of_others(self.host, wanted, [zone_of(path) for path in zones])
        policies, sets = policies_of(wanted, compares_source_with_arrival(self.host, wanted.nat))
        refuse_unknown_names(self.host, state.facts, wanted, sets)
        if state.own and not zones and not state.odd and not state.beneath:
            files = wanted_files(policies, sets)
            if files == state.live_files() and files == dict(state.files):
                return Transaction((), ruleset.listing)
        refuse_without_routing(self.host, wanted.nat)
        return make_plan(self.host, state, policies, sets, (), zones)

    def _plan_deleted(self, ruleset: Ruleset, state: State) -> Transaction:
        """Return what takes out all of ours but the access for administrators, where no zone that is left gives it to anybody.

        Where one gives it, be it at one interface or to one source, administrators came in that way before; the new connection proves it.
        """
        from ..placement import place_needed
        from .edits import Draft
        from .planning import make_plan
        from .state import lets_some_in

        left = replace(state, own=(), sets={name: one for name, one in state.sets.items() if not name.startswith(PREFIX)}, files={})
        after = make_ruleset(left)
        draft = Draft(left)
        for chain in ruleset.chains:
            for entry in chain.entries:
                if entry.rule is None or entry.rule.comment != MANAGEMENT:
                    continue
                closed = [one for one in entry.rule.ports if not lets_some_in(left, after, replace(entry.rule, ports=(one,)))]
                for edit in place_needed(self, after, replace(entry.rule, ports=tuple(closed))).edits if closed else ():
                    draft.edit(edit)
        return make_plan(self.host, state, draft.policies(), draft.sets, ())

    # -- the firewall as a whole ---------------------------------------------------------------------------------------------------

    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        from .differences import runtime_only
        from .switch import switch_transaction

        found = _state_of(ruleset)
        return switch_transaction(self.host, ruleset, found, state, keep, [] if found.stopped else runtime_only(found.facts))

    def is_enabled(self, ruleset: Ruleset) -> bool:
        return is_running(self.host) and kernel.has_chains(kernel.table_text(self.host), ())

    def install_commands(self) -> t.Tuple[Command, ...]:
        from ..packages import install_package

        return (
            ()
            if self.host.which("firewall-cmd") is not None
            else install_package(self.host, self.NAME, "firewalld", unit="firewalld.service")
        )

    # -- both ------------------------------------------------------------------------------------------------------------------

    def validate(self, transaction: Transaction) -> None:
        from .checker import check

        # A firewalld that starts with files it cannot read starts without them, and nothing brings its old rules back.
        starts = transaction.persist.get("switch", "disabled") != "disabled"
        if transaction.commands and (transaction.persist["files"] or starts):
            took = check(self.host, transaction.persist["files"])
            alone = [one.argv for one in transaction.commands if one.argv[0] not in ("tee", "rm")] == [loading.RELOAD]
            self._reload = took if alone else None

    def loads_in(self, validated: float) -> float:
        return self._reload if self._reload is not None else 2 * super().loads_in(validated)

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        from .switch import switch_snapshot

        return switch_snapshot(transaction) if "switch" in transaction.persist else loading.make_snapshot(transaction)

    def apply(self, transaction: Transaction) -> None:
        if transaction.commands:
            loading.apply(self.host, transaction)

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        if not facts or "files" not in facts:
            return []
        if "switch" in facts:
            return persist_switch(self.host, facts) + loading.write_files(self.host, facts["files"])
        listed = kernel.table_text(self.host)
        if (self.host.read(loading.APPLIED) or "").strip() != kernel.digest(listed):
            raise HoldfastError("firewalld was reloaded or changed by somebody else before the change was confirmed")
        self.host.remove(loading.APPLIED)
        written = loading.write_files(self.host, facts["files"])
        if facts.get("seen"):
            self.host.write(loading.SEEN, kernel.digest(listed) + "\n", 0o644)
        else:
            self.host.remove(loading.SEEN)
        self._confirmed = listed
        return ["%s %s" % ("wrote" if facts["files"][path] is not None else "removed", path) for path in written]


def _direction_of(name: str) -> str:
    direction = next((one for one in DIRECTIONS if name in (FIRST[one], LAST[one])), None)
    if direction is None:
        raise HoldfastError("%s is no policy of firewalld that is ours" % name)
    return direction


def split_native(line: str) -> t.Tuple[str, str]:
    """Return the direction and the rich rule of a raw line; without a direction it is ``in``.

    :raises HoldfastError: for what is no rich rule.
    """
    found = _DIRECTED.match(line)
    if found is None:
        raise HoldfastError("This is not a rich rule of firewalld, perhaps after in, out or forward: %s" % line)
    return found.group("direction") or "in", found.group("rule")


def _running(ruleset: Ruleset) -> State:
    """Return the state of a firewalld that runs.

    :raises HoldfastError: where it does not.
    """
    state = _state_of(ruleset)
    if state.stopped:
        raise HoldfastError(
            "firewalld is not running on this host, so no rule of it decides: switch it on first (holdfast.firewall.backend with "
            "backend: firewalld and state: enabled)"
        )
    return state


def _state_of(ruleset: Ruleset) -> State:
    state = ruleset.chains[0].ref if ruleset.chains else None
    if not isinstance(state, State):
        raise HoldfastError("These lists were not read from firewalld")
    return state
