# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Windows has no room for, or does not tell: long command lines, refused lines of a script, and other code pages.

The limits: cmd.exe takes lines of 8,191 characters, CreateProcess of 32,767 (both say the manuals of Microsoft), and a line of a script of
netsh has at most LONGEST (see netsh_line).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.registry import make_backend
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.backend import SCRIPT
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.windows.netsh_line import LONGEST
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows import confirm as changes
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows import engine as engine_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows.engine import Reached, WindowsEngine
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log
from ansible_collections.holdfast.firewall.plugins.plugin_utils.remote_host import RemoteHost
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import standard_guard
from ansible_collections.holdfast.firewall.tests.unit.windows_machine import Connection, Windows

CMD_LINE = 8191
WEB = {"action": "allow", "port": 443, "comment": "web"}
GUESTS = {"action": "deny", "protocol": "any", "source": "203.0.113.0/24"}


def document(rules, log=False):
    found, _warnings = parse_policy_document({"defaults": {"in": "deny", "out": "allow", "forward": "unmanaged"}, "rules": rules})
    found = found.guarded(tuple(rule for rule in standard_guard() if rule.direction != "forward"))
    return replace(found, log_denied=Log() if log else None)


class Site:
    """A host, its connection, and the road that a task takes there."""

    def __init__(self, folder, name, shell, codepage="utf-8"):
        self.windows = Windows(folder)
        self.connection = Connection(self.windows, name, shell, codepage=codepage)
        self.host = RemoteHost(self.connection)
        self.backend = make_backend("windows", self.host)
        self.engine = WindowsEngine(self.host, Reached(5985, "198.51.100.1"))

    def begin(self, wanted, alone=False):
        """Begin a change; return its identity, or None where there is nothing to do."""
        ruleset = self.backend.read()
        transaction = self.backend.plan_policy(ruleset, wanted, alone=alone)
        return self.engine.begin(self.backend, ruleset, transaction, 60, True)["change"] if transaction.commands else None

    def put(self, wanted, alone=False):
        """Put a policy in force; return whether there was anything to do."""
        change = self.begin(wanted, alone)
        return change is not None and changes.confirm(self.host, change)["changed"]

    def firewall(self):
        """Rules and profiles."""
        state = self.windows.store.state
        return state["rules"], state["profiles"]

    def refuse(self, *numbers, tells=False):
        """Let netsh refuse these lines of a script, and say so by its code or not."""
        store = self.windows.store
        store.state.update(refuses=list(numbers), tells=tells)
        store.save()


CONNECTIONS = [
    ("ssh", "cmd"), ("ssh", "powershell"), ("ssh of 2.17", "cmd"), ("ssh of 2.17", "powershell"), ("winrm", "powershell"),
    ("psrp", "powershell"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    for module in (changes, engine_module):
        monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)


@pytest.fixture(name="site", params=CONNECTIONS, ids="-".join)
def _site(request, tmp_path):
    return Site(tmp_path, *request.param)


def many_rules():
    return [
        {"action": "allow", "port": 1000 + number, "source": "10.%d.%d.0/24" % (number // 256, number % 256), "comment": "rule %d" % number}
        for number in range(1000)
    ]


def many_networks():
    v4 = ["10.%d.%d.0/24" % (number, number) for number in range(100)]
    return [WEB, {"action": "allow", "port": 8443, "source": [*v4, *("2001:db8:%x:aaaa::/64" % number for number in range(100))]}]


@pytest.mark.parametrize("rules", [many_rules, many_networks])
def test_no_line_is_longer_than_windows_takes_however_much_a_policy_says(site, rules):
    wanted = document(rules(), log=True)
    assert site.put(wanted)
    with open(site.windows.store.path(SCRIPT), encoding="ascii", newline="") as handle:
        script = handle.read().split("\r\n")
    assert len(script) > len(wanted.rules)
    assert max(map(len, script)) <= LONGEST
    assert max(map(len, site.connection.sent)) <= CMD_LINE
    assert site.backend.read_policy(site.backend.read()).rules == wanted.rules
    assert not site.put(wanted)
    assert site.put(None)


@pytest.mark.parametrize("tells", [False, True], ids=["code 0", "code 1"])
def test_each_line_that_netsh_refuses_is_noticed_and_all_is_undone(tmp_path, tells):
    site = Site(tmp_path, "ssh", "cmd")
    site.put(document([WEB, GUESTS]))
    before = site.firewall()
    wanted = document([dict(WEB, port=[443, 8443]), {"action": "allow", "port": 5432, "source": "192.0.2.0/24"}], log=True)
    lines = site.backend.plan_policy(site.backend.read(), wanted).commands[0].stdin.splitlines()
    assert len(lines) > 5
    assert {line.split(" name=")[0].split(" logging")[0] for line in lines} >= {
        "advfirewall firewall add rule", "advfirewall firewall delete rule", "advfirewall set allprofiles",
    }  # fmt: skip
    for number, line in enumerate(lines):
        site.refuse(number, tells=tells)
        expected = "the host refused it: " if tells else "was undone.*What netsh said: "
        with pytest.raises(HoldfastError, match=r"(?s)%s.*A specified value is not valid" % expected):
            site.put(wanted)
        assert site.firewall() == before, line
    site.refuse()
    assert site.put(wanted)


def test_a_log_of_what_is_denied_is_undone_with_the_rest(site):
    before = site.firewall()
    change = site.begin(document([WEB], log=True))
    assert site.firewall()[1]["public"]["Logging"]["LogDroppedPackets"] == 1
    site.windows.pass_the_deadline()
    assert changes.inquire(site.host, change)["identical"] is True
    assert site.firewall() == before


@pytest.mark.parametrize("codepage", ["cp437", "cp850", "cp932", "utf-8"])
@pytest.mark.parametrize("name", ["B\u00fcro", "\u30ec\u30dd\u30fc\u30c8 \u30bd=1", "line\u2028separator", "x\u0085y"])
def test_names_in_letters_that_a_connection_does_not_carry_change_nothing(tmp_path, codepage, name):
    site = Site(tmp_path, "ssh", "cmd", codepage)
    store = site.windows.store
    store.add("v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=99|Name=%s|RA4=192.0.2.0/255.255.255.0|" % name)
    store.save()
    before = site.firewall()
    read = next(one for one in site.backend.read().chains[0].ref.rules if one.local_ports.numbers == ((99, 99),))
    assert read.remote.texts() == ["192.0.2.0/24"], "what narrows a rule is behind its name"
    assert site.put(document([WEB]))
    assert not site.put(document([WEB]))
    assert site.put(None)
    assert site.firewall() == before
    assert site.put(document([WEB]), alone=True)
    assert not any("LPort=99" in text for text in site.windows.rules())
    assert not site.put(document([WEB]), alone=True)


def test_a_host_that_speaks_german_in_an_old_code_page_is_read_as_any_other(tmp_path):
    site = Site(tmp_path, "ssh", "cmd", "cp850")
    site.windows.environ["HOLDFAST_STANDIN_LANGUAGE"] = "de"
    site.windows.machine._environ["HOLDFAST_STANDIN_LANGUAGE"] = "de"
    assert site.put(document([WEB], log=True))
    assert not site.put(document([WEB], log=True))
    site.refuse(0)
    with pytest.raises(HoldfastError, match=r"Ein angegebener Wert ist ung.*ltig"):
        site.put(document([GUESTS]))
    assert site.backend.status()["service_running"] is True
