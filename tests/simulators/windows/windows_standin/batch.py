# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cmd.exe: command lines and scripts, as far as scripts for hosts without PowerShell go. What it does not know it refuses.

A line is expanded (``%NAME%``), then cut at ``&``, ``||`` and ``&&`` outside of quotes; an ``if`` takes all that follows it. A digit right
before ``>`` is the number of a stream when it stands alone. A script is read again for each line, so one that was removed ends so.
"""

import os
import re

from . import file_commands

#: Characters that a line may have, as a command and in a script, before and after its variables are put in.
LONGEST = 8191
#: Steps after which a script is taken for one that never ends.
STEPS = 5000


_WORD = r'"[^"]*"|\S+'
_IF = re.compile(
    r"if\s+(not\s+)?(exist\s+(?P<path>%s)|errorlevel\s+(?P<level>\d+)"
    r"|(?P<one>%s?)\s*(?P<how>==|\s(?:lss|leq|gtr|geq|equ|neq)\s)\s*(?P<other>%s))\s+(?P<rest>.*)$" % (_WORD, _WORD, _WORD),
    re.IGNORECASE,
)


class Exit(Exception):
    """The end of cmd.exe, or of a script."""

    def __init__(self, code, whole):
        super().__init__(code)
        self.code, self.whole = code, whole


class Shell:
    """One cmd.exe.

    :ivar run_program: called with a list of words, its standard input and the environment; returns code and output.
    """

    def __init__(self, store, run_program, variables=None):
        self.store, self.run_program = store, run_program
        self.variables = {name.upper(): value for name, value in (variables or {}).items()}
        self.level = 0
        self.said = []

    def command(self, line):
        """Run one line as ``cmd /c`` does; returns code and output."""
        line = line.strip()
        if line.startswith('"'):
            # But for the quoted name of a program, the first and the last quote go.
            line = line[1:].rpartition('"')[0] + line.rpartition('"')[2]
        try:
            self._line(_expanded(line, self.variables, None))
        except Exit as exc:
            self.level = exc.code
        return self.level, "".join(self.said)

    def script(self, path, arguments):
        """Run a script; an ``exit`` without ``/b`` in it goes on to the caller."""
        place, count = 0, 0
        while True:
            lines = self._lines(path)
            if place >= len(lines):
                return
            count += 1
            if count > STEPS:
                raise RuntimeError("%s does not end" % path)
            line = lines[place].strip()
            place += 1
            if not line or line.startswith(":") or line.lower().startswith("rem ") or line.lower() == "@echo off":
                continue
            try:
                label = self._line(_expanded(line, self.variables, [path, *arguments]))
            except Exit as exc:
                if exc.whole:
                    raise
                self.level = exc.code
                return
            if label is not None:
                labels = [one.strip().lower() for one in lines]
                if ":" + label not in labels:
                    self._say("The system cannot find the batch label specified - %s\n" % label)
                    self.level = 1
                    return
                place = labels.index(":" + label) + 1

    def _lines(self, path):
        try:
            with open(self.store.path(path), encoding="utf-8", newline="") as handle:
                text = handle.read()
        except OSError:
            self._say("The batch file cannot be found.\n")
            self.level = 1
            return []
        if "\n" in text.replace("\r\n", ""):
            raise RuntimeError("%s has lines that end as those of Unix; labels of such scripts are not found for certain" % path)
        return text.split("\r\n")

    def _say(self, text):
        self.said.append(text)

    # -- one line -------------------------------------------------------------------------------------------------------------

    def _line(self, line):
        """Run an expanded line; returns the label to go to, or None."""
        if len(line) > LONGEST:
            self._say("The command line is too long.\n")
            self.level = 1
            return None
        line = line.lstrip().lstrip("@").lstrip()
        condition = _IF.match(line)
        if condition is None and line.lower().startswith("if "):
            raise RuntimeError("this form of if is not known: %s" % line)
        if condition is not None:
            true = self._holds(condition)
            return self._line(condition["rest"]) if true != bool(condition[1]) else None
        for mark, goes_on in (("&", None), ("||", False), ("&&", True)):
            parts = _cut(line, mark)
            if len(parts) == 1:
                continue
            for number, part in enumerate(parts):
                if mark == "&" and part.strip().lower().startswith("if "):
                    return self._line("&".join(parts[number:]))
                label = self._line(part)
                if label is not None or (goes_on is not None and (self.level == 0) != goes_on):
                    return label
            return None
        return self._simple(line)

    def _holds(self, condition):
        if condition["path"] is not None:
            return os.path.exists(self.store.path(condition["path"].rstrip("\\")))
        if condition["level"] is not None:
            return self.level >= int(condition["level"])
        one, how, other = condition["one"], condition["how"].strip().lower(), condition["other"]
        if how == "==":
            return one == other
        first, second = int(one), int(other)
        return {"lss": first < second, "leq": first <= second, "gtr": first > second, "geq": first >= second, "equ": first == second,
                "neq": first != second}[how]  # fmt: skip

    def _simple(self, line):
        """Run one command with its redirections."""
        line, redirections = _redirections(line)
        words = [word.replace('"', "") for word in re.findall(r'(?:"[^"]*"|[^\s"])+', line)]
        if not words:
            return None
        name = words[0].lower()
        if name == "goto":
            return words[1].lstrip(":").lower()
        if name == "exit":
            rest = [one for one in words[1:] if one.lower() != "/b"]
            raise Exit(int(rest[0]) if rest else self.level, len(rest) == len(words) - 1)
        before, self.said = self.said, []
        try:
            code, wrong = self._run(name, words, line)
        finally:
            said, self.said = "".join(self.said), before
        if code is not None:
            self.level = code
        self._redirect(said, wrong, redirections)
        return None

    def _run(self, name, words, line):
        """Run a command; returns its code (None: unchanged) and what it said of errors."""
        rest = words[1:]
        if name in ("echo", "echo."):
            self._say(line.lstrip()[len("echo") :].lstrip(" ") + "\n")
            return None, ""
        if name in ("setlocal", "rem"):
            return None, ""
        if name == "set":
            return self._set(line.strip()[3:].strip())
        if name == "call":
            self.level = 0
            self.script(rest[0], rest[1:])
            return self.level, ""
        if name in file_commands.NAMES:
            code, said, wrong = file_commands.NAMES[name](self.store, rest)
            self._say(said)
            return code, wrong
        if name.endswith((".cmd", ".bat")):
            self.script(words[0], rest)
            return self.level, ""
        code, said = self.run_program(words, line, self.variables)
        if code != 0 and name.partition(".")[0] not in ("netsh", "reg", "sc"):
            return code, said
        self._say(said)
        return code, ""

    def _set(self, text):
        text = text.strip('"')
        if text.lower().startswith("/a"):
            name, number = re.match(r"(\w+)\s*\+=\s*(\d+)$", text[2:].strip()).groups()
            self.variables[name.upper()] = str(int(self.variables.get(name.upper(), "0")) + int(number))
            return 0, ""
        name, equals, value = text.partition("=")
        if equals:
            self.variables[name.upper()] = value
            return 0, ""
        found = ["%s=%s\n" % pair for pair in sorted(self.variables.items()) if pair[0].startswith(name.upper())]
        self._say("".join(found))
        return (0, "") if found else (1, "Environment variable %s not defined\n" % name)

    def _redirect(self, said, wrong, redirections):
        if redirections.get("2") == ("&1", False):
            said, wrong = said + wrong, ""
        for stream, text in (("1", said), ("2", wrong)):
            target = redirections.get(stream)
            if target is None or target[0] == "&1":
                self._say(text)
            elif target[0].lower() != "nul":
                try:
                    with open(self.store.path(target[0]), "a" if target[1] else "w", encoding="utf-8", newline="") as handle:
                        handle.write(text.replace("\n", "\r\n"))
                except OSError:
                    self._say("The system cannot find the path specified.\n")
                    self.level = 1


def _expanded(line, variables, arguments):
    def word(match):
        if match[1] is not None:
            number = int(match[1])
            return (arguments[number] if number < len(arguments) else "").strip('"') if arguments is not None else match[0]
        if match[2] == "":
            return "%"
        known = variables.get(match[2].upper())
        return known if known is not None else "" if arguments is not None else match[0]

    return re.sub(r"%~?(\d)|%(\w*)%", word, line)


def _cut(line, mark):
    """Cut a line at an operator outside of quotes; ``&`` alone is neither ``&&`` nor a part of ``>&``."""
    form = {"&": r"(?<![&>])&(?!&)", "||": r"\|\|", "&&": "&&"}[mark]
    parts, begin = [], 0
    for match in re.finditer(r'"[^"]*"|(%s)' % form, line):
        if match[1] is not None:
            parts.append(line[begin : match.start()])
            begin = match.end()
    return [*parts, line[begin:]]


def _redirections(line):
    found = {}

    def note(match):
        if match["mark"] is None:
            return match[0]
        target = match["target"].strip('"')
        stream = match["stream"] or ("0" if match["mark"] == "<" else "1")
        found[stream] = (target, match["mark"] == ">>")
        return ""

    form = r'"[^"]*"|(?:(?<=\s)|(?<=^))(?P<stream>[012])?(?P<mark>>>|>|<)\s*(?P<target>&1|"[^"]*"|\S+)|(?P<mark2>[<>])'
    kept = re.sub(form, note, line)
    if ">" in re.sub(r'"[^"]*"', "", kept):
        raise RuntimeError("write blanks in front of a redirection: %s" % line)
    return kept, found
