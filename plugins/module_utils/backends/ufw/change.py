# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the files that ufw shall have to the commands that make the kernel so, without starting ufw anew.

Asks the host's tools how the rules are listed; changes nothing. One input of iptables-restore for each family is one transaction: packets
meet the old rules or the new ones.
"""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import replace

from ...host import Host
from ...policy.errors import HoldfastError
from ..base import Command, Snapshot, Transaction
from ..iptables.draft import Draft, rebuild_input
from ..iptables.owners import is_foreign, rule_owner
from ..iptables.policy_chains import is_own
from ..iptables.saved import SavedChain, Tables, empty_table
from ..iptables.tools import TOOLS, Tools
from .files import CHAINS, CONF, INIT, PREFIX, USER, Files
from .loading import BUILTIN, PRIMARY, Chains, loaded
from .state import State
from .translations import NAT_CHAINS, edit_nat, hook_sleeps, mode_with


class Change(t.NamedTuple):
    """What the kernel lacks.

    :ivar policies: the policies of built-in chains that change, by family.
    """

    draft: Draft
    policies: t.Dict[int, t.Dict[str, str]]

    def text(self, family: int) -> str:
        """Return the input of ``iptables-restore --noflush``; empty where nothing is to do."""
        text = self.draft.restore_input(family)
        lines = [":%s %s [0:0]" % pair for pair in sorted(self.policies.get(family, {}).items())]
        if not lines:
            return text
        return _with_policies(text, lines)

    def after(self) -> t.Dict[int, Tables]:
        """Return the tables after the change."""
        result = self.draft.after()
        for family, policies in self.policies.items():
            chains = result[family].setdefault("filter", empty_table("filter"))
            for name, policy in policies.items():
                chains[name] = replace(chains[name], policy=policy)
        return result


def _with_policies(text: str, lines: t.Sequence[str]) -> str:
    """Return the input of iptables-restore with the policies of built-in chains."""
    if "*filter\n" not in text:
        return "\n".join(["*filter", *lines, "COMMIT"]) + "\n" + text
    return text.replace("*filter\n", "*filter\n" + "\n".join(lines) + "\n", 1)


def missing(host: Host, state: State, files: Files, first: t.Collection[str] = (), alone: bool = False) -> Change:
    """Return what has to change in the kernel so that it has what ufw makes of some files.

    :param first: directions in which no line of the administrator may come before ufw's in a built-in chain.
    :param alone: whether the administrator's lines in these built-in chains go.
    """
    change = Change(Draft(state.live), {})
    for family in State(files, state.live).families:
        live = state.live[family].get("filter", empty_table("filter"))
        wanted = loaded(host, files, family) if files.enabled else stopped(live, family)
        for name, chain in wanted.items():
            if name not in BUILTIN.values() and (name not in live or live[name].rules != chain.rules):
                change.draft.fill((family, "filter", name), chain.rules)
        for name in live:
            if name not in wanted and (is_own(name) or (not files.enabled and name.startswith(PREFIX[family] + "-"))):
                change.draft.drop((family, "filter", name))
        for direction, name in BUILTIN.items():
            _lead(change.draft, (family, "filter", name), wanted[name], direction in first, alone and direction in first)
            if live[name].policy != wanted[name].policy:
                change.policies.setdefault(family, {})[name] = wanted[name].policy
        edit_nat(change.draft, state.live[family], files, family)
    return change


def stopped(live: Chains, family: int) -> Chains:
    """Return the filter table as ufw leaves it when it stops: its first chains stay, empty."""
    names = ["%s-%s-%s" % (PREFIX[family], name, word) for name in PRIMARY for word in CHAINS.values()]
    chains = {name: SavedChain(name) for name in names if name in live}
    for name in BUILTIN.values():
        chains[name] = SavedChain(name, "ACCEPT", tuple(line for line in live[name].rules if line.split()[-1] in chains))
    return chains


def _lead(draft: Draft, key: t.Tuple[int, str, str], wanted: SavedChain, first: bool, emptied: bool) -> None:
    """Let a built-in chain have ufw's lines in order, other programs' lines where they are, and the administrator's behind them."""
    old = list(draft.lines(key))
    own = [line for line in old if line in wanted.rules]
    before = old[: old.index(own[0])] if own else []
    others = [line for line in old if line not in wanted.rules]
    foreign = [line for line in others if is_foreign(rule_owner(line)) and rule_owner(line) != "ufw"]
    disturbed = first and any(line not in foreign for line in before)
    gone = emptied and any(line not in foreign for line in others)
    if own == list(wanted.rules) and not disturbed and not gone:
        return
    head = [line for line in (before if own else []) if line in foreign or not first]
    rest = [line for line in others if line not in head]
    new = head + list(wanted.rules) + [line for line in rest if not emptied or line in foreign]
    if new != old:
        draft.replace(key, new)


