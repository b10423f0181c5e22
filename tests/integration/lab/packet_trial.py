# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out tasks on a host, sending packets, and comparing what is seen with what the oracle says."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Sequence, Set, Tuple

from . import packet_bases
from .packet_conversations import Expectation, Probe, chosen, expect, matrix
from .packet_oracle import Firewall, read_rule
from .packet_testbed import Testbed
from .policy_oracle import PolicyFirewall

FIRST_TOKEN, LAST_TOKEN = 20000, 60000
#: Seconds without any packet after which no more are waited for: everything happens on one machine.
QUIET, LONG = 0.03, 0.4
#: The backends of kinds that have another name.
BACKENDS = {"iptables-nft": "iptables", "iptables-legacy": "iptables"}

#: By token: the sides that saw packets of a probe, and which.
Seen = Dict[int, Set[Tuple[str, str]]]
#: A probe with its token, and what must be seen of it.
Expected = Tuple[Probe, int, Expectation]


class Refused(Exception):
    """The product did not carry out a task."""


@dataclass
class Figures:
    """What was compared on one kind of host."""

    pairs: int = 0
    rules: int = 0
    mismatches: int = 0
    refused: int = 0
    seconds: float = 0.0
    repeated: int = 0
    uncertain: int = 0
    notes: list[str] = field(default_factory=list)


