# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services: names for protocols and ports, those that every document knows and those that it defines.

Pure: touches nothing. Numbers of the known services: IANA "Service Name and Transport Protocol Port Number Registry"; where a program's
usual port is not registered, the program's own manual.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .address_words import MAX_NESTED
from .errors import PolicyError
from .names import reached, unknown_name
from .parse import check_keys, no_ports, parse_list, parse_types
from .port_words import PortSets
from .ports import PortRange, merge_ports
from .protocols import FAMILY_OF, ICMP, ICMPV6, TCP, UDP, WITH_PORTS, parse_protocol

KEYS = ("protocol", "port", "source_port", "icmp_type")
MAX_ENTRIES = 1024


@dataclass(frozen=True)
class ServiceEntry:
    """One protocol with its ports or ICMP types; ``family`` is set where the protocol, or what it is for, has one family only."""

    protocol: t.Optional[int] = TCP
    ports: t.Tuple[PortRange, ...] = ()
    source_ports: t.Tuple[PortRange, ...] = ()
    icmp_types: t.Tuple[int, ...] = ()
    family: t.Optional[int] = None


Service = t.Tuple[ServiceEntry, ...]


def _ports(words: t.Union[int, str]) -> t.Tuple[PortRange, ...]:
    pairs = [part.partition("-") for part in str(words).split()]
    return merge_ports(PortRange(int(first), int(last or first)) for first, dash, last in pairs)


def _tcp(ports: t.Union[int, str]) -> Service:
    return (ServiceEntry(TCP, _ports(ports)),)


def _udp(ports: t.Union[int, str], family: t.Optional[int] = None) -> Service:
    return (ServiceEntry(UDP, _ports(ports), family=family),)


def _both(ports: t.Union[int, str]) -> Service:
    return _tcp(ports) + _udp(ports)


#: The services that every document knows; a document may define one of these names anew.
KNOWN: t.Dict[str, Service] = {
    "amqp": _tcp(5672), "amqps": _tcp(5671), "bfd": _udp("3784 4784"), "bgp": _tcp(179), "cockpit": _tcp(9090),
    "dhcp": _udp(67, 4), "dhcp-client": _udp(68, 4), "dhcpv6": _udp(547, 6), "dhcpv6-client": _udp(546, 6),
    "dns": _both(53), "dns-over-tls": _tcp(853), "dns-over-quic": _udp(853), "docker-registry": _tcp(5000), "elasticsearch": _tcp(9200),
    "etcd": _tcp("2379 2380"), "ftp": _tcp(21), "git": _tcp(9418), "gre": (ServiceEntry(47),), "grafana": _tcp(3000),
    "http": _tcp(80), "http-alt": _tcp(8080), "http3": _udp(443), "https": _tcp(443), "https-alt": _tcp(8443), "ident": _tcp(113),
    "imap": _tcp(143), "imaps": _tcp(993), "influxdb": _tcp(8086), "iperf3": _both(5201), "ipp": _tcp(631),
    "ipsec": (*_udp("500 4500"), ServiceEntry(50), ServiceEntry(51)), "irc": _tcp(6667), "ircs": _tcp(6697), "kafka": _tcp(9092),
    "kerberos": _both(88), "kpasswd": _both(464), "kube-api": _tcp(6443), "kubelet": _tcp(10250), "l2tp": _udp(1701), "ldap": _tcp(389),
    "ldaps": _tcp(636), "llmnr": _both(5355), "mdns": _udp(5353), "memcached": _tcp(11211), "mongodb": _tcp(27017), "mqtt": _tcp(1883),
    "mqtts": _tcp(8883), "mssql": _tcp(1433), "munin": _tcp(4949), "mysql": _tcp(3306), "netbios": (*_udp("137 138"), *_tcp(139)),
    "nfs": _tcp(2049), "node-exporter": _tcp(9100), "nrpe": _tcp(5666), "nts-ke": _tcp(4460), "ntp": _udp(123), "openvpn": _udp(1194),
    "ospf": (ServiceEntry(89),), "ping": (ServiceEntry(ICMP, icmp_types=(8,), family=4), ServiceEntry(ICMPV6, icmp_types=(128,), family=6)),
    "pop3": _tcp(110), "pop3s": _tcp(995), "postgresql": _tcp(5432), "prometheus": _tcp(9090), "puppet": _tcp(8140),
    "radius": _udp("1812-1813"),
    "rdp": _tcp(3389), "redis": _tcp(6379), "rpcbind": _both(111), "rsync": _tcp(873), "rtsp": _tcp(554), "salt": _tcp("4505-4506"),
    "sip": _both(5060), "sips": _tcp(5061), "smb": _tcp(445), "smtp": _tcp(25), "smtps": _tcp(465), "snmp": _udp(161),
    "snmp-trap": _udp(162), "socks": _tcp(1080), "squid": _tcp(3128), "ssdp": _udp(1900), "ssh": _tcp(22), "stun": _both(3478),
    "submission": _tcp(587), "submissions": _tcp(465), "syslog": _udp(514), "syslog-tls": _tcp(6514), "tacacs": _tcp(49),
    "telnet": _tcp(23), "tftp": _udp(69), "traceroute": _udp("33434-33523"), "vnc": _tcp("5900-5903"), "vrrp": (ServiceEntry(112),),
    "vxlan": _udp(4789), "winrm": _tcp(5985), "winrm-https": _tcp(5986), "wireguard": _udp(51820), "xmpp-client": _tcp(5222),
    "xmpp-server": _tcp(5269), "zabbix-agent": _tcp(10050), "zabbix-server": _tcp(10051), "zookeeper": _tcp(2181),
}  # fmt: skip


