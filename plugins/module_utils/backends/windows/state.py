# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that Windows Defender Firewall has on a host: profiles and rules, as text of two kinds.

Pure: touches nothing. ``parse_registry`` reads what ``reg query ... /s`` says; ``State.listing`` is the same as lines of netsh, sorted, and
``parse_listing`` reads those. Settings of a group policy or of a device management win over those of the host, and count as a group policy
here. What Windows keeps for its own services and for apps in a box of their own (RestrictedServices, AppIso) is not told.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from ...policy.errors import HoldfastError
from ...policy.scope import PROFILES
from .native_rule import NativeRule
from .netsh_line import add_line, is_add_line, parse_add_line
from .registry_rule import parse_registry_rule

_KEYS = {"domainprofile": "domain", "standardprofile": "private", "privateprofile": "private", "publicprofile": "public"}
#: What the settings of group policies for the standard profile of Windows XP are kept under: they count for the private and the public one,
#: where these have no settings of their own (the KB article on "standard profile settings" of Windows Vista). It has no setting that has
#: rules ignored (MS-GPFAS 2.2.3.13).
_STANDARD = "standard"
#: The key above those of profiles and rules, and whose they are.
_SOURCES = {"firewallpolicy": "local", "mdm": "gpo", "windowsfirewall": "gpo"}
_SETTING = re.compile(
    r"(?:netsh\s+)?advfirewall\s+set\s+(all|domain|private|public)profiles?\s+(\w+|logging\s+\w+)\s+(\S+)\Z", re.IGNORECASE
)
INBOUND = ("blockinbound", "blockinboundalways", "allowinbound")
OUTBOUND = ("allowoutbound", "blockoutbound")
#: The value below a profile's key ``Logging`` that says whether dropped packets are logged: FW_PROFILE_CONFIG_LOG_DROPPED_PACKETS of
#: MS-FASP 2.2.38, of which that of a group policy wins.
_DROPPED = "LogDroppedPackets"
#: The interfaces that a profile does not filter: FW_PROFILE_CONFIG_DISABLED_INTERFACES there, a text.
_EXCLUDED = "DisabledInterfaces"
_VALUE = re.compile(r"\s{4}(.*?)\s{4}(REG_[A-Z_]+)\s{4}(.*)\Z")


@dataclass(frozen=True)
class Profile:
    """The settings of one network profile.

    :ivar inbound: the default in the words of netsh; empty where a text does not say it.
    :ivar fixed: words of the settings that a group policy sets, so that they cannot be changed here.
    :ivar local_rules: whether the rules of the host count; a group policy can say that they do not.
    :ivar logged: whether dropped packets are logged; None where a text does not say it.
    :ivar excluded: whether the firewall leaves some interfaces of the host alone.
    """

    on: bool = True
    inbound: str = "blockinbound"
    outbound: str = "allowoutbound"
    fixed: t.FrozenSet[str] = frozenset()
    local_rules: bool = True
    logged: t.Optional[bool] = None
    excluded: bool = False

    def default(self, direction: str) -> str:
        """Return the action for what no rule matches."""
        return "allow" if (self.inbound if direction == "in" else self.outbound).startswith("allow") else "deny"


@dataclass
class State:
    """Profiles and rules.

    :ivar profiles: by name; a profile of which the text says nothing is missing.
    :ivar runs: whether the service ran when somebody asked after this was read; None when nobody did.
    """

    profiles: t.Dict[str, Profile] = field(default_factory=dict)
    rules: t.List[NativeRule] = field(default_factory=list)
    runs: t.Optional[bool] = field(default=None, compare=False)

    def listing(self) -> str:
        """Return it as lines of netsh; equal states give equal text.

        Rules of apps are left out: Windows adds and removes them by itself, whenever somebody logs in for the first time.
        """
        return "\n".join(self.profile_lines() + sorted(add_line(one) for one in self.rules if not is_of_app(one))) + "\n"

    def profile_lines(self) -> t.List[str]:
        """Return the lines of the profiles."""
        lines = []
        for name in PROFILES:
            profile = self.profiles.get(name)
            if profile is None:
                continue
            lines.append("advfirewall set %sprofile state %s" % (name, "on" if profile.on else "off"))
            if profile.inbound and profile.outbound:
                lines.append("advfirewall set %sprofile firewallpolicy %s,%s" % (name, profile.inbound, profile.outbound))
            if profile.logged is not None:
                lines.append("advfirewall set %sprofile logging droppedconnections %s" % (name, logging_word(profile)))
            if profile.fixed or not profile.local_rules:
                told = sorted(profile.fixed) + ([] if profile.local_rules else ["localfirewallrules"])
                lines.append("# a group policy sets for %s: %s" % (name, " ".join(told)))
        return lines


def logging_word(profile: Profile) -> str:
    """Return whether dropped packets are logged as netsh writes it; empty where that is not known."""
    return "" if profile.logged is None else "enable" if profile.logged else "disable"


def is_of_app(native: NativeRule) -> bool:
    """Return whether a rule is for an app from the store of Windows, or one user's."""
    return any(key in ("AppPkgId", "LUOwn", "PFN") for key, _value in native.extra)


