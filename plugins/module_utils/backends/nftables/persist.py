# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making verified rules last over a reboot, beside the administrator's own files and never in them.

Writes the files named in ``names`` and enables the unit that loads them. Everything is taken from the live rules; the facts of a change
only say which rules in other people's tables are ours, and which of theirs were removed.
"""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import replace

from ...host import Host
from .listing import Listing, referred
from .loader import LOAD_SCRIPT, UNIT_TEXT, Record, read_records, write_records
from .names import FOREIGN_FILE, INCLUDED_FILE, INCLUDED_FOLDER, LIMIT_SET, LOADER, MAIN_FILES, OWN_FILE, OWN_TABLE, UNIT, UNIT_FILE
from .ruleset import hook_of

PATHS = (OWN_FILE, FOREIGN_FILE, LOADER, UNIT_FILE, INCLUDED_FILE)
_HEAD = "# The table of holdfast.firewall. Written by holdfast.firewall: changes are overwritten.\n"


def persist(host: Host, tables: Listing, facts: t.Mapping[str, t.Any]) -> t.List[str]:
    """Write what is live, and see to it that it is loaded at boot; returns what was done, for people."""
    notes: t.List[str] = []
    own = own_file(tables)
    records = foreign_records(tables, read_records(host.read(FOREIGN_FILE) or ""), facts)
    foreign = write_records(records) if records else None
    systemd = has_systemd(host)
    if own is None and foreign is None:
        if systemd and host.exists(UNIT_FILE):
            host.run(["systemctl", "disable", "--quiet", UNIT])
            notes.append("disabled %s" % UNIT)
        for path in PATHS:
            _write(host, path, None, notes)
        if notes and systemd:
            host.run(["systemctl", "daemon-reload"])
        return notes
    _write(host, OWN_FILE, own, notes)
    _write(host, FOREIGN_FILE, foreign, notes)
    _write(host, LOADER, LOAD_SCRIPT, notes, 0o755)
    if systemd:
        known = host.exists(UNIT_FILE)
        _write(host, UNIT_FILE, UNIT_TEXT, notes, 0o644)
        _write(host, INCLUDED_FILE, None, notes)
        _enable(host, known, notes)
    else:
        _include(host, own, foreign, notes)
    return notes


def persist_switch(host: Host, tables: Listing, facts: t.Mapping[str, t.Any]) -> t.List[str]:
    """Make the switch last; returns what was done, for people."""
    notes: t.List[str] = []
    if facts["switch"] != "disabled":
        if not facts.get("left_out"):
            return persist(host, tables, {}) or ["%s is loaded at boot" % OWN_FILE]
        notes += ["warning: left out, since its chain is not there: %s" % one for one in facts["left_out"]]
        if has_systemd(host):
            host.checked(["systemctl", "enable", "--quiet", UNIT])
        return notes
    if facts.get("own"):
        host.write(OWN_FILE, facts["own"])
        notes.append("wrote %s" % OWN_FILE)
    if has_systemd(host):
        # Stopped too, else it would load the rules with the next reload of nftables.service.
        host.run(["systemctl", "disable", "--quiet", UNIT])
        host.run(["systemctl", "stop", UNIT])
        notes.append("disabled %s; the rules stay in %s" % (UNIT, OWN_FILE))
    if host.exists(INCLUDED_FILE):
        host.remove(INCLUDED_FILE)
        notes.append("removed %s; the rules stay in %s" % (INCLUDED_FILE, OWN_FILE))
    if any(one.what in ("del", "policy") for one in read_records(host.read(FOREIGN_FILE) or "")):
        notes.append("warning: rules and policies of your own tables that tasks changed are as your own files say after the next boot")
    return notes


def own_file(tables: Listing) -> t.Optional[str]:
    """Return the file of our own table, or None when it has no rules.

    It may be loaded again and again: the chains are flushed and filled in one transaction, and keep their hooks.
    """
    own = tables.table(OWN_TABLE)
    if own is None or not any(chain.rules for chain in own.chains()):
        return None
    return _HEAD + "add table %s %s\nflush table %s %s\n%s\n" % (*OWN_TABLE, *OWN_TABLE, "\n".join(own.lines()))


def foreign_records(tables: Listing, known: t.Sequence[Record], facts: t.Mapping[str, t.Any]) -> t.List[Record]:
    """Return the records of rules in other tables, brought up to date with the live rules and a change's facts."""
    removals = {(one.ref, one.text): one for one in known if one.what == "del"}
    additions = [one for one in known if one.what == "add"]
    fresh = set()
    for family, table, chain, text in facts.get("removed", ()):
        gone = ((family, table, chain), text)
        ours = next((one for one in additions if (one.ref, one.text) == gone), None)
        if ours is not None:
            additions.remove(ours)
        else:
            fresh.add(gone)
            removals[gone] = Record("del", *gone)
    for family, table, chain, text in facts.get("added", ()):
        additions.append(Record("add", (family, table, chain), text))
    live = {(one.family, one.name, chain.name): [rule.text for rule in chain.rules] for one in tables.tables for chain in one.chains()}
    placed = _placed(additions, live)
    kept = []
    theirs = Counter((ref, text) for ref, texts in live.items() for text in texts)
    theirs.subtract((one.ref, one.text) for one in placed)
    for key, one in removals.items():
        if key in fresh:
            kept.append(replace(one, anchor=str(theirs[key])))
        elif theirs[key] <= (int(one.anchor) if one.anchor.isdigit() else 0):
            kept.append(one)  # else it came back by the administrator's hand
    return _sets(tables, placed) + [one for one in _policies(tables, known, facts) + kept + placed if one.plain]


