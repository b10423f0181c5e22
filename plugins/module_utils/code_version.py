# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A word for the collection's code that runs, so that what was kept by other code is told apart from what this code made.

Reads the directory of the archive that Ansible sent, or the collection's own files where there is no archive (on a control node).
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import typing as t
import zipfile
import zlib

#: Written into the archive on the target, new for every task; imported before this file.
_OWN_OF_TASK = ("sitecustomize.py",)
_ARCHIVE_END = ".zip"


def running_archive() -> t.Optional[str]:
    """Return the path of the archive that this task's code is imported from, or None."""
    return next((path for path in sys.path if path.endswith(_ARCHIVE_END) and os.path.isfile(path)), None)


@functools.lru_cache(maxsize=None)
def code_version(archive: t.Optional[str]) -> str:
    """Return a hash over the names, lengths and checksums of the code's files.

    :param archive: the archive that the code came in; None for the files beside this one.
    :raises OSError, zipfile.BadZipFile: when it cannot be read.
    """
    files = _in_archive(archive) if archive is not None else _in_folder(os.path.dirname(os.path.abspath(__file__)))
    return hashlib.sha256("".join("%s %d %08x\n" % one for one in sorted(files)).encode()).hexdigest()


def _in_archive(archive: str) -> t.Iterator[t.Tuple[str, int, int]]:
    with zipfile.ZipFile(archive) as opened:
        for one in opened.infolist():
            if one.filename not in _OWN_OF_TASK:
                yield one.filename, one.file_size, one.CRC


def _in_folder(folder: str) -> t.Iterator[t.Tuple[str, int, int]]:
    for place, _folders, names in os.walk(folder):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(place, name)
                with open(path, "rb") as handle:
                    text = handle.read()
                yield os.path.relpath(path, folder), len(text), zlib.crc32(text) & 0xFFFFFFFF
