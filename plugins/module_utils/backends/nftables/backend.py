# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nftables: one table of our own, and rules in the administrator's chains where they have to be to take effect.

Reads with ``nft list ruleset`` (JSON for the meaning, text for people), changes with one ``nft -f`` transaction. What only some tasks need
is imported where it is used: a target compiles every file that it imports.
"""

from __future__ import annotations

import json
import typing as t

from ...host import Result
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import Rule
from ..base import Backend, Command, Sighting, Snapshot, Transaction, Unsupported
from ..collecting import uncollected
from ..ruleset import Chain, Edit, Entry, Ruleset
from ..switched_off import refuse_switched_off
from .listing import Table, TableKey, parse_listing
from .names import DIRECTION_OF, FAMILIES_OF, HOOK_OF, OWN_TABLE, chain_name
from .owners import owner_by_names
from .persist import PATHS, loader_facts, persist, persist_switch
from .policy_order import in_order
from .ruleset import NftRuleset

if t.TYPE_CHECKING:
    from .parse import Document

#: Above this number of tables one JSON listing of all costs less than one for each.
MANY_TABLES = 8


class Nftables(Backend):
    """The rules that nft lists."""

    NAME = "nftables"
    REPLY_RULES = True
    ACCEPT_IS_FINAL = False

    # -- pure ---------------------------------------------------------------------------------------------------------------

    def unsupported(self, rule: Rule) -> t.Tuple[Unsupported, ...]:
        from .render import unsupported

        return unsupported(rule)

    def render(self, rule: Rule) -> t.Tuple[str, ...]:
        from .render import limit_sets, statements

        chain = chain_name(*OWN_TABLE, HOOK_OF[rule.direction])
        sets = ["add set %s %s %s %s" % (*OWN_TABLE, one.name, one.definition()) for one in limit_sets(rule)]
        return (*sets, *("add rule %s %s" % (chain, one.typed) for one in statements(rule, OWN_TABLE[0])))

    def parse(self, text: str) -> NftRuleset:
        from .parse import parse_text

        return parse_text(text)

    # -- reading ------------------------------------------------------------------------------------------------------------

    def sight(self) -> Sighting:
        if self.host.which("nft") is None:
            return Sighting(self.NAME, False, False, "nft is not installed")
        if not self.host.is_root():
            return Sighting(self.NAME, True, False, "nft is installed; its rules can be read by root only")
        result = self.host.run(["nft", "-j", "list", "chains"])
        if not result.ok:
            return Sighting(self.NAME, False, False, "nft does not answer: %s" % _said(result))
        bases: t.Dict[TableKey, t.List[t.Dict[str, t.Any]]] = {}
        for one in json.loads(result.out or '{"nftables": []}')["nftables"]:
            if "hook" in one.get("chain", {}):
                bases.setdefault((one["chain"]["family"], one["chain"]["table"]), []).append(one["chain"])
        # Whether a table with the names of iptables is the work of iptables, only its rules tell; here the names have to do.
        used = [
            key for key, found in sorted(bases.items())
            if any(one["type"] == "filter" and one["hook"] in DIRECTION_OF for one in found) and key[0] in FAMILIES_OF
            and owner_by_names(*key, [one["name"] for one in found], lambda: True) is None
        ]  # fmt: skip
        names = ", ".join("%s %s" % key for key in used)
        return Sighting(self.NAME, True, bool(used), "filter chains in table %s" % names if used else "no filter chains of its own")

    @uncollected
    def read(self) -> NftRuleset:
        from .parse import build

        for _attempt in range(3):
            tables = in_order(parse_listing(self._list("-s", "-a")))
            # Our own table is read from the text; of the others JSON says more.
            others = [table for table in tables.tables if table.key != OWN_TABLE]
            document = self._document(others, len(others) == len(tables.tables))
            known = {(*table.key, rule.handle) for table in others for chain in table.chains() for rule in chain.rules}
            if known == {key for key in document.rules if key[:2] != OWN_TABLE}:
                break  # else the rules changed between the two listings
        return build(tables, document)

    def _document(self, tables: t.Sequence[Table], everything: bool) -> Document:
        """Return the JSON of some tables."""
        from .parse import Document

        if everything or len(tables) > MANY_TABLES:
            return Document(self._list("-j"))
        texts = [self.host.run(["nft", "-j", "list", "table", *table.key]) for table in tables]
        return Document(*(result.out for result in texts if result.ok))

    def status(self) -> t.Dict[str, t.Any]:
        version = self.host.run(["nft", "--version"]).out.split()
        facts: t.Dict[str, t.Any] = {"version": version[1].lstrip("v") if len(version) > 1 else None, "table": "%s %s" % OWN_TABLE}
        facts.update(loader_facts(self.host))
        return facts

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        from .parse import own_chain

        wanted = own_chain(direction)
        return ruleset.chain(wanted.name) or wanted

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        from .native import match_native

        return match_native(self.host, _ours(ruleset), text)

    # -- changing -----------------------------------------------------------------------------------------------------------

    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        from .namespace import listed_forms
        from .transaction import plan

        refuse_switched_off(self.host, self.NAME)
        read = _ours(ruleset)
        return plan(read, edits, lambda lines, sets: listed_forms(self.host, read.tables, lines, sets))

    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        from .flush import plan_flush
        from .namespace import listed_forms

        refuse_switched_off(self.host, self.NAME)
        read = _ours(ruleset)
        return plan_flush(read, keep, lambda lines, sets: listed_forms(self.host, read.tables, lines, sets))

    # -- whole policies -----------------------------------------------------------------------------------------------------

    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        from .policy_supported import policy_unsupported

        return policy_unsupported(policy)

    @uncollected
    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        from .policy_build import build_program
        from .policy_text import program_text

        return program_text(build_program(policy, layout))

    @uncollected
    def parse_policy(self, text: str) -> Policy:
        from .policy_read import policy_of_text

        return policy_of_text(text)

    @uncollected
    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        from .policy_read import holds_policy, policy_of_table

        table = _ours(ruleset).tables.table(OWN_TABLE)
        return policy_of_table(table) if table is not None and holds_policy(table) else None

    def own_listing(self, ruleset: Ruleset) -> str:
        return _text(_ours(ruleset).tables.table(OWN_TABLE))

    @uncollected
    def live_text(self, whole: bool = False) -> str:
        if whole:
            return in_order(parse_listing(self._list("-s"))).text()
        result = self.host.run(["nft", "-s", "list", "table", *OWN_TABLE])
        return _text(in_order(parse_listing(result.out)).table(OWN_TABLE)) if result.ok else ""

    @uncollected
    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        from .policy_plan import plan_policy

        refuse_switched_off(self.host, self.NAME)
        return plan_policy(self.host, _ours(ruleset), wanted, layout, alone)

    # -- the firewall as a whole --------------------------------------------------------------------------------------------

    @uncollected
    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        from .switch import plan_switch

        return plan_switch(self, _ours(ruleset), state, keep)

    def is_enabled(self, ruleset: Ruleset) -> bool:
        """Return whether a filter chain of ours or of the administrator's is in the kernel."""
        return any(chain.base and not chain.missing and chain.changeable for chain in ruleset.chains)

    def install_commands(self) -> t.Tuple[Command, ...]:
        from ..packages import install_package

        return install_package(self.host, self.NAME, "nftables", unit="nftables.service") if self.host.which("nft") is None else ()

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        from .restore import restore_files, restore_script

        files = restore_files(_ours(ruleset).tables, parse_listing(transaction.after))
        return Snapshot(files=files, script=restore_script(files), paths=PATHS)

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        if "switch" in facts:
            return persist_switch(self.host, parse_listing(self._list("-s")), facts)
        return persist(self.host, parse_listing(self._list("-s")), facts)

    def _list(self, *options: str) -> str:
        if self.host.which("nft") is None:
            raise HoldfastError("nft is not installed on this host; install the package nftables, or choose another backend")
        if not self.host.is_root():
            raise HoldfastError("Reading nftables rules needs root; add become: true (or -b)")
        result = self.host.run(["nft", *options, "list", "ruleset"])
        if not result.ok:
            raise HoldfastError("The nftables rules cannot be read: %s" % _said(result))
        return result.out


def _ours(ruleset: Ruleset) -> NftRuleset:
    if not isinstance(ruleset, NftRuleset):
        raise HoldfastError("These rules were not read by the nftables backend")
    return ruleset


def _text(table: t.Optional[Table]) -> str:
    return "" if table is None or not table.blocks else "\n".join(table.lines()) + "\n"


def _said(result: Result) -> str:
    return (result.err or result.out).strip()[:500] or "it said nothing (code %d)" % result.rc
