# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a single rule decides, on a host whose chains belong to other people.

Pure: touches nothing. A present rule must have its effect, not just be listed:

* an allow must be accepted in every base chain that its packets walk through, so it goes into each chain that would stop them;
* a deny or reject decides in one chain: the backend's home chain, unless its exceptions stand in another one;
* it goes before the first entry that covers it with another action; narrower entries are exceptions and stay in front of it, as does
  what passes the loopback interface;
* of two rules that overlap in part, the deny or reject goes before the allow, whichever came first;
* a rule that is listed behind an entry that defeats it is moved.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ..analysis.relation import covers, overlaps
from ..policy.rule import Rule
from .base import Backend
from .ruleset import RETURN, Chain, Edit, Entry, Ruleset

#: The loopback interface of Linux and of the BSDs.
LOOPBACK = frozenset({"lo", "lo0"})


@dataclass
class Placement:
    """The edits that make a rule present or absent, and what a person should know about them.

    :ivar where: where the rule is, or goes (one sentence for each chain).
    :ivar defeated_by: entries that came first and decided otherwise; the rule goes before them.
    :ivar exceptions: entries in front of the rule that decide a part of its packets otherwise.
    :ivar blocked_by: chains that are not ours to change and still decide otherwise.
    :ivar unread: native entries in front of the rule that the common language cannot express.
    """

    edits: t.List[Edit] = field(default_factory=list)
    where: t.List[str] = field(default_factory=list)
    defeated_by: t.List[str] = field(default_factory=list)
    exceptions: t.List[str] = field(default_factory=list)
    blocked_by: t.List[str] = field(default_factory=list)
    unread: t.List[str] = field(default_factory=list)


@dataclass
class _Judgement:
    """What one chain does with a rule's packets: the first identical entry, the first cover, the entry that defeats it."""

    same: t.Optional[Entry] = None
    covered: bool = False
    defeater: t.Optional[Entry] = None
    dead: t.Optional[Entry] = None
    exceptions: t.List[Entry] = field(default_factory=list)
    unread: t.List[Entry] = field(default_factory=list)
    #: From the defeater on: entries that stay, and those that the rule would defeat unless they go before it.
    behind: t.List[Entry] = field(default_factory=list)
    rescued: t.List[Entry] = field(default_factory=list)


def place_present(backend: Backend, ruleset: Ruleset, rule: Rule) -> Placement:
    """Return what makes the rule present and effective; what is there of its pieces stays."""
    return _together([_present(backend, ruleset, one) for one in backend.pieces(backend.normalise(rule))])


def _present(backend: Backend, ruleset: Ruleset, rule: Rule) -> Placement:
    placement = Placement()
    for family in sorted(rule.families()):
        home = backend.home(ruleset, rule.direction, family)
        chains = ruleset.bases(rule.direction, family)
        if backend.DENY_WINS and not _place_by_action(ruleset, rule, home, placement):
            continue
        if rule.action == "allow":
            _place_allow(ruleset, rule, chains, home, placement)
        else:
            _place_stop(ruleset, rule, chains, home, placement, backend.REPLY_RULES)
    if backend.REPLY_RULES and rule.action == "allow" and rule.stateful:
        reply = rule.reply_rule()
        for family in sorted(reply.families()):
            for chain in ruleset.bases(reply.direction, family):
                _place_reply(chain, _within(reply, chain), placement)
    return _deduplicated(placement)


def _place_by_action(ruleset: Ruleset, rule: Rule, home: Chain, placement: Placement) -> bool:
    """Place a rule where every deny beats every allow; return whether the rule is an allow that no deny beats, and still has to be placed.

    A deny takes no notice of allows, and no allow can be put in front of a deny.
    """
    verdict = _judge(ruleset, home, rule)
    if rule.action != "allow":
        if verdict.same is not None:
            _refresh(home, verdict.same, rule, placement)
        else:
            placement.edits.append(Edit(home, rule=rule))
            placement.where.append("%s, where a deny beats every allow" % home.name)
        return False
    if verdict.defeater is not None:
        placement.blocked_by.append(home.name + _because(verdict.defeater))
    return verdict.defeater is None


