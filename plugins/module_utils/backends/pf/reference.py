# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reference to pf on macOS, where it is on as long as somebody needs it.

Reads the host, and keeps one file: the token that ``pfctl -E`` handed out, by which ``pfctl -X`` gives it back. A pf that is on without a
reference of ours goes off when the last of the others (Internet Sharing, a VPN) is given back, so we always hold one of our own. Tokens do
not survive a boot; the job of launchd that loads our file takes a new one (``boot``).
"""

from __future__ import annotations

import re
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError

TOKEN = "/etc/holdfast/pf.token"
_HELD = '[ -s %s ] && pfctl -s References 2>/dev/null | grep -qw "$(cat %s)"' % (TOKEN, TOKEN)
#: Shell that takes a reference and notes it, unless ours still counts; for restores.
TAKE = "{ %s; } || { pfctl -E 2>&1 | sed -n 's/^Token *: *//p' > %s; [ -s %s ] || status=1; }" % (_HELD, TOKEN, TOKEN)
#: Shell that gives ours back, where we hold one.
GIVE = 'if %s; then pfctl -X "$(cat %s)" || status=1; fi; rm -f %s' % (_HELD, TOKEN, TOKEN)


def references(host: Host) -> t.List[str]:
    """Return the tokens that pf counts."""
    listed = host.run(["pfctl", "-s", "References"]).out
    return [found for line in listed.splitlines() for found in re.findall(r"\b\d{12,}\b", line)[:1]]


def own_reference(host: Host) -> str:
    """Return our token, and empty text where we hold none (one that was noted before a boot counts for nothing)."""
    noted = (host.read(TOKEN) or "").strip()
    return noted if noted.isdigit() and noted in references(host) else ""


def note_reference(host: Host, said: str) -> None:
    """Keep the token that pfctl printed.

    :raises HoldfastError: when it printed none: pf would be on, and nobody could say for whom.
    """
    found = re.search(r"Token\s*:\s*(\d+)", said)
    if found is None:
        raise HoldfastError("pfctl -E gave no token: %s" % (said.strip() or "(it said nothing)"))
    host.write(TOKEN, found.group(1) + "\n", 0o600)


def release_command(host: Host) -> t.Tuple[str, ...]:
    """Return the command that switches pf off.

    :raises HoldfastError: when others hold it on: without our reference it would go on deciding, and turning it off would stop them.
    """
    own = own_reference(host)
    others = [one for one in references(host) if one != own]
    if others:
        raise HoldfastError(
            "pf is held on by %d other programs of this Mac (Internet Sharing, a VPN), which would stop working without it, so it was not "
            "switched off. End them first; pfctl -s References lists them" % len(others)
        )
    return ("pfctl", "-X", own) if own else ("pfctl", "-d")
