# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ipfw backend of FreeBSD: reads and changes the numbered list of rules in the kernel.

Touches the host through ``host`` only; ``apply`` changes the kernel's list, ``persist`` writes files.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ...host import Result
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.protocols import ICMP_ERRORS
from ...policy.rule import Rule
from ..base import Backend, Command, Sighting, Snapshot, Transaction, Unsupported
from ..ruleset import Chain, Edit, Entry, Ruleset
from ..switched_off import switched_off
from ..while_off import adds, off_sentence, refuse_stopping
from . import boot
from .body import Unreadable, read_body
from .edit import Document, dry
from .listing import DEFAULT_NUMBER, LOSES_NOT, RESERVED_SET, Line, Listing, loses_not, read_listing, split_comment
from .parse import NAME, parse
from .policy_lines import disabled_sets, own_lines, own_text
from .policy_parse import parse_policy
from .policy_plan import PolicyPlan
from .policy_render import policy_unsupported, render_policy
from .policy_restore import restore_policy, tidy_up
from .render import CHECK_STATE, normalise, render, unsupported
from .replies import carries_replies, with_needed_replies
from .restore import as_data, put_back, restore_script

#: The default is read when the module is loaded; afterwards it cannot be changed.
_LOAD = (Command(("kenv", "-q", boot.ACCEPT + "=1")), Command(("kldload", "ipfw")))
#: Loads it with the default that it has at boot, and the rules of the script that is configured, which may be one of ours.
_START = (Command(("service", "ipfw", "onestart")),)
#: What a change runs of which only the boot settings are new.
_NOTHING = (Command(("uname", "-s")),)
_REPLIES = Rule("allow", protocol=None, reply=True)
#: What ipfw calls letting a packet pass.
_PASSING = ("allow", "accept", "pass", "permit")
SWITCHES = ("net.inet.ip.fw.enable", "net.inet6.ip6.fw.enable")


@dataclass(frozen=True)
class Live:
    """The state of the kernel's firewall: whether it is there, its switches that are off, and the sets of policies that are off."""

    loaded: bool = True
    off: t.Tuple[str, ...] = ()
    stale: t.Tuple[int, ...] = ()


