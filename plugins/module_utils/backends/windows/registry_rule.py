# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a rule in the registry (MS-GPFAS 2.2.2.19): ``v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=22|Name=ssh|``.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...policy.errors import HoldfastError
from ...policy.scope import PROFILES
from .native_rule import NativeRule, parse_hosts, parse_ports
from .netsh_line import canonical_profiles

_HOSTS = {"LA4": "local", "LA6": "local", "RA4": "remote", "RA6": "remote", "RA42": "remote", "RA62": "remote"}
_PORTS = {"LPort": "local", "LPort2_10": "local", "RPort": "remote", "RPort2_10": "remote"}
#: Values that say what is so without them.
_USUAL = frozenset({("Edge", "FALSE"), ("LSM", "FALSE"), ("Security", "NotRequired")})


def parse_registry_rule(text: str, source: str = "local", identity: str = "") -> NativeRule:
    """Read the text of a rule; ``identity`` is the name of its value.

    :raises HoldfastError: when it is none.
    """
    text = text.strip()
    fields = text.split("|")
    if not fields[0].startswith("v"):
        raise HoldfastError("This is not the text of a rule of Windows Defender Firewall: %s" % text[:200])
    one: t.Dict[str, str] = {}
    lists: t.Dict[str, t.List[str]] = {"local": [], "remote": [], "Profile": [], "local ports": [], "remote ports": []}
    icmp: t.List[t.Tuple[int, t.Optional[int]]] = []
    # A text that does not end as all do was cut, and what is missing may have narrowed it.
    extra: t.List[t.Tuple[str, str]] = [] if text.endswith("|") else [("Incomplete", "TRUE")]
    for field in fields[1:]:
        key, equals, value = field.partition("=")
        if not equals:
            continue
        if key in _HOSTS:
            lists[_HOSTS[key]].append(value)
        elif key in _PORTS:
            lists[_PORTS[key] + " ports"].append(value)
        elif key == "Profile" and value.lower() in PROFILES:
            lists[key].append(value)
        elif key in ("ICMP4", "ICMP6") and value.partition(":")[0].isdigit():
            kind, _colon, code = value.partition(":")
            icmp.append((int(kind), int(code) if code.isdigit() else None))
        elif key in ("Action", "Active", "Dir", "App", "Svc", "Name", "Desc", "EmbedCtxt") or (key == "Protocol" and value.isdigit()):
            one[key] = value
        elif (key, value) not in _USUAL:
            extra.append((key, value))
    number = one.get("Protocol", "256")
    return NativeRule(
        name=one.get("Name", ""), direction="out" if one.get("Dir", "In").lower() == "out" else "in",
        action={"allow": "allow", "block": "block"}.get(one.get("Action", "").lower(), "bypass"),
        enabled=one.get("Active", "").upper() == "TRUE",
        protocol=int(number) if int(number) <= 255 else None,
        local=parse_hosts(lists["local"]), remote=parse_hosts(lists["remote"]),
        local_ports=parse_ports(lists["local ports"]), remote_ports=parse_ports(lists["remote ports"]),
        icmp=tuple(sorted(icmp, key=lambda pair: (pair[0], -1 if pair[1] is None else pair[1]))),
        profiles=canonical_profiles(lists["Profile"]) if lists["Profile"] else (),
        program=one.get("App") or None, service=one.get("Svc") or None, description=one.get("Desc", ""), group=one.get("EmbedCtxt", ""),
        extra=tuple(sorted(extra)), source=source, identity=identity,
    )  # fmt: skip
