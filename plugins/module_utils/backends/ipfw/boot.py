# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the live ipfw rules come back at boot, on top of whatever the administrator's own script loads.

Writes below /etc/holdfast, rc.conf and loader.conf. The firewall script that was configured before is never touched: ours runs it first
and then makes the difference between what it yields and what was live: rules that are gone are deleted (each only if it still reads as
it did), rules that are new are added with their numbers, and a policy of ours is loaded into its own rule set.
Sources: rc.conf(5), rc.firewall, loader.conf(5), ipfw(8).
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...host import Host
from ...policy.errors import HoldfastError
from ..base import Command
from ..rc_conf import rc_setting, says_yes
from .listing import DEFAULT_NUMBER, Line, Listing, read_listing
from .policy_lines import Contents, file_text, own_lines, own_sets, tables_named
from .policy_words import DEFAULT_MARK
from .restore import CALLS, as_data, put_back

FOLDER = "/etc/holdfast"
SCRIPT = FOLDER + "/ipfw.rules"
#: The listing that the administrator's script yields.
BASE = FOLDER + "/ipfw.base"
#: The path of the administrator's script; empty without one.
FORMER = FOLDER + "/ipfw.script"
GONE = FOLDER + "/ipfw.gone"
CALLED = FOLDER + "/ipfw.calls"
#: The policy of ours as a file for ipfw; empty without one.
POLICY = FOLDER + "/ipfw.policy"
#: What the kernel needs before the policy is loaded, and what follows when it could not be loaded whole.
ROOM = FOLDER + "/ipfw.room"
PARTIAL = FOLDER + "/ipfw.partial"
RC_FILES = ("/etc/rc.conf", "/etc/rc.conf.local")
LOADER = "/boot/loader.conf"
ACCEPT = "net.inet.ip.fw.default_to_accept"
TABLES_MAX = "net.inet.ip.fw.tables_max"
#: So many tables fit into what every kernel has room for, beside those of others.
FEW_TABLES = 64
#: Every file that may be written.
PATHS = (SCRIPT, BASE, FORMER, GONE, CALLED, POLICY, ROOM, PARTIAL, LOADER) + RC_FILES

_TEXT = """\
#!/bin/sh
# Loads the ipfw rules at boot. Written by holdfast.firewall; the lists beside it are data for it.
# The script that was configured before runs first, then the changes that tasks made to its rules.
PATH=$PATH:/sbin:/bin:/usr/sbin:/usr/bin
LC_ALL=C
export PATH LC_ALL
DIR=${0%%/*}
status=0
%s
former=$(cat "$DIR/ipfw.script")
if [ -n "$former" ]; then
    /bin/sh "$former" "$@"
else
    ipfw -q -f flush
fi
# A rule that was taken out goes only if it still reads as it did.
while IFS= read -r line; do
    number=${line%%%% *}
    if ipfw -S list "$number" 2> /dev/null | grep -Fqx -e "$line"; then
        ipfw -q delete "$number"
    fi
done < "$DIR/ipfw.gone"
ipfw_calls < "$DIR/ipfw.calls"
if [ -s "$DIR/ipfw.policy" ]; then
    ipfw_calls < "$DIR/ipfw.room"
    if ! ipfw -q "$DIR/ipfw.policy"; then
        status=1
        ipfw_calls < "$DIR/ipfw.partial"
    fi
fi
exit "$status"
""" % CALLS.rstrip("\n")  # fmt: skip


def script(host: Host) -> t.Optional[str]:
    """Return the script that is configured to load the rules at boot, whether it does or not; None without one."""
    named = rc_setting(host, RC_FILES, "firewall_script")
    return named or ("/etc/rc.firewall" if rc_setting(host, RC_FILES, "firewall_type") is not None else None)


def starts_at_boot(host: Host) -> bool:
    """Return whether rc.conf enables the firewall."""
    return says_yes(rc_setting(host, RC_FILES, "firewall_enable"))


def persist(host: Host, before: str, now: str, enable: bool = True) -> t.List[str]:
    """Write what brings the live rules back at boot.

    :param before: the listing before the change, which is what the administrator's script yields when ours is not in place yet; empty
        where ipfw was not in the kernel.
    :param now: the live listing.
    :param enable: whether the firewall is to start at boot; else that stays as it is.
    """
    notes: t.List[str] = []
    former = rc_setting(host, RC_FILES, "firewall_script")
    if former != SCRIPT:
        own = starts_at_boot(host) or (not enable and script(host) is not None)
        _write(host, FORMER, (former or "/etc/rc.firewall") + "\n" if own else "\n", 0o600)
        _write(host, BASE, before if own else "", 0o600)
        if own:
            notes.append("%s goes on to be run first at boot" % (former or "/etc/rc.firewall"))
    elif host.read(BASE) is None or host.read(FORMER) is None:
        # Someone removed them: without knowing what the former script yields, the live rules are kept as a whole.
        _write(host, FORMER, "\n", 0o600)
        _write(host, BASE, "", 0o600)
    base, whole = read_listing(host.read(BASE) or ""), read_listing(now)
    policy = own_lines(whole)
    base, live = _without_policies(base), _without_policies(whole)
    numbers = _changed_numbers(base, live)
    gone = [line.shown() for line in base.lines if line.number in numbers and not line.disabled]
    # Our script did not run, so its rules are not live, and stay what they are.
    unrun = former == SCRIPT and not before and host.read(CALLED) is not None
    written = [
        not unrun and _write(host, GONE, "".join(line + "\n" for line in gone), 0o600),
        not unrun and _write(host, CALLED, as_data(put_back(live, numbers)), 0o600),
        *_write_policy(host, policy, whole),
        _write(host, SCRIPT, _TEXT, 0o755),
    ]
    if any(written):
        notes.append("wrote %s and the lists it reads" % SCRIPT)
    wanted = [("firewall_enable", "YES", not enable or starts_at_boot(host)), ("firewall_script", SCRIPT, former == SCRIPT)]
    for name, value, there in wanted:
        if not there:
            host.checked(["sysrc", "%s=%s" % (name, value)])
            notes.append("set %s=%s in rc.conf" % (name, value))
    if any(line.number == DEFAULT_NUMBER and line.body.startswith("allow") for line in live.lines):
        notes += _accept_by_default(host)
    return notes