class Ipfw(Backend):
    """ipfw of FreeBSD 12 and later.

    One chain, ``ipfw``, for all directions and both families: the enabled rules of all sets, in order; the default is rule 65535.
    New rules go into set 0, numbered from 100 in steps of 10, or between two numbers. A reject for both families is two rules of one
    number, since ipfw answers IPv4 and IPv6 by different actions. Many addresses become a table named by its content.

    * A stateful allow has ``keep-state :default`` (with ``setup`` for TCP). Its replies pass where it stands; when a rule before it
      stops them all, ``check-state :default`` is put before that rule. From there on existing connections also pass the denies
      between the two.
    * A deny or reject has no state of its own (``normalise`` takes stateful and stateless for one): it stops what no rule or
      ``check-state`` before it passed.
    * On a router ``in`` and ``out`` also see the packets that go through it. There is no ``forward`` (``unsupported``).
    * A rule that is taken out, or replaced to change its comment or log, ends the states it made: its TCP connections break.

    A whole policy lives in a rule set of its own (one of ``policy_words.SETS``), in front of all other rules, and is swapped by enabling
    one set and disabling another in one call; the old set is deleted when the change is confirmed. What differs from other backends:

    * ICMP errors that belong to a connection are not passed by its state; a rule for their types lets them in.
    * An ICMP answer passes when its host was asked anything by ICMP, since states know addresses and not identifiers.
    * Only what a rule of ours let through is a known connection, with ``net.inet.ip.fw.dyn_max`` of them at most.
    * Without rules for forwarded packets all of them are denied when they go out; those that come in meet the rules for this host first.
    * A forwarded packet of IPv4 cannot be told from one to a broadcast address of this host, unless it is TCP (``policy_unsupported``).
    * ``lo`` means ``lo0``. An allow that logs does so for packets of no known connection.

    When ipfw is not loaded, it is loaded with ``default_to_accept``, because the module alone would deny everything at once. A single rule
    does neither that nor turns ipfw on where other rules would come into force with it (``asleep``).
    """

    NAME = NAME
    REPLY_RULES = True

    # -- pure ------------------------------------------------------------------------------------------------------------------

    def untracked_icmp(self, direction: str) -> t.Mapping[int, t.Tuple[int, ...]]:
        return ICMP_ERRORS

    def unsupported(self, rule: Rule) -> t.Tuple[Unsupported, ...]:
        return unsupported(rule)

    def normalise(self, rule: Rule) -> Rule:
        return normalise(rule)

    def render(self, rule: Rule) -> t.Tuple[str, ...]:
        return render(rule)

    def parse(self, text: str) -> Ruleset:
        return parse(text)

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def sight(self) -> Sighting:
        if self.host.which("ipfw") is None:
            return Sighting(NAME, False, False, "ipfw is not installed")
        answer = self.host.run(["sysctl", "-n", SWITCHES[0]])
        if not answer.ok:
            return Sighting(NAME, self.host.which("kldload") is not None, False, "ipfw is installed, its module is not loaded")
        enabled = answer.out.strip() == "1"
        listed = self.host.run(["ipfw", "list"])
        if not listed.ok:
            return Sighting(NAME, True, enabled, "ipfw is %s; only root may see its rules" % ("enabled" if enabled else "disabled"))
        count = len(listed.out.splitlines()) - 1
        return Sighting(NAME, True, enabled and count > 0, "ipfw is %s with %d rules" % ("enabled" if enabled else "disabled", count))

    def read(self) -> Ruleset:
        if self.host.which("ipfw") is None:
            raise HoldfastError("ipfw is not on this host")
        live = self._live()
        if not live.loaded:
            ruleset = parse("", live)
            return replace(ruleset, chains=(replace(ruleset.chains[0], default="allow", missing=True),))
        text = self._list()
        if "# DISABLED " in text:
            # A policy that is out of force stays in the kernel only until its successor is confirmed.
            listing = read_listing(text)
            live = replace(live, stale=disabled_sets(listing))
            text = Listing(tuple(line for line in listing.lines if line.set not in live.stale)).text()
        if "table(hf_" in text:
            listing = read_listing(text + self.host.checked(["ipfw", "table", "all", "list"]))
            used = [(name, networks) for name, networks in listing.tables if "table(%s)" % name in text]
            flows = [(name, found) for name, found in listing.flows if "table(%s)" % name in text]
            text = replace(listing, tables=tuple(used), flows=tuple(flows)).text()
        return parse(text, live)

    def _live(self) -> Live:
        answer = self.host.run(["sysctl", *SWITCHES])
        values = dict(re.findall(r"^(\S+?)[:=]\s*(\d+)$", answer.out, re.MULTILINE))
        if SWITCHES[0] not in values:
            return Live(loaded=False)
        return Live(True, tuple(name for name in SWITCHES if values.get(name) == "0"))

    def _list(self) -> str:
        answer = self.host.run(["ipfw", "-S", "list"])
        if not answer.ok:
            raise HoldfastError(_refusal(answer))
        return answer.out

    def status(self) -> t.Dict[str, t.Any]:
        live = self._live()
        return {
            "version": self.host.run(["uname", "-sr"]).out.strip(), "loaded": live.loaded, "enabled": live.loaded and not live.off,
            "at_boot": boot.starts_at_boot(self.host), "script": boot.script(self.host) or "/etc/rc.firewall",
        }  # fmt: skip

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        return ruleset.chains[0]

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        chain = ruleset.chains[0]
        listing = read_listing(ruleset.listing)
        found: t.List[t.Tuple[Chain, t.Optional[Entry]]] = []
        for raw in text.splitlines():
            if raw.strip() and not raw.strip().startswith("#"):
                line = self._listed_form(_native_line(raw))
                found.append((chain, _equal_entry(chain, listing, line)))
        return found

    def _listed_form(self, line: Line) -> Line:
        """Return a rule in the form in which ipfw lists it; without an ipfw, as it is typed.

        :raises HoldfastError: when ipfw refuses the rule.
        """
        if self.host.which("ipfw") is None:
            return line
        answer = self.host.run(dry(line))
        if not answer.ok:
            raise HoldfastError("ipfw refuses the rule '%s': %s" % (line.body, (answer.err or answer.out).strip()[:2000]))
        shown = read_listing(answer.out).lines
        return replace(line, body=shown[-1].body) if shown else line

    # -- changing --------------------------------------------------------------------------------------------------------------

    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        off = self.asleep(ruleset)
        if off is not None and not self._ref(ruleset).loaded:
            raise HoldfastError("%s. Nothing was changed" % off, backend=NAME)
        if off is not None:
            refuse_stopping(NAME, NAME, edits, lambda line: _native_line(line).body.split()[0] in _PASSING)
        document = self._document(ruleset)
        for edit in with_needed_replies(edits):
            if edit.remove is not None and edit.rule is None and carries_replies(ruleset.chains[0], edit.remove, edits):
                edit = replace(edit, rule=_REPLIES)
            if edit.native is not None:
                document.put_line(_native_line(edit.native))
            else:
                document.edit(edit)
        if off is None or not adds(edits):
            return self._transaction(ruleset, document, adds(edits))
        transaction = self._transaction(ruleset, document, False)
        return replace(transaction, persist={**transaction.persist, "asleep": True, "notes": [off]})

    def asleep(self, ruleset: Ruleset) -> t.Optional[str]:
        """Return a sentence where ipfw is off and a rule must not switch it on.

        A rule may load the module where nothing is configured that loads rules, since it is loaded with a default that lets everything
        pass; and it may turn on a list that has nothing but that default. Then nothing but the new rule is put into force.
        """
        live = self._ref(ruleset)
        if not live.loaded:
            script = boot.script(self.host)
            if script is None and switched_off(self.host) != NAME:
                return None
            return "%s; its rules come from %s, which is not run" % (off_sentence(NAME, NAME), script or "a script")
        if not live.off:
            return None
        empty = ruleset.chains[0].default == "allow" and not ruleset.chains[0].entries
        return None if empty and switched_off(self.host) != NAME else off_sentence(NAME, NAME)

    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        rules = _kept(keep.get(NAME, ()))
        if _holds_only(ruleset, rules):
            return Transaction((), ruleset.listing)
        document = self._document(ruleset)
        document.keep_only(rules)
        return self._transaction(ruleset, document, False)

    # -- whole policies ----------------------------------------------------------------------------------------------------------

    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        return policy_unsupported(policy, layout)

    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        return render_policy(policy, layout)

    def parse_policy(self, text: str) -> Policy:
        return parse_policy(read_listing(text))

    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        listing = read_listing(ruleset.listing)
        return parse_policy(listing) if own_lines(listing) else None

    def own_listing(self, ruleset: Ruleset) -> str:
        return own_text(read_listing(ruleset.listing))

    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        live = self._ref(ruleset)
        plan = PolicyPlan(self.host, self._listing(ruleset), self._listed_form, alone, live.stale)
        change = plan.removal() if wanted is None else plan.put(wanted, layout, live.loaded)
        commands = list(change.commands) if change is not None else []
        if commands and not live.loaded:
            commands = [*_LOAD, *commands]
        if wanted is not None:
            commands += [Command(("sysctl", "%s=1" % name)) for name in live.off]
        if not commands:
            return Transaction((), ruleset.listing)
        facts: t.Dict[str, t.Any] = {"before": ruleset.listing, "policy": dict(change.facts) if change is not None else {}}
        after = change.after.text() if change is not None else ruleset.listing
        return Transaction(tuple(commands), after, facts, change.checks if change is not None else ())

    # -- the firewall as a whole -----------------------------------------------------------------------------------------------

    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        """Enabled: the rules in the kernel decide, and are loaded at boot. Disabled: the kernel's switches are off, its rules stay there.

        :raises HoldfastError: for ``restarted``, since nothing but the administrator's script knows what it loads.
        """
        from ..placement import place_needed

        live = self._ref(ruleset)
        if state == "restarted":
            raise HoldfastError(
                "The rules of ipfw are loaded by a script that empties the list first, so a failure in its middle leaves the host closed. "
                "Run service ipfw restart on its console, or use state: disabled and then state: enabled", backend=NAME,
            )  # fmt: skip
        at_boot = boot.starts_at_boot(self.host)
        facts: t.Dict[str, t.Any] = {"before": ruleset.listing, "numbers": [], "tables": []}
        if state == "disabled":
            if not at_boot and (not live.loaded or len(live.off) == len(SWITCHES)):
                return Transaction((), ruleset.listing)
            on = [name for name in SWITCHES if name not in live.off] if live.loaded else []
            commands = tuple(Command(("sysctl", "%s=0" % name)) for name in on) or _NOTHING
            return Transaction(commands, ruleset.listing, dict(facts, on=on))
        document = self._document(ruleset)
        for rule in keep:
            for edit in with_needed_replies(place_needed(self, ruleset, rule).edits):
                document.edit(edit)
        start: t.Sequence[Command] = () if live.loaded else _LOAD if boot.script(self.host) is None else _START
        wanted = [*start, *document.commands(), *(Command(("sysctl", "%s=1" % name)) for name in live.off)]
        if not wanted and at_boot:
            return Transaction((), ruleset.listing)
        facts.update(numbers=document.touched(), tables=document.new_tables)
        after = document.result().text() if live.loaded else ruleset.listing
        return Transaction(tuple(wanted) or _NOTHING, after, facts, tuple(document.checks()) if live.loaded else ())

    def is_enabled(self, ruleset: Ruleset) -> bool:
        live = self._ref(ruleset)
        return live.loaded and not live.off

    # -- one rule ----------------------------------------------------------------------------------------------------------------

    def _listing(self, ruleset: Ruleset) -> Listing:
        listing = read_listing(ruleset.listing)
        if not self._ref(ruleset).loaded:
            listing = replace(listing, lines=(Line(DEFAULT_NUMBER, "allow ip from any to any", RESERVED_SET),))
        return listing

    def _document(self, ruleset: Ruleset) -> Document:
        return Document(self._listing(ruleset), self._listed_form)

    def _transaction(self, ruleset: Ruleset, document: Document, adds: bool) -> Transaction:
        live = self._ref(ruleset)
        commands = document.commands()
        if not commands:
            return Transaction((), ruleset.listing)
        if not live.loaded:
            commands = [*_LOAD, *commands]
        if adds:
            commands += [Command(("sysctl", "%s=1" % name)) for name in live.off]
        facts = {"before": ruleset.listing, "numbers": document.touched(), "tables": document.new_tables}
        return Transaction(tuple(commands), document.result().text(), facts, tuple(document.checks()) if live.loaded else ())

    def _ref(self, ruleset: Ruleset) -> Live:
        ref = ruleset.chains[0].ref
        return ref if isinstance(ref, Live) else Live()

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        live = self._ref(ruleset)
        before = read_listing(ruleset.listing)
        switches = {**dict.fromkeys(live.off, "0"), **dict.fromkeys(transaction.persist.get("on", ()), "1")}
        if live.loaded and transaction.persist.get("policy"):
            return restore_policy(before, transaction.persist["policy"], switches)
        numbers = [int(one) for one in transaction.persist.get("numbers", ())]
        files = {
            "ipfw.before": "".join(line.shown() + "\n" for line in before.lines),
            "ipfw.numbers": "".join("%d\n" % one for one in numbers),
            "ipfw.tables": "".join("%s\n" % one for one in transaction.persist.get("tables", ())),
            "ipfw.calls": as_data(put_back(before, numbers)),
        }
        return Snapshot(files, restore_script(live.loaded, switches, _LOAD[0] in transaction.commands), boot.PATHS)

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        if not facts:
            return []
        if facts.get("switch") == "disabled":
            return boot.stop_at_boot(self.host)
        if facts.get("switch") == "enabled" and not facts.get("numbers"):
            started = boot.start_at_boot(self.host)
            if started is not None:
                return started
        policy = facts.get("policy") or {}
        now = read_listing(self.read().listing)
        kept = replace(now, lines=tuple(line for line in now.lines if line.set not in policy.get("off", ())))
        notes = boot.persist(self.host, str(facts["before"]), kept.text(), enable=not facts.get("asleep"))
        return notes + tidy_up(self.host, policy) + list(facts.get("notes", ()))


