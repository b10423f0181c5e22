#!/usr/bin/python
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module ``analyze``: documentation and argument spec; the work is in ``module_utils.change.analyze_task``."""

from __future__ import annotations

DOCUMENTATION = r"""
module: analyze
short_description: Ask questions about a firewall policy and about what a host enforces
version_added: 1.0.0
description:
  - Answers questions about a policy document, about two of them, or about the rules that a host enforces. It changes nothing, ever.
  - The questions are which rules conflict, which packets a change newly allows or denies, whether two policies do the same, what happens
    to a packet and which rule decides, and whether a policy would lock its administrators out.
  - The answers are exact for the rules of the language, in IPv4 and IPv6, with addresses, ports, interfaces, ICMP types and the states of
    connections, and come with example packets. What could not be judged is named.
extends_documentation_fragment:
  - holdfast.firewall._attributes
  - holdfast.firewall._attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: Linux, FreeBSD, OpenBSD, NetBSD, macOS, Windows
  action:
    support: full
options:
  policy:
    description:
      - The policy to ask about, a document like that of M(holdfast.firewall.policy) or a plain list of rules. Text is read as YAML or JSON,
        for ad-hoc commands.
      - One of O(policy) and O(src) is required unless O(live=true).
    type: raw
  src:
    description:
      - Path of a YAML or JSON file on the control node with that document, perhaps from a vault. Relative paths are looked up like those of
        M(ansible.builtin.copy). It is not a template.
    type: str
  other:
    description:
      - The policy to compare with, such as the one that O(policy) is to replace.
    type: raw
  other_src:
    description:
      - Path of a file with the document of O(other), like O(src).
    type: str
  live:
    description:
      - Reads the rules that the host enforces. They are what O(policy) is compared with, and without O(policy) they are what is asked
        about.
      - A policy of this collection is read as it is. Other rules are read as far as the language can say them. RV(live.not_judged) names
        the rest.
      - Needs root on the host.
    type: bool
    default: false
  questions:
    description:
      - What to answer. Without it, V(conflicts), and what O(other), O(live) and O(packet) are given for.
      - V(parse) returns the policies as documents in which every default is filled in and every name resolved.
      - V(conflicts) looks for the O(kinds) of conflicts in O(policy).
      - V(diff) tells which packets meet something else under O(policy) than under O(other) or the live rules.
      - V(equivalent) tells whether both do the same with every packet, or gives one with which they do not.
      - V(trace) follows each O(packet) through the policies.
      - V(lockout) proves that this host can still be reached under O(policy), or gives the packet that cannot get in.
    type: list
    elements: str
    choices: [parse, conflicts, diff, equivalent, trace, lockout]
  packet:
    description:
      - The packet to trace, or several. A mapping in the words of the rule language, with one value each. Text is C(key=value) words, or
        JSON.
      - C(port) is required with TCP, UDP and SCTP. What else is not given is assumed, and RV(traces) says what was.
      - Keys are C(direction), C(protocol), C(source), C(destination), C(family), C(port), C(source_port), C(icmp_type), C(interface),
        C(out_interface) and C(state), which is V(new), V(established-original), V(established-reply), V(related-original),
        V(related-reply), V(invalid) or V(untracked).
    type: raw
  kinds:
    description:
      - The kinds of conflicts to look for, or the groups V(port_rules), V(pairs) and V(coverage) of them. All of them by default.
      - Of the port rules V(open_and_restricted), V(allow_and_deny) and V(several_sources). Of any two rules V(shadowing), V(redundancy),
        V(generalisation) and V(correlation). Of one rule and all that come before it V(fully_shadowed), V(partially_shadowed) and
        V(redundant).
    type: list
    elements: str
  limit:
    description:
      - So many conflicts of each kind are listed. All of them are counted.
    type: int
    default: 100
  guard:
    description:
      - Whether documents get the rules that M(holdfast.firewall.policy) starts every policy with on this host (loopback, known connections,
        management ports and the like).
      - By default they do where O(live=true) or where V(lockout) is asked, so that like is compared with like.
    type: bool
  backend:
    description:
      - The firewall whose live rules are read. V(auto) finds out which one decides on the host, and RV(detection) says why.
    type: str
    choices: [auto, ufw, firewalld, pf, ipfw, npf, nftables, iptables, windows, macos]
    default: auto
  agent_ports:
    description:
      - TCP ports of agents on the host that are management ports like that of SSH.
    type: list
    elements: str
