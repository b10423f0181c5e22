# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that did not come from a host's files: a listing, the text of a policy, and raw rules that somebody typed.

Pure but for raw rules, which ask ufw.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from ..iptables.saved import Tables
from ..ruleset import Chain, Entry, Ruleset
from .block import FIRST_BEGIN, RULES_BEGIN, put_after, put_block, put_first, put_nat, put_rules
from .chains import user_chain
from .edit import complete_user_files
from .files import AFTER, BEFORE, CONF, DEFAULTS, PREFIX, USER, Files
from .native import asked
from .policy_read import is_own
from .single_lines import MARK as SINGLE
from .state import State
from .tuples import MARK, Tuple, parse_tuple
from .user_file import BEGIN, Item
from .words import parse_words

_WORDS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT"}
_NAMES = {"in": "INPUT", "out": "OUTPUT", "forward": "FORWARD"}


def state_of_text(found: t.Mapping[str, t.Sequence[str]], live: t.Mapping[int, Tables], text: str) -> State:
    """Return the state that a listing says, or the lines that ``render`` writes.

    :raises HoldfastError: when a line is neither.
    """
    items: t.Dict[int, t.List[str]] = {4: [], 6: []}
    singles: t.Dict[int, t.List[str]] = {4: [], 6: []}
    texts: t.Dict[str, str] = {CONF: "ENABLED=yes\n", DEFAULTS: "IPV6=yes\n"}
    if not found:
        for line in filter(None, (one.strip() for one in text.splitlines())):
            family = 6 if '"family": "ipv6"' in line or line.startswith("-A ufw6-") else 4
            if line.startswith((SINGLE, "-A %s-after-" % PREFIX[family])):
                singles[family].append(line)
                continue
            typed = parse_words(line)
            if typed is None:
                raise HoldfastError("This is no rule of ufw in its long form (allow in proto tcp from any to any port 22): %s" % line)
            for family in typed[1]:
                items[family].append(typed[0].line(family))
    for family in (4, 6):
        items[family] += [line for line in found.get(USER[family], ()) if line.startswith(MARK)]
        block, first, rules = _blocks(found.get(BEFORE[family], ()))
        at = block.index("*nat") if "*nat" in block else len(block)
        text = put_rules("*filter\nCOMMIT\n", rules, BEFORE[family])
        text = put_first(text, first, BEFORE[family])
        late = _blocks(found.get(AFTER[family], ()))[2]
        texts[AFTER[family]] = put_after("*filter\nCOMMIT\n", late or singles[family], AFTER[family])
        texts[BEFORE[family]] = put_nat(put_block(text, block[:at], BEFORE[family]), block[at:])
        texts[USER[family]] = "*filter\n" + BEGIN + "".join("\n%s\n" % line for line in items[family]) + "COMMIT\n"
    head = next((lines[0] for name, lines in found.items() if name in ("enabled", "disabled")), "")
    if head:
        texts[CONF] = "ENABLED=%s\n" % ("yes" if head.startswith("# enabled") else "no")
        for part in head.partition("defaults ")[2].split(", "):
            action, _blank, direction = part.partition(" ")
            texts[DEFAULTS] += 'DEFAULT_%s_POLICY="%s"\n' % (_NAMES[direction.strip("()")], _WORDS[action])
    return State(complete_user_files(Files(texts), (4, 6)), live or {4: {}, 6: {}})


def _blocks(lines: t.Sequence[str]) -> t.Tuple[t.List[str], t.List[str], t.List[str]]:
    """Return the lines of a policy, and those of the single rules that come first, and of the others."""
    at = lines.index(RULES_BEGIN) if RULES_BEGIN in lines else len(lines)
    first = lines.index(FIRST_BEGIN) if FIRST_BEGIN in lines else at
    policy = [line for line in lines[:first] if line and not line.startswith("#")]
    return policy, [line for line in lines[first + 1 : at] if line], [line for line in lines[at + 1 :] if line]


def parts_of_text(found: t.Mapping[str, t.Sequence[str]]) -> t.Dict[int, t.Tuple[t.List[str], t.List[t.Optional[Tuple]]]]:
    """Return the block and the tuples of each family in the text of a policy, or in a listing."""
    parts: t.Dict[int, t.Tuple[t.List[str], t.List[t.Optional[Tuple]]]] = {}
    for family in (4, 6):
        if BEFORE[family] in found or USER[family] in found:
            block = _blocks(found.get(BEFORE[family], ()))[0]
            parts[family] = (block, [parse_tuple(line) for line in found.get(USER[family], ()) if line.startswith(MARK)])
    return parts


def match_lines(host: Host, state: State, ruleset: Ruleset, text: str, wanted: bool) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
    """Return, for each raw rule, its chain and the entry that it is already; one in a part of its families counts as ``wanted`` asks.

    :raises HoldfastError: when ufw refuses a line.
    """
    files: t.Dict[int, t.Sequence[Item]] = {family: state.user_file(family).items for family in state.families}
    result: t.List[t.Tuple[Chain, t.Optional[Entry]]] = []
    for line in text.splitlines():
        if not line.strip() or line.strip().startswith("#"):
            continue
        added, there = asked(host, line.strip(), files)
        if added and there and not wanted:
            there = {family: lines for family, lines in there.items() if family not in {one[0] for one in added}}
        if not wanted:  # rules of a policy come and go with its document
            there = {family: [one for one in lines if not is_own(parse_tuple(one))] for family, lines in there.items()}
            there = {family: lines for family, lines in there.items() if lines}
        lines = [item.line for _family, _number, item in added] + [one for lines in there.values() for one in lines]
        tuples = [one for one in map(parse_tuple, lines) if one is not None]
        family = min([one[0] for one in added] + list(there), default=4)
        chain = ruleset.chain(user_chain(family, tuples[0].direction if tuples else "in"))
        if chain is None:
            raise HoldfastError("native rule %r: ufw has no rules for IPv%d on this host" % (line.strip(), family))
        if not there or (added and wanted):
            result.append((chain, None))
            continue
        ref = {version: [number for number, item in enumerate(files[version]) if item.line in lines] for version, lines in there.items()}
        result.append((chain, Entry(tuple(one for lines in there.values() for one in lines), ref=ref)))
    return result
