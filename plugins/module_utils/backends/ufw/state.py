# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in force and what is on disk, and the one text of both.

Pure but for ``read_state``.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...host import Host
from ..iptables.saved import FAMILIES, HEADINGS, Tables, make_listing, split_listing
from ..iptables.tools import Tools
from .block import FIRST_BEGIN, NAT_BEGIN, RULES_BEGIN, cut_block
from .files import AFTER, BEFORE, PREFIX, USER, Files, read_files
from .user_file import UserFile, parse_user_file

_WORDS = {"ACCEPT": "allow", "DROP": "deny", "REJECT": "reject"}
_HEADING = re.compile(r"# (?:enabled|disabled|/etc/\S+)")


@dataclass(frozen=True)
class State:
    """A host with ufw.

    :ivar live: the tables of the kernel, by family.
    :ivar families: those that ufw filters by rules.
    """

    files: Files
    live: t.Mapping[int, Tables]

    @property
    def families(self) -> t.Tuple[int, ...]:
        return tuple(family for family in FAMILIES if family in self.live and (family == 4 or self.files.ipv6))

    def user_file(self, family: int) -> UserFile:
        """Return the tuples of a family."""
        return parse_user_file(self.files.text(USER[family]), USER[family])

    def block(self, family: int) -> t.Tuple[str, ...]:
        """Return the lines of our policy: those of its block, then those of its translations."""
        text, path = self.files.text(BEFORE[family]), BEFORE[family]
        return cut_block(text, path)[1] + cut_block(text, path, NAT_BEGIN)[1]

    def rule_lines(self, family: int, place: str) -> t.Tuple[str, ...]:
        """Return the lines of a block of single rules, that before the tuples or that behind them."""
        path = (AFTER if place == "after" else BEFORE)[family]
        return cut_block(self.files.text(path), path, FIRST_BEGIN if place == "first" else RULES_BEGIN)[1]

    @property
    def left_over(self) -> bool:
        """Whether rules of ufw are in the kernel although its files say that it is off: it takes these chains away when it stops."""
        return not self.files.enabled and any(
            PREFIX[family] + "-user-input" in tables.get("filter", {}) for family, tables in self.live.items()
        )

    def listing(self) -> str:
        """Return everything as text: what ufw is told first, then what the kernel has."""
        defaults = ["%s (%s)" % (_WORDS.get(self.files.default(one), "deny"), one) for one in ("in", "out", "forward")]
        lines = ["# %s, defaults %s" % ("enabled" if self.files.enabled else "disabled", ", ".join(defaults))]
        for family in self.families:
            lines += ["# " + USER[family], *(item.line for item in self.user_file(family).items)]
            block = [*self.block(family)]
            for begin, place in ((FIRST_BEGIN, "first"), (RULES_BEGIN, "before")):
                rules = self.rule_lines(family, place)
                block += [begin, *rules] if rules else []
            lines += ["# " + BEFORE[family], *block] if block else []
            late = self.rule_lines(family, "after")
            lines += ["# " + AFTER[family], RULES_BEGIN, *late] if late else []
        return "\n".join(lines) + "\n" + make_listing(self.live, {})


def read_state(host: Host, tools: Tools) -> State:
    """Read a host.

    :raises HoldfastError: when a tool or a file of ufw is missing, or this is not root.
    """
    live = tools.live()
    return State(read_files(host), live)


def sections(text: str) -> t.Dict[str, t.List[str]]:
    """Return the lines of a listing, or of a policy's text, by the headings of files; those of the kernel are left out."""
    found: t.Dict[str, t.List[str]] = {}
    current = ""
    for line in text.split("\n"):
        if line in HEADINGS.values():
            current = line
        elif _HEADING.match(line):
            current = line.split(",")[0][2:]
            found.setdefault(current, []).append(line)
        elif current and current not in HEADINGS.values():
            found[current].append(line)
    return found


def kernel_part(text: str) -> t.Dict[int, Tables]:
    """Return the tables of a listing."""
    at = min((text.find("\n" + heading + "\n") for heading in HEADINGS.values() if "\n" + heading + "\n" in text), default=-1)
    return split_listing(text[at + 1 :])[0] if at >= 0 else {}