def place_needed(backend: Backend, ruleset: Ruleset, rule: Rule) -> Placement:
    """Return what lets an allow pass where it would not, and nothing where it passes already, whatever lets it through."""
    rule = backend.normalise(rule)
    placement = Placement()
    for family in sorted(rule.families()):
        for chain in ruleset.bases(rule.direction, family):
            narrow = _within(rule, chain)
            verdict = _judge(ruleset, chain, narrow)
            if verdict.same is not None or (verdict.defeater is None and (verdict.covered or _passes_at_last(chain, narrow))):
                continue
            if chain.changeable and not (backend.DENY_WINS and verdict.defeater is not None):
                _insert(chain, narrow, verdict, placement)
            else:
                placement.blocked_by.append(chain.name + _because(verdict.defeater))
    if placement.edits and backend.REPLY_RULES and rule.stateful:
        reply = rule.reply_rule()
        for family in sorted(reply.families()):
            for chain in ruleset.bases(reply.direction, family):
                _place_reply(chain, _within(reply, chain), placement)
    return _deduplicated(placement)


def place_absent(backend: Backend, ruleset: Ruleset, rule: Rule) -> Placement:
    """Return what removes the first match of the rule, or of each of its pieces, from each chain, with reply rules that nothing needs any
    more.
    """
    return _together([_absent(backend, ruleset, one) for one in backend.pieces(backend.normalise(rule))])


def _together(parts: t.Sequence[Placement]) -> Placement:
    """Return the placements of a rule's pieces as one. An entry that several want in front of them goes in front of all."""
    if len(parts) == 1:
        return parts[0]
    whole = Placement()
    for one in parts:
        for name in ("edits", "where", "defeated_by", "exceptions", "blocked_by", "unread"):
            getattr(whole, name).extend(getattr(one, name))
    _deduplicated(whole)
    first: t.Dict[t.Tuple[str, Rule], Edit] = {}
    for edit in whole.edits:
        if edit.rule is not None and edit.remove is None:
            key = (edit.chain.name, edit.rule)
            first[key] = min(first.get(key, edit), edit, key=_position)
    kept: t.List[Edit] = []
    for edit in whole.edits:
        if edit.rule is not None and edit.remove is None:
            edit = first[edit.chain.name, edit.rule]
        if edit not in kept:
            kept.append(edit)
    whole.edits = kept
    return whole


def _position(edit: Edit) -> int:
    """Return where an edit puts its rule."""
    return len(edit.chain.entries) if edit.before is None else edit.chain.entries.index(edit.before)


def _absent(backend: Backend, ruleset: Ruleset, rule: Rule) -> Placement:
    placement = Placement()
    for chain in ruleset.chains:
        if not chain.changeable or not chain.base or rule.direction not in chain.directions or not rule.families() & chain.families:
            continue
        wanted = _within(rule, chain).identity()
        entry = next((one for one in chain.entries if one.rule is not None and one.rule.identity() == wanted), None)
        # Until the next boot these decide as the rule does.
        passing = [one for one in chain.entries if one.passing and [part.identity() for part in one.parts] == [wanted]]
        for gone in [entry] * (entry is not None) + passing:
            placement.edits.append(Edit(chain, remove=gone))
            placement.where.append(chain.name)
    if placement.edits and rule.action == "allow" and rule.stateful and backend.REPLY_RULES:
        _drop_replies(ruleset, rule, placement)
    return _deduplicated(placement)


def _passes_at_last(chain: Chain, rule: Rule) -> bool:
    """Return whether all packets of the rule pass where no entry decides about them at once: by the last weak match, or the default."""
    action = chain.default
    for entry in chain.entries:
        for one in entry.meanings():
            if entry.weak and not one.reply and (covers(one, rule) or (one.action != "allow" and overlaps(one, rule))):
                action = one.action
    return action == "allow"


def _within(rule: Rule, chain: Chain) -> Rule:
    """Return the rule as it reads inside a chain of one family."""
    if rule.family is None and len(chain.families) == 1:
        return replace(rule, family=next(iter(chain.families)))
    return rule


