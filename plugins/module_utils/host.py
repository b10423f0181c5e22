# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one port to a machine: run a command, read and write files, find programs.

``LocalHost`` touches the machine it runs on (a target, as root). Tests put a fake of the same shape in its place.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass

from .policy.errors import HoldfastError, writing

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, standard output, standard error."""

    rc: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.rc == 0


class Host:
    """What backends and the change engine may ask of a machine."""

    def run(self, argv: t.Sequence[str], stdin: t.Optional[str] = None, timeout: float = 60.0) -> Result:
        """Run a program without a shell, in the C locale; a program that is missing gives rc 127, a time-out rc 124."""
        raise NotImplementedError

    def read(self, path: str) -> t.Optional[str]:
        """Return a file's text, or None when it cannot be read."""
        raise NotImplementedError

    def write(self, path: str, text: str, mode: int = 0o600) -> None:
        """Write a file whole: it has the old content or the new one, never a half. Creates its folder (0700) when missing."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Remove a file; a file that is not there is no error."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """Return whether something is at ``path``."""
        raise NotImplementedError

    def which(self, program: str) -> t.Optional[str]:
        """Return the full path of a program on the fixed search path, or None."""
        raise NotImplementedError

    def is_root(self) -> bool:
        """Return whether commands run as the superuser."""
        raise NotImplementedError

    def forget_programs(self) -> None:
        """Forget which programs were found, after some were installed."""

    def checked(self, argv: t.Sequence[str], stdin: t.Optional[str] = None, timeout: float = 60.0) -> str:
        """Run a program that must succeed and return its output.

        :raises HoldfastError: with the command, its exit code and what it said.
        """
        result = self.run(argv, stdin, timeout)
        if not result.ok:
            said = (result.err or result.out).strip()
            raise HoldfastError("%s failed with code %d: %s" % (" ".join(argv), result.rc, said[:2000] or "(it said nothing)"))
        return result.out


class LocalHost(Host):
    """The machine this code runs on."""

    def __init__(self) -> None:
        self._found: t.Dict[str, t.Optional[str]] = {}

    def run(self, argv: t.Sequence[str], stdin: t.Optional[str] = None, timeout: float = 60.0) -> Result:
        program = self.which(argv[0])
        if program is None:
            return Result(127, "", "%s: not found" % argv[0])
        environment = {key: value for key, value in os.environ.items() if key in ("HOME", "TZ") or key.startswith("HOLDFAST_STANDIN")}
        environment.update(PATH=PATH, LC_ALL="C", LANG="C")
        try:
            done = subprocess.run(
                [program] + list(argv[1:]),
                input=(stdin or "").encode("utf-8", "surrogateescape"),
                capture_output=True,
                env=environment,
                cwd="/",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Result(124, "", "no answer within %d seconds" % timeout)
        except OSError as exc:
            return Result(126, "", str(exc))
        return Result(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def read(self, path: str) -> t.Optional[str]:
        try:
            with open(path, "rb") as handle:
                return handle.read().decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def write(self, path: str, text: str, mode: int = 0o600) -> None:
        with writing(path):
            self._write(path, text, mode)

    def _write(self, path: str, text: str, mode: int) -> None:
        folder = os.path.dirname(path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".holdfast-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(text.encode("utf-8", "surrogateescape"))
                out.flush()
                os.fsync(out.fileno())
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def remove(self, path: str) -> None:
        with writing(path):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def which(self, program: str) -> t.Optional[str]:
        if program not in self._found:
            places = [program] if "/" in program else [os.path.join(folder, program) for folder in PATH.split(":")]
            self._found[program] = next((one for one in places if os.path.isfile(one) and os.access(one, os.X_OK)), None)
        return self._found[program]

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def forget_programs(self) -> None:
        self._found.clear()
