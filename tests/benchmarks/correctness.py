# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel does with the nftables text of each generator, for policies that generators are known to get wrong.

Each case is one intention, written in each tool's own language. Real packets say what passes; ``WIDER`` means that a packet passes which
the policy does not allow, ``NARROWER`` that an allowed one does not.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from lab_commands import ROOT
from peers import peer_python
from translation import HERE, run_json
from two_hosts import HOST_V4, HOST_V6, INSIDE, OUTSIDE, SENDER_V4, SENDER_V6, TwoHosts, two_hosts

Probe = t.Tuple[str, str, str, int]
V4_22, V4_23 = ("tcp", SENDER_V4, HOST_V4, 22), ("tcp", SENDER_V4, HOST_V4, 23)
V6_22, V6_23 = ("tcp", SENDER_V6, HOST_V6, 22), ("tcp", SENDER_V6, HOST_V6, 23)


@dataclass(frozen=True)
class Case:
    """One intention: ours as rules, the peers' term and header, the packets that pass and those that do not."""

    name: str
    rules: t.Tuple[t.Dict[str, t.Any], ...]
    header: str
    term: str
    passes: t.Tuple[Probe, ...]
    stops: t.Tuple[Probe, ...]


CASES = (
    Case(
        "IPv4 tcp/22", ({"action": "allow", "port": 22, "family": "ipv4"},), "inet input",
        "protocol:: tcp\n destination-port:: P22", (V4_22,), (V4_23, ("udp", SENDER_V4, HOST_V4, 22)),
    ),
    Case(
        "tcp and udp port 53, IPv4", ({"action": "allow", "protocol": ["tcp", "udp"], "port": 53, "family": "ipv4"},), "inet input",
        "protocol:: tcp udp\n destination-port:: P53", (("tcp", SENDER_V4, HOST_V4, 53), ("udp", SENDER_V4, HOST_V4, 53)),
        (V4_22, ("udp", SENDER_V4, HOST_V4, 54)),
    ),
    Case(
        "tcp and udp port 53, IPv6", ({"action": "allow", "protocol": ["tcp", "udp"], "port": 53, "family": "ipv6"},), "inet6 input",
        "protocol:: tcp udp\n destination-port:: P53", (("tcp", SENDER_V6, HOST_V6, 53), ("udp", SENDER_V6, HOST_V6, 53)),
        (V6_22, ("udp", SENDER_V6, HOST_V6, 54)),
    ),
    Case(
        "source 10.0.0.0/8 only, in an IPv6 policy", ({"action": "allow", "port": 22, "source": "10.0.0.0/8"},), "inet6 input",
        "source-address:: A\n protocol:: tcp\n destination-port:: P22", (), (V6_22, V6_23),
    ),
    Case(
        "any source but 10.0.0.0/8", ({"action": "allow", "port": 22, "source": "!10.0.0.0/8"},), "inet input",
        "source-exclude:: A\n protocol:: tcp\n destination-port:: P22", (("tcp", OUTSIDE, HOST_V4, 22),),
        (("tcp", INSIDE, HOST_V4, 22), ("tcp", OUTSIDE, HOST_V4, 23)),
    ),
    Case(
        "both families, tcp/22", ({"action": "allow", "port": 22},), "mixed input",
        "protocol:: tcp\n destination-port:: P22", (V4_22, V6_22), (V4_23, V6_23),
    ),
)  # fmt: skip


def measure(quick: bool = False) -> int:
    """Print the table; returns how many of ours are wrong."""
    if os.geteuid() != 0 or shutil.which("nft") is None:
        print("  skipped: it needs root and nft")
        return 0
    python = peer_python()
    tools = ["holdfast", *(("aerleon", "capirca") if python is not None else ())]
    if python is None:
        print("  aerleon and capirca: skipped, they cannot be installed here")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder, two_hosts() as pair:
        link = Path(folder) / "ansible_collections" / "holdfast"
        link.mkdir(parents=True)
        (link / "firewall").symlink_to(ROOT)
        sys.path.insert(0, folder)
        print("  %-44s %s" % ("case", " ".join("%-26s" % one for one in tools)))
        for case in CASES:
            answers = [_judge(pair, case, _text(case, tool, python)) for tool in tools]
            wrong += answers[0] != "right"
            print("  %-44s %s" % (case.name, " ".join("%-26s" % one for one in answers)), flush=True)
        counts = []
        for tool in tools:
            text = _text(CASES[0], tool, python)
            pair.clear()
            pair.load(text)
            once = pair.rules()
            pair.load(text)
            counts.append("right" if pair.rules() == once else "%d rules become %d" % (once, pair.rules()))
        wrong += counts[0] != "right"
        print("  %-44s %s" % ("the same text loaded twice", " ".join("%-26s" % one for one in counts)))
    return wrong


def _judge(pair: TwoHosts, case: Case, text: str) -> str:
    if not text:
        return "refused" if case.passes else "right (empty)"
    pair.clear()
    try:
        pair.load(text)
    except RuntimeError:
        return "nft refuses the text"
    wider = [probe for probe in case.stops if pair.passes(*probe)]
    narrower = [probe for probe in case.passes if not pair.passes(*probe)]
    if wider:
        return "WIDER: %s/%d passes" % (wider[0][0], wider[0][3])
    return "NARROWER: %s/%d" % (narrower[0][0], narrower[0][3]) if narrower else "right"


def _text(case: Case, tool: str, python: t.Optional[str]) -> str:
    if tool == "holdfast":
        from ansible_collections.holdfast.firewall.plugins.module_utils.backends.registry import make_backend
        from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
        from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy

        return make_backend("nftables", LocalHost()).render_policy(parse_policy({"rules": list(case.rules)}))
    request = {
        "tool": tool, "target": "nftables %s" % case.header, "want_text": True, "networks": ["A = 10.0.0.0/8"],
        "services": ["P22 = 22/tcp", "P53 = 53/tcp 53/udp"], "terms": "term probe {\n %s\n action:: accept\n}\n" % case.term,
    }  # fmt: skip
    return run_json([str(python), str(HERE / "peer_generate.py")], json.dumps(request), dict(os.environ))["text"]
