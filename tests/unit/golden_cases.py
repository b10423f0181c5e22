# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One document of forty cases on all nine backends: what each makes of each case, as files that people can read and compare.

``golden/<case>/policy.yml`` is the case, ``golden/<case>/<backend>.txt`` the native text, or the reasons for which the backend refuses it.
``write_golden.py`` beside this file writes them anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Tuple

import yaml

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.backend import Firewalld
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.backend import Ipfw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.backend import Macos
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.backend import Npf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.backend import Ufw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.backend import Windows
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

FOLDER = Path(__file__).resolve().parent / "golden"
REFUSED = "refused:\n"


def backends() -> Dict[str, Backend]:
    """Return the nine, each on a host of paper."""
    return {
        "nftables": Nftables(PaperHost()), "iptables": Iptables(PaperHost({"ipset": ""})), "ufw": Ufw(PaperHost()),
        "firewalld": Firewalld(PaperHost()), "pf": Pf(PaperHost(), "freebsd"), "ipfw": Ipfw(PaperHost()), "npf": Npf(PaperHost()),
        "windows": Windows(PaperHost()), "macos": Macos(PaperHost()),
    }  # fmt: skip


def cases() -> Tuple[str, ...]:
    """Return the names of the cases, in order."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/policy.yml")))


def policy_of(case: str, backend: Backend) -> Policy:
    """Return the policy of a case, with the guard of a host with this firewall and SSH on port 22."""
    document: Dict[str, Any] = yaml.safe_load((FOLDER / case / "policy.yml").read_text(encoding="utf-8"))
    return with_guard(parse_policy(document), Management((22,)), backend.untracked_icmp)


def outcome(backend: Backend, policy: Policy) -> str:
    """Return the native text, or the refusals, one a line."""
    refused = backend.policy_unsupported(policy)
    if refused:
        return REFUSED + "".join("  %s (%s): %s\n" % (one.field, one.value, one.reason) for one in refused)
    return backend.render_policy(policy)


def write() -> None:
    """Write every outcome anew."""
    for case in cases():
        for name, backend in backends().items():
            (FOLDER / case / (name + ".txt")).write_text(outcome(backend, policy_of(case, backend)), encoding="utf-8")
