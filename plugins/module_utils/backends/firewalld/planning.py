# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From wanted policies to the files that change, those of zones included.

Reads files through ``host``; changes nothing.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from ..base import Transaction
from . import loading
from .differences import runtime_only
from .names import PREFIX
from .objects import Content, OwnPolicy, files_text, own_files
from .state import OWNERS, State, zones_in_use
from .zone_files import without_deciding, without_setting, zone_paths


def wanted_files(policies: t.Iterable[OwnPolicy], sets: t.Mapping[str, Content]) -> t.Dict[str, str]:
    """Return the files of policies of ours and of the sets of ours that they name."""
    return own_files(policies, {name: one for name, one in sets.items() if name.startswith(PREFIX)})


def make_plan(
    host: Host, state: State, policies: t.Iterable[OwnPolicy], sets: t.Mapping[str, Content], cut: t.Iterable[t.Tuple[str, str, t.Any]],
    zones: t.Optional[t.Mapping[str, str]] = None,
) -> Transaction:  # fmt: skip
    """Return what makes these our policies, and takes settings out of zones."""
    wanted = wanted_files(policies, sets)
    changes: t.Dict[str, t.Optional[str]] = {path: None for path in state.files if path not in wanted}
    changes.update(wanted)
    changes.update(zones or {})
    changes.update(_cut_zones(host, cut))
    before = {path: host.read(path) for path in changes}
    changes = {path: text for path, text in changes.items() if before[path] != text}
    if not changes and not state.beneath and not state.odd and wanted == state.live_files():
        return Transaction((), state.text())
    after = files_text(wanted) + state.text()[len(state.own_text()) :]
    return loading.make_transaction(
        changes, {path: before[path] for path in changes}, runtime_only(state.facts), state.lost, after, bool(wanted)
    )


def _cut_zones(host: Host, cut: t.Iterable[t.Tuple[str, str, t.Any]]) -> t.Dict[str, t.Optional[str]]:
    texts: t.Dict[str, t.Optional[str]] = {}
    for zone, setting, value in cut:
        path, packaged = zone_paths(zone)
        text = texts.get(path) or host.read(path) or host.read(packaged)
        left = without_setting(path, text, setting, value) if text is not None else None
        if left is None:
            raise HoldfastError(
                "The %s %s of zone %s is in force but not in its file, so it cannot be removed for good; remove it with firewall-cmd"
                % (setting, value, zone)
            )
        texts[path] = left
    return texts


def emptied_zones(host: Host, state: State) -> t.Dict[str, str]:
    """Return the files of the zones in use without anything that decides, for those that have such settings."""
    texts = {}
    for zone in zones_in_use(state.facts):
        path, packaged = zone_paths(zone)
        text = host.read(path) or host.read(packaged)
        if text is None or zone.startswith(tuple(OWNERS)):
            continue
        left = without_deciding(path, text)
        if left != text:
            texts[path] = left
    return texts
