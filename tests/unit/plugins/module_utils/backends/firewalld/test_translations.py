# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address translations as policies of firewalld: read back as they were, refused where they would not be exact, and put in force."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld import nat_checks
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.backend import Firewalld
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.kernel import masquerades_what_arrives
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.objects import files_text, own_files
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.policy_text import as_kept, policies_of
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.firewalld.standin_host import FirewalldHost, put
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies, standard_guard

BACKEND = Firewalld(PaperHost())
OPEN = {"in": "allow", "out": "allow", "forward": "allow"}
OUT = {"type": "masquerade", "interface": "eth0"}
INWARD = {"type": "dnat", "interface": "eth0", "port": 8443, "to": "192.0.2.80", "to_port": 443}
TO_IT = {"direction": "forward", "action": "allow", "port": 443, "destination": "192.0.2.80"}
LOCAL = {"type": "redirect", "port": 80, "to_port": 8080}
TO_LOCAL = {"action": "allow", "port": 8080}
NAT_FILES = ["/etc/firewalld/policies/holdfast-nat1-fwd.xml", "/etc/firewalld/policies/holdfast-nat2-in.xml"]


def policy(*rules, nat, **words):
    """A guarded policy of these rules and translations."""
    return with_guard(parse_policy({"rules": list(rules), "nat": list(nat), **words}), Management((22,)))


WHOLE = policy(TO_LOCAL, TO_IT, nat=[OUT, INWARD, LOCAL])


def carried(given_policy):
    """The policy with the translations that can be carried, whatever they send on."""
    found = replace(given_policy, guard=standard_guard(), rules=(), defaults=dict(OPEN), native={}, log_denied=None)
    refused = {int(one.field[4 : one.field.index("]")]) for one in BACKEND.policy_unsupported(found)}
    return replace(found, nat=tuple(one for number, one in enumerate(found.nat) if number not in refused), nat_labels=())


@given(policy=policies(max_nat=6, max_rules=0))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
def test_translations_are_read_back_as_they_were_on_both_kinds_of_firewalld(policy):
    policy = carried(policy)
    assume(policy.nat)
    assert not BACKEND.policy_unsupported(policy)
    for turned in (False, True):
        text = files_text(own_files(*policies_of(policy, turned)))
        found = BACKEND.parse_policy(text)
        assert found.nat == as_kept(policy).nat
        assert differ(found, policy) is None
        assert files_text(own_files(*policies_of(found, turned))) == text


@given(policy=policies(max_nat=6, max_rules=0))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
def test_without_their_notes_translations_mean_the_same_packets(policy):
    policy = carried(policy)
    assume(policy.nat)
    text = re.sub(r"<description>.*</description>", "<description/>", BACKEND.render_policy(policy))
    found = BACKEND.parse_policy(text)
    assert differ(replace(found, rules=(), guard=()), replace(policy, guard=())) is None


def refusals(*rules, nat, **words):
    return [(one.field, one.reason) for one in BACKEND.policy_unsupported(policy(*rules, nat=nat, **words))]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"type": "snat", "to": "203.0.113.1", "interface": "eth0"}, "nat[0].type"),
        ({**OUT, "port": 25}, "nat[0].protocol"),
        ({**OUT, "interface": "lo"}, "nat[0].interface"),
        ({**OUT, "interface": "eth0:1"}, "nat[0].interface"),
        ({"type": "dnat", "to": "192.0.2.80"}, "nat[0].protocol"),
        ({"type": "dnat", "protocol": "icmp", "to": "192.0.2.80"}, "nat[0].protocol"),
    ],
)
def test_what_firewalld_has_no_exact_words_for_is_refused(words, field):
    assert [one for one, _reason in refusals(nat=[words], defaults=OPEN)] == [field]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([], "they do not"),
        ([{**TO_IT, "source": "10.0.0.0/8"}], "they do not"),
        ([{"direction": "forward", "action": "deny", "source": "10.0.0.0/8"}, TO_IT], "says deny"),
        ([{**TO_IT, "log": True}], "logs or has a limit"),
        ([{**TO_IT, "limit": "6/minute"}], "logs or has a limit"),
        ([{"direction": "in", "action": "allow", "port": 443}], "they do not"),
    ],
)
def test_a_dnat_is_refused_where_the_rules_do_not_allow_all_that_it_sends_on(rules, why):
    # firewalld passes it before it asks any rule.
    ((field, reason),) = refusals(*rules, nat=[INWARD])
    assert field == "nat[0].type"
    assert why in reason


def test_a_redirect_is_refused_where_the_rules_for_what_comes_in_do_not_allow_it():
    assert refusals(TO_IT, nat=[LOCAL])
    assert not refusals(TO_LOCAL, nat=[LOCAL])
    assert not refusals(nat=[LOCAL], defaults={"in": "unmanaged"})


def test_lines_before_the_rules_leave_nobody_sure_of_what_is_allowed():
    lines = {"firewalld": {"before": {"forward": ['rule protocol value="gre" drop']}}}
    assert refusals(TO_IT, nat=[INWARD], native=lines)


@pytest.fixture(name="host")
def _host():
    return FirewalldHost()


