# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the payload that Ansible builds of a module, so that the next command need not build it again.

Touches Ansible's own cache of payloads, which lasts only as long as one command, and a folder below ANSIBLE_HOME. Reading and parsing a
hundred files takes a third of a second, as much as the rest of an ad-hoc task. The kept file is what Ansible wrote, byte by byte; its key
is the content of every file that goes into it and the versions of Ansible and Python. Whatever is not as expected is ignored: then
Ansible builds the payload as ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import typing as t
from pathlib import Path

import ansible
from ansible import constants as C

#: Payloads of this many versions of the collection are kept.
KEPT = 6

_COLLECTION = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def kept_payload(module: str) -> t.Iterator[None]:
    """Let a run of the module inside the block use the kept payload, and keep it where there is none yet.

    :param module: the module's name without its collection.
    """
    try:
        kept = _kept_folder(module)
        cache = Path(C.DEFAULT_LOCAL_TMP) / "ansiballz_cache"
        used = _hand_over(kept, cache)
    except (OSError, ValueError, TypeError):
        yield
        return
    yield
    if not used:
        with contextlib.suppress(OSError, ValueError):
            _keep(kept, cache, module)


def _kept_folder(module: str) -> Path:
    digest = hashlib.sha256("\0".join((ansible.__version__, sys.version, str(C.DEFAULT_MODULE_COMPRESSION))).encode())
    digest.update(str(os.stat(os.path.join(os.path.dirname(ansible.__file__), "module_utils", "basic.py")).st_mtime_ns).encode())
    sources = [_COLLECTION / "plugins" / "modules" / (module + ".py"), *sorted((_COLLECTION / "plugins" / "module_utils").rglob("*.py"))]
    for source in sources:
        digest.update(str(source.relative_to(_COLLECTION)).encode() + b"\0" + source.read_bytes() + b"\0")
    return _home() / ("%s-%s" % (module, digest.hexdigest()[:32]))


def _home() -> Path:
    return Path(os.path.expanduser(str(C.config.get_config_value("ANSIBLE_HOME")))) / "holdfast_firewall"


def _hand_over(kept: Path, cache: Path) -> bool:
    """Put kept payloads where Ansible looks for those of the running command."""
    if not kept.is_dir() or not _only_ours(kept) or not _only_ours(kept.parent):
        return False
    cache.mkdir(parents=True, exist_ok=True)
    for source in kept.iterdir():
        target = cache / source.name
        if not target.exists():
            _copy_whole(source, target)
    os.utime(kept)
    return True


def _keep(kept: Path, cache: Path, module: str) -> None:
    built = [one for one in cache.iterdir() if one.name.startswith("ansible_collections.holdfast.firewall.plugins.modules.%s-" % module)]
    if not built:
        return
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _only_ours(kept.parent):
        return
    fresh = Path(tempfile.mkdtemp(dir=kept.parent, prefix=".new-"))
    for source in built:
        shutil.copyfile(source, fresh / source.name)
    try:
        os.rename(fresh, kept)
    except OSError:  # another process was first
        shutil.rmtree(fresh, ignore_errors=True)
    oldest_first = sorted((one for one in kept.parent.iterdir() if one.is_dir()), key=lambda one: one.stat().st_mtime)
    for old in oldest_first[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _only_ours(folder: Path) -> bool:
    """Return whether nobody else can have put something there: it becomes code that runs as root on managed nodes."""
    facts = os.stat(folder, follow_symlinks=False)
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o022


def _copy_whole(source: Path, target: Path) -> None:
    temporary = target.with_name("%s.%d.part" % (target.name, os.getpid()))
    shutil.copyfile(source, temporary)
    os.replace(temporary, target)
