# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``policy`` on the target: read, prove, and either say what would change or begin the change.

Touches the host only through the backend and ``begin``; check mode and the states that only read change nothing.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import replace

from ..backends.base import Backend, Transaction
from ..backends.detect import Detection
from ..backends.mac_choice import Asked
from ..backends.ruleset import Ruleset
from ..host import Host
from ..policy.addresses import Addresses
from ..policy.document import parse_policy_document
from ..policy.errors import HoldfastError
from ..policy.merging import merge
from ..policy.policy import Policy
from ..policy.policy_request import PolicyRequest
from .engine import Engine
from .management import Management
from .policy_guard import needs, with_access, with_guard
from .policy_record import compare_record, document_digest, forget_record, write_record
from .told_change import live_diff, told_commands

Fields = t.Dict[str, t.Any]

#: The port of SSH in text of which the host is not known.
SSH_PORT = 22
#: Policies of up to this many rules are returned whole as before and after.
SHOWN_RULES = 200


def run_policy(
    host: Host, request: PolicyRequest, check_mode: bool = False, diff_mode: bool = False, engine: t.Optional[Engine] = None
) -> Fields:
    """Carry out one task and return its result; a result with ``pending`` is applied but not confirmed.

    ``engine`` is for a machine that is changed from the control node.

    :raises HoldfastError: for everything that ends the task with a message.
    """
    engine = engine or Engine(host)
    detection = engine.detect(request.backend, lambda: _asked(request))
    task = _Task(engine, request, detection, check_mode, diff_mode)
    if request.state == "rendered":
        return task.rendered()
    if request.state == "parsed":
        return task.parsed()
    engine.require_rights("Reading and changing %s rules" % detection.backend.NAME, detection.backend.NAME)
    return task.gathered() if request.state == "gathered" else task.changed()


def _asked(request: PolicyRequest) -> Asked:
    """Return what a document is about, for a host where that chooses the firewall."""
    if request.document is None:
        return Asked()
    policy = parse_policy_document(request.document)[0]
    return Asked(policy.rules, policy.native)