notes:
  - Without O(live=true) it needs neither root nor a firewall, so it also runs on the control node with C(delegate_to) or a local
    connection. The filters P(holdfast.firewall.conflicts#filter), P(holdfast.firewall.semantic_diff#filter),
    P(holdfast.firewall.trace#filter) and P(holdfast.firewall.equivalent#filter) do the same within a template.
  - Raw rules of a backend (C(native)) are not judged, and the answers say so.
seealso:
  - module: holdfast.firewall.policy
  - module: holdfast.firewall.rule
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Look for rules that do not do what they say
  holdfast.firewall.analyze:
    src: policies/web.yml
    kinds: [port_rules, coverage]
  delegate_to: localhost
  register: found

- name: Stop where a rule is shadowed
  ansible.builtin.assert:
    that: found.conflicts.conflicts | selectattr('severity', 'eq', 'error') | length == 0

- name: Tell which packets a new policy allows or denies on this host that the live rules do not
  holdfast.firewall.analyze:
    policy: "{{ web_policy }}"
    live: true
    questions: [diff, lockout]

- name: Find out why the database cannot be reached, under the rules that the host enforces
  holdfast.firewall.analyze:
    live: true
    questions: [trace]
    packet: {source: 192.0.2.7, port: 5432}

- name: Prove that a shorter policy does the same
  holdfast.firewall.analyze:
    policy: "{{ short_policy }}"
    other: "{{ long_policy }}"
    questions: [equivalent]
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: The answers in one line.
  returned: always
  type: str
  sample: "policy: 3 rules, 1 shadowing, 1 fully shadowed"
conflicts:
  description:
    - RV(conflicts.conflicts) lists them, by kind and then by place. The rule that a conflict is about is the first of its C(rules).
      C(severity) is V(error) where a rule does not do what it says, V(warning) where the order decides or a rule is idle, and V(note)
      where it is often meant so.
    - RV(conflicts.counts) counts all of each kind. RV(conflicts.undecided) names what could not be told in time, and why.
      RV(conflicts.notes) names what was not judged.
  returned: for the question V(conflicts)
  type: dict
  sample:
    summary: 2 rules, 1 fully shadowed
    counts: {fully_shadowed: 1}
    undecided: []
    notes: []
    conflicts:
      - kind: fully_shadowed
        severity: error
        rules: ["rules[1] (ssh)", "rules[0]"]
        texts: [allow in tcp ipv4 from 192.0.2.7 to any port 22, deny in tcp ipv4 from 192.0.2.0/24 to any port 22]
        explanation: "rules[1] (ssh) never decides a packet: rules[0] takes all of them, and acts otherwise."
        suggestion: "Move it before rules[0] if it is meant as an exception, else remove it."
        example:
          packet:
            direction: in
            protocol: tcp
            source: 192.0.2.7
            destination: 198.51.100.10
            source_port: 40000
            port: 22
            state: new
          text: in tcp 192.0.2.7:40000 -> 198.51.100.10:22 (new)
          decided_by: rules[0]
          action: denied
  contains:
    summary:
      description: The counts in one sentence.
      type: str
      returned: always
    text:
      description: All of it in lines for people.
      type: str
      returned: always
    conflicts:
      description: The conflicts, up to O(limit) of each kind.
      type: list
      elements: dict
      returned: always
    counts:
      description: How many there are of each kind that was looked for.
      type: dict
      returned: always
    undecided:
      description: What could not be told, each with C(rules), C(question) and C(reason).
      type: list
      elements: dict
      returned: always
    notes:
      description: What was not judged.
      type: list
      elements: str
      returned: always
semantic_diff:
  description: Which packets meet something else than before, as text and one by one, each with an example packet.
  returned: for the question V(diff)
  type: dict
  sample:
    count: 1
    complete: true
    text: "1 change\n  in tcp any -> any port 8080: denied (default (in)) -> allowed (rules[2])"
    changes:
      - kind: allowed
        before: denied
        after: allowed
        before_by: [default (in)]
        after_by: ["rules[2]"]
    notes: []
equivalent:
  description: Whether both policies do the same with every packet.
  returned: for the question V(equivalent)
  type: bool
  sample: false
difference:
  description: A packet with which they do not do the same, and what each does with it. Null when they are equivalent.
  returned: for the question V(equivalent)
  type: dict
  sample:
    what: "in tcp 203.0.113.10:40000 -> 198.51.100.10:8080 (new) is allowed by one policy and denied by the other"
    packet: {direction: in, protocol: tcp, port: 8080}
traces:
  description: What happens to each packet under each policy, and which rule decides.
  returned: for the question V(trace)
  type: list
  elements: dict
  sample:
    - policy: live
      verdict: deny
      outcome: denied
      decided_by: {place: default (in), action: deny}
      packet: {direction: in, protocol: tcp, source: 192.0.2.7, port: 5432, state: new}
      assumed: [direction, protocol, destination, interface, state, source_port]
      passed: []
      notes: []
      text: "in tcp 192.0.2.7:40000 -> 198.51.100.10:5432 (new): denied by default (in): denied"
lockout:
  description:
    - Whether the host can be reached under the policy. RV(ignore:needs) are the packets that were proved to pass, RV(ignore:refusal) is the
      first that does not.
  returned: for the question V(lockout)
  type: dict
  sample:
    safe: true
    needs: [allow in tcp ipv4 from 192.0.2.7 to any port 22]
    refusal:
parsed:
  description: The policies as documents with everything filled in, by their name (V(policy), V(other), V(live)).
  returned: for the question V(parse)
  type: dict
  sample:
    policy:
      defaults: {in: deny, out: allow, forward: deny}
      rules: [{action: allow, direction: in, protocol: tcp, port: [22]}]
      guard: []
live:
  description:
    - What was read of the live rules. RV(live.ours) tells whether they are a policy of this collection, RV(live.not_judged) names entries
      and lists that no answer takes into account.
  returned: for O(live=true) when they could be read
  type: dict
  sample: {ours: false, rules: 12, not_judged: ["inet filter input: meta skuid 0 accept"]}
  contains:
    ours:
      description: Whether they are a policy of this collection.
      type: bool
      returned: always
    rules:
      description: How many rules were read.
      type: int
      returned: always
    not_judged:
      description: What was left out, as the backend lists it.
      type: list
      elements: str
      returned: always
unanswered:
  description: The questions that could not be answered, each with its reason. When there is no other, the task fails.
  returned: always
  type: list
  elements: dict
  sample: [{question: diff, reason: Reading nftables rules needs root; add become true}]
notes:
  description: What the answers do not take into account.
  returned: always
  type: list
  elements: str
  sample: ["1 entries of the live rules were not judged; live.not_judged names them"]
backend:
  description: The firewall whose rules were read.
  returned: for O(live=true)
  type: str
  sample: nftables
detection:
  description: What was seen on the host, and why this backend was chosen.
  returned: for O(live=true)
  type: dict
  sample:
    backend: nftables
    reason: nftables is the first in the order macos, pf, ipfw, npf, nftables, iptables that holds rules
    saw: ["nftables: 1 base chain"]
place:
  description: Where in the options or in the document the mistake is.
  returned: when one of them does not say something valid
  type: str
  sample: policy.rules[3].protocol
found:
  description: What stands there.
  returned: with RV(place)
  type: str
  sample: "'tpc'"
allowed:
  description: What may stand there.
  returned: with RV(place)
  type: str
  sample: tcp, udp, icmp, icmpv6, sctp, esp, ah, gre, any, or a protocol number from 0 to 255
"""

from ansible_collections.holdfast.firewall.plugins.module_utils.kept_code import keep_code
from ansible_collections.holdfast.firewall.plugins.module_utils.state_folder import state_root


def main() -> None:
    """Run the module."""
    keep_code(state_root())  # before the imports that it speeds up
    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_request import parse_analyze_request
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_task import run_analyze
    from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import BACKENDS

    strings = {"type": "list", "elements": "str"}
    module = AnsibleModule(
        argument_spec={
            "policy": {"type": "raw"},
            "src": {"type": "str"},
            "other": {"type": "raw"},
            "other_src": {"type": "str"},
            "live": {"type": "bool", "default": False},
            "questions": dict(strings, choices=["parse", "conflicts", "diff", "equivalent", "trace", "lockout"]),
            "packet": {"type": "raw"},
            "kinds": dict(strings),
            "limit": {"type": "int", "default": 100},
            "guard": {"type": "bool"},
            "backend": {"type": "str", "choices": ["auto", *BACKENDS], "default": "auto"},
            "agent_ports": dict(strings),
        },
        mutually_exclusive=[("policy", "src"), ("other", "other_src")],
        supports_check_mode=True,
    )
    try:
        result = run_analyze(LocalHost(), parse_analyze_request(module.params))
    except HoldfastError as exc:
        module.fail_json(**exc.as_failure())
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
