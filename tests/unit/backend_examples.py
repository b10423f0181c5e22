# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the guide to the backends: one small policy in the words of each, as they render it. Pure."""

from __future__ import annotations

import textwrap
from typing import Dict

import yaml

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend
from ansible_collections.holdfast.firewall.tests.unit.support_table import columns, policy_of

#: Nothing is said of what leaves, so that there is one list to look at.
DOCUMENT = """\
defaults: {in: deny, out: unmanaged, forward: unmanaged}
rules:
  - {name: web, action: allow, port: [80, 443]}
  - {name: database, action: allow, port: 5432, source: 192.0.2.0/24}
  - {name: ident, action: reject, port: 113}
"""
TRANSLATIONS = """\
nat:
  - {type: masquerade, interface: eth0, family: ipv4}
  - {type: dnat, interface: eth0, port: 443, to: 192.0.2.5, to_port: 8443}
rules:
  - {direction: forward, action: allow, port: 8443, destination: 192.0.2.5}
"""
#: The text of IPv6 repeats that of IPv4.
_SECOND_FAMILY = ("# ip6tables-restore", "# /etc/ufw/before6.rules")
_TRANSLATING = ("masquerade", "dnat ip", "MASQUERADE", "DNAT", "nat on", "rdr on", "forward-port")


def examples() -> Dict[str, str]:
    """Return the code blocks of the guide by the names of their marks."""
    found = {"the policy": block("yaml", DOCUMENT), "the translations": block("yaml", TRANSLATIONS)}
    for column, (backend, *_others) in columns().items():
        name = backend.NAME
        if "NetBSD" in column or name == "windows":  # the guide has an example without a reject for Windows
            continue
        found[name] = block("text", rendered(backend, DOCUMENT))
        if name not in ("ipfw", "npf"):
            lines = [line.strip() for line in rendered(backend, TRANSLATIONS).splitlines()]
            found["translations of " + name] = block(
                "text", "\n".join(line for line in lines if any(word in line for word in _TRANSLATING))
            )
    return found


def rendered(backend: Backend, document: str) -> str:
    """Return a document as the backend renders it, of iptables and ufw the IPv4 half."""
    text = backend.render_policy(policy_of(yaml.safe_load(document), backend), "rules")
    for mark in _SECOND_FAMILY:
        text = text.partition(mark)[0]
    return text


def block(language: str, text: str) -> str:
    """Return text as a code block."""
    return ".. code-block:: %s\n\n%s\n" % (language, textwrap.indent(text.expandtabs(4).strip("\n"), "   "))
