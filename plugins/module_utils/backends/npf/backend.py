# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The npf backend: reads and changes /etc/npf.conf and the rules that npf has loaded from it.

Touches the host through ``host`` only; ``apply`` loads, ``persist`` writes the file.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import Rule
from ..base import Backend, Command, Sighting, Snapshot, Transaction, Unsupported
from ..ruleset import Chain, Edit, Entry, Ruleset
from . import boot
from .conf import Conf
from .edit import Document
from .live import STAGED, STDIN, UNLOADED, Live, read_live, show
from .parse import DISABLED, NAME, STRAYED, entries_of, parse, without_status
from .policy_lines import as_kept
from .policy_parse import parse_policy
from .policy_plan import refuse_forwarding, refuse_unsupported, wanted_text
from .policy_supported import policy_unsupported
from .policy_text import cut, has_part, render_part
from .render import normalise, render, unsupported
from .tables import FOLDER, is_own, table_text, tables_in

# ``file "..."`` of our tables: npfctl reads it while it checks, and it is only there once the change is applied.
_TABLE_FILE = re.compile(r'^([ \t]*table <(?:hf|hfp)_[0-9a-f]{12}> type lpm) file "[^"\n]*"[ \t]*$', re.MULTILINE)

_DEFAULT = re.compile(r"(?:^|[;}])[ \t]*group[ \t]+default\b", re.MULTILINE)


