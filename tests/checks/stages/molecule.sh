#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The Molecule scenarios, each in a lab of its own.
set -u
shopt -s nullglob
scenarios=(extensions/molecule/*/molecule.yml)
if [ ${#scenarios[@]} -eq 0 ]; then
    echo "there are no Molecule scenarios" | tee "$REASON"
    exit 77
fi
if ! bash tests/checks/lab-possible.sh >"$REASON"; then
    cat "$REASON"
    exit 77
fi
failed=0
for scenario in "${scenarios[@]}"; do
    name=$(basename "$(dirname "$scenario")")
    echo "-- $name --"
    # Molecule looks for scenarios below the folder it stands in, and for the collection in the copy.
    ANSIBLE_COLLECTIONS_PATH=$COLLECTIONS bash tests/checks/in-lab.sh 900 \
        env --chdir=extensions "$PWD/.venv/bin/molecule" test -s "$name" </dev/null ||
        { failed=$((failed + 1)) && echo "-- $name FAILED --"; }
done
printf '<testsuite name="molecule" tests="%d" failures="%d" errors="0" skipped="0"/>\n' "${#scenarios[@]}" "$failed" >"$JUNIT"
[ "$failed" -eq 0 ]