def test_a_second_run_changes_nothing_and_all_is_gathered(host):
    assert put(host, WHOLE)
    assert [path for path in NAT_FILES if path in host.etc()] == NAT_FILES
    assert not put(host, WHOLE)
    backend = Firewalld(host)
    assert backend.read_policy(backend.read()) == as_kept(WHOLE)
    assert "nat1-fwd" in backend.live_text()


def test_what_is_not_wanted_any_more_goes_with_its_sets_and_all_goes_with_the_policy(host):
    before = host.etc()
    put(host, WHOLE)
    put(host, policy(TO_LOCAL, nat=[LOCAL]))
    assert not [path for path in host.etc() if "/ipsets/" in path or (path.endswith("-fwd.xml") and "nat" in path)]
    put(host, None)
    assert host.etc() == before


@pytest.mark.parametrize(
    "by_hand",
    [
        lambda files: files.pop(NAT_FILES[0]),
        lambda files: files.update({NAT_FILES[0]: files[NAT_FILES[0]].replace("8443", "9443")}),
        lambda files: files.update({NAT_FILES[1]: re.sub("  <rule .*\n", "", files[NAT_FILES[1]], count=1)}),
        lambda files: files.update({NAT_FILES[1].replace("nat2", "nat7"): files[NAT_FILES[1]]}),
    ],
)
def test_what_is_changed_by_hand_is_repaired(host, by_hand):
    put(host, WHOLE)
    wanted = host.etc()
    by_hand(host.daemon.files)
    host.daemon.load()
    assert put(host, WHOLE)
    assert host.etc() == wanted
    assert not put(host, WHOLE)


def test_half_of_a_translation_is_not_taken_for_one(host):
    put(host, WHOLE)
    host.daemon.files[NAT_FILES[0]] = re.sub("  <rule .*destination ipset.*\n", "", host.daemon.files[NAT_FILES[0]], count=1)
    host.daemon.load()
    backend = Firewalld(host)
    with pytest.raises(HoldfastError, match="no translation as a policy has it"):
        backend.read_policy(backend.read())


def test_a_later_firewalld_gets_its_own_words_for_the_leaving_interface(host):
    put(host, WHOLE)
    assert '<source ipset="holdfast-if4' in masquerade_of(host)
    host.daemon.compared = "iifname"
    assert put(host, WHOLE)
    assert '<destination ipset="holdfast-if4' in masquerade_of(host)
    assert not put(host, WHOLE)
    backend = Firewalld(host)
    assert backend.read_policy(backend.read()) == as_kept(WHOLE)


def masquerade_of(host):
    text = "".join(text for path, text in host.etc().items() if "holdfast-nat" in path)
    return next(line for line in text.splitlines() if "masquerade" in line)


def test_a_masquerade_that_became_one_of_what_arrives_is_seen():
    chain = (
        'table inet firewalld {\n\tchain nat_POST_policy_holdfast-nat1-fwd_pre {\n\t\tip saddr . %s @x oifname != "lo" masquerade\n\t}\n}\n'
    )
    assert not masquerades_what_arrives(chain % "oifname")
    assert masquerades_what_arrives(chain % "iifname")


@pytest.mark.parametrize("family", [4, 6])
def test_a_host_that_does_not_forward_is_not_made_to(host, family):
    host.daemon.files[nat_checks.SWITCHES[family]] = "0\n"
    with pytest.raises(HoldfastError, match="does not forward packets of IPv%d" % family):
        put(host, policy(nat=[OUT]))
    assert put(host, policy(nat=[{**OUT, "family": "ipv4" if family == 6 else "ipv6"}]))
    assert put(host, policy(TO_LOCAL, nat=[LOCAL])), "a redirect forwards nothing"


def test_a_dnat_to_an_address_of_the_host_is_refused(host):
    host.daemon.addresses = "2: eth0    inet 192.0.2.80/24 brd 192.0.2.255 scope global eth0\n"
    with pytest.raises(HoldfastError, match="use redirect"):
        put(host, policy(TO_IT, nat=[INWARD]))


def test_what_comes_in_is_not_decided_where_somebody_elses_redirect_passes_before_it(host):
    host.daemon.kernel += "\t\ttcp dport 80 redirect to :8080\n"
    with pytest.raises(HoldfastError, match="set defaults"):
        put(host, policy(TO_LOCAL, nat=[]))
    assert put(host, policy(TO_IT, nat=[INWARD], defaults={"in": "unmanaged"}))


def test_translations_of_others_are_told_from_ours():
    listed = """table inet firewalld {
\tchain nat_PRE_policy_holdfast-nat1-fwd_pre {
\t\ttcp dport 1 dnat ip to 192.0.2.1:2
\t}
\tchain nat_PRE_public_allow {
\t\ttcp dport 3 dnat ip to 192.0.2.3:4
\t\ttcp dport 5 redirect to :6
\t}
}
"""
    assert nat_checks.foreign_translations(listed) == ["tcp dport 3 dnat ip to 192.0.2.3:4", "tcp dport 5 redirect to :6"]
    assert not nat_checks.foreign_translations(listed, ["public"]), "an overriding policy empties the zone"


def test_more_turns_than_there_are_names_for_are_refused():
    turns = [{"type": "dnat", "port": 1, "to": "192.0.2.80"}, LOCAL] * 50
    assert [one for one, _reason in refusals(nat=turns, defaults=OPEN)] == ["nat"]
    assert not refusals(nat=turns[:-2], defaults=OPEN)
