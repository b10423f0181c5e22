# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending packets through address translations, and comparing the addresses with which they arrive with those that the oracle says."""

from __future__ import annotations

import time
from typing import Any, Dict, Mapping, Sequence, Set, Tuple

from .packet_oracle import TCP, UDP
from .packet_testbed import PORTS
from .packet_trial import LONG, QUIET, Trial
from .policy_nat_oracle import Arrival, Sent, arrival

#: By token: (side, what, source, destination) of the packets that arrived.
Sightings = Dict[int, Set[Tuple[str, str, str, str]]]


def odd_translations(trial: Trial, document: Mapping[str, Any], packets: Sequence[Sent]) -> list[str]:
    """Send the packets and return an account of each that did not arrive as the oracle says, or whose sender hears no proper answer.

    What differs is tried once more with a long wait, so that a slow machine is no mismatch.
    """
    trial.figures.pairs += len(packets)
    odd = _odd(trial, document, packets, QUIET)
    if odd:
        trial.figures.repeated += len(odd)
        odd = _odd(trial, document, list(odd), LONG)
    trial.figures.mismatches += len(odd)
    return list(odd.values())


def carries_data(trial: Trial, sent: Sent, receiver: str) -> bool:
    """Open a TCP connection and return whether its bytes arrive at both ends."""
    token = trial.token()
    trial.bed.rules.ask("untrack")
    trial.bed.agent(sent.sender).ask("open", token=token, source=sent.source, destination=sent.destination, port=sent.port)
    there = trial.talk(token, sent.sender, receiver)
    trial.close()
    return there == (True, True)


def _odd(trial: Trial, document: Mapping[str, Any], packets: Sequence[Sent], quiet: float) -> dict[Sent, str]:
    tokens = {trial.token(): sent for sent in packets}
    trial.bed.rules.ask("untrack")
    for token, sent in tokens.items():
        probe = {"token": token, "protocol": sent.protocol, "source": sent.source, "destination": sent.destination, "port": sent.port}
        trial.bed.agent(sent.sender).ask("send", probes=[probe])
    seen = _collected(trial, quiet)
    trial.close()
    found = {}
    for token, sent in tokens.items():
        expected = arrival(document, trial.bed.sides, sent)
        if not _as_expected(sent, expected, seen.get(token, set())):
            found[sent] = f"{sent}\n  expected: {expected or 'nothing'}\n  seen: {sorted(seen.get(token, ())) or 'nothing'}"
    return found


def _as_expected(sent: Sent, expected: Arrival | None, seen: set[tuple[str, str, str, str]]) -> bool:
    sender = "host" if sent.sender == "lan" else sent.sender
    arrived = {one for one in seen if one[1] == "request"}
    heard = {one for one in seen if one[0] == sender and one[1] in ("answer", "reset", "unreachable")}
    if expected is None:
        return not arrived and not heard
    if len(arrived) != 1:
        return False
    ((side, _what, source, destination),) = arrived
    if (side, source) != (expected.side, expected.source) or destination != (expected.destination or destination):
        return False
    # Whoever answers, the answer comes from where the sender sent to. Which port was asked shows in it.
    answer = "answer" if expected.port in (0, *PORTS) else "reset" if sent.protocol == TCP else "unreachable"
    return heard == {(sender, answer, sent.destination, sent.source)}


def _collected(trial: Trial, quiet: float) -> Sightings:
    seen: Sightings = {}
    last = time.monotonic()
    while time.monotonic() - last < quiet:
        for side, channel in trial.bed.channels.items():
            for what, token, source, destination in channel.ask("collect"):
                seen.setdefault(token, set()).add((side, what, source, destination))
                last = time.monotonic()
        time.sleep(quiet / 3)
    return seen


def transports(sender: str, source: str, destination: str, *ports: int) -> list[Sent]:
    """Return a TCP and a UDP packet to each port."""
    return [Sent(sender, protocol, source, destination, port) for protocol in (TCP, UDP) for port in ports]
