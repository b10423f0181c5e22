#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Finds Python interpreters that really run. A python3 on PATH can be a shim of a version manager that refuses to start,
# or starts something else, so each candidate is asked who it is.
#
#   find-python.sh control        the interpreter for the virtual environment; HOLDFAST_PYTHON names another one
#   find-python.sh folder 3.8     the folder that holds a working python3.8
#
# Prints one path. Ends with 1, and prints nothing, if there is none.
set -u

# The path that a candidate itself names, if it is a Python in the wanted range and can make virtual environments.
ask() {
    local candidate=$1 lowest=$2 highest=$3
    "$candidate" - "$lowest" "$highest" 2>/dev/null <<'PYTHON'
import sys

try:
    import ensurepip, venv
except ImportError:
    sys.exit(1)
lowest, highest = [tuple(int(part) for part in text.split(".")) for text in sys.argv[1:3]]
if not lowest <= sys.version_info[:2] <= highest:
    sys.exit(1)
print(getattr(sys, "_base_executable", None) or sys.executable)
PYTHON
}

case ${1:-} in
control)
    for candidate in ${HOLDFAST_PYTHON:+"$HOLDFAST_PYTHON"} python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        ask "$candidate" 3.10 3.14 && exit 0
    done
    ;;
folder)
    version=$2
    for candidate in "python$version" "/usr/bin/python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/"python$version"; do
        found=$(ask "$candidate" "$version" "$version") && [ -x "$(dirname "$found")/python$version" ] && dirname "$found" && exit 0
    done
    ;;
esac
exit 1
