# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocol names as iptables prints them: the host's ``/etc/protocols`` first, then the few that libxtables knows by itself.

Pure: the text of the file is handed in.
"""

from __future__ import annotations

import typing as t

from ...policy.protocols import AH

PATH = "/etc/protocols"
#: xtables_chain_protos of libxtables 1.8.9, less the names of one number that it never prints.
_BUILTIN = {6: "tcp", 132: "sctp", 17: "udp", 136: "udplite", 1: "icmp", 58: "ipv6-icmp", 50: "esp", 51: "ah", 135: "ipv6-mh"}
_ALIASES = {"icmpv6": 58, "icmp6": 58, "mh": 135, "gre": 47, "igmp": 2, "all": 0}

#: Extension headers: ip6tables looks behind them, so ``-p`` with one of these never matches (it warns and takes the rule).
IPV6_EXTENSIONS = frozenset({0, 43, 44, AH, 60})


class ProtocolNames:
    """The names of one host."""

    def __init__(self, text: t.Optional[str] = None) -> None:
        self._names: t.Dict[int, str] = {}
        self._numbers: t.Dict[str, int] = dict(_ALIASES)
        self._numbers.update({name: number for number, name in _BUILTIN.items()})
        for line in (text or "").splitlines():
            words = line.partition("#")[0].split()
            if len(words) > 1 and words[1].isdigit() and int(words[1]) < 256:
                self._names.setdefault(int(words[1]), words[0])
                for word in [words[0]] + words[2:]:
                    self._numbers.setdefault(word.lower(), int(words[1]))
        for number, name in _BUILTIN.items():
            self._names.setdefault(number, name)

    def name(self, number: int) -> str:
        """Return what iptables-save prints for a number."""
        return self._names.get(number, str(number))

    def number(self, word: str) -> t.Optional[int]:
        """Return the number of a name or of digits, or None; 0 means any protocol to iptables."""
        if word.isascii() and word.isdigit():
            return int(word) if int(word) < 256 else None
        return self._numbers.get(word.lower())
