# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A firewall whose rules are one file, loaded as a whole (pf, npf): what is the same whatever the file's grammar is.

Touches the host through ``host`` only. What a single rule does while the firewall is off is here, too: loading and starting it puts the
whole file into force, so a rule does that only where the file says nothing else.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ..policy.errors import HoldfastError
from ..policy.policy import Policy
from ..policy.rule import Rule
from .base import Backend, Transaction
from .file_listing import LiveFile, StatusLines
from .ruleset import Chain, Edit, Ruleset
from .states_first import as_kept
from .switched_off import switched_off
from .while_off import adds, off_sentence, refuse_stopping


class OneFile(Backend):
    """The file is what is read and edited, so it has to be the source of the rules in force.

    Rules in force that do not come from it are refused, unless the file has a policy of ours: that policy can be put in force again.
    """

    #: The first lines of a listing whose rules are not in force.
    STATUS = StatusLines("", "")
    #: What an administrator types to load the file, with a place for its path.
    LOAD = ""

    # -- what the grammar and the program of the firewall say --------------------------------------------------------------------

    def _read_live(self) -> LiveFile:
        """Read the host."""
        raise NotImplementedError

    def _live(self, ruleset: Ruleset) -> LiveFile:
        """Return what a ruleset was read from."""
        raise NotImplementedError

    def _parsed(self, text: str, live: LiveFile) -> Ruleset:
        """Read a listing; its chain points to ``live``."""
        raise NotImplementedError

    def _document(self, text: str) -> t.Any:
        """Return the file as one that can be changed: with ``edit``, ``flush`` and ``text``."""
        raise NotImplementedError

    def _own(self, text: str) -> str:
        """Return the part of a file that is written from a policy."""
        raise NotImplementedError

    def _managed(self, text: str) -> bool:
        """Return whether a file has something that is written from a policy, be it whole or not."""
        raise NotImplementedError

    def _without_own(self, text: str) -> str:
        """Return a file less that part."""
        raise NotImplementedError

    def _decides(self, text: str) -> bool:
        """Return whether a file says anything that makes a difference to packets; what is not known does."""
        raise NotImplementedError

    def _transaction(self, ruleset: Ruleset, text: str, enable: bool) -> Transaction:
        """Return what makes a text the file; ``enable`` also puts it into force where the firewall is off."""
        raise NotImplementedError

    # -- reading -----------------------------------------------------------------------------------------------------------------

    def read(self) -> Ruleset:
        live = self._read_live()
        text = live.text
        if text and not text.endswith("\n"):
            text += "\n"
        managed = self._managed(text)
        if live.strayed and not managed:
            raise self._stray(live.path, live.strayed)
        if managed and live.enabled and not live.ruled:
            live = replace(live, strayed="it enforces no rules")
        return self._parsed((self.STATUS.disabled if not live.enabled else self.STATUS.strayed if live.strayed else "") + text, live)

    def _plain(self, ruleset: Ruleset) -> str:
        """Return the text of the file."""
        return self.STATUS.without(ruleset.listing)

    def _stray(self, path: str, why: str) -> HoldfastError:
        return HoldfastError(
            "The rules that %s enforces are not those of %s (%s), so a change of that file would replace them. "
            "Put what you want to keep into the file and load it with: %s" % (self.NAME, path, why, self.LOAD % path)
        )

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        return ruleset.chains[0]

    def is_enabled(self, ruleset: Ruleset) -> bool:
        return self._live(ruleset).enabled

    # -- single rules ------------------------------------------------------------------------------------------------------------

    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        live = self._live(ruleset)
        if live.strayed:
            raise self._stray(live.path, live.strayed)
        off = self.asleep(ruleset)
        if off is not None and live.enabled:
            raise HoldfastError("%s. A change would load that file as a whole, so nothing was changed" % off, backend=self.NAME)
        if off is not None:
            refuse_stopping(self.NAME, self.NAME, edits, lambda line: line.split()[:1] == ["pass"])
        document = self._document(self._plain(ruleset))
        for edit in edits:
            document.edit(edit)
        transaction = self._transaction(ruleset, document.text(), enable=off is None and adds(edits))
        if off is None or not adds(edits) or not transaction.commands:
            return transaction
        return replace(transaction, persist={**transaction.persist, "notes": [off]})

    def asleep(self, ruleset: Ruleset) -> t.Optional[str]:
        """Return a sentence where the firewall is off and a rule must not switch it on.

        A rule may where the file says nothing and nobody has switched the firewall off by a task: without rules it lets everything pass, so
        that nothing but the new rule is put into force.
        """
        live = self._live(ruleset)
        if live.enabled and not self._unloaded(ruleset):
            return None
        if live.enabled:
            return "%s is on and enforces no rules, although %s has some. Load them first (%s)" % (
                self.NAME, live.path, self.LOAD % live.path,
            )  # fmt: skip
        decides = self._decides(self._plain(ruleset))
        return off_sentence(self.NAME, self.NAME) if decides or switched_off(self.host) == self.NAME else None

    def _unloaded(self, ruleset: Ruleset) -> bool:
        """Return whether none of the file's rules is loaded."""
        return not self._live(ruleset).ruled and self._decides(self._plain(ruleset))

    def _with_needed(self, ruleset: Ruleset, keep: t.Sequence[Rule]) -> str:
        """Return the file with those of some rules that have to pass and would not."""
        from .placement import place_needed

        document = self._document(self._plain(ruleset))
        for rule in keep:
            for edit in place_needed(self, ruleset, rule).edits:
                document.edit(edit)
        return str(document.text())

    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        document = self._document(self._without_own(self._plain(ruleset)))
        document.flush()
        return self._transaction(ruleset, document.text(), enable=False)

    # -- whole policies ----------------------------------------------------------------------------------------------------------

    def policy_as_kept(self, policy: Policy) -> Policy:
        return replace(policy, rules=tuple(as_kept(rule) for rule in policy.rules))

    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        """Return the policy that the file has; it is in force unless the listing begins with a line that says that it is not."""
        own = self._own(self._plain(ruleset))
        return self.parse_policy(own) if own else None

    def own_listing(self, ruleset: Ruleset) -> str:
        text = self._plain(ruleset)
        own = self._own(text)
        return ruleset.listing[: len(ruleset.listing) - len(text)] + own if own else ""

    # -- writing -----------------------------------------------------------------------------------------------------------------

    def _run(self, argv: t.Sequence[str], stdin: t.Optional[str] = None) -> str:
        """Run a command of a transaction; returns what it said.

        :raises HoldfastError: when it fails.
        """
        answer = self.host.run(argv, stdin)
        if not answer.ok:
            said = (answer.err or answer.out).strip()
            raise HoldfastError("%s failed with code %d: %s" % (" ".join(argv), answer.rc, said[:2000] or "(it said nothing)"))
        return answer.err + answer.out

    def _write_file(self, path: str, text: str) -> t.List[str]:
        """Write the file unless it is so already; returns what was written."""
        if self.host.read(path) == text:
            return []
        answer = self.host.run(["stat", "-f", "%Lp", path])
        # A new file is for root alone.
        mode = int(answer.out, 8) if answer.ok and re.match(r"[0-7]{3,4}\s*\Z", answer.out) else 0o600
        self.host.write(path, text, mode)
        return ["wrote %s" % path]
