# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ipfw of the kernel: numbered rules in sets, tables.  The state is a plain dict, kept from command to command (see ``store``)."""

from __future__ import annotations

import ipaddress

from .ipfw_rule import (
    DATAERR,
    DEFAULT_RULE,
    OSERR,
    RESERVED_SET,
    UNAVAILABLE,
    USAGE,
    Insn,
    IpfwError,
    IpfwRule,
    rule_from_json,
    rule_to_json,
)

#: The fields of a flow table, in the order in which its keys name them.
FLOW_FIELDS = ("src-ip", "proto", "src-port", "dst-ip", "dst-port")


class IpfwKernel:
    """Operations on the ``ipfw`` part of the kernel's state."""

    def __init__(self, state: dict) -> None:
        """Work on ``state`` in place; an empty one is filled as when the module loads."""
        self.state = state
        state.setdefault("rules", [])
        state.setdefault("disabled", [])
        state.setdefault("tables", {})
        state.setdefault("nat", {})
        state.setdefault("default", "deny")
        state.setdefault("kindex", 0)

    def rules(self) -> list[IpfwRule]:
        """All rules in order, the default rule last."""
        return [rule_from_json(plain) for plain in self.state["rules"]] + [self.default_rule()]

    def default_rule(self) -> IpfwRule:
        """Rule 65535."""
        return IpfwRule(DEFAULT_RULE, RESERVED_SET, ("allow" if self.state["default"] == "accept" else "deny",))

    def enabled(self, rule: IpfwRule) -> bool:
        """Whether the rule's set is on."""
        return rule.set not in self.state["disabled"]

    def add(self, rule: IpfwRule, step: int, most_tables: int = 128) -> IpfwRule:
        """Insert a rule behind those with the same number; without a number it goes ``step`` behind the last."""
        if rule.number == DEFAULT_RULE:
            raise IpfwError(UNAVAILABLE, "getsockopt(IP_FW_XADD): Invalid argument")
        known = self.state["rules"]
        if rule.number == 0:
            last = max([each["number"] for each in known], default=0)
            rule.number = last + step if last + step < DEFAULT_RULE else last
            if rule.number == 0:
                rule.number = step
        for name in referenced_tables(rule) - set(self.state["tables"]):
            if len(self.state["tables"]) >= most_tables:
                raise IpfwError(UNAVAILABLE, "getsockopt(IP_FW_XADD): Device busy")
            self.state["tables"][name] = self._new_table(_table_kind(rule, name))
        self.state["last_id"] = rule.identity = self.state.get("last_id", 0) + 1
        at = len(known)
        while at and known[at - 1]["number"] > rule.number:
            at -= 1
        known.insert(at, rule_to_json(rule))
        return rule

    def delete(self, first: int, last: int, only_set: int | None = None) -> int:
        """Delete rules by number; how many there were.  Number 0 deletes all outside the reserved set."""
        before = len(self.state["rules"])

        def gone(plain: dict) -> bool:
            if only_set is not None and plain["set"] != only_set:
                return False
            if first == 0 and last == 0:
                return plain["set"] != RESERVED_SET or only_set == RESERVED_SET
            return first <= plain["number"] <= last

        self.state["rules"] = [plain for plain in self.state["rules"] if not gone(plain)]
        return before - len(self.state["rules"])

    def delete_set(self, number: int) -> None:
        """Delete all rules of a set."""
        self.state["rules"] = [plain for plain in self.state["rules"] if plain["set"] != number]

    def move(self, of_set: int | None, of_number: int | None, target: int) -> None:
        """Move a set, or the rules of a number, into another set."""
        for plain in self.state["rules"]:
            if plain["set"] == of_set or plain["number"] == of_number:
                plain["set"] = target

    def swap(self, one: int, other: int) -> None:
        """Exchange two sets at once."""
        for plain in self.state["rules"]:
            plain["set"] = {one: other, other: one}.get(plain["set"], plain["set"])

    def enable(self, off: set[int], on: set[int]) -> None:
        """Disable and enable sets at once; the reserved set stays on."""
        self.state["disabled"] = sorted(((set(self.state["disabled"]) | off) - on) - {RESERVED_SET})

    # tables

    def _new_table(self, kind: str) -> dict:
        self.state["kindex"] += 1
        kinds = {"addr": "addr:radix", "iface": "iface:array", "number": "number:array", "flow": "flow:hash"}
        algorithm = kinds[kind.partition(":")[0]]
        return {"type": kind, "algorithm": algorithm, "index": self.state["kindex"], "entries": {}, "limit": 0, "locked": False}

    def create_table(self, name: str, kind: str, limit: int, locked: bool, missing: bool, flush: bool, most: int = 128) -> None:
        """``table NAME create``; ``most`` is how many tables there may be."""
        known = self.state["tables"].get(name)
        if known is None:
            if len(self.state["tables"]) >= most:
                raise IpfwError(OSERR, "Table creation failed: Device busy")
            self.state["tables"][name] = dict(self._new_table(kind), limit=limit, locked=locked)
            return
        if not missing:
            raise IpfwError(OSERR, "Table creation failed: File exists")
        if known["type"] != kind or known["limit"] != limit:
            raise IpfwError(DATAERR, "The existing table is not compatible with one you are creating.")
        if flush:
            known["entries"] = {}

    def references(self, name: str) -> int:
        """How many rules mention a table."""
        return sum(1 for plain in self.state["rules"] if name in referenced_tables(rule_from_json(plain)))

    def swap_tables(self, one: str, other: str, strict: bool) -> None:
        """Exchange the contents of two tables at once; the real tool says nothing if one is missing."""
        tables = self.state["tables"]
        if one not in tables or other not in tables:
            if strict:
                raise IpfwError(OSERR, "strict: table not found: %s" % (one if one not in tables else other))
            return
        if tables[one]["type"] != tables[other]["type"]:
            raise IpfwError(USAGE, "Unable to swap table: check types")
        for field in ("entries", "limit"):
            tables[one][field], tables[other][field] = tables[other][field], tables[one][field]


