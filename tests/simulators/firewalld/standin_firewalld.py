# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in of firewalld 1.3 for unit tests: files in a dict, a daemon that loads them, and a kernel that has what was loaded.

It answers what the backend asks: ``firewall-cmd``, ``firewall-offline-cmd``, ``systemctl``, the question over the system bus, and
``nft list``. Like the real one it leaves out a rule that is not valid with no more than a warning in a log nobody reads, does not notice
that the rules beneath it are gone, and drops on a reload what is in force only. It filters nothing. Pure: touches no host.
"""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

PUBLIC = """<?xml version="1.0" encoding="utf-8"?>
<zone>
  <short>Public</short>
  <service name="ssh"/>
  <service name="dhcpv6-client"/>
  <forward/>
</zone>
"""
SERVICES = {
    "ssh": {"ports": [["22", "tcp"]]},
    "dhcpv6-client": {"ports": [["546", "udp"]], "destination": {"ipv6": "fe80::/64"}},
    "http": {"ports": [["80", "tcp"]]},
}
WAYS = {("ANY", "HOST"): "IN", ("HOST", "ANY"): "OUT", ("ANY", "ANY"): "FWD"}
ELEMENTS = ("service", "port", "source-port", "protocol", "icmp-type", "icmp-block")


class Refused(Exception):
    """What a command says on standard error, with its exit code."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Firewalld:
    """The daemon; ``run`` answers a command with (code, output, error)."""

    def __init__(self, files=None):
        self.files = {"/usr/lib/firewalld/zones/public.xml": PUBLIC, "/usr/sbin/firewall-cmd": "#!/usr/bin/python3 -Es\n", **(files or {})}
        self.version = "1.3.3"
        self.running = True
        self.boots = True
        #: Whether its checker can be called from Python under the name that it has since 1.0.
        self.new = True
        self.asked_offline = 0
        self.reloads = 0
        self.active = {}
        #: What the host says of its addresses.
        self.addresses = ""
        #: Which interface is compared beside a source in a set of addresses and interfaces: iifname from firewalld 2.3 on.
        self.compared = "oifname"
        self.live = {}
        self.kernel = None
        self.load()

    def run(self, argv, stdin):
        """Answer a command."""
        try:
            return 0, self._answer(list(argv), stdin) or "", ""
        except Refused as refused:
            return refused.code, "", str(refused)

    def _answer(self, argv, stdin):
        if argv[0] == "nft":
            if self.kernel is None:
                raise Refused(1, "No such file or directory")
            return self.kernel
        if argv[0] == "systemctl":
            return self._unit(argv[1:])
        if argv[0].endswith("python3"):
            return self._asked(argv, stdin)
        if argv[0] == "firewall-offline-cmd":
            self.asked_offline += 1
            return "success\n"
        if argv[0] == "firewall-cmd":
            return self._command(argv[1:])
        if argv[0] == "busctl" and argv[-1] == "reload":
            return self._command(["--reload"])
        if argv[0] == "cp":
            self.files.update({argv[3] + path[len(argv[2]) :]: text for path, text in self.files.items() if path.startswith(argv[2] + "/")})
            return ""
        if argv[:2] == ["rm", "-rf"]:
            self.files = {path: text for path, text in self.files.items() if not path.startswith(argv[2] + "/")}
            return ""
        if argv[0] == "ls":
            return "".join(path.rpartition("/")[2] + "\n" for path in sorted(self.files) if path.startswith(argv[1] + "/"))
        if argv[0] == "ip":
            return self.addresses
        raise Refused(127, "%s: not found" % argv[0])

    def _unit(self, words):
        verb = words[0]
        if verb == "is-enabled":
            if not self.boots:
                raise Refused(1, "disabled")
        elif verb in ("enable", "disable"):
            self.boots = verb == "enable"
        elif verb == "stop":
            self.running, self.kernel, self.live = False, None, {}
        elif verb in ("start", "restart"):
            if verb == "restart" or not self.running:
                self.running = True
                self.load()
        else:
            raise Refused(1, "unknown verb %s" % verb)
        return ""

    def _command(self, words):
        if not self.running:
            raise Refused(252, "FirewallD is not running")
        if words == ["--state"]:
            return "running\n"
        if words == ["--reload"]:
            if self.kernel is None:
                raise Refused(13, "Error: COMMAND_FAILED: 'python-nftables' failed")
            self.load()
            return "success\n"
        words = [one for one in words if one != "--quiet"]
        kind, _sign, name = words[0][2:].partition("=")
        settings = self.live["zones" if kind == "zone" else "policies"][name]
        options = sorted({one.partition("=")[0] for one in words[1:]})
        if len(options) > 1:
            raise Refused(2, "firewall-cmd: error: argument %s: not allowed with argument %s" % (options[1], options[0]))
        for word in words[1:]:
            verb, option, value = re.match(r"--(add|remove|change)-([a-z-]+)=(.*)", word).groups()
            lists = {"service": "services", "port": "ports", "interface": "interfaces"}
            key = lists.get(option) or {"zone": "rules_str", "policy": "rich_rules"}[kind]
            value = value.split("/") if option == "port" else value
            have = settings.setdefault(key, [])
            if verb in ("add", "change") and value not in have:
                have.append(value)
            elif verb == "remove" and value in have:
                have.remove(value)
        self._fill_kernel()
        return ""

    def _asked(self, argv, stdin):
        if "-c" in argv and stdin is None:
            return self.compared + "\n"
        if "-c" in argv:
            found = ["%s: INVALID_RULE" % text for text in json.loads(stdin)["rules"] if not valid(text)]
            return "a line of its own\n" + json.dumps({"checked": self.new, "refused": found, "took": 0.1 if self.new else None}) + "\n"
        if not self.running:
            raise Refused(1, "org.freedesktop.DBus.Error.ServiceUnknown")
        saved = self.saved()
        told = {
            "version": self.version, "state": "RUNNING", "panic": False, "default zone": "public", "active": self.active,
            "names": {"service": sorted(SERVICES), "icmp-type": ["echo-reply", "echo-request"]},
            "backend": "nftables", "log denied": "off", "services": SERVICES, "direct": [[], [], []], "saved direct": [[], [], []],
        }  # fmt: skip
        return json.dumps({**told, **self.live, **{"saved " + key: value for key, value in saved.items()}})

    def load(self):
        """Read the files, as a reload does."""
        self.reloads += 1
        self.live = self.saved()
        for policy in self.live["policies"].values():
            for rule in policy["rich_rules"]:
                if 'service name="' in rule and rule.split('service name="')[1].split('"')[0] not in SERVICES:
                    raise Refused(101, "Error: INVALID_SERVICE")
                here = policy["egress_zones"] == ["HOST"]
                if " masquerade" in rule and "HOST" in policy["egress_zones"] + policy["ingress_zones"]:
                    raise Refused(112, "Error: INVALID_ZONE: 'masquerade' is invalid for zone 'HOST'")
                if " forward-port " in rule and here == (" to-addr=" in rule):
                    raise Refused(105, "Error: INVALID_FORWARD: to-addr %s" % ("is invalid" if here else "is missing"))
        self._fill_kernel()

    def saved(self):
        """Return what the files say."""
        found = {"zones": {}, "policies": {}, "ipsets": {}}
        for path, text in sorted(self.files.items(), reverse=True):
            place, _slash, name = path[: -len(".xml")].rpartition("/")
            kind = place.rpartition("/")[2]
            if place.startswith(("/etc/firewalld", "/usr/lib/firewalld")) and kind in found and (kind, name) and path.endswith(".xml"):
                found[kind][name] = {"zones": zone_of, "policies": policy_of, "ipsets": ipset_of}[kind](ET.fromstring(text.encode()))
        override = "/etc/firewalld/zones/public.xml"
        found["zones"]["public"] = zone_of(ET.fromstring(self.files.get(override, PUBLIC).encode()))
        return found

    def _fill_kernel(self):
        lines = ["table inet firewalld {"]
        for chain in ("filter_INPUT", "filter_OUTPUT", "filter_FORWARD"):
            lines += ["\tchain %s {" % chain, "\t\tct state { established, related } accept", "\t}"]
        for name, settings in sorted(self.live["policies"].items()):
            way = WAYS.get((settings["ingress_zones"][0], settings["egress_zones"][0]), "FWD")
            lines.append("\tchain filter_%s_policy_%s {" % (way, name))
            lines += ["\t\t" + rule for rule in settings["rich_rules"]] + ["\t\t" + settings["target"], "\t}"]
        self.kernel = "\n".join([*lines, "}"]) + "\n"


