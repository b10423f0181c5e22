# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of this collection for a Windows host: run on the control node, where modules run on other hosts.

Touches the host only through ``RemoteHost``; what renders, parses and compares documents does not connect at all.
"""

from __future__ import annotations

import ipaddress
import socket
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_request import parse_analyze_request
from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_task import run_analyze
from ansible_collections.holdfast.firewall.plugins.module_utils.change.backend_task import run_backend
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_task import run_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.change.role_task import run_roles
from ansible_collections.holdfast.firewall.plugins.module_utils.change.rule_task import run_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows import confirm as changes
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows.engine import Reached, WindowsEngine
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.backend_request import parse_backend_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy_request import parse_policy_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import parse_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.role_request import parse_role_request
from ansible_collections.holdfast.firewall.plugins.plugin_utils.remote_host import RemoteHost

Result = t.Dict[str, t.Any]

#: What winrm and psrp work with.
LIBRARIES = ("winrm", "pypsrp", "psrpcore", "requests", "requests_ntlm", "requests_credssp", "urllib3", "spnego", "http", "httpcore")
#: The states of ``policy`` that need no host.
PLANNED = ("rendered", "parsed")


class WindowsTask:
    """One task; each public method is one module, and returns its result, also where it failed."""

    def __init__(self, connection: t.Any, check_mode: bool, diff_mode: bool) -> None:
        self._connection = connection
        self._host = RemoteHost(connection)
        self._check_mode = check_mode
        self._diff_mode = diff_mode
        self._seen_applied: t.Optional[str] = None

    def change(self, module: str, args: t.Mapping[str, t.Any]) -> Result:
        """Run the task of a module that changes rules, by its full name."""
        tasks = {"rule": self._rule, "policy": self._policy, "role_ports": self._role_ports, "backend": self._backend}
        return _told(lambda: tasks[module.rpartition(".")[2]](args))

    def analyze(self, args: t.Mapping[str, t.Any]) -> Result:
        """Run ``analyze``."""
        return _told(lambda: run_analyze(self._host, parse_analyze_request(args), self._engine(False)))

    def confirm(self, args: t.Mapping[str, t.Any]) -> Result:
        """Run ``confirm`` over the connection as it is now."""
        return _told(lambda: self._confirm(args.get("change"), str(args.get("state", "confirmed")).strip().lower()))

    def prove(self, args: t.Mapping[str, t.Any]) -> Result:
        """Confirm over the connection as it is now, where that was opened after an earlier one had shown that the change is in force."""
        if "state" in args:
            return self.confirm(args)
        identity = args.get("change")
        if self._seen_applied != identity or identity is None:
            applied = changes.is_applied(self._host, identity)
            if applied is not None:
                # A connection that was open before proves nothing, so this one only looks.
                self._seen_applied = identity if applied else None
                return {"too_early": True, "change": identity, "changed": False}
        return self.confirm(args)

    def is_applied(self, identity: t.Optional[str]) -> t.Optional[bool]:
        """Return whether the pending change is in force; None when there is none, or the host refused it."""
        return changes.is_applied(self._host, identity)

    def _rule(self, args: t.Mapping[str, t.Any]) -> Result:
        request = parse_request(args)
        return run_rule(self._host, request, self._check_mode, self._engine(request.dry_run and request.state != "check"))

    def _policy(self, args: t.Mapping[str, t.Any]) -> Result:
        request = parse_policy_request(args)
        return run_policy(self._host, request, self._check_mode, self._diff_mode, self._engine(request.state in PLANNED))

    def _role_ports(self, args: t.Mapping[str, t.Any]) -> Result:
        return run_roles(self._host, parse_role_request(args), self._check_mode, self._engine(False))

    def _backend(self, args: t.Mapping[str, t.Any]) -> Result:
        return run_backend(self._host, parse_backend_request(args), self._check_mode, self._engine(False))

    def _confirm(self, identity: t.Optional[str], state: str) -> Result:
        if state == "status" or self._check_mode:
            return changes.inquire(self._host, identity)
        if not self._host.is_root():
            raise HoldfastError("Confirming and undoing a firewall change needs %s" % WindowsEngine.RIGHTS)
        return changes.undo(self._host, identity) if state == "restored" else changes.confirm(self._host, identity)

    def _engine(self, planned: bool) -> WindowsEngine:
        return WindowsEngine(self._host, _reached(self._connection), planned)


def _told(task: t.Callable[[], Result]) -> Result:
    """Run a task and return its result.

    :raises AnsibleConnectionFailure: also for what the libraries of a connection plugin raise, which the plugin lets through.
    """
    try:
        return task()
    except HoldfastError as exc:
        return dict(exc.as_failure(), failed=True, changed=False)
    except AnsibleError:
        raise
    except Exception as exc:
        if type(exc).__module__.partition(".")[0] not in LIBRARIES:
            raise
        words = " ".join(str(exc).split())[:300] or type(exc).__name__
        raise AnsibleConnectionFailure("The connection to the host broke: %s" % words) from exc


def _reached(connection: t.Any) -> Reached:
    """Return where the connection goes, as far as its options tell."""
    port = _option(connection, "port")
    if port is None and str(getattr(connection, "transport", "")).rpartition(".")[2] in ("ssh", "paramiko", "paramiko_ssh"):
        port = 22
    address = _option(connection, "host") or _option(connection, "remote_addr")
    return Reached(int(port) if port is not None else None, _own_address(address) if address is not None else None)


def _option(connection: t.Any, name: str) -> t.Any:
    try:
        return connection.get_option(name)
    except KeyError:  # this connection has no such option
        return None


def _own_address(towards: str) -> t.Optional[str]:
    """Return the address from which this machine would reach another; asks the routes, sends nothing."""
    try:
        address = ipaddress.ip_address(str(towards).strip("[]"))
    except ValueError:
        return None
    try:
        with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None
