# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``/etc/rc.conf`` and the ``sysrc`` command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from .outcome import Outcome
from .store import Host

# Of /etc/defaults/rc.conf.
DEFAULTS = {
    "pf_enable": "NO",
    "pf_rules": "/etc/pf.conf",
    "pf_program": "/sbin/pfctl",
    "pf_flags": "",
    "pflog_enable": "NO",
    "pflog_logfile": "/var/log/pflog",
    "pf_fallback_rules_enable": "NO",
    "pf_fallback_rules_file": "/etc/pf-fallback.conf",
    "firewall_enable": "NO",
    "firewall_script": "/etc/rc.firewall",
    "firewall_type": "UNKNOWN",
    "firewall_quiet": "NO",
    "firewall_logging": "NO",
    "firewall_logif": "NO",
    "firewall_flags": "",
    "firewall_nat_enable": "NO",
    "firewall_nat_interface": "",
    "firewall_nat_flags": "",
    "dummynet_enable": "NO",
    "gateway_enable": "NO",
    "ipv6_gateway_enable": "NO",
    "sshd_enable": "NO",
    "kld_list": "",
    "hostname": "",
}
_LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def values(host: Host, name: str = "/etc/rc.conf") -> dict[str, str]:
    """What the file sets; the last line of a name wins."""
    found: dict[str, str] = {}
    try:
        text = host.path(name).read_text(encoding="utf-8")
    except OSError:
        return found
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            try:
                words = shlex.split(match.group(2), comments=True)
            except ValueError:
                continue
            found[match.group(1)] = words[0] if words else ""
    return found


def get(host: Host, name: str) -> str | None:
    """A variable with its default."""
    return values(host).get(name, DEFAULTS.get(name))


def yes(host: Host, name: str) -> bool:
    """A variable as the rc system reads a switch."""
    return (get(host, name) or "").lower() in ("yes", "true", "on", "1")


def write(path: Path, name: str, value: str | None) -> None:
    """Set a variable, or remove it; other lines stay as they are."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept, done = [], False
    for line in lines:
        match = _LINE.match(line)
        if not match or match.group(1) != name:
            kept.append(line)
        elif value is not None and not done:
            kept.append('%s="%s"' % (name, value))
            done = True
    if value is not None and not done:
        kept.append('%s="%s"' % (name, value))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def sysrc(host: Host, argv: list[str]) -> int:
    """``sysrc [-cinqx] [-f FILE] NAME[=VALUE] …``."""
    out = Outcome()
    flags: set[str] = set()
    filename = "/etc/rc.conf"
    words: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word.startswith("-") and not words:
            for letter in word[1:]:
                if letter == "f" and rest:
                    filename = rest.pop(0)
                elif letter in "cinqx":
                    flags.add(letter)
                else:
                    return out.fail("sysrc: illegal option -- %s" % letter).emit()
        else:
            words.append(word)
    if not words:
        return out.fail("usage: sysrc [OPTIONS] name[[+|-]=value] ...").emit()
    for word in words:
        _sysrc_one(host, word, flags, filename, out)
    return out.emit()


def _sysrc_one(host: Host, word: str, flags: set[str], filename: str, out: Outcome) -> None:
    name, assigns, value = word.partition("=")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        out.fail("sysrc: %s: name contains characters not allowed in shell" % name)
        return
    own = values(host, filename)
    defaults = DEFAULTS if filename == "/etc/rc.conf" else {}
    old = own.get(name, defaults.get(name))
    if "x" in flags:
        if name not in own:
            out.rc = 1
            if "i" not in flags:
                out.stderr.append("sysrc: unknown variable '%s'" % name)
            return
        write(host.path(filename), name, None)
        return
    if "c" in flags:
        out.rc = out.rc or (1 if old is None or (assigns and old != value) else 0)
        return
    if not assigns:
        if old is None:
            if "i" not in flags:
                out.fail("sysrc: unknown variable '%s'" % name)
            return
        out.stdout.append(old if "n" in flags else "%s: %s" % (name, old))
        return
    if old != value or name not in own:
        write(host.path(filename), name, value)
    if "q" not in flags:
        out.stdout.append(value if "n" in flags else "%s: %s -> %s" % (name, old if old is not None else "", value))
