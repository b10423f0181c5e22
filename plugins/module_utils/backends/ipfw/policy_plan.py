# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a whole policy in force, and taking it out again, in one moment.

Reads kernel variables through ``host``; what it returns changes the host.

The new policy is loaded into a rule set that is disabled. One call then enables that set and disables the old one: ipfw changes the mask
of sets between two packets (``set swap``, in contrast, changes rule after rule while packets pass). Until the change is confirmed the old
set stays, disabled: it can be put back in one moment, and the connections that its rules made known stay known. Sources: ipfw(8),
``enable_sets`` and ``swap_sets`` of ip_fw_sockopt.c, ``dyn_keep_states`` of ip_fw_dynamic.c.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ..base import Command
from .listing import DEFAULT_NUMBER, POLICY_PREFIX, RESERVED_SET, Line, Listing, split_comment
from .policy_lines import Contents, compared, contents_of, file_text, lay_out, number, own_lines, own_sets, rule_lines, tables_named
from .policy_parse import names_by_content
from .policy_program import Step
from .policy_render import steps_of
from .policy_words import NATIVE_MARK, SETS

FILE = ("ipfw", "-q", "/dev/stdin")
CHECK = ("ipfw", "-n", "-q", "/dev/stdin")
KEEP_STATES = "net.inet.ip.fw.dyn_keep_states"
TABLES_MAX = "net.inet.ip.fw.tables_max"
VERBOSE_LIMIT = "net.inet.ip.fw.verbose_limit"
FORWARDING = ("net.inet.ip.forwarding", "net.inet6.ip6.forwarding")
#: Policies with fewer tables than this fit beside an old one into what every kernel has room for.
FEW_TABLES = 32

_TABLE = re.compile(r"table\((hf_[0-9a-z]+)\)")

Normalise = t.Callable[[Line], Line]


@dataclass(frozen=True)
class Change:
    """What a policy change consists of, beside the module and its switches.

    :ivar commands: in order; ``checks`` validate without changing anything.
    :ivar after: the list of rules afterwards.
    :ivar facts: for ``persist`` and the restore script.
    """

    commands: t.Tuple[Command, ...]
    after: Listing
    facts: t.Mapping[str, t.Any]
    checks: t.Tuple[Command, ...] = ()


