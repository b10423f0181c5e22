# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies and rules on a host with firewalld: beside its zones, after hand edits, and when it does not run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld import kernel
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.backend import Firewalld
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.firewalld.standin_host import (
    FirewalldHost,
    add,
    carry_out,
    drop,
    put,
)
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.change.test_rule_task import Rules, task

ODD = 'it\'s "q" <b> & $(id) `ls` \\ größer ]]>'
BAN = 'rule family="ipv4" source address="203.0.113.9" reject'
ZONE = "/etc/firewalld/zones/public.xml"
WITH_RULES = """<?xml version="1.0" encoding="utf-8"?>
<zone>
  <!-- <service name="ssh"/> stays a comment -->
  <service name="ssh"/>
  <port port="8080" protocol="tcp"/>
  <rule family="ipv4">
    <source address="203.0.113.0/24"/>
    <port port="443" protocol="tcp"/>
    <drop/>
  </rule>
  <forward/>
</zone>
"""


def policy(*rules, **words):
    """A guarded policy of these rules."""
    return with_guard(parse_policy({"rules": list(rules), **words}), Management((22,)))


def rule(**words):
    return parse_rule(words)


@pytest.fixture(name="host")
def _host():
    return FirewalldHost()


WEB = policy({"action": "allow", "port": [80, 443], "comment": ODD}, {"action": "deny", "source": ["192.0.2.1", "198.51.100.0/24"]})


def test_a_second_run_changes_nothing_and_all_is_gathered(host):
    assert put(host, WEB)
    assert not put(host, WEB)
    backend = Firewalld(host)
    live = backend.read_policy(backend.read())
    assert live.rules == WEB.rules
    assert live.rules[0].comment == ODD
    assert live.defaults == WEB.defaults


def test_removing_a_policy_leaves_the_files_as_they_were(host):
    before = host.etc()
    put(host, WEB)
    assert put(host, None)
    assert host.etc() == before
    assert not put(host, None)


def test_the_old_files_are_on_disk_until_the_change_is_confirmed(host):
    before = host.etc()
    backend = Firewalld(host)
    change = backend.plan_policy(backend.read(), WEB)
    backend.apply(change)
    assert host.etc() == before
    assert "policy_holdfast-in" in host.daemon.kernel
    assert backend.persist(change.persist)
    assert "/etc/firewalld/policies/holdfast-in.xml" in host.etc()


@pytest.mark.parametrize("earlier", [False, True], ids=["no policy before", "another policy before"])
def test_a_reload_by_somebody_else_before_the_confirmation_is_noticed(host, earlier):
    if earlier:
        put(host, policy({"action": "deny", "port": 80}))
    backend = Firewalld(host)
    change = backend.plan_policy(backend.read(), WEB)
    backend.apply(change)
    host.daemon.load()
    with pytest.raises(HoldfastError, match="somebody else"):
        backend.persist(change.persist)


@pytest.mark.parametrize("by_hand", ["rule", "removed", "kernel flushed", "kernel edited", "file removed", "file edited"])
def test_what_is_changed_by_hand_is_repaired(host, by_hand):
    put(host, WEB)
    path = "/etc/firewalld/policies/holdfast-in.xml"
    wanted, text = host.daemon.kernel, host.read(path)
    settings = host.daemon.live["policies"]["holdfast-in"]
    if by_hand == "rule":
        host.run(["firewall-cmd", "--policy=holdfast-in", '--add-rich-rule=rule port port="4444" protocol="tcp" accept'])
    elif by_hand == "removed":
        host.run(["firewall-cmd", "--policy=holdfast-in", "--remove-rich-rule=" + settings["rich_rules"][5]])
    elif by_hand == "kernel flushed":
        host.daemon.kernel = None
    elif by_hand == "kernel edited":
        host.daemon.kernel = host.daemon.kernel.replace("drop", "accept")
    elif by_hand == "file removed":
        host.remove(path)
    else:
        host.write(path, text.replace("443", "444"))
    assert put(host, WEB)
    assert host.daemon.kernel == wanted
    assert host.read(path) == text
    assert not put(host, WEB)


