# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a result has only what its module documents under RETURN; pure, but for reading the modules."""

from __future__ import annotations

import importlib
from functools import lru_cache

import yaml

COLLECTION = "holdfast.firewall."
#: What Ansible documents itself ("Return Values", "Common").
OF_ANSIBLE = frozenset({
    "changed", "failed", "unreachable", "diff", "invocation", "warnings", "deprecations", "ansible_facts", "exception", "skipped",
})  # fmt: skip


@lru_cache(maxsize=None)
def _documented(module: str) -> dict:
    name = "ansible_collections.holdfast.firewall.plugins.modules.%s" % module[len(COLLECTION) :]
    return yaml.safe_load(importlib.import_module(name).RETURN)


def undocumented(module: str, result: dict) -> list[str]:
    """Return the keys of a result, as paths with dots, that the module does not document, and those whose type is another one."""
    if not module.startswith(COLLECTION) or result.get("unreachable"):
        return []
    mine = {key: value for key, value in result.items() if key not in OF_ANSIBLE and not key.startswith("_")}
    return _strange(mine, _documented(module), "")


_TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "dict": dict, "list": list}


def _strange(found: dict, documented: dict, place: str) -> list[str]:
    strange = []
    for key, value in found.items():
        said = documented.get(key)
        if said is None:
            strange.append(place + key)
        elif value is not None and said["type"] in _TYPES and not isinstance(value, _TYPES[said["type"]]):
            strange.append("%s%s is no %s" % (place, key, said["type"]))
        elif "contains" in said:
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    strange += _strange(one, said["contains"], "%s%s." % (place, key))
    return strange
