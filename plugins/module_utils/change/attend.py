# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirming without starting a second module: the process that put a change in force stays, and is asked by a few lines of shell.

Touches files below the state folder only. The control node runs the script over a new connection; that connection is the proof, as it is
for the module ``confirm``, which does the same where nobody attends (a killed process, a manual confirmation).
"""

from __future__ import annotations

import json
import os
import shlex
import time
import typing as t

from ..host import Host
from ..policy.errors import HoldfastError
from .begin import restore_now
from .confirm import confirm
from .pending import ARMED, Pending, state_root

#: The script, and the file in which it leaves its question.
SCRIPT, ASKED = "ask.sh", "asked"
#: The exit code of the script when nobody attends.
NOBODY = 75
#: Seconds between two looks for a question.
LOOK = 0.02
#: Seconds for which a final answer stays, for a connection that broke while it was on its way.
KEPT = 5.0

_SCRIPT = """\
#!/bin/sh
# Asks the process that put change @ID@ in force to confirm it; $1 is how many seconds after it the connection was opened.
DIR=@DIR@
ANSWER=@ANSWER@
if [ -d "$DIR" ]; then
    rm -f "$ANSWER"
    group=$(cat "$DIR/applier") || exit @NOBODY@
    kill -s 0 -- "-$group" 2>/dev/null || exit @NOBODY@
    echo "$1" > "$DIR/.asked.$$" && mv "$DIR/.asked.$$" "$DIR/asked" || exit @NOBODY@
    while [ ! -s "$ANSWER" ]; do
        kill -s 0 -- "-$group" 2>/dev/null || [ -s "$ANSWER" ] || exit @NOBODY@
        sleep 0.02 2>/dev/null || sleep 1
    done
fi
[ -s "$ANSWER" ] || exit @NOBODY@
cat "$ANSWER"
"""


def answer_path(identity: str) -> str:
    """Return where the answer to the last question about a change is."""
    return os.path.join(state_root(), "answer-%s.json" % identity)


def ask_script(pending: Pending) -> str:
    """Return the text of the script."""
    words = {
        "@ID@": pending.identity, "@DIR@": shlex.quote(pending.folder), "@ANSWER@": shlex.quote(answer_path(pending.identity)),
        "@NOBODY@": str(NOBODY),
    }  # fmt: skip
    text = _SCRIPT
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text


def attend(host: Host, pending: Pending, seconds: float) -> None:
    """Answer questions about a change until it is confirmed, refused or gone, for at most ``seconds``; then undo it if nobody did."""
    end = time.monotonic() + seconds
    while pending.exists and time.monotonic() < end:
        asked = pending.read(ASKED)
        if asked is None:
            time.sleep(LOOK)
            continue
        os.unlink(pending.path(ASKED))
        answer = _answer(host, pending.identity, asked)
        _leave(pending.identity, answer)
        if not answer.get("too_early"):
            time.sleep(KEPT)
            host.remove(answer_path(pending.identity))
            return
    if pending.holds(ARMED):
        restore_now(host, pending)  # the timer has gone, or the file system takes no question any more


def _answer(host: Host, identity: str, asked: str) -> t.Dict[str, t.Any]:
    try:
        return confirm(host, identity, float(asked))
    except HoldfastError as exc:
        return dict(exc.as_failure(), failed=True)
    except Exception as exc:  # the answer must not be lost: the control node waits for it
        return {"failed": True, "msg": "The change could not be confirmed: %s: %s" % (type(exc).__name__, exc)}


def _leave(identity: str, answer: t.Mapping[str, t.Any]) -> None:
    path = answer_path(identity)
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(json.dumps(answer, sort_keys=True) + "\n")
    os.replace(path + ".new", path)


def forget_answers() -> None:
    """Remove answers that a killed process left."""
    try:
        names = [name for name in os.listdir(state_root()) if name.startswith("answer-")]
    except OSError:
        return
    for name in names:
        try:
            os.unlink(os.path.join(state_root(), name))
        except OSError:
            pass
