#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Installs what make demo, make test and make bench need: Debian packages that are missing, if this user may, and Python
# packages in .venv. Does nothing when all of it is there. Changes no setting of this machine.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p .cache
exec 9>.cache/setup.lock
flock 9

packages=(
    ca-certificates git iproute2 iptables mmdebstrap nftables openssh-client python3 python3-venv systemd-container
    # mmdebstrap on Ubuntu needs the keys to make a Debian host.
    debian-archive-keyring
)

say() { printf 'setup: %s\n' "$*"; }

# How to become root: nothing, sudo, or not at all.
as_root=()
may_be_root() {
    [ "$(id -u)" -eq 0 ] && return 0
    command -v sudo >/dev/null || return 1
    as_root=(sudo)
    sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }
}

install_system_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "this is not Debian or Ubuntu: no system packages are installed. The lab needs: ${packages[*]}"
        return 0
    fi
    local package missing=()
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! may_be_root; then
        say "skipped, because it needs root or sudo: apt-get install ${missing[*]}"
        return 0
    fi
    say "installing ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet --yes -o DPkg::Lock::Timeout=300)
    # The package lists of a fresh machine are empty or old.
    "${apt[@]}" install --no-install-recommends "${missing[@]}" >.cache/apt.log 2>&1 && return 0
    "${apt[@]}" update >.cache/apt.log 2>&1 || say "apt-get update failed, see .cache/apt.log"
    "${apt[@]}" install --no-install-recommends "${missing[@]}" >>.cache/apt.log 2>&1 && return 0
    tail -n 5 .cache/apt.log >&2
    say "could not install ${missing[*]}; what needs them is skipped later. The log is in .cache/apt.log"
}

install_python_packages() {
    local python wanted
    if ! python=$(bash tests/checks/find-python.sh control); then
        say "no usable Python: 3.10 to 3.14 with the venv module is needed (apt-get install python3 python3-venv)," \
            "or name one with HOLDFAST_PYTHON=/path/to/python3" >&2
        return 1
    fi
    # An environment belongs to one place, one interpreter and one list of packages.
    wanted=$({ pwd -P; "$python" -VV; cat tests/requirements.txt; } | sha256sum | cut -d ' ' -f 1)
    if [ "$(cat .venv/.holdfast-stamp 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
        return 0
    fi
    say "making .venv with $python (a minute or two)"
    rm -rf .venv
    "$python" -m venv .venv
    if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt >.cache/pip.log 2>&1; then
        tail -n 15 .cache/pip.log >&2
        say "pip could not install tests/requirements.txt; the log is in .cache/pip.log" >&2
        return 1
    fi
    printf '%s\n' "$wanted" >.venv/.holdfast-stamp
}

install_system_packages
install_python_packages
