# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of ufw's files: rules put in and taken out, everything flushed, a policy, ufw switched on.

Pure but for ``switched_on`` and raw rules, which ask the host.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...analysis.relation import covers
from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.ports import PortRange
from ...policy.protocols import TCP
from ...policy.rule import DIRECTIONS, Rule
from ..iptables.protocols import ProtocolNames
from ..ruleset import Edit, Ruleset
from .block import FIRST_BEGIN, NAT_BEGIN, RULES_BEGIN, cut_block, put_block, put_nat
from .chains import Line, decided_before, passes, refuse_defeated, ruleset_of, user_chain
from .files import AFTER, BEFORE, CHAINS, PREFIX, USER, Files
from .native import asked
from .policy_read import is_foreign, is_own, policy_of_parts
from .policy_text import Parts
from .single_edits import Singles
from .single_lines import FIRST, SOON
from .state import State
from .translations import with_hook
from .tuple_rules import tuple_refusals, tuples_of
from .user_file import BEGIN, END, Item, item_of, parse_user_file

Items = t.List[t.Tuple[t.Optional[int], Item]]
_KEPT_OPEN = "SSH, kept open by holdfast.firewall"


def edited(host: Host, state: State, ruleset: Ruleset, edits: t.Sequence[Edit], names: ProtocolNames) -> t.Tuple[Files, t.List[str]]:
    """Return the files after some edits, and what a person should know.

    :raises HoldfastError: when a rule would have no effect, or ufw refuses a raw one.
    """
    items: t.Dict[int, Items] = {family: list(enumerate(state.user_file(family).items)) for family in state.families}
    singles = Singles(state, names, edits)
    notes: t.List[str] = []
    for edit in edits:
        family, _direction = t.cast(t.Tuple[int, str], edit.chain.ref)
        if edit.native is not None:
            _edit_native(host, state, items, edit)
            continue
        new: t.List[Item] = []
        first = False
        if edit.rule is not None:
            whole, part = decided_before(ruleset, edit.rule, family, names)
            first = singles.goes_first(edit, whole, part)
            notes += [] if first else refuse_defeated(edit.rule, family, whole, part)
        if not singles.carry_out(edit, first) and edit.rule is not None:
            new = [item_of(one, family) for one in tuples_of(edit.rule, edit.rule.comment)]
        beside = edit.remove or edit.before
        mine = items[family]
        at = next(
            (at for at, (number, _item) in enumerate(mine) if beside is not None and number == _number(beside.ref, family)), len(mine)
        )
        mine[at:at] = [(None, item) for item in new]
        if edit.remove is not None and not isinstance(edit.remove.ref, Line):
            _remove(items, edit.remove.ref, family)
    files = _with_items(state, {family: [item for _number_, item in mine] for family, mine in items.items()})
    return singles.put(files), notes + singles.notes


def _number(ref: t.Any, family: int) -> t.Optional[int]:
    """Return where an entry stands; one of raw rules stands in several families."""
    return t.cast(t.Optional[int], ref.get(family, [None])[0] if isinstance(ref, dict) else ref)


def _remove(items: t.Dict[int, Items], ref: t.Any, family: int) -> None:
    for version, numbers in (ref if isinstance(ref, dict) else {family: [ref]}).items():
        items[version] = [one for one in items[version] if one[0] is None or one[0] not in numbers]


def _edit_native(host: Host, state: State, items: t.Dict[int, Items], edit: Edit) -> None:
    added, replaced = asked(host, t.cast(str, edit.native), {family: state.user_file(family).items for family in state.families})
    for family, place, item in added:
        gone = replaced.get(family, []) if not any(item.line == line for line in replaced.get(family, [])) else []
        mine = items[family]
        at = next((at for at, (number, _item) in enumerate(mine) if number is not None and number >= place), len(mine))
        mine[at:at] = [(None, item)]
        items[family] = [one for one in mine if one[1].line not in gone]


def _with_items(state: State, items: t.Mapping[int, t.Sequence[Item]]) -> Files:
    return state.files.changed({USER[family]: state.user_file(family).replaced(mine).text() for family, mine in items.items()})


