#!/usr/bin/python
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module ``policy``: documentation and argument spec; the work is in ``module_utils.change.policy_task``."""

from __future__ import annotations

DOCUMENTATION = r"""
module: policy
short_description: Make a host enforce one whole firewall policy
version_added: 1.0.0
description:
  - Puts one document in force on a host in one call, whichever firewall the host runs. The document has rules in order, defaults,
    address sets, services, zones, address translation, logging and access for administrators. See the policy guide of this collection for
    every key.
  - First match decides. What no rule matches takes the default of its direction. Without a word about them, incoming and forwarded
    packets are denied and outgoing packets are allowed, in IPv4 and IPv6 alike.
  - The host has the old rules or the new ones, never a half. What other programs own (Docker, fail2ban, libvirt, Kubernetes) stays.
  - Before anything is touched the policy is proved to let the management access through, and is refused with the packet that proves the
    contrary. Then the host arms its own rollback, the change is applied at run time only, the control node opens a B(new) connection, and
    only when that works is the change made to last.
extends_documentation_fragment:
  - holdfast.firewall._attributes
  - holdfast.firewall._attributes.action
  - holdfast.firewall._attributes.actiongroup_host
  - holdfast.firewall._change
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The difference has two parts, the native text before and after, and which packets become allowed or denied.
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
      - The document, as a mapping or as a plain list of rules. Text is read as YAML or JSON, for ad-hoc commands.
      - One of O(policy) and O(src) is required for V(merged), V(replaced), V(overridden) and V(rendered).
    type: raw
  src:
    description:
      - Path of a YAML or JSON file on the control node with the document, perhaps from a vault. Relative paths are looked up like those of
        M(ansible.builtin.copy). It is not a template.
      - This is the fast way for large documents, since Ansible does not look for templates in them.
    type: str
  state:
    description:
      - V(replaced) makes what this collection keeps on the host exactly this document. Rules of administrators and other programs stay.
      - V(overridden) does the same and also removes the rules that administrators wrote, so that this document alone decides. What other
        programs own stays.
      - V(merged) puts the document into the policy that the host has. A rule that is there already stays where it is, a new one goes in
        front, and a default changes only when the document names it.
      - V(deleted) removes the policy.
      - V(gathered) returns the live policy as a document and changes nothing.
      - V(rendered) returns the document in the words of the backend. It needs no root and no running firewall when O(backend) is named.
      - V(parsed) returns the document that O(running_config) says.
    type: str
    choices: [merged, replaced, overridden, deleted, gathered, rendered, parsed]
    default: replaced
  running_config:
    description:
      - Native text for V(state=parsed), as V(rendered) writes it or as the backend lists its rules. O(backend) has to be named.
    type: str
  layout:
    description:
      - V(rules) writes one line a rule. V(compiled) writes sets, maps and trees, in which the cost of a packet does not grow with the
        number of rules. V(auto) keeps small policies readable and compiles large ones.
      - Before compiled rules are loaded they are read back and compared with the document.
    type: str
    choices: [auto, rules, compiled]
    default: auto
notes:
  - Every policy starts with rules that cannot be switched off. They pass loopback, known connections, neighbour discovery, the management
    ports, DHCP and DNS. RV(guard) shows them for V(state=gathered).
  - Where another program decides about forwarding (Docker, for example) and the document says nothing of it, forwarding is left to that
    program, and RV(notes) says so.
  - On Windows C(logging) switches the firewall's log on, which has everything that is dropped, and RV(notes) says so. It has no C(prefix)
    and no C(limit).
seealso:
  - module: holdfast.firewall.rule
  - module: holdfast.firewall.confirm
  - module: holdfast.firewall.analyze
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Let a web server answer the world and administrators
  holdfast.firewall.policy:
    policy:
      address_sets:
        admins: [192.0.2.0/24, "2001:db8:1::/48"]
      rules:
        - name: web
          action: allow
          port: [80, 443]
        - name: ssh from the administrators
          action: allow
          service: ssh
          source: "@admins"
        - name: ping
          action: allow
          service: ping
      logging:
        denied: true
        limit: 10/minute

- name: Put the document of a file in force
  holdfast.firewall.policy:
    src: policies/web.yml

- name: Show which packets a change of the document would allow or deny
  holdfast.firewall.policy:
    src: policies/web.yml
  check_mode: true
  diff: true

- name: Make this document the only one that decides
  holdfast.firewall.policy:
    src: policies/web.yml
    state: overridden

- name: A router with two interfaces
  holdfast.firewall.policy:
    policy:
      zones:
        lan: {interfaces: [eth1]}
        wan: {interfaces: [eth0]}
      rules:
        - {name: lan to the world, action: allow, direction: forward, from_zone: lan, to_zone: wan, protocol: any}
        - {name: web server, action: allow, direction: forward, from_zone: wan, destination: 192.0.2.80, port: 443}
      nat:
        - {name: share the address, type: masquerade, zone: wan, source: 192.0.2.0/24}
        - {name: web server, type: dnat, zone: wan, protocol: tcp, port: 443, to: 192.0.2.80}

- name: Add rules to whatever the host has
  holdfast.firewall.policy:
    state: merged
    policy:
      - {name: metrics, action: allow, port: 9100, source: 192.0.2.9}

- name: Read the live policy
  holdfast.firewall.policy:
    state: gathered
  register: live

- name: See the policy in the words of pf, without touching a host
  holdfast.firewall.policy:
    state: rendered
    backend: pf
    src: policies/web.yml
  delegate_to: localhost
  become: false

- name: Remove the policy
  holdfast.firewall.policy:
    state: deleted
