# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pf of the kernel: rulesets by anchor, tables, options.  A file is committed whole or not at all.

The state is a plain dict (see ``store``), so that it survives from command to command.  The optimizer of the real pfctl, which may
drop or merge rules without labels, is not imitated: rules are kept as written.
"""

from __future__ import annotations

from collections.abc import Callable

from .flavour import Flavour
from .interfaces import Interfaces
from .pf_listing import rule_text
from .pf_parser import Ruleset, parse_pf
from .pf_rule import Rule, Table, replace, rule_from_json, rule_to_json

FILTER_ACTIONS = ("pass", "block", "match")
TRANSLATION_ACTIONS = ("nat", "no nat", "rdr", "no rdr", "binat", "no binat")
_TRANSLATION_ORDER = (("nat", "no nat"), ("binat", "no binat"), ("rdr", "no rdr"))


class PfKernel:
    """Operations on the ``pf`` part of the kernel's state."""

    def __init__(self, state: dict, flavour: Flavour) -> None:
        """Work on ``state`` in place."""
        self.state = state
        self.flavour = flavour

    def rules(self, path: str = "") -> list[Rule]:
        """The rules of one ruleset, in order."""
        return [rule_from_json(plain) for plain in self.state["rules"].get(path, [])]

    def paths(self) -> list[str]:
        """All rulesets that have rules, and the main one."""
        return sorted(path for path, rules in self.state["rules"].items() if rules or not path)

    def exists(self, path: str) -> bool:
        """Whether an anchor has rules, is called from somewhere, or has something beneath it."""
        if path == "" or self.state["rules"].get(path) or any(known.startswith(path + "/") for known in self.state["rules"]):
            return True
        return any(
            rule.anchor is not None and _join(parent, rule.anchor) == path for parent in self.state["rules"] for rule in self.rules(parent)
        )

    def children(self, path: str) -> list[str]:
        """Anchors directly below a path, by full path."""
        prefix = path + "/" if path else ""
        found = set()
        for known in list(self.state["rules"]) + [
            _join(parent, rule.anchor) for parent in self.state["rules"] for rule in self.rules(parent) if rule.anchor is not None
        ]:
            if known and known.startswith(prefix) and known != path:
                first = known[len(prefix) :].split("/")[0]
                if not first.startswith("_") and "*" not in first:
                    found.add(prefix + first)
        return sorted(found)

    # loading

    def commit(self, parsed: list[Ruleset], anchor: str) -> None:
        """Put parsed files in force: the first replaces ruleset ``anchor``, the rest are files of ``load anchor`` lines."""
        rules = self.state["rules"]
        prefix = anchor + "/" if anchor else ""
        for path in [path for path in rules if path.startswith(prefix) and path[len(prefix) :].startswith("_")]:
            del rules[path]
        for ruleset in parsed:
            for path, new in ruleset.rules.items():
                numbered = [
                    replace(rule, labels=tuple(label.replace("$nr", str(index)) for label in rule.labels)) for index, rule in enumerate(new)
                ]
                rules[path] = [rule_to_json(rule) for rule in numbered]
            for path in {table.anchor for table in ruleset.tables} | set(ruleset.rules):
                self._commit_tables(path, [table for table in ruleset.tables if table.anchor == path])
        if not anchor:
            self.state["options"] = dict(parsed[0].options)

    def _commit_tables(self, path: str, declared: list[Table]) -> None:
        tables = self.state["tables"]
        for table in declared:
            known = tables.get(_key(path, table.name))
            keep = known and not table.declared_addresses
            tables[_key(path, table.name)] = {
                "addresses": known["addresses"] if keep else list(table.addresses),
                "const": table.const,
                "persist": table.persist,
                "counters": table.counters,
            }
        for key in [key for key in tables if key.rpartition("/")[0] == path]:
            name = key.rpartition("/")[2]
            if not tables[key]["persist"] and not self.referenced(name):  # gone after the load, even if the file declares it
                del tables[key]

    def referenced(self, name: str) -> bool:
        """Whether any rule mentions the table."""
        for path in self.state["rules"]:
            for rule in self.rules(path):
                hosts = [rule.src, rule.dst] + list(rule.pool.hosts if rule.pool else ())
                if any(host.kind == "table" and host.text == name for host in hosts) or rule.state.get("overload", [""])[0] == name:
                    return True
        return False

    def flush_rules(self, path: str, translation: bool) -> None:
        """Remove the filter rules (and scrub) or the translation rules of one ruleset."""
        actions = TRANSLATION_ACTIONS
        self.state["rules"][path] = [rule_to_json(rule) for rule in self.rules(path) if (rule.action in actions) != translation]
        for key in [key for key in self.state["tables"] if not self.state["tables"][key]["persist"]]:
            if not self.referenced(key.rpartition("/")[2]):
                del self.state["tables"][key]

    # listing

    def filter_lines(
        self, path: str, numeric: bool | None, verbosity: int, recurse: bool = False, indent: int = 0, bodies: frozenset | set = frozenset()
    ) -> list[str]:
        """``-sr``: scrub rules, then filter rules; ``verbosity`` 1 adds counters, 2 rule numbers too.

        The rules of an anchor follow in braces if it has no name, if ``recurse``, or if its name is in ``bodies``.
        """
        rules = self.rules(path)
        lines: list[str] = []
        pad = "  " * indent
        for wanted in (("scrub", "no scrub"), FILTER_ACTIONS):
            for number, rule in enumerate(rule for rule in rules if rule.action in wanted):
                text = pad + rule_text(rule, self.flavour, numeric, number if verbosity > 1 else None)
                name = rule.anchor
                body = name is not None and (recurse or name in bodies or name.rpartition("/")[2].startswith("_"))
                lines.append(text + " {" if body else text)
                if verbosity:
                    lines += _counters(pad)
                if body:
                    lines += self._anchor_lines(path, str(name), numeric, verbosity, recurse, indent + 1, bodies) + [pad + "}"]
        return lines

    def _anchor_lines(
        self, path: str, name: str, numeric: bool | None, verbosity: int, recurse: bool, indent: int, bodies: frozenset | set
    ) -> list[str]:
        target = _join(path, name)
        if not target.endswith("/*") and target != "*":
            return self.filter_lines(target, numeric, verbosity, recurse, indent, bodies)
        lines: list[str] = []
        for child in self.children(target[:-2] if target.endswith("/*") else ""):
            inner = self.filter_lines(child, numeric, verbosity, recurse, indent + 1, bodies)
            lines += ['%sanchor "%s" all {' % ("  " * indent, child.rpartition("/")[2])] + inner + ["  " * indent + "}"]
        return lines

    def translation_lines(self, path: str, numeric: bool | None, verbosity: int) -> list[str]:
        """``-sn``: nat, then binat, then rdr rules."""
        lines: list[str] = []
        for wanted in _TRANSLATION_ORDER:
            for number, rule in enumerate(rule for rule in self.rules(path) if rule.action in wanted):
                lines.append(rule_text(rule, self.flavour, numeric, number if verbosity > 1 else None))
                lines += _counters("") if verbosity else []
        return lines

    def active_ruleset(self, interfaces: Interfaces) -> Ruleset:
        """What is in force, in the form that the packet evaluator takes."""
        tables = [
            Table(key.rpartition("/")[2], key.rpartition("/")[0], addresses=tuple(value["addresses"]))
            for key, value in self.state["tables"].items()
        ]
        interfaces = replace(interfaces, driver_groups=self.flavour.name != "freebsd")
        return Ruleset(
            self.flavour, interfaces, {path: self.rules(path) for path in self.state["rules"]}, tables, dict(self.state["options"])
        )


