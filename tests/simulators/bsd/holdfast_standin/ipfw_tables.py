# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ipfw table NAME COMMAND``: with the real messages and exit codes."""

from __future__ import annotations

import ipaddress

from .ipfw_kernel import FLOW_FIELDS, IpfwKernel, table_lookup
from .ipfw_rule import DATAERR, NOHOST, OSERR, UNAVAILABLE, USAGE, IpfwError
from .ipfw_words import c_number, good_name
from .net_names import protocol_number
from .outcome import Outcome

_COMMANDS = (
    "add",
    "delete",
    "create",
    "destroy",
    "flush",
    "modify",
    "swap",
    "info",
    "detail",
    "list",
    "lookup",
    "atomic",
    "lock",
    "unlock",
)
_OPTIONS = ("type", "valtype", "algo", "limit", "locked", "missing", "or-flush")


def _token(known: tuple, word: str, what: str) -> str:
    found = [name for name in known if name.startswith(word)] if word else []
    if word in found:
        return word
    if len(found) != 1:
        raise IpfwError(USAGE, "%s %s %s" % ("ambiguous" if found else "invalid", what, word))
    return found[0]


def run(kernel: IpfwKernel, argv: list[str], out: Outcome, quiet: bool, test_only: bool, strict: bool, most: int = 128) -> None:
    """``argv`` without ``table``; ``most`` is how many tables there may be."""
    if not argv:
        raise IpfwError(USAGE, "table needs name")
    name, *rest = argv
    every = name == "all"
    if not every and not good_name(name):
        raise IpfwError(USAGE, "table name %s is invalid" % name)
    if not rest:
        raise IpfwError(USAGE, "table needs command")
    command = _token(_COMMANDS, rest[0], "table command")
    rest = rest[1:]
    atomic = command == "atomic"
    if atomic:
        if not rest:
            raise IpfwError(USAGE, "atomic needs command")
        command = _token(_COMMANDS, rest[0], "table command")
        if command != "add":
            raise IpfwError(USAGE, "atomic is not compatible with %s" % rest[0])
        rest = rest[1:]
    if every and command not in ("list", "info", "detail", "flush", "destroy"):
        raise IpfwError(USAGE, "table name required")
    if command in ("modify", "lock", "unlock"):
        raise IpfwError(USAGE, "stand-in: table %s is not implemented" % command)
    if command == "create":
        _create(kernel, name, rest, test_only, most)
    elif command in ("add", "delete"):
        _modify(kernel, name, rest, command == "add", atomic, out, quiet, test_only)
    elif command == "swap":
        if not rest:
            raise IpfwError(USAGE, "second table name required")
        if not good_name(rest[0]):
            raise IpfwError(USAGE, "table name %s is invalid" % rest[0])
        if not test_only:
            kernel.swap_tables(name, rest[0], strict)
    elif not test_only:
        _whole(kernel, name, command, rest, out, quiet, every)


def _create(kernel: IpfwKernel, name: str, rest: list[str], test_only: bool, most: int) -> None:
    kind, limit, locked, missing, flush = "addr", 0, False, False, False
    while rest:
        option = _token(_OPTIONS, rest.pop(0), "option")
        if option in ("type", "valtype", "algo", "limit"):
            if not rest:
                raise IpfwError(
                    USAGE,
                    {
                        "type": "table type required",
                        "valtype": "table value type required",
                        "algo": "table algorithm name required",
                        "limit": "limit value required",
                    }[option],
                )
            value = rest.pop(0)
            if option == "type":
                kind, colon, fields = value.partition(":")
                if kind not in ("addr", "iface", "number", "flow"):
                    raise IpfwError(USAGE, "Unknown tabletype: %s. Supported: addr, mac, iface, number, flow" % value)
                if colon:
                    kind = _flow_type(kind, fields)
            elif option == "limit":
                limit = c_number(value)[0]
            else:
                raise IpfwError(USAGE, "stand-in: table option %s is not implemented" % option)
        else:
            locked, missing, flush = locked or option == "locked", missing or option != "locked", flush or option == "or-flush"
    if not test_only:
        kernel.create_table(name, kind, limit, locked, missing, flush, most)


def _flow_type(kind: str, fields: str) -> str:
    words = fields.split(",")
    if kind != "flow" or not all(word in FLOW_FIELDS for word in words):
        raise IpfwError(USAGE, "Unsupported suboptions: %s" % fields if kind != "flow" else "unable to parse flow option %s" % fields)
    return "flow:" + ",".join(word for word in FLOW_FIELDS if word in words)


def _guess(key: str) -> str:
    host = key.partition("/")[0]
    try:
        ipaddress.ip_address(host)
        return "addr"
    except ValueError:
        pass
    if key.isdigit():
        return "number"
    if "." in key:
        raise IpfwError(USAGE, "cannot guess key '%s' type" % key)
    return "iface"


def _key(text: str, kind: str) -> str:
    if kind == "iface":
        return text[:15]
    if kind.startswith("flow"):
        return _flow(text, kind.partition(":")[2].split(","))
    if kind == "number":
        number, rest = c_number(text)
        if rest:
            raise IpfwError(DATAERR, "Invalid number: %s" % text)
        return str(number)
    host, slash, width = text.partition("/")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise IpfwError(NOHOST, "hostname ``%s'' unknown" % host) from None
    full = 32 if address.version == 4 else 128
    bits = c_number(width)[0] if slash else full
    if bits > full or bits < 0:
        raise IpfwError(DATAERR, "bad IPv%d mask width: %s" % (address.version, width))
    return str(ipaddress.ip_network("%s/%d" % (host, bits), strict=False))


