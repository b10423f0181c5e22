# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pf.conf grammar: statements, filter rules, anchors.  ``parse_pf`` is the entry.

What the grammar here does not know is refused as a syntax error, never passed over.  Sources: pf.conf(5) of FreeBSD, OpenBSD and
macOS, pfctl(8), and observed behaviour of the real parsers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import pf_lexer
from .flavour import Flavour, parse_flavour
from .interfaces import Interfaces, from_mapping
from .pf_expand import decide_family
from .pf_names import ICMP6_CODES, ICMP_CODES, keywords_of
from .pf_options import FilterOptions
from .pf_reader import Recover
from .pf_rule import Pool, Rule, Table, replace
from .pf_sections import DUMMYNET, FILTER, SCRUB, TRANSLATION, SectionReader

_ANCHOR_ACTIONS = {
    "anchor": "pass",
    "nat-anchor": "nat",
    "rdr-anchor": "rdr",
    "binat-anchor": "binat",
    "scrub-anchor": "scrub",
    "dummynet-anchor": "dummynet",
}


@dataclass
class Ruleset:
    """A parsed file: expanded rules by anchor path ('' is the main ruleset), tables, options, and what pfctl would print.

    ``accepted`` says whether the file is free of errors; ``stderr`` has the messages.
    """

    flavour: Flavour
    interfaces: Interfaces
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    options: dict = field(default_factory=dict)
    loads: list[tuple[str, str]] = field(default_factory=list)
    verbose: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    errors: int = 0

    @property
    def accepted(self) -> bool:
        """True if the real tool would load this."""
        return not self.errors


