# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forty cases on nine backends: the text is the one that people read and agreed to, and it means the document or says why it cannot."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.tests.unit.golden_cases import FOLDER, REFUSED, backends, cases, outcome, policy_of

BACKENDS = backends()


def test_there_are_forty_cases_for_nine_backends():
    assert len(cases()) == 40
    assert len(BACKENDS) == 9


@pytest.mark.parametrize("case", cases())
@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_a_case_is_rendered_as_agreed_and_read_back_as_the_same_packets(case, name):
    backend, policy = BACKENDS[name], policy_of(case, BACKENDS[name])
    text = outcome(backend, policy)
    assert text == (FOLDER / case / (name + ".txt")).read_text(encoding="utf-8")
    if text.startswith(REFUSED):
        assert all(line.startswith("  ") and "): " in line for line in text.splitlines()[1:])
        return
    read = backend.parse_policy(text)
    difference = differ(read, backend.policy_as_kept(policy))
    assert difference is None, difference.describe()


def test_no_backend_refuses_everything_that_people_write():
    # An ordinary web server: each backend that filters ports carries it.
    refusing = [name for name in BACKENDS if outcome(BACKENDS[name], policy_of("01-web-server", BACKENDS[name])).startswith(REFUSED)]
    assert refusing == ["macos"]
