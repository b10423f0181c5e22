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
from ..base import Command, Sighting, Snapshot, Transaction, Unsupported, refuse_policy
from ..file_listing import LiveFile
from ..one_file import OneFile
from ..ruleset import Chain, Entry, Ruleset
from ..states_first import normalise, refuse_router
from . import boot
from .conf import Conf
from .edit import Document
from .live import STAGED, STDIN, UNLOADED, read_live, show
from .parse import NAME, STATUS, entries_of, has_default_group, parse
from .policy_parse import parse_policy
from .policy_plan import wanted_text
from .policy_supported import policy_unsupported
from .policy_text import cut, has_part, render_part
from .render import UNTRACKED_ICMP, render, unsupported
from .tables import FOLDER, is_own, table_text, tables_in

# ``file "..."`` of our tables: npfctl reads it while it checks, and it is only there once the change is applied.
_TABLE_FILE = re.compile(r'^([ \t]*table <(?:hf|hfp)_[0-9a-f]{12}> type lpm) file "[^"\n]*"[ \t]*$', re.MULTILINE)

_TABLE = re.compile(r"^[ \t]*table[ \t]*<", re.MULTILINE)
#: Of npf_impl.h (NPF_MAX_TABLES); npfctl checks no such thing.
MAX_TABLES = 128
#: Shell that asks whether npf filters.
_ACTIVE = "npfctl show 2>/dev/null | grep -q '^# filtering:[^a-z]*active'"

#: What a file may say without making a difference to any packet.
_MUTE = ("variable", "table", "procedure")


