# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an ipfw rule is made of: a list of match instructions and an action, as the kernel keeps them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

USAGE, DATAERR, NOHOST, UNAVAILABLE, OSERR = 64, 65, 68, 69, 71
DEFAULT_RULE = 65535
RESERVED_SET = 31


class IpfwError(Exception):
    """A message for stderr (without the program name) and the exit code of sysexits(3)."""

    def __init__(self, rc: int, message: str) -> None:
        """``rc`` ends the program."""
        super().__init__(message)
        self.rc = rc


@dataclass
class Insn:
    """One match instruction.

    ``op``: proto, ip4, ip6, src, dst, sport, dport, in, via, recv, xmit, icmptypes, icmp6types, established, tcpflags, frag, uid, gid,
    tagged, verrevpath, versrcreach, antispoof, flow, keep, limit.  ``either`` joins it with the next one in an ``or`` block.
    """

    op: str
    args: tuple = ()
    negated: bool = False
    either: bool = False


@dataclass
class IpfwRule:
    """One rule; ``action`` is a word with its arguments, such as ``("allow",)`` or ``("unreach", 3)``."""

    number: int = 0
    set: int = 0
    action: tuple = ()
    body: list[Insn] = field(default_factory=list)
    options_only: bool = False
    probability: float = 1.0
    log: int | None = None
    tag: tuple = ()
    comment: str | None = None
    record_only: bool = False
    packets: int = 0
    octets: int = 0
    identity: int = 0


def rule_to_json(rule: IpfwRule) -> dict:
    """Plain JSON values."""
    return asdict(rule)


def _tuples(value: object) -> object:
    """Lists, which JSON knows, as tuples, all the way down."""
    return tuple(_tuples(each) for each in value) if isinstance(value, (list, tuple)) else value


def _insn(plain: dict) -> Insn:
    return Insn(plain["op"], _tuples(plain["args"]), plain["negated"], plain["either"])


def rule_from_json(plain: dict) -> IpfwRule:
    """The opposite of ``rule_to_json``."""
    values = {key: _tuples(value) if key in ("action", "tag") else value for key, value in plain.items()}
    values["body"] = [_insn(each) for each in plain["body"]]
    return IpfwRule(**values)