def transaction(tools: Tools, state: State, files: Files, change: Change, facts: t.Optional[t.Mapping[str, t.Any]] = None) -> Transaction:
    """Return the transaction of a change; no commands when neither the kernel nor a file changes."""
    after = State(files, change.after())
    written = {path: text for path, text in files.texts.items() if text != state.files.text(path)}
    if hook_sleeps(state.files) and files.text(INIT) == state.files.text(INIT):
        written[INIT] = files.text(INIT)
    commands, checks = [], []
    for family in sorted(state.live):
        given = change.text(family)
        if given:
            commands.append(Command(tools.restore(family), given))
            checks.append(Command(tools.restore(family, "--test"), given))
    if not commands and not written:
        return Transaction((), state.listing())
    if not commands:  # a comment, or rules of a ufw that is switched off: the files alone change
        commands.append(Command(tools.restore(4), "# the files of ufw change, and not the kernel\n*filter\nCOMMIT\n"))
    persist = {
        "write": {path: [digest(state.files.text(path)), text] for path, text in written.items()},
        "touched": [list(key) for key in change.draft.touched()],
        "policies": {str(family): sorted(one) for family, one in change.policies.items()},
        "enable": files.enabled and not state.files.enabled,
        "modes": {INIT: mode_with(written[INIT], state.files.text(INIT), state.files.init_mode)} if INIT in written else {},
    }
    return Transaction(tuple(commands), after.listing(), {**persist, **(facts or {})}, tuple(checks))


def restart(host: Host, state: State) -> Transaction:
    """Return what lets ufw load its files again, with all that it empties as what a rollback puts back.

    :raises HoldfastError: when iptables refuses a line of the files: ufw would be left without rules, and closed.
    """
    after = missing(host, state, state.files).after()
    touched = []
    for family in state.families:
        names = [name for name in state.live[family].get("filter", {}) if name.startswith(PREFIX[family] + "-") or is_own(name)]
        touched += [[family, "filter", name] for name in (*names, *BUILTIN.values())]
        chains = state.live[family].get("nat", {})
        ours = [name for name in chains if is_own(name)]
        touched += [[family, "nat", name] for name in (*ours, *(builtin for builtin, _own in NAT_CHAINS.values())) if ours]
    facts = {
        "touched": touched, "policies": {str(family): sorted(BUILTIN.values()) for family in state.families},
        # A reload that fails leaves ufw switched off: it writes that into this file.
        "keeps": [CONF],
    }  # fmt: skip
    return Transaction((Command(("ufw", "reload")),), State(state.files, after).listing(), facts)


def digest(text: str) -> str:
    """Return what tells a text from another."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def snapshot(tools: Tools, state: State, planned: Transaction) -> Snapshot:
    """Return what puts the kernel back; the files are only written once the change is confirmed.

    :raises HoldfastError: when a chain holds a rule that iptables cannot show whole, so that it could not be put back exactly.
    """
    files: t.Dict[str, str] = {}
    script = ["# Puts ufw's chains back; each table is one transaction.", "rules_status=0"]
    for family in sorted(state.live):
        tables = state.live[family]
        touched = [(key[1], key[2]) for key in planned.persist.get("touched", ()) if key[0] == family]
        there = [one for one in touched if one[1] in tables.get(one[0], {})]
        for _table, chain, line in tools.foreign_expressions(family, there):
            raise HoldfastError(
                "Chain %s has a rule that was added with nft, and iptables cannot put it back exactly, so nothing was changed: %s. "
                "Move that rule to a table of its own" % (chain, line)
            )
        names = planned.persist.get("policies", {}).get(str(family), ())
        chains = tables.get("filter", empty_table("filter"))
        policies = [":%s %s [0:0]" % (name, chains[name].policy) for name in names]
        text = rebuild_input(tables, touched)
        text = _with_policies(text, policies) if policies else text
        if text:
            name = "%s.rules" % TOOLS[family]
            files[name] = text
            script.append('%s < "$DIR/%s" || rules_status=$?' % (" ".join(tools.restore(family)), name))
    for number, (path, (_before, text)) in enumerate(sorted(planned.persist.get("write", {}).items())):
        files["old%d" % number], files["new%d" % number] = state.files.text(path), text
        # What somebody else wrote in the meantime stays.
        words = {"path": path, "number": number}
        script.append('! cmp -s "$DIR/new%(number)d" %(path)s || cat "$DIR/old%(number)d" > %(path)s || rules_status=$?' % words)
        if path == INIT:
            script.append('! cmp -s "$DIR/old%d" %s || chmod %o %s' % (number, path, state.files.init_mode, path))
        for family in state.families if state.files.enabled else ():
            if path == USER[family]:  # rules that ufw was given in the meantime (bans, too) are not among what was put back: load its file
                script.append(
                    'cmp -s "$DIR/old%d" %s || ! grep -qi "^ *ENABLED=.\\{0,1\\}yes" %s || %s < %s || :'
                    % (number, path, CONF, " ".join(tools.restore(family)), path)
                )
    for number, path in enumerate(planned.persist.get("keeps", ())):
        files["kept%d" % number] = state.files.text(path)
        words = {"path": path, "number": number}
        script.append(
            '[ ! -f %(path)s ] || cmp -s "$DIR/kept%(number)d" %(path)s || cat "$DIR/kept%(number)d" > %(path)s || rules_status=$?' % words
        )
    script.append('[ "$rules_status" -eq 0 ]')
    return Snapshot(files, "\n".join(script) + "\n")
