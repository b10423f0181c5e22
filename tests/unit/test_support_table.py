# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide's examples and its table of what each backend carries are what the backends themselves say; what they carry they render."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import KINDS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import FIELDS
from ansible_collections.holdfast.firewall.tests.unit.backends_guide import made, written
from ansible_collections.holdfast.firewall.tests.unit.support_table import CASES, columns, policy_of, refusals


@pytest.mark.parametrize("part", list(made()))
def test_the_guide_says_what_the_backends_give(part):
    assert written().get(part) == made()[part], "write it anew: python tests/unit/write_backends_guide.py"


@pytest.mark.parametrize("column", list(columns()))
def test_what_is_carried_is_rendered_and_read_back_as_the_same_policy(column):
    for _field, what, document in CASES:
        policy = policy_of(document, columns()[column][0])
        for backend in columns()[column] if not refusals(columns()[column], policy) else ():
            found = backend.parse_policy(backend.render_policy(policy, "rules"))
            assert found.defaults == policy.defaults, what
            assert (len(found.rules) > 0) == (len(policy.rules) > 0), what
            assert (len(found.nat) > 0) == (len(policy.nat) > 0), what
            own = {name: lines for name, lines in policy.native.items() if name == backend.NAME}
            wanted = replace(policy, native=own)
            assert differ(wanted, found) is None or differ(backend.policy_as_kept(wanted), found) is None, what


def test_every_field_has_a_row():
    rows = {word for field, _what, _document in CASES for word in field.split(", ")}
    assert rows - {"", "name", "defaults", "logging", "nat", "native"} <= set(FIELDS)
    assert set(FIELDS) - rows == {"port_range", "family", "limit_burst", "limit_per"}
    assert {one["type"] for _field, _what, document in CASES for one in document.get("nat", ())} == set(KINDS)