def valid(text):
    """Return whether firewalld takes a rich rule: here only what tests get wrong."""
    ports = re.findall(r' port="(\d+)(?:-(\d+))?"', text)
    return all(int(one) < 65536 for pair in ports for one in pair if one) and text.count('"') % 2 == 0


def _rule(node):
    parts = ["rule"] + ['%s="%s"' % (name, node.get(name)) for name in ("priority", "family") if node.get(name)]
    for part in node:
        parts.append(part.tag)
        if part.get("invert", "").lower() == "true":
            parts.append("NOT")
        parts += ['%s="%s"' % (name, value) for name, value in part.attrib.items() if name != "invert"]
        for inner in part:
            parts.append('%s value="%s"' % (inner.tag, inner.get("value")))
    return " ".join(parts)


def _rules(tree):
    return [text for text in map(_rule, tree.findall("rule")) if valid(text)]


def policy_of(tree):
    """Return the settings of a policy as the bus gives them: a description has no line breaks."""
    return {
        "target": tree.get("target"), "priority": int(tree.get("priority", "-1")), "rich_rules": _rules(tree), "masquerade": False,
        "disable": tree.find("disable") is not None,
        "description": (tree.findtext("description") or "").replace("\n", " "),
        "ingress_zones": [one.get("name") for one in tree.findall("ingress-zone")],
        "egress_zones": [one.get("name") for one in tree.findall("egress-zone")],
    }  # fmt: skip


def zone_of(tree):
    """Return the settings of a zone; lists that are empty are left out."""
    found = {
        "target": tree.get("target", "default"), "masquerade": False, "forward": True,
        "services": [one.get("name") for one in tree.findall("service")], "rules_str": _rules(tree),
        "ports": [[one.get("port"), one.get("protocol")] for one in tree.findall("port")],
    }  # fmt: skip
    return {key: value for key, value in found.items() if value != []}


def ipset_of(tree):
    """Return the settings of a set as the tuple that the bus gives."""
    options = {one.get("name"): one.get("value") for one in tree.findall("option")}
    return ["", "", "", tree.get("type"), options, [one.text for one in tree.findall("entry")]]