WRITTEN_BY_FIREWALLD = """<?xml version="1.0" encoding="utf-8"?>
<policy priority="32767" target="CONTINUE">
  <short>Rules of holdfast.firewall</short>
  <description>[[1,"web"]]</description>
  <rule priority="-32768">
    <port port="8080" protocol="tcp"/>
    <accept/>
  </rule>
  <ingress-zone name="ANY"/>
  <egress-zone name="HOST"/>
</policy>
"""


def test_files_that_firewalld_wrote_anew_are_ours_as_before(host):
    assert add(host, rule(action="allow", port=8080, comment="web"))
    path = "/etc/firewalld/policies/holdfast-in-end.xml"
    host.daemon.files[path] = WRITTEN_BY_FIREWALLD
    assert Firewalld(host).wake(Firewalld(host).read()) is None
    host.daemon.files[path] = WRITTEN_BY_FIREWALLD.replace('"HOST"', '"ANY"')
    assert Firewalld(host).wake(Firewalld(host).read()) is not None


def test_a_rule_of_ours_that_is_not_on_disk_any_more_is_written_again(host):
    add(host, rule(action="allow", port=8080))
    files = host.etc()
    host.daemon.files = {path: text for path, text in host.daemon.files.items() if not path.endswith("holdfast-in-end.xml")}
    assert carry_out(host, Firewalld(host).wake(Firewalld(host).read()))
    assert host.etc() == files


def test_what_goes_with_the_next_boot_is_no_rule_that_is_present_and_is_removed_when_it_has_to_be_absent(host):
    host.daemon.live["zones"]["public"]["ports"] = [["8080", "tcp"]]
    web = rule(action="allow", port=8080)
    assert add(host, web)
    assert not add(host, web)
    assert drop(host, web)
    assert not drop(host, web)
    assert "ports" not in host.daemon.live["zones"]["public"]
    host.daemon.live["zones"]["public"]["ports"] = [["8080", "tcp"]]
    assert drop(host, web)
    assert "ports" not in host.daemon.live["zones"]["public"]
    assert not drop(host, web)


def test_what_goes_with_the_next_boot_is_listed_as_that(host):
    host.daemon.live["zones"]["public"]["ports"] = [["8080", "tcp"]]
    listed = [one for one in task(Rules(Firewalld(host)), state="check")["parsed"] if "8080" in one["native"][0]]
    assert [(one["rule"]["port"], one["lasts"]) for one in listed] == [([8080], False)]


@pytest.mark.parametrize(
    ("version", "forwards", "refused"),
    [("1.3.3", "1", False), ("2.0.1", "1", True), ("2.4.4", "1", True), ("2.4.4", "0", False), ("2.5.0", "1", False)],
)
def test_forwarding_is_refused_where_firewalld_asks_no_policy_about_unnamed_interfaces(host, version, forwards, refused):
    host.daemon.version = version
    host.daemon.addresses = "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 192.0.2.1/24 scope global eth0\n"
    host.daemon.files["/proc/sys/net/ipv4/ip_forward"] = forwards + "\n"
    transit = rule(action="deny", direction="forward", port=80)
    if refused:
        with pytest.raises(HoldfastError, match=r"no zone names \(here eth0\)"):
            add(host, transit)
        host.daemon.live["zones"]["public"]["interfaces"] = ["eth0"]
    assert add(host, transit)
    assert add(host, rule(action="allow", port=8080))


@pytest.mark.parametrize("quote", ['"', '""'], ids=["from 1.0 on", "0.9"])
def test_what_firewalld_logs_of_its_denials_is_no_change_of_ours(quote):
    chains = "\tchain filter_INPUT {\n%s\t}\n\tchain filter_IN_policy_holdfast-in {\n%s\t\tdrop\n\t}\n"
    logs = (
        '\t\tct state invalid log prefix "STATE_INVALID_DROP: "\n',
        "\t\tlog prefix %sfilter_IN_policy_holdfast-in_DROP: %s\n" % (quote, quote),
    )
    inside = "\t\tip6 daddr ::/96 %sreject with icmpv6 addr-unreachable\n"
    quiet, loud = chains % (inside % "", ""), chains % (inside % 'log prefix "RFC3964_IPv4_REJECT: " ' + logs[0], logs[1])
    assert kernel.digest(quiet) == kernel.digest(loud)
    assert kernel.digest(quiet) != kernel.digest(chains % ("\t\taccept\n", ""))


