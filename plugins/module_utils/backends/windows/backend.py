# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows Defender Firewall: read from the registry, changed by one script of netsh.

Runs on the control node and touches the Windows host through ``host`` only, as follows.

Reading (never the text of ``netsh ... show``, which is in the language of the display):

* ``reg query HKLM\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy /s``: profiles and rules; must succeed,
* ``reg query HKLM\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall /s``: those of group policies; code 1 says that there are none,
* ``reg query HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters /v IPEnableRouter``: whether the host routes (policies only),
* ``sc query mpssvc``: whether the service runs, without which no rule decides.

Before a change, by whoever carries it out: ``export_commands(folder)``, which is ``netsh advfirewall export FOLDER\\before.wfw``. The
``script`` of the ``Snapshot`` is text for cmd.exe that imports this file from the folder ``%DIR%`` and ends with a code that tells success.
The snapshot has no other files, no paths, and is needed after a reboot too: what netsh does is on disk at once.

Changing: ``apply`` writes the script (``Command.stdin`` of the command) to SCRIPT with ``host.write`` and runs ``netsh -f SCRIPT``
without standard input. Rules that netsh cannot name are removed by the cmdlet Remove-NetFirewallRule, from a list in a file beside it.
netsh goes on after a line that it refuses, so ``apply`` then reads the registry again and compares it with ``Transaction.after``; whoever
runs the commands without ``apply`` has to do the same. ``persist`` writes nothing and runs nothing. SCRIPT
stays there, for people.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.protocols import ICMP_ERRORS
from ...policy.rule import Rule
from ...policy.scope import PROFILES
from ..base import Backend, Command, Sighting, Snapshot, Transaction, Unsupported
from ..ruleset import Chain, Edit, Entry, Ruleset
from .awake import idle_places, ignored_places, refuse_idle, refuse_ignored, refuse_stopped, service_runs, stopped
from .change import change
from .compile import Compiled
from .entries import allows_beside, is_of_windows, normalise, ruleset_of, single
from .naming import groups_of, is_ours, key_of
from .native_rule import NativeRule
from .netsh_line import add_line, parse_add_line
from .policy_text import parse_state, plan_of, render_text
from .regions import regions_of
from .removal import REMOVER, is_line
from .state import Profile, State, parse_listing, parse_registry
from .supported import is_implied, unsupported
from .whole_policy import before_policy, compiled_policy, managed_lines, policy_unsupported, remarks, wanted_profiles

#: The script that netsh runs.
SCRIPT = "C:\\ProgramData\\holdfast\\rules.netsh"
#: Further ones, and lists of identities of rules to remove; the number keeps them apart.
MORE_SCRIPTS, REMOVALS = "C:\\ProgramData\\holdfast\\rules-%d.netsh", "C:\\ProgramData\\holdfast\\rules-%d.names"
FIREWALL = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
POLICIES = "HKLM\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall"
ROUTING = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters"
_RESTORE = """\
netsh advfirewall import "%DIR%\\before.wfw"
if errorlevel 1 exit /b 1
exit /b 0
"""


def export_commands(folder: str) -> t.Tuple[Command, ...]:
    """Return what has to run, in order, to save the whole firewall into a folder of the target that exists."""
    return (Command(("netsh", "advfirewall", "export", folder + "\\before.wfw")),)


