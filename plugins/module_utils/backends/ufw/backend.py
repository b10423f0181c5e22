# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ufw backend.

A rule is a tuple of ``user.rules``, with the lines of iptables that ufw itself would write, so that ``ufw status`` shows it. What only some
tasks need is imported where it is used: a target compiles every file that it imports.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import DIRECTIONS, Rule
from ..base import Backend, Command, Sighting, Snapshot, Transaction, Unsupported
from ..collecting import uncollected
from ..iptables.render import Abilities
from ..iptables.saved import FAMILIES
from ..iptables.tools import Tools
from ..ruleset import Chain, Edit, Entry, Ruleset
from ..while_off import adds, off_sentence, refuse_stopping
from .files import CONF, DEFAULTS, Files, mode_of
from .state import State, kernel_part, read_state, sections

Facts = t.Dict[str, t.Any]


_OFF = off_sentence("ufw", "ufw")
_LEFT_OVER = (
    "%s says that ufw is off, and yet its rules are in the kernel: a reload of it failed, or somebody wrote ENABLED=no there. "
    "Switch it on or off first (holdfast.firewall.backend with backend: ufw and state: enabled or disabled)" % CONF
)


class Ufw(Backend):
    """Rules of ufw, for IPv4 and, where ufw filters it, IPv6.

    ufw lets known connections through before its own rules. So a deny or reject stops new connections only, stateful or not; an allow for
    arriving packets is stateful in effect. Where ufw does not filter IPv6 by rules, a rule for both families is a rule for IPv4.
    """

    NAME = "ufw"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.tools = Tools(host)
        self._states: t.Dict[str, State] = {}

    # -- pure ---------------------------------------------------------------------------------------------------------------

    def _can(self) -> Abilities:
        return replace(self.tools.abilities(), sets=False, kinds=frozenset())

    def unsupported(self, rule: Rule) -> t.Tuple[Unsupported, ...]:
        from .single_lines import refusals

        found = refusals(self.normalise(rule), self._can())
        if rule.family == 6 and self._filters_only_ipv4():
            found.append(Unsupported("family", "ipv6", "ufw has no rules for IPv6 on this host; set IPV6=yes in /etc/default/ufw"))
        return tuple(found)

    def normalise(self, rule: Rule) -> Rule:
        from .tuple_rules import without_states

        rule = without_states(rule)
        return replace(rule, family=4) if rule.family is None and self._filters_only_ipv4() else rule

    def _filters_only_ipv4(self) -> bool:
        if not self.tools.installed() or self.host.which("ufw") is None:
            return False
        found = re.search(r"^\s*IPV6=[\"']?(\w*)", self.host.read("/etc/default/ufw") or "IPV6=yes", re.MULTILINE)
        return not self.tools.ipv6() or found is None or found.group(1).lower() != "yes"

    def pieces(self, rule: Rule) -> t.Tuple[Rule, ...]:
        from .single_lines import parts_of

        return parts_of(rule)

    def render(self, rule: Rule) -> t.Tuple[str, ...]:
        from .single_lines import says_tuples, single_of
        from .tuple_rules import tuples_of
        from .words import words_of

        rule = self.normalise(rule)
        if says_tuples(rule):
            return tuple(words_of(one, rule.family) for one in tuples_of(rule, rule.comment))
        names = self.tools.abilities().names
        singles = [single_of(one, family, names) for one in self.pieces(rule) for family in sorted(one.families())]
        return tuple(line for single in singles for line in (single.head, *single.lines))

    @uncollected
    def parse(self, text: str) -> Ruleset:
        from .chains import ruleset_of
        from .typed import state_of_text

        return ruleset_of(state_of_text(sections(text), kernel_part(text), text), self.tools.abilities().names)

    # -- reading ------------------------------------------------------------------------------------------------------------

    def sight(self) -> Sighting:
        if self.host.which("ufw") is None:
            return Sighting(self.NAME, False, False, "ufw is not installed")
        enabled = Files({CONF: self.host.read(CONF) or ""}).enabled
        return Sighting(self.NAME, True, enabled, "ENABLED=%s in %s" % ("yes" if enabled else "no", CONF))

    @uncollected
    def read(self) -> Ruleset:
        from .chains import ruleset_of

        if self.host.which("ufw") is None:
            raise HoldfastError("ufw is not on this host: install the package ufw")
        state = read_state(self.host, self.tools)
        ruleset = ruleset_of(state, self.tools.abilities().names)
        self._states[ruleset.listing] = state
        return ruleset

    def _state(self, ruleset: Ruleset) -> State:
        """Return the state that a ruleset was read from."""
        if ruleset.listing not in self._states:
            state = read_state(self.host, self.tools)
            if state.listing() != ruleset.listing:
                raise HoldfastError("The rules of this host have changed since they were read; run this again")
            self._states[ruleset.listing] = state
        return self._states[ruleset.listing]

    def status(self) -> Facts:
        from .boot import unit_starts

        sighting = self.sight()
        facts: Facts = {"installed": sighting.available, "enabled": sighting.active}
        if sighting.available:
            facts["version"] = (re.findall(r"ufw (\S+)", self.host.run(["ufw", "version"]).out) or ["unknown"])[0]
            facts["ipv6"] = not self._filters_only_ipv4()
            starts = unit_starts(self.host)
            if starts is not None:
                facts["at_boot"] = sighting.active and starts
            if self.tools.installed():
                facts["iptables"] = self.tools.variant().text
                other = self.tools.other_variant()  # left there by an ufw of before somebody chose the other one
                facts.update({"warnings": [other]} if other is not None else {})
        return facts

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        from .chains import user_chain

        chain = ruleset.chain(user_chain(family, direction))
        if chain is None:
            raise HoldfastError("ufw has no rules for IPv%d on this host (IPV6 in /etc/default/ufw)" % family)
        return chain

    @uncollected
    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        from .typed import match_lines

        return match_lines(self.host, self._state(ruleset), ruleset, text, wanted)

    # -- changing -----------------------------------------------------------------------------------------------------------

    @uncollected
    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        from .edit import edited

        state = self._whole_state(ruleset)
        files, notes = edited(self.host, state, ruleset, edits, self.tools.abilities().names)
        if not state.files.enabled:
            refuse_stopping(self.NAME, self.NAME, edits, lambda line: line.split()[:1] == ["allow"])
            if adds(edits):
                notes = [*notes, _OFF]
        return self._transaction(state, files, notes=notes)

    def wake(self, ruleset: Ruleset) -> t.Optional[Transaction]:
        state = self._state(ruleset)
        if not state.files.enabled:
            return None
        transaction = self._transaction(state, state.files)
        return transaction if transaction.commands else None

    def asleep(self, ruleset: Ruleset) -> t.Optional[str]:
        state = self._state(ruleset)
        return None if state.files.enabled else _LEFT_OVER if state.left_over else _OFF

    @uncollected
    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        from .edit import flushed

        state = self._whole_state(ruleset)
        rules = [self.normalise(rule) for one in keep.values() for rule in one]
        return self._transaction(state, flushed(state, rules))

    def _whole_state(self, ruleset: Ruleset) -> State:
        """Return the state that a ruleset was read from, where the kernel can follow ufw's files.

        :raises HoldfastError: when ufw is off by its files only: following them would let everything through.
        """
        state = self._state(ruleset)
        if state.left_over:
            raise HoldfastError(_LEFT_OVER + ". Nothing was changed", backend=self.NAME)
        return state

    def _transaction(
        self, state: State, files: Files, first: t.Collection[str] = (), alone: bool = False, notes: t.Sequence[str] = ()
    ) -> Transaction:
        from .change import missing, transaction

        change = missing(self.host, state, files, first, alone)
        return transaction(self.tools, state, files, change, {"notes": list(notes)} if notes else None)

    # -- whole policies -----------------------------------------------------------------------------------------------------

    @uncollected
    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        from .policy_supported import policy_unsupported

        return policy_unsupported(policy, self._can(), not (self.tools.installed() and self.tools.ipv6() and self._filters_only_ipv4()))

    @uncollected
    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        from .policy_text import build, policy_text

        return policy_text(build(policy, self._can(), self._families()))

    def _families(self) -> t.Tuple[int, ...]:
        return self.tools.families() if self.tools.installed() else FAMILIES

    @uncollected
    def parse_policy(self, text: str) -> Policy:
        from .typed import parts_of_text

        parts = parts_of_text(sections(text))
        found = self._policy(parts)
        if found is None and parts:
            return Policy(defaults=dict.fromkeys(DIRECTIONS, "unmanaged"))
        if found is None:
            raise HoldfastError("There is no block of ours and no rule with a number of ours in this text, so there is no policy in it")
        return found

    def _policy(self, parts: t.Mapping[int, t.Tuple[t.Sequence[str], t.Sequence[t.Any]]]) -> t.Optional[Policy]:
        from .policy_read import policy_of_parts

        return policy_of_parts(parts, self.tools.abilities().names)

    @uncollected
    def policy_as_kept(self, policy: Policy) -> Policy:
        return policy  # unlike single rules, those of a policy keep their states

    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        from .change import missing

        state = self._state(ruleset)
        found = self._policy(
            {family: (state.block(family), [item.tuple for item in state.user_file(family).items]) for family in state.families}
        ) if state.files.enabled else None  # fmt: skip
        if found is not None:
            change = missing(self.host, state, state.files)
            touched = change.draft.touched()
            if touched or change.policies:
                name = touched[0][2] if touched else "a policy"
                raise HoldfastError("The kernel does not have the rules of ufw's files (%s differs): they were changed by hand" % name)
        return found

    @uncollected
    def own_listing(self, ruleset: Ruleset) -> str:
        from .own_part import own_text

        return own_text(self._state(ruleset))

    @uncollected
    def live_text(self, whole: bool = False) -> str:
        from .own_part import own_text

        state = read_state(self.host, self.tools)
        return state.listing() if whole else own_text(state)

    @uncollected
    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        from .edit import complete_user_files, switched_on, with_policy
        from .policy_supported import refuse_shared
        from .policy_text import build

        state = self._state(ruleset)
        parts = build(wanted, self._can(), state.families) if wanted is not None else {}
        files = with_policy(state, parts, alone)
        if wanted is None:
            if files.texts == state.files.texts:
                return Transaction((), ruleset.listing)
            self._whole_state(ruleset)
            if files.enabled:  # without the policy, ufw's own rules alone let administrators in
                files = switched_on(self.host, State(files, state.live), self.tools.abilities().names)
            return self._transaction(state, files)
        if not files.enabled:
            files = complete_user_files(files.changed(files.enabled_texts(True)), state.families)
        managed = [direction for direction, default in wanted.defaults.items() if default != "unmanaged"]
        refuse_shared(files, managed)
        return self._transaction(state, files, managed, alone)

    # -- the firewall as a whole --------------------------------------------------------------------------------------------

    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        from .boot import with_boot
        from .change import restart
        from .edit import switched_on

        there = self._state(ruleset)
        if state == "restarted":
            if not there.files.enabled:
                raise HoldfastError("ufw is disabled, so it cannot be restarted; use state: enabled")
            return restart(self.host, there)
        if state == "disabled":
            if not there.files.enabled and not there.left_over:
                return Transaction((), ruleset.listing)
            return self._transaction(there, there.files.changed(there.files.enabled_texts(False)))
        rules = [self.normalise(rule) for rule in keep]
        transaction = self._transaction(there, switched_on(self.host, there, self.tools.abilities().names, rules))
        return with_boot(self.tools, transaction, ruleset.listing)

    def is_enabled(self, ruleset: Ruleset) -> bool:
        state = self._state(ruleset)
        chains = state.live.get(4, {}).get("filter", {})
        return state.files.enabled and "ufw-user-input" in chains and "-A INPUT -j ufw-before-input" in chains["INPUT"].rules

    def install_commands(self) -> t.Tuple[Command, ...]:
        from ..packages import install_package

        return () if self.host.which("ufw") is not None else install_package(self.host, self.NAME, "ufw", unit="ufw.service")

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        from .change import snapshot

        return snapshot(self.tools, self._state(ruleset), transaction)

    def make_ready(self) -> None:
        from . import change, own_part

        del change, own_part

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        """Write ufw's files; they keep their permissions and their owner.

        :raises HoldfastError: when somebody changed one since the change was planned.
        """
        from .change import digest

        for path, (before, _text) in sorted(facts.get("write", {}).items()):
            if digest(self.host.read(path) or "") != before:
                raise HoldfastError("%s was changed by somebody else in the meantime (ufw itself writes it, too); run this again" % path)
        for path, (_before, text) in sorted(facts.get("write", {}).items()):
            found = re.match(r"([0-7]{1,4}) (\d+:\d+)\s*\Z", self.host.run(["stat", "-L", "-c", "%a %u:%g", path]).out)
            mode = facts.get("modes", {}).get(path, int(found.group(1), 8) if found is not None else mode_of(path))
            self.host.write(path, text, mode)
            if found is not None and found.group(2) != "0:0":
                self.host.checked(["chown", found.group(2), path])
        if facts.get("enable") and self.host.exists("/run/systemd/system"):
            self.host.checked(["systemctl", "enable", "--quiet", "ufw.service"])
        settings = Files({DEFAULTS: self.host.read(DEFAULTS) or ""}).sysctl_file if facts.get("enable") else ""
        if settings and self.host.read(settings):
            self.host.run(["sysctl", "-e", "-q", "-p", settings])  # as ufw itself does it, also where some are refused
        return sorted(facts.get("write", {})) + list(facts.get("notes", ()))
