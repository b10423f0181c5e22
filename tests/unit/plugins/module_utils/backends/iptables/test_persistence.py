# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made to last: the loader's own file with the same edits, or files of ours; and both load to the live rules."""

from __future__ import annotations

import json

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.boot import loader_files
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import DOCKER, restore, rule

V4 = "/etc/iptables/rules.v4"
OWN = "/etc/holdfast/iptables/rules.v4"
FILE = """\
# Written by the administrator
*filter
:INPUT DROP [12:34]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# loopback
-A INPUT -i lo -j ACCEPT
-A INPUT -m state --state NEW -m tcp -p tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
# the end
"""
MANY = ["192.0.2.%d" % number for number in range(0, 60, 2)]


def debian(host):
    (host.folder / "run/systemd/system").mkdir(parents=True)
    host.enabled.add("netfilter-persistent.service")
    plugins = host.folder / "usr/share/netfilter-persistent/plugins.d"
    plugins.mkdir(parents=True)
    for name in ("15-ip4tables", "25-ip6tables"):
        (plugins / name).touch()


def systemd(host):
    (host.folder / "run/systemd/system").mkdir(parents=True)


def confirmed(backend, edits):
    """Change, then persist as another process does; return the report and the snapshot's paths."""
    ruleset = backend.read()
    transaction = backend.plan(ruleset, edits(ruleset))
    return confirm(backend, ruleset, transaction)


def confirm(backend, ruleset, transaction):
    paths = backend.snapshot(ruleset, transaction).paths
    backend.apply(transaction)
    facts = json.loads(json.dumps(dict(transaction.persist)))
    report = Iptables(backend.host).persist(facts)
    files = {path: backend.host.read(path) for path in paths}
    assert all(line.split()[1] in paths for line in report if line.startswith("wrote"))
    again = Iptables(backend.host).persist(facts)
    assert {path: backend.host.read(path) for path in paths} == files, again
    return report


def present(backend, one):
    return confirmed(backend, lambda ruleset: place_present(backend, ruleset, one).edits)


def absent(backend, one):
    return confirmed(backend, lambda ruleset: place_absent(backend, ruleset, one).edits)


def rules_in(text):
    return [line for line in text.splitlines() if line.startswith("-A")]


def boot(host, backend, *loaders):
    """Forget all live rules as a reboot does, load what is there, and return the listing."""
    for family, tool in ((4, "iptables"), (6, "ip6tables")):
        host.load("".join("*%s\nCOMMIT\n" % table for table in ("nat", "mangle", "raw", "filter")), family)
        host.shell("for c in INPUT FORWARD OUTPUT; do %s -P $c ACCEPT; done" % tool)
    for words in loaders:
        host.shell(words)
    return backend.read().listing


def own_load(host, job):
    text = (
        host.read("/etc/holdfast/iptables/load.sh")
        .replace("/etc/holdfast", str(host.folder) + "/etc/holdfast")
        .replace("PATH=/usr", "PATH=%s:/usr" % (host.folder / "bin"))
    )
    (host.folder / "load.sh").write_text(text)
    return "sh %s %s" % (host.folder / "load.sh", job)


def test_the_loaders_file_gets_the_rule_where_it_decides_and_keeps_its_comments(backend, host):
    debian(host)
    host.write(V4, FILE)
    present(backend, rule(port=80, family="ipv4", comment="web"))
    expected = FILE.replace(
        "-A INPUT -j REJECT", "-A INPUT -p tcp -m tcp --dport 80 -m comment --comment web -j ACCEPT\n-A INPUT -j REJECT"
    )
    assert host.read(V4) == expected


def test_what_other_programs_put_into_the_live_rules_stays_out_of_the_file(backend, host):
    debian(host)
    host.load(DOCKER)
    present(backend, rule(port=80, family="ipv4"))
    text = host.read(V4)
    assert "DOCKER" not in text and "f2b" not in text and "docker0" not in text
    assert "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT" in text and ":INPUT DROP" in text and "-A MINE " in text


