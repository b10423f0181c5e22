# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of one packet in the kernel, by number and shape of rules, as a ratio to the same host without rules.

A small C program (``packet_cost.c``) sends packets from one network namespace to another over a cable and takes the CPU time of each. Half
of the packets match a rule somewhere in the list, half match none. For each figure a host with rules and one without take turns, and the
median of the ratios counts. A counter in front of the rules proves that every packet came to them, and one behind them that each fared as
the rules say.

Touches only namespaces that it makes and ends; needs root, nft, gcc and taskset.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from two_hosts import HOST_V4, TwoHosts  # noqa: E402

SHAPES = ("address . port", "addresses", "prefixes", "prefix . ports", "mixed")
#: The most that a packet may cost, in times of a packet without rules, at the largest number of rules that a bound is for.
BOUNDS = {"address . port": 1.1, "addresses": 1.1, "prefixes": 1.1, "mixed": 2.2}
BOUND_AT = 10_000
#: Packets of one measurement, rounds, and numbers of rules.
FULL = (400_000, 9, (10, 1_000, 10_000, 100_000))
QUICK = (100_000, 3, (10, 1_000))
#: The lines of a list are measured up to so many, for comparison.
MOST_LINES = 1_000
PACKETS = 256
ATTEMPTS = 50
_EDGES = """table inet hf_edges {
 chain before { type filter hook input priority -300; policy accept;
  counter
 }
 chain behind { type filter hook input priority 300; policy drop;
  counter
 }
}
"""


def measure(quick: bool = False) -> int:
    """Print the ratios; returns the number of bounds missed."""
    reason = _not_possible()
    if reason:
        print("  skipped: %s" % reason)
        return 0
    missed = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-packets-") as folder:
        _link_collection(Path(folder))
        program = str(Path(folder) / "packet_cost")
        subprocess.run(["gcc", "-O2", "-Wall", "-o", program, str(HERE / "packet_cost.c")], check=True)
        count, rounds, sizes = QUICK if quick else FULL
        with Bench(program, count, rounds) as bench:
            for shape in SHAPES:
                for size in sizes:
                    missed += bench.measure(shape, size)
    return missed


