# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pf enforces now, and whether that is what its file says.

Reads the host, changes nothing. The file is what is edited, so it must be the source of the live rules: rules that somebody loaded from
elsewhere would be lost with the next load.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ...host import Host
from ...policy.errors import HoldfastError
from ..file_listing import LiveFile, first_difference
from ..rc_conf import rc_setting
from .dialect import Dialect
from .guests import guests_in, without_guests
from .statements import Statement, split
from .tables import network_of

#: Where the text of a change lies between its load and its confirmation.
STAGED = "/etc/holdfast/pf.conf.next"
_RULE = re.compile(r"(pass|block|match|anchor|antispoof|scrub|nat|rdr|binat|no |nat-anchor|rdr-anchor|binat-anchor|scrub-anchor)\b")
_OWN_TABLE = re.compile(r"^table <(hf[a-z]*_\w+)> const \{([^}]*)\}", re.MULTILINE)
_AUTOMATIC = re.compile(r"<__automatic_\w+>")
# How macOS and old FreeBSD show the call of anchor "a/b" (or of all below it, "a/*") before it is loaded: without what leads there.
_SHORTENED = re.compile(r'((?:\w+-)?anchor) "(/[^/"]*)"')


@dataclass(frozen=True)
class Live(LiveFile):
    """What was found.

    :ivar loaded: whether the kernel has pf at all.
    :ivar guests: anchors that other programs call without a line in the file (``guests``).
    """

    loaded: bool = True
    guests: t.Tuple[str, ...] = ()


def read_live(host: Host, dialect: Dialect) -> Live:
    """Read the state of pf and the text that its rules were loaded from.

    :raises HoldfastError: when pfctl is missing or refuses.
    """
    if host.which("pfctl") is None:
        raise HoldfastError("pfctl is not on this host: it has no pf")
    path = rules_path(host, dialect)
    text = host.read(path) or ""
    staged = host.read(STAGED)
    loaded, enabled = status(host, dialect)
    if not loaded:
        return replace(Live(False, False, path, text if staged is None else staged), loaded=False)
    rules = _listed(host, dialect)
    # The staged text is there only while a change waits for its confirmation.
    if staged is not None:
        staged = without_guests(staged)[0]
        guests = _guests(rules, expand(host, staged), dialect)
        if guests is not None:
            return replace(Live(enabled, bool(rules), path, staged, strayed_table(host, staged)), guests=guests)
    if not enabled or not rules:
        return replace(Live(enabled, bool(rules), path, text), guests=_guests_while_off(host, text, rules, dialect))
    expected = expand(host, text)
    guests = _guests(rules, expected, dialect)
    if guests is None:
        return Live(True, True, path, text, first_difference(rules, expected))
    return replace(Live(True, True, path, text, strayed_table(host, text)), guests=guests)


def _guests(rules: t.Tuple[str, ...], expected: t.Tuple[str, ...], dialect: Dialect) -> t.Optional[t.Tuple[str, ...]]:
    """Return the calls of other programs in the live rules, and None where these are not those of the file."""
    if rules == expected:
        return ()
    return guests_in(rules, expected) if dialect.by_reference else None


def _guests_while_off(host: Host, text: str, rules: t.Tuple[str, ...], dialect: Dialect) -> t.Tuple[str, ...]:
    """Return the calls of other programs in rules that decide nothing now; a file that is not valid is nobody's concern then."""
    if not rules or not dialect.by_reference:
        return ()
    try:
        return guests_in(rules, expand(host, text)) or ()
    except HoldfastError:
        return ()


def strayed_table(host: Host, text: str) -> str:
    """Return which constant table of ours holds other addresses than the text says, and empty text where none does."""
    for found in _OWN_TABLE.finditer(text):
        wanted = re.sub(r"#[^\n]*", "", found.group(2)).replace(",", " ").split()
        answer = host.run(["pfctl", "-t", found.group(1), "-T", "show"])
        live = answer.out.split()
        if not answer.ok or (sorted(live) != sorted(wanted) and _networks(live) != _networks(wanted)):
            return "the table <%s> holds other addresses than the file says" % found.group(1)
    return ""


