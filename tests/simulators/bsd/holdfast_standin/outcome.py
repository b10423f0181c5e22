# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stand-in command answers: two texts and an exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Lines for the two output streams, and the exit code."""

    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    rc: int = 0

    def fail(self, message: str, rc: int = 1) -> Outcome:
        """Add an error line and set the exit code."""
        self.stderr.append(message)
        self.rc = rc
        return self

    def emit(self) -> int:
        """Write both streams of this process; returns the exit code."""
        for stream, lines in ((sys.stdout, self.stdout), (sys.stderr, self.stderr)):
            for line in lines:
                stream.write(line + "\n")
            stream.flush()
        return self.rc