class Bench:
    """Two pairs of hosts, one of them without rules."""

    def __init__(self, program: str, count: int, rounds: int) -> None:
        self._program = program
        self._count = count
        self._rounds = rounds
        self._empty, self._ruled = TwoHosts(), TwoHosts()
        self._empty.sender += "e"
        self._empty.host += "e"

    def __enter__(self) -> Bench:
        for pair in (self._empty, self._ruled):
            pair.make()
        self._empty.load(_EDGES + "table inet holdfast {\n chain input { type filter hook input priority 0; policy accept;\n }\n}\n")
        return self

    def __exit__(self, *_ended: t.Any) -> None:
        for pair in (self._empty, self._ruled):
            pair.end()

    def measure(self, shape: str, size: int) -> int:
        """Measure one list of rules; 1 when its bound is missed."""
        rng = random.Random("%s %d" % (shape, size))
        rules = make_rules(rng, shape, size)
        packets, allowed = make_packets(rng, rules)
        missed = 0
        for layout in ("rules", "compiled") if size <= MOST_LINES else ("compiled",):
            missed += self._measure(shape, size, layout, rules, packets, allowed)
        return missed

    def _measure(self, shape: str, size: int, layout: str, rules: t.Any, packets: str, allowed: int) -> int:
        started = time.process_time()
        text = laid_text(rules, layout)
        planned = time.process_time() - started
        self._ruled.load("flush ruleset\n" + _EDGES)
        started = time.monotonic()
        self._ruled.load(text)
        loaded = time.monotonic() - started
        ratios, costs = [], []
        for _round in range(self._rounds):
            without = self._blast(self._empty, packets, None)
            ruled = self._blast(self._ruled, packets, allowed)
            ratios.append(ruled / without)
            costs.append(ruled)
        ratio = statistics.median(ratios)
        bound = BOUNDS.get(shape) if layout == "compiled" and size <= BOUND_AT else None
        word = "" if bound is None else ", at most %g wanted: %s" % (bound, "yes" if ratio <= bound else "NO")
        print(
            "  %-15s %7d rules, %-8s %7.2f (%.2f to %.2f; %.0f ns; planned in %.2f s, loaded in %.2f s)%s"
            % (shape, size, layout, ratio, min(ratios), max(ratios), statistics.median(costs), planned, loaded, word),
            flush=True,
        )
        return 1 if bound is not None and ratio > bound else 0

    def _blast(self, pair: TwoHosts, packets: str, allowed: t.Optional[int]) -> float:
        """Send the packets; ``allowed`` of every PACKETS must come past the rules.

        Where other programs hold the CPU, the kernel may leave packets to a thread of its own and lose some: such a round is repeated.
        """
        cpu = str((os.cpu_count() or 1) - 1)
        sent = self._count + self._count // 10
        came = 0
        for _attempt in range(ATTEMPTS):
            before = _counts(pair)
            found = float(pair.run(pair.sender, "taskset", "-c", cpu, self._program, str(self._count), text=packets))
            came, passed = (after - start for after, start in zip(_counts(pair), before))
            if came != sent:
                continue
            wanted = sent if allowed is None else _share(self._count, allowed) + _share(self._count // 10, allowed)
            if abs(passed - wanted) > PACKETS * 2:
                raise RuntimeError("%d packets should have come past the rules, %d did" % (wanted, passed))
            return found
        raise RuntimeError("%d packets were sent, only %d came to the rules" % (sent, came))


def make_rules(rng: random.Random, shape: str, size: int) -> t.Any:
    """Return a list of rules of one shape (allow), or of mixed ones (allow and deny)."""
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule

    def network(length: int) -> t.Any:
        return make_addresses([ipaddress.IPv4Network((_global_address(rng) >> (32 - length) << (32 - length), length))])

    def stretch() -> t.Any:
        low = rng.randrange(1 << 24, (224 << 24) - 512)
        return make_addresses(
            ipaddress.summarize_address_range(ipaddress.IPv4Address(low), ipaddress.IPv4Address(low + rng.randint(2, 200)))
        )

    def ports(widest: int) -> t.Tuple[t.Any, ...]:
        first = rng.randint(1, 65535 - widest)
        return (PortRange(first, first + rng.randint(0, widest) if widest else first),)

    rules: t.List[t.Any] = []
    seen = set()
    while len(rules) < size:
        action, source, wanted = "allow", ANY, ()
        protocol: t.Optional[int] = 17
        if shape == "address . port":
            source, wanted = network(32), ports(0)
        elif shape == "addresses":
            source, protocol = network(32), None
        elif shape == "prefixes":
            source, protocol = network(25 if size > 10000 else rng.randint(20, 28)), None
        elif shape == "prefix . ports":
            source, wanted = network(25), ports(50)
        else:
            action, protocol = rng.choice(("allow", "deny")), rng.choice((6, 17, 17))
            source = rng.choice((lambda: network(32), lambda: network(rng.randint(16, 28)), stretch, lambda: ANY))()
            wanted = rng.choice((lambda: ports(0), lambda: ports(1000), tuple))()
            if not wanted:
                protocol = rng.choice((6, 17, None))
            if source.any and not wanted:
                continue
        rule = Rule(action, "in", 4 if not source.any else None, protocol, source, ports=wanted, comment="rule %d" % len(rules))
        if source.any or source.networks[0] not in seen:
            seen.update(source.networks[:1])
            rules.append(rule)
    return rules


def make_packets(rng: random.Random, rules: t.Sequence[t.Any]) -> t.Tuple[str, int]:
    """Return packets, half of them matched by some rule, and how many the rules allow (others are denied)."""
    lines, allowed = [], 0
    while len(lines) < PACKETS:
        address, protocol, port = _global_address(rng), rng.choice((6, 17)), rng.randint(1, 65535)
        if len(lines) % 2:
            rule = rng.choice(rules)
            if not rule.source.any:
                one = rng.choice(rule.source.networks)
                address = int(one.network_address) + rng.randrange(one.num_addresses)
            protocol = rule.protocol or protocol
            if rule.ports:
                port = rng.randint(rule.ports[0].first, rule.ports[0].last)
        source = ipaddress.IPv4Address(address)
        first = next((one for one in rules if _matches(one, source, protocol, port)), None)
        allowed += first is not None and first.action == "allow"
        lines.append("%s %s %d %d %d" % (source, HOST_V4, protocol, rng.randint(1024, 65535), port))
    return "\n".join(lines) + "\n", allowed


def laid_text(rules: t.Sequence[t.Any], layout: str) -> str:
    """Return the text that ``nft -f`` loads for the rules alone, without a guard; what no rule allows is dropped."""
    from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.policy_build import build_program
    from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.policy_text import program_text
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy

    defaults = {"in": "deny", "out": "unmanaged", "forward": "unmanaged"}
    return program_text(build_program(Policy(rules=tuple(rules), defaults=defaults), layout))


def _matches(rule: t.Any, source: ipaddress.IPv4Address, protocol: int, port: int) -> bool:
    return (
        rule.protocol in (None, protocol)
        and (not rule.ports or any(one.first <= port <= one.last for one in rule.ports))
        and (rule.source.any or any(source in one for one in rule.source.networks))
    )


def _global_address(rng: random.Random) -> int:
    """Return an address that a host takes a packet from."""
    while True:
        number = rng.randrange(1 << 24, 224 << 24)
        if ipaddress.IPv4Address(number).is_global:
            return number


def _share(count: int, allowed: int) -> int:
    return count * allowed // PACKETS


def _counts(pair: TwoHosts) -> t.List[int]:
    """Return how many packets came to the rules of a host, and how many past them."""
    listed = json.loads(pair.run(pair.host, "nft", "-j", "list", "table", "inet", "hf_edges"))["nftables"]
    return [part["counter"]["packets"] for one in listed if "rule" in one for part in one["rule"]["expr"] if "counter" in part]


def _not_possible() -> t.Optional[str]:
    if os.geteuid() != 0:
        return "needs root"
    missing = [one for one in ("nft", "gcc", "ip", "taskset") if shutil.which(one) is None]
    return "%s is not installed" % missing[0] if missing else None


def _link_collection(folder: Path) -> None:
    """Let this checkout be imported as the collection that it is, whatever its folder is called."""
    namespace = folder / "ansible_collections" / "holdfast"
    namespace.mkdir(parents=True)
    (namespace / "firewall").symlink_to(HERE.parents[1], target_is_directory=True)
    for package in (namespace.parent, namespace):
        (package / "__init__.py").touch()
    sys.path.insert(0, str(folder))


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer packets and smaller lists")
    return 1 if measure(parser.parse_args().quick) else 0


if __name__ == "__main__":
    sys.exit(main())
