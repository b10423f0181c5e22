#!/usr/bin/python
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module ``rule``: documentation and argument spec; the work is in ``module_utils.change.rule_task``."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rule
short_description: Make one firewall rule present or absent on any host
version_added: 1.0.0
description:
  - Writes one rule of a common language in the words of the firewall that the host runs, whichever that is.
  - A rule is matched by its content, never by its position. A host that is already right is not changed.
  - V(state=present) guarantees the effect. The rule goes where it decides, also between rules that somebody else wrote, and
    RV(placement) says where that is.
  - A change cannot lock you out for longer than O(confirm_within). The host arms its own rollback first, then the change is applied at
    run time only, then the control node opens a B(new) connection. Only when that works is the change made to last.
  - A task that cut itself off waits for the rollback, connects again and fails with an account of what happened.
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
  idempotent:
    support: full
  platform:
    support: full
    platforms: Linux, FreeBSD, OpenBSD, NetBSD, macOS, Windows
  action:
    support: full
options:
  state:
    description:
      - V(present) adds the rule once, where it decides. V(absent) removes the first match in each list of rules.
      - A firewall that is off is not switched on by a rule where that would put anything else into force. An O(action=allow) is written for
        later then, as the message says, and other actions are refused. Switch it on with M(holdfast.firewall.backend).
      - V(check) lists the live rules, raw and in the common language, and changes nothing.
      - V(flush) removes all rules of the backend. Rules of other programs (Docker, fail2ban, Kubernetes and the like) stay, and a list that
        denies by default keeps its management ports, see RV(skipped_preserved_ports).
    type: str
    choices: [present, absent, check, flush]
    default: present
  action:
    description:
      - What happens to a packet that matches. V(deny) drops it in silence, V(reject) answers with a TCP reset or an ICMP error.
      - Required for O(state=present) and O(state=absent), unless O(native) has rules for the backend.
    type: str
    choices: [allow, deny, reject]
  protocol:
    description:
      - V(tcp), V(udp), V(icmp), V(icmpv6), V(sctp), V(esp), V(ah), V(gre), V(any), or a protocol number from 0 to 255.
    type: str
    default: tcp
  port:
    description:
      - Destination port, or several, from 1 to 65535. Only with V(tcp), V(udp) and V(sctp).
      - Mutually exclusive with O(port_range).
    type: list
    elements: str
  port_range:
    description:
      - Range of destination ports such as V(8000-8080), or several. C(N-N) is a single port.
    type: list
    elements: str
  source_port:
    description:
      - The port that packets come from, or several, as numbers and ranges such as V(1024-65535) side by side. Only with V(tcp), V(udp) and
        V(sctp).
    type: list
    elements: str
  icmp_type:
    description:
      - ICMP types, by number from 0 to 255 or by name. Only with O(protocol=icmp) and O(protocol=icmpv6).
      - Names of V(icmp) are V(echo-request), V(echo-reply), V(destination-unreachable), V(source-quench), V(redirect),
        V(router-advertisement), V(router-solicitation), V(time-exceeded), V(parameter-problem), V(timestamp-request),
        V(timestamp-reply), V(address-mask-request) and V(address-mask-reply).
      - Names of V(icmpv6) are V(echo-request), V(echo-reply), V(destination-unreachable), V(packet-too-big), V(time-exceeded),
        V(parameter-problem), V(mld-query), V(mld-report), V(mld-done), V(mldv2-report), V(router-solicitation), V(router-advertisement),
        V(neighbor-solicitation), V(neighbor-advertisement) and V(redirect).
      - The same name is another number in each of the two, so each protocol needs a rule of its own. V(ping) is V(echo-request).
    type: list
    elements: str
  source:
    description:
      - Addresses, networks or ranges C(FIRST-LAST), V(any), or C(@NAME) of a set in O(address_sets).
      - A word with V(!) before it is taken out of the others. Where there are only such words, every other address of their family
        matches.
      - All words of a rule are of one address family. Host names are not looked up.
    type: list
    elements: str
    default: [any]
  destination:
    description:
      - Like O(source), for the destination.
    type: list
    elements: str
    default: [any]
  family:
    description:
      - Restricts a rule without addresses to one address family.
    type: str
    choices: [any, ipv4, ipv6]
    default: any
  interface:
    description:
      - The interface on which a packet arrives (O(direction=in), O(direction=forward)) or leaves (O(direction=out)).
    type: str
  out_interface:
    description:
      - The interface by which a forwarded packet leaves. Only with O(direction=forward).
    type: str
  program:
    description:
      - The absolute path of the program that the packet is for or comes from. Windows and the application firewall of macOS only; other
        backends refuse it.
    type: str
  system_service:
    description:
      - The short name of the Windows service that the packet is for, for example V(TermService). Windows only.
    type: str
  profile:
    description:
      - The network profiles of Windows for which the rule counts, of V(domain), V(private) and V(public). Without it the rule counts for
        all of them. Windows only.
    type: list
    elements: str
  direction:
    description:
      - V(in) to the host, V(out) from the host, V(forward) through the host.
    type: str
    choices: [in, out, forward]
    default: in
  stateful:
    description:
      - With O(action=allow), also passes the replies of the connections that the rule lets in.
      - With V(deny) and V(reject), only new connections are stopped.
    type: bool
    default: false
  limit:
    description:
      - The rule matches at most this often, for example V(6/minute). What is above falls through to the next rule.
    type: str
  limit_burst:
    description:
      - How many packets pass before O(limit) counts. The default is 5.
    type: int
  limit_per:
    description:
      - Whether O(limit) has one count for the rule or one for each source address.
    type: str
    choices: [rule, source]
    default: rule
  log:
    description:
      - Logs matching packets, then the action is taken.
    type: bool
    default: false
  log_prefix:
    description:
      - Text before each log line. Printable ASCII without quotes and backslashes.
    type: str
  log_limit:
    description:
      - At most so many log lines, for example V(3/minute). The action is not limited by it.
    type: str
  comment:
    description:
      - A note that is kept with the rule where the backend can. It is no part of what makes two rules the same.
      - A backend that keeps notes refuses one that it cannot write, such as one with double quotes with nftables.
    type: str
  address_sets:
    description:
      - Named lists of addresses for O(source) and O(destination). A list may name other sets.
    type: dict
  native:
    description:
      - Raw rules by backend, one a line, for what the common language cannot say. They take precedence over the common options on a host
        with that backend.
    type: dict
  dry_run:
    description:
      - Returns the native form of the rule and stops. Needs no root and, with O(backend), no firewall.
    type: bool
    default: false
