#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The unit tests; the import directions have a stage of their own.
set -u
timeout --foreground --signal=INT --kill-after=60 1200 python -m pytest -q -n auto --maxprocesses 4 --junit-xml "$JUNIT" \
    --ignore tests/unit/test_import_directions.py tests/unit
status=$?
if [ "$status" -eq 5 ]; then
    echo "there are no unit tests" | tee "$REASON"
    exit 77
fi
exit "$status"
