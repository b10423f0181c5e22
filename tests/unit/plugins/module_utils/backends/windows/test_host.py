# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and policies on a stand-in Windows host: put in force, changed, removed, exported and imported, whatever language it speaks."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.backend import SCRIPT, Windows, export_commands
from ansible_collections.holdfast.firewall.plugins.module_utils.change.live_policy import live_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.host import Result
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.windows.packets import expected, packets
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.windows.test_policy_text import carried, policy
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.windows.windows_host import Packet, WindowsHost
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules

WEB = {"action": "allow", "port": [80, 443], "comment": "web"}
BAD = {"action": "deny", "protocol": "any", "source": "203.0.113.0/24"}


@pytest.fixture(params=["en", "de"])
def backend(request, tmp_path):
    return Windows(WindowsHost(tmp_path, request.param))


def put(backend, wanted, alone=False):
    """Put a policy in force; return whether there was anything to do."""
    transaction = backend.plan_policy(backend.read(), wanted, alone=alone)
    backend.apply(transaction)
    return bool(transaction.commands)


def present(backend, **words):
    placement = place_present(backend, backend.read(), parse_rule(words))
    if placement.edits:
        backend.apply(backend.plan(backend.read(), placement.edits))
    return placement


def absent(backend, **words):
    placement = place_absent(backend, backend.read(), parse_rule(words))
    if placement.edits:
        backend.apply(backend.plan(backend.read(), placement.edits))
    return placement


def incoming(port, remote="198.51.100.7", protocol=6, **more):
    return Packet("in", protocol, "192.0.2.10", remote, local_port=port, remote_port=40000, **more)


# -- policies ----------------------------------------------------------------------------------------------------------------


def test_a_policy_decides_and_a_second_run_changes_nothing(backend):
    wanted = policy([BAD, WEB], out="allow")
    assert put(backend, wanted)
    assert not put(backend, wanted)
    assert backend.host.verdict(incoming(443)) == "allow"
    assert backend.host.verdict(incoming(443, "203.0.113.9")) == "block"
    assert backend.host.verdict(incoming(8080)) == "block"
    found = backend.read_policy(backend.read())
    assert (found.rules, found.guard) == (wanted.rules, wanted.guard)


def test_a_change_leaves_the_rules_that_stay_alone(backend):
    put(backend, policy([WEB, BAD]))
    kept = {name for name, text in backend.host.store.rules if "hf:0000" in text}
    transaction = backend.plan_policy(backend.read(), policy([WEB, {"action": "allow", "port": 8080}]))
    backend.apply(transaction)
    assert kept <= {name for name, _text in backend.host.store.rules}
    assert len(transaction.commands) == 1
    assert transaction.commands[0].argv == ("netsh", "-f", SCRIPT)
    assert backend.host.verdict(incoming(8080)) == "allow"


def test_removing_a_policy_puts_the_defaults_back(backend):
    backend.host.must("netsh", "advfirewall", "set", "publicprofile", "firewallpolicy", "allowinbound,allowoutbound")
    before = backend.read().listing
    put(backend, policy([WEB], out="deny"))
    put(backend, policy([WEB, BAD], out="deny"))
    assert put(backend, None)
    assert backend.read().listing == before
    assert not put(backend, None)


def test_a_direction_that_is_left_alone_keeps_its_default(backend):
    backend.host.must("netsh", "advfirewall", "set", "domainprofile", "firewallpolicy", "allowinbound,blockoutbound")
    put(backend, policy([WEB]))
    profiles = backend.host.store.state["profiles"]
    assert (profiles["domain"]["DefaultInboundAction"], profiles["domain"]["DefaultOutboundAction"]) == (1, 1)
    assert profiles["public"]["DefaultOutboundAction"] == 0


def test_a_default_that_is_changed_later_in_a_direction_that_is_left_alone_stays(backend):
    wanted = policy([WEB])
    put(backend, wanted)
    own = backend.live_text()
    backend.host.must("netsh", "advfirewall", "set", "allprofiles", "firewallpolicy", "blockinbound,blockoutbound")
    assert backend.live_text() == own
    assert not put(backend, wanted)
    put(backend, None)
    assert {one.outbound for one in backend.read().chains[0].ref.profiles.values()} == {"blockoutbound"}


