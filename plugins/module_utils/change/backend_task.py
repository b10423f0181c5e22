# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``backend`` on the target: install a firewall, switch it on or off, load it anew, or tell how it is.

Touches the host through the backend, ``begin`` and the package manager; check mode and ``status`` change nothing. A package is installed
before anything is armed, and in a way in which it neither opens nor closes anything.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..backends.base import MANAGEMENT, Backend, Command, Transaction
from ..backends.detect import PROGRAMS, Detection, expected_front_end, front_ends
from ..backends.registry import make_backend
from ..backends.ruleset import Ruleset
from ..backends.switched_off import switched_off
from ..host import Host
from ..policy.backend_request import BackendRequest
from ..policy.errors import HoldfastError
from ..policy.ports import PortRange
from ..policy.protocols import TCP
from ..policy.rule import Rule
from .backend_status import sentence, status_of
from .engine import Engine
from .management import Management
from .told_change import live_diff, told_commands

Fields = t.Dict[str, t.Any]

#: Seconds that a package manager may take.
INSTALL_PATIENCE = 900.0
#: Backends of which a host may have any; other systems have what they have.
ON_LINUX = ("ufw", "firewalld", "nftables", "iptables")
#: Those that own the rules of a host, so that another one beside them is refused.
FRONT_ENDS = ("ufw", "firewalld")
_DONE = {"enabled": "enabled", "disabled": "disabled", "restarted": "restarted"}


def run_backend(host: Host, request: BackendRequest, check_mode: bool = False, engine: t.Optional[Engine] = None) -> Fields:
    """Carry out one task and return its result; a result with ``pending`` is applied but not confirmed.

    :raises HoldfastError: for everything that ends the task with a message.
    """
    engine = engine or Engine(host)
    detection = _choose(engine, request)
    backend = detection.backend
    result: Fields = {
        "changed": False, "backend": backend.NAME, "detection": detection.as_dict(), "commands": [], "installed": False,
        "kept_open": [],
    }  # fmt: skip
    missing = _missing(host, backend)
    if request.state == "status":
        return _tell(engine, backend, missing, result)
    if missing and request.state == "disabled":
        result["msg"] = "%s is not installed, so there is nothing to disable" % backend.NAME
        return result
    _refuse_beside_front_ends(engine.host, backend, request.state)
    engine.require_rights("Switching %s" % backend.NAME, backend.NAME)
    if not check_mode:
        engine.settle_leftovers()
        engine.refuse_beside_pending()
    if missing:
        if not request.install:
            raise HoldfastError(
                "%s is not installed on this host (%s is missing); add install: true" % (backend.NAME, PROGRAMS[backend.NAME]),
                backend=backend.NAME,
            )
        commands = backend.install_commands()
        if check_mode:
            result.update(changed=True, installed=True, commands=[one.shown() for one in commands])
            result["msg"] = "%s would be installed, then %s" % (backend.NAME, _DONE[request.state])
            return result
        _install(host, backend, commands)
        result.update(changed=True, installed=True, commands=[one.shown() for one in commands])
        backend = make_backend(backend.NAME, host)
    return _switch(engine, backend, request, check_mode, result)


def _switch(engine: Engine, backend: Backend, request: BackendRequest, check_mode: bool, result: Fields) -> Fields:
    ruleset = backend.read()
    before = status_of(backend, ruleset)
    management = engine.find_management(request.words.agent_ports)
    transaction = backend.plan_switch(ruleset, request.state, [management_rule(management)])
    said = "%s was installed; it" % backend.NAME if result["installed"] else backend.NAME
    if not transaction.commands:
        result["msg"] = "%s %s" % (said, _why_nothing(backend, request.state, before))
        result["status"] = before
        return result
    result.update(changed=True, commands=[*result["commands"], *told_commands(transaction)], status=before)
    if transaction.after != ruleset.listing:
        result["diff"] = live_diff(backend, ruleset, transaction)
    if request.state != "disabled":
        result["kept_open"] = ["%d/tcp" % port for port in sorted({*management.ssh_ports, *management.agent_ports})]
    result["msg"] = "%s %s %s" % (said, "would be" if check_mode else "is", _DONE[request.state])
    if check_mode:
        backend.validate(transaction)
        return result
    result["pending"] = _begin(engine, backend, ruleset, transaction, request)
    return result


