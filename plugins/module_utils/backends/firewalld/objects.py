# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own policies and sets of firewalld: their files, and the note of what belongs together.

Pure: touches nothing. Rich rules have no comments, so a policy's description holds, on one line of JSON, how many rich rules each rule
became and its comment. What the rules do is in the rich rules alone; a note that does not fit them costs comments and nothing else.
"""

from __future__ import annotations

import ipaddress
import json
import re
import typing as t
from dataclasses import dataclass, replace
from xml.etree import ElementTree as ET

from ...policy.addresses import Addresses, make_addresses, network_text
from ...policy.errors import HoldfastError
from .names import CONTINUE, FIRST_PRIORITY, LAST, LAST_PRIORITY, WAY, direction_of, ipset_path, nat_place, policy_path
from .passages import PASSAGES, Passage, passage_entries, read_passage
from .rich import RichRule, element_text, parse_rich

_XML = '<?xml version="1.0" encoding="utf-8"?>\n'
_SECTION = re.compile(r"^# (/\S+)$")
#: What items of a policy may be: rules, raw lines before and after them, the line that logs what the default denies, and a default that
#: rejects (the target would answer otherwise than a rule does); in policies of their own, translations.
KINDS = ("rule", "before", "after", "denied", "default", "nat")
#: What a set has in it.
Content = t.Union[Addresses, Passage]


@dataclass(frozen=True)
class Item:
    """What belongs together in one of our policies: the rich rules of one rule, with its comment, or one raw line."""

    rules: t.Tuple[RichRule, ...]
    comment: t.Optional[str] = None
    kind: str = "rule"


@dataclass(frozen=True)
class OwnPolicy:
    """One policy of ours."""

    name: str
    direction: str
    target: str = CONTINUE
    items: t.Tuple[Item, ...] = ()

    @property
    def rules(self) -> t.Tuple[RichRule, ...]:
        """The rich rules with the priorities that keep their order."""
        found = [rule for item in self.items for rule in item.rules]
        # 0 is no place in the order; so the first half stands before it.
        start = -32768
        return tuple(
            replace(rule, priority=start + number if start + number < 0 else start + number + 1) for number, rule in enumerate(found)
        )

    @property
    def last(self) -> bool:
        """Whether it decides behind the rules of zones."""
        return self.name == LAST[self.direction]

    @property
    def priority(self) -> int:
        """The place among all policies of firewalld."""
        place = nat_place(self.name)
        return LAST_PRIORITY if self.last else FIRST_PRIORITY + (place[0] - 1 if place is not None else 0)

    def xml(self) -> str:
        """Return the file."""
        note = json.dumps([_noted(item) for item in self.items], separators=(",", ":"))
        ways = WAY[self.direction]
        lines = [
            '<policy target="%s" priority="%d">' % (self.target, self.priority),
            "  <short>Rules of holdfast.firewall</short>",
            "  <description>%s</description>" % element_text(note),
            '  <ingress-zone name="%s"/>' % ways[0],
            '  <egress-zone name="%s"/>' % ways[1],
            *("  " + rule.xml() for rule in self.rules),
            "</policy>",
        ]
        return _XML + "\n".join(lines) + "\n"


def _noted(item: Item) -> t.List[t.Any]:
    noted: t.List[t.Any] = [len(item.rules), item.comment, item.kind]
    while len(noted) > 1 and noted[-1] in (None, "rule"):
        noted.pop()
    return noted


def set_xml(content: Content) -> str:
    """Return the file of a set."""
    passage = isinstance(content, Passage)
    texts = passage_entries(content) if isinstance(content, Passage) else [network_text(one) for one in content.networks]
    family = '  <option name="family" value="inet6"/>\n' if content.family == 6 else ""
    size = '  <option name="maxelem" value="%d"/>\n' % max(65536, len(texts))
    entries = "".join("  <entry>%s</entry>\n" % one for one in texts)
    head = '<ipset type="%s">\n  <short>Addresses of holdfast.firewall</short>\n' % (PASSAGES if passage else "hash:net")
    return _XML + "%s%s%s%s</ipset>\n" % (head, family, size, entries)


def read_set(kind: str, options: t.Mapping[str, str], entries: t.Sequence[str]) -> t.Optional[Content]:
    """Return what a set has in it, or None for sets of something else."""
    if kind == PASSAGES and entries and not set(options) - {"family", "maxelem", "hashsize"}:
        return read_passage(entries, 6 if options.get("family") == "inet6" else 4)
    if kind not in ("hash:net", "hash:ip") or not entries or set(options) - {"family", "maxelem", "hashsize"}:
        return None
    version = 6 if options.get("family") == "inet6" else 4
    networks = []
    for entry in entries:
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return None
        if network.version != version:
            return None
        networks.append(network)
    return make_addresses(networks)


def plain_sets(sets: t.Mapping[str, t.Optional[Content]]) -> t.Dict[str, t.Optional[Addresses]]:
    """Return the sets as rules know them: None for those that are more than addresses."""
    return {name: one if isinstance(one, Addresses) else None for name, one in sets.items()}


def own_policy(name: str, target: str, description: str, rules: t.Sequence[str]) -> t.Optional[OwnPolicy]:
    """Return a policy of ours from what firewalld says of it, or None for a name that we do not have.

    :raises HoldfastError: for a rich rule that cannot be read.
    """
    direction = direction_of(name)
    if direction is None:
        return None
    found = sorted((parse_rich(one) for one in rules), key=_place)
    return OwnPolicy(name, direction, target, _items(found, description))


def _place(rule: RichRule) -> t.Tuple[int, int]:
    """Return where a rule stands: those without a priority log first, then deny, then allow."""
    kind = 0 if rule.action is None and rule.element is None else 2 if rule.action == "accept" else 1
    return rule.priority, 0 if rule.priority else kind


def _items(rules: t.Sequence[RichRule], description: str) -> t.Tuple[Item, ...]:
    plain = [replace(one, priority=0) for one in rules]
    noted = _read_note(description)
    if noted is None or sum(one[0] for one in noted) != len(plain):
        return tuple(Item((one,)) for one in plain)
    items = []
    place = 0
    for count, comment, kind in noted:
        items.append(Item(tuple(plain[place : place + count]), comment, kind))
        place += count
    return tuple(items)


def _read_note(description: str) -> t.Optional[t.List[t.Tuple[int, t.Optional[str], str]]]:
    try:
        given = json.loads(description)
    except ValueError:
        return None
    found = []
    for one in given if isinstance(given, list) else [None]:
        if not isinstance(one, list) or not 1 <= len(one) <= 3:
            return None
        count, comment, kind = (one + [None, None])[:3]
        good = isinstance(count, int) and count > 0 and (comment is None or isinstance(comment, str)) and kind in (None, *KINDS)
        if not good or isinstance(count, bool):
            return None
        found.append((count, comment, kind or "rule"))
    return found


# -- text of several files ---------------------------------------------------------------------------------------------------------


def files_text(files: t.Mapping[str, str]) -> str:
    """Return files as one text: each below a line with its path."""
    return "".join("# %s\n%s" % (path, files[path]) for path in sorted(files))


def split_files(text: str) -> t.Dict[str, str]:
    """Return the files in such a text."""
    files: t.Dict[str, t.List[str]] = {}
    current: t.Optional[t.List[str]] = None
    for line in text.splitlines():
        head = _SECTION.match(line)
        if head is not None:
            current = files.setdefault(head.group(1), [])
        elif current is not None:
            current.append(line)
    return {path: "\n".join(lines) + "\n" for path, lines in files.items()}


def own_files(policies: t.Iterable[OwnPolicy], sets: t.Mapping[str, Content]) -> t.Dict[str, str]:
    """Return the files of policies and of the sets that they name."""
    files = {}
    for policy in policies:
        files[policy_path(policy.name)] = policy.xml()
        for name in sets_named(policy):
            if name in sets:
                files[ipset_path(name)] = set_xml(sets[name])
    return files


def sets_named(policy: OwnPolicy) -> t.List[str]:
    """Return the names of sets that the rules of a policy name, sorted."""
    matches = [match for item in policy.items for rule in item.rules for match in (rule.source, rule.destination)]
    return sorted({one.ipset for one in matches if one is not None and one.ipset is not None})


def read_files(files: t.Mapping[str, str]) -> t.Tuple[t.List[OwnPolicy], t.Dict[str, t.Optional[Content]]]:
    """Return our policies and all sets in the text of files.

    :raises HoldfastError: where a file is not XML as firewalld writes it.
    """
    policies: t.List[OwnPolicy] = []
    sets: t.Dict[str, t.Optional[Content]] = {}
    for path, text in sorted(files.items()):
        name = path.rpartition("/")[2][: -len(".xml")]
        if "/policies/" in path:
            found = _policy_of_xml(name, path, text)
            if found is not None:
                policies.append(found)
        elif "/ipsets/" in path:
            tree = _tree(path, text)
            options = {one.get("name", ""): one.get("value", "") for one in tree.findall("option")}
            sets[name] = read_set(tree.get("type", ""), options, [(one.text or "").strip() for one in tree.findall("entry")])
    return policies, sets


def _policy_of_xml(name: str, path: str, text: str) -> t.Optional[OwnPolicy]:
    tree = _tree(path, text)
    rules = [rich_text(one, path) for one in tree.findall("rule")]
    return own_policy(name, tree.get("target", CONTINUE), tree.findtext("description") or "", rules)


def _tree(path: str, text: str) -> ET.Element:
    if "<!" in text:
        raise HoldfastError("%s is not a file as firewalld writes it: it has a document type or comments" % path)
    try:
        return ET.fromstring(text.encode("utf-8"))
    except ET.ParseError as exc:
        raise HoldfastError("%s is not XML: %s" % (path, exc)) from None


def as_we_write(path: str, text: str) -> str:
    """Return the text of a file of ours as we write it where it says the same: firewalld itself writes it otherwise
    (``firewall-cmd --runtime-to-permanent``). All other text is returned as it is.
    """
    try:
        policies, sets = read_files({path: text})
        tree = _tree(path, text)
    except HoldfastError:
        return text
    content = next(iter(sets.values()), None)
    if content is not None:
        return set_xml(content)
    if len(policies) != 1:
        return text
    policy = policies[0]
    ways = tuple(tuple(one.get("name") for one in tree.findall(tag)) for tag in ("ingress-zone", "egress-zone"))
    known = {one.tag for one in tree} <= {"short", "description", "ingress-zone", "egress-zone", "rule"}
    same = known and ways == tuple((one,) for one in WAY[policy.direction]) and tree.get("priority") == str(policy.priority)
    return policy.xml() if same else text


def rich_texts(path: str, text: str) -> t.List[str]:
    """Return the rich rules in the file of a policy as text."""
    return [rich_text(one, path) for one in _tree(path, text).findall("rule")]


def rich_text(rule: ET.Element, path: str) -> str:
    """Return a rule of a file as text: the XML has the same words in another dress."""
    parts = ["rule", *_attributes(rule, ("priority", "family"))]
    order = {"source": 0, "destination": 1, "log": 3, "accept": 4, "drop": 4, "reject": 4}
    for part in sorted(rule, key=lambda one: order.get(one.tag, 2)):
        parts.append(part.tag)
        inverted = part.get("invert", "").lower() in ("true", "yes")
        parts += ["NOT"] if inverted else []
        names = ("prefix", "level", "type", "address", "ipset", "name", "port", "protocol", "value", "to-port", "to-addr")
        parts += _attributes(part, names)
        if set(part.keys()) - {*names, "invert"} or part.tag not in (*order, *_ELEMENT_TAGS):
            raise HoldfastError("%s has a rule that cannot be read, because of its part %s" % (path, part.tag))
        for inner in part:
            parts += [inner.tag, *_attributes(inner, ("value",))]
    return " ".join(parts)


_ELEMENT_TAGS = ("service", "port", "source-port", "protocol", "icmp-type", "icmp-block", "masquerade", "forward-port")


def _attributes(node: ET.Element, names: t.Sequence[str]) -> t.List[str]:
    return ['%s="%s"' % (name, node.get(name)) for name in names if node.get(name) is not None]
