#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Likely bugs and the layout of every Python file. make format mends the layout.
set -u
export RUFF_CACHE_DIR=.cache/ruff
status=0
python -m ruff check . || status=1
python -m ruff format --check . || status=1
exit "$status"
