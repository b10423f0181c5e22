# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of a module says with that of the fragments that it extends, as ``ansible-doc`` shows it."""

from __future__ import annotations

import importlib

import yaml

_FRAGMENTS = "ansible_collections.holdfast.firewall.plugins.doc_fragments.%s"


def documented_options(module):
    """Return the options that a module documents, those of its fragments included."""
    document = yaml.safe_load(module.DOCUMENTATION)
    found = dict(document.get("options", {}))
    for name in document.get("extends_documentation_fragment", ()):
        file, _dot, variant = name.replace("holdfast.firewall.", "", 1).partition(".")
        fragment = importlib.import_module(_FRAGMENTS % file).ModuleDocFragment
        shared = yaml.safe_load(getattr(fragment, (variant or "documentation").upper())).get("options", {})
        found = {**shared, **found}
    return found
