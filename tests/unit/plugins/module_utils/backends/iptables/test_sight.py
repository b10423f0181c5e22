# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a host: what is there, what decides, and that looking changes nothing."""

from __future__ import annotations

import time

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import paper
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import DOCKER

OTHERS = "\n".join(line for line in DOCKER.splitlines() if not line.startswith(("-A INPUT -", "-A FORWARD -p", "-A MINE", ":MINE")))


def test_a_host_without_the_tools_is_not_available():
    seen = paper("nothing").sight()
    assert (seen.available, seen.active, seen.saw) == (False, False, "iptables is not installed")


def test_reading_without_the_tools_says_so():
    with pytest.raises(HoldfastError, match="install it"):
        paper("nothing").read()


def test_reading_without_root_says_what_to_add(host, monkeypatch):
    monkeypatch.setattr(host, "is_root", lambda: False)
    with pytest.raises(HoldfastError, match="become: true"):
        Iptables(host).read()
    assert Iptables(host).sight().available


def test_a_fresh_host_is_available_and_not_active(backend, host):
    seen = backend.sight()
    assert (seen.available, seen.active) == (True, False)
    assert not host.read("/proc/net/ip_tables_names")


def test_rules_of_the_administrator_are_signs_of_use(backend, host):
    host.load(DOCKER)
    seen = backend.sight()
    assert seen.active and "INPUT (ipv4) has 6 rules" in seen.saw


def test_a_denying_policy_is_a_sign_of_use(backend, host):
    host.load("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", family=6)
    assert "INPUT (ipv6) has policy DROP" in backend.sight().saw


def test_rules_of_other_programs_are_no_signs_of_use(backend, host):
    host.load(OTHERS.replace(":INPUT DROP", ":INPUT ACCEPT") + "\n")
    assert not backend.sight().active


def test_rules_of_the_other_variant_are_reported(backend, host):
    other = "legacy" if "nf_tables" in host.run(["iptables", "--version"]).out else "nft"
    host.shell("iptables-%s -A INPUT -i lo -j ACCEPT" % other)
    assert "decide too" in backend.sight().saw
    assert any("decide too" in one for one in backend.status()["warnings"])


def test_a_table_that_only_nft_can_show_is_refused_with_the_backend_to_use(backend, host):
    if "nf_tables" not in host.run(["iptables", "--version"]).out:
        pytest.skip("the legacy variant has tables of its own")
    host.shell("nft add table ip filter; nft add chain ip filter mine '{ type filter hook input priority 0; policy drop; }'")
    with pytest.raises(HoldfastError, match="backend: nftables"):
        backend.read()
    assert not backend.sight().available


def test_the_status_names_variant_and_policies(backend, host):
    host.load("*filter\n:INPUT DROP [0:0]\nCOMMIT\n")
    status = backend.status()
    assert status["variant"] in ("nft", "legacy") and status["version"].endswith("(%s)" % status["variant"])
    assert status["policies"]["INPUT (ipv4)"] == "DROP"


def test_reading_calls_each_tool_once(backend, host):
    backend.read()
    host.calls.clear()
    started = time.monotonic()
    backend.read()
    assert host.calls == [("iptables-save",), ("ip6tables-save",)]
    assert time.monotonic() - started < 1