def test_a_default_that_is_changed_by_hand_is_seen_and_undone(backend):
    wanted = policy([WEB])
    put(backend, wanted)
    own = backend.live_text()
    backend.host.must("netsh", "advfirewall", "set", "publicprofile", "firewallpolicy", "allowinbound,allowoutbound")
    assert backend.live_text() != own
    with pytest.raises(HoldfastError, match="public"):
        backend.read_policy(backend.read())
    assert put(backend, wanted)
    assert backend.live_text() == own


def test_rules_that_windows_gives_to_apps_by_itself_are_no_change(backend):
    put(backend, policy([WEB]))
    whole = backend.live_text(whole=True)
    store = backend.host.store
    store.add("v2.30|Action=Allow|Active=TRUE|Dir=Out|Name=App|LUOwn=S-1-5-21-9|AppPkgId=S-1-15-2-9|EmbedCtxt=App|")
    store.save()
    assert backend.live_text(whole=True) == whole
    assert any("S-1-15-2-9" in entry.native[0] for entry in backend.read().chains[1].entries)


def test_a_rule_of_the_policy_is_not_removed_by_itself(backend):
    put(backend, policy([WEB]))
    assert not absent(backend, action="allow", port=[80, 443]).edits
    assert [rule.comment for rule in backend.read_policy(backend.read()).rules] == ["web"]


def test_a_single_allow_beside_a_policy_decides_unless_the_policy_blocks_it(backend):
    put(backend, policy([BAD]))
    present(backend, action="allow", port=99)
    assert (backend.host.verdict(incoming(99)), backend.host.verdict(incoming(99, "203.0.113.9"))) == ("allow", "block")
    assert place_present(backend, backend.read(), parse_rule({"action": "allow", "port": 98, "source": "203.0.113.9"})).blocked_by


def test_an_equal_rule_of_an_administrator_keeps_its_name_beside_another_comment(backend):
    backend.host.must(
        "netsh", "advfirewall", "firewall", "add", "rule", "name=mine", "dir=in", "action=allow", "protocol=tcp", "localport=99"
    )
    before = backend.read().listing
    present(backend, action="allow", port=99, comment="ours")
    assert backend.read().listing == before


@pytest.mark.parametrize("name", ["B\u00fcro", 'a "b"', "\u30ec\u30dd\u30fc\u30c8", "all"])
def test_a_rule_whose_name_a_script_cannot_say_is_removed_by_its_identity(backend, name):
    put(backend, policy([WEB]), alone=True)
    before = backend.read().listing
    store = backend.host.store
    for identity, action, port, called in (
        ("TCP Query User{1E8E}C:\\a b\\c.exe", "Allow", 99, name), ("{2}", "Block", 99, name), ("{3}", "Block", 98, "plain"),
    ):  # fmt: skip
        text = "v2.30|Action=%s|Active=TRUE|Dir=In|Protocol=6|LPort=%d|Name=%s|" % (action, port, called)
        store.state["rules"].append([identity, text])
    store.save()
    texts = [command.stdin for command in backend.plan_policy(backend.read(), policy([WEB]), alone=True).commands]
    # Allows go before blocks also where netsh does not remove them.
    assert texts == ["TCP Query User{1E8E}C:\\a b\\c.exe\n{2}\n", 'advfirewall firewall delete rule name="plain"\n']
    put(backend, policy([WEB]), alone=True)
    assert backend.read().listing == before
    assert not put(backend, policy([WEB]), alone=True)


def test_a_rule_that_neither_netsh_nor_its_identity_names_for_certain_is_not_removed_by_guessing(backend):
    store = backend.host.store
    store.state["rules"].append(["B\u00fcro*", "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=99|Name=B\u00fcro|"])
    store.save()
    with pytest.raises(HoldfastError, match="B\u00fcro"):
        backend.plan_policy(backend.read(), policy([WEB]), alone=True)


