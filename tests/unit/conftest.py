# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let unit tests import this checkout as ``ansible_collections.holdfast.firewall``, wherever it lies and whatever its folder is called.

``ansible-test`` has its own loader and runs in a tree of that name; then nothing is done. Otherwise a folder for temporary files holds
a link of that name for as long as the tests run.
"""

from __future__ import annotations

import atexit
import importlib
import shutil
import sys
import tempfile
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[2]

# The same examples in every run: a failure is the fault of the change at hand.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100, database=None)
# pytest --hypothesis-profile=search looks for new ones.
settings.register_profile("search", deadline=None, max_examples=5000, print_blob=True, database=None)
settings.load_profile("ci")


def _link_this_checkout() -> None:
    folder = Path(tempfile.mkdtemp(prefix="holdfast-unit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    namespace = folder / "ansible_collections" / "holdfast"
    namespace.mkdir(parents=True)
    (namespace / "firewall").symlink_to(ROOT, target_is_directory=True)
    # Regular packages win over whatever else on the path is called ansible_collections.
    for package in (namespace.parent, namespace):
        (package / "__init__.py").touch()
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


# ansible-test has put Ansible's own loader in charge.
if not any(type(finder).__name__ == "_AnsibleCollectionFinder" for finder in sys.meta_path):
    _link_this_checkout()