def _networks(words: t.Sequence[str]) -> t.List[str]:
    return sorted(str(network_of(word) or word) for word in words)


def status(host: Host, dialect: Dialect) -> t.Tuple[bool, bool]:
    """Return whether pf is in the kernel and whether it is enabled.

    :raises HoldfastError: when pfctl may not say.
    """
    answer = host.run(["pfctl", "-si"])
    if answer.ok:
        return True, answer.out.lstrip().startswith("Status: Enabled")
    said = (answer.err or answer.out).strip()
    if "ermission denied" in said or "not permitted" in said:
        raise HoldfastError("Reading the pf rules needs root; add become: true (or -b): %s" % said)
    if dialect.loadable and not host.exists("/dev/pf"):
        return False, False
    raise HoldfastError("pfctl -si failed: %s" % (said or "(it said nothing)"))


def rules_path(host: Host, dialect: Dialect) -> str:
    """Return the file that the system loads at boot (``pf_rules`` of rc.conf, else /etc/pf.conf)."""
    return (dialect.name != "macos" and rc_setting(host, dialect.boot_files, "pf_rules")) or "/etc/pf.conf"


def expand(host: Host, text: str) -> t.Tuple[str, ...]:
    """Return the rules that a file would load, as pfctl lists them.

    :raises HoldfastError: when the file is not valid.
    """
    statements = split(text if text.endswith("\n") else text + "\n")
    # The rules of a "load anchor" line would follow ours without a word between them (that goes to stderr).
    main = "".join("\n" * one.text.count("\n") if one.kind == "load" else one.text for one in statements)
    answer = host.run(["pfctl", "-nvf", "-"], stdin=main)
    if not answer.ok:
        raise HoldfastError("The pf rules file is not valid: %s" % (answer.err or answer.out).strip()[:2000])
    return _named(_rules_in(answer.out), statements)


def _named(rules: t.Tuple[str, ...], statements: t.Sequence[Statement]) -> t.Tuple[str, ...]:
    """Return rules with the whole names of anchors, as the live listing has them; as they are where it is not clear which is which."""
    names: t.Dict[str, t.List[str]] = {}
    for one in statements:
        words = [word.text for word in (one.words or ())[:2]]
        if len(words) == 2 and words[0].endswith("anchor") and "/" in words[1]:
            names.setdefault(words[0], []).append(words[1])
    places: t.Dict[str, t.List[int]] = {}
    shown: t.Dict[str, t.List[str]] = {}
    for place, rule in enumerate(rules):
        found = _SHORTENED.match(rule)
        if found is not None:
            places.setdefault(found.group(1), []).append(place)
            shown.setdefault(found.group(1), []).append(found.group(2))
    named = list(rules)
    for word, numbers in places.items():
        wanted = names.get(word, [])
        if shown[word] == ["/" + name.rpartition("/")[2] for name in wanted]:
            for place, short, name in zip(numbers, shown[word], wanted):
                named[place] = rules[place].replace('"%s"' % short, '"%s"' % name, 1)
    return tuple(named)


def _listed(host: Host, dialect: Dialect) -> t.Tuple[str, ...]:
    translation = host.checked(["pfctl", "-sn"]) if dialect.old_translation else ""
    return _rules_in(host.checked(["pfctl", "-sr"]) + translation)


def _rules_in(text: str) -> t.Tuple[str, ...]:
    """Return the rules of a listing, sections apart so that their order in the listing does not count."""
    rules: t.List[str] = []
    depth = 0
    for line in text.splitlines():
        plain = " ".join(line.split())
        outside = depth == 0
        # A list in a table line opens and closes on one line; what stays open is an anchor's body. A brace in a label is none.
        bare = re.sub(r'label ".*?"(?= |$)', "", plain)
        depth = max(0, depth + bare.count("{") - bare.count("}"))
        if outside and _RULE.match(plain):
            rules.append(_AUTOMATIC.sub("<__automatic>", re.sub(r" ?\{$", "", plain)))
    return tuple(sorted(rules, key=lambda rule: 0 if re.match(r"(no )?(nat|rdr|binat)", rule) else 1 if rule.startswith("scrub") else 2))
