# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's firewall as a whole, with the real Ansible commands: looked at, off, on, anew, over a reboot, and a lockout undone."""

from __future__ import annotations

import json
import re

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import Controller

BACKEND_MODULE = "holdfast.firewall.backend"
HOSTS = {
    "switch-nft": "nftables", "switch-iptables": "iptables-nft", "switch-legacy": "iptables-legacy", "switch-ufw": "ufw",
    "switch-firewalld": "firewalld", "switch-bsd": "bsd",
}  # fmt: skip
NAME = {
    "switch-nft": "nftables", "switch-iptables": "iptables", "switch-legacy": "iptables", "switch-ufw": "ufw",
    "switch-firewalld": "firewalld", "switch-bsd": "pf",
}  # fmt: skip
_IPTABLES = "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'"
LIVE = {
    "switch-nft": "nft list ruleset",
    "switch-iptables": _IPTABLES,
    "switch-legacy": _IPTABLES,
    "switch-ufw": _IPTABLES,
    "switch-firewalld": "nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'",
    "switch-bsd": "pfctl -si | grep -q '^Status: Enabled' && pfctl -sr",
}
#: Puts a rule into what is kept on disk that cuts the control node off, and nobody else.
TRAP = {
    "switch-nft": "sed -i '/policy accept;/a ip saddr 198.51.100.1 tcp dport 22 drop' /etc/holdfast/nftables/holdfast.nft",
    "switch-ufw": "ufw prepend deny from 198.51.100.1 to any port 22 proto tcp",
    "switch-firewalld": (
        "firewall-offline-cmd -q --add-rich-rule='rule family=ipv4 source address=198.51.100.1 port port=22 protocol=tcp drop'"
    ),
}
UNTRAP = {
    "switch-nft": "sed -i '/198.51.100.1/d' /etc/holdfast/nftables/holdfast.nft",
    "switch-ufw": "ufw delete deny from 198.51.100.1 to any port 22 proto tcp",
    "switch-firewalld": TRAP["switch-firewalld"].replace("--add", "--remove"),
}
#: Packs the installed ufw again as the package that it came from, with a list of packages, into an archive.
PACK = r"""
set -e
mkdir -p /tmp/pack/DEBIAN /root/packages
dpkg -L ufw | while read -r one; do [ ! -f "$one" ] || [ -L "$one" ] || cp --parents -p "$one" /tmp/pack; done
dpkg-query -s ufw | sed -e '/^Status:/d' -e '/^Conffiles:/d' -e '/^ \/etc/d' > /tmp/pack/DEBIAN/control
for one in preinst postinst prerm postrm config templates conffiles; do cp -p /var/lib/dpkg/info/ufw.$one /tmp/pack/DEBIAN/$one; done
dpkg-deb --build -Zgzip /tmp/pack /root/packages/ufw.deb >/dev/null
cd /root/packages
{ dpkg-deb -f ufw.deb; echo "Filename: ./ufw.deb"; echo "Size: $(stat -c %s ufw.deb)"
  echo "SHA256: $(sha256sum ufw.deb | cut -d' ' -f1)"; } > Packages
tar -C / -cf - root/packages | base64
"""
UNPACK = """
base64 -d | tar -xf - -C /
mkdir -p /etc/apt/sources.list.d; echo 'deb [trusted=yes] file:/root/packages ./' > /etc/apt/sources.list.d/local.list
"""
#: The managed node tells one result after another.
_RESULT = re.compile(r"^(\S+) \| (\S+).*?=> (?=\{)", re.MULTILINE)


@pytest.fixture(scope="module", name="controller")
def _controller(lab, tmp_path_factory):
    for name, kind in HOSTS.items():
        lab.create(name, kind=kind)
    controller = Controller(lab, tmp_path_factory.mktemp("controller"))
    controller.refresh()
    switch_together(controller, "backend=ufw", only=["switch-ufw"])
    together(controller, "holdfast.firewall.rule", "action=allow port=8123 stateful=true")
    yield controller
    lab.destroy(*HOSTS)


