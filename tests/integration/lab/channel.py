# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that stays and answers one JSON line with another: the agents and rule writers inside hosts. Starts and ends processes."""

from __future__ import annotations

import json
import select
import subprocess
import threading
from typing import Any, Sequence


class ChannelError(Exception):
    """The program said that it could not, or does not answer."""


class Channel:
    """One running program."""

    def __init__(self, name: str, argv: Sequence[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._said: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, what: str, seconds: float = 60.0, **words: Any) -> Any:
        """Ask one question and return the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **words}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChannelError(f"{self.name} has ended\n{''.join(self._said)}") from None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            raise ChannelError(f"{self.name} does not answer {what!r} within {seconds:g} s\n{''.join(self._said)}")
        line = self._process.stdout.readline()
        if not line:
            raise ChannelError(f"{self.name} ended at {what!r} with {self._process.wait()}\n{''.join(self._said)}")
        reply = json.loads(line)
        if "error" in reply:
            raise ChannelError(f"{self.name}: {what}: {reply['error']}")
        return reply["answer"]

    def end(self) -> None:
        """End the program, which ends by itself when nobody asks any more."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            del self._said[:-40]
