# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may follow the hosts of a rule: user, flags, ICMP types, state with its options, labels, tags, translation, scrub."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import pf_lexer
from .pf_hosts import HostReader
from .pf_names import LABEL_MAX, TABLE_NAME_MAX, TAG_MAX, TIMEOUTS
from .pf_rule import Address, Pool, Port

_POOL_TYPES = ("bitmask", "random", "source-hash", "round-robin", "least-states")
_NAT_LOW, _NAT_HIGH = 50001, 65535


@dataclass
class FilterOptions:
    """The options of one rule as read, before the rule is expanded."""

    users: list = field(default_factory=list)
    groups: list = field(default_factory=list)
    flags: tuple | None = None
    icmp: list = field(default_factory=list)
    values: dict = field(default_factory=dict)
    keep: str | None = None
    state: list | None = None
    nat: Pool | None = None
    rdr: Pool | None = None
    binat: bool = False
    route: str = ""
    route_pool: Pool | None = None


class OptionReader(HostReader):
    """Grammar of the options."""

    def filter_options(self, on_anchor: bool = False) -> FilterOptions:
        """All options up to the end of the statement."""
        options = FilterOptions()
        while self._filter_option(options, on_anchor):
            pass
        return options

    def _once(self, options: FilterOptions, name: str, message: str) -> None:
        if name in options.values:
            self.fail(message)

    def _filter_option(self, options: FilterOptions, on_anchor: bool) -> bool:
        flavour = self.flavour
        values = options.values
        if self.take("user"):
            options.users = self.id_list("user") + options.users
        elif self.take("group"):
            options.groups = self.id_list("group") + options.groups
        elif self.take("flags"):
            if options.flags is not None:
                self.fail("flags cannot be redefined")
            options.flags = self.tcp_flags()
        elif self.at("icmp-type", "icmp6-type"):
            word = self.advance().text
            found = self.icmp_list(4 if word == "icmp-type" else 6)
            if options.icmp:
                self.fail("icmp-type cannot be redefined")
            options.icmp = found
        elif self.take("tos"):
            value = self.tos()
            self._once(options, "tos", "tos cannot be redefined")
            values["tos"] = value
        elif self.at("keep", "modulate", "synproxy", "no"):
            self._keep(options)
        elif self.take("fragment"):
            values["fragment"] = True
        elif self.take("allow-opts"):
            values["allow_opts"] = True
        elif self.take("label"):
            self._label(values)
        elif flavour.has_many_labels and self.take("ridentifier"):
            values["ridentifier"] = self.number()
        elif self.take("tag"):
            values["tag"] = self._tag_text()
        elif self.at("!", "tagged", "received-on"):
            self._tagged_or_received(values)
        elif self.take("probability"):
            values["probability"] = self._probability()
        elif self.take("rtable"):
            number = self.number()
            if number != 0:
                self.fail("invalid rtable id")
            values["rtable"] = number
        elif flavour.has_packet_rate and self.take("max-pkt-rate"):
            limit, _slash, seconds = self.unsigned(), self.expect("/"), self.unsigned()
            self._once(options, "rate", "cannot respecify max-pkt-rate")
            values["rate"] = (limit, seconds)
        elif flavour.name == "openbsd" and self.take("once"):
            values["once"] = True
        elif flavour.has_match and self.take("scrub"):
            self.expect("(")
            values["scrub"] = self.scrub_options(new_style=True)
            self.expect(")")
        elif self._prio_option(options) or (not on_anchor and self._translation_option(options)):
            pass
        else:
            return False
        return True

    def _prio_option(self, options: FilterOptions) -> bool:
        if not self.flavour.has_match and self.flavour.name != "freebsd":
            return False
        if self.take("prio"):
            self._once(options, "prio", "prio cannot be redefined")
            options.values["prio"] = self._prio_number()
            return True
        if not self.take("set"):
            return False
        closing = self.take("(")
        while True:
            if self.take("prio"):
                self._once(options, "set_prio", "prio cannot be redefined")
                options.values["set_prio"] = self._prio_pair()
            elif self.take("tos"):
                self._once(options, "set_tos", "tos cannot be respecified")
                options.values["set_tos"] = self.tos()
            else:
                self.syntax_error()
            if not closing or self.take(")"):
                return True
            self.take(",")

    def _prio_number(self) -> int:
        number = self.number()
        if number < 0 or number > 7:
            self.fail("prio must be 0 - 7")
        return number

    def _prio_pair(self) -> tuple:
        if not self.take("("):
            number = self._prio_number()
            return number, number
        first = self._prio_number()
        self.take(",")
        second = self._prio_number()
        self.expect(")")
        return first, second

    def _label(self, values: dict) -> None:
        text = self.string()
        labels = values.get("labels", ())
        if labels and not self.flavour.has_many_labels:
            self.fail("label cannot be redefined")
        if len(labels) >= 5:
            self.fail("label can only be used 5 times")
        if len(text.encode("utf-8", "surrogateescape")) > LABEL_MAX:
            self.fail("rule label too long (max %d chars)" % LABEL_MAX)
        values["labels"] = labels + (text,)

    def _tag_text(self) -> str:
        text = self.strings()
        if len(text) > TAG_MAX:
            self.fail("tag too long, max %d chars" % TAG_MAX)
        return text

    def _tagged_or_received(self, values: dict) -> None:
        negated = bool(self.take("!"))
        if self.take("tagged"):
            values["tagged"], values["tagged_negated"] = self._tag_text(), negated
        elif self.flavour.has_received_on and self.take("received-on"):
            name = self.interface_name()
            if "received_on" in values:
                self.fail("cannot respecify received-on")
            values["received_on"], values["received_on_negated"] = name, negated
        else:
            self.syntax_error()

    def _probability(self) -> float:
        text = self.number_or_string()
        try:
            value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail("invalid probability: %s" % text)
        if value < 0 or value > 1:
            self.fail("invalid probability: %g%%" % (value * 100))
        return value

    # state

    def _keep(self, options: FilterOptions) -> None:
        word = self.advance().text
        self.expect("state")
        state = None
        if word != "no" and self.take("("):
            state = self.state_options()
            self.expect(")")
        if options.keep is not None:
            self.fail("modulate or keep cannot be redefined")
        options.keep = word
        options.state = state

    def state_options(self) -> list:
        """The options between the brackets after ``keep state`` as ``(name, value)`` pairs."""
        found = [self._state_option()]
        while not self.at(")") and self.peek().kind not in (pf_lexer.NEWLINE, pf_lexer.END):
            self.take(",")
            found.append(self._state_option())
        return found

    def _state_option(self) -> tuple:
        if self.at("max", "max-src-states", "max-src-conn", "max-src-nodes"):
            return self.advance().text, self.unsigned()
        if self.take("max-src-conn-rate"):
            limit, _slash, seconds = self.unsigned(), self.expect("/"), self.unsigned()
            return "max-src-conn-rate", [limit, seconds]
        if self.take("overload"):
            self.expect("<")
            name = self.string()
            self.expect(">")
            if len(name) > TABLE_NAME_MAX:
                self.fail("table name '%s' too long" % name)
            flush = ""
            if self.take("flush"):
                flush = "flush global" if self.take("global") else "flush"
            return "overload", [name, flush]
        if self.take("source-track"):
            return "source-track", self.advance().text if self.at("global", "rule") else ""
        if self.at("if-bound", "floating"):
            return "lock", self.advance().text
        for word in ("no-sync", "sloppy", "pflow"):
            if self.take(word):
                return word, True
        name = self.string()
        value = self.unsigned()
        if name not in TIMEOUTS:
            self.fail("illegal timeout name %s" % name)
        if "." not in name:
            self.fail("illegal state timeout %s" % name)
        return "timeout " + name, value

    def state_values(self, pairs: list, default_lock: str) -> dict:
        """Check the options against each other and fill in what pfctl adds itself; the keys keep the order of the listing."""
        values: dict = {}
        for name, value in pairs:
            if name in values:
                self.fail(
                    "multiple 'overload' table definitions"
                    if name == "overload"
                    else "state locking option: multiple definitions"
                    if name == "lock"
                    else "state timeout %s multiple definitions" % name[8:]
                    if name.startswith("timeout ")
                    else "state option '%s' multiple definitions" % {"no-sync": "sync"}.get(name, name)
                )
            zero = value == 0 if isinstance(value, int) else name == "max-src-conn-rate" and 0 in value
            if name.startswith("max-src-") and zero:
                self.fail("'%s' %s > 0" % (name, "values must be" if name == "max-src-conn-rate" else "must be"))
            values[name] = value
        track = values.get("source-track")
        by_rule = {"max-src-conn", "max-src-conn-rate", "max-src-nodes"} & set(values)
        if track == "global":
            for name in ("max-src-nodes", "max-src-conn", "max-src-conn-rate"):
                if name in values:
                    self.fail("'%s' is incompatible with 'source-track global'" % name)
        if track is not None or by_rule or "max-src-states" in values:
            values["source-track"] = "rule" if by_rule or track == "rule" else "global"
        if "max-src-conn-rate" in values:
            seconds = values["max-src-conn-rate"][1]
            values["timeout src.track"] = max(values.get("timeout src.track", 0), seconds)
        if values.get("max") and not {"timeout adaptive.start", "timeout adaptive.end"} & set(values):
            values["timeout adaptive.start"] = values["max"] // 10 * 6
            values["timeout adaptive.end"] = values["max"] // 10 * 12
        values.setdefault("lock", default_lock)
        if values["lock"] == "floating":
            del values["lock"]
        return values

    # scrub

    def scrub_options(self, new_style: bool) -> dict:
        """Options of a ``scrub`` line, or between the brackets of ``scrub ( )``."""
        values: dict = {}
        while self._scrub_option(values, new_style):
            self.take(",")
        if new_style and not values:
            self.syntax_error()
        return values

    def _scrub_option(self, values: dict, new_style: bool) -> bool:
        value: object = True
        if self.at("no-df", "random-id"):
            name = self.advance().text
        elif self.at("min-ttl", "max-mss"):
            name = self.advance().text
            number = self.number()
            if number < 0 or number > (255 if name == "min-ttl" else 65535):
                self.fail("illegal %s value %d" % (name, number))
            value = number
        elif self.take("reassemble"):
            protocol = self.string()
            if protocol.lower() != "tcp":
                self.fail("scrub reassemble supports only tcp, not '%s'" % protocol)
            name = "reassemble tcp"
        elif not new_style and self.take("set-tos"):
            name, value = "set-tos", self.tos()
        elif not new_style and self.take("fragment"):
            negated = self.flavour.name != "macos" and self.take("no")
            self.expect("reassemble")
            name, value = "fragment", "no reassemble" if negated else "reassemble"
        else:
            return False
        if name in values:
            self.fail("%s cannot be respecified" % {"fragment": "fragcache"}.get(name, name))
        values[name] = value
        return True

    # translation and routing

    def _translation_option(self, options: FilterOptions) -> bool:
        flavour = self.flavour
        if flavour.has_translation_options and self.at("nat-to", "binat-to"):
            word = self.advance().text
            pool = self.new_style_pool(word)
            if options.nat is not None:
                self.fail("cannot respecify nat-to/binat-to")
            options.nat, options.binat = pool, word == "binat-to"
        elif flavour.has_translation_options and self.take("rdr-to"):
            pool = self.new_style_pool("rdr-to")
            if options.rdr is not None:
                self.fail("cannot respecify rdr-to")
            options.rdr = pool
        elif flavour.name == "openbsd" and self.at("route-to", "reply-to", "dup-to"):
            word = self.advance().text
            hosts = self.one_or_list(self.host)
            kind, static = self.pool_options()
            if options.route:
                self.fail("cannot respecify route-to/reply-to/dup-to")
            options.route = word
            options.route_pool = Pool(tuple(hosts), (), options=self.pool_kind(kind, hosts), static_port=static)
        else:
            return False
        return True

    def new_style_pool(self, word: str) -> Pool:
        """What follows ``nat-to`` and its kin."""
        hosts = self.one_or_list(self.host)
        low, high = self.port_or_star() if self.take("port") else (0, 0)
        options, static = self.pool_options()
        if static and word != "nat-to":
            self.fail("the 'static-port' option is only valid with nat rules")
        if word == "nat-to" and not static and not low:
            low, high = _NAT_LOW, _NAT_HIGH
        return Pool(tuple(hosts), (), low, high, self.pool_kind(options, hosts), static or word == "binat-to")

    def pool_options(self) -> tuple:
        """``round-robin``, ``sticky-address``, ``static-port`` and so on: ``(words, static port)``."""
        found: list[str] = []
        static = False
        while self.at(*_POOL_TYPES, "static-port", "sticky-address"):
            word = self.advance().text
            if word == "static-port":
                if static:
                    self.fail("static-port cannot be redefined")
                static = True
                continue
            if word in found:
                self.fail("%s cannot be redefined" % ("sticky-address" if word == "sticky-address" else "pool type"))
            if word in _POOL_TYPES and any(each in _POOL_TYPES for each in found):
                self.fail("pool type cannot be redefined")
            if word == "source-hash":
                self.syntax_error()
            found.append(word)
        return found, static

    def pool_kind(self, options: list, hosts: list) -> tuple:
        """The options with round-robin added where pfctl adds it, in the order of the listing."""
        kinds = [each for each in options if each in _POOL_TYPES]
        several = len(hosts) > 1 or any(host.kind == "table" or _has_several(host) for host in hosts)
        if not kinds and several:
            kinds = ["round-robin"]
        if kinds and kinds[0] != "round-robin" and len(hosts) > 1:
            self.fail("only round-robin valid for multiple redirection addresses")
        return tuple(kinds + [each for each in options if each == "sticky-address"])


def _has_several(host: Address) -> bool:
    """Whether an interface in brackets may have more than one address: ``:0`` of an interface has one, of a group it does not."""
    return host.kind == "dynif" and ("0" not in host.modifiers or not host.text[-1:].isdigit())


__all__ = ["FilterOptions", "OptionReader", "Port"]
