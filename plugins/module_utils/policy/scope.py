# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions that are not in the packet: the program or system service that it is for, and the profile of the network it comes over.

Pure: touches nothing. Only Windows and the application firewall of macOS know such conditions; every other backend refuses them. The
packet-set engine takes a rule with a scope for one that matches sometimes, as it takes a rule with a limit.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .errors import PolicyError

PROFILES = ("domain", "private", "public")
FIELDS = ("program", "system_service", "profile")
MAX_PATH = 260
_SERVICE = re.compile(r"[A-Za-z0-9_.$-]{1,256}\Z")
_REFUSED = frozenset('"<>|?*\n\r\t\0')


@dataclass(frozen=True)
class Scope:
    """What else has to hold.

    :ivar program: the path of a program, as the host writes it; None: any.
    :ivar service: the short name of a Windows service; None: any.
    :ivar profiles: the network profiles of Windows, in the order of PROFILES; empty: any.
    """

    program: t.Optional[str] = None
    service: t.Optional[str] = None
    profiles: t.Tuple[str, ...] = ()

    def words(self) -> t.Dict[str, t.Any]:
        """Return it in the words of the common language."""
        words: t.Dict[str, t.Any] = {}
        if self.program is not None:
            words["program"] = self.program
        if self.service is not None:
            words["system_service"] = self.service
        if self.profiles:
            words["profile"] = list(self.profiles)
        return words

    def __str__(self) -> str:
        parts = []
        if self.program is not None:
            parts.append("program %s" % self.program)
        if self.service is not None:
            parts.append("service %s" % self.service)
        if self.profiles:
            parts.append("profile %s" % ",".join(self.profiles))
        return " ".join(parts)


def parse_scope(given: t.Mapping[str, t.Any], place: str) -> t.Optional[Scope]:
    """Read the fields of a scope; None where the rule has none of them.

    :raises PolicyError: at the first that is not valid.
    """
    prefix = place + "." if place else ""
    program = service = None
    profiles: t.Tuple[str, ...] = ()
    if given.get("program") is not None:
        program = _parse_program(given["program"], prefix + "program")
    if given.get("system_service") is not None:
        service = given["system_service"]
        if not isinstance(service, str) or not _SERVICE.match(service):
            raise PolicyError(prefix + "system_service", service, "the short name of a Windows service, for example TermService")
    if given.get("profile") is not None:
        profiles = _parse_profiles(given["profile"], prefix + "profile")
    if program is None and service is None and not profiles:
        return None
    return Scope(program, service, profiles)


def _parse_program(value: t.Any, place: str) -> str:
    allowed = "the absolute path of a program, for example C:\\Program Files\\app\\app.exe or /Applications/App.app"
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_PATH or any(c in _REFUSED or not c.isprintable() for c in value):
        raise PolicyError(place, value, allowed)
    text = value.strip()
    if not (text.startswith(("/", "%", "\\\\")) or re.match(r"[A-Za-z]:\\", text) or text.lower() == "system"):
        raise PolicyError(place, value, allowed)
    return text


def _parse_profiles(value: t.Any, place: str) -> t.Tuple[str, ...]:
    items = [one.strip() for one in value.split(",")] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not items:
        raise PolicyError(place, value, "%s, or a list of them" % ", ".join(PROFILES))
    words = [one.strip().lower() if isinstance(one, str) else one for one in items]
    for one in words:
        if one not in (*PROFILES, "any"):
            raise PolicyError(place, one, "%s, or a list of them" % ", ".join((*PROFILES, "any")))
    if "any" in words:
        if len(words) > 1:
            raise PolicyError(place, value, "any alone, or a list of %s" % ", ".join(PROFILES))
        return ()
    found = tuple(one for one in PROFILES if one in words)
    return () if found == PROFILES else found