def parse_registry(local: str, policies: str = "") -> State:
    """Read what ``reg query /s`` says of the key of the firewall and of the key of group policies."""
    state = State()
    values: t.Dict[str, t.Dict[str, t.Dict[str, int]]] = {"local": {}, "gpo": {}}
    _read_keys(local, state.rules, values)
    _read_keys(policies, state.rules, values)
    for name in PROFILES:
        mine, theirs = values["local"].get(name, {}), values["gpo"].get(name, {})
        if name != "domain":
            theirs = {**values["gpo"].get(_STANDARD, {}), **theirs}
        both = {**mine, **theirs}
        inbound = "allowinbound" if both.get("DefaultInboundAction") == 0 else "blockinbound"
        if both.get("DoNotAllowExceptions") == 1:
            inbound = "blockinboundalways"
        fixed = {
            word for word, keys in (
                ("state", ("EnableFirewall",)), ("inbound", ("DefaultInboundAction", "DoNotAllowExceptions")),
                ("outbound", ("DefaultOutboundAction",)), ("logging", (_DROPPED,)),
            ) if any(key in theirs for key in keys)
        }  # fmt: skip
        state.profiles[name] = Profile(
            both.get("EnableFirewall", 1) != 0, inbound,
            "blockoutbound" if both.get("DefaultOutboundAction") == 1 else "allowoutbound",
            frozenset(fixed), theirs.get("AllowLocalPolicyMerge", 1) != 0, both.get(_DROPPED, 0) != 0,
            both.get(_EXCLUDED, 0) != 0,
        )  # fmt: skip
    return state


def _read_keys(text: str, rules: t.List[NativeRule], values: t.Dict[str, t.Dict[str, t.Dict[str, int]]]) -> None:
    """Add the rules and the numbers of the profiles that a part of the registry has."""
    parts: t.List[str] = []
    logging = False
    # Not splitlines: a name may have a sign that Python takes for the end of a line, and what is behind it narrows the rule.
    for line in text.split("\n"):
        if line.startswith("HKEY_"):
            parts = line.strip().lower().split("\\")
            logging = parts[-1] == "logging"
            parts = parts[:-1] if logging else parts
            continue
        match = _VALUE.match(line.rstrip("\r"))
        source = _SOURCES.get(parts[-2]) if len(parts) > 1 else None
        if match is None or source is None:
            continue
        name, kind, value = match.groups()
        if parts[-1] == "firewallrules":
            if kind == "REG_SZ" and value.startswith("v"):
                rules.append(parse_registry_rule(value, source, name))
        elif parts[-1] in _KEYS and (kind == "REG_DWORD" or name == _EXCLUDED) and (name == _DROPPED) == logging:
            old = parts[-2:] == ["windowsfirewall", "standardprofile"]
            if not old or name != "AllowLocalPolicyMerge":
                number = int(bool(value.strip())) if name == _EXCLUDED else int(value, 16)
                values[source].setdefault(_STANDARD if old else _KEYS[parts[-1]], {})[name] = number


def parse_listing(text: str) -> State:
    """Read lines of netsh: those of a listing, those that render gives, and texts of rules from the registry.

    :raises HoldfastError: at a line that is none of these.
    """
    state = State()
    for line in text.splitlines():
        line = line.strip()
        match = _SETTING.match(line)
        if line.startswith("# a group policy sets for "):
            name, _colon, words = line[len("# a group policy sets for ") :].partition(": ")
            told = frozenset(words.split())
            profile = state.profiles.get(name, Profile(True, "", ""))
            state.profiles[name] = replace(
                profile, fixed=told - {"localfirewallrules"}, local_rules="localfirewallrules" not in told
            )  # fmt: skip
        elif not line or line.startswith("#"):
            continue
        elif re.match(r"v\d+\.\d+\|", line):
            state.rules.append(parse_registry_rule(line))
        elif is_add_line(line):
            state.rules.append(parse_add_line(line))
        elif match is not None:
            _set_profile(state, *(" ".join(word.lower().split()) for word in match.groups()))
        else:
            raise HoldfastError("This is not a line of netsh advfirewall that sets a profile or adds a rule: %s" % line[:200])
    return state


def _set_profile(state: State, which: str, word: str, value: str) -> None:
    inbound, _comma, outbound = value.partition(",")
    usable = {
        "state": value in ("on", "off"), "firewallpolicy": inbound in INBOUND and outbound in OUTBOUND,
        "logging droppedconnections": value in ("enable", "disable"),
    }  # fmt: skip
    if not usable.get(word, False):
        raise HoldfastError("netsh does not know this setting of a profile: %s %s" % (word, value))
    for name in PROFILES if which == "all" else (which,):
        one = state.profiles.get(name, Profile(True, "", ""))
        if word == "state":
            state.profiles[name] = replace(one, on=value == "on")
        elif word == "firewallpolicy":
            state.profiles[name] = replace(one, inbound=inbound, outbound=outbound)
        else:
            state.profiles[name] = replace(one, logged=value == "enable")
