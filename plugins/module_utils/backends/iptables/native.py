# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw rules that a user wrote: which family, table and chain they are for, and how iptables itself would list them.

The tool is asked in a network namespace of its own, which is thrown away, so that nothing of this host changes; where that is refused
(a container without the right to make one) the words are compared as they stand.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ...host import Host
from ...policy.errors import HoldfastError
from .saved import BUILTIN, Tables, is_builtin, parse_saved
from .words import quote, quote_argument, split

TOOLS = {4: "iptables", 6: "ip6tables"}
_MARK = "holdfast-native-%d"
_MARKED = re.compile(r"-A \S+ -m comment --comment holdfast-native-(\d+)\Z")
_ALLOWED = "-A CHAIN ... or -I CHAIN [NUMBER] ..., with -t TABLE and iptables or ip6tables before it where needed"
_HINTS = {
    4: re.compile(r"(?:icmp|icmp-[a-z-]+|ttl|TTL|CLUSTERIP|ECN|realm)\Z"),
    6: re.compile(r"(?:icmpv6|icmp6|ipv6-icmp|icmp6-[a-z-]+|hl|HL|rt|frag|hbh|dst|mh|eui64|ipv6header|SNPT|DNPT)\Z"),
}
_CHAIN = re.compile(r"[A-Za-z0-9_.:+][A-Za-z0-9_.:+-]{0,27}\Z")
_HINTED = frozenset({"-p", "--protocol", "-m", "--match", "-j", "--jump", "--reject-with"})


@dataclass(frozen=True)
class NativeRule:
    """One raw rule.

    :ivar families: those it can be for.
    :ivar position: the place that ``-I`` names (from 1), or None for the end of the chain.
    :ivar rest: its words after the chain, quoted for iptables-restore.
    """

    text: str
    families: t.Tuple[int, ...]
    table: str
    chain: str
    position: t.Optional[int]
    rest: str

    @property
    def line(self) -> str:
        """The rule as a line of iptables-save, as far as its words were typed that way."""
        return ("-A %s %s" % (self.chain, self.rest)).rstrip()


