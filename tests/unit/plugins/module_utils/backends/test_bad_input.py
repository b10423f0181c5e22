# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input on every backend: a zone or service that is not there, long interfaces, hostile text, and more ports than there are.

What the language itself refuses reaches no backend. The rest is either refused by the backend in words, or it is in the native text in such
a way that reading it back gives the very same policy: nothing is injected. Pure.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.backend import Macos
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy_request import parse_policy_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import parse_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.role_request import parse_role_request
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.support_table import columns, policy_of

BACKENDS = {
    "%s %d" % (column, number): backend for column, several in columns().items() for number, backend in enumerate(several)
}  # fmt: skip
BACKENDS["macos"] = Macos(PaperHost())
NAMES = ("nftables", "iptables", "ufw", "firewalld", "pf", "ipfw", "npf", "windows", "macos")

#: What shells, the parsers of firewalls, XML, JSON and cmd.exe take for more than text.
HOSTILE = {
    "double quotes": 'the "web" server',
    "single quotes": "it's 'web'",
    "an end of the text, and a rule": '" accept; allow ip from any to any; pass quick all #',
    "a comment's end": "*/ web # /*",
    "a substitution": "$(reboot) `reboot` ${IFS} $1",
    "a pipe": "web | reboot && reboot; reboot & > /etc/passwd",
    "backslashes": "a\\nb\\",
    "a trailing backslash and a quote": 'web\\"',
    "XML": "]]></description><rule><accept/></rule><!--",
    "an entity": "&lt; &amp; &#10;",
    "a variable of cmd.exe": "%PATH% ^& !x!",
    "a format": "%s %n {0} @ID@",
    "braces": "{ } group default { pass final all }",
    "an option": "--jump ACCEPT -j ACCEPT",
    "our own mark": "holdfast",
    "an umlaut": "größer für alle",
}  # fmt: skip
LONG = "x" * 40
#: As many ports as cannot be written as ranges, and as many words as somebody may hand in.
ODD_PORTS = list(range(1, 65536, 2))
SEVENTY_THOUSAND = [1 + number % 65535 for number in range(70_000)]


def document(**words):
    return {"rules": [{"action": "allow", "port": 1, **words}, {"action": "deny", "port": 2, "comment": "last"}]}


def carried(backend, wanted):
    """Return whether a backend carries a policy; then its text says exactly that policy, else it says why not."""
    refused = backend.policy_unsupported(wanted)
    if refused:
        assert all(one.field and len(one.reason) > 15 for one in refused)
        return False
    found = backend.parse_policy(backend.render_policy(wanted))
    assert differ(wanted, found) is None or differ(backend.policy_as_kept(wanted), found) is None
    return True


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_in_a_comment_stays_text_or_is_refused(backend, text):
    wanted = policy_of(document(comment=text), backend)
    if not carried(backend, wanted):
        fields = {one.field.rpartition(".")[2] for one in backend.policy_unsupported(wanted)}
        assert fields == {"comment"} or backend.NAME == "macos"  # it has no ports
        return
    found = backend.parse_policy(backend.render_policy(wanted))
    kept = backend.policy_as_kept(wanted)
    assert [rule.comment for rule in found.rules] == [rule.comment for rule in kept.rules]
    harmless = backend.parse_policy(backend.render_policy(policy_of(document(comment="web"), backend)))
    assert [replace(rule, comment=None) for rule in found.rules] == [replace(rule, comment=None) for rule in harmless.rules]


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_in_the_prefix_of_a_log_stays_text_or_is_refused(backend, text):
    try:
        in_rule, in_policy = document(log=True, log_prefix=text), {**document(), "logging": {"denied": True, "prefix": text}}
        wanted = [policy_of(in_rule, backend), policy_of(in_policy, backend)]
    except PolicyError as exc:
        assert "printable ASCII characters without quotes or backslashes" in exc.msg
        return
    for one in wanted:
        carried(backend, one)


def single(name, text):
    """A single rule that the backend carries without the text."""
    words = {"protocol": "any", "program": "/Applications/Some App.app"} if name == "macos" else {"port": 443}
    return parse_request({"action": "allow", "comment": text, **words}).rule


def meanings(backend, rule):
    """What the commands of a rule mean when they are read back."""
    lines = backend.render(backend.normalise(rule))
    assert not [line for line in lines if "\n" in line or "\0" in line]
    entries = [entry for chain in backend.parse("\n".join(lines)).chains for entry in chain.entries]
    found = [one for entry in entries for one in entry.meanings()]
    return {one.identity() for one in found}, {one.comment for one in found}


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_in_a_single_rule_stays_text_or_is_refused(name, text):
    backend = BACKENDS[name]
    rule = single(name, text)
    refused = backend.unsupported(backend.normalise(rule))
    if refused:
        assert {one.field for one in refused} == {"comment"}
        return
    harmless, _comments = meanings(backend, single(name, "web"))
    found, comments = meanings(backend, rule)
    assert found == harmless
    assert comments <= {text, None}


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("ports", [ODD_PORTS, SEVENTY_THOUSAND], ids=["32,768 single ports", "70,000 words"])
def test_more_ports_than_fit_are_carried_or_refused(backend, ports):
    carried(backend, policy_of(document(port=ports), backend))
    backend.unsupported(parse_request({"action": "allow", "port": ports}).rule)


REFUSED = {
    "a zone that does not exist": ({"zone": "lam"}, {"zone": "lam"}, "zone"),
    "a service without a definition": ({"service": "htps"}, {"service": "htps"}, "service"),
    "an interface of 40 characters": ({"interface": LONG}, {"interface": LONG}, "1 to 15"),
    "a comment with a line break": ({"comment": "a\nallow all"}, {"comment": "a\nallow all"}, "Line breaks"),
    "a comment with a NUL": ({"comment": "a\0b"}, {"comment": "a\0b"}, "control characters"),
    "70,000 ports, one too high": ({"port": list(range(1, 70_001))}, {"port": list(range(1, 70_001))}, "range"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("in_policy", "in_rule", "says"), REFUSED.values(), ids=REFUSED)
def test_what_the_language_refuses_reaches_no_backend(name, in_policy, in_rule, says):
    given = {"port": 1} if not {"port", "service"} & set(in_policy) else {}
    with pytest.raises(PolicyError) as caught:
        parse_policy_request({"policy": {"rules": [{"action": "allow", **given, **in_policy}]}, "backend": name}).read()
    assert says in caught.value.msg
    assert caught.value.msg.startswith("policy.rules[0].")
    assert len(caught.value.msg) < 2000
    with pytest.raises(PolicyError) as caught:
        parse_request({"action": "allow", **given, **in_rule, "backend": name})
    assert caught.value.msg.startswith("rule.")
    assert len(caught.value.msg) < 2000


@pytest.mark.parametrize("name", NAMES)
def test_a_role_s_ports_are_as_strict(name):
    for port in (70_000, LONG, "80; reboot", list(range(1, 70_001))):
        with pytest.raises(PolicyError) as caught:
            parse_role_request({"role": "web", "roles": {"web": [{"action": "allow", "port": port}]}, "backend": name})
        assert len(caught.value.msg) < 2000
