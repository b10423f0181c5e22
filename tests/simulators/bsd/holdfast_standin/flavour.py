# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which BSD a stand-in host poses as, and what its dialects understand.

Nothing here reads the machine; ``store`` finds out which flavour a state folder holds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flavour:
    """One operating system release with the facts on which its tools differ.

    ``spec`` texts are ``freebsd``, ``openbsd``, ``macos``, each optionally with ``-`` and a release: ``freebsd-12.1``.
    """

    name: str
    release: str

    @property
    def major(self) -> int:
        """The number before the first dot of the release."""
        return int(self.release.split(".")[0].split("-")[0])

    @property
    def ostype(self) -> str:
        """What ``uname -s`` prints."""
        return {"freebsd": "FreeBSD", "openbsd": "OpenBSD", "netbsd": "NetBSD", "macos": "Darwin"}[self.name]

    @property
    def uname_release(self) -> str:
        """What ``uname -r`` prints."""
        if self.name == "freebsd":
            return self.release if "-" in self.release else self.release + "-RELEASE"
        return self.release

    # Grammar of pf.conf.  Sources: pf.conf(5) of each system and the observed traps of FreeBSD 12.1 and 15.1.

    @property
    def has_match(self) -> bool:
        """``match`` rules and ``scrub ( )`` as an option of a rule."""
        return self.name == "openbsd" or (self.name == "freebsd" and self.major >= 14)

    @property
    def has_translation_options(self) -> bool:
        """``nat-to`` and ``rdr-to`` as options of a rule."""
        return self.name == "openbsd" or (self.name == "freebsd" and self.major >= 15)

    @property
    def has_packet_rate(self) -> bool:
        """``max-pkt-rate``."""
        return self.name == "openbsd" or (self.name == "freebsd" and self.major >= 15)

    @property
    def has_old_sections(self) -> bool:
        """``nat``, ``rdr``, ``binat`` and ``scrub`` lines, and a fixed order of sections."""
        return self.name != "openbsd"

    @property
    def has_received_on(self) -> bool:
        """``received-on`` in a filter rule."""
        return self.name == "openbsd"

    @property
    def any_takes_a_list(self) -> bool:
        """``any`` beside other addresses in a list means any; elsewhere it is passed over."""
        return self.name == "openbsd" or (self.name == "freebsd" and self.major >= 15)

    @property
    def expands_ports_first(self) -> bool:
        """Lists of source ports are gone through before those of destinations."""
        return self.name != "openbsd" and not (self.name == "freebsd" and self.major >= 15)

    @property
    def shortens_anchors(self) -> bool:
        """``-v`` shows the last part of an anchor's name alone while it loads a file; the listing has all of it."""
        return self.name == "macos" or (self.name == "freebsd" and self.major <= 12)

    @property
    def has_many_labels(self) -> bool:
        """Up to five labels a rule, and ``ridentifier``."""
        return self.name == "freebsd" and self.major >= 13

    @property
    def has_listener_reports(self) -> bool:
        """``listenrepv2`` is a name of an ICMPv6 type."""
        return self.name == "openbsd" or (self.name == "freebsd" and self.major >= 15)

    @property
    def forgives_missing_newline(self) -> bool:
        """A last line without a newline is taken as complete."""
        return self.name == "openbsd" or (self.name == "freebsd" and self.major >= 15)

    @property
    def checks_port_ranges(self) -> bool:
        """A reversed port range is refused."""
        return self.name == "openbsd"

    @property
    def users_need_ports(self) -> bool:
        """``user`` and ``group`` are refused without tcp or udp."""
        return self.name == "openbsd"

    @property
    def tables_in_anchors(self) -> bool:
        """A ``table`` line may stand inside ``anchor { }``."""
        return self.name == "openbsd"

    @property
    def lists_state_always(self) -> bool:
        """The listing says ``keep state`` even without options."""
        return self.name != "openbsd"

    @property
    def order_message(self) -> str:
        """What pfctl says about a rule in the wrong section."""
        ethernet = "ethernet, " if self.name == "freebsd" and self.major >= 14 else ""
        return "Rules must be in order: options, %snormalization, queueing, translation, filtering" % ethernet


DEFAULT_RELEASES = {"freebsd": "15.1", "openbsd": "7.6", "netbsd": "10.1", "macos": "24.1.0"}


def parse_flavour(spec: str) -> Flavour:
    """Turn ``freebsd`` or ``freebsd-12.1`` into a ``Flavour``; ``ValueError`` for any other system."""
    name, _dash, release = spec.strip().partition("-")
    if name not in DEFAULT_RELEASES:
        raise ValueError("unknown flavour %r: use freebsd, openbsd, netbsd or macos, with an optional release as in freebsd-12.1" % spec)
    return Flavour(name, release or DEFAULT_RELEASES[name])
