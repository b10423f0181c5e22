# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ufw loads into the kernel from its files, in the words in which iptables lists it.

Builds the text as ``ufw-init`` does (0.36), in one piece, and lets the host's own tools list it in a network namespace that is thrown away.
Changes nothing.
"""

from __future__ import annotations

import re
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from ..iptables.saved import SavedChain, parse_saved
from ..iptables.tools import TOOLS
from .files import AFTER, BEFORE, CHAINS, PREFIX, USER, Files

BUILTIN = {"in": "INPUT", "out": "OUTPUT", "forward": "FORWARD"}
#: The chains that a built-in chain leads to, in order; ufw keeps them when it stops.
PRIMARY = ("before-logging", "before", "after", "after-logging", "reject", "track")
_NOISY = "-p %s -m conntrack --ctstate NEW -j ACCEPT"

Chains = t.Dict[str, SavedChain]


def filter_part(text: str) -> t.List[str]:
    """Return the lines of a file that ufw loads into the filter table."""
    found: t.List[str] = []
    table = ""
    for line in text.split("\n"):
        word = line.strip()
        if word.startswith("*"):
            table = word
        elif word and not word.startswith("#") and word != "COMMIT" and table == "*filter":
            found.append(word)
    return found


def other_parts(text: str) -> str:
    """Return the parts of a file that ufw loads into other tables."""
    found: t.List[str] = []
    other = False
    for line in text.split("\n"):
        if line.startswith("*"):
            other = line.split()[0] != "*filter"
        if other:
            found.append(line + "\n")
    return "".join(found)


def refuse_broken(path: str, text: str) -> None:
    """Refuse a file whose tables are not whole: ufw would load nothing of it, and its own message names no file that people know.

    :raises HoldfastError: with the line.
    """
    table, begun, trouble = "", 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        word = line.strip()
        if not line or line.startswith("#"):
            continue
        trouble = _trouble(line, word)
        if trouble:
            trouble = "line %d: %r %s" % (number, line[:60], trouble)
            table = ""
            break
        if word.startswith("*"):
            if table:
                break
            table, begun = word, number
        elif not table:
            trouble = "line %d: %r stands in no table" % (number, word[:60])
            break
        elif word == "COMMIT":
            table = ""
    if table:
        trouble = "line %d: the table %s is not ended by a line COMMIT" % (begun, table)
    if trouble:
        raise HoldfastError(
            "%s, %s, so ufw cannot load the file and nothing was changed. Mend it (the file that ufw came with is below /usr/share/ufw), "
            "then run this again" % (path, trouble)
        )


def _trouble(line: str, word: str) -> str:
    """Return what is wrong with the form of a line, which iptables-restore takes as it stands (seen with 1.8.9)."""
    if line.endswith("\r"):
        return "ends as lines of Windows do (with a carriage return)"
    if not word:
        return "is not empty, but has blanks only"
    if line[0].isspace() and (word == "COMMIT" or word[0] in "#*:"):
        return "begins with a blank"
    return "has a blank behind COMMIT" if word == "COMMIT" and line != "COMMIT" else ""


def loaded_text(files: Files, family: int) -> str:
    """Return the input of iptables-restore by which an enabled ufw fills an empty filter table."""
    start = PREFIX[family] + "-"
    declared: t.List[str] = []
    rules: t.List[str] = []
    for direction in ("in", "out", "forward"):
        builtin, word = BUILTIN[direction], CHAINS[direction]
        declared += ["%s%s-%s" % (start, name, word) for name in PRIMARY]
        rules += ["-A %s -j %s%s-%s" % (builtin, start, name, word) for name in PRIMARY]
        default = files.default(direction)
        if default == "REJECT":
            rules.append("-A %sreject-%s -j REJECT" % (start, word))
        elif default == "ACCEPT":
            rules += ["-A %strack-%s %s" % (start, word, _NOISY % protocol) for protocol in ("tcp", "udp")]
        declared.append("%sskip-to-policy-%s" % (start, word))
        rules.append("-A %sskip-to-policy-%s -j %s" % (start, word, default))
        declared += ["%suser-%s" % (start, word), "%suser-logging-%s" % (start, word)]
    declared += [start + name for name in ("logging-deny", "logging-allow", "user-limit", "user-limit-accept")]
    for path in (BEFORE[family], AFTER[family], USER[family]):
        refuse_broken(path, files.text(path))
        for line in filter_part(files.text(path)):
            if line.startswith(":"):
                declared.append(line[1:].split()[0])
            else:
                rules.append(line)
    rules += ["-A %sbefore-%s -j %suser-%s" % (start, word, start, word) for word in CHAINS.values()]
    policies = [":%s %s [0:0]" % (BUILTIN[one], policy(files, one)) for one in BUILTIN]
    chains = [":%s - [0:0]" % name for name in dict.fromkeys(declared) if name not in BUILTIN.values()]
    return "\n".join(["*filter", *policies, *chains, *rules, "COMMIT"]) + "\n"


def policy(files: Files, direction: str) -> str:
    """Return the policy that ufw gives the built-in chain of a direction."""
    return "ACCEPT" if files.default(direction) == "ACCEPT" else "DROP"


def loaded(host: Host, files: Files, family: int) -> Chains:
    """Return the filter table as an enabled ufw makes it of its files.

    :raises HoldfastError: when iptables refuses a line of them, or no namespace can be made.
    """
    tool = TOOLS[family]
    listed = _tried(host, files, family, loaded_text(files, family), "%s-restore -w 5 && %s-save" % (tool, tool))
    others = "".join(other_parts(files.text(path)) for path in (BEFORE[family], AFTER[family]))
    if others:  # what it makes of them is not asked; a line of them that is refused would keep ufw from starting
        _tried(host, files, family, others, "%s-restore -n -w 5" % tool)
    return parse_saved(listed).tables.get("filter", {})


def _tried(host: Host, files: Files, family: int, text: str, script: str) -> str:
    """Return the output of a script that loads a text in a network namespace of its own.

    :raises HoldfastError: when it fails.
    """
    sets = _sets(host, text)
    if sets:  # the first bytes of the input; dd leaves the rest to the next program
        script = "dd bs=1 count=%d 2>/dev/null | ipset restore && %s" % (len(sets.encode()), script)
    answer = host.run(["unshare", "--net", "sh", "-c", script], sets + text)
    if not answer.ok:
        said = " ".join((answer.err or answer.out).split())[:1000]
        if answer.rc == 127 or answer.err.startswith("unshare:"):
            raise HoldfastError("ufw's files are checked in a network namespace, and none can be made on this host: %s" % said)
        raise HoldfastError(
            "iptables refuses a line of ufw's files, so nothing was changed: %s%s" % (_refused(files, family, text, said), said)
        )
    return answer.out


def _refused(files: Files, family: int, text: str, said: str) -> str:
    """Return the line that iptables complains of, with its file: the number that it names is that of our text."""
    found = re.search(r"\bline:? (\d+)", said)
    lines = text.split("\n")
    line = lines[int(found.group(1)) - 1] if found is not None and 0 < int(found.group(1)) <= len(lines) else ""
    for path in (BEFORE[family], AFTER[family], USER[family]):
        if line and line in [*filter_part(files.text(path)), *other_parts(files.text(path)).split("\n")]:
            return "%s has %r. It says: " % (path, line[:200])
    return ""


def _sets(host: Host, text: str) -> str:
    """Return the definitions of the kernel sets that lines of the administrator name, without members: a line cannot name one else."""
    found = []
    for name in sorted(set(re.findall(r"--match-set (\S+)", text))):
        saved = host.run(["ipset", "save", name]).out
        found += [line + "\n" for line in saved.splitlines() if line.startswith("create ")]
    return "".join(found)
