# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What loads rules at boot: the distribution's own loader where it is enabled, else a unit of ours.

Builds text, and asks the host which loaders are enabled; changes nothing.
"""

from __future__ import annotations

import typing as t

from ...host import Host

FOLDER = "/etc/holdfast/iptables"
OWN_FILES = {4: FOLDER + "/rules.v4", 6: FOLDER + "/rules.v6"}
SETS_FILE = FOLDER + "/ipset.conf"
LOAD_SCRIPT = FOLDER + "/load.sh"
RULES_UNIT, SETS_UNIT = "holdfast-firewall-iptables.service", "holdfast-firewall-ipset.service"
UNIT_FOLDER = "/etc/systemd/system/"
_PLUGINS = "/usr/share/netfilter-persistent/plugins.d/"

LOAD_TEXT = """\
#!/bin/sh
# Loads the firewall rules (load.sh rules) and the address sets (load.sh sets) that holdfast.firewall made to last.
# For boot, before other programs put their rules in: it empties the built-in chains that its files name.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
DIR=/etc/holdfast/iptables
status=0
case "${1:-}" in
sets)
    [ ! -s "$DIR/ipset.conf" ] || ipset restore -exist < "$DIR/ipset.conf" || status=$?
    ;;
rules)
    [ ! -s "$DIR/rules.v4" ] || iptables-restore --noflush < "$DIR/rules.v4" || status=$?
    [ ! -s "$DIR/rules.v6" ] || ip6tables-restore --noflush < "$DIR/rules.v6" || status=$?
    ;;
*)
    echo "usage: load.sh rules|sets" >&2
    status=2
    ;;
esac
exit "$status"
"""

_UNIT = """\
[Unit]
Description=%(what)s made to last by holdfast.firewall
DefaultDependencies=no
After=local-fs.target systemd-modules-load.service %(after)s
Before=%(before)s network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
ConditionPathExists=%(script)s
# Started at boot only: later it would empty chains that other programs have put rules into.
RefuseManualStart=yes

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh %(script)s %(job)s

[Install]
WantedBy=multi-user.target
"""
_LOADERS = "netfilter-persistent.service iptables.service ip6tables.service"


def unit_texts() -> t.Dict[str, str]:
    """Return the units of ours: the sets come before every loader of rules, the rules after the distribution's."""
    words = {"script": LOAD_SCRIPT}
    return {
        RULES_UNIT: _UNIT % dict(words, what="Firewall rules", job="rules", after=_LOADERS + " " + SETS_UNIT, before=""),
        SETS_UNIT: _UNIT % dict(words, what="Firewall address sets", job="sets", after="", before=_LOADERS + " " + RULES_UNIT),
    }


def has_systemd(host: Host) -> bool:
    """Return whether systemd runs the host."""
    return host.exists("/run/systemd/system") and host.which("systemctl") is not None


def loader_files(host: Host) -> t.Dict[int, str]:
    """Return the file of each family that an enabled loader of the distribution reads at boot."""
    found: t.Dict[int, str] = {}
    if _enabled(host, "netfilter-persistent"):
        for family, plugin in ((4, "15-ip4tables"), (6, "25-ip6tables")):
            if host.exists(_PLUGINS + plugin):
                found[family] = "/etc/iptables/rules.v%d" % family
        return found
    for family, name in ((4, "iptables"), (6, "ip6tables")):
        if has_systemd(host):
            if _enabled(host, name):
                found[family] = "/etc/sysconfig/%s" % name if host.exists("/etc/sysconfig") else "/etc/iptables/%s.rules" % name
        elif any(host.exists("/etc/runlevels/%s/%s" % (level, name)) for level in ("sysinit", "boot", "default")):
            alpine = "/etc/iptables/%s" % ("rules-save" if family == 4 else "rules6-save")
            found[family] = alpine if host.exists("/etc/alpine-release") else "/var/lib/%s/rules-save" % name
    return found


def _enabled(host: Host, unit: str) -> bool:
    return has_systemd(host) and host.run(["systemctl", "is-enabled", "--quiet", unit + ".service"]).ok
