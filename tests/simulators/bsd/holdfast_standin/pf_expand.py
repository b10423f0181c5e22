# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists in a rule become one rule per combination, each checked for sense.

Combinations that mix address families are dropped in silence, as the real tool does; a rule that has no combination left is an error.
"""

from __future__ import annotations

from itertools import product

from .net_names import protocol_text
from .pf_names import LABEL_MAX
from .pf_options import OptionReader
from .pf_rule import ANY, Address, Port, Rule, network, replace

_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58


def decide_family(family: int, hosts: list[Address]) -> int:
    """The family that all hosts share, if none was given."""
    if family or not hosts:
        return family
    families = {host.family for host in hosts}
    return families.pop() if len(families) == 1 else 0


class RuleExpander(OptionReader):
    """Grammar reader that also keeps the rules it has expanded."""

    def expand(
        self,
        base: Rule,
        interfaces: list,
        protocols: list,
        icmp: list,
        sources: list,
        source_ports: list,
        destinations: list,
        destination_ports: list,
        users: list,
        groups: list,
    ) -> list[Rule]:
        """One rule per combination, in the order of the real tool; errors are reported, and the rules that have one left out."""
        expanded: list[Rule] = []
        broken = False
        hosts_and_ports = self._sides(sources or [ANY], destinations or [ANY], source_ports or [None], destination_ports or [None])
        for (name, negated), proto, type_, (src, dst, src_port, dst_port), user, group in product(
            interfaces or [("", False)],
            protocols or [0],
            icmp or [None],
            hosts_and_ports,
            users or [None],
            groups or [None],
        ):
            family = base.family
            families = {host.family for host in (src, dst) if host.family}
            if len(families) > 1 or (family and families and families != {family}):
                if self.strict:
                    self.report("strict: a combination of address families is dropped in silence")
                continue
            family = family or (families.pop() if families else 0)
            broken = self._bad_netmask(src, family) or self._bad_netmask(dst, family) or broken
            not_tcp = bool(proto) and proto != _TCP
            rule = replace(
                base,
                family=family,
                interface=name,
                interface_negated=negated,
                proto=proto,
                src=src,
                src_port=src_port,
                dst=dst,
                dst_port=dst_port,
                user=user,
                group=group,
                icmp_type=type_[1] if type_ else None,
                icmp_code=type_[2] if type_ else None,
                keep="keep" if not_tcp and base.keep in ("modulate", "synproxy") else base.keep,
                flags=0 if not_tcp else base.flags,
                flagset=0 if not_tcp else base.flagset,
            )
            if type_ and proto != type_[0]:
                self.report("icmp-type mismatch")
                broken = True
            if self._inconsistent(rule) or broken:
                self.report("skipping rule due to errors")
                continue
            labels = tuple(expand_label(label, rule) for label in rule.labels)
            if any(len(label.encode("utf-8", "surrogateescape")) > LABEL_MAX for label in labels):
                self.fail("label too long")
            expanded.append(replace(rule, labels=labels))
        if not expanded:
            self.report("rule expands to no valid combination")
        return expanded

    def _sides(self, sources: list, destinations: list, source_ports: list, destination_ports: list) -> list[tuple]:
        """Combinations of hosts and ports in the order of the real tool."""
        if self.flavour.expands_ports_first:
            mixed = product(sources, source_ports, destinations, destination_ports)
            return [(src, dst, src_port, dst_port) for src, src_port, dst, dst_port in mixed]
        return list(product(sources, destinations, source_ports, destination_ports))

    def _bad_netmask(self, host: Address, family: int) -> bool:
        if family == 4 and host.kind in ("net", "any", "range") and host.bits > 32:
            self.stderr.append("netmask %d invalid for IPv4 address" % host.bits)
            return True
        return False

    def _inconsistent(self, rule: Rule) -> bool:
        """Report what makes no sense in one expanded rule."""
        if rule.action in ("nat", "no nat", "binat", "no binat"):
            return False
        if rule.action in ("rdr", "no rdr"):
            return self._inconsistent_redirection(rule)
        before = self.errors
        portless = rule.proto not in (_TCP, _UDP)
        icmp = rule.icmp_type is not None
        if portless and (rule.src_port or rule.dst_port):
            self.report("port only applies to tcp/udp")
        if portless and self.flavour.users_need_ports:
            if rule.user:
                self.report("user only applies to tcp/udp")
            if rule.group:
                self.report("group only applies to tcp/udp")
        if icmp and rule.proto not in (_ICMP, _ICMP6):
            self.report("icmp-type/code only applies to icmp")
        if icmp and not rule.family:
            self.report("must indicate address family with icmp-type/code")
        if "overload" in rule.state and not {"max-src-conn", "max-src-conn-rate"} & set(rule.state):
            self.report("'overload' requires 'max-src-conn' or 'max-src-conn-rate'")
        if (rule.proto == _ICMP and rule.family == 6) or (rule.proto == _ICMP6 and rule.family == 4):
            self.report(
                "proto %s doesn't match address family %s"
                % ("icmp" if rule.proto == _ICMP else "icmp6", "inet" if rule.family == 4 else "inet6")
            )
        if rule.allow_opts and rule.action != "pass":
            self.report("allow-opts can only be specified for pass rules")
        if rule.fragment and (rule.src_port or rule.dst_port or rule.flagset or icmp):
            self.report("fragments can be filtered only on IP header fields")
        if rule.action == "block" and rule.reply == "return-rst" and rule.proto != _TCP:
            self.report("return-rst can only be applied to TCP rules")
        if rule.action != "pass" and rule.keep not in ("", "no"):
            self.report("keep state is great, but only for pass rules")
        if "sloppy" in rule.state and rule.keep in ("modulate", "synproxy"):
            self.report("sloppy state matching cannot be used with synproxy state or modulate state")
        if rule.action == "match" and rule.route:
            self.report("route-to, reply-to and dup-to are not supported on match rules")
        if self.flavour.name == "openbsd":
            self._inconsistent_on_openbsd(rule)
        elif rule.translation and not rule.direction:
            self.report("nat-to and rdr-to require a direction")
        return self.errors > before

    def _inconsistent_on_openbsd(self, rule: Rule) -> None:
        if rule.route and rule.keep in ("", "no"):
            self.report("route-to, reply-to and dup-to require keep state")
        if rule.translation and rule.action != "match" and rule.keep in ("", "no"):
            self.report("nat-to and rdr-to require keep state")
        if rule.translation and not rule.direction:
            self.report("nat-to and rdr-to require a direction")
        if rule.family == 6 and {"no-df", "random-id"} & set(rule.scrub):
            self.report("address family inet6 does not support scrub options no-df, random-id")
        if rule.action == "block" and rule.route:
            self.report("route-to, reply-to and dup-to are not supported on block rules")

    def _inconsistent_redirection(self, rule: Rule) -> bool:
        before = self.errors
        if rule.proto not in (_TCP, _UDP):
            if rule.src_port:
                self.report("src port only applies to tcp/udp")
            if rule.dst_port:
                self.report("dst port only applies to tcp/udp")
            if rule.pool and rule.pool.low:
                self.report("rpool port only applies to tcp/udp")
        if rule.dst_port and rule.dst_port.op not in ("=", ":"):
            self.report("invalid port operator for rdr destination port")
        return self.errors > before

    def antispoof(self, base: Rule, interfaces: list) -> list[Rule]:
        """The two rules for each ``(name, in brackets)``: nothing with its networks from elsewhere, nothing from its own addresses."""
        rules: list[Rule] = []
        for name, dynamic in interfaces:
            if dynamic:
                networks = [Address("dynif", 0, name, 128, modifiers=("network",))]
                own = [Address("dynif", 0, name, 128)]
            else:
                networks = [network(*each) for each in self.interfaces.lookup(name, ("network",))]
                own = [network(*each) for each in self.interfaces.lookup(name)]
            if networks:
                rules += self.expand(base, [(name, True)], [], [], networks, [], [], [], [], [])
            if own and not name.startswith("lo"):
                rules += self.expand(base, [], [], [], own, [], [], [], [], [])
        return rules


def _address_text(host: Address) -> str:
    sign = "! " if host.negated else ""
    if host.kind == "net":
        full = host.bits == (32 if host.family == 4 else 128)
        return sign + (host.text if full else "%s/%d" % (host.text, host.bits))
    return sign + {"any": "any", "dynif": "(%s)" % host.text, "table": "<%s>" % host.text}.get(host.kind, host.kind)


def _port_text(port: Port | None) -> str:
    if port is None or port.op == ":":
        return ""
    if port.op in ("><", "<>"):
        return "%d%s%d" % (port.low, port.op, port.high)
    return "%s%d" % ("" if port.op == "=" else port.op, port.low)


def expand_label(label: str, rule: Rule) -> str:
    """Replace ``$if``, ``$srcaddr``, ``$dstaddr``, ``$srcport``, ``$dstport`` and ``$proto``; ``$nr`` waits for the load."""
    for name, text in (
        ("$if", rule.interface or "any"),
        ("$srcaddr", _address_text(rule.src)),
        ("$dstaddr", _address_text(rule.dst)),
        ("$srcport", _port_text(rule.src_port)),
        ("$dstport", _port_text(rule.dst_port)),
        ("$proto", protocol_text(rule.proto) if rule.proto else "ip"),
    ):
        label = label.replace(name, text)
    return label
