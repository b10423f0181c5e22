# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld says of itself, asked in one go over the system bus.

Runs one program on the host: the Python that firewalld itself runs on, with a text that only asks. It says of each zone, policy and set
what is in force and what is on disk.
"""

from __future__ import annotations

import json
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from .names import CONFIG

#: The exit codes of firewall-cmd --state.
NOT_RUNNING, FAILED = 252, 251

SCRIPT = """\
import json, sys
import dbus
NAME = 'org.fedoraproject.FirewallD1'
PATH = '/org/fedoraproject/FirewallD1'
def plain(value):
    if isinstance(value, dbus.Boolean):
        return bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, dict):
        return dict((str(key), plain(one)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value)
bus = dbus.SystemBus()
daemon = bus.get_object(NAME, PATH, introspect=False)
disk = bus.get_object(NAME, PATH + '/config', introspect=False)
def ask(place, part, method, *words):
    return place.get_dbus_method(method, NAME + part)(*words)
def prop(place, part, name):
    return plain(place.get_dbus_method('Get', 'org.freedesktop.DBus.Properties')(NAME + part, name))
def live(part, names, method, skip=()):
    return dict((str(one), plain(ask(daemon, part, method, one))) for one in ask(daemon, part, names) if str(one) not in skip)
def saved(kind, names, method):
    found = {}
    for path in ask(disk, '.config', names):
        one = bus.get_object(NAME, path, introspect=False)
        found[prop(one, '.config.' + kind, 'name')] = plain(ask(one, '.config.' + kind, method))
    return found
answer = {
    'version': prop(daemon, '', 'version'), 'state': prop(daemon, '', 'state'),
    'panic': plain(ask(daemon, '', 'queryPanicMode')), 'default zone': plain(ask(daemon, '', 'getDefaultZone')),
    'active': plain(ask(daemon, '.zone', 'getActiveZones')),
    'zones': live('.zone', 'getZones', 'getZoneSettings2'), 'saved zones': saved('zone', 'listZones', 'getSettings2'),
    'policies': live('.policy', 'getPolicies', 'getPolicySettings'), 'saved policies': saved('policy', 'listPolicies', 'getSettings'),
    'ipsets': live('.ipset', 'getIPSets', 'getIPSetSettings'), 'saved ipsets': saved('ipset', 'listIPSets', 'getSettings'),
    'direct': [plain(ask(daemon, '.direct', one)) for one in ('getAllChains', 'getAllRules', 'getAllPassthroughs')],
    'saved direct': plain(ask(disk, '.config.direct', 'getSettings')),
    'names': {'service': plain(ask(disk, '.config', 'getServiceNames')), 'icmp-type': plain(ask(disk, '.config', 'getIcmpTypeNames'))},
    'backend': prop(disk, '.config', 'FirewallBackend'), 'log denied': plain(ask(daemon, '', 'getLogDenied')),
}
# The daemon keeps what it read of this file when it was loaded.
answer['saved default zone'] = None
try:
    with open('CONFIG/firewalld.conf', errors='replace') as handle:
        for line in handle:
            if line.startswith('DefaultZone='):
                answer['saved default zone'] = line.partition('=')[2].strip()
except OSError:
    pass
wanted = set()
for one in list(answer['zones'].values()) + list(answer['policies'].values()):
    wanted.update(one.get('services', []))
    for rule in one.get('rich_rules', []) + one.get('rules_str', []):
        words = rule.split('service name=\"')
        if len(words) == 2:
            wanted.add(words[1].split('\"')[0])
answer['services'] = {}
answer['saved services'] = {}
for one in sorted(wanted):
    try:
        answer['services'][one] = plain(ask(daemon, '', 'getServiceSettings2', one))
        service = bus.get_object(NAME, ask(disk, '.config', 'getServiceByName', one), introspect=False)
        answer['saved services'][one] = plain(ask(service, '.config.service', 'getSettings2'))
    except dbus.DBusException:
        pass
sys.stdout.write(json.dumps(answer, sort_keys=True))
""".replace("CONFIG", CONFIG)


class NotRunning(HoldfastError):
    """firewalld is installed and does not run."""


def ask_daemon(host: Host) -> t.Dict[str, t.Any]:
    """Return what firewalld says of itself.

    :raises NotRunning: when it does not run.
    :raises HoldfastError: when it is in its failed state, or does not answer.
    """
    answer = host.run([python_of(host), "-E", "-s", "-"], stdin=SCRIPT, timeout=120.0)
    if not answer.ok:
        raise _explained(host, answer.err or answer.out)
    try:
        found = json.loads(answer.out)
    except ValueError:
        raise HoldfastError("firewalld gave an answer that cannot be read: %s" % answer.out[:500]) from None
    if not isinstance(found, dict) or found.get("state") != "RUNNING":
        raise _explained(host, "its state is %s" % (found.get("state") if isinstance(found, dict) else found))
    if found.get("backend") != "nftables":
        raise HoldfastError(
            "firewalld uses its backend %s here, and only nftables is supported: set FirewallBackend=nftables in %s/firewalld.conf and "
            "restart firewalld" % (found.get("backend"), CONFIG)
        )
    return found


def python_of(host: Host) -> str:
    """Return the Python that firewalld runs on, from the first line of its program."""
    program = host.which("firewall-cmd")
    first = ((host.read(program) if program is not None else None) or "").partition("\n")[0]
    words = first[2:].split() if first.startswith("#!") else []
    return words[0] if words and words[0].startswith("/") and "python" in words[0] else "python3"


def _explained(host: Host, said: str) -> HoldfastError:
    state = host.run(["firewall-cmd", "--state"])
    if state.rc == 127:
        return HoldfastError("firewalld is not installed on this host (no firewall-cmd)")
    if state.rc == NOT_RUNNING:
        return NotRunning("firewalld is not running, so nothing it has is in force: start it (systemctl start firewalld) and try again")
    if state.rc == FAILED:
        return HoldfastError(
            "firewalld could not load its configuration and runs with stock rules (state failed): repair the file that "
            "firewall-cmd --check-config names and restart firewalld"
        )
    return HoldfastError("firewalld does not answer: %s" % said.strip()[-1000:])