def _flow(text: str, fields: list[str]) -> str:
    """A flow's key: exact addresses, one protocol, exact ports, in the order of the fields."""
    words = text.split(",")
    if len(words) < len(fields):
        raise IpfwError(DATAERR, "invalid key: %s missing" % fields[len(words)].replace("-", " "))
    found = []
    for name, word in zip(fields, words):
        if name.endswith("ip"):
            try:
                found.append(str(ipaddress.ip_address(word)))
            except ValueError:
                raise IpfwError(OSERR, "Adding record failed: Invalid argument") from None
            continue
        number, rest = c_number(word)
        known = protocol_number(word) if name == "proto" and rest else number
        if known is None or (rest and name != "proto"):
            raise IpfwError(DATAERR, "Unknown %s: %s" % ("proto" if name == "proto" else "service", word))
        if known > (255 if name == "proto" else 65535):
            raise IpfwError(DATAERR, "Bad protocol number: %d" % known)
        found.append(str(known))
    return ",".join(found)


def _modify(kernel: IpfwKernel, name: str, rest: list[str], add: bool, atomic: bool, out: Outcome, quiet: bool, test_only: bool) -> None:
    if not rest:
        raise IpfwError(USAGE, "address required")
    tables = kernel.state["tables"]
    table = None if test_only else tables.get(name)
    if table is None and not add and not test_only:
        raise IpfwError(DATAERR, "Table %s does not exist" % name)
    kind = table["type"] if table else _guess(rest[0])
    pairs = []
    while rest:
        key = _key(rest.pop(0), kind)
        value = "0"
        if add and rest:
            text = rest.pop(0)
            number, tail = c_number(text, 0)
            if tail:
                raise IpfwError(OSERR, "Unable to parse value %s" % text)
            value = str(number)
        pairs.append((key, value))
    if test_only:
        return
    if table is None:
        if not quiet:
            out.stderr.append("ipfw: DEPRECATED: inserting data into non-existent table %s. (auto-created)" % name)
        kernel.create_table(name, kind, 0, False, False, False)
        table = tables[name]
    entries = dict(table["entries"])
    results, error = [], ""
    for key, value in pairs:
        if not add:
            results.append(("deleted" if entries.pop(key, None) is not None else "notfound", key, value))
            error = error or ("record not found" if results[-1][0] == "notfound" else "")
        elif key in entries and not quiet:
            results.append(("exists", key, value))
            error = error or "record already exists"
        elif table["limit"] and len(entries) >= table["limit"] and key not in entries:
            results.append(("limit", key, value))
            error = error or "limit hit"
        else:
            results.append(("updated" if key in entries else "added", key, value))
            entries[key] = value
    if not (error and atomic):
        table["entries"] = entries
    if quiet and error in ("", "record already exists", "record not found"):
        return
    for result, key, value in results:
        reverted = "(reverted)" if error and atomic and result in ("added", "deleted", "updated") else ""
        out.stdout.append("%s%s: %s %s" % (result, reverted, key, value))
    if error:
        raise IpfwError(OSERR, "%s: %s" % ("Adding record failed" if add else "Deleting record failed", error))


def _order(key: str) -> tuple:
    try:
        net = ipaddress.ip_network(key)
        return (net.version, int(net.network_address), net.prefixlen)
    except ValueError:
        return (9, key)


def _lines(table: dict) -> list[str]:
    return ["%s %s" % (key, table["entries"][key]) for key in sorted(table["entries"], key=_order)]


def _whole(kernel: IpfwKernel, name: str, command: str, rest: list[str], out: Outcome, quiet: bool, every: bool) -> None:
    tables = kernel.state["tables"]
    names = sorted(tables) if every else [name]
    if not every and name not in tables:
        _missing(name, command, out, quiet)
        return
    for each in names:
        table = tables[each]
        if command == "list":
            out.stdout += (["--- table(%s), set(0) ---" % each] if every else []) + _lines(table)
        elif command in ("info", "detail"):
            count = len(table["entries"])
            out.stdout += [
                "--- table(%s), set(0) ---" % each,
                " kindex: %d, type: %s%s" % (table["index"], table["type"], ", locked" if table["locked"] else ""),
                " references: %d, valtype: legacy" % kernel.references(each),
                " algorithm: %s" % table["algorithm"],
                " items: %d, size: %d" % (count, 296 + 64 * count),
            ]
            out.stdout += [" limit: %d" % table["limit"]] if table["limit"] else []
        elif command == "flush":
            table["entries"] = {}
        elif command == "destroy":
            if kernel.references(each):
                if not every:
                    raise IpfwError(OSERR, "failed to destroy table %s: Device busy" % each)
                out.stderr.append("ipfw: failed to destroy table(%s) in set 0: Device busy" % each)
                continue
            del tables[each]
        elif command == "lookup":
            if not rest:
                raise IpfwError(USAGE, "address required")
            value = table_lookup(table["entries"], rest[0].partition("/")[0])
            if value is None:
                raise IpfwError(UNAVAILABLE, "Entry %s not found" % rest[0])
            net = ipaddress.ip_network(rest[0], strict=False)
            out.stdout.append("%s %s" % (net, value))


def _missing(name: str, command: str, out: Outcome, quiet: bool) -> None:
    if command in ("destroy", "flush"):
        if not quiet:
            out.stderr.append("ipfw: failed to %s table %s%s: No such process" % (command, name, " info" if command == "flush" else ""))
        return
    if command == "lookup":
        raise IpfwError(UNAVAILABLE, "Table %s not found" % name)
    raise IpfwError(OSERR, "failed to request table info: No such process")
