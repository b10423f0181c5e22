# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the application firewall with its own tool, whose words differ between systems and whose exit codes say nothing.

Reads the host, changes nothing. Sources: captured output of several releases of macOS (10.8 to 27), the tables of osquery about it, and the
parsers of others with their captures (mondoo's mql: on a managed Mac the tool answers some questions and refuses others).
"""

from __future__ import annotations

import re
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from .state import TOOL, State

#: What a profile of a device management leaves on a Mac whose firewall it keeps.
PROFILE = "/Library/Managed Preferences/com.apple.security.firewall.plist"
_REFUSED = re.compile(r"managed Mac|cannot be modified|must be root|not permitted|failed to", re.IGNORECASE)
_MANAGED = re.compile(r"managed Mac|cannot be modified", re.IGNORECASE)
_ABOUT = {"--getblockall": "block all", "--getstealthmode": "stealth"}
_COUNT = re.compile(r"total number of apps\s*=\s*(\d+)", re.IGNORECASE)
_PROGRAM = re.compile(r"\s*\d+\s*:\s*(.*?)\s*\Z")
_ACTION = re.compile(r"\s*\(\s*(.*?)\s*\)\s*\Z")
_ACTIONS = {"allow incoming connections": "allow", "block incoming connections": "deny"}


def read_state(host: Host) -> State:
    """Read settings and programs.

    :raises HoldfastError: when the tool is missing or says what we do not understand.
    """
    if host.which(TOOL) is None:
        raise HoldfastError("%s is not on this host: only macOS has an application firewall" % TOOL)
    number = global_state(host)
    settings = {"enabled": number > 0, "block_all": number == 2}
    asked = {"block_all": "--getblockall", "stealth": "--getstealthmode"} if number == 1 else {"stealth": "--getstealthmode"}
    for name, option in asked.items():
        on = _switch(host, option)
        if on is not None:
            settings[name] = on
        else:
            settings.pop(name, None)
    said = _ask(host, "--getallowsigned")
    for line in said.splitlines():
        found = re.search(r"\b(ENABLED|DISABLED)\b", line, re.IGNORECASE)
        if found is not None:
            settings["downloaded" if "downloaded" in line.lower() else "signed"] = found.group(1).upper() == "ENABLED"
    if "signed" not in settings and _MANAGED.search(said) is None:
        raise _odd("--getallowsigned", said)
    # macOS 15 has no log mode any more.
    log = re.search(r"log mode is (on|off)", _ask(host, "--getloggingmode"), re.IGNORECASE)
    if log is not None:
        settings["logging"] = log.group(1).lower() == "on"
    return State(settings, parse_programs(_ask(host, "--listapps")))


def global_state(host: Host) -> int:
    """Return 0 (off), 1 (on) or 2 (blocks all).

    :raises HoldfastError: when the tool does not say.
    """
    said = _ask(host, "--getglobalstate")
    found = re.search(r"\(State = ([012])\)", said)
    if found is None:
        raise _odd("--getglobalstate", said)
    return int(found.group(1))


def parse_programs(text: str) -> t.Dict[str, str]:
    """Read ``--listapps`` of older and newer systems.

    A program may be there twice, also with one entry for each action, and an entry may have a name that is no path, since the firewall
    knows programs by their signature. What cannot be told apart keeps words of its own for an action, which nothing changes.

    :raises HoldfastError: when fewer programs could be read than it counts.
    """
    programs: t.Dict[str, str] = {}
    path = None
    number = 0
    for line in text.splitlines():
        named, said = _PROGRAM.match(line), _ACTION.match(line)
        if path is None and named is not None:
            path = named.group(1)
        elif path is not None and said is not None:
            action = _ACTIONS.get(said.group(1).lower(), said.group(1)) if path.startswith("/") else said.group(1)
            known = programs.get(path, action)
            programs[path] = action if known == action else "listed twice, %s and %s" % (known, action)
            number += 1
            path = None
    count = _COUNT.search(text)
    if count is None or int(count.group(1)) != number or path is not None:
        raise _odd("--listapps", text)
    return programs


def refusal(said: str) -> t.Optional[str]:
    """Return why the tool refused a change, where its words say that it did; its exit code never does."""
    if _REFUSED.search(said) is None:
        return None
    if "root" in said.lower():
        return "it needs root; add become: true (or -b)"
    if _MANAGED.search(said) is None:
        return said.strip()
    return "this Mac is managed: a profile of its device management keeps the firewall (%s). Change the profile instead" % said.strip()


def _switch(host: Host, option: str) -> t.Optional[bool]:
    """Return what a setting is, or None where a managed Mac does not tell."""
    said = _ask(host, option)
    if _MANAGED.search(said) is not None:
        return None
    # Beside the answer some releases say whether the firewall is on.
    said = "\n".join(line for line in said.splitlines() if _ABOUT[option] in line.lower()) or said
    if re.search(r"\b(disabled|off)\b", said, re.IGNORECASE):
        return False
    if re.search(r"\b(enabled|on)\b|is set to block all", said, re.IGNORECASE):
        return True
    raise _odd(option, said)


def _ask(host: Host, option: str) -> str:
    answer = host.run([TOOL, option])
    return answer.out + answer.err


def _odd(option: str, said: str) -> HoldfastError:
    shown = said.strip()[:500] or "(it said nothing)"
    if _MANAGED.search(said) is not None:
        return HoldfastError("This Mac is managed, and socketfilterfw %s is refused there, so nothing is done: %s" % (option, shown))
    return HoldfastError("socketfilterfw %s gave an answer that is not known, so nothing is done: %s" % (option, shown))
