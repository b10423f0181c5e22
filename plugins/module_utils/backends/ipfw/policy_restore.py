# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back to the policy that was in force before, and tidying up once the new one is confirmed.

``restore_policy`` is pure: it builds text. ``tidy_up`` changes the host.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ..base import Command, Snapshot
from . import boot
from .listing import RESERVED_SET, Listing
from .policy_plan import KEEP_STATES
from .restore import CALLS, as_data, put_back


def restore_policy(before: Listing, facts: t.Mapping[str, t.Any], switches: t.Mapping[str, str]) -> Snapshot:
    """Return what puts the old rules back: their sets are enabled again in the moment in which the new one is disabled.

    :param facts: those of the change (see ``policy_plan.Change``).
    :param switches: kernel variables and the value they had.
    """
    new = facts.get("new")
    off = [str(one) for one in facts.get("off", ())]
    switch = (["disable", str(new)] if new is not None else []) + (["enable", *off] if off else [])
    lines = ["status=0", CALLS.rstrip("\n"), "sysctl %s=1 > /dev/null 2>&1" % KEEP_STATES]
    lines.append("ipfw -q set %s || status=$?" % " ".join(switch))
    if new is not None:
        lines += ["ipfw -q delete set %d 2> /dev/null" % new, "ipfw -q set enable %d" % new]
    lines += ["ipfw -q table %s destroy 2> /dev/null" % name for name in facts.get("made", ())]
    reserved = [line for line in before.lines if line.set == RESERVED_SET]
    lines += [
        'if [ "$(ipfw -S set %d list)" != "$(cat "$DIR/ipfw.reserved")" ]; then' % RESERVED_SET,
        '    ipfw_calls < "$DIR/ipfw.calls"',
        "fi",
    ]
    for name, value in sorted(switches.items()):
        lines.append('[ "$(sysctl -n %s)" = %s ] || sysctl %s=%s > /dev/null || status=$?' % (name, value, name, value))
    lines.append('[ "$status" -eq 0 ]')
    own = Listing(tuple(reserved[:-1]), before.tables)
    files = {
        "ipfw.reserved": "".join(line.shown() + "\n" for line in reserved),
        "ipfw.calls": as_data(put_back(own, [line.number for line in own.lines])),
    }
    return Snapshot(files, "\n".join(lines) + "\n", boot.PATHS)


def tidy_up(host: Host, facts: t.Mapping[str, t.Any]) -> t.List[str]:
    """Delete what the confirmed change put out of force; returns warnings.

    The connections that the old rules made known stay known (``dyn_keep_states``).
    """
    gone = [*facts.get("off", ()), *(one for one in facts.get("stale", ()) if one != facts.get("new"))]
    calls: t.List[Command] = []
    if gone:
        if host.run(["sysctl", "-n", KEEP_STATES]).out.strip() == "0":
            calls.append(Command(("sysctl", KEEP_STATES + "=1")))
        calls += [Command(("ipfw", "-q", "delete", "set", str(one))) for one in gone]
        calls.append(Command(("ipfw", "-q", "set", "enable", *(str(one) for one in gone))))
    calls += [Command(("ipfw", "-q", "table", str(name), "destroy")) for name in facts.get("unused", ())]
    notes = []
    for call in calls:
        answer = host.run(call.argv)
        if not answer.ok:
            notes.append("%s failed: %s" % (" ".join(call.argv), (answer.err or answer.out).strip()))
    return notes