"""

RETURN = r"""
msg:
  description: What was done, with the name of the backend.
  returned: always
  type: str
  sample: The policy is put in force (nftables)
backend:
  description: The backend that was used.
  returned: always
  type: str
  sample: nftables
detection:
  description: What was seen of each backend on the host, which was chosen and why.
  returned: always
  type: dict
  sample: {backend: nftables, reason: nftables is the first in the order macos, pf, ipfw, npf, nftables, iptables that holds rules, saw: []}
commands:
  description: The commands of the change. Of a long input the first 200 lines are shown.
  returned: always
  type: list
  elements: str
  sample: ["nft -f - <<EOF\nadd table inet holdfast\nEOF"]
notes:
  description: What is worth knowing about the change, such as lists of rules that also decide.
  returned: always
  type: list
  elements: str
  sample: ["forwarding is left to docker, since the document says nothing of it; set defaults.forward to decide it here"]
unsupported:
  description: What the backend cannot carry exactly, each with its place and the reason. The task fails then.
  returned: always
  type: list
  elements: dict
  sample: [{field: "rules[2].limit", value: 6/minute, reason: pf limits connections and not packets}]
before:
  description: The policy that was in force before, where there was one.
  returned: when something changes, with C(--diff) or for up to 200 rules
  type: dict
  sample: {defaults: {in: deny, out: allow, forward: deny}, rules: []}
after:
  description: The policy that is in force after the change, or would be; none after O(state=deleted).
  returned: when something changes, with C(--diff) or for up to 200 rules
  type: dict
  sample: {defaults: {in: deny, out: allow, forward: deny}, rules: []}
semantic_diff:
  description:
    - What changes for packets between the policies before and after, as C(text), and one by one in C(changes) with an example packet each.
      Rules outside of the policy are not compared, and the text says so where there are any.
  returned: when something changes, with C(--diff) or C(--check)
  type: dict
  sample: {count: 1, text: "1 change\n  in tcp any -> any port 443: denied (default (in)) -> allowed (rules[0] (web))"}
drift:
  description: That the live rules were changed by somebody else since this document was applied.
  returned: when that was found
  type: bool
  sample: true
lockout:
  description: The proof that the policy would cut off the management access, with the packet.
  returned: when the policy is refused for that
  type: dict
gathered:
  description: The live policy as a document, or nothing when the host has none of ours.
  returned: for O(state=gathered)
  type: dict
  sample: {defaults: {in: deny, out: allow, forward: deny}, rules: []}
guard:
  description: The rules that keep the host reachable, which stand before the rules of the document.
  returned: for O(state=gathered) and O(state=parsed)
  type: list
  elements: dict
  sample: [{action: allow, direction: in, protocol: any, interface: lo, comment: "holdfast: loopback"}]
listing:
  description: The live native text of the policy.
  returned: for O(state=gathered)
  type: str
  sample: "table inet holdfast {\n}"
rendered:
  description: The native text.
  returned: for O(state=rendered)
  type: str
  sample: "add table inet holdfast\n"
parsed:
  description: The document that the native text says.
  returned: for O(state=parsed)
  type: dict
  sample: {defaults: {in: deny, out: allow, forward: deny}, rules: []}
change:
  description: The identity of the change on the host.
  returned: when something was changed
  type: str
  sample: 20261121113045-1f0c9a7e
pending:
  description: That the change waits for its confirmation, and for how many seconds.
  returned: for O(confirm=manual)
  type: dict
  sample: {change: 20261121113045-1f0c9a7e, confirm_within: 300, timer: at}
proof:
  description: How it was proved that the host can still be reached.
  returned: when a change was confirmed
  type: str
  sample: a new ssh connection
persisted:
  description: The files that make the change last, and warnings about it.
  returned: when a change was confirmed
  type: list
  elements: str
  sample: [/etc/holdfast/nftables/holdfast.nft]
rolled_back:
  description: That the change was undone.
  returned: when it was
  type: bool
  sample: true
identical:
  description: Whether the rules after the rollback are, byte by byte, those from before the change.
  returned: after a rollback
  type: bool
  sample: true
rc:
  description: V(31) when no rollback timer can be armed on the host.
  returned: in that case
  type: int
  sample: 31
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
waiting:
  description: The identity of the change for which this task would have to wait; nothing was changed.
  returned: when another change of the host waits for its confirmation
  type: str
  sample: 20261121113045-1f0c9a7e
"""

from ansible_collections.holdfast.firewall.plugins.module_utils.kept_code import keep_code
from ansible_collections.holdfast.firewall.plugins.module_utils.state_folder import state_root


def main() -> None:
    """Run the module."""
    keep_code(state_root())  # before the imports that it speeds up
    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.holdfast.firewall.plugins.module_utils.change.module_task import argument_spec, finish
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_task import run_policy
    from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy_request import parse_policy_request

    module = AnsibleModule(
        argument_spec=argument_spec(
            {
                "policy": {"type": "raw"},
                "src": {"type": "str"},
                "state": {
                    "type": "str",
                    "choices": ["merged", "replaced", "overridden", "deleted", "gathered", "rendered", "parsed"],
                    "default": "replaced",
                },
                "running_config": {"type": "str"},
                "layout": {"type": "str", "choices": ["auto", "rules", "compiled"], "default": "auto"},
            }
        ),
        mutually_exclusive=[("policy", "src")],
        supports_check_mode=True,
    )
    finish(module, lambda: run_policy(LocalHost(), parse_policy_request(module.params), module.check_mode, bool(module._diff)))


if __name__ == "__main__":
    main()
