# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reg query says of the rules of real hosts is read for what it means; golden texts are composed from MS-GPFAS and captures."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.awake import ignored_places
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.backend import Windows
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.netsh_line import add_line
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.registry_rule import parse_registry_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.state import parse_listing, parse_registry
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

ROOT = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
SSH = "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=22|RA4=192.0.2.0/255.255.255.0|Name=ssh mgmt|Desc=x|EmbedCtxt=holdfast|"
SAMPLE = (
    "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|LPort=RPC|RPort=49000|LA4=192.168.1.0/255.255.255.0|RA4=LocalSubnet|"
)
REGISTRY = """
%(root)s
    Default    REG_SZ    not a rule

%(root)s\\AppIso\\FirewallRules
    {A}    REG_SZ    v2.30|Action=Block|Active=TRUE|Dir=In|Name=in a box|

%(root)s\\DomainProfile
    EnableFirewall    REG_DWORD    0x0
    DefaultInboundAction    REG_DWORD    0x0

%(root)s\\DomainProfile\\Logging
    LogFileSize    REG_DWORD    0x1000

%(root)s\\FirewallRules
    {B}    REG_SZ    %(ssh)s
    a name    with blanks    REG_SZ    v2.30|Action=Block|Active=FALSE|Dir=Out|RA42=IntErnet|RA62=IntErnet|Name=off|

%(root)s\\Mdm\\FirewallRules
    {C}    REG_SZ    v2.30|Action=Block|Active=TRUE|Dir=In|Protocol=17|LPort2_10=100-200|LPort=53|Name=managed|

%(root)s\\PublicProfile
    DoNotAllowExceptions    REG_DWORD    0x1

%(root)s\\RestrictedServices\\Static\\System
    x    REG_SZ    v2.0|Action=Block|Dir=Out|App=%%windir%%\\system32\\svchost.exe|Svc=p2psvc|Name=own|
""" % {"root": ROOT, "ssh": SSH}


def lines(text):
    return [add_line(one).partition("add rule ")[2] for one in text]


def test_the_keys_of_the_firewall_are_read_and_those_of_others_are_not():
    state = parse_registry(REGISTRY.replace("\n", "\r\n"))
    assert sorted(lines(state.rules)) == [
        'name="managed" dir=in action=block enable=yes profile=any protocol=udp localport=53,100-200 source=gpo',
        'name="off" dir=out action=block enable=no profile=any protocol=any remoteip=Internet',
        'name="ssh mgmt" dir=in action=allow enable=yes profile=any protocol=tcp remoteip=192.0.2.0/24 localport=22 description="x" %s'
        % 'group="holdfast"',
    ]  # fmt: skip
    assert (state.profiles["domain"].on, state.profiles["domain"].inbound) == (False, "allowinbound")
    assert state.profiles["public"].inbound == "blockinboundalways"
    assert state.profiles["private"].outbound == "allowoutbound"


def test_interfaces_that_a_profile_leaves_alone_are_told():
    more = "%s\\PublicProfile\n    DisabledInterfaces    REG_SZ    %%s\n" % ROOT
    for value, told in (("{6A0D2E5C-0000-0000-0000-000000000000}", 1), ("", 0)):
        state = parse_registry(REGISTRY + "\n" + more % value)
        assert (
            len([one for one in ignored_places(state) if "interfaces of the host alone in networks of the profile public" in one]) == told
        )


OLD_POLICY = """
HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\PublicProfile
    EnableFirewall    REG_DWORD    0x1

HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\StandardProfile
    EnableFirewall    REG_DWORD    0x0
    DoNotAllowExceptions    REG_DWORD    0x1
    AllowLocalPolicyMerge    REG_DWORD    0x0

HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\StandardProfile\\Services\\FileAndPrint
    Enabled    REG_DWORD    0x1
"""


def test_a_group_policy_of_the_old_templates_counts_for_both_profiles_that_were_one():
    state = parse_registry(REGISTRY, OLD_POLICY)
    assert {name: one.on for name, one in state.profiles.items()} == {"domain": False, "private": False, "public": True}
    assert state.profiles["private"].fixed == state.profiles["public"].fixed == {"state", "inbound"}
    assert (state.profiles["domain"].fixed, state.profiles["domain"].inbound) == (frozenset(), "allowinbound")
    assert all(one.local_rules for one in state.profiles.values())


def test_a_listing_is_read_back_as_it_was():
    state = parse_registry(REGISTRY)
    assert parse_listing(state.listing()).listing() == state.listing()


def test_a_text_of_the_registry_is_read_like_a_line_of_netsh():
    chain = Windows(PaperHost()).parse(SSH + "\n").chains[0]
    assert chain.entries[0].rule.as_dict()["port"] == [22]
    assert chain.entries[0].rule.as_dict()["source"] == ["192.0.2.0/24"]


@pytest.mark.parametrize(
    "more",
    ["LPort=RPC|", "RA4=LocalSubnet|", "IF={6A0D2E5C}|", "IFType=Wireless|", "RMauth=O:LSD:(A;;CC;;;S-1-5-21)|", "LUOwn=S-1-5-21|",
     "AppPkgId=S-1-15-2|", "Edge=TRUE|", "Security=Authenticate|", "RUAuth=x|", "PFN=app|", "TTK=ProxyNearby|", "Unknown=1|",
     "LPort2_20=Ply2Disc|", "Platform=2:6:2|", "Profile=Lab|"],
)  # fmt: skip
def test_a_condition_that_the_language_cannot_say_makes_a_rule_unreadable(more):
    chain = Windows(PaperHost()).parse("v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|%sName=x|\n" % more).chains[0]
    assert [entry.meanings() for entry in chain.entries] == [()]


def test_an_icmp_code_makes_a_rule_unreadable_and_any_code_does_not():
    text = "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=1|ICMP4=%s|Name=x|\n"
    one = Windows(PaperHost())
    assert one.parse(text % "3:4").chains[0].entries[0].meanings() == ()
    assert one.parse(text % "8:*").chains[0].entries[0].rule.icmp_types == (8,)


def test_a_bypass_is_no_allow():
    chain = Windows(PaperHost()).parse("v2.30|Action=ByPass|Active=TRUE|Dir=In|Name=x|\n").chains[0]
    assert chain.entries[0].meanings() == ()


def test_the_sample_of_the_specification_is_read():
    native = parse_registry_rule(SAMPLE + "App=c:\\path\\foo.exe|Name=Firewall Rule Test|Security=Authenticate|")
    assert native.profiles == ("public",)
    assert (native.local_ports.words, native.remote_ports.numbers) == (("RPC",), ((49000, 49000),))
    assert native.extra == (("Security", "Authenticate"),)


@pytest.mark.parametrize(
    "text", ["hello", "advfirewall reset", "advfirewall set allprofiles state maybe", "v2.30", "advfirewall firewall add rule"]
)
def test_text_that_is_no_listing_is_refused(text):
    with pytest.raises(HoldfastError):
        Windows(PaperHost()).parse_policy(text + "\n")
