# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host of stand-in commands for unit tests, with its state below a temporary folder; and what its firewall does with packets."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.holdfast.firewall.plugins.module_utils.host import Host, Result

SIMULATORS = Path(__file__).resolve().parents[5] / "simulators" / "windows"
sys.path.insert(0, str(SIMULATORS))

from windows_standin.commands import NAMES, call  # noqa: E402
from windows_standin.fields import ADD, parse_arguments, to_fields, to_text  # noqa: E402
from windows_standin.netsh import split  # noqa: E402
from windows_standin.store import Store  # noqa: E402
from windows_standin.verdict import Packet, verdict  # noqa: E402

__all__ = ("Packet", "WindowsHost", "texts_of", "verdict")


class WindowsHost(Host):
    """Commands run in this process; every call is noted in ``ran``."""

    def __init__(self, folder: Path, language: str = "en", elevated: bool = True) -> None:
        self.environ = {
            "HOLDFAST_STANDIN_STATE": str(folder), "HOLDFAST_STANDIN_LANGUAGE": language,
            "HOLDFAST_STANDIN_ELEVATED": "1" if elevated else "0",
        }  # fmt: skip
        self.ran: list[tuple[str, ...]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, argv, stdin=None, timeout=60.0):
        self.ran.append(tuple(argv))
        if argv[0].replace(".exe", "") not in NAMES:
            return Result(1, "", "'%s' is not recognized as an internal or external command" % argv[0])
        code, said = call(list(argv), self.environ)
        return Result(code, said, "")

    def read(self, path):
        try:
            return Path(self.store.path(path)).read_text(encoding="utf-8")
        except OSError:
            return None

    def write(self, path, text, mode=0o600):
        file = Path(self.store.path(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def remove(self, path):
        Path(self.store.path(path)).unlink(missing_ok=True)

    def exists(self, path):
        return Path(self.store.path(path)).exists()

    def which(self, program):
        return program if program in NAMES else None

    def is_root(self):
        return True

    @property
    def store(self) -> Store:
        """The state as it is now."""
        return Store(self.environ)

    def must(self, *argv):
        """Run a command that has to succeed, for the set-up of a test."""
        return self.checked(argv)

    def verdict(self, packet: Packet) -> str:
        """Return what the firewall does with a packet."""
        state = self.store.state
        values = state["profiles"][packet.profile]
        if not values["EnableFirewall"]:
            return "allow"
        name = "DefaultInboundAction" if packet.direction == "in" else "DefaultOutboundAction"
        return verdict([text for _name, text in state["rules"]], "block" if values[name] else "allow", packet)


def texts_of(script: str) -> tuple[list[str], dict[str, str]]:
    """Return the rules that a script adds, as the registry has them, and the defaults that it sets (``in`` and ``out``)."""
    texts = []
    defaults = {"in": "block", "out": "allow"}
    for line in script.splitlines():
        words = split(line)
        if words[:4] == ["advfirewall", "firewall", "add", "rule"]:
            texts.append(to_text(to_fields(parse_arguments(words[4:], ADD))))
        elif words[:3] == ["advfirewall", "set", "allprofiles"] and words[3] == "firewallpolicy":
            inbound, outbound = words[4].split(",")
            defaults = {"in": inbound[: -len("inbound")], "out": outbound[: -len("outbound")]}
    return texts, defaults