def _begin(engine: Engine, backend: Backend, ruleset: Ruleset, transaction: Transaction, request: BackendRequest) -> Fields:
    facts = dict(transaction.persist, switch=request.state)
    words = request.words
    return engine.begin(backend, ruleset, replace(transaction, persist=facts), words.confirm_within, words.attended)


def management_rule(management: Management) -> Rule:
    """Return the rule that lets administrators in, by the ports that are really in use."""
    ports = tuple(PortRange(port, port) for port in sorted({*management.ssh_ports, *management.agent_ports}))
    return Rule("allow", "in", protocol=TCP, ports=ports, stateful=True, comment=MANAGEMENT)


def _choose(engine: Engine, request: BackendRequest) -> Detection:
    """Return the firewall that the task is about.

    Where none decides yet and one may be installed, it is the one that the distribution's administrators expect.
    """
    host, wanted = engine.host, request.words.backend
    if wanted != "auto" or not request.install:
        return engine.detect(wanted)
    saw: t.Tuple[str, ...] = ()
    try:
        found = engine.detect(wanted)
        if found.decides or found.backend.NAME not in ON_LINUX or switched_off(host) == found.backend.NAME:
            return found
        saw = found.saw
    except HoldfastError as exc:
        if "active" in exc.as_failure().get("detection", {}):
            raise  # two front ends
    name = expected_front_end(host) or "nftables"
    return Detection(make_backend(name, host), saw, "no firewall holds rules yet, and %s is the usual one on this system" % name, False)


def _missing(host: Host, backend: Backend) -> bool:
    program = PROGRAMS.get(backend.NAME)
    return program is not None and host.which(program) is None


def _refuse_beside_front_ends(host: Host, backend: Backend, state: str) -> None:
    """Refuse to switch a firewall while another front end is active: it owns the rules, or would overwrite them.

    A front end may always be switched off: that is the way out of two of them.

    :raises HoldfastError: with both named.
    """
    active = front_ends(host)
    names = [name for name, _sign in active]
    others = ["%s (%s)" % pair for pair in active if pair[0] != backend.NAME]
    if not others or (state == "disabled" and backend.NAME in FRONT_ENDS):
        return
    raise HoldfastError(
        "%s is active on this host, so %s is not %s beside it: both would write the same rules. Switch off the one that is not wanted "
        "first (holdfast.firewall.backend with backend: %s and state: disabled)"
        % (" and ".join(others), backend.NAME, _DONE[state], names[0] if names[0] != backend.NAME else names[-1]),
        backend=backend.NAME, detection={"active": names},
    )  # fmt: skip


def _install(host: Host, backend: Backend, commands: t.Sequence[Command]) -> None:
    for command in commands:
        done = host.run(command.argv, command.stdin, timeout=INSTALL_PATIENCE)
        if not done.ok:
            said = " / ".join(dict.fromkeys(line.strip() for line in (done.err.strip() or done.out).splitlines() if line.strip()))
            raise HoldfastError(
                "%s could not be installed, so nothing was switched. The package manager ended with code %d and said: %s"
                % (backend.NAME, done.rc, said[-1000:] or "(nothing)"),
                backend=backend.NAME, commands=[command.shown()],
            )  # fmt: skip
    host.forget_programs()
    if _missing(host, backend):
        raise HoldfastError(
            "The package was installed, but %s is still not on this host. Nothing was switched" % PROGRAMS[backend.NAME],
            backend=backend.NAME,
        )


def _tell(engine: Engine, backend: Backend, missing: bool, result: Fields) -> Fields:
    """Return the facts of a firewall; without the rights to read its rules, as many as there are."""
    if missing:
        result.update(msg="%s is not installed" % backend.NAME, status={"enabled": False, "installed": False})
        return result
    engine.require_rights("Reading %s rules" % backend.NAME, backend.NAME)
    facts = dict(status_of(backend, backend.read()), installed=True)
    owner = [name for name, _sign in front_ends(engine.host)]
    facts["owner"] = owner[0] if owner else backend.NAME
    facts["waiting"] = engine.waiting()
    result.update(msg=sentence(backend.NAME, facts), status=facts)
    return result


def _why_nothing(backend: Backend, state: str, facts: t.Mapping[str, t.Any]) -> str:
    if state == "disabled":
        return "is disabled already"
    if facts["enabled"]:
        return "is enabled already"
    return "has no saved rules, so there is nothing to load: add rules with holdfast.firewall.rule or holdfast.firewall.policy"
