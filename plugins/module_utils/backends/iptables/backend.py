# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The iptables backend: ``iptables`` and ``ip6tables``, in their nft and legacy variants.

A rule stands in the built-in chain where it takes effect, one line for each family (two where it is logged). What only some tasks need is
imported where it is used: a target compiles every file that it imports.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import replace

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import DIRECTIONS, Rule
from ..base import Backend, Command, Sighting, Snapshot, Transaction, Unsupported
from ..collecting import uncollected
from ..ruleset import Chain, Edit, Entry, Ruleset
from ..switched_off import refuse_switched_off
from . import render
from .draft import Draft, Key, rebuild_input
from .meaning import Place, build_ruleset, chain_title
from .native import NativeRule, Normaliser, native_lines, parse_native
from .owners import is_foreign, rule_owner
from .saved import FAMILIES, HEADINGS, TOOL_HEADINGS, Tables, is_builtin, make_listing, split_listing
from .sets import KernelSet, list_set, parse_sets, references, restore_text, set_lines, swap_text
from .tools import TOOLS, Tools

Facts = t.Dict[str, t.Any]
Sets = t.Dict[str, KernelSet]


class Iptables(Backend):
    """Rules in the filter tables of IPv4 and IPv6.

    Where a host has no IPv6, or no ip6tables, a rule for both families is a rule for IPv4 (see ``normalise`` and ``warnings``).
    """

    NAME = "iptables"
    REPLY_RULES = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.tools = Tools(host)
        self._normaliser = Normaliser(host)

    @property
    def warnings(self) -> t.Tuple[str, ...]:
        """What a person should know of this host."""
        found = []
        if self.tools.installed() and not self.tools.ipv6():
            found.append("this host has no IPv6 or no ip6tables: rules for both families filter IPv4 only")
        if self.tools.installed() and not self.tools.abilities().sets:
            found.append("ipset is not installed: long lists of addresses are refused, and large policies are laid out without sets")
        other = self.tools.other_variant() if self.tools.installed() else None
        return tuple(found + ([other] if other else []))

    # -- pure ---------------------------------------------------------------------------------------------------------------

    def unsupported(self, rule: Rule) -> t.Tuple[Unsupported, ...]:
        found = render.unsupported(rule, self.tools.abilities())
        if rule.family == 6 and self.tools.installed() and not self.tools.ipv6():
            found.append(Unsupported("family", "ipv6", "this host has no IPv6 or no ip6tables"))
        return tuple(found)

    def normalise(self, rule: Rule) -> Rule:
        if rule.family is None and self.tools.installed() and not self.tools.ipv6():
            return replace(rule, family=4)
        return rule

    def render(self, rule: Rule) -> t.Tuple[str, ...]:
        from .commands import command_lines

        return tuple(command_lines(rule, self.tools.abilities()))

    @uncollected
    def parse(self, text: str) -> Ruleset:
        from .commands import parse_commands

        names = self.tools.abilities().names
        if not any(line.startswith("*") or line in HEADINGS.values() for line in text.splitlines()):
            return parse_commands(text, names)
        saved, sets = split_listing(text)
        return build_ruleset(saved, text, names, parse_sets(sets, names))

    # -- reading ------------------------------------------------------------------------------------------------------------

    def sight(self) -> Sighting:
        if not self.tools.installed():
            return Sighting(self.NAME, False, False, "iptables is not installed")
        said = "iptables %s" % self.tools.variant().text
        if not self.host.is_root():
            return Sighting(self.NAME, True, False, said + "; only root can read its rules")
        try:
            active = _signs_of_use(self.tools.live())
        except HoldfastError as exc:
            return Sighting(self.NAME, False, False, "%s, but it does not answer: %s" % (said, exc.msg))
        other = self.tools.other_variant()
        saw = "%s: %s" % (said, "; ".join(active) if active else "no rules but those of other programs")
        return Sighting(self.NAME, True, bool(active), saw + ("; " + other if other else ""))

    @uncollected
    def read(self) -> Ruleset:
        saved = self.tools.live()
        text = make_listing(saved, {})
        sets = self.tools.referenced_sets(text)
        listing = make_listing(saved, {name: set_lines(name, members) for name, members in sets.items()})
        return build_ruleset(saved, listing, self.tools.abilities().names, sets)

    def status(self) -> t.Dict[str, t.Any]:
        if not self.tools.installed():
            return {"installed": False}
        facts: Facts = {"installed": True, "variant": self.tools.variant().name, "version": self.tools.variant().text}
        facts.update(ipv6=self.tools.ipv6(), warnings=list(self.warnings))
        if self.host.is_root():
            from .switch import loads_at_boot

            facts["at_boot"] = loads_at_boot(self.host)
            facts["policies"] = {
                chain_title(family, "filter", chain.name): chain.policy
                for family, tables in self.tools.live().items()
                for chain in tables.get("filter", {}).values() if is_builtin("filter", chain.name)
            }  # fmt: skip
        return facts

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        chain = ruleset.chain(chain_title(family, "filter", render.CHAINS[direction]))
        if chain is None:
            raise HoldfastError("A rule for %s was asked for, and this host has no IPv6 or no ip6tables" % HEADINGS[family][2:])
        return chain

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        """See the contract.

        A rule that is there in one of its families only counts as missing; with ``wanted`` false it counts as there, for removal.
        """
        rules = [parse_native(line) for line in native_lines(text)]
        saved, _sets = split_listing(ruleset.listing)
        return [_native_match(ruleset, rule, lines, wanted) for rule, lines in zip(rules, self._listed(rules, saved))]

    def _listed(self, rules: t.Sequence[NativeRule], saved: t.Mapping[int, Tables]) -> t.List[t.Dict[int, t.Tuple[str, ...]]]:
        """Return how each raw rule is listed in each of its families; a rule that stands there as it was typed needs no tool."""
        typed = [{family: (rule.line,) for family in rule.families if _stands(saved, family, rule)} for rule in rules]
        open_rules = [rule for rule, lines in zip(rules, typed) if set(lines) != set(rule.families) & set(saved) or not lines]
        answers = iter(self._normaliser.normalise(open_rules, saved))
        return [next(answers) if rule in open_rules else dict(lines) for rule, lines in zip(rules, typed)]

    # -- changing -----------------------------------------------------------------------------------------------------------

    @uncollected
    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        from .edits import edit_rule

        refuse_switched_off(self.host, self.NAME)
        saved, sets = split_listing(ruleset.listing)
        draft = Draft(saved)
        changes: t.List[Facts] = []
        wanted: Sets = {}
        for edit in edits:
            if edit.native is not None:
                self._edit_native(draft, edit, saved, changes)
            else:
                changes.extend(edit_rule(draft, edit, self.tools.abilities(), wanted))
        return self.transaction_of(draft, parse_sets(sets), wanted, {"changes": changes})

    def _edit_native(self, draft: Draft, edit: Edit, saved: t.Mapping[int, Tables], changes: t.List[Facts]) -> None:
        from .edits import remove_entry

        rule = parse_native(edit.native or "")
        listed = self._listed([rule], saved)[0]
        places = [one for entry in (edit.remove, edit.before) if entry is not None for one in entry.ref]
        changes.extend(remove_entry(draft, edit.remove))
        for family, lines in sorted(listed.items()):
            key = (family, rule.table, rule.chain)
            if family not in edit.families or set(lines) <= set(draft.lines(key)):
                continue
            before = next((one.first for one in places if (one.family, one.table, one.chain) == key), None)
            if before is None and rule.position is not None:
                before = rule.position - 1
            draft.insert(key, lines, before)
            changes.append({"family": family, "table": rule.table, "chain": rule.chain, "put": list(lines), "position": rule.position})

    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        from .flush import flush

        refuse_switched_off(self.host, self.NAME)
        saved, sets = split_listing(ruleset.listing)
        draft = Draft(saved)
        lines: t.Dict[Key, t.List[str]] = {}
        wanted: Sets = {}
        for chain in ruleset.chains:
            place = t.cast(Place, chain.ref)
            for rule in keep.get(chain.name, ()):
                key = (place.family, place.table, place.chain)
                lines.setdefault(key, []).extend(render.rule_lines(rule, place.family, self.tools.abilities(), place.chain))
                wanted.update({name: list_set(one) for name, one in render.rule_sets(rule).items()})
        flush(draft, lines)
        kept = [[list(key), texts] for key, texts in sorted(lines.items())]
        return self.transaction_of(draft, parse_sets(sets), wanted, {"flush": True, "keep": kept})

    # -- whole policies -----------------------------------------------------------------------------------------------------

    @uncollected
    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        from .policy_supported import policy_unsupported

        return policy_unsupported(policy, self.tools)

    @uncollected
    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        from .policy_build import build_own
        from .policy_text import own_text

        families = self.tools.families() if self.tools.installed() else FAMILIES
        return own_text(build_own(policy, self.tools.abilities(), layout, families), families)

    @uncollected
    def parse_policy(self, text: str) -> Policy:
        from .policy_chains import PREFIX
        from .policy_read import policy_of

        saved, sets = split_listing(text)
        found = policy_of(saved, parse_sets(sets, self.tools.abilities().names), self.tools.abilities().names)
        if found is None and not any(heading in text for heading in TOOL_HEADINGS):
            raise HoldfastError("There is no chain %s* in this text, so there is no policy in it" % PREFIX)
        return found or Policy(defaults=dict.fromkeys(DIRECTIONS, "unmanaged"))

    @uncollected
    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        from .policy_read import policy_of

        saved, sets = split_listing(ruleset.listing)
        return policy_of(saved, parse_sets(sets, self.tools.abilities().names), self.tools.abilities().names)

    @uncollected
    def own_listing(self, ruleset: Ruleset) -> str:
        from .policy_text import own_listing

        saved, sets = split_listing(ruleset.listing)
        return own_listing(saved, parse_sets(sets, self.tools.abilities().names))

    @uncollected
    def live_text(self, whole: bool = False) -> str:
        from .policy_text import own_listing

        saved = self.tools.live()
        text = make_listing(saved, {})
        sets = self.tools.referenced_sets(text)
        return make_listing(saved, {name: set_lines(name, one) for name, one in sets.items()}) if whole else own_listing(saved, sets)

    @uncollected
    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        from .policy_build import build_own
        from .policy_chains import Own, own_chains
        from .policy_plan import put_own
        from .policy_read import says_the_same
        from .policy_text import as_listed

        refuse_switched_off(self.host, self.NAME)
        saved, sets = split_listing(ruleset.listing)
        names = self.tools.abilities().names
        live = parse_sets(sets, names)
        own = Own({}, {}, {})
        if wanted is not None:
            can = self.tools.abilities()
            if layout != "rules":
                can = replace(can, kinds=self.tools.set_kinds())
            listed = functools.partial(self._listed, saved=saved)
            own = as_listed(build_own(wanted, can, layout, sorted(saved), listed), saved)
            if says_the_same(own, saved, live, names):
                own = own._replace(chains=own_chains(saved))
        draft = Draft(saved)
        put_own(draft, own, alone)
        return self.transaction_of(draft, live, dict(own.sets), {"policy": True, "alone": alone})

    # -- the firewall as a whole --------------------------------------------------------------------------------------------

    @uncollected
    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        from .switch_plan import plan_switch

        return plan_switch(self, ruleset, state, keep)

    def is_enabled(self, ruleset: Ruleset) -> bool:
        """Return whether there are rules, or policies that deny, which are not another program's."""
        from .switch import holds_rules

        return holds_rules(split_listing(ruleset.listing)[0])

    def install_commands(self) -> t.Tuple[Command, ...]:
        from ..packages import install_package

        if self.tools.installed():
            return ()
        return install_package(self.host, self.NAME, "iptables", {"pacman": "iptables-nft"})

    def transaction_of(self, draft: Draft, live: Sets, wanted: Sets, facts: Facts) -> Transaction:
        """Turn a finished draft into commands: sets that rules need first, then IPv4, then IPv6."""
        from .policy_trial import trial

        after = draft.after()
        text = make_listing(after, {})
        missing, changed = self._sets_to_make(wanted, live)
        if changed and not facts.get("policy"):
            raise HoldfastError(
                "The address set %s was changed by somebody else: its name stands for its members, so it is not reused. "
                "Remove the rules that name it and the set (ipset destroy %s), then run this again" % (min(changed), min(changed))
            )
        known = dict(live, **wanted)
        listing = make_listing(after, {name: set_lines(name, known[name]) for name in references(text) if name in known})
        touched = [list(key) for key in draft.touched()]
        if not touched and not changed:
            return Transaction((), listing)
        commands = [Command(("ipset", "restore", "-exist"), restore_text(missing) + swap_text(changed))] if missing or changed else []
        checks = []
        for family in sorted(draft.saved):
            given = draft.restore_input(family)
            if given:
                commands.append(Command(self.tools.restore(family), given))
                if set(references(given)) & set(missing):
                    checks.append(trial(self.tools, family, after[family], known))
                else:
                    checks.append(Command(self.tools.restore(family, "--test"), given))
        facts = dict(facts, touched=touched, sets=sorted(missing), swapped=sorted(changed))
        return Transaction(tuple(commands), listing, facts, tuple(checks))

    def _sets_to_make(self, wanted: Sets, live: Sets) -> t.Tuple[Sets, Sets]:
        """Return the sets that are not there, and those that are there with other members."""
        there = {**self.tools.live_sets([name for name in wanted if name not in live]), **live}
        names = set(self.tools.set_names()) if any(name not in there for name in wanted) else set(there)
        changed = {name: one for name, one in wanted.items() if name in names and there.get(name) != one}
        return {name: one for name, one in wanted.items() if name not in names}, changed

    @uncollected
    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        """See the contract.

        :raises HoldfastError: when a chain holds a rule that iptables cannot show whole, so that it could not be put back exactly.
        """
        from .persistence import persistent_paths

        saved, _sets = split_listing(ruleset.listing)
        files: t.Dict[str, str] = {}
        script = ["# Puts the chains that the change touched back; each table is one transaction.", "rules_status=0"]
        for family in sorted(saved):
            touched = [(key[1], key[2]) for key in transaction.persist.get("touched", ()) if key[0] == family]
            there = [one for one in touched if one[1] in saved[family].get(one[0], {})]
            for table, chain, line in self.tools.foreign_expressions(family, there):
                raise HoldfastError(
                    "Chain %s has a rule that was added with nft, and iptables cannot put it back exactly, so nothing was changed: %s. "
                    "Move that rule to a table of its own, or use backend: nftables" % (chain_title(family, table, chain), line)
                )
            policies = transaction.persist.get("policies", {}).get(str(family), {})
            if touched or policies:
                from .switch import policies_of, policy_input

                before = policies_of(saved)[family]
                old = {table: {name: before.get(table, {}).get(name, "ACCEPT") for name in chains} for table, chains in policies.items()}
                name = "%s.rules" % TOOLS[family]
                files[name] = rebuild_input(saved[family], touched) + policy_input(old)
                script.append('%s < "$DIR/%s" || rules_status=$?' % (" ".join(self.tools.restore(family)), name))
        swapped = transaction.persist.get("swapped", ())
        if swapped:
            files["sets"] = "".join(self.tools.swap_back(name) for name in swapped)
            script.append('ipset restore -exist < "$DIR/sets" || rules_status=$?')
        script += ["ipset destroy %s 2>/dev/null || :" % name for name in transaction.persist.get("sets", ())]
        script.append('[ "$rules_status" -eq 0 ]')
        return Snapshot(files, "\n".join(script) + "\n", persistent_paths(self.tools))

    def make_ready(self) -> None:
        from . import persistence, policy_text, switch

        del persistence, policy_text, switch

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        from .persistence import Persistence

        if "switch" in facts:
            return self._persist_switch(Persistence(self, self.tools), facts)
        return Persistence(self, self.tools).persist(facts) if facts.get("touched") else []

    def _persist_switch(self, persistence: t.Any, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        from . import switch

        if facts["switch"] == "disabled":
            return switch.persist_off(self.host, facts.get("kept", ""))
        notes = switch.persist_on(self.host)
        if facts.get("touched"):
            notes += persistence.persist(facts)
        for path in (switch.KEPT_FILE, switch.KEPT_UNITS):
            self.host.remove(path)
        return notes


def _stands(saved: t.Mapping[int, Tables], family: int, rule: NativeRule) -> bool:
    chain = saved.get(family, {}).get(rule.table, {}).get(rule.chain)
    return chain is not None and rule.line in chain.rules


def _native_match(
    ruleset: Ruleset, rule: NativeRule, listed: t.Mapping[int, t.Tuple[str, ...]], wanted: bool
) -> t.Tuple[Chain, t.Optional[Entry]]:
    families = sorted(listed)
    titles = [chain_title(family, rule.table, rule.chain) for family in families]
    chains = [ruleset.chain(title) for title in titles]
    found = [_places(chain, listed[family]) if chain is not None else None for chain, family in zip(chains, families)]
    home = chains[0] or Chain(titles[0], frozenset(), frozenset(), base=False, missing=True, ref=Place(families[0], rule.table, rule.chain))
    home = replace(home, families=frozenset(families))
    there = [places for places in found if places is not None]
    if not there or (wanted and len(there) < len(found)):
        return home, None
    native = tuple(line for family, places in zip(families, found) if places is not None for line in listed[family])
    return home, Entry(native, ref=tuple(place for places in there for place in places))


def _places(chain: Chain, lines: t.Sequence[str]) -> t.Optional[t.List[Place]]:
    """Return where these lines stand in a chain, or None unless all of them do."""
    places: t.List[Place] = []
    for wanted in lines:
        for entry in chain.entries:
            start = entry.ref[0]
            at = next((number for number, line in enumerate(entry.native) if line == wanted), None)
            if at is not None and replace(start, first=start.first + at, count=1) not in places:
                places.append(replace(start, first=start.first + at, count=1))
                break
        else:
            return None
    return places


def _signs_of_use(live: t.Mapping[int, Tables]) -> t.List[str]:
    """Return what in the built-in filter chains decides packets for the administrator, not for another program."""
    signs: t.List[str] = []
    for family, tables in sorted(live.items()):
        chains = tables.get("filter", {})
        ufw = any(name.startswith(("ufw-", "ufw6-")) for name in chains)
        for chain in chains.values():
            if not is_builtin("filter", chain.name):
                continue
            title = chain_title(family, "filter", chain.name)
            count = sum(1 for line in chain.rules if not is_foreign(rule_owner(line)))
            if count:
                signs.append("%s has %d rule%s" % (title, count, "" if count == 1 else "s"))
            docker = chain.name == "FORWARD" and any(name.startswith("DOCKER") for name in chains)
            if chain.policy != "ACCEPT" and not ufw and not docker:
                signs.append("%s has policy %s" % (title, chain.policy))
    return signs
