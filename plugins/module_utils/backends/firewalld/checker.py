# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld's own code says of files before they are loaded.

Touches the host: a copy of the configuration below /run, and one program, the Python that firewalld runs on. It calls what a reload calls
first; ``firewall-offline-cmd --check-config`` calls the same and takes twice as long to start, so it is asked where that has other names.
"""

from __future__ import annotations

import json
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from .names import CONFIG, NAME
from .objects import rich_texts
from .probe import python_of

STAGING = "/run/holdfast-firewalld-check"
#: Seconds for the check of many rules.
PATIENCE = 300.0
#: A reload takes about so many times what the check of the same files took (it checks, reads, builds the rules and hands them over), and
#: more than that the longer it takes: measured with 1 to 5,000 rules, and a tenth more. Programs have to start, too.
RELOADS, MORE, STARTS = 6.0, 4.5, 0.05
_MODE = 0o644

#: A rule that is refused would be left out of the file with no more than a warning. So it is looked which rules were read, and all others
#: are given to the parser once more, which says why.
_SCRIPT = """\
import json, sys, time
from firewall.core.rich import Rich_Rule
given = json.load(sys.stdin)
answer = {'checked': False, 'refused': [], 'took': None}
read = set()
def reader(name, folder):
    found = original(name, folder)
    if folder.startswith(given['config']):
        # From 2.3 on it keeps the rules, and no texts of them.
        read.update(getattr(found, 'rules_str', None) or [str(one) for one in getattr(found, 'rules', ())])
    return found
try:
    from firewall import config
    from firewall.core.fw import Firewall
    from firewall.core.io import functions
    config.set_system_config_paths(given['config'])
    firewall = Firewall(offline=True)
    check_on_disk_config = functions.check_on_disk_config
    original, functions.policy_reader = functions.policy_reader, reader
    answer['checked'] = True
except (ImportError, AttributeError, TypeError):
    pass
if answer['checked']:
    started = time.monotonic()
    try:
        check_on_disk_config(firewall)
    except Exception as exc:
        answer['refused'].append(str(exc))
    answer['took'] = time.monotonic() - started
for text in given['rules']:
    if text in read:
        continue
    try:
        rule = Rich_Rule(rule_str=text)
        rule.check()
    except Exception as exc:
        answer['refused'].append('%s: %s' % (text, exc))
print()
print(json.dumps(answer))
"""

Changes = t.Mapping[str, t.Optional[str]]


def check(host: Host, changes: Changes) -> t.Optional[float]:
    """Let firewalld's own checker read the configuration as it would be, in a copy.

    Returns how many seconds a reload takes, rather too many than too few, or None where that cannot be told.

    :raises HoldfastError: with what it said; nothing has been changed.
    """
    rules = [text for path, one in sorted(changes.items()) if one is not None and "/policies/" in path for text in rich_texts(path, one)]
    host.checked(["rm", "-rf", STAGING])
    try:
        host.checked(["cp", "-a", CONFIG, STAGING])
        for path, text in changes.items():
            staged = STAGING + path[len(CONFIG) :]
            host.remove(staged) if text is None else host.write(staged, text, _MODE)
        asked = json.dumps({"config": STAGING, "rules": rules})
        answer = host.run([python_of(host), "-E", "-s", "-c", _SCRIPT], stdin=asked, timeout=PATIENCE)
        told = _told(answer.out)
        said = answer.err.strip()
        if not answer.ok or told is None:
            raise _refused(said or answer.out.strip() or "it said nothing")
        if not told["checked"]:
            whole = host.run(["firewall-offline-cmd", "--system-config", STAGING, "--check-config"], timeout=PATIENCE)
            said = (whole.err + whole.out).strip()
            if not whole.ok:
                raise _refused(said)
        # An invalid rule is only a warning to it, and the file is then loaded without the rule.
        warned = [line for line in said.splitlines() if line.startswith(("WARNING", "ERROR")) and "holdfast-" in line]
        if told["refused"] or warned:
            raise _refused("; ".join([*told["refused"], *warned]))
    finally:
        host.run(["rm", "-rf", STAGING])
    return _reload_takes(float(told["took"])) if told["took"] is not None else None


def _reload_takes(took: float) -> float:
    return STARTS + RELOADS * took + MORE * took * took


def _told(text: str) -> t.Optional[t.Dict[str, t.Any]]:
    """Return the answer on the last line: firewalld's code may write lines of its own before it."""
    try:
        found = json.loads(text.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"checked", "refused", "took"} <= set(found) else None


def _refused(said: str) -> HoldfastError:
    return HoldfastError("The %s rules were refused by its own checker, nothing was changed: %s" % (NAME, said[:2000]))
