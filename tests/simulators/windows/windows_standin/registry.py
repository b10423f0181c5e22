# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``reg query`` of the keys of the firewall, of routing and of the port of RDP, and ``sc query``."""

from .store import DESKTOP, FIREWALL, POLICIES, ROUTING
from .words import TEXTS

_PROFILE_KEYS = {"domain": "DomainProfile", "private": "StandardProfile", "public": "PublicProfile"}
_POLICY_KEYS = {"domain": "DomainProfile", "private": "PrivateProfile", "public": "PublicProfile"}


def keys_of(store):
    """Return all keys: a list of (key, list of (name, kind, text))."""
    state = store.state
    found = [(FIREWALL, [])]
    for name, key in _PROFILE_KEYS.items():
        found += _profile("%s\\%s" % (FIREWALL, key), state["profiles"][name], {"LogFileSize": 4096})
    found.append((FIREWALL + "\\FirewallRules", [(name, "REG_SZ", text) for name, text in state["rules"]]))
    static = "v2.0|Action=Block|Dir=Out|App=%windir%\\system32\\svchost.exe|Svc=p2psvc|Name=Block any outbound traffic from p2psvc|"
    found.append((FIREWALL + "\\RestrictedServices\\Static\\System", [("PNRPMNRS-1", "REG_SZ", static)]))
    policies = state["policies"]
    if policies["profiles"] or policies["rules"]:
        found.append((POLICIES, _numbers({"PolicyVersion": 542})))
        for name, numbers in policies["profiles"].items():
            found += _profile("%s\\%s" % (POLICIES, _POLICY_KEYS[name]), numbers, {})
        found.append((POLICIES + "\\FirewallRules", [("gpo-%d" % number, "REG_SZ", text) for number, text in enumerate(policies["rules"])]))
    found.append((ROUTING, _numbers({"IPEnableRouter": state["routing"]})))
    found.append((DESKTOP, _numbers({"PortNumber": state.get("desktop", 3389)})))
    return found


def _profile(key, values, logging):
    """Return the keys of a profile; its log has one of its own."""
    logging = {**logging, **values.get("Logging", {})}
    found = [(key, _numbers({name: value for name, value in values.items() if name != "Logging"}))]
    return [*found, (key + "\\Logging", _numbers(logging))] if logging else found


def _numbers(values):
    return [(name, "REG_DWORD", "0x%x" % value) if isinstance(value, int) else (name, "REG_SZ", value) for name, value in values.items()]


def run_reg(store, words):
    """Run ``reg query KEY [/s] [/v NAME]``."""
    missing = 1, "\n%s\n" % TEXTS[store.language]["reg"]
    if len(words) < 2 or words[0].lower() != "query":
        return 1, "ERROR: Invalid syntax.\n"
    key = words[1].replace("HKLM\\", "HKEY_LOCAL_MACHINE\\", 1).lower()
    options = [one.lower() for one in words[2:]]
    name = words[2 + options.index("/v") + 1] if "/v" in options else None
    said = []
    for one, rows in keys_of(store):
        if one.lower() != key and not ("/s" in options and one.lower().startswith(key + "\\")):
            continue
        rows = [row for row in rows if name is None or row[0].lower() == name.lower()]
        if name is None or rows:
            said.append("\n%s\n%s" % (one, "".join("    %s    %s    %s\n" % row for row in rows)))
    return (0, "".join(said) + "\n") if said else missing


def run_sc(store, words):
    """Run ``sc query mpssvc``."""
    if [one.lower() for one in words] != ["query", "mpssvc"]:
        return 1060, "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\n"
    number = store.state["service"]
    label = "STATUS" if store.language == "de" else "STATE"
    return 0, "\nSERVICE_NAME: mpssvc \n        %-19s: %d  %s \n" % (label, number, {4: "RUNNING", 1: "STOPPED"}[number])
