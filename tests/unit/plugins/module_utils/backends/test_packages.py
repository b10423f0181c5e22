# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What installs a firewall: the manager of the host, and a service that does not start by itself."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.packages import MANAGERS, install_package
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost


@pytest.mark.parametrize("manager", [name for name, _line in MANAGERS])
def test_each_manager_installs_without_a_question(manager):
    (command,) = install_package(PaperHost({manager: ""}), "ufw", "ufw")
    assert command.argv[:2] == ("sh", "-c")
    assert manager in command.argv[2]
    assert command.argv[2].endswith((" ufw", " ufw; }"))


def test_a_package_may_have_another_name_elsewhere():
    names = {"pacman": "iptables-nft"}
    assert "iptables-nft" in install_package(PaperHost({"pacman": ""}), "iptables", "iptables", names)[0].argv[2]
    assert "iptables-nft" not in install_package(PaperHost({"dnf": ""}), "iptables", "iptables", names)[0].argv[2]


def test_a_service_is_masked_while_its_package_is_unpacked_and_disabled_after_that():
    script = install_package(PaperHost({"apt-get": "", "systemctl": ""}), "firewalld", "firewalld", unit="firewalld.service")[0].argv[2]
    words = ["mask --runtime", "apt-get", "status=$?", "unmask --runtime", "disable", "exit $status"]
    places = [script.index(word) for word in words]
    assert places == sorted(places)


def test_without_a_package_manager_it_says_so():
    with pytest.raises(HoldfastError, match="install it by hand"):
        install_package(PaperHost(), "ufw", "ufw")
