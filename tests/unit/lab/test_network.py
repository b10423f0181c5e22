# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of hosts. Touches nothing."""

from __future__ import annotations

import configparser
import ipaddress

import pytest

from ansible_collections.holdfast.firewall.tests.lab import network
from ansible_collections.holdfast.firewall.tests.lab.errors import LabError

INDICES = range(network.FIRST_INDEX, network.LAST_INDEX + 1)


def test_all_addresses_are_for_documentation_and_differ():
    v4 = {ipaddress.ip_address(network.ipv4(index)) for index in INDICES}
    v6 = {ipaddress.ip_address(network.ipv6(index)) for index in INDICES}
    assert len(v4) == len(v6) == len(INDICES)
    assert all(address in ipaddress.ip_network("198.51.100.0/24") for address in v4)
    assert all(address in ipaddress.ip_network("2001:db8:0:1::/64") for address in v6)


def test_the_lowest_free_index_is_taken():
    assert network.free_index(set()) == 10
    assert network.free_index({10, 11, 13}) == 12


def test_a_full_lab_says_so():
    with pytest.raises(LabError, match="full"):
        network.free_index(set(INDICES))


def test_the_network_file_is_sound():
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(network.host_network_file(12))
    assert parser["Match"]["Name"] == "host0"
    assert parser["Address"]["DuplicateAddressDetection"] == "none"
    for line in (
        "Address=198.51.100.12/24",
        "Address=2001:db8:0:1::12/64",
        "Destination=198.51.100.0/24",
        "Destination=2001:db8:0:1::0/64",
    ):
        assert f"\n{line}\n" in network.host_network_file(12)