def _place_allow(ruleset: Ruleset, rule: Rule, chains: t.Sequence[Chain], home: Chain, placement: Placement) -> None:
    listed = False
    for chain in chains:
        narrow = _within(rule, chain)
        verdict = _judge(ruleset, chain, narrow)
        if verdict.same is not None:
            listed = True
            _refresh(chain, verdict.same, narrow, placement)
            _report(verdict, narrow, placement)
            continue
        blocked = verdict.defeater is not None or (not verdict.covered and chain.default == "deny")
        if not blocked:
            continue
        if not chain.changeable:
            placement.blocked_by.append(chain.name + _because(verdict.defeater))
            continue
        listed = True
        _insert(chain, narrow, verdict, placement)
    if not listed:
        narrow = _within(rule, home)
        _insert(home, narrow, _judge(ruleset, home, narrow), placement)


def _place_stop(ruleset: Ruleset, rule: Rule, chains: t.Sequence[Chain], home: Chain, placement: Placement, reply_rules: bool) -> None:
    verdicts = [(chain, _judge(ruleset, chain, _within(rule, chain))) for chain in chains]
    for chain, verdict in verdicts:
        if verdict.same is not None:
            _refresh(chain, verdict.same, _within(rule, chain), placement)
            _report(verdict, _within(rule, chain), placement)
            return
    if rule.action == "reject":
        for chain, verdict in verdicts:
            if not chain.changeable and verdict.defeater is not None and _action(verdict.defeater) == "deny":
                placement.blocked_by.append(chain.name + _because(verdict.defeater))
    chain = _with_most_exceptions(chains, rule, home)
    narrow = _within(rule, chain)
    before = len(placement.edits)
    _insert(chain, narrow, _judge(ruleset, chain, narrow), placement)
    if reply_rules:
        _keep_replies(ruleset, chain, narrow, before, placement)


def _with_most_exceptions(chains: t.Sequence[Chain], rule: Rule, home: Chain) -> Chain:
    """Return the chain for a deny or reject: home, unless another chain holds the exceptions that it would overrule from there."""

    def exceptions(chain: Chain) -> int:
        return sum(_belongs_in_front(entry, _within(rule, chain)) for entry in chain.entries) if chain.changeable else 0

    best = max(chains, key=exceptions, default=home)
    return best if exceptions(best) > exceptions(home) else home


def _keep_replies(ruleset: Ruleset, chain: Chain, stop: Rule, number: int, placement: Placement) -> None:
    """Put reply rules before a new deny or reject that would stop the replies of stateful rules which are there already."""
    edit = next(one for one in placement.edits[number:] if one.rule == stop)
    position = len(chain.entries) if edit.before is None else chain.entries.index(edit.before)
    marker = Entry((), rule=stop)
    after = replace(chain, entries=(*chain.entries[:position], marker, *chain.entries[position:]))
    for entry in [entry for other in ruleset.chains for entry in other.entries]:
        rule = entry.rule
        if rule is None or not rule.stateful or rule.action != "allow" or rule.reply:
            continue
        reply = _within(rule.reply_rule(), chain)
        if reply.direction not in chain.directions or not reply.families() & chain.families:
            continue
        needed = Placement()
        _place_reply(after, reply, needed)
        if any(one.before is marker for one in needed.edits):
            kept = Edit(chain, rule=reply, before=edit.before)
            if kept not in placement.edits:
                placement.edits.insert(placement.edits.index(edit), kept)
                placement.where.append("%s, the replies" % chain.name)


def _place_reply(chain: Chain, reply: Rule, placement: Placement) -> None:
    """Pass replies in a chain that would stop them."""
    for entry in chain.entries:
        if entry.established or (entry.rule is not None and entry.rule.identity() == reply):
            return
        plain = replace(reply, ports=(), source_ports=(), reply=False)
        deciding = [one for one in entry.meanings() if not one.reply and not entry.weak and covers(one, plain)]
        if any(one.action == "allow" for one in deciding):
            return
        if any(not one.stateful for one in deciding):
            _put_reply(chain, reply, entry, placement)
            return
    if chain.default == "deny":
        _put_reply(chain, reply, None, placement)


def _put_reply(chain: Chain, reply: Rule, before: t.Optional[Entry], placement: Placement) -> None:
    if not chain.changeable:
        placement.blocked_by.append("%s (replies)%s" % (chain.name, _because(before)))
        return
    placement.edits.append(Edit(chain, rule=reply, before=before))
    placement.where.append("%s, the replies" % chain.name)


