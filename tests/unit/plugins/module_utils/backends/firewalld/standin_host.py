# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on paper with the stand-in of firewalld, and the steps of a change on it."""

from __future__ import annotations

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.backend import Firewalld as Backend
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.host import Host, Result
from ansible_collections.holdfast.firewall.tests.simulators.firewalld.standin_firewalld import Firewalld


class FirewalldHost(Host):
    """The files and commands of the stand-in."""

    def __init__(self, files=None):
        self.daemon = Firewalld(files)
        self.ran = []

    def run(self, argv, stdin=None, timeout=60.0):
        self.ran.append(" ".join(argv))
        return Result(*self.daemon.run(argv, stdin))

    def read(self, path):
        return self.daemon.files.get(path)

    def write(self, path, text, mode=0o600):
        self.daemon.files[path] = text

    def remove(self, path):
        self.daemon.files.pop(path, None)

    def exists(self, path):
        return path in self.daemon.files

    def which(self, program):
        return "/usr/sbin/" + program

    def is_root(self):
        return True

    def etc(self):
        """The files that an administrator sees."""
        return {path: text for path, text in self.daemon.files.items() if path.startswith("/etc/firewalld/")}


def carry_out(host, transaction):
    """Validate, apply and persist, as the change engine does; returns whether something changed."""
    backend = Backend(host)
    backend.validate(transaction)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    return bool(transaction.commands)


def put(host, policy, **words):
    """Put a policy in force, or remove it."""
    backend = Backend(host)
    return carry_out(host, backend.plan_policy(backend.read(), policy, **words))


def add(host, rule):
    """Make a rule present."""
    backend = Backend(host)
    ruleset = backend.read()
    placement = place_present(backend, ruleset, rule)
    return carry_out(host, backend.plan(ruleset, placement.edits)) if placement.edits else False


def drop(host, rule):
    """Make a rule absent."""
    backend = Backend(host)
    ruleset = backend.read()
    placement = place_absent(backend, ruleset, rule)
    return carry_out(host, backend.plan(ruleset, placement.edits)) if placement.edits else False
