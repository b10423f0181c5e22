# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when the stand-in host starts: a new boot id means a fresh kernel, which then runs the start of its system.

FreeBSD: ``/boot/loader.conf``, then ipfw and pf as rc.conf says.  OpenBSD: a built-in minimal ruleset, then ``/etc/pf.conf``, unless
``pf=NO``.  macOS: ``/etc/pf.conf`` is loaded but pf stays off; then LaunchDaemons with RunAtLoad.  Imports are in the functions,
because nearly every command finds the host already started.
"""

from __future__ import annotations

from pathlib import Path

from .outcome import Outcome
from .store import Host

_OPENBSD_MINIMAL = """block all
pass on lo0
pass in proto tcp from any to any port ssh keep state
pass out proto { tcp, udp } from any to any port domain keep state
pass out inet proto icmp all icmp-type echoreq keep state
pass out inet6 proto icmp6 all icmp6-type neighbrsol
pass in inet6 proto icmp6 all icmp6-type neighbradv
pass out inet6 proto icmp6 all icmp6-type routersol
pass in inet6 proto icmp6 all icmp6-type routeradv
pass out inet proto udp from any port bootpc to any port bootps
pass in inet proto udp from any port bootps to any port bootpc
"""


def ensure_booted(host: Host) -> None:
    """Start the host if this is the first command since its boot."""
    with host.kernel() as kernel:
        if kernel["booted"]:
            return
        kernel["booted"] = True
        if host.flavour.name == "freebsd":
            _loader(host, kernel)
        host.show_device(host.flavour.name not in ("freebsd", "netbsd") or "pf" in kernel["modules"])
    if host.flavour.name == "freebsd":
        _start_freebsd(host)
    elif host.flavour.name == "openbsd":
        _start_openbsd(host)
    elif host.flavour.name == "netbsd":
        from .netbsd import start

        _log(host, start(host))
    else:
        _start_macos(host)


def _loader(host: Host, kernel: dict) -> None:
    from . import kernel_modules

    text = ""
    path = host.path("/boot/loader.conf")
    if path.exists():
        text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        name, assigns, value = line.split("#")[0].strip().partition("=")
        if assigns and "." in name:
            kernel["kenv"][name.strip()] = value.strip().strip('"')
        if assigns and name.endswith("_load") and value.strip().strip('"').upper() == "YES":
            module = name[:-5]
            if module in ("pf", "ipfw", "ipfw_nat", "pflog", "dummynet") and module not in kernel["modules"]:
                kernel_modules.load(kernel, module)


def _start_freebsd(host: Host) -> None:
    from . import kernel_modules, rc_scripts, rcconf

    out = Outcome()
    with host.kernel() as kernel:
        for name in (rcconf.get(host, "kld_list") or "").split():
            if name in ("pf", "ipfw", "ipfw_nat", "pflog", "dummynet") and name not in kernel["modules"]:
                kernel_modules.load(kernel, name)
        host.show_device("pf" in kernel["modules"])
    for name in ("ipfw", "pf", "pflog"):
        rc_scripts.run(host, name, "quietstart", out)
    _log(host, out)


def _start_openbsd(host: Host) -> None:
    import tempfile

    from . import rc_scripts, rcconf

    local = rcconf.values(host, "/etc/rc.conf.local")
    if local.get("pf", "YES").upper() == "NO":
        return
    out = Outcome()
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as minimal:
        minimal.write(_OPENBSD_MINIMAL)
    try:
        done = rc_scripts.command(host, "pfctl", "-e", "-f", minimal.name)
        out.stderr += done.stderr.splitlines()
    finally:
        Path(minimal.name).unlink()
    rules = local.get("pf_rules", "/etc/pf.conf")
    if host.read_file(rules) is not None:
        out.stderr += rc_scripts.command(host, "pfctl", "-f", rules).stderr.splitlines()
    _log(host, out)


def _start_macos(host: Host) -> None:
    from . import launchd, rc_scripts

    out = Outcome()
    if host.read_file("/etc/pf.conf") is not None:
        out.stderr += rc_scripts.command(host, "pfctl", "-f", "/etc/pf.conf").stderr.splitlines()
    folder = host.path("/Library/LaunchDaemons")
    for path in sorted(folder.glob("*.plist")) if folder.is_dir() else []:
        launchd.load_job(host, path, out, launchd.BOOT_PATIENCE)
    _log(host, out)


def _log(host: Host, out: Outcome) -> None:
    """Keep what the start printed where a developer finds it."""
    with open(host.state_dir / "boot.log", "a", encoding="utf-8") as log:
        log.writelines(line + "\n" for line in ["boot %s" % host.boot_id(), *out.stdout, *out.stderr])
