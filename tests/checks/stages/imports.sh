#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The one-way road between the rooms of module_utils.
set -eu
exec python -m pytest -q --junit-xml "$JUNIT" tests/unit/test_import_directions.py
