# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in force but not on disk (bans of fail2ban, rules an administrator tries out): a reload drops it, so it is put back.

Pure: touches nothing. The commands are those of firewall-cmd, so that a restore without Python can use them too.
"""

from __future__ import annotations

import typing as t

from ...policy.errors import HoldfastError
from .names import PREFIX

#: Settings that are lists of words, and the option of firewall-cmd for one of them.
_LISTS = {
    "services": "service", "icmp_blocks": "icmp-block", "rules_str": "rich-rule", "rich_rules": "rich-rule", "protocols": "protocol",
    "sources": "source",
}  # fmt: skip
_PAIRS = {"ports": "port", "source_ports": "source-port"}
_SWITCHES = {"masquerade": "masquerade", "icmp_block_inversion": "icmp-block-inversion", "forward": "forward"}
#: Firewalld itself keeps these across a reload, or they cannot differ.
_KEPT = frozenset({"interfaces", "short", "description", "version", "target", "priority", "ingress_zones", "egress_zones"})
_AT_ONCE = 200

Settings = t.Mapping[str, t.Any]


def runtime_only(state: Settings) -> t.List[t.Tuple[str, ...]]:
    """Return the commands that give what a reload drops back, each for many settings.

    :raises HoldfastError: where something is in force that cannot be put back so.
    """
    if list(state["direct"]) != list(state["saved direct"])[:3]:
        raise HoldfastError(
            "Direct rules of firewalld are in force that are not on disk, and a reload would drop them. Make them last "
            "(firewall-cmd --runtime-to-permanent) or remove them, and try again"
        )
    commands: t.List[t.Tuple[str, ...]] = []
    for kind in ("zone", "policy"):
        live, saved = (state[one + {"zone": "zones", "policy": "policies"}[kind]] for one in ("", "saved "))
        for name in sorted(live):
            if name.startswith(PREFIX):
                continue
            if name not in saved:
                raise HoldfastError("The %s %s of firewalld is in force but not on disk, and a reload would drop it" % (kind, name))
            words = _differences(kind, name, live[name], saved[name])
            commands += [
                ("firewall-cmd", "--quiet", "--%s=%s" % (kind, name), *words[start : start + _AT_ONCE])
                for start in range(0, len(words), _AT_ONCE)
            ]
    return commands + _sets(state)


def _differences(kind: str, name: str, live: Settings, saved: Settings) -> t.List[str]:
    words: t.List[str] = []
    for key in sorted({*live, *saved} - _KEPT):
        now, then = live.get(key), saved.get(key)
        if now == then:
            continue
        if key in _SWITCHES:
            words.append("--%s-%s" % ("add" if now else "remove", _SWITCHES[key])) if bool(now) != bool(then) else None
            continue
        option, spell = _speller(kind, name, key)
        old, new = ([spell(one) for one in given or []] for given in (then, now))
        words += ["--remove-%s=%s" % (option, one) for one in old if one not in new]
        words += ["--add-%s=%s" % (option, one) for one in new if one not in old]
    return words


def _speller(kind: str, name: str, key: str) -> t.Tuple[str, t.Callable[[t.Any], str]]:
    if key in _LISTS:
        return _LISTS[key], str
    if key in _PAIRS:
        return _PAIRS[key], lambda one: "%s/%s" % (one[0], one[1])
    if key == "forward_ports":
        return "forward-port", lambda one: "port=%s:proto=%s:toport=%s:toaddr=%s" % tuple(one)
    raise HoldfastError(
        "The %s %s of firewalld has a setting (%s) in force that differs from the one on disk, and a reload would drop it. Make it last "
        "(firewall-cmd --runtime-to-permanent) and try again" % (kind, name, key)
    )


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
        commands += [
            ("firewall-cmd", "--quiet", "--ipset=%s" % name, *words[start : start + _AT_ONCE]) for start in range(0, len(words), _AT_ONCE)
        ]
    return commands