def test_a_firewall_that_is_off_is_switched_on_by_a_policy(backend):
    backend.host.must("netsh", "advfirewall", "set", "allprofiles", "state", "off")
    script = backend.plan_policy(backend.read(), policy([WEB])).commands[0].stdin.splitlines()
    put(backend, policy([WEB]))
    assert backend.is_enabled(backend.read())
    assert script.index("advfirewall set allprofiles state on") > max(n for n, line in enumerate(script) if " add rule " in line)


@pytest.mark.parametrize("word", ["localport", "enable", "action"])
def test_an_edit_by_hand_is_told_and_undone(backend, word):
    wanted = policy([WEB, BAD])
    put(backend, wanted)
    name = next(text.split("|Name=")[1].split("|")[0] for _id, text in backend.host.store.rules if "hf:0000" in text)
    value = {"localport": "81", "enable": "no", "action": "block"}[word]
    backend.host.must("netsh", "advfirewall", "firewall", "set", "rule", "name=" + name, "new", "%s=%s" % (word, value))
    with pytest.raises(HoldfastError, match="by hand"):
        backend.read_policy(backend.read())
    assert put(backend, wanted)
    assert backend.read_policy(backend.read()).rules == wanted.rules
    assert not any("hfold" in text for _id, text in backend.host.store.rules)


def test_rules_of_administrators_stay_unless_the_policy_is_to_be_alone(backend):
    backend.host.must(
        "netsh", "advfirewall", "firewall", "add", "rule", "name=mine", "dir=in", "action=allow", "protocol=tcp", "localport=99"
    )
    built_in = [text for _id, text in backend.host.store.rules if "Name=@" in text or "AppPkgId" in text]
    put(backend, policy([WEB]))
    assert backend.host.verdict(incoming(99)) == "allow"
    put(backend, policy([WEB]), alone=True)
    assert backend.host.verdict(incoming(99)) == "block"
    assert not put(backend, policy([WEB]), alone=True)
    assert [text for _id, text in backend.host.store.rules if "Name=@" in text or "AppPkgId" in text] == built_in


def test_rules_that_windows_writes_for_containers_are_not_an_administrators(backend):
    put(backend, policy([WEB]), alone=True)
    store = backend.host.store
    store.add(
        "v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=53|IF={790E58B4-7939-4434-9358-89AE7DDBE87F}|"
        "App=%SystemRoot%\\System32\\svchost.exe|Svc=SharedAccess|"
        "Name=HNS Container Networking - DNS (UDP-In) - 790E58B4-7939-4434-9358-89AE7DDBE87F - 0|"
    )
    store.save()
    assert not put(backend, policy([WEB]), alone=True)
    backend.apply(backend.plan_flush(backend.read(), {}))
    assert any("HNS Container" in text for _id, text in backend.host.store.rules)


def test_allows_that_decide_beside_a_policy_are_told(backend):
    told = backend.beside(backend.read(), alone=False)
    assert told == [
        "6 allow rules of Windows and its apps also decide, for example @FirewallAPI.dll,-25019; they are left alone",
        "1 allow rules of administrators and programs also decide, for example OpenSSH SSH Server (sshd) (state: overridden removes them)",
    ]
    put(backend, policy([WEB]), alone=True)
    assert backend.beside(backend.read(), alone=True) == told[:1]


def test_what_was_exported_comes_back_by_the_script_of_the_snapshot(backend):
    folder = "C:\\ProgramData\\holdfast\\pending"
    backend.host.write(folder + "\\x", "")
    present(backend, action="allow", port=99)
    before = backend.host.store.state["rules"]
    for command in export_commands(folder):
        backend.host.must(*command.argv)
    snapshot = backend.snapshot(backend.read(), backend.plan_policy(backend.read(), policy([WEB])))
    put(backend, policy([WEB]))
    line = snapshot.script.splitlines()[0]
    assert snapshot.after_reboot
    assert line == 'netsh advfirewall import "%DIR%\\before.wfw"'
    backend.host.must("netsh", "advfirewall", "import", folder + "\\before.wfw")
    assert backend.host.store.state["rules"] == before