def live(controller, host):
    """What the host enforces, read without the network."""
    return controller.lab.exec(host, ["sh", "-c", LIVE[host]], check=False).stdout


def switch(controller, host, words):
    return controller.adhoc(host, words, module=BACKEND_MODULE)


def together(controller, module, words, *options, only=tuple(HOSTS)):
    """Run a module ad hoc on several hosts at the same time; returns the results by host."""
    done = controller.run("ansible", ",".join(only), "--forks", "6", "-m", module, "-a", words, *options)
    found = {}
    for match in _RESULT.finditer(done.stdout):
        found[match.group(1)] = json.JSONDecoder().raw_decode(done.stdout, match.end())[0]
        found[match.group(1)]["_word"] = match.group(2)
    assert set(found) == set(only), done.stdout + done.stderr
    return found


def switch_together(controller, words, *options, only=tuple(HOSTS)):
    return together(controller, BACKEND_MODULE, words, *options, only=only)


def every(results, key):
    """Return what all hosts say, or each of them where they do not say the same."""
    said = {host: one.get(key) for host, one in results.items()}
    return next(iter(said.values())) if len(set(map(str, said.values()))) == 1 else said


def test_off_and_on_again(controller):
    before = {host: live(controller, host) for host in HOSTS}
    assert all("8123" in one for one in before.values())
    status = switch_together(controller, "state=status")
    assert every(status, "_word") == "SUCCESS"
    for host, one in status.items():
        assert (one["status"]["enabled"], one["status"]["at_boot"], one["backend"]) == (True, True, NAME[host]), one

    predicted = switch_together(controller, "state=disabled", "--check")
    assert {host: one["msg"] for host, one in predicted.items()} == {host: "%s would be disabled" % NAME[host] for host in HOSTS}
    assert {host: live(controller, host) for host in HOSTS} == before

    off = switch_together(controller, "state=disabled")
    assert {host: one["msg"] for host, one in off.items()} == {host: "%s is disabled" % NAME[host] for host in HOSTS}
    assert (every(off, "_word"), every(off, "proof")) == ("CHANGED", "a new ssh connection")
    assert not [host for host in HOSTS if "8123" in live(controller, host)]
    assert every(switch_together(controller, "state=disabled"), "_word") == "SUCCESS"

    on = switch_together(controller, "state=enabled")
    assert (every(on, "_word"), every(on, "kept_open")) == ("CHANGED", ["22/tcp"])
    after = {host: live(controller, host) for host in HOSTS}
    # Its zone lets SSH in, but there is a rule of ours beside it, so the switch lets it in by a rule of its own.
    assert {**after, "switch-firewalld": ""} == {**before, "switch-firewalld": ""}
    assert "8123" in after["switch-firewalld"]
    assert every(switch_together(controller, "state=enabled"), "_word") == "SUCCESS"
    assert every(switch_together(controller, "state=restarted"), "_word") == "CHANGED"
    assert {host: live(controller, host) for host in HOSTS} == after


def test_check_mode_shows_the_rules_before_and_after(controller):
    for host in ("switch-iptables", "switch-firewalld"):
        before = live(controller, host)
        result = controller.task(host, {"state": "disabled"}, "--check", "--diff", module=BACKEND_MODULE)
        assert (result["changed"], result["msg"]) == (True, "%s would be disabled" % NAME[host])
        assert "8123" in result["diff"]["before"]
        assert live(controller, host) == before


def test_without_root_it_is_said_what_is_missing(controller):
    linux = [host for host in HOSTS if host != "switch-bsd"]
    results = switch_together(controller, "state=disabled", "-e", "ansible_user=plain", only=linux)
    assert {host: one["msg"] for host, one in results.items()} == {
        host: "Switching %s needs root; add become: true (or -b)" % NAME[host] for host in linux
    }