def _key(path: str, name: str) -> str:
    return "%s/%s" % (path, name) if path else name


def _join(parent: str, name: str) -> str:
    if name.startswith("/"):
        return name[1:]
    return "%s/%s" % (parent, name) if parent else name


def _counters(pad: str) -> list[str]:
    return [
        pad + "  [ Evaluations: 0         Packets: 0         Bytes: 0           States: 0     ]",
        pad + "  [ Inserted: uid 0 pid 1 State Creations: 0     ]",
    ]


def parse_with_loads(
    text: str, filename: str, flavour: Flavour, interfaces: Interfaces, anchor: str, strict: bool, read_file: Callable[[str], str | None]
) -> tuple[list[Ruleset], list[str]]:
    """Parse a file and the files its ``load anchor`` lines name; returns the rulesets and further messages of a failed load."""
    first = parse_pf(text, flavour, interfaces, filename, anchor, strict, read_file)
    found = [first]
    messages: list[str] = []
    if not first.accepted:
        return found, messages
    for name, path in first.loads:
        loaded = read_file(path)
        if loaded is None:
            messages += [
                "pfctl: %s: No such file or directory" % path,
                "pfctl: cannot open the main config file!: No such file or directory",
            ]
            first.errors += 1
            continue
        found.append(parse_pf(loaded, flavour, interfaces, path, name, strict, read_file))
    return found, messages
