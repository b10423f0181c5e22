#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What runs on managed nodes needs no newer Python than 3.8.
set -eu
folders=()
for folder in plugins/modules plugins/module_utils; do
    [ ! -d "$folder" ] || folders+=("$folder")
done
exec vermin --no-tips --violations --no-parse-comments -t=3.8- "${folders[@]}"