def test_off_stays_off_over_a_reboot_and_its_rules_are_left_alone(controller):
    before = {host: live(controller, host) for host in TRAP}
    switch_together(controller, "state=disabled", only=TRAP)
    for host in TRAP:
        controller.lab.reboot(host)
        assert "8123" not in live(controller, host)
    assert "Switch it on first" in controller.adhoc("switch-nft", "action=allow port=81")["msg"]
    assert every(switch_together(controller, "state=enabled", only=TRAP), "_word") == "CHANGED"
    assert {host: live(controller, host) for host in TRAP} == before


def test_a_lockout_by_enabling_is_undone(controller):
    switch_together(controller, "state=disabled", only=TRAP)
    off = {host: live(controller, host) for host in TRAP}
    for host, line in TRAP.items():
        controller.lab.exec(host, ["sh", "-c", line])
    results = switch_together(controller, "state=enabled confirm_within=10", only=TRAP)
    for result in results.values():
        assert (result["_word"], result.get("rolled_back"), result.get("identical")) == ("FAILED!", True, True), result
    assert {host: live(controller, host) for host in TRAP} == off
    status = switch_together(controller, "state=status", only=TRAP)
    assert [one["status"]["enabled"] for one in status.values()] == [False, False, False]
    for host, line in UNTRAP.items():
        controller.lab.exec(host, ["sh", "-c", line])
    assert every(switch_together(controller, "state=enabled", only=TRAP), "_word") == "CHANGED"


def test_a_ufw_whose_unit_is_off_is_told_and_starts_at_boot_when_it_is_enabled(controller):
    controller.lab.exec("switch-ufw", ["systemctl", "disable", "--quiet", "ufw"])
    assert switch(controller, "switch-ufw", "state=status")["status"]["at_boot"] is False
    assert switch(controller, "switch-ufw", "state=enabled")["persisted"] == ["ufw.service starts at boot"]
    assert switch(controller, "switch-ufw", "state=enabled")["_word"] == "SUCCESS"


def test_a_missing_firewall_is_named_and_installed_when_that_is_asked_for(controller):
    result = switch(controller, "switch-nft", "state=enabled backend=ufw")
    assert result["msg"] == "ufw is not installed on this host (ufw is missing); add install: true"
    packed = controller.lab.exec("switch-ufw", ["sh", "-c", PACK]).stdout
    for host in ("switch-nft", "switch-firewalld"):
        controller.lab.exec(host, ["sh", "-c", UNPACK], input=packed)
    switch(controller, "switch-nft", "state=disabled")
    installed = switch(controller, "switch-nft", "state=enabled backend=ufw install=true")
    assert (installed["msg"], installed["installed"]) == ("ufw was installed; it is enabled", True)
    assert installed["proof"] == "a new ssh connection"
    assert "22/tcp" in controller.lab.exec("switch-nft", ["ufw", "status"]).stdout
    assert switch(controller, "switch-nft", "state=enabled install=true")["_word"] == "SUCCESS"


def test_two_active_front_ends_are_refused_and_both_are_named(controller):
    host = "switch-firewalld"
    script = "apt-get -q update; apt-get -y -q install ufw; ufw allow 22/tcp; ufw --force enable; systemctl start firewalld"
    controller.lab.exec(host, ["sh", "-c", script])
    before = live(controller, host)
    for words in ("state=status", "state=enabled", "state=restarted install=true"):
        said = switch(controller, host, words)["msg"]
        assert "Two firewall front ends are active on this host, ufw and firewalld" in said, said
    for words in ("action=allow port=80", "state=check"):
        assert "ufw and firewalld" in controller.adhoc(host, words)["msg"]
    for name, other in (("ufw", "firewalld"), ("firewalld", "ufw")):
        said = switch(controller, host, "state=enabled backend=%s" % name)["msg"]
        assert said.startswith(other)
        assert "so %s is not enabled beside it" % name in said
    assert live(controller, host) == before
    assert switch(controller, host, "state=disabled backend=ufw")["_word"] == "CHANGED"
    assert switch(controller, host, "state=status")["backend"] == "firewalld"
