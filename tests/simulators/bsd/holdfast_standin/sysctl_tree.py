# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel variables that matter here, and the ``sysctl`` command."""

from __future__ import annotations

import getopt
import os
import time
import uuid

from .outcome import Outcome
from .store import Host

# name -> (default, writable, module that brings it)
_COMMON = {
    "net.inet.ip.forwarding": ("0", True, ""),
    "net.inet6.ip6.forwarding": ("0", True, ""),
    "kern.securelevel": ("-1", True, ""),
    "hw.ncpu": ("2", False, ""),
    "hw.model": ("stand-in", False, ""),
    "hw.pagesize": ("4096", False, ""),
    "hw.physmem": ("1073741824", False, ""),
    "net.inet.tcp.syncookies": ("1", True, ""),
    "net.inet.icmp.drop_redirect": ("0", True, ""),
    "net.inet.ip.redirect": ("1", True, ""),
    "net.inet.tcp.blackhole": ("0", True, ""),
    "net.inet.udp.blackhole": ("0", True, ""),
}
_FREEBSD = {
    "security.jail.jailed": ("0", False, ""),
    "security.jail.vnet": ("0", False, ""),
    "net.inet.ip.fw.enable": ("1", True, "ipfw"),
    "net.inet6.ip6.fw.enable": ("1", True, "ipfw"),
    "net.inet.ip.fw.autoinc_step": ("100", True, "ipfw"),
    "net.inet.ip.fw.one_pass": ("1", True, "ipfw"),
    "net.inet.ip.fw.debug": ("0", True, "ipfw"),
    "net.inet.ip.fw.verbose": ("0", True, "ipfw"),
    "net.inet.ip.fw.verbose_limit": ("0", True, "ipfw"),
    "net.inet.ip.fw.default_rule": ("65535", False, "ipfw"),
    "net.inet.ip.fw.tables_max": ("128", True, "ipfw"),
    "net.inet.ip.fw.static_count": ("1", False, "ipfw"),
    "net.inet.ip.fw.dyn_count": ("0", False, "ipfw"),
    "net.inet.ip.fw.dyn_max": ("16384", True, "ipfw"),
    "net.inet.ip.fw.dyn_buckets": ("256", True, "ipfw"),
    "net.inet.ip.fw.dyn_keepalive": ("1", True, "ipfw"),
    "net.inet.ip.fw.dyn_keep_states": ("0", True, "ipfw"),
    "net.inet.ip.fw.default_to_accept": ("0", False, "ipfw"),
    "net.inet6.ip6.fw.deny_unknown_exthdrs": ("1", True, "ipfw"),
    "net.pf.states_hashsize": ("32768", False, "pf"),
    "net.pf.request_maxcount": ("65535", True, "pf"),
    "net.pf.filter_local": ("0", True, "pf"),
}
_OPENBSD = {"net.inet.ip.mforwarding": ("0", True, ""), "hw.ncpuonline": ("2", False, "")}


def _table(name: str) -> dict:
    return {**_COMMON, **({"freebsd": _FREEBSD, "openbsd": _OPENBSD}.get(name, {}))}


def _computed(host: Host, kernel: dict, name: str) -> str | None:
    """Variables whose value is made up at the moment of reading."""
    flavour = host.flavour
    machine = {"freebsd": "amd64", "openbsd": "amd64", "netbsd": "amd64", "macos": "x86_64"}[flavour.name]
    simple = {
        "kern.ostype": flavour.ostype,
        "kern.osrelease": flavour.uname_release,
        "kern.hostname": os.uname().nodename,
        "hw.machine": machine,
        "hw.machine_arch": machine,
        "kern.version": "%s %s (stand-in)" % (flavour.ostype, flavour.uname_release),
    }
    if name in simple:
        return simple[name]
    if name == "kern.osreldate" and flavour.name == "freebsd":
        return "%d00000" % flavour.major
    if name == "kern.bootsessionuuid" and flavour.name == "macos":
        return str(uuid.uuid5(uuid.NAMESPACE_OID, kernel["boot_id"])).upper()
    if name == "kern.boottime":
        stamp = kernel["boot_time"]
        text = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(stamp))
        return text if flavour.name in ("openbsd", "netbsd") else "{ sec = %d, usec = %d } %s" % (int(stamp), int(stamp % 1 * 1e6), text)
    if name == "net.inet.ip.fw.static_count" and "ipfw" in kernel["modules"]:
        return str(len(kernel["ipfw"].get("rules", [])) + 1)
    if name == "net.inet.ip.fw.default_to_accept" and "ipfw" in kernel["modules"]:
        return "1" if kernel["ipfw"].get("default") == "accept" else "0"
    return None


def read(kernel: dict, name: str, flavour: str = "freebsd") -> str | None:
    """A variable's value, or ``None`` if there is none now (its module is not loaded)."""
    entry = _table(flavour).get(name)
    if entry is None or (entry[2] and entry[2] not in kernel["modules"]):
        return None
    return kernel["sysctl"].get(name, entry[0])


def main(host: Host, argv: list[str]) -> int:
    """``sysctl [-ehinqN] NAME[=VALUE] …``."""
    out = Outcome()
    try:
        pairs, names = getopt.gnu_getopt(argv, "einqNw")
    except getopt.GetoptError as error:
        return out.fail("sysctl: illegal option -- %s" % error.opt).emit()
    flags = {name for name, _value in pairs}
    if not names:
        return out.fail("usage: sysctl [-einqNw] name[=value] ...").emit()
    with host.kernel() as kernel:
        for word in names:
            _one(host, kernel, word, flags, out)
    return out.emit()


def _one(host: Host, kernel: dict, word: str, flags: set[str], out: Outcome) -> None:
    name, assigns, value = word.partition("=")
    old = _computed(host, kernel, name)
    entry = _table(host.flavour.name).get(name)
    if name == "kern.boottime" and "-n" in flags and host.flavour.name in ("openbsd", "netbsd"):
        old = str(int(kernel["boot_time"]))  # sysctl.c of both: the date is for readers of the name only
    writable = entry is not None and entry[1]
    if old is None:
        old = read(kernel, name, host.flavour.name)
    separator = "=" if host.flavour.name == "openbsd" or "-e" in flags else " = " if host.flavour.name == "netbsd" else ": "
    if old is None:
        if "-i" not in flags:
            unknown = {"openbsd": "sysctl: second level name %s in %s is invalid" % (name.split(".")[1] if "." in name else name, name)}
            out.fail(unknown.get(host.flavour.name, "sysctl: unknown oid '%s'" % name))
        return
    if not assigns:
        out.stdout.append(name if "-N" in flags else old if "-n" in flags else name + separator + old)
        return
    if not writable:
        out.fail("sysctl: oid '%s' is read only" % name if host.flavour.name != "openbsd" else "sysctl: %s: Operation not permitted" % name)
        return
    if not value.lstrip("-").isdigit():
        out.fail("sysctl: invalid integer '%s'" % value)
        return
    kernel["sysctl"][name] = value
    if "-q" not in flags:
        out.stdout.append(value if "-n" in flags else "%s%s%s -> %s" % (name, separator, old, value))