def test_a_stateful_rule_brings_its_reply_rule_into_the_file(backend, host):
    debian(host)
    host.load("*filter\n:OUTPUT DROP [0:0]\nCOMMIT\n")
    host.write(V4, FILE.replace(":OUTPUT ACCEPT", ":OUTPUT DROP"))
    present(backend, rule(port=80, family="ipv4", stateful=True))
    assert "-A OUTPUT -p tcp -m tcp --sport 80 -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT" in rules_in(
        host.read(V4)
    )


def test_a_removed_rule_leaves_the_file_with_its_reply_rule(backend, host):
    debian(host)
    host.load("*filter\n:INPUT DROP [0:0]\n:OUTPUT DROP [0:0]\nCOMMIT\n")
    host.write(V4, FILE.replace(":OUTPUT ACCEPT", ":OUTPUT DROP"))
    one = rule(port=80, family="ipv4", stateful=True)
    present(backend, one)
    absent(backend, one)
    assert host.read(V4) == FILE.replace(":OUTPUT ACCEPT", ":OUTPUT DROP")


def test_a_changed_comment_is_changed_in_the_file(backend, host):
    debian(host)
    host.write(V4, FILE)
    present(backend, rule(action="deny", port=23, family="ipv4", comment="old", log=True))
    present(backend, rule(action="deny", port=23, family="ipv4", comment="new", log=True))
    assert [line.split("--comment ")[1] for line in rules_in(host.read(V4)) if "dport 23" in line] == ["new -j LOG", "new -j DROP"]


def test_a_raw_rule_goes_into_the_file_in_its_place(backend, host):
    debian(host)
    host.load(FILE)
    host.write(V4, FILE)
    text = "iptables -I INPUT 2 -p icmp --icmp-type echo-request -j ACCEPT"
    confirmed(backend, lambda ruleset: [Edit(backend.match_native(ruleset, text)[0][0], native=text)])
    assert rules_in(host.read(V4))[1] == "-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT"


def test_a_raw_rule_of_a_table_that_the_file_lacks_brings_the_table(backend, host):
    debian(host)
    host.write(V4, FILE)
    text = "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE"
    confirmed(backend, lambda ruleset: [Edit(backend.match_native(ruleset, text)[0][0], native=text)])
    assert host.read(V4).startswith(FILE)
    assert "*nat\n:PREROUTING ACCEPT [0:0]\n" in host.read(V4)
    assert "-A POSTROUTING -o eth0 -j MASQUERADE" in boot(host, backend, "iptables-restore < %s%s" % (host.folder, V4))


def test_a_flush_empties_the_file_but_for_the_kept_rules(backend, host):
    debian(host)
    host.load(DOCKER)
    host.write(V4, FILE)
    ruleset = backend.read()
    confirm(backend, ruleset, backend.plan_flush(ruleset, {"INPUT (ipv4)": [rule(port=22, family="ipv4")]}))
    assert rules_in(host.read(V4)) == ["-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"]
    assert ":INPUT DROP" in host.read(V4)


def test_a_file_that_cannot_be_edited_is_left_alone_with_the_reason(backend, host):
    debian(host)
    host.write(V4, FILE.replace("-A INPUT -i", "-I INPUT -i"))
    with pytest.raises(HoldfastError, match="left alone"):
        present(backend, rule(port=80, family="ipv4"))


def test_the_loaders_file_loads_to_the_rules_that_were_confirmed(backend, host):
    debian(host)
    host.load("*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n")
    present(backend, rule(action="deny", source=MANY, port=80))
    present(backend, rule(port=443, log=True, limit="6/minute", limit_per="source"))
    before = backend.read().listing
    tools = (("iptables", 4), ("ip6tables", 6))
    loads = ["%s-restore < %s/etc/iptables/rules.v%d" % (tool, host.folder, family) for tool, family in tools]
    listing = boot(host, backend, own_load(host, "sets"), *loads)
    assert listing == before
    assert "holdfast-firewall-ipset.service" in host.enabled
    assert "Before=netfilter-persistent.service" in host.read("/etc/systemd/system/holdfast-firewall-ipset.service")


