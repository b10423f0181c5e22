#!/bin/sh
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# install.sh DESTDIR [LANGUAGE]: give the tree under DESTDIR the commands netsh, reg and sc of a Windows host. LANGUAGE is en (default) or de.
# A tree that is a lab host (it has the user admin) shows itself to its users as Windows, see install-host.sh.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: install.sh DESTDIR [en|de]" >&2
    exit 64
fi
destdir=${1%/}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
library=$destdir/usr/local/libexec/holdfast-standin-windows
mkdir -p "$library/windows_standin" "$destdir/usr/bin" "$destdir/var/db/holdfast-standin-windows/drive/ProgramData"
cp "$here/launcher.py" "$library/"
cp "$here"/windows_standin/*.py "$library/windows_standin/"
for name in netsh reg sc; do
    cat >"$destdir/usr/bin/$name" <<PROGRAM
#!/bin/sh
HOLDFAST_STANDIN_LANGUAGE=\${HOLDFAST_STANDIN_LANGUAGE:-${2:-en}}
export HOLDFAST_STANDIN_LANGUAGE
exec /usr/bin/env python3 -I /usr/local/libexec/holdfast-standin-windows/launcher.py $name "\$@"
PROGRAM
    chmod 755 "$destdir/usr/bin/$name"
done
if grep -q "^admin:" "$destdir/etc/passwd" 2>/dev/null; then
    sh "$here/install-host.sh" "$destdir" "${2:-en}"
fi
