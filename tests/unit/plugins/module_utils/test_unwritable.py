# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that takes no file: its disk is full, or its file system can only be read."""

from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.change import pending as pending_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change.begin import untouched
from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError, WriteError, told


@pytest.fixture(name="full")
def _full(monkeypatch):
    """Whatever is written to disk does not get there."""

    def fsync(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


def test_the_file_of_a_full_disk_is_named_and_the_old_one_stays(tmp_path, full):
    path = tmp_path / "rules"
    path.write_text("old")
    with pytest.raises(WriteError, match=r"/rules cannot be written: No space left on device"):
        LocalHost().write(str(path), "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["rules"]


def test_a_change_that_cannot_be_noted_changes_nothing_and_says_so(monkeypatch, tmp_path, full):
    monkeypatch.setattr(pending_module, "state_root", lambda: str(tmp_path))
    with pytest.raises(
        HoldfastError, match=r"change\.json cannot be written: No space left on device, so nothing was changed"
    ), untouched():
        pending_module.Pending.create().write_json("change.json", {})


def test_a_state_folder_that_cannot_be_made_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(pending_module, "state_root", lambda: str(tmp_path / "file" / "state"))
    with pytest.raises(WriteError, match="file/state/lock cannot be written: Not a directory"), pending_module.exclusive():
        pass
    with pytest.raises(WriteError, match="file/state/change/"):
        pending_module.Pending.create()


def test_other_exceptions_are_told_with_their_kind():
    assert told(HoldfastError("no timer")) == "no timer"
    assert told(ValueError("bad")) == "ValueError: bad"
