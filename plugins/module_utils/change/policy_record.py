# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note of which document produced the live rules, so that an unchanged policy is recognised by two hashes.

Touches one file below the state folder. The note is never believed alone: the live rules are read each time, and only when their text is
the one that was noted, and the document too, is there nothing to do. Everything else takes the long way.
"""

from __future__ import annotations

import hashlib
import json
import os
import typing as t

from ..backends.base import Backend, listing_fingerprint
from ..code_version import code_version, running_archive
from ..host import Host
from .pending import state_root


def record_path() -> str:
    """Return where the note is kept."""
    return os.path.join(state_root(), "policy.json")


def document_digest(facts: t.Mapping[str, t.Any]) -> str:
    """Return the SHA-256 of everything that the wanted rules follow from: document, state, layout, management ports, and the code itself,
    as another version of it may render the same document differently.
    """
    text = json.dumps([code_version(running_archive()), facts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def compare_record(host: Host, backend: Backend, document: str, whole: bool, path: str = "") -> str:
    """Return ``same`` when the live rules are those that this document produced, ``drifted`` when they were changed since by somebody
    else, ``unknown`` when another document or none is noted. Reads the live rules only when the document is known. ``path`` is that of the
    note where it is not the usual one, as in the following functions.
    """
    try:
        noted = json.loads(host.read(path or record_path()) or "{}")
    except ValueError:
        return "unknown"
    if not isinstance(noted, dict) or noted.get("document") != document or noted.get("backend") != backend.NAME:
        return "unknown"
    return "same" if noted.get("live") == live_digest(backend, whole) else "drifted"


def live_digest(backend: Backend, whole: bool) -> str:
    """Return the hash of the live rules that are ours, or of all."""
    return listing_fingerprint(backend.live_text(whole))


def write_record(host: Host, backend: Backend, document: str, whole: bool, path: str = "") -> None:
    """Note that the live rules are those of the document."""
    noted = {"backend": backend.NAME, "document": document, "live": live_digest(backend, whole), "whole": whole}
    host.write(path or record_path(), json.dumps(noted, sort_keys=True) + "\n")


def forget_record(host: Host, path: str = "") -> None:
    """Remove the note."""
    host.remove(path or record_path())
