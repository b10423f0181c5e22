#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tests against real firewalls on lab hosts, over real SSH and with real packets. Those with packets run beside the others, in a lab of their
# own: both wait more than they compute.
set -u
if [ ! -d tests/integration/lab ]; then
    echo "there are no lab tests" | tee "$REASON"
    exit 77
fi
if ! bash tests/checks/lab-possible.sh >"$REASON"; then
    cat "$REASON"
    exit 77
fi
packets=()
others=()
for file in tests/integration/lab/test_*.py; do
    case $file in
        *packet* | *nat* | *fields*) packets+=("$file") ;;
        *) others+=("$file") ;;
    esac
done
in_lab() {
    bash tests/checks/in-lab.sh 1500 "$PWD/.venv/bin/python" -m pytest -q --junit-xml "$JUNIT.$1" "${@:2}"
}
in_lab packets "${packets[@]}" >"$JUNIT.out" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null; wait "$beside"' INT TERM
in_lab others "${others[@]}"
first=$?
wait "$beside"
second=$?
echo "-- with packets --"
cat "$JUNIT.out"
{
    echo "<testsuites>"
    cat "$JUNIT.others" "$JUNIT.packets" | sed 's/<?xml[^>]*?>//g'
    echo "</testsuites>"
} >"$JUNIT"
[ "$first" -eq 0 ] && [ "$second" -eq 0 ]