def start_at_boot(host: Host) -> t.Optional[t.List[str]]:
    """Start the firewall at boot by the script that is configured; returns what was written, or None where none is.

    Without a script, /etc/rc.firewall would deny everything.
    """
    configured = script(host)
    if configured is None:
        return None
    if starts_at_boot(host):
        return []
    host.checked(["sysrc", "firewall_enable=YES"])
    return ["set firewall_enable=YES in rc.conf, where %s loads the rules" % configured]


def stop_at_boot(host: Host) -> t.List[str]:
    """Make the firewall not start at boot; its scripts stay. Returns what was written.

    :raises HoldfastError: when the loader loads ipfw all the same, which then denies everything.
    """
    loader = host.read(LOADER) or ""
    loads = re.search(r"^\s*ipfw_load\s*=\s*[\"']?YES", loader, re.MULTILINE | re.IGNORECASE)
    if loads and not re.search(r"^\s*%s\s*=\s*[\"']?1" % re.escape(ACCEPT), loader, re.MULTILINE):
        raise HoldfastError(
            "%s loads ipfw at boot, and without its rules it would deny everything: take ipfw_load out of that file first, or set %s=1 "
            "there" % (LOADER, ACCEPT)
        )
    if not starts_at_boot(host):
        return []
    host.checked(["sysrc", "firewall_enable=NO"])
    return ["set firewall_enable=NO in rc.conf; %s stays" % (rc_setting(host, RC_FILES, "firewall_script") or "/etc/rc.firewall")]


def _without_policies(listing: Listing) -> Listing:
    sets = own_sets(listing)
    return replace(listing, lines=tuple(line for line in listing.lines if line.set not in sets))


def _write_policy(host: Host, own: t.Sequence[Line], listing: Listing) -> t.List[bool]:
    """Write the policy: into a set that is disabled until all of it is there."""
    text = room = partial = ""
    if own:
        number = str(own[0].set)
        named = tables_named(own)
        contents = Contents(
            {name: found for name, found in listing.tables if name in named},
            {name: found for name, found in listing.flows if name in named},
        )
        text = "set disable %s\n%sset enable %s\n" % (number, file_text(own, contents), number)
        if len(named) > FEW_TABLES:
            room = as_data([Command(("sysctl", "%s=%d" % (TABLES_MAX, 2 * len(named) + 128)))])
        calls = [Command(("ipfw", "-q", "set", "enable", number))]
        if any("// %sin" % DEFAULT_MARK in line.body and not line.body.startswith("allow") for line in own):
            calls.append(Command(("ipfw", "-q", "add", "65534", "set", number, *"deny ip from any to any in".split())))
        partial = as_data(calls)
    return [_write(host, POLICY, text, 0o600), _write(host, ROOM, room, 0o600), _write(host, PARTIAL, partial, 0o600)]


def _changed_numbers(base: Listing, live: Listing) -> t.List[int]:
    """Return the numbers whose rules differ."""
    groups: t.List[t.Dict[int, t.List[Line]]] = [{}, {}]
    for group, listing in zip(groups, (base, live)):
        for line in listing.lines:
            if line.number != DEFAULT_NUMBER:
                group.setdefault(line.number, []).append(line)
    old, new = groups
    return sorted(number for number in {*old, *new} if old.get(number) != new.get(number))


def _accept_by_default(host: Host) -> t.List[str]:
    """Keep the default of the live firewall: without this the module denies everything that no rule passes."""
    text = host.read(LOADER) or ""
    if re.search(r"^\s*%s\s*=\s*[\"']?1" % re.escape(ACCEPT), text, re.MULTILINE):
        return []
    text = re.sub(r"^\s*%s\s*=.*\n?" % re.escape(ACCEPT), "", text, flags=re.MULTILINE)
    host.write(LOADER, '%s%s%s="1"\n' % (text, "" if text.endswith("\n") or not text else "\n", ACCEPT), 0o644)
    return ["set %s=1 in %s, as it is now" % (ACCEPT, LOADER)]


def _write(host: Host, path: str, text: str, mode: int) -> bool:
    """Write a file unless it is so already; returns whether it was written."""
    if host.read(path) == text:
        return False
    host.write(path, text, mode)
    return True
