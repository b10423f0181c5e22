# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ipfw accepts in silence although it can never match; ``HOLDFAST_STANDIN_STRICT`` makes the stand-in refuse it."""

from __future__ import annotations

from .ipfw_rule import DATAERR, Insn, IpfwError
from .net_names import PROTOCOLS


def check_sense(body: list[Insn]) -> None:
    """Refuse what no packet can match."""
    protocols = {insn.args[0] for insn in body if insn.op == "proto"}
    families = {4, 6}
    for block in blocks_of(body):
        possible = set()
        for insn in block:
            possible |= _families(insn)
        families &= possible
    if not families:
        raise IpfwError(DATAERR, "strict: the rule mixes IPv4 and IPv6 and matches nothing")
    tcp, udp = PROTOCOLS["tcp"], PROTOCOLS["udp"]
    needs_tcp = any(insn.op in ("tcpflags", "established") for insn in body)
    if needs_tcp and protocols and tcp not in protocols:
        raise IpfwError(DATAERR, "strict: setup, established and tcpflags match tcp only")
    if any(insn.op in ("sport", "dport") for insn in body) and protocols and not protocols & {tcp, udp, 132, 136}:
        raise IpfwError(DATAERR, "strict: ports need tcp, udp or sctp")


def blocks_of(body: list[Insn]) -> list[list[Insn]]:
    """The body as ``or`` blocks: all blocks must match, each by any of its instructions."""
    blocks: list[list[Insn]] = [[]]
    for insn in body:
        blocks[-1].append(insn)
        if not insn.either:
            blocks.append([])
    return [block for block in blocks if block]


def _families(insn: Insn) -> set[int]:
    """The address families in which an instruction can match."""
    if insn.negated:
        return {4, 6}
    if insn.op in ("src", "dst") and insn.args[0] == "nets":
        return {insn.args[1]}
    if insn.op in ("src", "dst") and insn.args[0] == "me6":
        return {6}
    if insn.op in ("ip4", "icmptypes") or (insn.op == "proto" and insn.args[0] == 1):
        return {4}
    if insn.op in ("ip6", "icmp6types") or (insn.op == "proto" and insn.args[0] == 58):
        return {6}
    return {4, 6}
