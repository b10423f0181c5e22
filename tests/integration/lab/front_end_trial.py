# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets on hosts with a front end: what all such hosts share, and random rules that an administrator made by hand before ours came."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import replace
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.holdfast.firewall.tests.lab.host import Host
from ansible_collections.holdfast.firewall.tests.lab.manager import Lab

from .packet_bases import SERVICE
from .packet_oracle import TCP, UDP, Chain, Entry, Firewall, Packet, read_rule
from .packet_testbed import PORTS, Side, Testbed
from .packet_trial import Figures, Refused, Trial
from .policy_generator import random_document

#: Rules of single tasks after which a host starts anew: in long lists three and more rules ask for an order that no list can have.
TASKS_EACH = 6
#: Packets that are sent for each policy and each single rule.
PROBES = 60
#: Rules of a policy.
SIZES = (3, 12, 40)


class FrontEndTrial(Trial):
    """The host between a usual front end, with rules made by hand, and rules of ours."""

    #: What puts the host back and makes the rules by hand, and the lists of that, by kind of front end.
    def script(self, by_hand: Sequence[Mapping[str, Any]]) -> str:
        """Return the shell lines that an administrator would type."""
        raise NotImplementedError

    def chains(self, by_hand: Sequence[Mapping[str, Any]]) -> list[Chain]:
        """Return the lists that the host has then."""
        raise NotImplementedError

    def start(self, base: str, by_hand: Sequence[Mapping[str, Any]] = ()) -> None:
        """Put the host back, and make rules by hand."""
        self.bed.rules.ask("run", argv=["sh", "-c", self.script(by_hand)], text="")
        self.bed.rules.ask("forget")
        self.base, self.tasks, self.results = "%s, by hand: %s" % (base, list(by_hand)), [], []
        self.by_hand = list(by_hand)
        self.firewall = Firewall(self.chains(by_hand))

    def take_policy_away(self) -> None:
        """Delete the policy: what was there before decides again."""
        words = {"state": "deleted", "backend": self.kind}
        result: dict[str, Any] = self.bed.rules.ask("policy", words=words)
        assert not result.get("failed"), result["msg"]
        self.tasks, self.results = [words], [result]
        self.firewall = Firewall(self.chains(self.by_hand))

    def try_policies(
        self, rng: random.Random, pairs: int, ways: Sequence[str], sayable: Callable[[dict[str, Any]], dict[str, Any]], refused: int
    ) -> None:
        """Put random policies into force until so many pairs of a packet and a policy were compared.

        Every fourth takes the place of everything, is taken away afterwards, and is followed by other rules made by hand.

        :param ways: the directions of rules made by hand.
        :param sayable: what makes a document one that the front end can carry.
        :param refused: how many refusals are few enough, beside one for every second policy.
        """
        before, number = self.figures.pairs, 0
        while self.figures.pairs - before < pairs:
            if number % 4 == 0:
                self.start("usual", random_by_hand(rng, self.bed.sides, ways))
            document = sayable(random_document(rng, self.bed.sides, SIZES[number % len(SIZES)]))
            state, number = "overridden" if number % 4 == 3 else "replaced", number + 1
            try:
                self.policy(document, "auto", state)
            except Refused as exc:
                self.figures.refused += 1
                self.figures.notes.append(str(exc))
                assert self.figures.refused < refused + number // 2, self.figures.notes
                continue
            mismatches = self.compare(rng.sample(self.everything, PROBES))
            assert not mismatches, self.account(mismatches)
            assert not self.policy_changes_again(document, "auto", state), self.account([])
            if number % 4 == 3:
                self.take_policy_away()
                mismatches = self.compare(without_icmp(rng.sample(self.everything, PROBES)))
                assert not mismatches, self.account(mismatches)

    def contradicts(self, result: Mapping[str, Any]) -> bool:
        """Return whether a task said that an entry lost because others in between depend on its place: then no order keeps all promises."""
        chains = [one.partition(": ")[0] for one in result["placement"]["before"]]
        return len(chains) > len(set(chains))


@contextlib.contextmanager
def trial_on(lab: Lab, host: Host, kind: str, trial: type[Trial], packet_figures: dict[str, Figures]) -> Iterator[Trial]:
    """Give a trial on a host with its clients, count what it takes, and take the clients away."""
    bed = Testbed(lab, host)
    figures = packet_figures.setdefault(kind, Figures())
    started = time.monotonic()
    try:
        yield trial(bed, kind, figures)
    finally:
        figures.seconds += time.monotonic() - started
        bed.end()


def without_icmp(probes: Sequence[Packet]) -> list[Packet]:
    """Leave out what a front end decides by itself where no policy does: neighbours, pings and the like."""
    return [one for one in probes if one.protocol in (TCP, UDP)]


def random_by_hand(rng: random.Random, sides: Mapping[str, Side], ways: Sequence[str]) -> list[dict[str, Any]]:
    """Return the words of some rules that an administrator made, in the order of their list."""
    found = []
    for _number in range(rng.randint(0, 4)):
        words: dict[str, Any] = {"action": rng.choice(("allow", "deny")), "direction": rng.choice(ways)}
        words["protocol"] = rng.choice(("tcp", "udp"))
        words["port"] = rng.choice([one for one in PORTS if one != SERVICE])
        if rng.random() < 0.6:
            near, far = ("host", "client") if words["direction"] == "out" else ("client", "host")
            family = rng.choice((4, 6))
            words["source"] = rng.choice(sides[near].of(family))
            if rng.random() < 0.3 and words["direction"] != "forward":
                words["destination"] = rng.choice(sides[far].of(family))
        if not any(one == words for one in found):
            found.append(words)
    return found


def entries_by_hand(by_hand: Sequence[Mapping[str, Any]], hook: str, families: frozenset[int], first: int) -> list[Entry]:
    """Return the entries of one list, in its order."""
    found = []
    for number, words in enumerate(by_hand):
        entry = read_rule(words)
        both = entry.condition.families & families
        if entry.condition.hook == hook and both:
            found.append(
                replace(entry, condition=replace(entry.condition, families=both), order=first + number, text="by hand: %s" % entry.text)
            )
    return found
