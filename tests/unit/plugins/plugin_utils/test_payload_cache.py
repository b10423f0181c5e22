# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kept payloads: used only while every source is the same and nobody else can have written them."""

from __future__ import annotations

import os

import pytest

from ansible_collections.holdfast.firewall.plugins.plugin_utils import payload_cache

NAME = "ansible_collections.holdfast.firewall.plugins.modules.rule-ZIP_DEFLATED"


@pytest.fixture(name="world")
def _world(tmp_path, monkeypatch):
    """A collection of two files, an ANSIBLE_HOME, and what one command keeps for itself."""
    collection = tmp_path / "collection"
    for path in ("plugins/modules/rule.py", "plugins/module_utils/deep/part.py"):
        (collection / path).parent.mkdir(parents=True)
        (collection / path).write_text("one")
    monkeypatch.setattr(payload_cache, "_COLLECTION", collection)
    monkeypatch.setattr(payload_cache, "_home", lambda: tmp_path / "home")
    return tmp_path


def run(world, monkeypatch, command, built="payload"):
    """Run one command: returns what Ansible found in its cache, after building when it found nothing."""
    local = world / command
    monkeypatch.setattr(payload_cache.C, "DEFAULT_LOCAL_TMP", str(local))
    with payload_cache.kept_payload("rule"):
        file = local / "ansiballz_cache" / NAME
        found = file.read_text() if file.exists() else None
        if found is None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(built)
    return found


def test_the_second_command_uses_what_the_first_built(world, monkeypatch):
    assert run(world, monkeypatch, "first") is None
    assert run(world, monkeypatch, "second") == "payload"


@pytest.mark.parametrize("path", ["plugins/modules/rule.py", "plugins/module_utils/deep/part.py"])
def test_another_source_makes_another_payload(world, monkeypatch, path):
    run(world, monkeypatch, "first")
    (world / "collection" / path).write_text("two")
    assert run(world, monkeypatch, "second") is None


def test_a_new_source_makes_another_payload(world, monkeypatch):
    run(world, monkeypatch, "first")
    (world / "collection" / "plugins/module_utils/new.py").write_text("")
    assert run(world, monkeypatch, "second") is None


@pytest.mark.parametrize("where", ["home", "payload"])
def test_a_folder_that_others_can_write_is_not_trusted(world, monkeypatch, where):
    run(world, monkeypatch, "first")
    folder = world / "home"
    os.chmod(folder if where == "home" else next(folder.iterdir()), 0o777)
    assert run(world, monkeypatch, "second") is None


def test_a_home_that_cannot_be_written_is_no_error(world, monkeypatch):
    (world / "home").write_text("a file")
    assert run(world, monkeypatch, "first") is None
    assert run(world, monkeypatch, "second") is None


def test_only_a_few_versions_are_kept(world, monkeypatch):
    for number in range(payload_cache.KEPT + 3):
        (world / "collection" / "plugins/modules/rule.py").write_text(str(number))
        run(world, monkeypatch, "command%d" % number)
    assert len(list((world / "home").iterdir())) == payload_cache.KEPT