class Services:
    """The services of a document over the known ones; each is worked out once, when it is first used."""

    def __init__(self, defined: t.Mapping[str, t.Any], place: str, ports: PortSets) -> None:
        self._defined = defined
        self._place = place
        self._ports = ports
        self._found: t.Dict[str, Service] = {}
        self._named: t.Set[str] = set()
        self._inner: t.Dict[str, t.List[str]] = {}

    def check(self) -> None:
        """Work out every service, so that a mistake is found in one that nothing uses, too.

        :raises PolicyError: as ``entries``.
        """
        for name in self._defined:
            self._resolve(name, self._place, ())

    def used(self) -> t.Set[str]:
        """Return the names that something outside of ``services`` has used, and those that these use."""
        return reached(self._named, self._inner)

    def entries(self, values: t.Sequence[t.Any], place: str) -> Service:
        """Return what the services of a rule's field come to, equal entries once.

        :raises PolicyError: for an unknown service or a mistake in its definition.
        """
        found: t.Dict[ServiceEntry, None] = {}
        for number, value in enumerate(values):
            where = "%s[%d]" % (place, number) if len(values) > 1 else place
            if not isinstance(value, str):
                raise PolicyError(where, value, "the name of a service", "for a port write port: %s" % value if _is_port(value) else "")
            name = value.strip()
            self._named.add(name)
            found.update(dict.fromkeys(self._resolve(name, where, ())))
        return tuple(found)

    def _resolve(self, name: str, place: str, within: t.Tuple[str, ...]) -> Service:
        found = self._found.get(name)
        if found is not None:
            return found
        if name in within:
            # A definition of a known name may build on the known one (ssh: [ssh, {port: 2222}]).
            if name == within[-1] and name in KNOWN:
                return KNOWN[name]
            raise PolicyError(place, name, "a service that does not contain itself", "the cycle is %s" % " -> ".join((*within, name)))
        if len(within) >= MAX_NESTED:
            raise PolicyError(place, name, "services inside each other at most %d levels deep" % MAX_NESTED)
        if name not in self._defined:
            known = KNOWN.get(name) or KNOWN.get(name.lower())
            if known is None:
                raise unknown_name(name, {*self._defined, *KNOWN}, place, "service", "services")
            return known
        where = "%s.%s" % (self._place, name)
        value = self._defined[name]
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        if not items:
            raise PolicyError(where, "(nothing)", "at least one protocol and port", "an empty service matches nothing")
        entries: t.Dict[ServiceEntry, None] = {}
        for number, item in enumerate(items):
            at = "%s[%d]" % (where, number) if isinstance(value, (list, tuple)) else where
            if isinstance(item, str):
                self._inner.setdefault(name, []).append(item.strip())
                found = self._resolve(item.strip(), at, (*within, name))
            else:
                found = self._read(item, at)
            entries.update(dict.fromkeys(found))
            if len(entries) > MAX_ENTRIES:
                raise PolicyError(where, "(more than %d entries)" % MAX_ENTRIES, "at most %d entries in a service" % MAX_ENTRIES)
        self._found[name] = tuple(entries)
        return self._found[name]

    def _read(self, item: t.Any, place: str) -> Service:
        if not isinstance(item, t.Mapping):
            allowed = "a mapping with the keys %s, the name of another service, or a list of these" % ", ".join(KEYS)
            raise PolicyError(place, item, allowed, "write {protocol: tcp, port: %s}" % item if _is_port(item) else "")
        check_keys(item, KEYS, place)
        given = {key: value for key, value in item.items() if value is not None}
        if not given:
            raise PolicyError(place, item, "a mapping with the keys " + ", ".join(KEYS), "an empty service matches nothing")
        if "protocol" not in given and "port" not in given:
            raise PolicyError(place + ".protocol", "(nothing)", "a protocol, or a port (then the protocol is tcp)")
        found = []
        for protocol in parse_protocols(parse_list(given.get("protocol", "tcp"), place + ".protocol"), place + ".protocol"):
            ports: t.Dict[str, t.Tuple[PortRange, ...]] = {}
            for key in ("port", "source_port"):
                if key in given:
                    if protocol not in WITH_PORTS:
                        raise no_ports("%s.%s" % (place, key), given[key], protocol)
                    ports[key] = self._ports.parse(parse_list(given[key], "%s.%s" % (place, key)), "%s.%s" % (place, key))
            types = parse_types(given["icmp_type"], protocol, place + ".icmp_type") if "icmp_type" in given else ()
            family = FAMILY_OF.get(protocol) if protocol is not None else None
            found.append(ServiceEntry(protocol, ports.get("port", ()), ports.get("source_port", ()), types, family))
        return tuple(found)


def parse_protocols(values: t.Sequence[t.Any], place: str) -> t.Tuple[t.Optional[int], ...]:
    """Read protocols, among them ``both`` (tcp and udp); equal ones count once.

    :raises PolicyError: for an unknown protocol, or ``any`` beside others.
    """
    found: t.Dict[t.Optional[int], None] = {}
    for number, one in enumerate(values):
        if isinstance(one, str) and one.strip().lower() == "both":
            found.update({TCP: None, UDP: None})
        else:
            found[parse_protocol(one, "%s[%d]" % (place, number) if len(values) > 1 else place)] = None
    if None in found and len(found) > 1:
        raise PolicyError(place, list(values), "several protocols, or any", "any stands alone")
    return tuple(found)


def _is_port(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