class PolicyPlan:
    """One change of a policy on a host.

    :param listed_form: returns a rule in the form in which ipfw lists it.
    :param alone: whether the rules of others go, too.
    :param stale: the sets that hold an old policy which is not in force.
    """

    def __init__(self, host: Host, listing: Listing, listed_form: Normalise, alone: bool = False, stale: t.Sequence[int] = ()) -> None:
        self.host = host
        self.listing = listing
        self.listed_form = listed_form
        self.alone = alone
        self.stale = tuple(stale)
        self.own = own_lines(listing)
        self._mine = set(own_sets(listing))
        self.foreign = [line for line in listing.lines if self._is_foreign(line)]
        self.default = [line for line in listing.lines if line.number == DEFAULT_NUMBER]

    def removal(self) -> t.Optional[Change]:
        """Return what takes the policy out of force, or None when there is none.

        :raises HoldfastError: when nothing but a default that denies everything would be left.
        """
        if not self.own:
            return None
        left = [line for line in self.foreign if not line.disabled]
        if not left and any(line.body.startswith("deny") for line in self.default):
            raise HoldfastError(
                "ipfw: without this policy there would be no rule but the default, which denies everything and would cut the host off. "
                "Put another policy in force instead, or add rules that let you in first"
            )
        old = self.own[0].set
        commands = [Command(("ipfw", "-q", "set", "disable", str(old)))]
        return Change(tuple(commands), self._after([]), self._facts(None, [old]))

    def put(self, policy: Policy, layout: str, loaded: bool) -> t.Optional[Change]:
        """Return what puts a policy in force, or None when it is in force already.

        :raises HoldfastError: when there is no room for it, or it leaves forwarding alone on a host that forwards.
        """
        self._check_forwarding(policy)
        steps, items = steps_of(policy, layout)
        contents = contents_of(items, policy.guard)
        below = self._below()
        steps = self._native_as_listed(steps)
        wanted = compared(lay_out(steps, number(steps), SETS[0]))
        others = [line for line in self.foreign if not line.disabled]
        if self.own and compared(self.own, names_by_content(self.listing)) == wanted and not (self.alone and others) and self._is_first():
            return None
        numbers = number(steps, below) if not self.alone else _avoiding(steps, {line.number for line in others if line.set == RESERVED_SET})
        target = self._free_set()
        contents, renamed = self._fresh_names(contents)
        lines = [_renamed(line, renamed) for line in lay_out(steps, numbers, target)]
        return self._change(lines, contents, target, loaded)

    def _change(self, lines: t.List[Line], contents: Contents, target: int, loaded: bool) -> Change:
        known = self._live_tables()
        text = file_text(lines, contents, known, left=True)
        new_tables = [name for name in (*contents.networks, *contents.flows) if name not in known]
        commands = self._room_for_tables(len(new_tables)) if loaded else _tables_command(0, len(new_tables))
        # They may use tables of the same names.
        commands += [Command(("ipfw", "-q", "delete", "set", str(one))) for one in self.stale]
        commands.append(Command(("ipfw", "-q", "set", "disable", str(target))))
        commands.append(Command(FILE, text))
        off = [self.own[0].set] if self.own else []
        others = [line for line in self.foreign if not line.disabled] if self.alone else []
        off += sorted({line.set for line in others} - {RESERVED_SET})
        switch = ["disable", *(str(one) for one in off)] if off else []
        commands.append(Command(("ipfw", "-q", "set", *switch, "enable", str(target))))
        reserved = sorted({line.number for line in others if line.set == RESERVED_SET})
        if reserved:
            commands.append(Command(("ipfw", "-q", "delete", *(str(one) for one in reserved))))
        checks = (Command(CHECK, "".join(line + "\n" for line in rule_lines(lines))),) if loaded else ()
        after = self._after(lines, contents)
        return Change(tuple(commands), after, self._facts(target, off, new_tables, contents), checks)

    # -- parts ----------------------------------------------------------------------------------------------------------------

    def _below(self) -> int:
        return min((line.number for line in self.foreign), default=DEFAULT_NUMBER)

    def _is_first(self) -> bool:
        """Return whether no rule of somebody else stands in front of one of ours."""
        others = [at for at, line in enumerate(self.listing.lines) if self._is_foreign(line) and not line.disabled]
        ours = [at for at, line in enumerate(self.listing.lines) if line.set == self.own[0].set]
        return not others or max(ours) < min(others)

    def _is_foreign(self, line: Line) -> bool:
        return line.set not in self._mine and line.number != DEFAULT_NUMBER

    def _free_set(self) -> int:
        taken = {line.set for line in self.foreign} | ({self.own[0].set} if self.own else set())
        free = [one for one in SETS if one not in taken]
        if not free:
            raise HoldfastError(
                "ipfw: the rule sets %s are all in use by rules of somebody else; a policy needs two of them"
                % ", ".join(str(one) for one in SETS)
            )
        return next((one for one in free if one not in self.stale), free[0])

    def _native_as_listed(self, steps: t.Sequence[Step]) -> t.List[Step]:
        """Return the steps with native lines in the form in which ipfw lists them; it may refuse them."""
        found = []
        for step in steps:
            body = step.bodies[0]
            if "// " + NATIVE_MARK in body:
                match, comment = split_comment(body)
                step = replace(step, bodies=("%s // %s" % (self.listed_form(Line(0, match)).body, comment),))
            found.append(step)
        return found

    def _live_tables(self) -> t.Set[str]:
        """Return the tables of policies that are there and hold what their names say."""
        names = names_by_content(self.listing)
        return {name for name, right in names.items() if name == right}

    def _fresh_names(self, contents: Contents) -> t.Tuple[Contents, t.Dict[str, str]]:
        """Return the tables with names that are free, where one of that name is there but was changed by hand."""
        names = names_by_content(self.listing)
        wrong = {name for name, right in names.items() if name != right}
        renamed: t.Dict[str, str] = {}
        for name in (*contents.networks, *contents.flows):
            same = [one for one, right in names.items() if right == name]
            if same and name not in same:
                renamed[name] = same[0]
            elif name in wrong:
                fresh = name
                while fresh in names or fresh in wrong:
                    fresh += "b"
                renamed[name] = fresh
        if not renamed:
            return contents, renamed
        networks = {renamed.get(name, name): found for name, found in contents.networks.items()}
        return Contents(networks, {renamed.get(name, name): found for name, found in contents.flows.items()}), renamed

    def _room_for_tables(self, new: int) -> t.List[Command]:
        if new < FEW_TABLES:
            return []
        there = self.host.checked(["ipfw", "table", "all", "list"]).count("--- table(")
        most = _integer(self.host, TABLES_MAX)
        return _tables_command(there, new, most) if most is not None else []

    def _check_forwarding(self, policy: Policy) -> None:
        if policy.defaults["forward"] != "unmanaged" or policy.defaults["in"] == "unmanaged":
            return
        if any(_integer(self.host, name) for name in FORWARDING):
            raise HoldfastError(
                "This host forwards packets (%s), and ipfw cannot leave them alone while it filters what comes in: it sees a forwarded "
                "packet when it comes in, too. Set defaults.forward to deny, with rules for what may pass, or use pf" % FORWARDING[0]
            )

    def _after(self, lines: t.Sequence[Line], contents: t.Optional[Contents] = None) -> Listing:
        """Return the list of rules afterwards, as it will be read."""
        limit = _integer(self.host, VERBOSE_LIMIT) if any(" log " in line.body for line in lines) else None
        there = self.foreign
        if self.alone and lines:
            # Until the change is confirmed they are only switched off, but for those that cannot be.
            there = [replace(line, disabled=True) for line in self.foreign if line.set != RESERVED_SET]
        rules = sorted([*there, *(_logging(line, limit or 0) for line in lines)], key=lambda line: line.number) + self.default
        tables = {name: found for name, found in self.listing.tables if not name.startswith(POLICY_PREFIX)}
        named = {name for line in rules if "table(" in line.body for name in _TABLE.findall(line.body)}
        if contents is not None:
            tables.update({name: found for name, found in contents.networks.items() if name in named})
        flows = {name: found for name, found in (contents.flows.items() if contents is not None else ()) if name in named}
        kept = {name: found for name, found in tables.items() if name in named}
        return Listing(tuple(rules), tuple(sorted(kept.items())), tuple(sorted(flows.items())))

    def _facts(
        self, target: t.Optional[int], off: t.Sequence[int], new_tables: t.Sequence[str] = (), contents: t.Optional[Contents] = None
    ) -> t.Dict[str, t.Any]:  # fmt: skip
        used = set(contents.networks) | set(contents.flows) if contents is not None else set()
        stale = sorted(set(names_by_content(self.listing)) - used)
        return {"new": target, "off": list(off), "made": list(new_tables), "unused": stale, "stale": list(self.stale)}


