# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What npf enforces now, and whether that is what its file says.

Reads the host, changes nothing. ``npfctl show`` cannot be loaded again and hides addresses of tables and negations, so the file is what is
read and edited; it must be the source of the live rules. ``npfctl validate`` prints a file in the words of ``npfctl show``, which tells
whether it is. Sources of where the two differ: npf_show.c, npf_ruleset.c, npf_rproc.c and npf_params.c of NPF.
"""

from __future__ import annotations

import re
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from ..file_listing import LiveFile, first_difference
from .boot import rules_path
from .tables import FOLDER, table_text, tables_in

#: Where the text of a change lies between its load and its confirmation.
STAGED = "/etc/holdfast/npf.conf.next"
#: The standard input as a file: npfctl of NetBSD 9 does not know ``-``.
STDIN = "/dev/stdin"
#: The first line of a staged text that was not loaded, since npf had no rules and was switched off: a text that was, and that a reboot
#: forgot, does not count.
UNLOADED = "# holdfast: not loaded\n"
#: What the kernel numbers: every rule and group, and every translation. The rules of dynamic rulesets are not shown at all.
_ID = re.compile(r' ?# id="[0-9a-f]+" *$')


def read_live(host: Host) -> LiveFile:
    """Read the state of npf and the text that its rules were loaded from.

    :raises HoldfastError: when npfctl is missing or refuses.
    """
    if host.which("npfctl") is None:
        raise HoldfastError("npfctl is not on this host: it has no npf")
    path = rules_path(host)
    text = host.read(path) or ""
    active, loaded, shown = show(host)
    staged = host.read(STAGED)
    # The staged text is there only while a change waits for its confirmation.
    if staged is not None and staged.startswith(UNLOADED) and not loaded:
        return LiveFile(active, loaded, path, staged[len(UNLOADED) :])
    if staged is not None and loaded and _expanded(host, staged)[0] == shown:
        return LiveFile(active, loaded, path, staged, strayed_table(host, staged))
    if not active or not loaded:
        return LiveFile(active, loaded, path, text)
    expected, refused = _expanded(host, text)
    if refused:
        return LiveFile(True, True, path, text, "npfctl refuses the file: %s" % refused)
    if expected != shown:
        return LiveFile(True, True, path, text, first_difference(shown, expected))
    return LiveFile(True, True, path, text, strayed_table(host, text))


def show(host: Host) -> t.Tuple[bool, bool, t.Tuple[str, ...]]:
    """Return whether npf filters, whether it has rules, and these as it shows them.

    :raises HoldfastError: when npfctl may not say.
    """
    answer = host.run(["npfctl", "show"])
    if not answer.ok:
        said = (answer.err or answer.out).strip()
        if "ermission denied" in said or "not permitted" in said:
            raise HoldfastError("Reading the npf rules needs root; add become: true (or -b): %s" % said)
        raise HoldfastError("npfctl show failed: %s" % (said or "(it said nothing)"))
    active = re.search(r"^# filtering:\s*active", answer.out, re.MULTILINE) is not None
    loaded = re.search(r"^# config:\s*loaded", answer.out, re.MULTILINE) is not None
    return active, loaded, _lines(answer.out)


def strayed_table(host: Host, text: str) -> str:
    """Return which file of a table of ours holds other addresses than the text says, and empty text where none does."""
    for name, addresses in tables_in(text).items():
        if host.read("%s/%s" % (FOLDER, name)) != table_text(addresses):
            return "the file of the table <%s> holds other addresses than npf.conf says" % name
    return ""


def _expanded(host: Host, text: str) -> t.Tuple[t.Tuple[str, ...], str]:
    """Return what a text would load, in the words of ``npfctl show``, and why npfctl refuses it."""
    answer = host.run(["npfctl", "validate", STDIN], stdin=text if text.endswith("\n") else text + "\n")
    return (_lines(answer.out), "") if answer.ok else ((), (answer.err or answer.out).strip()[:2000] or "(it said nothing)")


def _lines(text: str) -> t.Tuple[str, ...]:
    """Return the lines of a listing that say what a file says, be it live or not.

    Parameters are left out: of the live ones only those are shown that differ from their default, of a file all. The kernel keeps
    procedures in the opposite order.
    """
    lines = [_ID.sub("", " ".join(line.split())) for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith(("#", "set "))]
    procedures = sorted(line for line in said if line.startswith("procedure "))
    return (*procedures, *(line for line in said if not line.startswith("procedure ")))
