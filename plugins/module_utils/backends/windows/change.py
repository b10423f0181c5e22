# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes one state of the firewall another one: one script for ``netsh -f``, and others where netsh cannot name what goes.

Pure: touches nothing. New blocks come first, then new allows, then the defaults, then old allows go, and old blocks last. So in no moment
passes what neither the old nor the new rules let pass, and what both let pass is never cut. netsh removes by name: an old rule that has the
name of a new one is renamed first.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.scope import PROFILES
from .naming import OLD, is_ours
from .native_rule import NativeRule
from .netsh_line import CONTEXT, LONGEST, add_line, quoted
from .policy_text import in_order
from .removal import is_line, removal_of
from .state import Profile, State, logging_word


def change(
    state: State, gone: t.Sequence[NativeRule], new: t.Sequence[NativeRule], profiles: t.Optional[t.Mapping[str, Profile]] = None
) -> t.Tuple[t.List[t.List[str]], State]:
    """Return texts in their order, and the state that they lead to: each is a script of netsh or a list of identities (``is_line``).

    :param gone: rules that are there and go.
    :param profiles: the profiles as they should be; None leaves them alone.
    :raises HoldfastError: when netsh cannot remove a rule without removing another one, or a group policy stands against it.
    """
    # netsh adds a rule as often as it is told to, and removes them all at once.
    away = set(gone)
    left = [one for one in state.rules if one not in away]
    stay = {one.name for one in left if one.source == "local"} | {one.name for one in new}
    renamed = sorted({one.name for one in gone if is_ours(one) and one.name in stay and not any(kept.name == one.name for kept in left)})
    lines = ["%sset rule name=%s new name=%s" % (CONTEXT, quoted(name), quoted(OLD + name)) for name in renamed]
    lines += [add_line(one) for one in in_order(new)]
    after = State(dict(state.profiles), left + list(new))
    if profiles is not None:
        lines += _profile_lines(state, profiles)
        after.profiles = dict(profiles)
    gone = [replace(one, name=OLD + one.name) if one.name in renamed else one for one in gone]
    # netsh does not tell capital letters from small ones in a name.
    stay = {name.lower() for name in stay - set(renamed)}
    removals: t.Dict[str, None] = {}
    # The last rule of a name decides when the name goes, so that blocks outlive allows.
    for one in [one for one in gone if one.action == "allow"] + [one for one in gone if one.action != "allow"]:
        for text in removal_of(one, stay, left, state.rules):
            removals.pop(text, None)
            removals[text] = None
    for line in lines:
        if len(line) > LONGEST:
            raise HoldfastError(
                "This line is too long for a script of netsh (%d characters), do it in Windows: %s" % (len(line), line[:200])
            )
    texts = [lines] if lines else []
    for text in removals:
        if not texts or is_line(texts[-1][0]) != is_line(text):
            texts.append([])
        texts[-1].append(text)
    return texts, after


def _profile_lines(state: State, wanted: t.Mapping[str, Profile]) -> t.List[str]:
    """Return the lines that change profiles: defaults before the switch, so that none is on with defaults that are not wanted.

    :raises HoldfastError: when a group policy sets something else.
    """
    lines: t.List[str] = []
    for word, value in (
        ("firewallpolicy", lambda one: "%s,%s" % (one.inbound, one.outbound)), ("state", lambda one: "on" if one.on else "off"),
        ("logging droppedconnections", logging_word),
    ):  # fmt: skip
        changed = {
            name: value(wanted[name]) for name in PROFILES if name in wanted and _differs(state.profiles.get(name), wanted[name], value)
        }
        for name in changed:
            _refuse_fixed(name, state.profiles.get(name), wanted[name])
        if len(changed) == len(PROFILES) and len(set(changed.values())) == 1:
            lines.append("advfirewall set allprofiles %s %s" % (word, changed[PROFILES[0]]))
        else:
            lines += ["advfirewall set %sprofile %s %s" % (name, word, text) for name, text in changed.items()]
    return lines


def _differs(old: t.Optional[Profile], new: Profile, value: t.Callable[[Profile], str]) -> bool:
    return old is None or value(old) != value(new)


def _refuse_fixed(name: str, old: t.Optional[Profile], new: Profile) -> None:
    if old is None:
        return
    for word, mine, theirs in (
        ("state", "on" if old.on else "off", "on" if new.on else "off"), ("inbound", old.inbound, new.inbound),
        ("outbound", old.outbound, new.outbound), ("logging", logging_word(old), logging_word(new)),
    ):  # fmt: skip
        if word in old.fixed and mine != theirs:
            raise HoldfastError(
                "A group policy sets %s of the profile %s of this host to %s, so it cannot be changed here; change the group policy"
                % (word, name, mine)
            )
