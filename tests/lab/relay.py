# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relays standard input and output to a TCP port: the ProxyCommand of connections that start outside of the lab's network namespace."""

from __future__ import annotations

import os
import select
import socket
import sys


def main() -> int:
    """``relay.py HOST PORT``"""
    address, port = sys.argv[1:3]
    try:
        peer = socket.create_connection((address, int(port)))
    except OSError as exc:
        sys.stderr.write("relay: %s port %s: %s\n" % (address, port, exc.strerror or exc))
        return 1
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sources = [sys.stdin.fileno(), peer.fileno()]
    while peer.fileno() in sources:
        for ready in select.select(sources, [], [])[0]:
            data = os.read(ready, 65536) if ready != peer.fileno() else peer.recv(65536)
            if not data:
                sources.remove(ready)
                if ready != peer.fileno():
                    peer.shutdown(socket.SHUT_WR)
            elif ready == peer.fileno():
                _write_all(data)
            else:
                peer.sendall(data)
    return 0


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]


if __name__ == "__main__":
    sys.exit(main())