class Npf(Backend):
    """npf of NetBSD.

    One chain, ``npf``, for all directions and both families. Rules are lines of /etc/npf.conf (or the file that rc.conf names), each
    ``final``; the whole file is loaded in one step, and connections that exist live on. Long and negated lists of addresses are tables
    with a file each below /etc/holdfast/npf. What one line cannot say takes several below a comment that counts them.

    What npf does not distinguish:

    * States are looked up before rules. A deny or reject therefore only stops new connections, whether it is stateful or not
      (``normalise`` takes both for one). States are kept for tcp, udp and ICMP questions only, and for one interface each.
    * A log of an allow is written for every packet of its connections.
    * On a router the ``in`` and ``out`` of a single rule also see the packets that go through it. There is no single rule for ``forward``
      (``unsupported``).
    * A limit, a log prefix and a log limit have no form at all.
    * ``lo`` is the interface lo0.

    A flush removes rules and translations; then everything passes, so there are no rules to be kept for management.

    A policy is written into one marked part of the file with a group of its own, in front of all others, and the text around it stays byte
    for byte. Its rules decide first and end with the default of each direction that it manages, so the administrator's groups behind it
    decide nothing about these directions any more. Differences to single rules:

    * There are no rules of ``forward``, and a host that forwards is refused, since npf asks twice about a packet that goes through.
    * Every allow keeps state. TCP packets in the middle of a connection that npf has no state of pass by a second line of an allow that is
      not stateful, without a state: their answers need an allow too. Connections that are older than npf's start are such.
    * A stateful deny is exact for tcp only. Translations are refused (``policy_supported``).
    """

    NAME = NAME
    REPLY_RULES = False

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
        if self.host.which("npfctl") is None:
            return Sighting(NAME, False, False, "npfctl is not installed")
        try:
            active, _loaded, lines = show(self.host)
        except HoldfastError as exc:
            if "root" not in exc.msg:
                return Sighting(NAME, False, False, exc.msg)
            boots = boot.starts_at_boot(self.host)
            return Sighting(NAME, True, boots, "npf is %s at boot; only root may see its rules" % ("started" if boots else "not started"))
        if not active:
            return Sighting(NAME, True, False, "npf is not filtering")
        count = sum(1 for line in lines if line.startswith(("pass ", "block ")))
        return Sighting(NAME, True, count > 0, "npf is filtering with %d rules" % count)

    def read(self) -> Ruleset:
        """Read the file that the live rules come from.

        Live rules that do not come from it are refused, unless the file has a policy of ours: that policy can be put in force again.
        """
        live = read_live(self.host)
        text = live.text
        if text and not text.endswith("\n"):
            text += "\n"
        if live.strayed and not has_part(text):
            raise _strayed(live)
        if has_part(text) and live.active and not live.loaded:
            live = replace(live, strayed="it enforces no rules")
        return parse((DISABLED if not live.active else STRAYED if live.strayed else "") + text, live)

    def status(self) -> t.Dict[str, t.Any]:
        active, loaded, lines = show(self.host)
        return {
            "variant": "netbsd", "version": self.host.run(["uname", "-sr"]).out.strip(), "loaded": loaded, "enabled": active,
            "file": boot.rules_path(self.host), "at_boot": boot.starts_at_boot(self.host),
            "rules": sum(1 for line in lines if line.startswith(("pass ", "block "))),
        }  # fmt: skip

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        return ruleset.chains[0]

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        chain = ruleset.chains[0]
        conf = Conf(without_status(ruleset.listing))
        found: t.List[t.Tuple[Chain, t.Optional[Entry]]] = []
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        for line in lines:
            statement = self._check_native(conf, line)
            found.append((chain, _equal_entry(chain, conf, statement, line)))
        return found

    def _check_native(self, conf: Conf, line: str) -> str:
        """Let npfctl read one raw line beside the definitions of the file; returns its kind. Without an npfctl nobody can say."""
        alone = Conf(line)
        if len(alone.tops) != 1 or len(alone.statements) != 1 or alone.statements[0].end != len(line):
            raise HoldfastError("This is not one line of npf.conf: %s" % line)
        kind = alone.statements[0].kind
        if self.host.which("npfctl") is None:
            return kind
        kinds = ("variable", "table", "procedure")
        known = "".join(_text(conf, one.start, one.end) + "\n" for one in conf.statements if one.kind in kinds and one.group is None)
        text = (
            "%sgroup default {\n\t%s\n}\n" % (known, line) if kind in ("rule", "ruleset") else "%s%s\ngroup default { }\n" % (known, line)
        )
        answer = self.host.run(["npfctl", "validate", STDIN], stdin=_TABLE_FILE.sub(r"\1", text))
        if not answer.ok:
            raise HoldfastError("npf refuses the rule '%s': %s" % (line, (answer.err or answer.out).strip()[:2000]))
        return kind

    # -- changing --------------------------------------------------------------------------------------------------------------

    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        if self._live(ruleset).strayed:
            raise _strayed(self._live(ruleset))
        document = Document(without_status(ruleset.listing))
        for edit in edits:
            document.edit(edit)
        adds = any(edit.rule is not None or edit.native is not None for edit in edits)
        return self._transaction(ruleset, document.text(), enable=adds)

    def wake(self, ruleset: Ruleset) -> t.Optional[Transaction]:
        return None if self._live(ruleset).active else self._transaction(ruleset, without_status(ruleset.listing), enable=True)

    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        document = Document(cut(without_status(ruleset.listing))[0])
        document.flush()
        return self._transaction(ruleset, document.text(), enable=False)

    def _transaction(self, ruleset: Ruleset, text: str, enable: bool) -> Transaction:
        """Return what loads a text; a rule that is added is meant to work, so npf is started for it."""
        live = self._live(ruleset)
        old = without_status(ruleset.listing)
        if text == old and (live.active or not enable) and not live.strayed:
            return Transaction((), ruleset.listing)
        if not enable and not live.active and not live.loaded:
            made = self._loading(ruleset, text, True)
            facts = {**made.persist, "boot": None, "unloaded": True}
            return replace(made, commands=(Command(("npfctl", "show")),), after=DISABLED + text, persist=facts)
        made = self._loading(ruleset, text, live.active or not enable)
        return made if enable else replace(made, after=("" if live.active else DISABLED) + text, persist={**made.persist, "boot": None})

    def _loading(self, ruleset: Ruleset, text: str, active: bool) -> Transaction:
        """Return what loads a text, and starts npf unless it is."""
        if text.strip() and not _DEFAULT.search(text):
            text += "group default {\n}\n"
        commands = [Command(("npfctl", "reload", STAGED)) if text.strip() else Command(("npfctl", "flush"))]
        if not active:
            commands.append(Command(("npfctl", "start")))
        tables = {name: table_text(addresses) for name, addresses in tables_in(text).items()}
        gone = sorted(set(tables_in(without_status(ruleset.listing))) - set(tables))
        checks = (Command(("npfctl", "validate", STDIN), _TABLE_FILE.sub(r"\1", text)),) if text.strip() else ()
        facts = {"text": text, "path": self._live(ruleset).path, "tables": tables, "gone": gone, "boot": True}
        return Transaction(tuple(commands), text, facts, checks)

    # -- whole policies --------------------------------------------------------------------------------------------------------

    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        return policy_unsupported(policy)

    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        refuse_unsupported(policy_unsupported(policy))
        return render_part(policy, default_group=True)

    def parse_policy(self, text: str) -> Policy:
        return parse_policy(without_status(text))

    def policy_as_kept(self, policy: Policy) -> Policy:
        return replace(policy, rules=tuple(as_kept(rule) for rule in policy.rules))

    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        """Return the policy that the file has; it is in force unless the listing begins with a line that says that it is not."""
        part = cut(without_status(ruleset.listing))[1]
        return parse_policy(part) if part else None

    def own_listing(self, ruleset: Ruleset) -> str:
        text = without_status(ruleset.listing)
        part = cut(text)[1]
        return ruleset.listing[: len(ruleset.listing) - len(text)] + part if part else ""

    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        if wanted is not None:
            refuse_forwarding(self.host, wanted)
        text = wanted_text(without_status(ruleset.listing), wanted, alone)
        return self._transaction(ruleset, text, enable=wanted is not None)

    # -- the firewall as a whole -----------------------------------------------------------------------------------------------

    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        """Enabled: npf decides, by its file, now and after every boot. Disabled: everything passes; the file stays as it is."""
        from ..placement import place_needed

        live = self._live(ruleset)
        text = without_status(ruleset.listing)
        if live.strayed and not has_part(text):
            raise _strayed(live)
        at_boot = boot.starts_at_boot(self.host)
        if state == "disabled":
            if not live.active and not at_boot:
                return Transaction((), ruleset.listing)
            # Where it only starts at boot, that alone ends, and there is nothing to change now.
            command = Command(("npfctl", "stop" if live.active else "show"))
            return Transaction((command,), DISABLED + text, {"text": text, "path": live.path, "tables": {}, "boot": False})
        document = Document(text)
        for rule in keep:
            for edit in place_needed(self, ruleset, rule).edits:
                document.edit(edit)
        text = document.text()
        if state == "enabled" and live.active and at_boot and not live.strayed and text == without_status(ruleset.listing):
            return Transaction((), ruleset.listing)
        return self._loading(ruleset, text, live.active)

    def is_enabled(self, ruleset: Ruleset) -> bool:
        return self._live(ruleset).active

    def install_commands(self) -> t.Tuple[Command, ...]:
        if self.host.which("npfctl") is not None:
            return ()
        raise HoldfastError("npf is part of NetBSD and cannot be installed elsewhere")

    # -- both ------------------------------------------------------------------------------------------------------------------

    def _live(self, ruleset: Ruleset) -> Live:
        live = ruleset.chains[0].ref
        if isinstance(live, Live):
            return live
        return Live(not ruleset.listing.startswith(DISABLED), True, boot.DEFAULT_PATH, without_status(ruleset.listing))

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        live = self._live(ruleset)
        lines = ["status=0"]
        if live.loaded:
            lines.append('npfctl reload "$DIR/npf.conf.before" || status=$?')
        else:
            lines.append("npfctl flush || status=$?")
        if live.active:
            lines.append("npfctl start || status=$?")
        else:
            lines.append("if npfctl show 2>/dev/null | grep -q '^# filtering:[^a-z]*active'; then npfctl stop || status=$?; fi")
        lines.append('[ "$status" -eq 0 ]')
        old = without_status(ruleset.listing)
        tables = set(tables_in(old)) | set(transaction.persist.get("tables", ()))
        paths = (live.path, STAGED, boot.RC_CONF, *("%s/%s" % (FOLDER, name) for name in sorted(tables)))
        return Snapshot({"npf.conf.before": old}, "\n".join(lines) + "\n", paths)

    def apply(self, transaction: Transaction) -> None:
        if not transaction.commands:
            return
        for name, text in transaction.persist["tables"].items():
            self.host.write("%s/%s" % (FOLDER, name), text, 0o600)
        text = str(transaction.persist["text"])
        self.host.write(STAGED, UNLOADED + text if transaction.persist.get("unloaded") else text, 0o600)
        for command in transaction.commands:
            answer = self.host.run(command.argv, command.stdin)
            if not answer.ok:
                said = (answer.err or answer.out).strip()
                raise HoldfastError("%s failed with code %d: %s" % (" ".join(command.argv), answer.rc, said[:2000] or "(it said nothing)"))

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        if not facts:
            return []
        path, text = str(facts["path"]), str(facts["text"])
        notes = []
        if self.host.read(path) != text:
            self.host.write(path, text, self._mode(path))
            notes.append("wrote %s" % path)
        if facts.get("boot") is not None:
            notes += boot.set_boot(self.host, bool(facts["boot"]))
        for name in facts.get("gone", ()):
            if is_own(str(name)):
                self.host.remove("%s/%s" % (FOLDER, name))
        self.host.remove(STAGED)
        return notes

    def _mode(self, path: str) -> int:
        """Return the mode of a file, or that of a new one that only root may read."""
        answer = self.host.run(["stat", "-f", "%Lp", path])
        return int(answer.out, 8) if answer.ok and re.match(r"[0-7]{3,4}\s*\Z", answer.out) else 0o600


