#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The sanity tests of ansible-test, with every Python that is there.
#
# ansible-test keeps its environments in ~/.ansible/test, so that the first run takes minutes and the next ones do not.
set -eu

# It fetches the installer of pip from a server of its own. Python brings one along, so nothing has to be fetched.
cache=$HOME/.ansible/test/cache
mkdir -p "$cache"
for version in 23_1_2 24_2 25_2 25_3; do
    [ ! -e "$cache/get_pip_$version.py" ] || continue
    cat >"$cache/get_pip_$version.py" <<'PYTHON'
import subprocess
import sys

wanted = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", *wanted])
PYTHON
done

# Working interpreters before the shims of a version manager.
search=$PATH
for version in 3.8 3.9 3.10 3.11 3.12 3.13 3.14; do
    folder=$(bash tests/checks/find-python.sh folder "$version") || continue
    case $folder in /usr/bin | /bin) ;; *) search=$folder:$search ;; esac
done

# Its wrappers of interpreters do not stand spaces in a path, and the checkout may lie under one.
ln -s "$PWD/.venv" "$COLLECTIONS/environment"
export PATH="$COLLECTIONS/environment/bin:$search"
cd "$COLLECTION"
exec timeout --foreground --signal=INT --kill-after=60 1500 python \
    "$COLLECTIONS/environment/bin/ansible-test" sanity --color no --requirements
