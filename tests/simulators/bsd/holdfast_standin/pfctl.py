# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``pfctl`` command: options, order of work, messages and exit codes as in pfctl(8) of each system."""

from __future__ import annotations

import getopt
import re
import sys
import time

from . import pf_tables
from .outcome import Outcome
from .pf_kernel import PfKernel, parse_with_loads
from .pf_names import TIMEOUT_DEFAULTS
from .pf_parser import Ruleset
from .store import Host

_USAGE = [
    "usage: pfctl [-AdeghMmNnOPqRrvz] [-a anchor] [-F modifier] [-f file] [-i interface]",
    "\t[-k host | network | gateway | label | id] [-o level] [-s modifier] [-t table -T command [address ...]]",
]
_SHOW = (
    "nat",
    "queue",
    "rules",
    "Anchors",
    "Sources",
    "states",
    "info",
    "Interfaces",
    "labels",
    "timeouts",
    "memory",
    "Tables",
    "osfp",
    "Running",
    "References",
    "all",
)
_FLUSH = {
    "freebsd": ("nat", "queue", "rules", "Sources", "states", "info", "Tables", "osfp", "all"),
    "macos": ("nat", "queue", "rules", "Sources", "states", "info", "Tables", "osfp", "all"),
    "openbsd": ("rules", "Sources", "states", "info", "Tables", "osfp", "Reset", "all"),
}


def _lookup(word: str, known: tuple) -> str | None:
    """A modifier by its beginning, as the real tool finds it: the first in its list."""
    return next((name for name in known if name.startswith(word)), None) if word else None