def _table_kind(rule: IpfwRule, name: str) -> str:
    """The type of the table that the kernel makes for a rule which names one that is not there."""
    ops = {insn.op for insn in rule.body if insn.args[:2] == ("table", name)}
    return "iface" if ops & {"via", "recv", "xmit"} else "flow" if "flow" in ops else "addr"


def referenced_tables(rule: IpfwRule) -> set[str]:
    """Names of the tables that a rule mentions."""
    with_tables = ("src", "dst", "via", "recv", "xmit", "flow")
    return {insn.args[1] for insn in rule.body if insn.op in with_tables and insn.args[0] == "table"}


def flow_lookup(table: dict, packet: dict) -> str | None:
    """The value of a flow, exact in every field of the table's type; ``None`` if there is no such entry."""
    fields = table["type"].partition(":")[2].split(",")
    plain = packet["proto"] in (6, 17, 132, 136)
    values = {
        "src-ip": str(ipaddress.ip_address(packet["src"])),
        "dst-ip": str(ipaddress.ip_address(packet["dst"])),
        "proto": str(packet["proto"]),
        "src-port": str(packet["sport"] if plain else 0),
        "dst-port": str(packet["dport"] if plain else 0),
    }
    return table["entries"].get(",".join(values[name] for name in FLOW_FIELDS if name in fields)) if any(fields) else None


def table_lookup(entries: dict[str, str], address: str) -> str | None:
    """The value of the longest prefix that covers an address, or ``None``."""
    wanted = ipaddress.ip_address(address)
    best, value = -1, None
    for key, text in entries.items():
        net = ipaddress.ip_network(key)
        if net.version == wanted.version and wanted in net and net.prefixlen > best:
            best, value = net.prefixlen, text
    return value


__all__ = ["FLOW_FIELDS", "Insn", "IpfwKernel", "flow_lookup", "referenced_tables", "table_lookup"]