class Npf(OneFile):
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
    STATUS = STATUS
    LOAD = "npfctl reload %s"

    # -- pure ------------------------------------------------------------------------------------------------------------------

    def untracked_icmp(self, direction: str) -> t.Mapping[int, t.Tuple[int, ...]]:
        return UNTRACKED_ICMP if direction != "forward" else {}

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

    def _read_live(self) -> LiveFile:
        return read_live(self.host)

    def _parsed(self, text: str, live: LiveFile) -> Ruleset:
        return parse(text, live)

    def status(self) -> t.Dict[str, t.Any]:
        active, loaded, lines = show(self.host)
        return {
            "variant": "netbsd", "version": self.host.run(["uname", "-sr"]).out.strip(), "loaded": loaded, "enabled": active,
            "file": boot.rules_path(self.host), "at_boot": boot.starts_at_boot(self.host),
            "rules": sum(1 for line in lines if line.startswith(("pass ", "block "))),
        }  # fmt: skip

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        chain = ruleset.chains[0]
        conf = Conf(self._plain(ruleset))
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

    def _document(self, text: str) -> Document:
        return Document(text)

    def _own(self, text: str) -> str:
        return cut(text)[1]

    def _managed(self, text: str) -> bool:
        return has_part(text)

    def _without_own(self, text: str) -> str:
        return cut(text)[0]

    def _decides(self, text: str) -> bool:
        return any(statement.kind not in _MUTE for statement in Conf(text).statements)

    def _transaction(self, ruleset: Ruleset, text: str, enable: bool) -> Transaction:
        live = self._live(ruleset)
        old = self._plain(ruleset)
        if text == old and (live.enabled or not enable) and not live.strayed:
            return Transaction((), ruleset.listing)
        if not enable and not live.enabled and not live.ruled:
            made = self._loading(ruleset, text, True)
            facts = {**made.persist, "boot": None, "unloaded": True}
            return replace(made, commands=(Command(("npfctl", "show")),), after=STATUS.disabled + text, persist=facts)
        made = self._loading(ruleset, text, live.enabled or not enable)
        return (
            made
            if enable
            else replace(made, after=("" if live.enabled else STATUS.disabled) + text, persist={**made.persist, "boot": None})
        )

    def _loading(self, ruleset: Ruleset, text: str, active: bool) -> Transaction:
        """Return what loads a text, and starts npf unless it is."""
        if text.strip() and not has_default_group(text):
            text += "group default {\n}\n"
        count = len(_TABLE.findall(text))
        if count > MAX_TABLES:
            raise HoldfastError(
                "The file would have %d tables, and the kernel takes %d (long and negated lists of addresses are tables here), so nothing "
                "was changed. Let rules share their lists" % (count, MAX_TABLES)
            )
        commands = [Command(("npfctl", "reload", STAGED)) if text.strip() else Command(("npfctl", "flush"))]
        if not active:
            commands.append(Command(("npfctl", "start")))
        tables = {name: table_text(addresses) for name, addresses in tables_in(text).items()}
        gone = sorted(set(tables_in(self._plain(ruleset))) - set(tables))
        checks = (Command(("npfctl", "validate", STDIN), _TABLE_FILE.sub(r"\1", text)),) if text.strip() else ()
        facts = {"text": text, "path": self._live(ruleset).path, "tables": tables, "gone": gone, "boot": True}
        return Transaction(tuple(commands), text, facts, checks)

    # -- whole policies --------------------------------------------------------------------------------------------------------

    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        return policy_unsupported(policy)

    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        refuse_policy("npf", policy_unsupported(policy))
        return render_part(policy, default_group=True)

    def parse_policy(self, text: str) -> Policy:
        return parse_policy(STATUS.without(text))

    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        if wanted is not None:
            refuse_router(self.host, wanted, "npf", "npf.conf")
        text = wanted_text(self._plain(ruleset), wanted, alone)
        return self._transaction(ruleset, text, enable=wanted is not None)

    # -- the firewall as a whole -----------------------------------------------------------------------------------------------

    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        """Enabled: npf decides, by its file, now and after every boot. Disabled: everything passes; the file stays as it is."""
        live = self._live(ruleset)
        text = self._plain(ruleset)
        if live.strayed and not has_part(text):
            raise self._stray(live.path, live.strayed)
        at_boot = boot.starts_at_boot(self.host)
        if state == "disabled":
            if not live.enabled and not at_boot:
                return Transaction((), ruleset.listing)
            # Where it only starts at boot, that alone ends, and there is nothing to change now.
            command = Command(("npfctl", "stop" if live.enabled else "show"))
            return Transaction((command,), STATUS.disabled + text, {"text": text, "path": live.path, "tables": {}, "boot": False})
        old, text = text, self._with_needed(ruleset, keep)
        if state == "enabled" and not self._unloaded(ruleset) and live.enabled and at_boot and not live.strayed and text == old:
            return Transaction((), ruleset.listing)
        return self._loading(ruleset, text, live.enabled)

    def install_commands(self) -> t.Tuple[Command, ...]:
        if self.host.which("npfctl") is not None:
            return ()
        raise HoldfastError("npf is part of NetBSD and cannot be installed elsewhere")

    # -- both ------------------------------------------------------------------------------------------------------------------

    def _live(self, ruleset: Ruleset) -> LiveFile:
        live = ruleset.chains[0].ref
        if isinstance(live, LiveFile):
            return live
        return LiveFile(not ruleset.listing.startswith(STATUS.disabled), True, boot.DEFAULT_PATH, self._plain(ruleset))

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        live = self._live(ruleset)
        lines = ["status=0"]
        if live.ruled:
            lines.append('npfctl reload "$DIR/npf.conf.before" || status=$?')
        else:
            lines.append("npfctl flush || status=$?")
        if live.enabled:
            # The kernel refuses to start what is started (npf_pfil_register: EEXIST).
            lines.append("%s || npfctl start || status=$?" % _ACTIVE)
        else:
            lines.append("if %s; then npfctl stop || status=$?; fi" % _ACTIVE)
        lines.append('[ "$status" -eq 0 ]')
        old = self._plain(ruleset)
        tables = set(tables_in(old)) | set(transaction.persist.get("tables", ()))
        paths = (live.path, STAGED, boot.RC_CONF, boot.OVERRIDE, *("%s/%s" % (FOLDER, name) for name in sorted(tables)))
        return Snapshot({"npf.conf.before": old}, "\n".join(lines) + "\n", paths)

    def apply(self, transaction: Transaction) -> None:
        if not transaction.commands:
            return
        for name, text in transaction.persist["tables"].items():
            self.host.write("%s/%s" % (FOLDER, name), text, 0o600)
        text = str(transaction.persist["text"])
        self.host.write(STAGED, UNLOADED + text if transaction.persist.get("unloaded") else text, 0o600)
        for command in transaction.commands:
            self._run(command.argv, command.stdin)

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        if not facts:
            return []
        path, text = str(facts["path"]), str(facts["text"])
        notes = self._write_file(path, text)
        if facts.get("boot") is not None:
            notes += boot.set_boot(self.host, bool(facts["boot"]))
        for name in facts.get("gone", ()):
            if is_own(str(name)):
                self.host.remove("%s/%s" % (FOLDER, name))
        self.host.remove(STAGED)
        return notes + list(facts.get("notes", ()))


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
