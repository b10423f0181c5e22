# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What raw rich rules name: services, ICMP types and sets that firewalld has, or not.

Reads files of services through ``host``; changes nothing. Firewalld's own check of a configuration does not look at these names, and a
reload fails on them half-way.
"""

from __future__ import annotations

import re
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError, nearest, some_names
from ...policy.policy import Policy
from .names import CONFIG, NAME, PREFIX
from .rich import Match, RichRule, parse_rich

#: What each kind of element names.
_KINDS = {"service": "service", "icmp-type": "icmp-type", "icmp-block": "icmp-type"}
_WORDS = {"service": "service", "icmp-type": "ICMP type", "ipset": "ipset"}
_LISTED = {"service": "--get-services", "icmp-type": "--get-icmptypes", "ipset": "--get-ipsets"}
#: Sets that firewalld takes where a packet comes from or goes to.
_USABLE = frozenset({"hash:ip", "hash:ip,port", "hash:ip,mark", "hash:net", "hash:net,port", "hash:net,iface", "hash:mac"})
#: Where the files of services are: the first one counts.
_FOLDERS = (CONFIG, "/usr/lib/firewalld")

Facts = t.Mapping[str, t.Any]


def refuse_unknown_names(host: Host, facts: Facts, wanted: Policy, own_sets: t.Iterable[str]) -> None:
    """Refuse a policy whose raw lines name what firewalld does not have after a reload.

    :raises HoldfastError: with each such line and what there is.
    """
    lines = wanted.native.get(NAME)
    if lines is None:
        return
    own = set(own_sets)
    found = []
    for side, given in (("before", lines.before), ("after", lines.after)):
        for direction, texts in given.items():
            for number, text in enumerate(texts):
                reason = unknown_name(host, facts, parse_rich(text), own)
                if reason:
                    found.append("native.%s.%s.%s[%d] (%s): %s" % (NAME, side, direction, number, text, reason))
    if found:
        raise HoldfastError("%s cannot carry this policy, so nothing was changed: %s" % (NAME, "; ".join(found[:10])), backend=NAME)


def unknown_name(host: Host, facts: Facts, rule: RichRule, own_sets: t.Container[str] = ()) -> str:
    """Return why firewalld would not load a rule because of what it names, or nothing."""
    names = facts.get("names")
    if names is None:
        return ""
    kind = _KINDS.get(rule.element or "")
    if kind is not None and rule.word("name") not in names[kind]:
        return _unknown(kind, rule.word("name"), names[kind])
    if kind == "service" and rule.destination is not None and _has_destination(host, rule.word("name")):
        return "the service %s has a destination of its own, and a rule has one; leave destination out" % rule.word("name")
    for match in (rule.source, rule.destination):
        if match is not None and match.ipset is not None:
            reason = _bad_set(match, rule.family, facts.get("saved ipsets", {}), own_sets)
            if reason:
                return reason
    return ""


def _unknown(kind: str, word: str, known: t.Iterable[str]) -> str:
    names = sorted(known)
    close = nearest(word, names)
    return "there is no %s %s on this host%s (%s; firewall-cmd --permanent %s lists all)" % (
        _WORDS[kind], word, ", did you mean %s?" % close if close else "", some_names(names) or "there is none", _LISTED[kind],
    )  # fmt: skip


def _bad_set(match: Match, family: t.Optional[str], saved: t.Mapping[str, t.Any], own_sets: t.Container[str]) -> str:
    name = str(match.ipset)
    if name in own_sets:
        return ""
    # A set of ours that this change does not need is gone after it.
    others = {one: settings for one, settings in saved.items() if not one.startswith(PREFIX)}
    if name not in others:
        return _unknown("ipset", name, others)
    kind, options = others[name][3], dict(others[name][4])
    if kind not in _USABLE:
        return "the ipset %s is of type %s, which is no source or destination of a rule (%s)" % (name, kind, ", ".join(sorted(_USABLE)))
    has = "ipv6" if options.get("family") == "inet6" else "ipv4"
    if family is not None and family != has and kind != "hash:mac":
        return "the ipset %s has addresses of %s, and the rule is for %s" % (name, has, family)
    return ""


def _has_destination(host: Host, service: str) -> bool:
    texts = (host.read("%s/services/%s.xml" % (folder, service)) for folder in _FOLDERS)
    return re.search(r"<destination\s", next((one for one in texts if one is not None), "")) is not None
