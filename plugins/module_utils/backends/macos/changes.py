# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one state of the application firewall to another: the commands, and the shell lines that go back.

Pure: builds text. The tool takes one setting or one program a call. A firewall that is turned on is turned on last, one that is turned off
first, so that no half of a change decides about connections.
"""

from __future__ import annotations

import shlex
import typing as t

from ...policy.errors import HoldfastError
from ..base import Command
from .state import SETTERS, TOOL, State

_KNOWN = ("allow", "deny")
_OPTION = {"allow": "--unblockapp", "deny": "--blockapp"}

_LISTED = """\
FW=%s
listed() {
    "$FW" --listapps | WANTED=$1 awk '
        { line = $0; sub(/^[ \\t]+/, "", line); sub(/[ \\t]+$/, "", line) }
        line ~ /^[0-9]+[ \\t]*:/ { sub(/^[0-9]+[ \\t]*:[ \\t]*/, "", line); hit = (line == ENVIRON["WANTED"]); next }
        hit && /Allow/ { print "allow"; exit }
        hit && /Block/ { print "deny"; exit }'
}
level() {
    number=$("$FW" --getglobalstate | sed -n 's/.*(State = \\([012]\\)).*/\\1/p')
    if [ "$number" = 1 ] && "$FW" --getblockall | grep -Eiq 'enabled|is set to block all'; then number=2; fi
    echo "$number"
}
"""


def commands(before: State, after: State) -> t.List[Command]:
    """Return what makes ``after`` of ``before``.

    :raises HoldfastError: when it would change what could not be put back, or a setting that this system does not have.
    """
    off = before.on("enabled") and not after.on("enabled")
    found = [_setter("enabled", False)] if off else []
    for path in sorted({*before.programs, *after.programs}):
        old, new = before.programs.get(path), after.programs.get(path)
        if old == new:
            continue
        if old is not None and old not in _KNOWN:
            raise HoldfastError(
                "The application firewall lists %s as '%s', which could not be put back, so nothing was changed. Set it in System Settings"
                % (path, old)
            )
        if new is None:
            found.append(_command("--remove", path))
            continue
        if old is None:
            found.append(_command("--add", path))
        found.append(_command(_OPTION[new], path))
    for name in SETTERS:
        if name == "enabled" or (name == "block_all" and off) or before.settings.get(name) == after.settings.get(name):
            continue
        if name not in before.settings:
            raise HoldfastError(_untold(name))
        found.append(_setter(name, after.on(name)))
    if after.on("enabled") and not before.on("enabled"):
        found.append(_setter("enabled", True))
    return found


def _untold(name: str) -> str:
    if name == "logging":
        return "This macOS does not have the setting %s any more, or a profile keeps it; leave it out" % SETTERS[name]
    return (
        "This Mac is managed and does not tell its setting %s, so nothing was changed. Change the profile of its device management instead"
        % (SETTERS[name])
    )


def touched(before: State, after: State) -> t.Dict[str, t.Any]:
    """Return what ``after`` says of what differs: programs (None: no rule) and settings."""
    paths = [one for one in {*before.programs, *after.programs} if before.programs.get(one) != after.programs.get(one)]
    return {
        "programs": {path: after.programs.get(path) for path in sorted(paths)},
        "settings": {name: after.on(name) for name in SETTERS if before.settings.get(name) != after.settings.get(name)},
    }


def differs(state: State, wanted: t.Mapping[str, t.Any]) -> t.List[str]:
    """Return in words what a state does not have of what ``touched`` returned."""
    found = []
    for path, action in wanted["programs"].items():
        if state.programs.get(path) != action:
            found.append(
                "%s is %s" % (path, {None: "not listed", "allow": "allowed", "deny": "blocked"}.get(state.programs.get(path), "odd"))
            )
    for name, on in wanted["settings"].items():
        if state.on(name) != on:
            found.append("%s is %s" % (SETTERS[name], "on" if state.on(name) else "off"))
    return found


def restore_script(before: State, changes: t.Mapping[str, t.Any]) -> str:
    """Return the lines that put back what ``touched`` says is changed, and that fail where it did not come back."""
    lines = [_LISTED % shlex.quote(TOOL)]
    settings = dict.fromkeys(changes["settings"])
    if "enabled" in settings and not before.on("enabled"):
        lines.append('"$FW" --setglobalstate off')
    checks = []
    for path in changes["programs"]:
        word, action = shlex.quote(path), before.programs.get(path)
        if action is None:
            lines.append('"$FW" --remove %s' % word)
        else:
            lines.append('"$FW" --add %s; "$FW" %s %s' % (word, _OPTION[action], word))
        checks.append('[ "$(listed %s)" = "%s" ] || status=1' % (word, action or ""))
    for name in settings:
        if name != "enabled" and not (name == "block_all" and not before.on("enabled")):
            lines.append('"$FW" %s %s' % (SETTERS[name], "on" if before.on(name) else "off"))
    if "enabled" in settings and before.on("enabled"):
        lines.append('"$FW" --setglobalstate on')
    if "enabled" in settings or "block_all" in settings:
        number = 2 if before.on("block_all") else 1 if before.on("enabled") else 0
        checks.append('[ "$(level)" = %d ] || status=1' % number)
    # The tool hands a change to the service that keeps the settings; what it lists may be a moment older.
    ask = ["right() {", "    status=0", *("    " + check for check in checks), '    [ "$status" -eq 0 ]', "}"]
    return "\n".join([*lines, *ask, "right || { sleep 1; right; } || { sleep 2; right; }"]) + "\n"


def _setter(name: str, on: bool) -> Command:
    return _command(SETTERS[name], "on" if on else "off")


def _command(option: str, value: str) -> Command:
    return Command((TOOL, option, value))
