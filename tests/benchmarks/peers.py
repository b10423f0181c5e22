# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other generators for comparison, in an environment of their own below .cache; whoever cannot be had is said to be skipped."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import typing as t
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".cache" / "bench-peers"
PACKAGES = ("aerleon", "capirca")


def peer_python() -> t.Optional[str]:
    """Return the Python that has aerleon and capirca, or None when they cannot be installed."""
    python = HOME / "bin" / "python"
    if not python.exists() and subprocess.run([sys.executable, "-m", "venv", str(HOME)], capture_output=True, check=False).returncode:
        return None
    wanted = "import " + ", ".join("%s.lib" % one for one in PACKAGES)
    if subprocess.run([str(python), "-c", wanted], capture_output=True, check=False).returncode:
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], capture_output=True, check=False)
        if subprocess.run([str(python), "-c", wanted], capture_output=True, check=False).returncode:
            return None
    return str(python)


def program(name: str, package: str) -> t.Optional[str]:
    """Return the path of a peer's program; installs its Debian package where that is possible."""
    if shutil.which(name) is None and shutil.which("apt-get") is not None:
        subprocess.run(["apt-get", "install", "-y", "-q", package], capture_output=True, check=False)
    return shutil.which(name)


def collection(namespace: str, name: str) -> t.Optional[Path]:
    """Return a folder with ``ansible_collections`` that has a collection of the package ``ansible`` of PyPI; None when it cannot be had."""
    home = ROOT / ".cache" / ("bench-%s-%s" % (namespace, name))
    inside = "ansible_collections/%s/%s/" % (namespace, name)
    if not (home / inside).is_dir():
        with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--dest", folder, "ansible"]
            done = subprocess.run(command, capture_output=True, check=False)
            wheels = list(Path(folder).glob("ansible-*.whl"))
            if done.returncode == 0 and wheels:
                with zipfile.ZipFile(wheels[0]) as wheel:
                    wheel.extractall(home, [one for one in wheel.namelist() if one.startswith(inside)])
    return home if (home / inside).is_dir() else None
