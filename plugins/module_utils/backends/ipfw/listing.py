# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of ``ipfw -S list``: numbered lines, and the tables of ours that they name.

Pure: touches nothing. Source: ipfw(8) and the traps of its listing: rules of a disabled set are marked, several rules may share a number.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ...policy.addresses import Addresses, Network, network_text

DEFAULT_NUMBER = 65535
#: Rules of this set outlive a flush.
RESERVED_SET = 31
PREFIX = "hf_"
#: What the names of the tables of a policy start with; the rest follows from their content.
POLICY_PREFIX = "hf_p"
_OURS = re.compile(r"table\((hf_[0-9a-f]{12})\)")
_LINE = re.compile(
    r"(?P<off># DISABLED )?(?:ipfw +)?(?:-q +)?(?:add +)?(?:(?P<number>\d+) +)?(?:set +(?P<set>\d+) +)?(?P<body>\S.*)\Z", re.DOTALL
)
_COMMENT = re.compile(r"(?:^|(?<=\s))//(?:\s|\Z)")
_HEADER = re.compile(r"--- table\((?P<name>[^)]+)\), set\(\d+\) ---\Z")
_TABLE = re.compile(r"(?:ipfw +)?table +(?P<name>\S+) +(?P<verb>create|add) +(?P<rest>.*)\Z")
_LOST_SIGN = re.compile(r"\bnot\s+icmp6types?\b")
#: Why a raw rule is refused that ``loses_not``.
LOSES_NOT = "ipfw loses the not before icmp6types and would match just these types; put a rule for them with the other action before it"

Tables = t.Dict[str, t.Tuple[Network, ...]]


class Flow(t.NamedTuple):
    """An entry of a flow table: packets from one host with one protocol to one port."""

    family: int
    host: int
    protocol: int
    port: int


@dataclass(frozen=True)
class Line:
    """One rule as ipfw lists it.

    :ivar number: 1 to 65535; 0 for a rule that has none yet.
    :ivar set: the rule set, 0 to 31.
    :ivar body: action, match and comment.
    :ivar disabled: whether its set is disabled, so that it decides nothing.
    """

    number: int
    body: str
    set: int = 0
    disabled: bool = False

    def shown(self) -> str:
        """Return the line as ``ipfw -S list`` prints it."""
        return "%s%05d set %d %s" % ("# DISABLED " if self.disabled else "", self.number, self.set, self.body)

    def argv(self, option: str = "-q") -> t.Tuple[str, ...]:
        """Return the call that adds this rule; a comment is one word, so that its blanks are kept.

        A last word that begins with / would be taken for the name of a file, so such a rule is one word as a whole.
        """
        match, comment = split_comment(self.body)
        words: t.Tuple[str, ...] = ("ipfw", *option.split(), "add")
        if self.number:
            words += (str(self.number),)
        if self.set:
            words += ("set", str(self.set))
        words += tuple(match.split())
        if comment is None:
            return words
        if comment.startswith("/") or not comment:
            return (words[0], " ".join((*words[1:], "//", comment)))
        return (*words, "//", comment)


@dataclass(frozen=True)
class Listing:
    """All rules in order, and the content of our tables: of addresses, and of flows."""

    lines: t.Tuple[Line, ...]
    tables: t.Tuple[t.Tuple[str, t.Tuple[Network, ...]], ...] = ()
    flows: t.Tuple[t.Tuple[str, t.Tuple[Flow, ...]], ...] = ()

    def text(self) -> str:
        """Return the listing."""
        shown = [line.shown() for line in self.lines]
        entries: t.Dict[str, t.List[str]] = {}
        for name, networks in self.tables:
            entries[name] = [str(one) for one in sorted(networks, key=lambda one: (one.version, int(one.network_address), one.prefixlen))]
        for name, flows in self.flows:
            entries[name] = [flow_text(one) for one in sorted(flows)]
        for name in sorted(entries):
            shown.append("--- table(%s), set(0) ---" % name)
            shown.extend(["%s 0" % one for one in entries[name]])
        return "".join(line + "\n" for line in shown)


def read_listing(text: str) -> Listing:
    """Read ``ipfw -S list`` (and ``ipfw table all list`` behind it), or rules as an administrator types them."""
    lines: t.List[Line] = []
    tables: t.Dict[str, t.List[str]] = {}
    table: t.Optional[str] = None
    for raw in text.split("\n"):
        header, typed = _HEADER.match(raw), _TABLE.match(raw)
        if raw.startswith("## Dynamic rules"):
            break
        if header is not None:
            table = header.group("name")
            tables.setdefault(table, [])
        elif typed is not None:
            known = tables.setdefault(typed.group("name"), [])
            if typed.group("verb") == "add":
                known.extend(typed.group("rest").split()[::2])
        elif table is not None and raw.strip():
            tables[table].append(raw.split()[0])
        elif raw.strip() and (not raw.startswith("#") or raw.startswith("# DISABLED")):
            found = _LINE.match(raw.lstrip())
            if found is not None:
                lines.append(
                    Line(int(found.group("number") or 0), found.group("body"), int(found.group("set") or 0), bool(found.group("off")))
                )
    ours = {name: keys for name, keys in sorted(tables.items()) if name.startswith(PREFIX)}
    networks: t.List[t.Tuple[str, t.Tuple[Network, ...]]] = []
    flows: t.List[t.Tuple[str, t.Tuple[Flow, ...]]] = []
    for name, keys in ours.items():
        try:
            if keys and "," in keys[0]:
                flows.append((name, tuple([_flow(one) for one in keys])))
            else:
                networks.append((name, tuple([_network(one) for one in keys])))
        except ValueError:
            continue  # it holds something else than we put into tables: a rule that names it is then not read
    return Listing(tuple(lines), tuple(networks), tuple(flows))


def flow_text(flow: Flow) -> str:
    """Return a flow as ipfw lists it."""
    host = ipaddress.IPv4Address(flow.host) if flow.family == 4 else ipaddress.IPv6Address(flow.host)
    return "%s,%d,%d" % (host, flow.protocol, flow.port)


def tables_in(body: str) -> t.Tuple[str, ...]:
    """Return the names of our tables that a rule names."""
    return tuple(dict.fromkeys(_OURS.findall(split_comment(body)[0])))


def table_name(addresses: Addresses) -> str:
    """Return the name of the table with exactly these networks."""
    return PREFIX + network_digest(addresses.networks)


def network_digest(networks: t.Iterable[Network]) -> str:
    """Return a short hash of a table's content."""
    return text_digest(" ".join([network_text(one) for one in networks]))


def text_digest(text: str) -> str:
    """Return a short hash."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:12]


def loses_not(body: str) -> bool:
    """Return whether ipfw would make the opposite of a rule that somebody typed."""
    return _LOST_SIGN.search(split_comment(body)[0]) is not None


def split_comment(body: str) -> t.Tuple[str, t.Optional[str]]:
    """Return the rule and its comment, or None without one."""
    found = _COMMENT.search(body) if "//" in body else None
    if found is None:
        return body, None
    return body[: found.start()].rstrip(), body[found.end() :]


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)


def _flow(text: str) -> Flow:
    host, protocol, port = text.split(",")
    address = ipaddress.ip_address(host)
    return Flow(address.version, int(address), int(protocol), int(port))
