# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the application firewall of macOS holds, and its text: one setter of ``socketfilterfw`` a line.

Pure: touches nothing. The tool's own listing differs between systems and says nothing about settings, so the text has the commands that
an administrator would type to get there, programs in the order of their paths.
"""

from __future__ import annotations

import shlex
import typing as t
from dataclasses import dataclass, field

from ...policy.errors import HoldfastError

NAME = "macos"
TOOL = "/usr/libexec/ApplicationFirewall/socketfilterfw"

#: The settings by our names, in the order of the text, with the option that sets each.
SETTERS = {
    "enabled": "--setglobalstate", "block_all": "--setblockall", "stealth": "--setstealthmode", "signed": "--setallowsigned",
    "downloaded": "--setallowsignedapp", "logging": "--setloggingmode",
}  # fmt: skip
_SETTING_OF = {option: name for name, option in SETTERS.items()}
_ACTION_OF = {"--add": "allow", "--unblockapp": "allow", "--blockapp": "deny"}
_OPTION_OF = {"allow": "--unblockapp", "deny": "--blockapp"}


@dataclass(frozen=True)
class State:
    """What is set, and for which programs it has rules.

    :ivar settings: by the names of SETTERS; a setting that this system does not have is not there. Block all needs a firewall that is on.
    :ivar programs: path to ``allow`` or ``deny``, or to the words of a state that we do not know.
    """

    settings: t.Mapping[str, bool] = field(default_factory=dict)
    programs: t.Mapping[str, str] = field(default_factory=dict)

    def on(self, name: str) -> bool:
        """Return whether a setting is on."""
        return bool(self.settings.get(name))

    def text(self) -> str:
        """Return the text of the state."""
        lines = [setting_line(name, self.settings[name]) for name in SETTERS if name in self.settings]
        for path in sorted(self.programs):
            lines.extend(program_lines(path, self.programs[path]))
        return "".join(line + "\n" for line in lines)


@dataclass(frozen=True)
class Line:
    """One line of the text: a setting and its value, or a program and its action.

    :ivar added: whether the line only says that the program has a rule (``--add``).
    """

    setting: t.Optional[str] = None
    on: bool = False
    program: t.Optional[str] = None
    action: str = ""
    added: bool = False


def setting_line(name: str, on: bool) -> str:
    """Return the line that sets a setting."""
    return "%s %s" % (SETTERS[name], "on" if on else "off")


def program_lines(path: str, action: str) -> t.Tuple[str, ...]:
    """Return the lines of a program's rule."""
    word = shlex.quote(path)
    if action not in _OPTION_OF:
        return ("# %s: %s" % (word, action),)
    return "--add %s" % word, "%s %s" % (_OPTION_OF[action], word)


def parse_line(text: str) -> Line:
    """Read one line, with or without the name of the tool in front.

    :raises HoldfastError: when it is none that sets anything.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if words and words[0].rpartition("/")[2] == "socketfilterfw":
        words = words[1:]
    if len(words) == 2 and words[0] in _ACTION_OF and words[1].startswith("/"):
        return Line(program=words[1], action=_ACTION_OF[words[0]], added=words[0] == "--add")
    if len(words) == 2 and words[0] in _SETTING_OF and words[1] in ("on", "off"):
        return Line(setting=_SETTING_OF[words[0]], on=words[1] == "on")
    raise HoldfastError(
        "The application firewall has no setting '%s'. Known are %s with on or off, and --add, --blockapp, --unblockapp with the path of a "
        "program in shell quotes" % (text, ", ".join(_SETTING_OF))
    )


def parse_state(text: str) -> State:
    """Read the text of a state.

    :raises HoldfastError: at a line that is none.
    """
    settings: t.Dict[str, bool] = {}
    programs: t.Dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        read = parse_line(line)
        if read.setting is not None:
            settings[read.setting] = read.on
        elif read.program is not None and not (read.added and read.program in programs):
            programs[read.program] = read.action
    return State(settings, programs)