def test_a_line_that_netsh_refuses_is_told(tmp_path):
    backend = Windows(WindowsHost(tmp_path, elevated=False))
    with pytest.raises(HoldfastError, match=r"did not do all of its script.*requires elevation"):
        put(backend, policy([WEB]))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(carried(), carried(), st.integers(0, 2**32))
def test_on_the_way_from_one_policy_to_another_nothing_leaks_and_nothing_is_cut(tmp_path_factory, old, new, seed):
    backend = Windows(WindowsHost(tmp_path_factory.mktemp("windows")))
    backend.host.store.save()
    state = backend.host.store
    state.state["rules"] = []
    state.save()
    if backend.policy_unsupported(old) or backend.policy_unsupported(new):
        return
    put(backend, old)
    script = backend.plan_policy(backend.read(), new).commands
    both = [
        packet for packet in packets(new, random.Random(seed), 30)
        if "unmanaged" not in (old.defaults[packet.direction], new.defaults[packet.direction])
        and expected(old, packet) == expected(new, packet)
    ]  # fmt: skip
    for line in script[0].stdin.splitlines() if script else []:
        backend.host.write(SCRIPT, line + "\n")
        backend.host.must("netsh", "-f", SCRIPT)
        for packet in both:
            assert backend.host.verdict(packet) == expected(new, packet), line
    assert not put(backend, new)
    assert backend.read_policy(backend.read()).rules == new.rules


# -- single rules ------------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules(limits=False, logs=False, forward=False), st.booleans())
def test_a_random_rule_comes_back_or_is_refused(tmp_path_factory, rule, anywhere):
    backend = Windows(WindowsHost(tmp_path_factory.mktemp("windows")))
    if anywhere:
        rule = replace(rule, interface=None, action="deny" if rule.action == "reject" else rule.action)
    if backend.unsupported(rule):
        assert not anywhere or rule.protocol == 132 or "no packet" in backend.unsupported(rule)[0].reason
        return
    wanted = backend.normalise(rule)
    parsed = backend.parse("\n".join(backend.render(rule)) + "\n")
    assert [entry.rule for chain in parsed.chains for entry in chain.entries] == [wanted]
    backend.apply(backend.plan(backend.read(), place_present(backend, backend.read(), rule).edits))
    assert not place_present(backend, backend.read(), rule).edits
    assert any(entry.rule == wanted for chain in backend.read().chains for entry in chain.entries)
    backend.apply(backend.plan(backend.read(), place_absent(backend, backend.read(), rule).edits))
    assert not place_absent(backend, backend.read(), rule).edits


def test_a_rule_is_added_once_and_removed(backend):
    assert present(backend, action="allow", port=99, comment="mine").edits
    assert not present(backend, action="allow", port=99).edits
    assert backend.host.verdict(incoming(99)) == "allow"
    assert absent(backend, action="allow", port=99).edits
    assert backend.host.verdict(incoming(99)) == "block"


def test_an_equal_rule_of_an_administrator_counts_and_is_removed_by_its_own_words_only(backend):
    for port in ("99", "98"):
        backend.host.must(
            "netsh", "advfirewall", "firewall", "add", "rule", "name=mine", "dir=in", "action=allow", "protocol=tcp", "localport=" + port
        )
    assert not present(backend, action="allow", port=99).edits
    assert absent(backend, action="allow", port=99).edits
    assert (backend.host.verdict(incoming(99)), backend.host.verdict(incoming(98))) == ("block", "allow")


def test_a_rule_that_was_added_twice_is_removed_twice(backend):
    add = ("netsh", "advfirewall", "firewall", "add", "rule", "name=mine", "dir=in", "action=allow", "protocol=tcp", "localport=99")
    before = backend.read().listing
    for _again in range(2):
        backend.host.must(*add)
    assert not present(backend, action="allow", port=99).edits
    assert absent(backend, action="allow", port=99).edits
    assert backend.read().listing == before
    for _again in range(3):
        backend.host.must(*add)
    ((chain, entry),) = backend.match_native(backend.read(), " ".join(add))
    backend.apply(backend.plan(backend.read(), [Edit(chain, remove=entry)]))
    assert backend.read().listing == before
    for _again in range(2):
        backend.host.must(*add)
    put(backend, policy([WEB]), alone=True)
    assert not put(backend, policy([WEB]), alone=True)


