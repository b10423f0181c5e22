# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the live rules are those of the file: what pfctl shows of a file before it is loaded is not always what it lists later."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.dialect import dialect_named
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.live import expand, read_live
from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import StandinHost

APPLE = """\
scrub-anchor "com.apple/*"
nat-anchor "com.apple/*"
rdr-anchor "com.apple/*"
dummynet-anchor "com.apple/*"
anchor "com.apple/*"
anchor "org.example/*" in on en0
load anchor "com.apple" from "/etc/pf.anchors/com.apple"
"""
LISTED = (
    'nat-anchor "com.apple/*" all',
    'rdr-anchor "com.apple/*" all',
    'scrub-anchor "com.apple/*" all fragment reassemble',
    'anchor "com.apple/*" all',
    'anchor "org.example/*" in on en0 all',
)


def made(tmp_path, flavour, conf, anchor='anchor "200.AirDrop/*"\nblock drop in quick proto tcp to port 23\n'):
    host = StandinHost(tmp_path / "host", flavour)
    host.write("/etc/pf.conf", conf)
    host.write("/etc/pf.anchors/com.apple", anchor)
    host.run(["kldload", "pf"])
    host.must("pfctl", "-f", "/etc/pf.conf")
    host.run(["pfctl", "-e"])
    return host


def stray(host, flavour):
    return read_live(host, dialect_named(flavour)).strayed


def test_macos_shows_anchors_without_their_name_before_they_are_loaded_and_the_file_still_counts_as_the_source(tmp_path):
    """As pfctl of macOS prints it: ``anchor "/*" all`` with ``-nvf``, ``anchor "com.apple/*" all`` with ``-sr``."""
    host = made(tmp_path, "macos", APPLE)
    assert 'anchor "/*" in on en0 all\n' in host.must("pfctl", "-nvf", "/etc/pf.conf")
    assert expand(host, APPLE) == LISTED
    assert not stray(host, "macos")


@pytest.mark.parametrize("flavour", ["freebsd-12.1", "freebsd-15.1", "openbsd", "macos"])
def test_anchors_of_other_programs_leave_the_file_the_source(tmp_path, flavour):
    """As pfctl prints it: FreeBSD 12 and macOS show ``anchor "/*" all`` and ``anchor "/relay" all`` with ``-nvf``, newer ones the names."""
    conf = 'anchor "f2b/*"\nanchor "relayd/*"\nanchor "a/relay" in on em0\nanchor "plain"\npass in quick proto tcp to port 22\n'
    host = made(tmp_path, flavour, conf)
    assert not stray(host, flavour.partition("-")[0])
    host.write("/etc/pf.conf", conf.replace("f2b", "ftp-proxy"))
    assert stray(host, flavour.partition("-")[0])


def test_another_anchor_than_that_of_the_file_is_a_stray_rule_on_macos(tmp_path):
    host = made(tmp_path, "macos", APPLE)
    host.write("/etc/pf.conf", APPLE.replace("org.example", "org.elsewhere"))
    assert stray(host, "macos")


@pytest.mark.parametrize("flavour", ["freebsd", "openbsd", "macos"])
def test_the_rules_of_a_loaded_anchor_are_not_taken_for_those_of_the_file(tmp_path, flavour):
    """pfctl prints them with ``-nvf`` right behind the file's own rules; the line that tells them apart goes to stderr."""
    conf = 'anchor "com.apple"\nload anchor "com.apple" from "/etc/pf.anchors/com.apple"\npass in quick proto tcp to port 99\n'
    host = made(tmp_path, flavour, conf)
    assert not stray(host, flavour)
    assert len(expand(host, conf)) == 2


@pytest.mark.parametrize("flavour", ["freebsd", "openbsd"])
def test_a_brace_in_a_label_hides_no_rule_behind_it(tmp_path, flavour):
    conf = 'pass in quick proto tcp to port 22 label "open {"\npass in quick proto tcp to port 99\n'
    host = made(tmp_path, flavour, conf)
    assert not stray(host, flavour)
    host.write("/etc/pf.conf", conf.replace("99", "98"))
    assert stray(host, flavour)


def test_a_file_with_bytes_that_are_no_utf_8_is_handed_on_byte_by_byte(tmp_path):
    """An old comment in Latin-1; ``cat`` stands for what reads the text."""
    (tmp_path / "pf.conf").write_bytes(b"# B\xfcro\n")
    host = LocalHost()
    text = host.read(str(tmp_path / "pf.conf"))
    assert host.run(["cat"], stdin=text).ok
    host.write(str(tmp_path / "copy"), text)
    assert (tmp_path / "copy").read_bytes() == b"# B\xfcro\n"
