# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of hosts. Writes into folders for temporary files."""

from __future__ import annotations

import os

import pytest

from ansible_collections.holdfast.firewall.tests.lab import kinds, rootfs
from ansible_collections.holdfast.firewall.tests.lab.errors import LabError


def test_every_kind_has_an_image_and_a_group_that_ansible_accepts():
    for kind in kinds.KINDS.values():
        assert kind.image in rootfs.IMAGES
        assert kind.group.isidentifier()


def test_only_packages_that_are_there_are_purged():
    for kind in kinds.KINDS.values():
        assert set(kind.purge) <= set(rootfs.IMAGES[kind.image].packages)


def test_the_first_flavour_is_the_default():
    assert kinds.checked_flavour("bsd", None) == "freebsd"
    assert kinds.checked_flavour("bsd", "macos") == "macos"
    assert kinds.checked_flavour("nftables", None) == ""


@pytest.mark.parametrize(
    ("kind", "flavour", "told"), [("bsd", "plan9", "freebsd, openbsd, netbsd, macos"), ("nftables", "freebsd", "none at all")]
)
def test_an_unknown_flavour_is_refused_with_the_known_ones(kind, flavour, told):
    with pytest.raises(LabError, match=told):
        kinds.checked_flavour(kind, flavour)


def test_hidden_programs_leave_the_search_path_and_their_other_names_still_work(tmp_path):
    for folder in ("usr/bin", "usr/sbin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/bin/systemctl").write_text("program")
    (tmp_path / "usr/sbin/reboot").symlink_to("/bin/systemctl")
    (tmp_path / "usr/sbin/other").symlink_to("/bin/journalctl")
    host = kinds.Kind("x", hide=("/usr/bin/systemctl",))
    kinds.customise(tmp_path, host, "")
    assert not (tmp_path / "usr/bin/systemctl").exists()
    assert (tmp_path / host.systemctl.lstrip("/")).read_text() == "program"
    assert os.readlink(tmp_path / "usr/sbin/reboot") == host.systemctl
    assert os.readlink(tmp_path / "usr/sbin/other") == "/bin/journalctl"


def test_stand_in_commands_are_installed_into_the_root_with_the_flavour(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/install.sh").write_text('echo "$2" >"$1/flavour"\n')
    monkeypatch.setattr(kinds, "SIMULATORS", tmp_path)
    kinds.customise(tmp_path, kinds.Kind("x", simulator="toy"), "openbsd")
    assert (tmp_path / "flavour").read_text() == "openbsd\n"
