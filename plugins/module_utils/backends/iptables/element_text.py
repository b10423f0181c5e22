# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The elements of kernel sets as ``ipset save`` prints them: from the keys of a table, and back to the fields of rules.

Pure: touches nothing. Facts: ipset(8), the types hash:net, hash:net,port, hash:net,net, hash:net,port,net and bitmap:port. An element has
one port, so a range of ports is as many elements.
"""

from __future__ import annotations

import itertools
import typing as t

from ...analysis.boxes import Sides
from ...policy.addresses import Addresses, networks_of
from ...policy.ports import PortRange
from ...policy.protocols import NUMBERS, protocol_name
from ..compile.tables import DESTINATION, FIELDS, PORT, SOURCE, SOURCE_PORT, Key
from .intervals import address_text, network_interval, network_of

#: The type of set for the fields of a key, and which sides of a packet are looked up in it.
SETS_OF: t.Dict[t.Tuple[str, ...], t.Tuple[str, str]] = {
    (SOURCE,): ("hash:net", "src"),
    (DESTINATION,): ("hash:net", "dst"),
    (PORT,): ("bitmap:port", "dst"),
    (SOURCE_PORT,): ("bitmap:port", "src"),
    (SOURCE, PORT): ("hash:net,port", "src,dst"),
    (DESTINATION, PORT): ("hash:net,port", "dst,dst"),
    (SOURCE, SOURCE_PORT): ("hash:net,port", "src,src"),
    (DESTINATION, SOURCE_PORT): ("hash:net,port", "dst,src"),
    (SOURCE, DESTINATION): ("hash:net,net", "src,dst"),
    (SOURCE, DESTINATION, PORT): ("hash:net,port,net", "src,dst,dst"),
}
#: A rule that would be more elements stays a line.
MAX_ELEMENTS = 64
#: A bitmap holds ranges cheaply, but lists each port.
MAX_PORTS = 1024
_FIELDS_OF = {sets: fields for fields, sets in SETS_OF.items()}


def fits(fields: t.Tuple[str, ...], sides: Sides, kinds: t.Container[str]) -> bool:
    """Return whether a rule can be elements of a set that a host has, and few enough of them."""
    if fields not in SETS_OF or SETS_OF[fields][0] not in kinds:
        return False
    count = 1
    for name in fields:
        side = sides[FIELDS[name]]
        if name in (PORT, SOURCE_PORT):
            count *= sum(high - low + 1 for low, high in side)
        else:
            count *= len(side)  # the networks of an interval are counted as one
    return count <= (MAX_PORTS if len(fields) == 1 else MAX_ELEMENTS)


def elements_of(fields: t.Tuple[str, ...], key: Key, family: int, protocol: t.Optional[int]) -> t.Iterator[str]:
    """Yield the elements of a key."""
    parts = []
    for name, (low, high) in zip(fields, key):
        if name in (SOURCE, DESTINATION):
            parts.append(_networks(low, high, family))
        else:
            word = "%s:" % protocol_name(protocol) if len(fields) > 1 else ""
            parts.append(["%s%d" % (word, port) for port in range(low, high + 1)])
    if len(parts) == 3:  # the port stands in the middle
        parts[1], parts[2] = parts[2], parts[1]
    return map(",".join, itertools.product(*parts))


def fields_of(
    kind: str, sides: str, value: str, family: int, known: t.Optional[t.Dict[str, Addresses]] = None
) -> t.Optional[t.Dict[str, t.Any]]:
    """Return what an element says as fields of a rule, or None when it is none that a policy writes.

    :param known: addresses by their text; elements of one set that name the same share one object, which takes half a kilobyte.
    """
    known = {} if known is None else known
    names = _FIELDS_OF.get((kind, sides))
    parts = value.split(",")
    if names is None or len(parts) != len(names):
        return None
    if len(parts) == 3:
        parts[1], parts[2] = parts[2], parts[1]
    found: t.Dict[str, t.Any] = {}
    for name, part in zip(names, parts):
        if name in (SOURCE, DESTINATION):
            if part not in known:
                interval = network_interval(part, family)
                network = network_of(interval, family) if interval is not None else None
                if network is None:
                    return None
                known[part] = Addresses((network,))
            found[name] = known[part]
            found["family"] = family
            continue
        word, colon, port = part.rpartition(":")
        if not (port.isascii() and port.isdigit() and 0 < int(port) <= 65535) or (colon and word not in NUMBERS):
            return None
        if colon:
            found["protocol"] = NUMBERS[word]
        found["ports" if name == PORT else "source_ports"] = (PortRange(int(port), int(port)),)
    return found


def _networks(low: int, high: int, family: int) -> t.List[str]:
    if low == high:
        return [address_text(low, family)]
    return [
        address_text(int(one.network_address), family) + ("" if one.prefixlen == one.max_prefixlen else "/%d" % one.prefixlen)
        for one in networks_of(((low, high),), family)
    ]