def _strayed(live: Live) -> HoldfastError:
    return HoldfastError(
        "The rules that npf enforces are not those of %s (%s), so a change of that file would replace them. "
        "Put what you want to keep into the file and load it with: npfctl reload %s" % (live.path, live.strayed, live.path)
    )


def _text(conf: Conf, start: int, end: int) -> str:
    return conf.text[start:end]


def _equal_entry(chain: Chain, conf: Conf, kind: str, line: str) -> t.Optional[Entry]:
    """Return the entry that says what a raw line says: the same words, or the same meaning."""
    words = [(one.kind, one.text) for one in Conf(line).statements[0].words]
    same = next((one for one in conf.statements if [(word.kind, word.text) for word in one.words] == words), None)
    if same is not None:
        found = next((one for one in chain.entries if same.number in one.ref.numbers and len(one.ref.numbers) == 1), None)
        return found if found is not None else Entry((line,), ref=None)
    if kind != "rule":
        return None
    kinds = ("variable", "procedure")
    context = "".join(_text(conf, one.start, one.end) + "\n" for one in conf.statements if one.kind in kinds)
    told = "".join(
        "# table %s: %s\n" % (name, ", ".join(addresses.words())) for name, addresses in tables_in(conf.text).items()
    )  # fmt: skip
    meant = entries_of(Conf("%s%sgroup default {\n\t%s\n}\n" % (told, context, line)))
    if len(meant) != 1 or not meant[0].meanings():
        return None
    for entry in chain.entries:
        if entry.ref.final == meant[0].ref.final and (entry.rule, entry.parts) == (meant[0].rule, meant[0].parts):
            return entry
    return None
