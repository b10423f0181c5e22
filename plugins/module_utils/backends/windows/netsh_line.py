# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of netsh: quoting, writing and reading ``add rule``.

Pure: touches nothing. The same lines are the script that changes a host, the text that ``render`` gives, and the listing of what a host
has; fields of the registry that netsh has no word for stand at the end of a line of a listing, under their own names.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError
from .native_rule import NativeRule, parse_hosts, parse_ports

CONTEXT = "advfirewall firewall "
#: Characters that a line of a script has at most. Nobody says how many netsh of Windows takes; that of ReactOS reads 1,023 at a time
#: (netsh.c, RunScript) and takes the rest for another line.
LONGEST = 1000
_ICMP = {1: "icmpv4", 58: "icmpv6"}
_NAMES = {"icmpv4": 1, "icmpv6": 58, "tcp": 6, "udp": 17}
_WORDS = {6: "tcp", 17: "udp"}
_TOKEN = re.compile(r'([A-Za-z0-9_]+)=("(?:[^"]|"")*"|[^\s"]*)(?:\s+|\Z)')
_KNOWN = frozenset({
    "name", "dir", "action", "enable", "profile", "protocol", "localip", "remoteip", "localport", "remoteport", "program", "service",
    "description", "group", "source",
})  # fmt: skip


def quoted(text: str) -> str:
    """Return text in quotes."""
    return '"%s"' % text.replace('"', '""')


def add_line(rule: NativeRule) -> str:
    """Return the line that adds a rule; with fields that netsh does not know it is a line of a listing only."""
    words = ["%sadd rule name=%s" % (CONTEXT, quoted(rule.name)), "dir=" + rule.direction, "action=" + rule.action]
    words.append("enable=" + ("yes" if rule.enabled else "no"))
    words.append("profile=" + (",".join(rule.profiles) or "any"))
    words.append("protocol=" + protocol_word(rule))
    for word, texts in (
        ("localip", rule.local.texts()), ("remoteip", rule.remote.texts()),
        ("localport", rule.local_ports.texts()), ("remoteport", rule.remote_ports.texts()),
    ):  # fmt: skip
        if texts:
            words.append("%s=%s" % (word, ",".join(texts)))
    for word, text in (("program", rule.program), ("service", rule.service), ("description", rule.description), ("group", rule.group)):
        if text:
            words.append("%s=%s" % (word, quoted(text)))
    if rule.source != "local":
        words.append("source=" + rule.source)
    words += ["%s=%s" % (key, quoted(value)) for key, value in rule.extra]
    return " ".join(words)


def protocol_word(rule: NativeRule) -> str:
    """Return the protocol of a rule as netsh writes it, ICMP types included."""
    if rule.protocol is None:
        return "any"
    if rule.icmp:
        return ";".join("%s:%d,%s" % (_ICMP[rule.protocol], kind, "any" if code is None else code) for kind, code in rule.icmp)
    return _WORDS.get(rule.protocol) or _ICMP.get(rule.protocol) or str(rule.protocol)


def parse_fields(text: str) -> t.Dict[str, str]:
    """Read ``word=value`` pairs, quotes taken off.

    :raises HoldfastError: when there is anything else.
    """
    found: t.Dict[str, str] = {}
    place = 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise HoldfastError("This is not word=value of netsh: %s" % text[place : place + 100])
        word, value = match.group(1), match.group(2)
        key = word.lower() if word.lower() in _KNOWN else word
        if key in found:
            raise HoldfastError("netsh takes %s once: %s" % (word, text[:200]))
        found[key] = value[1:-1].replace('""', '"') if value.startswith('"') else value
        place = match.end()
    return found


def is_add_line(line: str) -> bool:
    """Return whether a line adds a rule."""
    return _rest(line) is not None


def _rest(line: str) -> t.Optional[str]:
    match = re.match(r"(?:netsh\s+)?(?:advfirewall\s+firewall\s+)?add\s+rule\s+(.*)\Z", line.strip(), re.IGNORECASE | re.DOTALL)
    return match.group(1) if match else None


def parse_add_line(line: str) -> NativeRule:
    """Read a line that adds a rule.

    :raises HoldfastError: when it is not one, or says something that netsh would refuse.
    """
    rest = _rest(line)
    if rest is None:
        raise HoldfastError("This is not a line of netsh that adds a rule (advfirewall firewall add rule name=...): %s" % line[:200])
    fields = parse_fields(rest)
    name, direction, action = fields.pop("name", ""), fields.pop("dir", "").lower(), fields.pop("action", "").lower()
    enable = fields.pop("enable", "yes").lower()
    if not name or direction not in ("in", "out") or action not in ("allow", "block", "bypass") or enable not in ("yes", "no"):
        raise HoldfastError("A rule of netsh needs name=, dir=in or out and action=allow, block or bypass: %s" % line[:200])
    profiles = [one.strip().lower() for one in fields.pop("profile", "any").split(",")]
    if not set(profiles) <= {"any", "domain", "private", "public"}:
        raise HoldfastError("netsh knows the profiles domain, private, public and any: %s" % line[:200])
    protocol, icmp = _parse_protocol(fields.pop("protocol", "any"))
    texts = {word: fields.pop(word, "") for word in ("localip", "remoteip", "localport", "remoteport")}
    lists = {word: [one.strip() for one in text.split(",") if one.strip()] for word, text in texts.items()}
    if protocol not in (6, 17) and (lists["localport"] or lists["remoteport"]):
        raise HoldfastError("netsh takes ports for tcp and udp only: %s" % line[:200])
    service = fields.pop("service", "")
    program = fields.pop("program", "")
    found = NativeRule(
        name, direction, action, enable == "yes", protocol, parse_hosts(lists["localip"]), parse_hosts(lists["remoteip"]),
        parse_ports(lists["localport"]), parse_ports(lists["remoteport"]), icmp, canonical_profiles(profiles),
        program if program.lower() != "any" and program else None, service if service and service.lower() != "any" else None,
        fields.pop("description", ""), fields.pop("group", ""), source=fields.pop("source", "local"),
        extra=tuple(sorted(fields.items())),
    )  # fmt: skip
    return found


def canonical_profiles(words: t.Iterable[str]) -> t.Tuple[str, ...]:
    """Return the profiles in their order; empty for any, and for all three."""
    found = {one.lower() for one in words}
    kept = tuple(one for one in ("domain", "private", "public") if one in found)
    return () if "any" in found or len(kept) == 3 else kept


def _parse_protocol(text: str) -> t.Tuple[t.Optional[int], t.Tuple[t.Tuple[int, t.Optional[int]], ...]]:
    word = text.strip().lower()
    if word == "any":
        return None, ()
    if word in _NAMES:
        return _NAMES[word], ()
    if word.isdigit() and int(word) <= 255:
        return int(word), ()
    found = []
    number = None
    for one in word.split(";"):
        match = re.match(r"(icmpv[46]):(\d{1,3}|any),(\d{1,3}|any)\Z", one)
        if match is None or number not in (None, _NAMES[match.group(1)]):
            raise HoldfastError("netsh does not know the protocol %s" % text[:100])
        number = _NAMES[match.group(1)]
        if match.group(2) != "any":
            found.append((int(match.group(2)), None if match.group(3) == "any" else int(match.group(3))))
        elif match.group(3) != "any":
            raise HoldfastError("netsh does not know the protocol %s" % text[:100])
    return number, tuple(sorted(found, key=lambda pair: (pair[0], -1 if pair[1] is None else pair[1])))
