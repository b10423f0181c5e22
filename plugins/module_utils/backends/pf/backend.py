# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pf backend: reads and changes /etc/pf.conf and the rules that pf has loaded from it.

Touches the host through ``host`` only; ``apply`` loads, ``persist`` writes the file.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import Rule
from ..base import Command, Sighting, Snapshot, Transaction, Unsupported, refuse_policy
from ..file_listing import LiveFile
from ..one_file import OneFile
from ..ruleset import Chain, Entry, Ruleset
from ..states_first import normalise
from . import boot
from .dialect import Dialect, dialect_named, dialect_of
from .edit import Document
from .guests import with_guests
from .live import STAGED, Live, read_live, rules_path, status
from .parse import NAME, STATUS, entries_of, parse
from .policy_parse import parse_policy
from .policy_parts import cut, has_parts, own_parts
from .policy_plan import refuse_forwarding, wanted_text
from .policy_render import render_parts
from .policy_supported import policy_unsupported
from .reference import GIVE, TAKE, TOKEN, note_reference, own_reference, release_command
from .render import render, unsupported
from .statements import Statement, join, split

#: What a file may say without making a difference to any packet.
_MUTE = ("blank", "macro", "table")


class Pf(OneFile):
    """pf of FreeBSD, OpenBSD, NetBSD and macOS.

    One chain, ``pf``, for all directions and both families. Rules are lines of /etc/pf.conf (or the file that rc.conf names), each
    ``quick``; the whole file is loaded in one transaction of the kernel, and connections that exist live on.

    What pf does not distinguish:

    * States are looked up before rules. A deny or reject therefore only stops new connections, whether it is stateful or not
      (``normalise`` takes both for one), and a stateless allow is only asked about packets that belong to no state.
    * On a router the ``in`` and ``out`` of a single rule also see the packets that go through it. There is no single rule for ``forward``
      (``unsupported``).
    * A limit, a log prefix and a log limit have no exact form, a comment is a label of at most 63 characters (``unsupported``).
    * ``lo`` is the interface lo0.

    A flush removes filter rules and translation; then everything passes, so there are no rules to be kept for management.

    A policy is written into marked parts of the file, one for each section that it needs (``policy_parts``), and the text around them stays
    byte for byte. Its rules decide first and end with the default of each direction that it manages, so an administrator's rules behind
    them decide nothing about these directions any more; anchors of other programs are asked before. Differences to single rules:

    * Rules of ``forward`` are exact on FreeBSD and OpenBSD (``policy_forwarding``), and ``in`` and ``out`` see no forwarded packet. macOS
      and NetBSD cannot tell these apart: there are no rules of ``forward``, and a host that forwards is refused.
    * Every allow keeps state. Stateful makes a difference for TCP and rules of any protocol only, for a deny as well (``policy_lines``).
    * Packets with options of IP pass the rules of any protocol and those of IGMP and ICMPv6, which need them, not those of other protocols.
    * FreeBSD and macOS get a ``scrub`` line, since rules about ports need whole packets, unless the file says how it puts them together.
    """

    NAME = NAME
    STATUS = STATUS
    LOAD = "pfctl -f %s"

    def __init__(self, host: Host, dialect: t.Optional[str] = None) -> None:
        super().__init__(host)
        self._dialect = dialect_named(dialect) if dialect is not None else None

    @property
    def dialect(self) -> Dialect:
        """The system's dialect; FreeBSD's on a machine without pf."""
        if self._dialect is None:
            self._dialect = dialect_of(self.host.run(["uname", "-s"]).out)
        return self._dialect

    # -- pure ------------------------------------------------------------------------------------------------------------------

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
        if self.host.which("pfctl") is None:
            return Sighting(NAME, False, False, "pfctl is not installed")
        try:
            loaded, enabled = status(self.host, self.dialect)
        except HoldfastError as exc:
            if "root" not in exc.msg:
                return Sighting(NAME, False, False, exc.msg)
            boots = boot.starts_at_boot(self.host, self.dialect)
            return Sighting(NAME, True, boots, "pf is %s at boot; only root may see its rules" % ("started" if boots else "not started"))
        if not enabled:
            return Sighting(NAME, True, False, "pf is disabled" if loaded else "pfctl is installed, the pf module is not loaded")
        count = len(self.host.run(["pfctl", "-sr"]).out.split("\n")) - 1
        return Sighting(NAME, True, count > 0, "pf is enabled with %d rules" % count)

    def _read_live(self) -> Live:
        return read_live(self.host, self.dialect)

    def _parsed(self, text: str, live: LiveFile) -> Ruleset:
        return parse(text, live)

    def status(self) -> t.Dict[str, t.Any]:
        loaded, enabled = status(self.host, self.dialect)
        return {
            "variant": self.dialect.name, "version": self.host.run(["uname", "-sr"]).out.strip(), "loaded": loaded, "enabled": enabled,
            "file": rules_path(self.host, self.dialect), "at_boot": boot.starts_at_boot(self.host, self.dialect),
        }  # fmt: skip

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        chain = ruleset.chains[0]
        statements = split(self._plain(ruleset))
        found: t.List[t.Tuple[Chain, t.Optional[Entry]]] = []
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        for line in lines:
            self._check_native(statements, line)
            found.append((chain, _equal_entry(chain, statements, line)))
        return found

    def _check_native(self, statements: t.Sequence[Statement], line: str) -> None:
        """Let pfctl read one raw line beside the macros and tables of the file; without a pfctl nobody can say."""
        pieces = split(line + "\n")
        if len(pieces) != 1 or pieces[0].kind == "blank":
            raise HoldfastError("This is not one line of pf.conf: %s" % line)
        if self.host.which("pfctl") is None:
            return
        context = join([one for one in statements if one.kind in ("macro", "table")])
        answer = self.host.run(["pfctl", "-nf", "-"], stdin=context + line + "\n")
        if not answer.ok:
            raise HoldfastError("pf refuses the rule '%s': %s" % (line, (answer.err or answer.out).strip()[:2000]))

    # -- changing --------------------------------------------------------------------------------------------------------------

    def _document(self, text: str) -> Document:
        return Document(text)

    def _own(self, text: str) -> str:
        return own_parts(text)

    def _managed(self, text: str) -> bool:
        return has_parts(text)

    def _without_own(self, text: str) -> str:
        return cut(text)[0]

    def _decides(self, text: str) -> bool:
        return any(statement.kind not in _MUTE and not _skips(statement) for statement in split(text))

    def _transaction(self, ruleset: Ruleset, text: str, enable: bool) -> Transaction:
        live = self._live(ruleset)
        if text == self._plain(ruleset) and (live.enabled or not enable) and not live.strayed:
            return Transaction((), ruleset.listing)
        commands = []
        if enable and not live.loaded:
            commands.append(Command(("kldload", "pf")))
        commands.append(Command(("pfctl", "-f" if enable or live.loaded else "-nf", STAGED)))
        if enable and (not live.enabled or self._lacks_reference()):
            commands.append(Command(("pfctl", self.dialect.enable)))
        after = text if enable or live.enabled else STATUS.disabled + text
        return self._loading(commands, after, live, {"text": text, "enable": enable})

    def _loading(self, commands: t.Sequence[Command], after: str, live: Live, facts: t.Mapping[str, t.Any]) -> Transaction:
        """Return the transaction that loads a text; what other programs of a Mac call besides is loaded with it, and not written."""
        loaded = with_guests(facts["text"], live.guests) if live.guests else facts["text"]
        facts = {**facts, "path": live.path, "dialect": self.dialect.name}
        if live.guests:
            facts["loaded"] = loaded
        return Transaction(tuple(commands), after, facts, (Command(("pfctl", "-nf", "-"), loaded),))

    # -- whole policies --------------------------------------------------------------------------------------------------------

    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        return policy_unsupported(policy, self.dialect)

    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        refuse_policy("pf", policy_unsupported(policy, self.dialect))
        return "".join(render_parts(policy, self.dialect, layout).values())

    def parse_policy(self, text: str) -> Policy:
        return parse_policy(STATUS.without(text), self.dialect)

    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        if wanted is not None:
            refuse_forwarding(self.host, wanted, self.dialect)
        text = wanted_text(self._plain(ruleset), wanted, self.dialect, layout, alone)
        return self._transaction(ruleset, text, enable=wanted is not None)

    # -- the firewall as a whole -----------------------------------------------------------------------------------------------

    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        """Enabled: pf decides, by its file, now and after every boot. Disabled: it passes everything; the file stays as it is."""
        live = self._live(ruleset)
        if live.strayed and not has_parts(self._plain(ruleset)):
            raise self._stray(live.path, live.strayed)
        at_boot = boot.starts_at_boot(self.host, self.dialect)
        if state == "disabled":
            return self._switch_off(ruleset, live, at_boot)
        old, text = self._plain(ruleset), self._with_needed(ruleset, keep)
        if state == "enabled" and not self._unloaded(ruleset) and live.enabled and at_boot and not live.strayed and text == old:
            return Transaction((), ruleset.listing)
        commands = [] if live.loaded else [Command(("kldload", "pf"))]
        commands.append(Command(("pfctl", "-f", STAGED)))
        if not live.enabled or self._lacks_reference():
            commands.append(Command(("pfctl", self.dialect.enable)))
        return self._loading(commands, text, live, {"text": text, "enable": True})

    def _lacks_reference(self) -> bool:
        """Return whether pf would go off when other programs no longer need it."""
        return self.dialect.by_reference and not own_reference(self.host)

    def _switch_off(self, ruleset: Ruleset, live: Live, at_boot: bool) -> Transaction:
        if not live.enabled and not at_boot:
            return Transaction((), ruleset.listing)
        text = self._plain(ruleset)
        command = Command(release_command(self.host) if self.dialect.by_reference and live.enabled else ("pfctl", "-d"))
        facts = {"text": text, "path": live.path, "dialect": self.dialect.name, "disable": True}
        # Where it only starts at boot, that alone ends, and there is nothing to run now.
        return Transaction((command if live.enabled else Command(("uname", "-s")),), STATUS.disabled + text, facts)

    # -- both ------------------------------------------------------------------------------------------------------------------

    def _live(self, ruleset: Ruleset) -> Live:
        live = ruleset.chains[0].ref
        if isinstance(live, Live):
            return live
        return Live(not ruleset.listing.startswith(STATUS.disabled), True, "/etc/pf.conf", self._plain(ruleset))

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        live = self._live(ruleset)
        lines = ["status=0"]
        if live.ruled or live.enabled:
            lines.append('pfctl -f "$DIR/pf.conf.before" || status=$?')
        if not live.ruled:
            # Nothing was loaded, although the file may have had rules.
            lines.append("if [ -e /dev/pf ]; then pfctl -F rules || status=$?; fi")
            if self.dialect.old_translation:
                lines.append("if [ -e /dev/pf ]; then pfctl -F nat || status=$?; fi")
        called = [command.argv[:2] for command in transaction.commands]
        if ("pfctl", "-X") in called:
            lines.append(TAKE)
        elif ("pfctl", "-E") in called:
            lines.append(GIVE)
        if live.enabled and (self.dialect.by_reference or transaction.persist.get("disable")):
            lines.append("pfctl -si 2>/dev/null | grep -q '^Status: Enabled' || pfctl -e || status=$?")
        elif not live.enabled and not self.dialect.by_reference:
            lines.append("if pfctl -si 2>/dev/null | grep -q '^Status: Enabled'; then pfctl -d || status=$?; fi")
        lines.append('[ "$status" -eq 0 ]')
        paths = (live.path, STAGED) + self.dialect.boot_files
        before = with_guests(self._plain(ruleset), live.guests) if live.guests else self._plain(ruleset)
        return Snapshot({"pf.conf.before": before}, "\n".join(lines) + "\n", paths)

    def apply(self, transaction: Transaction) -> None:
        if not transaction.commands:
            return
        self.host.write(STAGED, str(transaction.persist.get("loaded", transaction.persist["text"])), 0o600)
        for command in transaction.commands:
            said = self._run(command.argv, command.stdin)
            if command.argv[1] == "-E":
                note_reference(self.host, said)
            elif command.argv[1] == "-X":
                self.host.remove(TOKEN)

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        if not facts:
            return []
        path, text = str(facts["path"]), str(facts["text"])
        dialect = dialect_named(str(facts["dialect"]))
        notes = self._write_file(path, text)
        if facts.get("enable"):
            notes += boot.start_at_boot(self.host, dialect)
        elif facts.get("disable"):
            notes += boot.stop_at_boot(self.host, dialect)
        self.host.remove(STAGED)
        return notes + list(facts.get("notes", ()))


def _skips(statement: Statement) -> bool:
    """Return whether a statement says no more than on which interfaces no rule is asked."""
    return [one.text for one in statement.words or ()][:2] == ["set", "skip"]


def _equal_entry(chain: Chain, statements: t.Sequence[Statement], line: str) -> t.Optional[Entry]:
    """Return the entry that says what a raw line says: the same words, or the same meaning."""
    context = split(join([one for one in statements if one.kind in ("macro", "table", "set")]) + line + "\n")
    wanted = context[-1]
    meant = entries_of(context)
    known = {entry.ref: entry for entry in chain.entries}
    for number, statement in enumerate(statements):
        if statement.kind == wanted.kind and statement.words is not None and statement.words == wanted.words:
            return known.get(number, Entry(statement.lines, ref=number))
    if len(meant) != 1 or not meant[0].meanings():
        return None
    for entry in chain.entries:
        same_kind = statements[entry.ref].says("quick") == wanted.says("quick")
        if same_kind and (entry.rule, entry.parts) == (meant[0].rule, meant[0].parts):
            return entry
    return None
