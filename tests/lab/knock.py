# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects to TCP ports of a host, all at once, and compares what comes of it with what is wanted.

    knock.py ADDRESS PORT=open|refused|silent...

A port is ``open`` where a connection comes about, ``refused`` where an answer says no, ``silent`` where none comes. What is not as wanted
is tried again for a few seconds, since whoever listens may still be starting. Ends with 1 where a port stays different, and says which.
"""

from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

#: Seconds without an answer that are silence.
SILENCE = 1.5
#: Seconds in which a port may still become what is wanted.
PATIENCE = 8.0


def knock(address: str, port: int) -> str:
    """Return what comes of a connection."""
    try:
        socket.create_connection((address, port), SILENCE).close()
    except socket.timeout:
        return "silent"
    except OSError:
        return "refused"
    return "open"


def settled(address: str, port: int, wanted: str) -> str:
    """Return what comes of a connection, once it is as wanted or the patience has ended."""
    until = time.monotonic() + PATIENCE
    found = knock(address, port)
    while found != wanted and time.monotonic() < until:
        time.sleep(0.3)
        found = knock(address, port)
    return found


def main(address: str, *words: str) -> int:
    """Knock at all ports and tell what came of it; return the status of the program."""
    wanted = [(int(port), word) for port, _equals, word in (one.partition("=") for one in words)]
    with ThreadPoolExecutor(max_workers=len(wanted) or 1) as pool:
        found = list(pool.map(lambda one: settled(address, *one), wanted))
    for (port, word), one in zip(wanted, found):
        print(f"{address} port {port}: {one}" + ("" if one == word else f", wanted {word}"))
    return 0 if found == [word for _port, word in wanted] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
