# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab keeps its things, and the names it goes by on this machine. Reads the environment, touches nothing else."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from .errors import LabError

DEFAULT_LAB = "holdfast-lab"
DEFAULT_STATE = "/var/tmp/holdfast-lab"
DEFAULT_CACHE = "/var/cache/holdfast-lab"

# Host names become interface-safe parts of file names and cgroup names; no dots, so that they are plain host names too.
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
# These end a path or an option in the mount options of overlayfs.
UNSAFE_IN_MOUNT = re.compile(r"[:,\\\s]")


def checked_name(name: str, what: str) -> str:
    """Return ``name`` if it can name a lab or a host, else raise LabError."""
    if not NAME.fullmatch(name):
        raise LabError(f"{what} {name!r}: use at most 31 lower-case letters, digits and dashes, a letter first, such as web1")
    return name


@dataclass(frozen=True)
class Settings:
    """One lab on one machine.

    :ivar lab: name the user gave the lab.
    :ivar state_root: folder of the states of all labs.
    :ivar cache: folder of the root file systems that all labs share.
    """

    lab: str
    state_root: Path
    cache: Path

    @classmethod
    def from_environment(cls, lab: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read HOLDFAST_LAB, HOLDFAST_LAB_STATE and HOLDFAST_LAB_CACHE; ``lab`` wins over the first."""
        environ = os.environ if environ is None else environ
        name = checked_name(lab or environ.get("HOLDFAST_LAB") or DEFAULT_LAB, "lab")
        state = Path(os.path.abspath(environ.get("HOLDFAST_LAB_STATE") or DEFAULT_STATE))
        cache = Path(os.path.abspath(environ.get("HOLDFAST_LAB_CACHE") or DEFAULT_CACHE))
        for variable, path in (("HOLDFAST_LAB_STATE", state), ("HOLDFAST_LAB_CACHE", cache)):
            if UNSAFE_IN_MOUNT.search(str(path)):
                raise LabError(f"{variable}={path}: choose a path without colons, commas, backslashes and blanks")
        return cls(name, state, cache)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make another process see this same lab."""
        return {"HOLDFAST_LAB": self.lab, "HOLDFAST_LAB_STATE": str(self.state_root), "HOLDFAST_LAB_CACHE": str(self.cache)}

    @property
    def state(self) -> Path:
        return self.state_root / self.lab

    @property
    def scope(self) -> str:
        """Name of the network namespace and of the cgroup: unique on the machine, also across state folders."""
        scope = DEFAULT_LAB if self.lab == DEFAULT_LAB else f"{DEFAULT_LAB}.{self.lab}"
        return scope if str(self.state_root) == DEFAULT_STATE else f"{scope}.{self._digest()}"

    def machine(self, index: int) -> str:
        """Machine name of a host for systemd-nspawn: unique on the machine.

        Short, because the veth is called ``vb-<machine>`` and anything over 15 characters gets a hash instead.
        """
        return f"h{index}-{self._digest()}"

    def _digest(self) -> str:
        return hashlib.sha256(str(self.state).encode()).hexdigest()[:6]
