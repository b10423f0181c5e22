# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching iptables off and on: the rules of all tables are taken out of the kernel and kept in a file, or put back from it.

In the built-in chains nobody can tell the administrator's rules from those that tasks put there, so both go and come back together. What
other programs keep (Docker, fail2ban) stays where it is. ``plan`` reads, ``persist`` writes the file and enables or disables the units.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from .boot import FOLDER, OWN_FILES, RULES_UNIT, SETS_FILE, SETS_UNIT, UNIT_FOLDER, has_systemd, loader_files
from .draft import Draft, Key
from .owners import chain_owner, is_foreign, rule_owner
from .saved import SavedChain, Tables, is_builtin, parse_saved, split_listing, table_order

#: The listing of the rules that are switched off, and the units that loaded them.
KEPT_FILE, KEPT_UNITS = FOLDER + "/disabled.rules", FOLDER + "/disabled.units"
LOADERS = ("netfilter-persistent.service", "iptables.service", "ip6tables.service")
_LEVELS = ("sysinit", "boot", "default")

Policies = t.Dict[int, t.Dict[str, t.Dict[str, str]]]


def saved_rules(host: Host) -> t.Tuple[t.Dict[int, Tables], t.List[str], str]:
    """Return what is to be loaded, the lines of its address sets, and the text of a file of sets that has to be loaded first.

    Rules that were switched off come first, then the files that are loaded at boot.

    :raises HoldfastError: when one of these files is not of the form that iptables-save writes.
    """
    kept = host.read(KEPT_FILE)
    if kept is not None:
        tables, sets = split_listing(kept)
        return tables, sets, ""
    found: t.Dict[int, Tables] = {}
    for family, path in {**OWN_FILES, **loader_files(host)}.items():
        text = "\n".join(line for line in (host.read(path) or "").split("\n") if not line.startswith("-F "))
        if not text.strip():
            continue
        saved = parse_saved(text)
        if saved.odd is not None:
            raise HoldfastError("%s is not of the form that iptables-save writes (%s), so it was not loaded" % (path, saved.odd))
        found[family] = saved.tables
    return found, [], (host.read(SETS_FILE) or "") if found else ""


def put_back(draft: Draft, wanted: t.Mapping[int, Tables]) -> None:
    """Edit a draft so that it holds the wanted rules; what other programs have there now stays, where it stood among them if it did."""
    for family, tables in wanted.items():
        if family not in draft.saved:
            continue
        for table in table_order(tables):
            for name, chain in tables[table].items():
                key = (family, table, name)
                if is_builtin(table, name):
                    draft.replace(key, merged(chain.rules, draft.lines(key)))
                elif not is_foreign(chain_owner(name)):
                    draft.replace(key, chain.rules)


def merged(wanted: t.Sequence[str], live: t.Sequence[str]) -> t.List[str]:
    """Return the wanted lines with those of other programs that are live now; new ones stand first, as such programs put them."""
    foreign = [line for line in live if is_foreign(rule_owner(line))]
    lines = []
    for line in wanted:
        if not is_foreign(rule_owner(line)):
            lines.append(line)
        elif line in foreign:
            foreign.remove(line)
            lines.append(line)
    return foreign + lines


def policies_of(tables: t.Mapping[int, Tables]) -> Policies:
    """Return the policies of the built-in chains."""
    return {
        family: {table: {name: one.policy for name, one in chains.items() if is_builtin(table, name)} for table, chains in found.items()}
        for family, found in tables.items()
    }  # fmt: skip


def open_policies(tables: t.Mapping[int, Tables]) -> Policies:
    """Return the policies of a host whose firewall is switched off; Docker's own policy of FORWARD stays."""
    found = policies_of(tables)
    for family, by_table in found.items():
        for table, chains in by_table.items():
            docker = any(name.startswith("DOCKER") for name in tables[family][table])
            for name in chains:
                if not (docker and name == "FORWARD"):
                    chains[name] = "ACCEPT"
    return found


def changed_policies(before: t.Mapping[int, Tables], wanted: Policies) -> Policies:
    """Return those of the wanted policies that are not so now."""
    now = policies_of(before)
    found: Policies = {}
    for family, by_table in wanted.items():
        for table, chains in by_table.items():
            for name, policy in chains.items():
                if family in now and policy != "-" and now[family].get(table, {}).get(name, "ACCEPT") != policy:
                    found.setdefault(family, {}).setdefault(table, {})[name] = policy
    return found


