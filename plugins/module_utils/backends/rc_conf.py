# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of rc.conf(5), the shell file with which the BSDs say what starts at boot.

Reads and writes the files that it is told.
"""

from __future__ import annotations

import re
import typing as t

from ..host import Host

_YES = frozenset({"YES", "TRUE", "ON", "1"})


def rc_setting(host: Host, paths: t.Sequence[str], name: str) -> t.Optional[str]:
    """Return a variable of these files; the last assignment counts."""
    value = None
    for path in paths:
        for found in re.finditer(r"^\s*%s=(\"[^\"\n]*\"|'[^'\n]*'|[^\s#;]*)" % re.escape(name), host.read(path) or "", re.MULTILINE):
            value = found.group(1).strip("\"'")
    return value


def says_yes(value: t.Optional[str]) -> bool:
    """Return whether the system takes a value for a yes."""
    return (value or "").upper() in _YES


def write_rc_setting(host: Host, path: str, name: str, value: str) -> t.List[str]:
    """Set a variable in a file, for systems without a program that does; returns what was done."""
    text = re.sub(r"^[ \t]*%s=.*\n?" % re.escape(name), "", host.read(path) or "", flags=re.MULTILINE)
    host.write(path, "%s%s%s=%s\n" % (text, "" if text.endswith("\n") or not text else "\n", name, value), 0o644)
    return ["set %s=%s in %s" % (name, value, path)]