def test_what_is_in_force_only_survives_our_reload(host):
    host.run(["firewall-cmd", "--zone=public", "--add-rich-rule=" + BAN])
    put(host, WEB)
    assert BAN in host.daemon.live["zones"]["public"]["rules_str"]
    assert ZONE not in host.etc()


def test_an_open_port_of_the_zone_is_seen(host):
    assert not add(host, rule(action="allow", port=22))
    assert host.daemon.reloads == 1


def test_an_allow_stands_behind_the_denials_of_the_zone_and_a_deny_before_what_it_stops():
    host = FirewalldHost({ZONE: WITH_RULES})
    add(host, rule(action="allow", port=443))
    add(host, rule(action="deny", port=8080))
    assert 'port="443"' in host.read("/etc/firewalld/policies/holdfast-in-end.xml")
    assert 'port="8080"' in host.read("/etc/firewalld/policies/holdfast-in.xml")
    assert host.read(ZONE) == WITH_RULES
    assert not add(host, rule(action="allow", port=443))
    assert not add(host, rule(action="deny", port=8080))


def test_with_several_zones_a_deny_decides_before_the_zone_that_opens_its_port():
    host = FirewalldHost({"/etc/firewalld/zones/work.xml": WITH_RULES})
    host.daemon.active = {"work": {"interfaces": ["eth0"]}, "public": {"interfaces": ["eth1"]}}
    assert add(host, rule(action="deny", port=8080))
    assert 'port="8080"' in host.read("/etc/firewalld/policies/holdfast-in.xml")
    assert not add(host, rule(action="deny", port=8080))
    assert add(host, rule(action="allow", port=22))  # open in both zones, and not for certain in every one to come
    assert add(host, rule(action="deny", port=22, source="192.0.2.0/24"))
    assert 'address="192.0.2.0/24"' in host.read("/etc/firewalld/policies/holdfast-in.xml")


def test_a_rule_that_would_overrule_an_exception_of_a_zone_is_refused():
    zone = WITH_RULES.replace("<drop/>", "<accept/>").replace('"8080"', '"443"')
    host = FirewalldHost({"/etc/firewalld/zones/work.xml": zone})
    host.daemon.active = {"work": {"interfaces": ["eth0"]}}
    with pytest.raises(HoldfastError, match=r"203\.0\.113\.0/24"):
        add(host, rule(action="deny", port=443))


def test_removing_what_the_administrator_has_in_a_zone_takes_only_that():
    host = FirewalldHost({ZONE: WITH_RULES})
    assert drop(host, rule(action="deny", port=443, source="203.0.113.0/24"))
    assert drop(host, rule(action="allow", port=8080))
    kept = '<?xml version="1.0" encoding="utf-8"?>\n<zone>\n  <!-- <service name="ssh"/> stays a comment -->\n  <service name="ssh"/>\n'
    assert host.read(ZONE) == kept + "  <forward/>\n</zone>\n"


def test_a_rule_goes_into_the_policy_that_is_in_force(host):
    put(host, WEB)
    assert add(host, rule(action="allow", port=9000, comment="later"))
    assert not add(host, rule(action="allow", port=9000))
    backend = Firewalld(host)
    live = backend.read_policy(backend.read())
    assert [one.comment for one in live.rules] == [ODD, None, "later"]
    assert drop(host, rule(action="allow", port=9000))
    assert not put(host, WEB)


def test_an_overriding_policy_empties_the_zone():
    host = FirewalldHost({ZONE: WITH_RULES})
    put(host, WEB, alone=True)
    assert 'port="8080"' not in host.read(ZONE)
    assert "<forward/>" in host.read(ZONE)
    assert not put(host, WEB, alone=True)


def test_without_an_overriding_policy_administrators_still_get_in():
    host = FirewalldHost({ZONE: WITH_RULES})
    put(host, WEB, alone=True)
    assert put(host, None)
    assert [path for path in host.etc() if "/policies/" in path] == ["/etc/firewalld/policies/holdfast-in-end.xml"]
    assert 'port="22"' in host.read("/etc/firewalld/policies/holdfast-in-end.xml")
    assert not put(host, None)


