#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs a command as root with a lab of its own, and takes the lab down afterwards whatever happened.
#
#   in-lab.sh SECONDS COMMAND...
#
# The command gets the name of the lab in HOLDFAST_LAB. It is interrupted after SECONDS. Ends with the command's status.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
limit=$1
shift

as_root=(env)
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n env)
# sudo keeps hardly any of the environment.
for name in PATH ANSIBLE_COLLECTIONS_PATH PYTHONDONTWRITEBYTECODE; do
    [ -z "${!name:-}" ] || as_root+=("$name=${!name}")
done
as_root+=("HOLDFAST_LAB=holdfast-test-$$")

take_down() {
    "${as_root[@]}" "$PWD/.venv/bin/python" tests/lab/lab.py destroy --all >/dev/null || echo "the lab holdfast-test-$$ is still there" >&2
}
trap take_down EXIT
trap 'exit 130' INT TERM
"${as_root[@]}" timeout --foreground --signal=INT --kill-after=60 "$limit" "$@"
