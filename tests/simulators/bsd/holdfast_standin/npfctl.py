# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``npfctl``: validate, reload, start, stop, flush, show, stats, and the rules and tables that change while npf runs.

The kernel's state has the text of the loaded file, so that what is shown is what was loaded, whatever happens to the file.
"""

from __future__ import annotations

import ipaddress
import sys

from .npf_listing import listing, rule_line
from .npf_parser import Crash, NpfError, parse_npf, parse_rule_words
from .npf_rule import Config, Group
from .outcome import Outcome
from .store import Host

CONF = "/etc/npf.conf"
#: What the kernel takes (npf_impl.h).
MAX_TABLES = 128
_USAGE = """Usage:\tnpfctl start | stop | flush | show | stats
\tnpfctl validate | reload [<rule-file>]
\tnpfctl rule "rule-name" { add | rem } <rule-syntax>
\tnpfctl rule "rule-name" rem-id <rule-id>
\tnpfctl rule "rule-name" { list | flush }
\tnpfctl table "table-name" { add | rem | test } <address/mask>
\tnpfctl table "table-name" { list | flush }
\tnpfctl table "table-name" replace [-n "name"] [-t <type>] <table-file>
\tnpfctl save | load
\tnpfctl list [-46hNnw] [-i <ifname>]"""
_FRESH = {"active": False, "loaded": False, "text": "", "tables": {}, "dynamic": {}, "ids": 0}


def main(host: Host, argv: list[str]) -> int:
    """One command."""
    out = Outcome()
    if not argv:
        return out.fail(_USAGE).emit()
    command, words = argv[0], argv[1:]
    if command == "validate":
        _validate(host, words, out)
    elif command in ("start", "stop", "flush", "show", "stats", "save", "load", "list"):
        _simple(host, command, out)
    elif command == "reload":
        _reload(host, words, out)
    elif command == "rule" and len(words) >= 2:
        _rule(host, words[0], words[1], words[2:], out)
    elif command == "table" and len(words) >= 2:
        _table(host, words[0], words[1], words[2:], out)
    else:
        out.fail(_USAGE)
    return out.emit()


def kernel_state(kernel: dict) -> dict:
    """npf's part of the kernel's state."""
    return kernel.setdefault("npf", {key: (dict(value) if isinstance(value, dict) else value) for key, value in _FRESH.items()})


def _read(host: Host, words: list[str], out: Outcome) -> tuple[Config, str, dict] | None:
    name = words[0] if words else CONF
    standard = name in ("-", "/dev/stdin")
    text = sys.stdin.read() if standard else host.read_file(name)
    if text is None:
        out.fail("npfctl: open '%s': No such file or directory" % name)
        return None
    try:
        config = parse_npf(text, "stdin" if name == "-" else name, host.strict)
        tables = _contents(host, config)
    except NpfError as error:
        out.fail(str(error))
        return None
    except Crash as crash:
        out.fail(str(crash), 134)
        return None
    for interface in config.interfaces:
        if not host.interfaces().exists(interface):
            out.stderr.append("npfctl: warning - unknown interface '%s'" % interface)
    return config, text, tables


def _contents(host: Host, config: Config) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, (kind, store) in config.tables.items():
        found[name] = []
        if store is None:
            continue
        text = host.read_file(store)
        if text is None:
            raise NpfError("npfctl: open '%s': No such file or directory" % store)
        for number, line in enumerate(text.splitlines(), 1):
            if line and not line.startswith("#"):
                found[name].append(_entry(line, kind, "%s:%d" % (store, number)))
    return found


def _entry(line: str, kind: str, place: str) -> str:
    try:
        network = ipaddress.ip_network(line.strip(), strict=False)
    except ValueError:
        raise NpfError("npfctl: %s: invalid table entry" % place) from None
    if kind != "lpm" and network.prefixlen != network.max_prefixlen:
        raise NpfError('npfctl: %s: mask used with the table type other than "lpm"' % place)
    return str(network)


def _validate(host: Host, words: list[str], out: Outcome) -> None:
    found = _read(host, words, out)
    if found is not None:
        out.stdout += listing(found[0])


def _reload(host: Host, words: list[str], out: Outcome) -> None:
    found = _read(host, words, out)
    if found is None:
        return
    config, text, tables = found
    if len(tables) > MAX_TABLES:
        out.fail("npfctl: npfctl_config_send: Argument list too long")
        return
    with host.kernel() as kernel:
        state = kernel_state(kernel)
        old = state["tables"]
        # A table that the file gives no addresses keeps those that were put in while npf ran.
        state.update(loaded=True, text=text, tables={name: rows or old.get(name, []) for name, rows in tables.items()})
        names = {group.name for group in _rulesets(config)}
        # A dynamic ruleset keeps its rules under the same name (npf_ruleset_reload).
        state["dynamic"] = {name: state["dynamic"].get(name, []) for name in names}


def _simple(host: Host, command: str, out: Outcome) -> None:
    with host.kernel() as kernel:
        state = kernel_state(kernel)
        if command == "start" and state["active"]:
            out.fail("npfctl: ioctl(IOC_NPF_SWITCH): File exists")
        elif command in ("start", "stop"):
            state["active"] = command == "start"
        elif command == "flush":
            state.update(loaded=False, text="", tables={}, dynamic={})
        elif command == "show":
            out.stdout.append("# filtering:\t%s" % ("active" if state["active"] else "inactive"))
            out.stdout += ["# config:\t%s" % ("loaded" if state["loaded"] else "empty"), ""]
            if state["loaded"]:
                out.stdout += listing(parse_npf(state["text"]), live=True)
        elif command == "stats":
            out.stdout += ["Packets passed:", "\t0 default pass", "\t0 ruleset pass", "\t0 state pass"]
        elif command in ("save", "load"):
            out.fail("stand-in: npfctl %s is not imitated" % command)


def _rulesets(config: Config) -> list[Group]:
    found: list[Group] = []
    waiting = list(config.asked)
    while waiting:
        group = waiting.pop()
        found += [group] if group.dynamic else []
        waiting += [one for one in group.items if isinstance(one, Group)]
    return found


def _rule(host: Host, name: str, action: str, words: list[str], out: Outcome) -> None:
    with host.kernel() as kernel:
        state = kernel_state(kernel)
        rows = state["dynamic"].get(name)
        if rows is None:
            out.fail('npfctl: ruleset "%s" not found' % name)
            return
        text = " ".join(words)
        if action == "list":
            out.stdout += ['%s# id="%x" ' % (rule_line(parse_rule_words(one)), number) for number, one in rows]
        elif action == "flush":
            rows.clear()
        elif action == "add":
            try:
                parse_rule_words(text)
            except NpfError as error:
                out.fail(str(error))
                return
            state["ids"] += 1
            rows.append([state["ids"], text])
            out.stdout.append("OK %x" % state["ids"])
        elif action in ("rem", "rem-id"):
            kept = [row for row in rows if (row[1] != text if action == "rem" else "%x" % row[0] != text)]
            if len(kept) == len(rows):
                out.fail("npfctl: rule was not found")
                return
            rows[:] = kept
        else:
            out.fail(_USAGE)


def _table(host: Host, name: str, action: str, words: list[str], out: Outcome) -> None:
    with host.kernel() as kernel:
        state = kernel_state(kernel)
        rows = state["tables"].get(name)
        if rows is None:
            out.fail('npfctl: table "%s" was not found in the active configuration' % name)
            return
        kind = parse_npf(state["text"]).tables[name][0]
        if action == "list":
            out.stdout += rows
        elif action == "flush":
            rows.clear()
        elif action in ("add", "rem", "test") and words:
            try:
                entry = _entry(words[0], kind, name)
            except NpfError as error:
                out.fail(str(error))
                return
            _change(rows, action, entry, out)
        else:
            out.fail(_USAGE)


def _change(rows: list[str], action: str, entry: str, out: Outcome) -> None:
    if action == "add":
        if entry in rows:
            out.fail("npfctl: entry already exists or is conflicting")
            return
        rows.append(entry)
    elif action == "rem":
        if entry not in rows:
            out.fail("npfctl: no matching entry was not found")
            return
        rows.remove(entry)
    elif not any(ipaddress.ip_network(entry).subnet_of(ipaddress.ip_network(one)) for one in rows if (":" in one) == (":" in entry)):
        out.fail("not found")
