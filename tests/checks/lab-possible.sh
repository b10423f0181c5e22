#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Can this machine run lab hosts (systemd-nspawn containers in a network namespace)? Changes nothing.
# Ends with 0, or prints why not and ends with 1.
set -u

why_not() {
    printf '%s\n' "$*"
    exit 1
}

[ "$(uname -s)" = Linux ] || why_not "the lab needs Linux"
[ -f "$(dirname "${BASH_SOURCE[0]}")/../lab/lab.py" ] || why_not "tests/lab/lab.py is not there"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || why_not "the lab needs root, and there is no sudo"
    as_root=(sudo -n)
    sudo -n true 2>/dev/null || why_not "the lab needs root: run sudo -v first, or run as root"
fi
PATH=$PATH:/usr/sbin:/sbin
for program in mmdebstrap systemd-nspawn ip nft nsenter ssh ssh-keygen unshare; do
    command -v "$program" >/dev/null || why_not "the lab needs $program, which is not installed"
done
"${as_root[@]}" unshare --net --mount --pid --fork -- true 2>/dev/null || why_not "the lab needs namespaces, which this machine refuses"
[ "$(stat -f -c %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ] || [ -d /sys/fs/cgroup/systemd ] || [ -d /sys/fs/cgroup/unified ] ||
    why_not "the lab needs control groups under /sys/fs/cgroup"
"${as_root[@]}" test -w /sys/fs/cgroup || why_not "the lab needs control groups that it may write, /sys/fs/cgroup is read-only"
exit 0
