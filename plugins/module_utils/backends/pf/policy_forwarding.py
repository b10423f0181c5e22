# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling the packets that go through the host from those to it and from it.

Pure: touches nothing. pf asks about a forwarded packet twice: as ``in`` when it arrives, as ``out`` when it leaves. So each packet that
arrives gets a tag: HOST when its destination is the host (one of its addresses, broadcast, multicast, link-local: routers forward
none of these), else FORWARD. Rules of direction ``forward`` ask for the tag and decide when the packet arrives, after destination
translation and before source translation; what they pass needs no second decision when it leaves. A state carries the tag on, so a
later packet has it as well.

The tag is replaced when the packet leaves: the tunnel's packet around it is the host's own, and must not pass as a forwarded one.
Only packets of multicast routing count as packets to and from the host. Sources: pf.conf(5), "tag", "(self)"; the first tag that a rule
sets is seen by the rules behind it, and stays although another rule decides.
"""

from __future__ import annotations

import re
import typing as t

from .dialect import Dialect
from .statements import Statement

FORWARD, HOST, GONE = "hf_forward", "hf_in", "hf_forwarded"

#: Destinations of packets for the host, by family. 0.0.0.0 is the old form of the broadcast address.
HOST_ADDRESSES: t.Dict[int, t.Tuple[str, ...]] = {
    4: ("(self)", "(self:broadcast)", "0.0.0.0", "224.0.0.0/4", "255.255.255.255"),
    6: ("(self)", "fe80::/10", "ff00::/8"),
}
_INET = {4: "inet", 6: "inet6"}
_TELLING = re.compile(r"(?:pass|match) in (?:(inet6?) )?(?:all|from any to (.+?))(?: no state)?(?: allow-opts)? tag (\w+)\Z")


def telling_lines(dialect: Dialect) -> t.List[str]:
    """Return the lines that give every arriving packet its tag; they decide nothing.

    OpenBSD has ``match`` for that; elsewhere it is a ``pass`` without ``quick``, behind which other rules decide.
    """
    if dialect.old_translation:
        start, end = "pass in", " no state allow-opts tag %s"
    else:
        start, end = "match in", " tag %s"
    lines = ["%s all%s" % (start, end % FORWARD)]
    for family, addresses in HOST_ADDRESSES.items():
        lines.append("%s %s from any to { %s }%s" % (start, _INET[family], ", ".join(addresses), end % HOST))
    return lines


def leaving_line() -> str:
    """Return the line that lets forwarded packets leave, about which a rule has decided when they arrived."""
    return "pass out quick all flags any keep state allow-opts tag %s tagged %s" % (GONE, FORWARD)


def told_apart(statements: t.Sequence[Statement]) -> bool:
    """Return whether statements that set a tag are together those of ``telling_lines``, as written or as pfctl lists them."""
    found: t.List[t.Tuple[t.Optional[str], str, str]] = []
    for statement in statements:
        text = " ".join(word.text for word in statement.words or ()).replace("( ", "(").replace(" )", ")")
        told = _TELLING.match(text)
        if told is None:
            return False
        family, destination, tag = told.groups()
        found.extend((family, word, tag) for word in re.split(r"[ ,]+", (destination or "any").strip("{} ")))
    wanted: t.List[t.Tuple[t.Optional[str], str, str]] = [(None, "any", FORWARD)]
    wanted += [(_INET[family], word, HOST) for family, words in HOST_ADDRESSES.items() for word in words]
    return found[:1] == wanted[:1] and set(found) == set(wanted)
