# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements of pf.conf other than ``set`` and filter rules: tables, scrub, translation, antispoof."""

from __future__ import annotations

from . import pf_lexer
from .pf_expand import decide_family
from .pf_names import TABLE_NAME_MAX, TAG_MAX
from .pf_rule import Address, Pool, Rule, Table
from .pf_set import SetReader

SCRUB, TRANSLATION, DUMMYNET, FILTER = 3, 5, 6, 7
_NAT_LOW, _NAT_HIGH = 50001, 65535


class SectionReader(SetReader):
    """Grammar of everything around the filter rules."""

    # tables

    def table_definition(self, anchor: str) -> None:
        """What follows ``table``."""
        self.expect("<")
        name = self.string()
        self.expect(">")
        flags = set()
        entries: list[str] = []
        declared = False
        shown = ""
        while self.peek().kind == pf_lexer.STRING or self.at("{", "file"):
            if self.take("file"):
                declared = True
                path = self.string()
                entries += self._table_file(path)
                shown += ' file "%s"' % path
            elif self.take("{"):
                declared = True
                hosts = self._table_hosts()
                entries += [_entry(host) for host in hosts]
                shown += " {" + "".join(" " + _entry(host) for host in hosts) + " }"
            else:
                word = self.advance().text
                if word not in ("const", "persist", "counters"):
                    self.fail("invalid table option '%s'" % word)
                flags.add(word)
        if len(name) > TABLE_NAME_MAX:
            self.fail("table name too long, max %d chars" % TABLE_NAME_MAX)
        words = "".join(" " + word for word in ("const", "persist", "counters") if word in flags)
        self.verbose.append("table <%s>%s%s" % (name, words, shown))
        unique = tuple(dict.fromkeys(entries))
        self.tables.append(Table(name, anchor, "const" in flags, "persist" in flags, "counters" in flags, unique, declared))

    def _table_hosts(self) -> list:
        self.skip_newlines()
        if self.take("}"):
            return []
        hosts = self.ip_spec()
        self.skip_newlines()
        while not self.take("}"):
            self.take(",")
            hosts = hosts + self.ip_spec()
            self.skip_newlines()
        messages = {
            "range": "address ranges are not permitted inside tables",
            "dynif": "dynamic addresses are not permitted inside tables",
            "table": "tables cannot contain tables",
            "no-route": '"no-route" is not permitted inside tables',
            "urpf-failed": '"urpf-failed" is not permitted inside tables',
        }
        for host in hosts:
            if host.kind in messages:
                self.fail(messages[host.kind])
            if host.family == 4 and host.bits > 32:
                self.fail("cannot create address buffer: Invalid argument")
        return hosts

    def _table_file(self, path: str) -> list[str]:
        text = self.read_file(path)
        if text is None:
            self.fail('cannot load "%s": No such file or directory' % path)
        entries = []
        for line in text.splitlines():
            for word in line.split("#")[0].split():
                hosts = self._lookup(word.lstrip("!"))
                if not hosts:
                    self.stderr.append("no IP address found for %s" % word)
                    self.fail('file "%s" contains bad data' % path)
                entries += [("!" if word.startswith("!") else "") + _entry(host) for host in hosts]
        return entries

    # scrub, translation, antispoof

    def scrub_rule(self, negated: bool) -> list[Rule]:
        """What follows ``scrub`` or ``no scrub``."""
        line = self.peek().line
        direction = self.direction()
        log, quick = self.log_and_quick()
        interfaces, family, protocols = self.interface_list(), self.family(), self.protocol_list()
        sources, source_ports, destinations, destination_ports = self.from_to()
        values = self.scrub_options(new_style=False)
        self.enter(SCRUB)
        if quick:
            self.fail("scrub rules do not support 'quick'")
        if "reassemble tcp" in values and direction:
            self.fail("reassemble tcp rules can not specify direction")
        base = Rule("no scrub" if negated else "scrub", line, direction=direction, family=family, scrub=values, **log)
        return self.expand(base, interfaces, protocols, [], sources, source_ports, destinations, destination_ports, [], [])

    def translation_rule(self, word: str, negated: bool) -> list[Rule]:
        """What follows ``nat``, ``rdr`` or ``binat``, or these with ``no``."""
        line = self.peek().line
        natpass = bool(self.take("pass"))
        log = self.log_only()
        interfaces, family, protocols = self.interface_list(), self.family(), self.protocol_list()
        if word == "binat" and not self.at("from"):
            self.syntax_error()
        sources, source_ports, destinations, destination_ports = self.from_to()
        values: dict = {}
        if self.take("tag"):
            values["tag"] = self.string()
        if self.at("!", "tagged"):
            values["tagged_negated"] = bool(self.take("!"))
            self.expect("tagged")
            values["tagged"] = self.strings()
        if any(len(values.get(name, "")) > TAG_MAX for name in ("tag", "tagged")):
            self.fail("tag too long, max %d chars" % TAG_MAX)
        pool = self._old_style_pool(word)
        self.enter(TRANSLATION)
        if negated and natpass:
            self.fail('"pass" not valid with "no"')
        if negated and pool is not None:
            self.fail("'no binat' rule does not need '->'" if word == "binat" else "translation rule with 'no' does not need '->'")
        if not negated and pool is None:
            self.fail("'binat' rule requires '-> address'" if word == "binat" else "translation rule requires '-> address'")
        for host in (*(sources[:1]), *(destinations[:1]), *(pool.hosts if pool else ())):
            family = family or host.family
        if pool is not None:
            kept = tuple(host for host in pool.hosts if not family or not host.family or host.family == family)
            if not kept:
                self.fail("no translation address with matching address family found.")
            if not family and any(host.kind not in ("table", "dynif") for host in kept):
                self.fail("address family not given and translation address expands to multiple address families")
            pool = Pool(kept, (), pool.low, pool.high, pool.options, pool.static_port)
        if word == "binat":
            self._check_binat(family, sources, destinations, pool)
        base = Rule(("no " if negated else "") + word, line, family=family, natpass=natpass, pool=pool, **values, **log)
        return self.expand(base, interfaces, protocols, [], sources, source_ports, destinations, destination_ports, [], [])

    def _old_style_pool(self, word: str) -> Pool | None:
        if self.peek().kind != pf_lexer.ARROW:
            return None
        self.advance()
        hosts = self.one_or_list(self.host) if word != "binat" else self.host()
        low, high = self.port_or_star() if self.take("port") else (0, 0)
        options, static = self.pool_options() if word != "binat" else ([], False)
        if static and word != "nat":
            self.fail("the 'static-port' option is only valid with nat rules")
        if static and low:
            self.fail("the 'static-port' option can't be used when specifying a port range")
        if word == "nat" and not static:
            low, high = (low, high or low) if low else (_NAT_LOW, _NAT_HIGH)
        return Pool(tuple(hosts), (), low, high, self.pool_kind(options, hosts) if word != "binat" else (), static)

    def _check_binat(self, family: int, sources: list, destinations: list, pool: Pool | None) -> None:
        if not family:
            self.fail("address family (inet/inet6) undefined")
        if len(sources) > 1 or len(destinations) > 1:
            self.fail("multiple binat ip addresses")
        if any(host.kind == "table" for host in sources):
            self.fail("invalid use of table <%s> as the source address of a binat rule" % sources[0].text)
        if pool and sources and sources[0].kind == "net" and pool.hosts[0].kind == "net" and sources[0].bits != pool.hosts[0].bits:
            self.fail("'binat' source mask and redirect mask must be the same")

    def antispoof_rule(self) -> list[Rule]:
        """What follows ``antispoof``."""
        line = self.peek().line
        log, quick = self.log_and_quick()
        self.expect("for")

        def item() -> list:
            if not self.take("("):
                return [(self.interface_name(), False)]
            name = self.interface_name()
            self.expect(")")
            return [(name, True)]

        interfaces = self.one_or_list(item)
        family = self.family()
        values: dict = {}
        while self.take("label"):
            self._label(values)
        self.enter(FILTER)
        base = Rule("block", line, direction="in", quick=quick, family=family, labels=values.get("labels", ()), **log)
        return self.antispoof(base, interfaces)

    # words at the start of several kinds of rule

    def direction(self) -> str:
        """``in``, ``out`` or nothing."""
        word = self.take("in", "out")
        return word.text if word else ""

    def log_only(self) -> dict:
        """``log`` with its options, as fields of a rule."""
        if not self.take("log"):
            return {}
        options: list[str] = []
        interface = 0
        if self.take("("):
            while True:
                if self.take("to"):
                    name = self.string()
                    if not name.startswith("pflog") or not name[5:].isdigit() or int(name[5:]) > 255:
                        self.fail("%s: should be a pflog interface" % name)
                    interface = int(name[5:])
                else:
                    words = ("all", "user", "matches") if self.flavour.name == "openbsd" else ("all", "user", "group")
                    word = self.expect(*words).text
                    options.append("user" if word == "group" else word)
                if self.take(")"):
                    break
                self.take(",")
        ordered = tuple(word for word in ("all", "matches", "user") if word in options)
        return {"log": True, "log_options": ordered, "log_interface": interface}

    def log_and_quick(self) -> tuple:
        """``log`` and ``quick`` in either order: fields of the rule, and whether it is quick."""
        quick = bool(self.take("quick"))
        log = self.log_only()
        return log, quick or bool(self.take("quick"))


def _entry(host: Address) -> str:
    width = 32 if host.family == 4 else 128
    return ("!" if host.negated else "") + (host.text if host.bits == width else "%s/%d" % (host.text, host.bits))


__all__ = ["DUMMYNET", "FILTER", "SCRUB", "TRANSLATION", "SectionReader", "decide_family"]
