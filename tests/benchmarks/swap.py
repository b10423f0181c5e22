# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces a policy again and again while packets arrive as fast as a CPU can send them, and counts those that the swap let slip.

A small C program sends UDP datagrams, each second one to a port that every policy denies and each other one to a port that every policy
allows, from one network namespace to another over a cable between them. A denied packet has leaked when the kernel of the receiver looked
for a socket for it; a permitted one is lost when it arrived and came to no socket. Before each measurement the policy is taken away and
put back a few times: a measurement that sees no leak then is blind and counts as missed.

Touches only namespaces that it makes and ends; needs root, gcc, taskset and the tools of the backend.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from two_hosts import HOST_V4, TwoHosts, two_hosts  # noqa: E402

KINDS = ("nftables", "iptables-nft", "iptables-legacy")
LAYOUTS = ("rules", "compiled")
#: Packets for each port, swaps at least, and rules of each policy.
FULL = (5_000_000, 200, 200)
QUICK = (200_000, 10, 100)
DENIED, PERMITTED = 5001, 5002

_SENDER = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#define BATCH 64
int main(int count, char **words) {
    struct sockaddr_in targets[2] = {0};
    struct mmsghdr batch[BATCH] = {0};
    struct iovec body = {.iov_base = "holdfast", .iov_len = 8};
    int wire = socket(AF_INET, SOCK_DGRAM, 0);
    long left = atol(words[4]) * 2;
    for (int one = 0; one < 2; one++) {
        targets[one].sin_family = AF_INET;
        targets[one].sin_port = htons(atoi(words[2 + one]));
        inet_pton(AF_INET, words[1], &targets[one].sin_addr);
    }
    for (int one = 0; one < BATCH; one++) {
        batch[one].msg_hdr.msg_name = &targets[one % 2];
        batch[one].msg_hdr.msg_namelen = sizeof targets[0];
        batch[one].msg_hdr.msg_iov = &body;
        batch[one].msg_hdr.msg_iovlen = 1;
    }
    while (left > 0) {
        int start = 0;
        while (start < BATCH) {
            int sent = sendmmsg(wire, batch + start, BATCH - start, 0);
            if (sent > 0)
                start += sent;
        }
        left -= BATCH;
    }
    return 0;
}
"""
#: Takes what comes to the permitted port; what does not fit into its buffer came to it as well, and the kernel counts it.
_RECEIVER = (
    """
import select, socket, sys
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("", %d))
door.setblocking(False)
sys.stdout.write("ready\\n")
sys.stdout.flush()
while not select.select([sys.stdin], [], [], 0.05)[0]:
    try:
        while True:
            door.recv(64)
    except BlockingIOError:
        pass
try:
    while True:
        door.recv(64)
except BlockingIOError:
    pass
"""
    % PERMITTED
)


class Result(t.NamedTuple):
    """What one measurement counted."""

    swaps: int
    denied: int
    leaked: int
    permitted: int
    lost: int
    seconds: float


def measure(quick: bool = False, kinds: t.Sequence[str] = KINDS, layouts: t.Sequence[str] = LAYOUTS) -> int:
    """Measure each kind of firewall in each layout, print what leaked and what was lost, and return for how many that was anything."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-swap-") as folder:
        _link_collection(Path(folder))
        for kind in kinds:
            reason = _not_possible(kind)
            if reason:
                print("%-16s skipped: %s" % (kind, reason))
                continue
            sender = _built_sender(Path(folder))
            for layout in layouts:
                missed += _measure(kind, layout, sender, Path(folder), QUICK if quick else FULL)
    return missed


