# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From wanted files to a transaction, and what undoes it.

Touches the host in ``apply``. Firewalld loads rules from its files only, so the new files are on disk while it reloads; right after that
the old ones are put back, and the new ones are written again when the change is confirmed. So a host that restarts before that comes up
with its old rules.
"""

from __future__ import annotations

import shlex
import time
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from ..base import Command, Snapshot, Transaction
from . import kernel

#: Where the hash is kept of what nftables listed of ours when the last change was confirmed.
SEEN = "/etc/holdfast/firewalld.seen"
#: Where the same hash is kept of a change that is not confirmed yet: what differs from it then was loaded by somebody else.
APPLIED = "/run/holdfast-firewalld-applied"
RELOAD = ("firewall-cmd", "--reload")
#: The same, said over the system bus by a program that starts at once; firewall-cmd takes a good part of a second to start.
RELOAD_CALL = (
    "busctl", "--system", "--timeout=300", "call", "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1",
    "org.fedoraproject.FirewallD1", "reload",
)  # fmt: skip
RESTART = ("systemctl", "restart", "firewalld")
#: What tells whether it came up.
READY = ("firewall-cmd", "--state")
#: Seconds for a reload of many rules.
PATIENCE = 300.0
_MODE = 0o644

Changes = t.Mapping[str, t.Optional[str]]


def make_transaction(
    changes: Changes, before: Changes, again: t.Sequence[t.Tuple[str, ...]], restart: bool, after: str, seen: bool = True
) -> Transaction:
    """Return the transaction that writes files (None: removes them), loads them and gives back what a reload drops.

    :param before: the texts that these files have now.
    :param again: the commands that give back what is in force only, and not on disk.
    :param restart: whether nftables lost the rules, so that a reload does not help.
    :param seen: whether something of ours is in force afterwards, whose listing is noted when the change is confirmed.
    """
    commands = [
        Command(("rm", "-f", path)) if text is None else Command(("tee", path), text) for path, text in sorted(changes.items())
    ]  # fmt: skip
    commands += [Command(RESTART), Command(READY)] if restart else [Command(RELOAD)]
    commands += [Command(words) for words in again]
    facts = {"files": dict(changes), "before": dict(before), "seen": seen}
    # A reload drops new connections, and passes known ones from its first to its last moment.
    return Transaction(tuple(commands), after, facts, keeps_connections=not restart)


def apply(host: Host, transaction: Transaction) -> None:
    """Write the files, load them, and put the old files back.

    :raises HoldfastError: when a step fails; the caller restores.
    """
    facts = transaction.persist
    write_files(host, facts["files"])
    for command in transaction.commands:
        if command.argv[0] in ("tee", "rm"):
            continue
        answer = host.run(RELOAD_CALL, timeout=PATIENCE) if command.argv == RELOAD else None
        if answer is None or not answer.ok:
            answer = host.run(command.argv, command.stdin, timeout=PATIENCE)
        if not answer.ok:
            said = (answer.err or answer.out).strip()
            raise HoldfastError(
                "%s failed with code %d: %s" % (" ".join(command.argv)[:300], answer.rc, said[:2000] or "(it said nothing)")
            )
    restarted = any(command.argv[:2] in (RESTART[:2], ("systemctl", "start")) for command in transaction.commands)
    settled = _settled(host) if restarted else ""
    listed = kernel.table_text(host)
    if kernel.masquerades_what_arrives(listed):
        raise HoldfastError("This firewalld makes another masquerade of a set of interfaces than it said; leave masquerade out")
    host.write(APPLIED, (settled or kernel.digest(listed)) + "\n", _MODE)
    write_files(host, facts["before"])


def _settled(host: Host) -> str:
    """Return the hash of what is loaded once it stays the same: the unit counts as started before firewalld has loaded its rules."""
    before = ""
    for _attempt in range(100):
        listed = kernel.table_text(host)
        now = kernel.digest(listed)
        if now == before and kernel.has_chains(listed, ()):
            break
        before = now
        time.sleep(0.2)
    return before


def write_files(host: Host, changes: Changes) -> t.List[str]:
    """Write or remove files that are not so already; returns their paths."""
    written = []
    for path, text in sorted(changes.items()):
        if host.read(path) == text:
            continue
        if text is None:
            host.remove(path)
        else:
            host.write(path, text, _MODE)
        written.append(path)
    return written


def make_snapshot(transaction: Transaction) -> Snapshot:
    """Return what puts the old files back and loads them."""
    files: t.Dict[str, str] = {}
    lines = ["status=0"]
    for number, (path, text) in enumerate(sorted(transaction.persist["before"].items())):
        if text is None:
            lines.append("rm -f %s || status=$?" % shlex.quote(path))
        else:
            name = "firewalld%d" % number
            files[name] = text
            target, beside = shlex.quote(path), shlex.quote(path + ".holdfast-restore")
            lines.append(
                'cmp -s "$DIR/%s" %s || { cp "$DIR/%s" %s && chmod 644 %s && mv -f %s %s; } || status=$?'
                % (name, target, name, beside, beside, beside, target)
            )  # fmt: skip
    lines.append("firewall-cmd --reload || systemctl restart firewalld || status=$?")
    for command in transaction.commands:
        if command.argv[0] == "firewall-cmd" and command.argv != RELOAD:
            lines.append(" ".join(map(shlex.quote, command.argv)) + " || :")
    # A reload that nftables refuses leaves the old rules or none.
    table = "nft list chain inet firewalld filter_INPUT"
    lines.append("firewall-cmd --state >/dev/null && %s >/dev/null || systemctl restart firewalld || status=$?" % table)
    lines.append('[ "$status" -eq 0 ]')
    return Snapshot(files, "\n".join(lines) + "\n", (*sorted(transaction.persist["before"]), SEEN), True)