def _drop_replies(ruleset: Ruleset, rule: Rule, placement: Placement) -> None:
    removed = [edit.remove for edit in placement.edits]
    for chain in ruleset.chains:
        if not chain.changeable:
            continue
        reply = _within(rule.reply_rule(), chain)
        needed = any(
            entry.rule is not None and entry.rule.stateful and entry.rule.action == "allow" and entry not in removed
            and _within(entry.rule.reply_rule(), chain).identity() == reply
            for other in ruleset.chains for entry in other.entries
        )  # fmt: skip
        entry = next((one for one in chain.entries if one.rule is not None and one.rule.identity() == reply), None)
        if entry is not None and not needed:
            placement.edits.append(Edit(chain, remove=entry))


def _judge(ruleset: Ruleset, chain: Chain, rule: Rule) -> _Judgement:
    verdict = _Judgement()
    wanted = rule.identity()
    for entry in chain.entries:
        if entry.rule is not None and entry.rule.identity() == wanted and not entry.weak:
            if verdict.defeater is not None:
                verdict.dead = verdict.dead or entry
            elif verdict.same is None:
                verdict.same = entry
            continue
        if verdict.covered or verdict.same is not None:
            continue
        if verdict.defeater is not None:
            verdict.behind.append(entry)
        elif _decides(ruleset, entry, rule, set()) == rule.action:
            verdict.covered = True
        elif _defeats(ruleset, entry, rule):
            verdict.defeater = entry
            verdict.behind.append(entry)
        elif not entry.meanings() and entry.jump is None and not entry.established:
            verdict.unread.append(entry)
        elif not entry.weak and any(one.action != rule.action and overlaps(one, rule) for one in entry.meanings()):
            verdict.exceptions.append(entry)
    verdict.rescued = _rescued(verdict.behind, rule)
    return verdict


def _rescued(behind: t.Sequence[Entry], rule: Rule) -> t.List[Entry]:
    """Return the entries behind the defeater that the rule would defeat, with those that have to stay in front of them in turn.

    Their order stays as it is. What cannot go there without passing the defeater, or an entry that cannot be read, stays where it is.
    """
    wanted: t.Set[int] = set()
    for number, entry in enumerate(behind):
        if not _belongs_in_front(entry, rule):
            continue
        moved = {number}
        for earlier in range(number - 1, -1, -1):
            if any(_must_precede(behind[earlier], behind[later]) for later in moved):
                moved.add(earlier)
        if 0 not in moved:
            wanted |= moved
    return [behind[number] for number in sorted(wanted)]


def _must_precede(one: Entry, other: Entry) -> bool:
    """Return whether the first entry has to stay in front of the second: it decides a part of its packets otherwise."""
    if other.rule is None or (not one.meanings() and not one.established):
        return True
    if one.rule is None:
        return any(meaning.action != other.rule.action and overlaps(meaning, other.rule) for meaning in one.meanings())
    return _belongs_in_front(one, other.rule)


def _defeats(ruleset: Ruleset, entry: Entry, rule: Rule) -> bool:
    """Return whether the rule has to stand before the entry.

    What covers the rule with another action defeats it. What lets only a part of its packets through defeats a deny or reject, unless
    it is narrower than the rule and so an exception; so does what cannot be expressed and may let them through. The other way round an
    allow stays behind a deny that overlaps it in part, so that of two such rules the deny always comes first and they never push each
    other back and forth.
    """
    action = _decides(ruleset, entry, rule, set())
    if action is not None:
        return action != rule.action
    if rule.action == "allow":
        return False
    for one in entry.most:
        if overlaps(one, rule) and (covers(one, rule) or not covers(rule, one)) and not _only_loopback(one, rule):
            return True
    return _lets_some_through(ruleset, entry, rule, set())


