# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools of one host: which variant, which families, and what they hold now.

Reads the host through its own tools; changes nothing. Only the host's default variant is called: looking with the legacy tools where the
nft variant is the default would make legacy tables.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...host import Host
from ...policy.errors import HoldfastError
from .protocols import PATH, ProtocolNames
from .render import Abilities
from .saved import FAMILIES, HEADINGS, Saved, Tables, parse_saved
from .sets import OTHER, SIDES, KernelSet, parse_sets, references

TOOLS = {4: "iptables", 6: "ip6tables"}
#: The release from which on iptables-restore knows -w.
WAIT_SINCE = (1, 6, 2)
WAIT_SECONDS = 5
#: So many sets are asked for one by one, more with all that other programs have; so it is with the chains of a table.
FEW_SETS = FEW_CHAINS = 4


@dataclass(frozen=True)
class Variant:
    """What ``iptables --version`` says: the variant, ``nft`` or ``legacy``, and the release."""

    name: str
    release: t.Tuple[int, ...]

    @property
    def text(self) -> str:
        """For people: ``1.8.9 (nft)``."""
        return "%s (%s)" % (".".join(str(part) for part in self.release), self.name)


class Tools:
    """The iptables programs of a host; answers that do not change are asked for once."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._variant: t.Optional[Variant] = None
        self._can: t.Optional[Abilities] = None
        self._kinds: t.Optional[t.FrozenSet[str]] = None

    def installed(self) -> bool:
        """Return whether the programs for IPv4 are there."""
        return all(self.host.which(program) is not None for program in ("iptables", "iptables-save", "iptables-restore"))

    def ipv6(self) -> bool:
        """Return whether the host has IPv6 and the programs for it."""
        return self.host.which("ip6tables-save") is not None and self.host.exists("/proc/net/if_inet6")

    def families(self) -> t.Tuple[int, ...]:
        """Return the address families that can be filtered here."""
        return FAMILIES if self.ipv6() else (4,)

    def variant(self) -> Variant:
        """Return the default variant; before 1.8 there was only the legacy one."""
        if self._variant is None:
            said = self.host.run(["iptables", "--version"]).out
            found = re.search(r"v(\d+(?:\.\d+)*)", said)
            release = tuple(int(part) for part in found.group(1).split(".")) if found else ()
            self._variant = Variant("nft" if "nf_tables" in said else "legacy", release)
        return self._variant

    def abilities(self) -> Abilities:
        """Return what rules can be written for this host; without iptables, what the nft variant can do."""
        if self._can is None:
            legacy = self.installed() and self.variant().name == "legacy"
            self._can = Abilities(ProtocolNames(self.host.read(PATH)), legacy, self.host.which("ipset") is not None)
        return self._can

    def restore(self, family: int, *options: str) -> t.Tuple[str, ...]:
        """Return the command that reads a transaction, keeps all else, and waits for the lock where it knows how to."""
        wait = ("-w", str(WAIT_SECONDS)) if self.variant().release >= WAIT_SINCE else ()
        return (TOOLS[family] + "-restore", "--noflush") + wait + options

    def require(self) -> None:
        """Refuse a host whose rules cannot be read.

        :raises HoldfastError: when the programs are missing or this is not root.
        """
        if not self.installed():
            raise HoldfastError("iptables is not on this host: install it (iptables, iptables-save and iptables-restore are needed)")
        if not self.host.is_root():
            raise HoldfastError("Reading the rules of iptables needs root: add become: true (or -b)")

    def save(self, family: int) -> Saved:
        """Return what the tools of one family show.

        :raises HoldfastError: when they fail, or when the filter table holds chains that they cannot show.
        """
        saved = parse_saved(self.host.checked([TOOLS[family] + "-save"]))
        if "filter" in saved.incompatible:
            raise HoldfastError(
                "The filter table of %s holds chains that were made with nft and that %s cannot show; use backend: nftables on this host"
                % (HEADINGS[family][2:], TOOLS[family])
            )
        return saved

    def live(self) -> t.Dict[int, Tables]:
        """Return the live tables of all families.

        :raises HoldfastError: see ``require`` and ``save``.
        """
        self.require()
        return {family: self.save(family).tables for family in self.families()}

    def set_kinds(self) -> t.FrozenSet[str]:
        """Return the types of kernel sets that can be made here, tried in a network namespace of its own that is thrown away.

        Where that is refused (a container without the right to make one), the types that every kernel since 3.0 has.
        """
        if self._kinds is None:
            family = {kind: "range 0-65535" if kind == "bitmap:port" else "family inet" for kind in SIDES}
            tries = ["ipset create hf-try %s %s && echo %s; ipset destroy hf-try" % (kind, family[kind], kind) for kind in SIDES]
            answer = self.host.run(["unshare", "--net", "sh", "-c", "{ %s; } 2>/dev/null; true" % "; ".join(tries)])
            found = frozenset(answer.out.split()) if answer.ok else frozenset({"hash:net", "hash:net,port", "bitmap:port"})
            self._kinds = found & frozenset(SIDES) if self.abilities().sets else frozenset()
        return self._kinds

    def live_set(self, name: str) -> t.Optional[KernelSet]:
        """Return one live set of ours, or None when there is no such set."""
        return self.live_sets([name]).get(name)

    def live_sets(self, names: t.Sequence[str]) -> t.Dict[str, KernelSet]:
        """Return those of some sets of ours that there are."""
        if not names:
            return {}
        if len(names) <= FEW_SETS:
            return {found: one for name in names for found, one in self._saved_sets([name]).items()}
        return {found: one for found, one in self._saved_sets([]).items() if found in set(names)}

    def set_names(self) -> t.List[str]:
        """Return the names of all kernel sets."""
        return self.host.run(["ipset", "list", "-n"]).out.split()

    def swap_back(self, name: str) -> str:
        """Return the input of ``ipset restore`` that gives a set the members back that it has now, whatever they are."""
        other = name + OTHER
        lines = self.host.checked(["ipset", "save", name]).splitlines()
        renamed = [line.replace(" %s " % name, " %s " % other, 1) for line in lines]
        return "\n".join([*renamed, "swap %s %s" % (other, name), "destroy " + other]) + "\n"

    def referenced_sets(self, text: str) -> t.Dict[str, KernelSet]:
        """Return the live sets of ours that rules in this text refer to."""
        return self.live_sets(references(text))

    def _saved_sets(self, name: t.Sequence[str]) -> t.Dict[str, KernelSet]:
        result = self.host.run(["ipset", "save", *name])
        return parse_sets(result.out.splitlines(), self.abilities().names) if result.ok else {}

    def other_variant(self) -> t.Optional[str]:
        """Return a sentence about rules in the variant that is not the default, or None. Both filter at the same time."""
        if self.variant().name == "nft":
            files = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")
            names = sorted({name for path in files for name in (self.host.read(path) or "").split()})
            return "legacy tables are loaded as well (%s) and decide too" % ", ".join(names) if names else None
        if self.host.which("iptables-nft-save") is not None and self.host.is_root():
            result = self.host.run(["iptables-nft-save"])
            if result.ok and re.search(r"^(?:-A|:\S+ DROP)", result.out, re.MULTILINE):
                return "the nft variant holds rules as well, and they decide too"
        return None

    def foreign_expressions(self, family: int, chains: t.Sequence[t.Tuple[str, str]]) -> t.Iterator[t.Tuple[str, str, str]]:
        """Yield the rules of some chains (table and name) that were added with nft itself, so that iptables may show them wider than they
        are, each after its table and chain.

        The nft variant puts a counter into every rule that it makes; that tells its rules from others.
        """
        if self.variant().name != "nft" or self.host.which("nft") is None:
            return
        for table in sorted({table for table, _chain in chains}):
            names = [chain for other, chain in chains if other == table]
            what = ["chain", "ip" if family == 4 else "ip6", table]
            calls = [[*what, name] for name in names] if len(names) <= FEW_CHAINS else [["table", *what[1:]]]
            for call in calls:
                chain = ""
                result = self.host.run(["nft", "list", *call])
                for line in (one.strip() for one in result.out.splitlines()) if result.ok else ():
                    if line.endswith("{"):
                        chain = line.split()[1] if line.startswith("chain ") else ""
                    elif line not in ("", "}") and chain in names and not line.startswith("type ") and "counter packets " not in line:
                        yield table, chain, line
