# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restore script: what the timer runs on the target, with nothing but a POSIX shell.

Pure: builds text. The script puts the live rules back first, then the persistent files, and leaves an account of it.
"""

from __future__ import annotations

import shlex
import typing as t

_BOOT = (
    # The time of the boot comes last: macOS moves it with the clock.
    "boot_id() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.bootsessionuuid 2>/dev/null || "
    "sysctl -n kern.boottime 2>/dev/null | sed 's/[^0-9]*\\([0-9]*\\).*/\\1/;q'; }"
)

_SCRIPT = """\
#!/bin/sh
# Puts the firewall rules from before change @ID@ back. Written and armed by holdfast.firewall; removed when the change is confirmed.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
DIR=@DIR@
LAST=@LAST@
DEADLINE=@DEADLINE@
WINDOW=@WINDOW@
ARMED_BOOT=@BOOT@
AFTER_REBOOT=@AFTER_REBOOT@
@BOOT_FUNCTION@

cd / || exit 1
[ -d "$DIR" ] || exit 0

# Asked once, before the sleep: on the BSDs the time of the boot moves when the clock is set.
same_boot=0
[ "$(boot_id)" != "$ARMED_BOOT" ] || same_boot=1

if [ "${1:-}" = timer ] && [ "$same_boot" = 1 ]; then
    # at starts this at the full minute before the deadline.
    echo $$ > "$DIR/timer.pid"
    left=$((DEADLINE - $(date +%s)))
    [ "$left" -le "$WINDOW" ] || left=$WINDOW
    if [ "$left" -gt 0 ]; then
        sleep "$left" &
        sleeper=$!
        trap 'kill "$sleeper" 2>/dev/null; exit 0' TERM
        wait "$sleeper"
        trap - TERM
    fi
fi

# One rename decides who acts: the confirmation or this script. A confirmation that does not end within 20 seconds has died.
# Where the file system became read-only, nobody can take the change, and nobody can confirm it either.
log="$DIR/log"
[ -w "$DIR" ] || log=/dev/null
tries=0
while ! mv "$DIR/armed" "$DIR/restoring" 2>/dev/null; do
    [ -d "$DIR" ] || exit 0
    [ ! -e "$DIR/restoring" ] || exit 0
    [ -w "$DIR" ] || [ ! -e "$DIR/armed" ] || break
    tries=$((tries + 1))
    if [ "$tries" -gt 20 ]; then
        mv "$DIR/confirming" "$DIR/restoring" 2>/dev/null || [ ! -w "$DIR" ] || exit 0
        break
    fi
    sleep 1
done

# What is still putting the change in force must not do so after the old rules are back.
if [ "$same_boot" = 1 ] && [ -s "$DIR/applier" ] && [ ! -e "$DIR/applied.json" ]; then
    kill -s KILL -- "-$(cat "$DIR/applier")" 2>/dev/null && sleep 1
fi

status=0
if [ "$same_boot" = 1 ] || [ "$AFTER_REBOOT" = 1 ]; then
    ( . "$DIR/rules.sh" ) >> "$log" 2>&1 || status=$?
fi
. "$DIR/files.sh" >> "$log" 2>&1 || status=$?

if [ "$status" -eq 0 ]; then
    text="change @ID@ was not confirmed in time; the firewall rules from before it are in force again"
    for name in "$DIR"/*; do
        case ${name##*/} in
            change.json | applied.json | timer.json | log) ;;
            *) rm -f "$name" ;;
        esac
    done
else
    text="change @ID@ was not confirmed in time, and restoring the rules from before it FAILED with code $status; see $LAST/log"
fi
echo "$status $(date +%s)" > "$DIR/restored"
logger -t holdfast "$text" 2>/dev/null
rm -rf "$LAST"
mv "$DIR" "$LAST"
exit "$status"
"""


def restore_script(identity: str, folder: str, last: str, deadline: int, window: int, boot: str, after_reboot: bool) -> str:
    """Return the script; it reads ``rules.sh`` (the backend's) and ``files.sh`` beside it.

    :param deadline: Unix time in seconds at which an unconfirmed change is undone.
    :param window: the confirmation window in seconds, which also bounds the sleep when the clock jumps back.
    :param boot: the boot at arming time (see ``boot_identity``); after a reboot unsaved rules are gone by themselves.
    """
    words = {
        "@ID@": identity, "@DIR@": shlex.quote(folder), "@LAST@": shlex.quote(last), "@DEADLINE@": str(deadline), "@WINDOW@": str(window),
        "@BOOT@": shlex.quote(boot), "@AFTER_REBOOT@": "1" if after_reboot else "0", "@BOOT_FUNCTION@": _BOOT,
    }  # fmt: skip
    text = _SCRIPT
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text


def boot_command() -> t.List[str]:
    """Return the command that prints which boot this is, by the same means as the script."""
    return ["sh", "-c", _BOOT + "; boot_id"]


def files_script(copies: t.Mapping[str, t.Optional[str]]) -> str:
    """Return the shell lines that put persistent files back.

    :param copies: path to the name of its copy in ``$DIR``, or None when there was no such file.
    """
    lines = ["files_status=0"]
    for path, copy in sorted(copies.items()):
        target = shlex.quote(path)
        if copy is None:
            lines.append("rm -f %s || files_status=$?" % target)
        else:
            keep = '"$DIR/%s"' % copy
            beside = shlex.quote(path + ".holdfast-restore")
            lines.append(
                "cmp -s %s %s || { cp -p %s %s && mv -f %s %s; } || files_status=$?" % (keep, target, keep, beside, beside, target)
            )
    lines.append('[ "$files_status" -eq 0 ]')
    return "\n".join(lines) + "\n"
