# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data that came as text: an ad-hoc task (``ansible -m``) has nothing else.

Pure: touches nothing.
"""

from __future__ import annotations

import json
import typing as t

from .bounds import check_bounds
from .errors import PolicyError


def from_json_text(value: t.Any, place: str, allowed: str) -> t.Any:
    """Return the data that a text says in JSON; anything that is no text is returned as it is.

    :raises PolicyError: when the text is no JSON, or says more than a document may.
    """
    if not isinstance(value, str):
        return value
    try:
        data = json.loads(value)
    except (ValueError, RecursionError) as exc:
        if not value.strip():
            raise PolicyError(place, value, allowed, "the text is empty") from None
        raise PolicyError(place, value, allowed, "this text is no JSON: %s" % exc) from None
    check_bounds(data, place)
    return data


def lists_from_text(args: t.Mapping[str, t.Any], names: t.Iterable[str]) -> t.Dict[str, t.Any]:
    """Return arguments in which the lists that were written as JSON text (``[80,443]``) are lists; other text stays as it is."""
    found = dict(args)
    for name in names:
        value = found.get(name)
        if isinstance(value, str) and value.strip().startswith("["):
            try:
                data = json.loads(value)
            except (ValueError, RecursionError):
                continue
            if isinstance(data, list):
                found[name] = data
    return found
