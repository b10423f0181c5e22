#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The types of everything under plugins that is not documentation only.
set -eu
cache=$PWD/.cache/mypy
# The copy has the path that the imports name. Folders without Python files are no packages to mypy.
cd "$COLLECTION"
packages=()
for folder in module_utils plugin_utils modules action filter lookup; do
    if [ -n "$(find "plugins/$folder" -name '*.py' -size +0 2>/dev/null)" ]; then
        packages+=(-p "ansible_collections.holdfast.firewall.plugins.$folder")
    fi
done
if [ ${#packages[@]} -eq 0 ]; then
    echo "there is no code under plugins" | tee "$REASON"
    exit 77
fi
MYPYPATH=$COLLECTIONS python -m mypy --config-file pyproject.toml --cache-dir "$cache" "${packages[@]}"
