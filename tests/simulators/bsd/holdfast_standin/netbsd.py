# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NetBSD does at boot with npf, and its ``service`` command: rc.conf says ``npf=YES`` without ``_enable``.

First ``npf_boot`` loads /etc/npf.boot.conf (or a built-in one) and starts npf, then ``npf`` loads the real file. Without ``npf=YES`` the
scripts do nothing, unless they are asked with ``onestart`` and the like. A script also reads the file of its name in /etc/rc.conf.d.
"""

from __future__ import annotations

from . import rcconf
from .outcome import Outcome
from .rc_scripts import command
from .store import Host

_BOOT = """group default {
\tpass final on lo0 all
\tpass stateful out final all
\tblock in all
}
"""
_ACTIONS = ("start", "stop", "restart", "reload", "status", "rcvar")


def _settings(host: Host) -> dict[str, str]:
    """What the script npf finds set."""
    return {**rcconf.values(host), **rcconf.values(host, "/etc/rc.conf.d/npf")}


def _enabled(host: Host) -> bool:
    return _settings(host).get("npf", "NO").lower() in ("yes", "true", "on", "1")


def start(host: Host) -> Outcome:
    """The boot."""
    out = Outcome()
    if rcconf.yes(host, "npf"):
        path = host.state_dir / "npf.boot.conf"
        path.write_text(_BOOT, encoding="utf-8")
        given = "/etc/npf.boot.conf" if host.read_file("/etc/npf.boot.conf") is not None else str(path)
        out.stderr += command(host, "npfctl", "reload", given).stderr.splitlines()
        out.stderr += command(host, "npfctl", "start").stderr.splitlines()
    if _enabled(host):
        _run(host, "reload", out)
    return out


def service(host: Host, argv: list[str]) -> int:
    """``service npf ACTION``."""
    out = Outcome()
    words = [word for word in argv if word not in ("-v", "-q")]
    if len(words) < 2:
        return out.fail("usage: service [-ev] [-l] <rc.d script> <action>").emit()
    name, action = words[0], words[1]
    if name != "npf":
        return out.fail("/usr/sbin/service: %s: no such rc.d script" % name).emit()
    prefix = next((word for word in ("one", "force") if action.startswith(word) and action[len(word) :] in _ACTIONS), "")
    action = action[len(prefix) :]
    if action not in _ACTIONS:
        return out.fail("/etc/rc.d/npf: unknown directive '%s'." % action).emit()
    if action == "rcvar":
        out.stdout += ["# npf", "$npf=%s" % ("YES" if _enabled(host) else "NO")]
    elif action == "status":
        pass
    elif not _enabled(host) and not prefix:
        out.fail(
            "$npf is not enabled - see rc.conf(5).\nUse the following if you wish to perform the operation:\n  /etc/rc.d/npf one%s" % action
        )
    else:
        _run(host, action, out)
    return out.emit()


def _run(host: Host, action: str, out: Outcome) -> None:
    if action in ("stop", "restart"):
        out.stdout.append("Disabling NPF.")
        command(host, "npfctl", "stop")
        command(host, "npfctl", "flush")
    if action in ("start", "restart", "reload"):
        rules = _settings(host).get("npf_rules") or "/etc/npf.conf"
        if host.read_file(rules) is None:
            out.fail("/etc/rc.d/npf: WARNING: %s is not readable." % rules)
            return
        if action != "reload":
            out.stdout.append("Enabling NPF.")
        done = command(host, "npfctl", "reload", rules)
        out.stderr += done.stderr.splitlines()
        out.rc = done.returncode
        if action != "reload":
            command(host, "npfctl", "start")
