# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a host. Writes into folders for temporary files."""

from __future__ import annotations

import os

import pytest

from ansible_collections.holdfast.firewall.tests.lab.host import CONSOLE, RECORD, Host, listening
from ansible_collections.holdfast.firewall.tests.lab.process import Identity

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1 0 100 0 0 10 0
   1: 0A6433C6:08AE 016433C6:D1A2 01 00000000:00000000 02:000A9F3C 00000000     0        0 22 2 0 20 4 29 10 -1
"""


@pytest.fixture
def host(tmp_path):
    return Host("web1", "bsd", "freebsd", 12, 2222, "holdfast-lab", "h12-abcdef", tmp_path)


def test_a_record_reads_back_as_it_was_written(host):
    for record in (host, host.supervised_by(Identity(7, 8))):
        record.save()
        assert Host.load(record.folder) == record


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "web1"}', '{"supervisor": null, "colour": "red"}'])
def test_a_record_that_makes_no_sense_is_none(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    assert Host.load(tmp_path) is None


def test_no_record_is_none(tmp_path):
    assert Host.load(tmp_path / "missing") is None


def test_a_host_runs_while_its_supervisor_lives(host):
    assert not host.running()
    assert host.supervised_by(Identity.of(os.getpid())).running()
    assert not host.supervised_by(Identity(os.getpid(), 1)).running()


def test_only_a_listening_socket_on_the_port_counts():
    assert listening(TCP, 22)
    assert not listening(TCP, 2222)  # 08AE: connected, not listening
    assert not listening(TCP, 80)


def test_the_console_reads_without_colours_and_empty_lines(host):
    assert "destroyed" in host.console()
    (host.folder / CONSOLE).write_bytes(b"[\x1b[0;32m  OK  \x1b[0m] Started\r\n\r\nlogin: \xff")
    assert host.console() == "[  OK  ] Started\nlogin: \ufffd"