def flushed(state: State, keep: t.Sequence[Rule]) -> Files:
    """Return the files without our policy and without all tuples but other programs' and the rules that stay."""
    items = {family: [item for item in state.user_file(family).items if is_foreign(item.tuple)] for family in _written(state)}
    for family in state.families:
        mine = items[family]
        for rule in keep:
            if rule.family in (None, family) and not tuple_refusals(rule):
                mine += [item_of(one, family) for one in tuples_of(rule, rule.comment)]
    return _without_blocks(_with_items(state, items), (4, 6), True)


def _written(state: State) -> t.List[int]:
    """Return the families whose files have rules: also IPv6 where ufw was told to leave it alone, since it keeps these files for later."""
    return [family for family in USER if family in state.families or BEGIN in state.files.text(USER[family])]


def _without_blocks(files: Files, families: t.Iterable[int], singles: bool) -> Files:
    """Return the files of some families without our policy and its translations, and perhaps without the single rules that stand there."""
    texts = {}
    for path in (BEFORE[family] for family in families):
        text = cut_block(cut_block(files.text(path), path)[0], path, NAT_BEGIN)[0]
        texts[path] = cut_block(cut_block(text, path, FIRST_BEGIN)[0], path, RULES_BEGIN)[0] if singles else text
    if singles:
        texts.update({path: cut_block(files.text(path), path, RULES_BEGIN)[0] for path in (AFTER[family] for family in families)})
    return with_hook(files.changed(texts), False)


def with_policy(state: State, parts: t.Mapping[int, Parts], alone: bool) -> Files:
    """Return the files with exactly this of ours.

    Ours come first, but for the tuples of other programs that stand before them. ``alone``: the administrator's tuples go.
    """
    items = {}
    for family in state.families if parts else _written(state):
        others = [item for item in state.user_file(family).items if not is_own(item.tuple)]
        foreign = [item for item in others if is_foreign(item.tuple)]
        rest = [] if alone else [item for item in others if item not in foreign]
        ours = parts[family].items if family in parts else []
        items[family] = foreign + ours + rest if ours else others if not alone else foreign
    files = _without_blocks(_with_items(state, items), state.families if parts else (4, 6), alone)
    texts = {
        BEFORE[family]: put_nat(put_block(files.text(BEFORE[family]), one.block, BEFORE[family]), one.nat) for family, one in parts.items()
    }
    translating = any(one.nat for one in parts.values())
    return with_hook(files.changed(texts), True) if translating else files.changed(texts)


def switched_on(host: Host, state: State, names: ProtocolNames, keep: t.Optional[t.Sequence[Rule]] = None) -> Files:
    """Return the files of an enabled ufw that lets these rules through; by default what sshd needs."""
    wanted = list(keep) if keep is not None else [
        Rule("allow", "in", protocol=TCP, ports=(PortRange(port, port),), comment=_KEPT_OPEN) for port in _ssh_ports(host)
    ]  # fmt: skip
    ruleset = ruleset_of(state, names)
    items = {family: list(state.user_file(family).items) for family in state.families}
    guard = _guard_of(state, names)
    for family in state.families:
        for rule in wanted:
            if rule.family not in (None, family) or rule.established or rule.reply or tuple_refusals(rule):
                continue  # what before.rules lets through by itself
            narrow = Rule(**dict(rule.__dict__, family=family))
            closed = [port for port in narrow.ports if not any(covers(one, replace(narrow, ports=(port,))) for one in guard)]
            if narrow.ports and not closed:
                continue  # the policy lets them through before it asks any tuple
            narrow = replace(narrow, ports=tuple(closed))
            chain = ruleset.chain(user_chain(family, rule.direction))
            if chain is not None and not passes(chain, narrow):
                stops = [entry for entry in chain.entries if any(one.action != "allow" and covers(one, narrow) for one in entry.meanings())]
                if stops and isinstance(stops[0].ref, Line) and stops[0].ref.place in (FIRST, SOON):
                    raise HoldfastError("%s has a rule that stops %s: take it away first" % (BEFORE[family], narrow.describe()))
                at = min((entry.ref for entry in stops if not isinstance(entry.ref, Line)), default=len(items[family]))
                items[family][at:at] = [item_of(one, family) for one in tuples_of(narrow, rule.comment)]
    files = _with_items(state, items)
    return complete_user_files(files.changed(files.enabled_texts(True)), state.families)