@pytest.mark.parametrize(("program", "carried"), [
    ("%ProgramFiles%\\app\\app.exe", True), ("C:\\Users\\anna\\app.exe", True), ("%LocalAppData%\\app\\app.exe", False),
    ("%USERPROFILE%\\app.exe", False),
])  # fmt: skip
def test_a_program_in_the_folder_of_whoever_runs_it_has_no_words(backend, program, carried):
    found = backend.unsupported(parse_rule({"action": "deny", "direction": "out", "protocol": "any", "program": program}))
    assert [one.field for one in found] == ([] if carried else ["program"])


def test_rules_of_several_names_that_say_the_same_go_together(backend):
    before = backend.read().listing
    present(backend, action="allow", port=99, comment="ours")
    for name in ("one", "two"):
        backend.host.must(
            "netsh", "advfirewall", "firewall", "add", "rule", "name=" + name, "dir=in", "action=allow", "protocol=tcp", "localport=99"
        )
    assert not present(backend, action="allow", port=99).edits
    assert present(backend, action="allow", port=99, comment="other").edits
    assert sorted(text.count("Name=hf other") for _id, text in backend.host.store.rules if "LPort=99" in text) == [0, 0, 1]
    absent(backend, action="allow", port=99)
    assert backend.read().listing == before
    assert not absent(backend, action="allow", port=99).edits


def test_rules_of_one_name_are_told_apart_by_their_programs(backend):
    for program in ((), ("program=C:\\a\\b.exe",), ("program=C:\\a\\c.exe",)):
        backend.host.must(
            "netsh",
            "advfirewall",
            "firewall",
            "add",
            "rule",
            "name=mine",
            "dir=in",
            "action=allow",
            "protocol=tcp",
            "localport=99",
            *program,
        )
    assert absent(backend, action="allow", port=99, program="C:\\a\\b.exe").edits
    assert sum("Name=mine" in text for _id, text in backend.host.store.rules) == 2
    # That of every program has no words by which netsh would tell it from the other one.
    transaction = backend.plan(backend.read(), place_absent(backend, backend.read(), parse_rule({"action": "allow", "port": 99})).edits)
    assert [command.argv[0] for command in transaction.commands] == ["powershell.exe"]
    backend.apply(transaction)
    (left,) = [text for _id, text in backend.host.store.rules if "Name=mine" in text]
    assert "App=C:\\a\\c.exe" in left


def test_a_rule_for_any_profile_is_not_removed_by_words_that_may_mean_one_for_some(backend):
    add = ("netsh", "advfirewall", "firewall", "add", "rule", "name=mine", "dir=in", "action=allow", "protocol=tcp", "localport=99")
    backend.host.must(*add)
    backend.host.must(*add, "profile=domain")
    edits = place_absent(backend, backend.read(), parse_rule({"action": "allow", "port": 99, "profile": "domain"})).edits
    assert "profile=domain" in backend.plan(backend.read(), edits).commands[0].stdin
    edits = place_absent(backend, backend.read(), parse_rule({"action": "allow", "port": 99})).edits
    (command,) = backend.plan(backend.read(), edits).commands
    assert command.argv[0] == "powershell.exe"
    backend.apply(backend.plan(backend.read(), edits))
    assert [text.count("Profile=Domain") for _id, text in backend.host.store.rules if "Name=mine" in text] == [1]


def test_a_deny_beats_every_allow_whatever_came_first(backend):
    present(backend, action="allow", port=99, source="198.51.100.0/24")
    placement = present(backend, action="deny", port=99)
    assert [edit.remove for edit in placement.edits] == [None]
    assert backend.host.verdict(incoming(99)) == "block"


def test_an_allow_that_a_block_beats_is_refused_with_that_block(backend):
    present(backend, action="deny", port=99)
    placement = place_present(backend, backend.read(), parse_rule({"action": "allow", "port": 99}))
    assert not placement.edits
    assert "action=block" in placement.blocked_by[0]


