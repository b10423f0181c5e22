# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a task of ``analyze``: its documents, its questions, and what they are asked about.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..analysis.conflicts import LIMIT, parse_kinds
from ..analysis.packets import Packet
from ..policy.bounds import check_bounds
from ..policy.document import parse_policy_document
from ..policy.errors import PolicyError
from ..policy.json_text import from_json_text
from ..policy.parse import check_keys, parse_bool, parse_choice, parse_list, parse_single_ports
from ..policy.policy import Policy
from ..policy.request import BACKENDS

QUESTIONS = ("parse", "conflicts", "diff", "equivalent", "trace", "lockout")
#: ``src`` and ``other_src`` are read on the control node, so only the module's documentation knows them.
OPTIONS = ("policy", "src", "other", "other_src", "live", "questions", "packet", "kinds", "limit", "guard", "backend", "agent_ports")
MAX_LIMIT, MAX_PACKETS = 10000, 1000


@dataclass(frozen=True)
class Document:
    """A policy that was given as a document, with what a person should know about it."""

    policy: Policy
    warnings: t.Tuple[str, ...] = ()


@dataclass(frozen=True)
class AnalyzeRequest:
    """What one task asks.

    :ivar other: the policy to compare with.
    :ivar live: whether the live rules are the other policy, or the only one where no document is given.
    :ivar guard: whether documents get the rules that every policy starts with on this host.
    """

    questions: t.Tuple[str, ...]
    policy: t.Optional[Document] = None
    other: t.Optional[Document] = None
    live: bool = False
    packets: t.Tuple[Packet, ...] = ()
    kinds: t.Tuple[str, ...] = ()
    limit: int = LIMIT
    guard: bool = False
    backend: str = "auto"
    agent_ports: t.Tuple[int, ...] = field(default=())


def parse_analyze_request(args: t.Any) -> AnalyzeRequest:
    """Read the arguments of a task.

    :raises PolicyError: at the first thing that is not valid, also in the documents.
    """
    check_keys(args, OPTIONS, "analyze")
    given = {key: value for key, value in args.items() if value is not None}
    for key in ("src", "other_src"):
        if key in given:
            raise PolicyError(key, given[key], "a file of the control node, which its action plugin reads", "run the task through Ansible")
    live = parse_bool(given.get("live", False), "live")
    policy, other = (_document(given[key], key) if key in given else None for key in ("policy", "other"))
    if policy is None and not live:
        raise PolicyError("policy", "(nothing)", "a policy document", "or live: true, to ask about the rules that the host enforces")
    if other is not None and policy is None:
        raise PolicyError("other", "(a document)", "only together with policy", "name the policy that it is compared with")
    if other is not None and live:
        raise PolicyError("live", True, "false together with other", "the live rules are what policy is compared with")
    packets = _packets(given.get("packet"))
    questions = _questions(given.get("questions"), policy is not None and (other is not None or live), bool(packets))
    return AnalyzeRequest(
        questions=questions,
        policy=policy,
        other=other,
        live=live,
        packets=packets,
        kinds=parse_kinds(parse_list(given["kinds"], "kinds") if "kinds" in given else None),
        limit=parse_limit(given.get("limit", LIMIT)),
        guard=parse_bool(given.get("guard", live or "lockout" in questions), "guard"),
        backend=parse_choice(given.get("backend", "auto"), ("auto", *BACKENDS), "backend"),
        agent_ports=parse_single_ports(given.get("agent_ports"), "agent_ports"),
    )


def _document(value: t.Any, place: str) -> Document:
    """Read a document; text (an ad-hoc task has nothing else) is read as JSON."""
    value = from_json_text(value, place, "a mapping, a list of rules, or the same as JSON text")
    check_bounds(value, place)
    policy, warnings = parse_policy_document(value, place)
    return Document(policy, tuple(warnings))


def _packets(value: t.Any) -> t.Tuple[Packet, ...]:
    if value is None:
        return ()
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        value = from_json_text(value, "packet", "words like port=22 source=192.0.2.7, a mapping or a list, or these as JSON text")
    if isinstance(value, str):
        return (Packet.parse(packet_words(value)),)
    if not isinstance(value, (list, tuple)):
        return (Packet.parse(value),)
    if len(value) > MAX_PACKETS:
        raise PolicyError("packet", "(%d packets)" % len(value), "at most %d packets" % MAX_PACKETS)
    return tuple(Packet.parse(packet_words(one) if isinstance(one, str) else one, "packet[%d]" % i) for i, one in enumerate(value))


def packet_words(text: str, place: str = "packet") -> t.Dict[str, str]:
    """Read a packet from ``key=value`` words, as on a command line.

    :raises PolicyError: for a word without ``=``.
    """
    words: t.Dict[str, str] = {}
    for word in text.replace(",", " ").split():
        key, sign, value = word.partition("=")
        if not sign or not key or not value:
            raise PolicyError(place, word, "words like port=22 source=192.0.2.7, or a mapping")
        words[key] = value
    return words


def _questions(value: t.Any, two: bool, packets: bool) -> t.Tuple[str, ...]:
    if value is None:
        wanted = {"conflicts"} | ({"diff", "equivalent"} if two else set()) | ({"trace"} if packets else set())
    else:
        words = parse_list(value, "questions")
        wanted = {parse_choice(one, QUESTIONS, "questions[%d]" % number) for number, one in enumerate(words)}
    for question, needed, missing, hint in (
        ("diff", two, "two policies", "give other, or live: true"),
        ("equivalent", two, "two policies", "give other, or live: true"),
        ("trace", packets, "packet", "give packet, for example {port: 22, source: 192.0.2.7}"),
    ):
        if question in wanted and not needed:
            raise PolicyError("questions", question, "a question that the other options answer: %s needs %s" % (question, missing), hint)
    return tuple(question for question in QUESTIONS if question in wanted)


def parse_limit(value: t.Any) -> int:
    """Read how many conflicts of a kind are listed.

    :raises PolicyError: when it is no whole number from 1 to 10000.
    """
    text = str(value).strip()
    if isinstance(value, (bool, float)) or not (text.isascii() and text.isdigit()) or len(text) > 6 or not 0 < int(text) <= MAX_LIMIT:
        raise PolicyError("limit", value, "a whole number from 1 to %d" % MAX_LIMIT)
    return int(text)
