# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole task of ``policy``: its document, its state, and how the change is confirmed.

Pure: touches nothing. The control node reads it before it opens a connection, the target reads it again.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .bounds import check_bounds
from .document import parse_policy_document
from .errors import PolicyError
from .json_text import from_json_text
from .parse import check_keys, parse_choice, parse_single_ports
from .policy import Policy
from .request import BACKENDS, CONFIRM, DEFAULT_WINDOW, parse_window

STATES = ("merged", "replaced", "overridden", "deleted", "gathered", "rendered", "parsed")
NEED_POLICY = frozenset({"merged", "replaced", "overridden", "rendered"})
LAYOUTS = ("auto", "rules", "compiled")
OPTIONS = ("policy", "src", "state", "backend", "layout", "running_config", "agent_ports", "confirm", "confirm_within")


@dataclass(frozen=True)
class PolicyRequest:
    """What one task of ``policy`` asks for.

    :ivar document: the document as it was given; parsed by ``read`` only where that is needed.
    :ivar running_config: native text for ``parsed``.
    :ivar agent_ports: TCP ports of agents that are kept open like SSH.
    :ivar confirm_within: seconds until the target restores the old rules by itself.
    """

    state: str
    document: t.Any = None
    backend: str = "auto"
    layout: str = "auto"
    running_config: t.Optional[str] = None
    agent_ports: t.Tuple[int, ...] = ()
    confirm: str = "auto"
    confirm_within: int = DEFAULT_WINDOW
    warnings: t.List[str] = field(default_factory=list)

    def read(self) -> Policy:
        """Parse the document; its warnings are added to ``warnings``.

        :raises PolicyError: at the first thing that is not valid, with its exact place.
        """
        policy, warnings = parse_policy_document(self.document)
        self.warnings.extend(warnings)
        return policy

    def names_default(self, direction: str) -> bool:
        """Return whether the document itself says the default of a direction."""
        defaults = self.document.get("defaults") if isinstance(self.document, t.Mapping) else None
        return isinstance(defaults, t.Mapping) and defaults.get(direction) is not None


def parse_policy_request(args: t.Any) -> PolicyRequest:
    """Read the arguments of a task; the document itself is parsed by ``PolicyRequest.read``.

    :raises PolicyError: at the first argument that is not valid; nothing has been touched.
    """
    check_keys(args, OPTIONS, "policy task")
    given = {key: value for key, value in args.items() if value is not None}
    state = parse_choice(given.get("state", "replaced"), STATES, "state")
    document = _document(given.get("policy"))
    if state in NEED_POLICY and document is None:
        raise PolicyError("policy", "(nothing)", "a policy document", "state %s needs policy, or src with the path of a file" % state)
    if state not in NEED_POLICY and document is not None:
        raise PolicyError("policy", "(a document)", "no document with state %s" % state, "leave policy and src out")
    backend = parse_choice(given.get("backend", "auto"), ("auto", *BACKENDS), "backend")
    running = given.get("running_config")
    if state == "parsed":
        if not isinstance(running, str) or not running.strip():
            raise PolicyError(
                "running_config",
                "(nothing)" if running is None else running,
                "native text, as the backend lists its rules",
                "state parsed reads this text",
            )
        if backend == "auto":
            raise PolicyError("backend", backend, ", ".join(BACKENDS), "state parsed has to know whose text this is")
    elif running is not None:
        raise PolicyError("running_config", "(text)", "only with state parsed")
    return PolicyRequest(
        state=state,
        document=document,
        backend=backend,
        layout=parse_choice(given.get("layout", "auto"), LAYOUTS, "layout"),
        running_config=running,
        agent_ports=parse_single_ports(given.get("agent_ports"), "agent_ports"),
        confirm=parse_choice(given.get("confirm", "auto"), CONFIRM, "confirm"),
        confirm_within=parse_window(given.get("confirm_within", DEFAULT_WINDOW), "confirm_within"),
    )


def _document(value: t.Any) -> t.Any:
    """Return the document; text (an ad-hoc task has nothing else) is read as JSON."""
    document = from_json_text(value, "policy", "a mapping, a list of rules, or the same as JSON text")
    if document is value:
        check_bounds(value, "policy")
    return document
