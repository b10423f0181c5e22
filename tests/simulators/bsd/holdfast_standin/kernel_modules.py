# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``kldload``, ``kldunload``, ``kldstat`` and ``kenv`` of FreeBSD.

Loading ipfw puts its default rule in force at once: deny, unless the boot variable ``net.inet.ip.fw.default_to_accept`` is 1.
"""

from __future__ import annotations

import getopt

from .ipfw_kernel import IpfwKernel
from .outcome import Outcome
from .store import Host

_KNOWN = {
    "pf": (),
    "pflog": ("pf",),
    "pfsync": ("pf",),
    "ipfw": (),
    "ipfw_nat": ("ipfw", "libalias"),
    "libalias": (),
    "dummynet": ("ipfw",),
    "if_tap": (),
    "if_bridge": (),
    "nullfs": (),
    "fdescfs": (),
    "linprocfs": (),
}


def load(kernel: dict, name: str) -> None:
    """Load a module and what it needs; it must be known."""
    for needed in _KNOWN[name]:
        if needed not in kernel["modules"]:
            load(kernel, needed)
    kernel["modules"].append(name)
    if name == "ipfw":
        accept = kernel["kenv"].get("net.inet.ip.fw.default_to_accept") == "1"
        kernel["ipfw"] = {"default": "accept" if accept else "deny"}
        IpfwKernel(kernel["ipfw"])
        if "net.inet.ip.fw.verbose_limit" in kernel["kenv"]:
            kernel["sysctl"]["net.inet.ip.fw.verbose_limit"] = kernel["kenv"]["net.inet.ip.fw.verbose_limit"]


def _name(word: str) -> str:
    base = word.rsplit("/", 1)[-1]
    return base[:-3] if base.endswith(".ko") else base


def kldload(host: Host, argv: list[str]) -> int:
    """``kldload [-nqv] FILE …``."""
    out = Outcome()
    try:
        pairs, names = getopt.getopt(argv, "nqv")
    except getopt.GetoptError:
        return out.fail("usage: kldload [-nqv] file ...").emit()
    flags = {name for name, _value in pairs}
    if not names:
        return out.fail("usage: kldload [-nqv] file ...").emit()
    with host.kernel() as kernel:
        for word in names:
            name = _name(word)
            if name in kernel["modules"]:
                if "-n" not in flags:
                    out.fail("kldload: can't load %s: module already loaded or in kernel" % word)
            elif name not in _KNOWN:
                out.fail("kldload: can't load %s: No such file or directory" % word)
            else:
                load(kernel, name)
                if "-v" in flags:
                    out.stdout.append("Loaded %s, id=%d" % (word, len(kernel["modules"]) + 1))
        host.show_device("pf" in kernel["modules"])
    return out.emit()


def kldunload(host: Host, argv: list[str]) -> int:
    """``kldunload [-fv] [-n] NAME …``; unloading a firewall forgets its rules."""
    out = Outcome()
    try:
        _pairs, names = getopt.getopt(argv, "fvin:")
    except getopt.GetoptError:
        return out.fail("usage: kldunload [-fv] [-n] name ...").emit()
    names += [value for name, value in _pairs if name == "-n"]
    if not names:
        return out.fail("usage: kldunload [-fv] [-n] name ...").emit()
    with host.kernel() as kernel:
        for word in names:
            name = _name(word)
            if name not in kernel["modules"]:
                out.fail("kldunload: can't find file %s: No such file or directory" % word)
                continue
            if any(name in _KNOWN[other] for other in kernel["modules"]):
                out.fail("kldunload: can't unload file: Device busy")
                continue
            kernel["modules"].remove(name)
            if name == "pf":
                kernel["pf"] = {"enabled": False, "since": 0, "rules": {"": []}, "tables": {}, "options": {}, "tokens": []}
            if name == "ipfw":
                kernel["ipfw"] = {}
        host.show_device("pf" in kernel["modules"])
    return out.emit()


def kldstat(host: Host, argv: list[str]) -> int:
    """``kldstat [-q] [-v] [-m MODULE] [-n FILE]``."""
    out = Outcome()
    try:
        pairs, rest = getopt.getopt(argv, "hqvm:n:i:d")
    except getopt.GetoptError:
        return out.fail("usage: kldstat [-h] [-q] [-v] [-i id] [-n filename]\n       kldstat [-q] [-m modname]").emit()
    if rest:
        return out.fail("usage: kldstat [-h] [-q] [-v] [-i id] [-n filename]\n       kldstat [-q] [-m modname]").emit()
    options = dict(pairs)
    with host.kernel() as kernel:
        loaded = list(kernel["modules"])
    if "-m" in options:
        if options["-m"] in loaded or options["-m"] == "kernel":
            if "-q" not in options:
                number = loaded.index(options["-m"]) + 2 if options["-m"] in loaded else 1
                out.stdout += ["Id  Refs Name", "%3d    1 %s" % (number, options["-m"])]
        else:
            out.rc = 1
            if "-q" not in options:
                out.stderr.append("kldstat: can't find module %s: No such file or directory" % options["-m"])
        return out.emit()
    names = ["kernel"] + [name + ".ko" for name in loaded]
    if "-n" in options:
        wanted = options["-n"] if options["-n"].endswith(".ko") or options["-n"] == "kernel" else options["-n"] + ".ko"
        if wanted not in names:
            out.rc = 1
            if "-q" not in options:
                out.stderr.append("kldstat: can't find file %s: No such file or directory" % options["-n"])
            return out.emit()
        names = [wanted]
    if "-q" not in options:
        out.stdout.append("Id Refs Address                Size Name")
        for index, name in enumerate(names):
            out.stdout.append("%2d    1 0xffffffff%08x %8x %s" % (index + 1, 0x80200000 + index * 0x100000, 0x1000, name))
    return out.emit()


def kenv(host: Host, argv: list[str]) -> int:
    """``kenv [-q] NAME[=VALUE]``, ``kenv -u NAME``, ``kenv``."""
    out = Outcome()
    try:
        pairs, words = getopt.getopt(argv, "hNqvu")
    except getopt.GetoptError:
        return out.fail("usage: kenv [-hNq]\n       kenv [-qv] variable[=value]\n       kenv [-q] -u variable").emit()
    flags = {name for name, _value in pairs}
    with host.kernel() as kernel:
        values = kernel["kenv"]
        if not words:
            out.stdout += ['%s="%s"' % pair for pair in sorted(values.items())]
            return out.emit()
        name, assigns, value = words[0].partition("=")
        if "-u" in flags:
            if values.pop(name, None) is None:
                out.rc = 1
                if "-q" not in flags:
                    out.stderr.append("kenv: unable to unset %s" % name)
        elif assigns:
            values[name] = value
            out.stdout.append('%s="%s"' % (name, value) if "-v" in flags else value)
        elif name in values:
            out.stdout.append('%s="%s"' % (name, values[name]) if "-v" in flags else values[name])
        else:
            out.rc = 1
            if "-q" not in flags:
                out.stderr.append("kenv: unable to get %s" % name)
    return out.emit()
