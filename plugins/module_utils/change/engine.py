# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task needs of the machine whose rules it changes, beside the firewall: its ports, its pending changes, its rollback.

``Engine`` is for the machine that the task runs on. A machine that is changed from the control node (Windows) has a subclass.
"""

from __future__ import annotations

import typing as t

from ..backends.base import Backend, Transaction
from ..backends.detect import Detection, detect
from ..backends.mac_choice import Asked, choose_on_mac
from ..backends.ruleset import Ruleset
from ..host import Host
from ..policy.errors import HoldfastError
from .begin import begin, refuse_beside_pending, settle_leftovers
from .management import Management, find_management
from .pending import Pending
from .policy_record import record_path


class Engine:
    """The machine that the task runs on."""

    #: What reading and changing rules takes, and how a user gets it.
    RIGHTS = "root; add become: true (or -b)"

    def __init__(self, host: Host) -> None:
        self.host = host

    def detect(self, wanted: str, asked: t.Callable[[], Asked] = Asked) -> Detection:
        """Return the backend that decides on this machine; see ``detect``. ``asked`` says what it is for, where there are two (macOS)."""
        chosen = choose_on_mac(self.host, asked) if wanted == "auto" else None
        return chosen if chosen is not None else detect(self.host, wanted)

    def find_management(self, agent_ports: t.Sequence[int]) -> Management:
        """Return what has to stay open; see ``find_management``."""
        return find_management(self.host, agent_ports)

    def unproved_ports(self) -> t.Iterable[int]:
        """Return ports of TCP by which administrators come in, and which the new connection after a change does not try."""
        return ()

    def require_rights(self, what: str, backend: str) -> None:
        """Refuse to go on without the rights to read and change rules.

        :param what: what needs them, a sentence's begin.
        :raises HoldfastError: in that case.
        """
        if not self.host.is_root():
            raise HoldfastError("%s needs %s" % (what, self.RIGHTS), backend=backend)

    def settle_leftovers(self) -> None:
        """Tidy up what an interrupted run left, before rules are read."""
        settle_leftovers(self.host)

    def waiting(self) -> t.List[str]:
        """Return the identities of the changes that wait for their confirmation."""
        return [pending.identity for pending in Pending.all()]

    def refuse_beside_pending(self) -> None:
        """Refuse to work beside a change that waits for its confirmation.

        :raises HoldfastError: in that case.
        """
        refuse_beside_pending()

    def begin(self, backend: Backend, ruleset: Ruleset, transaction: Transaction, window: int, attended: bool) -> t.Dict[str, t.Any]:
        """Arm the rollback and start the change; returns the facts of the pending change. See ``begin``."""
        return begin(self.host, backend, ruleset, transaction, window, attended=attended)

    def record_path(self) -> str:
        """Return where the note of the last policy is kept."""
        return record_path()
