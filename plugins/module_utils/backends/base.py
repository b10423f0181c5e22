# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract that every host firewall fulfils.

A backend renders and parses (pure), reads the live rules, turns edits into one transaction, and knows how to put the old state back
and how to make the new one last. It never decides where a rule goes (``placement``), never arms a timer and never confirms
(``change``). Only ``apply`` and ``persist`` write.
"""

from __future__ import annotations

import hashlib
import shlex
import typing as t
from dataclasses import dataclass, field, replace

from ..host import Host
from ..policy.errors import HoldfastError
from ..policy.policy import Policy
from ..policy.rule import Rule
from .ruleset import Chain, Edit, Entry, Ruleset

#: What the comment of every guard rule starts with.
GUARD_MARK = "holdfast: "
#: The comment of rules that let administrators in.
MANAGEMENT = GUARD_MARK + "management"

LAYOUTS = ("auto", "rules", "compiled")


@dataclass(frozen=True)
class Unsupported:
    """A field that a backend cannot carry, and why. Such a rule is refused, never widened."""

    field: str
    value: str
    reason: str

    def as_dict(self) -> t.Dict[str, str]:
        """Return it for a task's result."""
        return {"field": self.field, "value": self.value, "reason": self.reason}


def unsupported_scope(rule: Rule, reason: str) -> t.List[Unsupported]:
    """Return the fields of a rule's scope for a backend that knows none of them."""
    if rule.scope is None:
        return []
    return [
        Unsupported(field, ",".join(value) if isinstance(value, list) else str(value), reason)
        for field, value in rule.scope.words().items()
    ]


def refuse_policy(who: str, refused: t.Sequence[Unsupported]) -> None:
    """Refuse a policy that a firewall cannot carry.

    :raises HoldfastError: with the first reasons.
    """
    if refused:
        reasons = "; ".join("%s (%s): %s" % (one.field, one.value, one.reason) for one in refused[:10])
        raise HoldfastError("%s cannot carry this policy exactly: %s" % (who, reasons), unsupported=[one.as_dict() for one in refused])


@dataclass(frozen=True)
class Sighting:
    """What detection saw of one backend on a host.

    :ivar available: its tools answer.
    :ivar active: it holds rules or is enabled: packets are decided by it.
    :ivar saw: the evidence, for people.
    """

    backend: str
    available: bool
    active: bool
    saw: str


@dataclass(frozen=True)
class Command:
    """One program call of a transaction."""

    argv: t.Tuple[str, ...]
    stdin: t.Optional[str] = None

    def shown(self) -> str:
        """Return the call as a person would type it, its input as a here-document."""
        line = " ".join(shlex.quote(word) if " " in word or not word else word for word in self.argv)
        return line if self.stdin is None else "%s <<EOF\n%s\nEOF" % (line, self.stdin.rstrip("\n"))


@dataclass(frozen=True)
class Snapshot:
    """What puts the old state back without Python, network or names.

    :ivar files: the files that the script needs, name to text; the script finds them in ``$DIR``.
    :ivar script: POSIX shell; restores the live rules exactly; must end with a status that tells success.
    :ivar paths: persistent files that ``persist`` may change; the change engine keeps copies and puts them back.
    :ivar after_reboot: whether the live state is on disk at once, so that the script must also run after a reboot.
    """

    files: t.Mapping[str, str]
    script: str
    paths: t.Tuple[str, ...] = ()
    after_reboot: bool = False


@dataclass(frozen=True)
class Transaction:
    """A change that is ready to be applied.

    :ivar commands: in order; on the first failure the snapshot is restored.
    :ivar after: the predicted listing (the text of ``Ruleset.listing``).
    :ivar persist: JSON-able facts that ``persist`` needs, perhaps in another process.
    :ivar checks: commands that validate without changing anything.
    :ivar keeps_connections: whether known connections pass while it is applied and afterwards, whatever it denies, so that the answer
        of the task that began it needs no head start.
    """

    commands: t.Tuple[Command, ...]
    after: str
    persist: t.Mapping[str, t.Any] = field(default_factory=dict)
    checks: t.Tuple[Command, ...] = ()
    keeps_connections: bool = False


