# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether, and in which networks, rules of the host decide: its service, the switches of the profiles, and group policies.

Touches the host with ``sc query mpssvc`` only.
"""

from __future__ import annotations

import re
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.scope import PROFILES
from .native_rule import NativeRule
from .state import State

#: The service of Windows Defender Firewall. Who disabled it in the registry has all rules there, and none of them decides.
_STOPPED = "the service of Windows Defender Firewall (mpssvc) does not run on this host, so its rules decide nothing"


def service_runs(host: Host, state: t.Optional[State] = None) -> bool:
    """Return whether the service runs, which the registry does not tell; what does not answer counts as running.

    It is asked once for a state that was read, since each question is a call over the network.
    """
    if state is not None and state.runs is not None:
        return state.runs
    answer = host.run(["sc", "query", "mpssvc"])
    # The number is the same in every language: 4 is running. That of the kind of service has two digits.
    found = re.search(r":\s*([1-7])\s", answer.out) if answer.ok else None
    runs = found is None or found[1] == "4"
    if state is not None:
        state.runs = runs
    return runs


def stopped(host: Host, state: t.Optional[State] = None) -> t.Optional[str]:
    """Return the sentence for a host whose firewall does not run; else None."""
    return None if service_runs(host, state) else _STOPPED


def refuse_stopped(host: Host, state: State) -> None:
    """Refuse to change, or to call in force, what a service that does not run ignores.

    :raises HoldfastError: in that case.
    """
    if not service_runs(host, state):
        raise HoldfastError(
            "%s, and nothing was changed. Start that service; where it was disabled in the registry (Start below "
            "HKLM\\SYSTEM\\CurrentControlSet\\Services\\mpssvc), set that to 2 and restart the host" % (_STOPPED[0].upper() + _STOPPED[1:])
        )


def refuse_idle(state: State, new: t.Sequence[NativeRule] = ()) -> None:
    """Refuse to add rules that decide nothing.

    :raises HoldfastError: when in every profile that they are for it is off, or a group policy has the rules of the host ignored.
    """
    refuse_ignored(state)
    if state.profiles and not any(one.on for one in state.profiles.values()):
        raise HoldfastError(
            "Windows Defender Firewall is switched off on this host, so a rule would decide nothing. Enable it with "
            "holdfast.firewall.backend"
        )
    idle = {**_off(state), **_ignored(state)}
    for one in new:
        if one.enabled and one.profiles and set(one.profiles) <= set(idle):
            raise HoldfastError("This rule would decide nothing: %s" % "; ".join(dict.fromkeys(idle[name] for name in one.profiles)))


def refuse_ignored(state: State) -> None:
    """Refuse rules where none of the host counts.

    :raises HoldfastError: in that case.
    """
    if state.profiles and not any(one.local_rules for one in state.profiles.values()):
        raise HoldfastError(
            "A group policy of this host says that the rules of the host itself do not count (AllowLocalPolicyMerge is 0). "
            "Write the rules in the group policy, or let it merge them"
        )


def idle_places(state: State) -> t.List[str]:
    """Return in sentences in which profiles rules of the host decide nothing, where that is so in some."""
    return [*dict.fromkeys({**_off(state), **_ignored(state)}.values()), *_excluded(state)]


def ignored_places(state: State) -> t.List[str]:
    """Return the same but for profiles that are off: a policy switches them on itself."""
    return [*dict.fromkeys(_ignored(state).values()), *_excluded(state)]


def _off(state: State) -> t.Dict[str, str]:
    off = [name for name in PROFILES if name in state.profiles and not state.profiles[name].on]
    return dict.fromkeys(off, "the firewall is switched off in networks of the profile %s" % " and ".join(off))


def _ignored(state: State) -> t.Dict[str, str]:
    names = [name for name in PROFILES if name in state.profiles and not state.profiles[name].local_rules]
    words = "a group policy (AllowLocalPolicyMerge) has the rules of the host itself ignored in networks of the profile %s"
    return dict.fromkeys(names, words % " and ".join(names))


def _excluded(state: State) -> t.List[str]:
    names = [name for name in PROFILES if name in state.profiles and state.profiles[name].excluded]
    words = "the firewall leaves some interfaces of the host alone in networks of the profile %s (DisabledInterfaceAliases)"
    return [words % " and ".join(names)] if names else []
