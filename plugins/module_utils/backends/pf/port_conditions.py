# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions on ports (``80``, ``8000:8080``, ``>= 1024``, ``10 >< 20``) as ranges.

Pure but for the service database. Port 0 is no port of a packet on the wire, so ranges begin at 1. Source: pf.conf(5), "port".
"""

from __future__ import annotations

import typing as t

from ...policy.ports import MAX_PORT, PortRange
from .services import port_of
from .unreadable import Unreadable


def port_ranges(texts: t.Sequence[str], protocol: str) -> t.List[PortRange]:
    """Return the ports that the words of one condition match; ``protocol`` is ``tcp`` or ``udp``, for names of services.

    :raises Unreadable: for an operator or a name that is not known.
    """
    if len(texts) == 1 and ":" in texts[0]:
        first, _colon, last = texts[0].partition(":")
        return _between(_port(first, protocol), _port(last, protocol))
    if len(texts) == 1:
        return _between(_port(texts[0], protocol), _port(texts[0], protocol))
    if len(texts) == 3:
        low, high = _port(texts[0], protocol), _port(texts[2], protocol)
        if texts[1] == "><":
            return _between(low + 1, high - 1)
        if texts[1] == "<>":
            return _between(0, low - 1) + _between(high + 1, MAX_PORT)
        raise Unreadable("ports %s" % " ".join(texts))
    sign, port = texts[0], _port(texts[1], protocol)
    if sign == "!=":
        return _between(0, port - 1) + _between(port + 1, MAX_PORT)
    bounds = {"=": (port, port), "<": (0, port - 1), "<=": (0, port), ">": (port + 1, MAX_PORT), ">=": (port, MAX_PORT)}
    if sign not in bounds:
        raise Unreadable("ports %s" % " ".join(texts))
    return _between(*bounds[sign])


def _between(first: int, last: int) -> t.List[PortRange]:
    first = max(first, 1)
    return [PortRange(first, last)] if first <= last else []


def _port(text: str, protocol: str) -> int:
    number = int(text) if text.isdigit() and text.isascii() else port_of(text, protocol)
    if number is None or number > MAX_PORT:
        raise Unreadable("port %s" % text)
    return number