def test_rules_of_windows_are_read_and_never_removed(backend):
    chain = backend.read().chains[0]
    (known,) = [entry for entry in chain.entries if "-25301" in entry.native[0]]
    assert known.meanings()[0].scope.service == "dhcp"
    assert known.ref is None
    assert not any("OpenSSH" in entry.native[0] and entry.rule is None for entry in chain.entries)
    backend.apply(backend.plan_flush(backend.read(), {}))
    assert any("-25301" in text for _id, text in backend.host.store.rules)
    assert not any("OpenSSH" in text for _id, text in backend.host.store.rules)


def test_a_flush_keeps_what_management_needs(backend):
    ssh = parse_rule({"action": "allow", "port": 22, "comment": "holdfast: management"})
    replies = Rule("allow", "in", protocol=None, reply=True, comment="holdfast: replies")
    loopback = Rule("allow", "in", protocol=None, interface="lo", comment="holdfast: loopback")
    put(backend, policy([WEB]))
    backend.apply(backend.plan_flush(backend.read(), {"x": [loopback, replies, ssh]}))
    assert backend.read_policy(backend.read()) is None
    assert (backend.host.verdict(incoming(22)), backend.host.verdict(incoming(80))) == ("allow", "block")
    assert not backend.plan_flush(backend.read(), {"x": [ssh]}).commands


def test_a_flush_puts_back_the_defaults_from_before_a_policy(backend):
    put(backend, policy([{"action": "deny", "direction": "out", "protocol": "any", "destination": "10.0.0.0/8"}], out="allow"))
    leaving = Packet("out", 6, "192.0.2.10", "198.51.100.7", local_port=40000, remote_port=443)
    assert {one.outbound for one in backend.read().chains[0].ref.profiles.values()} == {"blockoutbound"}
    assert backend.host.verdict(leaving) == "allow"
    backend.apply(backend.plan_flush(backend.read(), {}))
    assert {one.outbound for one in backend.read().chains[0].ref.profiles.values()} == {"allowoutbound"}
    assert backend.host.verdict(leaving) == "allow"


def test_raw_lines_of_netsh_are_found_added_and_removed(backend):
    line = 'advfirewall firewall add rule name="My app" dir=in action=allow protocol=tcp localport=7000-7010 remoteip=localsubnet'
    ((chain, entry),) = backend.match_native(backend.read(), line)
    assert entry is None
    backend.apply(backend.plan(backend.read(), [Edit(chain, native=line)]))
    ((chain, entry),) = backend.match_native(backend.read(), "# x\n" + line)
    assert entry is not None
    backend.apply(backend.plan(backend.read(), [Edit(chain, remove=entry)]))
    assert backend.match_native(backend.read(), line)[0][1] is None


@pytest.mark.parametrize(
    "line",
    [
        "reset", "advfirewall firewall delete rule name=all", 'add rule name="a" dir=in action=allow\nreset', 'add rule name="x',
        "add rule name=x dir=in action=allow protocol=99999", "add rule name=x dir=in action=allow localport=80",
        'add rule name="hf:0001 x #12345678" dir=in action=allow', 'add rule name="a""b" dir=in action=allow', "add rule dir=in",
        "add rule name=x dir=in action=allow unknown=1", "add rule name=x dir=in action=allow name=y",
    ],
)  # fmt: skip
def test_a_raw_line_that_is_no_rule_is_refused(backend, line):
    with pytest.raises(HoldfastError):
        backend.match_native(backend.read(), line)


# -- the firewall as a whole -------------------------------------------------------------------------------------------------


def test_it_is_switched_off_and_on_again_with_its_rules(backend):
    ssh = parse_rule({"action": "allow", "port": 2222})
    before = backend.read().listing
    backend.apply(backend.plan_switch(backend.read(), "disabled", ()))
    assert not backend.is_enabled(backend.read())
    assert not backend.plan_switch(backend.read(), "disabled", ()).commands
    with pytest.raises(HoldfastError, match="switched off"):
        present(backend, action="allow", port=99)
    backend.apply(backend.plan_switch(backend.read(), "enabled", ()))
    assert backend.read().listing == before
    backend.apply(backend.plan_switch(backend.read(), "disabled", ()))
    backend.apply(backend.plan_switch(backend.read(), "enabled", [ssh]))
    assert backend.host.verdict(incoming(2222)) == "allow"
    with pytest.raises(HoldfastError, match="never restarted"):
        backend.plan_switch(backend.read(), "restarted", ())