class Backend:
    """One host firewall."""

    #: The word of the ``backend`` option.
    NAME = ""
    #: Whether states do not pass replies by themselves, so that a stateful allow may need a reply rule.
    REPLY_RULES = False
    #: Whether an accept of our policy ends the walk, so that the administrator's own rules behind it do not decide.
    ACCEPT_IS_FINAL = True
    #: Whether the change is on disk as soon as it is live (ufw, firewalld, Windows).
    PERSISTS_AT_ONCE = False
    #: Whether every deny beats every allow, wherever they stand (Windows).
    DENY_WINS = False

    def __init__(self, host: Host) -> None:
        self.host = host

    # -- pure ---------------------------------------------------------------------------------------------------------------

    def unsupported(self, rule: Rule) -> t.Tuple[Unsupported, ...]:
        """Return every field of the rule that this backend cannot carry exactly."""
        raise NotImplementedError

    def normalise(self, rule: Rule) -> Rule:
        """Return the rule as this backend keeps it: fields between which it makes no difference have one value.

        Such a difference is a loss that the class's docstring names. ``parse`` returns rules in this form.
        """
        return rule

    def pieces(self, rule: Rule) -> t.Tuple[Rule, ...]:
        """Return the rules that a supported rule becomes, where one entry cannot hold it whole; together they match what it matches, and no
        packet is matched by two of them. They are placed, found again and removed one by one.
        """
        return (rule,)

    def render(self, rule: Rule) -> t.Tuple[str, ...]:
        """Return the native lines of a supported rule, as an administrator would type or read them."""
        raise NotImplementedError

    def parse(self, text: str) -> Ruleset:
        """Read native text (the format of ``Ruleset.listing``, or the lines of ``render``) into our terms."""
        raise NotImplementedError

    def untracked_icmp(self, direction: str) -> t.Mapping[int, t.Tuple[int, ...]]:
        """Return the ICMP types, by protocol, that belong to known connections and that no state passes here: a policy's guard does."""
        return {}

    # -- reading ------------------------------------------------------------------------------------------------------------

    def sight(self) -> Sighting:
        """Look, without changing anything, whether this backend is on the host and in use. Works without root as far as it goes."""
        raise NotImplementedError

    def read(self) -> Ruleset:
        """Read the live rules, with the chains that do not exist yet but would take a rule (``missing``).

        :raises HoldfastError: when they cannot be read (not root, tool missing).
        """
        raise NotImplementedError

    def status(self) -> t.Dict[str, t.Any]:
        """Return facts for people: version, enabled, variant."""
        raise NotImplementedError

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        """Return the chain that takes a rule when no other chain has to."""
        raise NotImplementedError

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        """Return, for each line of raw rules, its chain and the live entry that equals it after the backend's own normalisation.

        ``wanted`` says whether the lines are to be present or absent: a line that is there only in part (in one of its families) counts
        as missing for the one and as there for the other.

        :raises HoldfastError: when a line is not valid for this backend.
        """
        raise NotImplementedError

    # -- changing -----------------------------------------------------------------------------------------------------------

    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        """Turn edits into one transaction; pure but for reading persistent files."""
        raise NotImplementedError

    def wake(self, ruleset: Ruleset) -> t.Optional[Transaction]:
        """Return what puts rules into force that are listed while the firewall is switched off, or None when they are in force."""
        return None

    def asleep(self, ruleset: Ruleset) -> t.Optional[str]:
        """Return a sentence where rules are listed and decide nothing, and neither ``plan`` nor ``wake`` changes that; else None."""
        return None

    def half_asleep(self, ruleset: Ruleset) -> t.Optional[str]:
        """Return a sentence where the rules decide in some networks of the host only; else None."""
        return None

    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        """Remove all rules but those of other owners; ``keep`` are the rules that stay or are put into a chain of that name."""
        raise NotImplementedError

    # -- whole policies -----------------------------------------------------------------------------------------------------

    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        """Return everything in the policy that this backend cannot carry exactly; ``field`` starts with the place (``rules[3].limit``)."""
        raise NotImplementedError

    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        """Return the native text of a supported policy (guard included), complete as the backend's own tool loads it.

        Pure. ``layout`` is ``rules`` (one line per rule), ``compiled`` (sets, maps, trees) or ``auto`` (compiled where it is worth it).
        """
        raise NotImplementedError

    def parse_policy(self, text: str) -> Policy:
        """Read what ``render_policy`` writes, or the live listing of it, back into a policy; pure.

        The result is the same set of packets, in the same order of decision; compiled text comes back as single rules. Rules whose comment
        starts with GUARD_MARK go to ``guard``.

        :raises HoldfastError: when a part of the text that we own cannot be expressed (somebody changed it by hand).
        """
        raise NotImplementedError

    def policy_as_kept(self, policy: Policy) -> Policy:
        """Return the policy as this backend keeps it, so that a live one and a document can be compared; see ``normalise``."""
        return replace(policy, rules=tuple(self.normalise(rule) for rule in policy.rules))

    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        """Return the policy of ours that is live in ``ruleset`` (from ``read``), or None when there is none."""
        raise NotImplementedError

    def own_listing(self, ruleset: Ruleset) -> str:
        """Return the part of the live listing that is ours, for the record that tells an edit by hand; empty when there is none."""
        raise NotImplementedError

    def live_text(self, whole: bool = False) -> str:
        """Return the live rules that are ours (or all of them) as text, for a hash: cheap, without counters, handles and learned elements.

        Equal rules give equal text, also after a reboot.
        """
        ruleset = self.read()
        return ruleset.listing if whole else self.own_listing(ruleset)

    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        """Return the transaction that makes ``wanted`` (guard included) the policy of ours, or removes ours (None).

        No commands when the host enforces it already, also after the backend's own normalisation. What belongs to other programs stays.
        ``alone`` also removes the rules that administrators wrote, so that the policy is the only one that decides.
        """
        raise NotImplementedError

    def beside(self, ruleset: Ruleset, alone: bool) -> t.Optional[t.Sequence[str]]:
        """Return in sentences what also decides once a policy of ours is in force; None where the names of the other chains say it.

        ``alone`` says that the administrators' rules go with it.
        """
        return None

    def remarks(self, policy: Policy) -> t.Sequence[str]:
        """Return in sentences what a supported policy leads to here beside its verdicts, where that is more than it asks for."""
        return ()

    # -- the firewall as a whole --------------------------------------------------------------------------------------------

    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        """Return the transaction that makes the firewall ``enabled``, ``disabled`` or ``restarted``; no commands when it is so already.

        Enabled means that its rules decide now and after every boot, disabled that they decide neither now nor then; what is enabled again
        has the rules that it had. ``keep`` are rules that have to pass once it is enabled; those that would not are put in.

        :raises HoldfastError: when this firewall cannot be switched so, with the reason.
        """
        raise HoldfastError("The firewall %s has no switch for %s" % (self.NAME, state))

    def is_enabled(self, ruleset: Ruleset) -> bool:
        """Return whether the firewall decides about packets now."""
        raise NotImplementedError

    def install_commands(self) -> t.Tuple[Command, ...]:
        """Return what installs the firewall on this host; empty when it is there already.

        :raises HoldfastError: when it cannot be installed on this system.
        """
        raise HoldfastError("The firewall %s is part of its system and cannot be installed" % self.NAME)

    def validate(self, transaction: Transaction) -> None:
        """Let the backend's own checker read the transaction.

        :raises HoldfastError: with what the checker said; nothing has been changed.
        """
        for command in transaction.checks:
            result = self.host.run(command.argv, command.stdin)
            if not result.ok:
                said = (result.err or result.out).strip()[:2000]
                raise HoldfastError("The %s rules were refused by its own checker, nothing was changed: %s" % (self.NAME, said))

    def loads_in(self, validated: float) -> float:
        """Return how many seconds it likely takes to put a change in force whose ``validate`` took so many: prepare, switch, clear."""
        return 3.0 * validated

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        """Return what restores everything that the transaction changes."""
        raise NotImplementedError

    def apply(self, transaction: Transaction) -> None:
        """Make the change at run time only.

        :raises HoldfastError: when a command fails; the caller restores.
        """
        for command in transaction.commands:
            self.host.checked(command.argv, command.stdin)

    def make_ready(self) -> None:
        """Import what ``apply``, ``persist`` and ``live_text`` need: a task's own code is gone when the process that it left calls them."""

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        """Make the verified live state last across a reboot; returns the files written and warnings for people."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Return a hash of the live rules, counters left out: equal text, equal hash."""
        return listing_fingerprint(self.read().listing)


def listing_fingerprint(listing: str) -> str:
    """Return the SHA-256 of a listing, in hexadecimal."""
    return hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
