# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``socketfilterfw`` of macOS: settings and applications in a file that survives reboots, as the preferences of the real one do.

The wording follows the release (macOS 15 and later is ``newer``). The file ``alf.mode`` of the state folder changes that with words:
``older`` or ``newer``; ``managed`` for a Mac whose profile refuses changes, ``mute`` for one that also refuses most questions; ``split``
for one that tells of blocking everything where it is asked for that alone; ``deaf`` for a tool that says yes and changes nothing.
Exit codes are 0 also where something is refused, as observed on real systems.
"""

from __future__ import annotations

import fcntl
import json
import os

from .outcome import Outcome
from .store import Host

MANAGED = "Firewall settings cannot be modified from command line on managed Mac computers."
_FRESH = {"state": 0, "stealth": False, "signed": True, "downloaded": True, "logging": True, "detail": "throttled", "apps": []}
_USAGE = [
    "usage: socketfilterfw [--getglobalstate] [--setglobalstate on | off] [--getblockall] [--setblockall on | off] [--listapps]",
    "       [--getappblocked path] [--blockapp path] [--unblockapp path] [--add path] [--remove path]",
    "       [--getstealthmode] [--setstealthmode on | off] [--getallowsigned] [--setallowsigned on | off] [--setallowsignedapp on | off]",
]
_FLAGS = {"--setstealthmode": "stealth", "--setallowsigned": "signed", "--setallowsignedapp": "downloaded", "--setloggingmode": "logging"}
_PATHS = ("--add", "--remove", "--blockapp", "--unblockapp", "--getappblocked")


class ApplicationFirewall:
    """The state, and what one call makes of it."""

    def __init__(self, host: Host, state: dict) -> None:
        self.host, self.state, self.out = host, state, Outcome()
        try:
            words = (host.state_dir / "alf.mode").read_text(encoding="ascii").split()
        except OSError:
            words = []
        self.older = "older" in words or ("newer" not in words and host.flavour.major < 24)
        self.mute, self.split = "mute" in words, "split" in words
        self.managed, self.deaf = self.mute or "managed" in words, "deaf" in words

    def call(self, words: list[str]) -> Outcome:
        """Carry out one command line: one option, perhaps with its argument."""
        getters = {
            "--getglobalstate": self._global, "--getblockall": self._block_all, "--getstealthmode": self._stealth,
            "--getallowsigned": self._signed, "--listapps": self._list,
        }  # fmt: skip
        if self.older:
            getters["--getloggingmode"] = self._logging
        if len(words) == 1 and self.mute and words[0].startswith("--get") and words[0] != "--getglobalstate":
            self.out.stdout.append(MANAGED)
            return self.out
        if len(words) == 1 and words[0] in getters:
            getters[words[0]]()
            return self.out
        if len(words) != 2:
            return self._usage()
        option, value = words
        if option in _PATHS:
            self._path(option, value)
            return self.out
        known = set(_FLAGS) - (set() if self.older else {"--setloggingmode"}) | {"--setglobalstate", "--setblockall"}
        if self.older and option == "--setloggingopt" and value in ("throttled", "brief", "detail"):
            if self._may_change():
                self.state["detail"] = value
            return self.out
        if option not in known or value not in ("on", "off"):
            return self._usage()
        self._set(option, value == "on")
        return self.out

    def _usage(self) -> Outcome:
        self.out.stdout += _USAGE
        return self.out

    def _may_change(self) -> bool:
        if self.host.environ.get("HOLDFAST_STANDIN_USER", "") != "" or os.geteuid() != 0:
            self.out.stdout.append("Must be root to change settings.")
            return False
        if self.managed:
            self.out.stdout.append(MANAGED)
            return False
        return not self.deaf

    def _set(self, option: str, on: bool) -> None:
        allowed = self._may_change()
        if not allowed and not self.deaf:
            return
        state = self.state
        if option == "--setglobalstate":
            # Turning it on again leaves a firewall that blocks everything as it is.
            if allowed:
                state["state"] = (state["state"] or 1) if on else 0
            self._global()
        elif option == "--setblockall":
            if allowed:
                state["state"] = 2 if on else min(state["state"], 1)
            self._block_all()
        else:
            if allowed:
                state[_FLAGS[option]] = on
            shown = {"stealth": self._stealth, "signed": self._signed, "downloaded": self._signed, "logging": self._logging}
            shown[_FLAGS[option]]()

    # what it says

    def _global(self) -> None:
        number = min(self.state["state"], 1) if self.split else self.state["state"]
        text = {0: "disabled", 1: "enabled", 2: "blocking all non-essential incoming connections"}[number]
        self.out.stdout.append("Firewall is %s. (State = %d)%s" % (text, number, " " if self.older else ""))

    def _block_all(self) -> None:
        on = self.state["state"] == 2
        if self.older:
            self.out.stdout.append("Block all %s! " % ("ENABLED" if on else "DISABLED"))
        elif on:
            self.out.stdout.append("Firewall is set to block all non-essential incoming connections")
        else:
            self.out.stdout.append("Firewall has block all state set to disabled.")

    def _stealth(self) -> None:
        on = self.state["stealth"]
        older = "Stealth mode %s " % ("enabled" if on else "disabled")
        self.out.stdout.append(older if self.older else "Firewall stealth mode is %s" % ("on" if on else "off"))

    def _signed(self) -> None:
        for kind, name in (("built-in", "signed"), ("downloaded", "downloaded")):
            word = "ENABLED" if self.state[name] else "DISABLED"
            self.out.stdout.append("Automatically allow %s signed software %s. " % (kind, word))

    def _logging(self) -> None:
        self.out.stdout.append("Log mode is %s " % ("on" if self.state["logging"] else "off"))

    def _list(self) -> None:
        apps = self.state["apps"]
        self.out.stdout.append("%s number of apps = %d " % ("ALF: total" if self.older else "Total", len(apps)))
        if self.older:
            self.out.stdout.append("")
        for number, (path, blocked) in enumerate(apps, 1):
            word = "Block" if blocked else "Allow"
            if self.older:
                self.out.stdout += ["%d :  %s " % (number, path), " \t ( %s incoming connections ) " % word, ""]
            else:
                self.out.stdout += ["%d : %s " % (number, path), "             (%s incoming connections)" % word]

    # applications

    def _path(self, option: str, value: str) -> None:
        path = value.rstrip("/") or "/"
        app = next((one for one in self.state["apps"] if one[0] == path), None)
        if option == "--getappblocked":
            if app is None:
                self.out.stdout.append("The application is not part of the firewall")
            else:
                self.out.stdout.append("Incoming connection to the application is %s" % ("blocked" if app[1] else "permitted"))
            return
        if not self._may_change():
            return
        if option == "--add":
            if not self.host.path(path).exists():
                self.out.stdout.append("The file path you specified does not exist")
                return
            if app is None:
                self.state["apps"].append([path, False])
            self.out.stdout.append("Application at path ( %s ) added to firewall " % path)
        elif app is None:
            self.out.stdout.append("The application is not part of the firewall")
        elif option == "--remove":
            self.state["apps"].remove(app)
            self.out.stdout.append("Application at path ( %s ) removed from firewall " % path)
        else:
            app[1] = option == "--blockapp"
            self.out.stdout.append("Incoming connection to the application is %s " % ("blocked" if app[1] else "permitted"))


def socketfilterfw(host: Host, argv: list[str]) -> int:
    """Entry of the command."""
    path = host.state_dir / "alf.json"
    with open(host.state_dir / "alf.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            state = json.loads(json.dumps(_FRESH))
        out = ApplicationFirewall(host, state).call(argv)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(state, indent=1, sort_keys=True), encoding="utf-8")
        fresh.replace(path)
    return out.emit()
