# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers the hashes of policy documents that were found valid, so that a fleet's document is not parsed again for each host.

Touches a folder below ANSIBLE_HOME with empty files named by hashes, which cover the document and the parser's own source. A document that
is not remembered is parsed; the target parses it again in any case before it changes something.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import typing as t
from pathlib import Path

from ansible import constants as C

#: Hashes of this many documents are kept.
KEPT = 200
#: Shorter documents are parsed faster than this is worth.
WORTH = 20000

_POLICY = Path(__file__).resolve().parents[1] / "module_utils" / "policy"


def is_checked(document: t.Any) -> bool:
    """Return whether this very document was found valid before, by this very parser."""
    try:
        mark = _mark(document)
        return mark is not None and mark.exists()
    except OSError:
        return False


def note_checked(document: t.Any) -> None:
    """Remember a document that was found valid and had no warnings."""
    with contextlib.suppress(OSError):
        mark = _mark(document)
        if mark is None:
            return
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch(mode=0o600)
        oldest_first = sorted(mark.parent.iterdir(), key=lambda one: one.stat().st_mtime)
        for old in oldest_first[:-KEPT]:
            old.unlink()


def _mark(document: t.Any) -> t.Optional[Path]:
    try:
        text = json.dumps(document, sort_keys=True, default=_plain)
    except (TypeError, ValueError, RecursionError):
        return None
    if len(text) < WORTH:
        return None
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for source in sorted(_POLICY.glob("*.py")):
        digest.update(source.read_bytes())
    home = Path(os.path.expanduser(str(C.config.get_config_value("ANSIBLE_HOME"))))
    return home / "holdfast_firewall_documents" / digest.hexdigest()[:40]


def _plain(value: t.Any) -> t.Any:
    """Refuse what is no plain data, so that it is parsed and named."""
    raise TypeError(type(value).__name__)
