#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tests against real firewalls on lab hosts, over real SSH and with real packets.
set -u
if [ ! -d tests/integration/lab ]; then
    echo "there are no lab tests" | tee "$REASON"
    exit 77
fi
if ! bash tests/checks/lab-possible.sh >"$REASON"; then
    cat "$REASON"
    exit 77
fi
exec bash tests/checks/in-lab.sh 1500 "$PWD/.venv/bin/python" -m pytest -q --junit-xml "$JUNIT" tests/integration/lab
