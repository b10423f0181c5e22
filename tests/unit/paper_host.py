# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on paper for unit tests: files in a dict, commands answered by a function. It refuses what it was not told about."""

from __future__ import annotations

from ansible_collections.holdfast.firewall.plugins.module_utils.host import Host, Result


class PaperHost(Host):
    """``answers`` maps a command line to its output, (rc, out, err), or a function of (argv, stdin); everything else is not found."""

    def __init__(self, answers=None, files=None, root=True):
        self.answers = dict(answers or {})
        self.files = dict(files or {})
        self.root = root
        self.ran = []

    def run(self, argv, stdin=None, timeout=60.0):
        line = " ".join(argv)
        self.ran.append(line)
        for known, answer in self.answers.items():
            if line == known or line.startswith(known + " "):
                if callable(answer):
                    answer = answer(argv, stdin)
                return Result(*answer) if isinstance(answer, tuple) else Result(0, answer, "")
        return Result(127, "", "%s: not found" % argv[0])

    def read(self, path):
        return self.files.get(path)

    def write(self, path, text, mode=0o600):
        self.files[path] = text

    def remove(self, path):
        self.files.pop(path, None)

    def exists(self, path):
        return path in self.files

    def which(self, program):
        return "/usr/sbin/" + program if any(line.split()[0] == program for line in self.answers) else None

    def is_root(self):
        return self.root