def test_status_and_sight_speak_no_language(backend):
    assert backend.sight().active
    assert backend.status()["service_running"]
    assert backend.status()["profiles"]["public"]["inbound"] == "blockinbound"
    assert not any("show" in words for words in backend.host.ran)


def test_what_a_group_policy_sets_is_read_and_not_fought(backend):
    store = backend.host.store
    store.state["policies"] = {
        "profiles": {"domain": {"DefaultInboundAction": 0}, "private": {"EnableFirewall": 0}},
        "rules": ["v2.30|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=445|Name=no smb|"],
    }
    store.save()
    ruleset = backend.read()
    (smb,) = [entry for entry in ruleset.chains[0].entries if "no smb" in entry.native[0]]
    assert smb.ref is None and smb.meanings()[0].action == "deny"
    with pytest.raises(HoldfastError, match="group policy sets inbound of the profile domain"):
        backend.plan_policy(ruleset, policy([WEB]))
    assert backend.parse(ruleset.listing).listing == ruleset.listing


def test_rules_that_a_group_policy_has_ignored_are_refused(backend):
    store = backend.host.store
    store.state["policies"]["profiles"] = {name: {"AllowLocalPolicyMerge": 0} for name in ("domain", "private", "public")}
    store.save()
    for change in (lambda: present(backend, action="allow", port=99), lambda: put(backend, policy([WEB]))):
        with pytest.raises(HoldfastError, match="AllowLocalPolicyMerge"):
            change()


def test_a_host_that_routes_is_refused_a_policy_that_denies_forwarding(backend):
    store = backend.host.store
    store.state["routing"] = 1
    store.save()
    with pytest.raises(HoldfastError, match="IPEnableRouter"):
        backend.plan_policy(backend.read(), policy([WEB], forward="deny"))
    assert put(backend, policy([WEB]))


def test_a_profile_that_blocks_everything_is_read_as_a_block(backend):
    backend.host.must("netsh", "advfirewall", "set", "allprofiles", "firewallpolicy", "blockinboundalways,allowoutbound")
    placement = place_present(backend, backend.read(), parse_rule({"action": "allow", "port": 99}))
    assert "blockinboundalways" in placement.blocked_by[0]
    put(backend, policy([WEB]))
    assert backend.host.verdict(incoming(80)) == "allow"


def test_the_live_rules_of_others_are_a_policy_that_can_be_asked(backend):
    present(backend, action="deny", port=99)
    found = live_policy(backend, backend.read())
    assert not found.ours
    assert found.policy.defaults["in"] == "deny"
    assert found.policy.rules[0].action == "deny"
    assert any("-30253" in line for line in found.not_judged)


# -- the log -----------------------------------------------------------------------------------------------------------------

LOGGING = ("netsh", "advfirewall", "set")


def logged(backend):
    """In which profiles dropped packets are logged."""
    return [name for name, one in backend.host.store.state["profiles"].items() if one.get("Logging", {}).get("LogDroppedPackets")]


def with_log(*words, log=True, **defaults):
    return replace(policy(list(words or [WEB]), **defaults), log_denied=Log() if log else None)


def test_a_log_is_switched_on_in_all_profiles_and_a_second_run_changes_nothing(backend):
    assert put(backend, with_log())
    assert logged(backend) == ["domain", "private", "public"]
    assert not put(backend, with_log())
    assert backend.read_policy(backend.read()).log_denied == Log()
    assert {one["logs_dropped"] for one in backend.status()["profiles"].values()} == {True}


@pytest.mark.parametrize("last", [None, policy([WEB])], ids=["removed", "without a log"])
def test_a_log_goes_back_to_what_it_was_before_the_policy(backend, last):
    backend.host.must(*LOGGING, "publicprofile", "logging", "droppedconnections", "enable")
    backend.host.must(*LOGGING, "domainprofile", "logging", "droppedconnections", "disable")
    put(backend, with_log())
    put(backend, with_log(WEB, BAD))
    assert put(backend, last)
    assert logged(backend) == ["public"]
    assert not put(backend, last)


