# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching firewalld on and off: its unit, now and at boot.

Touches the host through ``host`` only. At run time the unit is started or stopped; whether it starts at boot changes on confirmation.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ...host import Host
from ...policy.rule import Rule
from ..base import Command, Snapshot, Transaction
from ..ruleset import Ruleset
from . import kernel
from .loading import READY, SEEN
from .names import CONFIG, LAST, policy_path
from .objects import OwnPolicy, own_files, read_files
from .policy_text import rule_item
from .render import normalise
from .state import STOPPED, State, make_ruleset
from .zone_files import zone_paths

UNIT = "firewalld.service"


def is_running(host: Host) -> bool:
    """Return whether firewalld runs."""
    return host.run(["firewall-cmd", "--state"]).ok


def starts_at_boot(host: Host) -> bool:
    """Return whether its unit starts at boot."""
    return host.run(["systemctl", "is-enabled", "--quiet", UNIT]).ok


def switch_transaction(
    host: Host, ruleset: Ruleset, state: State, wanted: str, keep: t.Sequence[Rule], again: t.Sequence[t.Tuple[str, ...]]
) -> Transaction:  # fmt: skip
    """Return the transaction that switches firewalld; see ``Backend.plan_switch``."""
    running = not state.stopped
    boots = starts_at_boot(host)
    files: t.Dict[str, str] = {}
    commands: t.List[Command] = []
    if wanted == "disabled":
        if not running and not boots:
            return Transaction((), ruleset.listing)
        commands.append(Command(("systemctl", "stop", UNIT)))
    elif running and not state.beneath:
        if wanted == "enabled" and boots:
            return Transaction((), ruleset.listing)
        commands += [Command(("systemctl", "restart" if wanted == "restarted" else "start", UNIT)), Command(READY)]
    else:
        files = {} if running else _kept_files(host, state, keep)
        commands += [Command(("systemctl", "restart", UNIT)), Command(READY)]
    if wanted == "restarted" or (running and state.beneath):
        commands += [Command(words) for words in again]
    facts: t.Dict[str, t.Any] = {
        "files": files, "before": {path: host.read(path) for path in files}, "seen": None, "switch": wanted, "was": running,
        "again": [list(words) for words in again],
    }  # fmt: skip
    shown = [Command(("tee", path), text) for path, text in sorted(files.items())]
    return Transaction(tuple(shown + commands), _listing_when_off(state) if wanted == "disabled" else ruleset.listing, facts)


def _listing_when_off(state: State) -> str:
    """Return what is listed of a firewalld that does not run: our files."""
    policies, sets = read_files(state.files)
    return make_ruleset(State({"state": STOPPED}, tuple(policies), sets, (), state.files)).listing


def _kept_files(host: Host, state: State, keep: t.Sequence[Rule]) -> t.Dict[str, str]:
    """Return the file that lets in what has to pass once firewalld runs, unless its default zone surely does."""
    rules = [normalise(rule) for rule in keep]
    if state.whole() or not rules or _passes_ssh(host, rules):
        return {}
    name = LAST["in"]
    there = state.policy(name)
    items = [rule_item(rule) for rule in rules]
    missing = tuple(item for item in items if there is None or all(item.rules != one.rules for one in there.items))
    if not missing:
        return {}
    return own_files([OwnPolicy(name, "in", items=(*(there.items if there is not None else ()), *missing))], {})


def _passes_ssh(host: Host, rules: t.Sequence[Rule]) -> bool:
    if any([(one.first, one.last) for one in rule.ports] != [(22, 22)] or not rule.source.any for rule in rules):
        return False
    found = re.search(r"^DefaultZone=(\S+)$", host.read(CONFIG + "/firewalld.conf") or "", re.MULTILINE)
    zone = found.group(1) if found is not None else "public"
    texts = [host.read(path) for path in zone_paths(zone)]
    text = next((one for one in texts if one is not None), "")
    plain = "<rule" not in text and re.search(r"<service name=\"ssh\"\s*/>", text) is not None
    return plain and not _binds(host, zone) and host.read(policy_path(LAST["in"])) is None


def _binds(host: Host, default: str) -> bool:
    """Return whether another zone than the default one has interfaces or sources, perhaps those that administrators come in by."""
    names = host.run(["ls", CONFIG + "/zones"]).out.split()
    zones = [name for name in names if name.endswith(".xml") and name != default + ".xml"]
    texts = (host.read("%s/zones/%s" % (CONFIG, name)) or "" for name in zones)
    return any(re.search(r"<(?:interface|source)\s", text) is not None for text in texts)


def switch_snapshot(transaction: Transaction) -> Snapshot:
    """Return what undoes a switch."""
    lines = ["status=0"]
    lines += ["rm -f %s || status=$?" % shlex.quote(path) for path, text in transaction.persist["before"].items() if text is None]
    lines.append("systemctl %s %s || status=$?" % ("restart" if transaction.persist["was"] else "stop", UNIT))
    if transaction.persist["was"]:
        # The unit counts as started before firewalld answers.
        lines.append("firewall-cmd --state >/dev/null || status=$?")
        lines += [" ".join(map(shlex.quote, words)) + " || :" for words in transaction.persist["again"]]
    lines.append('[ "$status" -eq 0 ]')
    return Snapshot({}, "\n".join(lines) + "\n", tuple(sorted(transaction.persist["before"])), True)


def persist_switch(host: Host, facts: t.Mapping[str, t.Any]) -> t.List[str]:
    """Make a switch last across a boot."""
    if facts["switch"] == "disabled":
        host.checked(["systemctl", "disable", UNIT])
        return ["firewalld does not start at boot any more"]
    if host.exists(SEEN):
        # The rules were loaded anew, and more than before where SSH was let in: from now on they are what is expected.
        host.write(SEEN, kernel.digest(kernel.table_text(host)) + "\n", 0o644)
    if starts_at_boot(host):
        return []
    host.checked(["systemctl", "enable", UNIT])
    return ["firewalld starts at boot"]