seealso:
  - module: holdfast.firewall.confirm
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Let everybody reach the web server
  holdfast.firewall.rule:
    action: allow
    port: [80, 443]
    stateful: true

- name: Let SSH in from the office only, and log it
  holdfast.firewall.rule:
    action: allow
    port: 22
    source: "@office"
    stateful: true
    log: true
    log_prefix: "ssh "
    comment: SSH from the office
    address_sets:
      office: [192.0.2.0/24, 198.51.100.7]

- name: Show how a rule would read on OpenBSD or FreeBSD, from any machine
  holdfast.firewall.rule:
    action: deny
    port_range: 8000-8080
    backend: pf
    dry_run: true

- name: Stop a host from sending mail by itself
  holdfast.firewall.rule:
    action: reject
    direction: out
    port: 25

- name: Answer pings from the monitoring network
  holdfast.firewall.rule:
    action: allow
    protocol: icmp
    icmp_type: echo-request
    source: 192.0.2.0/24

- name: Pass web traffic from the inner to the outer network
  holdfast.firewall.rule:
    action: allow
    direction: forward
    interface: eth1
    out_interface: eth0
    port: [80, 443]
    stateful: true

- name: Take time only from servers that answer from their own port
  holdfast.firewall.rule:
    action: allow
    protocol: udp
    port: 123
    source_port: 123

- name: Remove a rule, whatever its place in the list is
  holdfast.firewall.rule:
    state: absent
    action: allow
    port: 8080

- name: Say in the firewall's own words what the common language cannot
  holdfast.firewall.rule:
    native:
      nftables: ct state invalid drop
      pf: antispoof quick for egress

- name: Change a rule, look for yourself, and confirm in a second step
  holdfast.firewall.rule:
    action: deny
    port: 5432
    confirm: manual
    confirm_within: 300

- name: List what the host enforces
  holdfast.firewall.rule:
    state: check
  register: live
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: Firewall rule added (nftables)
backend:
  description: The firewall that was worked with.
  returned: when it was found
  type: str
  sample: nftables
detection:
  description: What was seen on the host, and why this backend was chosen.
  returned: when it was found
  type: dict
  sample:
    backend: nftables
    reason: nftables is the first in the order macos, pf, ipfw, npf, nftables, iptables that holds rules
    saw: ["nftables: 1 base chain"]
rule:
  description: The rule in the backend's own words, several lines where it takes several.
  returned: for O(state=present) and O(state=absent)
  type: str
  sample: tcp dport 80 ct state established,new accept
