# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One side of the packet tests: sends probes, answers those of other sides, and says which packets arrived.

Runs as a program of its own in a network namespace (standard library only, Python 3.8). It takes one JSON object a line from standard
input and answers each with one line. Raw sockets get their copy of a packet after the input hook of the firewall, whether or not a
program listens on its port: what they see is exactly what the firewall let in.

Every probe has a token, a number that no other probe has: its source port, echo identifier, or the first two bytes of its payload.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import socket
import struct
import sys
import typing as t

TCP, UDP, ICMP, ICMPV6, SCTP, TRIAL = 6, 17, 1, 58, 132, 253
#: Tokens are at least this; ports that are listened on are below.
FIRST_TOKEN = 20000
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
HEADER = 8


class Agent:
    """The sockets of one side and the packets they have seen since the last question."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.seen: t.List[t.Tuple[str, int, str, str]] = []
        self.probes: t.Dict[int, socket.socket] = {}
        self.accepted: t.Dict[int, socket.socket] = {}
        for family, protocols in ((4, (TCP, UDP, ICMP, SCTP, TRIAL)), (6, (TCP, UDP, ICMPV6, SCTP, TRIAL))):
            for protocol in protocols:
                self._observe(family, protocol)

    # -- what may be asked

    def listen(self, addresses: t.List[str], ports: t.List[int]) -> None:
        """Accept TCP connections on the ports, and answer UDP datagrams to these addresses from the address they were sent to."""
        for port in ports:
            server = socket.socket(socket.AF_INET6)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind(("::", port))
            server.listen(1024)
            self._watch(server, self._accept)
            for address in addresses:
                echo = socket.socket(FAMILIES[6 if ":" in address else 4], socket.SOCK_DGRAM)
                echo.bind((address, port))
                self._watch(echo, self._echo)

    def send(self, probes: t.List[t.Dict[str, t.Any]]) -> t.Dict[int, str]:
        """Send the first packet of each probe, in order; returns the tokens of those that the kernel refused to send, with its reason."""
        refused = {}
        for probe in probes:
            try:
                self._send(**probe)
            except OSError as error:
                refused[probe["token"]] = errno.errorcode.get(error.errno or 0, str(error))
        return refused

    def collect(self) -> t.List[t.Tuple[str, int, str, str]]:
        """Return (what, token, source, destination) of the packets that arrived since the last time."""
        seen, self.seen = self.seen, []
        return seen

    def close(self) -> None:
        """Close the sockets of all probes and connections."""
        for one in [*self.probes.values(), *self.accepted.values()]:
            self._close(one)
        self.probes, self.accepted, self.seen = {}, {}, []

    def open(self, token: int, source: str, destination: str, port: int) -> None:
        """Open a TCP connection that stays."""
        flow = socket.socket(FAMILIES[6 if ":" in source else 4])
        flow.bind((source, token))
        flow.settimeout(2)
        flow.connect((destination, port))
        flow.setblocking(False)
        self.probes[token] = flow

    def talk(self, tokens: t.List[int]) -> None:
        """Send a byte over each connection, from whichever end this is."""
        for token in tokens:
            try:
                (self.probes.get(token) or self.accepted[token]).send(b"x")
            except OSError:
                pass  # what does not arrive is not seen

    # -- inside

    def _observe(self, family: int, protocol: int) -> None:
        raw = socket.socket(FAMILIES[family], socket.SOCK_RAW, protocol)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if family == 6:
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        self._watch(raw, lambda one: self._note(one, family, protocol))

    def _note(self, raw: socket.socket, family: int, protocol: int) -> None:
        if family == 4:
            packet, sender = raw.recvfrom(65535)
            source, destination = sender[0], socket.inet_ntop(socket.AF_INET, packet[16:20])
            payload = packet[(packet[0] & 15) * 4 :]
        else:
            payload, ancillary, _flags, sender = raw.recvmsg(65535, 512)
            source = sender[0].partition("%")[0]
            info = next(data for level, kind, data in ancillary if kind == socket.IPV6_PKTINFO)
            destination = socket.inet_ntop(socket.AF_INET6, info[:16])
        what, token = describe(protocol, payload)
        if token >= FIRST_TOKEN:
            self.seen.append((what, token, source, destination))

    def _accept(self, server: socket.socket) -> None:
        accepted, peer = server.accept()
        accepted.setblocking(False)
        self.accepted[peer[1]] = accepted

    @staticmethod
    def _echo(echo: socket.socket) -> None:
        data, peer = echo.recvfrom(2048)
        try:
            echo.sendto(data, peer)
        except PermissionError:
            pass  # the firewall drops it on its way out

    def _send(self, token: int, protocol: int, source: str, destination: str, port: int) -> None:
        family = FAMILIES[6 if ":" in source else 4]
        if protocol in (TCP, UDP):
            one = socket.socket(family, socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM)
            self.probes[token] = one
            one.setblocking(False)
            one.bind((source, token))
            if protocol == TCP:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                try:
                    one.connect((destination, port))
                except BlockingIOError:
                    pass
            else:
                one.connect((destination, port))
                one.send(b"probe")
            return
        one = socket.socket(family, socket.SOCK_RAW, protocol)
        self.probes[token] = one
        one.bind((source, 0))
        if protocol == TRIAL and ":" in source:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 2)
        one.sendto(first_packet(protocol, token, port), (destination, 0))

    def _watch(self, one: socket.socket, handle: t.Callable[[socket.socket], None]) -> None:
        one.setblocking(False)
        self.selector.register(one, selectors.EVENT_READ, handle)

    @staticmethod
    def _close(one: socket.socket) -> None:
        if one.type == socket.SOCK_STREAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()

    def drain(self, timeout: t.Optional[float]) -> bool:
        """Handle what is there; returns whether standard input is readable."""
        asked = False
        for key, _events in self.selector.select(timeout):
            if key.data is None:
                asked = True
                continue
            while True:
                try:
                    key.data(key.fileobj)
                except BlockingIOError:
                    break
                except OSError:
                    break  # an ICMP error that the kernel hands to a socket
        return asked


def describe(protocol: int, packet: bytes) -> t.Tuple[str, int]:
    """Return what a packet is and its token (0 when it has none), from its transport header on."""
    if protocol == TRIAL:
        return "request", struct.unpack("!H", packet[:2])[0]
    if protocol in (ICMP, ICMPV6):
        return _describe_icmp(protocol, packet)
    source_port, port = struct.unpack("!HH", packet[:4])
    token = max(source_port, port)
    outward = source_port == token
    if protocol == TCP:
        flags = packet[13]
        if flags & 4:
            return "reset", token
        if flags & 2:
            return ("answer" if flags & 16 else "request"), token
        if len(packet) > (packet[12] >> 4) * 4:
            return ("data" if outward else "data back"), token
        return "other", token
    if protocol == UDP and packet[HEADER:] == b"x":
        return ("data" if outward else "data back"), token
    return ("request" if outward else "answer"), token


def _describe_icmp(protocol: int, packet: bytes) -> t.Tuple[str, int]:
    kind, code = packet[0], packet[1]
    echo, answer, port_unreachable = (8, 0, (3, 3)) if protocol == ICMP else (128, 129, (1, 4))
    if kind in (echo, answer):
        return ("request" if kind == echo else "answer"), struct.unpack("!H", packet[4:6])[0]
    inner = packet[HEADER:]
    if len(inner) < 24 or kind >= 128 or (protocol == ICMP and kind not in (3, 11, 12)):
        return "other", 0
    if inner[0] >> 4 == 4:
        inside, inner = inner[9], inner[(inner[0] & 15) * 4 :]
    else:
        inside, inner = inner[6], inner[40:]
    what = "unreachable" if (kind, code) == port_unreachable else "error %d/%d" % (kind, code)
    if inside in (ICMP, ICMPV6) and len(inner) >= HEADER:
        return what, struct.unpack("!H", inner[4:6])[0]
    if inside == TRIAL:
        return what, struct.unpack("!H", inner[:2])[0]
    return what, max(struct.unpack("!HH", inner[:4]))


def first_packet(protocol: int, token: int, port: int) -> bytes:
    """Return the first packet of a conversation, from its transport header on; the kernel adds the rest."""
    if protocol == ICMP:
        head = struct.pack("!BBHHH", 8, 0, 0, token, 1)
        return struct.pack("!BBHHH", 8, 0, internet_checksum(head), token, 1)
    if protocol == ICMPV6:
        return struct.pack("!BBHHH", 128, 0, 0, token, 1)
    if protocol == SCTP:
        # RFC 9260: an INIT chunk of 20 bytes; the checksum is CRC32c, least significant byte first.
        chunk = struct.pack("!BBHIIHHI", 1, 0, 20, token, 65536, 1, 1, 1)
        head = struct.pack("!HHI", token, port, 0)
        return head + struct.pack("<I", crc32c(head + b"\0\0\0\0" + chunk)) + chunk
    # A firewall answers with an ICMP error only where the checksum is right: that of the whole payload for protocols it does not know.
    # Over IPv6 the kernel puts it in.
    return struct.pack("!HH", token, internet_checksum(struct.pack("!HH", token, 0)))


def internet_checksum(data: bytes) -> int:
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _bit in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def main() -> None:
    """Answer until standard input ends."""
    agent = Agent()
    agent.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
    waiting = b""
    while True:
        if not agent.drain(None):
            continue
        chunk = os.read(sys.stdin.fileno(), 1 << 20)
        if not chunk:
            return
        *lines, waiting = (waiting + chunk).split(b"\n")
        for line in lines:
            question = json.loads(line)
            try:
                agent.drain(0)
                answer: t.Dict[str, t.Any] = {"answer": getattr(agent, question.pop("do"))(**question)}
            except Exception as error:
                answer = {"error": "%s: %s" % (type(error).__name__, error)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