def _policies(tables: Listing, known: t.Sequence[Record], facts: t.Mapping[str, t.Any]) -> t.List[Record]:
    """Return the policies of chains that were changed and are still as they were made."""
    wanted = {one.ref: one.text for one in known if one.what == "policy"}
    wanted.update({(family, table, chain): verdict for family, table, chain, verdict in facts.get("policies", ())})
    live = {(one.family, one.name, chain.name): hook_of(chain) for one in tables.tables for chain in one.chains()}
    found = []
    for ref, verdict in wanted.items():
        hook = live.get(ref)
        if hook is not None and hook[3] == verdict:
            found.append(Record("policy", ref, verdict))
    return found


def _placed(additions: t.Sequence[Record], live: t.Mapping[t.Any, t.Sequence[str]]) -> t.List[Record]:
    """Return the additions that are live, in live order, each with the first rule behind it that is not ours."""
    wanted: t.Dict[t.Any, t.List[str]] = {}
    for one in additions:
        wanted.setdefault(one.ref, []).append(one.text)
    placed: t.List[Record] = []
    for ref, texts in wanted.items():
        left = list(texts)
        found: t.List[Record] = []
        lines = list(live.get(ref, ()))
        ours = []
        for line in lines:
            ours.append(line in left)
            if ours[-1]:
                left.remove(line)
        anchor = ""
        for line, mine in zip(reversed(lines), reversed(ours)):
            if mine:
                found.append(Record("add", ref, line, anchor))
            else:
                anchor = "" if "\t" in line else line
        placed += reversed(found)
    return placed


def _sets(tables: Listing, placed: t.Sequence[Record]) -> t.List[Record]:
    """Return the records of the dynamic sets that rules of ours in other tables name."""
    records = []
    for one in placed:
        for name in sorted(word for word in referred(one.text) if word.startswith(LIMIT_SET)):
            table = tables.table(one.ref[:2])
            block = table.block("set", name) if table is not None else None
            if block is not None:
                body = "{ %s; }" % "; ".join(line.strip() for line in block.without_elements().body)
                records.append(Record("set", (one.ref[0], one.ref[1], name), body))
    return list(dict.fromkeys(records))


def _write(host: Host, path: str, text: t.Optional[str], notes: t.List[str], mode: int = 0o600) -> None:
    if text is None:
        if host.exists(path):
            host.remove(path)
            notes.append("removed %s" % path)
    elif host.read(path) != text:
        host.write(path, text, mode)
        notes.append("wrote %s" % path)


def _enable(host: Host, known: bool, notes: t.List[str]) -> None:
    """Enable and start the unit; ``known`` says whether systemd may have read an older text of it."""
    enabled = host.run(["systemctl", "is-enabled", "--quiet", UNIT]).ok
    if not enabled or "wrote %s" % UNIT_FILE in notes:
        if known:
            host.run(["systemctl", "daemon-reload"])
        # A unit that is new is read when it is started: reloading all units takes a quarter of a second, and the links need none.
        result = host.run(["systemctl", "enable", "--quiet", "--no-reload", UNIT])
        if not result.ok:
            notes.append("warning: %s could not be enabled, so the rules are gone after a reboot: %s" % (UNIT, result.err.strip()))
            return
        notes.append("enabled %s" % UNIT)
    # Once active it follows a reload of nftables.service, which flushes all rules. What it loads now is what is live.
    # Waited for, so that it cannot load into the middle of a later change.
    if not host.run(["systemctl", "is-active", "--quiet", UNIT]).ok:
        result = host.run(["systemctl", "start", UNIT], timeout=20.0)
        if not result.ok:
            notes.append("warning: %s did not start (see journalctl -u %s): %s" % (UNIT, UNIT, result.err.strip()))


def _include(host: Host, own: t.Optional[str], foreign: t.Optional[str], notes: t.List[str]) -> None:
    """Without systemd: use the folder that the host's own nftables file includes, if it does."""
    if _includes(host):
        _write(host, INCLUDED_FILE, own, notes, 0o644)
        if foreign is not None:
            notes.append("warning: rules in tables of others are live; they need sh %s when the host starts, after its own rules" % LOADER)
    else:
        notes.append("warning: the rules are live, but no loader for boot was found; run sh %s when the host starts" % LOADER)


def loader_facts(host: Host) -> t.Dict[str, t.Any]:
    """Return how the rules come back at boot, for people."""
    for path, word in ((UNIT_FILE, UNIT), (INCLUDED_FILE, INCLUDED_FILE)):
        if host.exists(path):
            return {"boot_loader": word, "at_boot": bool(loads_at_boot(host))}
    return {"boot_loader": None, "at_boot": False}


def has_systemd(host: Host) -> bool:
    """Return whether systemd runs the host."""
    return host.exists("/run/systemd/system") and host.which("systemctl") is not None


def loads_at_boot(host: Host) -> t.Optional[bool]:
    """Return whether something that is enabled loads our rules at boot; None where this host has nothing that could."""
    if has_systemd(host):
        return host.exists(UNIT_FILE) and host.run(["systemctl", "is-enabled", "--quiet", UNIT]).ok
    return host.exists(INCLUDED_FILE) or (False if _includes(host) else None)


def _includes(host: Host) -> bool:
    """Return whether the host's own nftables file includes the files of a folder."""
    return host.exists(INCLUDED_FOLDER) and any(
        re.search(r'^\s*include\s+"%s/\*(\.nft)?"' % re.escape(INCLUDED_FOLDER), host.read(path) or "", re.MULTILINE) for path in MAIN_FILES
    )
