# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in force but not on disk (bans of fail2ban, rules an administrator tries out): a reload drops it, so it is put back.

What is on disk but not in force is the other half of it: a reload would bring it in, and undoing a change would not take it out again.

Pure: touches nothing. The commands are those of firewall-cmd, so that a restore without Python can use them too.
"""

from __future__ import annotations

import itertools
import typing as t

from ...policy.errors import HoldfastError
from .names import PREFIX
from .state import zones_in_use

#: Settings that are lists of words, and the option of firewall-cmd for one of them.
_LISTS = {
    "services": "service", "icmp_blocks": "icmp-block", "rules_str": "rich-rule", "rich_rules": "rich-rule", "protocols": "protocol",
    "sources": "source", "ingress_zones": "ingress-zone", "egress_zones": "egress-zone",
}  # fmt: skip
_PAIRS = {"ports": "port", "source_ports": "source-port"}
_SWITCHES = {"masquerade": "masquerade", "icmp_block_inversion": "icmp-block-inversion", "forward": "forward"}
#: Settings that decide nothing, and the bindings of interfaces, which have commands of their own.
_APART = frozenset({"interfaces", "short", "description", "version"})
#: What of a zone without packets may differ: where packets come into it.
_BINDINGS = frozenset({"sources"})
_AT_ONCE = 200

Settings = t.Mapping[str, t.Any]


def runtime_only(state: Settings) -> t.List[t.Tuple[str, ...]]:
    """Return the commands that make what is in force the same again after a reload, each for many settings.

    :raises HoldfastError: where something differs that cannot be put back so.
    """
    _refuse_other_default_zone(state)
    used = {*zones_in_use(state), *(name for name, settings in state["zones"].items() if settings.get("sources"))}
    commands = _interfaces(state)
    for kind in ("zone", "policy"):
        live, saved = (state[one + {"zone": "zones", "policy": "policies"}[kind]] for one in ("", "saved "))
        for name in sorted({*live, *saved}):
            if name.startswith(PREFIX):
                continue
            if name not in saved:
                raise HoldfastError("The %s %s of firewalld is in force but not on disk, and a reload would drop it" % (kind, name))
            if name not in live and kind == "policy":
                _refuse_new_policy(name, saved[name])
                continue
            now, then = live.get(name, {}), saved[name]
            if kind == "zone" and name not in used:
                # No packet comes into it, so nothing but its bindings matters.
                now, then = ({key: one[key] for key in _BINDINGS if key in one} for one in (now, then))
            commands += _many(("--%s=%s" % (kind, name),), _differences(kind, name, now, then))
    _refuse_other_services(state)
    return commands + _sets(state) + _direct(state)


def _refuse_other_default_zone(state: Settings) -> None:
    now, then = state.get("default zone"), state.get("saved default zone")
    if then and now != then:
        raise HoldfastError(
            "The default zone of firewalld is %s, and firewalld.conf says %s: a reload would bring that in. Bring it in yourself "
            "(firewall-cmd --reload) or take it back in that file, and try again" % (now, then)
        )


def _refuse_new_policy(name: str, saved: Settings) -> None:
    if saved.get("ingress_zones") and saved.get("egress_zones") and not saved.get("disable"):
        raise HoldfastError(
            "The policy %s of firewalld is on disk but not in force, and a reload would bring it in. Bring it in yourself "
            "(firewall-cmd --reload) or delete it (firewall-cmd --permanent --delete-policy=%s), and try again" % (name, name)
        )


def _refuse_other_services(state: Settings) -> None:
    for name, then in sorted(state.get("saved services", {}).items()):
        now = state.get("services", {}).get(name)
        if now is not None and {**now, **dict.fromkeys(_APART)} != {**then, **dict.fromkeys(_APART)}:
            raise HoldfastError(
                "The service %s of firewalld was changed on disk and is in force as it was before: a reload would bring the change in. "
                "Bring it in yourself (firewall-cmd --reload) or take it back, and try again" % name
            )


def _interfaces(state: Settings) -> t.List[t.Tuple[str, ...]]:
    """Return what binds interfaces as they are bound now; with FlushAllOnReload, the default, a reload goes back to those on disk."""
    live, saved = (
        {interface: zone for zone, settings in sorted(state[kind].items()) for interface in settings.get("interfaces") or ()}
        for kind in ("zones", "saved zones")
    )
    words: t.Dict[str, t.List[str]] = {}
    for interface, zone in sorted(live.items()):
        if saved.get(interface) != zone:
            words.setdefault(zone, []).append("--change-interface=%s" % interface)
    for interface, zone in sorted(saved.items()):
        if interface not in live:
            words.setdefault(zone, []).append("--remove-interface=%s" % interface)
    return [command for zone, given in sorted(words.items()) for command in _many(("--zone=%s" % zone,), given)]


def _direct(state: Settings) -> t.List[t.Tuple[str, ...]]:
    """Return what gives direct rules back (older programs have them: some actions of fail2ban), in the order in which they were added."""
    commands: t.List[t.Tuple[str, ...]] = []
    removed: t.List[t.Tuple[str, ...]] = []
    for word, now, then in zip(("chain", "rule", "passthrough"), state["direct"], state["saved direct"]):
        old, new = ([_direct_words(one) for one in given] for given in (then, now))
        commands += [("firewall-cmd", "--quiet", "--direct", "--add-" + word, *one) for one in new if one not in old]
        removed += [("firewall-cmd", "--quiet", "--direct", "--remove-" + word, *one) for one in old if one not in new]
    return removed[::-1] + commands


def _direct_words(given: t.Sequence[t.Any]) -> t.Tuple[str, ...]:
    words: t.List[str] = []
    for one in given:
        words += map(str, one) if isinstance(one, (list, tuple)) else [str(one)]
    return tuple(words)


def _many(place: t.Tuple[str, ...], words: t.Sequence[str]) -> t.List[t.Tuple[str, ...]]:
    """Return commands with many words each, but of one option only: firewall-cmd takes no others beside it."""
    found: t.List[t.Tuple[str, ...]] = []
    for _option, some in itertools.groupby(words, lambda word: word.partition("=")[0]):
        alike = list(some)
        found += [("firewall-cmd", "--quiet", *place, *alike[start : start + _AT_ONCE]) for start in range(0, len(alike), _AT_ONCE)]
    return found


def _differences(kind: str, name: str, live: Settings, saved: Settings) -> t.List[str]:
    words: t.List[str] = []
    for key in sorted({*live, *saved} - _APART):
        now, then = live.get(key), saved.get(key)
        if now == then or not (now or then):
            continue
        if key in _SWITCHES:
            words.append("--%s-%s" % ("add" if now else "remove", _SWITCHES[key])) if bool(now) != bool(then) else None
            continue
        option, spell = _speller(kind, name, key, now, then)
        old, new = ([spell(one) for one in given or []] for given in (then, now))
        words += ["--remove-%s=%s" % (option, one) for one in old if one not in new]
        words += ["--add-%s=%s" % (option, one) for one in new if one not in old]
    return words


def _speller(kind: str, name: str, key: str, now: t.Any, then: t.Any) -> t.Tuple[str, t.Callable[[t.Any], str]]:
    if key in _LISTS:
        return _LISTS[key], str
    if key in _PAIRS:
        return _PAIRS[key], lambda one: "%s/%s" % (one[0], one[1])
    if key == "forward_ports":
        return "forward-port", lambda one: "port=%s:proto=%s:toport=%s:toaddr=%s" % tuple(one)
    raise HoldfastError(
        "The %s %s of firewalld has %s %s in force and %s on disk, and a reload would bring in what is on disk. Do so yourself "
        "(firewall-cmd --reload) or make last what is in force (firewall-cmd --runtime-to-permanent), and try again"
        % (kind, name, key, _said(now), _said(then))
    )


def _said(value: t.Any) -> str:
    return "nothing" if value is None else str(value)


def _sets(state: Settings) -> t.List[t.Tuple[str, ...]]:
    commands: t.List[t.Tuple[str, ...]] = []
    for name, live in sorted(state["ipsets"].items()):
        saved = state["saved ipsets"].get(name)
        if name.startswith(PREFIX):
            continue
        if saved is None or live[:5] != saved[:5]:
            raise HoldfastError("The set %s of firewalld is in force but not on disk, and a reload would drop it" % name)
        if "timeout" in dict(live[4]):
            continue  # its entries are not known to firewalld, which keeps none of them over a reload either way
        old, new = set(saved[5]), set(live[5])
        words = ["--remove-entry=%s" % one for one in sorted(old - new)] + ["--add-entry=%s" % one for one in sorted(new - old)]
        commands += _many(("--ipset=%s" % name,), words)
    return commands
