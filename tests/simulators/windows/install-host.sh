#!/bin/sh
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# install-host.sh DESTDIR LANGUAGE: let the users admin (elevated) and plain of the system under DESTDIR see a Windows host over SSH: their
# shell is cmd.exe, drive C is in reach of sftp, scheduled tasks run and survive reboots, and the firewall's TCP ports are enforced.
# root stays what it is. install.sh has put the commands in place.
set -eu
destdir=$1
program=/usr/local/libexec/holdfast-standin-windows
mkdir -p "$destdir/var/db/holdfast-standin-windows/drive/Users"
ln -sfn /var/db/holdfast-standin-windows/drive "$destdir/C:"
cat >"$destdir$program/cmd" <<SHELL
#!/bin/sh
[ "\$(id -u)" = 0 ] || export HOLDFAST_STANDIN_ELEVATED=0
export HOLDFAST_STANDIN_LANGUAGE=$2
exec /usr/bin/python3 -I -S $program/launcher.py cmd "\$@"
SHELL
chmod 755 "$destdir$program/cmd"
echo "$program/cmd" >>"$destdir/etc/shells"
# An administrator's session is elevated, so it is root's.
sed -i -e "s|^admin:\([^:]*\):[^:]*:[^:]*:\(.*\):[^:]*\$|admin:\1:0:0:\2:$program/cmd|" \
    -e "s|^plain:\(.*\):[^:]*\$|plain:\1:$program/cmd|" "$destdir/etc/passwd"
chown -R 0:0 "$destdir/home/admin"
# In the process of sshd: the shell of these users could not start it.
sed -i 's|^Subsystem[[:space:]]*sftp.*|Subsystem sftp internal-sftp|' "$destdir/etc/ssh/sshd_config"
cat >"$destdir/etc/systemd/system/holdfast-standin-windows.service" <<UNIT
[Unit]
Description=Stand-in of the Windows firewall and Task Scheduler
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I $program/launcher.py boot

[Install]
WantedBy=multi-user.target
UNIT
ln -sf ../holdfast-standin-windows.service "$destdir/etc/systemd/system/multi-user.target.wants/holdfast-standin-windows.service"