class _Task:
    """The parts of one run; each public method is one kind of state."""

    def __init__(self, engine: Engine, request: PolicyRequest, detection: Detection, check_mode: bool, diff_mode: bool) -> None:
        self.engine = engine
        self.host = engine.host
        self.request = request
        self.backend: Backend = detection.backend
        self.check_mode = check_mode
        self.diff_mode = diff_mode
        self.notes: t.List[str] = []
        self.result: Fields = {
            "changed": False, "backend": self.backend.NAME, "detection": detection.as_dict(), "commands": [], "unsupported": [],
            "notes": self.notes,
        }  # fmt: skip

    def rendered(self) -> Fields:
        """Return the native text; needs no root and no live firewall."""
        wanted = self._wanted(self.request.read(), self.engine.find_management(self.request.agent_ports), None)
        text = self.backend.render_policy(wanted, self.request.layout)
        self.notes.extend(self.backend.remarks(wanted))
        self._done("The policy is rendered for %s" % self.backend.NAME)
        self.result["rendered"] = text
        return self.result

    def parsed(self) -> Fields:
        """Return the document that native text says."""
        policy = with_access(self.backend.parse_policy(self.request.running_config or ""), (SSH_PORT,))
        self._done("The text is parsed as %s" % self.backend.NAME)
        self.result.update(parsed=policy.as_dict(), guard=[rule.as_dict() for rule in policy.guard])
        return self.result

    def gathered(self) -> Fields:
        """Return the live policy as a document."""
        self._note_pending()
        ruleset = self.backend.read()
        policy = self.backend.read_policy(ruleset)
        if policy is not None:
            own = self.engine.find_management(())
            policy = with_access(policy, (*own.ssh_ports, *own.agent_ports))
        self.result["gathered"] = policy.as_dict() if policy is not None else None
        self.result["guard"] = [rule.as_dict() for rule in policy.guard] if policy is not None else []
        self.result["listing"] = self.backend.own_listing(ruleset)
        word = "The live policy is gathered" if policy is not None else "There is no policy of ours"
        self._done("%s (%s)" % (word, self.backend.NAME))
        return self.result

    def changed(self) -> Fields:
        """Make the host enforce the document, or nothing of ours."""
        if self.check_mode:
            self._note_pending()
        else:
            self.engine.settle_leftovers()
            self.engine.refuse_beside_pending()
        management = self.engine.find_management(self.request.agent_ports)
        whole = self.request.state == "overridden"
        document = document_digest(
            {
                "document": self.request.document, "state": self.request.state, "layout": self.request.layout,
                "ports": [management.ssh_ports, management.agent_ports],
            }
        )  # fmt: skip
        record = self.engine.record_path()
        known = compare_record(self.host, self.backend, document, whole, record)
        if known == "same":
            self._done("The policy is in force already (%s)" % self.backend.NAME)
            return self.result
        policy = self.request.read() if self.request.state != "deleted" else None
        ruleset = self.backend.read()
        before = self._live_policy(ruleset, management)
        wanted = self._wanted(policy, management, before[0], ruleset) if policy is not None else None
        if wanted is not None:
            self._prove(wanted, management)
        transaction = self.backend.plan_policy(ruleset, wanted, self.request.layout, alone=whole)
        if not transaction.commands:
            if not self.check_mode:
                if wanted is not None:
                    write_record(self.host, self.backend, document, whole, record)
                else:
                    forget_record(self.host, record)
            word = "The policy is in force already" if wanted is not None else "There is no policy of ours"
            self._done("%s (%s)" % (word, self.backend.NAME))
            return self.result
        if known == "drifted":
            self.result["drift"] = True
            self.notes.append("the live rules were changed since this document was applied; that is undone")
        self._tell(ruleset, before, wanted, transaction)
        if self.check_mode:
            self.backend.validate(transaction)
            return self.result
        facts = dict(transaction.persist, policy_record={"document": document, "whole": whole} if wanted is not None else {})
        pending = self.engine.begin(
            self.backend, ruleset, replace(transaction, persist=facts), self.request.confirm_within, self.request.confirm == "auto"
        )
        self.result["pending"] = pending
        return self.result

    def _note_pending(self) -> None:
        for identity in self.engine.waiting():
            self.notes.append(
                "change %s waits for its confirmation (holdfast.firewall.confirm); without it these rules are undone" % identity
            )

    # -- parts ----------------------------------------------------------------------------------------------------------------

    def _wanted(self, policy: Policy, management: Management, live: t.Optional[Policy], ruleset: t.Optional[Ruleset] = None) -> Policy:
        """Return the policy for this host, guard included.

        :raises HoldfastError: when the backend cannot carry it exactly.
        """
        named = [direction for direction in policy.defaults if self.request.names_default(direction)]
        if self.request.state == "merged" and live is not None:
            policy = merge(live, policy, named)
        elif ruleset is not None and "forward" not in named:
            policy = self._leave_forwarding(policy, ruleset)
        wanted = with_guard(policy, management, self.backend.untracked_icmp)
        unsupported = self.backend.policy_unsupported(wanted, self.request.layout)
        if unsupported:
            raise HoldfastError(
                "%s cannot carry this policy exactly, so nothing was changed: %s"
                % (self.backend.NAME, "; ".join("%s (%s): %s" % (one.field, one.value, one.reason) for one in unsupported[:10])),
                unsupported=[one.as_dict() for one in unsupported], backend=self.backend.NAME,
            )  # fmt: skip
        return wanted

    def _leave_forwarding(self, policy: Policy, ruleset: Ruleset) -> Policy:
        """Leave forwarding alone where another program decides about it and the document says nothing of it."""
        owners = sorted({
            str(chain.owner) for chain in ruleset.chains if "forward" in chain.directions and chain.owner not in (None, "holdfast")
        })  # fmt: skip
        if not owners or any(rule.direction == "forward" for rule in policy.rules):
            return policy
        self.notes.append(
            "forwarding is left to %s, since the document says nothing of it; set defaults.forward to decide it here" % ", ".join(owners)
        )
        return replace(policy, defaults=dict(policy.defaults, forward="unmanaged"))

    def _live_policy(self, ruleset: Ruleset, management: Management) -> t.Tuple[t.Optional[Policy], str]:
        """Return the live policy of ours, and why it could not be read as one where it could not."""
        try:
            live = self.backend.read_policy(ruleset)
            return (with_access(live, management.ssh_ports) if live is not None else None), ""
        except HoldfastError as exc:
            if self.request.state == "merged":
                raise HoldfastError(
                    "The live rules of ours were changed in a way that the common language cannot say, so nothing can be merged into them "
                    "without losing it: %s. Use state: replaced to go back to a document" % exc.msg
                ) from exc
            self.notes.append("the live rules of ours could not be read as a policy: %s" % exc.msg)
            return None, exc.msg

    def _prove(self, wanted: Policy, management: Management) -> None:
        """Refuse a policy that would cut the management access off.

        :raises HoldfastError: with the reason and the packet that proves it.
        """
        from ..analysis.lockout import prove_access

        refusal = prove_access(wanted, needs(wanted, management))
        if refusal is not None:
            raise HoldfastError(
                "This policy would lock you out, so nothing was changed: %s%s" % (refusal.sentence, _way_in(wanted, management)),
                lockout=refusal.as_dict(),
                backend=self.backend.NAME,
            )
        lines = wanted.native.get(self.backend.NAME)
        if lines is not None and lines.before:
            self.notes.append("native lines before the rules are not judged by the lockout proof; the new connection judges them")

    def _tell(
        self, ruleset: Ruleset, before: t.Tuple[t.Optional[Policy], str], wanted: t.Optional[Policy], transaction: Transaction
    ) -> None:
        verb = "would be" if self.check_mode else "is"
        what = {
            "merged": "merged into what is there", "replaced": "put in force", "overridden": "put in force alone", "deleted": "removed",
        }  # fmt: skip
        self.result.update(changed=True, commands=told_commands(transaction))
        self._done("The policy %s %s (%s)" % (verb, what[self.request.state], self.backend.NAME))
        others = [
            chain.name for chain in ruleset.chains
            if chain.base and chain.owner is None and not chain.missing and (chain.entries or chain.default != "allow")
        ]  # fmt: skip
        beside = bool(others) and not self.backend.ACCEPT_IS_FINAL and self.request.state != "overridden"
        self.notes.extend(self.backend.remarks(wanted) if wanted is not None else ())
        told = self.backend.beside(ruleset, self.request.state == "overridden") if wanted is not None else None
        self.notes.extend(told or ())
        if beside and wanted is not None and told is None:
            self.notes.append("these lists of the administrator also decide: %s (state: overridden empties them)" % ", ".join(others[:10]))
        if self.diff_mode or self.check_mode:
            self.result["semantic_diff"] = self._semantic(before, wanted, beside)
        if self.diff_mode:
            self.result["diff"] = [
                live_diff(self.backend, ruleset, transaction),
                {"prepared": self.result["semantic_diff"]["text"] + "\n"},
            ]  # fmt: skip
        for name, policy in (("before", before[0]), ("after", wanted)):
            if policy is not None and (self.diff_mode or len(policy.rules) <= SHOWN_RULES):
                self.result[name] = policy.as_dict()

    def _semantic(self, before: t.Tuple[t.Optional[Policy], str], wanted: t.Optional[Policy], beside: bool) -> Fields:
        """Return what changes for packets, and say what was not compared, so that nobody takes a part for the whole."""
        from ..analysis.semantic_diff import semantic_diff

        if before[1]:
            return {"text": "what changes for packets cannot be said: %s" % before[1]}
        open_host = Policy(defaults={"in": "unmanaged", "out": "unmanaged", "forward": "unmanaged"})
        try:
            found = semantic_diff(*(self.backend.policy_as_kept(self._own_native(policy or open_host)) for policy in (before[0], wanted)))
        except HoldfastError as exc:
            return {"text": exc.msg}
        notes = list(found.notes)
        if found.empty:
            notes.append("compared is the policy alone: its form, its place or rules outside of it change, see the commands")
        if self.request.state == "overridden":
            notes.append("what the rules outside of the policy did, which are removed, is not compared")
        elif beside:
            notes.append("the lists of the administrator also decide and are not compared")
        return replace(found, notes=tuple(notes)).as_dict()

    def _own_native(self, policy: Policy) -> Policy:
        """Return the policy with the native lines of this backend only; the others are not for this host."""
        own = self.backend.NAME
        return replace(policy, native={name: lines for name, lines in policy.native.items() if name == own})

    def _done(self, message: str) -> None:
        self.result["msg"] = message
        if self.request.warnings:
            self.result["warnings"] = list(self.request.warnings)


def _way_in(wanted: Policy, management: Management) -> str:
    """Return the next step for somebody whom the sources of management leave out, else nothing."""
    sources: t.Sequence[Addresses] = wanted.management.sources
    if not sources or management.client is None:
        return ""
    client = ipaddress.ip_address(management.client)
    if any(client in network for one in sources for network in one.networks if network.version == client.version):
        return ""
    return ". Put %s, from where this session comes, into management.sources" % client
