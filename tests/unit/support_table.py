# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each backend carries of a policy: asked of the backends themselves, one small policy for each field, and written as a table. Pure.

``write_backends_guide.py`` beside this file writes it into the guide.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any, Dict, Iterator, List, Tuple

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.backend import Firewalld
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.backend import Ipfw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.backend import Npf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.backend import Ufw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.backend import Windows
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

Document = Dict[str, Any]


def columns() -> Dict[str, Tuple[Backend, ...]]:
    """Return the backends by column; those of one column have to agree."""
    # Without its tools a host is taken for one with the nft variant of iptables; ipset is a package of its own.
    return {
        "nftables": (Nftables(PaperHost()),),
        "iptables": (Iptables(PaperHost({"ipset": ""})),),
        "ufw": (Ufw(PaperHost()),),
        "firewalld": (Firewalld(PaperHost()),),
        "pf of FreeBSD and OpenBSD": (Pf(PaperHost(), "freebsd"), Pf(PaperHost(), "openbsd")),
        "pf of NetBSD and macOS": (Pf(PaperHost(), "netbsd"), Pf(PaperHost(), "macos")),
        "ipfw": (Ipfw(PaperHost()),),
        "npf": (Npf(PaperHost()),),
        "windows": (Windows(PaperHost()),),
    }


def _rule(*more: Document, **words: Any) -> Document:
    return {"rules": [{"action": "allow", **words}, *more]}


def _forward(**words: Any) -> Document:
    return _rule(direction="forward", **words)


def _nat(rules: Any = (), **words: Any) -> Document:
    return {"nat": [words], "rules": list(rules)}


def _default(direction: str, action: str) -> Document:
    return {"defaults": {direction: action}}


#: Each backend reads its own lines and ignores those of others.
NATIVE: Document = {
    "nftables": {"in": ["ct state invalid drop"]},
    "iptables": {"in": ["-m conntrack --ctstate INVALID -j DROP"]},
    "ufw": {"in": ["deny proto gre from any"]},
    "firewalld": {"in": ['rule protocol value="99" drop']},
    "pf": ["block in quick proto 99"],
    "ipfw": ["deny ip from any to any frag"],
    "npf": ["block in final proto 99 all"],
    "windows": ["add rule name=frag dir=in action=block protocol=44"],
}
MANY_PORTS = [2 * number for number in range(1, 41)]
#: Field, what of it, and a policy that has it. A row without a field belongs to the one above.
CASES: Tuple[Tuple[str, str, Document], ...] = (
    ("action", "``allow``, ``deny``", _rule({"action": "deny", "port": 1}, port=2)),
    ("", "``reject``", _rule(action="reject", protocol="any")),
    ("direction", "``in``", _rule(port=1)),
    ("", "``out``", _rule(direction="out", port=1)),
    ("", "``forward``: what is denied", _forward(action="deny", port=1)),
    ("", "``forward``: TCP that passes", _forward(port=1)),
    ("", "``forward``: IPv6 that passes", _forward(protocol="any", family="ipv6")),
    ("", "``forward``: other IPv4 that passes", _forward(protocol="udp", family="ipv4", port=1)),
    ("protocol", "names of the language", {"rules": [{"action": "allow", "protocol": p} for p in ("tcp", "udp", "sctp", "gre", "any")]}),
    ("", "other numbers", _rule(protocol=89)),
    ("", "44, an extension header of IPv6", _rule(protocol=44)),
    ("", "0", _rule(protocol=0)),
    ("port, source_port", "of tcp and udp", _rule(port=[1, "5-9"], source_port="1024-65535", protocol=["tcp", "udp"])),
    ("", "of sctp", _rule(port=1, protocol="sctp")),
    ("", "40 that are apart", _rule(port=MANY_PORTS)),
    ("icmp_type", "one or several", _rule(protocol="icmp", icmp_type=[0, 8])),
    ("", "several with ``limit`` or ``log_limit``", _rule(protocol="icmp", icmp_type=[0, 8], log=True, log_limit="6/minute")),
    ("", "above 40", _rule(protocol="icmp", icmp_type=41)),
    ("", "255", _rule(protocol="icmp", icmp_type=255)),
    ("source, destination", "addresses, networks, ranges, sets", _rule(protocol="any", source=["192.0.2.1-192.0.2.9", "2001:db8::/32"])),
    ("", "``!``", _rule(protocol="any", destination="!192.0.2.0/24")),
    ("", "``source`` of what leaves, beside ``masquerade`` or ``snat``",
     _nat([{"action": "deny", "direction": "out", "source": "192.0.2.1"}], type="snat", to="203.0.113.1")),
    ("interface", "", _rule(port=1, interface="eth0")),
    ("out_interface", "", _forward(port=1, out_interface="eth1")),
    ("", "of all IPv4 that passes", _forward(protocol="any", family="ipv4", out_interface="eth1")),
    ("program", "of macOS", _rule(program="/Applications/Some App.app", protocol="any")),
    ("", "of Windows", _rule(program="C:\\Program Files\\app.exe", protocol="any")),
    ("system_service, profile", "of Windows", _rule(system_service="TermService", profile="domain", protocol="any")),
    ("stateful", "", _rule({"action": "deny", "port": 1, "stateful": True}, port=2, stateful=True)),
    ("limit", "per rule", _rule(port=1, limit="6/minute")),
    ("", "per source", _rule(port=1, limit="6/minute", limit_per="source")),
    ("", "per source, with ``log_limit``", _rule(port=1, limit="6/minute", limit_per="source", log=True, log_limit="6/minute")),
    ("log", "", _rule(port=1, log=True)),
    ("log_prefix", "", _rule(port=1, log=True, log_prefix="web ")),
    ("log_limit", "", _rule(port=1, log=True, log_limit="6/minute")),
    ("comment, name", "letters, digits, blanks", _rule(port=1, comment="web server 1")),
    ("", "other than ASCII", _rule(port=1, comment="für das Büro")),
    ("", "double quotes", _rule(port=1, comment='the "web"')),
    ("", "100 letters", _rule(port=1, comment="x" * 100)),
    ("", "250 letters", _rule(port=1, comment="x" * 250)),
    ("defaults", "``in``, ``out``: ``allow``, ``deny``", {"defaults": {"in": "deny", "out": "allow"}}),
    ("", "``in``, ``out``: ``reject``", {"defaults": {"in": "reject", "out": "allow"}}),
    ("", "``in``, ``out``: ``unmanaged``", {"defaults": {"in": "deny", "out": "unmanaged"}}),
    ("", "``forward: deny``", _default("forward", "deny")),
    ("", "``forward: reject``", _default("forward", "reject")),
    ("", "``forward: allow``", _default("forward", "allow")),
    ("", "``forward: unmanaged``", _default("forward", "unmanaged")),
    ("logging", "``denied``", {"logging": {"denied": True}}),
    ("", "``prefix``", {"logging": {"denied": True, "prefix": "denied "}}),
    ("", "``limit``", {"logging": {"denied": True, "limit": "6/minute"}}),
    ("nat", "``masquerade``", _nat(type="masquerade", interface="eth0")),
    ("", "``snat``", _nat(type="snat", to="203.0.113.1", interface="eth0")),
    ("", "``dnat``",
     _nat([{"action": "allow", "direction": "forward", "port": 2}], type="dnat", to=["203.0.113.1", "2001:db8::1"], port=1, to_port=2)),
    ("", "``redirect``", _nat([{"action": "allow", "port": 2}], type="redirect", to_port=2, port=1)),
    ("", "``masquerade`` of a port", _nat(type="masquerade", interface="eth0", port=25)),
    ("", "``dnat`` of all protocols",
     _nat([{"action": "allow", "direction": "forward", "protocol": "any"}], type="dnat", to="203.0.113.1")),
    ("", "ports of sctp",
     _nat([{"action": "allow", "port": 2, "protocol": "sctp"}], type="redirect", to_port=2, port=1, protocol="sctp")),
    ("native", "lines ``before`` and ``after``", {"native": {name: {"before": lines, "after": lines} for name, lines in NATIVE.items()}}),
)  # fmt: skip


