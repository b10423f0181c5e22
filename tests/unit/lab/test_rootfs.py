# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images and the apt sources they come from. Writes into folders for temporary files."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.tests.lab import rootfs

DEBIAN = rootfs.Release("debian", "bookworm")
TARGETS = """\
Debian|bookworm|main|https://mirror.example/debian/
Debian|bookworm|main|https://mirror.example/debian/
Debian|bookworm-updates|main|https://mirror.example/debian/
Debian Backports|bookworm-backports|main|https://mirror.example/debian/
Debian|trixie|main|https://mirror.example/debian/
Example Ltd|bookworm|stable|https://packages.example/
"""


def test_only_the_machines_own_release_is_used():
    assert rootfs.source_lines(TARGETS, DEBIAN, None) == [
        "deb https://mirror.example/debian/ bookworm main",
        "deb https://mirror.example/debian/ bookworm-updates main",
    ]


def test_sources_are_checked_with_the_keyring_of_the_release():
    line = "deb [signed-by=/keys.gpg] https://mirror.example/debian/ bookworm main"
    assert rootfs.source_lines(TARGETS, DEBIAN, "/keys.gpg")[0] == line


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('Acquire::http::Proxy "http://proxy.example:3128";', True),
        ('Acquire::https::Proxy "DIRECT";', True),
        ('Acquire::http::Proxy::mirror.example "DIRECT";', True),
        ('Acquire::Check-Valid-Until "false";', True),
        ('Acquire::http::Proxy "";', False),
        ('Acquire::cdrom::mount "/media/cdrom/";', False),
    ],
)
def test_proxies_and_validity_settings_are_carried_over(line, kept):
    assert bool(rootfs.KEEP_APT_OPTIONS.match(line)) is kept


def test_whatever_changes_an_image_changes_its_name_in_the_cache():
    image = rootfs.IMAGES["base"]
    images = [
        image,
        replace(image, packages=(*image.packages, "fail2ban")),
        replace(image, commands=image.commands[1:]),
        replace(image, files=()),
    ]
    names = {rootfs.cache_name("base", variant, release) for variant in images for release in (DEBIAN, rootfs.Release("debian", "trixie"))}
    assert len(names) == 8
    assert rootfs.cache_name("base", image, DEBIAN) == rootfs.cache_name("base", image, DEBIAN)


def test_files_are_written_with_their_mode_and_over_links(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/key").symlink_to(outside)
    rootfs.write(root, "/etc/key", "secret", mode=0o600, uid=os.getuid())
    rootfs.write(root, "/var/new/file", "text", uid=os.getuid())
    assert outside.read_text() == "mine"
    assert ((root / "etc/key").read_text(), (root / "etc/key").stat().st_mode & 0o777) == ("secret", 0o600)
    assert (root / "var/new/file").read_text() == "text"
