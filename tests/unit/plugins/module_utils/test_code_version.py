# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The word for the code that runs, on which the note of an applied document rests."""

from __future__ import annotations

import hashlib
import zipfile

from ansible_collections.holdfast.firewall.plugins.module_utils.change import policy_record
from ansible_collections.holdfast.firewall.plugins.module_utils.code_version import code_version


def archive(path, files):
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
    return str(path)


def test_the_same_code_in_two_tasks_has_the_same_word(tmp_path):
    first = archive(tmp_path / "a.zip", {"render.py": "one", "sitecustomize.py": "of this task"})
    second = archive(tmp_path / "b.zip", {"sitecustomize.py": "of the next", "render.py": "one"})
    assert code_version(first) == code_version(second)


def test_code_that_was_mended_has_another_word(tmp_path):
    before = archive(tmp_path / "a.zip", {"render.py": "one"})
    after = archive(tmp_path / "b.zip", {"render.py": "two"})
    assert code_version(before) != code_version(after)


def test_without_an_archive_the_files_themselves_count():
    assert code_version(None) == code_version(None)
    assert code_version(None) != hashlib.sha256(b"").hexdigest()


def test_a_document_applied_by_other_code_is_looked_at_anew(monkeypatch):
    before = policy_record.document_digest({"document": "d"})
    assert policy_record.document_digest({"document": "d"}) == before
    monkeypatch.setattr(policy_record, "code_version", lambda _archive: "of a newer release")
    assert policy_record.document_digest({"document": "d"}) != before