def policy_input(policies: t.Mapping[str, t.Mapping[str, str]]) -> str:
    """Return the input of ``iptables-restore --noflush`` that sets the policies of a family."""
    lines: t.List[str] = []
    for table in table_order(policies):
        lines += ["*" + table, *(":%s %s [0:0]" % pair for pair in policies[table].items()), "COMMIT"]
    return "\n".join(lines) + "\n" if lines else ""


def with_policies(tables: t.Dict[int, Tables], policies: Policies) -> t.Dict[int, Tables]:
    """Return tables with other policies."""
    for family, by_table in policies.items():
        for table, chains in by_table.items():
            known = tables.setdefault(family, {}).setdefault(table, {})
            for name, policy in chains.items():
                old = known.get(name, SavedChain(name))
                known[name] = SavedChain(name, policy, old.rules, old.numbers, old.head)
    return tables


def holds_rules(tables: t.Mapping[int, Tables]) -> bool:
    """Return whether there is a rule, or a policy other than ACCEPT, that is not another program's."""
    return any(
        one.policy not in ("ACCEPT", "-") or any(not is_foreign(rule_owner(line)) for line in one.rules)
        for found in tables.values() for chains in found.values() for one in chains.values() if is_builtin_of(chains, one.name)
    )  # fmt: skip


def is_builtin_of(chains: t.Mapping[str, SavedChain], name: str) -> bool:
    """Return whether a chain is one that packets enter by themselves: it has a policy."""
    return chains[name].policy != "-"


def keys_of(tables: t.Mapping[int, Tables]) -> t.List[Key]:
    """Return every chain."""
    return [(family, table, name) for family, found in tables.items() for table, chains in found.items() for name in chains]


# -- at boot ------------------------------------------------------------------------------------------------------------------


def loading_units(host: Host) -> t.List[str]:
    """Return what is enabled that loads rules at boot: units of systemd, or ``LEVEL/SERVICE`` of OpenRC."""
    if has_systemd(host):
        return [name for name in (RULES_UNIT, SETS_UNIT, *LOADERS) if host.run(["systemctl", "is-enabled", "--quiet", name]).ok]
    return [
        "%s/%s" % (level, name) for level in _LEVELS for name in ("iptables", "ip6tables")
        if host.exists("/etc/runlevels/%s/%s" % (level, name))
    ]  # fmt: skip


def loads_at_boot(host: Host) -> bool:
    """Return whether everything that holds saved rules is loaded at boot."""
    own = any(host.read(path) for path in OWN_FILES.values())
    if own and host.exists(UNIT_FOLDER + RULES_UNIT):
        return RULES_UNIT in loading_units(host)
    return bool(loading_units(host))


def switch_units(host: Host, units: t.Sequence[str], on: bool) -> t.List[str]:
    """Enable or disable units; returns what was done."""
    word = "enable" if on else "disable"
    notes = []
    for unit in units:
        if "/" in unit:
            level, _slash, name = unit.partition("/")
            host.checked(["rc-update", "add" if on else "del", name, level])
        else:
            host.checked(["systemctl", word, "--quiet", "--no-reload", unit])
        notes.append("%sd %s" % (word, unit))
    return notes


def persist_off(host: Host, listing: str) -> t.List[str]:
    """Keep the rules that were switched off in a file, and load nothing at boot."""
    notes: t.List[str] = []
    if listing:
        host.write(KEPT_FILE, listing)
        notes.append("wrote %s, from where the rules come back" % KEPT_FILE)
    units = loading_units(host)
    if units:
        host.write(KEPT_UNITS, "".join(unit + "\n" for unit in units))
        notes += switch_units(host, units, False)
    return notes


def persist_on(host: Host) -> t.List[str]:
    """Load at boot again what was loaded before; the file of the rules that were switched off goes when the caller has saved them."""
    units = (host.read(KEPT_UNITS) or "").split()
    if not units and has_systemd(host):
        units = [name for name in (RULES_UNIT, SETS_UNIT) if host.exists(UNIT_FOLDER + name)]
    enabled = loading_units(host)
    return switch_units(host, [unit for unit in units if unit not in enabled], True)
