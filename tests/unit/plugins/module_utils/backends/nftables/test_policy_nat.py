# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translations in the chains of a policy that somebody edited by hand."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.policy_nat import HOOKS, nat_of_line
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError


@pytest.mark.parametrize(
    ("text", "hook"),
    [('iifname "eth0" tcp dport 80 redirect', HOOKS[0]), ("ip saddr 10.0.0.0/8 masquerade", HOOKS[1]), ("masquerade", HOOKS[1])],
)
def test_a_translation_that_no_document_can_say_is_told_and_not_gathered(text, hook):
    with pytest.raises(HoldfastError, match="has no words in one"):
        nat_of_line(text, hook)
