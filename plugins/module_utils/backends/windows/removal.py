# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rule of Windows is removed: by a line of netsh, or by its identity in the registry where netsh cannot name it.

Pure: touches nothing. netsh removes by the name that people see, and reads its scripts in the code page of the host, while the name was
read through that of the connection. So it is told no name that is not plain ASCII; the cmdlet Remove-NetFirewallRule takes identities.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError
from .native_rule import NativeRule, Ports
from .netsh_line import CONTEXT, LONGEST, protocol_word, quoted

#: An identity that comes through every code page, and in which the cmdlet sees no pattern.
_PLAIN_IDENTITY = re.compile(r"[A-Za-z0-9{}(). _:;,&+=@#$%!'~\\/-]+\Z")
#: Reads identities, one a line, from the file that is its last word.
REMOVER = (
    "powershell.exe", "-NoProfile", "-NonInteractive", "-Command",
    ". { param([string]$file) Remove-NetFirewallRule -PolicyStore PersistentStore -ErrorAction Stop -Name (Get-Content $file) }",
)  # fmt: skip


def removal_of(one: NativeRule, stay: t.AbstractSet[str], left: t.Sequence[NativeRule], live: t.Iterable[NativeRule]) -> t.Tuple[str, ...]:
    """Return what removes a rule: one line of netsh, or the identities of all rules of the host that are equal to it.

    :param stay: the names, in small letters, of rules that stay.
    :param left: the rules that stay.
    :param live: the rules of the host.
    :raises HoldfastError: when it cannot be removed without another one.
    """
    try:
        line = _delete_line(one, stay, left)
        if len(line) <= LONGEST:
            return (line,)
        refusal = "This line is too long for a script of netsh (%d characters), do it in Windows: %s" % (len(line), line[:200])
    except HoldfastError as exc:
        refusal = exc.msg
    identities = tuple(other.identity for other in live if other == one)
    if not identities or not all(_PLAIN_IDENTITY.match(identity) for identity in identities):
        raise HoldfastError(refusal)
    return identities


def is_line(text: str) -> bool:
    """Return whether a text is a line of netsh, and no identity."""
    return text.startswith("advfirewall ")


def _delete_line(one: NativeRule, stay: t.AbstractSet[str], left: t.Sequence[NativeRule]) -> str:
    """Return the line that removes a rule.

    :raises HoldfastError: when it would remove another one as well.
    """
    # A question mark may stand for a letter that the connection does not carry.
    if not one.name or set('"?') & set(one.name) or not one.name.isascii() or not one.name.isprintable():
        raise HoldfastError("A script for netsh cannot name this rule for certain; remove it in Windows: %s" % (one.name or "(no name)"))
    line = "%sdelete rule name=%s" % (CONTEXT, quoted(one.name))
    if one.name.lower() not in stay and one.name.lower() != "all":
        return line
    if one.name.lower() == "all" or any(_is_meant(kept, one) for kept in left):
        raise HoldfastError("netsh cannot remove this rule without others of its name; remove it in Windows: %s" % one.name)
    return line + _filter(one)


def _is_meant(kept: NativeRule, one: NativeRule) -> bool:
    """Return whether the words that tell one rule apart may mean another one of the host as well.

    Whether "any" stands there for a rule of anything, or for anything, nobody says, so it counts as both.
    """
    if kept.source != "local" or kept.name.lower() != one.name.lower() or kept.direction != one.direction:
        return False
    pairs: t.Tuple[t.Tuple[bool, t.Any, t.Any], ...] = (
        (not one.profiles, one.profiles, kept.profiles), (one.protocol is None, (one.protocol, one.icmp), (kept.protocol, kept.icmp)),
        (one.local.any, one.local, kept.local), (one.remote.any, one.remote, kept.remote),
        (one.local_ports == Ports(), one.local_ports, kept.local_ports),
        (one.remote_ports == Ports(), one.remote_ports, kept.remote_ports), (not one.program, one.program, kept.program),
        (not one.service, one.service, kept.service),
    )  # fmt: skip
    return all(anything or mine == theirs for anything, mine, theirs in pairs)


def _filter(one: NativeRule) -> str:
    """Return the words by which netsh tells rules of one name apart.

    A program is a path there, without a word for any (``netsh advfirewall firewall delete rule ?``), so it is said only where there is one;
    so is a service.
    """
    words = [" dir=" + one.direction, "profile=" + (",".join(one.profiles) or "any"), "protocol=" + protocol_word(one)]
    words += ["localip=" + (",".join(one.local.texts()) or "any"), "remoteip=" + (",".join(one.remote.texts()) or "any")]
    if one.protocol in (6, 17):
        words.append("localport=" + (",".join(one.local_ports.texts()) or "any"))
        words.append("remoteport=" + (",".join(one.remote_ports.texts()) or "any"))
    words += ["%s=%s" % (word, quoted(text)) for word, text in (("program", one.program), ("service", one.service)) if text]
    return " ".join(words)