def test_files_of_ours_load_to_the_rules_that_were_confirmed(backend, host):
    systemd(host)
    host.load(DOCKER.split("COMMIT\n", 1)[1].replace("-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n", ""))
    for line in ("-F FORWARD", "-F f2b-sshd", "-X f2b-sshd", "-F DOCKER-USER", "-X DOCKER-USER", "-F DOCKER", "-X DOCKER"):
        host.checked(["iptables", *line.split()])
    present(backend, rule(action="deny", source=MANY, port=80))
    present(backend, rule(port=443, stateful=True))
    before = backend.read().listing
    assert boot(host, backend, own_load(host, "sets"), own_load(host, "rules")) == before
    assert {"holdfast-firewall-iptables.service", "holdfast-firewall-ipset.service"} <= host.enabled


def test_files_of_ours_leave_out_what_other_programs_keep(backend, host):
    systemd(host)
    host.load(DOCKER)
    report = present(backend, rule(port=80, family="ipv4"))
    assert "wrote %s" % OWN in report
    assert "DOCKER" not in host.read(OWN) and "f2b" not in host.read(OWN) and "-F INPUT" in host.read(OWN)


def test_files_of_ours_leave_the_chains_of_other_programs_alone_when_they_load(backend, host):
    systemd(host)
    host.load(DOCKER)
    present(backend, rule(port=80, family="ipv4"))
    host.shell(own_load(host, "rules"))
    assert [entry.native for entry in backend.read().chain("DOCKER-USER (ipv4)").entries] == [("-A DOCKER-USER -j RETURN",)]


def test_sets_that_nothing_names_any_more_are_destroyed(backend, host):
    systemd(host)
    one = rule(action="deny", source=MANY, port=80)
    present(backend, one)
    assert host.checked(["ipset", "list", "-n"]).startswith("hf-")
    absent(backend, one)
    if host.checked(["ipset", "list", "-n"]):  # the nft variant lets go of a set a moment later
        present(backend, rule(port=81, family="ipv4"))
    assert host.checked(["ipset", "list", "-n"]) == ""
    assert not host.exists("/etc/holdfast/iptables/ipset.conf")


def test_a_loader_that_is_enabled_later_takes_over(backend, host):
    systemd(host)
    present(backend, rule(port=80, family="ipv4"))
    assert host.exists(OWN)
    (host.folder / "run/systemd/system").rmdir()
    debian(host)
    present(backend, rule(port=81, family="ipv4"))
    assert not host.exists(OWN)
    assert len(rules_in(host.read(V4))) == 2


def test_without_a_loader_a_warning_says_what_to_do(backend, host):
    report = present(backend, rule(port=80, family="ipv4"))
    assert any(line.startswith("warning:") and "load.sh rules" in line for line in report)


def test_a_change_of_one_family_leaves_the_file_of_the_other(backend, host):
    debian(host)
    host.write("/etc/iptables/rules.v6", "untouched")
    present(backend, rule(port=80, family="ipv4"))
    assert host.read("/etc/iptables/rules.v6") == "untouched"


@pytest.mark.parametrize(
    ("units", "paths", "expected"),
    [
        (["netfilter-persistent.service"], ["/usr/share/netfilter-persistent/plugins.d/15-ip4tables"], {4: V4}),
        (["iptables.service"], ["/etc/sysconfig/"], {4: "/etc/sysconfig/iptables"}),
        (["iptables.service", "ip6tables.service"], [], {4: "/etc/iptables/iptables.rules", 6: "/etc/iptables/ip6tables.rules"}),
        (None, ["/etc/runlevels/default/iptables", "/etc/runlevels/default/ip6tables", "/etc/alpine-release"],
         {4: "/etc/iptables/rules-save", 6: "/etc/iptables/rules6-save"}),
        (None, ["/etc/runlevels/boot/iptables"], {4: "/var/lib/iptables/rules-save"}),
        ([], [], {}),
    ],
    ids=["debian", "redhat-ipv4-only", "arch", "alpine", "gentoo", "none"],
)  # fmt: skip
def test_the_file_is_the_one_that_the_enabled_loader_reads(host, units, paths, expected):
    if units is not None:
        systemd(host)
        host.enabled.update(units)
    for path in paths:
        target = host.folder / path.strip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir() if path.endswith("/") else target.touch()
    assert loader_files(host) == expected


