# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``pfctl -t TABLE -T COMMAND``: the tables of pf from the command line, with the real messages and exit codes."""

from __future__ import annotations

import ipaddress

from .flavour import Flavour
from .interfaces import Interfaces
from .outcome import Outcome
from .pf_kernel import PfKernel
from .pf_names import TABLE_NAME_MAX

COMMANDS = ("add", "delete", "expire", "flush", "kill", "replace", "show", "test", "zero")


def _normal(text: str, interfaces: Interfaces) -> list[str] | None:
    """The entries that an argument means, or ``None`` if it means nothing."""
    sign = "!" if text.startswith("!") else ""
    bare = text.lstrip("!")
    if interfaces.exists(bare.split(":")[0]) and all(word in ("network", "broadcast", "0") for word in bare.split(":")[1:]):
        found = interfaces.lookup(bare.split(":")[0], tuple(bare.split(":")[1:]))
        return [sign + _short("%s/%d" % (address, bits)) for _family, address, bits in found]
    octets = bare.partition("/")
    if octets[1] and octets[0].count(".") < 3 and ":" not in bare:
        parts = octets[0].split(".")
        bare = ".".join(parts + ["0"] * (4 - len(parts))) + "/" + octets[2]
    try:
        return [sign + _short(str(ipaddress.ip_network(bare, strict=False)))]
    except ValueError:
        return None


def _short(text: str) -> str:
    net = ipaddress.ip_network(text, strict=False)
    return str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)


def table_match(entries: list[str] | tuple, address: str) -> bool:
    """Whether an address is in a table: the longest entry that covers it decides, and a ``!`` entry says no."""
    wanted = ipaddress.ip_address(address)
    best, verdict = -1, False
    for entry in entries:
        net = ipaddress.ip_network(entry.lstrip("!"), strict=False)
        if net.version == wanted.version and wanted in net and net.prefixlen > best:
            best, verdict = net.prefixlen, not entry.startswith("!")
    return verdict


def run(
    kernel: PfKernel, interfaces: Interfaces, flavour: Flavour, anchor: str, table: str, command: str, words: list[str], options: dict
) -> Outcome:
    """Run one table command.  ``options``: quiet, dry (``-n``), verbose (a count), file text as ``listed``."""
    out = Outcome()
    if len(table) > TABLE_NAME_MAX:
        return out.fail("pfctl: table name '%s' too long" % table)
    key = "%s/%s" % (anchor, table) if anchor else table
    tables = kernel.state["tables"]
    known = tables.get(key)
    if command in ("flush", "kill", "show", "zero") and words:
        return out.fail("usage: pfctl -t table -T %s" % command)
    if command not in ("add", "replace") and known is None:
        return out.fail("pfctl: Table does not exist.")
    if known is not None and known["const"] and command in ("add", "delete", "replace", "flush", "kill", "expire"):
        return out.fail("pfctl: Operation not permitted.")
    entries: list[str] = []
    for word in words + options.get("listed", []):
        if command == "expire":
            break
        found = _normal(word, interfaces)
        if found is None:
            out.stderr.append("no IP address found for %s" % word)
            return out.fail("pfctl: cannot decode %s" % word)
        entries += found
    if command in ("add", "replace") and known is None:
        known = {"addresses": [], "const": False, "persist": True, "counters": False}
        _say(out, "1 table created", options)
        if not options.get("dry"):
            tables[key] = known
    if command == "kill":
        return _kill(tables, key, out, options)
    if command == "expire" and (len(words) != 1 or not words[0].isdigit()):
        return out.fail("pfctl: illegal value for expire")
    return _HANDLERS[command](known or {}, entries, out, options)


def _say(out: Outcome, text: str, options: dict) -> None:
    if not options.get("quiet"):
        out.stderr.append(text + (" (dummy)." if options.get("dry") else "."))


def _keep(known: dict, entries: list[str], options: dict) -> None:
    if not options.get("dry"):
        known["addresses"] = entries


def _changes(out: Outcome, signs: list[tuple[str, str]], options: dict) -> None:
    if options.get("verbose"):
        out.stdout += ["%s  %s" % pair for pair in signs]


def _add(known: dict, entries: list[str], out: Outcome, options: dict) -> Outcome:
    new = [entry for entry in dict.fromkeys(entries) if entry not in known["addresses"]]
    _say(out, "%d/%d addresses added" % (len(new), len(entries)), options)
    _changes(out, [("A", entry) for entry in new], options)
    _keep(known, known["addresses"] + new, options)
    return out


def _delete(known: dict, entries: list[str], out: Outcome, options: dict) -> Outcome:
    gone = [entry for entry in dict.fromkeys(entries) if entry in known["addresses"]]
    _say(out, "%d/%d addresses deleted" % (len(gone), len(entries)), options)
    _changes(out, [("D", entry) for entry in gone], options)
    _keep(known, [entry for entry in known["addresses"] if entry not in gone], options)
    return out


def _replace(known: dict, entries: list[str], out: Outcome, options: dict) -> Outcome:
    wanted = list(dict.fromkeys(entries))
    added = [entry for entry in wanted if entry not in known["addresses"]]
    gone = [entry for entry in known["addresses"] if entry not in wanted]
    if added:
        _say(out, "%d addresses added" % len(added), options)
    if gone:
        _say(out, "%d addresses deleted" % len(gone), options)
    if not added and not gone:
        _say(out, "no changes", options)
    _keep(known, wanted, options)
    return out


def _flush(known: dict, entries: list[str], out: Outcome, options: dict) -> Outcome:
    _say(out, "%d addresses deleted" % len(known["addresses"]), options)
    _keep(known, [], options)
    return out


def _kill(tables: dict, key: str, out: Outcome, options: dict) -> Outcome:
    _say(out, "1 table deleted", options)
    if not options.get("dry"):
        del tables[key]
    return out


def _test(known: dict, entries: list[str], out: Outcome, options: dict) -> Outcome:
    matched = [entry for entry in entries if table_match(known["addresses"], entry.partition("/")[0].lstrip("!"))]
    _say(out, "%d/%d addresses match" % (len(matched), len(entries)), options)
    if options.get("verbose"):
        out.stdout += ["   " + entry for entry in matched]
    out.rc = 0 if len(matched) == len(entries) else 1
    return out


def _show(known: dict, entries: list[str], out: Outcome, options: dict) -> Outcome:
    def order(entry: str) -> tuple:
        net = ipaddress.ip_network(entry.lstrip("!"), strict=False)
        return net.version, int(net.network_address), net.prefixlen

    out.stdout += ["  %s%s" % ("!" if entry.startswith("!") else " ", entry.lstrip("!")) for entry in sorted(known["addresses"], key=order)]
    return out


def _expire(known: dict, entries: list[str], out: Outcome, options: dict) -> Outcome:
    _say(out, "0/%d addresses expired" % len(known["addresses"]), options)
    return out


def _zero(known: dict, entries: list[str], out: Outcome, options: dict) -> Outcome:
    _say(out, "1 table/stats cleared", options)
    return out


_HANDLERS = {
    "add": _add,
    "delete": _delete,
    "replace": _replace,
    "flush": _flush,
    "test": _test,
    "show": _show,
    "expire": _expire,
    "zero": _zero,
}
