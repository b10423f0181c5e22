# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that is kept between tasks, with archives like those that Ansible sends, in a Python of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

COLLECTION = Path(__file__).resolve().parents[4]
PACKAGE = "ansible_collections/holdfast/firewall/plugins/module_utils"
PROGRAM = """
import builtins, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.holdfast.firewall.plugins.module_utils.kept_code import keep_code
keep_code(sys.argv[2])
compiled = []
compile_it = builtins.compile
def counted(source, name, *rest, **words):
    compiled.append(str(name))
    return compile_it(source, name, *rest, **words)
builtins.compile = counted
from ansible_collections.holdfast.firewall.plugins.module_utils import sample
print(sample.WORD, sample.__file__.endswith("sample.py"), sum(name.endswith("sample.py") for name in compiled))
"""

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="code is kept for root alone"),
    pytest.mark.skipif(sys.version_info < (3, 10), reason="archives import without a place to step in before Python 3.10"),
]


def archive(path, word, task):
    parts = PACKAGE.split("/")
    with zipfile.ZipFile(path, "w") as made:
        for depth in range(len(parts)):
            made.writestr("/".join(parts[: depth + 1]) + "/__init__.py", "")
        for name in ("kept_code.py", "code_version.py"):
            made.write(COLLECTION / "plugins" / "module_utils" / name, PACKAGE + "/" + name)
        made.writestr(PACKAGE + "/sample.py", "WORD = %r\n" % word)
        made.writestr("sitecustomize.py", "# %s\n" % task)


def run(folder, word="one", task="first"):
    archive(folder / "payload.zip", word, task)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder / "payload.zip"), str(folder / "state")], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_the_second_task_compiles_nothing_again(tmp_path):
    assert run(tmp_path) == ["one", "True", "1"]
    assert run(tmp_path, task="second") == ["one", "True", "0"]


def test_another_version_is_never_used(tmp_path):
    run(tmp_path)
    assert run(tmp_path, word="two") == ["two", "True", "1"]


def test_what_others_could_have_written_is_not_used(tmp_path):
    run(tmp_path)
    (kept,) = (tmp_path / "state" / "code").iterdir()
    kept.chmod(0o666)
    assert run(tmp_path)[2] == "1"
    (tmp_path / "state" / "code").chmod(0o777)
    assert run(tmp_path)[2] == "1"


def test_a_damaged_file_is_replaced(tmp_path):
    run(tmp_path)
    (kept,) = (tmp_path / "state" / "code").iterdir()
    kept.write_bytes(b"nonsense")
    assert run(tmp_path) == ["one", "True", "1"]
    assert run(tmp_path) == ["one", "True", "0"]


def test_only_a_few_versions_are_kept(tmp_path):
    for number in range(6):
        run(tmp_path, word=str(number))
    assert len(list((tmp_path / "state" / "code").iterdir())) == 4