def _lets_some_through(ruleset: Ruleset, entry: Entry, rule: Rule, seen: t.Set[str]) -> bool:
    if entry.weak:
        return False
    for one in entry.meanings():
        if one.action == "allow" and not one.reply and overlaps(one, rule) and not covers(rule, one) and not _only_loopback(one, rule):
            return True
    if entry.jump is None or entry.match is None or entry.jump in seen or not overlaps(entry.match, rule) or covers(rule, entry.match):
        return False
    target = ruleset.chain(entry.jump)
    return any(_lets_some_through(ruleset, inner, rule, seen | {entry.jump}) for inner in (target.entries if target is not None else ()))


def _belongs_in_front(entry: Entry, rule: Rule) -> bool:
    """Return whether the entry decides a part of the rule's packets otherwise and has to stand before the rule to do so."""
    one = entry.rule
    if one is None or entry.weak or one.reply or one.action == rule.action or not overlaps(one, rule) or covers(one, rule):
        return False
    return rule.action == "allow" or covers(rule, one) or (one.action == "allow" and _only_loopback(one, rule))


def _only_loopback(one: Rule, rule: Rule) -> bool:
    """Return whether an entry is about the host's talk with itself, which a rule that names no interface is not meant to end."""
    return one.interface in LOOPBACK and rule.interface is None


def _decides(ruleset: Ruleset, entry: Entry, rule: Rule, seen: t.Set[str]) -> t.Optional[str]:
    """Return the action that the entry takes on every packet of the rule, or None when it leaves some to later entries."""
    if entry.weak:
        return None
    for one in entry.meanings():
        if covers(one, rule):
            return one.action
    if entry.jump is None or entry.match is None or entry.jump in seen or not covers(entry.match, rule):
        return None
    target = ruleset.chain(entry.jump)
    for inner in target.entries if target is not None else ():
        if inner.jump == RETURN and inner.match is not None and covers(inner.match, rule):
            return None
        action = _decides(ruleset, inner, rule, seen | {entry.jump})
        if action is not None:
            return action
    return None


def _insert(chain: Chain, rule: Rule, verdict: _Judgement, placement: Placement) -> None:
    if verdict.dead is not None:
        placement.edits.append(Edit(chain, remove=verdict.dead))
    for entry in verdict.rescued:
        placement.edits.append(Edit(chain, remove=entry))
        placement.edits.append(Edit(chain, rule=entry.rule, before=verdict.defeater))
        placement.exceptions.append(" / ".join(entry.native))
    placement.edits.append(Edit(chain, rule=rule, before=verdict.defeater))
    if verdict.defeater is not None:
        # Beside the defeater, what could not go before the rule because other entries in between depend on its place.
        lost = [one for one in verdict.behind[1:] if one not in verdict.rescued and _belongs_in_front(one, rule)]
        placement.defeated_by.extend("%s: %s" % (chain.name, " / ".join(one.native)) for one in (verdict.defeater, *lost))
        placement.where.append("%s, before: %s" % (chain.name, " / ".join(verdict.defeater.native)))
    else:
        placement.where.append("%s, at the end" % chain.name)
    _report(verdict, rule, placement)


def _refresh(chain: Chain, entry: Entry, rule: Rule, placement: Placement) -> None:
    """Replace an entry that is the same rule with another log or comment."""
    placement.where.append(chain.name)
    comment = rule.comment if rule.comment is not None or entry.rule is None else entry.rule.comment
    wanted = replace(rule, comment=comment)
    if entry.rule != wanted and chain.changeable:
        placement.edits.append(Edit(chain, rule=wanted, remove=entry))


def _report(verdict: _Judgement, rule: Rule, placement: Placement) -> None:
    placement.exceptions.extend(" / ".join(entry.native) for entry in verdict.exceptions)
    placement.unread.extend(" / ".join(entry.native) for entry in verdict.unread)


def _action(entry: Entry) -> t.Optional[str]:
    return entry.rule.action if entry.rule is not None else None


def _because(entry: t.Optional[Entry]) -> str:
    return ": its default denies" if entry is None else ": %s" % " / ".join(entry.native)


def _deduplicated(placement: Placement) -> Placement:
    for name in ("edits", "where", "defeated_by", "exceptions", "blocked_by", "unread"):
        unique: t.List[t.Any] = []
        for one in getattr(placement, name):
            if one not in unique:
                unique.append(one)
        setattr(placement, name, unique)
    return placement
