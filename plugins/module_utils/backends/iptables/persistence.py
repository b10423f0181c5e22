# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making confirmed rules last over a reboot.

Writes files below ``/etc`` and enables units. Where the distribution's loader is enabled, its file gets the same edits as the live rules,
placed anew in what the file holds: so what other programs (Docker, fail2ban) keep out of the file stays out. Elsewhere files of ours hold
the built-in chains as they are now, less what other programs keep, and a unit of ours loads them before those programs start.
"""

from __future__ import annotations

import typing as t

from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..base import Backend
from ..placement import place_present
from ..ruleset import Chain, Ruleset
from .boot import (
    FOLDER,
    LOAD_SCRIPT,
    LOAD_TEXT,
    OWN_FILES,
    RULES_UNIT,
    SETS_FILE,
    SETS_UNIT,
    UNIT_FOLDER,
    has_systemd,
    loader_files,
    unit_texts,
)
from .draft import Draft, Key
from .edits import Change, edit_rule
from .filetext import edited_text, own_text
from .flush import flush
from .meaning import Place, build_ruleset, chain_title
from .policy_plan import own_of, put_own
from .saved import Tables, parse_saved, table_order
from .sets import OWN, KernelSet, references, restore_text
from .tools import Tools
from .words import same_words

HEADER = "# Written by holdfast.firewall, loaded at boot by %s.\n" % LOAD_SCRIPT


def persistent_paths(tools: Tools) -> t.Tuple[str, ...]:
    """Return every file that may be written."""
    units = [UNIT_FOLDER + RULES_UNIT, UNIT_FOLDER + SETS_UNIT]
    kept = [FOLDER + "/disabled.rules", FOLDER + "/disabled.units"]
    return tuple(sorted({*loader_files(tools.host).values(), *OWN_FILES.values(), SETS_FILE, LOAD_SCRIPT, *units, *kept}))


class Persistence:
    """One run of ``persist``."""

    def __init__(self, backend: Backend, tools: Tools) -> None:
        self._backend = backend
        self._tools = tools
        self._host = tools.host
        self._live: t.Dict[int, Tables] = {}
        self._sets: t.Dict[str, KernelSet] = {}
        self._report: t.List[str] = []

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        """Write what makes the change last; return the files written and warnings.

        :raises HoldfastError: when a file of the loader cannot be edited.
        """
        self._live = self._tools.live()
        self._sets = self._known_sets(facts)
        files = loader_files(self._host)
        families = sorted({family for family, _table, _chain in facts["touched"]})
        for family in families:
            if family in files:
                self._edit_file(files[family], family, facts)
                self._forget(OWN_FILES[family])
            else:
                self._write_own(family, facts)
        texts = [self._host.read(path) or "" for path in [*files.values(), *OWN_FILES.values()]]
        self._write_sets(references("\n".join(texts)))
        self._install_units()
        self._destroy_unused()
        return self._report

    def _known_sets(self, facts: t.Mapping[str, t.Any]) -> t.Dict[str, KernelSet]:
        lines = [line for change in facts.get("changes", ()) for line in change.get("put", change.get("remove", ()))]
        lines += [line for _key, kept in facts.get("keep", ()) for line in kept]
        return self._tools.referenced_sets("\n".join(lines + self._live_rules()))

    def _live_rules(self) -> t.List[str]:
        return [rule for tables in self._live.values() for chains in tables.values() for chain in chains.values() for rule in chain.rules]

    # -- the distribution's file --------------------------------------------------------------------------------------------

    def _edit_file(self, path: str, family: int, facts: t.Mapping[str, t.Any]) -> None:
        old = self._host.read(path)
        tables = table_order({"filter"} | {table for one, table, _chain in facts["touched"] if one == family})
        if old is None or not old.strip():
            new = own_text(self._live[family], tables, flush=False)
        else:
            new = self._edited(path, old, family, facts)
        if new != old:
            self._host.write(path, new)
            self._report.append("wrote %s" % path)
        else:
            self._report.append("%s has the rules already" % path)

    def _edited(self, path: str, text: str, family: int, facts: t.Mapping[str, t.Any]) -> str:
        odd = parse_saved(text).odd
        if odd is not None:
            raise HoldfastError(
                "%s is not of the form that iptables-save writes (%s), so it was left alone; write it anew with iptables-save" % (path, odd)
            )
        if facts.get("flush"):
            saved = parse_saved(text)
            draft = Draft({family: saved.tables})
            flush(draft, {t.cast(Key, tuple(key)): lines for key, lines in facts.get("keep", ()) if key[0] == family})
            return edited_text(text, saved, draft)
        if facts.get("policy"):
            saved = parse_saved(text)
            draft = Draft({family: saved.tables})
            put_own(draft, own_of(family, self._live[family]), bool(facts.get("alone")))
            return edited_text(text, saved, draft)
        for change in facts.get("changes", ()):
            if change["family"] == family:
                text = self._with_change(text, family, change)
        return text

    def _with_change(self, text: str, family: int, change: Change) -> str:
        saved = parse_saved(text)
        draft = Draft({family: saved.tables})
        ruleset = self._ruleset({family: saved.tables})
        chain = ruleset.chain(chain_title(family, change["table"], change["chain"]))
        if "remove" in change:
            self._remove(draft, chain, change)
        else:
            rule = self._rule(change, change["put"])
            if rule is not None and not rule.reply and "position" not in change:
                for edit in place_present(self._backend, ruleset, rule).edits:
                    edit_rule(draft, edit, self._tools.abilities(), self._sets)
            else:
                self._put_as_live(draft, change)
        return edited_text(text, saved, draft)

    def _remove(self, draft: Draft, chain: t.Optional[Chain], change: Change) -> None:
        """Remove one entry that the file has and the live rules have no more."""
        rule = self._rule(change, change["remove"])
        title = chain_title(change["family"], change["table"], change["chain"])
        live = self._ruleset(self._live).chain(title)

        def same(one: t.Optional[Chain]) -> t.List[t.Tuple[Place, ...]]:
            entries = one.entries if one is not None else ()
            if rule is not None:
                return [entry.ref for entry in entries if entry.rule is not None and entry.rule.identity() == rule.identity()]
            return [entry.ref for entry in entries if _words(entry.native) == _words(change["remove"])]

        found = same(chain)
        if len(found) > len(same(live)):
            for place in found[0]:
                draft.remove((place.family, place.table, place.chain), place.first, place.count)

    def _put_as_live(self, draft: Draft, change: Change) -> None:
        """Put lines before what follows them in the live chain, as far as the file has it."""
        key = (change["family"], change["table"], change["chain"])
        there = _words(draft.lines(key))
        if set(_words(change["put"])) <= set(there):
            return
        live = self._live.get(key[0], {}).get(key[1], {}).get(key[2])
        rules = live.rules if live is not None else ()
        after = rules[rules.index(change["put"][-1]) + 1 :] if change["put"][-1] in rules else ()
        anchor = next((there.index(line) for line in _words(after) if line in there), None)
        draft.insert(key, change["put"], anchor)

    def _rule(self, change: Change, lines: t.Sequence[str]) -> t.Optional[Rule]:
        """Return the rule that some lines mean together, or None."""
        if change["table"] != "filter":
            return None
        text = "\n".join(["*filter", *lines, "COMMIT"])
        ruleset = self._ruleset({change["family"]: parse_saved(text).tables})
        chain = ruleset.chain(chain_title(change["family"], "filter", change["chain"]))
        return chain.entries[0].rule if chain is not None and len(chain.entries) == 1 else None

    def _ruleset(self, saved: t.Mapping[int, Tables]) -> Ruleset:
        return build_ruleset(saved, "", self._tools.abilities().names, self._sets)

    # -- files of ours ------------------------------------------------------------------------------------------------------

    def _write_own(self, family: int, facts: t.Mapping[str, t.Any]) -> None:
        path = OWN_FILES[family]
        old = self._host.read(path)
        known = set(parse_saved(old or "").tables)
        tables = table_order({"filter"} | known | {table for one, table, _chain in facts["touched"] if one == family})
        self._write(path, HEADER + own_text(self._live[family], tables, flush=True))

    def _write_sets(self, names: t.Sequence[str]) -> None:
        sets = {name: self._sets.get(name) or self._tools.live_set(name) for name in names}
        known = {name: members for name, members in sets.items() if members}
        for name in sorted(set(sets) - set(known)):
            self._report.append("warning: a rule that is loaded at boot names the address set %s, which does not exist" % name)
        if known:
            self._write(SETS_FILE, restore_text(known))
        else:
            self._forget(SETS_FILE)

    def _install_units(self) -> None:
        wanted = [RULES_UNIT] if any(self._host.read(path) for path in OWN_FILES.values()) else []
        wanted += [SETS_UNIT] if self._host.read(SETS_FILE) else []
        if not wanted:
            return
        self._write(LOAD_SCRIPT, LOAD_TEXT, 0o700)
        if not has_systemd(self._host):
            self._report.append(
                "warning: this host has neither systemd nor a loader of iptables rules that is enabled; after a reboot the rules are gone "
                "unless %s sets and %s rules are run at boot, before the network starts" % (LOAD_SCRIPT, LOAD_SCRIPT)
            )
            return
        known = {name for name in wanted if self._host.exists(UNIT_FOLDER + name)}
        written = {name for name in wanted if self._write(UNIT_FOLDER + name, unit_texts()[name], 0o644)}
        if written & known:
            self._host.checked(["systemctl", "daemon-reload"])
        for name in wanted:
            if not self._host.run(["systemctl", "is-enabled", "--quiet", name]).ok:
                # A unit that is new is first read at boot; reloading all units takes a quarter of a second, and the links need none.
                self._host.checked(["systemctl", "enable", "--no-reload", name])
                self._report.append("enabled %s" % name)

    def _write(self, path: str, text: str, mode: int = 0o600) -> bool:
        if self._host.read(path) == text:
            return False
        self._host.write(path, text, mode)
        self._report.append("wrote %s" % path)
        return True

    def _forget(self, path: str) -> None:
        """Remove a file of ours that another loader has taken over."""
        if path.startswith(FOLDER) and self._host.exists(path):
            self._host.remove(path)
            self._report.append("removed %s" % path)

    def _destroy_unused(self) -> None:
        """Destroy sets of ours that no live rule names; one that is still in use refuses, and is tried again next time."""
        if self._host.which("ipset") is None:
            return
        names = [name for name in self._tools.set_names() if OWN.match(name)]
        used = references("\n".join(self._live_rules()))
        for name in names:
            if name not in used:
                self._host.run(["ipset", "destroy", name])


def _words(lines: t.Sequence[str]) -> t.List[t.Tuple[t.Tuple[str, ...], ...]]:
    """Return lines in a form that does not depend on the order in which somebody typed their options."""
    return [same_words(line) for line in lines]
