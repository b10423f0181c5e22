# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of ufw: where they are, what they set, and the text of each.

Pure but for ``read_files``. Facts: ufw(8), ufw-framework(8), and ``ufw-init-functions`` of 0.36.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...host import Host
from ...policy.errors import HoldfastError

USER = {4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules"}
BEFORE = {4: "/etc/ufw/before.rules", 6: "/etc/ufw/before6.rules"}
AFTER = {4: "/etc/ufw/after.rules", 6: "/etc/ufw/after6.rules"}
CONF, DEFAULTS = "/etc/ufw/ufw.conf", "/etc/default/ufw"
#: What ufw runs before it starts and when it stops, where it may be executed.
INIT = "/etc/ufw/before.init"
RULES = (*USER.values(), *BEFORE.values(), *AFTER.values())
#: The names of ufw's chains start so.
PREFIX = {4: "ufw", 6: "ufw6"}
CHAINS = {"in": "input", "out": "output", "forward": "forward"}
_SETTINGS = {"in": "DEFAULT_INPUT_POLICY", "out": "DEFAULT_OUTPUT_POLICY", "forward": "DEFAULT_FORWARD_POLICY"}
_STOCK = {"in": "DROP", "out": "ACCEPT", "forward": "DROP"}


@dataclass(frozen=True)
class Files:
    """The texts of all files, by path.

    :ivar init_mode: the permissions of ``INIT``.
    """

    texts: t.Mapping[str, str]
    init_mode: int = 0o640

    def text(self, path: str) -> str:
        """Return the text of a file; empty where it is missing."""
        return self.texts.get(path, "")

    def changed(self, texts: t.Mapping[str, str]) -> Files:
        """Return the files with other texts."""
        return Files({**self.texts, **texts}, self.init_mode)

    def _setting(self, path: str, name: str) -> str:
        found = re.findall(r"^[ \t]*%s=[\"']?([^\"'\n#]*)" % name, self.text(path), re.MULTILINE)
        return found[-1].strip() if found else ""

    @property
    def enabled(self) -> bool:
        """Whether ufw decides about packets, now and after every boot."""
        return self._setting(CONF, "ENABLED").lower() == "yes"

    @property
    def ipv6(self) -> bool:
        """Whether ufw filters IPv6 by rules; else it drops all of it."""
        return self._setting(DEFAULTS, "IPV6").lower() == "yes"

    @property
    def log_level(self) -> str:
        """The level of ``ufw logging``."""
        return self._setting(CONF, "LOGLEVEL").lower() or "low"

    @property
    def sysctl_file(self) -> str:
        """The kernel settings that ufw sets whenever it starts; empty where it is to set none."""
        return self._setting(DEFAULTS, "IPT_SYSCTL")

    def default(self, direction: str) -> str:
        """Return ``ACCEPT``, ``DROP`` or ``REJECT``."""
        return self._setting(DEFAULTS, _SETTINGS[direction]).upper() or _STOCK[direction]

    def enabled_texts(self, enabled: bool) -> t.Dict[str, str]:
        """Return the text of the file that says whether ufw is enabled, with another answer."""
        word = "ENABLED=" + ("yes" if enabled else "no")
        text, count = re.subn(r"^[ \t]*ENABLED=.*$", word, self.text(CONF), flags=re.MULTILINE)
        return {CONF: text if count else self.text(CONF).rstrip("\n") + "\n" + word + "\n"}


def read_files(host: Host) -> Files:
    """Return the files of a host.

    :raises HoldfastError: when one that ufw cannot do without is missing.
    """
    texts: t.Dict[str, str] = {}
    for path in (*RULES, CONF, DEFAULTS):
        text = host.read(path)
        if text is None:
            raise HoldfastError("%s cannot be read, so ufw is not complete on this host; reinstall the package ufw" % path)
        texts[path] = text
    mode = ""
    if host.exists(INIT):
        texts[INIT] = host.read(INIT) or ""
        mode = host.run(["stat", "-c", "%a", INIT]).out.strip()
    return Files(texts, int(mode, 8) if re.fullmatch(r"[0-7]{1,4}", mode) else 0o640)


def mode_of(path: str) -> int:
    """Return the mode that ufw gives a file."""
    return 0o640 if path in RULES else 0o644
