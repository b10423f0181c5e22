# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in Windows remembers: one JSON file below the state folder, and a folder that is drive C.

The environment says where: HOLDFAST_STANDIN_STATE (the state folder, default STATE), HOLDFAST_STANDIN_LANGUAGE (``en`` or ``de``, the
language of the display), HOLDFAST_STANDIN_ELEVATED (``0``: not run as administrator).
"""

import json
import os
import uuid

STATE = "/var/db/holdfast-standin-windows"
PROFILES = ("domain", "private", "public")
FIREWALL = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
POLICIES = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall"
ROUTING = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters"
DESKTOP = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Terminal Server\\WinStations\\RDP-Tcp"

#: Rules that a Windows Server has when it is new: names and groups are resources, so they are shown in the language of the display.
BUILT_IN = (
    (
        "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=17|Profile=Domain|Profile=Private|Profile=Public|LPort=68|RPort=67|"
        "App=%SystemRoot%\\system32\\svchost.exe|Svc=dhcp|Name=@FirewallAPI.dll,-25301|Desc=@FirewallAPI.dll,-25303|"
        "EmbedCtxt=@FirewallAPI.dll,-25000|"
    ),
    (
        "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=58|ICMP6=135:*|App=System|Name=@FirewallAPI.dll,-25019|"
        "Desc=@FirewallAPI.dll,-25025|EmbedCtxt=@FirewallAPI.dll,-25000|"
    ),
    (
        "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Domain|Profile=Private|LPort=5985|App=System|"
        "Name=@FirewallAPI.dll,-30253|Desc=@FirewallAPI.dll,-30256|EmbedCtxt=@FirewallAPI.dll,-30267|"
    ),
    (
        "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|LPort=5985|RA4=LocalSubnet|RA6=LocalSubnet|App=System|"
        "Name=@FirewallAPI.dll,-30253|Desc=@FirewallAPI.dll,-30256|EmbedCtxt=@FirewallAPI.dll,-30267|"
    ),
    (
        "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=22|App=%SystemRoot%\\system32\\OpenSSH\\sshd.exe|"
        "Name=OpenSSH SSH Server (sshd)|Desc=Inbound rule for OpenSSH SSH Server (sshd)|EmbedCtxt=OpenSSH Server|"
    ),
    (
        "v2.30|Action=Allow|Active=FALSE|Dir=In|Protocol=6|Profile=Public|LPort=3389|App=%SystemRoot%\\system32\\svchost.exe|Svc=termservice|"
        "Name=@FirewallAPI.dll,-28775|Desc=@FirewallAPI.dll,-28756|EmbedCtxt=@FirewallAPI.dll,-28752|"
    ),
    (
        "v2.30|Action=Allow|Active=TRUE|Dir=Out|App=%SystemRoot%\\system32\\svchost.exe|Svc=dnscache|"
        "Name=@FirewallAPI.dll,-25405|Desc=@FirewallAPI.dll,-25406|EmbedCtxt=@FirewallAPI.dll,-25000|"
    ),
    (
        "v2.30|Action=Allow|Active=TRUE|Dir=In|Profile=Domain|Profile=Private|Name=Cortana|Desc=Cortana|LUOwn=S-1-5-21-1-2-3-1001|"
        "AppPkgId=S-1-15-2-1861897761-1695161497-2927542615|EmbedCtxt=Cortana|"
    ),
)


class Store:
    """The state; ``save`` writes it."""

    def __init__(self, environ):
        self.folder = environ.get("HOLDFAST_STANDIN_STATE") or STATE
        self.elevated = environ.get("HOLDFAST_STANDIN_ELEVATED", "1") != "0"
        self._file = os.path.join(self.folder, "windows.json")
        try:
            with open(self._file, encoding="utf-8") as handle:
                self.state = json.load(handle)
        except FileNotFoundError:
            self.state = fresh()
        #: Whether a script runs, which saves once.
        self.kept_back = False
        self.language = environ.get("HOLDFAST_STANDIN_LANGUAGE") or self.state.get("language", "en")

    @property
    def rules(self):
        """The rules of the host: a list of [value name, text]."""
        return self.state["rules"]

    def add(self, text):
        """Add the text of a rule under a new name."""
        self.rules.append(["{%s}" % str(uuid.uuid4()).upper(), text])

    def save(self):
        """Write the state."""
        if self.kept_back:
            return
        os.makedirs(self.folder, exist_ok=True)
        with open(self._file + ".new", "w", encoding="utf-8") as handle:
            json.dump(self.state, handle, indent=1)
        os.replace(self._file + ".new", self._file)

    def path(self, windows):
        """Return where a file of drive C is: ``C:\\a\\b`` is ``drive/a/b`` below the state folder."""
        name = windows.strip('"').replace("\\", "/")
        if name[1:2] == ":":
            name = name[2:]
        return os.path.join(self.folder, "drive", name.lstrip("/"))


def fresh():
    """Return the state of a new host."""
    return {
        "language": "en",
        "rules": [["rule-%d" % number, text] for number, text in enumerate(BUILT_IN)],
        "profiles": {name: {"EnableFirewall": 1, "DefaultInboundAction": 1, "DefaultOutboundAction": 0} for name in PROFILES},
        "policies": {"profiles": {}, "rules": []},
        "routing": 0,
        "service": 4,
    }
