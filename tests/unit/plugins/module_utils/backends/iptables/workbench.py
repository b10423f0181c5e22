# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as one finds them, and the steps of a change as the change engine takes them."""

from __future__ import annotations

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule

DOCKER = """\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:f2b-sshd - [0:0]
:MINE - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "my ssh" -j ACCEPT
-A INPUT -p tcp -j MINE
-A INPUT -p icmp -m icmp --icmp-type 8 -m limit --limit 5/sec -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -j DOCKER-USER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 8080 -j DROP
-A DOCKER-USER -j RETURN
-A f2b-sshd -s 203.0.113.9/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
-A MINE -p tcp -m tcp --dport 8443 -j ACCEPT
COMMIT
"""


def rule(**words):
    return parse_rule({"action": "allow", **words})


def change(backend, edits):
    """Plan, check, apply; return the snapshot and what was listed before and after."""
    ruleset = backend.read()
    transaction = backend.plan(ruleset, edits(ruleset) if callable(edits) else edits)
    return carry_out(backend, ruleset, transaction)


def carry_out(backend, ruleset, transaction):
    backend.validate(transaction)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    assert backend.read().listing == transaction.after
    return snapshot, ruleset


def present(backend, one):
    return change(backend, lambda ruleset: place_present(backend, ruleset, one).edits)


def absent(backend, one):
    return change(backend, lambda ruleset: place_absent(backend, ruleset, one).edits)


def restore(host, snapshot):
    """Run the restore script as the timer would."""
    for name, text in snapshot.files.items():
        (host.folder / name).write_text(text)
    (host.folder / "rules.sh").write_text(snapshot.script)
    return host.run(["sh", "-c", "DIR=%s; . $DIR/rules.sh" % host.folder])
