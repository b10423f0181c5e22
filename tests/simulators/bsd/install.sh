#!/bin/sh
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# install.sh DESTDIR [FLAVOUR]: make the tree under DESTDIR answer like a BSD host's firewall commands.
# FLAVOUR is freebsd (default), openbsd, netbsd or macos, optionally with a release: freebsd-12.1.
# DESTDIR is the root or the upper layer of a system where /bin and /sbin are links into /usr, so programs go below /usr.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: install.sh DESTDIR [freebsd|openbsd|netbsd|macos][-RELEASE]" >&2
    exit 64
fi
destdir=${1%/}
flavour=${2:-freebsd}
alf=
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

case $flavour in
freebsd | freebsd-*)
    sbin="pfctl ipfw kldload kldunload kldstat sysctl sysrc service daemon"
    bin="uname kenv"
    ;;
openbsd | openbsd-*)
    sbin="pfctl sysctl rcctl"
    bin="uname"
    ;;
netbsd | netbsd-*)
    sbin="npfctl sysctl service"
    bin="uname"
    ;;
macos | macos-*)
    sbin="pfctl sysctl"
    bin="uname launchctl"
    alf="socketfilterfw"
    ;;
*)
    echo "install.sh: unknown flavour $flavour: use freebsd, openbsd, netbsd or macos, with an optional release as in freebsd-12.1" >&2
    exit 64
    ;;
esac

library=$destdir/usr/local/libexec/holdfast-standin
mkdir -p "$library/holdfast_standin" "$destdir/usr/sbin" "$destdir/usr/bin" "$destdir/var/db/holdfast-standin"
cp "$here/launcher.py" "$library/"
cp "$here"/holdfast_standin/*.py "$library/holdfast_standin/"
printf '%s\n' "$flavour" >"$destdir/var/db/holdfast-standin/flavour"

# What a fresh system of the flavour ships.
case $flavour in
openbsd*)
    if [ ! -e "$destdir/etc/pf.conf" ]; then
        mkdir -p "$destdir/etc"
        printf '%s\n' 'set skip on lo' 'block return' 'pass' 'block return in on ! lo0 proto tcp to port 6000:6010' >"$destdir/etc/pf.conf"
    fi
    ;;
macos*)
    if [ ! -e "$destdir/etc/pf.conf" ]; then
        mkdir -p "$destdir/etc/pf.anchors"
        printf '%s\n' 'scrub-anchor "com.apple/*"' 'nat-anchor "com.apple/*"' 'rdr-anchor "com.apple/*"' \
            'dummynet-anchor "com.apple/*"' 'anchor "com.apple/*"' \
            'load anchor "com.apple" from "/etc/pf.anchors/com.apple"' >"$destdir/etc/pf.conf"
        printf '%s\n' 'anchor "200.AirDrop/*"' 'anchor "250.ApplicationFirewall/*"' >"$destdir/etc/pf.anchors/com.apple"
    fi
    mkdir -p "$destdir/Library/LaunchDaemons"
    # launchd starts its jobs at boot by itself, and not when somebody first calls a command. The host beneath does it for the stand-in.
    mkdir -p "$destdir/etc/systemd/system/multi-user.target.wants"
    cat >"$destdir/etc/systemd/system/holdfast-standin-launchd.service" <<'UNIT'
[Unit]
Description=Jobs of the launchd stand-in
[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
ExecStart=/usr/bin/launchctl list
UNIT
    ln -sf ../holdfast-standin-launchd.service "$destdir/etc/systemd/system/multi-user.target.wants/"
    ;;
esac

wrapper() {
    # $2 is the way from the program's folder to that of /usr.
    cat >"$1" <<WRAPPER
#!/bin/sh
here=\$(dirname -- "\$(readlink -f -- "\$0")")
exec python3 -I "\$here/$2/local/libexec/holdfast-standin/launcher.py" "\${0##*/}" "\$@"
WRAPPER
    chmod 755 "$1"
}

for name in $sbin; do
    rm -f "$destdir/usr/sbin/$name"
    wrapper "$destdir/usr/sbin/$name" ..
done
for name in $bin; do
    rm -f "$destdir/usr/bin/$name"
    wrapper "$destdir/usr/bin/$name" ..
done
for name in $alf; do
    mkdir -p "$destdir/usr/libexec/ApplicationFirewall"
    rm -f "$destdir/usr/libexec/ApplicationFirewall/$name"
    wrapper "$destdir/usr/libexec/ApplicationFirewall/$name" ../..
done
