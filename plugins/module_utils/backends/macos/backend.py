# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application firewall of macOS: rules for programs, and its settings.

Touches the host through ``host`` only; what ``apply`` sets lasts at once.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import Rule
from ..base import Backend, Command, Sighting, Snapshot, Transaction, Unsupported, refuse_policy
from ..ruleset import Chain, Edit, Entry, Ruleset
from ..while_off import off_sentence, refuse_stopping
from . import policy_text
from .changes import commands, differs, restore_script, touched
from .reading import PROFILE, global_state, read_state, refusal
from .record import PATH, read_record, target, write_record
from .rules import BLOCK_ALL, CHAIN, normalise, program_of, ruleset_of, unsupported, untouched
from .state import NAME, TOOL, State, parse_line, parse_state, program_lines, setting_line

_WHO = "the application firewall"
#: How often it is asked again, each half a second, whether a change was made.
_PATIENCE = 6


class Macos(Backend):
    """The application firewall (``socketfilterfw``): it allows or blocks the connections that come in for a program.

    One list, ``application firewall``, without an order: a program has one rule or none. Ports, addresses and directions are not its
    business (``unsupported``); they are for pf, which is asked as well, and both have to let a connection through.

    What it does not distinguish:

    * Whether a rule is stateful, and comments of single rules (``normalise``). A policy keeps its comments in a record of ours.
    * Programs without a rule follow settings of macOS: whether signed software is allowed, and what a user answers when asked. ``in:
      allow`` in a policy means that the policy denies nothing but the programs it names.
    * What every policy keeps open needs no rules here, since nothing else is denied; a deny of the programs of Remote Login is refused.

    A firewall that is off is not turned on by a single rule: it would stop programs that nobody named, since those without a rule follow
    the settings of macOS. An allow is written for later, a deny is refused; a policy and the switch (``plan_switch``) turn it on.
    The tool takes one program a call and keeps every change at once, so the snapshot puts back each of them, also after a reboot.
    """

    NAME = NAME
    PERSISTS_AT_ONCE = True

    # -- pure ------------------------------------------------------------------------------------------------------------------

    def unsupported(self, rule: Rule) -> t.Tuple[Unsupported, ...]:
        return unsupported(rule)

    def normalise(self, rule: Rule) -> Rule:
        return normalise(rule)

    def render(self, rule: Rule) -> t.Tuple[str, ...]:
        return program_lines(program_of(rule), rule.action)

    def parse(self, text: str) -> Ruleset:
        return ruleset_of(parse_state(text))

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def sight(self) -> Sighting:
        if self.host.which(TOOL) is None:
            return Sighting(NAME, False, False, "%s is not installed" % TOOL)
        try:
            number = global_state(self.host)
        except HoldfastError as exc:
            return Sighting(NAME, False, False, exc.msg)
        word = {0: "off", 1: "on", 2: "on and blocks everything"}[number]
        return Sighting(NAME, True, number > 0, "the application firewall is %s" % word)

    def read(self) -> Ruleset:
        return ruleset_of(read_state(self.host))

    def status(self) -> t.Dict[str, t.Any]:
        state = read_state(self.host)
        return {
            "version": self.host.run(["sw_vers", "-productVersion"]).out.strip(), "enabled": state.on("enabled"),
            "at_boot": state.on("enabled"), "settings": dict(state.settings), "managed": self.host.exists(PROFILE),
        }  # fmt: skip

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        return ruleset.chains[0]

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        chain, state = ruleset.chains[0], _state_of(ruleset)
        entries = {entry.ref: entry for entry in chain.entries}
        found: t.List[t.Tuple[Chain, t.Optional[Entry]]] = []
        for line in text.splitlines():
            if not line.strip() or line.strip().startswith("#"):
                continue
            read = parse_line(line)
            entry = entries.get(read.program) if read.program is not None else None
            if read.setting is not None:
                if state.settings.get(read.setting) == read.on:
                    if not wanted:
                        raise HoldfastError("A setting cannot be absent; make the other value present: %s" % line.strip())
                    entry = Entry((line.strip(),))
            elif entry is not None and not read.added and (state.programs[str(read.program)] != read.action or (wanted and entry.weak)):
                entry = None
            found.append((chain, entry))
        return found

    # -- changing --------------------------------------------------------------------------------------------------------------

    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        live = _state_of(ruleset)
        programs, settings = dict(live.programs), dict(live.settings)
        for edit in edits:
            if edit.remove is not None:
                if edit.remove.ref == BLOCK_ALL:
                    raise HoldfastError("Blocking everything is a setting; switch it off with native: {macos: --setblockall off}")
                programs.pop(edit.remove.ref, None)
        for edit in edits:
            if edit.native is not None:
                line = parse_line(edit.native)
                if line.setting is not None:
                    settings[line.setting] = line.on
                elif not (line.added and line.program in programs):
                    programs[str(line.program)] = line.action
            elif edit.rule is not None:
                programs[program_of(edit.rule)] = edit.rule.action
        added = {path for path, action in programs.items() if live.programs.get(path) != action}
        asked = {program_of(edit.rule) for edit in edits if edit.rule is not None}
        if not settings.get("enabled"):
            refuse_stopping("T" + _WHO[1:], NAME, edits, lambda text: parse_line(text).action != "deny")
        if settings.get("block_all") and any(programs[path] == "allow" for path in added | asked):
            raise HoldfastError(
                "The application firewall blocks everything, so an allowed program stays blocked and nothing was changed. "
                "Switch that off first, with native: {macos: --setblockall off}"
            )
        after = _switched(live, settings, programs)
        return self._transaction(ruleset, after, {"notes": [off_sentence(_WHO, NAME)]} if added and not after.on("enabled") else {})

    def asleep(self, ruleset: Ruleset) -> t.Optional[str]:
        return None if self.is_enabled(ruleset) else off_sentence(_WHO, NAME)

    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        live = _state_of(ruleset)
        return self._transaction(ruleset, State(live.settings, untouched(live.programs)), {})

    def _transaction(self, ruleset: Ruleset, after: State, facts: t.Mapping[str, t.Any]) -> Transaction:
        """Return what makes a state of the one that was read.

        :raises HoldfastError: when this Mac or one of its programs cannot have it.
        """
        before = _state_of(ruleset)
        if (before != after or "record" in facts) and self.host.exists(PROFILE):
            raise HoldfastError(
                "This Mac is managed: a profile of its device management keeps the application firewall (%s), so nothing was changed. "
                "Change the profile instead" % PROFILE
            )
        found = commands(before, after)
        if not found and "record" in facts:
            # Nothing but our record changes; the tool is told what it knows, so that the change is confirmed like every other.
            found = [Command((TOOL, "--setglobalstate", "on" if after.on("enabled") else "off"))]
        if not found:
            return Transaction((), ruleset.listing, {"expect": touched(before, before)})
        for path in sorted(set(after.programs) - set(before.programs)):
            self._refuse_path(path)
        return Transaction(tuple(found), after.text(), dict(facts, expect=touched(before, after)))

    def _refuse_path(self, path: str) -> None:
        """Refuse a path that no program runs from: a link to a program is never asked about.

        :raises HoldfastError: with the path to name instead.
        """
        if not self.host.exists(path):
            raise HoldfastError("There is no program %s on this host, and the application firewall takes no other" % path)
        # Before macOS 12.3 readlink has no -f; then nobody says.
        real = self.host.run(["readlink", "-f", path]).out.rstrip("\n")
        if real.startswith("/") and real != path:
            raise HoldfastError(
                "The application firewall knows programs by the path that they run from, and that of %s is %s (a link leads there, or it "
                "is spelled otherwise). Name that one" % (path, real)
            )

    # -- whole policies --------------------------------------------------------------------------------------------------------

    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        return policy_text.policy_unsupported(policy)

    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        refuse_policy("The application firewall", policy_text.policy_unsupported(policy))
        return policy_text.render_policy(policy)

    def parse_policy(self, text: str) -> Policy:
        return policy_text.parse_policy(text)

    def policy_as_kept(self, policy: Policy) -> Policy:
        return policy_text.as_kept(policy)

    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        """Return the policy with the rules that are live; whether the firewall is on says the listing."""
        record, live = read_record(self.host), _state_of(ruleset)
        if record is None:
            return None
        switched_on = replace(live, settings={**live.settings, **policy_text.IMPLIED})
        return policy_text.parse_policy(policy_text.as_found(record.policy(), switched_on))

    def own_listing(self, ruleset: Ruleset) -> str:
        record = read_record(self.host)
        return policy_text.as_found(record.policy(), _state_of(ruleset)) if record is not None else ""

    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        if wanted is not None:
            refuse_policy("The application firewall", policy_text.policy_unsupported(wanted))
        record = read_record(self.host)
        after, noted = target(_state_of(ruleset), record, wanted, alone)
        facts = {} if noted == record else {"record": noted.as_dict() if noted is not None else None}
        return self._transaction(ruleset, after, facts)

    # -- the firewall as a whole -----------------------------------------------------------------------------------------------

    def is_enabled(self, ruleset: Ruleset) -> bool:
        return _state_of(ruleset).on("enabled")

    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        """Switch it on or off; what lets administrators in is not put in, since it has no ports, but has to be allowed already."""
        live = _state_of(ruleset)
        if state not in ("enabled", "disabled"):
            raise HoldfastError("The application firewall of macOS has no restart: it takes every change at once")
        settings = dict(live.settings, enabled=state == "enabled")
        if state == "enabled" and not live.on("enabled") and not live.on("signed") and not _lets_ssh_in(live):
            raise HoldfastError(
                "Switched on, the application firewall would end Remote Login (SSH), since built-in software is not allowed by itself. "
                "First set that, with native: {macos: %s}" % setting_line("signed", True)
            )
        return self._transaction(ruleset, _switched(live, settings, live.programs), {})

    # -- both ------------------------------------------------------------------------------------------------------------------

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        script = restore_script(_state_of(ruleset), transaction.persist["expect"])
        return Snapshot({}, script, (PATH,), after_reboot=True)

    def apply(self, transaction: Transaction) -> None:
        """Make the change, and look whether it was made: the tool's exit code does not say."""
        said = ""
        for command in transaction.commands:
            answer = self.host.run(command.argv)
            said = (answer.out + answer.err).strip()
            why = refusal(said) if answer.ok else said or "code %d" % answer.rc
            if why is not None:
                raise HoldfastError("%s was refused: %s" % (" ".join(command.argv), why))
        wrong = differs(read_state(self.host), transaction.persist["expect"]) if transaction.commands else []
        for _attempt in range(_PATIENCE):
            if not wrong:
                break
            # The tool hands a change to the service that keeps the settings; what it lists may be a moment older.
            time.sleep(0.5)
            wrong = differs(read_state(self.host), transaction.persist["expect"])
        if wrong:
            raise HoldfastError("The application firewall took the change and did not make it: %s. It said: %s" % ("; ".join(wrong), said))

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        written = write_record(self.host, facts["record"]) if "record" in facts else []
        return written + list(facts.get("notes", ()))


def _state_of(ruleset: Ruleset) -> State:
    chain = ruleset.chain(CHAIN)
    return chain.ref if chain is not None and isinstance(chain.ref, State) else parse_state(ruleset.listing)


def _switched(live: State, settings: t.Dict[str, bool], programs: t.Mapping[str, str]) -> State:
    """Return a state as the firewall can be in: switched off it does not block everything."""
    if not settings.get("enabled") and settings.get("block_all"):
        if live.on("block_all"):
            settings["block_all"] = False
        else:
            settings["enabled"] = True
    return replace(live, settings=settings, programs=dict(programs))


def _lets_ssh_in(state: State) -> bool:
    return any(action == "allow" and path.rpartition("/")[2].startswith("sshd") for path, action in state.programs.items())
