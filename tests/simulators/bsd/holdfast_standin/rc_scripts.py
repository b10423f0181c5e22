# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rc scripts of FreeBSD for pf, pflog and ipfw, and the ``service`` command that runs them.

Commands are run as child processes of the same package, in the order of the real scripts, so that a shell script named as
``firewall_script`` works too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from . import kernel_modules, rcconf
from .outcome import Outcome
from .store import Host

_LAUNCHER = Path(__file__).resolve().parent.parent / "launcher.py"
_SERVICES = {"pf": "pf_enable", "pflog": "pflog_enable", "ipfw": "firewall_enable"}
_ACTIONS = ("start", "stop", "restart", "status", "enable", "disable", "enabled", "rcvar", "check", "reload", "resync", "describe", "poll")


def command(host: Host, *argv: str) -> subprocess.CompletedProcess:
    """Run another stand-in command on the same host."""
    return subprocess.run(
        [sys.executable, "-I", str(_LAUNCHER), *argv],
        env=host.environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _forward(out: Outcome, done: subprocess.CompletedProcess) -> int:
    out.stdout += done.stdout.splitlines()
    out.stderr += done.stderr.splitlines()
    return done.returncode


def _need_module(host: Host, name: str) -> None:
    with host.kernel() as kernel:
        if name not in kernel["modules"]:
            kernel_modules.load(kernel, name)
        host.show_device("pf" in kernel["modules"])


def service(host: Host, argv: list[str]) -> int:
    """``service NAME ACTION``."""
    if host.flavour.name == "netbsd":
        from .netbsd import service as of_netbsd

        return of_netbsd(host, argv)
    out = Outcome()
    words = [word for word in argv if word not in ("-v", "-q")]
    if words == ["-e"]:
        out.stdout += ["/etc/rc.d/" + name for name, switch in _SERVICES.items() if rcconf.yes(host, switch)]
        return out.emit()
    if len(words) < 2:
        return out.fail("usage: service -e\n       service [-v] <rc.d script> start|stop|etc.").emit()
    name, action = words[0], words[1]
    if name not in _SERVICES:
        return out.fail(
            "%s does not exist in /etc/rc.d or the local startup\ndirectories (/usr/local/etc/rc.d), or is not executable" % name
        ).emit()
    run(host, name, action, out)
    return out.emit()


def run(host: Host, name: str, action: str, out: Outcome) -> None:
    """One action of one rc script."""
    switch = _SERVICES[name]
    prefix = next((word for word in ("one", "force", "quiet", "fast") if action.startswith(word) and action[len(word) :] in _ACTIONS), "")
    action = action[len(prefix) :]
    if action not in _ACTIONS or (action in ("check", "reload", "resync") and name == "ipfw"):
        out.fail("/etc/rc.d/%s: unknown directive '%s'." % (name, action))
        out.stderr.append(
            "Usage: /etc/rc.d/%s [fast|force|one|quiet](start|stop|restart|describe|extracommands|rcvar|enable|disable|"
            "delete|enabled|status|poll)" % name
        )
        return
    enabled = rcconf.yes(host, switch)
    if action in ("enable", "disable"):
        rcconf.write(host.path("/etc/rc.conf"), switch, "YES" if action == "enable" else "NO")
        out.stdout.append("%s %sd in /etc/rc.conf" % (name, action))
    elif action == "enabled":
        out.rc = 0 if enabled else 1
    elif action == "rcvar":
        out.stdout += ["# %s" % name, "#", '%s="%s"' % (switch, "YES" if enabled else "NO"), '#   (default: "")', ""]
    elif action == "describe":
        out.stdout.append(
            {
                "pf": "Packet filter",
                "pflog": "Packet filter logging interface",
                "ipfw": "Firewall, traffic shaper, packet scheduler, in-kernel NAT",
            }[name]
        )
    elif action == "status":
        _status(host, name, out)
    elif not enabled and action != "stop" and prefix not in ("one", "force"):
        if prefix != "quiet":
            out.stdout.append(
                "Cannot '%s' %s. Set %s to YES in /etc/rc.conf or use 'one%s' instead of '%s'." % (action, name, switch, action, action)
            )
    elif action == "stop" and not enabled and prefix not in ("one", "force"):
        pass
    elif name == "pf":
        _pf(host, action, out)
    elif name == "ipfw":
        if action in ("stop", "restart"):
            _ipfw_switch(host, out, "0")
        if action in ("start", "restart"):
            _ipfw_start(host, out)
    elif action in ("start", "stop", "restart"):
        out.stdout.append({"start": "Starting pflog.", "stop": "Stopping pflog.", "restart": "Starting pflog."}[action])
        _need_module(host, "pflog")


def _status(host: Host, name: str, out: Outcome) -> None:
    if name == "pf":
        out.rc = _forward(out, command(host, "pfctl", "-s", "info"))
    elif name == "ipfw":
        on = command(host, "sysctl", "-n", "net.inet.ip.fw.enable").stdout.strip() == "1"
        out.stdout.append("ipfw is enabled" if on else "ipfw is not enabled")
        out.rc = 0 if on else 1
    else:
        out.stdout.append("pflog is not running.")
        out.rc = 1


def _pf(host: Host, action: str, out: Outcome) -> None:
    rules = rcconf.get(host, "pf_rules") or "/etc/pf.conf"
    if action != "stop" and host.read_file(rules) is None:
        out.fail("/etc/rc.d/pf: WARNING: %s is not readable." % rules)
        return
    _need_module(host, "pf")
    if action in ("stop", "restart") and command(host, "pfctl", "-s", "Running").returncode == 0:
        command(host, "pfctl", "-d", "-q")
        out.stdout.append("Disabling pf.")
    if action in ("start", "restart"):
        command(host, "pfctl", "-F", "all")
        out.rc = _forward(out, command(host, "pfctl", "-f", rules, *(rcconf.get(host, "pf_flags") or "").split()))
        if out.rc and rcconf.yes(host, "pf_fallback_rules_enable"):
            out.stderr.append("pf: Loading fallback rules.")
            command(host, "pfctl", "-f", rcconf.get(host, "pf_fallback_rules_file") or "/etc/pf-fallback.conf")
        if command(host, "pfctl", "-s", "Running").returncode != 0:
            command(host, "pfctl", "-e", "-q")
        out.stdout.append("Enabling pf.")
        out.rc = 0
    if action == "check":
        out.stdout.append("Checking pf rules.")
        out.rc = _forward(out, command(host, "pfctl", "-n", "-f", rules))
    if action in ("reload", "resync"):
        if action == "reload":
            out.stdout.append("Reloading pf rules.")
        out.rc = _forward(out, command(host, "pfctl", "-n", "-f", rules)) or _forward(out, command(host, "pfctl", "-f", rules))


def _ipfw_start(host: Host, out: Outcome) -> None:
    _need_module(host, "ipfw")
    if rcconf.yes(host, "firewall_nat_enable"):
        _need_module(host, "ipfw_nat")
    script = rcconf.get(host, "firewall_script") or "/etc/rc.firewall"
    kind = rcconf.get(host, "firewall_type") or "UNKNOWN"
    path = host.path(script) if host.path(script).exists() else Path(script)
    if path.exists():
        done = subprocess.run(
            ["/bin/sh", str(path), kind], env=host.environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        _forward(out, done)
        out.stdout.append("Firewall rules loaded.")
    elif script == "/etc/rc.firewall":
        _standard_rules(host, kind, out)
        out.stdout.append("Firewall rules loaded.")
    elif command(host, "ipfw", "list", "65535").stdout.startswith("65535 deny"):
        out.stdout += [
            "Warning: kernel has firewall functionality, but firewall rules are not enabled.",
            "           All ip services are disabled.",
        ]
    if rcconf.yes(host, "firewall_logging"):
        out.stdout.append("Firewall logging enabled.")
        command(host, "sysctl", "net.inet.ip.fw.verbose=1")
    _ipfw_switch(host, out, "1")


def _standard_rules(host: Host, kind: str, out: Outcome) -> None:
    """What the shipped rc.firewall does for the types that are used here: open, closed, UNKNOWN, or a file of commands."""
    command(host, "ipfw", "-f", "flush")
    if kind == "UNKNOWN":
        return
    loopback = ["100 allow ip from any to any via lo0", "200 deny ip from any to 127.0.0.0/8", "300 deny ip from 127.0.0.0/8 to any"]
    for line in loopback + (["65000 allow ip from any to any"] if kind.lower() == "open" else []):
        _forward(out, command(host, "ipfw", "add", *line.split()))
    if kind.startswith("/"):
        _forward(out, command(host, "ipfw", "-q", kind))
    elif kind.lower() not in ("open", "closed"):
        out.stderr.append("stand-in: firewall_type %s is not implemented" % kind)


def _ipfw_switch(host: Host, out: Outcome, value: str) -> None:
    for name in ("net.inet.ip.fw.enable", "net.inet6.ip6.fw.enable"):
        command(host, "sysctl", "%s=%s" % (name, value))