def _guard_of(state: State, names: ProtocolNames) -> t.Sequence[Rule]:
    """Return the rules that the policy on this host begins with, which let administrators in; none where there is no policy."""
    parts = {family: (state.block(family), [item.tuple for item in state.user_file(family).items]) for family in state.families}
    try:
        policy = policy_of_parts(parts, names)
    except HoldfastError:
        return ()  # changed by hand
    return [one for one in policy.guard if one.action == "allow" and one.interface is None] if policy is not None else ()


def _ssh_ports(host: Host) -> t.List[int]:
    listening = [line for line in host.run(["ss", "-Htlnp"]).out.splitlines() if '"sshd' in line]
    return sorted({int(port) for line in listening for port in re.findall(r":(\d+)\s", line)[:1]}) or [22]


def complete_user_files(files: Files, families: t.Sequence[int]) -> Files:
    """Return the files with all that ufw adds to ``user.rules`` when it is enabled for the first time: its chains, and what it logs."""
    texts = {}
    for family in families:
        one = parse_user_file(files.text(USER[family]), USER[family])
        if END not in one.tail:
            texts[USER[family]] = _head(family) + "".join(item.text for item in one.items) + _tail(files, family)
    return files.changed(texts)


def _head(family: int) -> str:
    start = PREFIX[family] + "-"
    names = ["user-" + word for word in ("input", "output", "forward")]
    names += ["%s-%s" % (name, word) for name in ("before-logging", "user-logging", "after-logging") for word in CHAINS.values()]
    names += ["logging-deny", "logging-allow", "user-limit", "user-limit-accept"]
    return "*filter\n" + "".join(":%s%s - [0:0]\n" % (start, name) for name in names) + BEGIN


def _tail(files: Files, family: int) -> str:
    start = "%s-" % PREFIX[family]
    rate, lines = " -m limit --limit 3/min --limit-burst 10", []
    level = files.log_level
    if level == "off":
        lines = ["-I %suser-logging-%s -j RETURN" % (start, word) for word in CHAINS.values()]
    else:
        limit = "" if level in ("high", "full") else rate
        for direction in DIRECTIONS:
            open_ = files.default(direction) == "ACCEPT"
            if not open_ or level != "low":
                word = "ALLOW" if open_ else "BLOCK"
                lines.append('-A %safter-logging-%s -j LOG --log-prefix "[UFW %s] "%s' % (start, CHAINS[direction], word, limit))
        if level == "low":
            lines.append("-I %slogging-deny -m conntrack --ctstate INVALID -j RETURN%s" % (start, rate))
        else:
            lines.append('-A %slogging-deny -m conntrack --ctstate INVALID -j LOG --log-prefix "[UFW AUDIT INVALID] "%s' % (start, limit))
        lines.append('-A %slogging-deny -j LOG --log-prefix "[UFW BLOCK] "%s' % (start, limit))
        lines.append('-A %slogging-allow -j LOG --log-prefix "[UFW ALLOW] "%s' % (start, limit))
        if level != "low":
            audit = {"medium": " -m conntrack --ctstate NEW" + rate, "high": rate}.get(level, "")
            lines += ['-I %sbefore-logging-%s -j LOG --log-prefix "[UFW AUDIT] "%s' % (start, word, audit) for word in CHAINS.values()]
    limits = [] if level == "off" else ['-A %suser-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "' % start]
    limits += ["-A %suser-limit -j REJECT" % start, "-A %suser-limit-accept -j ACCEPT" % start]
    parts = [END, "", "### LOGGING ###", *lines, "### END LOGGING ###", "", "### RATE LIMITING ###", *limits, "### END RATE LIMITING ###"]
    return "\n" + "\n".join([*parts, "COMMIT"]) + "\n"
