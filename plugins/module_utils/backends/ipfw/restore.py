# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell text that gives ipfw rules as data: one word a line, an empty line behind each call. No rule is ever part of a script.

Pure: builds text.
"""

from __future__ import annotations

import typing as t

from ..base import Command
from .edit import table_commands
from .listing import Line, Listing, tables_in

#: Defines ``ipfw_calls``: makes the calls of a list read from standard input; ``status`` keeps the code of the last that failed.
CALLS = """\
ipfw_calls() {
    set --
    while IFS= read -r word; do
        if [ -n "$word" ]; then
            set -- "$@" "$word"
        else
            "$@" < /dev/null || status=$?
            set --
        fi
    done
}
"""


def as_data(commands: t.Iterable[Command]) -> str:
    """Return calls as a list of words for ``ipfw_calls``."""
    return "".join("".join(word + "\n" for word in command.argv) + "\n" for command in commands)


def put_back(before: Listing, numbers: t.Sequence[int]) -> t.List[Command]:
    """Return the calls that add the rules which had these numbers, with the tables they name."""
    lines: t.List[Line] = [line for line in before.lines if line.number in numbers]
    named = {name for line in lines for name in tables_in(line.body)}
    calls = [call for name, networks in before.tables if name in named for call in table_commands(name, networks)]
    return calls + [Command(line.argv()) for line in lines]


def restore_script(loaded: bool, switches: t.Mapping[str, str], defaulted: bool = False) -> str:
    """Return the script that restores a list of rules; a list that is as it was is left alone.

    :param loaded: whether ipfw was in the kernel before the change; else the module is unloaded again.
    :param switches: kernel variables and the value they had.
    :param defaulted: whether the default was set for loading it.
    """
    lines = ["status=0", CALLS.rstrip("\n")]
    if not loaded:
        lines.append("if kldstat -q -m ipfw; then kldunload ipfw || status=$?; fi")
        if defaulted:
            lines.append("kenv -q -u net.inet.ip.fw.default_to_accept > /dev/null 2>&1")
        lines.append('[ "$status" -eq 0 ]')
        return "\n".join(lines) + "\n"
    lines += [
        'if [ "$(ipfw -S list)" != "$(cat "$DIR/ipfw.before")" ]; then',
        '    for number in $(cat "$DIR/ipfw.numbers"); do ipfw -q delete "$number" 2> /dev/null; done',
        '    for table in $(cat "$DIR/ipfw.tables"); do ipfw -q table "$table" destroy 2> /dev/null; done',
        '    ipfw_calls < "$DIR/ipfw.calls"',
        "fi",
    ]
    for name, value in sorted(switches.items()):
        lines.append('[ "$(sysctl -n %s)" = %s ] || sysctl %s=%s > /dev/null || status=$?' % (name, value, name, value))
    lines.append('[ "$status" -eq 0 ]')
    return "\n".join(lines) + "\n"