class Windows(Backend):
    """Windows Defender Firewall.

    One chain for what comes in and one for what goes out. Rules have no order on Windows: a block beats every allow. A chain lists the
    blocks first, so that its first match decides, and an ordered policy is compiled to rules for which that makes no difference (see
    ``compile``).

    What Windows does not distinguish:

    * It keeps the state of every connection, so stateful makes no difference (``normalise``), and known connections pass by themselves. So
      does loopback. These two rules of a guard need no rule of Windows.
    * A deny drops silently; there is no reject, limit or log for a rule, no interface by its name, no forwarding and no translation.
    * A log is a setting of a profile, and is of everything that is dropped (``remarks``); it has no text and no limit.
    * A single deny beats every allow, also narrower ones that are there already (DENY_WINS).
    * ICMP does not come in IPv6 and ICMPv6 not in IPv4, whatever the protocol number says.

    Rules of an administrator are told by their names: what has a resource for its name or group, or names a package, belongs to Windows
    or an app and is never changed. ``alone`` removes all others. Rules of a group policy cannot be changed here. Since there is no order,
    an allow of all of these also lets through what our policy denies by its default; what a rule of the policy denies is blocked as far
    as that takes few rules of Windows.
    """

    NAME = "windows"
    ACCEPT_IS_FINAL = False
    PERSISTS_AT_ONCE = True
    DENY_WINS = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._compiled: t.Optional[t.Tuple[Policy, t.Dict[str, Compiled]]] = None

    # -- pure ------------------------------------------------------------------------------------------------------------------

    def untracked_icmp(self, direction: str) -> t.Mapping[int, t.Tuple[int, ...]]:
        # Windows has rules of its own for these ("Core Networking"), which an administrator may have switched off.
        return ICMP_ERRORS if direction != "forward" else {}

    def unsupported(self, rule: Rule) -> t.Tuple[Unsupported, ...]:
        found = unsupported(rule)
        if not found and not regions_of(rule):
            return (Unsupported("source", ",".join(rule.source.words()), "no packet has such an address"),)
        return found

    def normalise(self, rule: Rule) -> Rule:
        return normalise(rule)

    def render(self, rule: Rule) -> t.Tuple[str, ...]:
        return tuple(add_line(one) for one in single(rule).natives)

    def parse(self, text: str) -> Ruleset:
        return ruleset_of(parse_listing(text))

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def sight(self) -> Sighting:
        answer = self.host.run(["reg", "query", FIREWALL, "/s"])
        if not answer.ok:
            return Sighting(self.NAME, False, False, "this is no Windows host, or its registry does not answer")
        profiles = parse_registry(answer.out).profiles
        on = [name for name in PROFILES if profiles[name].on]
        return Sighting(self.NAME, True, bool(on), "on for the profiles %s" % ", ".join(on) if on else "switched off")

    def read(self) -> Ruleset:
        return ruleset_of(self._state())

    def _state(self) -> State:
        answer = self.host.run(["reg", "query", FIREWALL, "/s"])
        if answer.rc == 127:  # there is no such program
            raise HoldfastError("reg is not on this host: only Windows has Windows Defender Firewall")
        if not answer.ok:
            said = (answer.err or answer.out).strip()[:500]
            raise HoldfastError("The rules of Windows Defender Firewall cannot be read from the registry: %s" % said)
        policies = self.host.run(["reg", "query", POLICIES, "/s"])
        return parse_registry(answer.out, policies.out if policies.ok else "")

    def status(self) -> t.Dict[str, t.Any]:
        state = self._state()
        return {
            "variant": "Windows Defender Firewall", "enabled": all(one.on for one in state.profiles.values()),
            "service_running": service_runs(self.host, state),
            "profiles": {
                name: {
                    "enabled": one.on, "inbound": one.inbound, "outbound": one.outbound, "logs_dropped": bool(one.logged),
                    "set_by_group_policy": sorted(one.fixed), "rules_of_the_host_count": one.local_rules,
                } for name, one in state.profiles.items()
            },
        }  # fmt: skip

    def home(self, ruleset: Ruleset, direction: str, family: int) -> Chain:
        for chain in ruleset.chains:
            if direction in chain.directions:
                return chain
        raise HoldfastError("Windows Defender Firewall does not filter packets that a host forwards")

    def match_native(self, ruleset: Ruleset, text: str, wanted: bool = True) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
        found: t.List[t.Tuple[Chain, t.Optional[Entry]]] = []
        for line in (line.strip() for line in text.splitlines()):
            if not line or line.startswith("#"):
                continue
            native = _native_of(line)
            chain = self.home(ruleset, native.direction, 4)
            state = _state_of(ruleset)
            same = [one for one in state.rules if one.source == "local" and one.enabled and one.unnamed() == native.unnamed()]
            same = [one for one in same if one.name == native.name] or [one for one in same if not is_of_windows(one)]
            entry = Entry((add_line(same[0]),), ref=(same[0],)) if same else None
            found.append((chain, entry))
        return found

    # -- changing --------------------------------------------------------------------------------------------------------------

    def plan(self, ruleset: Ruleset, edits: t.Sequence[Edit]) -> Transaction:
        gone: t.List[NativeRule] = []
        new: t.List[NativeRule] = []
        for edit in edits:
            if edit.remove is not None:
                if edit.rule is not None and edit.remove.ref and not is_ours(edit.remove.ref[0]):
                    continue  # an administrator's rule that says the same keeps its name
                if not edit.remove.ref:
                    raise HoldfastError(
                        "This rule belongs to Windows, an app, a group policy or the policy of this host, so it is not removed here: %s"
                        % edit.remove.native[0]
                    )
                # Another comment is for ours alone.
                gone += [one for one in edit.remove.ref if one not in gone and (edit.rule is None or is_ours(one))]
            if edit.rule is not None:
                new += [one for one in single(edit.rule).natives if one not in new]
            if edit.native is not None:
                new.append(_native_of(edit.native))
        if new:
            refuse_idle(_state_of(ruleset), new)
            refuse_stopped(self.host, _state_of(ruleset))
        return self._transaction(ruleset, [one for one in gone if one not in new], [one for one in new if one not in gone])

    def wake(self, ruleset: Ruleset) -> t.Optional[Transaction]:
        refuse_idle(_state_of(ruleset))
        return None

    def asleep(self, ruleset: Ruleset) -> t.Optional[str]:
        return stopped(self.host, _state_of(ruleset))

    def half_asleep(self, ruleset: Ruleset) -> t.Optional[str]:
        return "; ".join("%s, so there it decides nothing" % one for one in idle_places(_state_of(ruleset))) or None

    def plan_flush(self, ruleset: Ruleset, keep: t.Mapping[str, t.Sequence[Rule]]) -> Transaction:
        state = _state_of(ruleset)
        kept = [rule for rules in keep.values() for rule in rules if not is_implied(rule) and not rule.reply]
        new = [one for rule in kept for one in single(rule).natives]
        gone = [one for one in state.rules if _is_removable(one)]
        managed = any(is_ours(one) and key_of(one) for one in gone)
        profiles = wanted_profiles(state, {}, before_policy(state)) if managed else None
        return self._transaction(ruleset, [one for one in gone if one not in new], [one for one in new if one not in gone], profiles)

    def _transaction(
        self,
        ruleset: Ruleset,
        gone: t.Sequence[NativeRule],
        new: t.Sequence[NativeRule],
        profiles: t.Optional[t.Mapping[str, Profile]] = None,
    ) -> Transaction:
        texts, after = change(_state_of(ruleset), gone, new, profiles)
        if not texts:
            return Transaction((), ruleset.listing)
        commands = []
        for number, lines in enumerate(texts):
            argv: t.Tuple[str, ...] = ("netsh", "-f", SCRIPT if not number else MORE_SCRIPTS % number)
            if not is_line(lines[0]):
                argv = (*REMOVER, REMOVALS % number)
            commands.append(Command(argv, "\n".join(lines) + "\n"))
        return Transaction(tuple(commands), after.listing())

    # -- whole policies --------------------------------------------------------------------------------------------------------

    def policy_unsupported(self, policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
        found, compiled = policy_unsupported(policy)
        if compiled is not None:
            self._compiled = (policy, compiled)
        return found

    def _compile(self, policy: Policy) -> t.Dict[str, Compiled]:
        if self._compiled is None or self._compiled[0] is not policy:
            self._compiled = (policy, compiled_policy(policy))
        return self._compiled[1]

    def render_policy(self, policy: Policy, layout: str = "auto") -> str:
        return render_text(policy, plan_of(policy, self._compile(policy)))

    def parse_policy(self, text: str) -> Policy:
        found = parse_state(parse_listing(text))
        if found is None:
            raise HoldfastError("There is no policy of ours in this text: rules with names that begin with hf:")
        return found[0]

    def policy_as_kept(self, policy: Policy) -> Policy:
        return policy  # the words of a document are kept beside the rules

    def read_policy(self, ruleset: Ruleset) -> t.Optional[Policy]:
        found = parse_state(_state_of(ruleset))
        return found[0] if found is not None else None

    def live_text(self, whole: bool = False) -> str:
        asleep = stopped(self.host)
        return super().live_text(whole) + ("# %s\n" % asleep if asleep is not None else "")

    def own_listing(self, ruleset: Ruleset) -> str:
        """Return our rules of a policy, and of the profiles what it manages."""
        state = _state_of(ruleset)
        ours = sorted(add_line(one) for one in state.rules if is_ours(one) and key_of(one))
        return "\n".join(managed_lines(state) + ours) + "\n" if ours else ""

    def plan_policy(self, ruleset: Ruleset, wanted: t.Optional[Policy], layout: str = "auto", alone: bool = False) -> Transaction:
        state = _state_of(ruleset)
        live = {name: natives for name, natives in groups_of(state.rules).items() if key_of(natives[0])}
        before = before_policy(state)
        gone = [one for natives in live.values() for one in natives]
        if wanted is None:
            return self._transaction(ruleset, gone, (), wanted_profiles(state, {}, before) if live else None)
        self._refuse_routing(wanted)
        refuse_ignored(state)
        refuse_stopped(self.host, state)
        plan = plan_of(wanted, self._compile(wanted), before)
        new: t.List[NativeRule] = []
        for group in plan.groups:
            name = group.natives[0].name
            if sorted(map(add_line, live.get(name, ()))) == sorted(map(add_line, group.natives)):
                gone = [one for one in gone if one.name != name]
            else:
                new += group.natives
        if alone:
            gone += [one for one in state.rules if _is_removable(one) and not (is_ours(one) and key_of(one))]
        return self._transaction(ruleset, gone, new, wanted_profiles(state, plan.defaults, before, plan.logs))

    def remarks(self, policy: Policy) -> t.Sequence[str]:
        return remarks(policy)

    def beside(self, ruleset: Ruleset, alone: bool) -> t.Sequence[str]:
        state = _state_of(ruleset)
        return [*ignored_places(state), *allows_beside(state, alone)]

    def _refuse_routing(self, policy: Policy) -> None:
        """Refuse a policy that denies forwarding on a host that forwards.

        :raises HoldfastError: in that case.
        """
        if policy.defaults["forward"] != "deny":
            return
        answer = self.host.run(["reg", "query", ROUTING, "/v", "IPEnableRouter"])
        if answer.ok and re.search(r"REG_DWORD\s+0x0*1\b", answer.out):
            raise HoldfastError(
                "This host forwards packets (IPEnableRouter is 1), and Windows Defender Firewall does not filter those, so "
                "defaults.forward: deny cannot be kept. Switch routing off, or write defaults.forward: unmanaged"
            )

    # -- the firewall as a whole -----------------------------------------------------------------------------------------------

    def plan_switch(self, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
        live = _state_of(ruleset)
        if state == "restarted":
            raise HoldfastError("Windows Defender Firewall is never restarted: without its service Windows has no network to speak of")
        profiles = {name: replace(one, on=state == "enabled") for name, one in live.profiles.items()}
        new: t.List[NativeRule] = []
        if state == "enabled":
            refuse_stopped(self.host, live)
            from ..placement import place_needed

            later = ruleset_of(State(profiles, live.rules))
            for rule in keep:
                if not unsupported(rule) and place_needed(self, later, rule).edits:
                    new += [one for one in single(rule).natives if one not in new and one not in live.rules]
        if profiles == live.profiles:
            return Transaction((), ruleset.listing)
        return self._transaction(ruleset, (), new, profiles)

    def is_enabled(self, ruleset: Ruleset) -> bool:
        state = _state_of(ruleset)
        return all(one.on for one in state.profiles.values()) and service_runs(self.host, state)

    def install_commands(self) -> t.Tuple[Command, ...]:
        return ()

    def snapshot(self, ruleset: Ruleset, transaction: Transaction) -> Snapshot:
        """Return the script for cmd.exe that imports what ``export_commands`` saved."""
        return Snapshot({}, _RESTORE, after_reboot=True)

    def apply(self, transaction: Transaction) -> None:
        """Run the script, and see that what it leads to is there.

        :raises HoldfastError: when it is not: netsh refused a line.
        """
        said = ""
        for command in transaction.commands:
            if command.stdin is not None:
                self.host.write(command.argv[-1], command.stdin)
            said += self.host.checked(command.argv)
        live = self.read().listing
        if transaction.commands and live != transaction.after:
            missing = [line for line in transaction.after.splitlines() if line not in set(live.splitlines())]
            words = (missing[0] if missing else "a rule was not removed")[:300]
            raise HoldfastError("netsh did not do all of its script: %s. It said: %s" % (words, " ".join(said.split())[-300:]))

    def persist(self, facts: t.Mapping[str, t.Any]) -> t.List[str]:
        return []


def _state_of(ruleset: Ruleset) -> State:
    state = ruleset.chains[0].ref if ruleset.chains else None
    return state if isinstance(state, State) else parse_listing(ruleset.listing)


def _native_of(line: str) -> NativeRule:
    """Read a raw line of an administrator.

    :raises HoldfastError: when netsh would not take it, or it has a name of ours.
    """
    native = parse_add_line(line)
    texts = (native.name, native.description, native.program or "", native.service or "")
    if native.source != "local" or native.group or native.extra or any(sign in text for text in texts for sign in '"|'):
        raise HoldfastError("netsh cannot set this: %s" % line[:200])
    if is_ours(native) or native.name.startswith(("@", "hf:")):
        raise HoldfastError("A rule of this name would be taken for one of ours or of Windows; give it another: %s" % native.name)
    return native


def _is_removable(native: NativeRule) -> bool:
    """Return whether a rule is one of the administrator or ours."""
    return native.source == "local" and not is_of_windows(native)