def native_lines(text: str) -> t.List[str]:
    """Return the lines that hold a rule."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def parse_native(text: str) -> NativeRule:
    """Read one raw rule.

    :raises HoldfastError: when it has not the form of one.
    """
    try:
        words = split(text, shell=True)
    except ValueError as exc:
        raise HoldfastError("native rule %r: %s" % (text, exc)) from None
    families: t.Tuple[int, ...] = (4, 6)
    if words and words[0] in ("iptables", "ip6tables"):
        families = (4,) if words.pop(0) == "iptables" else (6,)
    table = _take_table(words, text)
    if len(words) < 2 or words[0] not in ("-A", "--append", "-I", "--insert") or not _CHAIN.match(words[1]):
        raise HoldfastError("native rule %r: found %s; allowed: %s." % (text, " ".join(words[:2]) or "(nothing)", _ALLOWED))
    position = None
    command, chain, rest = words[0], words[1], words[2:]
    if command in ("-I", "--insert"):
        position = int(rest.pop(0)) if rest and rest[0].isascii() and rest[0].isdigit() else 1
    table = table or _take_table(rest, text) or "filter"
    if table not in BUILTIN:
        raise HoldfastError("native rule %r: found table %s; allowed: %s." % (text, table, ", ".join(BUILTIN)))
    fixed = tuple(family for family in families if _fits(rest, family))
    if not fixed:
        raise HoldfastError("native rule %r: its addresses and protocols do not belong to one address family" % text)
    return NativeRule(text, fixed, table, chain, position, " ".join(_quoted(rest)))


def _take_table(words: t.List[str], text: str) -> t.Optional[str]:
    for flag in ("-t", "--table"):
        if flag in words[:2] or (flag in words and _is_option(words, words.index(flag))):
            at = words.index(flag)
            if at + 1 >= len(words):
                raise HoldfastError("native rule %r: -t needs the name of a table: %s." % (text, ", ".join(BUILTIN)))
            table = words[at + 1]
            del words[at : at + 2]
            return table
    return None


def _is_option(words: t.Sequence[str], at: int) -> bool:
    """Return whether a word is an option and not the free text of the one before it."""
    return at == 0 or words[at - 1] not in ("--comment", "--log-prefix", "--nflog-prefix", "--string")


def _fits(words: t.Sequence[str], family: int) -> bool:
    """Return whether nothing in the words belongs to the other family only."""
    other = 10 - family
    for number, word in enumerate(words):
        if not _is_option(words, number):
            continue
        if number and words[number - 1] in _HINTED and _HINTS[other].match(word):
            return False
        for part in re.split(r"[,-]", word):
            try:
                address = ipaddress.ip_network(re.sub(r"^\[|\](?::\d+)?\Z", "", part), strict=False)
            except ValueError:
                if not (family == 6 and re.match(r"\d+\.\d+\.\d+\.\d+(?:[/:]|\Z)", part)):
                    continue
                return False
            if address.version == other and ("." in part or ":" in part):
                return False
    return True


def _quoted(words: t.Sequence[str]) -> t.List[str]:
    return [quote_argument(word) if _is_option(words, number) else quote(word) for number, word in enumerate(words)]


class Normaliser:
    """Asks the host's tool how it lists raw rules."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: t.Dict[t.Tuple[str, int], t.Tuple[str, ...]] = {}

    def normalise(self, rules: t.Sequence[NativeRule], saved: t.Mapping[int, Tables]) -> t.List[t.Dict[int, t.Tuple[str, ...]]]:
        """Return, for each rule, the lines that it is listed as in each family that takes it.

        :param saved: the host's tables, for the chains that rules may jump to.
        :raises HoldfastError: for a rule that the tool refuses, with what it said.
        """
        for family in sorted({family for rule in rules for family in rule.families if family in saved}):
            todo = [rule for rule in rules if family in rule.families and (rule.text, family) not in self._known]
            if not todo:
                continue
            found = self._ask(todo, family, saved[family])
            if isinstance(found, str):
                self._one_by_one(todo, family, saved[family])
            else:
                self._known.update({(rule.text, family): lines for rule, lines in zip(todo, found)})
        result = []
        for rule in rules:
            lines = {family: self._known.get((rule.text, family), ()) for family in rule.families if family in saved}
            taken = {family: one for family, one in lines.items() if one}
            if not taken:
                self._refuse(rule, saved)
            result.append(taken)
        return result

    def _one_by_one(self, rules: t.Sequence[NativeRule], family: int, tables: Tables) -> None:
        for rule in rules:
            found = self._ask([rule], family, tables)
            self._known[rule.text, family] = () if isinstance(found, str) else found[0]

    def _refuse(self, rule: NativeRule, saved: t.Mapping[int, Tables]) -> None:
        families = [family for family in rule.families if family in saved]
        if not families:
            raise HoldfastError("native rule %r: it is for IPv6, and this host has no ip6tables or no IPv6" % rule.text)
        said = self._ask([rule], families[0], saved[families[0]])
        raise HoldfastError("native rule %r was refused, nothing was changed: %s" % (rule.text, said))

    def _ask(self, rules: t.Sequence[NativeRule], family: int, tables: Tables) -> t.Union[str, t.List[t.Tuple[str, ...]]]:
        """Return how the tool lists the rules, or what it said against them."""
        sets = self._set_definitions(rules)
        if isinstance(sets, str) and sets.startswith("!"):
            return sets[1:]
        tool = TOOLS[family]
        script = "%s-restore -w 5 && %s-save" % (tool, tool)
        if sets:
            # The first bytes of the input are the sets; dd leaves the rest to the next program.
            script = "dd bs=1 count=%d 2>/dev/null | ipset restore && %s" % (len(sets.encode()), script)
        answer = self._host.run(["unshare", "--net", "sh", "-c", script], sets + _question(rules, tables))
        if answer.rc == 127 or answer.err.startswith("unshare:"):
            return [(rule.line,) for rule in rules]
        if not answer.ok:
            return " ".join(answer.err.split())[:1000]
        return _answers(answer.out, len(rules))

    def _set_definitions(self, rules: t.Sequence[NativeRule]) -> str:
        """Return the definitions of the sets that the rules name; they must exist before a rule can name them."""
        names = sorted({name for rule in rules for name in re.findall(r"--(?:match|add|del|map)-set (\S+)", rule.rest)})
        lines = []
        for name in names:
            found = self._host.run(["ipset", "save", name])
            create = next((line for line in found.out.splitlines() if line.startswith("create ")), None)
            if create is None:
                return "!the address set %s does not exist (%s)" % (name, found.err.strip())
            lines.append(create + "\n")
        return "".join(lines)


def _question(rules: t.Sequence[NativeRule], tables: Tables) -> str:
    lines: t.List[str] = []
    for table in sorted({rule.table for rule in rules}):
        lines.append("*" + table)
        chains = {name for name in tables.get(table, {}) if not is_builtin(table, name)}
        chains |= {rule.chain for rule in rules if rule.table == table and not is_builtin(table, rule.chain)}
        lines.extend(":%s - [0:0]" % name for name in sorted(chains))
        for number, rule in enumerate(rules):
            if rule.table == table:
                lines += ["-A %s -m comment --comment %s" % (rule.chain, _MARK % number), rule.line]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"


def _answers(text: str, count: int) -> t.List[t.Tuple[str, ...]]:
    found: t.List[t.List[str]] = [[] for _number in range(count)]
    for chains in parse_saved(text).tables.values():
        for chain in chains.values():
            current: t.Optional[int] = None
            for line in chain.rules:
                marked = _MARKED.match(line)
                if marked:
                    current = int(marked.group(1))
                elif current is not None:
                    found[current].append(line)
    return [tuple(lines) for lines in found]
