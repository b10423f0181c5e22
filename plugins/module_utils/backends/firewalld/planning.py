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
from .state import KEYS, OWNERS, State, in_force_only, zones_in_use
from .unasked import refuse_where_nobody_is_asked
from .zone_files import without_deciding, without_setting, zone_paths

#: A setting of a zone: the zone, the kind of setting and its value.
Cut = t.Tuple[str, str, t.Any]


def wanted_files(policies: t.Iterable[OwnPolicy], sets: t.Mapping[str, Content]) -> t.Dict[str, str]:
    """Return the files of policies of ours and of the sets of ours that they name."""
    return own_files(policies, {name: one for name, one in sets.items() if name.startswith(PREFIX)})


def make_plan(
    host: Host, state: State, policies: t.Iterable[OwnPolicy], sets: t.Mapping[str, Content], cut: t.Iterable[Cut],
    zones: t.Optional[t.Mapping[str, str]] = None,
) -> Transaction:  # fmt: skip
    """Return what makes these our policies, and takes settings out of zones."""
    policies = tuple(policies)
    refuse_where_nobody_is_asked(host, state.facts, policies)
    wanted = wanted_files(policies, sets)
    changes: t.Dict[str, t.Optional[str]] = {path: None for path in state.files if path not in wanted}
    changes.update(wanted)
    changes.update(zones or {})
    files, loose = _cut_zones(host, state, cut)
    changes.update(files)
    before = {path: host.read(path) for path in changes}
    changes = {path: text for path, text in changes.items() if text != state.files.get(path, before[path])}
    if not changes and not loose and not state.beneath and not state.odd and wanted == state.live_files():
        return Transaction((), state.text())
    after = files_text(wanted) + state.text()[len(state.own_text()) :]
    return loading.make_transaction(
        changes, {path: before[path] for path in changes}, runtime_only(_without(state.facts, loose)), state.lost, after, bool(wanted)
    )


def _cut_zones(host: Host, state: State, cut: t.Iterable[Cut]) -> t.Tuple[t.Dict[str, t.Optional[str]], t.List[Cut]]:
    """Return the files of zones without settings, and the settings that are in no file: a reload drops those unless they are put back."""
    texts: t.Dict[str, t.Optional[str]] = {}
    loose = []
    for zone, setting, value in cut:
        path, packaged = zone_paths(zone)
        text = texts.get(path) or host.read(path) or host.read(packaged)
        left = without_setting(path, text, setting, value) if text is not None else None
        if left is not None:
            texts[path] = left
        elif in_force_only(state.facts, zone, setting, value):
            loose.append((zone, setting, value))
        else:
            raise HoldfastError(
                "The %s %s of zone %s is in force but not in its file, so it cannot be removed for good; remove it with firewall-cmd"
                % (setting, value, zone)
            )
    return texts, loose


def _without(facts: t.Mapping[str, t.Any], loose: t.Iterable[Cut]) -> t.Mapping[str, t.Any]:
    """Return what firewalld told, less settings of zones."""
    zones = dict(facts["zones"])
    for zone, setting, value in loose:
        key = KEYS[setting]
        given = [tuple(value) if isinstance(value, (list, tuple)) else value]
        kept = [one for one in zones[zone].get(key, []) if (tuple(one) if isinstance(one, (list, tuple)) else one) not in given]
        zones[zone] = dict(zones[zone], **{key: kept})
    return dict(facts, zones=zones)


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