def _logging(line: Line, limit: int) -> Line:
    """Return a line as it is listed where the kernel limits how many lines a rule logs."""
    if limit <= 0 or " log " not in line.body:
        return line
    match, comment = split_comment(line.body)
    if " log logamount " in match:
        return line
    text = re.sub(r" log ", " log logamount %d " % limit, match, count=1)
    return replace(line, body=text + (" // " + comment if comment is not None else ""))


def _renamed(line: Line, names: t.Mapping[str, str]) -> Line:
    if not names or "table(" not in line.body:
        return line
    body = line.body
    for name in tables_named([line]):
        body = body.replace("table(%s)" % name, "table(%s)" % names.get(name, name))
    return replace(line, body=body)


def _avoiding(steps: t.Sequence[Step], taken: t.Container[int]) -> t.List[int]:
    """Return numbers of which none is taken."""
    free = number(steps)
    if not any(one in taken for one in free):
        return free
    found: t.List[int] = []
    candidates = (one for one in range(100 if len(steps) < 60000 else 1, DEFAULT_NUMBER) if one not in taken)
    for _step in steps:
        found.append(next(candidates))
    return found


def _tables_command(there: int, new: int, most: int = 128) -> t.List[Command]:
    """Return what makes room for more tables; nothing where there is room."""
    wanted = there + new + FEW_TABLES
    return [Command(("sysctl", "%s=%d" % (TABLES_MAX, 2 * wanted)))] if wanted > most else []


def _integer(host: Host, name: str) -> t.Optional[int]:
    """Return a kernel variable, or None when there is no such variable."""
    answer = host.run(["sysctl", "-n", name])
    return int(answer.out) if answer.ok and answer.out.strip().isdigit() else None
