# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab finds in a result that the module does not document."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.documented_results import undocumented


@pytest.mark.parametrize(
    ("module", "result", "found"),
    [
        ("rule", {"changed": True, "msg": "added", "_word": "CHANGED"}, []),
        ("rule", {"msg": "added", "surprise": 1}, ["surprise"]),
        ("rule", {"msg": ["added"]}, ["msg is no str"]),
        ("analyze", {"live": {"rules": 3, "surprise": 1}}, ["live.surprise"]),
        ("policy", {"unreachable": True, "surprise": 1}, []),
    ],
)
def test_keys_and_types_that_return_does_not_name_are_found(module, result, found):
    assert undocumented("holdfast.firewall." + module, result) == found
