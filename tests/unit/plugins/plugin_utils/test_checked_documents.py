# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of valid documents: it knows the very document and the very parser, and nothing else."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.plugin_utils import checked_documents
from ansible_collections.holdfast.firewall.plugins.plugin_utils.checked_documents import is_checked, note_checked

LARGE = {"rules": [{"action": "allow", "port": number} for number in range(1, 2000)]}


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path):
    monkeypatch.setattr(checked_documents.C.config, "get_config_value", lambda _name: str(tmp_path))
    return tmp_path


def test_a_document_is_known_once_it_is_noted():
    assert not is_checked(LARGE)
    note_checked(LARGE)
    assert is_checked(LARGE)


def test_a_changed_document_is_not_known():
    note_checked(LARGE)
    assert not is_checked({"rules": [*LARGE["rules"], {"action": "allow", "port": 99999}]})


def test_another_parser_knows_nothing(monkeypatch, tmp_path):
    note_checked(LARGE)
    other = tmp_path / "policy"
    other.mkdir()
    (other / "parse.py").write_text("")
    monkeypatch.setattr(checked_documents, "_POLICY", other)
    assert not is_checked(LARGE)


def test_short_documents_and_odd_values_are_always_parsed():
    note_checked({"rules": []})
    assert not is_checked({"rules": []})
    odd = {"rules": LARGE["rules"], "name": object()}
    note_checked(odd)
    assert not is_checked(odd)


def test_only_the_newest_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(checked_documents, "KEPT", 3)
    for number in range(6):
        note_checked({**LARGE, "name": str(number)})
    assert len(list((tmp_path / "holdfast_firewall_documents").iterdir())) == 3