def _measure(kind: str, layout: str, sender: str, folder: Path, sizes: t.Tuple[int, int, int]) -> int:
    packets, swaps, rules = sizes
    with two_hosts() as pair:
        host = _host(pair, kind, folder)
        policies = [_policy(rules, turn) for turn in range(2)]
        _enforce(kind, host, policies[0], layout)
        control = _count(
            pair, sender, max(packets // 20, 20_000), 3, lambda turn: _enforce(kind, host, None if turn % 2 else policies[0], layout)
        )
        _enforce(kind, host, policies[0], layout)
        found = _count(pair, sender, packets, swaps, lambda turn: _enforce(kind, host, policies[turn % 2], layout))
    blind = control.leaked == 0
    print(
        "%-16s %-8s %5d swaps in %5.1f s: %9d denied packets, %d leaked; %9d permitted packets, %d lost%s"
        % (kind, layout, found.swaps, found.seconds, found.denied, found.leaked, found.permitted, found.lost, " (blind!)" if blind else ""),
        flush=True,
    )
    return 1 if blind or found.leaked or found.lost else 0


def _count(pair: TwoHosts, sender: str, packets: int, swaps: int, swap: t.Callable[[int], None]) -> Result:
    """Swap while packets arrive, until there were enough of both."""
    sent = done = 0
    with _receiving(pair) as counters:
        before = counters()
        started = time.monotonic()
        while sent < packets or done < swaps:
            pinned = ["ip", "netns", "exec", pair.sender, "taskset", "-c", str((os.cpu_count() or 1) - 1)]
            blast = subprocess.Popen([*pinned, sender, HOST_V4, str(DENIED), str(PERMITTED), str(packets)])
            try:
                while blast.poll() is None:
                    done += 1
                    swap(done)
            finally:
                blast.kill()
                blast.wait()
            sent += packets
        seconds = time.monotonic() - started
        after = counters()
    arrived, leaked, passed = (after[one] - before[one] for one in ("arrived", "refused", "taken"))
    # The cable and the sender's batches: what arrived is what was judged, in equal parts.
    return Result(done, arrived - arrived // 2, leaked, arrived // 2, arrived // 2 - passed, seconds)


@contextlib.contextmanager
def _receiving(pair: TwoHosts) -> t.Iterator[t.Callable[[], t.Dict[str, int]]]:
    """Hold the permitted port open; gives what reads the counters once the sender is silent."""
    receivers: t.List[subprocess.Popen[str]] = []

    def start() -> None:
        one = subprocess.Popen(
            ["ip", "netns", "exec", pair.host, sys.executable, "-c", _RECEIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        receivers.append(one)
        assert one.stdout is not None and one.stdout.readline() == "ready\n"

    def stop() -> None:
        for one in receivers:
            one.communicate("\n")
        receivers.clear()

    def counters() -> t.Dict[str, int]:
        stop()
        rows = [line.split() for line in pair.run(pair.host, "cat", "/proc/net/snmp").splitlines()]
        found = {name.rstrip(":") + word: int(value) for names, values in zip(rows[::2], rows[1::2]) for name, word, value in
                 ((names[0], *pair) for pair in zip(names[1:], values[1:]))}  # fmt: skip
        start()
        return {
            "arrived": found["IpInReceives"], "refused": found["UdpNoPorts"], "taken": found["UdpInDatagrams"] + found["UdpRcvbufErrors"],
        }  # fmt: skip

    start()
    try:
        yield counters
    finally:
        stop()


def _policy(rules: int, turn: int) -> t.Any:
    """Return one of two policies that share few rules; both decide the same about the two ports."""
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy

    listed = [
        {"action": "deny" if number % 3 else "allow", "protocol": "udp", "port": 10000 + 7 * number + turn,
         "source": "198.51.%d.0/24" % (number % 256)}
        for number in range(rules)
    ]  # fmt: skip
    deciding = [{"action": "deny", "protocol": "udp", "port": DENIED}, {"action": "allow", "protocol": "udp", "port": PERMITTED}]
    document = {"rules": listed[: rules // 4] + deciding + listed[rules // 4 :], "defaults": {"out": "allow", "forward": "unmanaged"}}
    return with_guard(parse_policy(document), Management(ssh_ports=(22,)))


def _enforce(kind: str, host: t.Any, policy: t.Any, layout: str) -> None:
    from ansible_collections.holdfast.firewall.plugins.module_utils.backends.registry import make_backend

    backend = make_backend(kind.partition("-")[0], host)
    backend.apply(backend.plan_policy(backend.read(), policy, layout))


def _host(pair: TwoHosts, kind: str, folder: Path) -> t.Any:
    """Return the receiving namespace as a host with one variant of iptables."""
    from ansible_collections.holdfast.firewall.plugins.module_utils.host import PATH, LocalHost

    programs = folder / kind
    programs.mkdir(exist_ok=True)
    variant = kind.partition("-")[2]
    for tool in ("iptables", "ip6tables"):
        for job in ("", "-save", "-restore") if variant else ():
            with contextlib.suppress(FileExistsError):
                (programs / (tool + job)).symlink_to(str(shutil.which("xtables-%s-multi" % variant)))

    class Namespace(LocalHost):
        """Commands run in the namespace; files of this machine are neither read nor written."""

        def run(self, argv: t.Sequence[str], stdin: t.Optional[str] = None, timeout: float = 60.0) -> Result:
            inside = ["ip", "netns", "exec", pair.host, "env", "PATH=%s:%s" % (programs, PATH)]
            return super().run([*inside, *argv], stdin, timeout)

        def read(self, path: str) -> t.Optional[str]:
            return super().read(path) if path == "/etc/protocols" else None

        def write(self, path: str, text: str, mode: int = 0o600) -> None:
            raise RuntimeError("a benchmark writes no files")

    return Namespace()


def _not_possible(kind: str) -> t.Optional[str]:
    if os.geteuid() != 0:
        return "needs root"
    tools = (
        ["gcc", "ip", "taskset", "nft"]
        if kind == "nftables"
        else ["gcc", "ip", "taskset", "ipset", "xtables-%s-multi" % kind.partition("-")[2]]
    )
    missing = [one for one in tools if shutil.which(one) is None]
    return "%s is not installed" % missing[0] if missing else None


def _built_sender(folder: Path) -> str:
    program = folder / "sender"
    if not program.exists():
        subprocess.run(["gcc", "-O2", "-x", "c", "-o", str(program), "-"], input=_SENDER, text=True, check=True)
    return str(program)


def _link_collection(folder: Path) -> None:
    """Let this checkout be imported as the collection that it is, whatever its folder is called."""
    namespace = folder / "ansible_collections" / "holdfast"
    namespace.mkdir(parents=True)
    (namespace / "firewall").symlink_to(HERE.parents[1], target_is_directory=True)
    for package in (namespace.parent, namespace):
        (package / "__init__.py").touch()
    sys.path.insert(0, str(folder))


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="%d packets and %d swaps instead of %d and %d" % (*QUICK[:2], *FULL[:2]))
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--layout", action="append", choices=LAYOUTS)
    options = parser.parse_args()
    return 1 if measure(options.quick, options.kind or KINDS, options.layout or LAYOUTS) else 0


if __name__ == "__main__":
    sys.exit(main())