@pytest.mark.parametrize(
    "home",
    ['<zone><source address="198.51.100.0/24"/><service name="ssh"/></zone>', '<zone target="ACCEPT"><interface name="eth0"/></zone>'],
    ids=["a service", "a target"],
)
def test_a_deleted_policy_opens_nothing_where_one_zone_lets_administrators_in(home):
    host = FirewalldHost({"/etc/firewalld/zones/public.xml": "<zone/>", "/etc/firewalld/zones/home.xml": home})
    host.daemon.active = {"home": {"sources": ["198.51.100.0/24"]}}
    before = dict(host.etc())
    put(host, WEB)
    put(host, None)
    assert host.etc() == before


def test_a_flush_keeps_the_way_in(host):
    put(host, WEB)
    backend = Firewalld(host)
    ruleset = backend.read()
    carry_out(host, backend.plan_flush(ruleset, {"firewalld in": Management((2222,)).guard("in")}))
    assert 'port="2222"' in host.read("/etc/firewalld/policies/holdfast-in-end.xml")
    assert "ssh" not in host.read(ZONE)


def test_forwarding_is_not_decided_where_translations_pass_before_it(host):
    host.daemon.kernel += "\t\tip daddr 192.0.2.1 tcp dport 80 dnat to 10.0.0.1:80\n"
    with pytest.raises(HoldfastError, match="unmanaged"):
        put(host, WEB)
    assert put(host, with_guard(replace(WEB, defaults=dict(WEB.defaults, forward="unmanaged"), guard=()), Management((22,))))


DOCKER = """<policy target="ACCEPT" priority="-1">
  <ingress-zone name="ANY"/>
  <egress-zone name="docker"/>
</policy>
"""


def test_what_docker_has_is_known_as_its_own_and_stays():
    path = "/etc/firewalld/policies/docker-forwarding.xml"
    host = FirewalldHost({path: DOCKER})
    backend = Firewalld(host)
    owners = {chain.owner for chain in backend.read().chains if "forward" in chain.directions}
    assert "docker" in owners
    put(host, WEB, alone=True)
    assert host.read(path) == DOCKER


def test_a_policy_that_is_disabled_decides_nothing():
    text = '<policy target="DROP"><ingress-zone name="ANY"/><egress-zone name="HOST"/><disable/></policy>'
    host = FirewalldHost({"/etc/firewalld/policies/gateway.xml": text})
    listing = Firewalld(host).read().listing
    assert "gateway" not in listing
    assert add(host, rule(action="allow", port=80))


def test_what_switching_off_is_undone_by_has_the_runtime_only_settings(host):
    host.daemon.live["zones"]["home"] = {"interfaces": ["eth0"]}
    host.daemon.files["/etc/firewalld/zones/home.xml"] = "<zone/>"
    backend = Firewalld(host)
    ruleset = backend.read()
    script = backend.snapshot(ruleset, backend.plan_switch(ruleset, "disabled", ())).script
    assert "systemctl restart firewalld.service" in script
    assert "firewall-cmd --quiet --zone=home --change-interface=eth0" in script


def test_a_policy_in_which_known_connections_do_not_come_first_is_refused(host):
    found = Firewalld(host).policy_unsupported(replace(WEB, guard=()))
    assert {one.field for one in found} == {"guard"}


def test_reading_a_state_that_is_not_running_well_is_told_apart(host):
    host.daemon.run = lambda argv, stdin: (251, "failed", "") if argv[-1] == "--state" else (1, "", "no answer")
    with pytest.raises(HoldfastError, match="state failed"):
        Firewalld(host).read()


def test_a_firewalld_that_does_not_run_says_so_and_can_be_switched_on(host):
    host.run(["systemctl", "stop", "firewalld.service"])
    host.daemon.boots = False
    backend = Firewalld(host)
    ruleset = backend.read()
    with pytest.raises(HoldfastError, match="not running"):
        backend.plan_policy(ruleset, WEB)
    assert not backend.is_enabled(ruleset)
    carry_out(host, backend.plan_switch(ruleset, "enabled", [rule(action="allow", port=2222, comment="holdfast: management")]))
    assert host.daemon.running
    assert host.daemon.boots
    assert 'port="2222"' in host.read("/etc/firewalld/policies/holdfast-in-end.xml")
    ruleset = backend.read()
    assert backend.plan_switch(ruleset, "enabled", []).commands == ()
    carry_out(host, backend.plan_switch(ruleset, "disabled", []))
    assert (host.daemon.running, host.daemon.boots) == (False, False)