def enforce(backend, *rules, alone=False, **words):
    """Put a policy in force and confirm it; without rules and words: remove ours."""
    policy = parse_policy({"rules": [{"action": "allow", **one} for one in rules], **words}) if rules or words else None
    ruleset = backend.read()
    return confirm(backend, ruleset, backend.plan_policy(ruleset, policy, "rules", alone))


def test_a_policy_of_a_host_with_a_loader_is_in_its_file_before_the_administrators_entries(backend, host):
    debian(host)
    host.write(V4, FILE)
    host.load(FILE)
    enforce(backend, {"port": 80}, {"port": 81, "source": MANY}, nat=[{"type": "masquerade", "interface": "eth0"}])
    text = host.read(V4)
    assert text.index("-A INPUT -j holdfast-input") < text.index("-A INPUT -i lo -j ACCEPT")
    assert "# loopback\n" in text and "# the end" in text
    assert boot(host, backend, own_load(host, "sets")) is not None
    before = backend.read()
    host.shell("iptables-restore < %s%s; ip6tables-restore < %s/etc/iptables/rules.v6" % (host.folder, V4, host.folder))
    assert backend.read() != before
    policy = backend.read_policy(backend.read())
    assert [one.ports[0].first for one in policy.rules] == [80, 81]
    assert len(policy.nat) == 1


def test_another_policy_takes_the_place_of_the_old_one_in_the_file_and_none_leaves_it_as_it_was(backend, host):
    debian(host)
    host.write(V4, FILE)
    host.load(FILE)
    enforce(backend, {"port": 80})
    enforce(backend, {"port": 90})
    assert "--dport 90" in host.read(V4) and "--dport 80" not in host.read(V4)
    enforce(backend)
    assert host.read(V4) == FILE


def test_alone_empties_the_administrators_entries_in_the_file_too(backend, host):
    debian(host)
    host.write(V4, FILE)
    host.load(FILE)
    enforce(backend, {"port": 80}, alone=True)
    assert "-A INPUT -j holdfast-input" in rules_in(host.read(V4))
    assert not [line for line in rules_in(host.read(V4)) if "holdfast" not in line]


def test_a_policy_of_a_host_without_a_loader_comes_back_after_a_reboot(backend, host):
    systemd(host)
    host.load(DOCKER)
    enforce(backend, {"port": 80}, {"port": 81, "source": MANY}, nat=[{"type": "masquerade", "interface": "eth0"}])
    live = backend.own_listing(backend.read())
    boot(host, backend, own_load(host, "sets"), own_load(host, "rules"))
    assert backend.own_listing(backend.read()) == live
    assert "DOCKER" not in backend.read().listing


def test_the_sets_of_a_policy_that_is_gone_are_destroyed(backend, host):
    systemd(host)
    enforce(backend, {"port": 81, "source": MANY})
    assert host.shell("ipset list -n").startswith("hf-")
    enforce(backend, {"port": 81, "source": MANY[1:]})
    assert len(host.shell("ipset list -n").split()) == 1
    enforce(backend)
    assert host.shell("ipset list -n") == ""


def test_the_sets_of_a_change_that_was_undone_are_destroyed_with_it(backend, host):
    ruleset = backend.read()
    policy = parse_policy({"rules": [{"action": "allow", "source": MANY}]})
    transaction = backend.plan_policy(ruleset, policy, "rules")
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    assert restore(host, snapshot).ok
    assert host.shell("ipset list -n") == ""