rules:
  description: The live rules, as the backend lists them.
  returned: for O(state=check)
  type: list
  elements: str
  sample: ["tcp dport 22 accept"]
parsed:
  description:
    - The same rules with their chain, and as RV(ignore:rule) in the common language where they can be expressed in it. RV(ignore:native) is
      always there. RV(ignore:lasts) is false for what goes with the next boot (firewalld); else it is not there.
  returned: for O(state=check)
  type: list
  elements: dict
  sample:
    - chain: inet filter input
      native: ["tcp dport 22 accept"]
      rule: {action: allow, direction: in, protocol: tcp, port: [22]}
listing:
  description: The whole live ruleset as text.
  returned: for O(state=check)
  type: str
  sample: "table inet filter {..."
status:
  description: Facts of the backend, such as its version and whether it is enabled.
  returned: for O(state=check)
  type: dict
  sample: {version: "1.0.6"}
commands:
  description: The commands that make the change, or the native lines of a dry run.
  returned: always
  type: list
  elements: str
  sample: ["nft -f - <<EOF\nadd rule inet holdfast input tcp dport 80 accept\nEOF"]
placement:
  description:
    - Where the rule is. RV(ignore:before) are entries that decided otherwise and that the rule went before, so that they no longer do.
      RV(ignore:exceptions) are entries in front of it that still decide a part of its packets otherwise. RV(ignore:not_judged) are entries
      in front of it that the common language cannot express.
  returned: for O(state=present) and O(state=absent)
  type: dict
  sample: {where: ["inet filter input, at the end"], before: [], exceptions: [], blocked_by: [], not_judged: []}
parsed_rule:
  description: The rule in the common language, all defaults filled in.
  returned: for a dry run
  type: dict
  sample: {action: deny, protocol: tcp, port_range: ["8000-8080"]}
diff:
  description: The live rules before and after, as the backend lists them.
  returned: when something changes
  type: dict
  sample: {before: "", after: "tcp dport 80 accept\n"}
unsupported:
  description: Conditions that the backend cannot carry exactly. Such a rule is refused, and nothing is changed.
  returned: always when the backend was found
  type: list
  elements: dict
  sample: [{field: limit, value: 6/minute, reason: pf has no packet rate on this system}]
skipped_preserved_ports:
  description: Management ports that were kept open against the wording of the task.
  returned: always when the backend was found
  type: list
  elements: str
  sample: [22/tcp]
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
  sample: rule.port[1]
found:
  description: What stands there.
  returned: with RV(place)
  type: str
  sample: "70000"
allowed:
  description: What may stand there.
  returned: with RV(place)
  type: str
  sample: a port number from 1 to 65535, or several as a list
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

    from ansible_collections.holdfast.firewall.plugins.module_utils.change.module_task import STRINGS, argument_spec, finish
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.rule_task import run_rule
    from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import parse_request

    module = AnsibleModule(
        argument_spec=argument_spec(
            {
                "state": {"type": "str", "choices": ["present", "absent", "check", "flush"], "default": "present"},
                "action": {"type": "str", "choices": ["allow", "deny", "reject"]},
                "protocol": {"type": "str", "default": "tcp"},
                "port": dict(STRINGS),
                "port_range": dict(STRINGS),
                "source_port": dict(STRINGS),
                "icmp_type": dict(STRINGS),
                "source": dict(STRINGS, default=["any"]),
                "destination": dict(STRINGS, default=["any"]),
                "family": {"type": "str", "choices": ["any", "ipv4", "ipv6"], "default": "any"},
                "interface": {"type": "str"},
                "out_interface": {"type": "str"},
                "program": {"type": "str"},
                "system_service": {"type": "str"},
                "profile": dict(STRINGS),
                "direction": {"type": "str", "choices": ["in", "out", "forward"], "default": "in"},
                "stateful": {"type": "bool", "default": False},
                "limit": {"type": "str"},
                "limit_burst": {"type": "int"},
                "limit_per": {"type": "str", "choices": ["rule", "source"], "default": "rule"},
                "log": {"type": "bool", "default": False},
                "log_prefix": {"type": "str"},
                "log_limit": {"type": "str"},
                "comment": {"type": "str"},
                "address_sets": {"type": "dict"},
                "native": {"type": "dict"},
                "dry_run": {"type": "bool", "default": False},
            }
        ),
        mutually_exclusive=[("port", "port_range")],
        supports_check_mode=True,
    )
    finish(module, lambda: run_rule(LocalHost(), parse_request(module.params), module.check_mode))


if __name__ == "__main__":
    main()