class Parser(SectionReader):
    """Reads the statements of one file into rules, tables and options."""

    def __init__(
        self,
        text: str,
        filename: str,
        flavour: Flavour,
        interfaces: Interfaces,
        anchor: str,
        strict: bool,
        read_file: Callable[[str], str | None],
    ) -> None:
        """``anchor`` is the path the file is loaded into; ``read_file`` gives the text of a table file or ``None``."""
        keywords = keywords_of(flavour.name, flavour.major)
        super().__init__(text, filename, flavour, interfaces, keywords, strict)
        self.anchor = anchor
        self.read_file = read_file
        self.rules: dict[str, list[Rule]] = {anchor: []}
        self.tables: list[Table] = []
        self.options: dict = {}
        self.loads: list[tuple[str, str]] = []
        self.verbose: list[str] = []
        self._braces = 0

    def parse(self) -> None:
        """Read to the end of the file; errors are counted, and reading goes on behind each."""
        while self.peek().kind != pf_lexer.END:
            if self.peek().kind == pf_lexer.NEWLINE:
                self.advance()
                continue
            try:
                self._statement()
                if self.peek().kind != pf_lexer.NEWLINE:
                    self.syntax_error()
                self.advance()
            except Recover:
                self.recover()

    def _statement(self) -> None:
        token = self.peek()
        if token.kind == pf_lexer.STRING:
            self._macro()
        elif self.take("set"):
            self.set_option()
        elif self.take("table"):
            self.table_definition(self.anchor)
        elif self.take("antispoof"):
            self.rules[self.anchor] += self.antispoof_rule()
        elif self.take("load"):
            self._load_anchor()
        elif self.at("anchor", "nat-anchor", "rdr-anchor", "binat-anchor", "scrub-anchor", "dummynet-anchor"):
            self._anchor(self.anchor)
        elif self.at("pass", "block", "match"):
            self.rules[self.anchor] += self.filter_rule()
        elif self.flavour.has_old_sections and self.at("scrub", "nat", "rdr", "binat", "no"):
            negated = bool(self.take("no"))
            word = self.expect("scrub", "nat", "rdr", "binat").text
            self.rules[self.anchor] += self.scrub_rule(negated) if word == "scrub" else self.translation_rule(word, negated)
        else:
            self.syntax_error()

    def _macro(self) -> None:
        name = self.string()
        self.expect("=")
        parts = [self.number_or_string()]
        while self.peek().kind in (pf_lexer.STRING, pf_lexer.NUMBER):
            parts.append(self.number_or_string())
        if any(char.isspace() for char in name):
            self.fail("macro name cannot contain whitespace")
        value = " ".join(parts)
        self.verbose.append('%s = "%s"' % (name, value))
        self.macros[name] = value

    # anchors

    def _load_anchor(self) -> None:
        self.expect("anchor")
        name = self.strings() if self.flavour.name != "openbsd" else self.string()
        self.expect("from")
        path = self.strings()
        self.loads.append(("%s/%s" % (self.anchor, name) if self.anchor else name, path))

    def _anchor(self, parent: str) -> None:
        line = self.peek().line
        word = self.advance().text
        if word != "anchor":
            self._old_anchor(word, line)
            return
        name = self.string() if self.peek().kind == pf_lexer.STRING else None
        direction = self.direction()
        quick = bool(self.take("quick"))
        interfaces, family, protocols = self.interface_list(), self.family(), self.protocol_list()
        sources, source_ports, destinations, destination_ports = self.from_to()
        options = self.filter_options(on_anchor=True)
        inline = self.at("{")
        if inline:
            self._braces += 1
            path = "%s%s" % (parent + "/" if parent else "", name or "_%d" % self._braces)
            self._anchor_body(path, name)
        self.enter(FILTER)
        if name and (name.startswith("_") or "/_" in name):
            self.fail("anchor names beginning with '_' are reserved for internal use")
        if not name and not inline:
            self.fail("anchors without explicit rules must specify a name")
        self._check_flags(options, protocols)
        if options.keep not in (None, "no"):
            self.fail("cannot specify state handling on anchors")
        flags, flagset = options.flags or (0, 0)
        family = decide_family(decide_family(family, sources), destinations)
        values = {key: value for key, value in options.values.items() if key not in ("allow_opts",)}
        base = Rule(
            "pass",
            line,
            anchor=name or "_%d" % self._braces,
            inline=inline,
            direction=direction,
            quick=quick,
            family=family,
            flags=flags,
            flagset=flagset,
            **values,
        )
        self.rules[parent] += self.expand(
            base, interfaces, protocols, options.icmp, sources, source_ports, destinations, destination_ports, options.users, options.groups
        )

    def _anchor_body(self, path: str, name: str | None) -> None:
        """``{``, one rule a line, ``}``."""
        self.expect("{")
        if name and "/" in name:
            self.fail("anchor paths containing '/' cannot be used for inline anchors.")
        if path in self.rules:
            self.fail("inline anchor '%s' already exists" % path)
        self.rules[path] = []
        if self.peek().kind != pf_lexer.NEWLINE:
            self.syntax_error()
        while not self.take("}"):
            if self.peek().kind == pf_lexer.NEWLINE:
                self.advance()
                continue
            if self.at("anchor"):
                self._anchor(path)
            elif self.at("pass", "block", "match"):
                self.rules[path] += self.filter_rule()
            elif self.flavour.tables_in_anchors and self.take("table"):
                self.table_definition(path)
            else:
                self.syntax_error()
            if self.peek().kind != pf_lexer.NEWLINE:
                self.syntax_error()

    def _old_anchor(self, word: str, line: int) -> None:
        name = self.strings()
        interfaces, family, protocols = self.interface_list(), self.family(), self.protocol_list()
        sources, source_ports, destinations, destination_ports = self.from_to()
        self.enter({"scrub-anchor": SCRUB, "dummynet-anchor": DUMMYNET}.get(word, TRANSLATION))
        if word == "rdr-anchor" and source_ports:
            self.fail("source port parameter not supported in rdr-anchor")
        if word == "rdr-anchor" and len(destination_ports) > 1:
            self.fail("destination port list expansion not supported in rdr-anchor")
        if word == "binat-anchor" and (sources or source_ports or destinations or destination_ports):
            self.fail("fromto parameter not supported in binat-anchor")
        base = Rule(_ANCHOR_ACTIONS[word], line, anchor=name, family=decide_family(decide_family(family, sources), destinations))
        self.rules[self.anchor] += self.expand(
            base, interfaces, protocols, [], sources, source_ports, destinations, destination_ports, [], []
        )

    # filter rules

    def filter_rule(self) -> list[Rule]:
        """One ``pass``, ``block`` or ``match`` rule, expanded."""
        line = self.peek().line
        action = self.advance().text
        if action == "match" and not self.flavour.has_match:
            self.syntax_error()
        reply = self._block_reply() if action == "block" else {}
        direction = self.direction()
        log, quick = self.log_and_quick()
        interfaces = self.interface_list()
        route, route_pool = self._old_route() if self.flavour.name != "openbsd" else ("", None)
        family, protocols = self.family(), self.protocol_list()
        sources, source_ports, destinations, destination_ports = self.from_to()
        options = self.filter_options()
        self.enter(FILTER)
        self._check_flags(options, protocols)
        keep = options.keep
        state = options.state
        if keep is None and action == "pass":
            keep, state = "keep", self.state_defaults
        keep = keep if keep is not None else ""
        values = dict(options.values)
        if keep not in ("", "no"):
            values["state"] = self.state_values(state or [], self.default_lock)
        flags, flagset = options.flags or (0, 0)
        if action == "pass" and options.flags is None and not values.get("fragment") and keep not in ("", "no"):
            flags, flagset = 0b10, 0b10010
        family = decide_family(decide_family(family, sources), destinations)
        route, route_pool = options.route or route, options.route_pool or route_pool
        if route and not direction and not (route == "dup-to" and self.flavour.name == "openbsd"):
            self.fail("direction must be explicit with rules that specify routing")
        if route_pool:
            kept = tuple(host for host in route_pool.hosts if not family or not host.family or host.family == family)
            if route_pool.hosts and not kept:
                self.fail("no routing address with matching address family found.")
            family = family or (kept[0].family if kept else 0)
            route_pool = replace(route_pool, hosts=kept)
        if options.nat is not None or options.rdr is not None:
            values["translation"] = ("binat-to" if options.binat else "nat-to") if options.nat is not None else "rdr-to"
            values["pool"] = options.nat if options.nat is not None else options.rdr
            if options.nat is not None and options.rdr is not None:
                self.syntax_error()
            family, values["pool"] = self._fit_pool(family, values["pool"])
        base = Rule(
            action,
            line,
            direction=direction,
            quick=quick,
            route=route,
            route_pool=route_pool,
            family=family,
            flags=flags,
            flagset=flagset,
            keep=keep,
            **reply,
            **log,
            **values,
        )
        return self.expand(
            base, interfaces, protocols, options.icmp, sources, source_ports, destinations, destination_ports, options.users, options.groups
        )

    def _fit_pool(self, family: int, pool: Pool) -> tuple:
        """The family of a rule with a translation, and the pool with only the addresses of that family."""
        families = {host.family for host in pool.hosts if host.family}
        family = family or (families.pop() if len(families) == 1 else 0)
        kept = tuple(host for host in pool.hosts if not family or host.family in (0, family))
        if not kept:
            self.fail("no translation address with matching address family found.")
        if not family and families:
            self.fail("address family not given and translation address expands to multiple address families")
        kinds = pool.options if len(kept) > 1 else tuple(word for word in pool.options if word != "round-robin" or kept[0].kind != "net")
        return family, replace(pool, hosts=kept, options=kinds)

    def _check_flags(self, options: FilterOptions, protocols: list) -> None:
        flags, flagset = options.flags or (0, 0)
        if flags & flagset != flags:
            self.fail("flags always false")
        if (flags or flagset) and protocols and 6 not in protocols:
            self.fail("flags only apply to tcp")

    def _block_reply(self) -> dict:
        word = self.take("drop", "return-rst", "return-icmp", "return-icmp6", "return")
        if word is None:
            return {"reply": self.block_policy}
        if word.text == "return-rst" and self.take("("):
            self.expect("ttl")
            ttl = self.number()
            self.expect(")")
            if ttl < 0 or ttl > 255:
                self.fail("illegal ttl value %d" % ttl)
            return {"reply": "return-rst", "reply_ttl": ttl}
        values: dict = {"reply": "return-icmp" if word.text.startswith("return-icmp") else word.text}
        if word.text.startswith("return-icmp") and self.take("("):
            if word.text == "return-icmp":
                values["reply_icmp"], values["reply_icmp6"] = self._reply_code(4), (3, 3)
                if not self.at(")"):
                    self.take(",")
                    values["reply_icmp6"] = self._reply_code(6)
            else:
                values["reply_icmp6"] = self._reply_code(6)
            self.expect(")")
        return values

    def _reply_code(self, family: int) -> tuple:
        type_ = 3 if family == 4 else 1
        if self.peek().kind == pf_lexer.NUMBER:
            number = self.number()
            if number < 0 or number > 255:
                self.fail("invalid icmp code %d" % number)
            return type_, number
        name = self.string()
        code = (ICMP_CODES if family == 4 else ICMP6_CODES).get((name, type_))
        if code is None:
            self.fail("unknown icmp code %s" % name)
        return type_, code

    def _old_route(self) -> tuple:
        """``route-to (IF ADDRESS)`` and kin of FreeBSD and macOS, between the interface and the family."""
        if self.take("fastroute"):
            return "", None
        word = self.take("route-to", "reply-to", "dup-to")
        if word is None:
            return "", None

        def item() -> list:
            if not self.take("("):
                name = self.interface_name()
                if not name[0].isalpha():  # the real parser takes an address for an interface of that name
                    self.fail("syntax error")
                return [(name, None)]
            name = self.interface_name()
            hosts = self.host()
            self.expect(")")
            return [(name, host) for host in hosts]

        pairs = self.one_or_list(item)
        options, static = self.pool_options()
        hosts = [host for _name, host in pairs if host is not None]
        return word.text, Pool(
            tuple(hosts), tuple(name for name, _host in pairs), options=self.pool_kind(options, hosts), static_port=static
        )


def parse_pf(
    text: str,
    flavour: Flavour | str = "freebsd",
    interfaces: Interfaces | dict | None = None,
    filename: str = "pf.conf",
    anchor: str = "",
    strict: bool = False,
    read_file: Callable[[str], str | None] = lambda path: None,
) -> Ruleset:
    """Parse ``text`` as the real pfctl of ``flavour`` would; never raises for bad text: see ``Ruleset.accepted`` and ``stderr``."""
    if isinstance(flavour, str):
        flavour = parse_flavour(flavour)
    if not isinstance(interfaces, Interfaces):
        interfaces = from_mapping(interfaces or {"lo0": ["127.0.0.1/8", "::1/128"]})
    interfaces = replace(interfaces, driver_groups=flavour.name != "freebsd")
    parser = Parser(text, filename, flavour, interfaces, anchor, strict, read_file)
    parser.parse()
    return Ruleset(
        flavour, interfaces, parser.rules, parser.tables, parser.options, parser.loads, parser.verbose, parser.stderr, parser.errors
    )