class Pfctl:
    """One run of the command."""

    def __init__(self, host: Host, argv: list[str]) -> None:
        """``argv`` without the program name."""
        self.host = host
        self.argv = argv
        self.out = Outcome()

    def run(self) -> Outcome:
        """Do it all in the order of the real tool: disable, show, flush, kill, tables, load, enable."""
        out = self.out
        letters = "a:deF:f:k:mno:Pqs:t:T:vz" + ("EX:" if self.host.flavour.name == "macos" else "")
        try:
            pairs, words = getopt.getopt(self.argv, letters)
        except getopt.GetoptError as error:
            wrong = "unknown option" if error.opt not in letters else "option requires an argument"
            out.stderr.append("pfctl: %s -- %s" % (wrong, error.opt))
            return self._usage()
        opts: dict[str, str] = {}
        self.verbosity = sum(1 for name, _value in pairs if name == "-v")
        kills = [value for name, value in pairs if name == "-k"]
        for name, value in pairs:
            opts[name] = value
        if not pairs or (words and "-T" not in opts):
            return self._usage()
        show = _lookup(opts["-s"], _SHOW) if "-s" in opts else None
        flush = _lookup(opts["-F"], _FLUSH[self.host.flavour.name]) if "-F" in opts else None
        if "-s" in opts and show is None:
            out.stderr.append("pfctl: Unknown show modifier '%s'" % opts["-s"])
            return self._usage()
        if "-F" in opts and flush is None:
            out.stderr.append("pfctl: Unknown flush modifier '%s'" % opts["-F"])
            return self._usage()
        if "-o" in opts and opts["-o"] not in ("none", "basic", "profile"):
            return self._usage()
        if "-T" in opts and opts["-T"] not in pf_tables.COMMANDS:
            out.stderr.append("pfctl: Unknown table command '%s'" % opts["-T"])
            return self._usage()
        if ("-T" in opts) != ("-t" in opts):
            return self._usage()
        self.quiet, self.dry = "-q" in opts, "-n" in opts
        self.numeric = ("-P" in opts) != (self.host.flavour.name == "openbsd")
        self.anchor = "" if opts.get("-a") in (None, "*") else opts["-a"].rstrip("/*").lstrip("/")
        self.recurse = opts.get("-a", "").endswith("*")
        if self.anchor.startswith("_") or "/_" in self.anchor:
            return out.fail("pfctl: anchor names beginning with '_' cannot be modified from the command line")
        with self.host.kernel() as kernel:
            if self.host.flavour.name == "freebsd" and "pf" not in kernel["modules"] and not self.dry:
                return out.fail("pfctl: /dev/pf: No such file or directory")
            if self.host.flavour.name == "macos":
                out.stderr += ["No ALTQ support in kernel", "ALTQ related functions disabled"]
            self.pf = PfKernel(kernel["pf"], self.host.flavour)
            if "-d" in opts:
                self._disable()
            if show and out.rc == 0:
                self._show(show)
            if flush and out.rc == 0 and not self.dry:
                self._flush(flush)
            if kills and out.rc == 0:
                self._kill(kills)
            if "-T" in opts and out.rc == 0:
                self._table(opts, words)
            elif "-f" in opts and out.rc == 0:
                self._load(opts["-f"])
            if "-X" in opts and out.rc == 0:
                self._release(opts["-X"])
            if ("-e" in opts or "-E" in opts) and out.rc == 0:
                self._enable("-E" in opts)
        return out

    def _usage(self) -> Outcome:
        self.out.stderr += _USAGE
        self.out.rc = 1
        return self.out

    def _say(self, text: str) -> None:
        if not self.quiet:
            self.out.stderr.append(text)

    # on and off

    def _enable(self, by_reference: bool) -> None:
        state = self.pf.state
        if by_reference:
            token = str(17000000000000000000 + 1031 * (len(state["tokens"]) + 1) + int(time.time()) % 1000 * 1000000)
            state["tokens"].append(token)
        elif state["enabled"]:
            self.out.fail("pfctl: pf already enabled")
            return
        if not state["enabled"]:
            state.update(enabled=True, since=int(time.time()))
        self._say("pf enabled")
        if by_reference:
            self._say("Token : %s" % state["tokens"][-1])

    def _disable(self) -> None:
        state = self.pf.state
        if not state["enabled"]:
            self.out.fail("pfctl: pf not enabled")
            return
        state.update(enabled=False, since=int(time.time()), tokens=[])
        self._say("pf disabled")

    def _release(self, token: str) -> None:
        state = self.pf.state
        if token not in state["tokens"]:
            self.out.fail("pfctl: pf not enabled" if not state["enabled"] else "pfctl: DIOCSTOPREF: Invalid argument")
            return
        state["tokens"].remove(token)
        left = len(state["tokens"])
        if not left:
            state.update(enabled=False, since=int(time.time()))
        remaining = "disable request successful. %d more pf enable reference(s) remaining, pf still enabled." % left
        self._say(remaining if left else "pf disabled")

    # show

    def _show(self, what: str) -> None:
        out, pf = self.out, self.pf
        if what == "rules" and self.anchor and not pf.exists(self.anchor):
            out.stderr.append(
                "pfctl: Anchor '%s' not found." % self.anchor
                if self.host.flavour.name == "openbsd"
                else "pfctl: DIOCGETRULES: Invalid argument"
            )
            out.rc = 1 if self.host.flavour.name == "openbsd" else 0
        elif what == "rules":
            out.stdout += pf.filter_lines(self.anchor, self.numeric, self.verbosity, self.recurse)
        elif what == "nat":
            out.stdout += pf.translation_lines(self.anchor, self.numeric, self.verbosity)
        elif what == "Anchors":
            out.stdout += ["  " + path for path in self._anchors(self.anchor)]
        elif what == "info":
            out.stdout += self._info()
        elif what == "Running":
            out.stdout.append("Enabled" if pf.state["enabled"] else "Disabled")
            out.rc = 0 if pf.state["enabled"] else 1
        elif what == "Tables":
            out.stdout += self._table_names()
        elif what == "labels":
            out.stdout += ["%s 0 0 0 0 0 0 0 0" % label for rule in pf.rules(self.anchor) for label in rule.labels]
        elif what == "timeouts":
            out.stdout += self._timeouts()
        elif what == "memory":
            out.stdout += self._limits()
        elif what == "References":
            out.stdout += ["TOKENS:"] + ["1        pfctl                %s  0 days 00:00:00" % token for token in pf.state["tokens"]]
        elif what == "all":
            self._show_all()

    def _anchors(self, path: str) -> list[str]:
        found = []
        for child in self.pf.children(path):
            found.append(child)
            if self.verbosity:
                found += self._anchors(child)
        return found

    def _info(self) -> list[str]:
        state = self.pf.state
        text = "Status: %s" % ("Enabled" if state["enabled"] else "Disabled")
        if state["since"]:
            seconds = max(0, int(time.time()) - state["since"])
            text += " for %d days %02d:%02d:%02d" % (seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60)
        level = {"openbsd": "err"}.get(self.host.flavour.name, "Urgent")
        lines = ["%-44s%15s" % (text, "Debug: " + str(state["options"].get("debug", level)).replace("urgent", "Urgent")), ""]
        lines.append("%-27s %14s %16s" % ("State Table", "Total", "Rate"))
        lines.append("  %-25s %14d %14s" % ("current entries", 0, ""))
        for name in ("searches", "inserts", "removals"):
            lines.append("  %-25s %14d %14.1f/s" % (name, 0, 0))
        lines.append("Counters")
        for name in (
            "match",
            "bad-offset",
            "fragment",
            "short",
            "normalize",
            "memory",
            "bad-timestamp",
            "congestion",
            "ip-option",
            "proto-cksum",
            "state-mismatch",
            "state-insert",
            "state-limit",
            "src-limit",
            "synproxy",
        ):
            lines.append("  %-25s %14d %14.1f/s" % (name, 0, 0))
        return lines

    def _table_names(self) -> list[str]:
        prefix = self.anchor + "/" if self.anchor else ""
        lines = []
        for key in sorted(self.pf.state["tables"]):
            path, _slash, name = key.rpartition("/")
            if path == prefix.rstrip("/") or (self.verbosity > 1 and not prefix):
                table = self.pf.state["tables"][key]
                marks = (("c", table["const"]), ("p", table["persist"]), ("a", True), ("-", True), ("r", self.pf.referenced(name)))
                flags = "".join(letter if on else "-" for letter, on in marks) + "--"
                lines.append("%s\t%s%s" % (flags, name, "\t" + path if path else "") if self.verbosity else name)
        return lines

    def _timeouts(self) -> list[str]:
        options = self.pf.state["options"]
        return [
            "%-20s %10d%s" % (name, options.get("timeout " + name, value), " states" if name.startswith("adaptive") else "s")
            for name, value in TIMEOUT_DEFAULTS.items()
        ]

    def _limits(self) -> list[str]:
        options = self.pf.state["options"]
        defaults = {"states": 100000, "src-nodes": 10000, "frags": 5000, "table-entries": 200000}
        return ["%-13s hard limit %8d" % (name, options.get("limit " + name, value)) for name, value in defaults.items()]

    def _show_all(self) -> None:
        parts = [
            ("TRANSLATION RULES:", self.pf.translation_lines(self.anchor, self.numeric, self.verbosity)),
            ("FILTER RULES:", self.pf.filter_lines(self.anchor, self.numeric, self.verbosity, self.recurse)),
            ("INFO:", self._info()),
            ("TIMEOUTS:", self._timeouts()),
            ("LIMITS:", self._limits()),
            ("TABLES:", self._table_names()),
        ]
        for title, lines in parts:
            if lines:
                self.out.stdout += ([""] if self.out.stdout else []) + [title] + lines

    # change

    def _flush(self, what: str) -> None:
        pf = self.pf
        if what in ("rules", "all"):
            pf.flush_rules(self.anchor, translation=False)
            self._say("rules cleared")
        if what in ("nat", "all") and self.host.flavour.name != "openbsd":
            pf.flush_rules(self.anchor, translation=True)
            self._say("nat cleared")
        if what in ("Tables", "all"):
            prefix = self.anchor
            gone = [key for key in pf.state["tables"] if key.rpartition("/")[0] == prefix]
            for key in gone:
                del pf.state["tables"][key]
            self._say("%d tables deleted." % len(gone))
        if what == "all" and not self.anchor:
            pf.state["options"].pop("skip", None)
        texts = {"states": "0 states cleared", "Sources": "source tracking entries cleared", "info": "pf: statistics cleared"}
        for word, text in texts.items():
            if what in (word, "all"):
                self._say(text)
        if what == "all":
            self._say("pf: interface flags reset")

    def _kill(self, words: list[str]) -> None:
        if words[0] in ("label", "id", "gateway") and len(words) < 2:
            self.out.fail("pfctl: no %s specified" % words[0])
            return
        if words[0] in ("label", "id"):
            self._say("killed 0 states")
        else:
            self._say("killed 0 states from 1 sources and %d destinations" % (1 if len(words) > 1 else 0))

    def _table(self, opts: dict, words: list[str]) -> None:
        options: dict = {"quiet": self.quiet, "dry": self.dry, "verbose": self.verbosity, "listed": []}
        if "-f" in opts:
            text = sys.stdin.read() if opts["-f"] == "-" else self.host.read_file(opts["-f"])
            if text is None:
                self.out.fail("pfctl: %s: No such file or directory" % opts["-f"])
                return
            options["listed"] = [word for line in text.splitlines() for word in line.split("#")[0].split()]
        result = pf_tables.run(self.pf, self.host.interfaces(), self.host.flavour, self.anchor, opts["-t"], opts["-T"], words, options)
        self.out.stdout += result.stdout
        self.out.stderr += result.stderr
        self.out.rc = result.rc

    def _load(self, filename: str) -> None:
        out = self.out
        text = sys.stdin.read() if filename == "-" else self.host.read_file(filename)
        if self.host.flavour.name == "macos" and not self.anchor and not self.dry:
            out.stderr += [
                "pfctl: Use of -f option, could result in flushing of rules",
                "present in the main ruleset added by the system at startup.",
                "See /etc/pf.conf for further details.",
                "",
            ]
        if text is None:
            out.stderr += [
                "pfctl: %s: No such file or directory" % filename,
                "pfctl: cannot open the main config file!: No such file or directory",
            ]
            out.rc = 1
            if not self.dry:
                out.stderr.append("pfctl: Syntax error in config file: pf rules not loaded")
            return
        parsed, messages = parse_with_loads(
            text,
            "stdin" if filename == "-" else filename,
            self.host.flavour,
            self.host.interfaces(),
            self.anchor,
            self.host.strict,
            self.host.read_file,
        )
        out.stderr += [line for ruleset in parsed for line in ruleset.stderr] + messages
        if self.verbosity:
            out.stdout += parsed[0].verbose
        if any(not ruleset.accepted for ruleset in parsed):
            out.rc = 1
            if not self.dry:
                wrong = "Syntax error in config file: pf rules not loaded" if not parsed[0].accepted and not messages else "load anchors"
                out.stderr.append("pfctl: " + wrong)
            return
        if self.verbosity:
            self._print_loaded(parsed)
        if not self.dry:
            self.pf.commit(parsed, self.anchor)

    def _print_loaded(self, parsed: list[Ruleset]) -> None:
        """What ``-v`` shows of a load: scrub, translation, filter rules; then each file of a ``load anchor`` line (announced on stderr)."""
        for index, ruleset in enumerate(parsed):
            path = self.anchor
            if index:
                path, filename = parsed[0].loads[index - 1]
                self.out.stderr += ["", "Loading anchor %s from %s" % (path, filename)]
                self.out.stdout += ruleset.verbose
            trial = PfKernel({"enabled": False, "since": 0, "rules": {}, "tables": {}, "options": {}, "tokens": []}, self.host.flavour)
            trial.commit([ruleset], path)
            inline = {rule.anchor for rules in ruleset.rules.values() for rule in rules if rule.anchor is not None and rule.inline}
            both = trial.filter_lines(path, self.numeric, 0, bodies=inline)
            scrubs = [line for line in both if line.startswith(("scrub", "no scrub"))]
            lines = scrubs + trial.translation_lines(path, self.numeric, 0) + [line for line in both if line not in scrubs]
            if self.host.flavour.shortens_anchors:
                # Before it is loaded, the call of anchor "a/b" is shown without what leads there.
                lines = [re.sub(r'anchor "[^"]*/([^"/]*)"', r'anchor "/\1"', line) for line in lines]
            self.out.stdout += lines


def main(host: Host, argv: list[str]) -> int:
    """Entry of the command."""
    return Pfctl(host, argv).run().emit()