def test_a_log_of_the_administrator_is_left_alone_by_a_policy_without_one(backend):
    backend.host.must(*LOGGING, "allprofiles", "logging", "droppedconnections", "enable")
    put(backend, policy([WEB]))
    own = backend.live_text()
    assert backend.read_policy(backend.read()).log_denied is None
    assert len(logged(backend)) == 3
    backend.host.must(*LOGGING, "allprofiles", "logging", "droppedconnections", "disable")
    assert backend.live_text() == own
    assert not put(backend, policy([WEB]))


def test_a_log_that_is_switched_off_by_hand_is_told_and_switched_on_again(backend):
    put(backend, with_log())
    own = backend.live_text()
    backend.host.must(*LOGGING, "privateprofile", "logging", "droppedconnections", "disable")
    assert backend.live_text() != own
    with pytest.raises(HoldfastError, match="log of dropped packets of the profile private"):
        backend.read_policy(backend.read())
    assert put(backend, with_log())
    assert len(logged(backend)) == 3
    put(backend, None)
    assert logged(backend) == []


def test_a_log_comes_with_a_policy_that_denies_what_goes_out_only(backend):
    assert put(backend, with_log({"action": "allow", "direction": "out", "port": 53}, out="deny", **{"in": "unmanaged"}))
    assert len(logged(backend)) == 3


def test_what_logs_else_is_not_touched(backend):
    backend.host.must(*LOGGING, "allprofiles", "logging", "maxfilesize", "16384")
    backend.host.must(*LOGGING, "allprofiles", "logging", "allowedconnections", "enable")
    put(backend, with_log())
    put(backend, None)
    assert backend.host.store.state["profiles"]["public"]["Logging"] == {
        "LogFileSize": 16384, "LogSuccessfulConnections": 1, "LogDroppedPackets": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("set_to", "refused"), [(0, True), (1, False)])
def test_a_group_policy_that_decides_about_the_log_is_not_fought(backend, set_to, refused):
    store = backend.host.store
    store.state["policies"]["profiles"]["domain"] = {"Logging": {"LogDroppedPackets": set_to}}
    store.save()
    if refused:
        with pytest.raises(HoldfastError, match="sets logging of the profile domain of this host to disable"):
            backend.plan_policy(backend.read(), with_log())
        return
    put(backend, with_log())
    assert logged(backend) == ["private", "public"]
    assert not put(backend, with_log())
    assert backend.read_policy(backend.read()).log_denied == Log()


def test_the_switch_of_the_firewall_leaves_the_log_alone(backend):
    put(backend, with_log())
    backend.apply(backend.plan_switch(backend.read(), "disabled", ()))
    backend.apply(backend.plan_switch(backend.read(), "enabled", ()))
    assert len(logged(backend)) == 3
    assert not put(backend, with_log())


def test_a_rule_whose_line_no_script_has_room_for_is_not_removed_by_half(backend):
    many = ",".join("198.51.%d.%d" % (number // 250, 2 * (number % 120)) for number in range(200))
    for port in ("99", "98"):
        backend.host.must(
            "netsh", "advfirewall", "firewall", "add", "rule", "name=mine", "dir=in", "action=allow", "protocol=tcp", "localport=" + port,
            "remoteip=" + many,
        )  # fmt: skip
    native = next(entry for chain in backend.read().chains for entry in chain.entries if "localport=99" in entry.native[0])
    backend.apply(backend.plan(backend.read(), [Edit(backend.read().chains[0], remove=native)]))
    assert [text.partition("LPort=")[2][:2] for _id, text in backend.host.store.rules if "Name=mine" in text] == ["98"]


def test_a_host_that_is_no_windows_is_told_in_words(tmp_path, monkeypatch):
    host = WindowsHost(tmp_path)
    monkeypatch.setattr(host, "run", lambda argv, stdin=None, timeout=60.0: Result(127, "", "%s: not found" % argv[0]))
    with pytest.raises(HoldfastError, match="reg is not on this host: only Windows has"):
        Windows(host).read()
