# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``set`` options of pf.conf, and the order of sections."""

from __future__ import annotations

from collections.abc import Callable

from . import pf_lexer
from .pf_expand import RuleExpander
from .pf_names import DEBUG_LEVELS, LIMITS, OPTIMIZATIONS, TIMEOUTS
from .pf_rule import Table

OPTION = 1


class SetReader(RuleExpander):
    """Grammar of ``set``.  The attributes hold what the file says."""

    block_policy = "drop"
    default_lock = "floating"
    state_defaults: list | None = None
    section = 0
    require_order = True
    options: dict
    verbose: list[str]
    tables: list[Table]
    read_file: Callable[[str], str | None]

    def enter(self, section: int) -> None:
        """Check the order of sections, where the dialect has one."""
        if self.flavour.has_old_sections and self.require_order and self.section > section:
            self.fail(self.flavour.order_message)
        self.section = section

    # set

    def set_option(self) -> None:
        """What follows ``set``."""
        word = self.advance()
        handler = {
            "optimization": self._set_optimization,
            "ruleset-optimization": self._set_ruleset_optimization,
            "timeout": self._set_timeouts,
            "limit": self._set_limits,
            "loginterface": self._set_loginterface,
            "hostid": self._set_hostid,
            "block-policy": self._set_block_policy,
            "fingerprints": self._set_fingerprints,
            "state-policy": self._set_state_policy,
            "debug": self._set_debug,
            "skip": self._set_skip,
            "state-defaults": self._set_state_defaults,
            "reassemble": self._set_reassemble,
            "require-order": self._set_require_order,
            "fail-policy": self._set_fail_policy,
            "syncookies": self._set_syncookies,
            "keepcounters": self._set_keepcounters,
        }.get(word.text if word.kind == pf_lexer.WORD else "")
        if handler is None:
            self.fail("syntax error")
        handler()

    def _record(self, name: str, value: object, text: str | None = None) -> None:
        self.options[name] = value
        self.verbose.append("set %s %s" % (name, text if text is not None else value))

    def _choice(self, option: str, allowed: tuple, message: str) -> None:
        word = self.string()
        self.enter(OPTION)
        if word not in allowed:
            self.fail(message % word)
        self._record(option, word)

    def _set_optimization(self) -> None:
        self._choice("optimization", OPTIMIZATIONS, "unknown optimization %s")

    def _set_ruleset_optimization(self) -> None:
        word = self.strings()
        if word not in ("none", "basic", "profile"):
            self.fail("unknown ruleset-optimization %s" % word)
        self.options["ruleset-optimization"] = word

    def _pairs(self, known: tuple, kind: str, message: str) -> None:
        def pair() -> list:
            name = "interval" if kind == "timeout" and self.take("interval") else self.string()
            return [(name, self.unsigned())]

        for name, value in self.one_or_list(pair):
            self.enter(OPTION)
            if name not in known:
                self.fail(message % name)
            self.options["%s %s" % (kind, name)] = value
            self.verbose.append("set %s %s %d" % (kind, name, value))

    def _set_timeouts(self) -> None:
        self._pairs(TIMEOUTS, "timeout", "unknown timeout %s")

    def _set_limits(self) -> None:
        self._pairs(LIMITS, "limit", "unable to set limit %s")

    def _set_loginterface(self) -> None:
        name = "all" if self.take("all") else self.string()
        self.enter(OPTION)
        self._record("loginterface", name)

    def _set_hostid(self) -> None:
        text = self.number_or_string()
        try:
            value = int(text, 0)
        except ValueError:
            self.fail("%s is not a number" % text)
        if value <= 0 or value > 0xFFFFFFFF:
            self.fail("hostid must be non-zero")
        self._record("hostid", value, "0x%08x" % value)

    def _set_block_policy(self) -> None:
        word = self.expect("drop", "return").text
        self.enter(OPTION)
        self.block_policy = word
        self._record("block-policy", word)

    def _set_fail_policy(self) -> None:
        if self.flavour.name != "freebsd":
            self.syntax_error()
        word = self.expect("drop", "return").text
        self.enter(OPTION)
        self._record("fail-policy", word)

    def _set_fingerprints(self) -> None:
        name = self.string()
        self.enter(OPTION)
        self._record("fingerprints", name, '"%s"' % name)

    def _set_state_policy(self) -> None:
        word = self.expect("if-bound", "floating").text
        self.default_lock = word
        self._record("state-policy", word)

    def _set_debug(self) -> None:
        word = "debug" if self.flavour.name == "openbsd" and self.take("debug") else self.string()
        self.enter(OPTION)
        if word not in DEBUG_LEVELS[self.flavour.name]:
            self.fail("error setting debuglevel %s" % word)
        self._record("debug", word)

    def _set_skip(self) -> None:
        interfaces = self.interface_list()
        if not interfaces or interfaces == [("none", False)]:
            self.options["skip"] = []
            self.verbose.append("set skip on none")
            return
        names = [name for name, _negated in interfaces]
        self.verbose.append("set skip on { %s }" % " ".join(names))
        if any(negated for _name, negated in interfaces):
            self.report("skip on ! <interface> is not supported")
            self.fail("error setting skip interface(s)")
        self.options["skip"] = list(self.options.get("skip", [])) + names

    def _set_state_defaults(self) -> None:
        found = self.state_options()
        if self.state_defaults is not None:
            self.fail("cannot redefine state-defaults")
        self.state_defaults = found

    def _yes_or_no(self) -> bool:
        if self.take("no"):
            return False
        word = self.string()
        if word != "yes":
            self.fail("invalid value '%s', expected 'yes' or 'no'" % word)
        return True

    def _set_reassemble(self) -> None:
        if not self.flavour.has_match:
            self.syntax_error()
        value = self._yes_or_no()
        no_df = bool(self.take("no-df"))
        self.enter(OPTION)
        self._record("reassemble", value, "%s %s" % ("yes" if value else "no", "no-df" if no_df else ""))

    def _set_require_order(self) -> None:
        self.require_order = self._yes_or_no()
        self.verbose.append("set require-order %s" % ("yes" if self.require_order else "no"))

    def _set_syncookies(self) -> None:
        word = self.string()
        if word not in ("never", "always", "adaptive"):
            self.fail("illegal value for syncookies")
        self._record("syncookies", word)

    def _set_keepcounters(self) -> None:
        self.options["keepcounters"] = True