class Trial:
    """One host between two rulesets: a base, and the rules that came on top of it."""

    def __init__(self, bed: Testbed, kind: str, figures: Figures) -> None:
        self.bed, self.kind, self.figures = bed, kind, figures
        self.everything = list(matrix(bed.sides))
        self._token = FIRST_TOKEN
        self.firewall: Firewall | PolicyFirewall = Firewall([])
        self.base = ""
        self.tasks: list[Mapping[str, Any]] = []
        self.results: list[dict[str, Any]] = []

    def start(self, base: str) -> None:
        """Put the host back to a base, by its own tools."""
        for argv, text in packet_bases.native(self.kind, base):
            self.bed.rules.ask("run", argv=argv, text=text)
        self.bed.rules.ask("forget")
        self.base, self.tasks, self.results = base, [], []
        self.firewall = Firewall(packet_bases.chains(self.kind, base))

    def task(self, words: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one task on the host and in the oracle.

        :raises Refused: when the product says no.
        """
        result: dict[str, Any] = self.bed.rules.ask("rule", words=words)
        self.tasks.append(words)
        self.results.append(result)
        if result.get("failed"):
            raise Refused(result["msg"])
        self.firewall.task(words)
        self.figures.rules += 1
        return result

    def policy(self, document: Mapping[str, Any], layout: str, state: str = "replaced") -> dict[str, Any]:
        """Put a whole policy in force, on the host and in the oracle.

        :raises Refused: when the backend says that it cannot carry it exactly.
        """
        words = {"policy": document, "layout": layout, "state": state, "backend": BACKENDS.get(self.kind, self.kind)}
        result: dict[str, Any] = self.bed.rules.ask("policy", words=words)
        self.tasks, self.results = [words], [result]
        if result.get("unsupported"):
            raise Refused(result["msg"])
        assert not result.get("failed"), f"{result['msg']}\n{json.dumps(document)}"
        self.firewall = PolicyFirewall(document, {"host0": "lan0", "lan0": "host0"})
        self.figures.rules += len(document["rules"])
        return result

    def policy_changes_again(self, document: Mapping[str, Any], layout: str, state: str = "replaced") -> str:
        """Put the same policy in force once more, without the note of the first time; returns what it changes, "" for nothing."""
        self.bed.rules.ask("forget_note")
        words = {"policy": document, "layout": layout, "state": state, "backend": BACKENDS.get(self.kind, self.kind)}
        again = self.bed.rules.ask("policy", words=words)
        return "" if again.get("changed") is False else f"a second run says {again['msg']!r}: {again.get('commands')}"

    def compare(self, probes: Sequence[Probe], patient: bool = True) -> list[str]:
        """Send probes and return an account of each that did not fare as the oracle says.

        What differs is tried once more with a long wait, so that a slow machine is no mismatch; not so with limits, which would count
        the second packet too (``patient``).
        """
        expected = self._expect(probes, patient)
        seen = self._send(expected, QUIET if patient else LONG)
        odd = [one for one in expected if not self._as_expected(one, seen)]
        self.figures.pairs += sum(len(found.judged) for _probe, _token, found in expected if found.certain)
        self.figures.uncertain += sum(not found.certain for _probe, _token, found in expected)
        if odd and patient:
            self.figures.repeated += len(odd)
            expected = self._expect([probe for probe, _token, _found in odd], patient)
            seen = self._send(expected, LONG)
            odd = [one for one in expected if not self._as_expected(one, seen)]
        self.figures.mismatches += len(odd)
        return [f"{probe}\n  expected: {found}\n  seen: {sorted(seen.get(token, ())) or 'nothing'}" for probe, token, found in odd]

    def sightings(self, probe: Probe) -> set[str]:
        """Send one probe and return what was seen: ``request`` by the receiver; ``answer``, ``reset``, ``unreachable`` by the sender."""
        (one,) = self._expect([probe], more=False)
        return {what for _side, what in self._send([one], LONG).get(one[1], ())} - {"other"}

    def changes_again(self, task: int = -1) -> str:
        """Carry out a task once more, the last one or another; returns an account of what it changes, "" for nothing."""
        again = self.bed.rules.ask("rule", words=self.tasks[task])
        return "" if again.get("changed") is False else f"a second run says {again['msg']!r}: {again.get('commands')}\n{self.account([])}"

    def account(self, mismatches: Sequence[str], most: int = 4) -> str:
        """Return all that is needed to understand mismatches."""
        lines = [f"{len(mismatches)} packets on {self.kind} did not fare as the rules say, base {self.base}"]
        for words, result in zip(self.tasks, self.results):
            lines.append(f"task: {json.dumps(words)}\n  {result.get('msg')}\n  rule: {result.get('rule')}")
            lines.append(f"  placement: {json.dumps(result.get('placement'))}")
        lines += mismatches[:most]
        lines.append(f"the oracle's lists:\n{self.firewall.listing()}")
        lines.append(f"the native rules:\n{self.native()}")
        return "\n".join(lines)

    def native(self) -> str:
        """Return the live rules as the host's own tools list them."""
        nft = self.kind in ("nftables", "firewalld")
        tools = [["nft", "list", "ruleset"]] if nft else [["iptables-save"], ["ip6tables-save"], ["ipset", "list"]]
        return "\n".join(self.bed.rules.ask("run", argv=argv) for argv in tools)

    def token(self) -> int:
        """Return a number that no other probe has had for a long time."""
        self._token = self._token + 1 if self._token < LAST_TOKEN else FIRST_TOKEN
        return self._token

    def close(self) -> None:
        """Forget all probes."""
        for channel in self.bed.channels.values():
            channel.ask("close")

    # -- flows: connections that are there before a rule comes

    def open(self, sender: str, receiver: str, port: int, family: int = 4) -> int:
        """Open a connection that stays; returns its token."""
        token = self.token()
        source, destination = self.bed.sides[sender].of(family)[0], self.bed.sides[receiver].of(family)[0]
        self.bed.agent(sender).ask("open", token=token, source=source, destination=destination, port=port)
        return token

    def talk(self, token: int, sender: str, receiver: str) -> tuple[bool, bool]:
        """Send a byte in both directions; returns whether each arrived at the other end."""
        self._collect(0.0)
        for side in (sender, receiver):
            self.bed.agent(side).ask("talk", tokens=[token])
        seen = self._collect(LONG).get(token, set())
        return (self._at(receiver), "data") in seen, (self._at(sender), "data back") in seen

    # -- inside

    def _expect(self, probes: Sequence[Probe], more: bool) -> list[Expected]:
        return [(probe, token, expect(self.firewall, self.bed.sides, probe, token, more)) for probe in probes for token in (self.token(),)]

    def _as_expected(self, one: Expected, seen: Seen) -> bool:
        probe, token, found = one
        if not found.certain:
            return True
        here = seen.get(token, set())
        heard = {what for side, what in here if side == self._at(probe.sender) and what in ("answer", "reset", "unreachable")}
        there = {what for side, what in here if side == self._at(probe.receiver) and what in ("request", "data")}
        wanted = {"request": found.arrives, "data": bool(found.goes_on)}
        return there == {what for what, arrives in wanted.items() if arrives} and heard == ({found.hears} if found.hears else set())

    def _send(self, expected: Sequence[Expected], quiet: float) -> Seen:
        self.bed.rules.ask("untrack")
        for side, ours in self._by_sender(expected).items():
            self.bed.channels[side].ask("send", probes=[probe.words(token) for probe, token, _found in ours])
        seen = self._collect(quiet)
        answered = [one for one in expected if one[2].goes_on is not None and (self._at(one[0].sender), "answer") in seen.get(one[1], ())]
        for side, ours in self._by_sender(answered).items():
            self.bed.channels[side].ask("talk", tokens=[token for _probe, token, _found in ours])
        for token, more in (self._collect(quiet) if answered else {}).items():
            seen.setdefault(token, set()).update(more)
        self.close()
        return seen

    def _by_sender(self, expected: Sequence[Expected]) -> dict[str, list[Expected]]:
        found: dict[str, list[Expected]] = {}
        for one in expected:
            found.setdefault(self._at(one[0].sender), []).append(one)
        return found

    def _collect(self, quiet: float) -> Seen:
        seen: Seen = {}
        last = time.monotonic()
        while True:
            news = 0
            for side, channel in self.bed.channels.items():
                for what, token, _source, _destination in channel.ask("collect"):
                    seen.setdefault(token, set()).add((side, what))
                    news += 1
            if news:
                last = time.monotonic()
            elif time.monotonic() - last >= quiet:
                return seen
            time.sleep(quiet / 3)

    @staticmethod
    def _at(side: str) -> str:
        return "host" if side == "lan" else side


def probes_for(trial: Trial, rng: random.Random, count: int) -> list[Probe]:
    """Return probes of which half concern the rules that were added."""
    return chosen(rng, trial.everything, [read_rule(words) for words in trial.tasks], count)
