# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host as backends and the change engine see it, through the task's connection; nothing on the host runs Python.

Touches the host with ``exec_command``, ``put_file`` and ``fetch_file`` of the connection only, so that it works with every connection
plugin whose shell is one of Windows (winrm, psrp, ssh). What these do with a line (read in ansible-core 2.17.14, 2.18.19 and 2.19.14):

* winrm puts it into ``PowerShell -EncodedCommand``, which its shell, a cmd.exe, runs: 8,191 characters, 2.7 times those of the line;
* psrp sends it as a script and adds ``exit $LASTEXITCODE``; what programs say comes as objects, one for each line, in UTF-8;
* ssh hands it to the shell of the account as it is; in 2.17 it first puts it into ``PowerShell -EncodedCommand``, behind ``chcp.com``.

So a line is short, means the same in cmd.exe and PowerShell, and carries nothing of a policy: that goes into files, in pieces. What comes
back may be in the code page of the host, so nothing relies on words, nor on letters that are not ASCII.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t

from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows.record import WindowsHost, own_root
from ansible_collections.holdfast.firewall.plugins.module_utils.host import Result
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError

#: Characters that mean nothing to cmd.exe and PowerShell, nor to the C library that splits command lines.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./\\:")
#: Characters that mean something in double quotes too, for one shell or the other.
_NEVER = frozenset('"%$`')


def is_windows(connection: t.Any) -> bool:
    """Return whether the connection ends in a shell of Windows."""
    return bool(getattr(getattr(connection, "_shell", None), "_IS_WINDOWS", False))


def command_line(argv: t.Sequence[str]) -> str:
    """Return a line that cmd.exe and PowerShell run the same way.

    :raises HoldfastError: when there is none for certain. Text of people belongs into files.
    """
    program = argv[0]
    # In PowerShell some names without the extension are its own commands (sc).
    words = [program if "." in program else program + ".exe"]
    for word in argv[1:]:
        if not word or word.endswith("\\") or not word.isascii() or not word.isprintable() or _NEVER & set(word):
            raise HoldfastError("This cannot be put on a command line of Windows: %s" % word)
        words.append(word if set(word) <= _PLAIN else '"%s"' % word)
    return " ".join(words)


class RemoteHost(WindowsHost):
    """The host at the other end of a connection."""

    def __init__(self, connection: t.Any) -> None:
        self._connection = connection
        self._elevated: t.Optional[bool] = None

    def run(self, argv: t.Sequence[str], stdin: t.Optional[str] = None, timeout: float = 60.0) -> Result:
        """Run a program. Its exit code is exact with cmd.exe; PowerShell may say 1 for any code but 0.

        :raises HoldfastError: for standard input, which not every connection carries, and for words that need more than quotes.
        """
        if stdin:
            raise HoldfastError("Standard input is not given to programs of Windows: write a file")
        code, out, err = self._connection.exec_command(self._wrapped(command_line(argv)), sudoable=False)
        return Result(int(code), _text(out), _text(err))

    def read(self, path: str) -> t.Optional[str]:
        if not self.exists(path):
            return None  # a failed transfer would be reported to the user by the connection
        folder = tempfile.mkdtemp(prefix="holdfast-")
        try:
            local = os.path.join(folder, "file")
            self._connection.fetch_file(path, local)
            with open(local, "rb") as handle:
                return handle.read().decode("utf-8", "surrogateescape").replace("\r\n", "\n")
        except FileNotFoundError:
            return ""  # some connections make no file of an empty one
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def write(self, path: str, text: str, mode: int = 0o600) -> None:
        """Write a file whole, into a folder that is there; who may read it follows from the folder."""
        own_root(self)
        self.place(path + ".new", text.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))
        done = self.shell("move /y %s.new %s" % (path, path))
        if not done.ok:
            raise HoldfastError("%s cannot be written: %s" % (path, (done.err or done.out).strip()))

    def place(self, path: str, data: bytes) -> None:
        handle, local = tempfile.mkstemp(prefix="holdfast-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
            self._connection.put_file(local, path)
        finally:
            os.unlink(local)

    def remove(self, path: str) -> None:
        self.shell("del /f /q %s 2>nul" % path)

    def exists(self, path: str) -> bool:
        if path.startswith("/"):
            return False  # a file of other systems
        return self.shell("if not exist %s exit 1" % path).ok

    def which(self, program: str) -> t.Optional[str]:
        done = self.run(["where.exe", program])
        return done.out.splitlines()[0].strip() if done.ok and done.out.strip() else None

    def is_root(self) -> bool:
        """Return whether the session is elevated: asking a disk whether it is dirty takes just that, in every language."""
        if self._elevated is None:
            self._elevated = self.run(["fsutil.exe", "dirty", "query", "C:"]).ok
        return self._elevated

    def _wrapped(self, line: str) -> str:
        """Return the line as the connection wants it.

        WinRM and PSRP run PowerShell themselves. On its way through SSH it is encoded, so that nothing quotes it again.
        """
        shell = self._connection._shell
        if getattr(shell, "SHELL_FAMILY", "") != "powershell":
            return line
        script = line + "; exit $LASTEXITCODE"
        if str(getattr(self._connection, "transport", "")).rpartition(".")[2] in ("winrm", "psrp"):
            return script
        wrapped: str = shell._encode_script(script, strict_mode=False, preserve_rc=False)
        return wrapped


def _text(data: t.Any) -> str:
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
    return text.replace("\r\n", "\n")
