# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in does to the Linux beneath it: the TCP ports of its firewall as nftables rules, and its tasks as units of systemd.

The state of the stand-in decides; nftables only enforces it, so that a lockout cuts SSH for real. Enforced are inbound rules for TCP, by
port and remote address; established connections pass.
"""

import ipaddress
import os
import re
import subprocess
import sys

from .fields import from_text, values

#: The networks of the lab, in the place of LocalSubnet.
LOCAL = ("198.51.100.0/24", "2001:db8:0:1::/64")
TABLE = "standin"


class Systemd:
    """Runs tasks as root, in units of their own."""

    def __init__(self, library):
        self._launcher = [sys.executable, "-I", os.path.join(library, "launcher.py")]

    def start(self, name):
        """Run a task now; nothing when it runs."""
        self._call("systemd-run", "--quiet", "--collect", "--unit=" + name, *self._launcher, "run-task", name)

    def at(self, name, seconds):
        """Run a task after some time."""
        self._call("systemctl", "stop", "%s-later.timer" % name)
        self._call(
            "systemd-run", "--quiet", "--collect", "--unit=%s-later" % name, "--on-active=%.1fs" % seconds,
            "--timer-property=AccuracySec=100ms", *self._launcher, "start-task", name,
        )  # fmt: skip

    def end(self, name):
        """End a task that runs."""
        self._call("systemctl", "kill", "--signal=KILL", name + ".service")

    def forget(self, name):
        """Wait no more; what runs goes on."""
        self._call("systemctl", "stop", "%s-later.timer" % name)

    def _call(self, *argv):
        subprocess.run(argv, capture_output=True, check=False)


def enforce(store):
    """Put the state in force."""
    subprocess.run(["nft", "-f", "-"], input=ruleset(store), text=True, check=True)


def ruleset(store):
    """Return the text for nft."""
    lines = ["table inet %s {}" % TABLE, "delete table inet %s" % TABLE, "table inet %s {" % TABLE, "  chain input {"]
    lines += ["    type filter hook input priority 0;", '    iif "lo" accept', "    ct state established accept"]
    profile = {**store.state["profiles"]["public"], **store.state["policies"]["profiles"].get("public", {})}
    if profile.get("EnableFirewall", 1):
        for action, verdict in (("Block", "drop"), ("Allow", "accept")):
            for _name, text in store.rules:
                lines += ["    %s %s" % (match, verdict) for match in _matches(from_text(text), action)]
        if profile.get("DefaultInboundAction", 1):
            lines.append("    meta l4proto tcp drop")
    return "\n".join([*lines, "  }", "}", ""])


def _matches(fields, action):
    if values(fields, "Action") != [action] or values(fields, "Active") != ["TRUE"] or values(fields, "Dir") != ["In"]:
        return []
    profiles = values(fields, "Profile")
    ports = values(fields, "LPort", "LPort2_10")
    if values(fields, "Protocol") not in ([], ["6"]) or (profiles and "Public" not in profiles) or values(fields, "RPort", "RPort2_10"):
        return []
    if not ports and (values(fields, "App") or values(fields, "Svc")):
        return []
    if any(not re.fullmatch(r"\d+(-\d+)?", one) for one in ports) or values(fields, "LA4", "LA6"):
        return []
    port = "tcp dport { %s }" % ", ".join(ports) if ports else "meta l4proto tcp"
    remotes = [one for text in values(fields, "RA4", "RA6", "RA42", "RA62") for one in (LOCAL if text == "LocalSubnet" else (text,))]
    if not remotes:
        return [port]
    return ["%s saddr %s %s" % ("ip6" if ":" in one else "ip", _remote(one), port) for one in remotes]


def _remote(text):
    return text if "-" in text else str(ipaddress.ip_network(text, strict=False))
