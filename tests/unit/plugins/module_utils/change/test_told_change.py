# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a result tells of a change, and of a change that waits."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Command, Transaction
from ansible_collections.holdfast.firewall.plugins.module_utils.change import pending as pending_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change.begin import refuse_beside_pending
from ansible_collections.holdfast.firewall.plugins.module_utils.change.confirm import inquire
from ansible_collections.holdfast.firewall.plugins.module_utils.change.told_change import SHOWN_LINES, told_commands
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError


@pytest.mark.parametrize(("lines", "more"), [(SHOWN_LINES, ""), (SHOWN_LINES + 5, "# ... and 5 more lines")])
def test_a_long_input_is_cut_and_counted(lines, more):
    text = "".join("line%d\n" % number for number in range(lines))
    shown = told_commands(Transaction((Command(("nft", "-f", "-"), text), Command(("true",))), ""))
    assert ("line%d\n" % (SHOWN_LINES - 1)) in shown[0]
    assert ("line%d\n" % SHOWN_LINES) not in shown[0]
    assert more in shown[0]
    assert shown[1] == "true"


def test_who_asks_and_who_is_refused_hear_of_the_same_seconds(monkeypatch, tmp_path):
    monkeypatch.setattr(pending_module, "state_root", lambda: str(tmp_path))
    change = pending_module.Pending.create()
    change.write_json("change.json", {"deadline": time.time() + 50.5, "backend": "nftables"})
    change.write_json("timer.json", {})
    told = inquire(SimpleNamespace(is_root=lambda: True), change.identity)["msg"]
    with pytest.raises(HoldfastError) as caught:
        refuse_beside_pending()
    assert "for another 50 seconds" in told
    assert "for another 50 seconds" in caught.value.msg