def policy_of(document: Document, backend: Backend) -> Policy:
    """Return the policy with the guard of a usual host with this firewall."""
    return with_guard(parse_policy(document), Management((22,)), backend.untracked_icmp)


def refusals(backends: Tuple[Backend, ...], policy: Policy) -> Tuple[str, ...]:
    """Return why a policy is refused, each reason once; () when it is carried."""
    found = {tuple(dict.fromkeys(one.reason for one in backend.policy_unsupported(policy))) for backend in backends}
    assert len(found) == 1, "these do not agree, so they need a column each: %s" % sorted(found)
    return found.pop()


def table() -> str:
    """Return the table and the reasons as reStructuredText."""
    named = columns()
    reasons: List[str] = []
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 16 30 %s" % " ".join("11" for _name in named), ""]
    lines += _row(["Field", "What of it", *named])
    for field, what, document in CASES:
        cells = []
        for backends in named.values():
            found = refusals(backends, policy_of(document, backends[0]))
            reasons += [one for one in found if one not in reasons]
            cells.append("no: %s" % ", ".join(str(reasons.index(one) + 1) for one in found) if found else "yes")
        lines += _row([", ".join("``%s``" % word for word in field.split(", ")) if field else "", what, *cells])
    lines += ["", "The reasons, as a task gives them in ``unsupported``:", ""]
    for number, reason in enumerate(reasons, 1):
        mark = "%d. " % number
        lines += textwrap.wrap(_escaped(reason) + ".", 138, initial_indent=mark, subsequent_indent=" " * len(mark))
    return "\n".join(lines) + "\n"


def _row(cells: List[str]) -> Iterator[str]:
    for number, cell in enumerate(cells):
        yield ("   %s - %s" % (" " if number else "*", cell)).rstrip()


def _escaped(text: str) -> str:
    return re.sub(r"([\\*`|]|_\b)", r"\\\1", text)