def test_what_is_let_in_by_switching_on_is_no_drift_afterwards(host):
    add(host, rule(action="allow", port=8123))
    carry_out(host, Firewalld(host).plan_switch(Firewalld(host).read(), "disabled", []))
    off = Firewalld(host).read()
    carry_out(host, Firewalld(host).plan_switch(off, "enabled", [rule(action="allow", port=2222, comment="holdfast: management")]))
    assert Firewalld(host).plan_switch(Firewalld(host).read(), "enabled", []).commands == ()


def test_switching_off_predicts_what_is_listed_then(host):
    planned = Firewalld(host).plan_switch(Firewalld(host).read(), "disabled", [])
    carry_out(host, planned)
    assert planned.after == Firewalld(host).read().listing


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"port": 22, "interface": "x" * 15}, "interface"),
        ({"port": 22, "direction": "forward", "out_interface": "eth1"}, "out_interface"),
        ({"port": 22, "limit": "6/minute", "limit_per": "source"}, "limit_per"),
        ({"port": [22, 80], "limit": "6/minute"}, "limit"),
        ({"port": 22, "limit": "6/minute", "limit_burst": 9}, "limit_burst"),
        ({"port": 22, "limit": "1/day"}, "limit"),
        ({"port": 22, "log": True, "log_prefix": "a=b"}, "log_prefix"),
        ({"port": 22, "log": True, "log_prefix": "a$b"}, "log_prefix"),
        ({"port": 22, "log": True, "limit": "6/minute"}, "log"),
        ({"port": 80, "source_port": 1024}, "source_port"),
        ({"port": list(range(1, 65535, 2))}, "port"),
        ({"protocol": "icmpv6", "icmp_type": 143}, "icmp_type"),
        ({"port": 80, "direction": "out", "stateful": True}, "stateful"),
        ({"port": 80, "program": "/bin/true"}, "program"),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_what_cannot_be_carried_is_refused(host, words, field):
    found = Firewalld(host).unsupported(rule(action="allow", **words))
    assert field in [one.field for one in found]
    assert all(len(one.reason) > 20 for one in found)


LINES = (
    "rule accept extra",
    "accept",
    "rule priority=5 drop",
    'rule log prefix="a<b" drop',
    "rule masquerade",
    "rule 'drop",
    "rule source drop",
)


@pytest.mark.parametrize("line", LINES)
def test_raw_lines_that_are_no_rich_rules_are_refused(host, line):
    document = policy({"action": "allow", "port": 1}, native={"firewalld": {"before": {"in": [line]}}})
    assert [one.field for one in Firewalld(host).policy_unsupported(document)] == ["native.firewalld.before.in[0]"]


def test_more_rich_rules_than_there_are_priorities_are_refused(host):
    ports = {"action": "allow", "port": list(range(1, 8192, 2))}
    assert not Firewalld(host).policy_unsupported(policy(*[ports] * 15))
    assert [one.field for one in Firewalld(host).policy_unsupported(policy(*[ports] * 16))] == ["rules"]


@pytest.mark.parametrize("new", [True, False], ids=["its checker called", "an old firewalld"])
def test_the_checker_of_firewalld_is_asked_about_every_rule(host, new):
    host.daemon.new = new
    backend = Firewalld(host)
    native = {"firewalld": {"after": {"in": ['rule port port="99999" protocol="tcp" accept']}}}
    change = backend.plan_policy(backend.read(), policy({"action": "allow", "port": 1}, native=native))
    with pytest.raises(HoldfastError, match="its own checker"):
        backend.validate(change)
    assert not [path for path in host.daemon.files if path.startswith("/run/")]
    assert host.daemon.asked_offline == (0 if new else 1)


def test_how_long_a_reload_takes_is_judged_by_its_check(host):
    backend = Firewalld(host)
    change = backend.plan_policy(backend.read(), policy({"action": "allow", "port": 1}))
    assert change.keeps_connections
    assert backend.loads_in(0.5) == 3.0
    backend.validate(change)
    assert backend.loads_in(0.5) == pytest.approx(0.695)
    host.daemon.kernel = None
    change = backend.plan_policy(backend.read(), policy({"action": "allow", "port": 1}))
    assert not change.keeps_connections
    backend.validate(change)
    assert backend.loads_in(0.5) == 3.0
