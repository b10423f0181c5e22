# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps on a target what Python compiled of a task's archive, so that the next task need not compile two hundred files again, twice.

Touches one folder below the state folder, readable and writable by root alone, and only where the task runs as root. Python keeps no
compiled files for modules that it imports from an archive, as Ansible sends them; on a small machine that costs seconds a task. The name
of a kept file is a hash over the archive's checksums and the Python version, so another version is never used. Whatever is not as expected
is ignored: then Python compiles as ever.
"""

from __future__ import annotations

import atexit
import hashlib
import marshal
import os
import stat
import sys
import typing as t
import zipfile
import zipimport
from types import CodeType

from .code_version import code_version, running_archive

#: Archives of which the code is kept.
KEPT = 4


def keep_code(root: str) -> None:
    """Let the imports that follow use kept code, and keep what they compile.

    :param root: the state folder.
    """
    archive = running_archive()
    # Before Python 3.10 an archive's importer compiles where nothing can be put in between.
    if archive is None or os.geteuid() != 0 or not hasattr(zipimport.zipimporter, "exec_module"):
        return
    try:
        _hook(archive, os.path.join(root, "code"))
    except (OSError, ValueError, zipfile.BadZipFile):
        return


def _hook(archive: str, folder: str) -> None:
    path = os.path.join(folder, _version(archive))
    known = _load(folder, path)
    compiled: t.Dict[str, CodeType] = {}

    class KeptImporter(zipimport.zipimporter):
        """Imports from the archive; code that is kept is not compiled again."""

        def __init__(self, where: str) -> None:
            if where != archive and not where.startswith(archive + os.sep):
                raise zipimport.ZipImportError("not the archive of this task", path=where)
            super().__init__(where)

        def get_filename(self, fullname: str) -> str:
            # The original compiles the module to answer this, so that each import compiles twice.
            name = os.path.join(self.archive, self.prefix + fullname.rpartition(".")[2])
            return os.path.join(name, "__init__.py") if self.is_package(fullname) else name + ".py"

        def get_code(self, fullname: str) -> t.Any:
            if fullname not in known:
                compiled[fullname] = known[fullname] = super().get_code(fullname)
            return known[fullname]

    sys.path_hooks.insert(0, KeptImporter)
    for where in [one for one in sys.path_importer_cache if one == archive or one.startswith(archive + os.sep)]:
        del sys.path_importer_cache[where]

    def store() -> None:
        if compiled:
            _store(folder, path, known)

    atexit.register(store)


def _version(archive: str) -> str:
    """Return a word for what is in this archive, and for this Python."""
    return hashlib.sha256((sys.version + code_version(archive)).encode()).hexdigest()[:40]


def _load(folder: str, path: str) -> t.Dict[str, t.Any]:
    if not os.path.isdir(folder) or not _only_ours(folder) or not os.path.isfile(path) or not _only_ours(path):
        return {}
    try:
        with open(path, "rb") as handle:
            found = marshal.loads(handle.read())
    except (ValueError, EOFError, TypeError):
        return {}  # a damaged file, which is replaced
    os.utime(path)
    return found if isinstance(found, dict) else {}


def _store(folder: str, path: str, code: t.Mapping[str, t.Any]) -> None:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not _only_ours(folder):
            return
        fresh = "%s.%d" % (path, os.getpid())
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(marshal.dumps(dict(code)))
        os.replace(fresh, path)
        newest_last = sorted((os.path.join(folder, name) for name in os.listdir(folder)), key=os.path.getmtime)
        for old in newest_last[:-KEPT]:
            os.unlink(old)
    except (OSError, ValueError):
        return


def _only_ours(path: str) -> bool:
    """Return whether nobody else can have put something there: it is run as root."""
    facts = os.lstat(path)
    return not stat.S_ISLNK(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o022
