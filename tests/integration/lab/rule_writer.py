# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies rules on a host through the product, one after another, without a connection in between.

Runs as a program of its own inside the host. It takes one JSON object a line from standard input and answers each with one line. Each
task runs in a process of its own, as a module does: the change comes into force when that process has ended.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import typing as t

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.registry import make_backend
from ansible_collections.holdfast.firewall.plugins.module_utils.change import begin
from ansible_collections.holdfast.firewall.plugins.module_utils.change.confirm import confirm
from ansible_collections.holdfast.firewall.plugins.module_utils.change.pending import state_root
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_record import forget_record
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_task import run_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.change.rule_task import run_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy_request import parse_policy_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import parse_request


def rule(words: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """Carry out one task of ``rule`` and confirm it; a refusal is a result with ``failed``."""
    return _confirmed(_in_own_process(lambda: run_rule(LocalHost(), parse_request(words))))


def policy(words: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """Carry out one task of ``policy`` and confirm it."""
    return _confirmed(_in_own_process(lambda: run_policy(LocalHost(), parse_policy_request(words))))


def forget_note() -> None:
    """Remove the note of which policy is in force, so that the live rules are compared one by one."""
    forget_record(LocalHost())


def _confirmed(result: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    if "pending" in result and not result.get("failed"):
        try:
            confirm(LocalHost(), result["pending"]["change"])
        except HoldfastError as exc:
            result.update(failed=True, **exc.as_failure())
    return result


def run(argv: t.List[str], text: str = "") -> str:
    """Run a program that must succeed; returns what it printed."""
    done = subprocess.run(argv, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        raise RuntimeError("%s ended with %d: %s" % (" ".join(argv), done.returncode, said))
    return said


def forget() -> None:
    """Remove what the product keeps on the host beside the live rules."""
    for folder in (state_root(), "/etc/holdfast"):
        shutil.rmtree(folder, ignore_errors=True)


def listing(backend: str) -> str:
    """Return the live rules as the backend lists them."""
    return make_backend(backend, LocalHost()).read().listing


def untrack() -> None:
    """Let the kernel forget all connections that it tracks (ctnetlink: IPCTNL_MSG_CT_DELETE without a tuple)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
        request, acknowledged, delete_connections = 1, 4, 1 << 8 | 2
        netlink.send(struct.pack("=IHHIIBBH", 20, delete_connections, request | acknowledged, 1, 0, 0, 0, 0))
        error = struct.unpack("=IHHIIi", netlink.recv(4096)[:20])[5]
    if error:
        raise OSError(-error, "tracked connections cannot be forgotten")


def _in_own_process(work: t.Callable[[], t.Dict[str, t.Any]]) -> t.Dict[str, t.Any]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        try:
            begin.SETTLE = 0.0  # there is no answer on its way over a connection
            result = work()
        except HoldfastError as exc:
            result = dict(exc.as_failure(), failed=True)
        except BaseException as exc:
            result = {"failed": True, "msg": "traceback: %s: %s" % (type(exc).__name__, exc)}
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    text = b""
    while True:
        chunk = os.read(reader, 1 << 16)
        if not chunk:
            break
        text += chunk
    os.close(reader)
    os.waitpid(child, 0)
    return json.loads(text) if text else {"failed": True, "msg": "the process of the task died"}


TASKS: t.Dict[str, t.Callable[..., t.Any]] = {
    "rule": rule, "policy": policy, "run": run, "forget": forget, "forget_note": forget_note, "untrack": untrack, "listing": listing,
}  # fmt: skip


def main() -> None:
    """Answer until standard input ends."""
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"answer": TASKS[question.pop("do")](**question)}
        except Exception as exc:
            answer = {"error": "%s: %s" % (type(exc).__name__, exc)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
