# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of zones: taking settings out of them. What is not taken out stays as it is, in its words.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t
from xml.etree import ElementTree as ET

from ...policy.errors import HoldfastError
from .names import CONFIG
from .objects import rich_text
from .rich import parse_rich

#: Settings that decide about packets.
DECIDING = ("service", "port", "source-port", "protocol", "icmp-block", "rule", "forward-port", "masquerade", "icmp-block-inversion")
#: Where the files are that an administrator has not changed.
PACKAGED = "/usr/lib/firewalld"
_TOP = re.compile(r"<!--.*?-->|<(?P<close>/)?(?P<tag>[A-Za-z][A-Za-z0-9-]*)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?(?P<empty>/)?>", re.DOTALL)


def zone_paths(name: str) -> t.Tuple[str, str]:
    """Return the file of a zone that an administrator changed, and the packaged one."""
    return "%s/zones/%s.xml" % (CONFIG, name), "%s/zones/%s.xml" % (PACKAGED, name)


def zone_of(path: str) -> str:
    """Return the name of the zone that a file has."""
    return path.rpartition("/")[2][: -len(".xml")]


def without_deciding(path: str, text: str) -> str:
    """Return the file without anything that decides about packets."""
    return _cut(path, text, lambda tag, _part: tag in DECIDING)


def without_setting(path: str, text: str, setting: str, value: t.Any) -> t.Optional[str]:
    """Return the file without one setting, or None where it does not have it."""
    wanted = parse_rich(value) if setting == "rule" else value
    left = _cut(path, text, lambda tag, part: tag == setting and _value(tag, part, path) == wanted)
    return left if left != text else None


def _value(tag: str, part: str, path: str) -> t.Any:
    node = ET.fromstring(part)
    if tag == "rule":
        try:
            return parse_rich(rich_text(node, path))
        except HoldfastError:
            return None
    if tag in ("port", "source-port"):
        return node.get("port"), node.get("protocol")
    return node.get("value") if tag == "protocol" else node.get("name")


def _cut(path: str, text: str, unwanted: t.Callable[[str, str], bool]) -> str:
    """Return the text without the children of its root that are unwanted, each with the blank before it and the end of its line."""
    try:
        ET.fromstring(text.encode("utf-8"))
    except ET.ParseError as exc:
        raise HoldfastError("%s is not XML: %s" % (path, exc)) from None
    kept: t.List[str] = []
    done = depth = start = 0
    for found in _TOP.finditer(text):
        if found.group("tag") is None:
            continue
        if found.group("close"):
            depth -= 1
        else:
            if depth == 1:
                start = found.start()
            depth += 0 if found.group("empty") else 1
        if depth == 1 and start and (found.group("close") or found.group("empty")):
            tag = re.match(r"<([A-Za-z0-9-]+)", text[start:])
            part = text[start : found.end()]
            if tag is not None and unwanted(tag.group(1), part):
                kept.append(text[done:start].rstrip(" \t"))
                done = found.end()
                if text[done : done + 1] == "\n":
                    done += 1
            start = 0
    return "".join(kept) + text[done:]