def _refusal(answer: Result) -> str:
    said = (answer.err or answer.out).strip()
    if "not permitted" in said or "ermission denied" in said:
        return "Reading the ipfw rules needs root; add become: true (or -b): %s" % said
    return "ipfw -S list failed with code %d: %s" % (answer.rc, said or "(it said nothing)")


def _native_line(text: str) -> Line:
    """Return one raw rule, with or without ``ipfw add`` and a number.

    :raises HoldfastError: when it is something else.
    """
    plain = " ".join(text.split()) if "//" not in text else text.strip()
    lines = read_listing(plain).lines
    if len(lines) != 1 or lines[0].body.split()[0] in ("table", "nat", "pipe", "queue", "set", "delete", "flush", "sched"):
        raise HoldfastError("ipfw: native takes rules only, such as: add 200 allow tcp from any to me 22 in; found: %s" % text.strip())
    if loses_not(lines[0].body):
        raise HoldfastError("%s: %s" % (LOSES_NOT, text.strip()))
    match, comment = split_comment(lines[0].body)
    return replace(lines[0], body=" ".join(match.split()) + (" // " + comment if comment is not None else ""))


def _equal_entry(chain: Chain, listing: Listing, wanted: Line) -> t.Optional[Entry]:
    """Return the entry that says the same: the same text, or the same meaning."""
    for entry in chain.entries:
        if len(entry.ref) == 1 and listing.lines[entry.ref[0]].body == wanted.body:
            return entry
    try:
        meaning = read_body(wanted.body, dict(listing.tables))
    except Unreadable:
        return None
    for entry in chain.entries:
        if meaning.exact and len(meaning.rules) == 1 and entry.rule == meaning.rules[0]:
            return entry
    return None


def _kept(rules: t.Sequence[Rule]) -> t.List[Rule]:
    """Return the rules that a flush keeps, in our terms: loopback is lo0 here, and one check-state passes all replies."""
    kept: t.List[Rule] = []
    for rule in rules:
        if rule.reply and any(one.reply for one in kept):
            continue
        kept.append(replace(rule, interface="lo0") if rule.interface == "lo" else rule)
    return kept


def _holds_only(ruleset: Ruleset, rules: t.Sequence[Rule]) -> bool:
    """Return whether there are exactly these rules, in this order, beside those that a flush does not reach."""
    lines = read_listing(ruleset.listing).lines
    present = {n for n, line in enumerate(lines) if line.number != DEFAULT_NUMBER and line.set != RESERVED_SET}
    entries = [entry for entry in ruleset.chains[0].entries if set(entry.ref) <= present]
    if len(entries) != len(rules) or sum(len(entry.ref) for entry in entries) != len(present):
        return False
    return all(
        lines[entry.ref[0]].body == CHECK_STATE if rule.reply else entry.rule == normalise(rule) for entry, rule in zip(entries, rules)
    )
